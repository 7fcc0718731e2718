//! Who came, who was refused, who was sent away: one line of JSON each, appended to `audit.jsonl` on the gateway that
//! holds the authority. [`crate::registry::Registry`] writes; people and log shippers read. No line ever holds a
//! secret: a token is named by its id.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use pomona_protocol::limits::NODE_NAME_BYTES_MAX;
use pomona_protocol::{NodeId, PeerRole};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Bytes of `audit.jsonl` before a new one is begun: about 40 000 lines.
pub const AUDIT_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Older files that are kept, as `audit.1.jsonl` (the newest) and so on.
pub const AUDIT_FILES_KEPT: u32 = 4;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditWhat {
    /// An admin made a join token.
    TokenCreated,
    /// An admin took one back.
    TokenRevoked,
    /// A machine became a member.
    Joined,
    /// A machine did not become a member.
    JoinRefused,
    /// A member got a new certificate.
    Renewed,
    /// A member did not get one.
    RenewRefused,
    /// A member is called differently now.
    Renamed,
    /// A member was removed.
    Removed,
    /// A connection between members was refused.
    LinkRefused,
}

/// One line. What does not apply is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    /// When, as RFC 3339 in UTC.
    pub time: String,
    /// What.
    pub what: AuditWhat,
    /// Id of the token, 16 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// What it is called, or asked to be called; cut at [`NODE_NAME_BYTES_MAX`] bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its role, or the one that it asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<PeerRole>,
    /// Where it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<SocketAddr>,
    /// Stable name of the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl AuditLine {
    /// A line with nothing but what and when.
    pub fn new(what: AuditWhat, now: SystemTime) -> Self {
        let time = OffsetDateTime::from(now).format(&Rfc3339).unwrap_or_default();
        Self { time, what, token: None, node: None, name: None, role: None, remote: None, code: None }
    }

    pub(crate) fn token(self, id: u64) -> Self {
        Self { token: Some(format!("{id:016x}")), ..self }
    }

    pub(crate) fn node(self, node: &NodeId) -> Self {
        Self { node: Some(NodeId(cut(&node.0))), ..self }
    }

    pub(crate) fn name(self, name: &str) -> Self {
        Self { name: Some(cut(name)), ..self }
    }

    pub(crate) fn role(self, role: PeerRole) -> Self {
        Self { role: Some(role), ..self }
    }

    pub(crate) fn remote(self, remote: SocketAddr) -> Self {
        Self { remote: Some(remote), ..self }
    }

    pub(crate) fn code(self, code: &str) -> Self {
        Self { code: Some(code.to_owned()), ..self }
    }
}

/// Texts of strangers are cut before they fill the disk.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(NODE_NAME_BYTES_MAX)].to_owned()
}

/// The open file.
#[derive(Debug)]
pub(crate) struct AuditLog {
    folder: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
}

impl AuditLog {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        Self::with_limit(folder, AUDIT_BYTES_MAX)
    }

    fn with_limit(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        let (file, bytes) = open_at_end(&path_of(folder, 0))?;
        Ok(Self { folder: folder.to_owned(), file, bytes, bytes_max })
    }

    /// Appends one line and forces it to the disk.
    pub(crate) fn append(&mut self, line: &AuditLine) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        if self.bytes > 0 && self.bytes + text.len() as u64 > self.bytes_max {
            self.turn_over()?;
        }
        self.file.write_all(&text)?;
        self.bytes += text.len() as u64;
        self.file.sync_data()
    }

    fn turn_over(&mut self) -> io::Result<()> {
        for number in (0..AUDIT_FILES_KEPT).rev() {
            let moved = fs::rename(path_of(&self.folder, number), path_of(&self.folder, number + 1));
            if let Err(error) = moved
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(error);
            }
        }
        (self.file, self.bytes) = open_at_end(&path_of(&self.folder, 0))?;
        Ok(())
    }
}

fn path_of(folder: &Path, number: u32) -> PathBuf {
    match number {
        0 => folder.join("audit.jsonl"),
        number => folder.join(format!("audit.{number}.jsonl")),
    }
}

/// Opens for appending. A line that a crash cut short is ended, so that it spoils no other.
fn open_at_end(path: &Path) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let mut bytes = file.metadata()?.len();
    if bytes > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
            bytes += 1;
        }
    }
    Ok((file, bytes))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn line(number: u64) -> AuditLine {
        let now = UNIX_EPOCH + Duration::from_secs(number);
        AuditLine::new(AuditWhat::JoinRefused, now).token(number).name("studio").code("expired")
    }

    fn lines(path: &Path) -> Vec<AuditLine> {
        let text = fs::read_to_string(path).unwrap();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    #[test]
    fn a_line_says_what_applies_and_nothing_else() {
        let text = serde_json::to_string(&line(0xfeed)).unwrap();
        let expected = r#"{"time":"1970-01-01T18:07:41Z","what":"join_refused","token":"000000000000feed","name":"studio","code":"expired"}"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn lines_are_appended_over_restarts_and_a_torn_one_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        AuditLog::open(folder.path()).unwrap().append(&line(1)).unwrap();
        let path = folder.path().join("audit.jsonl");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"time\":\"19").unwrap();
        AuditLog::open(folder.path()).unwrap().append(&line(2)).unwrap();
        assert_eq!(lines(&path), [line(1), line(2)]);
    }

    #[test]
    fn a_full_file_makes_room_and_only_so_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = AuditLog::with_limit(folder.path(), 300).unwrap();
        for number in 0..40 {
            log.append(&line(number)).unwrap();
        }
        let files = fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        let kept = (1..=AUDIT_FILES_KEPT).map(|number| format!("audit.{number}.jsonl"));
        assert_eq!(names, kept.chain(["audit.jsonl".to_owned()]).collect::<Vec<_>>());
        assert_eq!(lines(&folder.path().join("audit.jsonl")).last(), Some(&line(39)));
        assert!(fs::metadata(folder.path().join("audit.1.jsonl")).unwrap().len() <= 300);
    }

    #[test]
    fn a_strangers_name_is_cut() {
        let line = line(1).name(&"é".repeat(5000));
        assert_eq!(line.name.map(|name| name.len()), Some(NODE_NAME_BYTES_MAX));
    }
}
