//! Whose turn it is among feeds, from sources that say what a test wants.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use pomona_protocol::{Principal, SessionEvent, SessionEventBody, SessionLive, SessionNews, TurnId};

use super::*;
use crate::v3::feed::Pace;

/// Says what it holds and then waits for ever. What it shares is dropped with it.
struct Script {
    news: VecDeque<SessionNews>,
    _held: Arc<()>,
}

impl Source for Script {
    fn poll_news(&mut self, _context: &mut Context<'_>) -> Poll<Option<SessionNews>> {
        self.news.pop_front().map_or(Poll::Pending, |news| Poll::Ready(Some(news)))
    }
}

fn feed_of(session: u128, news: Vec<SessionNews>, held: &Arc<()>) -> Feed<Script> {
    let pace = Pace { coalesce: Duration::ZERO, heartbeat: None };
    Feed::new(SessionId(session), 0, Script { news: news.into(), _held: Arc::clone(held) }, pace)
}

fn added(feeds: &mut Feeds<Script>, session: u128, news: Vec<SessionNews>) -> Arc<()> {
    let held = Arc::new(());
    feeds.add(SessionId(session), feed_of(session, news, &held));
    held
}

fn logged(seq: u64) -> SessionNews {
    let body = SessionEventBody::CancelAsked { turn: TurnId(1), by: Principal(1) };
    SessionNews::Event(SessionEvent { first_seq: seq, seq, at_ms: 5, body })
}

fn typing() -> SessionNews {
    SessionNews::Live(SessionLive::Typing { by: Principal(1), name: "ann".to_owned() })
}

fn cut() -> SessionNews {
    SessionNews::Cut { reason: "slow".to_owned() }
}

/// Sessions of the next envelopes, up to silence.
fn heard(feeds: &mut Feeds<Script>) -> Vec<u128> {
    std::iter::from_fn(|| feeds.next().now_or_never()).map(|(session, _)| session.0).collect()
}

#[tokio::test]
async fn a_session_that_never_stops_keeps_no_other_waiting() {
    let mut feeds = Feeds::new();
    added(&mut feeds, 1, (1..=4).map(logged).collect());
    added(&mut feeds, 2, (1..=2).map(logged).collect());
    added(&mut feeds, 3, vec![typing()]);
    assert_eq!(heard(&mut feeds), [1, 2, 3, 1, 2, 1, 1]);
    let cursors: Vec<_> = feeds.cursors().map(|(session, cursor)| (session.0, cursor)).collect();
    assert_eq!(cursors, [(1, 4), (2, 2), (3, 0)]);
}

#[tokio::test]
async fn a_cut_is_the_last_word_of_a_session_and_of_no_other() {
    let mut feeds = Feeds::new();
    let held = added(&mut feeds, 1, vec![logged(1), cut(), logged(2)]);
    added(&mut feeds, 2, (1..=3).map(logged).collect());
    assert_eq!(heard(&mut feeds), [1, 2, 1, 2, 2]);
    assert!(!feeds.contains(SessionId(1)) && feeds.contains(SessionId(2)));
    assert_eq!(Arc::strong_count(&held), 1, "its source is dropped");
    added(&mut feeds, 1, vec![logged(1)]);
    assert_eq!(heard(&mut feeds), [1], "it may come again");
}

#[tokio::test]
async fn what_is_removed_is_let_go_at_once_and_says_nothing_more() {
    let mut feeds = Feeds::new();
    let held = added(&mut feeds, 1, vec![logged(1), logged(2)]);
    let waiting = added(&mut feeds, 2, vec![]);
    assert_eq!(feeds.next().await.0, SessionId(1));
    assert_eq!(feeds.next().await.0, SessionId(1));
    assert!(feeds.next().now_or_never().is_none());
    assert_eq!(feeds.remove(SessionId(1)), Some(2));
    assert_eq!(feeds.remove(SessionId(2)), Some(0));
    assert_eq!(feeds.remove(SessionId(2)), None);
    assert_eq!((Arc::strong_count(&held), Arc::strong_count(&waiting)), (1, 1));
    assert!(feeds.next().now_or_never().is_none());
    assert_eq!((feeds.len(), feeds.listening.len()), (0, 0), "nothing is left behind");
}

#[tokio::test]
async fn tokens_are_gathered_here_too() {
    let tokens = |seq: u64, text: &str| {
        let (turn, first) = (TurnId(1), seq as u32 - 1);
        let (text, ends) = (text.to_owned(), vec![text.len() as u32]);
        let body = SessionEventBody::Tokens { turn, first, ids: vec![7], text, ends, marks: Vec::new() };
        SessionNews::Event(SessionEvent { first_seq: seq, seq, at_ms: 5, body })
    };
    let news = VecDeque::from([tokens(1, "a"), tokens(2, "b"), tokens(3, "c"), cut()]);
    let pace = Pace { coalesce: Duration::from_secs(600), heartbeat: None };
    let source = Script { news, _held: Arc::new(()) };
    let mut feeds = Feeds::new();
    feeds.add(SessionId(1), Feed::new(SessionId(1), 0, source, pace));
    let numbers: Vec<_> = std::iter::from_fn(|| feeds.next().now_or_never()).map(|each| each.1.seq).collect();
    assert_eq!(numbers, [Some(1), Some(3), None]);
}

#[tokio::test]
async fn dropping_them_lets_go_of_every_session() {
    let mut feeds = Feeds::new();
    let held: Vec<_> = (1..=50).map(|session| added(&mut feeds, session, vec![logged(1)])).collect();
    assert_eq!(heard(&mut feeds).len(), 50);
    drop(feeds);
    assert!(held.iter().all(|held| Arc::strong_count(held) == 1));
}
