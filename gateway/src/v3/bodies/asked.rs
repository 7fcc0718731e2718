//! What clients ask, checked and turned into commands. An error names the field, its value and what is allowed.

use std::collections::BTreeMap;

use pomona_protocol::limits::{
    SEED_MAX, SESSION_SHARES_MAX, SESSION_TAG_BYTES_MAX, SESSION_TAGS_MAX, SESSION_TITLE_CHARS_MAX,
};
use pomona_protocol::v3::{
    AskBody, ChangeBody, ChoiceBody, FormatBody, InputBody, MessageBody, NewSessionBody, SamplingBody,
    ToolBody,
};
use pomona_protocol::{
    AnswerForm, Cause, Message, ModelCard, ModelId, NewSession, OutputFormat, Part, Permission, Principal,
    Role, Sampling, SessionChange, SessionCommand, SessionId, SessionSettings, Tool, ToolChoice, TurnAsk,
    TurnId,
};
use sha2::{Digest, Sha256};

use crate::errors::ApiError;
use crate::form::calls::check_answers;
use crate::form::format::{grammar_format, json_schema_format, regex_format};
use crate::form::picture::{check_pictures, from_base64};
use crate::form::tools::{
    Function, check_choice, check_count, check_name, check_tool, check_tools, choice_word,
};
use crate::openai::sampling::{Choosing, Stop};
use crate::v3::extract::{one_idempotency_key, parse_id};

/// Longest name of a model, in bytes.
const MODEL_ID_BYTES_MAX: usize = 256;

/// A session to be made; without a model the first of `served` answers.
pub(crate) fn new_session(body: NewSessionBody, served: &[ModelCard]) -> Result<NewSession, ApiError> {
    let settings = SessionSettings {
        model: checked_model(body.model, served)?,
        system: body.system,
        sampling: body.sampling.map(sampling).transpose()?.unwrap_or_default(),
        seed: body.seed.map(checked_seed).transpose()?,
        context: body.context.unwrap_or_default(),
    };
    let title = checked_title(body.title.unwrap_or_default())?;
    Ok(NewSession { title, tags: checked_tags(body.tags)?, settings, forked_from: None, turns: Vec::new() })
}

/// The id of a session to be made: the same for the same key of the same principal, else random.
pub(crate) fn new_session_id(by: Principal, idempotency_key: Option<&str>) -> Result<SessionId, ApiError> {
    let mut bytes = [0; 16];
    match idempotency_key {
        Some(key) => {
            let hash = Sha256::new().chain_update(b"pomona session\0").chain_update(by.0.to_be_bytes());
            let hash = hash.chain_update(key.as_bytes()).finalize();
            bytes.copy_from_slice(&hash[..16]);
        }
        None => getrandom::fill(&mut bytes)
            .map_err(|error| Cause::Internal { message: format!("no random bytes: {error}") })?,
    }
    Ok(SessionId(u128::from_be_bytes(bytes)))
}

/// A change, and where the log must end for it.
pub(crate) fn change(body: ChangeBody) -> Result<(SessionChange, Option<u64>), ApiError> {
    let change = SessionChange {
        title: body.title.map(checked_title).transpose()?,
        tags: body.tags.map(checked_tags).transpose()?,
        model: body.model.map(|model| checked_model(Some(model), &[])).transpose()?,
        system: body.system,
        sampling: body.sampling.map(sampling).transpose()?,
        seed: body.seed.map(|seed| seed.map(checked_seed).transpose()).transpose()?,
        context: body.context,
        shared: body.shared.map(checked_shared).transpose()?,
    };
    Ok((change, body.expected_seq))
}

/// What `/turns`, `/edit`, `/regenerate` and their like are asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    /// The turn that `/edit` and `/regenerate` speak of.
    pub(crate) turn: Option<TurnId>,
    /// What is asked.
    pub(crate) ask: TurnAsk,
    /// Where the log must end.
    pub(crate) expected_seq: Option<u64>,
}

impl Asked {
    /// Checks a body. `header` is the `Idempotency-Key` of the request; `messages_max` is `api.messages_max`.
    pub(crate) fn read(body: AskBody, header: Option<String>, messages_max: u32) -> Result<Self, ApiError> {
        let form = answer_form(&body)?;
        let turn = body.turn.map(|turn| parse_id("turn", &turn)).transpose()?;
        let ask = TurnAsk {
            input: body.input.map(|input| messages(input, messages_max)).transpose()?.unwrap_or_default(),
            parent: body.parent.map(|parent| parse_id("parent", &parent)).transpose()?,
            idempotency_key: one_idempotency_key(header, body.idempotency_key)?,
            model: body.model.map(|model| checked_model(Some(model), &[])).transpose()?,
            system: body.system,
            sampling: body.sampling.map(sampling).transpose()?,
            seed: body.seed.map(checked_seed).transpose()?,
            form,
            note: None,
        };
        Ok(Self { turn, ask, expected_seq: body.expected_seq })
    }

    /// A turn behind others.
    pub(crate) fn into_ask(self) -> Result<SessionCommand, ApiError> {
        if self.turn.is_some() {
            return Err(ApiError::invalid(
                "turn",
                "turn is for `/edit` and `/regenerate`; leave it out here",
            ));
        }
        self.needs_input()?;
        Ok(SessionCommand::Ask(self.ask))
    }

    /// Something else in place of `turn`.
    pub(crate) fn into_edit(self, turn: TurnId) -> Result<SessionCommand, ApiError> {
        self.needs_input()?;
        self.refuses_parent()?;
        Ok(SessionCommand::Edit { turn, ask: self.ask })
    }

    /// Another answer to the question of `turn`.
    pub(crate) fn into_regenerate(self, turn: TurnId) -> Result<SessionCommand, ApiError> {
        if !self.ask.input.is_empty() {
            let message = "input is given; `/regenerate` asks the same again, `/edit` asks something else";
            return Err(ApiError::invalid("input", message));
        }
        self.refuses_parent()?;
        Ok(SessionCommand::Regenerate { turn, ask: self.ask })
    }

    fn needs_input(&self) -> Result<(), ApiError> {
        if self.ask.input.is_empty() {
            return Err(ApiError::invalid("input", "input is missing; it is a text, or a list of messages"));
        }
        Ok(())
    }

    fn refuses_parent(&self) -> Result<(), ApiError> {
        if self.ask.parent.is_some() {
            let message = "parent is given; an edited or regenerated turn has the parent of the other one";
            return Err(ApiError::invalid("parent", message));
        }
        Ok(())
    }
}

/// What is said in a turn, at least one message.
pub(crate) fn messages(input: InputBody, limit: u32) -> Result<Vec<Message>, ApiError> {
    let given = match input {
        InputBody::Text(text) if text.is_empty() => 0,
        InputBody::Text(text) => return Ok(vec![Message::text(Role::User, text)]),
        InputBody::Messages(messages) if messages.len() <= limit as usize && !messages.is_empty() => {
            return checked_messages(messages);
        }
        InputBody::Messages(messages) => messages.len(),
    };
    let message = match given {
        0 => "input is empty; at least one message is needed".to_owned(),
        given => format!("input has {given} messages; at most {limit} are allowed (api.messages_max)"),
    };
    Err(ApiError::invalid("input", message))
}

/// Messages with their parts. What answers a call may have it in a turn before.
fn checked_messages(messages: Vec<MessageBody>) -> Result<Vec<Message>, ApiError> {
    let checked = messages.into_iter().enumerate().map(|(at, body)| {
        let mut message = Message::from(body);
        for (place, part) in message.parts.iter_mut().enumerate() {
            check_part(&format!("input[{at}].content[{place}]"), message.role, part)?;
        }
        Ok(message)
    });
    let checked: Vec<Message> = checked.collect::<Result<_, ApiError>>()?;
    check_answers("input", &checked, false)?;
    check_pictures("input", &checked)?;
    Ok(checked)
}

fn check_part(param: &str, role: Role, part: &mut Part) -> Result<(), ApiError> {
    match part {
        Part::Image(image) => {
            *image = from_base64(param, &image.media_type, std::mem::take(&mut image.base64))?;
        }
        Part::Call(call) => check_name(&format!("{param}.name"), &call.name)?,
        Part::Text(_) | Part::Reasoning(_) | Part::Answers(_) => {}
    }
    let belongs = match part {
        Part::Text(_) | Part::Image(_) => true,
        Part::Reasoning(_) | Part::Call(_) => role == Role::Assistant,
        Part::Answers(_) => role == Role::Tool,
    };
    if !belongs {
        let message = format!("{param} is no part of a message of the role `{}`", role.as_str());
        return Err(ApiError::invalid(param, message));
    }
    Ok(())
}

/// What form the answer must have.
fn answer_form(body: &AskBody) -> Result<AnswerForm, ApiError> {
    check_count("tools", body.tools.len())?;
    let tools = body.tools.iter().cloned().enumerate().map(|(at, tool)| {
        let ToolBody { name, description, parameters, strict } = tool;
        let function = Function { name, description, parameters, strict: Some(strict) };
        check_tool(&format!("tools[{at}]"), function)
    });
    let tools: Vec<Tool> = tools.collect::<Result<_, _>>()?;
    check_tools("tools", &tools)?;
    let tool_choice = match &body.tool_choice {
        None => ToolChoice::Auto,
        Some(ChoiceBody::Word(word)) => choice_word(word)?,
        Some(ChoiceBody::Named { name }) => ToolChoice::Named(name.clone()),
    };
    check_choice(&tool_choice, &tools)?;
    let at = |field: &str| format!("response_format.{field}");
    let format = match body.response_format.clone() {
        None | Some(FormatBody::Text {}) => OutputFormat::Text,
        Some(FormatBody::JsonObject {}) => OutputFormat::Json,
        Some(FormatBody::JsonSchema { schema }) => json_schema_format(&at("schema"), &schema)?,
        Some(FormatBody::Regex { regex }) => regex_format(&at("regex"), regex)?,
        Some(FormatBody::Grammar { grammar }) => grammar_format(&at("grammar"), grammar)?,
    };
    let parallel_calls = body.parallel_tool_calls.unwrap_or(true);
    let (thinking, effort) = (body.thinking, body.effort);
    Ok(AnswerForm { format, tools, tool_choice, parallel_calls, thinking, effort })
}

/// How tokens are chosen, by the ranges of the OpenAI routes.
fn sampling(body: SamplingBody) -> Result<Sampling, ApiError> {
    let choosing = Choosing {
        temperature: body.temperature.map(wide),
        top_p: body.top_p.map(wide),
        top_k: body.top_k,
        min_p: body.min_p.map(wide),
        repetition_penalty: body.repetition_penalty.map(wide),
        presence_penalty: body.presence_penalty.map(wide),
        frequency_penalty: body.frequency_penalty.map(wide),
        logit_bias: None,
        seed: None,
        stop: Some(Stop::Many(body.stop)),
        max_tokens: ("max_tokens", body.max_tokens),
        ignore_eos: None,
    };
    choosing.check(None, 0).map_err(|error| error.within("sampling"))
}

/// The seed of turns, by the range of the OpenAI routes without what is below zero.
fn checked_seed(seed: u64) -> Result<u64, ApiError> {
    if seed > SEED_MAX {
        return Err(ApiError::invalid("seed", format!("seed is {seed}; the range is 0 to {SEED_MAX}")));
    }
    Ok(seed)
}

/// The number that the client wrote, so that an error shows 2.1 and not 2.0999999046325684.
fn wide(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// The name of a model, which need not be served now; the first of `served` when none is given.
pub(crate) fn checked_model(given: Option<String>, served: &[ModelCard]) -> Result<ModelId, ApiError> {
    let Some(model) = given else {
        let first = served.first().map(|card| card.id.clone());
        let message = "no model is served yet, and none was named".to_owned();
        return Ok(first.ok_or(Cause::ModelUnavailable { model: "any".to_owned(), message })?);
    };
    if model.is_empty() || model.len() > MODEL_ID_BYTES_MAX || model.chars().any(char::is_control) {
        let message = format!(
            "model has {} bytes; allowed are 1 to {MODEL_ID_BYTES_MAX} bytes of printable text",
            model.len()
        );
        return Err(ApiError::invalid("model", message));
    }
    Ok(ModelId(model))
}

/// The title of a session, one line.
pub(crate) fn checked_title(title: String) -> Result<String, ApiError> {
    let chars = title.chars().count();
    if chars > SESSION_TITLE_CHARS_MAX || title.chars().any(char::is_control) {
        let message = format!(
            "title has {chars} characters; allowed are up to {SESSION_TITLE_CHARS_MAX} without control characters"
        );
        return Err(ApiError::invalid("title", message));
    }
    Ok(title)
}

fn checked_tags(tags: Vec<String>) -> Result<Vec<String>, ApiError> {
    if tags.len() > SESSION_TAGS_MAX {
        let message = format!("tags has {} entries; at most {SESSION_TAGS_MAX} are allowed", tags.len());
        return Err(ApiError::invalid("tags", message));
    }
    for (index, tag) in tags.iter().enumerate() {
        if tag.is_empty() || tag.len() > SESSION_TAG_BYTES_MAX || tag.chars().any(char::is_control) {
            let bytes = tag.len();
            let message = format!(
                "the tag has {bytes} bytes; allowed are 1 to {SESSION_TAG_BYTES_MAX} bytes of printable text"
            );
            return Err(ApiError::invalid(format!("tags[{index}]"), message));
        }
    }
    Ok(tags)
}

fn checked_shared(shared: BTreeMap<String, Permission>) -> Result<BTreeMap<Principal, Permission>, ApiError> {
    if shared.len() > SESSION_SHARES_MAX {
        let message =
            format!("shared has {} entries; at most {SESSION_SHARES_MAX} are allowed", shared.len());
        return Err(ApiError::invalid("shared", message));
    }
    shared.into_iter().map(|(key, permission)| Ok((parse_id("shared", &key)?, permission))).collect()
}

#[cfg(test)]
mod tests;
