//! An answer as it comes. Dropping the stream closes the request, and the gateway then stops the turn.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt};
use reqwest::{Response, Url};

use crate::chat::Chunk;
use crate::error::shown;
use crate::sse::{SseEvent, SseParser};
use crate::{ChatEvent, ClientError};

/// Bytes of one event: text of a few tokens with twenty alternatives each takes a few KiB.
const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// A gateway sends a comment at least every 60 s while it has nothing to say; after two that did not come, none will.
const SILENCE_MAX: Duration = Duration::from_secs(125);

/// The events of one answer; ends behind the first error.
pub struct ChatStream {
    events: Pin<Box<dyn Stream<Item = Result<ChatEvent, ClientError>> + Send>>,
}

impl Stream for ChatStream {
    type Item = Result<ChatEvent, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.as_mut().poll_next(context)
    }
}

impl ChatStream {
    /// The stream of an accepted request.
    pub(crate) fn new(url: Url, response: Response) -> Self {
        let body = Body { response, parser: SseParser::new(EVENT_BYTES_MAX), reader: Reader::new(url) };
        let events = stream::unfold(Some(body), |body| async {
            let mut body = body?;
            match body.next().await {
                Ok(Some(event)) => Some((Ok(event), Some(body))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        });
        Self { events: events.boxed() }
    }
}

/// The connection with what was read from it.
struct Body {
    response: Response,
    parser: SseParser,
    reader: Reader,
}

impl Body {
    async fn next(&mut self) -> Result<Option<ChatEvent>, ClientError> {
        loop {
            if let Some(event) = self.reader.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.reader.done {
                return Ok(None);
            }
            self.read().await?;
        }
    }

    /// Waits for the next bytes and takes in what they complete.
    async fn read(&mut self) -> Result<(), ClientError> {
        let url = &self.reader.url;
        let silent = |_| ClientError::Silent { url: shown(url), waited_s: SILENCE_MAX.as_secs() };
        let chunk = tokio::time::timeout(SILENCE_MAX, self.response.chunk()).await.map_err(silent)?;
        let Some(bytes) = chunk.map_err(|error| ClientError::of_body(url, &error))? else {
            return Err(ClientError::Lost { url: shown(url), message: "the stream ended early".to_owned() });
        };
        let mut events = Vec::new();
        self.parser.feed(&bytes, &mut events).map_err(|error| self.reader.broken(&error.to_string()))?;
        events.iter().try_for_each(|event| self.reader.accept(event))
    }
}

/// What the events mean, without I/O.
struct Reader {
    url: Url,
    started: bool,
    done: bool,
    ready: VecDeque<ChatEvent>,
}

impl Reader {
    fn new(url: Url) -> Self {
        Self { url, started: false, done: false, ready: VecDeque::new() }
    }

    fn accept(&mut self, event: &SseEvent) -> Result<(), ClientError> {
        if self.done {
            return Ok(());
        }
        if event.data.trim() == "[DONE]" {
            self.done = true;
            return Ok(());
        }
        let chunk: Chunk =
            serde_json::from_str(&event.data).map_err(|error| self.broken(&error.to_string()))?;
        if let Some(error) = chunk.error {
            let code = error.code();
            return Err(ClientError::Api { status: 0, code, message: error.message, retry_after_s: None });
        }
        if !std::mem::replace(&mut self.started, true) {
            self.ready.push_back(ChatEvent::Started { model: chunk.model });
        }
        for choice in chunk.choices {
            let thought = choice.delta.reasoning_content.filter(|text| !text.is_empty());
            self.ready.extend(thought.map(ChatEvent::Thought));
            let text = choice.delta.content.filter(|text| !text.is_empty());
            self.ready.extend(text.map(ChatEvent::Delta));
            self.ready.extend(choice.delta.tool_calls.into_iter().flatten().map(|call| ChatEvent::Call {
                index: call.index,
                name: call.function.name,
                arguments: call.function.arguments.unwrap_or_default(),
            }));
            self.ready.extend(choice.finish_reason.map(|reason| ChatEvent::Finished { reason }));
        }
        self.ready.extend(chunk.usage.map(|usage| ChatEvent::Usage(usage.into())));
        Ok(())
    }

    fn broken(&self, message: &str) -> ClientError {
        ClientError::Protocol { url: shown(&self.url), message: message.to_owned() }
    }
}
