//! What one answer shows to its client, added up as it comes, until it is a [`Record`]. Every transport feeds one; each read of
//! the system asks the clock once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::plan::Transport;
use crate::record::{Disorder, Outcome, Record};

use super::live::Live;
use super::order::Order;

/// Longest finish reason or code that is kept.
const WORD_BYTES_MAX: usize = 64;

/// The start of the run on a monotonic clock; all times count from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(pub(super) Instant);

impl Clock {
    /// Time since the start of the run.
    pub(super) fn now(self) -> Duration {
        self.0.elapsed()
    }

    /// When it will be `at`.
    pub(super) fn instant(self, at: Duration) -> tokio::time::Instant {
        (self.0 + at).into()
    }
}

/// The sum of one answer so far.
pub(super) struct Tally {
    clock: Clock,
    live: Arc<Live>,
    /// When the bytes that are looked at came.
    now: Duration,
    record: Record,
    order: Order,
    has_indices: bool,
    queued_at: Option<Duration>,
    /// When the last event with tokens came.
    last: Option<Duration>,
    ending: Option<Ending>,
}

/// The terminal event.
enum Ending {
    Finished(String),
    Failed(String),
}

impl Tally {
    /// Nothing yet of the request at this place of the plan.
    pub(super) fn new(
        clock: Clock,
        live: Arc<Live>,
        place: (u32, u32),
        transport: Transport,
        intended: Duration,
    ) -> Self {
        let now = clock.now();
        live.began();
        let record = Record {
            chain: place.0,
            position: place.1,
            transport,
            intended,
            begun: now,
            sent: now,
            first_token: None,
            ended: now,
            gaps_us: Vec::new(),
            tokens: 0,
            usage_tokens: None,
            prompt_tokens: None,
            queue_us: None,
            text_bytes: 0,
            text_hash: FNV_START,
            disorder: Disorder::default(),
            moves: 0,
            node: None,
            outcome: Outcome::Cancelled,
        };
        let order = Order::default();
        Self {
            clock,
            live,
            now,
            record,
            order,
            has_indices: false,
            queued_at: None,
            last: None,
            ending: None,
        }
    }

    /// The request is about to leave.
    pub(super) fn sent(&mut self) {
        self.look();
        self.record.sent = self.now;
    }

    /// Bytes came; what is told next came with them.
    pub(super) fn look(&mut self) {
        self.now = self.clock.now();
    }

    /// The request waits at the gateway.
    pub(super) fn queued(&mut self) {
        self.queued_at.get_or_insert(self.now);
    }

    /// Its prompt was taken by a replica.
    pub(super) fn started(&mut self) {
        let waited = self.queued_at.map_or(Duration::ZERO, |since| self.now.saturating_sub(since));
        self.record.queue_us.get_or_insert(waited.as_micros() as u64);
    }

    /// The gateway counted the prompt: its tokens, and how many of them were cached.
    pub(super) fn prompt(&mut self, tokens: u32, cached: u32) {
        self.record.prompt_tokens = Some((tokens, cached));
    }

    /// The gateway counted the answer.
    pub(super) fn usage(&mut self, tokens: u32) {
        self.record.usage_tokens = Some(tokens);
    }

    /// The turn lost its replica and goes on at this node.
    pub(super) fn moved(&mut self, node: &str) {
        self.record.moves += 1;
        self.record.node = Some(node.chars().take(WORD_BYTES_MAX).collect());
    }

    /// An event with tokens. Without an index they are counted as they come.
    pub(super) fn tokens(&mut self, index: Option<u32>, count: u32, text: &[u8]) {
        match index {
            Some(index) => {
                self.has_indices = true;
                self.order.take(index, count);
            }
            None => self.record.tokens = self.record.tokens.saturating_add(count),
        }
        self.text(text);
        self.live.tokens(count);
        if let Some(last) = self.last {
            let gap = self.now.saturating_sub(last).as_micros();
            self.record.gaps_us.push(u32::try_from(gap).unwrap_or(u32::MAX));
        }
        if self.record.first_token.is_some() {
            self.last = Some(self.now);
        }
    }

    /// Text behind the last token's.
    pub(super) fn text(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        self.whole_text(text);
        if self.record.first_token.is_none() {
            self.record.first_token = Some(self.now);
            self.live.first_token(self.now.saturating_sub(self.record.intended));
        }
    }

    /// The text of an answer that came at once: it has no first token to speak of.
    pub(super) fn whole_text(&mut self, text: &[u8]) {
        self.record.text_bytes += text.len() as u64;
        self.record.text_hash = fnv(self.record.text_hash, text);
    }

    /// Tokens of a turn that is not this client's.
    pub(super) fn foreign(&mut self, count: u32) {
        self.order.foreign(count);
    }

    /// The answer is complete.
    pub(super) fn finished(&mut self, reason: &str) {
        self.end(Ending::Finished(reason.chars().take(WORD_BYTES_MAX).collect()));
    }

    /// The answer failed.
    pub(super) fn failed(&mut self, code: String) {
        self.end(Ending::Failed(code));
    }

    fn end(&mut self, ending: Ending) {
        match self.ending {
            None => self.ending = Some(ending),
            Some(_) => self.order.extra_end(),
        }
    }

    /// A terminal event of a turn that had ended.
    pub(super) fn extra_end(&mut self) {
        self.order.extra_end();
    }

    /// Whether a terminal event came.
    pub(super) fn has_ended(&self) -> bool {
        self.ending.is_some()
    }

    /// Tokens so far.
    pub(super) fn count(&self) -> u32 {
        if self.has_indices { self.order.tokens() } else { self.record.tokens }
    }

    /// The record, once the client is done with it.
    pub(super) fn into_record(mut self, left: Left) -> Record {
        self.record.ended = self.clock.now();
        // Where events carry no indices, an event may hold several tokens or none that shows, and only the gateway knows.
        self.record.tokens = match (self.has_indices, self.record.usage_tokens) {
            (true, _) => self.order.tokens(),
            (false, Some(usage)) => usage,
            (false, None) => self.record.tokens,
        };
        self.record.disorder = self.order.disorder();
        self.record.outcome = match (left, self.ending) {
            (Left::Away, _) => Outcome::Cancelled,
            (Left::AtEnd | Left::Broken(_), Some(Ending::Finished(reason))) => Outcome::Finished(reason),
            (Left::AtEnd | Left::Broken(_), Some(Ending::Failed(code))) => Outcome::Failed(code),
            (Left::Refused(code), _) => Outcome::Failed(code),
            (Left::Broken(code), None) => Outcome::Broken(code),
            (Left::AtEnd, None) => Outcome::Broken("no_end".to_owned()),
        };
        self.live.ended(&self.record.outcome);
        self.record
    }
}

/// How a client came to be done with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It read to the end.
    AtEnd,
    /// It went away on purpose.
    Away,
    /// It was refused, with this code.
    Refused(String),
    /// The connection broke, by this word.
    Broken(String),
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a over more bytes: it does not matter how they were cut.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        let clock = Clock(Instant::now());
        Tally::new(clock, Arc::default(), (3, 1), Transport::Sse, Duration::ZERO)
    }

    #[test]
    fn equal_texts_have_equal_hashes_however_they_are_cut() {
        let hash = |pieces: &[&str]| {
            let mut tally = tally();
            pieces.iter().for_each(|piece| tally.tokens(None, 1, piece.as_bytes()));
            let record = tally.into_record(Left::AtEnd);
            (record.text_hash, record.text_bytes)
        };
        assert_eq!(hash(&["ap", "", "ple"]), hash(&["apple"]));
        assert_ne!(hash(&["apple"]), hash(&["appel"]));
    }

    #[test]
    fn the_first_token_is_the_first_that_shows() {
        let mut tally = tally();
        tally.tokens(Some(0), 1, b"");
        assert_eq!(tally.record.first_token, None);
        tally.look();
        tally.tokens(Some(1), 1, b"a");
        tally.tokens(Some(2), 2, b"b");
        tally.finished("length");
        let record = tally.into_record(Left::AtEnd);
        assert!(record.first_token.is_some() && record.gaps_us.len() == 1);
        assert_eq!((record.tokens, record.outcome), (4, Outcome::Finished("length".to_owned())));
    }

    #[test]
    fn an_answer_ends_once_and_without_an_end_it_is_broken() {
        let mut twice = tally();
        twice.finished("stop");
        twice.failed("internal_error".to_owned());
        let record = twice.into_record(Left::AtEnd);
        assert_eq!((record.outcome, record.disorder.extra_ends), (Outcome::Finished("stop".to_owned()), 1));
        let record = tally().into_record(Left::AtEnd);
        assert_eq!(record.outcome, Outcome::Broken("no_end".to_owned()));
    }

    #[test]
    fn a_gateway_s_count_goes_before_the_count_of_events_without_indices() {
        let mut tally = tally();
        tally.tokens(None, 1, b"a");
        assert_eq!(tally.count(), 1);
        tally.usage(3);
        assert_eq!(tally.into_record(Left::AtEnd).tokens, 3);
    }
}
