//! Log-probabilities in OpenAI's two shapes.

use std::borrow::Cow;

use pomona_protocol::{TokenLogprob, TopLogprob};
use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};

/// JSON knows no infinity; this is what OpenAI sends for an impossible token.
const LOGPROB_MIN: f32 = -9999.0;

fn text(token: &TopLogprob) -> Cow<'_, str> {
    String::from_utf8_lossy(&token.bytes)
}

fn logprob(token: &TopLogprob) -> f32 {
    token.logprob.max(LOGPROB_MIN)
}

/// `logprobs` of a chat choice: `{"content": [{"token", "logprob", "bytes", "top_logprobs"}], "refusal": null}`.
pub(crate) struct ChatLogprobs<'a>(pub(crate) &'a [TokenLogprob]);

impl Serialize for ChatLogprobs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let content: Vec<_> = self.0.iter().map(ChatToken).collect();
        let mut logprobs = serializer.serialize_struct("ChatLogprobs", 2)?;
        logprobs.serialize_field("content", &content)?;
        logprobs.serialize_field("refusal", &())?;
        logprobs.end()
    }
}

struct ChatToken<'a>(&'a TokenLogprob);

impl Serialize for ChatToken<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let top: Vec<_> = self.0.top.iter().map(TopToken::from).collect();
        let chosen = TopToken::from(&self.0.chosen);
        let mut token = serializer.serialize_struct("ChatToken", 4)?;
        token.serialize_field("token", &chosen.token)?;
        token.serialize_field("logprob", &chosen.logprob)?;
        token.serialize_field("bytes", chosen.bytes)?;
        token.serialize_field("top_logprobs", &top)?;
        token.end()
    }
}

#[derive(Serialize)]
struct TopToken<'a> {
    token: Cow<'a, str>,
    logprob: f32,
    bytes: &'a [u8],
}

impl<'a> From<&'a TopLogprob> for TopToken<'a> {
    fn from(token: &'a TopLogprob) -> Self {
        Self { token: text(token), logprob: logprob(token), bytes: &token.bytes }
    }
}

/// `logprobs` of a completion choice: four lists of equal length.
pub(crate) struct CompletionLogprobs<'a> {
    pub(crate) tokens: &'a [TokenLogprob],
    /// Characters of the answer before the first of `tokens`.
    pub(crate) offset: usize,
}

impl CompletionLogprobs<'_> {
    /// Characters of the answer behind the last token.
    pub(crate) fn end(&self) -> usize {
        self.offset + self.tokens.iter().map(|token| text(&token.chosen).chars().count()).sum::<usize>()
    }
}

impl Serialize for CompletionLogprobs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tokens: Vec<_> = self.tokens.iter().map(|token| text(&token.chosen)).collect();
        let chosen: Vec<_> = self.tokens.iter().map(|token| logprob(&token.chosen)).collect();
        let top: Vec<_> = self.tokens.iter().map(|token| TopByText(&token.top)).collect();
        let offsets: Vec<_> = tokens
            .iter()
            .scan(self.offset, |offset, token| {
                let start = *offset;
                *offset += token.chars().count();
                Some(start)
            })
            .collect();
        let mut logprobs = serializer.serialize_struct("CompletionLogprobs", 4)?;
        logprobs.serialize_field("tokens", &tokens)?;
        logprobs.serialize_field("token_logprobs", &chosen)?;
        logprobs.serialize_field("top_logprobs", &top)?;
        logprobs.serialize_field("text_offset", &offsets)?;
        logprobs.end()
    }
}

struct TopByText<'a>(&'a [TopLogprob]);

impl Serialize for TopByText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for token in self.0 {
            map.serialize_entry(&text(token), &logprob(token))?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str, logprob: f32) -> TopLogprob {
        TopLogprob { id: 1, bytes: text.as_bytes().to_vec(), logprob }
    }

    #[test]
    fn both_shapes_are_openais() {
        let tokens = [TokenLogprob {
            chosen: token("é", -0.5),
            top: vec![token("é", -0.5), token("x", f32::NEG_INFINITY)],
        }];
        let chat = serde_json::to_value(ChatLogprobs(&tokens)).unwrap();
        assert_eq!(
            chat,
            serde_json::json!({"content": [{"token": "é", "logprob": -0.5, "bytes": [195, 169], "top_logprobs": [
                {"token": "é", "logprob": -0.5, "bytes": [195, 169]},
                {"token": "x", "logprob": -9999.0, "bytes": [120]},
            ]}], "refusal": null})
        );
        let legacy = CompletionLogprobs { tokens: &tokens, offset: 7 };
        assert_eq!(legacy.end(), 8);
        assert_eq!(
            serde_json::to_value(&legacy).unwrap(),
            serde_json::json!({"tokens": ["é"], "token_logprobs": [-0.5], "text_offset": [7],
                "top_logprobs": [{"é": -0.5, "x": -9999.0}]})
        );
    }
}
