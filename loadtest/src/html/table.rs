//! Tables: all that a plot shows can be read here too, by people who do not see the plot and by those who want to copy it.

use crate::markup::Markup;
use crate::words::number;
use crate::words::verdict::Mark;

use super::icon;

/// Most rows of one table; those beyond are counted below it.
pub(super) const ROWS_MAX: usize = 400;

/// What one field shows.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// Words, at the left.
    Words(String),
    /// A number, at the right.
    Number(String),
    /// A share from 0 to 1 as the length of a bar; the number stands in another field.
    Bar(f64),
    /// A name with the texture by which it is drawn.
    Textured(usize, String),
    /// An answer with its sign.
    Marked(Mark, String),
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// Where the row lies on the horizontal axis of its plot, from 0 to 1; `None` when it lies nowhere.
    pub(super) at: Option<f64>,
    /// As many as there are heads; the first names the row.
    pub(super) cells: Vec<Cell>,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    /// What it shows, for those who come to it without the text around it.
    pub(super) caption: String,
    /// Name of each column, and whether its fields are numbers.
    pub(super) heads: Vec<(String, bool)>,
    /// Its rows.
    pub(super) rows: Vec<Row>,
}

impl Table {
    /// A table without rows: first column words, the others numbers.
    pub(super) fn new(caption: impl Into<String>, heads: &[&str]) -> Self {
        let heads = heads.iter().enumerate().map(|(at, head)| ((*head).to_owned(), at > 0)).collect();
        Self { caption: caption.into(), heads, rows: Vec::new() }
    }

    /// The same with columns of words.
    pub(super) fn of_words(caption: impl Into<String>, heads: &[&str]) -> Self {
        let mut table = Self::new(caption, heads);
        table.heads.iter_mut().for_each(|head| head.1 = false);
        table
    }

    /// A row that lies nowhere on an axis.
    pub(super) fn push(&mut self, cells: Vec<Cell>) {
        self.rows.push(Row { at: None, cells });
    }

    /// A row of a name and numbers.
    pub(super) fn push_numbers(
        &mut self,
        at: Option<f64>,
        name: String,
        numbers: impl IntoIterator<Item = String>,
    ) {
        let cells = std::iter::once(Cell::Words(name)).chain(numbers.into_iter().map(Cell::Number)).collect();
        self.rows.push(Row { at, cells });
    }

    /// The table, which scrolls in its own frame where the page is narrower than it.
    pub(super) fn draw(&self, markup: &mut Markup) {
        let caption = &self.caption;
        markup.open(
            "div",
            &[("class", &"scroll"), ("role", &"region"), ("tabindex", &0), ("aria-label", caption)],
        );
        markup.open("table", &[]);
        markup.element("caption", &[], &self.caption);
        markup.open("thead", &[]);
        markup.open("tr", &[]);
        for (head, is_number) in &self.heads {
            markup.element("th", &[("scope", &"col"), ("class", &class(*is_number))], head);
        }
        markup.close("tr");
        markup.close("thead");
        markup.open("tbody", &[]);
        for row in self.rows.iter().take(ROWS_MAX) {
            draw_row(markup, row);
        }
        markup.close("tbody");
        markup.close("table");
        markup.close("div");
        if let Some(more) = self.rows.len().checked_sub(ROWS_MAX + 1) {
            let more = format!("And {} more.", number::count(more as u64 + 1));
            markup.element("p", &[("class", &"note")], &more);
        }
    }

    /// The table behind a word that opens it, beside a plot.
    pub(super) fn draw_folded(&self, markup: &mut Markup) {
        if self.rows.is_empty() {
            return;
        }
        markup.open("details", &[]);
        markup.element("summary", &[], "As a table");
        self.draw(markup);
        markup.close("details");
    }
}

fn class(is_number: bool) -> &'static str {
    if is_number { "number" } else { "words" }
}

fn draw_row(markup: &mut Markup, row: &Row) {
    match row.at {
        Some(at) => markup.open("tr", &[("data-x", &format!("{at:.4}"))]),
        None => markup.open("tr", &[]),
    }
    for (position, cell) in row.cells.iter().enumerate() {
        let class = class(matches!(cell, Cell::Number(_)));
        let tag = if position == 0 { "th" } else { "td" };
        match position {
            0 => markup.open(tag, &[("scope", &"row"), ("class", &class)]),
            _ => markup.open(tag, &[("class", &class)]),
        }
        draw_cell(markup, cell);
        markup.close(tag);
    }
    markup.close("tr");
}

fn draw_cell(markup: &mut Markup, cell: &Cell) {
    match cell {
        Cell::Words(text) | Cell::Number(text) => markup.text(text),
        Cell::Bar(share) => {
            let width = format!("{:.2}%", share.clamp(0.0, 1.0) * 100.0);
            markup.open("svg", &[("class", &"bar"), ("aria-hidden", &"true"), ("height", &"12")]);
            markup.empty("rect", &[("class", &"bar-all"), ("width", &"100%"), ("height", &"12")]);
            markup.empty("rect", &[("class", &"bar-part"), ("width", &width), ("height", &"12")]);
            markup.close("svg");
        }
        Cell::Textured(texture, text) => {
            icon::texture(markup, *texture);
            markup.text(text);
        }
        Cell::Marked(mark, text) => {
            icon::mark(markup, *mark);
            markup.text(text);
        }
    }
}
