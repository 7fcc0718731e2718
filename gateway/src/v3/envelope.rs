//! From what a session says to the JSON in which every client of `/v3` hears it.
//!
//! [`crate::v3::feed`] and the WebSocket call it. The way back is the client's.

use std::time::{SystemTime, UNIX_EPOCH};

use pomona_protocol::v3::{
    ChangeBody, Envelope, EnvelopeBody, ErrorBody, ForkBody, MessageBody, OriginBody, PresentBody, VERSION,
    mark_bodies,
};
use pomona_protocol::{
    Cause, FinishReason, SessionChange, SessionEvent, SessionEventBody, SessionId, SessionLive, TurnId,
    TurnOrigin,
};

use crate::v3::bodies::sampling_body;

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}

/// An entry of the log of `session`.
pub(crate) fn logged(session: &str, event: SessionEvent) -> Envelope {
    Envelope {
        v: VERSION,
        session: session.to_owned(),
        seq: Some(event.seq),
        first_seq: (event.first_seq != event.seq).then_some(event.first_seq),
        at: event.at_ms,
        body: logged_body(event.body),
    }
}

/// Something that passes and is not in the log; `session` is empty for what concerns the connection.
pub(crate) fn passing(session: &str, body: EnvelopeBody) -> Envelope {
    Envelope { v: VERSION, session: session.to_owned(), seq: None, first_seq: None, at: now_ms(), body }
}

/// What a live word says.
pub(crate) fn live_body(live: SessionLive) -> EnvelopeBody {
    match live {
        SessionLive::Queued { turn, ahead } => EnvelopeBody::TurnQueued { turn: turn.to_string(), ahead },
        SessionLive::Prefill { turn, done, total } => {
            EnvelopeBody::TurnPrefill { turn: turn.to_string(), done, total }
        }
        SessionLive::Resumed { turn, shown, cause, node } => {
            EnvelopeBody::TurnResumed { turn: turn.to_string(), shown, cause, node: node.0 }
        }
        SessionLive::Presence { clients } => {
            let clients = clients.into_iter().map(|present| PresentBody {
                client: present.client,
                by: present.by.to_string(),
                name: present.name,
            });
            EnvelopeBody::Presence { clients: clients.collect() }
        }
        SessionLive::Typing { by, name } => EnvelopeBody::Typing { by: by.to_string(), name },
    }
}

/// The `type` of an envelope, which is also the name of its server-sent event.
pub(crate) fn kind(body: &EnvelopeBody) -> &'static str {
    match body {
        EnvelopeBody::SessionCreated { .. } => "session.created",
        EnvelopeBody::SessionUpdated { .. } => "session.updated",
        EnvelopeBody::TurnAccepted { .. } => "turn.accepted",
        EnvelopeBody::TurnContextDropped { .. } => "turn.context_dropped",
        EnvelopeBody::TurnStarted { .. } => "turn.started",
        EnvelopeBody::TurnTokens { .. } => "turn.tokens",
        EnvelopeBody::TurnCancelAsked { .. } => "turn.cancel_asked",
        EnvelopeBody::TurnFinished { .. } => "turn.finished",
        EnvelopeBody::TurnFailed { .. } => "turn.failed",
        EnvelopeBody::BranchChosen { .. } => "branch.chosen",
        EnvelopeBody::SessionDeleted { .. } => "session.deleted",
        EnvelopeBody::CaughtUp { .. } => "caught_up",
        EnvelopeBody::TurnQueued { .. } => "turn.queued",
        EnvelopeBody::TurnPrefill { .. } => "turn.prefill",
        EnvelopeBody::TurnResumed { .. } => "turn.resumed",
        EnvelopeBody::Presence { .. } => "presence",
        EnvelopeBody::Typing { .. } => "typing",
        EnvelopeBody::Cut { .. } => "cut",
        EnvelopeBody::Heartbeat {} => "heartbeat",
    }
}

fn logged_body(body: SessionEventBody) -> EnvelopeBody {
    match body {
        SessionEventBody::Created { owner, title, tags, settings, forked_from } => {
            EnvelopeBody::SessionCreated {
                owner: owner.to_string(),
                title,
                tags,
                model: settings.model.0,
                system: settings.system,
                forked_from: forked_from.map(fork_body),
            }
        }
        SessionEventBody::Updated { by, change } => {
            EnvelopeBody::SessionUpdated { by: by.to_string(), change: change_body(change) }
        }
        SessionEventBody::Accepted { turn, parent, by, idempotency_key, origin, input, model, .. } => {
            EnvelopeBody::TurnAccepted {
                turn: turn.to_string(),
                parent: parent.map(|parent| parent.to_string()),
                by: by.to_string(),
                origin: origin_body(origin),
                input: input.into_iter().map(MessageBody::from).collect(),
                model: model.0,
                idempotency_key,
            }
        }
        SessionEventBody::ContextDropped { turn, dropped } => EnvelopeBody::TurnContextDropped {
            turn: turn.to_string(),
            dropped: dropped.iter().map(TurnId::to_string).collect(),
        },
        SessionEventBody::Started { turn, prompt_tokens, cached_tokens } => {
            EnvelopeBody::TurnStarted { turn: turn.to_string(), prompt_tokens, cached_tokens }
        }
        SessionEventBody::Tokens { turn, first, ids, text, marks, .. } => EnvelopeBody::TurnTokens {
            turn: turn.to_string(),
            index: first,
            count: u32::try_from(ids.len()).unwrap_or(u32::MAX),
            text,
            marks: mark_bodies(&marks),
        },
        SessionEventBody::CancelAsked { turn, by } => {
            EnvelopeBody::TurnCancelAsked { turn: turn.to_string(), by: by.to_string() }
        }
        SessionEventBody::Finished { turn, reason, text, marks, usage, stop } => EnvelopeBody::TurnFinished {
            turn: turn.to_string(),
            reason: reason_text(reason).to_owned(),
            text,
            marks: mark_bodies(&marks),
            stop,
            usage,
        },
        SessionEventBody::Failed { turn, cause } => {
            EnvelopeBody::TurnFailed { turn: turn.to_string(), error: error_body(&cause) }
        }
        SessionEventBody::BranchChosen { by, leaf } => {
            EnvelopeBody::BranchChosen { by: by.to_string(), leaf: leaf.to_string() }
        }
        SessionEventBody::Deleted { by } => EnvelopeBody::SessionDeleted { by: by.to_string() },
    }
}

/// `stop`, `length`, `tool_calls` or `cancelled`.
pub(crate) fn reason_text(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::Cancelled => "cancelled",
    }
}

/// A failure, as clients read it.
pub(crate) fn error_body(cause: &Cause) -> ErrorBody {
    ErrorBody { code: cause.code().to_owned(), message: cause.to_string() }
}

/// Where a turn comes from.
pub(crate) fn origin_body(origin: TurnOrigin) -> OriginBody {
    let (kind, of) = match origin {
        TurnOrigin::Asked => ("asked", None),
        TurnOrigin::Edited { of } => ("edited", Some(of)),
        TurnOrigin::Regenerated { of } => ("regenerated", Some(of)),
        TurnOrigin::Imported => ("imported", None),
    };
    OriginBody { kind: kind.to_owned(), of: of.map(|of| of.to_string()) }
}

/// Where a fork comes from.
pub(crate) fn fork_body((session, turn): (SessionId, TurnId)) -> ForkBody {
    ForkBody { session: session.to_string(), turn: turn.to_string() }
}

fn change_body(change: SessionChange) -> ChangeBody {
    let shared = change.shared.map(|shared| {
        shared.into_iter().map(|(principal, permission)| (principal.to_string(), permission)).collect()
    });
    ChangeBody {
        title: change.title,
        tags: change.tags,
        model: change.model.map(|model| model.0),
        system: change.system,
        sampling: change.sampling.as_ref().map(sampling_body),
        seed: change.seed,
        context: change.context,
        shared,
        expected_seq: None,
    }
}
