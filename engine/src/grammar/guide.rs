//! Which tokens an answer may go on with.

use llguidance::Matcher;
use llguidance::toktrie::SimpleVob;
use pomona_protocol::Cause;

use super::shortened;
use crate::validate::invalid;

/// Follows one answer. What it says follows from the ids that it was told of alone.
pub struct Guide {
    matcher: Matcher,
    parameter: &'static str,
    tokens: usize,
}

/// Tokens that are allowed.
pub struct TokenMask(SimpleVob);

impl TokenMask {
    /// Takes away the chance of all others.
    pub fn apply(&self, logits: &mut [f32]) {
        self.0.iter_unset_entries(|id| {
            if let Some(logit) = logits.get_mut(id) {
                *logit = f32::NEG_INFINITY;
            }
        });
    }

    /// Whether this one is allowed.
    pub fn allows(&self, id: u32) -> bool {
        (id as usize) < self.0.len() && self.0.is_allowed(id)
    }
}

impl Guide {
    pub(super) fn new(matcher: Matcher, parameter: &'static str) -> Self {
        Self { matcher, parameter, tokens: 0 }
    }

    /// What may come next; an end-of-text token is among it when the answer may end here. Fails where nothing is
    /// left.
    pub fn mask(&mut self) -> Result<TokenMask, Cause> {
        let mask = self.matcher.compute_mask_or_eos().map_err(|error| {
            let message = shortened(&error.to_string());
            invalid(
                self.parameter,
                format!(
                    "after {} tokens the model cannot go on in the form that is asked for: {message}",
                    self.tokens
                ),
            )
        })?;
        Ok(TokenMask(mask))
    }

    /// Tells of the next token, which is no end. True when nothing may follow.
    pub fn push(&mut self, id: u32) -> Result<bool, Cause> {
        self.matcher.consume_token(id).map_err(|error| {
            let message = shortened(&error.to_string());
            invalid(
                self.parameter,
                format!("token {} of the answer does not fit its form: {message}", self.tokens),
            )
        })?;
        self.tokens += 1;
        Ok(self.matcher.is_stopped())
    }
}

impl std::fmt::Debug for Guide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guide").field("parameter", &self.parameter).field("tokens", &self.tokens).finish()
    }
}
