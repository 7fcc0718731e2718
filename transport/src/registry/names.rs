//! What a machine may be called. [`super::Registry`] asks; nothing here knows a member.

use pomona_protocol::limits::NODE_NAME_BYTES_MAX;

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing in it.
    #[error("a machine's name may not be empty")]
    Empty,
    /// It breaks tables.
    #[error("a machine's name has at most {NODE_NAME_BYTES_MAX} bytes; this one has {bytes}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It would not show as what it is.
    #[error("a machine's name may not contain U+{code:04X}, which does not show")]
    Unprintable {
        /// The character.
        code: u32,
    },
    /// Somebody could take it for another machine's id.
    #[error("`{name}` looks like a machine's id; choose another name")]
    LooksLikeId {
        /// The name.
        name: String,
    },
}

/// The name without spaces around it, if it is one.
pub fn check_name(name: &str) -> Result<&str, NameError> {
    let name = name.trim();
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > NODE_NAME_BYTES_MAX {
        return Err(NameError::TooLong { bytes: name.len() });
    }
    if let Some(hidden) = name.chars().find(|character| !shows(*character)) {
        return Err(NameError::Unprintable { code: hidden.into() });
    }
    let looks_like_id = name
        .strip_prefix("n-")
        .is_some_and(|rest| rest.len() == 16 && rest.bytes().all(|character| character.is_ascii_hexdigit()));
    if looks_like_id {
        return Err(NameError::LooksLikeId { name: name.to_owned() });
    }
    Ok(name)
}

/// Controls, and what changes the order or the look of other characters, do not.
fn shows(character: char) -> bool {
    let hidden = matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}');
    !hidden && !character.is_control()
}

/// `wanted`, or the first of `wanted-2`, `wanted-3`, ... that nobody has. Names that differ in case only are one name.
pub(super) fn free_name(wanted: &str, is_taken: impl Fn(&str) -> bool) -> String {
    if !is_taken(wanted) {
        return wanted.to_owned();
    }
    let numbered = |number: u64| {
        let suffix = format!("-{number}");
        let end = wanted.floor_char_boundary(NODE_NAME_BYTES_MAX - suffix.len());
        format!("{}{suffix}", wanted[..end].trim_end())
    };
    (2..).map(numbered).find(|name| !is_taken(name)).expect("invariant: members are fewer than numbers")
}

/// Whether two names are one to a person.
pub(super) fn is_same_name(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_show() {
        for (given, expected) in [
            ("studio", Ok("studio")),
            ("  Anna’s MacBook Pro ", Ok("Anna’s MacBook Pro")),
            ("書斎", Ok("書斎")),
            ("n-12", Ok("n-12")),
            ("", Err(NameError::Empty)),
            (" \n ", Err(NameError::Empty)),
            ("a\tb", Err(NameError::Unprintable { code: 9 })),
            ("a\u{202e}b", Err(NameError::Unprintable { code: 0x202e })),
            ("a\u{1b}[31m", Err(NameError::Unprintable { code: 0x1b })),
        ] {
            assert_eq!(check_name(given), expected, "{given:?}");
        }
        assert_eq!(check_name(&"x".repeat(65)), Err(NameError::TooLong { bytes: 65 }));
        assert!(check_name(&"x".repeat(64)).is_ok());
        assert!(matches!(check_name("n-0123456789abcdef"), Err(NameError::LooksLikeId { .. })));
    }

    #[test]
    fn a_taken_name_gets_the_next_number() {
        let taken = ["studio", "Studio-2", "mini"];
        let is_taken = |name: &str| taken.iter().any(|other| is_same_name(name, other));
        assert_eq!(free_name("air", is_taken), "air");
        assert_eq!(free_name("mini", is_taken), "mini-2");
        assert_eq!(free_name("STUDIO", is_taken), "STUDIO-3");
    }

    #[test]
    fn a_number_does_not_make_a_name_too_long() {
        let long = "é".repeat(32);
        let name = free_name(&long, |name| name == long);
        assert_eq!(name, format!("{}-2", "é".repeat(31)));
        assert_eq!(check_name(&name), Ok(name.as_str()));
    }
}
