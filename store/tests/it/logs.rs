//! Logs: what is appended is read back, by anyone, as it was written, and nobody writes twice at one place.

use pomona_protocol::{SessionId, TurnId};
use pomona_store::{AppendError, Bounds, Indexed, StoreError};

use crate::place::*;

const ID: SessionId = SessionId(0xab);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_appended_is_read_back_in_order() {
    everywhere(async |place| {
        let store = place.open().await;
        assert_eq!(store.is_shared(), place.is_postgres());
        assert_eq!(put(&store, creation(ID)).await, Ok(()));
        assert_eq!(put(&store, stream(ID, 1, 1, 0, 3)).await, Ok(()));
        assert_eq!(put(&store, stream(ID, 1, 4, 3, 2)).await, Ok(()));
        let mut end = empty(ID, 1, 6);
        end.events = vec![finish(ID, 6)];
        assert_eq!(put(&store, end).await, Ok(()));
        let events = log(&store, ID).await;
        assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), (1..=7).collect::<Vec<_>>());
        assert_eq!(events[0], creation(ID).events[0]);
        assert_eq!(events[3], tokens(TurnId(ID.0), 3, 2, 1));
        assert_eq!(events[6], finish(ID, 6));
        assert_eq!(store.bounds(ID).await, Ok(Some(Bounds { oldest_seq: 1, head_seq: 7 })));
        assert_eq!(store.summary(ID).await.unwrap().unwrap().head_seq, 7);
        assert_eq!(store.bounds(SessionId(1)).await, Ok(None));
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_cut_behind_any_cursor() {
    everywhere(async |place| {
        let store = place.open().await;
        put(&store, creation(ID)).await.unwrap();
        for part in 0..4 {
            put(&store, stream(ID, 1, 1 + 5 * u64::from(part), 5 * part, 5)).await.unwrap();
        }
        let whole = log(&store, ID).await;
        for cursor in 0..=22 {
            let rows = store.read(ID, cursor, 1000).await.unwrap();
            let mut rest = rows.iter().filter_map(|event| event.after(cursor));
            let first = rest.next();
            assert_eq!(first.map(|event| event.first_seq), (cursor < 21).then_some(cursor + 1));
            let expected = whole.get(cursor as usize).map(|event| event.seq);
            assert_eq!(expected, (cursor < 21).then_some(cursor + 1));
        }
        assert_eq!(store.read(ID, u64::MAX, 10).await, Ok(Vec::new()));
        assert_eq!(store.read(SessionId(9), 0, 10).await, Ok(Vec::new()));
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_is_a_conflict_that_names_the_head() {
    everywhere(async |place| {
        let store = place.open().await;
        put(&store, creation(ID)).await.unwrap();
        for expected in [0, 2, 9] {
            assert_eq!(
                put(&store, stream(ID, 1, expected, 0, 1)).await,
                Err(AppendError::Conflict { head: 1 })
            );
        }
        assert_eq!(put(&store, creation(ID)).await, Err(AppendError::Conflict { head: 1 }));
        assert_eq!(put(&store, stream(SessionId(7), 1, 3, 0, 1)).await, Err(AppendError::Gone));
        let mut torn = stream(ID, 1, 1, 0, 2);
        torn.events[0].seq += 1;
        let refused = put(&store, torn).await;
        assert!(matches!(refused, Err(AppendError::Store(StoreError::Invalid { .. }))), "{refused:?}");
        assert_eq!(log(&store, ID).await.len(), 1);
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_with_one_expectation_one_wins() {
    everywhere(async |place| {
        let store = place.open().await;
        // Where several processes may write, the second writer is one of another process.
        let other = if place.is_postgres() { place.open().await } else { store.clone() };
        put(&store, creation(ID)).await.unwrap();
        for round in 0..50 {
            let (one, two) = tokio::join!(
                put(&store, stream(ID, 1, 1 + round, 0, 1)),
                put(&other, stream(ID, 1, 1 + round, 0, 1))
            );
            let mut outcomes = [one, two];
            outcomes.sort_by_key(|outcome| outcome.is_err());
            assert_eq!(outcomes, [Ok(()), Err(AppendError::Conflict { head: 2 + round })]);
        }
        assert_eq!(log(&store, ID).await.len(), 51);
        store.close().await.unwrap();
        other.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_make_one_session_one_does() {
    everywhere(async |place| {
        let store = place.open().await;
        let other = if place.is_postgres() { place.open().await } else { store.clone() };
        for id in (1..20).map(SessionId) {
            let (one, two) = tokio::join!(put(&store, creation(id)), put(&other, creation(id)));
            let mut outcomes = [one, two];
            outcomes.sort_by_key(|outcome| outcome.is_err());
            assert_eq!(outcomes, [Ok(()), Err(AppendError::Conflict { head: 1 })]);
        }
        store.close().await.unwrap();
        other.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_epoch_is_fenced() {
    everywhere(async |place| {
        let store = place.open().await;
        put(&store, creation(ID)).await.unwrap();
        let taken = store.activate(ID).await.unwrap().unwrap();
        assert_eq!((taken.epoch, taken.bounds.head_seq, taken.snapshot), (2, 1, None));
        assert_eq!(put(&store, stream(ID, 1, 1, 0, 1)).await, Err(AppendError::Fenced { epoch: 2 }));
        // Also where the place is wrong as well: the newer epoch is what matters.
        assert_eq!(put(&store, stream(ID, 1, 9, 0, 1)).await, Err(AppendError::Fenced { epoch: 2 }));
        assert_eq!(put(&store, stream(ID, 2, 1, 0, 1)).await, Ok(()));
        assert_eq!(store.activate(SessionId(1)).await, Ok(None));
        assert_eq!(store.delete(ID, 1, line(1, "")).await, Err(AppendError::Fenced { epoch: 2 }));
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_append_keeps_no_other_from_being_written() {
    everywhere(async |place| {
        let store = place.open_with(|config| config.commit_ms = 50).await;
        put(&store, creation(ID)).await.unwrap();
        // All of these go into one group: the one before has just been committed.
        let appends = [
            stream(ID, 1, 1, 0, 2),
            stream(ID, 1, 1, 0, 2),
            stream(SessionId(5), 1, 3, 0, 1),
            stream(ID, 9, 3, 2, 1),
            creation(SessionId(6)),
            stream(ID, 1, 3, 2, 2),
        ];
        let outcomes = futures::future::join_all(appends.map(|append| put(&store, append))).await;
        let expected = [
            Ok(()),
            Err(AppendError::Conflict { head: 3 }),
            Err(AppendError::Gone),
            Err(AppendError::Fenced { epoch: 1 }),
            Ok(()),
            Ok(()),
        ];
        assert_eq!(outcomes, expected);
        assert_eq!(log(&store, ID).await.len(), 5);
        assert_eq!(log(&store, SessionId(6)).await.len(), 1);
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_store_that_was_not_closed() {
    everywhere(async |place| {
        let store = place.open().await;
        let mut made = creation(ID);
        made.synced = true;
        put(&store, made).await.unwrap();
        put(&store, stream(ID, 1, 1, 0, 4)).await.unwrap();
        drop(store);
        let store = place.open().await;
        assert_eq!(log(&store, ID).await.len(), 5);
        store.close().await.unwrap();
        let refused = put(&store, stream(ID, 1, 5, 4, 1)).await;
        assert!(matches!(refused, Err(AppendError::Store(StoreError::Unavailable { .. }))), "{refused:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activation_gets_the_last_snapshot() {
    everywhere(async |place| {
        let store = place.open().await;
        put(&store, creation(ID)).await.unwrap();
        for (seq, state) in [(1, vec![1; 10]), (3, vec![0, 255, 7])] {
            let mut append = stream(ID, 1, seq, 0, 2);
            append.snapshot = Some(state);
            put(&store, append).await.unwrap();
        }
        put(&store, stream(ID, 1, 5, 2, 1)).await.unwrap();
        let taken = store.activate(ID).await.unwrap().unwrap();
        assert_eq!(taken.snapshot, Some((5, vec![0, 255, 7])));
        assert_eq!(taken.bounds, Bounds { oldest_seq: 1, head_seq: 6 });
        // It may also come alone.
        let mut alone = empty(ID, 2, 6);
        alone.snapshot = Some(vec![9]);
        put(&store, alone).await.unwrap();
        assert_eq!(store.activate(ID).await.unwrap().unwrap().snapshot, Some((6, vec![9])));
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_leads_to_its_session() {
    everywhere(async |place| {
        let store = place.open().await;
        let mut made = creation(ID);
        made.texts = vec![Indexed { turn: TurnId(4), part: 0, text: String::new() }];
        put(&store, made).await.unwrap();
        assert_eq!(store.session_of(TurnId(4)).await, Ok(Some(ID)));
        assert_eq!(store.session_of(TurnId(5)).await, Ok(None));
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_with_open_turns_are_unfinished() {
    everywhere(async |place| {
        let store = place.open().await;
        for id in [1, 2, 3] {
            let mut made = creation(SessionId(id));
            made.summary.as_mut().unwrap().open_turns = u32::from(id != 2);
            put(&store, made).await.unwrap();
        }
        let mut names = store.unfinished().await.unwrap();
        names.sort();
        assert_eq!(names, [SessionId(1), SessionId(3)]);
        let mut ended = empty(SessionId(1), 1, 1);
        ended.summary = Some(summary(SessionId(1)));
        put(&store, ended).await.unwrap();
        assert_eq!(store.unfinished().await, Ok(vec![SessionId(3)]));
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_so_at_once() {
    everywhere(async |place| {
        let store = place.open_with(|config| (config.queue_max, config.commit_ms) = (64, 50)).await;
        // A writer that is awake takes writes as fast as they come; sooner or later it is busy with a commit.
        let mut has_refused = false;
        for burst in 0..500 {
            let id = SessionId(ID.0 + burst);
            put(&store, creation(id)).await.unwrap();
            let appends = (0..2000).map(|seq| put(&store, stream(id, 1, 1 + seq, 0, 1)));
            let outcomes = futures::future::join_all(appends).await;
            let first = outcomes.iter().find(|outcome| outcome.is_err());
            let head = store.bounds(id).await.unwrap().unwrap().head_seq;
            assert_eq!(head, 1 + outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64);
            if first.is_some() {
                let is_full = matches!(first, Some(Err(AppendError::Store(StoreError::Unavailable { .. }))));
                assert!(is_full, "{first:?}");
                has_refused = true;
                break;
            }
        }
        assert!(has_refused, "a queue of 64 took everything");
        store.close().await.unwrap();
    })
    .await;
}
