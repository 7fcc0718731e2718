//! What follows from what: keys, lists, envelopes, troubles.

use crossterm::event::KeyCode::*;
use pomona_protocol::v3::{AcceptedBody, AskBody, EnvelopeBody, InputBody, PresentBody};

use super::*;
use crate::tui::chat::State;
use crate::tui::fixture::*;
use crate::tui::message::{News, Trouble, Verb};
use crate::tui::model::{Focus, Popup};

/// What a question becomes.
fn ask(session: &str, verb: Verb, number: u64, text: Option<&str>, turn: Option<&str>) -> Command {
    let body = AskBody {
        input: text.map(|text| InputBody::Text(text.to_owned())),
        turn: turn.map(str::to_owned),
        idempotency_key: Some(format!("tui-ab-{number}")),
        ..AskBody::default()
    };
    Command::Ask { session: session.to_owned(), verb, body: Box::new(body) }
}

fn is_accepted(turn: &str) -> Message {
    let (session, turn) = ("ses_1".to_owned(), turn.to_owned());
    Message::Accepted(Ok(AcceptedBody { session, turn, seq: 2, is_new: true }))
}

/// `ses_1` with a question that was answered, and one that was asked otherwise.
fn branched() -> Model {
    let mut model = open(80, 24);
    say(&mut model, 2, accepted("turn_1", None, ME, "one?"));
    say(&mut model, 3, tokens("turn_1", "One."));
    say(&mut model, 4, finished("turn_1", "stop"));
    say(&mut model, 5, accepted("turn_2", Some("turn_1"), ME, "two?"));
    say(&mut model, 6, finished("turn_2", "stop"));
    say(&mut model, 7, accepted("turn_3", Some("turn_1"), OTHER, "three?"));
    say(&mut model, 8, finished("turn_3", "stop"));
    model
}

#[test]
fn a_session_is_opened_and_listened_to_behind_what_was_shown() {
    let mut model = model(80, 24);
    tell(&mut model, listed(vec![summary("ses_1", "Apples", 0)]));
    press(&mut model, Tab);
    assert_eq!(press(&mut model, Enter), [Command::Open("ses_1".to_owned())]);
    let opened =
        Message::Opened { session: "ses_1".to_owned(), result: Ok(Box::new(body("ses_1", "Apples"))) };
    assert_eq!(tell(&mut model, opened), [Command::Attach { session: "ses_1".to_owned(), after: 1 }]);
    assert_eq!(model.focus, Focus::Input);
}

#[test]
fn a_question_is_sent_once_and_shown_when_the_session_says_it() {
    let mut model = open(80, 24);
    type_in(&mut model, "Why?");
    let sent = press(&mut model, Enter);
    let expected = [Command::Remember("Why?".to_owned()), ask("ses_1", Verb::Ask, 1, Some("Why?"), None)];
    assert_eq!(sent, expected);
    type_in(&mut model, "And?");
    assert_eq!(press(&mut model, Enter), [], "the first one is on its way");
    tell(&mut model, is_accepted("turn_1"));
    assert_eq!(model.input.text(), "And?");
    say(&mut model, 2, accepted("turn_1", None, ME, "Why?"));
    assert_eq!(model.me.as_deref(), Some(ME));
    assert!(press(&mut model, Enter).contains(&ask("ses_1", Verb::Ask, 2, Some("And?"), None)));
}

#[test]
fn a_question_that_was_refused_comes_back_and_has_its_key_when_it_is_sent_again() {
    let mut model = open(80, 24);
    type_in(&mut model, "Why?");
    press(&mut model, Enter);
    tell(&mut model, Message::Accepted(Err(offline())));
    assert_eq!(model.input.text(), "Why?");
    assert!(model.notice.as_ref().is_some_and(|notice| notice.is_bad));
    assert!(press(&mut model, Enter).contains(&ask("ses_1", Verb::Ask, 1, Some("Why?"), None)));
    tell(&mut model, Message::Accepted(Err(offline())));
    press(&mut model, Char('!'));
    assert!(press(&mut model, Enter).contains(&ask("ses_1", Verb::Ask, 2, Some("Why?!"), None)));
}

#[test]
fn the_first_question_makes_a_session() {
    let mut model = model(80, 24);
    type_in(&mut model, "Hi");
    assert!(press(&mut model, Enter).contains(&Command::Create { model: None }));
    let commands = tell(&mut model, Message::Created(Ok(Box::new(body("ses_9", "")))));
    let attach = Command::Attach { session: "ses_9".to_owned(), after: 1 };
    assert_eq!(commands, [attach, ask("ses_9", Verb::Ask, 1, Some("Hi"), None)]);
    let mut refused = crate::tui::fixture::model(80, 24);
    type_in(&mut refused, "Hi");
    press(&mut refused, Enter);
    tell(&mut refused, Message::Created(Err(trouble("full"))));
    assert_eq!(refused.input.text(), "Hi");
}

#[test]
fn a_name_that_the_gateway_made_is_shown() {
    let mut model = model(80, 24);
    tell(&mut model, Message::Forked(Ok(Box::new(body("ses_9", "")))));
    tell(&mut model, listed(vec![summary("ses_9", "Hi", 0)]));
    assert_eq!(model.chat.as_ref().unwrap().title, "Hi");
}

#[test]
fn lines_are_made_by_alt_shift_and_control() {
    let mut model = open(80, 24);
    press(&mut model, Char('a'));
    alt(&mut model, Enter);
    press(&mut model, Char('b'));
    control(&mut model, 'j');
    assert_eq!(model.input.text(), "a\nb\n");
    tell(&mut model, Message::Paste("c\r\nd".to_owned()));
    assert_eq!(model.input.text(), "a\nb\nc\nd");
}

#[test]
fn escape_cancels_what_runs_and_control_c_twice_quits() {
    let mut model = open(80, 24);
    assert_eq!(press(&mut model, Esc), []);
    say(&mut model, 2, accepted("turn_1", None, ME, "Why?"));
    let cancel = Command::Cancel { session: "ses_1".to_owned(), turn: "turn_1".to_owned() };
    assert_eq!(press(&mut model, Esc), std::slice::from_ref(&cancel));
    assert_eq!(control(&mut model, 'c'), [cancel]);
    assert_eq!(control(&mut model, 'c'), [Command::Quit]);
    let mut model = open(80, 24);
    assert_eq!(control(&mut model, 'c'), []);
    press(&mut model, Char('a'));
    assert_eq!(control(&mut model, 'c'), [], "another key was between");
    model.now_ms += 10_000;
    assert_eq!(control(&mut model, 'c'), [], "that was long ago");
    assert_eq!(control(&mut model, 'q'), [Command::Quit]);
}

#[test]
fn branches_are_kept_and_switched() {
    let mut model = branched();
    let chat = model.chat.as_ref().unwrap();
    let shown: Vec<&str> = chat.branch().iter().map(|turn| turn.id.as_str()).collect();
    assert_eq!(shown, ["turn_1", "turn_3"]);
    let choose = |leaf: &str| Command::Choose { session: "ses_1".to_owned(), leaf: leaf.to_owned() };
    assert_eq!(alt(&mut model, Left), [choose("turn_2")]);
    assert_eq!(alt(&mut model, Right), []);
    say(&mut model, 9, EnvelopeBody::BranchChosen { by: ME.to_owned(), leaf: "turn_2".to_owned() });
    assert_eq!(alt(&mut model, Right), [choose("turn_3")]);
}

#[test]
fn questions_are_edited_and_answered_again() {
    let mut model = branched();
    assert_eq!(control(&mut model, 'r'), [ask("ses_1", Verb::Regenerate, 1, None, Some("turn_3"))]);
    tell(&mut model, is_accepted("turn_4"));
    press(&mut model, Up);
    assert_eq!((model.input.text(), model.editing.as_deref()), ("three?", Some("turn_3")));
    press(&mut model, Esc);
    assert_eq!((model.input.text(), model.editing.as_deref()), ("", None));
    alt(&mut model, Up);
    alt(&mut model, Up);
    control(&mut model, 'e');
    type_in(&mut model, "!");
    let sent = press(&mut model, Enter);
    assert!(sent.contains(&ask("ses_1", Verb::Edit, 2, Some("one?!"), Some("turn_1"))), "{sent:?}");
}

#[test]
fn a_log_is_applied_once() {
    let mut model = open(80, 24);
    say(&mut model, 2, accepted("turn_1", None, ME, "Why?"));
    for seq in [3, 3, 2, 4] {
        say(&mut model, seq, tokens("turn_1", "a"));
    }
    let turn = model.chat.as_ref().unwrap().turn("turn_1").unwrap().clone();
    assert_eq!((turn.answer.as_str(), turn.state), ("aa", State::Running));
}

#[test]
fn other_sessions_say_nothing_here() {
    let mut model = open(80, 24);
    tell(&mut model, Message::Heard { session: "ses_2".to_owned(), news: News::Lost });
    let late = Message::Opened { session: "ses_2".to_owned(), result: Ok(Box::new(body("ses_2", "x"))) };
    tell(&mut model, late);
    assert_eq!(model.chat.as_ref().unwrap().id, "ses_1");
    assert!(matches!(model.link, Link::Online { .. }));
}

#[test]
fn a_gateway_that_is_away_is_asked_again_until_it_is_back() {
    let mut model = open(80, 24);
    hear(&mut model, News::Lost);
    assert!(matches!(model.link, Link::Lost { .. }) && !model.is_offline());
    let later = model.now_ms + 11_000;
    assert!(matches!(update(&mut model, Message::Tick, later).as_slice(), [Command::List { .. }]));
    assert!(model.is_offline());
    let away = Message::Listed { search: None, from: None, result: Err(offline()) };
    update(&mut model, away, later);
    hear(&mut model, News::Connected);
    assert!(matches!(model.link, Link::Online { .. }));
}

#[test]
fn a_session_that_cannot_be_read_now_is_opened_later_and_one_that_is_gone_is_left() {
    let mut model = open(80, 24);
    hear(&mut model, News::Ended(trouble("behind what is kept")));
    let later = model.now_ms + 2_000;
    assert_eq!(update(&mut model, Message::Tick, later), [Command::Open("ses_1".to_owned())]);
    let mut model = open(80, 24);
    hear(&mut model, News::Ended(Trouble { is_missing: true, ..trouble("no such session") }));
    assert!(model.chat.is_none());
    assert_eq!(model.sessions.all.len(), 1);
}

#[test]
fn a_search_shows_titles_at_once_and_then_what_the_gateway_finds() {
    let mut model = open(80, 24);
    press(&mut model, Tab);
    press(&mut model, Char('/'));
    type_in(&mut model, "pear");
    let shown = |model: &Model| -> Vec<String> {
        model.sessions.visible().iter().map(|session| session.id.clone()).collect()
    };
    assert_eq!(shown(&model), ["ses_2"]);
    let page = |words: &str| {
        let page = pomona_protocol::v3::PageBody { sessions: vec![summary("ses_7", "Fruit", 0)], next: None };
        Message::Listed { search: Some(words.to_owned()), from: None, result: Ok((page, 1)) }
    };
    tell(&mut model, page("pea"));
    assert_eq!(shown(&model), ["ses_2"], "that was for other words");
    tell(&mut model, page("pear"));
    assert_eq!(shown(&model), ["ses_2", "ses_7"]);
    press(&mut model, Esc);
    assert_eq!(shown(&model), ["ses_1", "ses_2"]);
}

#[test]
fn deleting_asks_first_and_renaming_starts_with_the_name() {
    let mut model = open(80, 24);
    press(&mut model, F(8));
    assert!(matches!(model.popup, Some(Popup::Delete { .. })));
    assert_eq!(press(&mut model, Char('x')), []);
    assert_eq!(press(&mut model, Char('y')), [Command::Delete("ses_1".to_owned())]);
    press(&mut model, F(3));
    type_in(&mut model, " 2");
    let renamed = press(&mut model, Enter);
    let [Command::Change { change, .. }] = renamed.as_slice() else { panic!("{renamed:?}") };
    assert_eq!(change.title.as_deref(), Some("Apples 2"));
}

#[test]
fn a_model_is_chosen_for_the_session_or_for_the_next_one() {
    let models = ["sprout", "oak"].map(|id| pomona_client::ModelInfo { id: id.to_owned(), card: None });
    for (mut model, is_open) in [(open(80, 24), true), (model(80, 24), false)] {
        assert_eq!(control(&mut model, 'o'), [Command::Models]);
        tell(&mut model, Message::Models(Ok(models.to_vec())));
        press(&mut model, Down);
        press(&mut model, Down);
        let commands = press(&mut model, Enter);
        assert_eq!(matches!(commands.as_slice(), [Command::Change { .. }]), is_open);
        assert_eq!(model.new_model.as_deref(), (!is_open).then_some("oak"));
    }
}

#[test]
fn the_machines_are_looked_at_only_while_they_are_shown() {
    let mut model = open(80, 24);
    let looks = |model: &mut Model| {
        let later = model.now_ms + 2_500;
        update(model, Message::Tick, later).contains(&Command::Fleet)
    };
    assert!(!looks(&mut model));
    assert_eq!(press(&mut model, F(2)), [Command::Fleet]);
    assert!(looks(&mut model));
    press(&mut model, F(2));
    assert!(!looks(&mut model));
}

#[test]
fn whoever_types_counts_for_a_while() {
    let mut model = open(80, 24);
    let here =
        |client, by: &str, name: &str| PresentBody { client, by: by.to_owned(), name: name.to_owned() };
    pass(&mut model, EnvelopeBody::Presence { clients: vec![here(1, ME, "me"), here(2, OTHER, "ann")] });
    pass(&mut model, EnvelopeBody::Typing { by: OTHER.to_owned(), name: "ann".to_owned() });
    let chat = model.chat.as_ref().unwrap();
    assert_eq!(chat.typing(NOW_MS).collect::<Vec<_>>(), ["ann"]);
    assert_eq!(chat.typing(NOW_MS + 6_000).count(), 0);
}

#[test]
fn the_next_page_is_asked_for_near_the_end_of_the_list() {
    let mut model = model(80, 24);
    let sessions = (0..30).map(|number| summary(&format!("ses_{number}"), "x", 0)).collect();
    let page = pomona_protocol::v3::PageBody { sessions, next: Some("c".to_owned()) };
    tell(&mut model, Message::Listed { search: None, from: None, result: Ok((page, 1)) });
    press(&mut model, Tab);
    assert_eq!(press(&mut model, Down), []);
    let next = Command::List { search: None, from: Some("c".to_owned()) };
    assert_eq!(press(&mut model, End), [next]);
    let page = pomona_protocol::v3::PageBody { sessions: vec![summary("ses_99", "y", 0)], next: None };
    tell(&mut model, Message::Listed { search: None, from: Some("c".to_owned()), result: Ok((page, 1)) });
    assert_eq!(model.sessions.all.len(), 31);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(48))]

    #[test]
    fn no_keys_make_it_panic(keys in proptest::collection::vec((0u8..40, 0u8..4), 0..60)) {
        let mut model = branched();
        for (key, modifier) in keys {
            let code = match key {
                0 => Enter, 1 => Esc, 2 => Tab, 3 => Up, 4 => Down, 5 => Left, 6 => Right, 7 => PageUp, 8 => PageDown,
                9 => Home, 10 => End, 11 => Backspace, 12 => Delete, 13..=20 => F(key - 12),
                other => Char(char::from(b'a' + other - 21)),
            };
            let modifiers = crossterm::event::KeyModifiers::from_bits_truncate(modifier << 1);
            tell(&mut model, Message::Key(crossterm::event::KeyEvent::new(code, modifiers)));
            let (columns, rows) = (20 + u16::from(key) * 3, 4 + u16::from(key));
            let mut buffer = ratatui::buffer::Buffer::empty(ratatui::layout::Rect::new(0, 0, columns, rows));
            let drawn = crate::tui::view::draw(&model, &mut crate::tui::view::Cache::default(), &mut buffer);
            tell(&mut model, Message::Drawn { lines: drawn.lines, rows: drawn.rows, shown: drawn.shown });
        }
    }
}
