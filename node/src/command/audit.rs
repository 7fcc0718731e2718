//! `pomona audit`: who did what. It opens the store of this machine beside the gateway and changes nothing.

use std::process::ExitCode;

use pomona_protocol::Principal;
use pomona_store::{AuditRecord, AuditVerdict, Store};
use serde_json::{Value, json};

use super::store::{failed, opened, parts};
use crate::cli::{AuditCommand, Global};
use crate::clock;
use crate::exit::Exit;
use crate::output::{self, DIM, harmless};
use crate::paths::Paths;

/// Lines that are read at once.
const LINES: u32 = 1000;

/// Verifies or lists.
pub(super) fn run(command: AuditCommand, global: &Global) -> anyhow::Result<ExitCode> {
    let paths = Paths::discover(global.home.as_deref())?;
    let parts = parts(&paths, global)?;
    super::small_runtime()?.block_on(async {
        let store = opened(&parts).await?;
        match command {
            AuditCommand::Verify => verdict(&store.audit_verify().await.map_err(failed)?, global),
            AuditCommand::Ls { by, after } => list(&store, by, after, global).await,
        }
    })
}

fn verdict(verdict: &AuditVerdict, global: &Global) -> anyhow::Result<ExitCode> {
    if global.json {
        output::json(verdict)?
    } else {
        output::line(&told(verdict))?
    }
    Ok(if verdict.broken.is_none() { Exit::Ok } else { Exit::Failed }.into())
}

fn told(verdict: &AuditVerdict) -> String {
    match &verdict.broken {
        Some((number, message)) => {
            format!("broken: line {number} is not as it was written: {}", harmless(message))
        }
        None => format!(
            "{} lines, each as it was written\nlast hash  {}\n{DIM}Note it elsewhere: with it you can tell later that no \
             end was cut off.{DIM:#}",
            verdict.lines,
            harmless(&verdict.last_hash)
        ),
    }
}

async fn list(store: &Store, by: Option<Principal>, after: u64, global: &Global) -> anyhow::Result<ExitCode> {
    let mut after = after;
    let mut lines: Vec<Value> = Vec::new();
    loop {
        let more = store.audit_lines(after, LINES, by).await.map_err(failed)?;
        let Some(last) = more.last().filter(|last| last.number > after) else { break };
        after = last.number;
        if global.json {
            lines.extend(more.iter().map(object));
        } else {
            for line in &more {
                output::line(&row(line))?;
            }
        }
    }
    if global.json {
        output::json(&lines)?;
    }
    Ok(Exit::Ok.into())
}

/// One line of the audit, in columns that do not depend on those that follow.
fn row(record: &AuditRecord) -> String {
    let entry = &record.entry;
    let detail = match harmless(&entry.detail).replace('\n', " ") {
        empty if empty.is_empty() => empty,
        detail => format!("  {DIM}{detail}{DIM:#}"),
    };
    format!(
        "{:>6}  {}  {}  {:<18}  {}{detail}",
        record.number,
        clock::utc(entry.at_ms / 1000),
        entry.by,
        harmless(&entry.action),
        harmless(&entry.object),
    )
}

/// A line for a program: keys as everywhere else, since a number of 64 bits is not safe in every JSON.
fn object(record: &AuditRecord) -> Value {
    let entry = &record.entry;
    json!({
        "number": record.number,
        "at": entry.at_ms,
        "by": entry.by.to_string(),
        "action": entry.action,
        "object": entry.object,
        "detail": entry.detail,
        "hash": record.hash,
    })
}

#[cfg(test)]
mod tests {
    use pomona_store::AuditEntry;

    use super::*;

    #[test]
    fn a_broken_line_is_named() {
        let mut verdict = AuditVerdict { lines: 7, last_hash: "ab12".to_owned(), broken: None };
        assert!(told(&verdict).starts_with("7 lines, each as it was written\nlast hash  ab12"));
        verdict.broken = Some((3, "its hash is another one".to_owned()));
        assert_eq!(told(&verdict), "broken: line 3 is not as it was written: its hash is another one");
    }

    #[test]
    fn a_line_says_when_who_what_and_where() {
        let entry = AuditEntry {
            at_ms: 1_000,
            by: Principal(0xc0_ffee),
            action: "turn.asked".to_owned(),
            object: "ses_1 turn_\x1b2".to_owned(),
            detail: String::new(),
        };
        let mut record = AuditRecord { number: 12, entry, hash: "ab".to_owned() };
        let plain = |record: &AuditRecord| anstream::adapter::strip_str(&row(record)).to_string();
        let expected = "    12  1970-01-01T00:00:01Z  key_0000000000c0ffee  turn.asked          ses_1 turn_2";
        assert_eq!(plain(&record), expected);
        assert_eq!(
            (&object(&record)["by"], &object(&record)["at"]),
            (&json!("key_0000000000c0ffee"), &json!(1000))
        );
        record.entry.detail = "md\n".to_owned();
        assert_eq!(plain(&record), format!("{expected}  md "));
    }
}
