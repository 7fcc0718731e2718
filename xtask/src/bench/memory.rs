//! Resident memory of the gateway's process: at rest, and what each connection and stream adds.

use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt;
use futures::future::try_join_all;
use pomona_tests::{Api, Launch, Pomona, Socket, system};

use super::table::{Table, Target};
use super::{Binaries, load};

const CONNECTIONS: u32 = 500;
const STREAMS: u32 = 256;
/// For buffers that are freed a moment later.
const SETTLE: Duration = Duration::from_millis(500);

pub(super) async fn measure(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let rest = start(binaries).await?;
    table.add("gateway at rest", "MiB resident", Target::None, resident(&rest).await? / 1024.0);

    let clients: Result<Vec<Api>> =
        (0..CONNECTIONS).map(|_| Api::new(&rest.api.url, &rest.api.key)).collect();
    let clients = clients?;
    let before = resident(&rest).await?;
    try_join_all(clients.iter().map(|api| api.get("/healthz"))).await?;
    let after = resident(&rest).await?;
    table.add(
        "an idle HTTP connection",
        "KiB resident",
        Target::None,
        (after - before) / f64::from(CONNECTIONS),
    );
    drop((clients, rest));

    let rest = start(binaries).await?;
    let before = resident(&rest).await?;
    let sockets = try_join_all((0..CONNECTIONS).map(|_| Socket::connect(&rest.api))).await?;
    let after = resident(&rest).await?;
    table.add("an idle WebSocket", "KiB resident", Target::None, (after - before) / f64::from(CONNECTIONS));
    drop((sockets, rest));

    let rest = start(binaries).await?;
    let before = resident(&rest).await?;
    let body = load::turn("pace_us=100000", 1_000_000);
    let streams = try_join_all((0..STREAMS).map(|_| begin(&rest.api, &body))).await?;
    let after = resident(&rest).await?;
    table.add("an active stream", "KiB resident", Target::None, (after - before) / f64::from(STREAMS));
    drop(streams);
    Ok(())
}

async fn start(binaries: &Binaries) -> Result<Pomona> {
    let launch = Launch::default().program(&binaries.pomona).engine(&binaries.test_engine, "tokens=1000000");
    let pomona = launch.set("routing.replica_turns_max", STREAMS * 2).start().await?;
    load::requests(&pomona.api, 4, 400, &load::turn("go", 1)).await?;
    Ok(pomona)
}

/// A stream that has shown its first bytes and stays open.
async fn begin(api: &Api, body: &serde_json::Value) -> Result<impl Sized + use<>> {
    let mut bytes = Box::pin(api.open_stream(body).await?.bytes_stream());
    bytes.next().await.context("a stream without a byte")??;
    Ok(bytes)
}

/// In KiB.
async fn resident(pomona: &Pomona) -> Result<f64> {
    tokio::time::sleep(SETTLE).await;
    Ok(system::resident_bytes(pomona.pid())? as f64 / 1024.0)
}
