//! One question to one source, read to its end within limits: what `fetch` runs for each ask of its plan.
//! Nothing is believed here but lengths; hashes are the caller's.

use std::time::Duration;

use pomona_protocol::{BlobAnswer, BlobManifest, BlobRequest, Cause};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::plan::Fault;
use crate::source::{ByteStream, Source, SourceError};

/// How long the end of a stream is waited for behind its last byte.
const END_WAIT: Duration = Duration::from_millis(500);
/// Bytes that are read at once: each of them is progress.
const READ_BYTES: usize = 64 * 1024;

/// How an ask failed, for the plan and for a person.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) fault: Fault,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self { fault, message: message.into() }
    }
}

/// Asks for a manifest.
pub(crate) async fn manifest(
    source: &dyn Source,
    request: BlobRequest,
    stall: Duration,
) -> Result<BlobManifest, Failure> {
    match ask(source, request, stall).await? {
        (BlobAnswer::Manifest(manifest), _) => Ok(manifest),
        _ => Err(Failure::new(Fault::Garbage, "it answered bytes where a manifest was asked for")),
    }
}

/// Asks for exactly `length` bytes.
pub(crate) async fn bytes(
    source: &dyn Source,
    request: BlobRequest,
    length: u64,
    stall: Duration,
) -> Result<Vec<u8>, Failure> {
    let (answer, mut stream) = ask(source, request, stall).await?;
    match answer {
        BlobAnswer::Bytes { length: offered } if offered == length => {}
        BlobAnswer::Bytes { length: offered } => {
            let message = format!("it offered {offered} bytes where {length} were asked for");
            return Err(Failure::new(Fault::Garbage, message));
        }
        _ => return Err(Failure::new(Fault::Garbage, "it answered a manifest where bytes were asked for")),
    }
    read_all(&mut stream, length as usize, stall).await
}

async fn read_all(stream: &mut ByteStream, length: usize, stall: Duration) -> Result<Vec<u8>, Failure> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        let end = length.min(filled + READ_BYTES);
        let read = timeout(stall, stream.read(&mut bytes[filled..end])).await;
        match read.map_err(|_| stalled(stall))? {
            Ok(0) => {
                let message = format!("its stream ended after {filled} of {length} bytes");
                return Err(Failure::new(Fault::Broken, message));
            }
            Ok(read) => filled += read,
            Err(error) => return Err(Failure::new(Fault::Broken, error.to_string())),
        }
    }
    // All bytes are here; only one too many would tell against them.
    match timeout(END_WAIT, stream.read(&mut [0])).await {
        Ok(Ok(1..)) => Err(Failure::new(Fault::Garbage, format!("it sent more than {length} bytes"))),
        Ok(Ok(0) | Err(_)) | Err(_) => Ok(bytes),
    }
}

async fn ask(
    source: &dyn Source,
    request: BlobRequest,
    stall: Duration,
) -> Result<(BlobAnswer, ByteStream), Failure> {
    let answer = timeout(stall, source.ask(request)).await.map_err(|_| stalled(stall))?;
    match answer {
        Ok((BlobAnswer::Refused(cause), _)) => Err(refused(&cause)),
        Ok(given) => Ok(given),
        Err(error @ SourceError::Broken { .. }) => Err(Failure::new(Fault::Broken, error.to_string())),
        Err(error @ SourceError::Garbage { .. }) => Err(Failure::new(Fault::Garbage, error.to_string())),
    }
}

fn refused(cause: &Cause) -> Failure {
    let fault = match cause {
        Cause::Overloaded { .. } | Cause::ModelUnavailable { .. } | Cause::NodeDraining { .. } => Fault::Busy,
        Cause::UnknownModel { .. } | Cause::InvalidRequest { .. } | Cause::NotAHost { .. } => Fault::Lacks,
        _ => Fault::Broken,
    };
    Failure::new(fault, format!("it refused: {}", cause.to_string().chars().take(300).collect::<String>()))
}

fn stalled(stall: Duration) -> Failure {
    Failure::new(Fault::Stalled, format!("nothing came for {} ms", stall.as_millis()))
}
