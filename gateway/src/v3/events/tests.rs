//! What a browser reads of a session.

use std::collections::VecDeque;

use axum::body::Body;
use pomona_protocol::{SessionEvent, SessionEventBody, SessionId, SessionNews, TurnId};
use tokio::sync::Semaphore;

use super::*;

struct Script(VecDeque<SessionNews>);

impl Source for Script {
    fn poll_news(&mut self, _context: &mut Context<'_>) -> Poll<Option<SessionNews>> {
        self.0.pop_front().map_or(Poll::Pending, |news| Poll::Ready(Some(news)))
    }
}

fn body(news: impl IntoIterator<Item = SessionNews>) -> EventBody<Script> {
    let pace = Pace { coalesce: Duration::ZERO, heartbeat: None };
    let feed = Feed::new(SessionId(7), 0, Script(news.into_iter().collect()), pace);
    EventBody::new(feed, Permit::of(Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(), None))
}

fn token(seq: u64, text: String) -> SessionNews {
    let ends = vec![text.len() as u32];
    let body = SessionEventBody::Tokens {
        turn: TurnId(1),
        first: seq as u32 - 1,
        ids: vec![5],
        text,
        ends,
        marks: Vec::new(),
    };
    SessionNews::Event(SessionEvent { first_seq: seq, seq, at_ms: 5, body })
}

#[tokio::test]
async fn events_of_the_log_have_ids_and_those_that_pass_have_none() {
    let cut = SessionNews::Cut { reason: "slow".to_owned() };
    let news = [token(1, "a\nb".to_owned()), SessionNews::CaughtUp { head_seq: 1 }, cut];
    let bytes = axum::body::to_bytes(Body::new(body(news)), 10_000).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let events: Vec<Vec<&str>> = text.split_terminator("\n\n").map(|event| event.lines().collect()).collect();
    assert_eq!(events.len(), 4, "{text}");
    assert_eq!(events[0], ["retry: 1000"]);
    assert_eq!(events[1][..2], ["id: 1", "event: turn.tokens"]);
    assert!(events[1][2].contains(r#""text":"a\nb""#), "{text}");
    assert_eq!(events[2][0], "event: caught_up");
    assert_eq!(events[3][0], "event: cut");
    assert!(events[3][1].contains(r#""reason":"slow","cursor":1"#), "{text}");
    for event in &events[1..] {
        let data = event.last().unwrap().strip_prefix("data: ").unwrap();
        crate::v3::schema::assert_valid_event(&serde_json::from_str(data).unwrap());
    }
}

#[tokio::test]
async fn what_is_ready_goes_out_in_one_write_up_to_the_size_of_a_frame() {
    let mut body = body((1..=100).map(|seq| token(seq, "x".repeat(500))));
    let mut context = Context::from_waker(std::task::Waker::noop());
    let mut sizes = Vec::new();
    while let Poll::Ready(Some(Ok(frame))) = hyper::body::Body::poll_frame(Pin::new(&mut body), &mut context)
    {
        sizes.push(frame.data_ref().unwrap().len());
    }
    assert!((2..10).contains(&sizes.len()), "{sizes:?}");
    assert!(sizes.iter().all(|size| *size < 2 * sse::FRAME_BYTES), "{sizes:?}");
}

#[test]
fn a_browsers_last_event_id_is_a_number_or_named() {
    let read = |value: &str| {
        let headers = [("last-event-id".parse().unwrap(), value.parse().unwrap())].into_iter().collect();
        last_event_id(&headers).map_err(|error| error.code())
    };
    for (value, expected) in [
        ("", Ok(None)),
        ("12", Ok(Some(12))),
        ("-1", Err("invalid_request")),
        ("9223372036854775808", Err("invalid_request")),
        ("ses_a:1", Err("invalid_request")),
    ] {
        assert_eq!(read(value), expected, "{value}");
    }
}
