//! What a feed gives out, from a source that says what a test wants.

use std::collections::VecDeque;

use pomona_protocol::said::pieces;
use pomona_protocol::v3::marks_of;
use pomona_protocol::{FinishReason, Mark, Principal, Said, SessionLive, TurnId, Usage};
use proptest::prelude::*;

use super::*;

/// Longer than any test: what is gathered goes out for another reason.
const LONG: Duration = Duration::from_secs(600);

/// Says what it holds, with waits in between; waits for ever at its end unless that is a cut.
struct Script(VecDeque<Option<SessionNews>>);

impl Script {
    fn of(news: impl IntoIterator<Item = SessionNews>) -> Self {
        Self(news.into_iter().map(Some).collect())
    }
}

impl Source for Script {
    fn poll_news(&mut self, context: &mut Context<'_>) -> Poll<Option<SessionNews>> {
        match self.0.pop_front() {
            Some(Some(news)) => Poll::Ready(Some(news)),
            Some(None) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            None => Poll::Pending,
        }
    }
}

fn feed(script: Script, after: u64, coalesce: Duration) -> Feed<Script> {
    Feed::new(SessionId(7), after, script, Pace { coalesce, heartbeat: None })
}

fn tokens(first_seq: u64, first: u32, pieces: &[&str]) -> SessionNews {
    let mut text = String::new();
    let mut ends = Vec::new();
    for piece in pieces {
        text.push_str(piece);
        ends.push(text.len() as u32);
    }
    let ids = (first..first + pieces.len() as u32).collect();
    let seq = first_seq + pieces.len() as u64 - 1;
    let body = SessionEventBody::Tokens { turn: TurnId(1), first, ids, text, ends, marks: Vec::new() };
    SessionNews::Event(SessionEvent { first_seq, seq, at_ms: 5, body })
}

fn single(seq: u64, body: SessionEventBody) -> SessionNews {
    SessionNews::Event(SessionEvent { first_seq: seq, seq, at_ms: 5, body })
}

fn finished(seq: u64) -> SessionNews {
    let (turn, usage) = (TurnId(1), Usage::default());
    single(
        seq,
        SessionEventBody::Finished {
            turn,
            reason: FinishReason::Stop,
            text: String::new(),
            usage,
            marks: Vec::new(),
            stop: None,
        },
    )
}

fn typing() -> SessionNews {
    SessionNews::Live(SessionLive::Typing { by: Principal(1), name: "ann".to_owned() })
}

/// Kind, numbers and text of everything up to the cut, which the script must end with.
async fn all(mut feed: Feed<Script>) -> Vec<(&'static str, Option<u64>, Option<u64>, String)> {
    let mut said = Vec::new();
    while let Some(envelope) = feed.next().await {
        let text = match &envelope.body {
            EnvelopeBody::TurnTokens { text, .. } => text.clone(),
            EnvelopeBody::Cut { reason, cursor } => format!("{reason} at {cursor}"),
            _ => String::new(),
        };
        let kind = crate::v3::envelope::kind(&envelope.body);
        said.push((kind, envelope.first_seq, envelope.seq, text));
    }
    said
}

#[tokio::test]
async fn first_tokens_go_out_at_once_and_the_rest_is_gathered() {
    let script = Script::of([
        tokens(1, 0, &["a"]),
        tokens(2, 1, &["b"]),
        tokens(3, 2, &["c", "d"]),
        finished(5),
        cut("slow"),
    ]);
    let said = all(feed(script, 0, LONG)).await;
    let text = |text: &str| text.to_owned();
    assert_eq!(
        said,
        [
            ("turn.tokens", None, Some(1), text("a")),
            ("turn.tokens", Some(2), Some(4), text("bcd")),
            ("turn.finished", None, Some(5), text("")),
            ("cut", None, None, text("slow at 5")),
        ]
    );
}

/// Tokens that are all of one kind.
fn marked(first_seq: u64, first: u32, pieces: &[&str], kind: Said) -> SessionNews {
    let mut news = tokens(first_seq, first, pieces);
    if let SessionNews::Event(SessionEvent { body: SessionEventBody::Tokens { marks, .. }, .. }) = &mut news {
        marks.push(Mark { at: 0, kind });
    }
    news
}

#[tokio::test]
async fn marks_follow_their_text_when_tokens_are_gathered() {
    let call = |name: Option<&str>| Said::Call { index: 0, name: name.map(str::to_owned) };
    let script = Script::of([
        marked(1, 0, &["h"], Said::Reasoning),
        marked(2, 1, &["m"], Said::Reasoning),
        tokens(3, 2, &["ü", "b"]),
        marked(5, 4, &["{"], call(Some("f"))),
        marked(6, 5, &["}"], call(None)),
        cut("slow"),
    ]);
    let mut feed = feed(script, 0, LONG);
    let mut said = Vec::new();
    while let Some(envelope) = feed.next().await {
        if let EnvelopeBody::TurnTokens { text, marks, .. } = envelope.body {
            let marks = marks_of(&marks);
            said.extend(
                pieces(&text, &marks)
                    .map(|(kind, piece)| (kind.clone(), piece.to_owned()))
                    .collect::<Vec<_>>(),
            );
        }
    }
    let expected =
        [(Said::Reasoning, "h"), (Said::Reasoning, "m"), (Said::Text, "üb"), (call(Some("f")), "{}")];
    assert_eq!(said, expected.map(|(kind, piece)| (kind, piece.to_owned())));
}

#[tokio::test]
async fn without_gathering_each_event_goes_out_as_it_came() {
    let script = Script::of([tokens(1, 0, &["a"]), tokens(2, 1, &["b", "c"]), cut("moved")]);
    let kinds: Vec<_> = all(feed(script, 0, Duration::ZERO)).await.into_iter().map(|each| each.2).collect();
    assert_eq!(kinds, [Some(1), Some(3), None]);
}

#[tokio::test]
async fn gathered_tokens_go_out_when_their_time_is_over() {
    let script = Script::of([tokens(1, 0, &["a"]), tokens(2, 1, &["b"]), tokens(3, 2, &["c"])]);
    let mut feed = feed(script, 0, Duration::from_millis(1));
    let mut cursors = Vec::new();
    while feed.cursor() < 3 {
        cursors.extend(feed.next().await.and_then(|envelope| envelope.seq));
    }
    assert_eq!(cursors.last(), Some(&3));
}

#[tokio::test]
async fn what_passes_goes_out_behind_the_tokens_before_it() {
    let script = Script::of([
        tokens(1, 0, &["a"]),
        tokens(2, 1, &["b"]),
        typing(),
        tokens(3, 2, &["c"]),
        SessionNews::CaughtUp { head_seq: 3 },
        cut("deleted"),
    ]);
    let kinds: Vec<_> = all(feed(script, 0, LONG)).await.into_iter().map(|each| each.0).collect();
    assert_eq!(kinds, ["turn.tokens", "turn.tokens", "typing", "turn.tokens", "caught_up", "cut"]);
}

#[tokio::test]
async fn what_the_client_has_is_not_said_again() {
    let script = Script::of([tokens(1, 0, &["a", "b", "c"]), finished(4), finished(4), cut("slow")]);
    let said = all(feed(script, 2, Duration::ZERO)).await;
    assert_eq!(said[0], ("turn.tokens", None, Some(3), "c".to_owned()));
    assert_eq!(said.len(), 3, "{said:?}");
}

#[tokio::test]
async fn a_gap_is_never_shown() {
    let script = Script::of([tokens(1, 0, &["a"]), tokens(2, 1, &["b"]), finished(9), finished(10)]);
    let said = all(feed(script, 0, LONG)).await;
    assert_eq!(said.last().unwrap(), &("cut", None, None, "store at 2".to_owned()));
    assert_eq!(said.len(), 3);
}

#[tokio::test]
async fn silence_is_broken_by_heartbeats() {
    let pace = Pace { coalesce: Duration::ZERO, heartbeat: Some(Duration::from_millis(1)) };
    let mut feed = Feed::new(SessionId(7), 3, Script::of([]), pace);
    for _ in 0..3 {
        let envelope = feed.next().await.unwrap();
        assert_eq!((envelope.body, envelope.seq), (EnvelopeBody::Heartbeat {}, None));
    }
    assert_eq!(feed.cursor(), 3);
}

#[tokio::test]
async fn an_answer_is_joined_in_pieces_of_limited_size() {
    let piece = "x".repeat(1000);
    let news = (0..100).map(|index| tokens(index + 1, index as u32, &[&piece]));
    let said = all(feed(Script::of(news.chain([cut("slow")])), 0, LONG)).await;
    assert!(said.len() > 5, "{}", said.len());
    assert!(said.iter().all(|each| each.3.len() <= GATHERED_BYTES_MAX + piece.len()));
}

/// A part of a script: tokens with these texts, another event, something that passes, or a wait.
#[derive(Clone, Debug)]
enum Step {
    Tokens(Vec<String>),
    Event,
    Passes,
    Waits,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => proptest::collection::vec("[aü🍏]{0,3}", 1..5).prop_map(Step::Tokens),
        1 => Just(Step::Event),
        1 => Just(Step::Passes),
        2 => Just(Step::Waits),
    ]
}

/// The script, the whole text, and how many of its parts are events without tokens or pass.
fn script(steps: &[Step]) -> (Script, String, usize) {
    let (mut news, mut whole, mut others) = (VecDeque::new(), String::new(), 0);
    let (mut seq, mut index) = (0, 0);
    for step in steps {
        match step {
            Step::Tokens(pieces) => {
                let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
                whole.extend(pieces.iter().copied());
                news.push_back(Some(tokens(seq + 1, index, &pieces)));
                seq += pieces.len() as u64;
                index += pieces.len() as u32;
            }
            Step::Event => {
                seq += 1;
                others += 1;
                news.push_back(Some(single(
                    seq,
                    SessionEventBody::CancelAsked { turn: TurnId(1), by: Principal(1) },
                )));
            }
            Step::Passes => {
                others += 1;
                news.push_back(Some(typing()));
            }
            Step::Waits => news.push_back(None),
        }
    }
    news.push_back(Some(cut("slow")));
    (Script(news), whole, others)
}

proptest! {
    #[test]
    fn gathering_changes_neither_text_nor_numbers(
        steps in proptest::collection::vec(step(), 0..60),
        coalesce_ms in prop_oneof![Just(0_u64), Just(1), Just(600_000)],
    ) {
        let (script, whole, others) = script(&steps);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let said = runtime.block_on(async {
            all(feed(script, 0, Duration::from_millis(coalesce_ms))).await
        });
        let mut cursor = 0;
        for (_, first_seq, seq, _) in &said {
            if let Some(seq) = *seq {
                prop_assert_eq!(first_seq.unwrap_or(seq), cursor + 1);
                cursor = seq;
            }
        }
        let (last, before) = said.split_last().unwrap();
        prop_assert_eq!(&last.3, &format!("slow at {cursor}"));
        let text: String = before.iter().map(|each| each.3.as_str()).collect();
        prop_assert_eq!(text, whole);
        prop_assert_eq!(before.iter().filter(|each| each.0 != "turn.tokens").count(), others);
    }
}
