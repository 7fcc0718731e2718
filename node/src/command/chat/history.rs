//! What was typed before, in a file that only its owner can read: one entry per line, line feeds escaped.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::paths::make_private;

/// Entries that are offered; the file is cut to them when it has twice as many.
const ENTRIES_MAX: usize = 1000;

/// The file.
pub(in crate::command) struct HistoryFile {
    path: PathBuf,
}

impl HistoryFile {
    /// The history in this folder; makes nothing.
    pub(in crate::command) fn of(data_dir: &Path) -> Self {
        Self { path: data_dir.join("chat_history") }
    }

    /// The last entries, oldest first. A file that cannot be read is an empty history.
    pub(in crate::command) fn read(&self) -> Vec<String> {
        let bytes = fs::read(&self.path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(ENTRIES_MAX)..];
        if lines.len() > 2 * ENTRIES_MAX {
            let _ = self.replace(last);
        }
        last.iter().map(|line| unescape(line)).collect()
    }

    /// Adds an entry at the end.
    pub(in crate::command) fn append(&self, entry: &str) -> anyhow::Result<()> {
        if let Some(folder) = self.path.parent() {
            make_private(folder)?;
        }
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path);
        let written = opened.and_then(|mut file| file.write_all(format!("{}\n", escape(entry)).as_bytes()));
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn replace(&self, lines: &[&str]) -> std::io::Result<()> {
        let draft = self.path.with_extension("draft");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(format!("{}\n", lines.join("\n")).as_bytes())?;
        fs::rename(draft, &self.path)
    }
}

fn escape(entry: &str) -> String {
    entry.replace('\\', "\\\\").replace('\r', "").replace('\n', "\\n")
}

fn unescape(line: &str) -> String {
    let mut entry = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => entry.push(if characters.next() == Some('n') { '\n' } else { '\\' }),
            other => entry.push(other),
        }
    }
    entry
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn what_was_typed_comes_back_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let history = HistoryFile::of(&folder.path().join("data"));
        assert!(history.read().is_empty());
        let entries = ["hello", "two\nlines", r"a\nb \ c", ""];
        for entry in entries {
            history.append(entry).unwrap();
        }
        assert_eq!(history.read(), entries);
        assert_eq!(fs::metadata(&history.path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_long_history_is_cut_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let history = HistoryFile::of(folder.path());
        let many: String = (0..2500).map(|number| format!("{number}\n")).collect();
        fs::write(&history.path, many).unwrap();
        let entries = history.read();
        assert_eq!((entries.len(), entries[0].as_str()), (ENTRIES_MAX, "1500"));
        assert_eq!(history.read(), entries);
        assert_eq!(fs::metadata(&history.path).unwrap().mode() & 0o777, 0o600);
    }
}
