//! `pomona logs`: lines of every machine's log, from this terminal.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use pomona_client::{Client, LogEvent, LogsQuery};
use pomona_protocol::{LogLevel, LogLine, LogMissing};

use crate::cli::{Global, LogsArgs};
use crate::clock;
use crate::exit::Exit;
use crate::output::{self, DIM, harmless};

/// Shows lines, and goes on with new ones when that is asked for.
pub(super) fn run(args: LogsArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let client = super::connect(global)?;
    let runtime = super::small_runtime()?;
    let query = LogsQuery {
        level: args.level.map(|level| level.as_str().to_owned()),
        since: args.since.map(|span| clock::unix_ms().saturating_sub(span.as_millis() as u64)),
        actor: args.actor,
        turn: args.turn,
        node: args.node,
        text: args.text,
        limit: Some(args.limit),
    };
    if args.follow {
        runtime.block_on(follow(&client, &query, global))
    } else {
        runtime.block_on(show(&client, &query, global))
    }
}

async fn show(client: &Client, query: &LogsQuery, global: &Global) -> anyhow::Result<ExitCode> {
    let logs = client.logs(query).await?;
    for line in &logs.lines {
        print(line, global)?;
    }
    logs.missing.iter().for_each(remark);
    if logs.is_cut && !global.json {
        output::remark("there are more lines; --limit shows more, --since and --level fewer");
    }
    let is_whole = logs.missing.is_empty();
    Ok(if is_whole { Exit::Ok } else { Exit::Failed }.into())
}

/// Until the gateway ends or a person has seen enough.
async fn follow(client: &Client, query: &LogsQuery, global: &Global) -> anyhow::Result<ExitCode> {
    let mut lines = client.follow_logs(query).await?;
    while let Some(event) = lines.next().await? {
        match event {
            LogEvent::Line(line) => print(&line, global)?,
            LogEvent::Missing(missing) => remark(&missing),
            LogEvent::End { .. } => break,
        }
    }
    output::remark("the gateway ended the stream");
    Ok(Exit::Failed.into())
}

fn remark(missing: &LogMissing) {
    output::remark(&format!("no lines of {}: {}", harmless(&missing.node), harmless(&missing.message)));
}

fn print(line: &LogLine, global: &Global) -> anyhow::Result<()> {
    if global.json { output::line(&serde_json::to_string(line)?) } else { output::line(&row(line)) }
}

fn row(line: &LogLine) -> String {
    let style = style(line.level);
    let fields: String = line
        .fields
        .iter()
        .map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!(" {DIM}{}={DIM:#}{}", harmless(name), harmless(&value).replace('\n', " "))
        })
        .collect();
    let time = line.time.get(..23).unwrap_or(&line.time);
    format!(
        "{DIM}{}{DIM:#} {style}{:<5}{style:#} {:<10} {}{fields}",
        harmless(time),
        line.level.as_str(),
        harmless(&line.node),
        harmless(&line.message).replace('\n', " "),
    )
}

fn style(level: LogLevel) -> Style {
    match level {
        LogLevel::Error => AnsiColor::Red.on_default().bold(),
        LogLevel::Warn => AnsiColor::Yellow.on_default(),
        LogLevel::Info => Style::new(),
        LogLevel::Debug | LogLevel::Trace => DIM,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_line_says_when_how_loud_where_and_what() {
        let line = LogLine {
            at_us: 1,
            time: "2026-01-31T23:59:59.123456Z".to_owned(),
            level: LogLevel::Warn,
            node: "mini".to_owned(),
            target: "pomona_actors::links".to_owned(),
            message: "a link\nended\u{1b}[2J".to_owned(),
            fields: BTreeMap::from([("reason".to_owned(), "lost".into()), ("tokens".to_owned(), 17.into())]),
        };
        let shown = anstream::adapter::strip_str(&row(&line)).to_string();
        assert_eq!(shown, "2026-01-31T23:59:59.123 warn  mini       a link ended[2J reason=lost tokens=17");
    }
}
