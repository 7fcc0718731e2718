//! One connection to an engine: opens turns one after another, or watches.
//!
//! A peer that closes or says anything while a turn runs cancels it. Bytes that are no frame end this
//! connection with a named failure, and no other.

use bytes::BytesMut;
use pomona_protocol::limits::{EVENT_FRAME_BYTES_MAX, REQUEST_FRAME_BYTES_MAX};
use pomona_protocol::{Cause, FrameDecoder, FrameError, Open, TurnEvent, encode_frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::{Service, turn, watch};

/// Whether a connection goes on after what it opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The next `Open` may come.
    KeepAlive,
    /// The peer has gone or cannot be spoken to.
    Close,
}

/// Serves a connection to its end.
pub(super) async fn run(stream: UnixStream, service: Service) {
    let (mut reader, mut writer) = stream.into_split();
    let mut decoder = FrameDecoder::<Open>::new(REQUEST_FRAME_BYTES_MAX);
    loop {
        let open = match next_open(&mut reader, &mut decoder).await {
            Ok(Some(open)) => open,
            Ok(None) => return,
            Err(error) => {
                let cause = Cause::Protocol { message: error.to_string() };
                refuse(&mut writer, cause).await;
                return;
            }
        };
        let served = async {
            match open {
                Open::Turn { request, .. } => turn::run(&mut writer, &service, *request).await,
                Open::Watch => watch::run(&mut writer, &service).await,
                Open::Attach { .. } | Open::Blob(_) | Open::Session(_) => {
                    let message = "an engine answers turns and watches only".to_owned();
                    refuse(&mut writer, Cause::Protocol { message }).await;
                    After::Close
                }
            }
        };
        let after = tokio::select! {
            // Served first: who reads the last event and opens the next turn at once cancels nothing.
            biased;
            after = served => after,
            () = peer_speaks(&mut reader, decoder.buffer()) => After::Close,
        };
        if after == After::Close {
            return;
        }
    }
}

async fn next_open(
    reader: &mut OwnedReadHalf,
    decoder: &mut FrameDecoder<Open>,
) -> Result<Option<Open>, FrameError> {
    loop {
        if let Some(open) = decoder.next_frame()? {
            return Ok(Some(open));
        }
        match reader.read_buf(decoder.buffer()).await {
            Ok(0) | Err(_) => return Ok(None),
            Ok(_) => {}
        }
    }
}

/// Completes when the peer closes or sends anything.
async fn peer_speaks(reader: &mut OwnedReadHalf, buffer: &mut BytesMut) {
    // What arrived makes no difference: the connection ends.
    let _ = reader.read_buf(buffer).await;
}

/// Says why the connection ends. Both kinds of stream read this frame as their `Failed`.
async fn refuse(writer: &mut OwnedWriteHalf, cause: Cause) {
    let mut frame = BytesMut::new();
    if encode_frame(&TurnEvent::Failed { cause }, &mut frame, EVENT_FRAME_BYTES_MAX).is_ok() {
        // The peer may have gone; then there is nobody to tell.
        let _ = writer.write_all(&frame).await;
    }
}
