//! Whatever arrives at its ports, the cluster goes on. Linux only: it lists the ports of a process.

use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pomona_protocol::NodeState;
use pomona_tests::answer::Resumed;
use pomona_tests::cluster::member_address;
use pomona_tests::random::Random;
use pomona_tests::script::answer;
use pomona_tests::{Cluster, system};

use crate::support::{announced, fleet, full, telling_socket, turn};

/// First byte and version of packets that a QUIC endpoint has to look at more closely.
const LONG_HEADERS: [[u8; 5]; 4] =
    [[0xc0, 0, 0, 0, 1], [0xc0, 0, 0, 0, 0], [0xff, 0xff, 0xff, 0xff, 0xff], [0xe3, 0x6b, 0x33, 0x43, 0xcf]];

/// A datagram of any kind: noise, a header of QUIC with noise, an initial of full size, nothing.
fn datagram(random: &mut Random) -> Vec<u8> {
    let length = [0, 1, 20, 300, 1200, 1472, 9000][random.below(7) as usize];
    let mut bytes = random.bytes(length);
    let header = random.below(8) as usize;
    if let (Some(header), Some(start)) = (LONG_HEADERS.get(header), bytes.first_chunk_mut::<5>()) {
        *start = *header;
    }
    bytes
}

fn throw_datagrams(at: SocketAddr, random: &mut Random, count: u32) -> Result<()> {
    let sockets: Vec<UdpSocket> =
        (0..8).map(|_| UdpSocket::bind("127.0.0.1:0")).collect::<std::io::Result<_>>()?;
    for number in 0..count {
        // Some are too long for the system; that is its answer, not ours.
        let _ = sockets[number as usize % sockets.len()].send_to(&datagram(random), at);
        if number % 64 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

fn throw_at_tcp(at: SocketAddr, random: &mut Random, count: u32) -> Result<()> {
    for _ in 0..count {
        let mut stream = TcpStream::connect_timeout(&at, Duration::from_secs(5)).context("refused")?;
        let length = random.below(4000) as usize;
        // It may close before it has heard everything.
        let _ = stream.write_all(&random.bytes(length));
    }
    Ok(())
}

/// The UDP ports of a process, as the system lists them.
fn udp_ports(pid: u32) -> Result<Vec<u16>> {
    let inodes = system::socket_inodes(pid)?;
    let table = std::fs::read_to_string("/proc/net/udp")?;
    let ports = table.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let inode = words.get(9)?.parse::<u64>().ok()?;
        let port = u16::from_str_radix(words.get(1)?.rsplit_once(':')?.1, 16).ok()?;
        inodes.contains(&inode).then_some(port)
    });
    Ok(ports.collect())
}

async fn throw_everywhere(cluster: &Cluster, mut random: Random) -> Result<u32> {
    let gateway = member_address(cluster.api()).await?;
    let tcp: SocketAddr = cluster.api().url.trim_start_matches("http://").parse()?;
    let mut ports = vec![gateway.port()];
    for node in &cluster.nodes {
        ports.extend(udp_ports(node.pid()?)?);
    }
    let count = if full() { 200_000 } else { 5_000 };
    let sent = count * ports.len() as u32;
    let throw = move || {
        for port in ports {
            throw_datagrams(([127, 0, 0, 1], port).into(), &mut random, count)?;
        }
        throw_at_tcp(tcp, &mut random, count / 50)
    };
    tokio::task::spawn_blocking(throw).await??;
    Ok(sent)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_at_every_port_disturbs_no_answer_and_no_link() -> Result<()> {
    let random = announced();
    // Who throws so much takes the processors from the nodes as well; their silence is not what is looked at.
    let patient =
        fleet("tokens=200 pace=40").set("fleet.lan_suspect_ms", 30_000).set("link.lan_idle_ms", 30_000);
    let cluster = patient.nodes(2).start().await?;
    let mut socket = telling_socket(&cluster).await?;
    for seed in 0..4u64 {
        socket.start(&seed.to_string(), &turn("go", seed, 1000)).await?;
    }
    let (thrown, read) = tokio::join!(throw_everywhere(&cluster, random), socket.until_all_over());
    println!("{} datagrams", thrown?);
    read?;
    for seed in 0..4u64 {
        let seen = &socket.answers[&seed.to_string()];
        seen.check_complete().with_context(|| format!("seed {seed}"))?;
        ensure!(seen.text == answer(seed, 200), "seed {seed}: {:?}", seen.text);
        // An engine without a step for long is suspect by itself.
        let is_slow = |resumed: &Resumed| resumed.cause == "node_suspect";
        ensure!(seen.resumed.iter().all(is_slow), "noise moved a turn: {:?}", seen.resumed);
    }
    for node in &cluster.nodes {
        let member = cluster.until_state(&node.name, NodeState::Alive).await?;
        ensure!(member.path.as_ref().is_some_and(|path| path.switches <= 1), "{member:?}");
    }
    ensure!(!cluster.printed().contains("panicked"), "{}", cluster.printed());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_joins_while_noise_arrives() -> Result<()> {
    let mut random = announced();
    let mut cluster = fleet("tokens=8").start_gateways().await?;
    let gateway = member_address(cluster.api()).await?;
    let throw = tokio::task::spawn_blocking(move || throw_datagrams(gateway, &mut random, 20_000));
    cluster.add_node().await?;
    throw.await??;
    ensure!(cluster.api().chat(&turn("go", 3, 100)).await?.0 == 200);
    Ok(())
}
