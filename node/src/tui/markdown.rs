//! Markdown as lines of a terminal: headings, lists, quotes, code with a frame, simple tables, links. Pure. Text that is
//! still being written goes through [`settled`] first, so that what is not certain yet does not jump about.

mod settle;
mod table;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::text::{self, clean, clip, width};
use super::theme::Theme;
use table::Table;

pub(super) use settle::settled;

/// Quotes and lists within each other that are indented; deeper ones are shown at this depth.
const DEPTH_MAX: usize = 8;

/// Lines of at most `columns`, for narrow screens a little more. No empty line at the start or the end.
pub(super) fn render(markdown: &str, columns: usize, theme: Theme) -> Vec<Line<'static>> {
    let markdown = clean(markdown);
    let mut renderer = Renderer::new(columns.max(8), theme);
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    for event in Parser::new_ext(&markdown, options) {
        renderer.take(event);
    }
    renderer.end()
}

/// What a line stands in.
enum Container {
    Quote,
    /// With the mark of its first line, which is taken when that is written.
    Item {
        mark: Option<String>,
        indent: usize,
    },
}

struct Renderer {
    columns: usize,
    theme: Theme,
    lines: Vec<Line<'static>>,
    /// Text of the block that is being read.
    inline: Vec<Span<'static>>,
    styles: Vec<Style>,
    containers: Vec<Container>,
    /// The next number of each list; `None` for those with bullets.
    lists: Vec<Option<u64>>,
    /// Language and text of the code block.
    code: Option<(String, String)>,
    table: Option<Table>,
    links: Vec<(String, usize)>,
    /// An empty line goes before the next block.
    wants_gap: bool,
}

impl Renderer {
    fn new(columns: usize, theme: Theme) -> Self {
        Self {
            columns,
            theme,
            lines: Vec::new(),
            inline: Vec::new(),
            styles: vec![Style::new()],
            containers: Vec::new(),
            lists: Vec::new(),
            code: None,
            table: None,
            links: Vec::new(),
            wants_gap: false,
        }
    }

    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.finish(tag),
            Event::Text(text) => self.text(&text),
            Event::Code(code) => self.push(&code, self.style().patch(self.theme.code())),
            Event::SoftBreak => self.push(" ", self.style()),
            Event::HardBreak => self.push("\n", self.style()),
            Event::Rule => {
                self.flush();
                let rule = "─".repeat(self.room());
                self.block(vec![Span::styled(rule, self.theme.dim())]);
            }
            Event::Html(text) | Event::InlineHtml(text) => self.push(&text, self.theme.dim()),
            Event::TaskListMarker(done) => self.push(if done { "[x] " } else { "[ ] " }, self.style()),
            Event::InlineMath(text) | Event::DisplayMath(text) => self.text(&text),
            Event::FootnoteReference(name) => self.push(&format!("[{name}]"), self.style()),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.flush();
                self.styles.push(self.heading(level));
            }
            Tag::BlockQuote(_) => {
                self.flush();
                self.gap();
                self.containers.push(Container::Quote);
            }
            Tag::CodeBlock(kind) => {
                self.flush();
                let language = match kind {
                    CodeBlockKind::Fenced(info) => {
                        info.split_whitespace().next().unwrap_or_default().to_owned()
                    }
                    CodeBlockKind::Indented => String::new(),
                };
                self.code = Some((language, String::new()));
            }
            Tag::List(first) => {
                self.flush();
                self.lists.push(first);
            }
            Tag::Item => self.start_item(),
            Tag::Emphasis => self.styled(Modifier::ITALIC),
            Tag::Strong => self.styled(Modifier::BOLD),
            Tag::Strikethrough => self.styled(Modifier::CROSSED_OUT),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.links.push((dest_url.to_string(), self.inline.len()));
                self.styles.push(self.style().patch(self.theme.link()));
            }
            Tag::Table(_) => {
                self.flush();
                self.table = Some(Table::default());
            }
            Tag::TableHead | Tag::TableRow => self.table.iter_mut().for_each(Table::start_row),
            _ => {}
        }
    }

    fn finish(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => {
                self.flush();
                self.wants_gap = true;
            }
            TagEnd::Heading(_) => {
                self.flush();
                self.unstyled();
                self.wants_gap = true;
            }
            TagEnd::BlockQuote(_) => {
                self.flush();
                self.containers.pop();
                self.wants_gap = true;
            }
            TagEnd::CodeBlock => self.finish_code(),
            TagEnd::List(_) => {
                self.lists.pop();
                self.wants_gap = true;
            }
            TagEnd::Item => {
                self.flush();
                // An item without text still has its mark.
                if matches!(self.containers.last(), Some(Container::Item { mark: Some(_), .. })) {
                    self.block(Vec::new());
                }
                self.containers.pop();
                self.wants_gap = false;
            }
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => self.unstyled(),
            TagEnd::Link | TagEnd::Image => self.finish_link(),
            TagEnd::TableCell => {
                let cell: String = self.inline.drain(..).map(|span| span.content.into_owned()).collect();
                self.table.iter_mut().for_each(|table| table.push(&cell));
            }
            TagEnd::Table => self.finish_table(),
            _ => {}
        }
    }

    fn heading(&self, level: HeadingLevel) -> Style {
        let bold = self.theme.bold();
        if level == HeadingLevel::H1 { bold.add_modifier(Modifier::UNDERLINED) } else { bold }
    }

    fn start_item(&mut self) {
        self.flush();
        let mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                let mark = format!("{number}. ");
                *number = number.saturating_add(1);
                mark
            }
            _ => "• ".to_owned(),
        };
        let indent = width(&mark);
        self.containers.push(Container::Item { mark: Some(mark), indent });
    }

    fn styled(&mut self, modifier: Modifier) {
        self.styles.push(self.style().add_modifier(modifier));
    }

    fn unstyled(&mut self) {
        if self.styles.len() > 1 {
            self.styles.pop();
        }
    }

    fn style(&self) -> Style {
        self.styles.last().copied().unwrap_or_default()
    }

    fn text(&mut self, text: &str) {
        match &mut self.code {
            Some((_, code)) => code.push_str(text),
            None => self.push(text, self.style()),
        }
    }

    fn push(&mut self, text: &str, style: Style) {
        self.inline.push(Span::styled(text.to_owned(), style));
    }

    /// The address goes behind the text, unless they are the same.
    fn finish_link(&mut self) {
        self.unstyled();
        let Some((address, from)) = self.links.pop() else { return };
        let shown: String = self.inline.iter().skip(from).map(|span| span.content.as_ref()).collect();
        if !address.is_empty() && shown != address && format!("mailto:{shown}") != address {
            self.push(&format!(" ({address})"), self.theme.dim());
        }
    }

    fn finish_code(&mut self) {
        let Some((language, code)) = self.code.take() else { return };
        let dim = self.theme.dim();
        let room = self.room();
        let head = if language.is_empty() {
            "┌─".to_owned()
        } else {
            format!("┌ {} ", clip(&language, room / 2))
        };
        let rule = |start: &str| start.to_owned() + &"─".repeat(room.saturating_sub(width(start)));
        self.block(vec![Span::styled(rule(&head), dim)]);
        for line in code.strip_suffix('\n').unwrap_or(&code).split('\n') {
            for part in text::wrap_anywhere(line, room.saturating_sub(2)) {
                self.block(vec![Span::styled("│ ", dim), Span::styled(part, self.theme.code())]);
            }
        }
        self.block(vec![Span::styled(rule("└"), dim)]);
        self.wants_gap = true;
    }

    fn finish_table(&mut self) {
        let Some(table) = self.table.take() else { return };
        let room = self.room();
        for line in table.lines(room, self.theme) {
            self.block(line);
        }
        self.wants_gap = true;
    }

    /// Columns that a line has besides what it stands in.
    fn room(&self) -> usize {
        self.columns.saturating_sub(spans_width(&self.prefix())).max(4)
    }

    /// Writes the text that was read as a block of its own.
    fn flush(&mut self) {
        let mut inline = std::mem::take(&mut self.inline);
        if let Some(last) = inline.last_mut() {
            last.content = last.content.trim_end_matches('\n').to_owned().into();
        }
        if inline.iter().all(|span| span.content.trim().is_empty()) {
            return;
        }
        self.links.clear();
        self.gap();
        let first = self.take_prefix();
        let rest = self.prefix();
        let columns = self.columns.max(spans_width(&rest) + 4);
        self.lines.extend(text::wrap(&inline, columns, &first, &rest));
    }

    /// Writes one line as it is.
    fn block(&mut self, content: Vec<Span<'static>>) {
        self.gap();
        let mut line = self.take_prefix();
        line.extend(content);
        self.lines.push(Line::from(line));
    }

    fn gap(&mut self) {
        if std::mem::take(&mut self.wants_gap) && !self.lines.is_empty() {
            let prefix = self.prefix();
            self.lines.push(Line::from(prefix));
        }
    }

    fn shown_containers(&self) -> usize {
        self.containers.len().min(DEPTH_MAX)
    }

    fn prefix(&self) -> Vec<Span<'static>> {
        let spans = self.containers.iter().take(self.shown_containers()).map(|container| match container {
            Container::Quote => Span::styled("▎ ", self.theme.dim()),
            Container::Item { indent, .. } => Span::raw(" ".repeat(*indent)),
        });
        spans.collect()
    }

    /// The prefix with the marks of items that begin here.
    fn take_prefix(&mut self) -> Vec<Span<'static>> {
        let mut prefix = self.prefix();
        for (span, container) in prefix.iter_mut().zip(&mut self.containers) {
            if let Container::Item { mark: mark @ Some(_), .. } = container {
                *span = Span::raw(mark.take().unwrap_or_default());
            }
        }
        prefix
    }

    fn end(mut self) -> Vec<Line<'static>> {
        self.flush();
        self.lines
    }
}

fn spans_width(spans: &[Span<'_>]) -> usize {
    spans.iter().map(|span| width(&span.content)).sum()
}

#[cfg(test)]
#[path = "markdown_tests.rs"]
mod tests;
