//! Outside of tests nothing panics by accident: no `unwrap`, and an `expect` states the invariant that makes
//! it unreachable.

use super::Problem;
use super::source::Source;

/// Finds both.
pub(super) fn check(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, _) in source.code.match_indices(".unwrap()") {
        problems.push((at, "`unwrap` outside of tests; handle it, or `expect(\"invariant: …\")`"));
    }
    for (at, call) in source.code.match_indices(".expect(") {
        let argument = source.text[at + call.len()..].trim_start();
        if !argument.starts_with("\"invariant:") {
            problems.push((at, "`expect` whose message does not begin with \"invariant:\""));
        }
    }
    let outside = problems.into_iter().map(|(at, message)| (source.line_of(at), message));
    outside
        .filter(|&(line, _)| !source.is_test(line))
        .map(|(line, message)| Problem::new(&source.path, line + 1, message))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(&Source::parse(Path::new("a/src/lib.rs"), text)).into_iter().map(|p| p.line).collect()
    }

    #[test]
    fn an_unwrap_is_found() {
        assert_eq!(lines("fn a() {\n    b().unwrap();\n}\n"), [2]);
    }

    #[test]
    fn an_expect_states_its_invariant() {
        assert_eq!(lines("fn a() { b().expect(\"works\"); }\n"), [1]);
        assert!(lines("fn a() { b().expect(\n    \"invariant: b was checked\"); }\n").is_empty());
    }

    #[test]
    fn tests_and_comments_may_say_unwrap() {
        assert!(lines("// a.unwrap()\n#[cfg(test)]\nmod tests { fn a() { b().unwrap(); } }\n").is_empty());
    }
}
