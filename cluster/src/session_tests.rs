//! What is asked of a session and what comes of it, rule by rule.

use std::collections::BTreeMap;

use pomona_protocol::{
    Cause, ImportedTurn, Message, NewSession, Part, Permission, Role, SessionChange, SessionCommand,
    SessionEventBody, SessionLive, SessionReply, SessionRequest, TurnAsk, TurnEvent, TurnId, Usage,
};

use super::bench::*;
use super::*;

fn code(reply: &Result<SessionReply, Cause>) -> &'static str {
    match reply {
        Ok(SessionReply::View(_)) => "view",
        Ok(SessionReply::Accepted { is_new: true, .. }) => "accepted",
        Ok(SessionReply::Accepted { is_new: false, .. }) => "repeated",
        Ok(SessionReply::Done { .. }) => "done",
        Err(cause) => cause.code(),
    }
}

fn request(by: Principal, command: SessionCommand) -> SessionRequest {
    SessionRequest::new(ID, by, command)
}

#[test]
fn each_person_may_do_what_they_were_given() {
    let shared = SessionChange { shared: Some(BTreeMap::new()), ..SessionChange::default() };
    let renamed = SessionChange { title: Some("apples".into()), ..SessionChange::default() };
    let typing = SessionCommand::Typing { name: "eve".into() };
    let cases: [(SessionCommand, [&str; 4]); 9] = [
        // Owner, writer, reader, stranger.
        (SessionCommand::Show, ["view", "view", "view", "session_not_found"]),
        (SessionCommand::Ask(ask("hi")), ["accepted", "accepted", "session_forbidden", "session_not_found"]),
        (SessionCommand::Cancel { turn: None }, ["done", "done", "session_forbidden", "session_not_found"]),
        (
            SessionCommand::Choose { leaf: TurnId(9) },
            ["turn_not_found", "turn_not_found", "session_forbidden", "session_not_found"],
        ),
        (typing, ["done", "done", "session_forbidden", "session_not_found"]),
        (SessionCommand::Update(renamed), ["done", "done", "session_forbidden", "session_not_found"]),
        (
            SessionCommand::Update(shared),
            ["done", "session_forbidden", "session_forbidden", "session_not_found"],
        ),
        (
            SessionCommand::Create(new_session()),
            ["view", "session_not_found", "session_not_found", "session_not_found"],
        ),
        (SessionCommand::Delete, ["", "session_forbidden", "session_forbidden", "session_not_found"]),
    ];
    for (command, expected) in cases {
        for (by, expected) in [OWNER, WRITER, READER, STRANGER].into_iter().zip(expected) {
            if !expected.is_empty() {
                assert_eq!(code(&Bench::new().done(by, command.clone())), expected, "{by} {command:?}");
            }
        }
    }
}

#[test]
fn nothing_can_be_asked_before_the_session_is_made() {
    for command in [SessionCommand::Show, SessionCommand::Ask(ask("hi")), SessionCommand::Delete] {
        let mut bench = Bench::on(Vec::new());
        assert_eq!(code(&bench.done(OWNER, command)), "session_not_found");
        assert!(bench.log.is_empty() && bench.session.view(1).is_none() && bench.session.is_idle());
    }
}

#[test]
fn nothing_is_shown_or_answered_before_it_is_written() {
    let mut bench = Bench::on(Vec::new());
    let number = bench.command(OWNER, SessionCommand::Create(new_session()));
    assert!(bench.replies.is_empty() && bench.published.is_empty() && bench.session.view(1).is_none());
    assert!(!bench.session.is_readable_by(OWNER) && !bench.session.is_idle());
    let again = bench.command(OWNER, SessionCommand::Create(new_session()));
    let shown = bench.command(OWNER, SessionCommand::Show);
    assert_eq!(code(&bench.replies[&shown]), "session_not_found");
    bench.write();
    assert_eq!((code(&bench.replies[&number]), code(&bench.replies[&again])), ("view", "view"));
    assert!(bench.session.is_readable_by(OWNER) && bench.session.is_idle());
    assert_eq!(bench.published.len(), 1, "made once");

    bench.command(OWNER, SessionCommand::Ask(ask("hi")));
    let shown = bench.command(OWNER, SessionCommand::Show);
    let Ok(SessionReply::View(view)) = &bench.replies[&shown] else { panic!("{:?}", bench.replies) };
    assert_eq!((view.head_seq, view.turns.len()), (1, 0));
    assert_eq!(bench.session.state().turns.len(), 1);
}

#[test]
fn answers_come_when_what_they_rest_on_is_written_and_not_later() {
    let mut bench = Bench::new();
    let first = bench.command(OWNER, SessionCommand::Ask(ask("one")));
    let second = bench.command(WRITER, SessionCommand::Ask(ask("two")));
    bench.write_one();
    assert!(bench.replies.contains_key(&first) && !bench.replies.contains_key(&second));
    bench.write_one();
    assert_eq!(
        bench.replies[&second],
        Ok(SessionReply::Accepted { turn: TurnId(u128::from(second)), seq: 4, is_new: true })
    );
}

#[test]
fn a_repeated_request_is_answered_like_the_first_one() {
    let keyed = TurnAsk { idempotency_key: Some("k".into()), ..ask("hi") };
    let mut bench = Bench::new();
    let first = bench.request(request(OWNER, SessionCommand::Ask(keyed.clone())), 1);
    let early = bench.request(request(OWNER, SessionCommand::Ask(keyed.clone())), 1);
    assert!(!bench.replies.contains_key(&early), "the original is not written yet");
    bench.write();
    let turn = TurnId(u128::from(first));
    assert_eq!(bench.replies[&first], Ok(SessionReply::Accepted { turn, seq: 3, is_new: true }));
    assert_eq!(bench.replies[&early], Ok(SessionReply::Accepted { turn, seq: 3, is_new: false }));
    bench.crash();
    // A stale number does not matter to who was accepted already.
    let command = SessionCommand::Ask(keyed.clone());
    let stale = SessionRequest { expected_seq: Some(2), ..request(OWNER, command.clone()) };
    let late = bench.request(stale, 1);
    assert_eq!(bench.replies[&late], Ok(SessionReply::Accepted { turn, seq: 3, is_new: false }));
    let other = bench.request(request(OWNER, command.clone()), 2);
    assert_eq!(bench.replies[&other], Err(Cause::IdempotencyMismatch { key: "k".into() }));
    let somebody = bench.request(request(WRITER, command), 2);
    bench.write();
    assert_eq!(code(&bench.replies[&somebody]), "accepted", "keys of two people have nothing in common");
}

#[test]
fn of_two_writers_with_the_same_number_one_wins() {
    let mut bench = Bench::new();
    let both: Vec<u64> = [OWNER, WRITER]
        .map(|by| SessionRequest { expected_seq: Some(2), ..request(by, SessionCommand::Ask(ask("hi"))) })
        .map(|request| bench.request(request, 1))
        .into();
    assert_eq!(bench.replies.len(), 2, "the head that the loser is told is not written yet");
    bench.write();
    assert_eq!(code(&bench.replies[&both[0]]), "accepted");
    assert_eq!(bench.replies[&both[1]], Err(Cause::SessionConflict { expected: 2, head: 3 }));
}

#[test]
fn what_is_wrong_is_named() {
    let long = |length: usize| "x".repeat(length);
    let keyed = |key: String| SessionCommand::Ask(TurnAsk { idempotency_key: Some(key), ..ask("hi") });
    let update = |change: SessionChange| SessionCommand::Update(change);
    let title = SessionChange { title: Some(long(201)), ..SessionChange::default() };
    let tags = SessionChange { tags: Some(vec![String::new(); 33]), ..SessionChange::default() };
    let tag = SessionChange { tags: Some(vec![long(64), long(65)]), ..SessionChange::default() };
    let everybody = (10..267).map(|by| (Principal(by), Permission::Read)).collect();
    let shared = SessionChange { shared: Some(everybody), ..SessionChange::default() };
    let cases = [
        (keyed(long(256)), "idempotency_key"),
        (keyed(String::new()), "idempotency_key"),
        (SessionCommand::Ask(TurnAsk::default()), "input"),
        (SessionCommand::Edit { turn: TurnId(100), ask: TurnAsk::default() }, "input"),
        (SessionCommand::Regenerate { turn: TurnId(100), ask: ask("hi") }, "input"),
        (update(title), "title"),
        (update(tags), "tags"),
        (update(tag), "tags[1]"),
        (update(shared), "shared"),
        (SessionCommand::Typing { name: long(65) }, "name"),
    ];
    for (command, expected) in cases {
        match Bench::new().done(OWNER, command) {
            Err(Cause::InvalidRequest { parameter, .. }) => assert_eq!(parameter, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    let unknown = TurnId(77);
    for command in [
        SessionCommand::Ask(TurnAsk { parent: Some(unknown), ..ask("hi") }),
        SessionCommand::Edit { turn: unknown, ask: ask("hi") },
        SessionCommand::Regenerate { turn: unknown, ask: TurnAsk::default() },
        SessionCommand::Cancel { turn: Some(unknown) },
        SessionCommand::Choose { leaf: unknown },
    ] {
        let reply = Bench::new().done(OWNER, command);
        assert_eq!(reply, Err(Cause::UnknownTurn { turn: unknown.to_string() }));
    }
}

#[test]
fn a_session_holds_as_many_turns_as_its_limits_say() {
    let mut bench = Bench::new();
    for _ in 0..=LIMITS.queue_max {
        bench.asked(ask("hi"));
    }
    let full = Err(Cause::SessionQueueFull { waiting: 4, limit: 4 });
    assert_eq!(bench.done(OWNER, SessionCommand::Ask(ask("hi"))), full);
    for _ in 0..=LIMITS.queue_max {
        bench.answer("ok");
    }
    while bench.session.state().turns.len() < LIMITS.turns_max as usize {
        bench.answered(ask("hi"), "ok");
    }
    assert_eq!(code(&bench.done(OWNER, SessionCommand::Ask(ask("hi")))), "session_limit");
    let turn = ImportedTurn {
        input: ask("hi").input,
        answer: "ok".into(),
        marks: Vec::new(),
        model: "m".into(),
        usage: Usage::default(),
    };
    let new = NewSession { turns: vec![turn; 41], ..new_session() };
    assert_eq!(code(&Bench::on(Vec::new()).done(OWNER, SessionCommand::Create(new))), "session_limit");
}

#[test]
fn the_first_question_gives_the_title() {
    let word = "x".repeat(70);
    let cases = [
        ("hello", "hello".to_owned()),
        ("\n  \n  how are\tyou  \nfine", "how are you".to_owned()),
        ("", String::new()),
        (&*"a".repeat(60), "a".repeat(60)),
        (&*word, format!("{}…", "x".repeat(59))),
        (&*format!("{} and on it goes", "a".repeat(50)), format!("{} and on…", "a".repeat(50))),
        (&*format!("{} and", "ü".repeat(59)), format!("{}…", "ü".repeat(59))),
    ];
    for (text, expected) in cases {
        let mut bench = Bench::new();
        bench.command(OWNER, SessionCommand::Ask(ask(text)));
        assert_eq!(bench.batches[0].summary.as_ref().unwrap().title, expected, "{text}");
        assert!(expected.chars().count() <= 60);
        bench.write();
        bench.answer("ok");
        bench.asked(ask("later"));
        let title = bench.session.view(1).unwrap().title;
        assert_eq!(title, if expected.is_empty() { "later" } else { &expected });
    }
    let mut bench = Bench::new();
    let change = SessionChange { title: Some("mine".into()), ..SessionChange::default() };
    bench.done(OWNER, SessionCommand::Update(change)).unwrap();
    bench.asked(ask("hello"));
    assert_eq!(bench.session.view(1).unwrap().title, "mine");
}

#[test]
fn batches_say_what_lists_searches_and_the_audit_need() {
    let mut bench = Bench::new();
    let input = vec![
        Message::text(Role::System, "be kind"),
        Message { role: Role::User, parts: vec![Part::Text("one".into()), Part::Text("two".into())] },
    ];
    let turn = TurnId(u128::from(bench.command(WRITER, SessionCommand::Ask(TurnAsk { input, ..ask("") }))));
    let batch = &bench.batches[0];
    assert_eq!(batch.audit, [(WRITER, "turn.asked", Some(turn))]);
    assert_eq!(batch.texts, [(turn, 0, "be kind\none\ntwo".to_owned())]);
    assert_eq!(batch.summary.as_ref().unwrap().open_turns, 1);
    bench.write();
    bench.says(vec![TurnEvent::Started { prompt_tokens: 5, cached_tokens: 2 }, tokens(0, &[1], "yes")]);
    let batch = &bench.batches[0];
    assert!(!batch.synced && batch.summary.is_none() && batch.texts.is_empty() && batch.audit.is_empty());
    bench.write();
    bench.command(READER, SessionCommand::Show);
    bench.command(WRITER, SessionCommand::Cancel { turn: None });
    assert_eq!(bench.batches[0].audit, [(WRITER, "turn.cancelled", Some(turn))]);
    bench.write();
    bench.says(vec![finished("!")]);
    let batch = &bench.batches[0];
    assert_eq!(batch.texts, [(turn, 1, "yes!".to_owned())]);
    let summary = batch.summary.as_ref().unwrap();
    assert_eq!((summary.open_turns, summary.turns, summary.head_seq), (0, 1, 7));
}

#[test]
fn a_deleted_session_is_gone_for_everybody() {
    let mut bench = Bench::new();
    let turn = bench.asked(ask("one"));
    let (run, _) = bench.running.clone().unwrap();
    let waiting = bench.command(WRITER, SessionCommand::Ask(ask("two")));
    let deleted = bench.command(OWNER, SessionCommand::Delete);
    let unknown = Err(Cause::UnknownSession { session: ID.to_string() });
    let expected = [
        Effect::Cancel { run },
        Effect::Reply { number: waiting, reply: unknown.clone() },
        Effect::Delete { number: deleted, by: OWNER },
    ];
    assert_eq!(bench.last, expected);
    assert_eq!(bench.done(OWNER, SessionCommand::Cancel { turn: Some(turn) }), unknown);
    bench.handle(Input::Turn { run, events: vec![finished("")] });
    bench.handle(Input::Written { seq: 4 });
    assert!(bench.last.is_empty() && bench.session.is_idle());
}

#[test]
fn typing_is_passed_on_and_leaves_nothing() {
    let mut bench = Bench::new();
    let reply = bench.command(WRITER, SessionCommand::Typing { name: "eve".into() });
    assert_eq!(bench.replies[&reply], Ok(SessionReply::Done { seq: 2 }));
    assert_eq!(bench.lives, [SessionLive::Typing { by: WRITER, name: "eve".into() }]);
    assert!(bench.batches.is_empty());
}

#[test]
fn a_change_touches_only_what_it_names() {
    let mut bench = Bench::new();
    let system = SessionChange { system: Some(Some("be brief".into())), ..SessionChange::default() };
    bench.done(OWNER, SessionCommand::Update(system)).unwrap();
    let tags = SessionChange { tags: Some(vec!["a".into()]), ..SessionChange::default() };
    bench.done(WRITER, SessionCommand::Update(tags)).unwrap();
    let view = bench.session.view(1).unwrap();
    assert_eq!(
        (view.settings.system.as_deref(), view.tags.len(), view.shared.len()),
        (Some("be brief"), 1, 2)
    );
    let nothing = SessionChange { system: Some(None), ..SessionChange::default() };
    bench.done(OWNER, SessionCommand::Update(nothing)).unwrap();
    assert_eq!(bench.session.view(1).unwrap().settings.system, None);
    let head = bench.head();
    let same = bench.done(OWNER, SessionCommand::Update(SessionChange::default()));
    assert_eq!(same, Ok(SessionReply::Done { seq: head }));
    assert!(matches!(bench.bodies().last(), Some(SessionEventBody::Updated { .. })));
}
