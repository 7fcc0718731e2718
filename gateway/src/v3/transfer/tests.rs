//! What is exported reads well and can be imported; what is no export is named.

use std::collections::BTreeMap;

use pomona_protocol::{
    Cause, ContextPolicy, FinishReason, Mark, Message, ModelId, Role, Said, Sampling, SessionId,
    SessionSettings, TurnId, TurnOrigin, TurnState, Usage,
};
use serde_json::{Value, json};

use super::*;

fn turn(id: u128, parent: Option<u128>, asks: &str, answer: &str, state: TurnState) -> TurnView {
    TurnView {
        turn: TurnId(id),
        parent: parent.map(TurnId),
        by: Principal(1),
        origin: TurnOrigin::Asked,
        state,
        model: ModelId::from("m"),
        input: vec![Message::text(Role::User, asks)],
        answer: answer.to_owned(),
        marks: Vec::new(),
        tokens: 3,
        usage: Usage { prompt_tokens: 5, cached_tokens: 1, completion_tokens: 3, ..Usage::default() },
        cancelled_by: None,
        accepted_seq: 2,
        accepted_ms: 10,
        started_ms: 12,
        first_token_ms: 15,
        ended_ms: 20,
        ended_seq: 7,
    }
}

/// Two branches behind the first turn; the second is the active one, and its last turn still runs.
fn view() -> SessionView {
    let stop = || TurnState::Finished(FinishReason::Stop);
    let cancelled = TurnState::Finished(FinishReason::Cancelled);
    SessionView {
        id: SessionId(9),
        owner: Principal(1),
        shared: BTreeMap::new(),
        title: "Pears & *apples*".to_owned(),
        tags: vec!["fruit".to_owned()],
        settings: SessionSettings {
            model: ModelId::from("m"),
            system: Some("Be brief.".to_owned()),
            sampling: Sampling::default(),
            seed: None,
            context: ContextPolicy::Refuse,
        },
        created_ms: 1,
        updated_ms: 2,
        head_seq: 40,
        oldest_seq: 1,
        turns: vec![
            turn(1, None, "Why?", "Since.", stop()),
            turn(2, Some(1), "Old branch", "gone", stop()),
            turn(3, Some(1), "Code?", "```rust\nlet a = 1;", cancelled),
            turn(4, Some(3), "And?", "", TurnState::Failed(Cause::ShuttingDown)),
            turn(5, Some(4), "Now?", "par", TurnState::Running),
        ],
        active: Some(TurnId(5)),
        forked_from: None,
    }
}

fn import(body: Value) -> Result<NewSession, Value> {
    let body: ExportBody = crate::body::parse(body.to_string().as_bytes())
        .map_err(|error| serde_json::from_slice::<Value>(&error.to_json()).unwrap())?;
    let limits = SessionConfig { turns_max: 3, ..SessionConfig::default() };
    imported(body, &ApiConfig::default(), &limits)
        .map_err(|error| serde_json::from_slice(&error.to_json()).unwrap())
}

#[test]
fn markdown_has_the_active_branch_and_closes_open_code() {
    let expected = "# Pears & \\*apples\\*\n\n**system**\n\nBe brief.\n\n**user**\n\nWhy?\n\n**assistant**\n\nSince.\n\n\
                    **user**\n\nCode?\n\n**assistant**\n\n```rust\nlet a = 1;\n```\n\n*(cancelled)*\n\n\
                    **user**\n\nAnd?\n\n**assistant**\n\n*(failed: shutting_down)*\n";
    assert_eq!(markdown(&view()), expected);
}

#[test]
fn what_is_exported_is_imported_as_it_was() {
    let exported = export_body(view());
    assert_eq!(exported.turns.len(), 3);
    let new = import(serde_json::to_value(&exported).unwrap()).unwrap();
    assert_eq!((new.title.as_str(), new.tags.len()), ("Pears & *apples*", 1));
    assert_eq!(new.settings.system.as_deref(), Some("Be brief."));
    let answers: Vec<_> = new.turns.iter().map(|turn| turn.answer.as_str()).collect();
    assert_eq!(answers, ["Since.", "```rust\nlet a = 1;", ""]);
    assert_eq!(new.turns[0].usage.prompt_tokens, 5);
}

#[test]
fn thoughts_and_calls_are_imported_as_they_were() {
    let mut view = view();
    let marks = vec![Mark { at: 0, kind: Said::Reasoning }, Mark { at: 3, kind: Said::Text }];
    view.turns[0].marks = marks.clone();
    let exported = serde_json::to_value(export_body(view)).unwrap();
    assert_eq!(import(exported.clone()).unwrap().turns[0].marks, marks);
    let mut broken = exported;
    broken["turns"][0]["marks"][1]["at"] = json!(99);
    let refused = import(broken).unwrap_err();
    assert_eq!(refused["error"]["param"], "turns[0].marks");
}

#[test]
fn what_is_no_export_is_named() {
    let turn = json!({"input": [{"role": "user", "content": "x"}], "answer": "y", "model": "m"});
    let with = |changes: Value| {
        let mut body = json!({"format": FORMAT, "title": "t", "model": "m", "turns": []});
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        import(body)
    };
    assert!(with(json!({"turns": [turn]})).is_ok());
    let mut empty = turn.clone();
    empty["input"] = json!([]);
    for (changes, param) in [
        (json!({"format": "other.v1"}), "format"),
        (json!({"turns": vec![turn.clone(); 4]}), "turns"),
        (json!({"turns": [turn, empty]}), "turns[1].input"),
        (json!({"model": ""}), "model"),
        (json!({"title": "a\nb"}), "title"),
    ] {
        assert_eq!(with(changes.clone()).unwrap_err()["error"]["param"], param, "{changes}");
    }
}

#[test]
fn a_file_has_a_name_that_every_system_takes() {
    for (title, expected) in [
        ("Pears & *apples*", "pears-apples.md"),
        ("../../etc/passwd\"; x", "etc-passwd-x.md"),
        ("\u{202e}übung", "bung.md"),
        ("日本語", "ses_00000000000000000000000000000009.md"),
    ] {
        let view = SessionView { title: title.to_owned(), ..view() };
        assert_eq!(file_name(&view, "md"), expected);
    }
    let long = SessionView { title: "x".repeat(200), ..view() };
    assert_eq!(file_name(&long, "json").len(), FILE_NAME_BYTES_MAX + ".json".len());
}
