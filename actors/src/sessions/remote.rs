//! A session that lives on another gateway: its side of the stream that [`super::serve`] answers there.

use std::task::{Context, Poll};

use bytes::BytesMut;
use pomona_protocol::limits::{REQUEST_FRAME_BYTES_MAX, SESSION_FRAME_BYTES_MAX};
use pomona_protocol::{
    Cause, FrameDecoder, Open, SessionAttach, SessionFrame, SessionNews, SessionOpen, SessionReply,
    SessionRequest, encode_frame,
};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::stream::SessionStream;
use crate::owned;
use crate::route::{PeerRoute, TurnIo};

/// News on their way to a client here; what is more waits in the stream, and at last at the session's own buffer.
const NEWS_MAX: usize = 64;

/// Asks a session there.
pub(super) async fn ask(route: &PeerRoute, request: &SessionRequest) -> Result<SessionReply, Cause> {
    let mut frames = Frames::open(route, SessionOpen::Command(Box::new(request.clone()))).await?;
    match frames.next().await? {
        SessionFrame::Reply(reply) => reply,
        SessionFrame::News(_) | SessionFrame::Attached { .. } => Err(broken("news in place of an answer")),
    }
}

/// Listens to a session there.
pub(super) async fn attach(route: &PeerRoute, attach: &SessionAttach) -> Result<SessionStream, Cause> {
    let mut frames = Frames::open(route, SessionOpen::Attach(attach.clone())).await?;
    // An older gateway begins with news and does not say which client this is.
    let (client, first) = match frames.next().await? {
        SessionFrame::Attached { client } => (Some(client), None),
        SessionFrame::News(news) => (None, Some(news)),
        SessionFrame::Reply(Err(cause)) => return Err(cause),
        SessionFrame::Reply(Ok(_)) => return Err(broken("an answer in place of news")),
    };
    let (said, heard) = mpsc::channel(NEWS_MAX);
    let reader = owned::spawn(async move {
        let mut next = first;
        loop {
            if let Some(news) = next
                && said.send(news).await.is_err()
            {
                return;
            }
            next = match frames.next().await {
                Ok(SessionFrame::News(news)) => Some(news),
                Ok(SessionFrame::Reply(_) | SessionFrame::Attached { .. }) | Err(_) => return,
            };
        }
    });
    Ok(SessionStream::there(Remote { client, heard, _reader: reader }))
}

/// A client of a session on another gateway. One whose link breaks is cut off as `moved`.
pub(super) struct Remote {
    client: Option<u64>,
    heard: mpsc::Receiver<SessionNews>,
    _reader: AbortOnDropHandle<()>,
}

impl Remote {
    pub(super) fn client(&self) -> Option<u64> {
        self.client
    }

    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<SessionNews> {
        let moved = || SessionNews::Cut { reason: "moved".to_owned() };
        self.heard.poll_recv(context).map(|news| news.unwrap_or_else(moved))
    }
}

/// What the other gateway says on one stream.
struct Frames {
    io: TurnIo,
    decoder: FrameDecoder<SessionFrame>,
    node: String,
}

impl Frames {
    async fn open(route: &PeerRoute, what: SessionOpen) -> Result<Self, Cause> {
        let node = route.node.to_string();
        let mut open = BytesMut::new();
        encode_frame(&Open::Session(what), &mut open, REQUEST_FRAME_BYTES_MAX).map_err(|error| {
            Cause::InvalidRequest { parameter: "input".to_owned(), message: error.to_string() }
        })?;
        let io = route.open(&open).await.map_err(|error| lost(&node, &error.to_string()))?;
        Ok(Self { io, decoder: FrameDecoder::new(SESSION_FRAME_BYTES_MAX), node })
    }

    async fn next(&mut self) -> Result<SessionFrame, Cause> {
        loop {
            if let Some(frame) = self.decoder.next_frame().map_err(|error| broken(&error.to_string()))? {
                return Ok(frame);
            }
            match self.io.read(self.decoder.buffer()).await {
                Ok(0) => return Err(lost(&self.node, "its stream ended")),
                Ok(_) => {}
                Err(error) => return Err(lost(&self.node, &error.to_string())),
            }
        }
    }
}

fn lost(node: &str, message: &str) -> Cause {
    Cause::LinkLost { node: node.to_owned(), message: message.to_owned() }
}

fn broken(message: &str) -> Cause {
    Cause::Protocol { message: message.to_owned() }
}
