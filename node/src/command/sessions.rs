//! `pomona sessions`: finding conversations that last, changing them, and taking them elsewhere. Talking in them is
//! `chat`'s.

mod change;
mod files;
mod page;
mod resolve;

use std::process::ExitCode;

use anyhow::anyhow;
use pomona_client::{Client, SessionsQuery};
use pomona_protocol::v3::{ChangeBody, SummaryBody, TurnBody};

use crate::cli::{ChatArgs, ForkArgs, Global, ListArgs, SessionsCommand};
use crate::clock;
use crate::exit::Exit;
use crate::output::{self, DIM, harmless};

pub(super) use files::write;
pub(crate) use page::shown;
pub(super) use page::{path_to_active, question, short};
pub(super) use resolve::session_id;

/// Sessions on a page that is asked for: as many as a gateway gives.
const PAGE: u32 = 200;
/// Found sessions that are shown; more words find fewer.
const FOUND_MAX: u32 = 50;

/// Lists, shows, changes, exports and so on.
pub(super) fn run(command: SessionsCommand, global: &Global) -> anyhow::Result<ExitCode> {
    if let SessionsCommand::Resume { id, prompt } = command {
        return super::chat::run(ChatArgs { session: Some(id), prompt, ..ChatArgs::default() }, global);
    }
    let client = super::connect(global)?;
    super::small_runtime()?.block_on(Box::pin(obey(command, &client, global)))
}

async fn obey(command: SessionsCommand, client: &Client, global: &Global) -> anyhow::Result<ExitCode> {
    match command {
        SessionsCommand::Ls(args) => list(client, args, global).await?,
        SessionsCommand::Search { words } => search(client, &said("search", &words)?, global).await?,
        SessionsCommand::Show { id, tree } => show(client, &id, tree, global).await?,
        SessionsCommand::Resume { .. } => {}
        SessionsCommand::Export(args) => files::export(client, args, global).await?,
        SessionsCommand::Import { file } => {
            let session = client.import(&files::read(&file)?).await?;
            told(global, &session, &format!("{} is {}", named(&session.title), session.id))?;
        }
        SessionsCommand::Fork(args) => fork(client, args, global).await?,
        SessionsCommand::Rename { id, title } => {
            let title = said("new name", &title)?;
            let id = session_id(client, &id).await?;
            let change = ChangeBody { title: Some(title), ..ChangeBody::default() };
            let session = client.change_session(&id, &change).await?;
            told(global, &session, &format!("{} is called {} now", short(&id), named(&session.title)))?;
        }
        SessionsCommand::Tag { id, changes } => {
            let id = session_id(client, &id).await?;
            let session = change::tag(client, &id, &changes).await?;
            let tags = if session.tags.is_empty() { "none".to_owned() } else { session.tags.join(", ") };
            told(global, &session, &format!("tags of {}: {}", short(&id), harmless(&tags)))?;
        }
        SessionsCommand::Share { id, key, access } => {
            let id = session_id(client, &id).await?;
            let key = key.to_string();
            let session = change::share(client, &id, &key, access).await?;
            told(global, &session, &change::shared(&session, &key))?;
        }
        SessionsCommand::Cancel { id } => {
            let id = session_id(client, &id).await?;
            let session = client.session(&id).await?;
            let done = client.cancel(&id, None).await?;
            told(global, &done, &change::cancelled(&session))?;
        }
        SessionsCommand::Rm { ids, yes } => return change::remove(client, &ids, yes, global).await,
    }
    Ok(Exit::Ok.into())
}

async fn list(client: &Client, args: ListArgs, global: &Global) -> anyhow::Result<()> {
    let query =
        SessionsQuery { title: args.title, model: args.model, tag: args.tag, ..SessionsQuery::default() };
    let most = if args.all { u32::MAX } else { args.limit };
    let (sessions, has_more) = gather(client, query, most).await?;
    if global.json {
        return output::json(&sessions);
    }
    if sessions.is_empty() {
        output::remark("no session; `pomona chat --session new` makes one");
        return Ok(());
    }
    output::line(&page::table(&sessions, clock::unix_ms()))?;
    if has_more {
        output::remark(&format!("{DIM}there are more: --limit COUNT or --all shows them{DIM:#}"));
    }
    Ok(())
}

async fn search(client: &Client, words: &str, global: &Global) -> anyhow::Result<()> {
    let query = SessionsQuery { text: Some(words.to_owned()), ..SessionsQuery::default() };
    let (sessions, has_more) = gather(client, query, FOUND_MAX).await?;
    if global.json {
        return output::json(&sessions);
    }
    if sessions.is_empty() {
        output::remark(&format!("no session holds all of these words: {}", harmless(words)));
        return Ok(());
    }
    output::line(&page::table(&sessions, clock::unix_ms()))?;
    if has_more {
        output::remark(&format!("{DIM}the newest {FOUND_MAX}; more words find fewer{DIM:#}"));
    }
    Ok(())
}

/// The first `most` sessions of a query, and whether there are more.
async fn gather(
    client: &Client,
    mut query: SessionsQuery,
    most: u32,
) -> anyhow::Result<(Vec<SummaryBody>, bool)> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut sessions = Vec::new();
    loop {
        let left = most - sessions.len();
        query.limit = Some(PAGE.min(u32::try_from(left).unwrap_or(PAGE)));
        let page = client.sessions(&query).await?;
        let came = page.sessions.len();
        sessions.extend(page.sessions.into_iter().take(left));
        match page.next {
            // A page that brings nothing would be followed by itself for ever.
            Some(next) if came > 0 && sessions.len() < most => query.cursor = Some(next),
            next => return Ok((sessions, next.is_some())),
        }
    }
}

async fn show(client: &Client, id: &str, tree: bool, global: &Global) -> anyhow::Result<()> {
    let id = session_id(client, id).await?;
    let session = client.session(&id).await?;
    if global.json {
        output::json(&session)
    } else if tree {
        output::line(&page::tree(&session))
    } else {
        output::line(&page::page(&session, clock::unix_ms()))
    }
}

async fn fork(client: &Client, args: ForkArgs, global: &Global) -> anyhow::Result<()> {
    let id = session_id(client, &args.id).await?;
    let turn = match args.at {
        Some(turn) => Some(resolve::turn_id(&client.session(&id).await?, &turn)?),
        None => None,
    };
    let session = client.fork(&id, &TurnBody { turn, title: args.title }).await?;
    told(global, &session, &format!("{} continues {}: {}", named(&session.title), short(&id), session.id))
}

/// The words of the command line as one text, which has to say something.
fn said(what: &str, words: &[String]) -> anyhow::Result<String> {
    let text = words.join(" ").trim().to_owned();
    if text.is_empty() {
        return Err(Exit::Usage.because(anyhow!("the {what} is empty")));
    }
    Ok(text)
}

/// The value for a program, the text for a person.
fn told(global: &Global, value: &impl serde::Serialize, text: &str) -> anyhow::Result<()> {
    if global.json { output::json(value) } else { output::line(text) }
}

/// A title, or what stands for none.
pub(super) fn named(title: &str) -> String {
    if title.trim().is_empty() {
        "a session without a title".to_owned()
    } else {
        format!("\u{201c}{}\u{201d}", harmless(title))
    }
}
