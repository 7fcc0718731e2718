//! Sessions over a real store, with an engine that is played by hand: what a process that dies leaves, and who goes on.

use std::path::Path;
use std::sync::Arc;

use pomona_config::{SessionConfig, StoreConfig};
use pomona_protocol::{
    Cause, ContextPolicy, Message, ModelId, NewSession, Principal, Role, Sampling, SessionAttach,
    SessionCommand, SessionEvent, SessionEventBody, SessionId, SessionLive, SessionNews, SessionReply,
    SessionRequest, SessionSettings, SessionView, TurnAsk, TurnId,
};
use pomona_store::{Store, StoreParts};
use ractor::Actor;
use tokio::time::timeout;

use super::bench::{PATIENCE, card, model, parts, replica, until, up};
use super::engine::Engine;
use crate::route::Route;
use crate::sessions::supervisor::SessionsActor;
use crate::shared::{Readiness, Shared};
use crate::{Handle, Parts, SessionStream, Sessions};

const OWNER: Principal = Principal(1);
const SESSION: SessionId = SessionId(77);

/// A gateway's process, as far as sessions go.
pub(super) struct Process {
    pub(super) shared: Arc<Shared>,
    sessions: Sessions,
    supervisor: ractor::ActorRef<crate::sessions::supervisor::SessionsMessage>,
}

impl Process {
    async fn start(folder: &Path, store: &Store, engine: &Engine, session: SessionConfig) -> Self {
        let shared = Arc::new(Shared::new(&Parts { store: Some(store.clone()), session, ..parts(folder) }));
        up(&shared, replica("n"), Route::Engine(engine.link()));
        shared.readiness.send_replace(Readiness::Ready(card()));
        let (supervisor, _) = Actor::spawn(None, SessionsActor, Arc::clone(&shared)).await.unwrap();
        shared.sessions.supervisor.store(Some(Arc::new(supervisor.clone())));
        let sessions = Handle { shared: Arc::clone(&shared) }.sessions();
        Self { shared, sessions, supervisor }
    }

    /// Ends as a killed process does: nothing is noted any more, nobody is told.
    pub(super) async fn die(self) {
        self.shared.sessions.freeze();
        self.supervisor.kill_and_wait(None).await.unwrap();
    }

    pub(super) async fn ask(&self, command: SessionCommand) -> Result<SessionReply, Cause> {
        let request = SessionRequest::new(SESSION, OWNER, command);
        timeout(PATIENCE, self.sessions.ask(request)).await.expect("no answer")
    }

    pub(super) async fn create(&self) {
        let new = NewSession {
            title: String::new(),
            tags: Vec::new(),
            settings: SessionSettings {
                model: model(),
                system: None,
                sampling: Sampling::default(),
                seed: None,
                context: ContextPolicy::Refuse,
            },
            forked_from: None,
            turns: Vec::new(),
        };
        self.ask(SessionCommand::Create(new)).await.unwrap();
    }

    pub(super) async fn submit(&self, text: &str) -> TurnId {
        self.submit_to(model(), text).await
    }

    pub(super) async fn submit_to(&self, model: ModelId, text: &str) -> TurnId {
        let input = vec![Message::text(Role::User, text)];
        let ask = TurnAsk { input, model: Some(model), ..TurnAsk::default() };
        match self.ask(SessionCommand::Ask(ask)).await.unwrap() {
            SessionReply::Accepted { turn, is_new: true, .. } => turn,
            reply => panic!("{reply:?}"),
        }
    }

    pub(super) async fn view(&self) -> SessionView {
        match self.ask(SessionCommand::Show).await.unwrap() {
            SessionReply::View(view) => *view,
            reply => panic!("{reply:?}"),
        }
    }

    pub(super) async fn attach(&self, after: u64) -> SessionStream {
        let attach = SessionAttach::new(SESSION, OWNER, String::new(), after);
        timeout(PATIENCE, self.sessions.attach(attach)).await.expect("no answer").unwrap()
    }
}

pub(super) struct Bench {
    folder: tempfile::TempDir,
    store: Store,
    pub(super) engine: Engine,
}

impl Bench {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig { commit_ms: 1, ..StoreConfig::default() };
        let store = Store::open(StoreParts { config, data_dir: folder.path().to_owned() }).await.unwrap();
        let engine = Engine::new(folder.path(), "e.sock");
        Self { folder, store, engine }
    }

    pub(super) async fn process(&self) -> Process {
        self.process_with(SessionConfig::default()).await
    }

    pub(super) async fn process_with(&self, session: SessionConfig) -> Process {
        Process::start(self.folder.path(), &self.store, &self.engine, session).await
    }
}

/// The next entry of the log, or why there will be none.
pub(super) async fn next(stream: &mut SessionStream) -> Result<SessionEvent, String> {
    loop {
        match timeout(PATIENCE, stream.next()).await.expect("silence") {
            Some(SessionNews::Event(event)) => return Ok(event),
            Some(SessionNews::Cut { reason }) => return Err(reason),
            Some(_) => {}
            None => return Err("over".to_owned()),
        }
    }
}

/// Reads until the terminal event of a turn; the entries are dense.
pub(super) async fn read_to_end(stream: &mut SessionStream, mut cursor: u64) -> Vec<SessionEvent> {
    let mut events = Vec::new();
    loop {
        let event = next(stream).await.unwrap();
        assert_eq!(event.first_seq, cursor + 1, "a gap or a repeat: {event:?}");
        cursor = event.seq;
        let is_last = event.body.is_terminal();
        events.push(event);
        if is_last {
            return events;
        }
    }
}

/// The same events with tokens in pieces as large as can be.
fn joined(events: &[SessionEvent]) -> Vec<SessionEvent> {
    let mut whole: Vec<SessionEvent> = Vec::new();
    for event in events {
        let event = SessionEvent { at_ms: 0, ..event.clone() };
        let left = match whole.last_mut() {
            Some(last) => last.join(event),
            None => Some(event),
        };
        whole.extend(left);
    }
    whole
}

fn text(events: &[SessionEvent]) -> String {
    let texts = events.iter().filter_map(|event| match &event.body {
        SessionEventBody::Tokens { text, .. } | SessionEventBody::Finished { text, .. } => {
            Some(text.as_str())
        }
        _ => None,
    });
    texts.collect()
}

fn numbers(count: u32) -> String {
    (0..count).map(|index| format!("{index} ")).collect()
}

#[tokio::test]
async fn everybody_who_is_attached_sees_the_same_answer() {
    let bench = Bench::new().await;
    let process = bench.process().await;
    process.create().await;
    let mut early = process.attach(0).await;
    let turn = process.submit("go").await;
    let mut running = bench.engine.next().await;
    assert_eq!(running.request.turn, turn);
    running.start(0..5).await;
    let mut late = process.attach(0).await;
    running.tokens(5..9).await;
    running.finish(9).await;
    let seen = read_to_end(&mut early, 0).await;
    assert_eq!(text(&seen), numbers(9));
    assert_eq!(joined(&read_to_end(&mut late, 0).await), joined(&seen));
    let view = process.view().await;
    assert_eq!((view.turns[0].answer.as_str(), view.turns[0].tokens), (numbers(9).as_str(), 9));
}

#[tokio::test]
async fn the_next_process_goes_on_with_the_running_turn() {
    let bench = Bench::new().await;
    let process = bench.process().await;
    process.create().await;
    let mut before = process.attach(0).await;
    process.submit("go").await;
    let mut running = bench.engine.next().await;
    let first_attempt = running.attempt;
    running.start(0..6).await;
    let mut shown = Vec::new();
    while !text(&shown).starts_with(&numbers(6)) {
        shown.push(next(&mut before).await.unwrap());
    }
    process.die().await;
    let process = bench.process().await;
    let mut running = bench.engine.next().await;
    let shown_ids = (0..6).map(|index| 1000 + index).collect::<Vec<u32>>();
    assert_eq!(running.request.resume, shown_ids, "it goes on behind what was shown");
    assert!(running.attempt > first_attempt, "its tries come behind those of the process before");
    running.start(6..8).await;
    running.finish(8).await;
    let cursor = shown.last().unwrap().seq;
    let mut after = process.attach(cursor).await;
    shown.extend(read_to_end(&mut after, cursor).await);
    assert_eq!(text(&shown), numbers(8));
    let mut whole = process.attach(0).await;
    assert_eq!(
        joined(&read_to_end(&mut whole, 0).await),
        joined(&shown),
        "nothing that was shown has changed"
    );
}

#[tokio::test]
async fn turns_run_one_after_the_other_in_the_order_of_acceptance() {
    let bench = Bench::new().await;
    let process = bench.process().await;
    process.create().await;
    let turns = [process.submit("a").await, process.submit("b").await, process.submit("c").await];
    let mut stream = process.attach(0).await;
    let mut cursor = 0;
    for turn in turns {
        let mut running = bench.engine.next().await;
        assert_eq!(running.request.turn, turn);
        running.start(0..2).await;
        running.finish(2).await;
        cursor = read_to_end(&mut stream, cursor).await.last().unwrap().seq;
    }
    assert!(bench.engine.is_alone().await);
}

#[tokio::test]
async fn a_cancel_ends_the_running_turn_with_what_was_shown() {
    let bench = Bench::new().await;
    let process = bench.process().await;
    process.create().await;
    let mut stream = process.attach(0).await;
    process.submit("go").await;
    let mut running = bench.engine.next().await;
    running.start(0..3).await;
    while !matches!(next(&mut stream).await.unwrap().body, SessionEventBody::Tokens { .. }) {}
    process.ask(SessionCommand::Cancel { turn: None }).await.unwrap();
    running.until_left().await;
    let mut whole = process.attach(0).await;
    let events = read_to_end(&mut whole, 0).await;
    assert!(events.iter().any(|event| matches!(event.body, SessionEventBody::CancelAsked { by: OWNER, .. })));
    assert!(matches!(
        events.last().unwrap().body,
        SessionEventBody::Finished { reason: pomona_protocol::FinishReason::Cancelled, .. }
    ));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_and_the_others_go_on() {
    let bench = Bench::new().await;
    let config = SessionConfig { client_buffer_events: 16, ..SessionConfig::default() };
    let process = bench.process_with(config).await;
    process.create().await;
    let (mut idle, mut reader) = (process.attach(0).await, process.attach(0).await);
    // It has read the past and hears the present, where what does not fit would be lost.
    while !matches!(timeout(PATIENCE, idle.next()).await, Ok(Some(SessionNews::CaughtUp { .. }))) {}
    process.submit("go").await;
    let mut running = bench.engine.next().await;
    running.start(0..1).await;
    let mut seen = Vec::new();
    for count in 1..=200 {
        // Each is an event of its own, since tokens that wait for the log are joined.
        while text(&seen) != numbers(count) {
            seen.push(next(&mut reader).await.unwrap());
        }
        if count < 200 {
            running.tokens(count..count + 1).await;
        }
    }
    running.finish(200).await;
    let cursor = seen.last().unwrap().seq;
    seen.extend(read_to_end(&mut reader, cursor).await);
    assert_eq!(text(&seen), numbers(200));
    let mut heard = Vec::new();
    let reason = loop {
        match next(&mut idle).await {
            Ok(event) => heard.push(event),
            Err(reason) => break reason,
        }
    };
    assert_eq!(reason, "slow");
    let cursor = heard.last().unwrap().seq;
    let mut again = process.attach(cursor).await;
    heard.extend(read_to_end(&mut again, cursor).await);
    assert_eq!(joined(&heard), joined(&seen[1..]), "all but the creation, which it had read");
}

#[tokio::test]
async fn of_two_activations_the_newer_one_writes_and_the_older_one_steps_down() {
    let bench = Bench::new().await;
    let (old, new) = (bench.process().await, bench.process().await);
    old.create().await;
    let mut stream = old.attach(0).await;
    new.ask(SessionCommand::Show).await.unwrap();
    old.submit("go").await;
    // The old one was fenced, stepped down, and took its turn back from the newer one's log.
    let reason = loop {
        match next(&mut stream).await {
            Ok(_) => {}
            Err(reason) => break reason,
        }
    };
    assert_eq!(reason, "moved");
    // The try of the first activation may have reached the engine before it was let go.
    let mut running = bench.engine.next().await;
    while running.attempt < 3 << 12 {
        running = bench.engine.next().await;
    }
    running.start(0..1).await;
    running.finish(1).await;
    let mut whole = old.attach(0).await;
    let events = read_to_end(&mut whole, 0).await;
    let accepted = events.iter().filter(|event| matches!(event.body, SessionEventBody::Accepted { .. }));
    assert_eq!(accepted.count(), 1, "asked once: {events:?}");
}

#[tokio::test]
async fn cursors_and_strangers_are_refused_by_name() {
    let bench = Bench::new().await;
    let process = bench.process().await;
    let attach = |by, after| SessionAttach::new(SESSION, by, String::new(), after);
    let refused = |cause: Option<Cause>| cause.map(|cause| cause.code());
    let gone = process.sessions.attach(attach(OWNER, 0)).await.err();
    assert_eq!(refused(gone), Some("session_not_found"));
    until("nothing of it stays", || process.shared.sessions.len() == 0).await;
    process.create().await;
    let ahead = process.sessions.attach(attach(OWNER, 2)).await.err();
    assert_eq!(refused(ahead), Some("cursor_ahead"));
    let stranger = process.sessions.attach(attach(Principal(2), 0)).await.err();
    assert_eq!(refused(stranger), Some("session_not_found"));
    assert_eq!(
        refused(process.sessions.session_of(Principal(2), TurnId(5)).await.err()),
        Some("turn_not_found")
    );
}

#[tokio::test]
async fn everybody_is_told_who_is_here() {
    let bench = Bench::new().await;
    let process = bench.process().await;
    process.create().await;
    let mut first = process.attach(1).await;
    let second = process.attach(1).await;
    assert_eq!((first.client(), second.client()), (Some(1), Some(2)));
    let mut counts = Vec::new();
    while counts.last() != Some(&2) {
        if let Some(SessionNews::Live(SessionLive::Presence { clients })) =
            timeout(PATIENCE, first.next()).await.expect("silence")
        {
            counts.push(clients.len());
        }
    }
    drop(second);
    while counts.last() != Some(&1) || counts.len() < 3 {
        if let Some(SessionNews::Live(SessionLive::Presence { clients })) =
            timeout(PATIENCE, first.next()).await.expect("silence")
        {
            counts.push(clients.len());
        }
    }
    assert_eq!(counts, [1, 2, 1]);
}
