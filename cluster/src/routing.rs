//! Which replica gets a turn. Asked by admission whenever a turn could start.

use pomona_protocol::ReplicaId;

/// A replica that could take a turn.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The replica.
    pub replica: &'a ReplicaId,
    /// Turns sent to it that have not ended.
    pub turns: u32,
    /// Turns that it may have at once.
    pub turns_max: u32,
}

/// The least loaded replica with a free place; among equals the smallest id, so that the answer follows from
/// the arguments alone. `avoid` is the replica that just failed this turn: it is taken only when it is the
/// last one left.
pub fn choose_replica<'a>(
    candidates: impl Iterator<Item = Candidate<'a>>,
    avoid: Option<&ReplicaId>,
) -> Option<&'a ReplicaId> {
    candidates
        .filter(|candidate| candidate.turns < candidate.turns_max)
        .min_by_key(|candidate| (Some(candidate.replica) == avoid, candidate.turns, candidate.replica))
        .map(|candidate| candidate.replica)
}

#[cfg(test)]
mod tests {
    use pomona_protocol::{ModelId, NodeId};

    use super::*;

    fn replica(node: &str) -> ReplicaId {
        ReplicaId { node: NodeId::from(node), model: ModelId::from("m"), incarnation: 1 }
    }

    fn check(loads: &[(&str, u32)], avoid: Option<&str>, expected: Option<&str>) {
        let replicas: Vec<_> = loads.iter().map(|(node, turns)| (replica(node), *turns)).collect();
        let candidates =
            replicas.iter().map(|(replica, turns)| Candidate { replica, turns: *turns, turns_max: 4 });
        let avoid = avoid.map(replica);
        let chosen = choose_replica(candidates, avoid.as_ref()).map(|replica| replica.node.0.as_str());
        assert_eq!(chosen, expected, "{loads:?}");
    }

    #[test]
    fn the_least_loaded_replica_with_a_free_place_is_chosen() {
        check(&[], None, None);
        check(&[("a", 4), ("b", 4)], None, None);
        check(&[("a", 3), ("b", 1), ("c", 2)], None, Some("b"));
        check(&[("b", 1), ("a", 1)], None, Some("a"));
    }

    #[test]
    fn a_replica_that_failed_the_turn_is_the_last_resort() {
        check(&[("a", 0), ("b", 3)], Some("a"), Some("b"));
        check(&[("a", 0), ("b", 4)], Some("a"), Some("a"));
    }
}
