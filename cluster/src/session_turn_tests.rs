//! What a running turn says and what becomes of it, rule by rule.

use pomona_protocol::{
    Cause, ContextPolicy, FinishReason, NodeId, SessionChange, SessionCommand, SessionEventBody, SessionId,
    SessionLive, SessionReply, TurnEvent, TurnId, TurnState, Usage,
};

use super::bench::*;
use super::*;

const STARTED: TurnEvent = TurnEvent::Started { prompt_tokens: 9, cached_tokens: 4 };

fn logged(turn: TurnId, first: u32, ids: &[u32], text: &str, ends: &[u32]) -> SessionEventBody {
    SessionEventBody::Tokens {
        turn,
        first,
        ids: ids.to_vec(),
        text: text.to_owned(),
        ends: ends.to_vec(),
        marks: Vec::new(),
    }
}

fn cancelled_with(turn: TurnId, usage: Usage) -> SessionEventBody {
    SessionEventBody::Finished {
        turn,
        reason: FinishReason::Cancelled,
        text: String::new(),
        usage,
        marks: Vec::new(),
        stop: None,
    }
}

fn failed(cause: Cause) -> Vec<TurnEvent> {
    vec![TurnEvent::Failed { cause }]
}

#[test]
fn an_answer_is_logged_token_by_token() {
    let mut bench = Bench::new();
    let turn = bench.asked(ask("hi"));
    let base = bench.log.len();
    bench.says(vec![STARTED, tokens(0, &[7, 8, 9], "abc"), tokens(3, &[10], ""), tokens(4, &[11], "ü")]);
    assert_eq!(bench.batches.len(), 1, "one input is one piece");
    bench.write();
    assert_eq!(bench.last.last(), Some(&Effect::Ready { run: 1 }));
    bench.says(vec![tokens(5, &[12], "!"), finished("?")]);
    bench.write();
    let usage = Usage::default();
    let expected = [
        SessionEventBody::Started { turn, prompt_tokens: 9, cached_tokens: 4 },
        logged(turn, 0, &[7, 8, 9, 10, 11], "abcü", &[0, 0, 3, 3, 5]),
        logged(turn, 5, &[12], "!", &[1]),
        SessionEventBody::Finished {
            turn,
            reason: FinishReason::Stop,
            text: "?".into(),
            usage,
            marks: Vec::new(),
            stop: None,
        },
    ];
    assert_eq!(bench.bodies()[base..], expected);
    let view = bench.session.view(1).unwrap();
    assert_eq!((view.turns[0].answer.as_str(), view.turns[0].tokens, view.head_seq), ("abcü!?", 6, 11));
    assert!(bench.session.is_idle());
}

#[test]
fn a_turn_waits_until_what_it_said_is_written() {
    let mut bench = Bench::new();
    bench.asked(ask("hi"));
    bench.says(vec![tokens(0, &[7], "a")]);
    assert!(!bench.last.contains(&Effect::Ready { run: 1 }));
    bench.write();
    assert!(bench.last.contains(&Effect::Ready { run: 1 }));
    bench.says(vec![TurnEvent::Queued { ahead: 2 }]);
    let turn = TurnId(300);
    assert_eq!(bench.last, [Effect::Live(SessionLive::Queued { turn, ahead: 2 }), Effect::Ready { run: 1 }]);
    let node = NodeId::from("oak");
    bench.says(vec![TurnEvent::Resumed { shown: 1, cause: "link_lost".into(), node: node.clone() }, STARTED]);
    let resumed = SessionLive::Resumed { turn, shown: 1, cause: "link_lost".into(), node };
    assert_eq!(bench.lives.last(), Some(&resumed));
    assert_eq!(bench.batches.len(), 1);
}

#[test]
fn turns_run_one_after_the_other_in_the_order_of_acceptance() {
    let mut bench = Bench::new();
    let turns: Vec<TurnId> = ["one", "two", "three"].map(|text| bench.asked(ask(text))).into();
    let states = |bench: &Bench| -> Vec<TurnState> {
        bench.session.view(1).unwrap().turns.into_iter().map(|turn| turn.state).collect()
    };
    assert_eq!(states(&bench), [TurnState::Running, TurnState::Queued, TurnState::Queued]);
    bench.answer("1");
    bench.says(failed(Cause::Overloaded { waiting: 1, limit: 1, retry_after_s: 1 }));
    bench.write();
    bench.answer("3");
    let started: Vec<TurnId> = bench.starts.iter().map(|(_, request)| request.turn).collect();
    assert_eq!(started, turns);
    assert_eq!(said(&bench.starts[2].1), "u:one a:1 u:three", "a turn without an answer is left out");
    assert!(matches!(states(&bench)[1], TurnState::Failed(Cause::Overloaded { .. })));
}

#[test]
fn a_restart_goes_on_where_the_log_ends() {
    let mut bench = Bench::new();
    let turn = bench.asked(ask("hi"));
    let asked = bench.starts[0].1.clone();
    bench.says(vec![STARTED, tokens(0, &[7], "a"), tokens(1, &[8], "b")]);
    bench.write();
    bench.says(vec![tokens(2, &[9], "c")]);
    bench.crash();
    let (run, request) = bench.starts[0].clone();
    assert_eq!((run, request.turn, &request.resume), (1, turn, &vec![7, 8]));
    assert_eq!((request.sampling, request.input), (asked.sampling, asked.input));
    // The node still holds the turn and says everything again.
    bench.says(vec![STARTED, tokens(0, &[7], "a"), tokens(1, &[8, 9], "bc"), tokens(3, &[10], "d")]);
    assert_eq!(bench.batches[0].events[0].body, logged(turn, 2, &[9, 10], "cd", &[1, 2]));
    bench.says(vec![finished("")]);
    bench.write();
    assert_eq!(bench.session.view(1).unwrap().turns[0].answer, "abcd");
    let starts =
        bench.bodies().iter().filter(|body| matches!(body, SessionEventBody::Started { .. })).count();
    assert_eq!(starts, 1);
}

#[test]
fn tokens_that_do_not_continue_the_answer_end_it() {
    let cases = [
        (tokens(3, &[9], "c"), "a gap"),
        (tokens(1, &[9, 9], "bc"), "another token in place of a known one"),
        (tokens(1, &[8, 9], "xc"), "another text in place of a known one"),
        (tokens(2, &[], "c"), "no token at all"),
    ];
    for (event, what) in cases {
        let mut bench = Bench::new();
        let turn = bench.asked(ask("hi"));
        bench.asked(ask("next"));
        bench.says(vec![tokens(0, &[7], "a"), tokens(1, &[8], "b")]);
        bench.write();
        bench.says(vec![event, tokens(2, &[9], "never heard")]);
        assert!(bench.last.contains(&Effect::LetGo { run: 1 }), "{what}");
        bench.write();
        let view = bench.session.view(1).unwrap();
        assert!(matches!(&view.turns[0].state, TurnState::Failed(Cause::Protocol { .. })), "{what}");
        assert_eq!((view.turns[0].turn, view.turns[0].answer.as_str()), (turn, "ab"));
        assert_eq!(bench.starts.len(), 2, "the next one runs");
    }
}

#[test]
fn words_of_an_old_start_and_behind_the_end_are_ignored() {
    let mut bench = Bench::new();
    bench.asked(ask("one"));
    bench.says(vec![finished("x"), tokens(0, &[1], "y"), finished("z")]);
    bench.write();
    assert_eq!(bench.session.view(1).unwrap().turns[0].answer, "x");
    bench.asked(ask("two"));
    for run in [0, 1, 3] {
        bench.handle(Input::Turn { run, events: vec![tokens(0, &[1], "y")] });
        assert!(bench.last.is_empty());
    }
}

#[test]
fn a_waiting_turn_is_cancelled_at_once() {
    let mut bench = Bench::new();
    bench.asked(ask("one"));
    let turn = bench.asked(ask("two"));
    let number = bench.command(WRITER, SessionCommand::Cancel { turn: Some(turn) });
    let [Effect::Append(batch)] = &bench.last[..] else { panic!("{:?}", bench.last) };
    let bodies: Vec<_> = batch.events.iter().map(|event| event.body.clone()).collect();
    let asked = SessionEventBody::CancelAsked { turn, by: WRITER };
    assert_eq!(bodies, [asked, cancelled_with(turn, Usage::default())]);
    assert!(batch.synced && !bench.replies.contains_key(&number));
    bench.write();
    let seq = bench.head();
    assert_eq!(bench.replies[&number], Ok(SessionReply::Done { seq }));
    assert_eq!(
        bench.done(OWNER, SessionCommand::Cancel { turn: Some(turn) }),
        Ok(SessionReply::Done { seq })
    );
    bench.answer("1");
    assert!(bench.running.is_none() && bench.session.is_idle());
}

#[test]
fn a_running_turn_ends_itself_when_it_is_cancelled() {
    let mut bench = Bench::new();
    let turn = bench.asked(ask("one"));
    bench.asked(ask("two"));
    bench.done(WRITER, SessionCommand::Cancel { turn: None }).unwrap();
    let head = bench.head();
    let again = bench.done(OWNER, SessionCommand::Cancel { turn: Some(turn) });
    assert_eq!(again, Ok(SessionReply::Done { seq: head }), "asked once");
    assert!(bench.last.is_empty() || !bench.last.contains(&Effect::Cancel { run: 2 }));
    let usage = Usage { completion_tokens: 1, ..Usage::default() };
    let end = TurnEvent::Finished {
        reason: FinishReason::Cancelled,
        text: String::new(),
        usage,
        marks: Vec::new(),
        stop: None,
        embedding: Vec::new(),
    };
    bench.says(vec![tokens(0, &[7], "a"), end]);
    bench.write();
    let view = bench.session.view(1).unwrap();
    assert_eq!(view.turns[0].cancelled_by, Some(WRITER));
    assert_eq!(view.turns[0].state, TurnState::Finished(FinishReason::Cancelled));
    assert_eq!(view.turns[1].state, TurnState::Running, "those that wait stay");
}

#[test]
fn a_cancelled_turn_does_not_start_again_after_a_restart() {
    let mut bench = Bench::new();
    let turn = bench.asked(ask("one"));
    let next = bench.asked(ask("two"));
    bench.says(vec![STARTED, tokens(0, &[7], "a")]);
    bench.write();
    bench.done(WRITER, SessionCommand::Cancel { turn: None }).unwrap();
    bench.crash();
    let usage = Usage { prompt_tokens: 9, cached_tokens: 4, completion_tokens: 1, ..Usage::default() };
    assert_eq!(bench.batches[0].events[0].body, cancelled_with(turn, usage));
    assert_eq!(bench.starts.iter().map(|(_, request)| request.turn).collect::<Vec<_>>(), [next]);
    assert_eq!(said(&bench.starts[0].1), "u:one a:a u:two");
}

#[test]
fn a_turn_outlives_the_end_of_its_process() {
    let mut bench = Bench::new();
    let turn = bench.asked(ask("one"));
    bench.asked(ask("two"));
    bench.says(vec![tokens(0, &[7], "a"), TurnEvent::Failed { cause: Cause::ShuttingDown }]);
    assert!(bench.last.contains(&Effect::LetGo { run: 1 }));
    bench.write();
    bench.asked(ask("three"));
    assert_eq!((bench.starts.len(), bench.running.is_some()), (1, false), "nothing starts any more");
    assert!(!bench.session.is_idle());
    bench.crash();
    assert_eq!((bench.starts[0].1.turn, &bench.starts[0].1.resume), (turn, &vec![7]));
}

#[test]
fn a_failed_write_takes_back_what_nobody_saw() {
    let full = Cause::StoreFull { message: "no room".into() };
    let moved = Cause::SessionMoved;
    for (input, cause, reason) in
        [(Input::WriteFailed { cause: full.clone() }, full, "store"), (Input::Fenced, moved, "moved")]
    {
        let mut bench = Bench::new();
        bench.asked(ask("one"));
        bench.says(vec![tokens(0, &[7], "a")]);
        let number = bench.command(OWNER, SessionCommand::Ask(ask("two")));
        bench.batches.clear();
        bench.handle(input);
        let refused = Effect::Reply { number, reply: Err(cause.clone()) };
        assert_eq!(bench.last, [refused, Effect::LetGo { run: 1 }, Effect::StepDown { reason }]);
        assert_eq!(bench.session.state().head_seq, bench.head());
        assert_eq!(bench.session.view(1).unwrap().turns.len(), 1);
        assert_eq!(bench.done(OWNER, SessionCommand::Show), Err(cause));
        bench.crash();
        assert!(bench.starts[0].1.resume.is_empty());
    }
}

fn drops_oldest() -> Bench {
    let mut bench = Bench::new();
    let change = SessionChange { context: Some(ContextPolicy::DropOldest), ..SessionChange::default() };
    bench.done(OWNER, SessionCommand::Update(change)).unwrap();
    for text in ["one", "two", "three", "four"] {
        bench.answered(ask(text), &"x".repeat(1000));
    }
    bench.asked(ask("five"));
    bench
}

fn too_long(prompt_tokens: u32) -> Vec<TurnEvent> {
    failed(Cause::ContextExceeded { prompt_tokens, context_tokens: 1000 })
}

#[test]
fn the_oldest_turns_make_room_and_the_log_says_so() {
    let mut bench = drops_oldest();
    // Four turns of equal length and 1400 tokens: two of them leave room for an answer.
    bench.says(too_long(1400));
    bench.write();
    let turns: Vec<TurnId> = bench.session.state().turns.iter().map(|record| record.turn).collect();
    let dropped = SessionEventBody::ContextDropped { turn: turns[4], dropped: turns[..2].to_vec() };
    assert_eq!(bench.bodies().last(), Some(&dropped));
    let (run, request) = bench.running.clone().unwrap();
    assert_eq!((run, request.turn), (6, turns[4]));
    assert!(said(&request).starts_with("u:three"));
    bench.crash();
    assert!(said(&bench.starts[0].1).starts_with("u:three"), "a restart asks the same");
    // An estimate that was too low costs one more try, with one turn less at least.
    bench.says(too_long(1001));
    bench.says(too_long(1001));
    bench.write();
    let dropped = SessionEventBody::ContextDropped { turn: turns[4], dropped: turns[..4].to_vec() };
    assert_eq!(bench.bodies().last(), Some(&dropped));
    assert_eq!(said(&bench.running.as_ref().unwrap().1), "u:five");
    bench.says(too_long(1001));
    bench.write();
    let view = bench.session.view(1).unwrap();
    assert!(matches!(view.turns[4].state, TurnState::Failed(Cause::ContextExceeded { .. })));
    assert!(bench.session.is_idle());
}

#[test]
fn a_turn_that_was_shown_or_is_refused_by_policy_keeps_its_prompt() {
    let mut bench = drops_oldest();
    bench.says(vec![tokens(0, &[7], "a")]);
    bench.says(too_long(1400));
    bench.write();
    assert!(bench.running.is_none());

    let mut bench = drops_oldest();
    let change = SessionChange { context: Some(ContextPolicy::Refuse), ..SessionChange::default() };
    bench.done(OWNER, SessionCommand::Update(change)).unwrap();
    bench.says(too_long(1400));
    assert!(bench.running.is_none());
}

#[test]
fn an_event_that_does_not_follow_is_refused_and_changes_nothing() {
    let mut bench = Bench::new();
    let turn = bench.asked(ask("one"));
    let state = bench.session.state().clone();
    let bodies = [
        logged(turn, 1, &[7], "a", &[1]),
        logged(turn, 0, &[7], "a", &[2]),
        logged(turn, 0, &[7, 8], "a", &[1]),
        logged(turn, 0, &[], "", &[]),
        logged(TurnId(5), 0, &[7], "a", &[1]),
        SessionEventBody::BranchChosen { by: OWNER, leaf: TurnId(5) },
        bench.log[0].body.clone(),
        bench.log[2].body.clone(),
    ];
    let head = state.head_seq;
    let gap = SessionEvent { first_seq: head + 2, seq: head + 2, ..bench.log[1].clone() };
    let events = bodies.into_iter().map(|body| {
        let seq = head + body.width();
        SessionEvent { first_seq: head + 1, seq, at_ms: 1, body }
    });
    for event in events.chain([gap]) {
        let mut other = state.clone();
        assert!(other.apply(&event).is_err(), "{event:?}");
        assert_eq!(other, state);
    }
}

#[test]
fn a_snapshot_of_another_version_is_read() {
    #[derive(serde::Serialize)]
    struct Other {
        id: SessionId,
        head_seq: u64,
        owner: Option<Principal>,
        mood: String,
    }
    let other = Other { id: ID, head_seq: 7, owner: Some(OWNER), mood: "sunny".into() };
    let mut decoder = pomona_protocol::FrameDecoder::new(1 << 20);
    pomona_protocol::encode_frame(&other, decoder.buffer(), 1 << 20).unwrap();
    let state: SessionState = decoder.next_frame().unwrap().unwrap();
    let mut expected = SessionState::empty(ID);
    (expected.head_seq, expected.owner) = (7, Some(OWNER));
    assert_eq!(state, expected);
}
