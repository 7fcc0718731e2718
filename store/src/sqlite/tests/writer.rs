//! The writer: groups, fencing, and what is said to whom.

use pomona_protocol::SessionId;

use super::*;
use crate::StoreError;

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_append_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut stale = append(1, 2, vec![token(3)]);
    stale.epoch = 9;
    let answers = write_all(
        &store,
        vec![
            append(1, 0, vec![token(1), token(2)]),
            append(1, 0, vec![token(1)]),
            stale,
            append(2, 5, vec![token(6)]),
            append(1, 2, vec![token(3)]),
            append(2, 0, vec![token(1)]),
        ],
    );
    let expected = [
        Ok(()),
        Err(AppendError::Conflict { head: 2 }),
        Err(AppendError::Fenced { epoch: 1 }),
        Err(AppendError::Gone),
        Ok(()),
        Ok(()),
    ];
    assert_eq!(answers, expected);
    assert_eq!(numbers(&store, 1).await, [1, 2, 3]);
    assert_eq!(numbers(&store, 2).await, [1]);
    assert_eq!(store.check().await.unwrap().problems, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activation_fences_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut first = append(1, 0, vec![token(1)]);
    first.snapshot = Some(b"state".to_vec());
    assert_eq!(write(&store, first), Ok(()));
    let activation = store.activate(SessionId(1)).await.unwrap().unwrap();
    assert_eq!((activation.epoch, activation.bounds.head_seq), (2, 1));
    assert_eq!(activation.snapshot, Some((1, b"state".to_vec())));
    assert_eq!(write(&store, append(1, 1, vec![token(2)])), Err(AppendError::Fenced { epoch: 2 }));
    assert_eq!(store.activate(SessionId(5)).await, Ok(None));
    let mut next = append(1, 1, vec![token(2)]);
    next.epoch = 2;
    assert_eq!(write(&store, next), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_session_stays_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut first = append(1, 0, vec![token(1)]);
    first.summary = Some(summary(1, "Grüße", 1));
    first.texts = vec![text(4, 0, "hello world")];
    assert_eq!(write(&store, first), Ok(()));
    assert_eq!(store.unfinished().await, Ok(vec![SessionId(1)]));
    let fenced = store.delete(SessionId(1), 7, entry("session.deleted")).await;
    assert_eq!(fenced, Err(AppendError::Fenced { epoch: 1 }));
    assert_eq!(store.delete(SessionId(1), 1, entry("session.deleted")).await, Ok(()));
    assert_eq!(store.delete(SessionId(1), 1, entry("session.deleted")).await, Err(AppendError::Gone));
    assert_eq!(write(&store, append(1, 0, vec![token(1)])), Err(AppendError::Gone));
    assert_eq!(store.activate(SessionId(1)).await, Ok(None));
    assert_eq!(store.bounds(SessionId(1)).await, Ok(None));
    assert_eq!(store.session_of(TurnId(4)).await, Ok(None));
    assert_eq!(store.unfinished().await, Ok(Vec::new()));
    assert_eq!(store.audit_lines(0, 10, Some(Principal(u64::MAX))).await.unwrap().len(), 1);
    store.close().await.unwrap();
    let store = open(folder.path()).await;
    assert_eq!(write(&store, append(1, 0, vec![token(1)])), Err(AppendError::Gone));
    assert_eq!(store.check().await.unwrap().problems, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_a_callback_ends_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    store.append(append(1, 0, vec![token(1)]), |_| panic!("on purpose"));
    assert_eq!(write(&store, append(1, 1, vec![token(2)])), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_handed_in_is_written_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    for seq in 1..=1000 {
        store.append(append(1, seq - 1, vec![token(seq)]), |result| assert_eq!(result, Ok(())));
    }
    store.close().await.unwrap();
    let late = write(&store, append(1, 1000, vec![token(1001)]));
    assert!(matches!(late, Err(AppendError::Store(StoreError::Unavailable { .. }))));
    assert!(store.bounds(SessionId(1)).await.is_err());
    let store = open(folder.path()).await;
    assert_eq!(numbers(&store, 1).await, (1..=1000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_find_words_across_the_texts_of_a_session() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut first = append(1, 0, vec![token(1)]);
    first.summary = Some(summary(1, "ÄPFEL und 100%_Birnen", 0));
    first.texts = vec![text(4, 0, "How do \"trees\" grow?"), text(4, 1, "old answer")];
    let mut second = append(1, 1, vec![token(2)]);
    second.texts = vec![text(4, 1, "Slowly, NEAR(water)")];
    assert_eq!(write_all(&store, vec![first, second]), [Ok(()), Ok(())]);
    let check = async |query: pomona_protocol::SessionQuery, found: usize| {
        let query = pomona_protocol::SessionQuery { limit: 10, ..query };
        assert_eq!(store.list(query.clone()).await.unwrap().sessions.len(), found, "{query:?}");
    };
    let query = pomona_protocol::SessionQuery::default;
    for (text, found) in
        [("trees SLOW", 1), ("slow trees", 0), ("äpfel grow", 1), ("old", 0), ("near* -\"", 1)]
    {
        check(pomona_protocol::SessionQuery { text: Some(text.into()), ..query() }, found).await;
    }
    for (title, found) in [("äpfel", 1), ("%_b", 1), ("_", 1), ("%%", 0)] {
        check(pomona_protocol::SessionQuery { title: Some(title.into()), ..query() }, found).await;
    }
    for (by, found) in [(u64::MAX, 1), (8, 1), (80, 0)] {
        check(pomona_protocol::SessionQuery { readable_by: Some(Principal(by)), ..query() }, found).await;
    }
    check(pomona_protocol::SessionQuery { tag: Some("a'b".into()), ..query() }, 1).await;
    check(pomona_protocol::SessionQuery { model: Some(ModelId("sprou".into())), ..query() }, 0).await;
    let found = store.summary(SessionId(1)).await.unwrap().unwrap();
    assert_eq!(found, SessionSummary { head_seq: 2, ..summary(1, "ÄPFEL und 100%_Birnen", 0) });
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_session_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    for id in 1..=7 {
        let mut first = append(id, 0, vec![token(1)]);
        first.summary = Some(SessionSummary { updated_ms: 5 + id as u64 / 3, ..summary(id, "t", 0) });
        assert_eq!(write(&store, first), Ok(()));
    }
    let (mut cursor, mut found) = (None, Vec::new());
    loop {
        let query = pomona_protocol::SessionQuery { cursor, limit: 3, ..Default::default() };
        let page = store.list(query).await.unwrap();
        found.extend(page.sessions.iter().map(|summary| summary.id.0));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, [7, 6, 5, 4, 3, 2, 1]);
}
