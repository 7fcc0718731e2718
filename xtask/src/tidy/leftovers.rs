//! What was left lying: debugging macros, prints, notes without an owner, paths of somebody's machine.

use std::path::Path;

use super::Problem;
use super::source::Source;

/// Marks that say "not done" without saying who does it.
const MARKS: &[&str] = &["FIXME", "XXX", "HACK"];
/// The one mark that is allowed, with its owner behind it.
const NOTE: &str = "TODO";
/// Macros that are for the time of writing only.
const WRITING_MACROS: &[&str] = &["dbg!", "todo!", "unimplemented!"];
/// Macros that write to standard output, and the crates that talk to people there.
const PRINTS: &[&str] = &["println!", "print!"];
const TALKERS: &[&str] = &["node", "xtask"];
/// Where somebody's machine keeps things.
const MACHINE_FOLDERS: &[&str] = &["home", "root", "work"];
/// Names that stand for anybody.
const ANYBODY: &[&str] = &["u", "me", "you", "user"];

/// Rules for Rust alone.
pub(super) fn check_source(source: &Source) -> Vec<Problem> {
    let mut problems = check_words(&source.path, &source.words);
    for name in WRITING_MACROS {
        problems
            .extend(places(&source.path, &source.code, name).map(|p| p.saying(format!("leftover `{name}`"))));
    }
    let talks = TALKERS.iter().any(|talker| source.path.starts_with(talker));
    let aside = source.path.iter().any(|part| part == "examples" || part == "build.rs");
    for name in PRINTS.iter().filter(|_| !talks && !aside) {
        let outside = places(&source.path, &source.code, name).filter(|p| !source.is_test(p.line - 1));
        problems.extend(outside.map(|p| p.saying(format!("`{name}` outside of {}", TALKERS.join(" and ")))));
    }
    problems
}

/// Finds marks in all of a text.
pub(super) fn check_words(path: &Path, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for mark in MARKS {
        problems.extend(places(path, text, mark).map(|p| p.saying(format!("leftover {mark}"))));
    }
    for (at, _) in text.match_indices(NOTE).filter(|&(at, _)| is_word(text, at, NOTE)) {
        let owner = text[at + NOTE.len()..].strip_prefix('(').and_then(|rest| rest.split_once(')'));
        if owner.is_none_or(|(name, _)| name.trim().is_empty() || name.contains('\n')) {
            problems.push(Problem::new(
                path,
                line(text, at),
                format!("{NOTE} without owner: write {NOTE}(name)"),
            ));
        }
    }
    problems
}

/// Finds absolute paths that exist on one machine only.
pub(super) fn check_paths(path: &Path, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for folder in MACHINE_FOLDERS {
        let pattern = format!("/{folder}/");
        for (at, _) in text.match_indices(&pattern) {
            let before = text[..at].chars().next_back();
            let name = text[at + pattern.len()..].split(|c: char| !c.is_alphanumeric()).next();
            let anybody = *folder == "home" && name.is_some_and(|name| ANYBODY.contains(&name));
            if !anybody && before.is_none_or(|c| !(c.is_alphanumeric() || "_-.~}$*/:".contains(c))) {
                problems.push(Problem::new(path, line(text, at), format!("path of one machine: {pattern}")));
            }
        }
    }
    problems
}

struct Place<'a> {
    path: &'a Path,
    line: usize,
}

impl Place<'_> {
    fn saying(self, message: String) -> Problem {
        Problem::new(self.path, self.line, message)
    }
}

fn places<'a>(path: &'a Path, text: &'a str, word: &'a str) -> impl Iterator<Item = Place<'a>> {
    let found = text.match_indices(word).filter(move |&(at, _)| is_word(text, at, word));
    found.map(move |(at, _)| Place { path, line: line(text, at) })
}

fn line(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn is_word(text: &str, at: usize, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let before = text[..at].chars().next_back();
    let after = text[at + word.len()..].chars().next();
    !before.is_some_and(part_of_word) && (word.ends_with('!') || !after.is_some_and(part_of_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<usize> {
        check_source(&Source::parse(Path::new(path), text)).into_iter().map(|p| p.line).collect()
    }

    #[test]
    fn a_note_without_owner_is_found() {
        assert_eq!(found("a/src/lib.rs", "\n// TODO: later\n"), [2]);
        assert_eq!(found("a/src/lib.rs", "// TODO() later\n"), [1]);
        assert!(found("a/src/lib.rs", "// TODO(ada): later\n").is_empty());
    }

    #[test]
    fn marks_are_found_in_code_and_comments() {
        assert_eq!(found("a/src/lib.rs", "// FIXME\n/* XXX */\nlet HACK = 1;\n"), [1, 2, 3]);
        assert!(found("a/src/lib.rs", "let text = \"XXX\"; // HACKATHON\n").is_empty());
    }

    #[test]
    fn macros_for_the_time_of_writing_are_found() {
        assert_eq!(found("a/src/lib.rs", "dbg!(1);\ntodo!();\nunimplemented!()\n"), [1, 2, 3]);
    }

    #[test]
    fn only_those_who_talk_to_people_print() {
        assert_eq!(found("engine/src/lib.rs", "println!();\neprintln!();\n"), [1]);
        assert!(found("node/src/chat.rs", "println!();\n").is_empty());
        assert!(found("engine/examples/speed.rs", "println!();\n").is_empty());
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        let path = ["see /", "home/", "ada/notes\nsee https://host/", "work/x\n"].concat();
        let lines: Vec<usize> = check_paths(Path::new("a.md"), &path).into_iter().map(|p| p.line).collect();
        assert_eq!(lines, [1]);
        let anybody = ["/", "home/", "u/notes"].concat();
        assert!(check_paths(Path::new("a.md"), &anybody).is_empty());
    }
}
