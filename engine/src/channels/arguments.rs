//! Where a JSON value ends, without reading it: counts brackets outside strings.

/// A scan over the text of one object or list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    depth: u32,
    in_string: bool,
    is_escaped: bool,
}

/// What the scan says of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letter {
    /// It belongs to the value, which goes on.
    Inside,
    /// It is the last one of the value.
    Last,
    /// It cannot stand there; the value was broken off before it.
    Foreign,
}

impl Scan {
    /// Takes the next letter; the first one opens the value.
    pub(super) fn letter(&mut self, letter: char) -> Letter {
        if self.in_string {
            match letter {
                _ if self.is_escaped => self.is_escaped = false,
                '\\' => self.is_escaped = true,
                '"' => self.in_string = false,
                _ => {}
            }
            return Letter::Inside;
        }
        match letter {
            '{' | '[' => self.depth += 1,
            '}' | ']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    return Letter::Last;
                }
            }
            '"' => self.in_string = true,
            ',' | ':' | '+' | '-' | '.' | '0'..='9' | 'a'..='z' | 'A'..='Z' => {}
            _ if letter.is_ascii_whitespace() => {}
            _ => return Letter::Foreign,
        }
        Letter::Inside
    }
}

/// A string of JSON, read letter by letter from behind its first quote.
#[derive(Clone, Debug, Default)]
pub(super) struct Quoted {
    raw: String,
    is_escaped: bool,
}

impl Quoted {
    /// Takes the next letter. At the closing quote it gives the string, or nothing when that is none.
    pub(super) fn letter(&mut self, letter: char) -> Option<Option<String>> {
        if letter == '"' && !self.is_escaped {
            return Some(serde_json::from_str(&format!("\"{}\"", self.raw)).ok());
        }
        self.is_escaped = letter == '\\' && !self.is_escaped;
        self.raw.push(letter);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_of(text: &str) -> Option<(usize, Letter)> {
        let mut scan = Scan::default();
        text.char_indices()
            .map(|(at, letter)| (at, scan.letter(letter)))
            .find(|(_, said)| *said != Letter::Inside)
    }

    #[test]
    fn a_value_ends_where_its_brackets_do() {
        assert_eq!(end_of("{}x"), Some((1, Letter::Last)));
        assert_eq!(end_of(r#"{"a": [1, "}\"]"]} tail"#), Some((17, Letter::Last)));
        assert_eq!(end_of(r#"{"a": <"#), Some((6, Letter::Foreign)));
        assert_eq!(end_of(r#"{"a"#), None);
    }

    #[test]
    fn a_string_is_read_with_its_escapes() {
        let read = |text: &str| {
            let mut quoted = Quoted::default();
            text.chars().find_map(|letter| quoted.letter(letter))
        };
        assert_eq!(read(r#"a\"b\n" x"#), Some(Some("a\"b\n".to_owned())));
        assert_eq!(read(r#"\q""#), Some(None));
        assert_eq!(read("open"), None);
    }
}
