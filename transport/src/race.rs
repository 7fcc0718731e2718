//! Several addresses, one peer: near ones at once, far ones after a head start, and whichever answers first wins.
//! Called by `endpoint`; what a try is, and whether it is worth another one, is the caller's.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use pomona_protocol::PathKind;

/// Addresses that are tried for one dial; the rest is not looked at.
pub const CANDIDATES_MAX: usize = 32;
/// Pause between tries of the same kind: enough for an answer on a LAN, so that one connection is made and not five.
const STAGGER: Duration = Duration::from_millis(50);

/// Where a peer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Address and port.
    pub address: SocketAddr,
    /// Which kind of network leads there.
    pub path: PathKind,
}

/// Tries every candidate, LAN first. Ends with the first success, with the first error that `ends` says is final, or
/// when all failed. What is still under way then is dropped.
pub(crate) async fn race<T, E, F: Future<Output = Result<T, E>>>(
    candidates: &[Candidate],
    head_start: Duration,
    attempt: impl Fn(Candidate) -> F,
    ends: impl Fn(&E) -> bool,
) -> Result<T, Vec<(Candidate, E)>> {
    let candidates = &candidates[..candidates.len().min(CANDIDATES_MAX)];
    let of = |path: PathKind| -> Vec<Candidate> {
        candidates.iter().copied().filter(|candidate| candidate.path == path).collect()
    };
    let mut under_way = FuturesUnordered::new();
    let attempt = &attempt;
    let start = |(index, candidate): (usize, Candidate)| async move {
        tokio::time::sleep(STAGGER * u32::try_from(index).unwrap_or(u32::MAX)).await;
        (candidate, attempt(candidate).await)
    };
    let near = of(PathKind::Lan);
    let mut near_left = near.len();
    let mut far = of(PathKind::Wan);
    under_way.extend(near.into_iter().enumerate().map(start));
    let mut head_start = pin!(tokio::time::sleep(head_start));
    let mut failed = Vec::new();
    loop {
        if near_left == 0 {
            under_way.extend(far.drain(..).enumerate().map(start));
        }
        tokio::select! {
            Some((candidate, outcome)) = under_way.next() => match outcome {
                Ok(won) => return Ok(won),
                Err(error) => {
                    near_left -= usize::from(candidate.path == PathKind::Lan);
                    let is_final = ends(&error);
                    failed.push((candidate, error));
                    if is_final {
                        return Err(failed);
                    }
                }
            },
            () = &mut head_start, if !far.is_empty() => {
                under_way.extend(far.drain(..).enumerate().map(start));
            }
            else => return Err(failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::pending;

    use super::*;

    const NEVER: Duration = Duration::from_secs(3600);

    fn candidate(port: u16, path: PathKind) -> Candidate {
        Candidate { address: SocketAddr::from(([127, 0, 0, 1], port)), path }
    }

    /// Ports below 10 fail, those below 20 never answer, the others do.
    async fn outcome(
        candidates: &[Candidate],
        head_start: Duration,
    ) -> (Result<u16, Vec<(Candidate, u16)>>, Vec<u16>) {
        let tried = RefCell::new(Vec::new());
        let attempt = |candidate: Candidate| {
            let port = candidate.address.port();
            tried.borrow_mut().push(port);
            async move {
                match port {
                    0..10 => Err(port),
                    10..20 => pending().await,
                    _ => Ok(port),
                }
            }
        };
        let won = race(candidates, head_start, attempt, |port| *port == 9).await;
        (won, tried.into_inner())
    }

    #[tokio::test]
    async fn a_near_answer_wins_and_the_far_address_is_never_tried() {
        let candidates = [candidate(30, PathKind::Wan), candidate(20, PathKind::Lan)];
        assert_eq!(outcome(&candidates, NEVER).await, (Ok(20), vec![20]));
    }

    #[tokio::test]
    async fn the_far_address_starts_at_once_when_no_near_one_is_left() {
        let candidates =
            [candidate(1, PathKind::Lan), candidate(2, PathKind::Lan), candidate(30, PathKind::Wan)];
        assert_eq!(outcome(&candidates, NEVER).await, (Ok(30), vec![1, 2, 30]));
        assert_eq!(outcome(&candidates[2..], NEVER).await, (Ok(30), vec![30]));
    }

    #[tokio::test]
    async fn the_far_address_joins_after_the_head_start_when_the_near_one_is_silent() {
        let candidates = [candidate(10, PathKind::Lan), candidate(30, PathKind::Wan)];
        assert_eq!(outcome(&candidates, Duration::from_millis(1)).await, (Ok(30), vec![10, 30]));
    }

    #[tokio::test]
    async fn every_failure_is_told_and_a_final_one_ends_the_race() {
        let all = [candidate(1, PathKind::Lan), candidate(2, PathKind::Wan)];
        let (lost, _) = outcome(&all, NEVER).await;
        assert_eq!(lost, Err(vec![(all[0], 1), (all[1], 2)]));
        let ended = [candidate(9, PathKind::Lan), candidate(30, PathKind::Wan)];
        let (lost, tried) = outcome(&ended, NEVER).await;
        assert_eq!((lost, tried), (Err(vec![(ended[0], 9)]), vec![9]));
        assert_eq!(outcome(&[], NEVER).await.0, Err(Vec::new()));
    }
}
