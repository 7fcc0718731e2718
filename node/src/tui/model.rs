//! Everything that the screen shows, as plain data. `update` changes it, `view` draws it; neither does any I/O.

use pomona_client::ModelInfo;
use pomona_protocol::v3::SummaryBody;
use pomona_protocol::{NodeStatus, Status};

use super::chat::{Chat, State};
use super::input::Editor;
use super::message::{Trouble, Verb};
use super::theme::Theme;

/// How long a notice stands.
const NOTICE_MS: u64 = 6_000;
/// A connection that was gone for so long counts as offline.
const OFFLINE_AFTER_MS: u64 = 10_000;
/// Columns from which on the list of sessions has a place of its own.
pub(super) const WIDE_COLUMNS: u16 = 72;

/// The state of the screen.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) columns: u16,
    pub(super) rows: u16,
    pub(super) theme: Theme,
    /// Unix milliseconds of the last message.
    pub(super) now_ms: u64,
    /// `here`, `LAN` or `WAN`.
    pub(super) path: &'static str,
    pub(super) link: Link,
    pub(super) sessions: Sessions,
    pub(super) chat: Option<Chat>,
    /// The session that is being opened.
    pub(super) opening: Option<String>,
    /// When it is tried once more.
    pub(super) reopen_ms: Option<u64>,
    /// The turn that keys act on; `None`: the last one.
    pub(super) selected_turn: Option<String>,
    pub(super) scroll: Scroll,
    pub(super) input: Editor,
    /// The turn in whose place the input goes.
    pub(super) editing: Option<String>,
    /// What was sent and is not accepted yet.
    pub(super) pending: Option<Pending>,
    /// What was not accepted. Sent once more as it is, it has the same key, so that it is not asked twice.
    pub(super) refused: Option<Pending>,
    /// Differs from run to run; goes before the numbers of what is sent.
    pub(super) nonce: String,
    /// Counts what is sent.
    pub(super) sent: u64,
    /// The key of this client, once it is known.
    pub(super) me: Option<String>,
    /// The last turn that was accepted from here.
    pub(super) asked: Option<String>,
    /// The model for a session that is made next.
    pub(super) new_model: Option<String>,
    pub(super) models: Vec<ModelInfo>,
    pub(super) popup: Option<Popup>,
    pub(super) focus: Focus,
    pub(super) fleet: Option<Fleet>,
    pub(super) notice: Option<Notice>,
    /// Until when a second Ctrl-C ends the program.
    pub(super) quits_until_ms: u64,
}

/// How the gateway is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// Nobody answered yet.
    Connecting,
    /// It answers, within so many milliseconds.
    Online { rtt_ms: Option<u64> },
    /// It does not, since this moment.
    Lost { since_ms: u64 },
}

/// The list of sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    pub(super) all: Vec<SummaryBody>,
    /// The cursor of the page that was not asked for yet.
    pub(super) next: Option<String>,
    /// What is searched for.
    pub(super) search: Option<Editor>,
    /// What the gateway found for these words.
    pub(super) found: Option<(String, Vec<SummaryBody>)>,
    /// The one that keys act on.
    pub(super) selected: Option<String>,
    /// When the list was last asked for.
    pub(super) asked_ms: u64,
}

impl Sessions {
    /// The words that are searched for.
    pub(super) fn words(&self) -> Option<&str> {
        self.search.as_ref().map(|search| search.text().trim()).filter(|words| !words.is_empty())
    }

    /// Those that are shown: all, or those with the words in the title and what the gateway found.
    pub(super) fn visible(&self) -> Vec<&SummaryBody> {
        let Some(words) = self.words() else { return self.all.iter().collect() };
        let lower = words.to_lowercase();
        let has_words = |session: &&SummaryBody| session.title.to_lowercase().contains(&lower);
        let mut visible: Vec<&SummaryBody> = self.all.iter().filter(has_words).collect();
        if let Some((_, found)) = self.found.as_ref().filter(|(of, _)| of == words) {
            let known: Vec<&str> = visible.iter().map(|session| session.id.as_str()).collect();
            visible.extend(found.iter().filter(|session| !known.contains(&session.id.as_str())));
        }
        visible
    }

    /// The place of the selected one among those that are shown.
    pub(super) fn place(&self) -> usize {
        let selected = self.selected.as_deref();
        self.visible().iter().position(|session| Some(session.id.as_str()) == selected).unwrap_or(0)
    }
}

/// Where the chat is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scroll {
    /// The first line that is shown; `None` follows the end.
    pub(super) top: Option<usize>,
    /// Lines of the chat, as last drawn.
    pub(super) lines: usize,
    /// Rows for them, as last drawn.
    pub(super) rows: usize,
    /// The first line that was shown, as last drawn.
    pub(super) shown: usize,
    /// The selected turn is brought into view.
    pub(super) shows_selected: bool,
}

impl Scroll {
    /// The first line when the end is shown.
    pub(super) fn bottom(&self) -> usize {
        self.lines.saturating_sub(self.rows)
    }

    /// Shows the end from now on.
    pub(super) fn follow(&mut self) {
        (self.top, self.shows_selected) = (None, false);
    }
}

/// Something that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) number: u64,
    /// `None` while the session is being made.
    pub(super) session: Option<String>,
    pub(super) verb: Verb,
    /// The turn in whose place it goes.
    pub(super) turn: Option<String>,
    pub(super) text: String,
}

/// What lies over the screen.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Popup {
    /// The keys; lines that are scrolled away.
    Help { top: usize },
    /// The models; the one that is selected.
    Models { selected: usize },
    /// A new name for a session.
    Rename { session: String, editor: Editor },
    /// Whether a session is to be deleted.
    Delete { session: String, title: String },
}

/// What the keys go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Focus {
    Input,
    Sessions,
}

/// The panel of the machines.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fleet {
    pub(super) nodes: Vec<NodeStatus>,
    pub(super) status: Option<Status>,
    pub(super) trouble: Option<String>,
    pub(super) asked_ms: u64,
}

/// A line for the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) text: String,
    pub(super) is_bad: bool,
    pub(super) until_ms: u64,
}

impl Model {
    /// A screen that shows nothing yet.
    pub(super) fn new(columns: u16, rows: u16, theme: Theme, now_ms: u64, nonce: String) -> Self {
        Self {
            columns,
            rows,
            theme,
            now_ms,
            path: "here",
            link: Link::Connecting,
            sessions: Sessions::default(),
            chat: None,
            opening: None,
            reopen_ms: None,
            selected_turn: None,
            scroll: Scroll::default(),
            input: Editor::default(),
            editing: None,
            pending: None,
            refused: None,
            nonce,
            sent: 0,
            me: None,
            asked: None,
            new_model: None,
            models: Vec::new(),
            popup: None,
            focus: Focus::Input,
            fleet: None,
            notice: None,
            quits_until_ms: 0,
        }
    }

    /// Whether the list of sessions has a place of its own.
    pub(super) fn is_wide(&self) -> bool {
        self.columns >= WIDE_COLUMNS
    }

    /// Says something.
    pub(super) fn say(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), is_bad: false, until_ms: self.now_ms + NOTICE_MS });
    }

    /// Says what went wrong.
    pub(super) fn complain(&mut self, trouble: &Trouble) {
        let text = trouble.message.clone();
        self.notice = Some(Notice { text, is_bad: true, until_ms: self.now_ms + NOTICE_MS });
    }

    /// Whether an act of this key is the person's own.
    pub(super) fn is_me(&self, by: &str) -> bool {
        let owner = self.chat.as_ref().map(|chat| chat.owner.as_str());
        self.me.as_deref().or(owner) == Some(by)
    }

    /// The turn that keys act on.
    pub(super) fn target(&self) -> Option<&super::chat::Turn> {
        let chat = self.chat.as_ref()?;
        self.selected_turn.as_deref().and_then(|id| chat.turn(id)).or_else(|| chat.last())
    }

    /// Whether the gateway has been away for longer than a restart takes.
    pub(super) fn is_offline(&self) -> bool {
        matches!(self.link, Link::Lost { since_ms } if self.now_ms >= since_ms + OFFLINE_AFTER_MS)
    }

    /// Whether something on the screen moves by itself.
    pub(super) fn is_moving(&self) -> bool {
        let is_open = |chat: &Chat| chat.turns.iter().any(|turn| turn.state == State::Running);
        self.pending.is_some() || self.opening.is_some() || self.chat.as_ref().is_some_and(is_open)
    }
}
