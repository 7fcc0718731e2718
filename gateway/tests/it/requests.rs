//! What a request may say, and what a wrong one is told.

use serde_json::{Value, json};

use crate::server::{KEY, MODEL, Server, chat, merged};

struct Refusal {
    route: &'static str,
    body: Vec<u8>,
    status: u16,
    code: &'static str,
    param: Value,
    says: &'static [&'static str],
}

fn chat_with(
    changes: Value,
    status: u16,
    code: &'static str,
    param: &str,
    says: &'static [&'static str],
) -> Refusal {
    let body = merged(chat(), changes).to_string().into_bytes();
    Refusal { route: "/v1/chat/completions", body, status, code, param: param.into(), says }
}

fn text_with(changes: Value, code: &'static str, param: &str, says: &'static [&'static str]) -> Refusal {
    let body = merged(json!({"model": MODEL, "prompt": "Once"}), changes).to_string().into_bytes();
    Refusal { route: "/v1/completions", body, status: 400, code, param: param.into(), says }
}

fn raw(body: impl Into<Vec<u8>>, code: &'static str, says: &'static [&'static str]) -> Refusal {
    let route = "/v1/chat/completions";
    Refusal { route, body: body.into(), status: 400, code, param: Value::Null, says }
}

fn invalid(changes: Value, param: &str, says: &'static [&'static str]) -> Refusal {
    chat_with(changes, 400, "invalid_request", param, says)
}

fn typed(body: impl Into<Vec<u8>>, param: &str, says: &'static [&'static str]) -> Refusal {
    Refusal { param: param.into(), ..raw(body, "invalid_request", says) }
}

fn refusals() -> Vec<Refusal> {
    let long = "word ".repeat(6000);
    let image =
        |url: &str| json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]);
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let schema = |schema: Value| json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}});
    let deep = || (0..70).fold(json!({}), |inner, _| json!({"items": inner}));
    let nested = |before: &str| [before.as_bytes(), &b"[".repeat(1 << 20)].concat();
    let broken_text = [&b"{\"model\":\""[..], &[0xff, 0xfe], b"\"}"].concat();
    vec![
        chat_with(json!({"model": "gpt-9"}), 404, "model_not_found", "model", &["gpt-9", MODEL]),
        invalid(json!({"messages": []}), "messages", &["empty"]),
        invalid(
            json!({"messages": vec![chat()["messages"][0].clone(); 3000]}),
            "messages",
            &["3000", "2048"],
        ),
        invalid(
            json!({"messages": [{"role": "robot", "content": "x"}]}),
            "messages[0].role",
            &["robot", "developer"],
        ),
        invalid(json!({"messages": [{"role": "user"}]}), "messages[0].content", &["missing"]),
        chat_with(
            json!({"messages": image("data:,")}),
            400,
            "invalid_image",
            "messages[0].content[0].image_url",
            &["no base64 data"],
        ),
        chat_with(
            json!({"messages": image("https://example.com/a.png")}),
            400,
            "image_not_fetched",
            "messages[0].content[0].image_url",
            &["not fetched", "data:image/png"],
        ),
        chat_with(
            json!({"messages": image("data:text/html;base64,AAAA")}),
            400,
            "image_type_not_supported",
            "messages[0].content[0].image_url",
            &["text/html", "image/webp"],
        ),
        chat_with(
            json!({"messages": [{"role": "user", "content": long}]}),
            400,
            "context_length_exceeded",
            "messages",
            &["tokens"],
        ),
        invalid(json!({"max_tokens": 0}), "max_tokens", &["is 0", "1 to"]),
        invalid(json!({"max_tokens": -1}), "max_tokens", &["is -1"]),
        invalid(json!({"max_completion_tokens": 0}), "max_completion_tokens", &["is 0"]),
        invalid(json!({"temperature": 2.1}), "temperature", &["2.1", "0 to 2"]),
        invalid(json!({"temperature": -0.1}), "temperature", &["-0.1"]),
        invalid(json!({"top_p": 0}), "top_p", &["above 0"]),
        invalid(json!({"top_p": 1e-60}), "top_p", &["above 0"]),
        invalid(json!({"top_k": -2}), "top_k", &["-2"]),
        invalid(json!({"min_p": 1.5}), "min_p", &["0 to 1"]),
        invalid(json!({"repetition_penalty": 0}), "repetition_penalty", &["above 0"]),
        invalid(json!({"presence_penalty": 3}), "presence_penalty", &["-2 to 2"]),
        invalid(json!({"frequency_penalty": -3}), "frequency_penalty", &["-2 to 2"]),
        invalid(json!({"logit_bias": {"a": 1}}), "logit_bias", &["`a`", "token ids"]),
        invalid(json!({"logit_bias": {"5": 101}}), "logit_bias", &["101", "-100 to 100"]),
        invalid(json!({"n": 1000}), "n", &["1000", "1 to 16"]),
        invalid(json!({"n": 0}), "n", &["is 0"]),
        invalid(json!({"stop": vec!["x"; 10_000]}), "stop", &["10000", "16"]),
        invalid(json!({"stop": ""}), "stop", &["0 bytes"]),
        invalid(json!({"stop": "x".repeat(300)}), "stop", &["300 bytes", "256"]),
        invalid(json!({"top_logprobs": 3}), "top_logprobs", &["without"]),
        invalid(json!({"logprobs": true, "top_logprobs": 21}), "top_logprobs", &["0 to 20"]),
        chat_with(
            json!({"tools": [{"type": "web_search"}]}),
            400,
            "tool_type_not_supported",
            "tools[0].type",
            &["web_search", "`function`"],
        ),
        invalid(json!({"tools": vec![tool("f"); 129]}), "tools", &["129", "at most 128"]),
        invalid(json!({"tools": vec![tool("f"); 2]}), "tools", &["two tools", "`f`"]),
        invalid(json!({"tools": [tool("a b")]}), "tools[0].function.name", &["`a b`", "letters"]),
        invalid(json!({"tools": [{"type": "function"}]}), "tools[0].function", &["missing"]),
        invalid(json!({"tools": [tool("f")], "tool_choice": "any"}), "tool_choice", &["`any`", "required"]),
        invalid(json!({"tool_choice": "required"}), "tool_choice", &["no tools"]),
        chat_with(
            json!({"functions": [{"name": "f"}]}),
            400,
            "functions_not_supported",
            "functions",
            &["tools"],
        ),
        chat_with(
            json!({"response_format": {"type": "xml"}}),
            400,
            "response_format_not_supported",
            "response_format",
            &["xml", "json_schema"],
        ),
        invalid(schema(deep()), "response_format.json_schema.schema", &["deeper than 64"]),
        invalid(schema(json!({"x": "y".repeat(300_000)})), "response_format.json_schema.schema", &["262144"]),
        invalid(json!({"guided_regex": "a", "guided_grammar": "b"}), "guided_grammar", &["one format"]),
        invalid(json!({"reasoning_effort": "huge"}), "reasoning_effort", &["huge", "high"]),
        invalid(
            json!({"messages": [{"role": "tool", "tool_call_id": "c", "content": "21"}]}),
            "messages[0]",
            &["`c`", "nobody made"],
        ),
        raw(nested(""), "invalid_request", &["line 1"]),
        typed(nested("{\"messages\": "), "messages[0]", &["line 1"]),
        raw(nested("{\"messages\": [{\"content\": "), "invalid_json", &["recursion limit", "line 1"]),
        raw(nested("{\"unknown\": "), "invalid_json", &["line 1"]),
        raw(broken_text, "invalid_json", &["line 1 column"]),
        raw("{\"temperature\": NaN}", "invalid_json", &["line 1 column"]),
        raw("{\"temperature\": 1e999}", "invalid_json", &["out of range"]),
        raw("{\"model\": \"tiny\"", "invalid_json", &["EOF"]),
        raw("", "invalid_json", &[]),
        typed("{\"model\": 5}", "model", &["line 1 column", "string"]),
        typed("{\"model\": \"tiny\", \"messages\": {}}", "messages", &["sequence"]),
        raw("{\"messages\": []}", "invalid_request", &["model"]),
        raw("[1]", "invalid_request", &[]),
        text_with(json!({"prompt": []}), "invalid_request", "prompt", &["empty"]),
        text_with(json!({"prompt": vec!["x"; 17]}), "invalid_request", "prompt", &["17", "16"]),
        text_with(json!({"prompt": ["x", "y"], "n": 9}), "invalid_request", "prompt", &["18"]),
        text_with(json!({"logprobs": 6}), "invalid_request", "logprobs", &["0 to 5"]),
        text_with(json!({"echo": true}), "echo_not_supported", "echo", &[]),
        text_with(json!({"suffix": "end"}), "suffix_not_supported", "suffix", &[]),
        text_with(json!({"best_of": 4}), "best_of_not_supported", "best_of", &[]),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_request_is_told_what_is_wrong_in_openais_shape() {
    let server = Server::start().await;
    for stream in [false, true] {
        for case in refusals() {
            let shown = String::from_utf8_lossy(&case.body[..case.body.len().min(200)]).into_owned();
            let mut body = case.body;
            if stream && body.starts_with(b"{") && body.ends_with(b"}") {
                body.splice(1..1, *b"\"stream\": true, ");
            }
            let request = server.request("POST", case.route).header("content-type", "application/json");
            let response = request.body(body).send().await.unwrap();
            let status = response.status().as_u16();
            let answer: Value = response.json().await.unwrap();
            let error = &answer["error"];
            assert_eq!((status, error["code"].as_str()), (case.status, Some(case.code)), "{shown}: {answer}");
            assert_eq!(error["param"], case.param, "{shown}: {answer}");
            assert!(error["type"].is_string(), "{answer}");
            for word in case.says {
                assert!(error["message"].as_str().unwrap().contains(word), "{shown}: {word} in {answer}");
            }
        }
    }
    server.until_idle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_over_the_context_is_told_both_numbers() {
    let server = Server::start().await;
    let context = server.system.handle().models()[0].context_tokens;
    let messages = json!([{"role": "user", "content": "word ".repeat(6000)}]);
    let answer: Value = server.chat(json!({"messages": messages})).await.json().await.unwrap();
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains(&context.to_string()), "{message}");
    let numbers = message.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<u32>().ok());
    assert!(numbers.max().unwrap() > context, "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_methods_and_types_are_checked_in_the_same_shape() {
    let server = Server::start().await;
    let cases = [
        (server.request("GET", "/v2/nothing"), 404, "route_not_found"),
        (server.request("GET", "/v1/models/nobody"), 404, "model_not_found"),
        (server.request("GET", "/v1/chat/completions"), 405, "method_not_allowed"),
        (server.request("DELETE", "/v1/models"), 405, "method_not_allowed"),
        (server.request("POST", "/v1/chat/completions").body("{}"), 415, "unsupported_media_type"),
        (
            server.request("POST", "/v1/completions").header("content-type", "text/plain").body("{}"),
            415,
            "unsupported_media_type",
        ),
        (server.request("GET", "/v1/chat/stream"), 400, "websocket_expected"),
    ];
    for (request, status, code) in cases {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{code}");
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers().contains_key("allow"), status == 405);
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["error"]["code"], code, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_answer_has_openais_shape() {
    let server = Server::start().await;
    let body = json!({"n": 2, "logprobs": true, "top_logprobs": 2, "ignore_eos": true, "user": "ignored"});
    let response = server.chat(body).await;
    assert_eq!(response.status(), 200);
    let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["model"], MODEL);
    assert_eq!(request_id.strip_prefix("turn_"), answer["id"].as_str().unwrap().strip_prefix("chatcmpl-"));
    let choices = answer["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 2);
    for (index, choice) in choices.iter().enumerate() {
        assert_eq!(choice["index"], index);
        assert_eq!(choice["finish_reason"], "length");
        assert_eq!(choice["message"]["role"], "assistant");
        assert!(!choice["message"]["content"].as_str().unwrap().is_empty());
        let tokens = choice["logprobs"]["content"].as_array().unwrap();
        assert_eq!(tokens.len(), 8);
        assert_eq!(tokens[0]["top_logprobs"].as_array().unwrap().len(), 2);
        assert!(tokens.iter().all(|token| token["logprob"].as_f64().unwrap() <= 0.0));
    }
    let usage = &answer["usage"];
    assert_eq!(usage["completion_tokens"], 16, "both answers count");
    let prompt = usage["prompt_tokens"].as_u64().unwrap();
    assert!(prompt > 0 && usage["total_tokens"].as_u64() == Some(prompt + 16), "the prompt counts once");
    assert!(usage["prompt_tokens_details"]["cached_tokens"].is_u64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_completion_takes_text_texts_or_tokens() {
    let server = Server::start().await;
    for (prompt, choices) in
        [(json!("Once"), 1), (json!(["Once"]), 1), (json!(["a b", "c d"]), 2), (json!([5, 6, 7]), 1)]
    {
        let body =
            json!({"model": MODEL, "prompt": prompt, "max_tokens": 4, "logprobs": 1, "ignore_eos": true});
        let response = server.post("/v1/completions", &body).await;
        assert_eq!(response.status(), 200, "{prompt}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["object"], "text_completion");
        assert_eq!(answer["choices"].as_array().unwrap().len(), choices, "{prompt}");
        let choice = &answer["choices"][choices - 1];
        assert_eq!(choice["finish_reason"], "length");
        let logprobs = &choice["logprobs"];
        for list in ["tokens", "token_logprobs", "top_logprobs", "text_offset"] {
            assert_eq!(logprobs[list].as_array().unwrap().len(), 4, "{list}");
        }
        assert_eq!(answer["usage"]["completion_tokens"], 4 * choices);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_seed_gives_the_same_answer_however_it_is_sent() {
    let server = Server::start().await;
    let body = json!({"temperature": 1.2, "seed": 3, "max_tokens": 24, "ignore_eos": true});
    let mut texts = Vec::new();
    for _ in 0..2 {
        let answer: Value = server.chat(body.clone()).await.json().await.unwrap();
        texts.push(answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned());
    }
    assert_eq!(texts[0], texts[1]);
    let stream = server.chat(merged(body, json!({"stream": true}))).await.text().await.unwrap();
    assert_eq!(crate::streams::read(&stream).text(0), texts[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_are_listed_with_their_cards() {
    let server = Server::start().await;
    let list: Value = server.request("GET", "/v1/models").send().await.unwrap().json().await.unwrap();
    assert_eq!(list["object"], "list");
    assert_eq!(list["data"][0]["id"], MODEL);
    assert!(list["data"][0]["pomona"]["context_tokens"].as_u64().unwrap() > 0);
    let one: Value = server.request("GET", "/v1/models/tiny").send().await.unwrap().json().await.unwrap();
    assert_eq!(one, list["data"][0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_find_what_they_ask_for() {
    let server = Server::start().await;
    server.chat(json!({})).await;
    for (path, content_type, says) in [
        ("/healthz", "text/plain", "ok"),
        ("/readyz", "text/plain", "ready"),
        (
            "/metrics",
            "text/plain",
            "pomona_http_requests_total{code=\"200\",route=\"/v1/chat/completions\"} 1",
        ),
        ("/admin/status", "application/json", "\"cluster\":"),
        ("/openapi.json", "application/json", "/v1/chat/completions"),
        ("/", "text/html", "<title>Pomona</title>"),
        ("/s/ses_1", "text/html", "<title>Pomona</title>"),
        ("/v3/me", "application/json", "\"role\":\"admin\""),
    ] {
        let response = server.request("GET", path).header("x-api-key", KEY).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let given = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(given.starts_with(content_type), "{path}: {given}");
        let text = response.text().await.unwrap();
        assert!(text.contains(says), "{path}: {text}");
    }
}

/// Which model a request means is never guessed, however many there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_names_its_model() {
    let server = Server::start().await;
    for (path, body) in [
        ("/v1/chat/completions", json!({"messages": [{"role": "user", "content": "x"}]})),
        ("/v1/completions", json!({"prompt": "x"})),
    ] {
        let response = server.post(path, &body).await;
        assert_eq!(response.status(), 400, "{path}");
        let answer: Value = response.json().await.unwrap();
        assert!(answer["error"]["message"].as_str().unwrap().contains("missing field `model`"), "{answer}");
    }
    let list: Value = server.request("GET", "/v1/models").send().await.unwrap().json().await.unwrap();
    for entry in list["data"].as_array().unwrap() {
        let id = entry["id"].as_str().unwrap();
        let one = server.request("GET", &format!("/v1/models/{id}")).send().await.unwrap();
        assert_eq!(one.json::<Value>().await.unwrap(), *entry);
        assert_eq!(server.chat(json!({"model": id})).await.status(), 200);
    }
}
