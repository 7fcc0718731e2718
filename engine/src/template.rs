//! Conversations to the text that a model was trained on, by the model's own chat template.
//!
//! Templates are programs from a model folder (Jinja, as the `transformers` library runs them), so they get
//! fuel, a limit on their output and no access to anything. Read once per engine by `serve`, which renders
//! each conversation and then tokenises it without adding special tokens. What a template offers is read off its
//! source by [`abilities()`].

mod abilities;
mod conversation;
mod python;

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use minijinja::{Environment, Error, ErrorKind, State, Value};
use pomona_protocol::{Cause, Message, Role};

pub use abilities::{Abilities, abilities};
pub use conversation::Conversation;

use crate::gguf;

/// Instructions that one rendering may take. The longest conversation that the gateway lets in takes a
/// hundredth; ten times as many would let a template that never ends hold a thread for seconds.
const FUEL: u64 = 10_000_000;
/// Bytes that one rendering may write: twice the largest request.
const OUTPUT_BYTES_MAX: usize = 2 * pomona_protocol::limits::REQUEST_FRAME_BYTES_MAX;
/// Bytes of a template's error that are passed on.
const MESSAGE_BYTES_MAX: usize = 512;
const NAME: &str = "chat";
/// Of several templates, the one for conversations with tools.
const TOOL_NAME: &str = "tool_use";
/// Where a rendering finds out when the turn was asked, in Unix milliseconds.
const ASKED: &str = "pomona_asked_ms";

/// Special tokens that templates may name, as `transformers` passes them.
const SPECIAL_TOKENS: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// The chat template of a model, or why there is none.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Result<Environment<'static>, String>,
    source: Option<String>,
    abilities: Abilities,
    /// Whether a message of the system goes into the first one of the user: the template has no place for it.
    folds_system: bool,
}

/// The sources of a model's templates.
#[derive(Clone, Debug, Default)]
struct Sources {
    chat: Option<String>,
    tool_use: Option<String>,
}

impl ChatTemplate {
    /// Reads the template of a model folder: `chat_template.jinja`, else `chat_template` of
    /// `tokenizer_config.json`, there the one named `default` of several, and `tool_use` for conversations with
    /// tools. A folder without one, or with one that does not parse, still serves plain text: only
    /// [`ChatTemplate::render`] fails.
    pub fn open(model_dir: &Path) -> Self {
        if let Some(file) = gguf::find(model_dir) {
            let header = gguf::read_header(&file);
            let found = header.and_then(|header| gguf::template(&header).map_err(|error| error.to_string()));
            return match found {
                Ok((source, special)) => Self::from_parts(source, &special),
                Err(message) => Self::without(message),
            };
        }
        let config = std::fs::read(model_dir.join("tokenizer_config.json"));
        let config =
            config.map(|json| serde_json::from_slice::<serde_json::Value>(&json).unwrap_or_default());
        let config = config.unwrap_or_default();
        let file = |name: &str| std::fs::read_to_string(model_dir.join(name)).ok();
        let sources = match file("chat_template.jinja") {
            Some(chat) => {
                let tool_use = file("additional_chat_templates/tool_use.jinja");
                Sources { chat: Some(chat), tool_use }
            }
            None => declared_templates(&config),
        };
        Self::from_sources(sources, &config)
    }

    /// A template from its source and the special tokens of a `tokenizer_config.json`.
    pub fn from_parts(source: Option<String>, tokenizer_config: &serde_json::Value) -> Self {
        Self::from_sources(Sources { chat: source, tool_use: None }, tokenizer_config)
    }

    /// None, for this reason.
    fn without(message: String) -> Self {
        Self { environment: Err(message), source: None, abilities: Abilities::default(), folds_system: false }
    }

    fn from_sources(sources: Sources, tokenizer_config: &serde_json::Value) -> Self {
        let Sources { chat, tool_use } = sources;
        let Some(source) = chat else {
            let message = "the model has none; send the prompt as text to /v1/completions";
            return Self::without(message.to_owned());
        };
        let mut environment = environment(tokenizer_config);
        let added = environment.add_template_owned(NAME, without_generation_tags(&source));
        let added = added.and_then(|()| match &tool_use {
            Some(source) => environment.add_template_owned(TOOL_NAME, without_generation_tags(source)),
            None => Ok(()),
        });
        let added = added.map_err(|error| describe(&error));
        let source = match &tool_use {
            Some(tools) => source + "\n" + tools,
            None => source,
        };
        let abilities = abilities(&source);
        let environment = added.map(|()| environment);
        let mut template = Self { environment, source: Some(source), abilities, folds_system: false };
        template.folds_system = !template.has_place_for_system();
        template
    }

    /// The source, that for tools behind the other one.
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// What the template offers.
    pub fn abilities(&self) -> Abilities {
        self.abilities
    }

    /// Renders a conversation up to where the model's next answer begins. What the template has no place for is
    /// refused, not left out.
    pub fn render(&self, conversation: &Conversation<'_>) -> Result<String, Cause> {
        conversation.check(self.environment.is_ok().then_some(self.abilities))?;
        let folded = if self.folds_system { fold_system(conversation.messages) } else { None };
        let messages = folded.as_deref().unwrap_or(conversation.messages);
        self.try_render(&Conversation { messages, ..*conversation })
            .map_err(|message| Cause::Template { message })
    }

    fn try_render(&self, conversation: &Conversation<'_>) -> Result<String, String> {
        let environment = self.environment.as_ref().map_err(String::clone)?;
        let for_tools = conversation.has_tools().then(|| environment.get_template(TOOL_NAME).ok()).flatten();
        let template = match for_tools {
            Some(template) => template,
            None => environment.get_template(NAME).map_err(|error| describe(&error))?,
        };
        let wants_short_ids = self.source.as_deref().is_some_and(conversation::wants_short_ids);
        let context = conversation.context(wants_short_ids);
        let mut output = BoundedOutput { bytes: Vec::new() };
        let rendered = template.render_captured_to(context, &mut output).map(drop);
        match rendered {
            Err(_) if output.is_full() => Err(format!("its output exceeds {OUTPUT_BYTES_MAX} bytes")),
            Err(error) => Err(describe(&error)),
            Ok(()) => String::from_utf8(output.bytes).map_err(|error| error.to_string()),
        }
    }

    /// Tries it out: some templates raise at a message of the system, and only there.
    fn has_place_for_system(&self) -> bool {
        let user = Message::text(Role::User, "hello");
        let with_system = [Message::text(Role::System, "be brief"), user.clone()];
        let renders = |messages: &[Message]| self.try_render(&Conversation::new(messages)).is_ok();
        renders(&with_system) || !renders(&[user])
    }
}

fn environment(tokenizer_config: &serde_json::Value) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_filter("tojson", python::to_json);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    for name in SPECIAL_TOKENS {
        if let Some(token) = special_token(&tokenizer_config[name]) {
            environment.add_global(name, token);
        }
    }
    environment
}

/// Puts messages of the system in front of what the user said first.
fn fold_system(messages: &[Message]) -> Option<Vec<Message>> {
    let is_system = |message: &&Message| message.role == Role::System;
    let said: Vec<String> =
        messages.iter().filter(is_system).map(|message| conversation::text_of(message) + "\n\n").collect();
    if said.is_empty() {
        return None;
    }
    let mut rest: Vec<Message> = messages.iter().filter(|message| !is_system(message)).cloned().collect();
    let part = pomona_protocol::Part::Text(said.concat());
    match rest.iter_mut().find(|message| message.role == Role::User) {
        Some(first) => first.parts.insert(0, part),
        None => rest.insert(0, Message { role: Role::User, parts: vec![part] }),
    }
    Some(rest)
}

fn declared_templates(config: &serde_json::Value) -> Sources {
    let declared = &config["chat_template"];
    if let Some(source) = declared.as_str() {
        return Sources { chat: Some(source.to_owned()), tool_use: None };
    }
    let Some(named) = declared.as_array() else { return Sources::default() };
    let by_name = |name: &str| named.iter().find(|entry| entry["name"] == name);
    let source = |entry: &serde_json::Value| entry["template"].as_str().map(str::to_owned);
    let chat = by_name("default").or(named.first()).and_then(source);
    Sources { chat, tool_use: by_name(TOOL_NAME).and_then(source) }
}

/// A special token is declared as its text, or as an object around it.
fn special_token(declared: &serde_json::Value) -> Option<String> {
    declared.as_str().or(declared["content"].as_str()).map(str::to_owned)
}

/// Takes out `{% generation %}`, which marks answers for training and renders as nothing.
fn without_generation_tags(source: &str) -> String {
    let mut source = source.to_owned();
    for word in ["generation", "endgeneration"] {
        for (open, close) in [("{%", "%}"), ("{%-", "-%}"), ("{%-", "%}"), ("{%", "-%}")] {
            let comment = |mark: &str| mark.replace('%', "#");
            let replacement = format!("{} {}", comment(open), comment(close));
            source = source.replace(&format!("{open} {word} {close}"), &replacement);
        }
    }
    source
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// The date on which the turn was asked, so that a turn that goes on elsewhere has the same prompt.
fn strftime_now(state: &State<'_, '_>, format: String) -> String {
    let asked_ms = state.lookup(ASKED).and_then(|asked| u64::try_from(asked).ok());
    let asked =
        asked_ms.map_or_else(SystemTime::now, |asked_ms| UNIX_EPOCH + Duration::from_millis(asked_ms));
    python::strftime(&format, asked)
}

/// What a person can act on: the template's own words where it raised, else the kind and place of failure.
fn describe(error: &Error) -> String {
    let mut message = match (error.kind(), error.detail(), error.line()) {
        (ErrorKind::OutOfFuel, ..) => format!("it did not end within {FUEL} instructions"),
        (ErrorKind::InvalidOperation, Some(detail), _) => detail.to_owned(),
        (kind, Some(detail), Some(line)) => format!("{kind}: {detail} (line {line})"),
        (kind, Some(detail), None) => format!("{kind}: {detail}"),
        (kind, None, _) => kind.to_string(),
    };
    let end = (0..=MESSAGE_BYTES_MAX.min(message.len())).rev().find(|end| message.is_char_boundary(*end));
    message.truncate(end.unwrap_or(0));
    message
}

struct BoundedOutput {
    bytes: Vec<u8>,
}

impl BoundedOutput {
    /// One byte past the limit marks that more was to come.
    fn is_full(&self) -> bool {
        self.bytes.len() > OUTPUT_BYTES_MAX
    }
}

impl io::Write for BoundedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = (OUTPUT_BYTES_MAX + 1).saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if self.is_full() { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod idiom_tests;
#[cfg(test)]
mod tests;
