//! Measures the store's file on this machine: appends under load, a single append, and reading a long log.
//!
//! `cargo run --release -p pomona-store --example append -- --help` says what can be set.

#![expect(clippy::print_stdout, reason = "a table for whoever runs it")]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use pomona_config::StoreConfig;
use pomona_protocol::{SessionEvent, SessionEventBody, SessionId, TurnId};
use pomona_store::{Append, AppendError, Store, StoreParts};

const USAGE: &str = "append [--seconds 5] [--sessions 512] [--depth 4] [--commit-ms 5] [--dir FOLDER]
  --sessions   logs that are written at once
  --depth      appends of one token that one log has on their way
  --dir        folder on the disk to be measured; must hold no store";

/// Tokens of the log that is read.
const REPLAY_TOKENS: u64 = 10_000;

/// Appends that are measured one by one.
const SINGLE_APPENDS: u64 = 500;

type Failed = Box<dyn Error>;

struct Args {
    seconds: u64,
    sessions: u64,
    depth: u64,
    commit_ms: u64,
    folder: Option<PathBuf>,
}

fn args() -> Result<Args, Failed> {
    let mut args = Args { seconds: 5, sessions: 512, depth: 4, commit_ms: 5, folder: None };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--seconds" => args.seconds = value.parse()?,
            "--sessions" => args.sessions = value.parse()?,
            "--depth" => args.depth = value.parse()?,
            "--commit-ms" => args.commit_ms = value.parse()?,
            "--dir" => args.folder = Some(value.into()),
            _ => return Err(format!("{name} is not known").into()),
        }
    }
    Ok(args)
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failed> {
    if std::env::args().any(|arg| arg == "--help") {
        println!("{USAGE}");
        return Ok(());
    }
    let args = args().map_err(|error| format!("{error}\nusage: {USAGE}"))?;
    let own = tempfile::tempdir()?;
    let folder = args.folder.clone().unwrap_or_else(|| own.path().to_owned());
    let config = StoreConfig { commit_ms: args.commit_ms, ..StoreConfig::default() };
    let store = Store::open(StoreParts { config, data_dir: folder.join("load") }).await?;
    println!(
        "{:<34} {:>12} {:>9} {:>9} {:>9}",
        store.describe().split(" at ").next().unwrap_or("store"),
        "per second",
        "p50 ms",
        "p99 ms",
        "max ms"
    );
    load(&store, &args)?;
    single(&store, 1 << 64, false)?;
    single(&store, 1 << 65, true)?;
    store.close().await?;
    replay(folder.join("replay")).await
}

/// All logs at once; every hundredth append is synced, as the end of a turn is.
fn load(store: &Store, args: &Args) -> Result<(), Failed> {
    let (tell, told) = mpsc::channel();
    let mut heads = vec![0; args.sessions as usize];
    let mut count = 0;
    let mut send = |session: u64| {
        let head = &mut heads[session as usize];
        let (tell, begun) = (tell.clone(), Instant::now());
        count += 1;
        store.append(one_token(u128::from(session), *head, count % 100 == 0), move |result| {
            // The receiver is gone only when the measurement was given up.
            let _ = tell.send((session, begun.elapsed(), result));
        });
        *head += 1;
    };
    for turn in 0..args.sessions * args.depth {
        send(turn % args.sessions);
    }
    let (begun, limit) = (Instant::now(), Duration::from_secs(args.seconds));
    let (mut open, mut waits) = (args.sessions * args.depth, Vec::new());
    while open > 0 {
        let (session, wait, result) = told.recv()?;
        result?;
        waits.push(wait);
        if begun.elapsed() < limit {
            send(session);
        } else {
            open -= 1;
        }
    }
    let name = format!("{} logs, {} tokens each on the way", args.sessions, args.depth);
    line(&name, begun.elapsed(), waits);
    Ok(())
}

/// One log, one append after the other, each after quiet.
fn single(store: &Store, session: u128, synced: bool) -> Result<(), Failed> {
    let (mut waits, mut spent) = (Vec::new(), Duration::ZERO);
    for head in 0..SINGLE_APPENDS {
        std::thread::sleep(Duration::from_millis(6));
        let begun = Instant::now();
        write(store, one_token(session, head, synced))?;
        spent += begun.elapsed();
        waits.push(begun.elapsed());
    }
    line(if synced { "alone, synced to the disk" } else { "alone" }, spent, waits);
    Ok(())
}

/// A log whose tokens were all written by commits of their own, before and after its rows are joined.
async fn replay(folder: PathBuf) -> Result<(), Failed> {
    let config = StoreConfig { commit_ms: 0, ..StoreConfig::default() };
    let store = Store::open(StoreParts { config, data_dir: folder }).await?;
    for head in 0..REPLAY_TOKENS {
        write(&store, one_token(1, head, false))?;
    }
    for name in ["one token per row", "joined by compact"] {
        let begun = Instant::now();
        let (mut after, mut rows) = (0, 0);
        while after < REPLAY_TOKENS {
            let events = store.read(SessionId(1), after, 1024).await?;
            rows += events.len();
            after = events.last().ok_or("the log is too short")?.seq;
        }
        let ms = begun.elapsed().as_secs_f64() * 1e3;
        println!("read {REPLAY_TOKENS} tokens, {name}: {rows} rows in {ms:.1} ms");
        store.compact().await?;
    }
    store.close().await?;
    Ok(())
}

fn one_token(session: u128, head: u64, synced: bool) -> Append {
    let body = SessionEventBody::Tokens {
        turn: TurnId(session),
        first: head as u32,
        ids: vec![head as u32],
        text: " word".into(),
        ends: vec![5],
        marks: Vec::new(),
    };
    let event = SessionEvent { first_seq: head + 1, seq: head + 1, at_ms: 1_700_000_000_000 + head, body };
    Append {
        session: SessionId(session),
        epoch: 1,
        expected_seq: head,
        events: vec![event],
        synced,
        summary: None,
        texts: Vec::new(),
        audit: Vec::new(),
        snapshot: None,
    }
}

fn write(store: &Store, append: Append) -> Result<(), Failed> {
    let (tell, told) = mpsc::channel::<Result<(), AppendError>>();
    store.append(append, move |result| drop(tell.send(result)));
    Ok(told.recv()??)
}

fn line(name: &str, spent: Duration, mut waits: Vec<Duration>) {
    waits.sort_unstable();
    let at = |share: f64| {
        let index = ((waits.len() as f64 * share) as usize).min(waits.len().saturating_sub(1));
        waits.get(index).map_or(0.0, |wait| wait.as_secs_f64() * 1e3)
    };
    let per_second = waits.len() as f64 / spent.as_secs_f64();
    println!("{name:<34} {per_second:>12.0} {:>9.2} {:>9.2} {:>9.2}", at(0.5), at(0.99), at(1.0));
}
