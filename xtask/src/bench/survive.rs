//! How long readers wait when a machine is lost under them, and whether they get what they would have got.

use anyhow::Result;

use super::Binaries;
use super::table::{Table, Target};
use crate::chaos::{self, ChaosArguments};

/// Faults per round; `cargo xtask chaos` takes more.
const KILLS: u32 = 40;

pub(super) async fn measure(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let arguments = ChaosArguments {
        kills: KILLS,
        streams: 32,
        nodes: 3,
        tokens: 300,
        seed: None,
        paced: false,
        loopback: false,
        json: false,
    };
    let report = chaos::measure(binaries, &arguments).await?;
    let rows = [
        ("a lost node, until its streams move, p95", &report.detection, 1000.0),
        ("a lost node, until the next token, p95", &report.next_token, 1500.0),
        ("a drained node, silence of its streams, p95", &report.drain, 150.0),
    ];
    for (name, spread, limit) in rows {
        if spread.count() > 0 {
            table.add(name, "ms", Target::AtMost(limit), spread.at(0.95));
        }
    }
    let name = format!("answers that {KILLS} faults have changed");
    table.add(&name, "answers", Target::AtMost(0.0), report.differing() as f64);
    Ok(())
}
