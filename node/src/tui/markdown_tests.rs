//! Markdown on a screen: what it looks like, and that no cut of it does harm.

use proptest::prelude::*;

use super::*;

/// Everything that an answer has.
const ALL: &str = "\
# Title **bold**

A paragraph with `code`, *emphasis*, **strong _both_** and a [link](https://a.example/x), 日本語 and 👩‍👩‍👧.

- one
- two
  - nested item that is long enough to be broken
1. first
2. second

> quoted
> more

```rust
fn main() {
    println!(\"a long line of code\");
}
```

| name | what |
| --- | :-: |
| a | something rather long |
| b | `x` |

---
- [x] done
- [ ] to do

<b>html</b> https://auto.example ~~gone~~ end.
";

fn plain(markdown: &str, columns: usize) -> Vec<String> {
    let lines = render(markdown, columns, Theme::new(true));
    lines.iter().map(|line| line.to_string().trim_end().to_owned()).collect()
}

#[test]
fn everything_has_its_look() {
    let expected = "\
Title bold

A paragraph with code, emphasis, strong
both and a link (https://a.example/x),
日本語 and 👩‍👩‍👧.

• one
• two
  • nested item that is long enough to
    be broken

1. first
2. second

▎ quoted more

┌ rust ─────────────────────────────────
│ fn main() {
│     println!(\"a long line of code\");
│ }
└───────────────────────────────────────

name │ what
─────┼──────────────────────
a    │ something rather long
b    │ x

────────────────────────────────────────
• [x] done
• [ ] to do

<b>html</b> https://auto.example gone
end.";
    assert_eq!(plain(ALL, 40).join("\n"), expected);
}

#[test]
fn styles_are_those_of_the_marks() {
    let lines = render("a **b** `c`", 20, Theme::new(true));
    let styles: Vec<(String, Style)> =
        lines[0].spans.iter().map(|span| (span.content.to_string(), span.style)).collect();
    let theme = Theme::new(true);
    let expected = [("a ", Style::new()), ("b", theme.bold()), (" ", Style::new()), ("c", theme.code())];
    assert_eq!(styles, expected.map(|(text, style)| (text.to_owned(), style)));
}

#[test]
fn code_is_never_joined_and_long_lines_go_on() {
    let lines = plain("```\nabcdefghijkl\n\n  x\n```", 10);
    assert_eq!(lines, ["┌─────────", "│ abcdefgh", "│ ijkl", "│", "│   x", "└─────────"]);
}

#[test]
fn a_table_that_is_too_wide_gives_way() {
    let lines = plain("| aaaaaaaaaaaaaaa | b |\n|-|-|\n| c | d |", 14);
    assert_eq!(lines, ["aaaaaaaaa… │ b", "───────────┼──", "c          │ d"]);
}

#[test]
fn what_commands_a_terminal_is_not_shown() {
    assert_eq!(plain("a\x1b[31mb\n\n```\n\x07x\ty\n```", 20)[..1], ["a[31mb"]);
}

#[test]
fn text_on_its_way_is_read_as_what_it_will_be() {
    for (text, expected) in [
        ("some **bol", "some **bol**"),
        ("some **", "some"),
        ("a `co", "a `co`"),
        ("a *b* **c", "a *b* **c**"),
        ("2 * 3 is", "2 * 3 is"),
        ("Text\n-", "Text\n"),
        ("Text\n==", "Text\n"),
        ("1.", ""),
        ("Text\n``", "Text\n"),
        ("Text\n```ru", "Text\n"),
        ("```rust\nlet a = **b", "```rust\nlet a = **b"),
        ("```\na\n``", "```\na\n"),
        ("```\na\n```\nso **b", "```\na\n```\nso **b**"),
        ("- **a\n- b", "- **a\n- b"),
        ("done.", "done."),
    ] {
        assert_eq!(settled(text).trim_end_matches(' '), expected, "{text:?}");
    }
}

#[test]
fn no_cut_does_harm_and_what_is_complete_stays_as_it_is() {
    let whole = plain(ALL, 40);
    for (cut, _) in ALL.char_indices() {
        let part = plain(&settled(&ALL[..cut]), 40);
        let complete = ALL[..cut].rfind("\n\n").map_or(0, |end| end + 1);
        let certain = plain(&ALL[..complete], 40);
        assert_eq!(part.get(..certain.len()), Some(certain.as_slice()), "cut at {cut}");
        assert_eq!(whole[..certain.len()], certain, "cut at {cut}");
    }
    assert_eq!(plain(ALL, 40), whole);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_or_too_wide(
        text in "([-#>*_`~|\\[\\]()!<> \n\t0-9.]|[a-z日é👩‍]|```|\n\n|\\| - ){0,80}",
        columns in 0usize..60,
    ) {
        let lines = render(&settled(&text), columns, Theme::new(false));
        for line in lines {
            prop_assert!(!line.to_string().contains('\n'));
        }
    }
}
