//! LAN first, WAN as well: cables are pulled in namespaces, and the WAN is a relay of ours with 80 ms and 1 % loss.
//! Skipped, in words, where there are no namespaces.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pomona_protocol::{NodeStatus, PathKind};
use pomona_tests::cluster::{changed_token, is_ready};
use pomona_tests::relay::{Cut, Weather};
use pomona_tests::script::answer;
use pomona_tests::{Cluster, Socket};

use crate::support::{fleet, full, has_hosts, telling_socket, turn};

/// From the far end of a continent.
fn far_away() -> Weather {
    Weather::far(Duration::from_millis(80), 0.01)
}

fn is_on(member: &NodeStatus, kind: PathKind) -> bool {
    is_ready(member) && member.path.as_ref().is_some_and(|path| path.kind == kind)
}

async fn until_on(cluster: &Cluster, kind: PathKind) -> Result<Duration> {
    let started = Instant::now();
    cluster.until("n1", kind.as_str(), |member| is_on(member, kind)).await?;
    Ok(started.elapsed())
}

/// One node on a host of its own, with a LAN and a WAN.
async fn two_paths(script: &str) -> Result<Cluster> {
    fleet(script).lan().relay(far_away()).nodes(1).start().await
}

/// A turn of 40 tokens per second that runs.
async fn running(cluster: &Cluster, seed: u64) -> Result<Socket> {
    let mut socket = telling_socket(cluster).await?;
    socket.start("turn", &turn("go", seed, 100_000)).await?;
    read_on(&mut socket, 20).await?;
    Ok(socket)
}

/// Reads this many tokens more.
async fn read_on(socket: &mut Socket, more: u64) -> Result<()> {
    let end = socket.answers["turn"].tokens + more;
    socket
        .until(|socket| {
            let seen = &socket.answers["turn"];
            seen.tokens >= end || seen.is_over()
        })
        .await
}

/// The rest of the turn, which is whole.
async fn check_whole(mut socket: Socket, seed: u64, tokens: u32) -> Result<()> {
    socket.until_all_over().await?;
    let seen = socket.answers.remove("turn").context("no turn")?;
    seen.check_complete()?;
    ensure!(seen.text == answer(seed, tokens), "{:?}", seen.text);
    println!("longest silence {:?}, moved {:?}", seen.longest_gap(), seen.resumed);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lan_that_is_cut_in_the_middle_of_an_answer_is_replaced_by_the_wan_and_comes_back() -> Result<()> {
    if !has_hosts() {
        return Ok(());
    }
    let cluster = two_paths("tokens=1500 pace=40").await?;
    let lan = cluster.lan.clone().context("no hosts")?;
    until_on(&cluster, PathKind::Lan).await?;
    let mut socket = running(&cluster, 11).await?;
    for round in 0..if full() { 5 } else { 1 } {
        // Once far away, where the plug still looks fine, and once at the plug itself.
        if round % 2 == 0 {
            lan.cut("n1")?
        } else {
            lan.unplug("n1")?
        }
        let (to_wan, read) = tokio::join!(until_on(&cluster, PathKind::Wan), read_on(&mut socket, 60));
        read?;
        println!("on the WAN after {:?}", to_wan?);
        lan.heal("n1")?;
        let (to_lan, read) = tokio::join!(until_on(&cluster, PathKind::Lan), read_on(&mut socket, 60));
        read?;
        println!("back on the LAN after {:?}", to_lan?);
    }
    check_whole(socket, 11, 1500).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wan_that_is_cut_changes_nothing_on_the_lan() -> Result<()> {
    if !has_hosts() {
        return Ok(());
    }
    let cluster = two_paths("tokens=200 pace=40").await?;
    let socket = running(&cluster, 12).await?;
    cluster.relay.as_ref().context("no relay")?.cut(Cut::Both);
    check_whole(socket, 12, 200).await?;
    until_on(&cluster, PathKind::Lan).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_survives_a_new_address_on_either_path() -> Result<()> {
    if !has_hosts() {
        return Ok(());
    }
    // The host is changed on its only network, so that nothing else can carry the answer meanwhile.
    let cluster = fleet("tokens=300 pace=40").lan().nodes(1).start().await?;
    let socket = running(&cluster, 13).await?;
    let lan = cluster.lan.as_ref().context("no hosts")?;
    println!("n1 moves to {}", lan.change_address("n1")?);
    check_whole(socket, 13, 300).await?;
    cluster.until_ready("n1").await?;
    drop(cluster);

    let cluster = two_paths("tokens=300 pace=40").await?;
    cluster.lan.as_ref().context("no hosts")?.unplug("n1")?;
    until_on(&cluster, PathKind::Wan).await?;
    let socket = running(&cluster, 14).await?;
    cluster.relay.as_ref().context("no relay")?.change_addresses();
    check_whole(socket, 14, 300).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_way_cuts_of_the_wan_move_nothing_wrong() -> Result<()> {
    if !has_hosts() {
        return Ok(());
    }
    let cluster = two_paths("tokens=600 pace=40").await?;
    cluster.lan.as_ref().context("no hosts")?.unplug("n1")?;
    until_on(&cluster, PathKind::Wan).await?;
    let mut socket = running(&cluster, 15).await?;
    let relay = cluster.relay.as_ref().context("no relay")?;
    for cut in [Cut::Up, Cut::Down] {
        relay.cut(cut);
        // Longer than suspicion, shorter than giving up the link.
        tokio::time::sleep(Duration::from_secs(4)).await;
        relay.cut(Cut::Open);
        read_on(&mut socket, 40).await?;
    }
    check_whole(socket, 15, 600).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_far_away_joins_and_starts_by_the_wan_alone() -> Result<()> {
    if !has_hosts() {
        return Ok(());
    }
    let mut cluster = fleet("tokens=8").lan().relay(far_away()).nodes(0).start_gateways().await?;
    let lan = cluster.lan.clone().context("no hosts")?;
    lan.unplug("n1")?;
    let started = Instant::now();
    cluster.join_node().await?;
    cluster.until_ready("n1").await?;
    println!("joined over the WAN after {:?}", started.elapsed());
    ensure!(is_on(&cluster.member("n1").await?, PathKind::Wan));
    // What the attempt on the LAN costs a start that it cannot help.
    for (what, plugged) in [("LAN plugged out", false), ("LAN that swallows everything", true)] {
        cluster.nodes[0].kill()?;
        lan.heal("n1")?;
        if plugged {
            lan.cut("n1")?
        } else {
            lan.unplug("n1")?
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let started = Instant::now();
        cluster.nodes[0].start()?;
        cluster
            .until("n1", "linked again", |member| {
                is_on(member, PathKind::Wan)
                    && member.seen_ms_ago.is_some_and(|ms| u128::from(ms) < started.elapsed().as_millis())
            })
            .await?;
        println!("{what}: linked over the WAN after {:?}", started.elapsed());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_without_addresses_finds_its_gateway_on_the_lan() -> Result<()> {
    if !has_hosts() {
        return Ok(());
    }
    let mut cluster = fleet("tokens=8").lan().mdns().start_gateways().await?;
    let token = changed_token(&cluster.node_token().await?, |token| token.addresses.clear())?;
    let mut machine = cluster.stranger("n1")?;
    machine.join(&token)?;
    cluster.nodes.push(machine);
    cluster.until_ready("n1").await?;
    let (status, body) = cluster.api().chat(&turn("go", 5, 100)).await?;
    ensure!(status == 200, "{status} {body}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_hosts_answers_whatever_happens_to_its_lan() -> Result<()> {
    if !has_hosts() {
        return Ok(());
    }
    let cluster = fleet("tokens=8").hosting_gateways().lan().start_gateways().await?;
    cluster.gateways[0].wait_until_ready(Duration::from_secs(30)).await?;
    cluster.lan.as_ref().context("no hosts")?.unplug("gw")?;
    let (status, body) = cluster.api().chat(&turn("go", 5, 100)).await?;
    ensure!(status == 200, "{status} {body}");
    ensure!(body["choices"][0]["message"]["content"] == answer(5, 8).as_str(), "{body}");
    Ok(())
}
