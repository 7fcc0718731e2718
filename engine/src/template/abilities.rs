//! What a chat template offers, read off its source.

use minijinja::Environment;

/// What a model's chat template takes into account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// Tools that the model may call.
    pub tools: bool,
    /// The model thinks aloud before it answers.
    pub thinking: bool,
    /// Whether it thinks can be chosen.
    pub thinking_switch: bool,
    /// How much it thinks can be chosen.
    pub effort: bool,
    /// Pictures in messages.
    pub images: bool,
}

/// Marks around thoughts, in templates of models that think.
const THOUGHTS: [&str; 6] =
    ["</think>", "[/THINK]", "</seed:think>", "<|END_THINKING|>", "◁/think▷", "<|channel|>analysis"];
/// Places for pictures, in templates of models that see.
const PICTURES: [&str; 6] =
    ["<|image_pad|>", "<image_soft_token>", "<start_of_image>", "[IMG]", "<|image|>", "'image_url'"];
/// Names under which templates are told whether to think.
const SWITCHES: [&str; 2] = ["enable_thinking", "thinking"];

/// What the template with this source offers. One that does not parse offers nothing.
pub fn abilities(source: &str) -> Abilities {
    let source = super::without_generation_tags(source);
    let environment = Environment::new();
    let Ok(template) = environment.template_from_str(&source) else { return Abilities::default() };
    let asked_for = template.undeclared_variables(false);
    // What is assigned somewhere does not count as undeclared; a test whether it is defined still tells.
    let takes = |name: &str| asked_for.contains(name) || source.contains(&format!("{name} is defined"));
    Abilities {
        tools: takes("tools"),
        thinking: THOUGHTS.iter().any(|mark| source.contains(mark)),
        thinking_switch: SWITCHES.iter().any(|name| takes(name)),
        effort: takes("reasoning_effort"),
        images: PICTURES.iter().any(|mark| source.contains(mark)),
    }
}
