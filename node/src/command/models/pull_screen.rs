//! How far a pull is, for whoever looks: a bar on a terminal, a line at every tenth elsewhere, or one event per line
//! for programs.

use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use pomona_weights::hub::PullEvent;
use serde_json::{Value, json};

use crate::command::status::bytes;
use crate::output::{self, harmless};

/// Lines between the first byte and the last one where no terminal shows a bar.
const LINES: u64 = 10;

/// Where progress is shown.
pub(super) struct Screen {
    json: bool,
    bar: ProgressBar,
    /// Tenths that were told.
    told: AtomicU64,
}

impl Screen {
    pub(super) fn new(json: bool) -> Self {
        let bar = if json { ProgressBar::hidden() } else { ProgressBar::no_length() };
        let template = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Self { json, bar, told: AtomicU64::new(0) }
    }

    /// Tells an event. Whoever reads them and has left is no reason to stop.
    pub(super) fn show(&self, event: &PullEvent) {
        if self.json {
            let _ = output::line(&as_json(event).to_string());
            return;
        }
        match event {
            PullEvent::Selected { model, files, bytes_total, bytes_done, .. } => {
                self.bar.set_message(harmless(&model.0));
                self.bar.set_length(*bytes_total);
                self.bar.set_position(*bytes_done);
                self.bar.reset_eta();
                let there = if *bytes_done == 0 {
                    String::new()
                } else {
                    format!(", {} are here", bytes(*bytes_done))
                };
                self.remark(&format!(
                    "{}: {files} files, {}{there}",
                    harmless(&model.0),
                    bytes(*bytes_total)
                ));
            }
            PullEvent::Progress { bytes_done, bytes_total } => {
                self.bar.set_position(*bytes_done);
                self.tell_tenth(*bytes_done, *bytes_total);
            }
            PullEvent::Retry { what, message, pause } => {
                let seconds = pause.as_secs_f32();
                self.remark(&format!("{}: {}; again in {seconds:.1} s", harmless(what), harmless(message)));
            }
            PullEvent::Proving { path, .. } => self.bar.set_message(format!("proving {}", harmless(path))),
            PullEvent::Mismatch { path } => {
                self.remark(&format!("{} came damaged and is taken again", harmless(path)));
            }
        }
    }

    /// Nothing more comes.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }

    fn tell_tenth(&self, done: u64, total: u64) {
        let tenth = u128::from(done) * u128::from(LINES) / u128::from(total.max(1));
        let tenth = tenth as u64;
        if self.bar.is_hidden() && self.told.fetch_max(tenth, Ordering::Relaxed) < tenth {
            output::remark(&format!("{} of {}", bytes(done), bytes(total)));
        }
    }

    fn remark(&self, text: &str) {
        self.bar.suspend(|| output::remark(text));
    }
}

fn as_json(event: &PullEvent) -> Value {
    match event {
        PullEvent::Selected { model, commit, files, bytes_total, bytes_done, folder: _ } => json!({
            "event": "selected", "model": model, "commit": commit, "files": files,
            "bytes_total": bytes_total, "bytes_done": bytes_done
        }),
        PullEvent::Progress { bytes_done, bytes_total } => {
            json!({ "event": "progress", "bytes_done": bytes_done, "bytes_total": bytes_total })
        }
        PullEvent::Retry { what, message, pause } => json!({
            "event": "retry", "what": what, "message": message, "pause_ms": pause.as_millis() as u64
        }),
        PullEvent::Proving { path, bytes } => json!({ "event": "proving", "path": path, "bytes": bytes }),
        PullEvent::Mismatch { path } => json!({ "event": "mismatch", "path": path }),
    }
}
