//! Talking in a session that lasts. While a person types, what happens in the session is printed above the prompt;
//! while a turn runs, it is printed as it comes. Leaving ends nothing.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anyhow::anyhow;
use futures::StreamExt;
use pomona_client::{Client, FeedEvent, SessionFeed};
use pomona_protocol::Role;
use pomona_protocol::v3::{
    AskBody, ChangeBody, ContentBody, InputBody, MessageBody, NewSessionBody, PartBody, SamplingBody,
    SessionBody,
};
use tokio::runtime::Runtime;

use super::history::HistoryFile;
use super::overhear::{Overheard, Overhearing};
use super::prompt::Prompt;
use super::screen::{Screen, ended};
use super::slash::{self, Slash};
use crate::cli::{ChatArgs, Global};
use crate::command::do_task::{finish, interrupted, shower};
use crate::command::session_turn;
use crate::command::sessions::{named, path_to_active, question, session_id, short};
use crate::exit::Exit;
use crate::output::{self, BOLD, DIM, harmless};
use crate::paths::Paths;
use crate::spoken;

/// The word for a session that is to be made.
const NEW: &str = "new";
/// Turns of the past that are printed.
const PAST_MAX: usize = 10;

/// One prompt, one answer, within a session.
pub(super) async fn once(
    client: &Client,
    given: &str,
    args: &ChatArgs,
    pictures: &[(String, String)],
    prompt: String,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let (session, is_new) = match given {
        NEW => (client.create_session(&new(args)).await?.id, true),
        given => (session_id(client, given).await?, false),
    };
    let accepted = client.ask(&session, &ask(prompt, args, pictures)).await?;
    let (heard, stopped) =
        session_turn::listen(client, &accepted, interrupted(), shower(json, !args.no_thinking)).await?;
    if is_new && !json && io::stderr().is_terminal() {
        let short = short(&session);
        output::remark(&format!("{DIM}{short} · `pomona sessions resume {short}` goes on{DIM:#}"));
    }
    // A person who limits an answer gets what was wanted; only `do` tells a script of it.
    match finish(&heard, stopped, json) {
        Err(error) if Exit::of(&error) == Exit::CutOff => Ok(Exit::Ok.into()),
        finished => finished,
    }
}

/// Talks until the person leaves.
pub(super) fn run(
    runtime: &Runtime,
    client: &Client,
    given: &str,
    args: &ChatArgs,
    pictures: Vec<(String, String)>,
    global: &Global,
) -> anyhow::Result<ExitCode> {
    let session = runtime.block_on(async {
        match given {
            NEW => Ok(client.create_session(&new(args)).await?),
            given => anyhow::Ok(client.session(&session_id(client, given).await?).await?),
        }
    })?;
    let history = Paths::discover(global.home.as_deref()).ok().map(|paths| HistoryFile::of(&paths.data_dir));
    let mut prompt = Prompt::new(history)?;
    let name = std::env::var("USER").unwrap_or_default();
    let feed = client.attach(&session.id, session.head_seq, &name);
    let screen = Screen::new(!args.no_thinking);
    let mut talk = Talk { runtime, client, args, pictures, id: session.id.clone(), screen, feed: Some(feed) };
    talk.greet(&session)?;
    talk.hear_out(&session)?;
    while let Some(line) = talk.read(&mut prompt)? {
        match slash::parse(&line) {
            Some(Ok(Slash::Quit)) => break,
            Some(Ok(command)) => talk.obey(command)?,
            Some(Err(message)) => output::error(&message),
            None if line.trim().is_empty() => {}
            None => talk.answer(line)?,
        }
    }
    output::remark(&format!("{DIM}`pomona sessions resume {}` goes on{DIM:#}", short(&session.id)));
    Ok(Exit::Ok.into())
}

/// A session that the flags ask for.
fn new(args: &ChatArgs) -> NewSessionBody {
    NewSessionBody {
        model: args.model.clone(),
        system: args.system.clone(),
        sampling: sampling(args),
        seed: args.seed,
        ..NewSessionBody::default()
    }
}

/// A turn that the flags ask for.
fn ask(prompt: String, args: &ChatArgs, pictures: &[(String, String)]) -> AskBody {
    let input = if pictures.is_empty() {
        InputBody::Text(prompt)
    } else {
        let pictures = pictures.iter().map(|(media_type, base64)| PartBody::Image {
            media_type: media_type.clone(),
            data: base64.clone(),
        });
        let parts = pictures.chain([PartBody::Text { text: prompt }]).collect();
        InputBody::Messages(vec![MessageBody { role: Role::User, content: ContentBody::Parts(parts) }])
    };
    AskBody {
        input: Some(input),
        model: args.model.clone(),
        system: args.system.clone(),
        sampling: sampling(args),
        seed: args.seed,
        ..AskBody::default()
    }
}

fn sampling(args: &ChatArgs) -> Option<SamplingBody> {
    let sampling = SamplingBody {
        temperature: args.temperature,
        max_tokens: args.max_tokens.map(i64::from),
        ..SamplingBody::default()
    };
    (sampling != SamplingBody::default()).then_some(sampling)
}

/// A session and somebody who talks in it.
struct Talk<'a> {
    runtime: &'a Runtime,
    client: &'a Client,
    args: &'a ChatArgs,
    /// Pictures that the next question shows.
    pictures: Vec<(String, String)>,
    id: String,
    screen: Screen,
    /// Here while nobody types; otherwise whoever prints above the prompt has it.
    feed: Option<SessionFeed>,
}

impl Talk<'_> {
    fn greet(&mut self, session: &SessionBody) -> anyhow::Result<()> {
        let url = self.client.url().as_str().trim_end_matches('/');
        let (title, id, model) = (named(&session.title), short(&session.id), harmless(&session.model));
        output::line(&format!(
            "{DIM}{title}, {id}, {model} at {url} · /help lists commands, Ctrl-D leaves{DIM:#}"
        ))?;
        let path = path_to_active(session);
        let hidden = path.len().saturating_sub(PAST_MAX);
        if hidden > 0 {
            output::line(&format!("{DIM}{hidden} turns before these: `pomona sessions show {id}`{DIM:#}"))?;
        }
        for turn in &path[hidden..] {
            output::line(&format!("{BOLD}>{BOLD:#} {}", harmless(&question(&turn.input))))?;
            output::fragment(&spoken::whole(self.screen.manner(), &turn.answer, &turn.marks))?;
            self.screen.goes_on();
            if turn.ended_seq.is_some() || turn.answer.is_empty() {
                let _ = self.screen.line();
                output::fragment(if turn.answer.is_empty() || turn.answer.ends_with('\n') {
                    ""
                } else {
                    "\n"
                })?;
            }
        }
        Ok(())
    }

    /// Turns that wait or run are listened to before the prompt appears.
    fn hear_out(&mut self, session: &SessionBody) -> anyhow::Result<()> {
        for turn in session.turns.iter().filter(|turn| matches!(turn.state.as_str(), "queued" | "running")) {
            self.screen.asked(&turn.id);
        }
        let running = session.turns.iter().find(|turn| turn.state == "running");
        running.map_or(Ok(()), |turn| self.listen(&turn.id))
    }

    /// The next message. What happens meanwhile is printed above the prompt.
    fn read(&mut self, prompt: &mut Prompt) -> anyhow::Result<Option<String>> {
        let Some(feed) = self.feed.take() else { return Err(over()) };
        let overhearing =
            Overhearing::start(self.runtime, feed, std::mem::take(&mut self.screen), prompt.printer());
        let line = prompt.read();
        let Overheard { feed, screen, rest } = overhearing.end(self.runtime)?;
        self.screen = screen;
        output::fragment(&rest)?;
        self.feed = Some(feed?);
        line
    }

    /// Asks and shows. What goes wrong with one turn does not end the conversation.
    fn answer(&mut self, prompt: String) -> anyhow::Result<()> {
        let ask = ask(prompt, self.args, &std::mem::take(&mut self.pictures));
        let accepted = self.runtime.block_on(async {
            tokio::select! {
                biased;
                accepted = self.client.ask(&self.id, &ask) => Some(accepted),
                _ = interrupted() => None,
            }
        });
        match accepted {
            Some(Ok(accepted)) => {
                self.screen.asked(&accepted.turn);
                self.listen(&accepted.turn)
            }
            Some(Err(error)) => {
                output::error(&error.to_string());
                Ok(())
            }
            None => {
                output::remark("interrupted before the gateway said that it has the question");
                Ok(())
            }
        }
    }

    /// Prints what happens until a turn has ended. Ctrl-C cancels the turn; a second one does not wait for its end.
    fn listen(&mut self, turn: &str) -> anyhow::Result<()> {
        let Some(feed) = &mut self.feed else { return Err(over()) };
        let (screen, client, id) = (&mut self.screen, self.client, &self.id);
        self.runtime.block_on(async {
            let mut is_cancelled = false;
            loop {
                let event = tokio::select! {
                    biased;
                    _ = interrupted() => {
                        if std::mem::replace(&mut is_cancelled, true) {
                            return output::fragment(screen.line());
                        }
                        screen.cancelled(turn);
                        if let Err(error) = client.cancel(id, Some(turn)).await {
                            output::error(&error.to_string());
                        }
                        continue;
                    }
                    event = feed.next() => event,
                };
                let event: FeedEvent = event.ok_or_else(over)??;
                output::fragment(&screen.take(&event))?;
                if ended(&event) == Some(turn) {
                    return Ok(());
                }
            }
        })
    }

    fn obey(&mut self, command: Slash) -> anyhow::Result<()> {
        let change = match command {
            Slash::Help => return output::line(&slash::help_in_session()),
            Slash::Reset => {
                output::error(
                    "a session keeps what was said; `pomona chat --session new` begins another one",
                );
                return Ok(());
            }
            Slash::Model(None) => return super::list_models(self.runtime, self.client, ""),
            Slash::Quit => return Ok(()),
            Slash::System(text) => ChangeBody { system: Some(text), ..ChangeBody::default() },
            Slash::Model(model) => ChangeBody { model, ..ChangeBody::default() },
            Slash::Seed(seed) => ChangeBody { seed: Some(seed), ..ChangeBody::default() },
        };
        if let Err(error) = self.runtime.block_on(self.client.change_session(&self.id, &change)) {
            output::error(&error.to_string());
        }
        Ok(())
    }
}

fn over() -> anyhow::Error {
    anyhow!("nothing more is to be heard of this session")
}
