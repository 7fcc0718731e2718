//! What of an answer was shown. Every token event of an attempt passes through here before anyone sees it, so
//! that nothing is ever missing or twice, whatever an engine says.

use pomona_protocol::said::check_marks;
use pomona_protocol::{Cause, TurnEvent};

/// The tokens of one answer, in order. It is handed from attempt to attempt; whoever holds it may show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    ids: Vec<u32>,
    prompt_tokens: u32,
    cached_tokens: u32,
    started: bool,
}

/// What to do with an event that an engine sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Pass it on.
    Show,
    /// It was shown by an earlier attempt.
    Skip,
    /// It ends the attempt.
    Terminal,
}

impl Ledger {
    /// The ledger of an answer of which somebody else has shown these tokens already.
    pub fn resumed(ids: Vec<u32>) -> Self {
        Self { ids, ..Self::default() }
    }

    /// Tokens shown.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Number of tokens shown.
    pub fn shown(&self) -> u32 {
        self.ids.len() as u32
    }

    /// Tokens of the prompt and how many of them were cached, as the first attempt said; 0 before.
    pub fn prompt(&self) -> (u32, u32) {
        (self.prompt_tokens, self.cached_tokens)
    }

    /// Checks an event and takes note of it. An error means that the engine cannot be trusted with this turn.
    pub fn admit(&mut self, event: &TurnEvent) -> Result<Verdict, Cause> {
        match event {
            // Where a turn ran before is between gateways and their own clients.
            TurnEvent::Resumed { .. } => Ok(Verdict::Skip),
            TurnEvent::Queued { .. } => Ok(if self.started { Verdict::Skip } else { Verdict::Show }),
            // Numbers that cannot be are nobody's news, and too little to give up an engine for.
            TurnEvent::Prefill { done, total } => {
                Ok(if done <= total { Verdict::Show } else { Verdict::Skip })
            }
            TurnEvent::Started { prompt_tokens, cached_tokens } => {
                if std::mem::replace(&mut self.started, true) {
                    return Ok(Verdict::Skip);
                }
                (self.prompt_tokens, self.cached_tokens) = (*prompt_tokens, *cached_tokens);
                Ok(Verdict::Show)
            }
            TurnEvent::Tokens { first, ids, text, marks, logprobs } => {
                if *first != self.shown() || ids.is_empty() {
                    let message = format!(
                        "{} tokens from index {first} where index {} was expected",
                        ids.len(),
                        self.shown()
                    );
                    return Err(Cause::Protocol { message });
                }
                if !logprobs.is_empty() && logprobs.len() != ids.len() {
                    let message = format!("{} logprobs for {} tokens", logprobs.len(), ids.len());
                    return Err(Cause::Protocol { message });
                }
                check_marks(text, marks).map_err(|message| Cause::Protocol { message })?;
                self.ids.extend_from_slice(ids);
                Ok(Verdict::Show)
            }
            TurnEvent::Finished { text, marks, .. } => {
                check_marks(text, marks).map_err(|message| Cause::Protocol { message })?;
                Ok(Verdict::Terminal)
            }
            TurnEvent::Failed { .. } => Ok(Verdict::Terminal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(first: u32, ids: &[u32]) -> TurnEvent {
        TurnEvent::Tokens {
            first,
            ids: ids.to_vec(),
            text: String::new(),
            logprobs: Vec::new(),
            marks: Vec::new(),
        }
    }

    fn ledger(ids: &[u32]) -> Ledger {
        let mut ledger = Ledger::default();
        if !ids.is_empty() {
            assert_eq!(ledger.admit(&tokens(0, ids)), Ok(Verdict::Show));
        }
        ledger
    }

    #[test]
    fn the_next_tokens_are_shown_and_kept() {
        let mut ledger = ledger(&[5, 6]);
        assert_eq!(ledger.admit(&tokens(2, &[7])), Ok(Verdict::Show));
        assert_eq!(ledger.ids(), [5, 6, 7]);
    }

    #[test]
    fn a_gap_a_repeat_and_an_empty_event_are_refused_and_change_nothing() {
        for event in [tokens(3, &[7]), tokens(1, &[7]), tokens(0, &[5, 6, 7]), tokens(2, &[])] {
            let mut ledger = ledger(&[5, 6]);
            assert!(matches!(ledger.admit(&event), Err(Cause::Protocol { .. })), "{event:?}");
            assert_eq!(ledger.ids(), [5, 6]);
        }
    }

    #[test]
    fn how_far_a_prompt_is_may_be_said_again_by_each_attempt_and_leaves_no_trace() {
        let mut ledger = ledger(&[5, 6]);
        for (done, total, verdict) in
            [(512, 2048, Verdict::Show), (0, 2048, Verdict::Show), (2, 1, Verdict::Skip)]
        {
            assert_eq!(ledger.admit(&TurnEvent::Prefill { done, total }), Ok(verdict));
        }
        assert_eq!((ledger.ids(), ledger.prompt()), (&[5, 6][..], (0, 0)));
    }

    #[test]
    fn a_turn_starts_once_however_often_it_is_tried() {
        let mut ledger = Ledger::default();
        let started = |prompt_tokens| TurnEvent::Started { prompt_tokens, cached_tokens: 0 };
        assert_eq!(ledger.admit(&started(9)), Ok(Verdict::Show));
        assert_eq!(ledger.admit(&started(10)), Ok(Verdict::Skip));
        assert_eq!(ledger.admit(&TurnEvent::Queued { ahead: 1 }), Ok(Verdict::Skip));
        assert_eq!(ledger.prompt(), (9, 0));
    }
}
