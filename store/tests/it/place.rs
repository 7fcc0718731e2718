//! Where a test keeps its store, and what it writes there.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use pomona_config::StoreConfig;
use pomona_protocol::{
    FinishReason, ModelId, Principal, SessionEvent, SessionEventBody, SessionId, SessionSettings,
    SessionSummary, TurnId, Usage,
};
use pomona_store::{Append, AppendError, AuditEntry, Store, StoreError, StoreParts};
use tempfile::TempDir;

/// A database of one test.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) config: StoreConfig,
    /// The server's URL and the schema.
    postgres: Option<(String, String)>,
}

/// Runs a rule on every database that there is, each time on an empty one.
pub(crate) async fn everywhere(rule: impl AsyncFn(&Place)) {
    let sqlite = Place::new(None).await;
    rule(&sqlite).await;
    if let Ok(url) = std::env::var("POMONA_TEST_POSTGRES") {
        let postgres = Place::new(Some(url)).await;
        rule(&postgres).await;
        postgres.end().await;
    }
}

impl Place {
    async fn new(url: Option<String>) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mut config = StoreConfig::default();
        let mut postgres = None;
        if let Some(url) = url {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let schema = format!("pomona_test_{}_{number}", std::process::id());
            let sign = if url.contains('?') { '&' } else { '?' };
            config.url = Some(format!("{url}{sign}options=-c%20search_path%3D{schema}"));
            postgres = Some((url, schema));
        }
        Self { folder: tempfile::tempdir().unwrap(), config, postgres }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.postgres.is_some()
    }

    pub(crate) fn parts(&self) -> StoreParts {
        StoreParts { config: self.config.clone(), data_dir: self.folder.path().to_owned() }
    }

    /// Opens it, as soon as the one before has let go.
    pub(crate) async fn open(&self) -> Store {
        self.open_with(|_| {}).await
    }

    /// Opens it with another configuration.
    pub(crate) async fn open_with(&self, change: impl Fn(&mut StoreConfig)) -> Store {
        let began = Instant::now();
        loop {
            let mut parts = self.parts();
            change(&mut parts.config);
            match Store::open(parts).await {
                Ok(store) => return store,
                Err(StoreError::Unavailable { .. }) if began.elapsed() < Duration::from_secs(20) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Changes the database behind the store's back; the store must be closed.
    pub(crate) async fn tamper(&self, sql: &str) {
        match &self.config.url {
            None => {
                let db = rusqlite::Connection::open(self.folder.path().join("store.db")).unwrap();
                db.execute_batch(sql).unwrap();
            }
            Some(url) => ask_server(url, sql).await,
        }
    }

    async fn end(&self) {
        if let Some((url, schema)) = &self.postgres {
            ask_server(url, &format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await;
        }
    }
}

async fn ask_server(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(connection);
    client.batch_execute(sql).await.unwrap();
}

/// Appends and waits.
pub(crate) async fn put(store: &Store, append: Append) -> Result<(), AppendError> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    store.append(append, move |result| drop(done.send(result)));
    outcome.await.expect("every append hears what became of it")
}

/// An append of nothing.
pub(crate) fn empty(session: SessionId, epoch: u64, expected_seq: u64) -> Append {
    Append {
        session,
        epoch,
        expected_seq,
        events: Vec::new(),
        synced: false,
        summary: None,
        texts: Vec::new(),
        audit: Vec::new(),
        snapshot: None,
    }
}

/// The first append of a session: made by key 1, with what lists show.
pub(crate) fn creation(session: SessionId) -> Append {
    let sampling = serde_json::from_str("{}").expect("sampling has defaults");
    let settings = SessionSettings {
        model: ModelId("sprout".into()),
        system: None,
        sampling,
        seed: None,
        context: Default::default(),
    };
    let body = SessionEventBody::Created {
        owner: Principal(1),
        title: String::new(),
        tags: Vec::new(),
        settings,
        forked_from: None,
    };
    let events = vec![SessionEvent { first_seq: 1, seq: 1, at_ms: 1, body }];
    Append { events, summary: Some(summary(session)), ..empty(session, 1, 0) }
}

/// What lists show of a session without anything.
pub(crate) fn summary(id: SessionId) -> SessionSummary {
    SessionSummary {
        id,
        owner: Principal(1),
        shared: Default::default(),
        title: String::new(),
        model: ModelId("sprout".into()),
        tags: Vec::new(),
        created_ms: 1,
        updated_ms: 1,
        turns: 0,
        open_turns: 0,
        head_seq: 0,
    }
}

/// Tokens of a turn; token `n` of a turn says `n` and a space. `first` is the index of the first one.
pub(crate) fn tokens(turn: TurnId, expected_seq: u64, first: u32, count: u32) -> SessionEvent {
    let (mut text, mut ends) = (String::new(), Vec::new());
    for number in first..first + count {
        text.push_str(&format!("{number} "));
        ends.push(u32::try_from(text.len()).unwrap());
    }
    let body = SessionEventBody::Tokens {
        turn,
        first,
        ids: (first..first + count).collect(),
        text,
        ends,
        marks: Vec::new(),
    };
    SessionEvent { first_seq: expected_seq + 1, seq: expected_seq + u64::from(count), at_ms: 2, body }
}

/// An append of tokens.
pub(crate) fn stream(session: SessionId, epoch: u64, expected_seq: u64, first: u32, count: u32) -> Append {
    let events = vec![tokens(TurnId(session.0), expected_seq, first, count)];
    Append { events, ..empty(session, epoch, expected_seq) }
}

/// The end of the turn that [`stream`] writes.
pub(crate) fn finish(session: SessionId, expected_seq: u64) -> SessionEvent {
    let body = SessionEventBody::Finished {
        turn: TurnId(session.0),
        reason: FinishReason::Stop,
        text: String::new(),
        usage: Usage::default(),
        marks: Vec::new(),
        stop: None,
    };
    SessionEvent { first_seq: expected_seq + 1, seq: expected_seq + 1, at_ms: 3, body }
}

/// A line of the audit.
pub(crate) fn line(by: u64, detail: &str) -> AuditEntry {
    AuditEntry {
        at_ms: 7,
        by: Principal(by),
        action: "turn.asked".into(),
        object: "ses_1".into(),
        detail: detail.into(),
    }
}

/// The whole log, every token by itself, so that rows may be cut anywhere.
pub(crate) async fn log(store: &Store, session: SessionId) -> Vec<SessionEvent> {
    let mut events = Vec::new();
    let mut after = store.bounds(session).await.unwrap().map_or(0, |bounds| bounds.oldest_seq - 1);
    loop {
        let page = store.read(session, after, 7).await.unwrap();
        let Some(last) = page.last() else { return events };
        after = last.seq;
        events.extend(page.iter().flat_map(single));
    }
}

fn single(event: &SessionEvent) -> Vec<SessionEvent> {
    let SessionEventBody::Tokens { turn, first, ids, text, ends, .. } = &event.body else {
        return vec![event.clone()];
    };
    let mut from = 0;
    let one = |(number, (id, end)): (u32, (&u32, &u32))| {
        let piece = text[from as usize..*end as usize].to_owned();
        from = *end;
        let seq = event.first_seq + u64::from(number);
        let ends = vec![u32::try_from(piece.len()).unwrap()];
        let body = SessionEventBody::Tokens {
            turn: *turn,
            first: first + number,
            ids: vec![*id],
            text: piece,
            ends,
            marks: Vec::new(),
        };
        SessionEvent { first_seq: seq, seq, at_ms: event.at_ms, body }
    };
    (0..).zip(ids.iter().zip(ends)).map(one).collect()
}
