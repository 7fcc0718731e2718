//! How things look, with colours and without. What a colour says, a word or a mark always says too.

use ratatui::style::{Color, Modifier, Style};

/// The styles of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Theme {
    has_colours: bool,
}

impl Theme {
    /// Without colours only bold, dim, underlined and reversed are used.
    pub(super) fn new(has_colours: bool) -> Self {
        Self { has_colours }
    }

    fn colour(self, colour: Color) -> Style {
        if self.has_colours { Style::new().fg(colour) } else { Style::new() }
    }

    /// For what may be overlooked.
    pub(super) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// For heads and names.
    pub(super) fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// For what the person said.
    pub(super) fn asker(self) -> Style {
        self.colour(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// For the model's name.
    pub(super) fn answerer(self) -> Style {
        self.colour(Color::Magenta).add_modifier(Modifier::BOLD)
    }

    /// For what is as it should be.
    pub(super) fn good(self) -> Style {
        self.colour(Color::Green)
    }

    /// For what may become wrong.
    pub(super) fn warning(self) -> Style {
        self.colour(Color::Yellow)
    }

    /// For what is wrong.
    pub(super) fn bad(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// For code.
    pub(super) fn code(self) -> Style {
        self.colour(Color::Yellow)
    }

    /// For addresses.
    pub(super) fn link(self) -> Style {
        self.colour(Color::Blue).add_modifier(Modifier::UNDERLINED)
    }

    /// For the line that keys act on.
    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// For the first and the last line of the screen.
    pub(super) fn bar(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}
