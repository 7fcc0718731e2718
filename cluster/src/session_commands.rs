//! What is asked of a session: who may, whether it fits what the log says, and which events it becomes. How a turn is
//! accepted stands in `session_accept`.

use pomona_protocol::limits::{
    CLIENT_NAME_BYTES_MAX, SESSION_SHARES_MAX, SESSION_TAG_BYTES_MAX, SESSION_TAGS_MAX,
    SESSION_TITLE_CHARS_MAX,
};
use pomona_protocol::{
    Cause, NewSession, Permission, Principal, SessionChange, SessionCommand, SessionEventBody, SessionLive,
    SessionReply, SessionRequest, TurnId,
};

use crate::session::{Answer, Effect, Session};
use crate::session_accept::Source;
use crate::session_import::imported_turns;

/// A question and what the shell drew for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) number: u64,
    pub(crate) digest: u64,
    pub(crate) turn: TurnId,
    pub(crate) seed: u64,
    pub(crate) now_ms: u64,
}

impl Session {
    pub(crate) fn command(&mut self, request: SessionRequest, asked: Asked) -> Vec<Effect> {
        let number = asked.number;
        match self.decide(request, asked) {
            Ok(effects) => effects,
            // The writer reads on from there, so the log has to reach that far.
            Err(Cause::SessionConflict { expected, head }) => {
                self.answer(number, Answer::Conflict { expected, head }, head)
            }
            Err(cause) => vec![Effect::Reply { number, reply: Err(cause) }],
        }
    }

    fn decide(&mut self, request: SessionRequest, asked: Asked) -> Result<Vec<Effect>, Cause> {
        let SessionRequest { by, expected_seq, command, .. } = request;
        if let SessionCommand::Create(new) = command {
            return self.create(by, expected_seq, new, asked);
        }
        self.check_access(by, &command)?;
        let repeated = match &command {
            SessionCommand::Ask(ask)
            | SessionCommand::Edit { ask, .. }
            | SessionCommand::Regenerate { ask, .. } => self.accepted_before(by, ask, asked)?,
            _ => None,
        };
        if let Some(effects) = repeated {
            return Ok(effects);
        }
        if !matches!(command, SessionCommand::Show | SessionCommand::Typing { .. }) {
            self.check_seq(expected_seq)?;
        }
        match command {
            SessionCommand::Create(_) => Err(self.unknown()),
            SessionCommand::Show => Ok(vec![Effect::Reply { number: asked.number, reply: self.show() }]),
            SessionCommand::Update(change) => self.update(by, change, asked),
            SessionCommand::Ask(ask) => self.accept(by, ask, Source::Asked, asked),
            SessionCommand::Edit { turn, ask } => self.accept(by, ask, Source::Edited(turn), asked),
            SessionCommand::Regenerate { turn, ask } => {
                self.accept(by, ask, Source::Regenerated(turn), asked)
            }
            SessionCommand::Cancel { turn } => self.cancel(by, turn, asked),
            SessionCommand::Choose { leaf } => self.choose(by, leaf, asked),
            SessionCommand::Delete => Ok(self.delete(by, asked)),
            SessionCommand::Typing { name } => {
                check_name(&name)?;
                let reply = Ok(SessionReply::Done { seq: self.written_seq() });
                let typing = Effect::Live(SessionLive::Typing { by, name });
                Ok(vec![typing, Effect::Reply { number: asked.number, reply }])
            }
        }
    }

    /// Events that a question became, and its answer as soon as they are written.
    pub(crate) fn log(
        &mut self,
        bodies: Vec<SessionEventBody>,
        audit: (Principal, &'static str, Option<TurnId>),
        asked: Asked,
        answer: impl FnOnce(u64) -> Answer,
    ) -> Vec<Effect> {
        let mut effects = vec![self.append(bodies, vec![audit], asked.now_ms)];
        let head_seq = self.state.head_seq;
        effects.extend(self.answer(asked.number, answer(head_seq), head_seq));
        effects
    }

    /// Nothing is to be done, since of what was appended; said once that is written.
    fn done_already(&mut self, asked: Asked) -> Vec<Effect> {
        let seq = self.state.head_seq;
        self.answer(asked.number, Answer::Done { seq }, seq)
    }

    fn check_access(&self, by: Principal, command: &SessionCommand) -> Result<(), Cause> {
        if !self.state.allows(by, Permission::Read) {
            return Err(self.unknown());
        }
        let forbidden = |may: &str, wanted: &str, needed: &str| Cause::SessionForbidden {
            session: self.state.id.to_string(),
            may: may.to_owned(),
            wanted: wanted.to_owned(),
            needed: needed.to_owned(),
        };
        let is_show = matches!(command, SessionCommand::Show);
        if !is_show && !self.state.allows(by, Permission::Write) {
            return Err(forbidden("read", "changing it", "the right to write"));
        }
        let owners = match command {
            SessionCommand::Delete => "deleting it",
            SessionCommand::Update(change) if change.shared.is_some() => "sharing it",
            _ => return Ok(()),
        };
        if self.state.owner == Some(by) {
            Ok(())
        } else {
            Err(forbidden("read and written", owners, "its owner's key"))
        }
    }

    fn check_seq(&self, expected_seq: Option<u64>) -> Result<(), Cause> {
        let head = self.state.head_seq;
        match expected_seq {
            Some(expected) if expected != head => Err(Cause::SessionConflict { expected, head }),
            _ => Ok(()),
        }
    }

    fn create(
        &mut self,
        by: Principal,
        expected_seq: Option<u64>,
        new: NewSession,
        asked: Asked,
    ) -> Result<Vec<Effect>, Cause> {
        if self.state.head_seq > 0 {
            // Number 1 made it: once that is written there is something to show.
            return match self.state.owner {
                Some(owner) if owner == by => Ok(self.answer(asked.number, Answer::View, 1)),
                _ => Err(self.unknown()),
            };
        }
        self.check_seq(expected_seq)?;
        check_title(&new.title)?;
        check_tags(&new.tags)?;
        let turns_max = self.limits.turns_max as usize;
        if new.turns.len() > turns_max {
            let count = new.turns.len();
            let message = format!("the session would have {count} turns (session.turns_max {turns_max})");
            return Err(Cause::SessionLimit { message });
        }
        if let Some(at) = new.turns.iter().position(|turn| turn.input.is_empty()) {
            return Err(invalid(&format!("turns[{at}].input"), "is empty; a turn says something"));
        }
        let sampling = new.settings.sampling.clone();
        let mut bodies = vec![SessionEventBody::Created {
            owner: by,
            title: new.title,
            tags: new.tags,
            settings: new.settings,
            forked_from: new.forked_from,
        }];
        bodies.extend(imported_turns(by, asked.turn, new.turns, &sampling));
        Ok(self.log(bodies, (by, "session.created", None), asked, |_| Answer::View))
    }

    fn update(&mut self, by: Principal, change: SessionChange, asked: Asked) -> Result<Vec<Effect>, Cause> {
        check_title(change.title.as_deref().unwrap_or_default())?;
        check_tags(change.tags.as_deref().unwrap_or_default())?;
        let shares = change.shared.as_ref().map_or(0, |shared| shared.len());
        if shares > SESSION_SHARES_MAX {
            let message = format!("has {shares} people; at most {SESSION_SHARES_MAX} are allowed");
            return Err(invalid("shared", &message));
        }
        if change == SessionChange::default() {
            return Ok(self.done_already(asked));
        }
        let bodies = vec![SessionEventBody::Updated { by, change }];
        Ok(self.log(bodies, (by, "session.updated", None), asked, |seq| Answer::Done { seq }))
    }

    fn cancel(&mut self, by: Principal, turn: Option<TurnId>, asked: Asked) -> Result<Vec<Effect>, Cause> {
        let record = match turn {
            Some(turn) => Some(self.state.turn(turn).ok_or_else(|| unknown_turn(turn))?),
            None => self.state.oldest_open(),
        };
        let Some(record) = record.filter(|record| record.is_open()) else {
            return Ok(self.done_already(asked));
        };
        let turn = record.turn;
        let run = self.running.as_ref().filter(|running| running.turn == turn).map(|running| running.run);
        let is_asked = record.cancelled_by.is_some();
        let mut bodies = Vec::new();
        if !is_asked {
            bodies.push(SessionEventBody::CancelAsked { turn, by });
        }
        // Nobody else would end a turn that does not run here.
        if run.is_none() {
            bodies.push(record.cancelled());
        }
        if bodies.is_empty() {
            return Ok(self.done_already(asked));
        }
        let mut effects =
            self.log(bodies, (by, "turn.cancelled", Some(turn)), asked, |seq| Answer::Done { seq });
        effects.extend(run.map(|run| Effect::Cancel { run }));
        Ok(effects)
    }

    fn choose(&mut self, by: Principal, leaf: TurnId, asked: Asked) -> Result<Vec<Effect>, Cause> {
        self.state.turn(leaf).ok_or_else(|| unknown_turn(leaf))?;
        if self.state.active == Some(leaf) {
            return Ok(self.done_already(asked));
        }
        let bodies = vec![SessionEventBody::BranchChosen { by, leaf }];
        Ok(self.log(bodies, (by, "branch.chosen", None), asked, |seq| Answer::Done { seq }))
    }

    /// The store deletes; the shell answers this question when it did and steps down, with `deleted`, or with `store`
    /// when it could not. For this activation the session is gone either way.
    fn delete(&mut self, by: Principal, asked: Asked) -> Vec<Effect> {
        // Its tokens are worth nothing to anybody, so the turn is ended and not merely let go.
        let cancel = self.running.take().map(|running| Effect::Cancel { run: running.run });
        let unknown = self.unknown();
        let refused = self.end(unknown.clone(), unknown);
        let delete = Effect::Delete { number: asked.number, by };
        cancel.into_iter().chain(refused).chain([delete]).collect()
    }
}

pub(crate) fn invalid(parameter: &str, message: &str) -> Cause {
    Cause::InvalidRequest { parameter: parameter.to_owned(), message: message.to_owned() }
}

pub(crate) fn unknown_turn(turn: TurnId) -> Cause {
    Cause::UnknownTurn { turn: turn.to_string() }
}

fn check_title(title: &str) -> Result<(), Cause> {
    let count = title.chars().count();
    if count > SESSION_TITLE_CHARS_MAX {
        let message = format!("has {count} characters; at most {SESSION_TITLE_CHARS_MAX} are allowed");
        return Err(invalid("title", &message));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Cause> {
    if name.len() > CLIENT_NAME_BYTES_MAX {
        let message = format!("has {} bytes; at most {CLIENT_NAME_BYTES_MAX} are allowed", name.len());
        return Err(invalid("name", &message));
    }
    Ok(())
}

fn check_tags(tags: &[String]) -> Result<(), Cause> {
    if tags.len() > SESSION_TAGS_MAX {
        let message = format!("has {} entries; at most {SESSION_TAGS_MAX} are allowed", tags.len());
        return Err(invalid("tags", &message));
    }
    if let Some((at, tag)) = tags.iter().enumerate().find(|(_, tag)| tag.len() > SESSION_TAG_BYTES_MAX) {
        let message = format!("has {} bytes; at most {SESSION_TAG_BYTES_MAX} are allowed", tag.len());
        return Err(invalid(&format!("tags[{at}]"), &message));
    }
    Ok(())
}
