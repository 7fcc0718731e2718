//! Whether a turn may run at all: ranges of its parameters and its size against the model.
//!
//! The gateway checks what it can; an engine trusts nobody, because a value out of range (NaN included) would
//! only show as a strange answer.

use std::collections::BTreeSet;

use crate::backend::BackendShape;
use crate::vision::Shown;
use pomona_protocol::limits::{
    FORMAT_BYTES_MAX, LOGIT_BIAS_MAX, STOP_STRING_BYTES_MAX, STOP_STRINGS_MAX, TOOL_NAME_BYTES_MAX,
    TOOLS_BYTES_MAX, TOOLS_MAX, TOP_LOGPROBS_MAX,
};
use pomona_protocol::{AnswerForm, Cause, OutputFormat, Sampling, Tool, ToolChoice};

/// Refuses sampling parameters out of range, naming the parameter, the value and the range.
pub fn check_sampling(sampling: &Sampling, vocabulary: usize) -> Result<(), Cause> {
    let within = |parameter: &str, value: Option<f32>, ok: fn(f32) -> bool, range: &str| match value {
        Some(value) if !ok(value) => Err(invalid(parameter, format!("{value} is not {range}"))),
        _ => Ok(()),
    };
    within("temperature", sampling.temperature, |v| (0.0..=2.0).contains(&v), "in 0 to 2")?;
    within("top_p", sampling.top_p, |v| v > 0.0 && v <= 1.0, "above 0 and at most 1")?;
    within("min_p", sampling.min_p, |v| (0.0..=1.0).contains(&v), "in 0 to 1")?;
    let repetition_penalty = sampling.repetition_penalty;
    within("repetition_penalty", repetition_penalty, |v| v > 0.0 && v.is_finite(), "above 0 and finite")?;
    let penalty = |v: f32| (-2.0..=2.0).contains(&v);
    within("presence_penalty", Some(sampling.presence_penalty), penalty, "in -2 to 2")?;
    within("frequency_penalty", Some(sampling.frequency_penalty), penalty, "in -2 to 2")?;
    check_logit_bias(sampling, vocabulary)?;
    if let Some(top) = sampling.logprobs.filter(|top| *top > TOP_LOGPROBS_MAX) {
        return Err(invalid("logprobs", format!("{top} is not in 0 to {TOP_LOGPROBS_MAX}")));
    }
    if sampling.max_tokens == Some(0) {
        return Err(invalid("max_tokens", "0 is not at least 1".to_owned()));
    }
    check_stop(&sampling.stop)
}

/// Refuses a form of the answer that is too large or makes no sense, before anything is built of it.
pub fn check_form(form: &AnswerForm) -> Result<(), Cause> {
    check_tools(&form.tools)?;
    match &form.tool_choice {
        ToolChoice::Required if form.tools.is_empty() => {
            return Err(invalid("tool_choice", "`required` needs at least one tool".to_owned()));
        }
        ToolChoice::Named(name) if form.tools.iter().all(|tool| tool.name != *name) => {
            let known: Vec<&str> = form.tools.iter().map(|tool| tool.name.as_str()).collect();
            let shown: String = name.chars().take(TOOL_NAME_BYTES_MAX).collect();
            return Err(invalid(
                "tool_choice",
                format!("`{shown}` is none of the tools: {}", known.join(", ")),
            ));
        }
        _ => {}
    }
    let format_bytes = match &form.format {
        OutputFormat::Text | OutputFormat::Json => 0,
        OutputFormat::JsonSchema(text) | OutputFormat::Regex(text) | OutputFormat::Grammar(text) => {
            text.len()
        }
    };
    if format_bytes > FORMAT_BYTES_MAX {
        return Err(invalid(
            "response_format",
            format!("{format_bytes} bytes are not in 0 to {FORMAT_BYTES_MAX}"),
        ));
    }
    Ok(())
}

fn check_tools(tools: &[Tool]) -> Result<(), Cause> {
    if tools.len() > TOOLS_MAX {
        return Err(invalid("tools", format!("{} tools are not in 0 to {TOOLS_MAX}", tools.len())));
    }
    let mut names = BTreeSet::new();
    let mut bytes = 0;
    for tool in tools {
        let Tool { name, description, parameters, .. } = tool;
        bytes += name.len()
            + description.as_ref().map_or(0, String::len)
            + parameters.as_ref().map_or(0, String::len);
        if !crate::channels::is_tool_name(name) {
            let shown: String = name.chars().take(TOOL_NAME_BYTES_MAX).collect();
            let allowed = format!("1 to {TOOL_NAME_BYTES_MAX} letters, digits, `_`, `-` and `.`");
            return Err(invalid("tools", format!("the name `{shown}` is not {allowed}")));
        }
        if !names.insert(name) {
            return Err(invalid("tools", format!("`{name}` comes twice")));
        }
        let schema = parameters.as_deref().map(serde_json::from_str::<serde_json::Value>);
        match schema {
            None | Some(Ok(serde_json::Value::Object(_))) => {}
            Some(Ok(_)) => {
                return Err(invalid("tools", format!("the parameters of `{name}` are no JSON object")));
            }
            Some(Err(error)) => {
                return Err(invalid("tools", format!("the parameters of `{name}` are no JSON: {error}")));
            }
        }
    }
    if bytes > TOOLS_BYTES_MAX {
        return Err(invalid("tools", format!("{bytes} bytes are not in 0 to {TOOLS_BYTES_MAX}")));
    }
    Ok(())
}

/// Refuses a prompt with ids that are neither tokens of the model nor places of its pictures.
pub fn check_prompt(ids: &[u32], pictures: &[Shown], shape: BackendShape) -> Result<(), Cause> {
    let places = shape.vision.map_or(0, |vision| vision.places);
    if !pictures.is_empty() && places == 0 {
        return Err(invalid("messages", "this model takes no pictures; leave them out".to_owned()));
    }
    let mut from = 0;
    for picture in pictures {
        let (start, end) = (picture.position, picture.position + places);
        let Some(between) = ids.get(from..start).filter(|_| end <= ids.len()) else {
            return Err(invalid("messages", format!("a picture at {start} of {} tokens", ids.len())));
        };
        check_tokens("prompt", between, shape.vocabulary)?;
        from = end;
    }
    check_tokens("prompt", &ids[from..], shape.vocabulary)
}

/// Refuses token ids that the model does not have.
pub fn check_tokens(parameter: &str, ids: &[u32], vocabulary: usize) -> Result<(), Cause> {
    match ids.iter().find(|id| **id as usize >= vocabulary) {
        Some(id) => {
            Err(invalid(parameter, format!("token id {id} is not below the vocabulary's {vocabulary}")))
        }
        None => Ok(()),
    }
}

/// Refuses a prompt that is empty or leaves no room; returns how many tokens the answer may have in all,
/// resumed ones included.
pub fn answer_tokens_max(
    prompt_tokens: usize,
    resumed_tokens: usize,
    context_tokens: usize,
    max_tokens: Option<u32>,
) -> Result<usize, Cause> {
    if prompt_tokens == 0 {
        return Err(invalid("prompt", "0 tokens are not at least 1".to_owned()));
    }
    // An answer that has filled the context exactly may still be resumed: it ends at once.
    if prompt_tokens >= context_tokens || prompt_tokens + resumed_tokens > context_tokens {
        return Err(Cause::ContextExceeded {
            prompt_tokens: (prompt_tokens + resumed_tokens) as u32,
            context_tokens: context_tokens as u32,
        });
    }
    let room = context_tokens - prompt_tokens;
    Ok(max_tokens.map_or(room, |most| room.min(most as usize)))
}

fn check_logit_bias(sampling: &Sampling, vocabulary: usize) -> Result<(), Cause> {
    let entries = sampling.logit_bias.len();
    if entries > LOGIT_BIAS_MAX {
        return Err(invalid("logit_bias", format!("{entries} entries are not in 0 to {LOGIT_BIAS_MAX}")));
    }
    for (id, bias) in &sampling.logit_bias {
        check_tokens("logit_bias", &[*id], vocabulary)?;
        if !(-100.0..=100.0).contains(bias) {
            return Err(invalid("logit_bias", format!("{bias} for token id {id} is not in -100 to 100")));
        }
    }
    Ok(())
}

fn check_stop(stop: &[String]) -> Result<(), Cause> {
    if stop.len() > STOP_STRINGS_MAX {
        return Err(invalid("stop", format!("{} texts are not in 0 to {STOP_STRINGS_MAX}", stop.len())));
    }
    match stop.iter().map(String::len).find(|bytes| !(1..=STOP_STRING_BYTES_MAX).contains(bytes)) {
        Some(bytes) => {
            Err(invalid("stop", format!("a text of {bytes} bytes is not in 1 to {STOP_STRING_BYTES_MAX}")))
        }
        None => Ok(()),
    }
}

/// The refusal of a parameter.
pub(crate) fn invalid(parameter: &str, message: String) -> Cause {
    Cause::InvalidRequest { parameter: parameter.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Sampling), expected: &str) {
        let mut sampling = Sampling::default();
        change(&mut sampling);
        let said =
            check_sampling(&sampling, 100).map_or_else(|cause| cause.to_string(), |()| "fine".to_owned());
        assert_eq!(said, expected);
    }

    #[test]
    fn a_parameter_out_of_range_is_named_with_value_and_range() {
        check(|_| (), "fine");
        check(|s| s.temperature = Some(2.5), "temperature: 2.5 is not in 0 to 2");
        check(|s| s.temperature = Some(f32::NAN), "temperature: NaN is not in 0 to 2");
        check(|s| s.top_p = Some(0.0), "top_p: 0 is not above 0 and at most 1");
        check(|s| s.min_p = Some(-0.5), "min_p: -0.5 is not in 0 to 1");
        check(
            |s| s.repetition_penalty = Some(f32::INFINITY),
            "repetition_penalty: inf is not above 0 and finite",
        );
        check(|s| s.presence_penalty = 3.0, "presence_penalty: 3 is not in -2 to 2");
        check(|s| s.frequency_penalty = f32::NAN, "frequency_penalty: NaN is not in -2 to 2");
        check(|s| s.logprobs = Some(21), "logprobs: 21 is not in 0 to 20");
        check(|s| s.max_tokens = Some(0), "max_tokens: 0 is not at least 1");
        check(|s| s.stop = vec![String::new()], "stop: a text of 0 bytes is not in 1 to 256");
        check(|s| s.stop = vec!["x".to_owned(); 17], "stop: 17 texts are not in 0 to 16");
        check(
            |s| _ = s.logit_bias.insert(100, 1.0),
            "logit_bias: token id 100 is not below the vocabulary's 100",
        );
        check(
            |s| _ = s.logit_bias.insert(9, f32::NAN),
            "logit_bias: NaN for token id 9 is not in -100 to 100",
        );
    }

    #[test]
    fn an_answer_gets_what_its_request_and_the_context_allow() {
        assert_eq!(answer_tokens_max(10, 0, 16, None), Ok(6));
        assert_eq!(answer_tokens_max(10, 0, 16, Some(4)), Ok(4));
        assert_eq!(answer_tokens_max(10, 6, 16, Some(40)), Ok(6));
        assert!(matches!(answer_tokens_max(16, 0, 16, None), Err(Cause::ContextExceeded { .. })));
        assert!(matches!(answer_tokens_max(10, 7, 16, None), Err(Cause::ContextExceeded { .. })));
        assert!(matches!(answer_tokens_max(0, 0, 16, None), Err(Cause::InvalidRequest { .. })));
    }
}
