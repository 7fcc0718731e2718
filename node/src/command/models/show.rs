//! `pomona models show`: the capability card of a model, where it is, and where it came from.

use std::process::ExitCode;

use anyhow::anyhow;
use pomona_protocol::ModelCard;
use pomona_weights::hub::{PullRecord, record_of};
use serde_json::json;

use super::disk;
use super::list::{self, Row};
use crate::cli::Global;
use crate::command::status::{bytes, count};
use crate::exit::Exit;
use crate::output::{self, harmless};
use crate::paths::Paths;

pub(super) fn run(model: &str, global: &Global) -> anyhow::Result<ExitCode> {
    let asked = super::super::connect(global)
        .and_then(|client| super::super::small_runtime()?.block_on(list::ask(&client)));
    let paths = Paths::discover(global.home.as_deref())?;
    let rows = match asked {
        Ok(rows) => rows,
        Err(error) if Exit::of(&error) != Exit::Unavailable => return Err(error),
        Err(_) => disk::rows(&paths),
    };
    let Some(row) = rows.iter().find(|row| row.id == model) else {
        let known: Vec<String> = rows.iter().map(|row| harmless(&row.id)).collect();
        return Err(anyhow!("there is no model `{}`; there are: {}", harmless(model), known.join(", ")));
    };
    let record = disk::folder(&paths, model).and_then(|folder| record_of(&folder));
    if global.json {
        output::json(&json!({ "model": row, "pulled_from": record }))?;
    } else {
        output::line(&page(row, record.as_ref()))?;
    }
    Ok(Exit::Ok.into())
}

/// One fact per line; what is not known has none.
fn page(row: &Row, record: Option<&PullRecord>) -> String {
    let mut facts: Vec<(&str, String)> = vec![("model", row.id.clone())];
    if let Some(card) = &row.card {
        facts.extend(card_facts(card));
    }
    let memory = if row.memory_bytes == 0 { String::new() } else { bytes(row.memory_bytes) };
    facts.push(("memory of a replica", memory));
    facts.push(("on disk", row.on_disk.join(", ")));
    facts.push(("loaded", list::loaded(row)));
    if let Some(record) = record {
        facts.push(("pulled from", format!("{}/{}@{}", record.hub, record.repo, record.revision)));
        facts.push(("commit", record.commit.clone()));
    }
    facts.retain(|(_, fact)| !fact.is_empty());
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: Vec<String> =
        facts.iter().map(|(name, fact)| format!("{name:width$}  {}", harmless(fact))).collect();
    lines.join("\n")
}

fn card_facts(card: &ModelCard) -> Vec<(&'static str, String)> {
    let some = |number: u64, text: String| if number == 0 { String::new() } else { text };
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let parameters = match card.active_parameters {
        0 => count(card.parameters),
        active => format!("{}, of which {} for one token", count(card.parameters), count(active)),
    };
    let modalities: Vec<&str> = card.modalities.iter().map(|modality| modality.as_str()).collect();
    vec![
        ("family", card.architecture.clone()),
        ("weights", some(card.parameters, parameters)),
        ("type", card.dtype.clone()),
        ("quantisation", card.quantisation.clone()),
        ("size", some(card.weight_bytes, bytes(card.weight_bytes))),
        ("context", some(u64::from(card.context_tokens), format!("{} tokens", card.context_tokens))),
        ("vocabulary", some(u64::from(card.vocabulary), card.vocabulary.to_string())),
        ("KV of a token", some(card.kv_bytes_per_token, bytes(card.kv_bytes_per_token))),
        ("takes", modalities.join(", ")),
        ("tools", yes(card.tools)),
        ("thinking", yes(card.thinking)),
        ("embeddings", yes(card.embeddings)),
    ]
}

#[cfg(test)]
mod tests {
    use pomona_protocol::Modality;

    use super::*;

    #[test]
    fn a_page_says_what_is_known_and_nothing_else() {
        let card = ModelCard {
            architecture: "qwen3_moe".to_owned(),
            parameters: 30_500_000_000,
            active_parameters: 3_300_000_000,
            quantisation: "4 bit, groups of 64".to_owned(),
            modalities: vec![Modality::Text, Modality::Vision],
            tools: true,
            ..ModelCard::default()
        };
        let row = Row { id: "m\u{1b}[31m".to_owned(), card: Some(card), ..Row::default() };
        let page = page(&row, None);
        for line in [
            "weights       30.5B, of which 3.3B for one token",
            "takes         text, vision",
            "tools         yes",
        ] {
            assert!(page.lines().any(|found| found == line), "no `{line}` in\n{page}");
        }
        assert!(!page.contains('\u{1b}') && !page.contains("context") && !page.contains("loaded"), "{page}");
    }
}
