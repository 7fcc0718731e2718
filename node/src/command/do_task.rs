//! `pomona do`: one task for a script. The answer goes to stdout exactly as it is, the exit code says what came of it,
//! and a gateway that starts again meanwhile changes neither.

use std::future::Future;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use pomona_client::Client;
use pomona_protocol::Said;
use pomona_protocol::v3::{AskBody, InputBody, NewSessionBody, SamplingBody};

use super::session_turn::{self, Ending, Heard};
use crate::cli::{DoArgs, Global};
use crate::exit::Exit;
use crate::output;
use crate::spoken::{Manner, Spoken};

/// What sessions made here are found by.
const TAG: &str = "do";

/// Why a turn is not to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Ctrl-C.
    Interrupted,
    /// It took longer than it may.
    TimedOut(Duration),
}

/// Does the task.
pub(super) fn run(args: DoArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let piped = if io::stdin().is_terminal() { String::new() } else { super::chat::read_stdin()? };
    let task = task(&args.task.join(" "), &piped)?;
    let client = super::connect(global)?;
    super::small_runtime()?.block_on(Box::pin(perform(&client, args, task, global.json)))
}

/// What is asked: the words of the command line, and below them what a pipe brought.
fn task(words: &str, piped: &str) -> anyhow::Result<String> {
    match (words.trim().is_empty(), piped.trim().is_empty()) {
        (true, true) => {
            Err(Exit::Usage.because(anyhow!("no task: give one as an argument or through a pipe")))
        }
        (false, true) => Ok(words.to_owned()),
        (true, false) => Ok(piped.to_owned()),
        (false, false) => Ok(format!("{words}\n\n{piped}")),
    }
}

async fn perform(client: &Client, args: DoArgs, task: String, json: bool) -> anyhow::Result<ExitCode> {
    let thoughts = !args.no_thinking;
    let mut stop = Box::pin(stop(args.timeout));
    let asked = async {
        let session = match &args.session {
            Some(given) => super::sessions::session_id(client, given).await?,
            None => {
                let new = NewSessionBody {
                    tags: vec![TAG.to_owned()],
                    model: args.model.clone(),
                    system: args.system.clone(),
                    ..NewSessionBody::default()
                };
                client.create_session(&new).await?.id
            }
        };
        let ask = AskBody {
            input: Some(InputBody::Text(task)),
            model: args.model,
            system: args.system,
            sampling: args
                .max_tokens
                .map(|count| SamplingBody { max_tokens: Some(i64::from(count)), ..SamplingBody::default() }),
            ..AskBody::default()
        };
        anyhow::Ok(client.ask(&session, &ask).await?)
    };
    let accepted = tokio::select! {
        biased;
        accepted = asked => accepted?,
        why = &mut stop => return ended(None, Some(why)),
    };
    let (heard, stopped) = session_turn::listen(client, &accepted, stop, shower(json, thoughts)).await?;
    finish(&heard, stopped, json)
}

/// Ready when the turn is not to go on.
async fn stop(timeout: Option<Duration>) -> Stop {
    let late = async {
        match timeout {
            Some(timeout) => {
                tokio::time::sleep(timeout).await;
                Stop::TimedOut(timeout)
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => Stop::Interrupted,
        late = late => late,
    }
}

/// Ready when the person does not want to hear more.
pub(super) fn interrupted() -> impl Future<Output = Stop> {
    stop(None)
}

/// Where the answer goes as it comes: nowhere for JSON, harmless to a terminal, its text exactly as it is to a pipe.
pub(super) fn shower(json: bool, thoughts: bool) -> impl FnMut(&Said, &str) -> anyhow::Result<()> {
    let manner = match (output::is_terminal(), thoughts) {
        (false, _) => Manner::Pipe,
        (true, true) => Manner::Terminal,
        (true, false) => Manner::Thoughtless,
    };
    let mut spoken = Spoken::new(manner);
    move |kind: &Said, piece: &str| match (json, manner) {
        (true, _) => Ok(()),
        (false, Manner::Pipe) => output::raw(&spoken.piece(kind, piece)),
        (false, _) => output::fragment(&spoken.piece(kind, piece)),
    }
}

/// Ends the line of the answer, or prints the object; then says what came of it.
pub(super) fn finish(heard: &Heard, stopped: Option<Stop>, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        output::json(&heard.json())?;
    } else if !heard.text.is_empty() && !heard.text.ends_with('\n') {
        output::line("")?;
    }
    ended(heard.ending.as_ref(), stopped)
}

/// The exit code, with an error that says why where there is something to say.
fn ended(ending: Option<&Ending>, stopped: Option<Stop>) -> anyhow::Result<ExitCode> {
    let reason = match (ending, stopped) {
        (Some(Ending::Finished(reason)), _) if matches!(reason.as_str(), "stop" | "tool_calls") => {
            return Ok(Exit::Ok.into());
        }
        (_, Some(Stop::Interrupted)) => return Ok(Exit::Interrupted.into()),
        (_, Some(Stop::TimedOut(after))) => {
            return Err(anyhow!(
                "the turn was cancelled: it took longer than --timeout, {} s",
                after.as_secs()
            ));
        }
        (Some(Ending::Finished(reason)), None) => reason.as_str(),
        (Some(Ending::Failed(error)), None) => return Err(anyhow!("{} ({})", error.message, error.code)),
        (None, None) => return Err(anyhow!("the turn has no end in the log")),
    };
    Err(match reason {
        "length" => Exit::CutOff.because(anyhow!("the answer was cut off by its length")),
        "cancelled" => anyhow!("the turn was cancelled by somebody else"),
        other => anyhow!("the turn ended by {other}"),
    })
}

#[cfg(test)]
mod tests {
    use pomona_protocol::v3::ErrorBody;

    use super::*;

    #[test]
    fn what_a_pipe_brings_stands_below_the_task() {
        for (words, piped, expected) in
            [("a", "", "a"), ("a", "b", "a\n\nb"), (" ", "b", "b"), ("a", " \n", "a")]
        {
            assert_eq!(task(words, piped).unwrap(), expected);
        }
        let error = task(" ", "\n").unwrap_err();
        assert_eq!(Exit::of(&error), Exit::Usage);
    }

    #[test]
    fn the_exit_code_tells_success_from_everything_else() {
        let finished = |reason: &str| Some(Ending::Finished(reason.to_owned()));
        let failed = Some(Ending::Failed(ErrorBody { code: "engine_lost".into(), message: "gone".into() }));
        let late = Some(Stop::TimedOut(Duration::from_secs(5)));
        assert!(ended(finished("stop").as_ref(), None).is_ok());
        // It was complete before anybody could stop it.
        assert!(ended(finished("stop").as_ref(), late).is_ok());
        assert!(ended(finished("cancelled").as_ref(), Some(Stop::Interrupted)).is_ok());
        for (ending, stopped, exit, says) in [
            (finished("length"), None, Exit::CutOff, "length"),
            (finished("cancelled"), None, Exit::Failed, "cancelled by somebody else"),
            (finished("cancelled"), late, Exit::Failed, "--timeout, 5 s"),
            (None, late, Exit::Failed, "--timeout"),
            (None, None, Exit::Failed, "no end"),
            (failed, None, Exit::Failed, "gone (engine_lost)"),
        ] {
            let error = ended(ending.as_ref(), stopped).unwrap_err();
            assert_eq!(Exit::of(&error), exit, "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
