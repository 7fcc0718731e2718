//! The editor: whatever is pressed, the cursor stands between two characters.

use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

use super::{BYTES_MAX, Editor};

const FAMILY: &str = "👩‍👩‍👧";

#[test]
fn a_character_of_many_code_points_is_one() {
    let mut editor = Editor::with(&format!("a{FAMILY}e\u{301}"));
    editor.left();
    editor.left();
    editor.insert("b");
    assert_eq!(editor.text(), format!("ab{FAMILY}e\u{301}"));
    editor.delete();
    assert_eq!(editor.text(), "abe\u{301}");
    editor.end();
    editor.backspace();
    assert_eq!(editor.text(), "ab");
}

#[test]
fn words_are_stepped_over_and_removed() {
    let mut editor = Editor::with("one, two  three");
    editor.word_left();
    editor.word_left();
    editor.insert("|");
    assert_eq!(editor.text(), "one, |two  three");
    editor.word_right();
    editor.word_right();
    editor.delete_word();
    assert_eq!(editor.text(), "one, |two  ");
    editor.home();
    editor.word_right();
    editor.delete_to_end();
    assert_eq!(editor.text(), "one");
    editor.delete_to_start();
    assert!(editor.is_empty());
}

#[test]
fn lines_above_and_below_keep_the_column() {
    let mut editor = Editor::with("日本語\nab\nabcdef");
    assert!(editor.up());
    assert!(editor.up());
    editor.insert("|");
    assert_eq!(editor.text(), "日|本語\nab\nabcdef");
    assert!(!editor.up());
    assert!(editor.down() && editor.down() && !editor.down());
}

#[test]
fn the_history_gives_back_what_was_being_typed() {
    let mut editor = Editor::default();
    for entry in ["one", "two", "two", " "] {
        editor.set(entry);
        editor.take();
    }
    editor.insert("dra");
    editor.older();
    assert_eq!((editor.text(), editor.is_browsing()), ("two", true));
    editor.older();
    editor.older();
    assert_eq!(editor.text(), "one");
    editor.newer();
    editor.newer();
    assert_eq!((editor.text(), editor.is_browsing()), ("dra", false));
}

#[test]
fn a_paste_keeps_its_lines_and_loses_its_commands() {
    let mut editor = Editor::default();
    assert!(editor.insert("a\r\nb\rc\x1b[2J\td"));
    assert_eq!(editor.text(), "a\nb\nc[2J    d");
    assert!(!editor.insert(&"x".repeat(BYTES_MAX)));
    assert_eq!(editor.text(), "a\nb\nc[2J    d");
}

#[test]
fn rows_are_broken_and_the_cursor_stands_in_them() {
    let editor = Editor::with("abcd日e\nx");
    assert_eq!(editor.rows(5).rows, ["abcd", "日e", "x"]);
    assert_eq!(editor.rows(5).cursor, (1, 2));
    let full = Editor::with("abcd");
    assert_eq!((full.rows(4).rows, full.rows(4).cursor), (vec!["abcd".to_owned(), String::new()], (0, 1)));
    assert_eq!(Editor::default().rows(4).cursor, (0, 0));
}

/// One thing that can be done.
fn act(editor: &mut Editor, number: u8, text: &str) {
    match number % 17 {
        0 => editor.backspace(),
        1 => editor.delete(),
        2 => editor.delete_word(),
        3 => editor.delete_to_start(),
        4 => editor.delete_to_end(),
        5 => editor.left(),
        6 => editor.right(),
        7 => editor.word_left(),
        8 => editor.word_right(),
        9 => editor.home(),
        10 => editor.end(),
        11 => drop(editor.up()),
        12 => drop(editor.down()),
        13 => editor.older(),
        14 => editor.newer(),
        15 => drop(editor.take()),
        _ => drop(editor.insert(text)),
    }
}

proptest! {
    #[test]
    fn the_cursor_always_stands_between_characters(
        steps in prop::collection::vec((any::<u8>(), "[a日\n \u{301}\u{200d}👩👧\u{1F1E9}\u{1F1EA}]{0,5}"), 0..60),
        columns in 1usize..12,
    ) {
        let mut editor = Editor::default();
        for (number, text) in steps {
            // Inserting comes often, so that there is something to edit.
            act(&mut editor, if number > 120 { 16 } else { number }, &text);
            let is_boundary = editor.cursor == editor.text.len()
                || editor.text.grapheme_indices(true).any(|(index, _)| index == editor.cursor);
            prop_assert!(is_boundary, "{:?} at {}", editor.text, editor.cursor);
            let rows = editor.rows(columns);
            prop_assert!(rows.cursor.1 < rows.rows.len());
            prop_assert_eq!(rows.rows.concat(), editor.text.replace('\n', ""));
        }
    }

    #[test]
    fn what_is_typed_in_pieces_is_what_is_there(pieces in prop::collection::vec("[a-z日 \n]{0,4}", 0..20)) {
        let mut editor = Editor::default();
        for piece in &pieces {
            editor.insert(piece);
        }
        prop_assert_eq!(editor.text(), pieces.concat());
    }
}
