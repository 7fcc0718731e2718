//! Calls of tools in a conversation, and what answers them.

use std::collections::BTreeSet;

use pomona_protocol::{Message, Part};

use crate::errors::ApiError;
use crate::form::shown;

/// Longest name of a call, in bytes.
const CALL_ID_BYTES_MAX: usize = 128;

/// Each answer of a tool has its call before it. `is_whole` says that the conversation begins here: the calls of a stored
/// one may stand in what came before.
pub(crate) fn check_answers(param: &str, messages: &[Message], is_whole: bool) -> Result<(), ApiError> {
    let mut calls = BTreeSet::new();
    for (at, message) in messages.iter().enumerate() {
        for part in &message.parts {
            match part {
                Part::Call(call) => {
                    check_id(param, at, &call.id)?;
                    calls.insert(call.id.as_str());
                }
                Part::Answers(id) => {
                    check_id(param, at, id)?;
                    if is_whole && !calls.contains(id.as_str()) {
                        let id = shown(id);
                        let message =
                            format!("{param}[{at}] answers the call `{id}`, which nobody made before it");
                        return Err(ApiError::invalid(format!("{param}[{at}]"), message));
                    }
                }
                Part::Text(_) | Part::Image(_) | Part::Reasoning(_) => {}
            }
        }
    }
    Ok(())
}

fn check_id(param: &str, at: usize, id: &str) -> Result<(), ApiError> {
    if id.is_empty() || id.len() > CALL_ID_BYTES_MAX || id.chars().any(char::is_control) {
        let bytes = id.len();
        let message = format!(
            "{param}[{at}] has a call id of {bytes} bytes; allowed are 1 to {CALL_ID_BYTES_MAX} printable ones"
        );
        return Err(ApiError::invalid(format!("{param}[{at}]"), message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use pomona_protocol::{Role, ToolCall};

    use super::*;

    #[test]
    fn a_result_needs_its_call() {
        let call = |id: &str| Message {
            role: Role::Assistant,
            parts: vec![Part::Call(ToolCall {
                id: id.to_owned(),
                name: "f".to_owned(),
                arguments: "{}".to_owned(),
            })],
        };
        let result = |id: &str| Message { role: Role::Tool, parts: vec![Part::Answers(id.to_owned())] };
        assert!(check_answers("m", &[call("a"), result("a"), result("a")], true).is_ok());
        let error = check_answers("m", &[call("a"), result("b")], true).unwrap_err();
        assert!(error.message().contains("m[1] answers the call `b`"), "{}", error.message());
        assert!(check_answers("m", &[result("a"), call("a")], true).is_err());
        assert!(check_answers("m", &[result("b")], false).is_ok());
        for odd in ["", "a\n", &"x".repeat(129)] {
            assert!(check_answers("m", &[call(odd)], false).is_err());
            assert!(check_answers("m", &[result(odd)], false).is_err());
        }
    }
}
