//! Does what `update` wants done: asks the gateway, each time in a task of its own, and brings the answers as messages.
//! The set of tasks owns them; dropping it ends them, and turns go on at the gateway.

use std::time::Instant;

use futures::StreamExt;
use pomona_client::{Client, ClientError, FeedEvent, SessionFeed, SessionsQuery};
use pomona_protocol::v3::{AskBody, DoneBody, NewSessionBody, SessionBody, TurnBody};
use tokio::sync::mpsc::Sender;
use tokio::task::{AbortHandle, JoinError, JoinSet};

use super::message::{Command, Message, News, Trouble, Verb};

/// Sessions that are asked for at once.
const PAGE_SESSIONS: u32 = 100;

/// The tasks that run.
pub(super) struct Tasks {
    client: Client,
    /// What others call this client.
    name: String,
    messages: Sender<Message>,
    set: JoinSet<()>,
    /// Those of which only the last one matters.
    feed: Option<AbortHandle>,
    list: Option<AbortHandle>,
    open: Option<AbortHandle>,
}

impl Tasks {
    /// No tasks yet; answers go to `messages`.
    pub(super) fn new(client: Client, name: String, messages: Sender<Message>) -> Self {
        Self { client, name, messages, set: JoinSet::new(), feed: None, list: None, open: None }
    }

    /// Starts what is wanted. `Quit` and `Remember` are done by the loop.
    pub(super) fn start(&mut self, command: Command) {
        match command {
            Command::List { search, from } => {
                let handle = self.spawn(|client| list(client, search, from));
                replace(&mut self.list, handle);
            }
            Command::Open(session) => {
                let handle = self.spawn(|client| async move {
                    let result = client.session(&session).await.map(Box::new).map_err(Trouble::from);
                    Message::Opened { session, result }
                });
                replace(&mut self.open, handle);
            }
            Command::Attach { session, after } => {
                let feed = self.client.attach(&session, after, &self.name);
                let handle = self.set.spawn(listen(feed, session, self.messages.clone()));
                replace(&mut self.feed, handle);
            }
            Command::Detach => {
                let abandoned = [self.feed.take(), self.open.take()];
                abandoned.into_iter().flatten().for_each(|task| task.abort());
            }
            Command::Models => {
                self.spawn(
                    |client| async move { Message::Models(client.models().await.map_err(Trouble::from)) },
                );
            }
            Command::Fleet => {
                self.spawn(|client| async move {
                    let told = tokio::try_join!(client.nodes(), client.status());
                    Message::Fleet(told.map(Box::new).map_err(Trouble::from))
                });
            }
            Command::Remember(_) | Command::Quit => {}
            changing => self.start_change(changing),
        }
    }

    /// Those that change something.
    fn start_change(&mut self, command: Command) {
        match command {
            Command::Create { model } => self.spawn(|client| async move {
                let new = NewSessionBody { model, ..NewSessionBody::default() };
                let made = client.create_session(&new).await;
                Message::Created(made.map(Box::new).map_err(Trouble::from))
            }),
            Command::Ask { session, verb, body } => self.spawn(|client| ask(client, session, verb, body)),
            Command::Cancel { session, turn } => self.spawn(|client| async move {
                let result = client.cancel(&session, Some(&turn)).await.map_err(Trouble::from);
                Message::Done { what: "", result }
            }),
            Command::Choose { session, leaf } => self.spawn(|client| async move {
                let result = client.choose(&session, &leaf).await.map_err(Trouble::from);
                Message::Done { what: "", result }
            }),
            Command::Fork { session, turn } => self.spawn(|client| async move {
                let from = TurnBody { turn, title: None };
                let forked = client.fork(&session, &from).await;
                Message::Forked(forked.map(Box::new).map_err(Trouble::from))
            }),
            Command::Change { session, change } => self.spawn(|client| async move {
                let changed = client.change_session(&session, &change).await;
                Message::Done { what: "saved", result: changed.map(done).map_err(Trouble::from) }
            }),
            Command::Delete(session) => self.spawn(|client| async move {
                let result = client.delete_session(&session).await.map_err(Trouble::from);
                Message::Done { what: "deleted", result }
            }),
            _ => return,
        };
    }

    /// The end of a task; an error when it panicked. Waits for ever while there is none.
    pub(super) async fn next_end(&mut self) -> Result<(), JoinError> {
        match self.set.join_next().await {
            Some(Err(error)) if error.is_panic() => Err(error),
            Some(_) => Ok(()),
            None => std::future::pending().await,
        }
    }

    fn spawn<F>(&mut self, work: impl FnOnce(Client) -> F) -> AbortHandle
    where
        F: Future<Output = Message> + Send + 'static,
    {
        let work = work(self.client.clone());
        let messages = self.messages.clone();
        self.set.spawn(async move {
            let message = work.await;
            // Without a reader the screen is closing.
            let _ = messages.send(message).await;
        })
    }
}

fn replace(place: &mut Option<AbortHandle>, task: AbortHandle) {
    if let Some(before) = place.replace(task) {
        before.abort();
    }
}

async fn list(client: Client, search: Option<String>, from: Option<String>) -> Message {
    let query = SessionsQuery {
        text: search.clone(),
        cursor: from.clone(),
        limit: Some(PAGE_SESSIONS),
        ..SessionsQuery::default()
    };
    let asked = Instant::now();
    let listed = client.sessions(&query).await;
    let took_ms = asked.elapsed().as_millis() as u64;
    Message::Listed { search, from, result: listed.map(|page| (page, took_ms)).map_err(Trouble::from) }
}

async fn ask(client: Client, session: String, verb: Verb, body: Box<AskBody>) -> Message {
    let accepted = match verb {
        Verb::Ask => client.ask(&session, &body).await,
        Verb::Edit => client.edit(&session, &body).await,
        Verb::Regenerate => client.regenerate(&session, &body).await,
    };
    Message::Accepted(accepted.map_err(Trouble::from))
}

/// Passes on what a session says, until nothing follows or nobody reads.
async fn listen(mut feed: SessionFeed, session: String, messages: Sender<Message>) {
    while let Some(event) = feed.next().await {
        let news = match event {
            Ok(FeedEvent::Event(envelope)) => News::Said(Box::new(envelope)),
            Ok(FeedEvent::Connected { .. }) => News::Connected,
            Ok(FeedEvent::Lost { .. }) => News::Lost,
            Err(error) => News::Ended(error.into()),
        };
        if messages.send(Message::Heard { session: session.clone(), news }).await.is_err() {
            return;
        }
    }
}

fn done(body: SessionBody) -> DoneBody {
    DoneBody { session: body.id, seq: body.head_seq }
}

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        let is_missing =
            matches!(error, ClientError::Api { status: 404, .. } | ClientError::SessionDeleted { .. });
        Self { message: error.to_string(), is_offline: error.is_passing(), is_missing }
    }
}
