//! The running turns of one answer, read side by side.

use std::future::poll_fn;
use std::task::{Context, Poll};

use pomona_actors::TurnStream;
use pomona_protocol::{Cause, TurnEvent, TurnId};

/// One turn per choice. Dropping it cancels what still runs.
pub(crate) struct Choices {
    /// `None` once the terminal event was given.
    turns: Vec<Option<TurnStream>>,
    /// The turn of each choice, ended ones too.
    names: Vec<TurnId>,
    /// Answers per prompt: choices `0..answers` share the first prompt, and so on.
    answers: usize,
    running: usize,
    /// Where the next look starts, so that no choice starves another.
    next: usize,
}

impl Choices {
    pub(crate) fn new(turns: Vec<TurnStream>, answers: usize) -> Self {
        let running = turns.len();
        let names = turns.iter().map(TurnStream::turn).collect();
        Self { turns: turns.into_iter().map(Some).collect(), names, answers, running, next: 0 }
    }

    /// The turn of each choice.
    pub(crate) fn names(&self) -> &[TurnId] {
        &self.names
    }

    /// Whether this choice is the first of its prompt, and so the one whose prompt tokens count.
    pub(crate) fn counts_prompt(&self, choice: usize) -> bool {
        choice.is_multiple_of(self.answers.max(1))
    }

    /// The next event of any choice; `None` when all have ended.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<(usize, TurnEvent)>> {
        if self.running == 0 {
            return Poll::Ready(None);
        }
        for step in 0..self.turns.len() {
            let choice = (self.next + step) % self.turns.len();
            let Some(turn) = &mut self.turns[choice] else { continue };
            let Poll::Ready(event) = turn.poll_next(context) else { continue };
            let event = event.unwrap_or_else(|| TurnEvent::Failed {
                cause: Cause::Internal { message: "the turn ended without a terminal event".to_owned() },
            });
            if event.is_terminal() {
                self.turns[choice] = None;
                self.running -= 1;
            }
            self.next = choice + 1;
            return Poll::Ready(Some((choice, event)));
        }
        Poll::Pending
    }

    /// As [`Choices::poll_next`], to await.
    pub(crate) async fn next(&mut self) -> Option<(usize, TurnEvent)> {
        poll_fn(|context| self.poll_next(context)).await
    }
}
