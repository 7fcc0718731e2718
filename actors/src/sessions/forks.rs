//! Forks: a new session that begins with the turns of another one up to some point.

use pomona_protocol::{
    Cause, ImportedTurn, NewSession, Principal, SessionCommand, SessionId, SessionReply, SessionRequest,
    SessionView, TurnId, TurnView,
};

use super::Sessions;

impl Sessions {
    /// A new session that continues `from` behind `turn` (the end of the active branch if `None`), owned by `by`.
    pub async fn fork(
        &self,
        from: SessionId,
        by: Principal,
        turn: Option<TurnId>,
        title: Option<String>,
        to: SessionId,
    ) -> Result<SessionReply, Cause> {
        let show = SessionRequest::new(from, by, SessionCommand::Show);
        let SessionReply::View(view) = self.ask(show).await? else {
            return Err(Cause::Internal { message: "a session did not show itself".to_owned() });
        };
        let new = continued(*view, turn, title)?;
        let create = SessionRequest::new(to, by, SessionCommand::Create(new));
        self.ask(create).await
    }
}

/// What the new session begins with: the branch that ends with `turn`, without what has no answer yet.
fn continued(view: SessionView, turn: Option<TurnId>, title: Option<String>) -> Result<NewSession, Cause> {
    let turns = branch(&view, turn)?;
    let last = turns.last().map(|turn| turn.turn);
    let turns = turns.into_iter().map(|turn| ImportedTurn {
        input: turn.input.clone(),
        answer: turn.answer.clone(),
        marks: turn.marks.clone(),
        model: turn.model.clone(),
        usage: turn.usage,
    });
    Ok(NewSession {
        title: title.unwrap_or_else(|| view.title.clone()),
        tags: view.tags.clone(),
        settings: view.settings.clone(),
        forked_from: last.map(|turn| (view.id, turn)),
        turns: turns.collect(),
    })
}

/// The ended turns from the first one to `turn`, or to the end of the active branch.
fn branch(view: &SessionView, turn: Option<TurnId>) -> Result<Vec<&TurnView>, Cause> {
    let find = |turn: TurnId| view.turns.iter().find(|known| known.turn == turn);
    if let Some(turn) = turn {
        let known = find(turn).ok_or_else(|| Cause::UnknownTurn { turn: turn.to_string() })?;
        if !known.state.is_ended() {
            let message = format!("{turn} has no answer yet; fork before it, or when it has ended");
            return Err(Cause::InvalidRequest { parameter: "turn".to_owned(), message });
        }
    }
    let mut turns = Vec::new();
    let mut next = turn.or(view.active);
    while let Some(turn) = next.and_then(find) {
        next = turn.parent;
        if turn.state.is_ended() {
            turns.push(turn);
        }
    }
    if turns.is_empty() && !view.turns.is_empty() {
        let message = "no turn of this branch has an answer yet; fork it when one has".to_owned();
        return Err(Cause::InvalidRequest { parameter: "turn".to_owned(), message });
    }
    turns.reverse();
    Ok(turns)
}
