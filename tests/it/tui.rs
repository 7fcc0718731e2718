//! `pomona tui` at a pseudo-terminal: what a person types, and what a terminal would show them.

use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use pomona_tests::system::Signal;
use pomona_tests::{Api, Pomona, build};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{eventually, scripted};

/// Longest time that a change of the screen may take.
const SCREEN_LIMIT: Duration = Duration::from_secs(30);
/// Longest time without anybody reading in which the terminal fills up.
const UNREAD: Duration = Duration::from_secs(3);
const SIZE: PtySize = PtySize { rows: 24, cols: 100, pixel_width: 0, pixel_height: 0 };

/// Keys, as terminals send them.
const ENTER: &str = "\r";
const ESCAPE: &str = "\x1b";
const CONTROL_N: &str = "\x0e";
const CONTROL_Q: &str = "\x11";
const F2: &str = "\x1bOQ";

/// The program at a terminal of its own, within a shell that tells afterwards how it left the terminal.
struct Tui {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    reads: Arc<AtomicBool>,
}

/// Rows or columns; a screen has at least one.
fn lines(count: u16) -> NonZero<u16> {
    NonZero::new(count).unwrap_or(NonZero::<u16>::MIN)
}

impl Tui {
    fn start(pomona: &Pomona) -> Result<Self> {
        let program = build::pomona()?;
        let script = format!(
            "'{}' tui --url '{}' --key-file '{}' --name tester; code=$?; stty -a; echo ended with $code",
            program.display(),
            pomona.api.url,
            pomona.home().join("key").display(),
        );
        let mut command = CommandBuilder::new("sh");
        command.args(["-c", &script]);
        command.env("TERM", "xterm-256color");
        command.env("POMONA_HOME", pomona.home());
        command.cwd(pomona.home());
        let pair = native_pty_system().openpty(SIZE)?;
        let child = pair.slave.spawn_command(command)?;
        drop(pair.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(lines(SIZE.rows), lines(SIZE.cols), 0)));
        let reads = Arc::new(AtomicBool::new(true));
        read(pair.master.try_clone_reader()?, Arc::clone(&screen), Arc::clone(&reads));
        let keys = pair.master.take_writer()?;
        Ok(Self { master: pair.master, child, keys, screen, reads })
    }

    fn press(&mut self, keys: &str) -> Result<()> {
        self.keys.write_all(keys.as_bytes())?;
        self.keys.flush().context("the keys were not taken")
    }

    fn parser(&self) -> MutexGuard<'_, vt100::Parser> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn text(&self) -> String {
        self.parser().screen().contents()
    }

    /// Waits until the screen shows what is wanted.
    async fn until(&self, what: &str, is_shown: impl Fn(&str) -> bool) -> Result<()> {
        let shown = eventually(what, SCREEN_LIMIT, async || Ok(is_shown(&self.text()))).await;
        shown.map(drop).with_context(|| format!("the screen shows:\n{}", self.text()))
    }

    async fn until_shows(&self, words: &str) -> Result<()> {
        self.until(words, |text| text.contains(words)).await
    }

    fn resize(&self, rows: u16, cols: u16) -> Result<()> {
        self.parser().screen_mut().set_size(lines(rows), lines(cols));
        self.master.resize(PtySize { rows, cols, ..SIZE })
    }

    /// Nobody reads the terminal from now on, or again.
    fn set_reads(&self, reads: bool) {
        self.reads.store(reads, Ordering::Release);
    }

    /// The terminal is as it was before: normal screen, lines, echo, a cursor.
    async fn check_restored(&self, code: i32) -> Result<()> {
        self.until_shows(&format!("ended with {code}")).await?;
        let parser = self.parser();
        let screen = parser.screen();
        let text = screen.contents();
        ensure!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste(), "{text}");
        for mode in ["icanon", "echo", "isig"] {
            ensure!(text.split_whitespace().any(|word| word == mode), "no {mode} in:\n{text}");
        }
        Ok(())
    }
}

impl Drop for Tui {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(mut from: Box<dyn Read + Send>, screen: Arc<Mutex<vt100::Parser>>, reads: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let mut chunk = [0; 1024];
        loop {
            if !reads.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            }
            match from.read(&mut chunk) {
                Ok(count @ 1..) => {
                    screen.lock().unwrap_or_else(PoisonError::into_inner).process(&chunk[..count]);
                }
                _ => return,
            }
        }
    });
}

/// The session that was changed last, with all of its turns.
async fn newest_session(api: &Api) -> Result<Value> {
    let (code, text) = api.get("/v3/sessions?limit=1").await?;
    ensure!(code == 200, "/v3/sessions answered {code}: {text}");
    let page: Value = serde_json::from_str(&text)?;
    let Some(id) = page["sessions"][0]["id"].as_str() else { bail!("no session: {text}") };
    let (code, text) = api.get(&format!("/v3/sessions/{id}")).await?;
    ensure!(code == 200, "/v3/sessions/{id} answered {code}: {text}");
    Ok(serde_json::from_str(&text)?)
}

/// Waits until the last turn of the newest session asks this and is in this state; the turn.
async fn last_turn(api: &Api, asked: &str, state: &str) -> Result<Value> {
    let look = async || {
        let session = newest_session(api).await.unwrap_or_default();
        let last = session["turns"].as_array().and_then(|turns| turns.last().cloned());
        last.filter(|turn| turn["input"][0]["content"] == asked && turn["state"] == state)
    };
    let what = format!("`{asked}` {state}");
    eventually(&what, SCREEN_LIMIT, async || Ok(look().await.is_some())).await?;
    look().await.context("the turn is gone")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_asks_reads_cancels_and_leaves_the_terminal_as_it_was() -> Result<()> {
    let pomona = scripted("tokens=12").start().await?;
    let mut tui = Tui::start(&pomona)?;
    tui.until_shows("online here").await?;
    ensure!(tui.parser().screen().alternate_screen());
    tui.press("why 日本?")?;
    tui.until_shows("why 日本?").await?;
    tui.press(ENTER)?;
    let turn = last_turn(&pomona.api, "why 日本?", "finished").await?;
    let first = turn["answer"].as_str().and_then(|answer| answer.split(' ').next()).unwrap_or_default();
    ensure!(!first.is_empty(), "{turn}");
    tui.until_shows(first).await?;
    tui.until("the list of sessions", |text| text.matches("why 日本").count() >= 2).await?;
    tui.resize(10, 40)?;
    tui.until("a small screen", |text| text.contains(first) && text.lines().count() <= 10).await?;
    tui.resize(40, 120)?;
    tui.press(F2)?;
    tui.until_shows("Fleet").await?;
    tui.until_shows("0 waiting").await?;
    tui.press(F2)?;
    tui.press("tokens=100000 pace_us=20000")?;
    tui.press(ENTER)?;
    tui.until_shows("Esc cancel").await?;
    last_turn(&pomona.api, "tokens=100000 pace_us=20000", "running").await?;
    tui.press(ESCAPE)?;
    tui.until_shows("cancelled by you").await?;
    tui.press(CONTROL_Q)?;
    tui.check_restored(0).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_pressed_while_the_window_changes_its_size_is_not_lost() -> Result<()> {
    let pomona = scripted("tokens=12").start().await?;
    let mut tui = Tui::start(&pomona)?;
    tui.until_shows("online here").await?;
    for (number, letter) in ('a'..='t').enumerate() {
        tui.resize(24 + u16::from(number % 2 == 0), 100)?;
        tui.press(&letter.to_string())?;
        let typed: String = ('a'..=letter).collect();
        tui.until_shows(&format!("> {typed}")).await?;
    }
    tui.press(CONTROL_Q)?;
    tui.check_restored(0).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_that_reads_nothing_holds_nothing_up() -> Result<()> {
    let pomona = scripted("tokens=12").start().await?;
    let mut tui = Tui::start(&pomona)?;
    tui.until_shows("online here").await?;
    tui.press("tokens=1000000 pace_us=1000")?;
    tui.press(ENTER)?;
    tui.until_shows("Esc cancel").await?;
    tui.set_reads(false);
    tokio::time::sleep(UNREAD).await;
    // Keys are obeyed though the picture stands still.
    tui.press(ESCAPE)?;
    last_turn(&pomona.api, "tokens=1000000 pace_us=1000", "finished").await?;
    tui.press(CONTROL_N)?;
    tui.press("again")?;
    tui.press(ENTER)?;
    last_turn(&pomona.api, "again", "finished").await?;
    tui.set_reads(true);
    tui.until("the newest picture", |text| text.contains("again")).await?;
    tui.press(CONTROL_Q)?;
    tui.check_restored(0).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_dies_is_said_and_found_again_with_the_session() -> Result<()> {
    let home = TempDir::new()?;
    let pomona = scripted("tokens=12").home(home.path()).start().await?;
    let port: u16 = pomona.api.url.rsplit(':').next().unwrap_or_default().parse()?;
    let mut tui = Tui::start(&pomona)?;
    tui.until_shows("online here").await?;
    tui.press("first")?;
    tui.press(ENTER)?;
    last_turn(&pomona.api, "first", "finished").await?;
    pomona.signal(Signal::KILL)?;
    tui.until_shows("reconnecting").await?;
    drop(pomona);
    let pomona = scripted("tokens=12").home(home.path()).set("gateway.port", port).start().await?;
    tui.until_shows("online here").await?;
    tui.press("second")?;
    tui.press(ENTER)?;
    let turn = last_turn(&pomona.api, "second", "finished").await?;
    ensure!(turn["parent"].is_string(), "{turn}");
    tui.until_shows("second").await?;
    tui.press("\x03\x03")?;
    tui.check_restored(0).await
}

#[tokio::test]
async fn without_a_gateway_it_says_so_and_touches_no_terminal() -> Result<()> {
    let pomona = scripted("tokens=12").start().await?;
    pomona.signal(Signal::KILL)?;
    let tui = Tui::start(&pomona)?;
    tui.until_shows("no gateway answers").await?;
    tui.check_restored(69).await
}
