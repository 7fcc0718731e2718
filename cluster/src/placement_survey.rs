//! Where a model would go, without doing it: every host with what a load there takes or why there is none; and a load
//! on a host that an admin names. Both look at the same table, with the same rules, as the loads that placement makes
//! by itself.

use std::collections::BTreeMap;

use pomona_protocol::{ModelId, NodeId};

use super::{Assignment, Host, Load, Reason, Row, Table, Unload, Wanted};

/// Every host, from one model's point of view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Where one more replica would go; `None` when no host can take one.
    pub best: Option<NodeId>,
    /// The hosts.
    pub hosts: BTreeMap<NodeId, SurveyedHost>,
}

/// What a load on one host would take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyedHost {
    /// Bytes that the model takes there.
    pub needs_bytes: u64,
    /// Bytes that are free before anything is unloaded.
    pub free_bytes: u64,
    /// Bytes in all.
    pub memory_bytes: u64,
    /// What goes first, with its bytes; or why it takes none.
    pub unloads: Result<Vec<(ModelId, u64)>, Reason>,
    /// Whether its disk has the weights.
    pub has_weights: bool,
    /// Whose disk has them, when its own does not.
    pub fetch_from: Vec<NodeId>,
}

/// Looks at every host. `wanted` models are not unloaded for it.
pub fn survey(model: &ModelId, wanted: &[Wanted], view: &[Host], previous: &Assignment) -> Survey {
    let table = Table::new(view, previous, wanted);
    let host = |node: &NodeId, row: &Row| {
        let bytes = |model: ModelId| {
            let bytes = row.models.get(&model).map_or(0, |held| held.bytes);
            (model, bytes)
        };
        SurveyedHost {
            needs_bytes: table.bytes_on(node, model),
            free_bytes: row.free(),
            memory_bytes: row.host.memory_bytes,
            unloads: table.fits(row, model).map(|models| models.into_iter().map(bytes).collect()),
            has_weights: row.has_weights(model),
            fetch_from: table.sources(node, model),
        }
    };
    Survey {
        best: table.best(model).ok().map(|(node, _)| node),
        hosts: table.rows.iter().map(|(node, row)| (node.clone(), host(node, row))).collect(),
    }
}

/// A load on this very host, which an admin may have although it drains, is silent or failed before; over its memory
/// nobody may. One that it has already is loaded again, which changes nothing. A host that is not in the view hosts
/// nothing.
pub fn place_on(
    model: &ModelId,
    node: &NodeId,
    wanted: &[Wanted],
    view: &[Host],
    previous: &Assignment,
) -> Result<(Vec<Unload>, Load), Reason> {
    let table = Table::new(view, previous, wanted);
    let row = table.rows.get(node).filter(|row| row.host.hosts).ok_or(Reason::HostsNone)?;
    if !table.sizes.contains_key(model) {
        return Err(Reason::NoWeights);
    }
    let has_it = row.models.get(model).is_some_and(|held| !held.has_failed);
    let unloads = if has_it { Vec::new() } else { table.room(row, model)? };
    let unloads = unloads.into_iter().map(|model| Unload { model, node: node.clone() }).collect();
    let load = Load {
        model: model.clone(),
        node: node.clone(),
        memory_bytes: table.bytes_on(node, model),
        fetch_from: table.sources(node, model),
    };
    Ok((unloads, load))
}

#[cfg(test)]
#[path = "placement_survey_tests.rs"]
mod tests;
