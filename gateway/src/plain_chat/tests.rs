//! What is asked, and how an answer is read from a log.

use pomona_protocol::{AnswerForm, TurnOrigin, Usage};

use super::*;

const TURN: TurnId = TurnId(7);

fn request(message: &str, session: Option<&str>) -> PlainRequest {
    PlainRequest { message: message.to_owned(), session: session.map(str::to_owned), model: None }
}

fn event(seq: u64, body: SessionEventBody) -> SessionEvent {
    SessionEvent { first_seq: seq, seq, at_ms: 5, body }
}

fn accepted_event(seq: u64, turn: TurnId, model: &str) -> SessionEvent {
    let body = SessionEventBody::Accepted {
        turn,
        parent: None,
        by: Principal(1),
        idempotency_key: None,
        digest: 0,
        origin: TurnOrigin::Asked,
        input: Vec::new(),
        model: model.into(),
        system: None,
        sampling: Sampling::default(),
        note: None,
        form: AnswerForm::default(),
    };
    event(seq, body)
}

fn tokens(first_seq: u64, turn: TurnId, pieces: &[&str]) -> SessionEvent {
    let (mut text, mut ends) = (String::new(), Vec::new());
    for piece in pieces {
        text.push_str(piece);
        ends.push(text.len() as u32);
    }
    let ids = vec![1; pieces.len()];
    let seq = first_seq + pieces.len() as u64 - 1;
    let body = SessionEventBody::Tokens { turn, first: 0, ids, text, ends, marks: Vec::new() };
    SessionEvent { first_seq, seq, at_ms: 5, body }
}

fn finished(seq: u64, reason: FinishReason, text: &str) -> SessionEvent {
    let (text, usage) = (text.to_owned(), Usage::default());
    event(seq, SessionEventBody::Finished { turn: TURN, reason, text, usage, marks: Vec::new(), stop: None })
}

fn outcome(events: Vec<SessionEvent>) -> Result<(String, String), &'static str> {
    let mut reading = Reading::new(TURN, 3);
    for event in events {
        if reading.take(event).map_err(|error| error.code())? {
            return Ok((reading.answer, reading.model));
        }
    }
    Err("no end")
}

#[test]
fn the_lasting_session_is_one_for_each_key() {
    let session = |by| check(request("x", None), Principal(by), None).map(|plain| plain.session).unwrap();
    assert_eq!(session(1), session(1));
    assert_ne!(session(1), session(2));
    let named = SessionId(5).to_string();
    let plain = check(request("x", Some(&named)), Principal(1), Some("k".to_owned())).unwrap();
    assert_eq!((plain.session, plain.is_lasting), (SessionId(5), false));
    assert_eq!(plain.ask.idempotency_key.as_deref(), Some("k"));
    for bad in [request("", None), request("x", Some("")), request("x", Some("ses_1"))] {
        assert_eq!(check(bad, Principal(1), None).map(|_| ()).unwrap_err().code(), "invalid_request");
    }
}

#[test]
fn one_odd_request_does_not_choose_the_model_for_all() {
    let card = |id: &str| ModelCard {
        id: id.into(),
        architecture: "qwen3".to_owned(),
        parameters: 1,
        dtype: "f32".to_owned(),
        context_tokens: 1,
        vocabulary: 1,
        weight_bytes: 1,
        kv_bytes_per_token: 1,
        ..ModelCard::default()
    };
    let model = |asked: Option<&str>, served: &[ModelCard]| {
        let asked = asked.map(ModelId::from);
        lasting_session(asked.as_ref(), served).map(|new| new.settings.model.0).map_err(|error| error.code())
    };
    assert_eq!(model(Some("odd"), &[card("a"), card("b")]), Ok("a".to_owned()));
    assert_eq!(model(None, &[card("a")]), Ok("a".to_owned()));
    assert_eq!(model(Some("odd"), &[]), Ok("odd".to_owned()));
    assert_eq!(model(None, &[]), Err("model_unavailable"));
}

#[test]
fn an_answer_is_read_from_its_own_events_however_they_are_cut() {
    let events = vec![
        accepted_event(3, TURN, "tiny"),
        tokens(4, TurnId(6), &["not", " mine"]),
        tokens(6, TURN, &["a", "b"]),
        // After a cut the session says again what it is not sure of.
        tokens(6, TURN, &["a", "b", "c"]),
        finished(9, FinishReason::Length, "d"),
    ];
    assert_eq!(outcome(events), Ok(("abcd".to_owned(), "tiny".to_owned())));
}

#[test]
fn a_turn_without_an_answer_has_the_status_of_its_cause() {
    assert_eq!(outcome(vec![finished(4, FinishReason::Cancelled, "")]), Err("cancelled"));
    let cause = Cause::KvExhausted { needed: 2, total: 1 };
    let failed = event(4, SessionEventBody::Failed { turn: TURN, cause });
    assert_eq!(outcome(vec![accepted_event(3, TURN, "tiny"), failed]), Err("kv_exhausted"));
}

#[test]
fn a_cut_is_read_behind_unless_it_is_final() {
    let mut reading = Reading::new(TURN, 3);
    let mut cut = |reason: &str, reads| {
        reading.reads = reads;
        reading.cut(SessionId(1), reason).map_err(|error| error.code())
    };
    for (reason, early, late) in [
        ("slow", Ok(false), Err("session_moved")),
        ("moved", Ok(false), Err("session_moved")),
        ("store", Ok(false), Err("store_failed")),
        ("deleted", Err("session_not_found"), Err("session_not_found")),
        ("shutting_down", Err("shutting_down"), Err("shutting_down")),
    ] {
        assert_eq!((cut(reason, 1), cut(reason, READS_MAX)), (early, late), "{reason}");
    }
}
