//! Which session or turn is meant by the beginning of an id, as with commits: any beginning that only one has.

use anyhow::anyhow;
use pomona_client::{Client, SessionsQuery};
use pomona_protocol::v3::{SessionBody, SummaryBody};

use super::{PAGE, named, short};
use crate::exit::Exit;

/// Hex digits at least: fewer are more likely a mistake than a session.
const DIGITS_MIN: usize = 4;
/// Hex digits of a whole id.
const DIGITS: usize = 32;
/// Pages that are looked through: a hundred thousand sessions.
const PAGES_MAX: u32 = 500;
/// Candidates that an error names.
const NAMED_MAX: usize = 4;

/// The id of the session that is meant. A whole id is not looked up: the gateway says whether there is one.
pub(in crate::command) async fn session_id(client: &Client, given: &str) -> anyhow::Result<String> {
    let prefix = prefix("ses_", "session", given)?;
    if prefix.len() == "ses_".len() + DIGITS {
        return Ok(prefix);
    }
    let mut query = SessionsQuery { limit: Some(PAGE), ..SessionsQuery::default() };
    let mut found: Vec<SummaryBody> = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = client.sessions(&query).await?;
        found.extend(page.sessions.into_iter().filter(|session| session.id.starts_with(&prefix)));
        query.cursor = page.next;
        if query.cursor.is_none() || found.len() > NAMED_MAX {
            break;
        }
    }
    only(given, &found)
}

/// The id of the turn that is meant.
pub(super) fn turn_id(session: &SessionBody, given: &str) -> anyhow::Result<String> {
    let prefix = prefix("turn_", "turn", given)?;
    let mut found = session.turns.iter().filter(|turn| turn.id.starts_with(&prefix));
    match (found.next(), found.next()) {
        (Some(turn), None) => Ok(turn.id.clone()),
        // As with a whole id that nobody has: the line makes sense, and there is no such thing.
        (None, _) => Err(anyhow!(
            "no turn of {} begins with `{given}`; `pomona sessions show {} --tree` lists them",
            short(&session.id),
            short(&session.id)
        )),
        (Some(_), Some(_)) => Err(wrong(format!("several turns begin with `{given}`; give more of the id"))),
    }
}

fn only(given: &str, found: &[SummaryBody]) -> anyhow::Result<String> {
    match found {
        [session] => Ok(session.id.clone()),
        [] => Err(anyhow!("no session begins with `{given}`; `pomona sessions ls --all` lists them")),
        several => {
            let one = |session: &SummaryBody| format!("{} {}", &session.id, named(&session.title));
            let mut list: Vec<String> = several.iter().take(NAMED_MAX).map(one).collect();
            list.extend((several.len() > NAMED_MAX).then(|| "…".to_owned()));
            Err(wrong(format!(
                "several sessions begin with `{given}`; give more of the id: {}",
                list.join(", ")
            )))
        }
    }
}

/// The beginning of the id with its kind in front.
fn prefix(kind: &str, what: &str, given: &str) -> anyhow::Result<String> {
    let lower = given.trim().to_ascii_lowercase();
    let hex = lower.strip_prefix(kind).unwrap_or(&lower);
    let is_hex = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex && (DIGITS_MIN..=DIGITS).contains(&hex.len()) {
        return Ok(format!("{kind}{hex}"));
    }
    Err(wrong(format!(
        "`{given}` is no id of a {what}: expected {kind} and {DIGITS} hex digits, or the first {DIGITS_MIN} or more of them"
    )))
}

fn wrong(message: String) -> anyhow::Error {
    Exit::Usage.because(anyhow!(message))
}

#[cfg(test)]
mod tests {
    use super::super::page::tests::{session, summary};
    use super::*;

    #[test]
    fn ids_may_be_shortened_and_their_kind_left_out() {
        for (given, expected) in [
            ("4f1d", Some("ses_4f1d")),
            ("ses_4F1D22", Some("ses_4f1d22")),
            (" 4f1d ", Some("ses_4f1d")),
            ("4f1", None),
            ("", None),
            ("ses_", None),
            ("turn_4f1d", None),
            ("4f1g", None),
            ("../x", None),
            (&"a".repeat(33), None),
        ] {
            assert_eq!(prefix("ses_", "session", given).ok().as_deref(), expected, "{given}");
        }
    }

    #[test]
    fn a_beginning_that_several_have_names_them() {
        let found = [summary("4f1d22", "pie"), summary("4f1d99", "")];
        assert_eq!(only("4f1d22", &found[..1]).unwrap(), found[0].id);
        let error = only("4f1d", &found).unwrap_err().to_string();
        assert!(
            error.contains(&found[0].id) && error.contains("pie") && error.contains(&found[1].id),
            "{error}"
        );
        let error = only("4f1d", &[]).unwrap_err();
        assert!(error.to_string().contains("pomona sessions ls"), "{error}");
        assert_eq!(Exit::of(&error), Exit::Failed);
    }

    #[test]
    fn turns_are_found_within_their_session() {
        let session = session();
        assert_eq!(turn_id(&session, "aaaa").unwrap(), session.turns[0].id);
        for given in ["ffff", "4f1d", "x"] {
            assert!(turn_id(&session, given).is_err(), "{given}");
        }
    }
}
