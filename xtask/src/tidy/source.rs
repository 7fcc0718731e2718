//! A Rust file, cut into what is code, what is comment and what is test, without a parser: comments and
//! texts are told apart by their delimiters, items by their braces.

use std::path::{Path, PathBuf};

/// A file and two views of it with the same bytes at the same places.
pub(crate) struct Source {
    /// Relative to the root of the repository.
    pub(crate) path: PathBuf,
    /// As it stands in the file.
    pub(crate) text: String,
    /// Comments and the insides of texts are blank.
    pub(crate) code: String,
    /// The insides of texts are blank, comments stand.
    pub(crate) words: String,
    /// Whether each line, from 0, belongs to tests.
    test_lines: Vec<bool>,
}

impl Source {
    /// Cuts `text`.
    pub(crate) fn parse(path: &Path, text: &str) -> Self {
        let (code, words) = blank(text);
        let mut source =
            Self { path: path.to_owned(), text: text.to_owned(), code, words, test_lines: Vec::new() };
        source.test_lines = vec![source.is_test_file(); text.lines().count()];
        source.mark_test_items();
        source
    }

    /// Takes the whole file as test code: its module is declared under `#[cfg(test)]`.
    pub(crate) fn mark_as_test(&mut self) {
        self.test_lines.fill(true);
    }

    /// Whether the line, from 0, belongs to tests.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.test_lines.get(line).copied().unwrap_or(false)
    }

    /// The line, from 0, of a byte.
    pub(crate) fn line_of(&self, byte: usize) -> usize {
        self.text.as_bytes()[..byte].iter().filter(|&&byte| byte == b'\n').count()
    }

    /// Lines that are not tests.
    pub(crate) fn code_lines(&self) -> usize {
        self.test_lines.iter().filter(|&&test| !test).count()
    }

    /// Files of the modules that this one declares under `#[cfg(test)]`.
    pub(crate) fn test_modules(&self) -> Vec<PathBuf> {
        let parent = self.path.parent().unwrap_or(Path::new(""));
        let stem = self.path.file_stem().unwrap_or_default();
        let folder = if ["lib", "main", "mod"].iter().any(|root| stem == *root) {
            parent.to_owned()
        } else {
            parent.join(stem)
        };
        let declared = self.code.split("#[cfg(test)]").skip(1).filter_map(|rest| {
            let rest = rest.trim_start().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
            let name = rest.strip_prefix("mod ")?.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
            rest["mod ".len() + name.len()..].starts_with(';').then(|| folder.join(format!("{name}.rs")))
        });
        declared.collect()
    }

    /// The byte behind the brace that closes the one opened at or after `from`; `None` when the item has no
    /// body.
    pub(crate) fn item_end(&self, from: usize) -> Option<usize> {
        let (mut braces, mut parentheses) = (0usize, 0usize);
        for (at, byte) in self.code.bytes().enumerate().skip(from) {
            match byte {
                b'(' | b'[' => parentheses += 1,
                b')' | b']' => parentheses = parentheses.saturating_sub(1),
                b'{' => braces += 1,
                b'}' if braces == 1 => return Some(at + 1),
                b'}' => braces = braces.saturating_sub(1),
                b';' if braces == 0 && parentheses == 0 => return None,
                _ => {}
            }
        }
        None
    }

    fn is_test_file(&self) -> bool {
        let in_tests = self.path.iter().any(|part| part == "tests" || part == "benches");
        in_tests || self.path.to_string_lossy().ends_with("tests.rs") || self.code.contains("#![cfg(test)]")
    }

    fn mark_test_items(&mut self) {
        for attribute in ["#[cfg(test)]", "#[test]", "#[tokio::test"] {
            let starts: Vec<usize> = self.code.match_indices(attribute).map(|(at, _)| at).collect();
            for start in starts {
                let body = start + self.code[start..].find(']').unwrap_or(0) + 1;
                let end = self.item_end(body).unwrap_or(body);
                let (first, last) = (self.line_of(start), self.line_of(end));
                for line in &mut self.test_lines[first..=last] {
                    *line = true;
                }
            }
        }
    }
}

/// What the scanner is inside of.
enum Inside {
    Code,
    LineComment,
    BlockComment(usize),
    Text,
    RawText(usize),
}

/// The two views of `text`: (code, code and comments).
fn blank(text: &str) -> (String, String) {
    let bytes = text.as_bytes();
    let (mut code, mut words) = (bytes.to_vec(), bytes.to_vec());
    let mut inside = Inside::Code;
    let mut at = 0;
    while at < bytes.len() {
        let (next, then) = advance(bytes, at, &inside);
        let (hide_code, hide_words) = match inside {
            Inside::Code => (matches!(then, Inside::LineComment | Inside::BlockComment(_)), false),
            Inside::LineComment | Inside::BlockComment(_) => (true, false),
            Inside::Text | Inside::RawText(_) => (true, true),
        };
        for place in (at..next).filter(|&place| bytes[place] != b'\n') {
            if hide_code {
                code[place] = b' ';
            }
            if hide_words {
                words[place] = b' ';
            }
        }
        if matches!(inside, Inside::Code) && bytes[at] == b'\'' && next > at + 1 {
            code[at + 1..next - 1].fill(b' ');
            words[at + 1..next - 1].fill(b' ');
        }
        (at, inside) = (next, then);
    }
    (String::from_utf8_lossy(&code).into_owned(), String::from_utf8_lossy(&words).into_owned())
}

/// Where the next piece begins, and what it is inside of.
fn advance(bytes: &[u8], at: usize, inside: &Inside) -> (usize, Inside) {
    let rest = &bytes[at..];
    match *inside {
        Inside::Code if rest.starts_with(b"//") => (at + 2, Inside::LineComment),
        Inside::Code if rest.starts_with(b"/*") => (at + 2, Inside::BlockComment(1)),
        Inside::Code if rest[0] == b'"' => (at + 1, Inside::Text),
        Inside::Code if starts_word(bytes, at) && raw_start(rest).is_some() => {
            let (length, hashes) = raw_start(rest).unwrap_or((1, 0));
            (at + length, Inside::RawText(hashes))
        }
        Inside::Code if rest[0] == b'\'' => (at + character_length(rest), Inside::Code),
        Inside::Code => (at + 1, Inside::Code),
        Inside::LineComment if rest[0] == b'\n' => (at + 1, Inside::Code),
        Inside::LineComment => (at + 1, Inside::LineComment),
        Inside::BlockComment(depth) if rest.starts_with(b"/*") => (at + 2, Inside::BlockComment(depth + 1)),
        Inside::BlockComment(1) if rest.starts_with(b"*/") => (at + 2, Inside::Code),
        Inside::BlockComment(depth) if rest.starts_with(b"*/") => (at + 2, Inside::BlockComment(depth - 1)),
        Inside::BlockComment(depth) => (at + 1, Inside::BlockComment(depth)),
        Inside::Text if rest[0] == b'\\' => ((at + 2).min(bytes.len()), Inside::Text),
        Inside::Text if rest[0] == b'"' => (at + 1, Inside::Code),
        Inside::Text => (at + 1, Inside::Text),
        Inside::RawText(hashes) => {
            let closes =
                rest[0] == b'"' && rest[1..].iter().take_while(|&&byte| byte == b'#').count() >= hashes;
            if closes { (at + 1 + hashes, Inside::Code) } else { (at + 1, Inside::RawText(hashes)) }
        }
    }
}

fn starts_word(bytes: &[u8], at: usize) -> bool {
    at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

/// Length and number of hashes when `rest` begins with `r"`, `r#"`, `br"` or `cr"`.
fn raw_start(rest: &[u8]) -> Option<(usize, usize)> {
    let prefix = match rest {
        [b'r', ..] => 1,
        [b'b' | b'c', b'r', ..] => 2,
        _ => return None,
    };
    let hashes = rest[prefix..].iter().take_while(|&&byte| byte == b'#').count();
    (rest.get(prefix + hashes) == Some(&b'"')).then_some((prefix + hashes + 1, hashes))
}

/// How far a quote reaches: over a character literal, or over itself when it begins a lifetime.
fn character_length(rest: &[u8]) -> usize {
    if rest.get(1) == Some(&b'\\') {
        let close = rest.iter().skip(3).position(|&byte| byte == b'\'');
        return close.map_or(1, |close| close + 4);
    }
    let close = rest.iter().take(6).skip(2).position(|&byte| byte == b'\'');
    match close {
        Some(0) => 3,
        Some(more) if !rest[1].is_ascii() => more + 3,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Source::parse(Path::new("a/src/lib.rs"), text).code
    }

    #[test]
    fn braces_in_texts_and_comments_are_no_code() {
        let text = "let a = \"{\"; // {\nlet b = r#\"{\"{\"#; /* { /* { */ { */ let c = '{'; let d = b'\\'';";
        assert_eq!(code(text).matches(['{', '}']).count(), 0, "{}", code(text));
        assert_eq!(code(text).len(), text.len());
    }

    #[test]
    fn a_lifetime_opens_no_text() {
        assert_eq!(code("fn f<'a>(x: &'a str) -> &'a str { x }"), "fn f<'a>(x: &'a str) -> &'a str { x }");
    }

    #[test]
    fn lines_of_test_items_are_told_apart() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n";
        let source = Source::parse(Path::new("a/src/lib.rs"), text);
        assert_eq!(
            (0..6).map(|line| source.is_test(line)).collect::<Vec<_>>(),
            [false, true, true, true, true, false]
        );
        assert_eq!(source.code_lines(), 2);
    }

    #[test]
    fn a_test_module_in_its_own_file_is_found() {
        let source = Source::parse(Path::new("a/src/turn.rs"), "#[cfg(test)]\nmod oracle;\n");
        assert_eq!(source.test_modules(), [PathBuf::from("a/src/turn/oracle.rs")]);
    }
}
