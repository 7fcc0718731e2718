//! Where the token of `up`, `gateway` and `node` comes from: the flag, stdin, or the environment. A text that is no
//! token ends the command before anything is started.

use std::io::{self, BufRead, BufReader, IsTerminal, Read};

use anyhow::{Context, anyhow};
use pomona_protocol::JoinToken;
use pomona_protocol::join::TOKEN_CHARACTERS_MAX;

use crate::cli::{JoinArgs, JoinText};
use crate::exit::Exit;
use crate::output;

const VARIABLE: &str = "POMONA_JOIN_TOKEN";

/// Fills in the token, when one was given. The flag wins over the environment.
pub(super) fn resolve(args: &mut JoinArgs) -> anyhow::Result<()> {
    let text = match &args.join {
        Some(JoinText(text)) if text == "-" => Some(read(io::stdin().lock(), io::stdin().is_terminal())?),
        Some(JoinText(text)) => Some(text.clone()),
        None => std::env::var(VARIABLE).ok().filter(|text| !text.trim().is_empty()),
    };
    args.token = text.as_deref().map(parse).transpose()?;
    Ok(())
}

fn parse(text: &str) -> anyhow::Result<JoinToken> {
    text.parse().map_err(|error| Exit::Usage.because(anyhow::Error::from(error)))
}

/// The first line; a person is told what is waited for.
fn read(stdin: impl Read, is_terminal: bool) -> anyhow::Result<String> {
    if is_terminal {
        output::remark("paste the token and press return:");
    }
    let mut line = String::new();
    // One more than a token may have, so that a longer text is refused for its length.
    let limit = TOKEN_CHARACTERS_MAX as u64 + 2;
    BufReader::new(stdin.take(limit)).read_line(&mut line).context("cannot read the token")?;
    if line.trim().is_empty() {
        return Err(Exit::Usage.because(anyhow!("no token came; `pomona token create` prints one")));
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> JoinToken {
        JoinToken {
            addresses: vec!["127.0.0.1:9999".to_owned()],
            fingerprint: [7; 32],
            id: 3,
            secret: [9; 16],
        }
    }

    #[test]
    fn a_token_is_read_from_the_first_line() {
        let text = format!("  {}  \nmore\n", token());
        assert_eq!(parse(&read(text.as_bytes(), false).unwrap()).unwrap(), token());
        let mut args = JoinArgs { join: Some(JoinText(token().to_string())), ..JoinArgs::default() };
        resolve(&mut args).unwrap();
        assert_eq!(args.token, Some(token()));
    }

    #[test]
    fn a_text_that_is_no_token_is_wrong_usage() {
        let long = format!("pom1-{}", "a".repeat(10_000));
        let cut = token().to_string().replace("pom1-", "pom1-A");
        for (text, expected) in [
            ("", "no token came"),
            ("\n", "no token came"),
            ("hello", "begins with `pom1-`"),
            (cut.as_str(), "cut or mistyped"),
            (long.as_str(), "has at most 2048"),
        ] {
            let error = read(text.as_bytes(), false).and_then(|line| parse(&line)).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(Exit::of(&error), Exit::Usage);
        }
    }

    #[test]
    fn a_token_is_never_shown_by_debug() {
        let args = JoinArgs { join: Some(JoinText("pom1-secret".to_owned())), ..JoinArgs::default() };
        assert!(!format!("{args:?}").contains("pom1-secret"));
    }
}
