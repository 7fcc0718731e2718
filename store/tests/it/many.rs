//! Many sessions and many tasks at once, beside a model that is too simple to be wrong.

use pomona_protocol::SessionId;
use pomona_store::{AppendError, Store};

use crate::place::*;

const SESSIONS: u128 = 1000;
const TASKS: u128 = 16;
const ROUNDS: u32 = 6;

/// Small numbers without a pattern, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Writes the sessions of one task; gives where each log must end.
async fn write(store: Store, task: u128) -> Vec<(SessionId, u64)> {
    let mut dice = Dice(task as u64 + 1);
    let mut heads = Vec::new();
    let own: Vec<SessionId> = (1..=SESSIONS).filter(|id| id % TASKS == task).map(SessionId).collect();
    for id in &own {
        assert_eq!(put(&store, creation(*id)).await, Ok(()));
        heads.push((*id, 1u64));
    }
    for _ in 0..ROUNDS {
        let mut waiting = Vec::new();
        for (id, head) in &mut heads {
            match dice.roll(5) {
                0 => {
                    let wrong = *head + 1 + dice.roll(3);
                    waiting.push((
                        put(&store, stream(*id, 1, wrong, 0, 1)),
                        Err(AppendError::Conflict { head: *head }),
                    ));
                }
                1 => waiting
                    .push((put(&store, stream(*id, 7, *head, 0, 1)), Err(AppendError::Fenced { epoch: 1 }))),
                _ => {
                    let count = 1 + dice.roll(5) as u32;
                    let mut append = stream(*id, 1, *head, (*head - 1) as u32, count);
                    append.synced = dice.roll(10) == 0;
                    if dice.roll(10) == 0 {
                        append.audit = vec![line(task as u64, "")];
                    }
                    waiting.push((put(&store, append), Ok(())));
                    *head += u64::from(count);
                }
            }
        }
        let (writes, expected): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
        assert_eq!(futures::future::join_all(writes).await, expected);
    }
    heads
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_logs_stay_dense_under_many_writers() {
    everywhere(async |place| {
        // Where several processes may write, two of them do.
        let stores = if place.is_postgres() {
            vec![place.open().await, place.open().await]
        } else {
            vec![place.open().await]
        };
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..TASKS {
            tasks.spawn(write(stores[task as usize % stores.len()].clone(), task));
        }
        let heads: Vec<(SessionId, u64)> = tasks.join_all().await.concat();
        assert_eq!(heads.len(), SESSIONS as usize);
        for (id, head) in heads {
            assert_eq!(stores[0].bounds(id).await.unwrap().map(|bounds| bounds.head_seq), Some(head));
            let events = log(&stores[0], id).await;
            assert_eq!(
                events.iter().map(|event| event.seq).collect::<Vec<_>>(),
                (1..=head).collect::<Vec<_>>()
            );
        }
        let report = stores[0].check().await.unwrap();
        assert_eq!((report.sessions, &report.problems[..]), (SESSIONS as u64, &[][..]));
        for store in stores {
            store.close().await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_lose_and_repeat_nothing() {
    everywhere(async |place| {
        if !place.is_postgres() {
            return;
        }
        let name = format!("cut_{}", std::process::id());
        let named = |config: &mut pomona_config::StoreConfig| {
            config.url = config.url.take().map(|url| format!("{url}&application_name={name}"));
            config.timeout_ms = 60_000;
        };
        let store = place.open_with(named).await;
        let id = SessionId(1);
        put(&store, creation(id)).await.unwrap();
        let cut = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'"
        );
        let writing = async {
            for seq in 1..=200 {
                let mut append = stream(id, 1, seq, (seq - 1) as u32, 1);
                append.audit = vec![line(1, &seq.to_string())];
                append.synced = seq % 3 == 0;
                assert_eq!(put(&store, append).await, Ok(()), "{seq}");
            }
        };
        let cutting = async {
            // Later and later, so that a busy machine comes to its end as well.
            let mut pause = std::time::Duration::from_millis(200);
            loop {
                place.tamper(&cut).await;
                tokio::time::sleep(pause).await;
                pause = pause * 5 / 4;
            }
        };
        tokio::select! {
            () = writing => {}
            () = cutting => {}
        }
        store.close().await.unwrap();
        let store = place.open().await;
        assert_eq!(log(&store, id).await.len(), 201);
        let lines = store.audit_lines(0, 1000, None).await.unwrap();
        let said: Vec<String> = lines.into_iter().map(|line| line.entry.detail).collect();
        assert_eq!(said, (1..=200).map(|seq| seq.to_string()).collect::<Vec<_>>());
        assert_eq!(store.check().await.unwrap().problems, [""; 0]);
        store.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_that_open_an_empty_database_at_once_agree() {
    everywhere(async |place| {
        if !place.is_postgres() {
            return;
        }
        let opened = (0..4).map(|_| Store::open(place.parts()));
        let stores: Vec<Store> =
            futures::future::join_all(opened).await.into_iter().map(Result::unwrap).collect();
        for (id, store) in (1..).map(SessionId).zip(&stores) {
            put(store, creation(id)).await.unwrap();
        }
        assert_eq!(stores[0].check().await.unwrap().sessions, 4);
        for store in stores {
            store.close().await.unwrap();
        }
    })
    .await;
}
