//! Several gateways of one cluster: who is asked, and what happens when one goes away.

use std::net::{TcpListener, TcpStream};

use pomona_client::ClientError;
use socket2::SockRef;

use crate::canned::{canned, client_of, json};

const MODELS: &str = r#"{"data":[{"id":"sprout"}]}"#;

/// An address at which nobody listens.
fn nobody() -> String {
    format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

/// An address at which nothing comes back: the queue for connections is full.
fn silent() -> ((TcpListener, TcpStream), String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    SockRef::from(&listener).listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    ((listener, TcpStream::connect(address).unwrap()), format!("http://{address}"))
}

/// A gateway that takes a connection to be tried, and then serves `requests`.
fn gateway(requests: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        drop(listener.accept().unwrap());
        for _ in 0..requests {
            let (mut connection, _) = listener.accept().unwrap();
            crate::canned::read_request(&mut connection);
            let answer = json("200 OK", MODELS).replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
            std::io::Write::write_all(&mut connection, answer.as_bytes()).unwrap();
        }
    });
    url
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_is_passed_over_and_the_other_kept() {
    let (first, second) = (nobody(), gateway(2));
    let client = client_of(&[&first, &second]);
    assert_eq!(client.url().as_str(), format!("{first}/"));
    for _ in 0..2 {
        assert_eq!(client.models().await.unwrap()[0].id, "sprout");
        assert_eq!(client.url().as_str(), format!("{second}/"));
    }
}

#[tokio::test]
async fn a_gateway_that_is_silent_gets_a_head_start_only() {
    let (_full, first) = silent();
    let second = gateway(1);
    let client = client_of(&[&first, &second]);
    assert_eq!(client.models().await.unwrap()[0].id, "sprout");
}

#[tokio::test]
async fn a_gateway_that_went_away_is_replaced_by_another() {
    let (first, second) = (gateway(1), gateway(1));
    let client = client_of(&[&first, &second]);
    client.models().await.unwrap();
    assert_eq!(client.url().as_str(), format!("{first}/"));
    client.models().await.unwrap();
    assert_eq!(client.url().as_str(), format!("{second}/"));
}

#[tokio::test]
async fn when_nobody_answers_each_address_is_named() {
    let (first, second) = (nobody(), nobody());
    let error = client_of(&[&first, &second]).models().await.unwrap_err();
    let expected = format!("no gateway can be reached: {first}: nobody listens; {second}: nobody listens");
    assert_eq!(error.to_string(), expected);
    assert!(error.is_unavailable());
}

#[tokio::test]
async fn a_single_gateway_is_asked_without_a_try() {
    let gateway = canned(json("500 Oops", r#"{"error":{"message":"m","code":"internal_error"}}"#), true);
    let error = client_of(&[&gateway.url]).models().await.unwrap_err();
    assert!(matches!(error, ClientError::Api { status: 500, .. }), "{error:?}");
}
