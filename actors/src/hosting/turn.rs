//! One turn that a gateway sent here: a task between the engine's socket and the gateway's stream. Frames pass as
//! they came; what passed is held, so that the gateway can go on over another link, or come back after it lost one.
//! Spawned by [`super::serve_link`], ends with the terminal event, with the gateway's cancel, or when nobody came back.

use std::io::ErrorKind;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use pomona_protocol::limits::EVENT_FRAME_BYTES_MAX;
use pomona_protocol::{Cause, TurnEvent, encode_frame};
use pomona_transport::SendStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::held::{Held, Kept};
use crate::engine_link::TurnStream;
use crate::trace::Phases;

/// Bytes on the way to a gateway that does not read, before the engine is asked to wait.
const UNSENT_BYTES_MAX: usize = 64 * 1024;

/// A stream that a turn's events go to.
pub(super) struct Sink {
    pub(super) stream: SendStream,
    /// Index of the first token that the gateway wants.
    pub(super) from: u32,
    /// Where the stream goes back when the turn is not held from there; its opener starts the turn anew. Without
    /// it the stream is told so.
    pub(super) back: Option<oneshot::Sender<SendStream>>,
}

/// How the gateway's side went.
enum Gone {
    /// It wants no more.
    Cancelled,
    /// Its link broke.
    Lost,
}

pub(super) struct HostedTurn {
    engine: TurnStream,
    held: Held,
    sink: Option<SendStream>,
    unsent: BytesMut,
    has_ended: bool,
    /// Whether it ended without an answer.
    has_failed: bool,
    /// Whether the engine's stream may serve another turn.
    is_clean: bool,
    grace: Duration,
    /// When it is given up, while nobody listens.
    given_up_at: Option<Instant>,
    phases: Phases,
}

impl HostedTurn {
    pub(super) fn new(
        engine: TurnStream,
        sink: Sink,
        held_bytes_max: usize,
        grace: Duration,
        phases: Phases,
    ) -> Self {
        Self {
            engine,
            held: Held::new(sink.from, held_bytes_max),
            sink: Some(sink.stream),
            unsent: BytesMut::new(),
            has_ended: false,
            has_failed: false,
            is_clean: true,
            grace,
            given_up_at: None,
            phases,
        }
    }

    /// Runs to the end. Gives the engine's stream back when its turn ended cleanly.
    pub(super) async fn run(mut self, sinks: &mut mpsc::Receiver<Sink>) -> Option<TurnStream> {
        let mut buffer = BytesMut::with_capacity(4096);
        loop {
            while let Some((frame, kept)) = self.held.take(&mut buffer) {
                self.pass(frame, kept);
            }
            if self.has_ended && self.unsent.is_empty() && self.was_received(sinks).await {
                return self.is_clean.then_some(self.engine);
            }
            let may_read = !self.has_ended && self.unsent.len() < UNSENT_BYTES_MAX;
            let deadline = self.given_up_at.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            let gone = tokio::select! {
                biased;
                gone = send(&mut self.sink, &mut self.unsent) => gone,
                Some(sink) = sinks.recv() => match self.switch(sink).await {
                    Switched::On => continue,
                    Switched::Over => return None,
                },
                read = self.engine.socket.read_buf(&mut buffer), if may_read => {
                    if !matches!(read, Ok(1..)) {
                        self.fail("its stream ended");
                    }
                    continue;
                }
                () = tokio::time::sleep_until(deadline), if self.given_up_at.is_some() => return None,
            };
            match gone {
                None => {}
                Some(Gone::Cancelled) => return None,
                Some(Gone::Lost) => self.orphan(),
            }
        }
    }

    fn pass(&mut self, frame: Bytes, kept: Kept) {
        if self.has_ended {
            return;
        }
        match kept {
            Kept::Broken => self.fail("it broke the protocol"),
            Kept::Event | Kept::Prefill => self.unsent.extend_from_slice(&frame),
            Kept::Tokens => {
                self.unsent.extend_from_slice(&frame);
                self.phases.on_token();
            }
            Kept::Finished | Kept::Failed => {
                self.unsent.extend_from_slice(&frame);
                self.has_ended = true;
                self.has_failed = kept == Kept::Failed;
            }
        }
        if self.sink.is_none() {
            self.unsent.clear();
        }
    }

    /// The engine was lost: the gateway hears it as the terminal event and goes elsewhere.
    fn fail(&mut self, message: &str) {
        let event = TurnEvent::Failed { cause: Cause::EngineLost { message: message.to_owned() } };
        let mut frame = BytesMut::new();
        if encode_frame(&event, &mut frame, EVENT_FRAME_BYTES_MAX).is_ok() {
            self.held.take(&mut frame.clone());
            self.unsent.extend_from_slice(&frame);
        }
        (self.has_ended, self.has_failed) = (true, true);
        self.is_clean = false;
    }

    /// Nobody listens; the turn goes on for a while, in case that somebody comes back.
    fn orphan(&mut self) {
        self.sink = None;
        self.unsent.clear();
        self.given_up_at = Some(Instant::now() + self.grace);
    }

    /// Goes on to another stream, from a token that is held.
    async fn switch(&mut self, mut sink: Sink) -> Switched {
        // Whoever starts a failed turn anew has heard of the failure.
        let starts_anew = self.has_failed && sink.back.is_some();
        if let Some(unsent) = self.held.from(sink.from).filter(|_| !starts_anew) {
            self.unsent = unsent;
            self.given_up_at = None;
            self.sink = Some(sink.stream);
            return Switched::On;
        }
        match sink.back {
            Some(back) => {
                let _ = back.send(sink.stream);
                Switched::Over
            }
            None => {
                refuse(&mut sink.stream, Cause::TurnNotHeld).await;
                Switched::On
            }
        }
    }

    /// Ends the stream and waits until the gateway has everything. False when something else came up.
    async fn was_received(&mut self, sinks: &mut mpsc::Receiver<Sink>) -> bool {
        let Some(sink) = &mut self.sink else { return false };
        let _ = sink.finish();
        tokio::select! {
            stopped = sink.stopped() => {
                if stopped.is_err() {
                    self.orphan();
                }
                stopped.is_ok()
            }
            Some(sink) = sinks.recv() => {
                // Whoever starts the turn anew finds it complete here; nothing can be missing.
                matches!(self.switch(sink).await, Switched::Over)
            }
        }
    }
}

/// Whether a turn goes on after another stream asked for it.
enum Switched {
    On,
    Over,
}

/// The turn is over here: whoever asked for it in the last moment hears so.
pub(super) async fn leave(mut sinks: mpsc::Receiver<Sink>) {
    sinks.close();
    while let Some(Sink { mut stream, back, .. }) = sinks.recv().await {
        match back {
            Some(back) => drop(back.send(stream)),
            None => refuse(&mut stream, Cause::TurnNotHeld).await,
        }
    }
}

/// Writes some of what is unsent, or waits until the other side has enough; says whether it is gone.
async fn send(sink: &mut Option<SendStream>, unsent: &mut BytesMut) -> Option<Gone> {
    let Some(stream) = sink else { return std::future::pending().await };
    if unsent.is_empty() {
        return Some(match stream.stopped().await {
            Ok(_) => Gone::Cancelled,
            Err(_) => Gone::Lost,
        });
    }
    match AsyncWriteExt::write(stream, unsent).await {
        Ok(written) => {
            unsent.advance(written);
            None
        }
        // A stream that was stopped by its reader; a lost link is `NotConnected`.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Some(Gone::Cancelled),
        Err(_) => Some(Gone::Lost),
    }
}

/// Says why there is nothing to be had on this stream.
pub(super) async fn refuse(stream: &mut SendStream, cause: Cause) {
    let mut frame = BytesMut::new();
    if encode_frame(&TurnEvent::Failed { cause }, &mut frame, EVENT_FRAME_BYTES_MAX).is_ok() {
        let _ = stream.write_all(&frame).await;
        let _ = stream.finish();
    }
}
