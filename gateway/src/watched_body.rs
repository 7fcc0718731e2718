//! A response's body whose polls are watched, as those of its handler are: what streams tokens works there.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use pomona_actors::LongPolls;

/// See the module.
pub(crate) struct WatchedBody {
    body: Body,
    route: &'static str,
    polls: LongPolls,
}

impl WatchedBody {
    pub(crate) fn wrap(body: Body, route: &'static str, polls: LongPolls) -> Body {
        Body::new(Self { body, route, polls })
    }
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let began = Instant::now();
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.polls.note(self.route, began.elapsed());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
