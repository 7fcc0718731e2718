//! From a checked request to running turns: ids, seeds, one turn per choice.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use pomona_actors::{Client, TurnStream};
use pomona_protocol::{AnswerForm, Cause, ModelId, Sampling, Task, TurnId, TurnInput, TurnRequest};

use crate::errors::ApiError;
use crate::openai::choices::Choices;
use crate::state::Whose;

/// What a request asks, checked.
pub(crate) struct Plan {
    pub(crate) model: ModelId,
    /// One per prompt.
    pub(crate) inputs: Vec<TurnInput>,
    pub(crate) sampling: Sampling,
    pub(crate) form: AnswerForm,
    /// Answers per prompt.
    pub(crate) answers: u32,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    /// Whether a stream says when a turn goes on elsewhere.
    pub(crate) tells_resumed: bool,
}

/// What all chunks and choices of one answer have in common.
pub(crate) struct AnswerHead {
    /// The first turn; names the answer.
    pub(crate) turn: TurnId,
    pub(crate) model: Arc<str>,
    /// Unix time in seconds.
    pub(crate) created: u64,
}

impl Plan {
    /// Starts every turn on somebody's account. When one is refused, those before it are cancelled by being dropped.
    pub(crate) async fn start(
        self,
        client: &Client,
        whose: Whose,
    ) -> Result<(AnswerHead, Choices), ApiError> {
        let answers = self.answers.max(1) as usize;
        let mut turns = Vec::with_capacity(self.inputs.len() * answers);
        let model: Arc<str> = self.model.0.as_str().into();
        let seed = self.sampling.seed;
        for input in self.inputs {
            for answer in 0..answers {
                let sampling = Sampling { seed: seed.wrapping_add(answer as u64), ..self.sampling.clone() };
                let form = self.form.clone();
                let request = turn_request(self.model.clone(), input.clone(), sampling, form)?;
                turns.push(start(client, request, whose).await?);
            }
        }
        let turn = turns.first().map_or(TurnId(0), TurnStream::turn);
        Ok((AnswerHead { turn, model, created: unix_seconds() }, Choices::new(turns, answers)))
    }
}

/// Starts a turn on somebody's account. Every turn of the gateway starts here.
pub(crate) async fn start(client: &Client, request: TurnRequest, whose: Whose) -> Result<TurnStream, Cause> {
    let Whose { key, trace } = whose;
    tracing::debug!(turn = %request.turn, key = key.map(|key| key.0), "turn starts");
    client.start_for(key.map_or(0, |key| key.0), TurnRequest { trace, ..request }).await
}

/// A turn with an id of its own.
pub(crate) fn turn_request(
    model: ModelId,
    input: TurnInput,
    sampling: Sampling,
    form: AnswerForm,
) -> Result<TurnRequest, ApiError> {
    Ok(TurnRequest {
        turn: TurnId(u128::from_le_bytes(random()?)),
        model,
        input,
        sampling,
        task: Task::Generate,
        form,
        resume: Vec::new(),
        // The turn actor applies its own limits; a client cannot ask for a shorter one yet.
        deadline_ms: 0,
        asked_ms: unix_seconds() * 1000,
        // What these APIs say while a prompt is computed has no numbers in it.
        tells_prefill: false,
        trace: None,
    })
}

/// A seed for a turn that was given none.
pub(crate) fn random_seed() -> Result<u64, ApiError> {
    random().map(u64::from_le_bytes)
}

fn random<const N: usize>() -> Result<[u8; N], ApiError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Cause::Internal { message: format!("no random bytes: {error}") })?;
    Ok(bytes)
}

pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
