//! What an attached client of a session hears, and what gateways say to each other about sessions.

use serde::{Deserialize, Serialize};

use crate::{Cause, NodeId, Principal, SessionEvent, SessionId, SessionReply, SessionRequest, TurnId};

/// What an attached client hears: first the past from its cursor on, then what happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all of them are events; a box for each would cost more"
)]
pub enum SessionNews {
    /// An entry of the log; the numbers of these follow each other without gap or repeat.
    Event(SessionEvent),
    /// Everything that was in the log when the client attached has been said.
    CaughtUp {
        /// Where the log ended.
        head_seq: u64,
    },
    /// Something that passes and is not in the log.
    Live(SessionLive),
    /// The last word: the client is cut off and may attach again behind the last event that it has.
    Cut {
        /// Why: `slow`, `moved`, `deleted`, `shutting_down` or `store`.
        reason: String,
    },
}

/// Something that passes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionLive {
    /// A turn of the session waits for a place at a replica.
    Queued {
        /// The turn.
        turn: TurnId,
        /// Turns that will be served before it.
        ahead: u32,
    },
    /// How far the prompt of a running turn is computed.
    Prefill {
        /// The turn.
        turn: TurnId,
        /// Tokens of the prompt that have their KV, cached ones included.
        done: u32,
        /// Tokens of the prompt.
        total: u32,
    },
    /// A running turn lost its replica and goes on elsewhere.
    Resumed {
        /// The turn.
        turn: TurnId,
        /// Tokens shown before; they stand.
        shown: u32,
        /// Code of the cause.
        cause: String,
        /// Where it goes on.
        node: NodeId,
    },
    /// Who is attached now; said when that changes.
    Presence {
        /// Everybody, in the order of their coming.
        clients: Vec<Present>,
    },
    /// Somebody types.
    Typing {
        /// Whose key.
        by: Principal,
        /// What they call themselves.
        name: String,
    },
}

/// Somebody who is attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// Tells two clients of one key apart.
    pub client: u64,
    /// Whose key.
    pub by: Principal,
    /// What they call themselves; may be empty.
    pub name: String,
}

/// A wish to hear of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionAttach {
    /// Which.
    pub session: SessionId,
    /// Who.
    pub by: Principal,
    /// What the others are to call them; may be empty.
    pub name: String,
    /// The last number that the client has; 0 for none.
    pub after: u64,
    /// Which words between gateways the asker knows; see [`SESSION_WORDS`]. 0 from gateways that do not say it.
    #[serde(default)]
    pub words: u32,
}

impl SessionAttach {
    /// A wish of this program, which knows all words.
    pub fn new(session: SessionId, by: Principal, name: String, after: u64) -> Self {
        Self { session, by, name, after, words: SESSION_WORDS }
    }
}

/// What the opener of a session stream wants; members that are gateways alone answer it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionOpen {
    /// Answered by one [`SessionFrame::Reply`].
    Command(Box<SessionRequest>),
    /// Answered by [`SessionFrame::Attached`], for askers that know it, and [`SessionFrame::News`] up to a cut, or by
    /// one `Reply` that refuses.
    Attach(SessionAttach),
}

/// The words that this program knows on a session stream. A listener that says less is not told what came later, which
/// it could not read: [`SessionFrame::Attached`] and [`SessionLive::Prefill`] came with 1.
pub const SESSION_WORDS: u32 = 1;

/// What is said on a session stream between gateways.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all of them are events; a box for each would cost more"
)]
pub enum SessionFrame {
    /// The answer to a command, or why there is none.
    Reply(Result<SessionReply, Cause>),
    /// To who attached, first.
    Attached {
        /// Which of the clients in [`SessionLive::Presence`] it is.
        client: u64,
    },
    /// To who attached.
    News(SessionNews),
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::{FrameDecoder, SessionCommand, TraceContext, TraceId, encode_frame};

    /// What an older gateway asks.
    #[derive(Serialize, Deserialize)]
    struct OlderAttach {
        session: SessionId,
        by: Principal,
        name: String,
        after: u64,
    }

    /// What an older gateway reads of a question.
    #[derive(Serialize, Deserialize)]
    struct OlderRequest {
        session: SessionId,
        by: Principal,
        expected_seq: Option<u64>,
        command: SessionCommand,
    }

    fn across<A: Serialize, B: serde::de::DeserializeOwned>(said: &A) -> B {
        let mut decoder = FrameDecoder::<B>::new(4096);
        let mut wire = BytesMut::new();
        encode_frame(said, &mut wire, 4096).unwrap();
        decoder.buffer().extend_from_slice(&wire);
        decoder.next_frame().unwrap().unwrap()
    }

    #[test]
    fn an_older_gateway_knows_no_later_words_and_reads_what_it_is_asked() {
        let (session, by) = (SessionId(7), Principal(1));
        let older = OlderAttach { session, by, name: "ann".to_owned(), after: 3 };
        let read: SessionAttach = across(&older);
        assert_eq!((read.words, read.after), (0, 3));
        let ours = SessionAttach::new(session, by, String::new(), 9);
        assert_eq!(across::<_, SessionAttach>(&ours), ours);
        assert_eq!(across::<_, OlderAttach>(&ours).after, 9);
        let trace = Some(TraceContext { trace: TraceId(5), span: 6, is_sampled: true });
        let asked = SessionRequest { trace, ..SessionRequest::new(session, by, SessionCommand::Show) };
        let read: OlderRequest = across(&asked);
        assert_eq!(across::<_, SessionRequest>(&read), SessionRequest { trace: None, ..asked });
    }
}
