//! `/admin/policy`: the rules that this gateway runs with, as its configuration has them. They are changed there; a
//! page only shows them. Nothing in it is a secret.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use pomona_config::RestartConfig;
use serde::Serialize;

use crate::openai::answer::json_response;
use crate::state::Shared;

/// The rules, each part named after what it rules.
#[derive(Serialize)]
struct Policy<'a> {
    /// When and how often what failed is restarted.
    restart: &'a RestartConfig,
    hosts: Hosts<'a>,
    access: Access<'a>,
    /// Other origins under which the cluster is reached.
    addresses: &'a [String],
}

/// What this machine hosts, and when that comes and goes.
#[derive(Serialize)]
struct Hosts<'a> {
    hosts: bool,
    /// Bytes that models may take here.
    memory_bytes_max: u64,
    load_on_demand: bool,
    /// 0: until others need the room.
    idle_unload_ms: u64,
    pinned: &'a [String],
    replicas: &'a [String],
}

/// Who may call besides the gateway's own page under its own names.
#[derive(Serialize)]
struct Access<'a> {
    allowed_hosts: &'a [String],
    allowed_origins: &'a [String],
}

/// The rules that this gateway runs with.
#[utoipa::path(
    get,
    path = "/admin/policy",
    responses(
        (status = 200, description = "`restart`, `hosts` (models, memory, loading, idle time, pins, wanted replicas), `access` (names and origins) and `addresses` (where else the cluster is reached)"),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn read(State(shared): State<Arc<Shared>>) -> Response {
    let rules = shared.handle.rules();
    let fleet = rules.fleet();
    json_response(&Policy {
        restart: rules.restart(),
        hosts: Hosts {
            hosts: rules.hosts(),
            memory_bytes_max: rules.memory_bytes_max(),
            load_on_demand: fleet.load_on_demand,
            idle_unload_ms: fleet.idle_unload_ms,
            pinned: &fleet.pinned,
            replicas: &fleet.replicas,
        },
        access: Access {
            allowed_hosts: &shared.gateway.allowed_hosts,
            allowed_origins: &shared.gateway.allowed_origins,
        },
        addresses: &shared.gateway.addresses,
    })
}
