//! What the screen looks like.

use crossterm::event::KeyCode;
use pomona_protocol::v3::{EnvelopeBody, PresentBody};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::*;
use crate::tui::fixture::*;
use crate::tui::message::{Message, News};
use crate::tui::theme::Theme;

fn drawn(model: &Model) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(model.columns, model.rows)).unwrap();
    terminal
        .draw(|frame| {
            draw(model, &mut Cache::default(), frame.buffer_mut());
        })
        .unwrap();
    terminal.backend().buffer().clone()
}

/// The lines of the screen without the spaces at their ends; the second half of a wide character is left out.
fn shown(model: &Model) -> String {
    let buffer = drawn(model);
    let row = |y| {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..buffer.area().width {
            let symbol = buffer[(x, y)].symbol();
            if skip == 0 {
                line.push_str(symbol);
                skip = crate::tui::text::width(symbol).max(1);
            }
            skip -= 1;
        }
        line.trim_end().to_owned()
    };
    (0..buffer.area().height).map(row).collect::<Vec<_>>().join("\n")
}

fn check(model: &Model, expected: &str) {
    let shown = shown(model);
    assert_eq!(shown, expected.trim_matches('\n'), "\n{shown}\n");
}

/// A conversation with everything in it.
fn conversation(columns: u16, rows: u16) -> Model {
    let mut model = open(columns, rows);
    say(&mut model, 2, accepted("turn_1", None, ME, "What is 日本?"));
    say(&mut model, 3, tokens("turn_1", "A **country**:\n\n```text\n日本 👍\n```\n"));
    say(&mut model, 4, finished("turn_1", "stop"));
    say(&mut model, 5, accepted("turn_2", Some("turn_1"), ME, "And?"));
    say(&mut model, 6, failed("turn_2"));
    say(&mut model, 7, accepted("turn_3", Some("turn_1"), OTHER, "And?"));
    say(&mut model, 8, tokens("turn_3", "More **to"));
    let here =
        |client, by: &str, name: &str| PresentBody { client, by: by.to_owned(), name: name.to_owned() };
    pass(&mut model, EnvelopeBody::Presence { clients: vec![here(1, ME, "me"), here(2, OTHER, "ann")] });
    model
}

#[test]
fn a_conversation_has_its_place() {
    let expected = "
 Apples                                             sprout · ● online here 3 ms
▸ Apples           3m │ you  now
  sprout              │ │ What is 日本?
● 日本 pears       3m │ sprout
  sprout              │ A country:
                      │
                      │ ┌ text ────────────────────────────────────────────────
                      │ │ 日本 👍
                      │ └──────────────────────────────────────────────────────
                      │
                      │ ann ‹ 2/2 ›  now
                      │ │ And?
                      │ sprout ⠋
                      │ More to
                      │
                      │
                      │
                      │
                      │
                      │
                      │
── also here: ann ──────────────────────────────────────────────────────────────
>
Esc cancel · F1 help · ^Q quit · Tab sessions · F2 fleet
";
    check(&conversation(80, 24), expected);
}

#[test]
fn a_small_screen_shows_the_end_of_it() {
    let expected = "
 Apples     sprout · ● online here 3 ms

ann ‹ 2/2 ›  now
│ And?
sprout ⠋
More to

── also here: ann ──────────────────────
>
Esc cancel · F1 help · ^Q quit · Tab se…
";
    check(&conversation(40, 10), expected);
}

#[test]
fn a_failed_turn_says_why_and_a_cancelled_one_by_whom() {
    let mut model = conversation(60, 14);
    say(&mut model, 9, EnvelopeBody::TurnCancelAsked { turn: "turn_3".to_owned(), by: OTHER.to_owned() });
    say(&mut model, 10, finished("turn_3", "cancelled"));
    assert!(shown(&model).contains("■ cancelled by ann"), "{}", shown(&model));
    say(&mut model, 11, EnvelopeBody::BranchChosen { by: ME.to_owned(), leaf: "turn_2".to_owned() });
    let text = shown(&model);
    assert!(
        text.contains("✗ failed: no replica has room (overloaded)") && text.contains("‹ 1/2 ›"),
        "{text}"
    );
}

#[test]
fn who_scrolls_up_stays_there_and_sees_that_there_is_more() {
    let mut model = conversation(40, 10);
    let page = |model: &mut Model, code| {
        let drawn = {
            let mut buffer = Buffer::empty(Rect::new(0, 0, model.columns, model.rows));
            draw(model, &mut Cache::default(), &mut buffer)
        };
        tell(model, Message::Drawn { lines: drawn.lines, rows: drawn.rows, shown: drawn.shown });
        press(model, code);
    };
    page(&mut model, KeyCode::PageUp);
    let before = shown(&model);
    assert!(before.contains("more below"), "{before}");
    for seq in 9..30 {
        say(&mut model, seq, tokens("turn_3", "\n\nmore"));
    }
    let after = shown(&model);
    let text = |screen: &str| screen.lines().skip(1).take(4).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(text(&before), text(&after));
    for _ in 0..20 {
        page(&mut model, KeyCode::PageDown);
    }
    assert!(!shown(&model).contains("more below"));
}

#[test]
fn the_connection_says_how_it_is() {
    let mut model = open(80, 24);
    model.path = "LAN";
    assert!(shown(&model).contains("sprout · ● online LAN 3 ms"), "{}", shown(&model));
    hear(&mut model, News::Lost);
    assert!(shown(&model).contains("◌ reconnecting…"));
    model.now_ms += 12_000;
    assert!(shown(&model).contains("○ offline for 12 s"));
}

#[test]
fn machines_are_shown_with_the_way_to_them() {
    let mut model = conversation(120, 12);
    press(&mut model, KeyCode::F(2));
    let node = mini();
    let mut far = node.clone();
    far.name = "far".to_owned();
    far.state = pomona_protocol::NodeState::Suspect;
    far.replicas.clear();
    let status = pomona_protocol::Status {
        version: "0.1.0".to_owned(),
        cluster: "orchard".to_owned(),
        node: pomona_protocol::NodeId::from("n-1"),
        name: "mac".to_owned(),
        uptime_ms: 1,
        draining: false,
        turns_active: 1,
        turns_queued: 0,
        clients: 2,
        replicas: Vec::new(),
    };
    tell(&mut model, Message::Fleet(Ok(Box::new((vec![node, far], status)))));
    let text = shown(&model);
    for words in [
        "1 running · 0 waiting · 2 clients",
        "■ mini alive · LAN 1 ms",
        "sprout ready · 2 turns · KV 50 %",
        "■ far suspect",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn without_colours_no_cell_has_one() {
    let mut model = conversation(80, 24);
    model.theme = Theme::new(false);
    press(&mut model, KeyCode::F(2));
    for screen in [drawn(&model), drawn(&conversation_without(&mut model))] {
        assert!(screen.content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    }
    assert!(drawn(&conversation(80, 24)).content().iter().any(|cell| cell.fg != Color::Reset));
}

fn conversation_without(model: &mut Model) -> Model {
    press(model, KeyCode::F(2));
    model.clone()
}

#[test]
fn what_lies_over_the_screen_fits_into_it() {
    for (columns, rows) in [(40, 10), (80, 24), (300, 100)] {
        for key in [KeyCode::F(1), KeyCode::F(3), KeyCode::F(8)] {
            let mut model = conversation(columns, rows);
            press(&mut model, key);
            let text = shown(&model);
            assert!(text.contains('┌') && text.contains('┘'), "{text}");
        }
    }
}

#[test]
fn every_size_can_be_drawn() {
    for columns in [0, 1, 19, 20, 39, 40, 71, 72, 109, 110, 400] {
        for rows in [0, 1, 5, 6, 7, 10, 24, 200] {
            for keys in [&[][..], &[KeyCode::Tab], &[KeyCode::F(2)], &[KeyCode::F(1)], &[KeyCode::F(3)]] {
                let mut model = conversation(columns, rows);
                type_in(&mut model, "a long line of input that needs more than one row 日本");
                keys.iter().for_each(|key| drop(press(&mut model, *key)));
                let mut buffer = Buffer::empty(Rect::new(0, 0, columns, rows));
                let drawn = draw(&model, &mut Cache::default(), &mut buffer);
                let area = *buffer.area();
                assert!(
                    drawn.cursor.is_none_or(|cursor| area.contains(cursor)),
                    "{columns}x{rows}: {drawn:?}"
                );
            }
        }
    }
}

#[test]
fn titles_and_names_of_others_command_nothing() {
    let mut model = open(80, 24);
    tell(&mut model, listed(vec![summary("ses_1", "a\x1b[2Jb\nc", 0)]));
    say(&mut model, 2, accepted("turn_1", None, "key\x1b[31m", "q\x1b]0;x\x07"));
    let buffer = drawn(&model);
    assert!(buffer.content().iter().all(|cell| !cell.symbol().contains(char::is_control)));
}
