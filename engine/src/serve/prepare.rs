//! From a request to a turn that the engine can run: rendered, tokenised, its marks known.

use pomona_protocol::{Cause, Message, Part, ToolChoice, TurnEvent, TurnInput, TurnRequest};
use tokio::sync::mpsc;

use super::thread::Model;
use crate::channels::Channels;
use crate::generation::NewTurn;
use crate::grammar::Opening;
use crate::template::Conversation;
use crate::tokenizer::TokenizerError;
use crate::validate;
use crate::vision::{PictureWords, Shown};

/// Text up to this size is tokenised at once, in well under a millisecond; more goes to a blocking thread.
const INLINE_BYTES_MAX: usize = 16 * 1024;

/// Whether preparing this takes so little that it needs no thread of its own.
pub(super) fn is_quick(request: &TurnRequest) -> bool {
    request.form.is_default() && input_bytes(&request.input) <= INLINE_BYTES_MAX
}

/// Prepares a turn whose events go to `sink`.
pub(super) fn prepare(
    model: &Model,
    request: TurnRequest,
    sink: mpsc::Sender<TurnEvent>,
) -> Result<NewTurn, Cause> {
    validate::check_form(&request.form)?;
    let Prompt { ids, pictures, stands_alone, channels, opening } = prompt(model, &request)?;
    let guide = model.grammars.guide(&request.form, opening)?;
    let one_call = !request.form.parallel_calls;
    let TurnRequest { task, sampling, resume, tells_prefill, .. } = request;
    Ok(NewTurn {
        task,
        prompt: ids,
        pictures,
        stands_alone,
        channels,
        one_call,
        guide,
        sampling,
        resume,
        sink,
        tells_prefill,
    })
}

/// A prompt, and how what follows it is read.
struct Prompt {
    ids: Vec<u32>,
    pictures: Vec<Shown>,
    /// Whether the answer is a text of its own.
    stands_alone: bool,
    channels: Channels,
    opening: Opening,
}

fn prompt(model: &Model, request: &TurnRequest) -> Result<Prompt, Cause> {
    let internal = |error: TokenizerError| Cause::Internal { message: error.to_string() };
    let form = &request.form;
    let raw = |ids: Vec<u32>| match form.tools.is_empty() {
        true => Ok(Prompt {
            ids,
            pictures: Vec::new(),
            stands_alone: false,
            channels: Channels::plain(),
            opening: Opening::Raw,
        }),
        false => Err(validate::invalid("tools", "tools need a conversation, not a prompt".to_owned())),
    };
    match &request.input {
        TurnInput::Messages(messages) => {
            let (asked_ms, name) = (request.asked_ms, Some(&request.model));
            let sees = model.vision.is_some();
            let conversation = Conversation { messages, form: Some(form), asked_ms, sees, model: name };
            let rendered = model.template.render(&conversation)?;
            let in_thought = model.format.begins_thought(&rendered);
            let heard = if form.tool_choice == ToolChoice::None { &[][..] } else { &form.tools };
            let channels = Channels::new(&model.format, heard, in_thought);
            let (ids, pictures) = match &model.vision {
                Some(words) => with_pictures(model, words, messages, &rendered)?,
                None => (model.tokenizer.encode_rendered(&rendered).map_err(internal)?, Vec::new()),
            };
            let opening = if in_thought { Opening::Thought } else { Opening::Chat };
            Ok(Prompt { ids, pictures, stands_alone: true, channels, opening })
        }
        TurnInput::Text(text) => raw(model.tokenizer.encode_text(text).map_err(internal)?),
        TurnInput::Tokens(ids) => raw(ids.clone()),
    }
}

/// Tokenises a conversation in which there may be pictures.
fn with_pictures(
    model: &Model,
    words: &PictureWords,
    messages: &[Message],
    rendered: &str,
) -> Result<(Vec<u32>, Vec<Shown>), Cause> {
    let pictures = words.pictures(messages)?;
    let spread = words.spread(rendered, pictures.len())?;
    let encoded = model.tokenizer.encode_rendered(&spread);
    let mut ids = encoded.map_err(|error| Cause::Internal { message: error.to_string() })?;
    let shown = words.place(&mut ids, pictures)?;
    Ok((ids, shown))
}

fn input_bytes(input: &TurnInput) -> usize {
    match input {
        TurnInput::Messages(messages) => {
            messages.iter().flat_map(|message| &message.parts).map(|part| part_bytes(part) + 16).sum()
        }
        TurnInput::Text(text) => text.len(),
        TurnInput::Tokens(_) => 0,
    }
}

fn part_bytes(part: &Part) -> usize {
    match part {
        Part::Text(text) | Part::Reasoning(text) => text.len(),
        Part::Call(call) => call.name.len() + call.arguments.len(),
        Part::Image(image) => image.base64.len(),
        Part::Answers(call) => call.len(),
    }
}
