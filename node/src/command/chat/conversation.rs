//! What was said so far, and how the next answer is to be made. No I/O.

use pomona_client::{ChatMessage, ChatRequest};
use pomona_protocol::Role;

use crate::cli::ChatArgs;

/// A conversation with one model at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversation {
    /// Who answers.
    pub(super) model: String,
    /// What the model is to be like.
    pub(super) system: Option<String>,
    /// The same seed gives the same answer.
    pub(super) seed: Option<u64>,
    temperature: Option<f32>,
    max_tokens: Option<u32>,
    /// Pictures that the next question shows, each with its type and its file in base64.
    pictures: Vec<(String, String)>,
    /// Whether thoughts are shown.
    pub(super) shows_thoughts: bool,
    said: Vec<ChatMessage>,
}

impl Conversation {
    /// An empty one, with what the command line asks for.
    pub(super) fn new(model: String, args: ChatArgs, pictures: Vec<(String, String)>) -> Self {
        let ChatArgs { system, temperature, max_tokens, seed, no_thinking, .. } = args;
        let (shows_thoughts, said) = (!no_thinking, Vec::new());
        Self { model, system, seed, temperature, max_tokens, pictures, shows_thoughts, said }
    }

    /// The person's next message.
    pub(super) fn ask(&mut self, prompt: String) {
        let pictures = std::mem::take(&mut self.pictures);
        self.said.push(ChatMessage::with_pictures(prompt, &pictures));
    }

    /// What the model answered, maybe cut off. Without any text the question is taken back, as templates want
    /// question and answer to alternate.
    pub(super) fn answered(&mut self, text: String) {
        if text.is_empty() {
            self.said.pop();
        } else {
            self.said.push(ChatMessage::new(Role::Assistant, text));
        }
    }

    /// Forgets what was said.
    pub(super) fn reset(&mut self) {
        self.said.clear();
    }

    /// The request for the next answer.
    pub(super) fn request(&self) -> ChatRequest {
        let system = self.system.iter().map(|text| ChatMessage::new(Role::System, text));
        ChatRequest {
            model: self.model.clone(),
            messages: system.chain(self.said.iter().cloned()).collect(),
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            seed: self.seed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(conversation: &Conversation) -> Vec<Role> {
        conversation.request().messages.iter().map(|message| message.role).collect()
    }

    #[test]
    fn the_system_message_comes_first_and_survives_a_reset() {
        let args = ChatArgs { system: Some("be brief".to_owned()), ..ChatArgs::default() };
        let mut conversation = Conversation::new("m".to_owned(), args, Vec::new());
        conversation.ask("a".to_owned());
        conversation.answered("b".to_owned());
        conversation.ask("c".to_owned());
        assert_eq!(roles(&conversation), [Role::System, Role::User, Role::Assistant, Role::User]);
        conversation.reset();
        assert_eq!(roles(&conversation), [Role::System]);
    }

    #[test]
    fn a_question_without_an_answer_is_taken_back() {
        let mut conversation = Conversation::default();
        conversation.ask("a".to_owned());
        conversation.answered(String::new());
        assert_eq!(roles(&conversation), []);
    }
}
