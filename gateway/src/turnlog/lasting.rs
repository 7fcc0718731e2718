//! Asking in a session on behalf of somebody who knows of none: the session is made with the first question, and found
//! again by the idempotency key of that.

use pomona_actors::Sessions;
use pomona_protocol::{
    Cause, ContextPolicy, ModelId, NewSession, Principal, Sampling, SessionCommand, SessionId, SessionReply,
    SessionRequest, SessionSettings, SessionView, TraceContext, TurnAsk, TurnId,
};
use sha2::{Digest, Sha256};

/// A turn that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) session: SessionId,
    pub(crate) turn: TurnId,
    /// Number of its `Accepted` event.
    pub(crate) seq: u64,
    /// Whether this request made it, and not an earlier one with the same key.
    pub(crate) is_new: bool,
}

/// The session that this key makes in this API; the same key may be in use in others.
pub(crate) fn session_of_key(by: Principal, api: &str, key: &str) -> SessionId {
    let mut hash = Sha256::new();
    hash.update(b"pomona session\0");
    hash.update(by.0.to_be_bytes());
    hash.update(api.as_bytes());
    hash.update(b"\0");
    hash.update(key.as_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    SessionId(u128::from_be_bytes(id))
}

/// Makes the session of `key`, unless it is there, or a new one, and asks its first question. A new session that
/// takes no question is removed; that of a key stays, since another request with the key may be about to ask.
pub(crate) async fn begin(
    sessions: &Sessions,
    by: Principal,
    key: Option<(&str, &str)>,
    context: ContextPolicy,
    ask: TurnAsk,
    trace: Option<TraceContext>,
) -> Result<Accepted, Cause> {
    let session = match key {
        Some((api, key)) => session_of_key(by, api, key),
        None => SessionId(random_id()?),
    };
    let model = ask.model.clone().unwrap_or_else(|| ModelId(String::new()));
    let settings =
        SessionSettings { model, system: None, sampling: Sampling::default(), seed: None, context };
    let new =
        NewSession { title: String::new(), tags: Vec::new(), settings, forked_from: None, turns: Vec::new() };
    sessions.ask(request(session, by, SessionCommand::Create(new))).await?;
    let accepted = go_on(sessions, session, by, ask, trace).await;
    if accepted.is_err() && key.is_none() {
        let _ = sessions.ask(request(session, by, SessionCommand::Delete)).await;
    }
    accepted
}

/// Asks in a session that is there; the turn belongs to `trace`.
pub(crate) async fn go_on(
    sessions: &Sessions,
    session: SessionId,
    by: Principal,
    ask: TurnAsk,
    trace: Option<TraceContext>,
) -> Result<Accepted, Cause> {
    let request = SessionRequest { trace, ..request(session, by, SessionCommand::Ask(ask)) };
    match sessions.ask(request).await? {
        SessionReply::Accepted { turn, seq, is_new } => Ok(Accepted { session, turn, seq, is_new }),
        SessionReply::View(_) | SessionReply::Done { .. } => Err(unexpected()),
    }
}

/// How a session is.
pub(crate) async fn show(
    sessions: &Sessions,
    session: SessionId,
    by: Principal,
) -> Result<Box<SessionView>, Cause> {
    viewed(sessions.ask(request(session, by, SessionCommand::Show)).await?)
}

/// A request that takes the log wherever it ends.
pub(crate) fn request(session: SessionId, by: Principal, command: SessionCommand) -> SessionRequest {
    SessionRequest::new(session, by, command)
}

fn random_id() -> Result<u128, Cause> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Cause::Internal { message: format!("no random bytes: {error}") })?;
    Ok(u128::from_le_bytes(bytes))
}

fn viewed(reply: SessionReply) -> Result<Box<SessionView>, Cause> {
    match reply {
        SessionReply::View(view) => Ok(view),
        SessionReply::Accepted { .. } | SessionReply::Done { .. } => Err(unexpected()),
    }
}

fn unexpected() -> Cause {
    Cause::Internal { message: "a session answered something else than was asked".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_one_session_per_api_and_principal() {
        let id = |by, api, key| session_of_key(Principal(by), api, key);
        assert_eq!(id(1, "responses", "a"), id(1, "responses", "a"));
        assert_ne!(id(1, "responses", "a"), id(2, "responses", "a"));
        assert_ne!(id(1, "responses", "a"), id(1, "messages", "a"));
        assert_ne!(id(1, "responses", "a"), id(1, "responses", "b"));
    }
}
