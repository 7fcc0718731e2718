//! Sessions: what is sent for each question, and that a feed has no gap and nothing twice wherever it is cut.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use pomona_client::{ClientError, FeedEvent};
use pomona_protocol::v3::{AskBody, EnvelopeBody, InputBody, NewSessionBody};
use serde_json::{Value, json};

use crate::canned::{canned, client, client_of, json as answer, read_request};

const ID: &str = "ses_00000000000000000000000000000001";

/// One number of the log each; the text of an answer is its words.
const WORDS: [&str; 9] = ["", "Why ", "is ", "the ", "sky", " ", "blue", "?", "!"];

fn envelope(first: usize, last: usize) -> String {
    let body = if last == 1 {
        json!({"type": "branch.chosen", "by": "key_1", "leaf": "t"})
    } else {
        json!({"type": "turn.tokens", "turn": "t", "index": first, "count": last - first + 1, "text": WORDS[first - 1..last].concat()})
    };
    event(Some((first, last)), body)
}

fn event(numbers: Option<(usize, usize)>, mut body: Value) -> String {
    for (name, value) in [("v", json!(3)), ("session", json!(ID)), ("at", json!(0))] {
        body[name] = value;
    }
    if let Some((first, last)) = numbers {
        body["seq"] = json!(last);
        if first != last {
            body["first_seq"] = json!(first);
        }
    }
    let id = numbers.map(|(_, last)| format!("id: {last}\n")).unwrap_or_default();
    format!("{id}event: {}\ndata: {body}\n\n", body["type"].as_str().unwrap())
}

/// A gateway that answers each connection with what `script` makes of its number and cursor; `None` closes it at once.
fn scripted(
    script: impl Fn(usize, usize) -> Option<String> + Send + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut number = 0;
        while let Ok((mut connection, _)) = listener.accept() {
            // A client that has a choice looks first who takes a connection.
            if connection.peek(&mut [0]).is_ok_and(|count| count > 0) {
                serve(&mut connection, number, &script, &seen);
                number += 1;
            }
        }
    });
    (url, asked)
}

fn serve(
    connection: &mut TcpStream,
    number: usize,
    script: &impl Fn(usize, usize) -> Option<String>,
    seen: &Mutex<Vec<String>>,
) {
    let request = read_request(connection);
    let line = request.lines().next().unwrap_or_default().to_owned();
    let after = line.split("after=").nth(1).and_then(|rest| rest.split(['&', ' ']).next());
    let after = after.and_then(|after| after.parse().ok()).unwrap_or(0);
    seen.lock().unwrap().push(request);
    if let Some(answer) = script(number, after) {
        let _ = connection.write_all(answer.as_bytes());
    }
}

fn stream(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{body}")
}

fn deleted() -> String {
    event(Some((10, 10)), json!({"type": "session.deleted", "by": "key_1"}))
}

/// Everything behind a cursor, in pieces that differ from connection to connection, with what was sent before in front.
fn log(number: usize, after: usize) -> String {
    let mut text = event(None, json!({"type": "presence", "clients": []}));
    if number % 3 == 1 && after > 0 {
        text.push_str(&envelope(after, after));
    }
    let mut first = after + 1;
    while first <= WORDS.len() {
        let last = if first == 1 { 1 } else { (first + number % 4).min(WORDS.len()) };
        text.push_str(&envelope(first, last));
        first = last + 1;
    }
    text + &event(None, json!({"type": "heartbeat"})) + &deleted()
}

/// Listens until the end: the text, the numbers, how often the connection was lost, and the error at the end.
async fn heard(url: &str) -> (String, Vec<u64>, usize, ClientError) {
    let mut feed = client(url).attach(ID, 0, "anna");
    let (mut text, mut covered, mut lost) = (String::new(), Vec::new(), 0);
    loop {
        match feed.next().await.unwrap() {
            Ok(FeedEvent::Event(envelope)) => {
                if let Some(seq) = envelope.seq {
                    covered.extend(envelope.first_seq.unwrap_or(seq)..=seq);
                }
                if let EnvelopeBody::TurnTokens { text: more, .. } = envelope.body {
                    text.push_str(&more);
                }
            }
            Ok(FeedEvent::Connected { gateway_url }) => assert_eq!(gateway_url, url),
            Ok(FeedEvent::Lost { .. }) => lost += 1,
            Err(error) => {
                assert!(feed.next().await.is_none());
                return (text, covered, lost, error);
            }
        }
    }
}

#[tokio::test]
async fn a_feed_that_is_cut_anywhere_has_no_gap_and_nothing_twice() {
    let length = stream(&log(0, 0)).len();
    let feeds = (0..24).map(|part| async move {
        // The first connections end after so many bytes; the head of an answer may be cut as well.
        let (url, _) = scripted(move |number, after| {
            let whole = stream(&log(number, after));
            let end = if number < 3 { (length * (part + number) / 26).min(whole.len()) } else { whole.len() };
            Some(whole[..end].to_owned())
        });
        let (text, covered, _, error) = heard(&url).await;
        assert_eq!(text, "Why is the sky blue?!", "cut {part}");
        assert_eq!(covered, (1..=10).collect::<Vec<u64>>(), "cut {part}");
        assert!(matches!(error, ClientError::SessionDeleted { .. }), "{error:?}");
    });
    futures::future::join_all(feeds).await;
}

#[tokio::test]
async fn a_gap_is_never_handed_out_but_asked_for_again() {
    let (url, asked) = scripted(|number, after| {
        let gap = envelope(1, 1) + &envelope(4, 5);
        Some(stream(&if number == 0 { gap } else { log(number, after) }))
    });
    let (_, covered, lost, _) = heard(&url).await;
    assert_eq!((covered, lost), ((1..=10).collect(), 1));
    let asked = asked.lock().unwrap();
    assert!(
        asked[0].starts_with(&format!("GET /v3/sessions/{ID}/events?after=0&name=anna ")),
        "{}",
        asked[0]
    );
    assert!(asked[1].contains("after=1&"), "{}", asked[1]);
    assert!(asked[0].to_lowercase().contains("authorization: bearer pom_test"));
}

#[tokio::test]
async fn a_cut_says_why_and_is_followed_by_another_connection() {
    let (url, _) = scripted(|number, after| {
        let cut = envelope(1, 1) + &event(None, json!({"type": "cut", "reason": "slow", "cursor": 1}));
        Some(stream(&if number == 0 { cut } else { log(number, after) }))
    });
    let mut feed = client(&url).attach(ID, 0, "");
    let mut why = Vec::new();
    while let Some(Ok(event)) = feed.next().await {
        if let FeedEvent::Lost { why: text, .. } = event {
            why.push(text);
        }
    }
    assert_eq!(why, ["this client did not read fast enough"]);
}

#[tokio::test]
async fn a_session_that_is_gone_or_whose_past_is_not_kept_ends_the_feed() {
    for (status, code) in
        [("404 Not Found", "unknown_session"), ("410 Gone", "cursor_gone"), ("400 Bad", "cursor_ahead")]
    {
        let body = json!({"error": {"message": "m", "code": code}}).to_string();
        let (url, _) = scripted(move |number, _| {
            Some(if number == 0 { stream(&envelope(1, 1)) } else { answer(status, &body) })
        });
        let (_, covered, lost, error) = heard(&url).await;
        assert_eq!((covered, lost), (vec![1], 1));
        assert!(matches!(&error, ClientError::Api { code: found, .. } if found == code), "{error:?}");
    }
}

#[tokio::test]
async fn whoever_speaks_nonsense_is_not_asked_for_ever() {
    let (url, asked) = scripted(|_, _| Some(answer("200 OK", "{}")));
    let (_, _, _, error) = heard(&url).await;
    assert!(matches!(error, ClientError::Protocol { .. }), "{error:?}");
    assert_eq!(asked.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn a_lost_gateway_is_replaced_by_another_one() {
    let (first, _) =
        scripted(|_, after| Some(stream(&if after == 0 { envelope(1, 1) } else { String::new() })));
    let (second, _) = scripted(|number, after| Some(stream(&log(number, after))));
    let mut feed = client_of(&[&first, &second]).attach(ID, 0, "");
    let mut gateways = Vec::new();
    while let Some(Ok(event)) = feed.next().await {
        if let FeedEvent::Connected { gateway_url } = event {
            gateways.push(gateway_url);
        }
    }
    gateways.dedup();
    assert_eq!(gateways, [first, second]);
}

#[tokio::test]
async fn a_question_whose_answer_was_lost_is_repeated_with_its_key() {
    let accepted = json!({"session": ID, "turn": "turn_1", "seq": 2, "is_new": false}).to_string();
    let view = answer("404 Not Found", r#"{"error":{"message":"m","code":"unknown_session"}}"#);
    let view = view.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    let (url, asked) = scripted(move |number, _| match number {
        0 => Some(view.clone()),
        1 => None,
        2 => Some("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_owned()),
        _ => Some(answer("200 OK", &accepted)),
    });
    let client = client(&url);
    // A gateway that never said anything is not waited for.
    assert!(client.session(ID).await.is_err());
    let ask = AskBody { input: Some(InputBody::Text("hi".to_owned())), ..AskBody::default() };
    assert_eq!(client.ask(ID, &ask).await.unwrap().turn, "turn_1");
    let asked = asked.lock().unwrap();
    let keys: Vec<&str> = asked[1..]
        .iter()
        .map(|request| request.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).unwrap())
        .collect();
    assert_eq!((keys.len(), keys[0].len()), (3, 32));
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert!(asked[3].starts_with(&format!("POST /v3/sessions/{ID}/turns ")), "{}", asked[3]);
    let body: Value = serde_json::from_str(asked[3].split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body, json!({"input": "hi", "idempotency_key": keys[0]}));
}

#[tokio::test]
async fn a_refusal_is_not_repeated_and_ids_cannot_leave_their_place() {
    let gateway =
        canned(answer("409 Conflict", r#"{"error":{"message":"m","code":"idempotency_conflict"}}"#), true);
    let error = client(&gateway.url).create_session(&NewSessionBody::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Api { status: 409, .. }), "{error:?}");
    for id in ["", " ", "..", "."] {
        let error = client("http://127.0.0.1:1").session(id).await.unwrap_err();
        assert!(matches!(error, ClientError::InvalidName { .. }), "{error:?}");
    }
}
