//! The chat: questions and answers of the branch that is shown, from the end or from where the person reads.

use std::collections::HashMap;
use std::rc::Rc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::Drawn;
use super::bars::spinner;
use crate::tui::chat::{Chat, State, Turn};
use crate::tui::markdown;
use crate::tui::model::Model;
use crate::tui::text::{self, clean, clean_line, clip, width};

/// Turns that are kept ready besides those of the branch.
const CACHED_BESIDES: usize = 64;

/// Questions and answers as lines, so that only what changed is made anew.
#[derive(Default)]
pub(in crate::tui) struct Cache {
    turns: HashMap<String, Rendered>,
}

#[derive(Clone)]
struct Rendered {
    /// What the lines were made of: length of the answer, whether it has ended, columns.
    of: (usize, bool, usize),
    question: Rc<Vec<Line<'static>>>,
    answer: Rc<Vec<Line<'static>>>,
}

impl Cache {
    fn rendered(&mut self, model: &Model, turn: &Turn, columns: usize) -> Rendered {
        let of = (turn.answer.len(), turn.is_ended(), columns);
        if let Some(rendered) = self.turns.get(&turn.id).filter(|rendered| rendered.of == of) {
            return rendered.clone();
        }
        let bar = [Span::styled("│ ", model.theme.asker())];
        let question = match self.turns.get(&turn.id) {
            Some(rendered) if rendered.of.2 == columns => Rc::clone(&rendered.question),
            _ => Rc::new(text::wrap(&[Span::raw(clean(turn.question.trim_end()))], columns, &bar, &bar)),
        };
        let markdown = if turn.is_ended() { turn.answer.clone() } else { markdown::settled(&turn.answer) };
        let answer = Rc::new(markdown::render(&markdown, columns, model.theme));
        let rendered = Rendered { of, question, answer };
        self.turns.insert(turn.id.clone(), rendered.clone());
        rendered
    }

    fn forget_besides(&mut self, branch: &[&Turn]) {
        if self.turns.len() > branch.len() + CACHED_BESIDES {
            self.turns.retain(|id, _| branch.iter().any(|turn| turn.id == *id));
        }
    }
}

/// The lines of one turn, in parts of which some come from the cache.
struct Parts {
    head: Vec<Line<'static>>,
    question: Rc<Vec<Line<'static>>>,
    label: Vec<Line<'static>>,
    answer: Rc<Vec<Line<'static>>>,
    tail: Vec<Line<'static>>,
}

impl Parts {
    fn len(&self) -> usize {
        self.head.len() + self.question.len() + self.label.len() + self.answer.len() + self.tail.len()
    }

    fn lines(&self) -> impl Iterator<Item = &Line<'static>> {
        let parts: [&[Line<'static>]; 5] =
            [&self.head, &self.question, &self.label, &self.answer, &self.tail];
        parts.into_iter().flatten()
    }
}

/// Draws the chat; says how long it is.
pub(super) fn draw(model: &Model, cache: &mut Cache, buffer: &mut Buffer, area: Rect) -> Drawn {
    let Some(chat) = &model.chat else {
        welcome(model, buffer, area);
        return Drawn { rows: area.height.into(), ..Drawn::default() };
    };
    let columns = usize::from(area.width).saturating_sub(1);
    let branch = chat.branch();
    cache.forget_besides(&branch);
    let parts: Vec<Parts> = branch.iter().map(|turn| parts(model, chat, cache, turn, columns)).collect();
    let lines: usize = parts.iter().map(Parts::len).sum();
    let rows = usize::from(area.height);
    let bottom = lines.saturating_sub(rows);
    let selected = branch.iter().position(|turn| Some(&turn.id) == model.selected_turn.as_ref());
    let top_of_selected = selected
        .filter(|_| model.scroll.shows_selected)
        .map(|place| parts[..place].iter().map(Parts::len).sum::<usize>());
    let shown = top_of_selected.or(model.scroll.top).unwrap_or(bottom).min(bottom);
    let mut start = 0;
    for parts in &parts {
        if start + parts.len() > shown && start < shown + rows {
            let skipped = shown.saturating_sub(start);
            for (row, line) in parts.lines().skip(skipped).enumerate() {
                super::line(buffer, area, start + skipped - shown + row, line);
            }
        }
        start += parts.len();
    }
    if shown < bottom {
        below_mark(model, bottom - shown, buffer, area);
    }
    Drawn { cursor: None, lines, rows, shown }
}

fn below_mark(model: &Model, lines: usize, buffer: &mut Buffer, area: Rect) {
    let text = format!(" ↓ {lines} more below ");
    let columns = width(&text) as u16;
    if columns <= area.width {
        buffer.set_string(area.right() - columns, area.bottom() - 1, &text, model.theme.selected());
    }
}

fn parts(model: &Model, chat: &Chat, cache: &mut Cache, turn: &Turn, columns: usize) -> Parts {
    let rendered = cache.rendered(model, turn, columns);
    Parts {
        head: vec![head(model, chat, turn, columns)],
        question: rendered.question,
        label: vec![label(model, turn)],
        answer: rendered.answer,
        tail: tail(model, chat, turn, columns),
    }
}

/// Who asked, and which of several branches this is.
fn head(model: &Model, chat: &Chat, turn: &Turn, columns: usize) -> Line<'static> {
    let theme = model.theme;
    let is_selected = model.selected_turn.as_ref() == Some(&turn.id);
    let who = clip(&who(model, chat, &turn.by), 30);
    let mut spans = vec![Span::styled(who, if is_selected { theme.selected() } else { theme.asker() })];
    let (place, siblings) = chat.siblings(turn);
    if siblings.len() > 1 {
        let mark = format!(" ‹ {}/{} ›", place + 1, siblings.len());
        spans.push(Span::styled(mark, theme.warning()));
    }
    let used: usize = spans.iter().map(|span| width(&span.content)).sum();
    let age = super::age(model.now_ms, turn.accepted_ms);
    if used + width(&age) + 2 <= columns {
        spans.push(Span::styled(format!("  {age}"), theme.dim()));
    }
    Line::from(spans)
}

/// A person's name, as far as it is known.
fn who(model: &Model, chat: &Chat, by: &str) -> String {
    if model.is_me(by) {
        return "you".to_owned();
    }
    let present = chat.present.iter().find(|present| present.by == by && !present.name.is_empty());
    clean_line(present.map_or(by, |present| &present.name))
}

/// Who answers, and how fast.
fn label(model: &Model, turn: &Turn) -> Line<'static> {
    let theme = model.theme;
    let mut spans = vec![Span::styled(clip(&clean_line(&turn.model), 30), theme.answerer())];
    match &turn.state {
        State::Queued { ahead } => {
            let text = match ahead {
                Some(ahead @ 1..) => format!(" {} waiting behind {ahead}", spinner(model)),
                _ => format!(" {} waiting", spinner(model)),
            };
            spans.push(Span::styled(text, theme.dim()));
        }
        State::Running => {
            let cancelling = if turn.cancelled_by.is_some() { " cancelling" } else { "" };
            spans.push(Span::styled(format!(" {}{cancelling}", spinner(model)), theme.good()));
        }
        State::Finished { .. } | State::Failed { .. } => {}
    }
    let rate = turn.tokens_per_s().map(|rate| format!("  {rate:.1} tokens/s"));
    spans.extend(rate.map(|rate| Span::styled(rate, theme.dim())));
    Line::from(spans)
}

/// What is worth knowing about how it went, and an empty line.
fn tail(model: &Model, chat: &Chat, turn: &Turn, columns: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let mut lines = Vec::new();
    if turn.dropped > 0 {
        let turns = if turn.dropped == 1 { "turn was" } else { "turns were" };
        let text = format!("{} old {turns} left out: the context is full", turn.dropped);
        lines.push(Line::styled(clip(&text, columns), theme.warning()));
    }
    if let Some(node) = &turn.resumed_on {
        let text = format!("went on at {} after its machine was lost", clean_line(node));
        lines.push(Line::styled(clip(&text, columns), theme.dim()));
    }
    match &turn.state {
        State::Finished { reason } if reason == "cancelled" => {
            let by = turn.cancelled_by.as_deref().map(|by| format!(" by {}", who(model, chat, by)));
            let text = format!("■ cancelled{}", by.unwrap_or_default());
            lines.push(Line::styled(clip(&text, columns), theme.warning()));
        }
        State::Finished { reason } if reason == "length" => {
            lines.push(Line::styled(clip("■ ended: as long as it may be", columns), theme.warning()));
        }
        State::Failed { code, message } => {
            let text = format!("✗ failed: {} ({})", clean_line(message), clean_line(code));
            lines.extend(text::wrap(&[Span::styled(text, theme.bad())], columns, &[], &["  ".into()]));
        }
        _ => {}
    }
    lines.push(Line::raw(""));
    lines
}

/// What stands where no session is open.
fn welcome(model: &Model, buffer: &mut Buffer, area: Rect) {
    let text = match (&model.opening, model.models.is_empty()) {
        (Some(_), _) => "opening the session…",
        (None, true) => "No model can be asked yet; F2 shows what the machines do.",
        (None, false) => {
            "A new session: type a question. It stays when you leave, and others of your key see it."
        }
    };
    let columns = usize::from(area.width).saturating_sub(1);
    let lines = text::wrap(&[Span::styled(text, model.theme.dim())], columns, &[], &[]);
    for (row, line) in lines.iter().enumerate() {
        super::line(buffer, area, row, line);
    }
}
