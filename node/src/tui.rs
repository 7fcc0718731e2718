//! `pomona tui`: sessions, chat and machines on a terminal. `command::tui` starts it.
//!
//! A pure core in the middle (`model`, `update`, `view`), and around it what does I/O: `run` (the loop), `tasks` (asks the
//! gateway), `painter` (writes to the terminal on a thread of its own) and `terminal` (takes it over and gives it back).

mod message;
mod model;

mod update;

mod chat;
mod input;

mod view;

mod markdown;
mod text;
mod theme;

mod painter;
mod run;
mod tasks;
mod terminal;

#[cfg(test)]
mod fixture;

pub(crate) use run::run;

/// What the screen starts with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    /// The session to open; without it, the first question makes one.
    pub(crate) session: Option<String>,
    /// The model of a session that is made here; `None` leaves it to the gateway.
    pub(crate) model: Option<String>,
    /// What others who read the same session see.
    pub(crate) name: String,
    /// What was typed before, oldest first.
    pub(crate) history: Vec<String>,
    /// Whether colours are wanted.
    pub(crate) has_colours: bool,
}

/// How the screen ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The person left.
    Left,
    /// A signal, or the terminal went away.
    Signal,
}
