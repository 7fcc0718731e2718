//! The turns that run on one WebSocket, by the name that the client gave each.

use std::future::poll_fn;
use std::task::{Context, Poll};

use pomona_actors::TurnStream;
use pomona_protocol::{Cause, TurnEvent};

/// One of them.
pub(super) struct RunningTurn {
    /// The client's name for it.
    pub(super) id: String,
    /// Ours.
    pub(super) turn: String,
    stream: TurnStream,
}

/// All of them. Dropping it cancels them.
#[derive(Default)]
pub(super) struct Turns {
    running: Vec<RunningTurn>,
    /// Where the next look starts, so that no turn starves another.
    next: usize,
}

impl Turns {
    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    pub(super) fn is_running(&self, id: &str) -> bool {
        self.running.iter().any(|turn| turn.id == id)
    }

    pub(super) fn add(&mut self, id: String, stream: TurnStream) -> &RunningTurn {
        let turn = stream.turn().to_string();
        self.running.push(RunningTurn { id, turn, stream });
        &self.running[self.running.len() - 1]
    }

    /// Asks for the end of a turn, which then comes as its terminal event. Says whether there was one.
    pub(super) fn cancel(&self, id: &str) -> bool {
        let turn = self.running.iter().find(|turn| turn.id == id);
        turn.is_some_and(|turn| {
            turn.stream.cancel();
            true
        })
    }

    /// The next event of any turn, and which. Never ready when none runs.
    pub(super) async fn next(&mut self) -> (usize, TurnEvent) {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<(usize, TurnEvent)> {
        let count = self.running.len();
        for step in 0..count {
            let index = (self.next + step) % count;
            if let Poll::Ready(event) = self.running[index].stream.poll_next(context) {
                self.next = index + 1;
                return Poll::Ready((index, event.unwrap_or_else(ended_early)));
            }
        }
        Poll::Pending
    }

    pub(super) fn get(&self, index: usize) -> &RunningTurn {
        &self.running[index]
    }

    /// Forgets a turn that has ended.
    pub(super) fn remove(&mut self, index: usize) {
        self.running.swap_remove(index);
    }
}

fn ended_early() -> TurnEvent {
    let message = "the turn ended without a terminal event".to_owned();
    TurnEvent::Failed { cause: Cause::Internal { message } }
}
