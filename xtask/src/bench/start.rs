//! From the spawn of `pomona up` in a fresh home to the first token that a client sees.

use std::time::Instant;

use anyhow::{Context, Result};
use futures::StreamExt;
use pomona_tests::Launch;

use super::table::{Table, Target};
use super::{Binaries, load};

pub(super) async fn measure(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let pomona = Launch::default().program(&binaries.pomona).start().await?;
    let ready = pomona.started().elapsed();
    let asked = Instant::now();
    let response = pomona.api.open_stream(&load::turn("What is Pomona?", 16)).await?;
    let mut bytes = response.bytes_stream();
    let mut seen = String::new();
    while !seen.contains("\"content\":\"") || seen.trim_end().ends_with("\"content\":\"\"") {
        let chunk = bytes.next().await.context("the stream ended without a token")??;
        seen.push_str(&String::from_utf8_lossy(&chunk));
    }
    let first = pomona.started().elapsed();
    table.add("start to ready", "s", Target::None, ready.as_secs_f64());
    table.add("start to first token", "s", Target::AtMost(1.0), first.as_secs_f64());
    table.add("request to first token, idle", "ms", Target::None, asked.elapsed().as_secs_f64() * 1e3);
    Ok(())
}
