//! `pomona token`: what a person carries to a machine that is to join.

use std::process::ExitCode;

use pomona_protocol::{CreatedToken, NewToken, PeerRole, TokenStatus};
use serde_json::json;

use crate::cli::{Global, TokenArgs, TokenCommand};
use crate::clock;
use crate::command::status::duration;
use crate::exit::Exit;
use crate::output::{self, BOLD, DIM, harmless};

/// Makes, lists or revokes tokens.
pub(super) fn run(command: TokenCommand, global: &Global) -> anyhow::Result<ExitCode> {
    match command {
        TokenCommand::Create(args) => create(args, global)?,
        TokenCommand::Ls => list(global)?,
        TokenCommand::Revoke { id } => revoke(&id, global)?,
    }
    Ok(Exit::Ok.into())
}

fn create(args: TokenArgs, global: &Global) -> anyhow::Result<()> {
    let role = args.role.into();
    let wanted = NewToken { role, ttl_s: args.ttl.as_secs(), uses: args.uses, name: args.name };
    let client = super::connect(global)?;
    let created = super::small_runtime()?.block_on(client.create_token(&wanted))?;
    if global.json {
        output::json(&created)
    } else if output::is_terminal() {
        output::line(&page(&created, role, wanted.uses, clock::unix_ms()))
    } else {
        output::line(&harmless(&created.token))
    }
}

fn list(global: &Global) -> anyhow::Result<()> {
    let client = super::connect(global)?;
    let tokens = super::small_runtime()?.block_on(client.tokens())?;
    if global.json {
        output::json(&tokens)
    } else if tokens.is_empty() {
        output::remark("no token may be used; `pomona token create` makes one");
        Ok(())
    } else {
        output::line(&table(&tokens, clock::unix_ms()))
    }
}

fn revoke(id: &str, global: &Global) -> anyhow::Result<()> {
    let client = super::connect(global)?;
    super::small_runtime()?.block_on(client.revoke_token(id))?;
    if global.json { output::json(&json!({ "revoked": id })) } else { output::line(&format!("revoked {id}")) }
}

/// What a person needs on the other machine, and for how long it works.
fn page(created: &CreatedToken, role: PeerRole, uses: u32, now_unix_ms: u64) -> String {
    let machines = if uses == 1 { "one machine".to_owned() } else { format!("{uses} machines") };
    let addresses = match created.addresses.as_slice() {
        [] => "none; it works on this local network".to_owned(),
        addresses => addresses.join(", "),
    };
    format!(
        "type on the other machine:\n\n  {BOLD}pomona {} --join {}{BOLD:#}\n\n  \
         for        {machines}, {}\n  gateway    {}\n  id         {}     {DIM}pomona token revoke {} takes it back{DIM:#}",
        role.as_str(),
        harmless(&created.token),
        within(created.expires_unix_ms, now_unix_ms),
        harmless(&addresses),
        harmless(&created.id),
        harmless(&created.id),
    )
}

fn table(tokens: &[TokenStatus], now_unix_ms: u64) -> String {
    let row = |token: &TokenStatus| {
        vec![
            token.id.clone(),
            token.role.as_str().to_owned(),
            token.name.clone().unwrap_or_else(|| "-".to_owned()),
            token.uses_left.to_string(),
            within(token.expires_unix_ms, now_unix_ms),
        ]
    };
    let rows: Vec<Vec<String>> = tokens.iter().map(row).collect();
    output::table(&["ID", "ROLE", "NAME", "USES", "EXPIRES"], &rows)
}

fn within(expires_unix_ms: u64, now_unix_ms: u64) -> String {
    match expires_unix_ms.checked_sub(now_unix_ms) {
        None | Some(0) => "expired".to_owned(),
        Some(left_ms) => format!("within {}", duration(left_ms)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_gets_the_line_to_type_and_how_long_it_works() {
        let created = CreatedToken {
            token: "pom1-abc".to_owned(),
            id: "4f1d".to_owned(),
            expires_unix_ms: 901_000,
            addresses: vec!["192.168.1.5:9999".to_owned(), "cluster.example:9999".to_owned()],
        };
        let page = anstream::adapter::strip_str(&page(&created, PeerRole::Gateway, 1, 1000)).to_string();
        let expected = "\
type on the other machine:

  pomona gateway --join pom1-abc

  for        one machine, within 15 min 0 s
  gateway    192.168.1.5:9999, cluster.example:9999
  id         4f1d     pomona token revoke 4f1d takes it back";
        assert_eq!(page, expected);
    }

    #[test]
    fn the_list_says_what_is_left_of_each() {
        let token = |id: &str, name: Option<&str>, expires_unix_ms| TokenStatus {
            id: id.to_owned(),
            role: PeerRole::Node,
            name: name.map(str::to_owned),
            expires_unix_ms,
            uses_left: 2,
        };
        let tokens = [token("4f1d", None, 61_000), token("9\x1b[2Jc", Some("mini"), 900)];
        let table = anstream::adapter::strip_str(&table(&tokens, 1000)).to_string();
        let expected = "\
ID     ROLE  NAME  USES  EXPIRES
4f1d   node  -     2     within 1 min 0 s
9[2Jc  node  mini  2     expired";
        assert_eq!(table, expected);
    }
}
