//! Words that searches find, and the cursor of a page. Pure; both backends index and ask with it, so that both find the
//! same.
//!
//! Nothing that a person types reaches a database's own query language: what goes there are these words alone.

use pomona_protocol::{SessionId, limits};

use crate::StoreError;

/// Words of one search at most; further ones are left out, which finds more, never less.
pub(crate) const SEARCH_WORDS_MAX: usize = 16;

/// Bytes of a word that count. Databases refuse longer ones, and nobody types them.
const WORD_BYTES_MAX: usize = 256;

/// The words of a text, in lower case, in order. Scripts without spaces give one word per character.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric()).flat_map(pieces).map(|piece| {
        let end = piece.floor_char_boundary(WORD_BYTES_MAX);
        piece[..end].to_lowercase()
    })
}

/// What is stored for a text: its words, one space between them.
pub(crate) fn indexed(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for word in words(text) {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(&word);
    }
    joined
}

/// The words that are asked for; the last one may go on. Empty: the text is no condition.
pub(crate) fn asked(text: &str) -> Vec<String> {
    words(text).take(SEARCH_WORDS_MAX).collect()
}

/// A title as it is searched in: any case is the same.
pub(crate) fn folded(title: &str) -> String {
    title.to_lowercase()
}

/// Cuts a run of letters so that each ideograph stands alone.
fn pieces(run: &str) -> impl Iterator<Item = &str> {
    let mut rest = run;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = if is_ideograph(first) {
            first.len_utf8()
        } else {
            rest.find(is_ideograph).unwrap_or(rest.len())
        };
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        Some(piece)
    })
}

/// Han, Hiragana and Katakana: written without spaces.
fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c), 0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x3ffff)
}

/// The cursor behind a session of a page, as clients carry it: its time and its id.
pub(crate) fn cursor(updated_ms: u64, id: SessionId) -> String {
    format!("{updated_ms:x}-{:032x}", id.0)
}

/// The way back.
pub(crate) fn parse_cursor(text: &str) -> Result<(u64, SessionId), StoreError> {
    let parsed = text.split_once('-').and_then(|(time, id)| {
        let hex = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = Some(id).filter(|id| id.len() == 32 && hex(id))?;
        let time = Some(time).filter(|time| time.len() <= 16 && hex(time))?;
        Some((u64::from_str_radix(time, 16).ok()?, SessionId(u128::from_str_radix(id, 16).ok()?)))
    });
    parsed.ok_or_else(|| {
        let given: String = text.chars().take(64).collect();
        StoreError::Invalid {
            what: "cursor".into(),
            message: format!("`{given}` is no cursor; expected `next` of the page before, unchanged"),
        }
    })
}

/// How many sessions a page holds.
pub(crate) fn page_limit(limit: u32) -> Result<u32, StoreError> {
    if (1..=limits::SESSIONS_PAGE_MAX).contains(&limit) {
        return Ok(limit);
    }
    let message = format!("{limit} is no size of a page; expected 1 to {}", limits::SESSIONS_PAGE_MAX);
    Err(StoreError::Invalid { what: "limit".into(), message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_at_everything_else() {
        let check = |text: &str, expected: &str| assert_eq!(indexed(text), expected);
        check("Hello, WORLD! \"x\" OR y* NEAR(a b)", "hello world x or y near a b");
        check("Grüße an 東京タワー2", "grüße an 東 京 タ ワ ー 2");
        check("a\0b -- ; '", "a b");
        check("", "");
    }

    #[test]
    fn a_search_has_few_and_short_words() {
        assert_eq!(asked(&"w ".repeat(100)).len(), SEARCH_WORDS_MAX);
        assert!(asked(&"ß".repeat(10_000))[0].len() <= WORD_BYTES_MAX);
        assert!(asked("…!?").is_empty());
    }

    #[test]
    fn a_cursor_reads_back_and_a_foreign_text_is_none() {
        let id = SessionId(u128::MAX - 1);
        assert_eq!(parse_cursor(&cursor(u64::MAX, id)), Ok((u64::MAX, id)));
        for text in ["", "-", "5-", "+5-00000000000000000000000000000001", "zz", "5-1", "ü-ü"] {
            assert!(matches!(parse_cursor(text), Err(StoreError::Invalid { .. })), "{text}");
        }
    }

    #[test]
    fn a_page_has_its_limits() {
        assert_eq!(page_limit(1), Ok(1));
        assert!(page_limit(0).is_err());
        assert!(page_limit(limits::SESSIONS_PAGE_MAX + 1).is_err());
    }
}
