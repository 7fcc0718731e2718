//! Upkeep: deleting, letting go, joining rows, copies, and the audit.

use pomona_protocol::{Principal, SessionId, SessionQuery, TurnId};
use pomona_store::{AppendError, Indexed, Store, StoreError};

use crate::place::*;

const ID: SessionId = SessionId(0xab);
const DAY_MS: u64 = 86_400_000;

/// A session with some of everything.
async fn fill(store: &Store, id: SessionId) {
    let mut made = creation(id);
    made.texts = vec![Indexed { turn: TurnId(id.0), part: 0, text: "kept words".into() }];
    made.audit = vec![line(1, "a\0b"), line(u64::MAX, "")];
    let summary = made.summary.as_mut().unwrap();
    summary.title = "Zero\0 and \u{1} one".into();
    summary.tags = vec!["x".into(), "nul\0".into()];
    summary.updated_ms = 3;
    put(store, made).await.unwrap();
    for part in 0..20 {
        put(store, stream(id, 1, 1 + 3 * u64::from(part), 3 * part, 3)).await.unwrap();
    }
    let mut end = empty(id, 1, 61);
    end.events = vec![finish(id, 61)];
    end.snapshot = Some(vec![3, 0, 3]);
    put(store, end).await.unwrap();
}

async fn found(store: &Store, text: &str) -> usize {
    let query = SessionQuery { text: Some(text.into()), limit: 10, ..Default::default() };
    store.list(query).await.unwrap().sessions.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_session_leaves_nothing_and_does_not_come_back() {
    everywhere(async |place| {
        let store = place.open().await;
        fill(&store, ID).await;
        assert_eq!(store.delete(ID, 1, line(1, "deleted")).await, Ok(()));
        let gone = async |store: &Store| {
            assert_eq!(store.bounds(ID).await, Ok(None));
            assert_eq!(store.summary(ID).await, Ok(None));
            assert_eq!(store.read(ID, 0, 10).await, Ok(Vec::new()));
            assert_eq!(store.session_of(TurnId(ID.0)).await, Ok(None));
            assert_eq!(store.activate(ID).await, Ok(None));
            assert_eq!(found(store, "kept").await, 0);
            assert_eq!(put(store, creation(ID)).await, Err(AppendError::Gone));
            assert_eq!(put(store, stream(ID, 1, 62, 0, 1)).await, Err(AppendError::Gone));
            assert_eq!(store.delete(ID, 1, line(1, "")).await, Err(AppendError::Gone));
        };
        gone(&store).await;
        assert_eq!(store.audit_lines(0, 10, None).await.unwrap().len(), 3);
        assert_eq!(store.check().await.unwrap().problems, [""; 0]);
        store.close().await.unwrap();
        let store = place.open().await;
        gone(&store).await;
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_comes_behind_what_was_appended_before() {
    everywhere(async |place| {
        let store = place.open_with(|config| config.commit_ms = 50).await;
        put(&store, creation(ID)).await.unwrap();
        let (before, deleted) = tokio::join!(
            biased;
            put(&store, stream(ID, 1, 1, 0, 1)),
            store.delete(ID, 1, line(1, "")),
        );
        assert_eq!((before, deleted), (Ok(()), Ok(())));
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_takes_old_events_and_old_sessions() {
    everywhere(async |place| {
        let keep =
            |config: &mut pomona_config::StoreConfig| (config.keep_days, config.keep_events_days) = (30, 2);
        let store = place.open_with(keep).await;
        let now_ms = 100 * DAY_MS;
        // Old; old but busy; young, with old events; young, with nothing but old events.
        for (id, updated_days, open_turns) in [(1, 60, 0), (2, 60, 1), (3, 99, 0), (4, 99, 0)] {
            let id = SessionId(id);
            fill(&store, id).await;
            let mut change = empty(id, 1, 62);
            let updated_ms = updated_days * DAY_MS;
            change.summary = Some(pomona_protocol::SessionSummary { updated_ms, open_turns, ..summary(id) });
            put(&store, change).await.unwrap();
        }
        let mut young = stream(SessionId(3), 1, 62, 0, 5);
        young.events[0].at_ms = 99 * DAY_MS;
        put(&store, young).await.unwrap();
        let lines = store.audit_lines(0, 100, None).await.unwrap().len();
        let kept = store.retain(now_ms).await.unwrap();
        assert_eq!(kept.sessions_deleted, 1);
        assert!(kept.events_deleted > 0);
        assert_eq!(store.bounds(SessionId(1)).await, Ok(None));
        assert_eq!(log(&store, SessionId(2)).await.len(), 62);
        assert_eq!(
            store.bounds(SessionId(3)).await.unwrap().map(|b| (b.oldest_seq, b.head_seq)),
            Some((63, 67))
        );
        assert_eq!(log(&store, SessionId(3)).await.len(), 5);
        // Nothing is left to read of the last one, but its head and its snapshot.
        let taken = store.activate(SessionId(4)).await.unwrap().unwrap();
        assert_eq!((taken.bounds.oldest_seq, taken.bounds.head_seq), (63, 62));
        assert_eq!(taken.snapshot, Some((62, vec![3, 0, 3])));
        assert_eq!(put(&store, stream(SessionId(4), 2, 62, 0, 1)).await, Ok(()));
        assert_eq!(store.retain(now_ms).await, Ok(Default::default()));
        // What expires is in the audit.
        assert_eq!(store.audit_lines(0, 100, None).await.unwrap().len(), lines + 1);
        assert_eq!(store.check().await.unwrap().problems, [""; 0]);
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_changes_no_event() {
    everywhere(async |place| {
        let store = place.open().await;
        fill(&store, ID).await;
        let mut open = creation(SessionId(2));
        open.summary.as_mut().unwrap().open_turns = 1;
        put(&store, open).await.unwrap();
        put(&store, stream(SessionId(2), 1, 1, 0, 2)).await.unwrap();
        let before = (log(&store, ID).await, log(&store, SessionId(2)).await);
        let compacted = store.compact().await.unwrap();
        assert!(compacted.rows_after < compacted.rows_before, "{compacted:?}");
        assert_eq!((log(&store, ID).await, log(&store, SessionId(2)).await), before);
        // Created, all tokens, finished.
        assert_eq!(store.read(ID, 0, 100).await.unwrap().len(), 3);
        let again = store.compact().await.unwrap();
        assert_eq!(again.rows_before, again.rows_after);
        assert_eq!(store.check().await.unwrap().problems, [""; 0]);
        assert_eq!(put(&store, stream(ID, 1, 62, 0, 1)).await, Ok(()));
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_is_one_chain_and_a_changed_line_is_found() {
    everywhere(async |place| {
        let store = place.open().await;
        fill(&store, ID).await;
        for number in 0..20 {
            store.audit(line(number, "it's")).await.unwrap();
        }
        let lines = store.audit_lines(0, 100, None).await.unwrap();
        assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), (1..=22).collect::<Vec<_>>());
        assert_eq!(lines[0].entry, line(1, "a\0b"));
        assert_eq!(lines[1].entry.by, Principal(u64::MAX));
        let of_one = store.audit_lines(1, 100, Some(Principal(1))).await.unwrap();
        assert_eq!(of_one.iter().map(|line| line.number).collect::<Vec<_>>(), [4]);
        assert_eq!(store.audit_lines(20, 1, None).await.unwrap()[0].number, 21);
        let verdict = store.audit_verify().await.unwrap();
        assert_eq!((verdict.lines, verdict.broken), (22, None));
        assert_eq!(verdict.last_hash, lines[21].hash);
        store.close().await.unwrap();
        place.tamper("UPDATE audit SET detail = 'its' WHERE number = 9").await;
        let store = place.open().await;
        assert_eq!(store.audit_verify().await.unwrap().broken.map(|(number, _)| number), Some(9));
        assert_eq!(store.check().await.unwrap().problems.len(), 1);
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_finds_gaps_and_heads_that_do_not_fit() {
    everywhere(async |place| {
        let store = place.open().await;
        for id in [1, 2, 3] {
            fill(&store, SessionId(id)).await;
        }
        let report = store.check().await.unwrap();
        assert_eq!((report.sessions, report.problems.len()), (3, 0));
        assert!(report.events > 0 && report.bytes > 0 && report.schema > 0);
        store.close().await.unwrap();
        let hex = "00000000000000000000000000000001";
        let session =
            if place.is_postgres() { format!("decode('{hex}', 'hex')") } else { format!("x'{hex}'") };
        place.tamper(&format!("DELETE FROM events WHERE session = {session} AND seq = 4")).await;
        place.tamper(&format!("UPDATE logs SET head_seq = 63 WHERE session <> {session}")).await;
        let store = place.open().await;
        assert_eq!(store.check().await.unwrap().problems.len(), 3);
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_brings_everything_back() {
    everywhere(async |place| {
        let store = place.open().await;
        for id in 1..=20 {
            fill(&store, SessionId(id)).await;
        }
        store.activate(SessionId(3)).await.unwrap();
        store.delete(SessionId(5), 1, line(1, "")).await.unwrap();
        let picture = async |store: &Store| {
            let list = store.list(SessionQuery { limit: 100, ..Default::default() }).await.unwrap();
            let mut logs = Vec::new();
            for session in &list.sessions {
                logs.push(log(store, session.id).await);
            }
            (list, logs, store.audit_lines(0, 1000, None).await.unwrap(), found(store, "kept").await)
        };
        let before = picture(&store).await;
        let file = place.folder.path().join("copy.db");
        let mut told = Vec::new();
        store.backup(&file, |done, all| told.push((done, all))).await.unwrap();
        assert!(told.last().is_some_and(|(done, all)| done == all && *all > 0), "{told:?}");
        let refused = store.backup(&file, |_, _| {}).await;
        assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
        // What happens later is gone with the restore.
        fill(&store, SessionId(99)).await;
        store.delete(SessionId(7), 1, line(1, "")).await.unwrap();
        store.restore(&file, |_, _| {}).await.unwrap();
        let store = place.open().await;
        assert_eq!(picture(&store).await, before);
        assert_eq!(store.bounds(SessionId(99)).await, Ok(None));
        assert_eq!(put(&store, creation(SessionId(5))).await, Err(AppendError::Gone));
        assert_eq!(
            put(&store, stream(SessionId(3), 1, 62, 0, 1)).await,
            Err(AppendError::Fenced { epoch: 2 })
        );
        assert_eq!(put(&store, stream(SessionId(3), 2, 62, 0, 1)).await, Ok(()));
        assert_eq!(store.activate(SessionId(4)).await.unwrap().unwrap().snapshot, Some((62, vec![3, 0, 3])));
        store.audit(line(1, "")).await.unwrap();
        assert_eq!(store.audit_verify().await.unwrap().broken, None);
        assert_eq!(store.check().await.unwrap().problems, [""; 0]);
        store.close().await.unwrap();
        // A backup of either database opens as a store of its own.
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(&file, folder.path().join("store.db")).unwrap();
        let parts =
            pomona_store::StoreParts { config: Default::default(), data_dir: folder.path().to_owned() };
        let copy = Store::open(parts).await.unwrap();
        assert_eq!(picture(&copy).await, before);
        assert_eq!(copy.check().await.unwrap().problems, [""; 0]);
        copy.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_backup_is_refused_and_changes_nothing() {
    everywhere(async |place| {
        let store = place.open().await;
        fill(&store, ID).await;
        let file = place.folder.path().join("noise.db");
        std::fs::write(&file, "this is no database at all, but long enough to be looked at".repeat(50))
            .unwrap();
        for from in [&file, &place.folder.path().join("missing.db")] {
            let refused = store.restore(from, |_, _| {}).await;
            assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
        }
        store.close().await.unwrap();
        let store = place.open().await;
        assert_eq!(log(&store, ID).await.len(), 62);
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused() {
    everywhere(async |place| {
        place.open().await.close().await.unwrap();
        let newer = if place.is_postgres() {
            "UPDATE schema_version SET version = 99"
        } else {
            "PRAGMA user_version = 99"
        };
        place.tamper(newer).await;
        for refused in [Store::open(place.parts()).await, Store::open_read_only(place.parts()).await] {
            assert!(matches!(refused, Err(StoreError::TooNew { found: 99, .. })), "{refused:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_only_read_writes_nothing() {
    everywhere(async |place| {
        let store = place.open().await;
        fill(&store, ID).await;
        let reader = Store::open_read_only(place.parts()).await.unwrap();
        assert_eq!(log(&reader, ID).await.len(), 62);
        assert!(put(&reader, stream(ID, 1, 62, 0, 1)).await.is_err());
        assert!(reader.activate(ID).await.is_err());
        assert!(reader.audit(line(1, "")).await.is_err());
        assert!(reader.delete(ID, 1, line(1, "")).await.is_err());
        assert_eq!(log(&store, ID).await.len(), 62);
        reader.close().await.unwrap();
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_are_kept_in_order_replaced_bounded_and_copied() {
    everywhere(async |place| {
        let store = place.open().await;
        let ids = [3, u64::MAX, 1, 1 << 63];
        for (at, id) in ids.into_iter().enumerate() {
            store.put_notice(id, at as u64, format!("{{\"n\":{at},\"t\":\"a\0b\"}}"), 3).await.unwrap();
        }
        let body = |at: usize| format!("{{\"n\":{at},\"t\":\"a\0b\"}}");
        assert_eq!(store.notices(10).await.unwrap(), [body(3), body(2), body(1)]);
        assert_eq!(store.notices(1).await.unwrap(), [body(3)]);
        store.put_notice(u64::MAX, 1, "acknowledged".to_owned(), 3).await.unwrap();
        assert_eq!(store.notices(10).await.unwrap(), [body(3), body(2), "acknowledged".to_owned()]);
        let copy = place.folder.path().join("notices-copy.db");
        store.backup(&copy, |_, _| {}).await.unwrap();
        store.put_notice(9, 9, "later".to_owned(), 3).await.unwrap();
        store.restore(&copy, |_, _| {}).await.unwrap();
        let store = place.open().await;
        assert_eq!(store.notices(10).await.unwrap(), [body(3), body(2), "acknowledged".to_owned()]);
        store.close().await.unwrap();
    })
    .await;
}
