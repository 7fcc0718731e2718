//! A gateway made of canned bytes.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use pomona_client::{Client, Endpoint, Given, Secret};

/// Answers the first connection with `answer`, hands over what was asked, then waits for the client to close.
pub(crate) struct Canned {
    pub(crate) url: String,
    pub(crate) asked: mpsc::Receiver<String>,
    pub(crate) closed: mpsc::Receiver<()>,
}

pub(crate) fn canned(answer: String, close: bool) -> Canned {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked_sender, asked) = mpsc::channel();
    let (closed_sender, closed) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        asked_sender.send(read_request(&mut connection)).unwrap();
        connection.write_all(answer.as_bytes()).unwrap();
        if !close {
            while connection.read(&mut [0; 100]).is_ok_and(|count| count > 0) {}
        }
        let _ = closed_sender.send(());
    });
    Canned { url, asked, closed }
}

/// The head and the body of the next request.
pub(crate) fn read_request(connection: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = connection.read(&mut piece).unwrap();
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return text;
        }
    }
}

/// A client of one gateway.
pub(crate) fn client(url: &str) -> Client {
    client_of(&[url])
}

/// A client of several gateways.
pub(crate) fn client_of(urls: &[&str]) -> Client {
    let urls = urls.iter().map(|url| (*url).to_owned()).collect();
    let given = Given { urls, key: Secret::new("pom_test"), authority: None };
    Client::new(Endpoint::discover(given, Given::default(), Given::default()).unwrap()).unwrap()
}

/// An answer in JSON.
pub(crate) fn json(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
