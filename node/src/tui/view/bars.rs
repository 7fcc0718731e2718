//! The first line (session, model, connection), the last one (notices, keys), and the one above the input (who is here).

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::age;
use crate::tui::model::{Focus, Link, Model, Popup};
use crate::tui::text::{clean_line, clip, fit, width};

/// What a pending act looks like, one after the other.
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// How long each is shown.
const SPINNER_MS: u64 = 100;

/// The mark of something that goes on now.
pub(super) fn spinner(model: &Model) -> &'static str {
    SPINNER[(model.now_ms / SPINNER_MS) as usize % SPINNER.len()]
}

pub(super) fn top(model: &Model, buffer: &mut Buffer, area: Rect) {
    let columns = usize::from(area.width);
    let right = format!(" {} · {} ", clip(&model_name(model), 24), connection(model));
    let right = clip(&right, columns);
    let title = match (&model.chat, &model.opening) {
        (_, Some(_)) => "opening…".to_owned(),
        (Some(chat), None) if chat.title.trim().is_empty() => "untitled".to_owned(),
        (Some(chat), None) => clean_line(&chat.title),
        (None, None) => "new session".to_owned(),
    };
    let left = fit(&format!(" {title}"), columns.saturating_sub(width(&right)));
    buffer.set_style(area, model.theme.bar());
    let style = model.theme.bar();
    super::line(buffer, area, 0, &Line::from(vec![Span::styled(left, style), Span::styled(right, style)]));
}

fn model_name(model: &Model) -> String {
    let first = || model.models.first().map(|first| first.id.clone());
    let name = match &model.chat {
        Some(chat) => Some(chat.model.clone()),
        None => model.new_model.clone().or_else(first),
    };
    clean_line(&name.unwrap_or_else(|| "no model".to_owned()))
}

/// How the gateway is reached, in words.
fn connection(model: &Model) -> String {
    match model.link {
        Link::Connecting => "connecting…".to_owned(),
        Link::Online { rtt_ms: None } => format!("● online {}", model.path),
        Link::Online { rtt_ms: Some(ms) } => format!("● online {} {ms} ms", model.path),
        Link::Lost { since_ms } if model.is_offline() => match age(model.now_ms, since_ms).as_str() {
            "now" => format!("○ offline for {} s", model.now_ms.saturating_sub(since_ms) / 1000),
            age => format!("○ offline for {age}"),
        },
        Link::Lost { .. } => "◌ reconnecting…".to_owned(),
    }
}

pub(super) fn separator(model: &Model, buffer: &mut Buffer, area: Rect) {
    let columns = usize::from(area.width);
    let label = label(model);
    let dim = model.theme.dim();
    let mut spans = vec![Span::styled("──", dim)];
    if !label.is_empty() {
        let label = format!(" {} ", clip(&label, columns.saturating_sub(6)));
        spans.push(Span::styled(label, dim));
    }
    let used: usize = spans.iter().map(|span| width(&span.content)).sum();
    spans.push(Span::styled("─".repeat(columns.saturating_sub(used)), dim));
    super::line(buffer, area, 0, &Line::from(spans));
}

/// What goes on besides answers: sending, editing, others.
fn label(model: &Model) -> String {
    let mut parts = Vec::new();
    if model.pending.is_some() {
        parts.push(format!("{} sending", spinner(model)));
    }
    if model.editing.is_some() {
        parts.push("asking something else in place of a question; Esc leaves it".to_owned());
    }
    if let Some(chat) = &model.chat {
        let typing: Vec<String> = chat.typing(model.now_ms).map(clean_line).collect();
        if !typing.is_empty() {
            parts.push(format!("{} typing…", typing.join(", ")));
        }
        let mut others = Vec::new();
        // One of those with this key is this client itself.
        let mut is_counted = false;
        for present in &chat.present {
            if !is_counted && model.is_me(&present.by) {
                is_counted = true;
                continue;
            }
            let name = if present.name.is_empty() { &present.by } else { &present.name };
            others.push(clip(&clean_line(name), 20));
        }
        if !others.is_empty() {
            parts.push(format!("also here: {}", others.join(", ")));
        }
    }
    parts.join(" · ")
}

pub(super) fn bottom(model: &Model, buffer: &mut Buffer, area: Rect) {
    let columns = usize::from(area.width);
    let theme = model.theme;
    let line = match &model.notice {
        Some(notice) => {
            let style = if notice.is_bad { theme.bad() } else { theme.warning() };
            let mark = if notice.is_bad { "error: " } else { "" };
            Line::styled(clip(&format!("{mark}{}", clean_line(&notice.text)), columns), style)
        }
        None => Line::styled(clip(keys(model), columns), theme.dim()),
    };
    super::line(buffer, area, 0, &line);
}

/// The keys that matter now; what does not fit is cut off, F1 shows all.
fn keys(model: &Model) -> &'static str {
    let is_running = model.chat.as_ref().is_some_and(|chat| chat.open_turn().is_some());
    match (&model.popup, model.focus) {
        (Some(Popup::Delete { .. }), _) => "y delete · n keep",
        (Some(_), _) => "Esc close",
        (None, Focus::Sessions) if model.sessions.search.is_some() => "Enter open · Esc end search",
        (None, Focus::Sessions) => "Enter open · / search · n new · r rename · d delete · Tab back · F1 help",
        (None, Focus::Input) if is_running => "Esc cancel · F1 help · ^Q quit · Tab sessions · F2 fleet",
        (None, Focus::Input) => {
            "F1 help · Enter send · ^Q quit · Tab sessions · ^N new · ^O model · F2 fleet · ^R again · ^E edit"
        }
    }
}
