//! Random people, engines, stores and crashes against what a session promises.

use std::collections::BTreeMap;

use pomona_protocol::{
    Cause, FrameDecoder, Principal, SessionChange, SessionCommand, SessionEvent, SessionEventBody,
    SessionReply, SessionRequest, TurnAsk, TurnEvent, TurnId, encode_frame,
};
use proptest::prelude::*;

use super::bench::*;
use super::*;

/// One random step: what happens, and two numbers that say to whom and how.
type Step = (u8, u8, u8);

/// A shell with a client who comes back after every crash, and what everybody was told.
struct Play {
    bench: Bench,
    /// What the client heard, over all activations.
    seen: Vec<SessionEvent>,
    /// Numbers of turns that somebody was told to be accepted.
    acknowledged: BTreeMap<TurnId, u64>,
    /// The turn of each key that somebody was told.
    keys: BTreeMap<(Principal, String), TurnId>,
    asked: BTreeMap<u64, (Principal, Option<String>)>,
    starts_checked: usize,
}

/// The answer that every engine gives to a turn: id and text of each token.
fn answer_of(turn: TurnId) -> Vec<(u32, &'static str)> {
    let draw = |at: u128| (turn.0 / 100 + at).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7;
    (0..draw(99) % 6).map(|at| (draw(at) as u32, ["", "a", "ü", "xyz"][draw(at + 7) as usize % 4])).collect()
}

fn text_of_answer(turn: TurnId) -> String {
    answer_of(turn).iter().map(|(_, text)| *text).chain(["."]).collect()
}

fn state_of(events: &[SessionEvent]) -> SessionState {
    let mut state = SessionState::empty(ID);
    for event in events {
        state.apply(event).unwrap();
    }
    state
}

impl Play {
    fn new() -> Self {
        let bench = Bench::new();
        let (acknowledged, keys, asked) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { bench, seen: Vec::new(), acknowledged, keys, asked, starts_checked: 0 }
    }

    fn step(&mut self, (kind, who, how): Step) {
        match kind {
            0..=5 => self.ask(who, how),
            6 => self.command(who, SessionCommand::Cancel { turn: self.some_turn(how) }),
            7 => {
                let leaf = self.some_turn(how).unwrap_or(TurnId(1));
                self.command(who, SessionCommand::Choose { leaf });
            }
            8 => {
                let system = Some((how % 3 > 0).then(|| format!("rule {how}")));
                self.command(who, SessionCommand::Update(SessionChange { system, ..Default::default() }));
            }
            9 => self.command(who, SessionCommand::Show),
            10..=17 if self.bench.running.is_some() => self.say(who, how),
            18 if self.bench.running.is_some() => {
                let cause = if who % 2 == 0 { Cause::ShuttingDown } else { Cause::TurnNotHeld };
                self.bench.says(vec![TurnEvent::Failed { cause }]);
            }
            10..=21 => self.bench.write_one(),
            // Said twice, or by an old start.
            22 => {
                let seq = self.bench.head();
                self.bench.handle(Input::Written { seq });
                self.bench.handle(Input::Turn { run: 0, events: vec![finished("never")] });
            }
            23 => {
                let cause = Cause::StoreFailed { message: "gone".into() };
                let input = if who % 2 == 0 { Input::Fenced } else { Input::WriteFailed { cause } };
                self.bench.handle(input);
                self.crash(how);
            }
            _ => self.crash(how),
        }
        self.check_heard();
    }

    fn command(&mut self, who: u8, command: SessionCommand) {
        self.request(who, None, None, 7, command);
    }

    fn request(
        &mut self,
        who: u8,
        key: Option<String>,
        expected_seq: Option<u64>,
        digest: u64,
        command: SessionCommand,
    ) {
        let by = [OWNER, OWNER, WRITER, WRITER, READER, STRANGER][usize::from(who) % 6];
        let number = self
            .bench
            .request(SessionRequest { expected_seq, ..SessionRequest::new(ID, by, command) }, digest);
        self.asked.insert(number, (by, key));
    }

    fn ask(&mut self, who: u8, how: u8) {
        let key = how.is_multiple_of(3).then(|| format!("key {}", how % 8));
        let parent = if how.is_multiple_of(5) { self.some_turn(how) } else { None };
        let turn = self.some_turn(how).unwrap_or(TurnId(1));
        let ask = TurnAsk { idempotency_key: key.clone(), ..ask(&format!("question {how}")) };
        let command = match how % 7 {
            0 => SessionCommand::Edit { turn, ask },
            1 => SessionCommand::Regenerate { turn, ask: TurnAsk { input: Vec::new(), ..ask } },
            _ => SessionCommand::Ask(TurnAsk { parent, ..ask }),
        };
        let expected_seq =
            how.is_multiple_of(4).then(|| self.bench.session.state().head_seq - u64::from(who % 2));
        self.request(who, key, expected_seq, 7 + u64::from(how == 24), command);
    }

    fn some_turn(&self, how: u8) -> Option<TurnId> {
        let turns = &self.bench.session.state().turns;
        let at = (turns.len().max(1) - 1).checked_sub(usize::from(how) % 4)?;
        turns.get(at).map(|record| record.turn)
    }

    /// The engine says a few tokens, some of them again, cut in one way or another; or the end.
    fn say(&mut self, back: u8, how: u8) {
        let turn = self.bench.running.as_ref().unwrap().1.turn;
        let known = self.bench.session.state().turn(turn).unwrap().tokens as usize;
        let answer = answer_of(turn);
        let mut events = vec![TurnEvent::Queued { ahead: 1 }];
        if how.is_multiple_of(3) || known == 0 {
            events.push(TurnEvent::Started { prompt_tokens: 4, cached_tokens: u32::from(how) });
        }
        let single = |at: usize| tokens(at as u32, &[answer[at].0], answer[at].1);
        events.extend((known.saturating_sub(usize::from(back) % 3)..known).map(single));
        let until = answer.len().min(known + usize::from(how) % 4);
        if how.is_multiple_of(2) && until > known {
            let ids: Vec<u32> = answer[known..until].iter().map(|(id, _)| *id).collect();
            let text: String = answer[known..until].iter().map(|(_, text)| *text).collect();
            events.push(tokens(known as u32, &ids, &text));
        } else {
            events.extend((known..until).map(single));
        }
        if until == answer.len() && how % 8 > 1 {
            events.push(finished("."));
        }
        self.bench.says(events);
    }

    /// The process dies. The store may have written more than it could tell, and starts with a snapshot or without.
    fn crash(&mut self, how: u8) {
        for batch in self.bench.batches.iter().take(usize::from(how) % 3) {
            self.bench.log.extend(batch.events.iter().cloned());
        }
        self.check_heard();
        self.bench.crash();
        self.starts_checked = 0;
        let at = usize::from(how).min(self.bench.log.len());
        let mut buffer = Default::default();
        encode_frame(&state_of(&self.bench.log[..at]), &mut buffer, 1 << 20).unwrap();
        let mut decoder = FrameDecoder::new(1 << 20);
        decoder.buffer().extend_from_slice(&buffer);
        let mut state: SessionState = decoder.next_frame().unwrap().unwrap();
        self.bench.log[at..].iter().for_each(|event| state.apply(event).unwrap());
        assert_eq!(state, state_of(&self.bench.log));
        // The client attaches behind what it has.
        let cursor = self.seen.last().map_or(0, |event| event.seq);
        self.seen.extend(self.bench.log.iter().filter_map(|event| event.after(cursor)));
    }

    /// What was heard is the log, and what was answered stands in it.
    fn check_heard(&mut self) {
        self.check_starts();
        self.seen.append(&mut self.bench.published);
        assert_eq!(self.seen, self.bench.log[..self.seen.len()]);
        for (number, reply) in std::mem::take(&mut self.bench.replies) {
            match reply {
                Ok(SessionReply::Accepted { turn, seq, is_new }) => {
                    let event = self.bench.log.iter().find(|event| event.seq == seq).expect("it is written");
                    assert!(matches!(event.body, SessionEventBody::Accepted { turn: it, .. } if it == turn));
                    assert_eq!(self.acknowledged.insert(turn, seq).unwrap_or(seq), seq);
                    let (by, key) = self.asked.get(&number).cloned().unwrap_or((OWNER, None));
                    assert_eq!(is_new, turn == TurnId(u128::from(number)));
                    let known = key.map(|key| *self.keys.entry((by, key)).or_insert(turn));
                    assert_eq!(known.unwrap_or(turn), turn, "one key, one turn");
                }
                Ok(SessionReply::View(view)) => {
                    let written = self.bench.log.partition_point(|event| event.seq <= view.head_seq);
                    assert_eq!(state_of(&self.bench.log[..written]).view(1).as_ref(), Some(&*view));
                }
                Ok(SessionReply::Done { seq }) => assert!(seq <= self.bench.head()),
                Err(_) => {}
            }
        }
    }

    /// Every prompt follows its branch.
    fn check_starts(&mut self) {
        let unwritten = self.bench.batches.iter().flat_map(|batch| &batch.events);
        let events: Vec<&SessionEvent> = self.bench.log.iter().chain(unwritten).collect();
        for (_, request) in &self.bench.starts[self.starts_checked..] {
            assert_eq!(said(request), plain_prompt(&events, request.turn));
        }
        self.starts_checked = self.bench.starts.len();
    }

    /// Everything calms down; then the log has to tell the whole story.
    fn finish(mut self) {
        self.crash(0);
        self.bench.write();
        self.check_heard();
        while self.bench.running.is_some() {
            self.say(0, 3);
            self.bench.write();
            self.check_heard();
        }
        assert!(self.bench.session.is_idle());
        assert_eq!(self.bench.session.state(), &state_of(&self.bench.log));
        assert_eq!(self.seen, self.bench.log);
        check_story(&self.bench.log);
        check_cuts(&self.bench.log);
        let view = self.bench.session.view(1).unwrap();
        for (turn, seq) in &self.acknowledged {
            assert!(view.turns.iter().any(|view| view.turn == *turn && view.accepted_seq == *seq));
        }
    }
}

/// A prompt, found the slow way: from the events alone, turn by turn.
fn plain_prompt(events: &[&SessionEvent], turn: TurnId) -> String {
    let mut system = None;
    for event in events {
        match &event.body {
            SessionEventBody::Updated { change, .. } => system = change.system.clone().unwrap_or(system),
            SessionEventBody::Accepted { turn: it, parent, system: own, input, .. } if *it == turn => {
                let before = parent.map(|parent| said_before(events, parent)).unwrap_or_default();
                let system = own.clone().or(system).map(|system| format!("s:{system} ")).unwrap_or_default();
                return format!("{system}{before}u:{}", text_of(input));
            }
            _ => {}
        }
    }
    panic!("{turn} was never accepted");
}

/// What a branch up to this turn comes to in the prompts of later ones.
fn said_before(events: &[&SessionEvent], turn: TurnId) -> String {
    let (mut before, mut question, mut answer) = (String::new(), String::new(), String::new());
    for event in events.iter().filter(|event| event.body.turn() == Some(turn)) {
        match &event.body {
            SessionEventBody::Accepted { parent, input, .. } => {
                before = parent.map(|parent| said_before(events, parent)).unwrap_or_default();
                question = format!("u:{} ", text_of(input));
            }
            SessionEventBody::Tokens { text, .. } | SessionEventBody::Finished { text, .. } => {
                answer.push_str(text);
            }
            _ => {}
        }
    }
    if answer.is_empty() { before } else { format!("{before}{question}a:{answer} ") }
}

/// Dense numbers; one `Accepted` and one end for each turn; words only of the oldest open one; whole answers.
fn check_story(log: &[SessionEvent]) {
    let mut open: Vec<TurnId> = Vec::new();
    let mut texts: BTreeMap<TurnId, String> = BTreeMap::new();
    let mut head = 0;
    for event in log {
        assert_eq!(event.first_seq, head + 1);
        head = event.seq;
        let Some(turn) = event.body.turn() else { continue };
        match &event.body {
            SessionEventBody::Accepted { .. } => {
                assert!(texts.insert(turn, String::new()).is_none(), "{turn} is accepted twice");
                open.push(turn);
            }
            SessionEventBody::Tokens { text, .. } => {
                assert_eq!(open[0], turn, "out of order");
                texts.entry(turn).or_default().push_str(text);
            }
            SessionEventBody::Finished { text, .. } => {
                texts.entry(turn).or_default().push_str(text);
                // A cancelled one has a part of its answer, any other the whole.
                assert!(text.is_empty() || texts[&turn] == text_of_answer(turn));
            }
            SessionEventBody::Started { .. } => assert_eq!(open[0], turn, "out of order"),
            _ => {}
        }
        assert!(open.contains(&turn), "{turn} has ended");
        if event.body.is_terminal() {
            open.retain(|it| *it != turn);
            assert!(text_of_answer(turn).starts_with(&texts[&turn]), "{turn} has an answer of its own");
        }
    }
    assert!(open.is_empty(), "{open:?} never ended");
}

/// However rows are cut or joined, they say the same, and a client's text is the log's.
fn check_cuts(log: &[SessionEvent]) {
    let mut joined: Vec<SessionEvent> = Vec::new();
    for event in log {
        let rest = match joined.last_mut() {
            Some(last) => last.join(event.clone()),
            None => Some(event.clone()),
        };
        joined.extend(rest);
    }
    assert_eq!(state_of(&joined).view(1), state_of(log).view(1));
    let head = log.last().map_or(0, |event| event.seq);
    let text = |events: &mut dyn Iterator<Item = &SessionEvent>| -> String {
        let of = |event: &SessionEvent| match &event.body {
            SessionEventBody::Tokens { text, .. } | SessionEventBody::Finished { text, .. } => text.clone(),
            _ => String::new(),
        };
        events.map(of).collect()
    };
    let whole = text(&mut log.iter());
    for cursor in 0..=head {
        let behind: Vec<_> = log.iter().filter_map(|event| event.after(cursor)).collect();
        let same: Vec<_> = joined.iter().filter_map(|event| event.after(cursor)).collect();
        assert_eq!(text(&mut behind.iter()), text(&mut same.iter()));
        assert!(whole.ends_with(&text(&mut behind.iter())));
        assert_eq!(behind.first().map_or(cursor, |event| event.first_seq - 1), cursor);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]
    #[test]
    fn a_random_session_keeps_every_promise(steps in prop::collection::vec((0u8..26, any::<u8>(), any::<u8>()), 1..120)) {
        let mut play = Play::new();
        for step in steps {
            play.step(step);
        }
        play.finish();
    }
}
