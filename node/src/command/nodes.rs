//! `pomona nodes`: the machines of the cluster, and taking them out of it and back.

mod drain;
mod page;

use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use pomona_client::Client;
use pomona_protocol::NodeStatus;

use crate::cli::{Global, NodeName, NodesCommand};
use crate::exit::Exit;
use crate::output::{self, harmless};

/// The way to a machine, as a table shows it.
pub(super) use page::path;
#[cfg(test)]
pub(super) use page::tests::mini;

/// Lists, shows, drains, removes or renames.
pub(super) fn run(command: NodesCommand, global: &Global) -> anyhow::Result<ExitCode> {
    let client = super::connect(global)?;
    let runtime = super::small_runtime()?;
    match command {
        NodesCommand::Ls => list(&runtime.block_on(client.nodes())?, global)?,
        NodesCommand::Show(NodeName { node }) => {
            let status = runtime.block_on(client.node(&node))?;
            show(&status, global, &page::page(&status))?;
        }
        NodesCommand::Drain { node: NodeName { node }, wait: false } => {
            let status = runtime.block_on(client.drain(&node))?;
            let turns = drain::left(status.turns);
            show(&status, global, &format!("{} drains; {turns} left there", harmless(&status.name)))?;
        }
        NodesCommand::Drain { node: NodeName { node }, wait: true } => {
            let status = runtime.block_on(drain::wait(&client, &node))?;
            show(&status, global, &format!("{} is drained; no turn is left there", harmless(&status.name)))?;
        }
        NodesCommand::Undrain(NodeName { node }) => {
            let status = runtime.block_on(client.undrain(&node))?;
            show(&status, global, &format!("{} takes turns again", harmless(&status.name)))?;
        }
        NodesCommand::Remove { node: NodeName { node }, yes } => {
            return runtime.block_on(remove(&client, &node, yes, global));
        }
        NodesCommand::Rename { node: NodeName { node }, name } => {
            let status = runtime.block_on(client.rename(&node, &name))?;
            show(&status, global, &format!("{} is called {} now", harmless(&node), harmless(&status.name)))?;
        }
    }
    Ok(Exit::Ok.into())
}

fn list(nodes: &[NodeStatus], global: &Global) -> anyhow::Result<()> {
    if global.json { output::json(&nodes) } else { output::line(&page::table(nodes)) }
}

/// The status for a program, the text for a person.
fn show(status: &NodeStatus, global: &Global, text: &str) -> anyhow::Result<()> {
    if global.json { output::json(status) } else { output::line(text) }
}

/// Looks first, so that what is confirmed is what is removed, whatever is renamed meanwhile.
async fn remove(client: &Client, node: &str, yes: bool, global: &Global) -> anyhow::Result<ExitCode> {
    if !yes && !io::stdin().is_terminal() {
        let message = "removing a node wants --yes where nobody can be asked";
        return Err(Exit::Usage.because(anyhow!(message)));
    }
    let status = client.node(node).await?;
    if !yes && !confirmed(&question(&status))? {
        output::remark("nothing was removed");
        return Ok(Exit::Failed.into());
    }
    client.remove(&status.node.0).await?;
    show(
        &status,
        global,
        &format!("{} was removed; it needs a new token to come back", harmless(&status.name)),
    )?;
    Ok(Exit::Ok.into())
}

fn question(status: &NodeStatus) -> String {
    let here = if status.is_here { " It is the machine of this gateway." } else { "" };
    format!(
        "Remove {} ({}, {}, {} running)?{here} Its certificate is worth nothing from then on. [y/N] ",
        harmless(&status.name),
        harmless(&status.node.0),
        status.state.as_str(),
        drain::left(status.turns),
    )
}

/// Asks on stderr; everything but a yes is a no.
pub(super) fn confirmed(question: &str) -> anyhow::Result<bool> {
    output::prompt(question);
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("cannot read the answer")?;
    Ok(is_yes(&line))
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one() {
        for (line, expected) in
            [("y\n", true), ("YES\n", true), ("\n", false), ("", false), ("n\n", false), ("yeah\n", false)]
        {
            assert_eq!(is_yes(line), expected, "{line:?}");
        }
    }

    #[test]
    fn the_question_says_what_would_be_lost() {
        let question = question(&mini());
        assert!(question.starts_with("Remove mini (n-1f00, alive, 2 turns running)?"), "{question}");
    }
}
