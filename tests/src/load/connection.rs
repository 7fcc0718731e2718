//! One connection to a gateway: writes a request that is bytes already, and reads its answer piece by piece.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::framing::{Body, Head};

/// Bytes of one read.
const READ_BYTES: usize = 16 * 1024;
/// Bytes of an answer's head, at most.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Bytes of a failed answer that are told.
const TOLD_BYTES: usize = 300;

pub(super) struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    body: Body,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("no connection")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, input: Vec::with_capacity(READ_BYTES), body: Body::Ended })
    }

    /// Sends a request and reads the head of its answer; an answer other than 200 is an error.
    pub(super) async fn ask(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await.context("the request could not be sent")?;
        let head = loop {
            if let Some(head) = Head::parse(&self.input)? {
                break head;
            }
            ensure!(self.input.len() < HEAD_BYTES_MAX, "an answer with a head past {HEAD_BYTES_MAX} bytes");
            self.read().await?;
        };
        self.input.drain(..head.bytes);
        self.body = head.body;
        if head.status != 200 {
            let mut told = Vec::new();
            while told.len() < TOLD_BYTES && self.more(&mut told).await? {}
            told.truncate(TOLD_BYTES);
            bail!("status {}: {}", head.status, String::from_utf8_lossy(&told));
        }
        Ok(())
    }

    /// Appends what has come of the body, waiting for something; `false` behind its end.
    pub(super) async fn more(&mut self, out: &mut Vec<u8>) -> Result<bool> {
        let before = out.len();
        loop {
            self.body.take(&mut self.input, out)?;
            if out.len() > before {
                return Ok(true);
            }
            if self.body == Body::Ended {
                return Ok(false);
            }
            if self.body == Body::UntilClosed && self.stream.read_buf(&mut self.input).await? == 0 {
                self.body = Body::Ended;
            } else if self.body != Body::UntilClosed {
                self.read().await?;
            }
        }
    }

    async fn read(&mut self) -> Result<()> {
        self.input.reserve(READ_BYTES);
        let count = self.stream.read_buf(&mut self.input).await.context("the answer broke")?;
        ensure!(count > 0, "the connection closed within an answer");
        Ok(())
    }
}
