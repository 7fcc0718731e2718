//! Sessions on a terminal: the list, one with its conversation, and its branches as a tree. Pure.

use std::collections::{BTreeMap, BTreeSet};

use pomona_protocol::Permission;
use pomona_protocol::v3::{ContentBody, MessageBody, PartBody, SessionBody, SessionTurn, SummaryBody};

use super::named;
use crate::command::status::duration;
use crate::output::{self, BOLD, DIM, harmless};
use crate::spoken::{self, Manner};

/// Characters of an id that people see: enough to tell thousands of sessions apart.
const SHORT: usize = "ses_".len() + 8;
/// Characters of a title in a list, and of a question in a tree.
const LINE_MAX: usize = 48;

/// The beginning of an id that people see; every command takes it.
pub(in crate::command) fn short(id: &str) -> String {
    let digits = id.split_once('_').map_or(0, |(kind, _)| kind.len() + 1) + SHORT - "ses_".len();
    harmless(&id.chars().take(digits).collect::<String>())
}

/// The list.
pub(super) fn table(sessions: &[SummaryBody], now_ms: u64) -> String {
    let row = |session: &SummaryBody| {
        let turns = match session.open_turns {
            0 => session.turns.to_string(),
            open => format!("{} ({open} open)", session.turns),
        };
        vec![
            short(&session.id),
            cut(if session.title.trim().is_empty() { "-" } else { &session.title }),
            session.model.clone(),
            turns,
            ago(session.updated_at, now_ms),
            session.tags.join(", "),
        ]
    };
    let rows: Vec<Vec<String>> = sessions.iter().map(row).collect();
    output::table(&["ID", "TITLE", "MODEL", "TURNS", "UPDATED", "TAGS"], &rows)
}

/// One session with the conversation of its active branch.
pub(super) fn page(session: &SessionBody, now_ms: u64) -> String {
    let mut lines = vec![format!("{BOLD}{}{BOLD:#}", named(&session.title))];
    let mut fact =
        |name: &str, value: String| lines.push(format!("  {name:<9}{}", harmless(&value).replace('\n', " ")));
    fact("id", session.id.clone());
    fact("owner", session.owner.clone());
    let shared = session.shared.iter().map(|(key, may)| match may {
        Permission::Read => format!("{key} reads"),
        Permission::Write => format!("{key} writes"),
    });
    let shared: Vec<String> = shared.collect();
    let optional = [
        ("shared", (!shared.is_empty()).then(|| shared.join(", "))),
        ("tags", (!session.tags.is_empty()).then(|| session.tags.join(", "))),
        ("model", Some(session.model.clone())),
        ("system", session.system.clone()),
        ("from", session.forked_from.as_ref().map(|fork| format!("{} behind {}", fork.session, fork.turn))),
    ];
    for (name, value) in optional {
        value.into_iter().for_each(|value| fact(name, value));
    }
    fact("turns", session.turns.len().to_string());
    fact("updated", ago(session.updated_at, now_ms));
    for turn in path_to_active(session) {
        lines.push(String::new());
        lines.push(said(turn));
    }
    lines.join("\n")
}

/// A question with its answer, as far as there is one.
fn said(turn: &SessionTurn) -> String {
    let answer = spoken::whole(Manner::Terminal, &turn.answer, &turn.marks);
    let mut text = format!("{BOLD}>{BOLD:#} {}\n{}", harmless(&question(&turn.input)), answer.trim_end());
    if let Some(remark) = remark(turn) {
        if !turn.answer.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("{DIM}{}{DIM:#}", harmless(&remark)));
    }
    text
}

/// What is worth saying of the end of a turn; nothing when it simply ended.
fn remark(turn: &SessionTurn) -> Option<String> {
    match (turn.state.as_str(), &turn.error, turn.reason.as_deref()) {
        ("finished", _, Some("stop" | "tool_calls")) => None,
        ("finished", _, reason) => Some(format!("ended by {}", reason.unwrap_or("?"))),
        ("failed", Some(error), _) => Some(format!("failed: {} ({})", error.message, error.code)),
        (state, _, _) => Some(state.to_owned()),
    }
}

/// Every turn below the one that it follows; `*` marks the active branch.
pub(super) fn tree(session: &SessionBody) -> String {
    let active: BTreeSet<&str> = path_to_active(session).iter().map(|turn| turn.id.as_str()).collect();
    let mut lines =
        vec![format!("{BOLD}{}{BOLD:#} {DIM}{}{DIM:#}", named(&session.title), short(&session.id))];
    let mut below: BTreeMap<Option<&str>, Vec<&SessionTurn>> = BTreeMap::new();
    for turn in &session.turns {
        below.entry(turn.parent.as_deref()).or_default().push(turn);
    }
    // A stack and no recursion: a conversation may have ten thousand turns below each other.
    let mut waiting: Vec<(&SessionTurn, String)> = children(&mut below, None, "");
    while let Some((turn, indent)) = waiting.pop() {
        let mark = if active.contains(turn.id.as_str()) { "*" } else { " " };
        let end = remark(turn).map(|remark| format!(", {remark}")).unwrap_or_default();
        lines.push(format!(
            "{mark} {indent}{} {} {DIM}{}{}{DIM:#}",
            short(&turn.id),
            cut(&harmless(&question(&turn.input))),
            harmless(&turn.model),
            cut(&harmless(&end)),
        ));
        waiting.extend(children(&mut below, Some(&turn.id), &indent));
    }
    lines.join("\n")
}

/// The turns that follow one, last first. Where there are branches, each moves to the right.
fn children<'a>(
    below: &mut BTreeMap<Option<&'a str>, Vec<&'a SessionTurn>>,
    parent: Option<&'a str>,
    indent: &str,
) -> Vec<(&'a SessionTurn, String)> {
    let turns = below.remove(&parent).unwrap_or_default();
    let indent = if turns.len() > 1 { format!("{indent}  ") } else { indent.to_owned() };
    turns.into_iter().rev().map(|turn| (turn, indent.clone())).collect()
}

/// The turns of the active branch, first to last.
pub(in crate::command) fn path_to_active(session: &SessionBody) -> Vec<&SessionTurn> {
    let mut path = Vec::new();
    let mut next = session.active.as_deref();
    // A turn follows one that was accepted before it, so the search goes backwards once.
    for turn in session.turns.iter().rev() {
        if Some(turn.id.as_str()) == next {
            path.push(turn);
            next = turn.parent.as_deref();
        }
    }
    path.reverse();
    path
}

/// What was asked, as one text.
pub(in crate::command) fn question(input: &[MessageBody]) -> String {
    input.iter().map(shown).collect::<Vec<_>>().join("\n\n")
}

/// Texts as they are, and a word for what is no text.
pub(crate) fn shown(message: &MessageBody) -> String {
    let parts = match &message.content {
        ContentBody::Text(text) => return text.clone(),
        ContentBody::Parts(parts) => parts,
    };
    let words = parts.iter().map(|part| match part {
        PartBody::Text { text } => text.clone(),
        PartBody::Image { media_type, .. } => format!("[{media_type}]\n"),
        PartBody::Reasoning { .. } => String::new(),
        PartBody::ToolCall { name, arguments, .. } => format!("[calls {name} {arguments}]\n"),
        PartBody::Answers { call } => format!("[answers {call}]\n"),
    });
    words.collect()
}

/// "4 turns".
pub(super) fn turns(count: usize) -> String {
    if count == 1 { "1 turn".to_owned() } else { format!("{count} turns") }
}

fn ago(then_ms: u64, now_ms: u64) -> String {
    format!("{} ago", duration(now_ms.saturating_sub(then_ms)))
}

/// The beginning of the first line.
fn cut(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= LINE_MAX && line.len() == text.trim_end().len() {
        return line.to_owned();
    }
    format!("{}…", line.chars().take(LINE_MAX - 1).collect::<String>().trim_end())
}

#[cfg(test)]
pub(super) mod tests {
    use pomona_protocol::v3::{OriginBody, SamplingBody};
    use pomona_protocol::{ContextPolicy, Role, Usage};

    use super::*;

    /// A session of a list; its id begins with `hex`.
    pub(in super::super) fn summary(hex: &str, title: &str) -> SummaryBody {
        SummaryBody {
            id: format!("ses_{hex:0<32}"),
            owner: "key_00c0ffee00c0ffee".to_owned(),
            title: title.to_owned(),
            model: "sprout".to_owned(),
            tags: vec!["do".to_owned()],
            created_at: 0,
            updated_at: 1000,
            turns: 3,
            open_turns: 0,
            head_seq: 9,
        }
    }

    fn turn(hex: &str, parent: Option<&str>, asked: &str, reason: &str) -> SessionTurn {
        let id = |hex: &str| format!("turn_{hex:0<32}");
        SessionTurn {
            id: id(hex),
            parent: parent.map(id),
            by: "key_00c0ffee00c0ffee".to_owned(),
            origin: OriginBody { kind: "asked".to_owned(), of: None },
            state: if reason == "running" { "running" } else { "finished" }.to_owned(),
            reason: (reason != "running").then(|| reason.to_owned()),
            error: None,
            cancelled_by: None,
            model: "sprout".to_owned(),
            input: vec![MessageBody::text(Role::User, asked)],
            answer: format!("about {asked}"),
            marks: Vec::new(),
            usage: Usage::default(),
            accepted_seq: 2,
            accepted_at: 0,
            started_at: None,
            first_token_at: None,
            ended_seq: None,
            ended_at: None,
        }
    }

    /// Four turns: the second was asked otherwise, and the other branch is the active one.
    pub(in super::super) fn session() -> SessionBody {
        SessionBody {
            id: format!("ses_{:0<32}", "4f1d22c0"),
            owner: "key_00c0ffee00c0ffee".to_owned(),
            shared: BTreeMap::from([("key_0000000000000001".to_owned(), Permission::Read)]),
            title: "pie".to_owned(),
            tags: vec!["work".to_owned()],
            model: "sprout".to_owned(),
            system: Some("be\nbrief".to_owned()),
            sampling: SamplingBody::default(),
            seed: None,
            context: ContextPolicy::Refuse,
            created_at: 0,
            updated_at: 1000,
            head_seq: 40,
            oldest_seq: 1,
            turns: vec![
                turn("aaaa", None, "apples", "stop"),
                turn("bbbb", Some("aaaa"), "pears", "cancelled"),
                turn("cccc", Some("aaaa"), "plums \x1b[2J and more", "stop"),
                turn("dddd", Some("cccc"), "figs", "running"),
            ],
            active: Some(format!("turn_{:0<32}", "dddd")),
            forked_from: None,
        }
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn the_list_is_short_and_harmless() {
        let mut open = summary("99", "two\nlines \x1b]0;x\x07");
        open.open_turns = 1;
        let table = plain(&table(&[summary("4f1d22c0", ""), open], 61_000));
        let expected = "\
ID            TITLE  MODEL   TURNS       UPDATED     TAGS
ses_4f1d22c0  -      sprout  3           1 min 0 s ago  do
ses_99000000  two…   sprout  3 (1 open)  1 min 0 s ago  do";
        let squeezed = |text: &str| {
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(squeezed(&table), squeezed(expected));
    }

    #[test]
    fn a_page_shows_the_active_branch_only() {
        let expected = "\
\u{201c}pie\u{201d}
  id       ses_4f1d22c0000000000000000000000000
  owner    key_00c0ffee00c0ffee
  shared   key_0000000000000001 reads
  tags     work
  model    sprout
  system   be brief
  turns    4
  updated  1 min 0 s ago

> apples
about apples

> plums [2J and more
about plums [2J and more

> figs
about figs
running";
        assert_eq!(plain(&page(&session(), 61_000)), expected);
    }

    #[test]
    fn a_tree_shows_every_branch_and_marks_the_active_one() {
        let expected = "\
\u{201c}pie\u{201d} ses_4f1d22c0
* turn_aaaa0000 apples sprout
    turn_bbbb0000 pears sprout, ended by cancelled
*   turn_cccc0000 plums [2J and more sprout
*   turn_dddd0000 figs sprout, running";
        assert_eq!(plain(&tree(&session())), expected);
    }

    #[test]
    fn a_long_conversation_needs_no_deep_stack() {
        let mut session = session();
        session.turns = (0..2000u32)
            .map(|number| {
                let parent = number.checked_sub(1).map(|number| format!("{number:08x}"));
                turn(&format!("{number:08x}"), parent.as_deref(), "x", "stop")
            })
            .collect();
        session.active = session.turns.last().map(|turn| turn.id.clone());
        assert_eq!(path_to_active(&session).len(), 2000);
        assert_eq!(tree(&session).lines().count(), 2001);
    }
}
