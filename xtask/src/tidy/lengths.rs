//! A file holds one idea and says which; a function fits a screen or two.

use super::Problem;
use super::source::Source;

/// Lines of a file, its tests not counted. Twice as many, and it has become the file that everybody edits.
const FILE_LINES_MAX: usize = 600;

/// Lines of a function. Most fit 70; a long `match` may take some more.
const FUNCTION_LINES_MAX: usize = 100;

/// Finds modules without a header, files and functions past their length.
pub(super) fn check(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !source.text.starts_with("//!") {
        problems.push(Problem::new(&source.path, 1, "module without a `//!` header that says what it is"));
    }
    let lines = source.code_lines();
    if lines > FILE_LINES_MAX {
        problems.push(Problem::new(&source.path, 1, format!("{lines} lines, at most {FILE_LINES_MAX}")));
    }
    for (name, first, lines) in functions(source) {
        if lines > FUNCTION_LINES_MAX {
            let message = format!("function `{name}` has {lines} lines, at most {FUNCTION_LINES_MAX}");
            problems.push(Problem::new(&source.path, first + 1, message));
        }
    }
    problems
}

/// Name, first line from 0 and length of each function outside of tests.
fn functions(source: &Source) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (at, _) in source.code.match_indices("fn ") {
        let before = source.code[..at].chars().next_back();
        let name: String =
            source.code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let first = source.line_of(at);
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') || name.is_empty() || source.is_test(first)
        {
            continue;
        }
        if let Some(end) = source.item_end(at) {
            found.push((name, first, source.line_of(end) - first + 1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn messages(text: &str) -> Vec<String> {
        check(&Source::parse(Path::new("a/src/lib.rs"), text)).into_iter().map(|p| p.message).collect()
    }

    fn function(lines: usize) -> String {
        format!("//! A.\nfn long(a: [u8; 2]) {{\n{}}}\n", "    \"}\"; // }\n".repeat(lines - 2))
    }

    #[test]
    fn a_module_without_header_is_found() {
        assert_eq!(messages("fn a() {}\n").len(), 1);
        assert!(messages("//! A.\nfn a() {}\n").is_empty());
    }

    #[test]
    fn a_function_past_100_lines_is_found() {
        assert!(messages(&function(100)).is_empty());
        assert_eq!(messages(&function(101)), ["function `long` has 101 lines, at most 100"]);
    }

    #[test]
    fn a_file_past_600_lines_is_found() {
        let lines = |count: usize| "//! A.\n".repeat(count);
        assert!(messages(&lines(600)).is_empty());
        assert_eq!(messages(&lines(601)), ["601 lines, at most 600"]);
    }

    #[test]
    fn tests_may_be_long() {
        let body = "        let a = 1;\n".repeat(700);
        assert!(
            messages(&format!("//! A.\n#[cfg(test)]\nmod tests {{\n    fn a() {{\n{body}    }}\n}}\n"))
                .is_empty()
        );
    }
}
