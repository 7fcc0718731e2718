//! How a model marks what it thinks and which tools it calls: facts, from its chat template and its tokenizer.

use crate::tokenizer::Tokenizer;

/// How the answers of a model are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerFormat {
    /// Marks around thoughts and calls, plain text elsewhere.
    Tagged {
        /// Around thoughts; none when the model does not think aloud.
        thoughts: Option<Tags>,
        /// How tools are called.
        calls: CallStyle,
    },
    /// Messages with a channel each, told apart by special tokens (gpt-oss).
    Harmony,
}

/// A pair of marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tags {
    /// Begins it.
    pub open: &'static str,
    /// Ends it.
    pub close: &'static str,
}

/// How tools are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStyle {
    /// `<tool_call>{"name": .., "arguments": ..}</tool_call>`.
    Hermes,
    /// `<tool_call><function=..><parameter=..>..</parameter></function></tool_call>`.
    Xml,
    /// `[TOOL_CALLS][{"name": .., "arguments": ..}]`.
    MistralList,
    /// `[TOOL_CALLS]name[ARGS]{..}`.
    MistralNamed,
    /// `<|tool_call|>[{"name": .., "arguments": ..}]<|/tool_call|>`.
    PhiList,
    /// `{"name": .., "parameters": ..}`, nothing around it.
    Bare,
}

/// Marks around thoughts in published models.
const THOUGHTS: [Tags; 5] = [
    Tags { open: "<think>", close: "</think>" },
    Tags { open: "[THINK]", close: "[/THINK]" },
    Tags { open: "<seed:think>", close: "</seed:think>" },
    Tags { open: "<|START_THINKING|>", close: "<|END_THINKING|>" },
    Tags { open: "◁think▷", close: "◁/think▷" },
];

/// Special tokens that only the channels of gpt-oss have together.
const HARMONY: [&str; 3] = ["<|start|>", "<|channel|>", "<|message|>"];

pub(super) const PYTHON_TAG: &str = "<|python_tag|>";

impl CallStyle {
    /// The mark that begins a call; none when nothing does.
    pub fn open(self) -> Option<&'static str> {
        match self {
            CallStyle::Hermes | CallStyle::Xml => Some("<tool_call>"),
            CallStyle::MistralList | CallStyle::MistralNamed => Some("[TOOL_CALLS]"),
            CallStyle::PhiList => Some("<|tool_call|>"),
            CallStyle::Bare => None,
        }
    }

    /// The mark that ends a call.
    pub fn close(self) -> Option<&'static str> {
        match self {
            CallStyle::Hermes | CallStyle::Xml => Some("</tool_call>"),
            CallStyle::PhiList => Some("<|/tool_call|>"),
            CallStyle::MistralList | CallStyle::MistralNamed | CallStyle::Bare => None,
        }
    }

    /// The key of the arguments beside `name`.
    pub fn arguments_key(self) -> &'static str {
        if self == CallStyle::Bare { "parameters" } else { "arguments" }
    }
}

impl AnswerFormat {
    /// Reads it off the source of the chat template, where there is one, and the vocabulary.
    pub fn detect(template: Option<&str>, tokenizer: &Tokenizer) -> Self {
        Self::from_facts(template.unwrap_or_default(), |token| tokenizer.id_of(token).is_some())
    }

    /// Whether a prompt that ends like this has begun a thought.
    pub fn begins_thought(&self, prompt: &str) -> bool {
        match self {
            AnswerFormat::Tagged { thoughts: Some(tags), .. } => prompt.trim_end().ends_with(tags.open),
            _ => false,
        }
    }

    fn from_facts(template: &str, is_token: impl Fn(&str) -> bool) -> Self {
        if HARMONY.iter().all(|token| is_token(token)) {
            return AnswerFormat::Harmony;
        }
        let thoughts = THOUGHTS.into_iter().find(|tags| template.contains(tags.close));
        AnswerFormat::Tagged { thoughts, calls: call_style(template, is_token) }
    }
}

/// What the template says counts before what the vocabulary knows: vocabularies are shared between models.
fn call_style(template: &str, is_token: impl Fn(&str) -> bool) -> CallStyle {
    let says = |text: &str| template.contains(text);
    if says("<tool_call>") {
        return if says("<function=") { CallStyle::Xml } else { CallStyle::Hermes };
    }
    if says("[TOOL_CALLS]") {
        return if says("[ARGS]") { CallStyle::MistralNamed } else { CallStyle::MistralList };
    }
    if says("<|tool_call|>") || (is_token("<|tool_call|>") && !says("\"parameters\"")) {
        return CallStyle::PhiList;
    }
    CallStyle::Bare
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, tokens: &[&str], expected: AnswerFormat) {
        assert_eq!(
            AnswerFormat::from_facts(template, |token| tokens.contains(&token)),
            expected,
            "{template}"
        );
    }

    #[test]
    fn the_form_of_answers_follows_from_template_and_vocabulary() {
        let think = Some(Tags { open: "<think>", close: "</think>" });
        let tagged = |thoughts, calls| AnswerFormat::Tagged { thoughts, calls };
        check("{{ messages }}", &[], tagged(None, CallStyle::Bare));
        check("<tool_call> .. split('</think>')", &["<think>"], tagged(think, CallStyle::Hermes));
        check("<tool_call>\n<function=", &[], tagged(None, CallStyle::Xml));
        check("[TOOL_CALLS] [", &["[TOOL_CALLS]"], tagged(None, CallStyle::MistralList));
        check("[TOOL_CALLS]' + name + '[ARGS]", &[], tagged(None, CallStyle::MistralNamed));
        check("<|tool|>", &["<|tool_call|>"], tagged(None, CallStyle::PhiList));
        check("'\"parameters\": '", &[PYTHON_TAG], tagged(None, CallStyle::Bare));
        check("anything", &HARMONY, AnswerFormat::Harmony);
    }
}
