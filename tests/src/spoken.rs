//! What the test engine says besides text: thoughts, calls of tools, vectors. As with its text, everybody can know what
//! comes: token `index` of an answer depends on its seed and its plan alone.

use pomona_protocol::said::join_marks;
use pomona_protocol::{AnswerForm, Mark, Said, ToolChoice, TurnInput};

use crate::script::{Script, token_id, token_text};

/// Tokens that a request for thoughts gets when its words name no number.
const THOUGHTS: u32 = 3;
/// Tokens of one call: its arguments in two pieces.
const CALL_TOKENS: u32 = 2;
/// Numbers of a vector when nobody asks for fewer.
const DIMENSIONS: u32 = 8;

/// What an answer consists of: thoughts, then text, then calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    thoughts: u32,
    /// Thoughts and text.
    tokens: u32,
    calls: Vec<String>,
}

impl Plan {
    /// `thinks=N` and `calls=f,g` among the words of the script, else what the request must have.
    pub fn new(script: &Script, form: &AnswerForm) -> Self {
        let asked = if form.thinking == Some(true) { THOUGHTS } else { 0 };
        let thoughts = script.thinks.unwrap_or(asked).min(script.tokens);
        let must_call = match &form.tool_choice {
            ToolChoice::Named(name) => Some(name.clone()),
            ToolChoice::Required => form.tools.first().map(|tool| tool.name.clone()),
            ToolChoice::Auto | ToolChoice::None => None,
        };
        let calls =
            if script.calls.is_empty() { must_call.into_iter().collect() } else { script.calls.clone() };
        Self { thoughts, tokens: script.tokens, calls }
    }

    /// Tokens of the whole answer.
    pub fn len(&self) -> u32 {
        self.tokens + self.calls.len() as u32 * CALL_TOKENS
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it ends with calls.
    pub fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Text and marks of these tokens.
    pub fn say(&self, seed: u64, first: u32, next: u32) -> (String, Vec<Mark>) {
        let (mut text, mut marks) = (String::new(), Vec::new());
        for index in first..next {
            let (kind, piece) = self.piece(seed, index);
            let told = if kind == Said::Text { Vec::new() } else { vec![Mark { at: 0, kind }] };
            join_marks(&mut marks, text.len() as u32, &told);
            text.push_str(&piece);
        }
        (text, marks)
    }

    fn piece(&self, seed: u64, index: u32) -> (Said, String) {
        let word = || token_text(token_id(seed, index));
        let Some(behind) = index.checked_sub(self.tokens) else {
            let kind = if index < self.thoughts { Said::Reasoning } else { Said::Text };
            return (kind, word());
        };
        let call = behind / CALL_TOKENS;
        match behind % CALL_TOKENS {
            0 => {
                let name = self.calls.get(call as usize).cloned();
                (Said::Call { index: call, name }, "{\"seed\": ".to_owned())
            }
            _ => (Said::Call { index: call, name: None }, format!("{seed}}}")),
        }
    }
}

/// The vector of a text: how often each residue of its bytes stands in it.
pub fn embedding(input: &TurnInput, dimensions: Option<u32>) -> Vec<f32> {
    let dimensions = dimensions.unwrap_or(DIMENSIONS).clamp(1, DIMENSIONS);
    let mut vector = vec![0.0; dimensions as usize];
    let mut count = |number: u32| vector[(number % dimensions) as usize] += 1.0;
    match input {
        TurnInput::Text(text) => text.bytes().for_each(|byte| count(byte.into())),
        TurnInput::Tokens(tokens) => tokens.iter().for_each(|token| count(*token)),
        TurnInput::Messages(_) => {}
    }
    vector
}
