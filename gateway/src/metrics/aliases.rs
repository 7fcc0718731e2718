//! Writes vLLM's names: the numbers that the page has already, by `model_name`.

use std::collections::BTreeMap;

use pomona_actors::Insight;
use pomona_protocol::ReplicaStatus;

use super::models::Models;
use super::page::Page;
use super::table::{ALIASES, Alias, FINISH_REASONS, Kind, row};

/// What is added up over the replicas of a model.
fn of_replica(name: &str) -> Option<fn(&ReplicaStatus) -> u64> {
    let sum: fn(&ReplicaStatus) -> u64 = match name {
        "vllm:num_requests_running" => |replica| u64::from(replica.running),
        "vllm:num_requests_waiting" => |replica| u64::from(replica.waiting),
        "vllm:prefix_cache_queries_total" => |replica| replica.figures.prompt_tokens,
        "vllm:prefix_cache_hits_total" => |replica| replica.figures.cached_tokens,
        "vllm:spec_decode_num_draft_tokens_total" => |replica| replica.figures.guessed_tokens,
        "vllm:spec_decode_num_accepted_tokens_total" => |replica| replica.figures.accepted_tokens,
        _ => return None,
    };
    Some(sum)
}

pub(super) fn write(page: &mut Page, models: &Models, insight: &Insight) {
    let mut replicas: BTreeMap<&str, Vec<&ReplicaStatus>> = BTreeMap::new();
    for replica in insight.nodes.iter().flat_map(|node| &node.replicas) {
        replicas.entry(&replica.model).or_default().push(replica);
    }
    for alias in ALIASES {
        head(page, alias);
        match (alias.name, of_replica(alias.name)) {
            (name, Some(of_replica)) => {
                for (model, replicas) in &replicas {
                    let sum: u64 = replicas.iter().map(|replica| of_replica(replica)).sum();
                    page.sample_of(name, &[("model_name", *model)], sum as f64);
                }
            }
            (name @ "vllm:kv_cache_usage_perc", None) => {
                for (model, replicas) in &replicas {
                    let used: u64 = replicas.iter().map(|replica| replica.figures.kv_blocks_held).sum();
                    let total: u32 = replicas.iter().map(|replica| replica.kv_blocks_total).sum();
                    let share = used as f64 / f64::from(total.max(1));
                    page.sample_of(name, &[("model_name", *model)], share);
                }
            }
            (_, None) => of_models(page, alias, models),
        }
    }
}

fn head(page: &mut Page, alias: &Alias) {
    let help = format!("{} An alias of {}.", alias.help, alias.of);
    let kind = match alias.kind {
        Kind::Histogram(_) => row(alias.of).kind,
        kind => kind,
    };
    page.head_of(alias.name, kind, &help);
}

fn of_models(page: &mut Page, alias: &Alias, models: &Models) {
    for (model, figures) in models.each() {
        let labels = [("model_name", model.as_str())];
        if let Some(histogram) = figures.histogram(alias.of) {
            page.histogram(alias.name, &labels, &histogram.read());
        } else if let Some(count) = figures.counter(alias.of) {
            page.sample_of(alias.name, &labels, count as f64);
        } else {
            for (place, reason) in FINISH_REASONS.iter().enumerate() {
                let labels = [("finished_reason", *reason), labels[0]];
                page.sample_of(alias.name, &labels, figures.ended(place) as f64);
            }
        }
    }
}
