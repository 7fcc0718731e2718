//! How events lie in a row: MessagePack with named fields, so that versions mix. Used by both backends.
//!
//! A row holds the numbers and the time beside the body; the body alone is encoded here.

use pomona_protocol::{SessionEvent, SessionEventBody, SessionId};

use crate::StoreError;

/// The bytes of a row.
pub(crate) fn encode_body(body: &SessionEventBody) -> Result<Vec<u8>, StoreError> {
    rmp_serde::to_vec_named(body)
        .map_err(|error| StoreError::Invalid { what: "event".into(), message: error.to_string() })
}

/// The event of a row. `what` names the database when the row cannot be read.
pub(crate) fn decode_event(
    what: &str,
    session: SessionId,
    (first_seq, seq, at_ms): (u64, u64, u64),
    payload: &[u8],
) -> Result<SessionEvent, StoreError> {
    let damaged = |why: String| StoreError::Damaged {
        what: what.into(),
        message: format!("event {seq} of {session}: {why}"),
    };
    let body: SessionEventBody =
        rmp_serde::from_slice(payload).map_err(|error| damaged(error.to_string()))?;
    if first_seq.checked_add(body.width()) != seq.checked_add(1) {
        return Err(damaged(format!("its row covers {first_seq} to {seq}, and it holds {}", body.width())));
    }
    Ok(SessionEvent { first_seq, seq, at_ms, body })
}

#[cfg(test)]
mod tests {
    use pomona_protocol::Principal;

    use super::*;

    #[test]
    fn an_event_comes_back_as_it_was_written() {
        let body = SessionEventBody::Deleted { by: Principal(u64::MAX) };
        let bytes = encode_body(&body).unwrap();
        let event = decode_event("db", SessionId(1), (3, 3, 9), &bytes).unwrap();
        assert_eq!(event, SessionEvent { first_seq: 3, seq: 3, at_ms: 9, body });
    }

    #[test]
    fn bytes_that_are_no_event_are_named() {
        let bytes = encode_body(&SessionEventBody::Deleted { by: Principal(1) }).unwrap();
        for (range, payload) in [((3, 3, 9), &bytes[..bytes.len() - 1]), ((3, 4, 9), &bytes[..])] {
            let error = decode_event("db", SessionId(1), range, payload).unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        }
    }
}
