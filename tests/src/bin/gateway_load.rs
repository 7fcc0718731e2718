//! Puts load on a gateway: its only argument is a plan as JSON, its output the report as JSON. A process of its own, so
//! that it can be kept on a core of its own.
#![expect(clippy::print_stdout, reason = "a command-line tool answers on standard output")]

use anyhow::{Context, Result};
use pomona_tests::load::{self, Plan};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let plan = std::env::args().nth(1).context("a plan as JSON is missing")?;
    let plan: Plan = serde_json::from_str(&plan).context("the plan does not parse")?;
    println!("{}", serde_json::to_string(&load::run(&plan).await?)?);
    Ok(())
}
