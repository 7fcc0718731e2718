//! KV blocks: who holds them, and the tree through which sequences share them.
//!
//! A block is free, held by sequences, or a node of the prefix tree (or both of the latter). A node stands for
//! one full block of [`BLOCK_TOKENS`] ids behind its parent's; the chain from a root is a prefix whose KV is in
//! memory. Nodes that nobody holds stay until their memory is wanted, the least recently used leaf first.
//! Pure; owned by the scheduler, which decides when blocks are wanted.

mod key;
mod table;

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::backend::{BLOCK_TOKENS, BlockId};

pub use key::PrefixKey;
pub use table::BlockTable;

/// The ids of a node: exactly [`BLOCK_TOKENS`].
type NodeTokens = Box<[u32]>;

/// All KV blocks of an engine.
#[derive(Debug)]
pub struct BlockPool {
    blocks: Vec<Block>,
    free: Vec<BlockId>,
    children: HashMap<(Option<BlockId>, NodeTokens), BlockId>,
    /// Nodes that nobody holds and that have no children, by last use.
    evictable: BTreeSet<(u64, BlockId)>,
    /// Nodes that nobody holds; whoever holds a node holds its parents, so all of them can be evicted.
    unheld_nodes: usize,
    /// Counts uses; stands in for a clock.
    tick: u64,
    evicted_count: u64,
    /// Present where somebody keeps copies of nodes.
    track: Option<Track>,
}

/// What a keeper of copies needs to know.
#[derive(Debug, Default)]
struct Track {
    /// Nodes that were evicted; their KV is there until their blocks are written to.
    evicted: Vec<(BlockId, PrefixKey)>,
    /// Nodes that are new, oldest first; some may have gone again.
    unsaved: VecDeque<(BlockId, PrefixKey)>,
}

#[derive(Debug, Default)]
struct Block {
    holders: u32,
    node: Option<Node>,
}

#[derive(Debug)]
struct Node {
    parent: Option<BlockId>,
    key: PrefixKey,
    tokens: NodeTokens,
    children: u32,
    last_used: u64,
}

impl BlockPool {
    /// A pool in which all of `blocks` are free.
    pub fn new(blocks: usize) -> Self {
        Self {
            blocks: (0..blocks).map(|_| Block::default()).collect(),
            free: (0..blocks as u32).rev().map(BlockId).collect(),
            children: HashMap::new(),
            evictable: BTreeSet::new(),
            unheld_nodes: 0,
            tick: 0,
            evicted_count: 0,
            track: None,
        }
    }

    /// From now on remembers which nodes are new and which are evicted.
    pub fn track(&mut self) {
        self.track = Some(Track::default());
    }

    /// Nodes that were evicted since the last call. Their blocks may be written to after it.
    pub fn take_evicted(&mut self) -> Vec<(BlockId, PrefixKey)> {
        self.track.as_mut().map(|track| std::mem::take(&mut track.evicted)).unwrap_or_default()
    }

    /// A node that was not returned before, if there is one.
    pub fn next_unsaved(&mut self) -> Option<(BlockId, PrefixKey)> {
        loop {
            let (block, key) = self.track.as_mut()?.unsaved.pop_front()?;
            if self.blocks[block.0 as usize].node.as_ref().is_some_and(|node| node.key == key) {
                return Some((block, key));
            }
        }
    }

    /// Blocks in all.
    pub fn total(&self) -> usize {
        self.blocks.len()
    }

    /// Blocks held by sequences or kept in the tree.
    pub fn used(&self) -> usize {
        self.blocks.len() - self.free.len()
    }

    /// Blocks that [`BlockPool::allocate`] could give.
    pub fn available(&self) -> usize {
        self.free.len() + self.unheld_nodes
    }

    /// Holds and returns the longest chain of nodes that begins `tokens`. The last token is never covered: it
    /// must be computed, for its logits.
    pub fn hold_prefix(&mut self, tokens: &[u32]) -> Vec<BlockId> {
        let mut chain: Vec<BlockId> = Vec::new();
        for piece in tokens[..tokens.len().saturating_sub(1)].chunks_exact(BLOCK_TOKENS) {
            let Some(child) = self.child(chain.last().copied(), piece) else { break };
            self.hold(child);
            chain.push(child);
        }
        chain
    }

    /// Gives `count` blocks, each held once and in no tree, or none at all. Evicts what must go.
    pub fn allocate(&mut self, count: usize) -> Option<Vec<BlockId>> {
        if self.available() < count {
            return None;
        }
        while self.free.len() < count {
            self.evict_oldest();
        }
        let given = self.free.split_off(self.free.len() - count);
        for block in &given {
            self.blocks[block.0 as usize].holders = 1;
        }
        Some(given)
    }

    /// Makes a held block, whose KV is complete, the node of `tokens` behind `parent`, which the same sequence
    /// holds. When that node exists already the given block is let go and the node is held instead. Returns
    /// the node.
    pub fn publish(&mut self, parent: Option<BlockId>, tokens: &[u32], block: BlockId) -> BlockId {
        debug_assert_eq!(tokens.len(), BLOCK_TOKENS, "a node is a full block");
        if let Some(existing) = self.child(parent, tokens) {
            self.hold(existing);
            self.release(block);
            return existing;
        }
        let tokens: NodeTokens = tokens.into();
        self.children.insert((parent, tokens.clone()), block);
        if let Some(parent) = parent {
            self.node_mut(parent).children += 1;
        }
        self.tick += 1;
        let parent_key = parent.map_or(PrefixKey::EMPTY, |parent| self.node_mut(parent).key);
        let key = parent_key.child(&tokens);
        if let Some(track) = &mut self.track {
            // More than there are blocks are mostly gone.
            if track.unsaved.len() >= self.blocks.len() {
                track.unsaved.pop_front();
            }
            track.unsaved.push_back((block, key));
        }
        let node = Node { parent, key, tokens, children: 0, last_used: self.tick };
        self.blocks[block.0 as usize].node = Some(node);
        block
    }

    /// Lets go of a held block. A node stays in the tree; any other block is free.
    pub fn release(&mut self, block: BlockId) {
        self.tick += 1;
        let tick = self.tick;
        let state = &mut self.blocks[block.0 as usize];
        assert!(state.holders > 0, "block {} is released but nobody holds it", block.0);
        state.holders -= 1;
        if state.holders > 0 {
            return;
        }
        match &mut state.node {
            None => self.free.push(block),
            Some(node) => {
                node.last_used = tick;
                self.unheld_nodes += 1;
                if node.children == 0 {
                    self.evictable.insert((tick, block));
                }
            }
        }
    }

    /// Drops every node that nobody holds: their KV is not to be trusted any more.
    pub fn forget_unheld(&mut self) {
        while !self.evictable.is_empty() {
            self.evict_oldest();
        }
        if let Some(track) = &mut self.track {
            track.evicted.clear();
        }
    }

    fn child(&self, parent: Option<BlockId>, tokens: &[u32]) -> Option<BlockId> {
        self.children.get(&(parent, tokens.into())).copied()
    }

    fn hold(&mut self, block: BlockId) {
        let state = &mut self.blocks[block.0 as usize];
        state.holders += 1;
        if state.holders == 1
            && let Some(node) = &state.node
        {
            self.unheld_nodes -= 1;
            self.evictable.remove(&(node.last_used, block));
        }
    }

    /// Nodes that were evicted so far.
    pub fn evicted_count(&self) -> u64 {
        self.evicted_count
    }

    fn evict_oldest(&mut self) {
        let (_, block) = self.evictable.pop_first().expect("invariant: an unheld node has an unheld leaf");
        let state = &mut self.blocks[block.0 as usize];
        let node = state.node.take().expect("invariant: only nodes are evictable");
        if let Some(track) = &mut self.track {
            track.evicted.push((block, node.key));
        }
        self.evicted_count += 1;
        self.children.remove(&(node.parent, node.tokens));
        self.unheld_nodes -= 1;
        self.free.push(block);
        let Some(parent) = node.parent else { return };
        let holders = self.blocks[parent.0 as usize].holders;
        let parent_node = self.node_mut(parent);
        parent_node.children -= 1;
        let (last_used, children) = (parent_node.last_used, parent_node.children);
        if children == 0 && holders == 0 {
            self.evictable.insert((last_used, parent));
        }
    }

    fn node_mut(&mut self, block: BlockId) -> &mut Node {
        self.blocks[block.0 as usize].node.as_mut().expect("invariant: a parent is a node")
    }
}

#[cfg(test)]
mod tests;
