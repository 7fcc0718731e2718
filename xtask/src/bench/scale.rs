//! What more machines bring: nodes whose scripted engines have a batch and a pace, as chips do, so that this
//! machine's own processors are no part of the result.

use anyhow::Result;
use pomona_tests::Cluster;

use super::table::{Table, Target};
use super::{Binaries, load};

/// Sequences that one engine runs at once.
const BATCH: u32 = 8;
/// Turns per node: some batches one after the other, so that the queue and the routing take part.
const TURNS_PER_NODE: u32 = 3 * BATCH;
const TOKENS: u32 = 150;
const SCRIPT: &str = "tokens=1000000 pace=50 batch=8 prefill_us=500";

pub(super) async fn measure(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let mut cluster = Cluster::builder()
        .program(&binaries.pomona)
        .engine(&binaries.test_engine, SCRIPT)
        .set_at_gateways("routing.replica_turns_max", BATCH)
        .nodes(1)
        .start()
        .await?;
    let turn = load::turn("write as long as you may", TOKENS);
    let mut one = None;
    for nodes in [1, 2, 4, 8u32] {
        while cluster.nodes.len() < nodes as usize {
            cluster.add_node().await?;
        }
        let turns = nodes * TURNS_PER_NODE;
        let took = load::streams(cluster.api(), turns, &turn).await?;
        let speed = f64::from(turns * TOKENS) / took.as_secs_f64();
        let plural = if nodes == 1 { "node" } else { "nodes" };
        table.add(&format!("paced engines, {nodes} {plural}"), "tokens/s", Target::None, speed);
        let share = speed / (*one.get_or_insert(speed) * f64::from(nodes));
        if nodes == 8 {
            table.add("8 nodes, share of 8 times one node", "×", Target::AtLeast(0.95), share);
        }
    }
    Ok(())
}
