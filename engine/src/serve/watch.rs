//! One watcher on a connection: hears of loading, then of load.

use std::time::Duration;

use bytes::BytesMut;
use pomona_protocol::limits::EVENT_FRAME_BYTES_MAX;
use pomona_protocol::{EngineReport, encode_frame};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::watch::Receiver;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::Service;
use super::connection::After;
use super::thread::Phase;

/// Shortest time between two reports.
const REPORT_PAUSE: Duration = Duration::from_millis(50);
/// Quiet looks after which a report is sent all the same: 200 ms, so that a watcher who counts on 250 ms is
/// never let down by a late timer.
const QUIET_LOOKS_MAX: u32 = 4;

/// Reports until the engine fails or the watcher goes.
pub(super) async fn run(writer: &mut OwnedWriteHalf, service: &Service) -> After {
    let mut phase = service.phase.clone();
    // A watcher that cannot be written to has gone.
    let reported = async {
        if report_loading(writer, &mut phase).await? {
            report_load(writer, service, &mut phase).await?;
        }
        Some(())
    };
    let _ = reported.await;
    After::Close
}

/// Reports on loading; true when the model is ready.
async fn report_loading(writer: &mut OwnedWriteHalf, phase: &mut Receiver<Phase>) -> Option<bool> {
    loop {
        let now = phase.borrow_and_update().clone();
        let (report, settled) = match now {
            Phase::Loading { bytes_done, bytes_total } => {
                (EngineReport::Loading { bytes_done, bytes_total }, None)
            }
            Phase::Ready(model) => {
                (EngineReport::Ready { card: model.card.clone(), load_ms: model.load_ms }, Some(true))
            }
            Phase::Failed(cause) => (EngineReport::Failed { cause }, Some(false)),
        };
        write(writer, &report).await?;
        if settled.is_some() {
            return settled;
        }
        sleep(REPORT_PAUSE).await;
        // A change and a long silence are both worth a report; a sender that has gone shows as one or the other.
        if let Ok(Err(_)) = timeout(REPORT_PAUSE * QUIET_LOOKS_MAX - REPORT_PAUSE, phase.changed()).await {
            return None;
        }
    }
}

async fn report_load(
    writer: &mut OwnedWriteHalf,
    service: &Service,
    phase: &mut Receiver<Phase>,
) -> Option<()> {
    let mut looks = interval(REPORT_PAUSE);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = None;
    let mut steps_said = 0;
    let mut quiet_looks = 0;
    loop {
        looks.tick().await;
        let failure = match &*phase.borrow_and_update() {
            Phase::Failed(cause) => Some(cause.clone()),
            Phase::Loading { .. } | Phase::Ready(_) => None,
        };
        if let Some(cause) = failure {
            return write(writer, &EngineReport::Failed { cause }).await;
        }
        let mut load = service.board.snapshot(steps_said);
        let samples = std::mem::take(&mut load.samples);
        quiet_looks += 1;
        if said.as_ref() == Some(&load) && quiet_looks < QUIET_LOOKS_MAX {
            continue;
        }
        quiet_looks = 0;
        steps_said = load.steps;
        said = Some(load.clone());
        load.samples = samples;
        write(writer, &EngineReport::Load(load)).await?;
    }
}

async fn write(writer: &mut OwnedWriteHalf, report: &EngineReport) -> Option<()> {
    let mut frame = BytesMut::new();
    // The most samples that a report carries take 40 KiB.
    encode_frame(report, &mut frame, EVENT_FRAME_BYTES_MAX).ok()?;
    writer.write_all(&frame).await.ok()
}
