//! Locks, versions, copies, and what maintenance leaves.

use pomona_protocol::SessionId;

use super::*;
use crate::StoreError;

#[tokio::test(flavor = "multi_thread")]
async fn one_writes_and_others_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    assert_eq!(write(&store, append(1, 0, vec![token(1)])), Ok(()));
    let second = Store::open(parts(folder.path())).await.unwrap_err();
    assert!(
        matches!(&second, StoreError::Unavailable { message, .. } if message.contains("another process"))
    );
    let reader = Store::open_read_only(parts(folder.path())).await.unwrap();
    assert_eq!(numbers(&reader, 1).await, [1]);
    assert_eq!(reader.check().await.unwrap().problems, Vec::<String>::new());
    assert!(write(&reader, append(1, 1, vec![token(2)])).is_err());
    assert!(reader.compact().await.is_err());
    store.close().await.unwrap();
    let store = open(folder.path()).await;
    assert_eq!(write(&store, append(1, 1, vec![token(2)])), Ok(()));
    assert_eq!(numbers(&reader, 1).await, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_makes_no_store() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Store::open_read_only(parts(folder.path())).await.is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    store.backup(&folder.path().join("copy"), |_, _| {}).await.unwrap();
    for name in ["store.db", "store.db-wal", "store.lock", "copy"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_file_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.close().await.unwrap();
    let path = folder.path().join("store.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let before = std::fs::read(&path).unwrap();
    let newer = Store::open(parts(folder.path())).await.unwrap_err();
    assert!(matches!(newer, StoreError::TooNew { found: 99, .. }));
    assert!(matches!(
        Store::open_read_only(parts(folder.path())).await.unwrap_err(),
        StoreError::TooNew { .. }
    ));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_brings_everything_back() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    let store = open(folder.path()).await;
    let mut first = append(1, 0, vec![token(1), large(2, 5_000_000)]);
    first.audit = vec![entry("session.created")];
    assert_eq!(write(&store, first), Ok(()));
    let mut told = Vec::new();
    store.backup(&copy, |done, all| told.push((done, all))).await.unwrap();
    assert!(told.len() > 1 && told.last().is_some_and(|(done, all)| done == all && *all > 0));
    let again = store.backup(&copy, |_, _| {}).await.unwrap_err();
    assert!(matches!(again, StoreError::Invalid { .. }));
    assert_eq!(write(&store, append(1, 2, vec![token(3)])), Ok(()));
    store.restore(&copy, |_, _| {}).await.unwrap();
    assert!(write(&store, append(1, 3, vec![token(4)])).is_err());
    let store = open(folder.path()).await;
    assert_eq!(numbers(&store, 1).await, [1, 2]);
    assert!(folder.path().join("store.db.before-restore").exists());
    assert_eq!(write(&store, append(1, 2, vec![token(3)])), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_backup_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    assert_eq!(write(&store, append(1, 0, vec![token(1)])), Ok(()));
    let (text, empty) = (folder.path().join("text"), folder.path().join("empty"));
    std::fs::write(&text, "hello ".repeat(1000)).unwrap();
    std::fs::write(&empty, "").unwrap();
    for wrong in [text, empty, folder.path().join("missing")] {
        assert!(store.restore(&wrong, |_, _| {}).await.is_err(), "{wrong:?}");
    }
    assert_eq!(numbers(&store, 1).await, [1]);
    let held = Store::replace(parts(folder.path()), &folder.path().join("x"), |_, _| {}).await;
    assert!(matches!(held, Err(StoreError::Unavailable { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_replaced_and_an_unfinished_restore_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let (copy, db) = (folder.path().join("copy.db"), folder.path().join("store.db"));
    let store = open(folder.path()).await;
    assert_eq!(write(&store, append(1, 0, vec![token(1)])), Ok(()));
    store.backup(&copy, |_, _| {}).await.unwrap();
    store.close().await.unwrap();
    std::fs::write(&db, "damaged").unwrap();
    Store::replace(parts(folder.path()), &copy, |_, _| {}).await.unwrap();
    let store = open(folder.path()).await;
    assert_eq!(numbers(&store, 1).await, [1]);
    store.close().await.unwrap();
    // As a crash right after the decision leaves it.
    std::fs::write(&db, "damaged").unwrap();
    std::fs::write(folder.path().join("store.db-wal"), "of the damaged one").unwrap();
    std::fs::copy(&copy, folder.path().join("store.db.restored")).unwrap();
    let store = open(folder.path()).await;
    assert_eq!(numbers(&store, 1).await, [1]);
    assert_eq!(std::fs::read(folder.path().join("store.db.before-restore")).unwrap(), b"damaged");
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_joins_rows_and_changes_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    for seq in 1..=1200 {
        // One commit each, so that the writer joins none.
        assert_eq!(write(&store, append(1, seq - 1, vec![token(seq)])), Ok(()));
    }
    let mut last = append(1, 1200, vec![large(1201, 10)]);
    last.summary = Some(summary(1, "t", 0));
    assert_eq!(write(&store, last), Ok(()));
    let gained = store.compact().await.unwrap();
    assert_eq!((gained.rows_before, gained.rows_after), (1201, 4));
    assert!(gained.bytes_after < gained.bytes_before);
    assert_eq!(numbers(&store, 1).await, (1..=1201).collect::<Vec<_>>());
    assert_eq!(store.compact().await.unwrap().rows_after, 4);
    assert_eq!(store.check().await.unwrap().problems, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn age_takes_whole_sessions_and_starts_of_logs() {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    let folder = tempfile::tempdir().unwrap();
    let mut parts = parts(folder.path());
    parts.config.keep_days = 30;
    parts.config.keep_events_days = 3;
    let store = Store::open(parts).await.unwrap();
    // Session 1 is old, 2 is old and open, 3 is young with old events, and 4 has no snapshot.
    for (id, updated_ms, open_turns) in [(1, 0, 0), (2, 0, 1), (3, 40 * DAY, 0), (4, 40 * DAY, 0)] {
        let mut first = append(id, 0, vec![large(1, 10), large(2, 10)]);
        first.snapshot = (id != 4).then(|| b"state".to_vec());
        first.summary = Some(SessionSummary { updated_ms, ..summary(id, "t", open_turns) });
        assert_eq!(write(&store, first), Ok(()));
        assert_eq!(write(&store, append(id, 2, vec![large(3, 10)])), Ok(()));
    }
    let kept = store.retain(40 * DAY).await.unwrap();
    assert_eq!((kept.sessions_deleted, kept.events_deleted), (1, 2));
    assert_eq!(store.bounds(SessionId(1)).await, Ok(None));
    assert_eq!(numbers(&store, 2).await, [1, 2, 3]);
    assert_eq!(numbers(&store, 3).await, [3]);
    assert_eq!(store.bounds(SessionId(3)).await.unwrap().unwrap().oldest_seq, 3);
    assert_eq!(numbers(&store, 4).await, [1, 2, 3]);
    assert_eq!(store.retain(40 * DAY).await.unwrap(), Default::default());
    assert_eq!(write(&store, append(3, 3, vec![token(4)])), Ok(()));
    assert_eq!(store.check().await.unwrap().problems, Vec::<String>::new());
}
