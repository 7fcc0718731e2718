//! Answers other gateways that ask for a session which lives here, or which they think does: it is activated here in any
//! case, and if another gateway has it, the epochs decide. Called by `hosting` for each such stream.

use std::sync::Arc;

use bytes::BytesMut;
use pomona_protocol::limits::SESSION_FRAME_BYTES_MAX;
use pomona_protocol::{
    Cause, SessionAttach, SessionFrame, SessionLive, SessionNews, SessionOpen, encode_frame,
};
use pomona_transport::SendStream;

use super::Sessions;
use crate::shared::Shared;

pub(crate) async fn run(shared: Arc<Shared>, open: SessionOpen, mut stream: SendStream) {
    let sessions = Sessions { shared };
    match open {
        SessionOpen::Command(request) => {
            let reply = sessions.ask_here(*request).await;
            say(&mut stream, &SessionFrame::Reply(reply)).await;
        }
        SessionOpen::Attach(attach) => tell(&sessions, attach, &mut stream).await,
    }
    let _ = stream.finish();
    let _ = stream.stopped().await;
}

async fn tell(sessions: &Sessions, attach: SessionAttach, stream: &mut SendStream) {
    let knows_more = attach.words >= 1;
    let mut news = match sessions.attach_here(attach).await {
        Ok(news) => news,
        Err(cause) => {
            say(stream, &SessionFrame::Reply(Err(cause))).await;
            return;
        }
    };
    if let Some(client) = news.client().filter(|_| knows_more)
        && !say(stream, &SessionFrame::Attached { client }).await
    {
        return;
    }
    loop {
        let next = tokio::select! {
            next = news.next() => next,
            // Nobody listens any more.
            _ = stream.stopped() => return,
        };
        let Some(next) = next else { return };
        if !knows_more && matches!(next, SessionNews::Live(SessionLive::Prefill { .. })) {
            continue;
        }
        let is_last = matches!(next, SessionNews::Cut { .. });
        if !say(stream, &SessionFrame::News(next)).await || is_last {
            return;
        }
    }
}

/// Whether it could be said. A stream that is not read stops here, and then the session cuts this client off.
async fn say(stream: &mut SendStream, frame: &SessionFrame) -> bool {
    let mut bytes = BytesMut::new();
    let encoded = encode_frame(frame, &mut bytes, SESSION_FRAME_BYTES_MAX).or_else(|error| {
        let cause = Cause::Internal { message: error.to_string() };
        encode_frame(&SessionFrame::Reply(Err(cause)), &mut bytes, SESSION_FRAME_BYTES_MAX)
    });
    encoded.is_ok() && stream.write_all(&bytes).await.is_ok()
}
