//! Where a session lives: every gateway that knows the same living gateways names the same one for a session, and when
//! one dies only its own sessions move.
//!
//! Highest random weight hashing: Thaler and Ravishankar, *Using name-based mappings to increase hit rates*,
//! IEEE/ACM Transactions on Networking 6(1), 1998.

use pomona_protocol::{NodeId, SessionId};

/// The one of `gateways` at which the session lives; `None` when there are none.
pub fn home<'a>(session: SessionId, gateways: impl IntoIterator<Item = &'a NodeId>) -> Option<&'a NodeId> {
    gateways.into_iter().max_by_key(|gateway| (weight(session, gateway), *gateway))
}

/// FNV-1a over both names, finished so that close names are far apart (SplitMix64's last step).
fn weight(session: SessionId, gateway: &NodeId) -> u64 {
    let bytes = session.0.to_be_bytes();
    let hash = bytes.iter().chain(gateway.0.as_bytes()).fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateways(count: usize) -> Vec<NodeId> {
        (0..count).map(|index| NodeId(format!("n-{index}"))).collect()
    }

    #[test]
    fn sessions_spread_and_only_those_of_a_dead_gateway_move() {
        let all = gateways(5);
        let without: Vec<_> = all.iter().filter(|gateway| gateway.0 != "n-2").cloned().collect();
        let mut counts = std::collections::BTreeMap::new();
        for session in (0..5000).map(|number| SessionId(number * 7919)) {
            let before = home(session, &all).unwrap();
            *counts.entry(before.clone()).or_insert(0) += 1;
            let after = home(session, &without).unwrap();
            assert!(before.0 == "n-2" || before == after, "{session} moved from {before} to {after}");
        }
        assert!(counts.values().all(|count| (800..1200).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_order_of_names_does_not_matter() {
        let mut names = gateways(4);
        let first = home(SessionId(9), &names).cloned();
        names.reverse();
        assert_eq!(home(SessionId(9), &names).cloned(), first);
        assert_eq!(home(SessionId(9), []), None);
    }
}
