//! The built-in model through the whole gateway, over server-sent events: tokens per second of all streams
//! together.

use anyhow::Result;
use pomona_tests::Launch;

use super::table::{Table, Target};
use super::{Binaries, load};

/// Tokens of each answer.
const TOKENS: u32 = 256;

pub(super) async fn measure(binaries: &Binaries, table: &mut Table) -> Result<()> {
    let pomona = Launch::default().program(&binaries.pomona).start().await?;
    let story = load::turn("Tell me a long story about an orchard.", TOKENS);
    load::streams(&pomona.api, 1, &load::turn("warm up", 8)).await?;
    let mut speeds = Vec::new();
    for count in [1, 8, 32] {
        let took = load::streams(&pomona.api, count, &story).await?;
        let speed = f64::from(count * TOKENS) / took.as_secs_f64();
        let plural = if count == 1 { "stream" } else { "streams" };
        table.add(&format!("sprout through the gateway, {count} {plural}"), "tokens/s", Target::None, speed);
        speeds.push(speed);
    }
    if let [one, _, many] = speeds.as_slice() {
        table.add("sprout, 32 streams against one", "×", Target::AtLeast(6.0), many / one);
    }
    Ok(())
}
