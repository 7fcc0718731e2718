//! Questions of a person who chooses what to pull, to hubs that have a search, have none, are slow, lie or refuse.

use std::time::Duration;

use pomona_protocol::HubAnswer;
use pomona_weights::hub::{AskError, Endpoint, Order, PullError, Token, look, search};
use serde_json::json;

use crate::fake_hub::{COMMIT, FakeHub, Trick};
use crate::pull_kit::{Site, files, limits};

/// Generous, since tests share two cores.
const WAIT: Duration = Duration::from_secs(20);

async fn endpoint(hub: &FakeHub) -> Endpoint {
    Endpoint::new(&hub.url(), Token::new("hf_sesame")).await.unwrap()
}

async fn found(hub: &FakeHub, wait_max: Duration) -> Result<HubAnswer, AskError> {
    search(endpoint(hub).await, "quince & co", 3, wait_max).await
}

#[tokio::test]
async fn a_search_is_asked_once_and_bounded() {
    let hub = FakeHub::start(&[]).await;
    let row = |at: u32| json!({ "id": format!("garden/quince-{at}"), "downloads": at });
    hub.find(&json!([row(1), row(2), row(3), row(4)]).to_string());
    let answer = found(&hub, WAIT).await.unwrap();
    assert!(answer.has_search && answer.hub == hub.url());
    let repos: Vec<_> = answer.models.iter().map(|model| model.repo.as_str()).collect();
    assert_eq!(repos, ["garden/quince-1", "garden/quince-2", "garden/quince-3"]);
    let asked = hub.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].path.starts_with("/api/models?search=quince+%26+co&limit=3&"), "{}", asked[0].path);
    assert_eq!(asked[0].authorization.as_deref(), Some("Bearer hf_sesame"));
}

#[tokio::test]
async fn a_mirror_without_a_search_is_no_failure() {
    let hub = FakeHub::start(&[]).await;
    for status in [0, 405, 501] {
        if status > 0 {
            hub.play("/api/models?", Trick::Status(status, None), 1);
        }
        let answer = found(&hub, WAIT).await.unwrap();
        assert!(!answer.has_search && answer.models.is_empty(), "{status}");
    }
}

#[tokio::test]
async fn a_hub_that_fails_is_named_with_what_may_help() {
    let hub = FakeHub::start(&[]).await;
    hub.find("[]");
    let said = |error: &AskError, words: &str| {
        let text = error.to_string();
        assert!(text.contains(&hub.url()) && text.contains(words), "{text}");
        assert!(!format!("{error:?}{text}").contains("sesame"), "{text}");
    };
    hub.play("/api/models?", Trick::Status(503, None), 1);
    let error = found(&hub, WAIT).await.unwrap_err();
    said(&error, "HF_ENDPOINT");
    assert!(matches!(error, AskError::Unreachable { .. }));
    hub.play("/api/models?", Trick::Stall(1), 1);
    let error = found(&hub, Duration::from_millis(300)).await.unwrap_err();
    said(&error, "ask again");
    assert!(matches!(error, AskError::Late { .. }));
    hub.play("/api/models?", Trick::Code(403, "Nobody"), 1);
    said(&found(&hub, WAIT).await.unwrap_err(), "HF_TOKEN");
    for garbage in ["<html>".to_owned(), "{}".to_owned(), "x".repeat(5 << 20)] {
        hub.find(&garbage);
        let error = found(&hub, WAIT).await.unwrap_err();
        said(&error, "owner/name");
        assert!(matches!(error, AskError::Found { .. }));
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_said_so() {
    let hub = FakeHub::start(&[]).await;
    let gone = endpoint(&hub).await;
    drop(hub);
    let error = search(gone, "x", 3, WAIT).await.unwrap_err();
    assert!(matches!(error, AskError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_repository_tells_what_can_be_taken_and_what_is_here() {
    let gguf = |fill: u8| [b"GGUF".to_vec(), vec![fill; 10_000]].concat();
    let mut files = files(100_000);
    files.extend([("apple-Q8_0.gguf", gguf(1)), ("apple-Q4_K_M.gguf", gguf(2))]);
    let site = Site::new(&files).await;
    let asked = async || {
        let reference = "owner/apple@v1".parse().unwrap();
        look(endpoint(&site.hub).await, reference, site.models.path(), WAIT).await.unwrap()
    };
    let repo = asked().await;
    assert_eq!(
        (repo.repo.as_str(), repo.revision.as_str(), repo.commit.as_str()),
        ("owner/apple", "v1", COMMIT)
    );
    let choices: Vec<_> = repo
        .choices
        .iter()
        .map(|choice| (choice.file.as_deref(), choice.model.as_str(), choice.format.as_str(), choice.files))
        .collect();
    let expected = [
        (None, "apple", "safetensors", 3),
        (Some("apple-Q4_K_M.gguf"), "apple-Q4_K_M", "gguf", 3),
        (Some("apple-Q8_0.gguf"), "apple-Q8_0", "gguf", 3),
    ];
    assert_eq!(choices, expected);
    assert_eq!((repo.default, repo.choices[1].quantisation.as_str()), (Some(0), "Q4_K_M"));
    assert!(repo.choices.iter().all(|choice| !choice.is_here) && repo.disk_bytes_free > 0);
    let order = Order {
        reference: "owner/apple@v1".parse().unwrap(),
        pattern: repo.choices[2].file.clone(),
        model: Some("renamed".into()),
        into: None,
    };
    let pulled = site.order(order, None, site.models.path(), limits()).await.unwrap();
    assert_eq!((pulled.files, pulled.bytes), (repo.choices[2].files, repo.choices[2].bytes));
    let here: Vec<bool> = asked().await.choices.iter().map(|choice| choice.is_here).collect();
    assert_eq!(here, [false, false, true], "whatever it is called here");
}

#[tokio::test]
async fn a_repository_that_is_refused_is_named() {
    let site = Site::new(&files(100_000)).await;
    let refused = async |trick: Trick| {
        site.hub.play("/api/models/", trick, 1);
        let reference = "owner/apple".parse().unwrap();
        look(endpoint(&site.hub).await, reference, site.models.path(), WAIT).await.unwrap_err()
    };
    for (trick, remedy) in [
        (Trick::Code(401, "GatedRepo"), "accept its terms"),
        (Trick::Code(404, "RepoNotFound"), "look at the name"),
    ] {
        let error = refused(trick).await;
        assert!(matches!(&error, AskError::Refused { error: PullError::Denied { .. }, .. }), "{error}");
        assert!(error.to_string().contains(remedy) && error.to_string().contains(&site.hub.url()), "{error}");
    }
    let error = refused(Trick::Status(418, None)).await;
    assert!(matches!(error, AskError::Refused { error: PullError::Status { .. }, .. }), "{error}");
    let nothing = Site::new(&[("README.md", b"# read".to_vec())]).await;
    let reference = "owner/apple".parse().unwrap();
    let repo = look(endpoint(&nothing.hub).await, reference, nothing.models.path(), WAIT).await.unwrap();
    assert!(repo.choices.is_empty() && repo.default.is_none());
}
