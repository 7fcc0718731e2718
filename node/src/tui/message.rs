//! What happens to the screen, and what it wants done: the input and the output of `update`. `run` brings the one,
//! `tasks` does the other.

use crossterm::event::KeyEvent;
use pomona_client::ModelInfo;
use pomona_protocol::v3::{AcceptedBody, AskBody, ChangeBody, DoneBody, Envelope, PageBody, SessionBody};
use pomona_protocol::{NodeStatus, Status};

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// For people.
    pub(super) message: String,
    /// No gateway can be reached, which may pass by itself.
    pub(super) is_offline: bool,
    /// There is no such session, for this key.
    pub(super) is_missing: bool,
}

/// What happens.
#[derive(Clone, Debug)]
pub(super) enum Message {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has another size: columns and rows.
    Resize(u16, u16),
    /// Time went by.
    Tick,
    /// A picture was made: what it has of the chat.
    Drawn {
        /// All of them.
        lines: usize,
        /// Those that have room.
        rows: usize,
        /// The first one that is shown.
        shown: usize,
    },
    /// A page of sessions came.
    Listed {
        /// The words that were searched for.
        search: Option<String>,
        /// The cursor of the page; `None` for the first one.
        from: Option<String>,
        /// The page, and how long it took in milliseconds.
        result: Result<(PageBody, u64), Trouble>,
    },
    /// The models that can be asked.
    Models(Result<Vec<ModelInfo>, Trouble>),
    /// The machines and the gateway.
    Fleet(Result<Box<(Vec<NodeStatus>, Status)>, Trouble>),
    /// A session that was to be opened.
    Opened {
        /// Which.
        session: String,
        /// How it is.
        result: Result<Box<SessionBody>, Trouble>,
    },
    /// Something was heard from the session that is attached.
    Heard {
        /// Which.
        session: String,
        /// What.
        news: News,
    },
    /// A session was made for what is about to be asked.
    Created(Result<Box<SessionBody>, Trouble>),
    /// A session was forked.
    Forked(Result<Box<SessionBody>, Trouble>),
    /// A turn was accepted, or not.
    Accepted(Result<AcceptedBody, Trouble>),
    /// Something else was done, or not.
    Done {
        /// What, for people.
        what: &'static str,
        /// How it went.
        result: Result<DoneBody, Trouble>,
    },
}

/// What a feed says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum News {
    /// Something of the session.
    Said(Box<Envelope>),
    /// A gateway answers.
    Connected,
    /// The connection is gone, and another one is tried.
    Lost,
    /// Nothing follows.
    Ended(Trouble),
}

/// In which way a turn is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Behind the branch.
    Ask,
    /// In place of another turn.
    Edit,
    /// For another answer.
    Regenerate,
}

/// What is to be done. Each is answered by a [`Message`], unless it says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    /// List sessions, those that hold the words.
    List {
        /// The words.
        search: Option<String>,
        /// The cursor of the page; `None` for the first one.
        from: Option<String>,
    },
    /// Show a session.
    Open(String),
    /// Hear of a session from a number on, and of no other any more. Answered again and again.
    Attach {
        /// Which.
        session: String,
        /// The last number that is known.
        after: u64,
    },
    /// Hear of no session any more. Not answered.
    Detach,
    /// Make a session.
    Create {
        /// Which model answers; `None` leaves it to the gateway.
        model: Option<String>,
    },
    /// Ask a turn.
    Ask {
        /// Of which session.
        session: String,
        /// How.
        verb: Verb,
        /// What.
        body: Box<AskBody>,
    },
    /// End a turn.
    Cancel {
        /// Of which session.
        session: String,
        /// Which.
        turn: String,
    },
    /// Show another branch to everybody.
    Choose {
        /// Of which session.
        session: String,
        /// Its last turn.
        leaf: String,
    },
    /// Make a session that continues another one behind a turn.
    Fork {
        /// Which.
        session: String,
        /// The turn; `None` for the end of the branch.
        turn: Option<String>,
    },
    /// Change name or model of a session.
    Change {
        /// Which.
        session: String,
        /// What.
        change: Box<ChangeBody>,
    },
    /// Delete a session.
    Delete(String),
    /// List the models.
    Models,
    /// Look at the machines.
    Fleet,
    /// Keep what was typed for another time. Not answered.
    Remember(String),
    /// End. Not answered.
    Quit,
}
