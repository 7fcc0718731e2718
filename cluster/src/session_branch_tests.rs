//! Branches of a session and what its turns are asked with, rule by rule.

use pomona_protocol::{
    Cause, FinishReason, ImportedTurn, ModelId, NewSession, Sampling, SessionChange, SessionCommand,
    SessionReply, TurnAsk, TurnId, TurnOrigin, TurnState, Usage,
};

use super::bench::*;

#[test]
fn imported_turns_come_with_their_answers() {
    let turn = |text: &str, answer: &str| ImportedTurn {
        input: ask(text).input,
        answer: answer.into(),
        marks: Vec::new(),
        model: "oak".into(),
        usage: Usage { completion_tokens: 3, ..Usage::default() },
    };
    let turns = vec![turn("one", "1"), turn("two", "2")];
    let mut bench = Bench::on(Vec::new());
    let number =
        bench.command(OWNER, SessionCommand::Create(NewSession { turns: turns.clone(), ..new_session() }));
    let batch = &bench.batches[0];
    assert!(batch.synced);
    assert_eq!(batch.audit, [(OWNER, "session.created", None)]);
    let (first, second) = (TurnId(u128::from(number)), TurnId(u128::from(number) + 1));
    let texts = [(first, 0, "one"), (first, 1, "1"), (second, 0, "two"), (second, 1, "2")];
    assert_eq!(batch.texts, texts.map(|(turn, part, text)| (turn, part, text.to_owned())));
    bench.write();
    let view = bench.session.view(1).unwrap();
    assert_eq!((view.title.as_str(), view.active, view.head_seq), ("one", Some(second), 5));
    assert_eq!(view.turns[1].parent, Some(first));
    assert_eq!(view.turns[1].state, TurnState::Finished(FinishReason::Stop));
    assert_eq!((view.turns[1].answer.as_str(), view.turns[1].model.0.as_str()), ("2", "oak"));
    assert!(bench.starts.is_empty() && bench.session.is_idle());
    bench.asked(ask("three"));
    assert_eq!(said(&bench.starts[0].1), "u:one a:1 u:two a:2 u:three");
    let empty =
        NewSession { turns: vec![ImportedTurn { input: Vec::new(), ..turns[0].clone() }], ..new_session() };
    let refused = Bench::on(Vec::new()).done(OWNER, SessionCommand::Create(empty));
    assert!(matches!(refused, Err(Cause::InvalidRequest { .. })));
}

#[test]
fn edits_and_regenerations_are_branches_of_the_same_parent() {
    let mut bench = Bench::new();
    let first = bench.answered(ask("one"), "1");
    let second = bench.answered(TurnAsk { seed: Some(5), model: Some("oak".into()), ..ask("two") }, "2");
    let change = SessionChange {
        seed: Some(Some(9)),
        system: Some(Some("be brief".into())),
        ..SessionChange::default()
    };
    bench.done(OWNER, SessionCommand::Update(change)).unwrap();

    bench.done(WRITER, SessionCommand::Edit { turn: second, ask: ask("two!") }).unwrap();
    assert_eq!(said(&bench.running.as_ref().unwrap().1), "s:be brief u:one a:1 u:two!");
    assert_eq!(bench.running.as_ref().unwrap().1.sampling.seed, 9);
    bench.answer("2!");
    bench.done(WRITER, SessionCommand::Regenerate { turn: second, ask: TurnAsk::default() }).unwrap();
    let (_, request) = bench.running.clone().unwrap();
    assert_eq!(
        (&request.model, said(&request).as_str()),
        (&ModelId::from("oak"), "s:be brief u:one a:1 u:two")
    );
    assert!(![5, 9].contains(&request.sampling.seed), "the same seed would give the same answer");
    bench.answer("2?");

    let view = bench.session.view(1).unwrap();
    let parents: Vec<_> = view.turns.iter().map(|turn| turn.parent).collect();
    assert_eq!(parents, [None, Some(first), Some(first), Some(first)]);
    assert_eq!(view.turns[2].origin, TurnOrigin::Edited { of: second });
    assert_eq!(view.turns[3].origin, TurnOrigin::Regenerated { of: second });
    assert_eq!(view.active, Some(view.turns[3].turn));
    bench.done(WRITER, SessionCommand::Choose { leaf: second }).unwrap();
    let head = bench.head();
    assert_eq!(
        bench.done(WRITER, SessionCommand::Choose { leaf: second }),
        Ok(SessionReply::Done { seq: head })
    );
    bench.asked(ask("three"));
    assert_eq!(said(&bench.running.as_ref().unwrap().1), "s:be brief u:one a:1 u:two a:2 u:three");
    let elsewhere = TurnAsk { parent: Some(second), ..ask("x") };
    let refused = bench.done(OWNER, SessionCommand::Edit { turn: second, ask: elsewhere });
    assert!(matches!(refused, Err(Cause::InvalidRequest { .. })));
}

#[test]
fn a_question_is_asked_with_its_own_words_before_the_sessions() {
    let cold = Sampling { temperature: Some(0.0), seed: 1, ..Sampling::default() };
    let cases = [
        (ask("q"), None, None, "sprout", None),
        (ask("q"), Some("be"), Some(3), "sprout", Some(3)),
        (
            TurnAsk { seed: Some(4), system: Some("is".into()), ..ask("q") },
            Some("be"),
            Some(3),
            "sprout",
            Some(4),
        ),
        (TurnAsk { model: Some("oak".into()), sampling: Some(cold), ..ask("q") }, None, None, "oak", None),
    ];
    for (ask, system, seed, model, expected) in cases {
        let mut bench = Bench::new();
        let change = SessionChange {
            system: Some(system.map(str::to_owned)),
            seed: Some(seed),
            ..SessionChange::default()
        };
        bench.done(OWNER, SessionCommand::Update(change)).unwrap();
        let turn = bench.asked(ask.clone());
        let request = &bench.starts[0].1;
        assert_eq!(request.model, ModelId::from(model));
        assert_eq!(request.sampling.seed, expected.unwrap_or(turn.0 as u64));
        assert_eq!(request.sampling.temperature, ask.sampling.and_then(|sampling| sampling.temperature));
        let system = ask.system.or(system.map(str::to_owned));
        let expected = system.map_or("u:q".into(), |system| format!("s:{system} u:q"));
        assert_eq!(said(request), expected);
    }
}

#[test]
fn a_running_turn_keeps_the_system_prompt_that_it_was_accepted_with() {
    let change = |system: &str| {
        let system = Some(Some(system.to_owned()));
        SessionCommand::Update(SessionChange { system, ..SessionChange::default() })
    };
    let mut bench = Bench::new();
    bench.done(OWNER, change("old")).unwrap();
    let turn = bench.asked(ask("one"));
    bench.asked(ask("two"));
    bench.done(OWNER, change("new")).unwrap();
    bench.crash();
    assert_eq!(said(&bench.starts[0].1), "s:old u:one");
    bench.answer("1");
    assert_eq!(said(&bench.running.as_ref().unwrap().1), "s:old u:one a:1 u:two");
    bench.answer("2");
    bench.done(OWNER, SessionCommand::Regenerate { turn, ask: Default::default() }).unwrap();
    assert_eq!(said(&bench.running.as_ref().unwrap().1), "s:old u:one");
    bench.answer("1!");
    bench.asked(ask("three"));
    assert_eq!(said(&bench.running.as_ref().unwrap().1), "s:new u:one a:1! u:three");
}
