//! Calls as Mistral writes them behind `[TOOL_CALLS]`: a list of JSON, or `name[ARGS]{..}` with the call's own id
//! between the two at times.

use super::arguments::{Letter, Scan};
use super::json_calls::JsonCalls;
use super::{Heard, Pieces, is_tool_name};

const ARGS: &str = "[ARGS]";
const CALL_ID: &str = "[CALL_ID]";
/// Letters of a name, an id and their marks; more is no call.
const HEAD_BYTES_MAX: usize = 256;

/// Reads what stands behind the mark.
#[derive(Clone, Debug)]
pub(super) enum NamedCalls {
    /// The mark, and what may be the name of a tool.
    Head {
        opened: String,
        head: String,
        calls: u32,
    },
    Arguments {
        scan: Scan,
        calls: u32,
    },
    Over {
        calls: u32,
    },
    Json(JsonCalls),
}

impl NamedCalls {
    pub(super) fn new(opened: String, calls: u32) -> Self {
        NamedCalls::Head { opened, head: String::new(), calls }
    }

    pub(super) fn calls(&self) -> u32 {
        match self {
            NamedCalls::Head { calls, .. }
            | NamedCalls::Arguments { calls, .. }
            | NamedCalls::Over { calls } => *calls,
            NamedCalls::Json(json) => json.calls(),
        }
    }

    pub(super) fn complete(&self) -> u32 {
        match self {
            NamedCalls::Head { calls, .. } | NamedCalls::Over { calls } => *calls,
            NamedCalls::Arguments { calls, .. } => calls - 1,
            NamedCalls::Json(json) => json.complete(),
        }
    }

    pub(super) fn letter(
        &mut self,
        letter: char,
        is_known: &dyn Fn(&str) -> bool,
        out: &mut Pieces,
    ) -> Heard {
        match self {
            NamedCalls::Json(json) => json.letter(letter, is_known, out),
            NamedCalls::Over { .. } => Heard::Over(letter.to_string()),
            NamedCalls::Arguments { scan, calls } => match scan.letter(letter) {
                Letter::Foreign => {
                    *self = NamedCalls::Over { calls: *calls };
                    Heard::Over(letter.to_string())
                }
                said => {
                    out.arguments(*calls - 1, letter.encode_utf8(&mut [0; 4]));
                    if said == Letter::Last {
                        *self = NamedCalls::Over { calls: *calls };
                    }
                    Heard::On
                }
            },
            NamedCalls::Head { opened, head, calls } => {
                if head.trim_ascii_start().is_empty() && matches!(letter, '{' | '[') {
                    let opened = std::mem::take(opened) + head;
                    *self = NamedCalls::Json(JsonCalls::new(opened, None, *calls));
                    return self.letter(letter, is_known, out);
                }
                if letter == '{' {
                    return self.arguments(letter, is_known, out);
                }
                head.push(letter);
                if is_head(head) {
                    return Heard::On;
                }
                head.pop();
                Heard::Broken(std::mem::take(opened) + head, letter.to_string())
            }
        }
    }

    /// The answer ends here; what was held back.
    pub(super) fn end(self) -> String {
        match self {
            NamedCalls::Head { opened, head, .. } => opened + &head,
            NamedCalls::Json(json) => json.end(),
            NamedCalls::Arguments { .. } | NamedCalls::Over { .. } => String::new(),
        }
    }

    fn arguments(&mut self, letter: char, is_known: &dyn Fn(&str) -> bool, out: &mut Pieces) -> Heard {
        let NamedCalls::Head { opened, head, calls } = self else { return Heard::Over(letter.to_string()) };
        let name = head.strip_suffix(ARGS).unwrap_or(head);
        let name = name.split(CALL_ID).next().unwrap_or_default().trim_ascii();
        if !is_tool_name(name) || !is_known(name) {
            return Heard::Broken(std::mem::take(opened) + head, letter.to_string());
        }
        out.call(*calls, name);
        *self = NamedCalls::Arguments { scan: Scan::default(), calls: *calls + 1 };
        self.letter(letter, is_known, out)
    }
}

/// Whether this may still be the head of a call.
fn is_head(head: &str) -> bool {
    let letter = |letter: char| {
        letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.' | '[' | ']' | ' ' | '\n')
    };
    head.len() <= HEAD_BYTES_MAX && head.chars().all(letter)
}
