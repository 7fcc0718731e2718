//! Turns as logs have them, for tests: events by hand, and every way to cut them.

use pomona_protocol::{
    AnswerForm, Cause, FinishReason, Mark, ModelId, Principal, Said, Sampling, SessionEvent,
    SessionEventBody, TurnId, TurnOrigin, Usage,
};

/// The turn of every test.
pub(crate) const TURN: TurnId = TurnId(255);

/// The log of a turn with these texts of tokens, each token an event of its own, up to its end.
pub(crate) fn log(texts: &[&str], end: SessionEventBody) -> Vec<SessionEvent> {
    let accepted = SessionEventBody::Accepted {
        turn: TURN,
        parent: Some(TurnId(1)),
        by: Principal(7),
        idempotency_key: None,
        digest: 0,
        origin: TurnOrigin::Asked,
        input: Vec::new(),
        model: ModelId("tiny".to_owned()),
        system: Some("be brief".to_owned()),
        sampling: Sampling { max_tokens: Some(9), temperature: Some(0.7), ..Sampling::default() },
        note: Some(r#"{"background":true,"metadata":{"a":"b"}}"#.to_owned()),
        form: AnswerForm::default(),
    };
    let started = SessionEventBody::Started { turn: TURN, prompt_tokens: 5, cached_tokens: 2 };
    let tokens = texts.iter().enumerate().map(|(index, text)| SessionEventBody::Tokens {
        turn: TURN,
        first: index as u32,
        ids: vec![index as u32 + 100],
        text: (*text).to_owned(),
        ends: vec![text.len() as u32],
        marks: Vec::new(),
    });
    let bodies = [accepted, started].into_iter().chain(tokens).chain([end]);
    let event =
        |(seq, body)| SessionEvent { first_seq: seq, seq, at_ms: 1_700_000_000_000 + seq * 1000, body };
    (3..).zip(bodies).map(event).collect()
}

/// The log of an answer that thinks, speaks and calls two tools; the second call ends behind the last token.
pub(crate) fn spoken() -> Vec<SessionEvent> {
    let call = |index, name: Option<&str>| Said::Call { index, name: name.map(str::to_owned) };
    let mark = |at, kind| Mark { at, kind };
    let said = [
        ("h", vec![mark(0, Said::Reasoning)]),
        ("mLet", vec![mark(0, Said::Reasoning), mark(1, Said::Text)]),
        ("", vec![]),
        (" me", vec![mark(3, call(0, Some("f")))]),
        ("{\"a\"", vec![mark(0, call(0, None))]),
        (":1}", vec![mark(0, call(0, None)), mark(3, call(1, Some("g")))]),
    ];
    let mut events = log(&said.clone().map(|(text, _)| text), finished(FinishReason::ToolCalls, "{}"));
    for (event, (_, told)) in events[2..].iter_mut().zip(said) {
        if let SessionEventBody::Tokens { marks, .. } = &mut event.body {
            *marks = told;
        }
    }
    if let Some(SessionEventBody::Finished { marks, .. }) = events.last_mut().map(|event| &mut event.body) {
        *marks = vec![mark(0, call(1, Some("g")))];
    }
    events
}

/// An end with an answer.
pub(crate) fn finished(reason: FinishReason, tail: &str) -> SessionEventBody {
    let usage = Usage { prompt_tokens: 5, cached_tokens: 2, completion_tokens: 4, ..Usage::default() };
    SessionEventBody::Finished {
        turn: TURN,
        reason,
        text: tail.to_owned(),
        usage,
        marks: Vec::new(),
        stop: None,
    }
}

/// An end without one.
pub(crate) fn failed() -> SessionEventBody {
    SessionEventBody::Failed { turn: TURN, cause: Cause::LinkLost { node: "a".into(), message: "b".into() } }
}

/// The same log, cut in every way in which its tokens can stand together.
pub(crate) fn every_cut(log: &[SessionEvent]) -> Vec<Vec<SessionEvent>> {
    let tokens = log.iter().filter(|event| matches!(event.body, SessionEventBody::Tokens { .. })).count();
    let cut = |joins: u32| {
        let mut events: Vec<SessionEvent> = Vec::new();
        let mut met = 0;
        for event in log.iter().cloned() {
            let is_token = matches!(event.body, SessionEventBody::Tokens { .. });
            let is_joined = is_token && joins & (1 << met) != 0;
            met += u32::from(is_token);
            let rest = match events.last_mut() {
                Some(last) if is_joined => last.join(event),
                _ => Some(event),
            };
            events.extend(rest);
        }
        events
    };
    (0..1 << tokens).map(cut).collect()
}
