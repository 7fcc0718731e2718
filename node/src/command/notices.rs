//! `pomona notices`: what an admin should hear of, and saying that somebody has seen to it.

use std::process::ExitCode;

use pomona_client::Client;
use pomona_protocol::{Notice, NoticeId, Severity};

use crate::cli::{Global, NoticesCommand};
use crate::clock;
use crate::exit::Exit;
use crate::output::{self, BOLD, harmless};

/// Open notices that are acknowledged at once.
const ACK_ALL_MAX: u32 = 10_000;

/// Lists or acknowledges.
pub(super) fn run(command: NoticesCommand, global: &Global) -> anyhow::Result<ExitCode> {
    let client = super::connect(global)?;
    let runtime = super::small_runtime()?;
    match command {
        NoticesCommand::Ls { all, limit } => {
            let notices = runtime.block_on(client.notices(limit, !all))?;
            match (global.json, notices.is_empty()) {
                (true, _) => output::json(&notices)?,
                (false, true) => output::remark("no notices"),
                (false, false) => output::line(&table(&notices))?,
            }
        }
        NoticesCommand::Ack { ids, all } => {
            let done = runtime.block_on(acknowledge(&client, ids, all))?;
            match (global.json, done.len()) {
                (true, _) => output::json(&done)?,
                (false, 1) => output::line("1 notice is acknowledged")?,
                (false, count) => output::line(&format!("{count} notices are acknowledged"))?,
            }
        }
    }
    Ok(Exit::Ok.into())
}

async fn acknowledge(client: &Client, ids: Vec<NoticeId>, all: bool) -> anyhow::Result<Vec<Notice>> {
    let ids = if all {
        client.notices(ACK_ALL_MAX, true).await?.into_iter().map(|notice| notice.id).collect()
    } else {
        ids
    };
    let mut done = Vec::new();
    for id in ids {
        done.push(client.acknowledge(id).await?);
    }
    Ok(done)
}

fn table(notices: &[Notice]) -> String {
    let row = |notice: &Notice| {
        let again = match notice.repeats {
            0 => String::new(),
            times => format!(" (and {times} more)"),
        };
        let seen = if notice.acknowledged.is_some() { "ack" } else { "open" };
        vec![
            clock::utc(notice.at_unix_ms / 1000),
            notice.severity.as_str().to_owned(),
            seen.to_owned(),
            notice.id.to_string(),
            format!("{}{again}", harmless(&notice.message)),
        ]
    };
    output::table(
        &["TIME", "SEVERITY", "STATE", "ID", "NOTICE"],
        &notices.iter().map(row).collect::<Vec<_>>(),
    )
}

/// The line of `pomona status` about open notices; `None` when there are none.
pub(super) fn line(open: &[Notice]) -> Option<String> {
    let newest = open.first()?;
    let errors = open.iter().filter(|notice| notice.severity == Severity::Error).count();
    let count = match (open.len(), errors) {
        (1, _) => "1 notice".to_owned(),
        (all, 0) => format!("{all} notices"),
        (all, errors) => format!("{all} notices, {errors} of them errors"),
    };
    Some(format!("\n{BOLD}{count}{BOLD:#} · newest: {} · pomona notices ls", harmless(&newest.message)))
}

#[cfg(test)]
mod tests {
    use pomona_protocol::{NodeId, NoticeKind};

    use super::*;

    fn notice(kind: NoticeKind, repeats: u32) -> Notice {
        Notice {
            id: NoticeId(7),
            at_unix_ms: 1_000,
            kind,
            severity: kind.severity(),
            node: Some(NodeId::from("n")),
            name: "mini".to_owned(),
            model: None,
            message: "mini is \x1bnot reached".to_owned(),
            repeats,
            last_unix_ms: 2_000,
            seen_by: "gw".to_owned(),
            acknowledged: None,
        }
    }

    #[test]
    fn a_row_says_when_how_bad_and_what() {
        let shown = anstream::adapter::strip_str(&table(&[notice(NoticeKind::NodeLost, 2)])).to_string();
        let expected = "\
TIME                  SEVERITY  STATE  ID                    NOTICE
1970-01-01T00:00:01Z  error     open   ntc_0000000000000007  mini is not reached (and 2 more)";
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_status_counts_what_is_open() {
        let shown =
            |notices: &[Notice]| line(notices).map(|line| anstream::adapter::strip_str(&line).to_string());
        assert_eq!(shown(&[]), None);
        let (lost, back) = (notice(NoticeKind::NodeLost, 0), notice(NoticeKind::NodeBack, 0));
        let one = shown(std::slice::from_ref(&lost)).unwrap();
        assert!(one.contains("1 notice · newest: mini is not reached"), "{one}");
        assert!(shown(&[lost, back.clone()]).unwrap().contains("2 notices, 1 of them errors"));
        assert!(shown(&[back.clone(), back]).unwrap().contains("2 notices ·"));
    }
}
