//! `pomona store`: looking after what lasts, with the configuration of `up`. What only reads may be done beside a
//! running gateway; what changes everything takes its place.

mod conversation;
mod export;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressStyle};
use pomona_store::{CheckReport, Compacted, Store, StoreError, StoreParts};
use serde_json::json;

use super::status::bytes;
use crate::cli::{Global, StoreCommand};
use crate::data_lock::DataLock;
use crate::exit::Exit;
use crate::output::{self, RED, harmless};
use crate::paths::Paths;

/// Checks, copies, replaces, packs or exports.
pub(super) fn run(command: StoreCommand, global: &Global) -> anyhow::Result<ExitCode> {
    let paths = Paths::discover(global.home.as_deref())?;
    let parts = parts(&paths, global)?;
    let runtime = super::small_runtime()?;
    match command {
        StoreCommand::Check => {
            let report = runtime.block_on(report(&parts)).map_err(failed)?;
            check(&report, global)
        }
        StoreCommand::Backup { file } => {
            let file = std::path::absolute(&file)?;
            runtime.block_on(backup(&parts, &file))?;
            said(global, &json!({ "backup": file }), &format!("wrote {}", file.display()))
        }
        StoreCommand::Restore { file, yes } => {
            let file = std::path::absolute(&file)?;
            let _lock = alone(&paths)?;
            if !agreed(&parts, &file, yes)? {
                output::remark("nothing was replaced");
                return Ok(Exit::Failed.into());
            }
            runtime.block_on(restore(&parts, &file))?;
            said(global, &json!({ "restored": file }), &format!("everything is as in {} now", file.display()))
        }
        StoreCommand::Compact => {
            let _lock = alone(&paths)?;
            let compacted = runtime.block_on(compact(&parts))?;
            said(global, &compacted, &gained(&compacted))
        }
        StoreCommand::Export { folder } => {
            let exported = runtime.block_on(async {
                let store = opened(&parts).await?;
                export::export(&store, &folder, &bar("sessions")).await
            })?;
            said(global, &exported, &exported.text(&folder))?;
            Ok(if exported.is_whole() { Exit::Ok } else { Exit::Failed }.into())
        }
    }
}

/// What the store is opened from, as `up` opens it.
pub(super) fn parts(paths: &Paths, global: &Global) -> anyhow::Result<StoreParts> {
    let loaded = super::load_config(paths, global, &[])?;
    Ok(StoreParts { config: loaded.config.store, data_dir: paths.data_dir.clone() })
}

/// The store for reading, beside whoever else uses it.
pub(super) async fn opened(parts: &StoreParts) -> anyhow::Result<Store> {
    Store::open_read_only(parts.clone()).await.map_err(failed)
}

/// An error of the store with its exit code.
pub(crate) fn failed(error: StoreError) -> anyhow::Error {
    match &error {
        StoreError::Invalid { .. } => Exit::Configuration.because(error),
        StoreError::Unavailable { .. } | StoreError::TooNew { .. } | StoreError::Full { .. } => {
            Exit::Unavailable.because(error)
        }
        StoreError::Damaged { .. } => error.into(),
    }
}

/// [`failed`] where the command line named the file.
fn refused(error: StoreError) -> anyhow::Error {
    match &error {
        StoreError::Invalid { .. } => Exit::Usage.because(error),
        _ => failed(error),
    }
}

/// The right to change everything: no gateway of this machine runs.
fn alone(paths: &Paths) -> anyhow::Result<DataLock> {
    DataLock::acquire(&paths.data_dir).map_err(|error| error.context("this wants the store for itself"))
}

/// What is wrong. That a store is too damaged to be opened is what a check is there to find.
async fn report(parts: &StoreParts) -> Result<CheckReport, StoreError> {
    let checked = match Store::open_read_only(parts.clone()).await {
        Ok(store) => store.check().await,
        Err(error) => Err(error),
    };
    match checked {
        Err(StoreError::Damaged { what, message }) => {
            let problem = format!("{what}: {message}; `pomona store restore` brings a backup back");
            Ok(CheckReport { problems: vec![problem], ..CheckReport::default() })
        }
        checked => checked,
    }
}

fn check(report: &CheckReport, global: &Global) -> anyhow::Result<ExitCode> {
    if global.json {
        output::json(report)?;
    } else {
        for problem in &report.problems {
            output::line(&format!("{RED}wrong:{RED:#} {}", harmless(problem)))?;
        }
        let verdict = match report.problems.len() {
            0 => "everything is right".to_owned(),
            1 => "1 problem".to_owned(),
            count => format!("{count} problems"),
        };
        output::line(&format!(
            "{verdict}: {} sessions, {} rows of events, {}, schema {}",
            report.sessions,
            report.events,
            bytes(report.bytes),
            report.schema
        ))?;
    }
    Ok(if report.problems.is_empty() { Exit::Ok } else { Exit::Failed }.into())
}

async fn backup(parts: &StoreParts, file: &Path) -> anyhow::Result<()> {
    let store = opened(parts).await?;
    let bar = bar("backup");
    let done = store.backup(file, |done, all| follow(&bar, done, all)).await;
    bar.finish_and_clear();
    done.map_err(refused)
}

/// Replaces a store that can be opened and one that cannot, since it is damaged or too new.
async fn restore(parts: &StoreParts, file: &Path) -> anyhow::Result<()> {
    let bar = bar("restore");
    let progress = |done, all| follow(&bar, done, all);
    let done = match Store::open(parts.clone()).await {
        Ok(store) => {
            let done = store.restore(file, progress).await;
            let closed = store.close().await;
            done.and(closed)
        }
        Err(error @ (StoreError::Damaged { .. } | StoreError::TooNew { .. })) => {
            output::remark(&format!("the old store cannot be opened: {}", harmless(&error.to_string())));
            Store::replace(parts.clone(), file, progress).await
        }
        Err(error) => return Err(failed(error)),
    };
    bar.finish_and_clear();
    done.map_err(refused)
}

async fn compact(parts: &StoreParts) -> anyhow::Result<Compacted> {
    let store = Store::open(parts.clone()).await.map_err(failed)?;
    let bar = bar("compact");
    bar.set_style(style("{spinner} {msg} {elapsed}"));
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    let compacted = store.compact().await;
    bar.finish_and_clear();
    let closed = store.close().await;
    compacted.and_then(|compacted| closed.map(|()| compacted)).map_err(failed)
}

fn gained(compacted: &Compacted) -> String {
    let Compacted { rows_before, rows_after, bytes_before, bytes_after } = *compacted;
    format!(
        "rows of events: {rows_before}, now {rows_after}; size: {}, now {}",
        bytes(bytes_before),
        bytes(bytes_after)
    )
}

/// Asks before everything is replaced, unless that was said.
fn agreed(parts: &StoreParts, file: &Path, yes: bool) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        return Err(Exit::Usage.because(anyhow!("restoring wants --yes where nobody can be asked")));
    }
    let others = match parts.config.url {
        Some(_) => " Other gateways of this database have to be stopped.",
        None => "",
    };
    super::nodes::confirmed(&format!(
        "Replace every session, account and line of the audit by those in {}?{others} [y/N] ",
        file.display()
    ))
}

/// The value for a program, the text for a person.
fn said(global: &Global, value: &impl serde::Serialize, text: &str) -> anyhow::Result<ExitCode> {
    if global.json {
        output::json(value)?
    } else {
        output::line(text)?
    }
    Ok(Exit::Ok.into())
}

/// A bar on stderr; where no terminal is, nothing.
fn bar(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::no_length().with_message(what);
    bar.set_style(style("{msg} {wide_bar} {pos}/{len}"));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn follow(bar: &ProgressBar, done: u64, all: u64) {
    bar.set_length(all);
    bar.set_position(done);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_store_end_with_their_codes() {
        let what = || "store.db".to_owned();
        for (error, expected) in [
            (StoreError::Invalid { what: what(), message: "x".into() }, Exit::Configuration),
            (StoreError::Unavailable { what: what(), message: "x".into() }, Exit::Unavailable),
            (StoreError::Full { what: what(), message: "x".into() }, Exit::Unavailable),
            (StoreError::TooNew { what: what(), found: 9, known: 1 }, Exit::Unavailable),
            (StoreError::Damaged { what: what(), message: "x".into() }, Exit::Failed),
        ] {
            let text = error.to_string();
            let error = failed(error);
            assert_eq!((Exit::of(&error), error.to_string()), (expected, text));
        }
    }

    #[test]
    fn what_the_command_line_named_is_no_fault_of_the_configuration() {
        let error = StoreError::Invalid { what: "a.db".to_owned(), message: "x".into() };
        assert_eq!(Exit::of(&refused(error)), Exit::Usage);
        let error = StoreError::Damaged { what: "a.db".to_owned(), message: "x".into() };
        assert_eq!(Exit::of(&refused(error)), Exit::Failed);
    }

    #[tokio::test]
    async fn a_check_of_what_cannot_be_opened_finds_that() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("store.db"), "this is no database".repeat(100)).unwrap();
        let parts = StoreParts { config: Default::default(), data_dir: folder.path().to_owned() };
        let report = report(&parts).await.unwrap();
        assert!(
            matches!(report.problems.as_slice(), [problem] if problem.contains("store.db")),
            "{report:?}"
        );
    }

    #[test]
    fn what_was_gained_is_said_in_numbers() {
        let compacted = Compacted { rows_before: 10, rows_after: 2, bytes_before: 2048, bytes_after: 1024 };
        assert_eq!(gained(&compacted), "rows of events: 10, now 2; size: 2.0 KiB, now 1.0 KiB");
    }
}
