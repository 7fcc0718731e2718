//! Changing a session: tags, readers, deletion. What depends on how it was is refused and tried again when somebody
//! else changed it meanwhile.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anyhow::anyhow;
use pomona_client::{Client, ClientError};
use pomona_protocol::Permission;
use pomona_protocol::v3::{ChangeBody, SessionBody};

use super::{named, session_id, short};
use crate::cli::{Global, ShareAs};
use crate::exit::Exit;
use crate::output;

/// Tries while others change the same session at the same time.
const TRIES_MAX: u32 = 8;

/// Adds tags (`true`) and takes some away (`false`).
pub(super) async fn tag(
    client: &Client,
    id: &str,
    changes: &[(bool, String)],
) -> anyhow::Result<SessionBody> {
    changed(client, id, |session| ChangeBody {
        tags: Some(tagged(&session.tags, changes)),
        ..ChangeBody::default()
    })
    .await
}

/// Lets a key read or write, or takes that away.
pub(super) async fn share(
    client: &Client,
    id: &str,
    key: &str,
    access: ShareAs,
) -> anyhow::Result<SessionBody> {
    if client.session(id).await?.owner == key {
        return Err(Exit::Usage.because(anyhow!("{key} owns {}: it may do everything already", short(id))));
    }
    changed(client, id, |session| {
        let mut shared = session.shared.clone();
        match access {
            ShareAs::Read => drop(shared.insert(key.to_owned(), Permission::Read)),
            ShareAs::Write => drop(shared.insert(key.to_owned(), Permission::Write)),
            ShareAs::None => drop(shared.remove(key)),
        }
        ChangeBody { shared: Some(shared), ..ChangeBody::default() }
    })
    .await
}

/// What a key may do now, for people.
pub(super) fn shared(session: &SessionBody, key: &str) -> String {
    let may = match session.shared.get(key) {
        Some(Permission::Read) => "may read",
        Some(Permission::Write) => "may read and write",
        None => "has no access to",
    };
    format!("{key} {may} {}", short(&session.id))
}

/// What a cancel ends, for people.
pub(super) fn cancelled(session: &SessionBody) -> String {
    let id = short(&session.id);
    let is_running = session.turns.iter().any(|turn| matches!(turn.state.as_str(), "queued" | "running"));
    if is_running { format!("the running turn of {id} ends") } else { format!("no turn of {id} runs") }
}

/// Reads the session, decides, and writes unless something happened between.
async fn changed(
    client: &Client,
    id: &str,
    decide: impl Fn(&SessionBody) -> ChangeBody,
) -> anyhow::Result<SessionBody> {
    let mut tries = 0;
    loop {
        tries += 1;
        let session = client.session(id).await?;
        let change = ChangeBody { expected_seq: Some(session.head_seq), ..decide(&session) };
        match client.change_session(id, &change).await {
            // An answer that streams moves the end of the log all the time; then the last try takes what it finds.
            Err(ClientError::Api { status: 409, .. }) if tries < TRIES_MAX => {}
            Err(ClientError::Api { status: 409, .. }) if tries == TRIES_MAX => {
                let change = ChangeBody { expected_seq: None, ..decide(&client.session(id).await?) };
                return Ok(client.change_session(id, &change).await?);
            }
            changed => return Ok(changed?),
        }
    }
}

fn tagged(tags: &[String], changes: &[(bool, String)]) -> Vec<String> {
    let mut tags = tags.to_vec();
    for (adds, name) in changes {
        tags.retain(|tag| tag != name);
        if *adds {
            tags.push(name.clone());
        }
    }
    tags
}

/// Looks at all of them first, so that what is confirmed is what is deleted.
pub(super) async fn remove(
    client: &Client,
    given: &[String],
    yes: bool,
    global: &Global,
) -> anyhow::Result<ExitCode> {
    if !yes && !io::stdin().is_terminal() {
        return Err(Exit::Usage.because(anyhow!("deleting sessions wants --yes where nobody can be asked")));
    }
    let mut sessions: Vec<SessionBody> = Vec::new();
    for text in given {
        let id = session_id(client, text).await?;
        if sessions.iter().all(|session| session.id != id) {
            sessions.push(client.session(&id).await?);
        }
    }
    if !yes && !super::super::nodes::confirmed(&question(&sessions))? {
        output::remark("nothing was deleted");
        return Ok(Exit::Failed.into());
    }
    for session in &sessions {
        client.delete_session(&session.id).await?;
        if !global.json {
            output::line(&format!("deleted {} {}", short(&session.id), named(&session.title)))?;
        }
    }
    if global.json {
        let ids: Vec<&str> = sessions.iter().map(|session| session.id.as_str()).collect();
        output::json(&serde_json::json!({ "deleted": ids }))?;
    }
    Ok(Exit::Ok.into())
}

fn question(sessions: &[SessionBody]) -> String {
    let one = |session: &SessionBody| {
        format!(
            "{} {}, {}",
            short(&session.id),
            named(&session.title),
            super::page::turns(session.turns.len())
        )
    };
    let list: Vec<String> = sessions.iter().map(one).collect();
    format!("Delete {}? Nothing brings it back. [y/N] ", list.join("; "))
}

#[cfg(test)]
mod tests {
    use super::super::page::tests::session;
    use super::*;

    #[test]
    fn tags_are_added_once_and_taken_away() {
        let tags = ["a", "b"].map(str::to_owned);
        let change = |text: &str| (text.starts_with('+'), text[1..].to_owned());
        for (changes, expected) in [
            (vec!["+c", "-a"], vec!["b", "c"]),
            (vec!["+a"], vec!["b", "a"]),
            (vec!["-x", "+c", "-c"], vec!["a", "b"]),
        ] {
            let changes: Vec<(bool, String)> = changes.into_iter().map(change).collect();
            assert_eq!(tagged(&tags, &changes), expected);
        }
    }

    #[test]
    fn a_cancel_says_whether_there_was_something_to_end() {
        let mut session = session();
        assert_eq!(cancelled(&session), "the running turn of ses_4f1d22c0 ends");
        session.turns.truncate(3);
        assert_eq!(cancelled(&session), "no turn of ses_4f1d22c0 runs");
    }

    #[test]
    fn the_question_says_what_would_be_lost() {
        let expected = "Delete ses_4f1d22c0 \u{201c}pie\u{201d}, 4 turns? Nothing brings it back. [y/N] ";
        assert_eq!(question(&[session()]), expected);
    }
}
