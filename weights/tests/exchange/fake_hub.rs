//! A hub that does what a test tells it: it serves files from memory over plain HTTP, and cuts, lies, stalls and
//! sends elsewhere on request. One connection per question. Used by the tests of `weights` and of whole processes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The commit that every revision is at.
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// Files from this size on are listed with a SHA-256, as a hub does it.
pub(crate) const LARGE_BYTES: usize = 4096;
const CHUNK_BYTES: usize = 64 * 1024;

/// What is wrong with one answer.
#[derive(Clone, Debug)]
pub(crate) enum Trick {
    /// The connection ends after this many bytes of the body.
    Cut(usize),
    /// Nothing more comes after this many bytes of the body.
    Stall(usize),
    /// The body has this many bytes more than it should.
    Longer(usize),
    /// The length that is told is that of a file with this many bytes.
    Total(usize),
    /// Every byte of the body is another one.
    Flip,
    /// All of the file, whatever was asked for.
    IgnoreRange,
    /// This status, with `Retry-After` in seconds.
    Status(u16, Option<u64>),
    /// This status and a header that says why.
    Code(u16, &'static str),
    /// Ask there.
    Redirect(String),
    /// Each chunk of the body comes this much later.
    Slow(Duration),
}

/// One question that was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Path and query.
    pub(crate) path: String,
    /// The `Range` header.
    pub(crate) range: Option<String>,
    /// The `Authorization` header.
    pub(crate) authorization: Option<String>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    /// Other sizes in the list than the true ones.
    listed_sizes: BTreeMap<String, u64>,
    /// By a part of the path: what is wrong, and how often.
    tricks: Vec<(String, Trick, u32)>,
    asked: Vec<Asked>,
    /// What a search finds; without it this hub is a mirror that has none.
    found: Option<String>,
}

/// A running hub; dropping it ends it.
pub(crate) struct FakeHub {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _accepting: JoinSet<()>,
}

impl FakeHub {
    /// Starts one on loopback.
    pub(crate) async fn start(files: &[(&str, Vec<u8>)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let files = files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.clone())).collect();
        let state = Arc::new(Mutex::new(State { files, ..State::default() }));
        let shared = Arc::clone(&state);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&shared)));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, state, _accepting: accepting }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Does this the next `times` times that a path with `part` in it is asked for.
    pub(crate) fn play(&self, part: &str, trick: Trick, times: u32) {
        self.state.lock().unwrap().tricks.push((part.to_owned(), trick, times));
    }

    /// Ends all tricks.
    pub(crate) fn behave(&self) {
        self.state.lock().unwrap().tricks.clear();
    }

    /// Lists another size than a file has.
    pub(crate) fn list_size(&self, path: &str, bytes: u64) {
        self.state.lock().unwrap().listed_sizes.insert(path.to_owned(), bytes);
    }

    /// Has other files from now on.
    pub(crate) fn put(&self, path: &str, bytes: Vec<u8>) {
        self.state.lock().unwrap().files.insert(path.to_owned(), bytes);
    }

    /// Answers every search with this from now on.
    pub(crate) fn find(&self, answer: &str) {
        self.state.lock().unwrap().found = Some(answer.to_owned());
    }

    /// What was asked until now.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }
}

/// What is played on this question.
fn trick(state: &Mutex<State>, path: &str) -> Option<Trick> {
    let mut state = state.lock().unwrap();
    let found =
        state.tricks.iter_mut().find(|(part, _, times)| path.contains(part.as_str()) && *times > 0)?;
    found.2 -= 1;
    Some(found.1.clone())
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 64 * 1024 {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let range = header("range");
    let asked = Asked { path: path.clone(), range: range.clone(), authorization: header("authorization") };
    state.lock().unwrap().asked.push(asked);
    let trick = trick(&state, &path);
    // A client that has seen enough closes early.
    let _ = answer(&mut stream, &state, &path, range, trick).await;
    let _ = stream.shutdown().await;
}

async fn answer(
    stream: &mut TcpStream,
    state: &Mutex<State>,
    path: &str,
    range: Option<String>,
    trick: Option<Trick>,
) -> std::io::Result<()> {
    match &trick {
        Some(Trick::Status(status, retry)) => {
            let retry = retry.map_or(String::new(), |seconds| format!("Retry-After: {seconds}\r\n"));
            return head(stream, *status, 0, &retry).await;
        }
        Some(Trick::Code(status, code)) => {
            return head(
                stream,
                *status,
                0,
                &format!("X-Error-Code: {code}\r\nX-Error-Message: it is {code}\r\n"),
            )
            .await;
        }
        Some(Trick::Redirect(to)) => return head(stream, 302, 0, &format!("Location: {to}\r\n")).await,
        _ => {}
    }
    let found = state.lock().unwrap().found.clone();
    if let Some(found) = found.filter(|_| path.starts_with("/api/models?")) {
        head(stream, 200, found.len(), "").await?;
        return body(stream, found.as_bytes(), trick.as_ref()).await;
    }
    if path.starts_with("/api/models/") {
        let list = list(&state.lock().unwrap());
        head(stream, 200, list.len(), "").await?;
        return body(stream, list.as_bytes(), trick.as_ref()).await;
    }
    let name = path.split_once("/resolve/").and_then(|(_, rest)| Some(rest.split_once('/')?.1.to_owned()));
    let name = name.unwrap_or_else(|| path.trim_start_matches("/cdn/").to_owned());
    let Some(file) = state.lock().unwrap().files.get(&name).cloned() else {
        return head(stream, 404, 0, "X-Error-Code: EntryNotFound\r\n").await;
    };
    let total = if let Some(Trick::Total(total)) = trick { total } else { file.len() };
    let span = range.filter(|_| !matches!(trick, Some(Trick::IgnoreRange))).and_then(|range| {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?))
    });
    let mut bytes = match span {
        Some((first, _)) if first >= file.len() => {
            return head(stream, 416, 0, &format!("Content-Range: bytes */{total}\r\n")).await;
        }
        Some((first, last)) => file[first..file.len().min(last + 1)].to_vec(),
        None => file,
    };
    if let Some(Trick::Longer(more)) = trick {
        bytes.extend(std::iter::repeat_n(7, more));
    }
    if let Some(Trick::Flip) = trick {
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
    }
    match span {
        Some((first, _)) => {
            let last = first + bytes.len() - 1;
            head(stream, 206, bytes.len(), &format!("Content-Range: bytes {first}-{last}/{total}\r\n"))
                .await?;
        }
        None if total == bytes.len() || matches!(trick, Some(Trick::Total(_))) => {
            head(stream, 200, total, "").await?
        }
        None => head(stream, 200, bytes.len(), "").await?,
    }
    body(stream, &bytes, trick.as_ref()).await
}

async fn head(stream: &mut TcpStream, status: u16, length: usize, more: &str) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n");
    stream.write_all(head.as_bytes()).await
}

async fn body(stream: &mut TcpStream, bytes: &[u8], trick: Option<&Trick>) -> std::io::Result<()> {
    match trick {
        Some(Trick::Cut(after)) => stream.write_all(&bytes[..bytes.len().min(*after)]).await,
        Some(Trick::Stall(after)) => {
            stream.write_all(&bytes[..bytes.len().min(*after)]).await?;
            std::future::pending().await
        }
        Some(Trick::Slow(pause)) => {
            for chunk in bytes.chunks(CHUNK_BYTES) {
                stream.write_all(chunk).await?;
                tokio::time::sleep(*pause).await;
            }
            Ok(())
        }
        _ => stream.write_all(bytes).await,
    }
}

fn list(state: &State) -> String {
    let sibling = |(path, bytes): (&String, &Vec<u8>)| {
        let size = state.listed_sizes.get(path).copied().unwrap_or(bytes.len() as u64);
        let name = serde_json::Value::from(path.as_str());
        let blob = hex(&Sha1::digest([format!("blob {}\0", bytes.len()).as_bytes(), bytes].concat()));
        if bytes.len() < LARGE_BYTES {
            return format!(r#"{{"rfilename":{name},"size":{size},"blobId":"{blob}"}}"#);
        }
        let sha256 = hex(&Sha256::digest(bytes));
        format!(
            r#"{{"rfilename":{name},"size":{size},"blobId":"{blob}","lfs":{{"sha256":"{sha256}","size":{size},"pointerSize":135}}}}"#
        )
    };
    let siblings: Vec<String> = state.files.iter().map(sibling).collect();
    format!(r#"{{"id":"a/b","sha":"{COMMIT}","siblings":[{}]}}"#, siblings.join(","))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
