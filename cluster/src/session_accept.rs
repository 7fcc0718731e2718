//! Accepting a turn: asked, in place of another one, or once more. Called by `session_commands`, which has checked who
//! asks and where the log ends.

use pomona_protocol::limits::{IDEMPOTENCY_KEY_BYTES_MAX, TURN_NOTE_BYTES_MAX};
use pomona_protocol::{Cause, Principal, Sampling, SessionEventBody, TurnAsk, TurnId, TurnOrigin};

use crate::session::{Answer, Effect, Session};
use crate::session_commands::{Asked, invalid, unknown_turn};

/// What a turn comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    Asked,
    Edited(TurnId),
    Regenerated(TurnId),
}

impl Session {
    /// The answer to a request that was made before under the same idempotency key by the same person.
    pub(crate) fn accepted_before(
        &mut self,
        by: Principal,
        ask: &TurnAsk,
        asked: Asked,
    ) -> Result<Option<Vec<Effect>>, Cause> {
        let Some(key) = &ask.idempotency_key else { return Ok(None) };
        if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
            let message = format!("has {} bytes; 1 to {IDEMPOTENCY_KEY_BYTES_MAX} are allowed", key.len());
            return Err(invalid("idempotency_key", &message));
        }
        let mut records = self.state.turns.iter().rev();
        let known = records.find(|record| record.by == by && record.idempotency_key.as_ref() == Some(key));
        let Some(known) = known else { return Ok(None) };
        if known.digest != asked.digest {
            return Err(Cause::IdempotencyMismatch { key: key.clone() });
        }
        let (turn, seq) = (known.turn, known.accepted_seq);
        Ok(Some(self.answer(asked.number, Answer::Accepted { turn, seq, is_new: false }, seq)))
    }

    pub(crate) fn accept(
        &mut self,
        by: Principal,
        ask: TurnAsk,
        source: Source,
        asked: Asked,
    ) -> Result<Vec<Effect>, Cause> {
        let turn = asked.turn;
        let (body, action) = match source {
            Source::Asked => (self.asked(by, ask, asked)?, "turn.asked"),
            Source::Edited(of) => (self.edited(by, of, ask, asked)?, "turn.edited"),
            Source::Regenerated(of) => (self.regenerated(by, of, ask, asked)?, "turn.regenerated"),
        };
        self.check_room()?;
        if self.state.turn(turn).is_some() {
            return Err(Cause::Internal { message: format!("{turn} was drawn twice") });
        }
        let accepted = |seq| Answer::Accepted { turn, seq, is_new: true };
        let mut effects = self.log(vec![body], (by, action, Some(turn)), asked, accepted);
        effects.extend(self.start_next(asked.now_ms));
        Ok(effects)
    }

    fn asked(&self, by: Principal, ask: TurnAsk, asked: Asked) -> Result<SessionEventBody, Cause> {
        check_input(&ask)?;
        if let Some(parent) = ask.parent {
            self.state.turn(parent).ok_or_else(|| unknown_turn(parent))?;
        }
        let parent = ask.parent.or(self.state.active);
        Ok(self.accepted(by, parent, TurnOrigin::Asked, ask, asked))
    }

    fn edited(
        &self,
        by: Principal,
        of: TurnId,
        ask: TurnAsk,
        asked: Asked,
    ) -> Result<SessionEventBody, Cause> {
        check_input(&ask)?;
        let parent = self.parent_of(of, &ask)?;
        Ok(self.accepted(by, parent, TurnOrigin::Edited { of }, ask, asked))
    }

    /// The same question in the same circumstances: what the request does not say is as it was for that turn, whatever
    /// the session has become since; only the seed is a new one, or the answer would be the same.
    fn regenerated(
        &self,
        by: Principal,
        of: TurnId,
        ask: TurnAsk,
        asked: Asked,
    ) -> Result<SessionEventBody, Cause> {
        if !ask.input.is_empty() {
            return Err(invalid("input", "must be empty; the turn's own is asked again"));
        }
        let parent = self.parent_of(of, &ask)?;
        let record = self.state.turn(of).ok_or_else(|| unknown_turn(of))?;
        // The session's own prompt need not be said again.
        let system = self.state.system_of(record).map(str::to_owned);
        let system = system.filter(|system| self.state.settings.system.as_ref() != Some(system));
        let ask = TurnAsk {
            input: record.input.clone(),
            model: ask.model.or_else(|| Some(record.model.clone())),
            system: ask.system.or(system),
            sampling: ask.sampling.or_else(|| Some(record.sampling.clone())),
            seed: ask.seed.or(Some(asked.seed)),
            form: if ask.form.is_default() { record.form.clone() } else { ask.form },
            ..ask
        };
        Ok(self.accepted(by, parent, TurnOrigin::Regenerated { of }, ask, asked))
    }

    /// What a sibling of `of` follows.
    fn parent_of(&self, of: TurnId, ask: &TurnAsk) -> Result<Option<TurnId>, Cause> {
        let parent = self.state.turn(of).ok_or_else(|| unknown_turn(of))?.parent;
        match ask.parent {
            Some(other) if parent != Some(other) => {
                Err(invalid("parent", "must be absent; the turn follows what the other one follows"))
            }
            _ => Ok(parent),
        }
    }

    fn check_room(&self) -> Result<(), Cause> {
        let (limit, turns_max) = (self.limits.queue_max, self.limits.turns_max);
        let open = self.state.open_turns();
        let waiting = open.saturating_sub(1);
        if open > 0 && waiting >= limit {
            return Err(Cause::SessionQueueFull { waiting, limit });
        }
        let turns = self.state.turns.len();
        if turns >= turns_max as usize {
            let message = format!(
                "the session has {turns} turns already (session.turns_max {turns_max}); fork it to go on"
            );
            return Err(Cause::SessionLimit { message });
        }
        Ok(())
    }

    fn accepted(
        &self,
        by: Principal,
        parent: Option<TurnId>,
        origin: TurnOrigin,
        ask: TurnAsk,
        asked: Asked,
    ) -> SessionEventBody {
        let settings = &self.state.settings;
        let seed = ask.seed.or(settings.seed).unwrap_or(asked.seed);
        let sampling = ask.sampling.unwrap_or_else(|| settings.sampling.clone());
        SessionEventBody::Accepted {
            turn: asked.turn,
            parent,
            by,
            idempotency_key: ask.idempotency_key,
            digest: asked.digest,
            origin,
            input: ask.input,
            model: ask.model.unwrap_or_else(|| settings.model.clone()),
            system: ask.system,
            sampling: Sampling { seed, ..sampling },
            form: ask.form,
            note: ask.note,
        }
    }
}

fn check_input(ask: &TurnAsk) -> Result<(), Cause> {
    if ask.input.is_empty() {
        return Err(invalid("input", "is empty; a turn says something"));
    }
    let note = ask.note.as_ref().map_or(0, String::len);
    if note > TURN_NOTE_BYTES_MAX {
        let message = format!("has {note} bytes; {TURN_NOTE_BYTES_MAX} are allowed");
        return Err(invalid("note", &message));
    }
    Ok(())
}
