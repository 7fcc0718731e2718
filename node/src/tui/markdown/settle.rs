//! Markdown that is still being written: what may turn into something else with the next token is held back or closed,
//! so that the screen does not flicker between the two readings.

/// The text so far without a last line that says nothing yet, and with the marks closed that its last paragraph opened.
pub(in crate::tui) fn settled(text: &str) -> String {
    let last_start = text.rfind('\n').map_or(0, |found| found + 1);
    let (before, last) = text.split_at(last_start);
    if let Some(fence) = open_fence(before) {
        // The end of the block, as far as it came.
        let closes = !last.trim().is_empty() && last.trim().chars().all(|c| c == fence);
        return if closes { before.to_owned() } else { text.to_owned() };
    }
    if is_uncertain(last) {
        return before.to_owned();
    }
    let paragraph = text.rfind("\n\n").map_or(0, |found| found + 2);
    let open = open_marks(&text[paragraph.max(list_item(text))..]);
    let mut settled = text.trim_end_matches(' ').to_owned();
    for mark in open.iter().rev() {
        match settled.strip_suffix(mark) {
            // Opened by the last word of all: nothing stands in it yet.
            Some(without) => settled.truncate(without.len()),
            None => settled.push_str(mark),
        }
    }
    settled
}

/// The character of the fence in which the text ends, if it ends in one.
fn open_fence(text: &str) -> Option<char> {
    let mut open: Option<(char, usize)> = None;
    for line in text.lines() {
        let line = line.trim_start_matches([' ', '>']);
        let Some(mark) = line.chars().next().filter(|c| matches!(c, '`' | '~')) else { continue };
        let length = line.chars().take_while(|c| *c == mark).count();
        match open {
            None if length >= 3 && !(mark == '`' && line[length..].contains('`')) => {
                open = Some((mark, length))
            }
            Some((of, least)) if of == mark && length >= least && line[length..].trim().is_empty() => {
                open = None
            }
            _ => {}
        }
    }
    open.map(|(mark, _)| mark)
}

/// Whether a line has nothing but marks: the start of an item, a rule, a heading, an underline, a fence.
fn is_uncertain(line: &str) -> bool {
    let line = line.trim();
    let number = line.strip_suffix(['.', ')']).unwrap_or_default();
    let is_mark =
        |c: char| matches!(c, '-' | '=' | '*' | '+' | '#' | '|' | '`' | '~' | '_' | ':' | '>' | ' ');
    let is_fence = line.starts_with("```") || line.starts_with("~~~");
    !line.is_empty()
        && (line.chars().all(is_mark)
            || (!number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
            // Its language is being written.
            || is_fence && !line.trim_start_matches(['`', '~']).contains(['`', ' ']))
}

/// Where the last item of a list starts; marks do not reach from one into the next.
fn list_item(text: &str) -> usize {
    let bullets = ["\n- ", "\n* ", "\n+ "];
    bullets.iter().filter_map(|bullet| text.rfind(bullet)).max().map_or(0, |found| found + 3)
}

/// The marks of emphasis and code that are open at the end, outermost first.
fn open_marks(text: &str) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    let characters: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < characters.len() {
        let mark = characters[at];
        if mark == '\\' {
            at += 2;
            continue;
        }
        let length = characters[at..].iter().take_while(|c| **c == mark).count();
        let code = open.last().is_some_and(|last| last.starts_with('`'));
        let run: String = characters[at..at + length].iter().collect();
        let after = characters.get(at + length).copied();
        let before = at.checked_sub(1).and_then(|index| characters.get(index)).copied();
        match mark {
            '`' if open.last() == Some(&run) => drop(open.pop()),
            '`' if !code => open.push(run),
            '*' | '~' if !code && length <= 2 && (mark == '*' || length == 2) => {
                if open.last() == Some(&run) && before.is_some_and(|c| !c.is_whitespace()) {
                    open.pop();
                } else if after.is_none_or(|c| !c.is_whitespace()) && !open.contains(&run) {
                    open.push(run);
                }
            }
            _ => {}
        }
        at += length;
    }
    open
}
