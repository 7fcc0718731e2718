//! The questions of an admin: what is sent for each, what answers and refusals mean.

use pomona_client::ClientError;
use pomona_protocol::{CreatedToken, NewToken, NodeId, NodeState, NodeStatus, PeerRole, TokenStatus};
use serde_json::{Value, json};

use crate::canned::{canned, client, json as answer};

fn mini() -> NodeStatus {
    NodeStatus {
        node: NodeId::from("n-1f"),
        name: "mini".to_owned(),
        role: PeerRole::Node,
        state: NodeState::Alive,
        path: None,
        version: None,
        hosts: true,
        is_here: false,
        seen_ms_ago: Some(40),
        joined_unix_ms: 5,
        memory_bytes: 10,
        memory_bytes_used: 4,
        turns: 2,
        models: Vec::new(),
        replicas: Vec::new(),
        figures: Default::default(),
    }
}

/// Runs `$call` against a gateway that answers `$body`; gives the result and compares what was asked.
macro_rules! asked {
    ($client:ident => $call:expr, $status:literal, $body:expr, $line:literal, $sent:expr) => {{
        let gateway = canned(answer($status, &$body), true);
        let $client = client(&gateway.url);
        let result = $call.await;
        let request = gateway.asked.recv().unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert_eq!(head.lines().next(), Some(concat!($line, " HTTP/1.1")));
        assert!(head.to_lowercase().contains("authorization: bearer pom_test"), "{head}");
        let body: Option<Value> = (!body.is_empty()).then(|| serde_json::from_str(body).unwrap());
        assert_eq!(body, $sent);
        result
    }};
}

fn text(value: impl serde::Serialize) -> String {
    serde_json::to_string(&value).unwrap()
}

#[tokio::test]
async fn nodes_are_listed_and_shown() {
    let list = text(json!({ "nodes": [mini()] }));
    assert_eq!(asked!(it => it.nodes(), "200 OK", list, "GET /admin/nodes", None), Ok(vec![mini()]));
    let one = text(mini());
    assert_eq!(asked!(it => it.node("mini"), "200 OK", one, "GET /admin/nodes/mini", None), Ok(mini()));
}

#[tokio::test]
async fn a_node_is_drained_undrained_renamed_and_removed() {
    let one = text(mini());
    let drained = asked!(it => it.drain("mini"), "200 OK", one, "POST /admin/nodes/mini/drain", None);
    assert_eq!(drained, Ok(mini()));
    let undrained = asked!(it => it.undrain("mini"), "200 OK", one, "POST /admin/nodes/mini/undrain", None);
    assert_eq!(undrained, Ok(mini()));
    let sent = Some(json!({ "name": "maxi" }));
    let renamed =
        asked!(it => it.rename("mini", "maxi"), "200 OK", one, "POST /admin/nodes/mini/rename", sent);
    assert_eq!(renamed, Ok(mini()));
    let removed = asked!(it => it.remove("n-1f"), "204 No Content", "", "DELETE /admin/nodes/n-1f", None);
    assert_eq!(removed, Ok(()));
}

#[tokio::test]
async fn tokens_are_created_listed_and_revoked() {
    let new = NewToken { role: PeerRole::Gateway, ttl_s: 900, uses: 2, name: None };
    let created = CreatedToken {
        token: "pom1-x".to_owned(),
        id: "a1".to_owned(),
        expires_unix_ms: 7,
        addresses: vec!["192.168.1.5:9999".to_owned()],
    };
    let sent = Some(json!({ "role": "gateway", "ttl_s": 900, "uses": 2, "name": null }));
    let body = text(&created);
    let result = asked!(it => it.create_token(&new), "201 Created", body, "POST /admin/tokens", sent);
    assert_eq!(result, Ok(created));
    let token = TokenStatus {
        id: "a1".to_owned(),
        role: PeerRole::Node,
        name: None,
        expires_unix_ms: 7,
        uses_left: 1,
    };
    let list = text(json!({ "tokens": [token] }));
    assert_eq!(asked!(it => it.tokens(), "200 OK", list, "GET /admin/tokens", None), Ok(vec![token]));
    let revoked = asked!(it => it.revoke_token("a1"), "204 No Content", "", "DELETE /admin/tokens/a1", None);
    assert_eq!(revoked, Ok(()));
}

#[tokio::test]
async fn models_are_loaded_and_unloaded_on_a_node_or_anywhere() {
    let on_mini = Some(json!({ "node": "mini" }));
    let loaded = asked!(it => it.load_model("sprout", Some("mini")), "202 Accepted", "", "POST /admin/models/sprout/load", on_mini);
    assert_eq!(loaded, Ok(()));
    let anywhere = Some(json!({}));
    let unloaded = asked!(it => it.unload_model("org/sprout 1", None), "202 Accepted", "", "POST /admin/models/org%2Fsprout%201/unload", anywhere);
    assert_eq!(unloaded, Ok(()));
}

#[tokio::test]
async fn a_refusal_names_the_known_nodes_or_who_holds_the_authority() {
    let unknown =
        r#"{"error":{"message":"there is no node `maxi`; known: mini, studio","code":"node_not_found"}}"#;
    let error =
        asked!(it => it.drain("maxi"), "404 Not Found", unknown, "POST /admin/nodes/maxi/drain", None)
            .unwrap_err();
    assert_eq!(error.to_string(), "there is no node `maxi`; known: mini, studio (node_not_found)");
    let elsewhere = r#"{"error":{"message":"this gateway does not hold the cluster's authority; ask `studio`","code":"not_the_authority"}}"#;
    let error = asked!(it => it.remove("mini"), "409 Conflict", elsewhere, "DELETE /admin/nodes/mini", None)
        .unwrap_err();
    let ClientError::Api { status: 409, code, message, .. } = error else { panic!("{error:?}") };
    assert_eq!(code, "not_the_authority");
    assert!(message.ends_with("ask `studio`"), "{message}");
}

#[tokio::test]
async fn every_call_passes_a_refusal_on() {
    let refusal = r#"{"error":{"message":"no","code":"not_the_authority"}}"#;
    let new = NewToken { role: PeerRole::Node, ttl_s: 1, uses: 1, name: None };
    macro_rules! refused {
        ($($call:ident($($argument:expr),*)),*) => {$({
            let gateway = canned(answer("409 Conflict", refusal), true);
            let error = client(&gateway.url).$call($($argument),*).await.map(drop).unwrap_err();
            assert_eq!(error.to_string(), "no (not_the_authority)", stringify!($call));
        })*};
    }
    refused!(nodes(), node("a"), drain("a"), undrain("a"), rename("a", "b"), remove("a"), create_token(&new));
    refused!(tokens(), revoke_token("a"), load_model("a", None), unload_model("a", None));
}

#[tokio::test]
async fn a_name_that_a_path_understands_otherwise_is_not_sent() {
    for name in ["", " ", ".", ".."] {
        let error = client("http://127.0.0.1:1").remove(name).await.unwrap_err();
        assert_eq!(error.to_string(), format!("`{name}` is no name of a node"));
    }
    let gateway = canned(answer("204 No Content", ""), true);
    client(&gateway.url).remove("../tokens/a?x#y").await.unwrap();
    let asked = gateway.asked.recv().unwrap();
    assert!(asked.starts_with("DELETE /admin/nodes/..%2Ftokens%2Fa%3Fx%23y HTTP/1.1\r\n"), "{asked}");
}
