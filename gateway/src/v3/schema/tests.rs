//! Every event that can be sent is as the schema says, and the schema says nothing of others.

use std::collections::{BTreeMap, BTreeSet};

use pomona_protocol::v3::{Envelope, EnvelopeBody};
use pomona_protocol::{
    AnswerForm, Cause, ContextPolicy, FinishReason, Image, Mark, Message, ModelId, NodeId, Part, Permission,
    Present, Principal, Role, Said, Sampling, SessionChange, SessionEvent, SessionEventBody, SessionId,
    SessionLive, SessionSettings, ToolCall, TurnId, TurnOrigin, Usage,
};
use serde_json::{Value, json};

use super::*;
use crate::v3::envelope::{kind, live_body, logged, passing};

/// The file that clients validate against.
pub(super) fn schema() -> Value {
    serde_json::from_str(include_str!("../../../../docs/schema/event.v3.json")).unwrap()
}

const BY: Principal = Principal(0xfeed);
const TURN: TurnId = TurnId(5);

fn image() -> Image {
    Image { media_type: "image/png".into(), base64: "AAAA".into() }
}

fn call() -> ToolCall {
    ToolCall { id: "c".into(), name: "f".into(), arguments: "{}".into() }
}

/// One of every kind of entry, with what is optional and without.
fn entries() -> Vec<SessionEventBody> {
    let sampling =
        Sampling { temperature: Some(0.5), top_k: Some(0), stop: vec!["x".into()], ..Sampling::default() };
    let settings = |system| SessionSettings {
        model: ModelId::from("m"),
        system,
        sampling: sampling.clone(),
        seed: Some(u64::MAX),
        context: ContextPolicy::DropOldest,
    };
    let created = |system, forked_from| SessionEventBody::Created {
        owner: BY,
        title: String::new(),
        tags: vec!["a".into()],
        settings: settings(system),
        forked_from,
    };
    let accepted = |parent, idempotency_key, origin| SessionEventBody::Accepted {
        turn: TURN,
        parent,
        by: BY,
        idempotency_key,
        digest: 3,
        origin,
        input: vec![
            Message::text(Role::User, "a"),
            Message { role: Role::User, parts: vec![Part::Image(image())] },
            Message { role: Role::Assistant, parts: vec![Part::Reasoning("hm".into()), Part::Call(call())] },
            Message { role: Role::Tool, parts: vec![Part::Answers("c".into()), Part::Text("b".into())] },
        ],
        model: ModelId::from("m"),
        system: None,
        sampling: sampling.clone(),
        note: None,
        form: AnswerForm::default(),
    };
    let change = SessionChange {
        title: Some("t".into()),
        tags: Some(Vec::new()),
        model: Some(ModelId::from("m")),
        system: Some(None),
        sampling: Some(sampling.clone()),
        seed: Some(None),
        context: Some(ContextPolicy::Refuse),
        shared: Some(BTreeMap::from([(BY, Permission::Write)])),
    };
    let finished = |reason| SessionEventBody::Finished {
        turn: TURN,
        reason,
        text: "end".into(),
        usage: Usage::default(),
        marks: Vec::new(),
        stop: None,
    };
    vec![
        created(None, None),
        created(Some("s".into()), Some((SessionId(1), TURN))),
        SessionEventBody::Updated { by: BY, change: SessionChange::default() },
        SessionEventBody::Updated { by: BY, change },
        accepted(None, None, TurnOrigin::Asked),
        accepted(Some(TURN), Some("k".into()), TurnOrigin::Edited { of: TURN }),
        accepted(Some(TURN), None, TurnOrigin::Regenerated { of: TURN }),
        accepted(None, None, TurnOrigin::Imported),
        SessionEventBody::ContextDropped { turn: TURN, dropped: vec![TURN] },
        SessionEventBody::Started { turn: TURN, prompt_tokens: 4, cached_tokens: 0 },
        SessionEventBody::Tokens {
            turn: TURN,
            first: 0,
            ids: vec![1],
            text: String::new(),
            ends: vec![0],
            marks: Vec::new(),
        },
        SessionEventBody::CancelAsked { turn: TURN, by: BY },
        finished(FinishReason::Stop),
        finished(FinishReason::Length),
        finished(FinishReason::ToolCalls),
        finished(FinishReason::Cancelled),
        SessionEventBody::Finished {
            turn: TURN,
            reason: FinishReason::Stop,
            text: "hm".into(),
            usage: Usage::default(),
            marks: vec![Mark { at: 0, kind: Said::Reasoning }, Mark { at: 2, kind: Said::Text }],
            stop: Some("\n".into()),
        },
        SessionEventBody::Failed { turn: TURN, cause: Cause::ShuttingDown },
        SessionEventBody::BranchChosen { by: BY, leaf: TURN },
        SessionEventBody::Deleted { by: BY },
    ]
}

/// One of everything that passes.
fn passing_bodies() -> Vec<EnvelopeBody> {
    let present = Present { client: 3, by: BY, name: "ann".into() };
    let live = [
        SessionLive::Queued { turn: TURN, ahead: 2 },
        SessionLive::Prefill { turn: TURN, done: 0, total: 1 },
        SessionLive::Resumed { turn: TURN, shown: 3, cause: "link_lost".into(), node: NodeId::from("n") },
        SessionLive::Presence { clients: vec![present] },
        SessionLive::Typing { by: BY, name: String::new() },
    ];
    let cuts = ["slow", "moved", "deleted", "shutting_down", "store"];
    let cuts = cuts.map(|reason| EnvelopeBody::Cut { reason: reason.into(), cursor: 0 });
    let others = [EnvelopeBody::CaughtUp { head_seq: 0 }, EnvelopeBody::Heartbeat {}];
    live.map(live_body).into_iter().chain(cuts).chain(others).collect()
}

fn envelopes() -> Vec<Envelope> {
    let session = SessionId(7).to_string();
    let entry = |body| logged(&session, SessionEvent { first_seq: 9, seq: 9, at_ms: 5, body });
    let several = SessionEventBody::Tokens {
        turn: TURN,
        first: 4,
        ids: vec![1, 2],
        text: "ü".into(),
        ends: vec![0, 2],
        marks: vec![
            Mark { at: 0, kind: Said::Call { index: 0, name: Some("f".into()) } },
            Mark { at: 2, kind: Said::Call { index: 1, name: None } },
        ],
    };
    let several = logged(&session, SessionEvent { first_seq: 3, seq: 4, at_ms: 5, body: several });
    let entries = entries().into_iter().map(entry).chain([several]);
    entries.chain(passing_bodies().into_iter().map(|body| passing(&session, body))).collect()
}

#[test]
fn every_event_is_as_the_schema_says_and_reads_back() {
    for envelope in envelopes() {
        let value = serde_json::to_value(&envelope).unwrap();
        assert_valid_event(&value);
        assert_eq!(value["type"], kind(&envelope.body));
        assert_eq!(value.get("seq").is_some(), envelope.seq.is_some());
        assert_eq!(serde_json::from_value::<Envelope>(value).unwrap(), envelope);
    }
}

#[test]
fn the_schema_names_the_events_that_there_are() {
    let document = schema();
    let listed = document["oneOf"].as_array().unwrap().iter();
    let listed: BTreeSet<_> =
        listed.map(|each| each["$ref"].as_str().unwrap().trim_start_matches("#/$defs/")).collect();
    let sent: Vec<_> = envelopes();
    let sent: BTreeSet<_> = sent.iter().map(|envelope| kind(&envelope.body)).collect();
    assert_eq!(listed, sent);
    for name in listed {
        let event = &document["$defs"][name];
        assert_eq!(event["properties"]["type"]["const"], name);
        assert_eq!(event["additionalProperties"], false, "{name}");
    }
}

#[test]
fn what_is_no_event_is_refused() {
    let good =
        json!({"v": 3, "session": SessionId(7).to_string(), "at": 1, "type": "caught_up", "head_seq": 4});
    assert_valid_event(&good);
    for (name, value) in [
        ("more", json!(1)),
        ("v", json!(2)),
        ("seq", json!(4)),
        ("session", json!("ses_7")),
        ("head_seq", json!(-1)),
    ] {
        let mut bad = good.clone();
        bad[name] = value;
        assert!(std::panic::catch_unwind(|| assert_valid_event(&bad)).is_err(), "{bad}");
    }
}

#[test]
fn the_bodies_are_described_as_they_are_read() {
    let described = bodies();
    let text = serde_json::to_value(&described).unwrap();
    let fields = |name: &str| -> BTreeSet<String> {
        text[name]["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let refused =
        |value: Value, read: fn(Value) -> Result<(), serde_json::Error>| read(value).unwrap_err().to_string();
    type Read = fn(Value) -> Result<(), serde_json::Error>;
    let cases: [(&str, Read); 5] = [
        ("NewSession", |value| {
            serde_json::from_value::<pomona_protocol::v3::NewSessionBody>(value).map(drop)
        }),
        ("Change", |value| serde_json::from_value::<pomona_protocol::v3::ChangeBody>(value).map(drop)),
        ("Export", |value| serde_json::from_value::<pomona_protocol::v3::ExportBody>(value).map(drop)),
        ("Ask", |value| serde_json::from_value::<pomona_protocol::v3::AskBody>(value).map(drop)),
        ("Sampling", |value| serde_json::from_value::<pomona_protocol::v3::SamplingBody>(value).map(drop)),
    ];
    for (name, read) in cases {
        // The refusal of an unknown field lists those that are known.
        let message = refused(json!({"?": 1}), read);
        let known: BTreeSet<String> = message.split('`').skip(3).step_by(2).map(str::to_owned).collect();
        assert_eq!(fields(name), known, "{name}: {message}");
        assert_eq!(text[name]["additionalProperties"], false, "{name}");
    }
}
