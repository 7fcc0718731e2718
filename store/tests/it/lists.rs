//! Lists: every session that fits is found, no other is, and what people type is never more than text.

use pomona_protocol::{ModelId, Permission, Principal, SessionId, SessionQuery, TurnId};
use pomona_store::{Indexed, Store, StoreError};

use crate::place::*;

/// A session with a title, tags, a model and two texts.
async fn make(store: &Store, id: u128, title: &str, texts: [&str; 2]) {
    let mut made = creation(SessionId(id));
    let summary = made.summary.as_mut().unwrap();
    summary.title = title.into();
    summary.updated_ms = 1000 + id as u64;
    let indexed = |(part, text): (u8, &str)| Indexed { turn: TurnId(id), part, text: text.into() };
    made.texts = (0..).zip(texts).map(indexed).collect();
    put(store, made).await.unwrap();
}

fn query() -> SessionQuery {
    SessionQuery { limit: 100, ..Default::default() }
}

async fn ids(store: &Store, query: SessionQuery) -> Vec<u128> {
    let page = store.list(query).await.unwrap();
    page.sessions.iter().map(|session| session.id.0).collect()
}

async fn found(store: &Store, text: &str) -> Vec<u128> {
    ids(store, SessionQuery { text: Some(text.into()), ..query() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_word_must_stand_somewhere_in_a_session() {
    everywhere(async |place| {
        let store = place.open().await;
        make(&store, 1, "Pruning Trees", ["When do I cut an Apple tree?", "In late winter."]).await;
        make(&store, 2, "Soup", ["What goes with apples?", "Cinnamon; not 東京."]).await;
        make(&store, 3, "", ["", ""]).await;
        assert_eq!(found(&store, "apple winter pruning").await, [1]);
        assert_eq!(found(&store, "WINTER").await, [1]);
        // Only the last word may go on.
        assert_eq!(found(&store, "app").await, [2, 1]);
        assert_eq!(found(&store, "app winter").await, [0; 0]);
        assert_eq!(found(&store, "apple").await, [2, 1]);
        assert_eq!(found(&store, "東京").await, [2]);
        assert_eq!(found(&store, "").await, [3, 2, 1]);
        // A second text of the same part replaces the first, and a new title the old one.
        let mut change = empty(SessionId(2), 1, 1);
        change.texts = vec![Indexed { turn: TurnId(2), part: 0, text: "pears".into() }];
        change.summary = Some(pomona_protocol::SessionSummary {
            title: "Cake".into(),
            updated_ms: 1002,
            ..summary(SessionId(2))
        });
        put(&store, change).await.unwrap();
        assert_eq!(found(&store, "apple").await, [1]);
        assert_eq!(found(&store, "soup").await, [0; 0]);
        assert_eq!(found(&store, "cake pear cinnamon ").await, [0; 0]);
        assert_eq!(found(&store, "cake cinnamon pear").await, [2]);
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_type_is_only_text() {
    everywhere(async |place| {
        let store = place.open().await;
        make(&store, 1, "a'b\"c%d_e\\f\0g", ["NEAR(one two) AND three* -four", "x\0y 🍏 ☃"]).await;
        make(&store, 2, "plain", ["nothing", "here"]).await;
        let nasty = [
            "'",
            "\"",
            "\"one",
            "one OR nothing",
            "one AND",
            "NOT one",
            "one & two",
            "one | nothing",
            "!one",
            "one:*",
            "(one",
            "one)",
            "NEAR(one nothing)",
            "words:one",
            "^one",
            "one*two",
            "-one",
            "a:b:c",
            "\0",
            "one\0two",
            "\\",
            "%",
            "_",
            "🍏",
            "'; DROP TABLE sessions; --",
            "<->",
            "one <-> two",
            "$1",
            "?1",
        ];
        for text in nasty {
            let by_text = found(&store, text).await;
            assert!(by_text.len() <= 2, "{text:?}");
            let by_title = ids(&store, SessionQuery { title: Some(text.into()), ..query() }).await;
            let expected = if "a'b\"c%d_e\\f\0g".contains(text) { vec![1] } else { Vec::new() };
            assert_eq!(by_title, expected, "{text:?}");
            let tagged = SessionQuery { tag: Some(text.into()), ..query() };
            assert_eq!(ids(&store, tagged).await, [0; 0], "{text:?}");
            let model = SessionQuery { model: Some(ModelId(text.into())), ..query() };
            assert_eq!(ids(&store, model).await, [0; 0], "{text:?}");
        }
        assert_eq!(found(&store, "one AND two").await, [1]);
        assert_eq!(found(&store, "one OR nothing").await, [0; 0]);
        assert_eq!(found(&store, "x y").await, [1]);
        assert_eq!(store.summary(SessionId(1)).await.unwrap().unwrap().title, "a'b\"c%d_e\\f\0g");
        for cursor in ["", "x", "1-2", "'; --", "\0"] {
            let refused = store.list(SessionQuery { cursor: Some(cursor.into()), ..query() }).await;
            assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{cursor:?}");
        }
        for limit in [0, 201] {
            let refused = store.list(SessionQuery { limit, ..query() }).await;
            assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{limit}");
        }
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn title_model_tag_and_reader_must_all_fit() {
    everywhere(async |place| {
        let store = place.open().await;
        for id in 1..=4 {
            let mut made = creation(SessionId(id));
            let summary = made.summary.as_mut().unwrap();
            summary.title = format!("Äpfel {id}");
            summary.updated_ms = id as u64;
            summary.owner = Principal(if id == 4 { u64::MAX } else { 1 });
            summary.model = ModelId(if id == 2 { "oak".into() } else { "sprout".into() });
            summary.tags = if id == 3 { vec!["a\"b".into(), "nul\0".into()] } else { vec!["a".into()] };
            if id <= 2 {
                summary.shared.insert(Principal(u64::MAX), Permission::Read);
            }
            put(&store, made).await.unwrap();
        }
        let check =
            async |query: SessionQuery, expected: &[u128]| assert_eq!(ids(&store, query).await, expected);
        check(SessionQuery { title: Some("äPF".into()), ..query() }, &[4, 3, 2, 1]).await;
        check(SessionQuery { title: Some("el 3".into()), ..query() }, &[3]).await;
        check(SessionQuery { model: Some("oak".into()), ..query() }, &[2]).await;
        check(SessionQuery { tag: Some("a".into()), ..query() }, &[4, 2, 1]).await;
        check(SessionQuery { tag: Some("a\"b".into()), ..query() }, &[3]).await;
        check(SessionQuery { tag: Some("nul\0".into()), ..query() }, &[3]).await;
        check(SessionQuery { readable_by: Some(Principal(u64::MAX)), ..query() }, &[4, 2, 1]).await;
        check(SessionQuery { readable_by: Some(Principal(1)), ..query() }, &[3, 2, 1]).await;
        check(SessionQuery { readable_by: Some(Principal(2)), ..query() }, &[]).await;
        let all = SessionQuery {
            readable_by: Some(Principal(u64::MAX)),
            model: Some("sprout".into()),
            tag: Some("a".into()),
            title: Some("1".into()),
            text: Some("äpf".into()),
            ..query()
        };
        check(all, &[1]).await;
        let third = store.summary(SessionId(3)).await.unwrap().unwrap();
        assert_eq!(third.tags, ["a\"b", "nul\0"]);
        assert_eq!(store.summary(SessionId(1)).await.unwrap().unwrap().shared.len(), 1);
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_of_many_megabytes_is_found_by_its_last_word() {
    everywhere(async |place| {
        let store = place.open_with(|config| config.timeout_ms = 60_000).await;
        let mut text = String::new();
        for number in 0..150_000 {
            text.push_str(&format!("word{number:08} "));
        }
        text.push_str("end");
        make(&store, 1, "", [&text, &"x".repeat(100_000)]).await;
        assert_eq!(found(&store, "word00000000 word00149999 end").await, [1]);
        assert_eq!(found(&store, "word00150000").await, [0; 0]);
        // It is replaced whole.
        let mut change = empty(SessionId(1), 1, 1);
        change.texts = vec![Indexed { turn: TurnId(1), part: 0, text: "short".into() }];
        put(&store, change).await.unwrap();
        assert_eq!(found(&store, "word00149999").await, [0; 0]);
        assert_eq!(found(&store, "short").await, [1]);
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_session_once() {
    everywhere(async |place| {
        let store = place.open().await;
        let many = (1..=500).map(|id| {
            let mut made = creation(SessionId(id));
            // Many at one time, so that the order needs the id as well.
            made.summary.as_mut().unwrap().updated_ms = id as u64 / 7;
            put(&store, made)
        });
        assert!(futures::future::join_all(many).await.iter().all(Result::is_ok));
        let (mut cursor, mut seen) = (None, Vec::new());
        loop {
            let page = store.list(SessionQuery { cursor, limit: 33, ..query() }).await.unwrap();
            seen.extend(page.sessions.iter().map(|session| (session.updated_ms, session.id)));
            if seen.len() == 66 {
                // What comes meanwhile is newer and belongs to pages before.
                let mut made = creation(SessionId(1000));
                made.summary.as_mut().unwrap().updated_ms = 5000;
                put(&store, made).await.unwrap();
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let mut expected: Vec<_> = (1..=500).map(|id| (id as u64 / 7, SessionId(id))).collect();
        expected.sort();
        expected.reverse();
        assert_eq!(seen, expected);
        let page = store.list(SessionQuery { limit: 200, ..query() }).await.unwrap();
        assert_eq!(page.sessions[0].id, SessionId(1000));
        store.close().await.unwrap();
    })
    .await;
}
