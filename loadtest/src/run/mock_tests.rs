//! A gateway for the tests of `run`: each connection is answered by a script, byte for byte.

use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

/// What a mock says to each request.
#[derive(Clone, Debug)]
pub(super) enum Says {
    /// These bytes of an event stream in chunks, with a pause before each, and whether the body ends.
    Stream(Vec<String>, Duration, bool),
    /// A status and a body.
    Answer(u16, String),
    /// These messages to each start on a WebSocket, `ID` standing for its id.
    Messages(Vec<String>),
    /// Nothing, ever.
    Nothing,
}

/// A server that lives as long as this.
pub(super) struct Mock {
    pub(super) url: String,
    _tasks: JoinSet<()>,
}

impl Mock {
    pub(super) async fn start(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let says = Arc::new(says);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let says = Arc::clone(&says);
                connections.spawn(async move {
                    // A client that went away is what some tests are about.
                    let _ = match &*says {
                        Says::Messages(messages) => socket(stream, messages).await,
                        says => serve(stream, says).await,
                    };
                });
            }
        });
        Self { url, _tasks: tasks }
    }
}

async fn serve(mut stream: TcpStream, says: &Says) -> Option<()> {
    let mut heard = Vec::new();
    loop {
        let length = loop {
            if let Some(length) = request_length(&heard) {
                break length;
            }
            if stream.read_buf(&mut heard).await.ok()? == 0 {
                return None;
            }
        };
        heard.drain(..length);
        match says {
            Says::Nothing => std::future::pending().await,
            Says::Answer(status, body) => {
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(head.as_bytes()).await.ok()?;
            }
            Says::Stream(pieces, pause, ends) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.ok()?;
                for piece in pieces {
                    tokio::time::sleep(*pause).await;
                    let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
                    stream.write_all(chunk.as_bytes()).await.ok()?;
                }
                if !ends {
                    return None;
                }
                stream.write_all(b"0\r\n\r\n").await.ok()?;
            }
            Says::Messages(_) => return None,
        }
    }
}

async fn socket(stream: TcpStream, messages: &[String]) -> Option<()> {
    let mut socket = tokio_tungstenite::accept_async(stream).await.ok()?;
    while let Some(Ok(message)) = socket.next().await {
        let said: serde_json::Value = serde_json::from_str(message.to_text().ok()?).ok()?;
        let id = said["id"].as_str()?;
        let answers: &[String] = if said["type"] == "start" { messages } else { &[] };
        for answer in answers {
            socket.send(Message::text(answer.replace("ID", id))).await.ok()?;
        }
        if said["type"] == "cancel" {
            let end =
                format!("{{\"type\":\"finished\",\"id\":\"{id}\",\"reason\":\"cancelled\",\"text\":\"\"}}");
            socket.send(Message::text(end)).await.ok()?;
        }
    }
    Some(())
}

/// Bytes of the first request, once all of it is there.
fn request_length(heard: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(heard);
    let (head, _) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let whole = head.len() + 4 + length.unwrap_or(0);
    (heard.len() >= whole).then_some(whole)
}

/// A chunk of a chat completion.
pub(super) fn chunk(text: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n"
    )
}

/// The end of a chat completion, with a count of its tokens.
pub(super) fn end(tokens: u32) -> String {
    format!(
        "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"length\"}}]}}\n\n\
         data: {{\"id\":\"c\",\"choices\":[],\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":{tokens}}}}}\n\ndata: [DONE]\n\n"
    )
}
