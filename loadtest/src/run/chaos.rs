//! What is to go wrong during a run, as text: `kill@20s:n1`, `stop@40s:n2:5s`, `exec@60s:./cut-cable.sh`. Read by the
//! command before anything starts; [`super::Faults`] makes it happen.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Most faults of a run.
pub const FAULTS_MAX: usize = 1000;

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When, from the start of the run.
    pub at: Duration,
    /// What.
    pub kind: Kind,
    /// Whom it befalls; of [`Kind::Exec`], the command.
    pub target: Target,
    /// How long it lasts; zero for what does not end by itself.
    pub lasts: Duration,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A process ends as by a power cut.
    Kill,
    /// A process stands still for a while.
    Stop,
    /// A process stands still half of the time, for a while.
    Slow,
    /// A network fails for a while: done by the user's own command.
    Cut,
    /// A node takes no new turns and hands its own over, for a while.
    Drain,
    /// The user's own command runs.
    Exec,
}

/// Whom it befalls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A process of this machine.
    Process(u32),
    /// The process of a node that runs on this machine.
    Node(String),
    /// The engine of such a node.
    Engine(String),
    /// A command for a shell.
    Command(String),
}

/// A text that says nothing that could go wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "fault `{text}`: {reason}; known: kill@20s:n1 (a node), kill@20s:n1/engine, kill@20s:4711 (a process), stop@20s:n1:5s, slow@20s:n1:5s, cut@20s:n1:5s, drain@20s:n1:5s, exec@20s:COMMAND"
)]
pub struct UnknownFault {
    text: String,
    reason: &'static str,
}

/// Names of all kinds.
const KINDS: [(&str, Kind); 6] = [
    ("kill", Kind::Kill),
    ("stop", Kind::Stop),
    ("slow", Kind::Slow),
    ("cut", Kind::Cut),
    ("drain", Kind::Drain),
    ("exec", Kind::Exec),
];

impl Kind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("exec", |(name, _)| name)
    }

    /// Whether it begins and ends.
    pub fn lasts(self) -> bool {
        !matches!(self, Kind::Kill | Kind::Exec)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Process(pid) => write!(f, "process {pid}"),
            Target::Node(name) => write!(f, "node {name}"),
            Target::Engine(name) => write!(f, "engine of {name}"),
            Target::Command(command) => f.write_str(command),
        }
    }
}

/// Reads a list with commas. An `exec` takes the rest of the text, since commands have commas.
pub fn parse_list(text: &str) -> Result<Vec<Fault>, UnknownFault> {
    let mut faults = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = if rest.starts_with("exec@") { rest.len() } else { rest.find(',').unwrap_or(rest.len()) };
        faults.push(rest[..end].trim().parse()?);
        rest = rest.get(end + 1..).unwrap_or_default().trim_start();
        if faults.len() > FAULTS_MAX {
            return Err(UnknownFault { text: "…".to_owned(), reason: "more than 1000 faults" });
        }
    }
    Ok(faults)
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let wrong = |reason| UnknownFault { text: text.to_owned(), reason };
        let (kind, rest) = text.split_once('@').ok_or_else(|| wrong("it has no `@`"))?;
        let kind = KINDS.iter().find(|(name, _)| *name == kind).map(|(_, kind)| *kind);
        let kind = kind.ok_or_else(|| wrong("no such kind"))?;
        let (at, rest) = rest.split_once(':').ok_or_else(|| wrong("it befalls nobody"))?;
        let at = parse_span(at).ok_or_else(|| wrong("when is no time like 20s or 500ms"))?;
        if kind == Kind::Exec {
            let command = Target::Command(rest.to_owned());
            let is_there = !rest.trim().is_empty();
            return if is_there {
                Ok(Self { at, kind, target: command, lasts: Duration::ZERO })
            } else {
                Err(wrong("it has no command"))
            };
        }
        let (target, lasts) = match rest.split_once(':') {
            Some((target, lasts)) => {
                (target, Some(parse_span(lasts).ok_or_else(|| wrong("its length is no time like 5s"))?))
            }
            None => (rest, None),
        };
        let lasts = match (kind.lasts(), lasts) {
            (true, None) => return Err(wrong("it needs a length, 5s for instance")),
            (false, Some(_)) => return Err(wrong("it has no length")),
            (_, lasts) => lasts.unwrap_or_default(),
        };
        let target = parse_target(target).ok_or_else(|| wrong("no name of a node and no process"))?;
        if matches!(kind, Kind::Drain | Kind::Cut) && !matches!(target, Target::Node(_)) {
            return Err(wrong("it befalls nodes alone"));
        }
        Ok(Self { at, kind, target, lasts })
    }
}

fn parse_target(text: &str) -> Option<Target> {
    if let Ok(pid) = text.parse::<u32>() {
        return (pid > 1).then_some(Target::Process(pid));
    }
    let is_name = |name: &str| {
        !name.is_empty()
            && name.len() <= 255
            && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
            && !matches!(name, "." | "..")
    };
    match text.split_once('/') {
        None => is_name(text).then(|| Target::Node(text.to_owned())),
        Some((name, "engine")) => is_name(name).then(|| Target::Engine(name.to_owned())),
        Some(_) => None,
    }
}

/// A span of at most a day: `500ms`, `20s`, `1.5s`, `2m`, `1h`.
pub fn parse_span(text: &str) -> Option<Duration> {
    let text = text.trim();
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(at);
    let unit_s = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let seconds = number.trim().parse::<f64>().ok()? * unit_s;
    (0.0..=86_400.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_of_faults_is_read() {
        let faults =
            parse_list("kill@20s:n1, stop@1.5s:mini-2/engine:500ms,slow@2m:4711:5s,exec@1s:a, b:c").unwrap();
        let n = |name: &str| Target::Node(name.to_owned());
        let seconds = Duration::from_secs_f64;
        assert_eq!(faults.len(), 4);
        assert_eq!(
            faults[0],
            Fault { at: seconds(20.0), kind: Kind::Kill, target: n("n1"), lasts: Duration::ZERO }
        );
        assert_eq!(faults[1].target, Target::Engine("mini-2".to_owned()));
        assert_eq!((faults[1].at, faults[1].lasts), (seconds(1.5), seconds(0.5)));
        assert_eq!((&faults[2].target, faults[2].at), (&Target::Process(4711), seconds(120.0)));
        assert_eq!(faults[3].target, Target::Command("a, b:c".to_owned()));
        assert_eq!(parse_list("").unwrap(), []);
    }

    #[test]
    fn what_is_no_fault_is_named_with_the_remedy() {
        for (text, reason) in [
            ("kill", "no `@`"),
            ("burn@1s:n1", "no such kind"),
            ("kill@1s", "befalls nobody"),
            ("kill@soon:n1", "no time"),
            ("stop@1s:n1", "needs a length"),
            ("kill@1s:n1:5s", "has no length"),
            ("kill@1s:1", "no process"),
            ("kill@1s:../x", "no name"),
            ("drain@1s:77:5s", "nodes alone"),
            ("exec@1s: ", "no command"),
            ("kill@-1s:n1", "no time"),
        ] {
            let error = parse_list(text).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("kill@20s:n1"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(kill|stop|exec)?[@:,a-z0-9ä ]{0,20}") {
            let _ = parse_list(&text);
        }
    }
}
