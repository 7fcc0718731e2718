//! Prefixes and who has them, against a memory that simply keeps all prefixes.

use std::collections::BTreeSet;

use pomona_protocol::Message;
use proptest::prelude::*;

use super::*;

fn text(blocks: &[u8]) -> Prefix {
    let text: String = blocks.iter().map(|block| char::from(b'a' + block).to_string().repeat(256)).collect();
    Prefix::of(&TurnInput::Text(text))
}

fn cached(affinity: &Affinity, prefix: &Prefix) -> Vec<u32> {
    let mut tokens = vec![0; 3];
    affinity.cached_tokens(prefix, &mut tokens);
    tokens
}

#[test]
fn the_longest_known_prefix_counts() {
    let mut affinity = Affinity::default();
    affinity.learn(0, &text(&[1, 2, 3, 4]));
    affinity.learn(2, &text(&[1, 2]));
    assert_eq!(cached(&affinity, &text(&[1, 2, 3, 9])), [192, 0, 128]);
    assert_eq!(cached(&affinity, &text(&[9, 1, 2, 3])), [0, 0, 0]);
}

#[test]
fn an_answer_extends_the_prefix_as_the_next_turn_brings_it() {
    let question = Message::text(Role::User, "q".repeat(300));
    let answer = "a".repeat(900);
    let mut prefix = Prefix::of(&TurnInput::Messages(vec![question.clone()]));
    prefix.push_answer(&answer);
    let next = vec![question, Message::text(Role::Assistant, answer), Message::text(Role::User, "more")];
    let next = Prefix::of(&TurnInput::Messages(next));
    assert_eq!(prefix.hashes(), &next.hashes()[..prefix.hashes().len()]);
    assert_eq!(prefix.hashes().len(), 4);
}

#[test]
fn the_whole_conversation_counts_roles_included() {
    let of = |role, end: &str| {
        let messages = vec![Message::text(role, "x".repeat(300)), Message::text(Role::User, end.repeat(300))];
        Prefix::of(&TurnInput::Messages(messages))
    };
    let base = of(Role::User, "y");
    assert_ne!(base.hashes()[0], of(Role::System, "y").hashes()[0]);
    let other = of(Role::User, "z");
    assert_eq!(base.hashes()[0], other.hashes()[0]);
    assert_ne!(base.hashes()[1], other.hashes()[1]);
}

#[test]
fn a_forgotten_replica_leaves_nothing_behind() {
    let mut affinity = Affinity::default();
    affinity.learn(0, &text(&[1, 2]));
    affinity.learn(1, &text(&[1]));
    affinity.forget(0);
    assert_eq!(cached(&affinity, &text(&[1, 2])), [0, 64, 0]);
    affinity.forget(1);
    assert!(affinity.holders.is_empty() && affinity.memories.is_empty());
}

#[test]
fn a_replica_remembers_no_more_than_its_share() {
    let mut affinity = Affinity::default();
    for i in 0..40u32 {
        let ids = (0..64 * 100).map(|n| n + i * 1_000_000).collect();
        affinity.learn(0, &Prefix::of(&TurnInput::Tokens(ids)));
    }
    assert_eq!(affinity.memories[&0].entries.len(), REPLICA_BLOCKS_MAX);
    assert_eq!(affinity.holders.len(), REPLICA_BLOCKS_MAX);
}

#[test]
fn what_is_forgotten_first_is_the_end_of_the_oldest_conversation() {
    let conversation = |n: u32| {
        let blocks = REPLICA_BLOCKS_MAX as u32 / 2 + 100;
        Prefix::of(&TurnInput::Tokens((0..64 * blocks).map(|at| at + n * 10_000_000).collect()))
    };
    let mut affinity = Affinity::default();
    affinity.learn(0, &conversation(1));
    affinity.learn(0, &conversation(2));
    let blocks = cached(&affinity, &conversation(1))[0] / 64;
    assert_eq!(blocks as usize, REPLICA_BLOCKS_MAX / 2 - 100);
}

proptest! {
    #[test]
    fn what_is_cached_is_what_was_learned(
        steps in prop::collection::vec((0u32..3, prop::collection::vec(0u8..3, 0..6), prop::bool::weighted(0.1)), 1..40),
        asked in prop::collection::vec(0u8..3, 0..6),
    ) {
        let mut affinity = Affinity::default();
        let mut seen = vec![BTreeSet::new(); 3];
        for (replica, blocks, forget) in steps {
            if forget {
                affinity.forget(replica);
                seen[replica as usize].clear();
            } else {
                affinity.learn(replica, &text(&blocks));
                seen[replica as usize].extend((1..=blocks.len()).map(|n| blocks[..n].to_vec()));
            }
        }
        let longest = |seen: &BTreeSet<Vec<u8>>| (1..=asked.len()).rev().find(|n| seen.contains(&asked[..*n])).unwrap_or(0);
        let expected: Vec<_> = seen.iter().map(|seen| longest(seen) as u32 * 64).collect();
        prop_assert_eq!(cached(&affinity, &text(&asked)), expected);
    }

    /// Small memories make the holes visible that a wrong order of forgetting would leave.
    #[test]
    fn a_memory_forgets_ends_before_beginnings(prompts in prop::collection::vec(prop::collection::vec(0u8..2, 1..6), 1..30)) {
        let mut memory = Memory::default();
        for blocks in prompts {
            let prefix = text(&blocks);
            for hash in prefix.hashes.iter().rev() {
                memory.touch(*hash);
            }
            while memory.entries.len() > 5 {
                memory.forget_oldest();
            }
            let known: Vec<_> = prefix.hashes.iter().map(|hash| memory.by_hash.contains_key(hash)).collect();
            prop_assert!(known.windows(2).all(|pair| pair[0] || !pair[1]), "{:?}", known);
            prop_assert_eq!(memory.by_hash.len(), memory.entries.len());
        }
    }
}
