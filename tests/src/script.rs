//! What a test engine is told to do: `key=value` words among its arguments or in the last message of a
//! turn, where the turn's words win. Its answer follows from seed and index alone, so that a continuation
//! can be checked by anyone.

use std::time::Duration;

/// Behaviour of the test engine. Indices count tokens of the answer, those of earlier attempts included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Tokens of an answer before it stops by itself; `max_tokens` may end it earlier.
    pub tokens: u32,
    /// Microseconds before each frame; 0 sends as fast as the stream takes them.
    pub pace_us: u64,
    /// Tokens per second of one sequence, however many run; 0 leaves it to `pace_us`. With `batch` and `prefill_us`
    /// the engine behaves as a chip does, and load spread over several is faster than on one.
    pub pace: u32,
    /// Sequences that run at once; others wait. 0 means any number.
    pub batch: u32,
    /// Microseconds before the first token, per token of the prompt and of what was shown.
    pub prefill_us: u64,
    /// How often it says how far the prompt is before the first token, to who asks for it.
    pub prefill: u32,
    /// Tokens per frame.
    pub chunk: u32,
    /// Before this token the whole engine stands still, with work.
    pub hang: Option<u32>,
    /// Before this token the process exits.
    pub exit: Option<u32>,
    /// Before this token a frame comes that does not decode.
    pub garbage: Option<u32>,
    /// Before this token a frame comes whose length is over the limit.
    pub oversize: Option<u32>,
    /// How often the fault happens over all processes that share `state`.
    pub times: u32,
    /// File that counts faults over restarts; without one every attempt has its fault.
    pub state: Option<String>,
    /// Milliseconds between start and ready.
    pub load_ms: u64,
    /// Whether it stays in loading for ever.
    pub never_ready: bool,
    /// Loading fails with this message.
    pub load_fails: Option<String>,
    /// Tokens of an answer that are thoughts, the first ones.
    pub thinks: Option<u32>,
    /// Tools that an answer calls behind its text.
    pub calls: Vec<String>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            tokens: 16,
            pace_us: 0,
            pace: 0,
            batch: 0,
            prefill_us: 0,
            prefill: 0,
            chunk: 1,
            hang: None,
            exit: None,
            garbage: None,
            oversize: None,
            times: 1,
            state: None,
            load_ms: 0,
            never_ready: false,
            load_fails: None,
            thinks: None,
            calls: Vec::new(),
        }
    }
}

impl Script {
    /// This script, changed by the words of `text` that it understands.
    pub fn told(&self, text: &str) -> Self {
        let mut script = self.clone();
        for word in text.split_whitespace() {
            if let Some((key, value)) = word.split_once('=') {
                script.set(key, value);
            }
        }
        script
    }

    fn set(&mut self, key: &str, value: &str) {
        let number = value.parse::<u32>().ok();
        match key {
            "tokens" => self.tokens = number.unwrap_or(self.tokens),
            "pace_us" => self.pace_us = number.unwrap_or(0).into(),
            "pace" => self.pace = number.unwrap_or(0),
            "batch" => self.batch = number.unwrap_or(0),
            "prefill_us" => self.prefill_us = number.unwrap_or(0).into(),
            "prefill" => self.prefill = number.unwrap_or(0),
            "chunk" => self.chunk = number.unwrap_or(1).max(1),
            "hang" => self.hang = number,
            "exit" => self.exit = number,
            "garbage" => self.garbage = number,
            "oversize" => self.oversize = number,
            "times" => self.times = number.unwrap_or(1),
            "state" => self.state = Some(value.to_owned()),
            "load_ms" => self.load_ms = number.unwrap_or(0).into(),
            "never_ready" => self.never_ready = number == Some(1),
            "thinks" => self.thinks = number,
            "calls" => self.calls = value.split(',').map(str::to_owned).collect(),
            "load_fails" => self.load_fails = Some(value.to_owned()),
            _ => {}
        }
    }

    /// The time of one token of a sequence.
    pub fn token_time(&self) -> Duration {
        match self.pace {
            0 => Duration::from_micros(self.pace_us),
            pace => Duration::from_secs(1) / pace,
        }
    }

    /// The time before the first token, with this many to read.
    pub fn prefill_time(&self, tokens: u32) -> Duration {
        Duration::from_micros(self.prefill_us) * tokens
    }

    /// Whether a fault is due before token `index`.
    pub fn fault_at(&self, index: u32) -> Option<Fault> {
        let faults = [
            (self.hang, Fault::Hang),
            (self.exit, Fault::Exit),
            (self.garbage, Fault::Garbage),
            (self.oversize, Fault::Oversize),
        ];
        faults.into_iter().find(|(at, _)| *at == Some(index)).map(|(_, fault)| fault)
    }

    /// Counts a fault that is due; `false` when all of them have happened.
    pub fn count_fault(&self) -> bool {
        let Some(path) = &self.state else { return true };
        let past =
            std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u32>().ok()).unwrap_or(0);
        past < self.times && std::fs::write(path, (past + 1).to_string()).is_ok()
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No step, no frame, though there is work.
    Hang,
    /// The process ends.
    Exit,
    /// Bytes that are no frame.
    Garbage,
    /// A frame over its limit.
    Oversize,
}

/// The token at `index` of the answer with this seed.
pub fn token_id(seed: u64, index: u32) -> u32 {
    let mut state = seed ^ (u64::from(index) << 32 | 0x9e37_79b9);
    for _ in 0..2 {
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state ^= state >> 27;
    }
    (state % 50_000) as u32
}

/// The text of a token.
pub fn token_text(id: u32) -> String {
    const SYLLABLES: [&str; 8] = ["ba", "do", "ki", "lu", "mé", "na", "ro", "ti"];
    let digit = |shift: u32| SYLLABLES[(id >> shift & 7) as usize];
    format!("{}{}{} ", digit(0), digit(3), digit(6))
}

/// The whole answer.
pub fn answer(seed: u64, tokens: u32) -> String {
    (0..tokens).map(|index| token_text(token_id(seed, index))).collect()
}
