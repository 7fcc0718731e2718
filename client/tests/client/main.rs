//! The client against a gateway made of canned bytes: what is sent, what answers mean, what dropping does.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod admin;
mod canned;
mod reach;
mod sessions;
mod trust;

use std::net::TcpListener;
use std::time::Duration;

use futures::StreamExt;
use pomona_client::{ChatEvent, ChatMessage, ChatRequest, ClientError};
use pomona_protocol::{ModelCard, ModelId, Role, Usage};

use canned::{canned, client, json};

fn events(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{body}")
}

fn question() -> ChatRequest {
    ChatRequest {
        model: "sprout".to_owned(),
        messages: vec![ChatMessage::new(Role::User, "hi")],
        seed: Some(7),
        ..ChatRequest::default()
    }
}

async fn answer(body: &str) -> Vec<Result<ChatEvent, ClientError>> {
    let gateway = canned(events(body), true);
    client(&gateway.url).chat_stream(&question()).await.unwrap().collect().await
}

fn delta(text: &str) -> Result<ChatEvent, ClientError> {
    Ok(ChatEvent::Delta(text.to_owned()))
}

#[tokio::test]
async fn thoughts_and_calls_are_told_apart() {
    let body = concat!(
        "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\",\"tool_calls\":null}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"c\",\"type\":\"function\",",
        "\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"{}\"}}]}}]}\n\n",
        "data: [DONE]\n\n",
    );
    let call = |name: Option<&str>, arguments: &str| {
        let (name, arguments) = (name.map(str::to_owned), arguments.to_owned());
        Ok(ChatEvent::Call { index: 1, name, arguments })
    };
    let expected = vec![
        Ok(ChatEvent::Started { model: "m".to_owned() }),
        Ok(ChatEvent::Thought("hm".to_owned())),
        call(Some("f"), ""),
        call(None, "{}"),
    ];
    assert_eq!(answer(body).await, expected);
}

#[tokio::test]
async fn an_answer_comes_as_its_events_in_order() {
    let body = concat!(
        "data: {\"model\":\"sprout\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
        ": keep-alive\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}],\"usage\":null}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":1}}}\n\n",
        "data: [DONE]\n\n",
    );
    let usage = Usage { prompt_tokens: 3, cached_tokens: 1, completion_tokens: 2, ..Usage::default() };
    let expected = vec![
        Ok(ChatEvent::Started { model: "sprout".to_owned() }),
        delta("Hel"),
        delta("lo"),
        Ok(ChatEvent::Finished { reason: "stop".to_owned() }),
        Ok(ChatEvent::Usage(usage)),
    ];
    assert_eq!(answer(body).await, expected);
}

#[tokio::test]
async fn a_stream_without_its_end_is_an_error_behind_what_came() {
    let events = answer("data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n").await;
    assert_eq!(events[1], delta("a"));
    assert!(matches!(events[2], Err(ClientError::Lost { .. })), "{events:?}");
    assert_eq!(events.len(), 3);
}

#[tokio::test]
async fn an_error_within_the_stream_keeps_its_code() {
    let events = answer(
        "data: {\"error\":{\"message\":\"gone\",\"code\":\"engine_lost\",\"type\":\"server_error\"}}\n\n",
    )
    .await;
    let expected = ClientError::Api {
        status: 0,
        code: "engine_lost".to_owned(),
        message: "gone".to_owned(),
        retry_after_s: None,
    };
    assert_eq!(events, [Err(expected)]);
}

#[tokio::test]
async fn data_that_is_no_chunk_is_a_protocol_error() {
    assert!(matches!(answer("data: <html>\n\n").await[..], [Err(ClientError::Protocol { .. })]));
}

#[tokio::test]
async fn the_key_and_the_question_are_sent_and_nothing_that_was_not_set() {
    let gateway = canned(events("data: [DONE]\n\n"), true);
    let _ = client(&gateway.url).chat_stream(&question()).await.unwrap();
    let asked = gateway.asked.recv().unwrap();
    assert!(asked.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{asked}");
    assert!(asked.to_lowercase().contains("\r\nauthorization: bearer pom_test\r\n"), "{asked}");
    let body = asked.split_once("\r\n\r\n").unwrap().1;
    let expected = serde_json::json!({
        "model": "sprout",
        "messages": [{"role": "user", "content": "hi"}],
        "seed": 7,
        "stream": true,
        "stream_options": {"include_usage": true},
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap(), expected);
}

#[tokio::test]
async fn dropping_the_stream_closes_the_request() {
    let body = "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let gateway = canned(events(body), false);
    let mut stream = client(&gateway.url).chat_stream(&question()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    assert!(gateway.closed.recv_timeout(Duration::from_millis(100)).is_err());
    drop(stream);
    tokio::task::spawn_blocking(move || gateway.closed.recv_timeout(Duration::from_secs(5)).unwrap())
        .await
        .unwrap();
}

#[tokio::test]
async fn nobody_listening_names_the_remedy() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = client(&format!("http://{free}")).models().await.unwrap_err();
    assert_eq!(error.to_string(), format!("no gateway answers at http://{free}; start it with `pomona up`"));
    assert!(error.is_unavailable());
}

#[tokio::test]
async fn a_refusal_keeps_what_the_gateway_said() {
    for (status, body, expected) in [
        (
            "401 Unauthorized",
            r#"{"error":{"message":"no such key","code":"invalid_api_key"}}"#,
            "refused the key (no such key); give the right one with --key-file or POMONA_KEY",
        ),
        ("429 Too Many", r#"{"error":{"message":"busy","code":"overloaded"}}"#, "busy (overloaded)"),
        (
            "400 Bad",
            r#"{"error":{"message":"what","type":"invalid_request_error"}}"#,
            "what (invalid_request_error)",
        ),
        ("502 Bad Gateway", "<html>", "does not speak as a gateway does: status 502 Bad Gateway"),
    ] {
        let gateway = canned(json(status, body), true);
        let error = client(&gateway.url).models().await.unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
    }
}

#[tokio::test]
async fn models_of_any_gateway_are_read() {
    let card = ModelCard {
        id: ModelId::from("sprout"),
        architecture: "llama".to_owned(),
        parameters: 5,
        dtype: "bf16".to_owned(),
        context_tokens: 2048,
        vocabulary: 4096,
        weight_bytes: 10,
        kv_bytes_per_token: 1,
        ..ModelCard::default()
    };
    let ours = serde_json::json!({ "id": "sprout", "object": "model", "owned_by": "pomona", "pomona": card });
    let body = serde_json::json!({ "object": "list", "data": [ours, { "id": "x" }] }).to_string();
    let gateway = canned(json("200 OK", &body), true);
    let models = client(&gateway.url).models().await.unwrap();
    assert_eq!((models[0].id.as_str(), &models[0].card), ("sprout", &Some(card)));
    assert_eq!((models[1].id.as_str(), &models[1].card), ("x", &None));
}
