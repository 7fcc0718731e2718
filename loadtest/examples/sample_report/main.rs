//! Writes pages of runs that never were, to look at them while working on the pages:
//! `cargo run -p pomona-loadtest --example sample_report -- FOLDER`.

mod samples;
mod studies;

use std::path::PathBuf;

use pomona_loadtest::{html, junit, words};

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".to_owned()));
    std::fs::create_dir_all(&folder)?;
    for (name, report) in samples::all() {
        std::fs::write(folder.join(format!("{name}.html")), html::page(&report))?;
        std::fs::write(folder.join(format!("{name}.xml")), junit::suite(&report))?;
        std::fs::write(folder.join(format!("{name}.txt")), words::summary(&report, false))?;
    }
    for (name, page) in studies::pages() {
        std::fs::write(folder.join(format!("{name}.html")), page)?;
    }
    Ok(())
}
