//! The block pool by case, and at random beside a model of what each block holds.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

/// Ids of `blocks` full blocks, all of block `i` being `names[i]`.
fn tokens(names: &[u32]) -> Vec<u32> {
    names.iter().flat_map(|name| [*name; BLOCK_TOKENS]).collect()
}

/// Runs a sequence to its end: its blocks are in the tree, unheld.
fn cache(pool: &mut BlockPool, tokens: &[u32]) {
    let mut table = BlockTable::begin(pool, tokens, tokens.len(), 0).unwrap();
    table.publish(pool, tokens);
    table.release(pool);
}

#[test]
fn a_lookup_leaves_at_least_one_token_to_compute() {
    let mut pool = BlockPool::new(8);
    cache(&mut pool, &tokens(&[1, 2]));
    assert_eq!(pool.hold_prefix(&tokens(&[1, 2])).len(), 1);
    assert_eq!(pool.hold_prefix(&[tokens(&[1, 2]), vec![9]].concat()).len(), 2);
    assert_eq!(pool.hold_prefix(&[]).len(), 0);
}

#[test]
fn the_least_recently_used_leaf_goes_first() {
    let mut pool = BlockPool::new(4);
    cache(&mut pool, &tokens(&[1, 2]));
    cache(&mut pool, &tokens(&[3]));
    cache(&mut pool, &[tokens(&[1, 2]), vec![0]].concat());
    let held = pool.allocate(2).unwrap();
    assert_eq!(pool.hold_prefix(&tokens(&[3, 0])).len(), 0, "the oldest is gone");
    assert_eq!(pool.hold_prefix(&tokens(&[1, 2, 0])).len(), 2, "the newer ones stay");
    assert_eq!(held.len(), 2);
}

#[test]
fn a_second_copy_of_a_block_gives_way_to_the_first() {
    let mut pool = BlockPool::new(4);
    let prompt = tokens(&[1, 2]);
    let mut first = BlockTable::begin(&mut pool, &prompt, prompt.len(), 0).unwrap();
    let mut second = BlockTable::begin(&mut pool, &prompt, prompt.len(), 0).unwrap();
    assert_eq!(pool.used(), 4);
    first.publish(&mut pool, &prompt);
    second.publish(&mut pool, &prompt);
    assert_eq!(first.blocks(), second.blocks());
    assert_eq!(pool.used(), 2);
}

/// What a pool must be after any history, told from the tables of live sequences alone.
fn check_invariants(pool: &BlockPool, live: &[(Vec<u32>, BlockTable)]) {
    let free: HashSet<BlockId> = pool.free.iter().copied().collect();
    assert_eq!(free.len(), pool.free.len(), "no block is free twice");
    let mut unheld_nodes = 0;
    for (index, block) in pool.blocks.iter().enumerate() {
        let id = BlockId(index as u32);
        let holders = live.iter().flat_map(|(_, table)| table.blocks()).filter(|held| **held == id).count();
        assert_eq!(block.holders as usize, holders, "holders of block {index} are exact");
        let is_used = holders > 0 || block.node.is_some();
        assert_ne!(is_used, free.contains(&id), "block {index} is either used or free");
        if let Some(node) = &block.node {
            unheld_nodes += usize::from(holders == 0);
            let children = pool.children.keys().filter(|(parent, _)| *parent == Some(id)).count();
            assert_eq!(node.children as usize, children);
            let is_evictable = pool.evictable.contains(&(node.last_used, id));
            assert_eq!(is_evictable, holders == 0 && children == 0, "unheld leaves, and only they, may go");
            if let Some(parent) = node.parent.filter(|_| holders > 0) {
                assert!(pool.blocks[parent.0 as usize].holders > 0, "who holds a node holds its parents");
            }
        }
    }
    assert_eq!(pool.unheld_nodes, unheld_nodes);
    assert_eq!(pool.children.len(), pool.blocks.iter().filter(|block| block.node.is_some()).count());
}

#[derive(Clone, Debug)]
enum Act {
    Begin(Vec<u32>),
    Publish(usize),
    Grow(usize, u32),
    End(usize),
    Forget,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => prop::collection::vec(0u32..3, 1..4).prop_map(Act::Begin),
        4 => (0usize..8).prop_map(Act::Publish),
        2 => (0usize..8, 0u32..3).prop_map(|(index, name)| Act::Grow(index, name)),
        4 => (0usize..8).prop_map(Act::End),
        1 => Just(Act::Forget),
    ]
}

proptest! {
    #[test]
    fn blocks_are_counted_exactly_and_held_ones_never_evicted(
        acts in prop::collection::vec(act(), 1..60),
        total in 1usize..12,
    ) {
        let mut pool = BlockPool::new(total);
        let mut live: Vec<(Vec<u32>, BlockTable)> = Vec::new();
        // What the KV of each block would be: its whole prefix.
        let mut contents: HashMap<BlockId, Vec<u32>> = HashMap::new();
        for act in acts {
            match act {
                Act::Begin(names) => {
                    let tokens = [tokens(&names), vec![7]].concat();
                    if let Some(table) = BlockTable::begin(&mut pool, &tokens, tokens.len(), 0) {
                        for (index, block) in table.blocks().iter().enumerate() {
                            let prefix = &tokens[..tokens.len().min((index + 1) * BLOCK_TOKENS)];
                            if index * BLOCK_TOKENS < table.published_tokens() {
                                prop_assert_eq!(&contents[block], prefix, "a shared block has the right KV");
                            } else {
                                contents.insert(*block, prefix.to_vec());
                            }
                        }
                        live.push((tokens, table));
                    }
                }
                Act::Publish(index) if index < live.len() => {
                    let (tokens, table) = &mut live[index];
                    table.publish(&mut pool, tokens);
                    for (index, block) in table.blocks().iter().enumerate() {
                        let prefix = &tokens[..tokens.len().min((index + 1) * BLOCK_TOKENS)];
                        prop_assert_eq!(&contents[block], prefix);
                    }
                }
                Act::Grow(index, name) if index < live.len() => {
                    let (tokens, table) = &mut live[index];
                    let grown = [tokens.as_slice(), &[name; BLOCK_TOKENS]].concat();
                    if table.grow(&mut pool, grown.len()) {
                        *tokens = grown;
                        for (index, block) in table.blocks().iter().enumerate() {
                            let prefix = &tokens[..tokens.len().min((index + 1) * BLOCK_TOKENS)];
                            contents.insert(*block, prefix.to_vec());
                        }
                    }
                }
                Act::End(index) if index < live.len() => live.swap_remove(index).1.release(&mut pool),
                Act::Forget => pool.forget_unheld(),
                _ => {}
            }
            check_invariants(&pool, &live);
            let available = pool.available();
            prop_assert!(available <= total);
        }
        for (_, table) in live.drain(..) {
            table.release(&mut pool);
        }
        prop_assert_eq!(pool.available(), total, "when all ended, every block can be had");
        prop_assert!(pool.allocate(total).is_some());
    }
}
