//! Calls in the manner of Qwen's coder: `<function=name>` with a `<parameter=key>` for each argument, whose values
//! stand as they are. They become JSON: strings as they come, other values when they are whole.

use std::sync::Arc;

use pomona_protocol::Tool;
use serde_json::Value;

use super::{HELD_BYTES_MAX, Heard, Pieces, is_tool_name, may_become};

const FUNCTION: &str = "<function=";
const PARAMETER: &str = "<parameter=";
const END_OF_PARAMETER: &str = "</parameter>";
const END_OF_FUNCTION: &str = "</function>";
/// Letters of a name of a tool or a parameter; more is no call.
const NAME_BYTES_MAX: usize = 256;

/// Reads one call behind `<tool_call>`.
#[derive(Clone, Debug)]
pub(super) struct XmlCall {
    tools: Arc<[Tool]>,
    close: &'static str,
    index: u32,
    at: At,
    /// Text that may still be a mark, or all of it before the call is certain.
    held: String,
    schema: Value,
    parameters: u32,
    is_spoken: bool,
    is_complete: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    Function,
    FunctionName(String),
    Between,
    ParameterName(String),
    /// A value that is a string, written as it comes.
    Text {
        is_first: bool,
    },
    /// A value that is written when it is whole.
    Whole(String),
    Tail,
}

impl XmlCall {
    /// `opened` is the mark as it was written, and the space behind it.
    pub(super) fn new(opened: String, close: &'static str, index: u32, tools: &Arc<[Tool]>) -> Self {
        Self {
            tools: Arc::clone(tools),
            close,
            index,
            at: At::Function,
            held: opened,
            schema: Value::Null,
            parameters: 0,
            is_spoken: false,
            is_complete: false,
        }
    }

    pub(super) fn calls(&self) -> u32 {
        self.index + u32::from(self.is_spoken)
    }

    pub(super) fn complete(&self) -> u32 {
        self.index + u32::from(self.is_complete)
    }

    pub(super) fn letter(
        &mut self,
        letter: char,
        is_known: &dyn Fn(&str) -> bool,
        out: &mut Pieces,
    ) -> Heard {
        match &mut self.at {
            At::Function => {
                self.held.push(letter);
                let mark = self.held.rfind('<').map_or("", |at| &self.held[at..]);
                if mark == FUNCTION {
                    self.at = At::FunctionName(String::new());
                } else if !may_become(mark, FUNCTION) || mark.is_empty() {
                    return self.broken();
                }
            }
            At::FunctionName(name) => {
                self.held.push(letter);
                if letter == '>' && is_tool_name(name.trim()) && is_known(name.trim()) {
                    let name = name.trim().to_owned();
                    self.begin(&name, out);
                } else if letter == '>' || name.len() >= NAME_BYTES_MAX {
                    return self.broken();
                } else {
                    name.push(letter);
                }
            }
            At::Between => return self.between(letter, out),
            At::ParameterName(name) => {
                if letter == '>' {
                    let name = std::mem::take(name);
                    self.begin_value(name.trim(), out);
                } else if name.len() < NAME_BYTES_MAX {
                    name.push(letter);
                } else {
                    let over = format!("{PARAMETER}{name}{letter}");
                    self.complete_arguments(out);
                    return Heard::Over(over);
                }
            }
            At::Text { .. } | At::Whole(_) => self.value(letter, out),
            At::Tail => return self.tail(letter),
        }
        Heard::On
    }

    /// The answer ends here; what was held back of no call comes back, what was of a value is written.
    pub(super) fn end(mut self, out: &mut Pieces) -> String {
        match &self.at {
            At::Function | At::FunctionName(_) => return self.held,
            At::Text { .. } => {
                let rest = std::mem::take(&mut self.held);
                self.write_escaped(&rest, out);
            }
            At::Whole(value) => {
                let written = value.clone() + &self.held;
                out.arguments(self.index, &json_value(&written));
            }
            At::Between | At::ParameterName(_) | At::Tail => {}
        }
        String::new()
    }

    fn begin(&mut self, name: &str, out: &mut Pieces) {
        out.call(self.index, name);
        out.arguments(self.index, "{");
        let tool = self.tools.iter().find(|tool| tool.name == name);
        let schema = tool.and_then(|tool| serde_json::from_str(tool.parameters.as_deref()?).ok());
        self.schema = schema.unwrap_or_default();
        self.is_spoken = true;
        self.held.clear();
        self.at = At::Between;
    }

    /// Between parameters: space, a parameter, the end of the function or of the call.
    fn between(&mut self, letter: char, out: &mut Pieces) -> Heard {
        self.held.push(letter);
        let mark = self.held.trim_ascii_start();
        if mark == PARAMETER {
            self.held.clear();
            self.at = At::ParameterName(String::new());
        } else if mark == END_OF_FUNCTION {
            self.complete_arguments(out);
        } else if mark == self.close {
            self.complete_arguments(out);
            return Heard::Over(String::new());
        } else if mark.is_empty() {
            self.held.clear();
        } else if ![PARAMETER, END_OF_FUNCTION, self.close].iter().any(|known| may_become(mark, known)) {
            let over = mark.to_owned();
            self.complete_arguments(out);
            return Heard::Over(over);
        }
        Heard::On
    }

    fn begin_value(&mut self, name: &str, out: &mut Pieces) {
        let separator = if self.parameters == 0 { "" } else { ", " };
        self.parameters += 1;
        out.arguments(self.index, &format!("{separator}{}: ", Value::from(name)));
        let is_text = self.schema["properties"][name]["type"] == "string";
        self.at = if is_text {
            out.arguments(self.index, "\"");
            At::Text { is_first: true }
        } else {
            At::Whole(String::new())
        };
    }

    /// A letter of a value. The line breaks next to its marks are no part of it.
    fn value(&mut self, letter: char, out: &mut Pieces) {
        if let At::Text { is_first } = &mut self.at
            && std::mem::take(is_first)
            && letter == '\n'
        {
            return;
        }
        self.held.push(letter);
        loop {
            let mark = self.held.strip_prefix('\n').unwrap_or(&self.held);
            if mark == END_OF_PARAMETER {
                self.held.clear();
                return self.end_value(out);
            }
            if self.held.is_empty() || mark.is_empty() || may_become(mark, END_OF_PARAMETER) {
                return;
            }
            let first = self.held.remove(0);
            match &mut self.at {
                At::Whole(value) => {
                    value.push(first);
                    // Too long for anything but a text.
                    if value.len() > HELD_BYTES_MAX {
                        let begun = std::mem::take(value);
                        out.arguments(self.index, "\"");
                        self.write_escaped(begun.strip_prefix('\n').unwrap_or(&begun), out);
                        self.at = At::Text { is_first: false };
                    }
                }
                _ => self.write_escaped(first.encode_utf8(&mut [0; 4]), out),
            }
        }
    }

    fn end_value(&mut self, out: &mut Pieces) {
        match std::mem::replace(&mut self.at, At::Between) {
            At::Whole(value) => out.arguments(self.index, &json_value(&value)),
            _ => out.arguments(self.index, "\""),
        }
    }

    fn write_escaped(&self, text: &str, out: &mut Pieces) {
        let quoted = Value::from(text).to_string();
        out.arguments(self.index, &quoted[1..quoted.len() - 1]);
    }

    fn complete_arguments(&mut self, out: &mut Pieces) {
        out.arguments(self.index, "}");
        self.is_complete = true;
        self.held.clear();
        self.at = At::Tail;
    }

    fn tail(&mut self, letter: char) -> Heard {
        self.held.push(letter);
        let mark = self.held.trim_ascii_start();
        if mark == self.close {
            return Heard::Over(String::new());
        }
        let is_open =
            if mark.is_empty() { self.held.len() <= self.close.len() } else { may_become(mark, self.close) };
        if is_open { Heard::On } else { Heard::Over(std::mem::take(&mut self.held)) }
    }

    fn broken(&mut self) -> Heard {
        // From its last bracket on it may be another mark; the first one is that of the call itself.
        let from = self.held.rfind('<').filter(|at| *at > 0).unwrap_or(self.held.len());
        let behind = self.held.split_off(from);
        Heard::Broken(std::mem::take(&mut self.held), behind)
    }
}

/// A value as JSON: what it says it is, else a string.
fn json_value(text: &str) -> String {
    let trimmed = text.trim();
    let value = match trimmed {
        "True" => Ok(Value::Bool(true)),
        "False" => Ok(Value::Bool(false)),
        "None" => Ok(Value::Null),
        _ => serde_json::from_str(trimmed),
    };
    let inner = text.strip_prefix('\n').unwrap_or(text);
    value.unwrap_or_else(|_| Value::from(inner)).to_string()
}
