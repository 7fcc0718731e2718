//! A turn that another gateway sends to this one: it runs like a client's own, with everything that makes it survive,
//! and its events go over the link.

use std::sync::Arc;

use bytes::BytesMut;
use pomona_protocol::limits::EVENT_FRAME_BYTES_MAX;
use pomona_protocol::{TurnEvent, TurnId, TurnRequest, encode_frame};
use pomona_transport::SendStream;
use tokio::io::AsyncWriteExt;

use super::turn::refuse;
use crate::Handle;
use crate::shared::Shared;

pub(super) async fn run(shared: Arc<Shared>, mut request: TurnRequest, mut stream: SendStream) {
    // A turn of this gateway's own, which numbers its tries from 1 again: under its first name a node that has seen
    // later ones of the other gateway would refuse it.
    let Ok(id) = getrandom_u128() else { return };
    request.turn = TurnId(id);
    let handle = Handle { shared };
    let client = match handle.connect().await {
        Ok(client) => client,
        Err(cause) => return refuse(&mut stream, cause).await,
    };
    let mut events = match client.start(request).await {
        Ok(events) => events,
        Err(cause) => return refuse(&mut stream, cause).await,
    };
    let mut frame = BytesMut::new();
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            // The other gateway wants no more; dropping the events cancels the turn.
            _ = stream.stopped() => return,
        };
        let Some(event) = event else { break };
        if matches!(event, TurnEvent::Resumed { .. }) {
            continue;
        }
        frame.clear();
        if encode_frame(&event, &mut frame, EVENT_FRAME_BYTES_MAX).is_err()
            || stream.write_all(&frame).await.is_err()
        {
            return;
        }
    }
    let _ = stream.shutdown().await;
    let _ = stream.stopped().await;
}

fn getrandom_u128() -> Result<u128, getrandom::Error> {
    Ok(u128::from(getrandom::u64()?) << 64 | u128::from(getrandom::u64()?))
}
