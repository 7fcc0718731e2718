//! `GET /v3/prometheus/sd`: the gateways of the cluster, as Prometheus' HTTP service discovery wants them. One of them
//! shows the whole fleet; several are scraped for what each has seen of its own clients.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use hyper::Request;
use hyper::header::HOST;
use pomona_protocol::{ApiPort, NodeStatus, PeerRole};
use serde::Serialize;

use crate::errors::ApiError;
use crate::openai::answer::json_response;
use crate::state::Shared;

/// Targets with the same labels.
#[derive(Debug, PartialEq, Serialize)]
struct Group {
    targets: Vec<String>,
    labels: BTreeMap<&'static str, String>,
}

/// Lists the gateways that answer.
#[utoipa::path(
    get,
    path = "/v3/prometheus/sd",
    responses(
        (status = 200, description = "a list of `targets` and `labels`, one per gateway: `__scheme__`, `__meta_pomona_node`, `__meta_pomona_id`"),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn discover(
    State(shared): State<Arc<Shared>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    // This gateway is where it was asked: no other name of it is surely one that Prometheus reaches.
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).or(authority);
    let nodes = shared.handle.nodes().await?;
    Ok(json_response(&nodes.iter().filter_map(|node| group(node, host)).collect::<Vec<_>>()))
}

fn group(node: &NodeStatus, asked_at: Option<&str>) -> Option<Group> {
    let api = node.figures.api.filter(|_| node.role == PeerRole::Gateway)?;
    let target = if node.is_here { with_port(asked_at?, api) } else { elsewhere(node, api)? };
    let scheme = if api.is_encrypted { "https" } else { "http" };
    let labels = [
        ("__scheme__", scheme.to_owned()),
        ("__meta_pomona_node", node.name.clone()),
        ("__meta_pomona_id", node.node.to_string()),
    ];
    Some(Group { targets: vec![target], labels: labels.into() })
}

/// Who is asked by a name alone is asked at the usual port.
fn with_port(host: &str, api: ApiPort) -> String {
    let has_port = host.rsplit_once(':').is_some_and(|(name, port)| {
        let is_whole = !name.starts_with('[') || name.ends_with(']');
        is_whole && port.parse::<u16>().is_ok()
    });
    let usual = if api.is_encrypted { 443 } else { 80 };
    if has_port { host.to_owned() } else { format!("{host}:{usual}") }
}

/// Where a linked gateway is: the address of its link, at the port of its API. One whose API is for its own machine alone
/// is there for nobody else.
fn elsewhere(node: &NodeStatus, api: ApiPort) -> Option<String> {
    let address: SocketAddr = node.path.as_ref()?.address.parse().ok()?;
    let ip = address.ip().to_canonical();
    let is_reachable = !api.is_loopback || ip.is_loopback();
    is_reachable.then(|| SocketAddr::new(ip, api.port).to_string())
}

#[cfg(test)]
mod tests {
    use pomona_protocol::{NodeFigures, NodeId, NodeState, PathKind, PathStatus};

    use super::*;

    fn gateway(is_here: bool, address: Option<&str>, is_loopback: bool) -> NodeStatus {
        let path = address.map(|address| PathStatus {
            kind: PathKind::Lan,
            address: address.to_owned(),
            rtt_ms: 1.0,
            since_ms: 1,
            switches: 0,
        });
        NodeStatus {
            node: NodeId::from("n-1"),
            name: "studio".to_owned(),
            role: PeerRole::Gateway,
            state: NodeState::Alive,
            path,
            version: None,
            hosts: true,
            is_here,
            seen_ms_ago: None,
            joined_unix_ms: 0,
            memory_bytes: 0,
            memory_bytes_used: 0,
            turns: 0,
            models: Vec::new(),
            replicas: Vec::new(),
            figures: NodeFigures {
                api: Some(ApiPort { port: 9999, is_encrypted: true, is_loopback }),
                ..NodeFigures::default()
            },
        }
    }

    fn target(node: &NodeStatus, asked_at: &str) -> Option<String> {
        group(node, Some(asked_at)).map(|group| group.targets.concat())
    }

    #[test]
    fn this_gateway_is_where_it_was_asked() {
        let here = gateway(true, None, true);
        for (asked_at, expected) in [
            ("studio.local:9999", "studio.local:9999"),
            ("127.0.0.1:10000", "127.0.0.1:10000"),
            ("studio.local", "studio.local:443"),
            ("[::1]:9999", "[::1]:9999"),
            ("[::1]", "[::1]:443"),
        ] {
            assert_eq!(target(&here, asked_at).as_deref(), Some(expected));
        }
        assert_eq!(group(&here, None), None);
    }

    #[test]
    fn another_gateway_is_at_its_link_unless_only_its_own_machine_reaches_it() {
        let far = "10.0.0.7:4433";
        assert_eq!(target(&gateway(false, Some(far), false), "x").as_deref(), Some("10.0.0.7:9999"));
        assert_eq!(target(&gateway(false, Some(far), true), "x"), None);
        let beside = gateway(false, Some("127.0.0.1:4433"), true);
        assert_eq!(target(&beside, "x").as_deref(), Some("127.0.0.1:9999"));
        assert_eq!(target(&gateway(false, None, false), "x"), None, "no link, no address");
    }

    #[test]
    fn a_node_is_no_target() {
        let node = NodeStatus { role: PeerRole::Node, ..gateway(false, Some("10.0.0.7:1"), false) };
        assert_eq!(target(&node, "x"), None);
        let labels = group(&gateway(true, None, true), Some("x:1")).unwrap().labels;
        assert_eq!(
            (labels["__scheme__"].as_str(), labels["__meta_pomona_node"].as_str()),
            ("https", "studio")
        );
    }
}
