//! A disk that is full, and a log that was torn.

use std::path::Path;

use pomona_protocol::SessionId;

use super::*;
use crate::StoreError;

/// Lets the file grow no further than now, or as far as it wants.
async fn limit_pages(store: &Store, is_limited: bool) {
    let crate::backend::Backend::Sqlite(sqlite) = store.backend() else { panic!("another database") };
    let set = move |core: &mut super::super::core::Core| {
        // 1 is raised to what the file has now.
        let pages = if is_limited { "1" } else { "1073741823" };
        core.db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
        Ok(())
    };
    sqlite.writer().unwrap().run(set).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut first = append(1, 0, vec![token(1)]);
    first.audit = vec![entry("session.created")];
    assert_eq!(write(&store, first), Ok(()));
    limit_pages(&store, true).await;
    let mut big = append(1, 1, vec![large(2, 100_000)]);
    big.audit = vec![entry("turn.asked")];
    let refused = write(&store, big.clone());
    assert!(matches!(refused, Err(AppendError::Store(StoreError::Full { .. }))), "{refused:?}");
    let again = write(&store, append(2, 0, vec![large(1, 100_000)]));
    assert!(matches!(again, Err(AppendError::Store(StoreError::Full { .. }))), "{again:?}");
    assert_eq!(numbers(&store, 1).await, [1]);
    // What fits is written even now.
    assert_eq!(write(&store, append(1, 1, vec![token(2)])), Ok(()));
    limit_pages(&store, false).await;
    big.expected_seq = 2;
    big.events = vec![large(3, 100_000)];
    assert_eq!(write(&store, big), Ok(()));
    assert_eq!(numbers(&store, 1).await, [1, 2, 3]);
    assert_eq!(store.bounds(SessionId(2)).await, Ok(None));
    let verdict = store.audit_verify().await.unwrap();
    assert_eq!((verdict.lines, verdict.broken), (2, None));
    assert_eq!(store.check().await.unwrap().problems, Vec::<String>::new());
}

/// Copies the files of a store as a crash would leave them.
fn crash(from: &Path, to: &Path, wal: &[u8]) {
    std::fs::create_dir_all(to).unwrap();
    std::fs::copy(from.join("store.db"), to.join("store.db")).unwrap();
    std::fs::write(to.join("store.db-wal"), wal).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_log_loses_at_most_the_torn_commit() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let wal = || std::fs::read(folder.path().join("store.db-wal")).unwrap();
    for seq in 1..=5 {
        assert_eq!(write(&store, append(1, seq - 1, vec![large(seq, 2000)])), Ok(()));
    }
    let before = wal();
    assert_eq!(write(&store, append(1, 5, vec![large(6, 2000)])), Ok(()));
    let after = wal();
    assert!(after.len() > before.len() && after.starts_with(&before));
    let step = (after.len() - before.len()) / 7;
    let mut torn: Vec<(Vec<u8>, u64)> =
        (before.len()..after.len()).step_by(step).map(|cut| (after[..cut].to_vec(), 5)).collect();
    torn.push((after[..after.len() - 1].to_vec(), 5));
    torn.push(([&after[..], &[0xa5; 6000]].concat(), 6));
    torn.push(([&before[..], &vec![0xa5; 6000]].concat(), 5));
    let mut flipped = after.clone();
    *flipped.last_mut().unwrap() ^= 1;
    torn.push((flipped, 5));
    for (index, (wal, expected)) in torn.iter().enumerate() {
        let copy = folder.path().join(index.to_string());
        crash(folder.path(), &copy, wal);
        let copied = open(&copy).await;
        assert_eq!(numbers(&copied, 1).await, (1..=*expected).collect::<Vec<_>>(), "case {index}");
        assert_eq!(copied.check().await.unwrap().problems, Vec::<String>::new());
        assert_eq!(write(&copied, append(1, *expected, vec![token(expected + 1)])), Ok(()));
        copied.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_row_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    for seq in 1..=3 {
        let mut next = append(1, seq - 1, vec![large(seq, 10)]);
        next.audit = vec![entry("turn.asked")];
        assert_eq!(write(&store, next), Ok(()));
    }
    store.close().await.unwrap();
    let db = rusqlite::Connection::open(folder.path().join("store.db")).unwrap();
    db.execute_batch(
        "DELETE FROM events WHERE seq = 2; UPDATE audit SET detail = 'x' WHERE number = 2;
         UPDATE events SET payload = x'00' WHERE seq = 3;",
    )
    .unwrap();
    drop(db);
    let store = open(folder.path()).await;
    let problems = store.check().await.unwrap().problems.join("\n");
    for part in ["a gap: an event begins at 3, not at 2", "event 3 of", "line 2 of the audit"] {
        assert!(problems.contains(part), "{part} in {problems}");
    }
    assert!(matches!(store.read(SessionId(1), 0, 10).await, Err(StoreError::Damaged { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("store.db"), "hello ".repeat(1000)).unwrap();
    assert!(matches!(Store::open(parts(folder.path())).await, Err(StoreError::Damaged { .. })));
}
