//! `pomona models ls`: every model that somebody has on disk or in memory, one line each.

use std::collections::BTreeMap;
use std::process::ExitCode;

use pomona_client::{Client, ClientError, ModelInfo};
use pomona_protocol::{ModelCard, NodeState, NodeStatus, ReplicaState};
use serde::Serialize;

use super::disk;
use crate::cli::Global;
use crate::command::status::{bytes, count};
use crate::exit::Exit;
use crate::output::{self, harmless};
use crate::paths::Paths;

/// One model of the fleet.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Row {
    pub(super) id: String,
    /// What is known of it.
    pub(super) card: Option<ModelCard>,
    /// Machines that have it on disk.
    pub(super) on_disk: Vec<String>,
    /// Machines that have it in memory, or will.
    pub(super) loaded: Vec<String>,
    /// Machines that keep it.
    pub(super) pinned: Vec<String>,
    /// Bytes that a replica takes.
    pub(super) memory_bytes: u64,
}

pub(super) fn run(global: &Global) -> anyhow::Result<ExitCode> {
    let rows = match super::super::connect(global) {
        Ok(client) => super::super::small_runtime()?.block_on(ask(&client)),
        Err(error) => Err(error),
    };
    let rows = match rows {
        Ok(rows) => rows,
        // Without a gateway there is still this machine's disk, unless somebody else's was meant.
        Err(error) if names_a_gateway(global) || Exit::of(&error) != Exit::Unavailable => return Err(error),
        Err(_) => {
            output::remark("no gateway answers; this is what lies on this machine's disk");
            disk::rows(&Paths::discover(global.home.as_deref())?)
        }
    };
    if global.json {
        output::json(&rows)?;
    } else if rows.is_empty() {
        output::remark("there is no model; `pomona models pull` gets one");
    } else {
        output::line(&table(&rows))?;
    }
    Ok(Exit::Ok.into())
}

/// Whether a gateway was named that need not be this machine's.
fn names_a_gateway(global: &Global) -> bool {
    !global.url.is_empty() || std::env::var("POMONA_URL").is_ok_and(|urls| !urls.trim().is_empty())
}

/// All models that the gateway knows of. One that shows its machines to nobody, or is none of ours, tells what can be
/// asked.
pub(super) async fn ask(client: &Client) -> anyhow::Result<Vec<Row>> {
    match client.nodes().await {
        Ok(nodes) => Ok(rows(&nodes)),
        Err(ClientError::Api { .. }) => Ok(client.models().await?.into_iter().map(from_info).collect()),
        Err(error) => Err(error.into()),
    }
}

fn from_info(info: ModelInfo) -> Row {
    Row { id: info.id, card: info.card, ..Row::default() }
}

/// By name, from what every machine says of itself.
pub(super) fn rows(nodes: &[NodeStatus]) -> Vec<Row> {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for node in nodes.iter().filter(|node| node.state != NodeState::Offline) {
        for offer in &node.models {
            let row = row(&mut rows, &offer.model.0);
            row.on_disk.push(node.name.clone());
            row.memory_bytes = row.memory_bytes.max(offer.memory_bytes);
            row.card = row.card.take().or_else(|| offer.card.as_deref().cloned());
        }
        for replica in node.replicas.iter().filter(|replica| replica.state != ReplicaState::Failed) {
            let row = row(&mut rows, &replica.model);
            row.loaded.push(node.name.clone());
            if replica.is_pinned {
                row.pinned.push(node.name.clone());
            }
            // What the engine says stands above what the files say.
            row.card = replica.card.clone().or_else(|| row.card.take());
        }
    }
    rows.into_values().collect()
}

fn row<'a>(rows: &'a mut BTreeMap<String, Row>, id: &str) -> &'a mut Row {
    rows.entry(id.to_owned()).or_insert_with(|| Row { id: id.to_owned(), ..Row::default() })
}

fn table(rows: &[Row]) -> String {
    let cells = |row: &Row| {
        let card = row.card.clone().unwrap_or_default();
        let text = |text: &str| if text.is_empty() { "-".to_owned() } else { harmless(text) };
        let number = |number: u64, shown: String| if number == 0 { "-".to_owned() } else { shown };
        let packed = if card.quantisation.is_empty() { &card.dtype } else { &card.quantisation };
        vec![
            harmless(&row.id),
            text(&card.architecture),
            number(card.parameters, count(card.parameters)),
            text(packed),
            number(u64::from(card.context_tokens), card.context_tokens.to_string()),
            number(card.weight_bytes, bytes(card.weight_bytes)),
            text(&row.on_disk.join(", ")),
            text(&loaded(row)),
        ]
    };
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let head = ["MODEL", "FAMILY", "WEIGHTS", "TYPE", "CONTEXT", "SIZE", "ON DISK", "LOADED"];
    output::table(&head, &rows)
}

/// Machines that have it loaded, with a word where it is kept.
pub(super) fn loaded(row: &Row) -> String {
    let one = |node: &String| match row.pinned.contains(node) {
        true => format!("{node} (pinned)"),
        false => node.clone(),
    };
    row.loaded.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use pomona_protocol::{ModelId, ModelOffer};

    use super::*;
    use crate::command::nodes::mini;

    #[test]
    fn a_model_has_one_line_however_many_machines_have_it() {
        let card = ModelCard {
            architecture: "qwen3".to_owned(),
            quantisation: "Q8_0".to_owned(),
            ..ModelCard::default()
        };
        let offer = |model: &str| ModelOffer {
            model: ModelId::from(model),
            memory_bytes: 7,
            digest: String::new(),
            card: Some(Box::new(card.clone())),
        };
        let mut here = mini();
        here.models = vec![offer("apple"), offer("pear")];
        here.replicas[0].model = "apple".to_owned();
        here.replicas[0].is_pinned = true;
        here.replicas[0].card = None;
        let mut there = mini();
        there.name = "studio".to_owned();
        there.models = vec![offer("apple")];
        there.replicas.clear();
        let rows = rows(&[here, there]);
        assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["apple", "pear"]);
        assert_eq!((rows[0].on_disk.len(), loaded(&rows[0])), (2, "mini (pinned)".to_owned()));
        assert!(rows[1].loaded.is_empty());
        let table = anstream::adapter::strip_str(&table(&rows)).to_string();
        assert!(table.contains("qwen3") && table.contains("Q8_0"), "{table}");
    }
}
