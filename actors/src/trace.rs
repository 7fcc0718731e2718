//! Spans: what a turn did, when, and for how long. Made by the gateway, turns, attempts and hosting; taken by the
//! [`Observer`], which sends them wherever it likes or drops them. Nothing here waits, and no span holds anything of a
//! prompt or an answer.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use pomona_protocol::{TraceContext, TraceId};

use crate::observer::Observer;

/// A value beside a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpanValue {
    /// A word: a model, a node, a cause.
    Text(String),
    /// A count.
    Number(u64),
}

impl From<&str> for SpanValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for SpanValue {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

/// A span that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanRecord {
    /// The trace.
    pub trace: TraceId,
    /// Its own id.
    pub span: u64,
    /// The span above, if there is one.
    pub parent: Option<u64>,
    /// `request`, `queue`, `attempt`, `prefill` or `decode`.
    pub name: &'static str,
    /// When it began.
    pub began: SystemTime,
    /// When it ended; never before it began.
    pub ended: SystemTime,
    /// What else is known, by name.
    pub attributes: Vec<(&'static str, SpanValue)>,
    /// Code of the cause, when it failed.
    pub error: Option<&'static str>,
}

/// A span that has not ended yet; dropping it ends it.
pub struct Span {
    observer: Arc<dyn Observer>,
    began_at: Instant,
    record: SpanRecord,
}

impl Span {
    /// The span of a request that came in with this context. `None` when nobody records it: no observer takes spans, its
    /// trace is not sampled, or it has none and none is begun for it.
    pub fn request(observer: &Arc<dyn Observer>, asked: Option<TraceContext>) -> Option<Self> {
        if !observer.takes_spans() {
            return None;
        }
        match asked {
            Some(context) => Self::below(observer, Some(context), "request"),
            None if observer.begins_trace() => {
                let trace = TraceId(u128::from(id()?) << 64 | u128::from(id()?));
                Some(Self::new(observer, trace, None, "request", Instant::now()))
            }
            None => None,
        }
    }

    /// A span below this place, if that is recorded.
    pub fn below(
        observer: &Arc<dyn Observer>,
        context: Option<TraceContext>,
        name: &'static str,
    ) -> Option<Self> {
        Self::since(observer, context, name, Instant::now())
    }

    /// As [`Span::below`], for what began some time ago.
    pub(crate) fn since(
        observer: &Arc<dyn Observer>,
        context: Option<TraceContext>,
        name: &'static str,
        began_at: Instant,
    ) -> Option<Self> {
        let context = context.filter(|context| context.is_sampled && observer.takes_spans())?;
        Some(Self::new(observer, context.trace, Some(context.span), name, began_at))
    }

    fn new(
        observer: &Arc<dyn Observer>,
        trace: TraceId,
        parent: Option<u64>,
        name: &'static str,
        began_at: Instant,
    ) -> Self {
        let began = SystemTime::now() - began_at.elapsed();
        let span = id().unwrap_or(1);
        let record = SpanRecord {
            trace,
            span,
            parent,
            name,
            began,
            ended: began,
            attributes: Vec::new(),
            error: None,
        };
        Self { observer: Arc::clone(observer), began_at, record }
    }

    /// Where spans below this one belong.
    pub fn context(&self) -> TraceContext {
        TraceContext { trace: self.record.trace, span: self.record.span, is_sampled: true }
    }

    /// Says something about it.
    pub fn set(&mut self, name: &'static str, value: impl Into<SpanValue>) {
        self.record.attributes.push((name, value.into()));
    }

    /// It failed, for this cause.
    pub fn fail(&mut self, code: &'static str) {
        self.record.error = Some(code);
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let mut record = std::mem::replace(
            &mut self.record,
            SpanRecord {
                trace: TraceId(0),
                span: 0,
                parent: None,
                name: "",
                began: SystemTime::UNIX_EPOCH,
                ended: SystemTime::UNIX_EPOCH,
                attributes: Vec::new(),
                error: None,
            },
        );
        // By the clock that cannot be set, so that no span ends before it began.
        record.ended = record.began + self.began_at.elapsed();
        self.observer.take_span(record);
    }
}

/// The two parts of an engine's work at one turn: up to the first token, and from there on. Dropped when that is over.
pub(crate) struct Phases {
    observer: Arc<dyn Observer>,
    context: Option<TraceContext>,
    running: Option<Span>,
    has_token: bool,
}

impl Phases {
    /// An engine begins.
    pub(crate) fn begin(observer: &Arc<dyn Observer>, context: Option<TraceContext>) -> Self {
        let running = Span::below(observer, context, "prefill");
        Self { observer: Arc::clone(observer), context, running, has_token: false }
    }

    /// A token came.
    pub(crate) fn on_token(&mut self) {
        if !std::mem::replace(&mut self.has_token, true) && self.running.is_some() {
            // The one ends before the other begins.
            self.running = None;
            self.running = Span::below(&self.observer, self.context, "decode");
        }
    }
}

/// An id that is not 0; `None` when the system gives no random numbers.
fn id() -> Option<u64> {
    getrandom::u64().ok().map(|id| id.max(1))
}

/// Whether a new trace is recorded, at this share of all.
pub fn is_drawn(ratio: f64) -> bool {
    ratio > 0.0 && crate::shared::jitter() < ratio
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::observer::Observation;

    #[derive(Default)]
    struct Spans(Mutex<Vec<SpanRecord>>);

    impl Observer for Spans {
        fn record(&self, _: Observation<'_>) {}

        fn takes_spans(&self) -> bool {
            true
        }

        fn take_span(&self, span: SpanRecord) {
            self.0.lock().unwrap().push(span);
        }
    }

    fn asked(is_sampled: bool) -> TraceContext {
        TraceContext { trace: TraceId(7), span: 9, is_sampled }
    }

    #[test]
    fn only_what_is_sampled_is_recorded() {
        let observer = Arc::new(Spans::default()) as Arc<dyn Observer>;
        assert!(Span::request(&observer, Some(asked(false))).is_none());
        assert!(Span::request(&observer, None).is_none(), "this observer begins no traces");
        let nobody = Arc::new(crate::Unobserved) as Arc<dyn Observer>;
        assert!(Span::request(&nobody, Some(asked(true))).is_none());
        assert!(!is_drawn(0.0) && is_drawn(1.1));
    }

    #[test]
    fn spans_know_their_place_and_end_when_they_are_dropped() {
        let spans = Arc::new(Spans::default());
        let observer = Arc::clone(&spans) as Arc<dyn Observer>;
        let mut request = Span::request(&observer, Some(asked(true))).unwrap();
        request.set("model", "sprout");
        request.fail("engine_lost");
        let mut phases = Phases::begin(&observer, Some(request.context()));
        phases.on_token();
        phases.on_token();
        drop(phases);
        drop(request);
        let spans = spans.0.lock().unwrap();
        let names: Vec<_> = spans.iter().map(|span| span.name).collect();
        assert_eq!(names, ["prefill", "decode", "request"]);
        assert!(spans.iter().all(|span| span.trace == TraceId(7)));
        assert!(spans.iter().all(|span| span.ended >= span.began));
        assert_eq!((spans[2].parent, spans[0].parent), (Some(9), Some(spans[2].span)));
        assert_eq!((spans[1].parent, spans[2].error), (Some(spans[2].span), Some("engine_lost")));
        assert_eq!(spans[2].attributes, [("model", SpanValue::from("sprout"))]);
    }
}
