//! Conversations to the text that a model was trained on, by the model's own chat template.
//!
//! Templates are programs from a model folder (Jinja, as the `transformers` library runs them), so they get
//! fuel, a limit on their output and no access to anything. Read once per engine by `serve`, which renders
//! each conversation and then tokenises it without adding special tokens.

mod python;

use std::io;
use std::path::Path;
use std::time::SystemTime;

use minijinja::{Environment, Error, ErrorKind, Value, context};
use pomona_protocol::{Cause, Message, Part};

/// Instructions that one rendering may take. The longest conversation that the gateway lets in takes a
/// hundredth; ten times as many would let a template that never ends hold a thread for seconds.
const FUEL: u64 = 10_000_000;
/// Bytes that one rendering may write: twice the largest request.
const OUTPUT_BYTES_MAX: usize = 2 * pomona_protocol::limits::REQUEST_FRAME_BYTES_MAX;
/// Bytes of a template's error that are passed on.
const MESSAGE_BYTES_MAX: usize = 512;
const NAME: &str = "chat";

/// Special tokens that templates may name, as `transformers` passes them.
const SPECIAL_TOKENS: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// The chat template of a model, or why there is none.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Result<Environment<'static>, String>,
}

impl ChatTemplate {
    /// Reads the template of a model folder: `chat_template.jinja`, else `chat_template` of
    /// `tokenizer_config.json`, there the one named `default` of several. A folder without one, or with one
    /// that does not parse, still serves plain text: only [`ChatTemplate::render`] fails.
    pub fn open(model_dir: &Path) -> Self {
        let config = std::fs::read(model_dir.join("tokenizer_config.json"));
        let config =
            config.map(|json| serde_json::from_slice::<serde_json::Value>(&json).unwrap_or_default());
        let config = config.unwrap_or_default();
        let source = match std::fs::read_to_string(model_dir.join("chat_template.jinja")) {
            Ok(source) => Some(source),
            Err(_) => declared_template(&config),
        };
        Self::from_parts(source, &config)
    }

    /// A template from its source and the special tokens of a `tokenizer_config.json`.
    pub fn from_parts(source: Option<String>, tokenizer_config: &serde_json::Value) -> Self {
        let Some(source) = source else {
            let message = "the model has none; send the prompt as text to /v1/completions";
            return Self { environment: Err(message.to_owned()) };
        };
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("tojson", python::to_json);
        environment.add_function("raise_exception", raise_exception);
        environment
            .add_function("strftime_now", |format: String| python::strftime(&format, SystemTime::now()));
        for name in SPECIAL_TOKENS {
            if let Some(token) = special_token(&tokenizer_config[name]) {
                environment.add_global(name, token);
            }
        }
        let added = environment.add_template_owned(NAME, without_generation_tags(&source));
        let added = added.map_err(|error| describe(&error));
        Self { environment: added.map(|()| environment) }
    }

    /// Renders a conversation up to where the model's next answer begins.
    pub fn render(&self, messages: &[Message]) -> Result<String, Cause> {
        self.try_render(messages).map_err(|message| Cause::Template { message })
    }

    fn try_render(&self, messages: &[Message]) -> Result<String, String> {
        let environment = self.environment.as_ref().map_err(String::clone)?;
        let template = environment.get_template(NAME).map_err(|error| describe(&error))?;
        let messages: Vec<Value> = messages.iter().map(message_value).collect();
        let mut output = BoundedOutput { bytes: Vec::new() };
        let rendered = template
            .render_captured_to(context! { messages, add_generation_prompt => true }, &mut output)
            .map(drop);
        match rendered {
            Err(_) if output.is_full() => Err(format!("its output exceeds {OUTPUT_BYTES_MAX} bytes")),
            Err(error) => Err(describe(&error)),
            Ok(()) => String::from_utf8(output.bytes).map_err(|error| error.to_string()),
        }
    }
}

fn message_value(message: &Message) -> Value {
    let content: String = message.parts.iter().map(|Part::Text(text)| text.as_str()).collect();
    context! { role => message.role.as_str(), content }
}

fn declared_template(config: &serde_json::Value) -> Option<String> {
    let declared = &config["chat_template"];
    if let Some(source) = declared.as_str() {
        return Some(source.to_owned());
    }
    let named = declared.as_array()?;
    let chosen = named.iter().find(|entry| entry["name"] == "default").or(named.first())?;
    chosen["template"].as_str().map(str::to_owned)
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
mod tests;
