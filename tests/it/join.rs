//! How a machine becomes a member, stays one, and stops being one.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pomona_protocol::{NodeState, PathKind, PeerRole};
use pomona_tests::cluster::{changed_token, new_token};
use pomona_tests::script::answer;
use pomona_tests::{Cluster, Ended};
use reqwest::Method;
use serde_json::json;

use crate::support::{FAILING_START, eventually, fleet, telling_socket, turn};

/// Longest time for what is said to happen at once.
const AT_ONCE: Duration = Duration::from_secs(5);

async fn check_answers(cluster: &Cluster) -> Result<()> {
    let (status, body) = cluster.api().chat(&turn("go", 5, 100)).await?;
    ensure!(status == 200, "{status} {body}");
    ensure!(body["choices"][0]["message"]["content"] == answer(5, 8).as_str(), "{body}");
    Ok(())
}

/// A stranger with this token is refused in these words, and the audit of the gateway has its code.
async fn check_refused(cluster: &Cluster, token: &str, words: &[&str], code: Option<&str>) -> Result<()> {
    let ended = cluster.stranger("stranger")?.join_to_end(token, FAILING_START).await?;
    check_words(&ended, words)?;
    if let Some(code) = code {
        let audit = audit(cluster.gateways[0].home())?.context("the gateway keeps no audit.jsonl")?;
        ensure!(audit.contains(code), "no `{code}` in the audit:\n{audit}");
    }
    let known = cluster.members().await?.iter().any(|member| member.name == "stranger");
    ensure!(!known, "the stranger is a member");
    Ok(())
}

fn check_words(ended: &Ended, words: &[&str]) -> Result<()> {
    ensure!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    ensure!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    for word in words {
        ensure!(ended.stderr.contains(word), "no `{word}` in: {}", ended.stderr);
    }
    Ok(())
}

/// The text of the audit, wherever in its home a gateway keeps it.
fn audit(folder: &Path) -> Result<Option<String>> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if let Some(found) = audit(&path)? {
                return Ok(Some(found));
            }
        } else if path.file_name().is_some_and(|name| name == "audit.jsonl") {
            return Ok(Some(std::fs::read_to_string(path)?));
        }
    }
    Ok(None)
}

#[tokio::test]
async fn a_node_joins_by_token_and_answers() -> Result<()> {
    let cluster = fleet("tokens=8").nodes(1).start().await?;
    let member = cluster.member("n1").await?;
    ensure!(member.role == PeerRole::Node && member.hosts && !member.is_here, "{member:?}");
    ensure!(member.node.0.starts_with("n-") && member.node.0.len() == 18, "{member:?}");
    ensure!(member.path.as_ref().is_some_and(|path| path.kind == PathKind::Lan), "{member:?}");
    ensure!(member.version.is_some() && member.seen_ms_ago.is_some(), "{member:?}");
    ensure!(cluster.member(&member.node.0).await?.node == member.node, "not found by its id");
    check_answers(&cluster).await
}

#[tokio::test]
async fn a_token_that_was_used_is_refused() -> Result<()> {
    let mut cluster = fleet("tokens=8").start_gateways().await?;
    let token = cluster.node_token().await?;
    let mut first = cluster.stranger("n1")?;
    first.join(&token)?;
    cluster.nodes.push(first);
    cluster.until_ready("n1").await?;
    check_refused(&cluster, &token, &["used already"], Some("used")).await?;
    check_answers(&cluster).await
}

#[tokio::test]
async fn a_token_may_be_for_several_machines_and_for_no_more() -> Result<()> {
    let mut cluster = fleet("tokens=8").start_gateways().await?;
    let mut wish = new_token(PeerRole::Node);
    wish.uses = 2;
    let token = cluster.token(&wish).await?.token;
    for name in ["n1", "n2"] {
        let mut machine = cluster.stranger(name)?;
        machine.join(&token)?;
        cluster.nodes.push(machine);
    }
    cluster.until_all_ready().await?;
    check_refused(&cluster, &token, &["used already", "2"], None).await
}

#[tokio::test]
async fn a_token_that_expired_is_refused() -> Result<()> {
    let cluster = fleet("tokens=8").start_gateways().await?;
    let mut wish = new_token(PeerRole::Node);
    wish.ttl_s = 1;
    let token = cluster.token(&wish).await?.token;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    check_refused(&cluster, &token, &["expired"], Some("expired")).await
}

#[tokio::test]
async fn a_token_that_was_revoked_is_unknown() -> Result<()> {
    let cluster = fleet("tokens=8").start_gateways().await?;
    let created = cluster.token(&new_token(PeerRole::Node)).await?;
    let path = format!("/admin/tokens/{}", created.id);
    let (code, body) = cluster.api().send(Method::DELETE, &path, &json!({})).await?;
    ensure!(code == 204, "{code} {body}");
    check_refused(&cluster, &created.token, &["does not know this token"], Some("unknown_token")).await
}

#[tokio::test]
async fn a_token_of_another_cluster_a_wrong_secret_and_a_wrong_fingerprint_are_told_apart() -> Result<()> {
    let (cluster, other) =
        tokio::try_join!(fleet("tokens=8").start_gateways(), fleet("tokens=8").start_gateways())?;
    let (ours, theirs) = tokio::try_join!(cluster.node_token(), other.node_token())?;
    let ours_read: pomona_protocol::JoinToken = ours.parse()?;
    let unknown = ["does not know this token"];
    // Its own gateway's word on a token that it never made.
    let foreign = changed_token(&theirs, |token| {
        token.addresses.clone_from(&ours_read.addresses);
        token.fingerprint = ours_read.fingerprint;
    })?;
    check_refused(&cluster, &foreign, &unknown, Some("unknown_token")).await?;
    let wrong_secret = changed_token(&ours, |token| token.secret[3] ^= 1)?;
    check_refused(&cluster, &wrong_secret, &unknown, Some("unknown_token")).await?;
    // Another machine answers at the address: nothing may be told to it.
    let wrong_authority = changed_token(&theirs, |token| token.addresses.clone_from(&ours_read.addresses))?;
    let ended = cluster.stranger("stranger")?.join_to_end(&wrong_authority, FAILING_START).await?;
    check_words(&ended, &["is not the gateway that made this token"])?;
    ensure!(cluster.members().await?.iter().all(|member| member.is_here));
    Ok(())
}

#[tokio::test]
async fn a_token_for_a_gateway_makes_no_node_and_a_damaged_one_makes_nothing() -> Result<()> {
    let cluster = fleet("tokens=8").start_gateways().await?;
    let token = cluster.token(&new_token(PeerRole::Gateway)).await?.token;
    check_refused(&cluster, &token, &["for a gateway"], Some("wrong_role")).await?;
    let cut = &token[..token.len() - 3];
    check_refused(&cluster, cut, &["cut or mistyped"], None).await?;
    check_refused(&cluster, "hello", &["pom1-"], None).await
}

#[tokio::test]
async fn a_token_whose_gateway_is_gone_says_where_it_looked() -> Result<()> {
    let cluster = fleet("tokens=8").start_gateways().await?;
    let free = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let token = changed_token(&cluster.node_token().await?, |token| token.addresses = vec![free.clone()])?;
    check_refused(&cluster, &token, &[&free], None).await
}

#[tokio::test]
async fn a_removed_node_is_out_at_once_and_for_good() -> Result<()> {
    let mut cluster = fleet("tokens=200 pace=50").nodes(2).start().await?;
    let mut socket = telling_socket(&cluster).await?;
    socket.start("turn", &turn("go", 3, 1000)).await?;
    socket.until(|socket| socket.answers["turn"].tokens > 10).await?;
    let victim = cluster.busy().await?;
    let name = cluster.nodes[victim].name.clone();
    cluster.remove(&name).await?;
    let gone = eventually("it is no member", AT_ONCE, async || {
        Ok(cluster.members().await?.iter().all(|member| member.name != name))
    });
    gone.await?;
    socket.until_all_over().await?;
    socket.answers["turn"].check_complete()?;
    ensure!(socket.answers["turn"].text == answer(3, 200), "{:?}", socket.answers["turn"]);
    ensure!(!socket.answers["turn"].resumed.is_empty(), "the turn stayed where it was");
    // It knows why, and does not come back from what is in its home.
    let machine = &mut cluster.nodes[victim];
    let _ = machine.kill();
    machine.start()?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    ensure!(machine.printed().contains("removed"), "no reason: {}", machine.printed());
    ensure!(cluster.members().await?.iter().all(|member| member.name != name), "it came back");
    Ok(())
}

#[tokio::test]
async fn a_node_that_was_stopped_comes_back_by_itself() -> Result<()> {
    let mut cluster = fleet("tokens=8").nodes(1).start().await?;
    let before = cluster.member("n1").await?;
    cluster.nodes[0].kill()?;
    cluster.until_state("n1", NodeState::Offline).await?;
    cluster.nodes[0].start()?;
    ensure!(cluster.until_ready("n1").await?.node == before.node);
    check_answers(&cluster).await?;
    let ended = cluster.nodes[0].terminate(Duration::from_secs(15)).await?;
    ensure!(ended.code == Some(0), "{ended:?}");
    cluster.until_state("n1", NodeState::Offline).await?;
    cluster.nodes[0].start()?;
    ensure!(cluster.until_ready("n1").await?.node == before.node);
    check_answers(&cluster).await
}

#[tokio::test]
async fn nodes_find_their_gateway_again_after_it_was_restarted() -> Result<()> {
    let mut cluster = fleet("tokens=8").nodes(1).start().await?;
    let before = cluster.member("n1").await?;
    cluster.restart_gateway().await?;
    ensure!(cluster.until_ready("n1").await?.node == before.node);
    check_answers(&cluster).await
}

#[tokio::test]
async fn a_renamed_node_keeps_its_id_and_over_restarts_its_name() -> Result<()> {
    let mut cluster = fleet("tokens=8").nodes(1).start().await?;
    let before = cluster.member("n1").await?;
    let rename = json!({"name": "pear"});
    let (code, body) = cluster.api().send(Method::POST, "/admin/nodes/n1/rename", &rename).await?;
    ensure!(code == 200 && body["name"] == "pear", "{code} {body}");
    ensure!(cluster.member("pear").await?.node == before.node);
    cluster.nodes[0].kill()?;
    cluster.nodes[0].start()?;
    ensure!(cluster.until_ready("pear").await?.node == before.node);
    Ok(())
}

#[tokio::test]
async fn a_machine_that_was_removed_comes_back_with_a_new_token() -> Result<()> {
    let mut cluster = fleet("tokens=8").nodes(1).start().await?;
    cluster.remove("n1").await?;
    cluster.nodes[0].kill()?;
    let token = cluster.node_token().await?;
    cluster.nodes[0].join(&token)?;
    cluster.until_ready("n1").await?;
    check_answers(&cluster).await
}

#[tokio::test]
async fn the_first_gateway_holds_the_authority_after_a_restart_whatever_others_told_it() -> Result<()> {
    let mut cluster = fleet("tokens=8").gateways(2).nodes(1).start().await?;
    let members = cluster.members().await?;
    let second = members.iter().find(|member| member.role == PeerRole::Gateway && !member.is_here);
    let second = second.context("the second gateway is no member")?.node.clone();
    let rename = json!({"name": "quince"});
    let path = format!("/admin/nodes/{second}/rename");
    let (code, body) = cluster.api().send(Method::POST, &path, &rename).await?;
    ensure!(code == 200, "{code} {body}");
    // Long enough for the bulletins to go round.
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.restart_gateway().await?;
    cluster.until_ready("n1").await?;
    cluster.token(&new_token(PeerRole::Node)).await?;
    Ok(())
}

#[tokio::test]
async fn an_unknown_member_is_named_with_those_that_are_known() -> Result<()> {
    let cluster = fleet("tokens=8").nodes(1).start().await?;
    let (code, body) = cluster.api().get("/admin/nodes/quince").await?;
    ensure!(code == 404 && body.contains("quince") && body.contains("n1"), "{code} {body}");
    let (code, body) = cluster.api().send(Method::DELETE, "/admin/nodes/quince", &json!({})).await?;
    ensure!(code == 404, "{code} {body}");
    let (code, body) = cluster.api().send(Method::POST, "/admin/nodes/quince/drain", &json!({})).await?;
    ensure!(code == 404, "{code} {body}");
    Ok(())
}
