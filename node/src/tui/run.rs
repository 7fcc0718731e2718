//! The loop: keys, what gateways say, and time go into `update`; what that wants goes to `tasks`, and what it changed to
//! the painter. It never waits for the terminal.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use crossterm::event::{Event, EventStream};
use futures::StreamExt;
use pomona_client::Client;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep_until};

use super::message::{Command, Message};
use super::model::{Link, Model};
use super::painter::{Painter, Picture};
use super::tasks::Tasks;
use super::terminal::Screen;
use super::theme::Theme;
use super::update::{start, update};
use super::view::{self, Cache};
use super::{Ending, Start};
use crate::signals::Signals;

/// The least time between two pictures: about 30 in a second.
const FRAME: Duration = Duration::from_millis(33);
/// Time goes by in such steps while something moves, and in such while nothing does.
const TICK_MOVING: Duration = Duration::from_millis(100);
const TICK_STILL: Duration = Duration::from_millis(1000);
/// After the terminal went away the loop has so long to end by itself.
const LAST_RESORT: Duration = Duration::from_secs(1);
/// Messages that wait for the loop; tasks that have more wait.
const MESSAGES_MAX: usize = 1024;
/// Messages that are applied before keys are looked at again.
const BATCH_MAX: usize = 256;

/// Columns and rows that are drawn at most; larger terminals keep the rest empty.
const COLUMNS_MAX: u16 = 1000;
const ROWS_MAX: u16 = 500;

/// Shows the screen until the person leaves. `remember` keeps what was typed.
pub(crate) async fn run(
    client: Client,
    begin: Start,
    mut remember: impl FnMut(&str),
) -> anyhow::Result<Ending> {
    let mut signals = Signals::listen()?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen to signals")?;
    // The reader of keys may spin for ever on a terminal that is gone; the program ends all the same.
    let mut gone = signal(SignalKind::hangup()).context("cannot listen to signals")?;
    let mut last_resort = JoinSet::new();
    last_resort.spawn(async move {
        gone.recv().await;
        tokio::time::sleep(LAST_RESORT).await;
        std::process::exit(crate::exit::Exit::Interrupted as i32);
    });
    let (columns, rows) = crossterm::terminal::size().context("cannot ask for the size of the terminal")?;
    let (messages, inbox) = mpsc::channel(MESSAGES_MAX);
    let tasks = Tasks::new(client.clone(), begin.name, messages);
    let mut model = Model::new(
        columns.min(COLUMNS_MAX),
        rows.min(ROWS_MAX),
        Theme::new(begin.has_colours),
        now_ms(),
        nonce()?,
    );
    model.new_model = begin.model;
    begin.history.iter().for_each(|entry| model.input.remember(entry));
    let screen = Screen::take()?;
    let mut shell = Shell {
        client,
        model,
        tasks,
        cache: Cache::default(),
        is_dirty: true,
        drawn_at: Instant::now() - FRAME,
        shown: None,
        remember: &mut remember,
    };
    let commands = start(&mut shell.model, begin.session);
    shell.obey(commands);
    shell.run(&screen, inbox, &mut signals, &mut hangup).await
}

/// What the loop holds.
struct Shell<'a> {
    client: Client,
    model: Model,
    tasks: Tasks,
    cache: Cache,
    /// Something may look different.
    is_dirty: bool,
    drawn_at: Instant,
    /// The last picture that was handed over.
    shown: Option<Arc<Picture>>,
    remember: &'a mut dyn FnMut(&str),
}

impl Shell<'_> {
    async fn run(
        mut self,
        screen: &Screen,
        mut inbox: Receiver<Message>,
        signals: &mut Signals,
        hangup: &mut Signal,
    ) -> anyhow::Result<Ending> {
        let painter = screen.painter();
        let mut events = EventStream::new();
        let mut tick_at = Instant::now();
        let mut batch = Vec::new();
        loop {
            let mut quits = false;
            tokio::select! {
                biased;
                () = signals.next() => return Ok(Ending::Signal),
                _ = hangup.recv() => return Ok(Ending::Signal),
                why = painter.failed() => return Err(anyhow!("cannot draw: {why}")),
                ended = self.tasks.next_end() => ended.context("a task of the screen failed")?,
                event = events.next() => match event {
                    Some(Ok(event)) => quits = self.take_event(event),
                    Some(Err(error)) => return Err(error).context("cannot read from the terminal"),
                    None => return Ok(Ending::Signal),
                },
                () = sleep_until(self.drawn_at + FRAME), if self.is_dirty => self.draw(painter),
                () = sleep_until(tick_at) => {
                    quits = self.take(Message::Tick);
                    tick_at = Instant::now() + if self.model.is_moving() { TICK_MOVING } else { TICK_STILL };
                }
                _ = inbox.recv_many(&mut batch, BATCH_MAX) => {
                    for message in batch.drain(..) {
                        quits |= self.take(message);
                    }
                }
            }
            // What has begun to move does so at once.
            if self.model.is_moving() {
                tick_at = tick_at.min(Instant::now() + TICK_MOVING);
            }
            if quits {
                return Ok(Ending::Left);
            }
        }
    }

    /// Takes what the terminal says; whether that is the end.
    fn take_event(&mut self, event: Event) -> bool {
        match event {
            Event::Key(key) => self.take(Message::Key(key)),
            Event::Paste(text) => self.take(Message::Paste(text)),
            Event::Resize(columns, rows) => {
                self.take(Message::Resize(columns.min(COLUMNS_MAX), rows.min(ROWS_MAX)))
            }
            Event::FocusGained | Event::FocusLost | Event::Mouse(_) => false,
        }
    }

    fn take(&mut self, message: Message) -> bool {
        self.is_dirty = true;
        let commands = update(&mut self.model, message, now_ms());
        self.obey(commands)
    }

    /// Does what is wanted; whether that is the end.
    fn obey(&mut self, commands: Vec<Command>) -> bool {
        let mut quits = false;
        for command in commands {
            match command {
                Command::Quit => quits = true,
                Command::Remember(text) => (self.remember)(&text),
                command => self.tasks.start(command),
            }
        }
        quits
    }

    /// Makes a picture and hands it over if it differs from the last one.
    fn draw(&mut self, painter: &Painter) {
        self.is_dirty = false;
        self.drawn_at = Instant::now();
        if matches!(self.model.link, Link::Online { .. }) {
            self.model.path = path(self.client.url().host_str().unwrap_or_default());
        }
        let mut buffer = Buffer::empty(Rect::new(0, 0, self.model.columns, self.model.rows));
        let drawn = view::draw(&self.model, &mut self.cache, &mut buffer);
        let said = Message::Drawn { lines: drawn.lines, rows: drawn.rows, shown: drawn.shown };
        update(&mut self.model, said, now_ms());
        let picture = Picture { buffer, cursor: drawn.cursor };
        if self.shown.as_deref() != Some(&picture) {
            let picture = Arc::new(picture);
            self.shown = Some(Arc::clone(&picture));
            painter.show(picture);
        }
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// A word that no other run has.
fn nonce() -> anyhow::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Where a gateway is, as far as its address tells.
fn path(host: &str) -> &'static str {
    use std::net::IpAddr;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) if address.is_loopback() => "here",
        Ok(IpAddr::V4(address)) if address.is_private() || address.is_link_local() => "LAN",
        Ok(IpAddr::V6(address)) if address.is_unique_local() || address.is_unicast_link_local() => "LAN",
        Err(_) if host == "localhost" => "here",
        Err(_) if host.ends_with(".local") => "LAN",
        _ => "WAN",
    }
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn an_address_tells_how_far_a_gateway_is() {
        for (host, expected) in [
            ("127.0.0.1", "here"),
            ("[::1]", "here"),
            ("localhost", "here"),
            ("192.168.1.7", "LAN"),
            ("[fd00::1]", "LAN"),
            ("mac.local", "LAN"),
            ("203.0.113.9", "WAN"),
            ("gateway.example", "WAN"),
        ] {
            assert_eq!(path(host), expected, "{host}");
        }
    }
}
