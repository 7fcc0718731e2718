//! Waiting until a machine has no turn left, with the number of turns for whoever watches.

use std::time::Duration;

use anyhow::anyhow;
use indicatif::ProgressBar;
use pomona_client::Client;
use pomona_protocol::{NodeState, NodeStatus};

use crate::output::{self, harmless};

/// A person sees each change; a gateway answers from memory.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// Looks until the order has to show: a node reports at least every half second.
const LOOKS_UNTIL_DRAINING: u32 = 20;

/// Drains a machine and returns when no turn is left there. Turns have deadlines, so that comes.
pub(super) async fn wait(client: &Client, node: &str) -> anyhow::Result<NodeStatus> {
    let mut status = client.drain(node).await?;
    let id = status.node.0.clone();
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(100));
    let mut watch = Watch::default();
    let mut told = None;
    loop {
        match watch.look(&status) {
            Look::Done => break,
            Look::Undrained => {
                return Err(anyhow!(
                    "`{}` takes turns again: somebody ended its draining",
                    harmless(&status.name)
                ));
            }
            Look::Waiting => {}
        }
        let text = format!("{} drains: {} left", harmless(&status.name), left(status.turns));
        if bar.is_hidden() && told != Some(status.turns) {
            output::remark(&text);
            told = Some(status.turns);
        }
        bar.set_message(text);
        tokio::time::sleep(LOOK_EVERY).await;
        status = client.node(&id).await?;
    }
    bar.finish_and_clear();
    Ok(status)
}

/// A number of turns in words.
pub(super) fn left(turns: u32) -> String {
    if turns == 1 { "1 turn".to_owned() } else { format!("{turns} turns") }
}

/// What was seen so far.
#[derive(Default)]
struct Watch {
    saw_draining: bool,
    looks: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Look {
    Waiting,
    Done,
    /// Somebody undrained it.
    Undrained,
}

impl Watch {
    fn look(&mut self, status: &NodeStatus) -> Look {
        self.looks += 1;
        match status.state {
            NodeState::Draining | NodeState::Offline if status.turns == 0 => Look::Done,
            NodeState::Draining | NodeState::Offline => {
                self.saw_draining = true;
                Look::Waiting
            }
            NodeState::Alive if self.saw_draining || self.looks > LOOKS_UNTIL_DRAINING => Look::Undrained,
            NodeState::Alive | NodeState::Suspect => Look::Waiting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::mini;
    use super::*;

    fn looks(states: &[(NodeState, u32)]) -> Vec<Look> {
        let mut watch = Watch::default();
        states
            .iter()
            .map(|(state, turns)| watch.look(&NodeStatus { state: *state, turns: *turns, ..mini() }))
            .collect()
    }

    #[test]
    fn it_ends_when_no_turn_is_left() {
        use NodeState::{Alive, Draining, Offline, Suspect};
        let seen = looks(&[(Alive, 2), (Draining, 2), (Suspect, 1), (Draining, 1), (Draining, 0)]);
        assert_eq!(seen[..4], [Look::Waiting, Look::Waiting, Look::Waiting, Look::Waiting]);
        assert_eq!(seen[4], Look::Done);
        assert_eq!(looks(&[(Draining, 0)]), [Look::Done]);
        assert_eq!(looks(&[(Draining, 1), (Offline, 1), (Offline, 0)])[2], Look::Done);
    }

    #[test]
    fn somebody_who_undrains_ends_the_waiting() {
        use NodeState::{Alive, Draining};
        assert_eq!(looks(&[(Draining, 2), (Alive, 0)]), [Look::Waiting, Look::Undrained]);
        let never = looks(&vec![(Alive, 0); LOOKS_UNTIL_DRAINING as usize + 1]);
        assert_eq!(never.last(), Some(&Look::Undrained));
        assert_eq!(
            never.iter().filter(|look| **look == Look::Waiting).count(),
            LOOKS_UNTIL_DRAINING as usize
        );
    }
}
