//! Readers who come and go at random, each checked against what its prompt gets alone.

use pomona_engine::generation::{Generation, SINK_EVENTS_MIN, StepOutcome};
use pomona_protocol::{Sampling, TurnEvent};
use tokio::sync::mpsc;

use super::{Transcript, open_with_room};

/// A prompt and its answer when nobody else is there.
pub(super) struct Asked {
    pub(super) prompt: Vec<u32>,
    pub(super) sampling: Sampling,
    pub(super) alone: Transcript,
}

/// Numbers that follow from a seed (SplitMix64).
pub(super) struct Random(u64);

impl Random {
    /// From `POMONA_TEST_SEED`, else from the clock; says which.
    pub(super) fn announced() -> Self {
        let given = std::env::var("POMONA_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let clock = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        let seed = given.unwrap_or_else(clock);
        eprintln!("repeat with POMONA_TEST_SEED={seed}");
        Self(seed)
    }

    /// 0 to `end`, exclusive.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % u64::from(end)) as u32
    }
}

/// One who asks, and what was heard so far.
struct Reader<'a> {
    asked: &'a Asked,
    joins_at: u32,
    events: Option<mpsc::Receiver<TurnEvent>>,
    /// Looks at the events once in so many steps.
    looks_each: u32,
    /// Leaves when so many tokens were heard, and comes back with them.
    leaves_after: Option<usize>,
    ids: Vec<u32>,
    text: String,
    is_done: bool,
}

/// One round: all ask, at different times, and hear their answers to the end.
pub(super) fn crowd(engine: &mut Generation, asked: &[Asked], random: &mut Random) {
    let mut readers: Vec<Reader> = asked.iter().map(|asked| Reader::new(asked, random)).collect();
    for index in (1..readers.len()).rev() {
        readers.swap(index, random.below(index as u32 + 1) as usize);
    }
    for step in 0..100_000 {
        for reader in &mut readers {
            reader.take_part(engine, step, random);
        }
        let outcome = engine.step().unwrap();
        if outcome == StepOutcome::Idle && readers.iter().all(|reader| reader.is_done) {
            return;
        }
    }
    panic!("a round does not end");
}

impl<'a> Reader<'a> {
    fn new(asked: &'a Asked, random: &mut Random) -> Self {
        let tokens = asked.alone.ids.len() as u32;
        Self {
            asked,
            joins_at: random.below(40),
            events: None,
            looks_each: if random.below(4) == 0 { 1 + random.below(12) } else { 1 },
            leaves_after: (random.below(3) == 0).then(|| random.below(tokens + 1) as usize),
            ids: Vec::new(),
            text: String::new(),
            is_done: false,
        }
    }

    fn take_part(&mut self, engine: &mut Generation, step: u32, random: &mut Random) {
        if self.is_done || step < self.joins_at {
            return;
        }
        if self.events.is_none() {
            let room = SINK_EVENTS_MIN + random.below(30) as usize;
            let Asked { prompt, sampling, .. } = self.asked;
            let events = open_with_room(engine, prompt, sampling, &self.ids, room);
            self.events = Some(events);
        }
        if step.is_multiple_of(self.looks_each) {
            while let Some(event) = self.events.as_mut().and_then(|events| events.try_recv().ok()) {
                self.hear(event);
            }
        }
        // Who leaves is not asked what else is on the way.
        if self.leaves_after.is_some_and(|tokens| self.ids.len() >= tokens) && !self.is_done {
            self.events = None;
            self.joins_at = step + 1 + random.below(10);
            self.leaves_after =
                (random.below(4) == 0).then(|| self.ids.len() + 1 + random.below(20) as usize);
        }
    }

    fn hear(&mut self, event: TurnEvent) {
        let alone = &self.asked.alone;
        match event {
            TurnEvent::Queued { .. } | TurnEvent::Started { .. } => {}
            TurnEvent::Tokens { first, ids, text, .. } => {
                assert_eq!(first as usize, self.ids.len(), "nothing is missing or twice");
                self.ids.extend(ids);
                self.text.push_str(&text);
                assert_eq!(
                    self.ids,
                    alone.ids[..self.ids.len().min(alone.ids.len())],
                    "{:?}",
                    self.asked.prompt
                );
            }
            TurnEvent::Finished { reason, text, usage, .. } => {
                self.text.push_str(&text);
                let heard = (&self.ids, &self.text, reason, usage.completion_tokens);
                assert_eq!(heard, (&alone.ids, &alone.text(), alone.reason, alone.ids.len() as u32));
                assert!(usage.accepted_tokens <= usage.completion_tokens);
                self.is_done = true;
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}
