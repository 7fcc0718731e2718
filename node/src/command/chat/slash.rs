//! The commands within a conversation: lines that begin with a slash. Pure; `interactive` does what they say.

use pomona_protocol::limits::SEED_MAX;

/// What a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Slash {
    /// Say what there is.
    Help,
    /// Be like this; `None`: as the model is.
    System(Option<String>),
    /// Forget what was said.
    Reset,
    /// Talk to this model; `None`: list them.
    Model(Option<String>),
    /// Draw with this seed; `None`: with a new one each time.
    Seed(Option<u64>),
    /// Leave.
    Quit,
}

/// What `/help` prints.
pub(super) const HELP: &str = "\
/system TEXT   what the model is to be like; without TEXT: as it is by itself
/model NAME    talk to another model; without NAME: list them
/seed NUMBER   same seed, same answer; without NUMBER: a new one each time
/reset         forget what was said
/quit          leave (as do Ctrl-D, and Ctrl-C at the empty prompt)

A line that ends with a backslash goes on in the next. Ctrl-C ends a running answer.";

/// What it prints in a session, which forgets nothing.
pub(super) fn help_in_session() -> String {
    HELP.lines().filter(|line| !line.starts_with("/reset")).collect::<Vec<_>>().join("\n")
}

/// The command of a line, or what is wrong with it; `None` for a line that is a message.
pub(super) fn parse(line: &str) -> Option<Result<Slash, String>> {
    let rest = line.strip_prefix('/')?;
    let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let argument = Some(argument.trim()).filter(|argument| !argument.is_empty());
    Some(match (name, argument) {
        ("help", None) => Ok(Slash::Help),
        ("reset", None) => Ok(Slash::Reset),
        ("quit" | "exit", None) => Ok(Slash::Quit),
        ("system", text) => Ok(Slash::System(text.map(str::to_owned))),
        ("model", name) => Ok(Slash::Model(name.map(str::to_owned))),
        ("seed", None) => Ok(Slash::Seed(None)),
        ("seed", Some(text)) => parse_seed(text),
        ("help" | "reset" | "quit" | "exit", Some(_)) => Err(format!("/{name} takes nothing behind it")),
        _ => Err(format!(
            "/{name} is no command: /help lists them; a space before the slash sends it as a message"
        )),
    })
}

fn parse_seed(text: &str) -> Result<Slash, String> {
    let seed = text.parse::<u64>().ok().filter(|seed| *seed <= SEED_MAX);
    seed.map(|seed| Slash::Seed(Some(seed)))
        .ok_or_else(|| format!("{text} is no seed: expected an integer from 0 to {SEED_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_a_slash_is_a_command_or_says_what_is_wrong() {
        for (line, expected) in [
            ("/help", Ok(Slash::Help)),
            ("/system  be brief ", Ok(Slash::System(Some("be brief".to_owned())))),
            ("/system", Ok(Slash::System(None))),
            ("/reset", Ok(Slash::Reset)),
            ("/model oak", Ok(Slash::Model(Some("oak".to_owned())))),
            ("/model", Ok(Slash::Model(None))),
            ("/seed 7", Ok(Slash::Seed(Some(7)))),
            ("/seed", Ok(Slash::Seed(None))),
            ("/quit", Ok(Slash::Quit)),
            ("/reset now", Err("/reset takes nothing behind it")),
            ("/seed x", Err("x is no seed: expected an integer from 0 to 9223372036854775807")),
            (
                "/etc",
                Err("/etc is no command: /help lists them; a space before the slash sends it as a message"),
            ),
        ] {
            assert_eq!(parse(line), Some(expected.map_err(str::to_owned)), "{line}");
        }
    }

    #[test]
    fn every_other_line_is_a_message() {
        for line in ["", "hello", " /help", "a /reset"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn the_help_names_every_command() {
        for name in ["/system", "/model", "/seed", "/reset", "/quit"] {
            assert!(HELP.contains(name), "{name}");
        }
    }
}
