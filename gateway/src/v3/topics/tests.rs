//! What is asked for and what is written, from sources that say what a test wants.

use std::collections::VecDeque;

use axum::body::Body;
use pomona_protocol::{SessionEvent, SessionEventBody, SessionNews, TurnId};

use super::*;
use crate::v3::feed::Feed;
use crate::v3::schema::assert_valid_event;

fn ses(number: u128) -> String {
    SessionId(number).to_string()
}

fn read(topics: &str, cursors: Option<&str>, seen: &str) -> Result<Vec<(u128, u64)>, String> {
    let param = |error: ApiError| {
        let body: serde_json::Value = serde_json::from_slice(&error.to_json()).unwrap();
        body["error"]["param"].as_str().unwrap().to_owned()
    };
    let mut read = read_topics(topics, cursors).map_err(param)?;
    apply_seen(&mut read, seen).map_err(param)?;
    Ok(read.into_iter().map(|(session, cursor)| (session.0, cursor)).collect())
}

#[test]
fn topics_and_cursors_go_together() {
    let two = format!("{},{}", ses(1), ses(2));
    assert_eq!(read(&two, None, ""), Ok(vec![(1, 0), (2, 0)]));
    assert_eq!(read(&two, Some("12,0"), ""), Ok(vec![(1, 12), (2, 0)]));
    assert_eq!(read(&two, Some("1, 9223372036854775807"), " "), Ok(vec![(1, 1), (2, i64::MAX as u64)]));
    let seen = format!("{}:7,{}:3,{}:5", ses(2), ses(9), ses(1));
    assert_eq!(read(&two, Some("12,0"), &seen), Ok(vec![(1, 5), (2, 7)]), "what was seen goes first");
    assert_eq!(read(&two, Some("12,4"), &format!("{}:7", ses(2))), Ok(vec![(1, 12), (2, 7)]));
}

#[test]
fn wrong_topics_and_cursors_are_refused_by_name() {
    let two = format!("{},{}", ses(1), ses(2));
    let many = (0..257).map(ses).collect::<Vec<_>>().join(",");
    let most = (0..256).map(ses).collect::<Vec<_>>().join(",");
    assert_eq!(read(&most, None, "").unwrap().len(), 256);
    for (topics, cursors, seen, name) in [
        ("", None, "", "topics"),
        (",", None, "", "topics"),
        ("ses_1", None, "", "topics"),
        (many.as_str(), None, "", "topics"),
        (&format!("{two},{}", ses(1)), None, "", "topics"),
        (two.as_str(), Some("1"), "", "cursors"),
        (two.as_str(), Some("1,2,3"), "", "cursors"),
        (two.as_str(), Some("1,-2"), "", "cursors"),
        (two.as_str(), Some("1,"), "", "cursors"),
        (two.as_str(), Some("1,9223372036854775808"), "", "cursors"),
        (two.as_str(), Some("1,1e3"), "", "cursors"),
        (two.as_str(), None, "12", "Last-Event-ID"),
        (two.as_str(), None, "ses_1:4", "Last-Event-ID"),
        (two.as_str(), None, &format!("{}:x", ses(1)), "Last-Event-ID"),
        (two.as_str(), None, &format!("{}:1,", ses(1)), "Last-Event-ID"),
    ] {
        let shown: String = topics.chars().take(90).collect();
        assert_eq!(read(topics, cursors, seen), Err(name.to_owned()), "{shown} {cursors:?} {seen}");
    }
}

#[test]
fn an_event_id_is_read_back() {
    let cursors = [(SessionId(1), 12), (SessionId(2), 3)];
    let id = EventId(&cursors).to_string();
    assert_eq!(id, format!("{}:12,{}:3", ses(1), ses(2)));
    assert_eq!(read(&format!("{},{}", ses(1), ses(2)), None, &id), Ok(vec![(1, 12), (2, 3)]));
}

/// Says what it holds and then waits for ever.
struct Script(VecDeque<SessionNews>);

impl Source for Script {
    fn poll_news(&mut self, _context: &mut Context<'_>) -> Poll<Option<SessionNews>> {
        self.0.pop_front().map_or(Poll::Pending, |news| Poll::Ready(Some(news)))
    }
}

fn logged(seq: u64) -> SessionNews {
    let body = SessionEventBody::CancelAsked { turn: TurnId(1), by: Principal(1) };
    SessionNews::Event(SessionEvent { first_seq: seq, seq, at_ms: 5, body })
}

fn cut(reason: &str) -> SessionNews {
    SessionNews::Cut { reason: reason.to_owned() }
}

fn body(scripts: Vec<(u128, u64, Vec<SessionNews>)>, keep_alive: Duration) -> TopicsBody<Script> {
    let pace = Pace { coalesce: Duration::ZERO, heartbeat: None };
    let (mut feeds, mut cursors) = (Feeds::new(), Vec::new());
    for (session, after, news) in scripts {
        let session = SessionId(session);
        cursors.push((session, after));
        feeds.add(session, Feed::new(session, after, Script(news.into()), pace));
    }
    TopicsBody::new(feeds, cursors, keep_alive, None)
}

/// `id` and type of every event.
fn events(text: &str) -> Vec<(Option<&str>, &str)> {
    let blocks = text.split("\n\n").filter(|block| block.contains("data: "));
    blocks
        .map(|block| {
            let find = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            (find("id: "), find("event: ").unwrap())
        })
        .collect()
}

#[tokio::test]
async fn each_event_carries_the_cursors_of_all_and_one_cut_ends_one_session() {
    let scripts = vec![
        (1, 4, vec![logged(5), cut("moved")]),
        (2, 0, vec![logged(1), SessionNews::CaughtUp { head_seq: 1 }, logged(2), cut("deleted")]),
    ];
    let body = Body::new(body(scripts, Duration::from_secs(600)));
    let bytes = axum::body::to_bytes(body, 10_000).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.starts_with("retry: 1000\n\n"), "{text}");
    let id = |first: u64, second: u64| format!("{}:{first},{}:{second}", ses(1), ses(2));
    for data in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        assert_valid_event(&serde_json::from_str(data).unwrap());
    }
    let (first, second, third) = (id(5, 0), id(5, 1), id(5, 2));
    assert_eq!(
        events(&text),
        [
            (Some(first.as_str()), "turn.cancel_asked"),
            (Some(second.as_str()), "turn.cancel_asked"),
            (None, "cut"),
            (None, "caught_up"),
            (Some(third.as_str()), "turn.cancel_asked"),
            (None, "cut"),
        ]
    );
}

#[tokio::test]
async fn silence_of_all_is_broken_by_heartbeats() {
    let mut body = body(vec![(1, 0, vec![]), (2, 0, vec![])], Duration::from_millis(1));
    let mut text = String::new();
    while text.matches("event: heartbeat").count() < 3 {
        let frame =
            std::future::poll_fn(|context| hyper::body::Body::poll_frame(Pin::new(&mut body), context));
        let data = frame.await.unwrap().unwrap().into_data().unwrap();
        text.push_str(std::str::from_utf8(&data).unwrap());
    }
    assert!(text.contains("\"session\":\"\"") && !text.contains("id: "), "{text}");
}
