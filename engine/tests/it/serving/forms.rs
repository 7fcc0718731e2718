//! Answers in a form, with thoughts and with calls: resumed at every index they go on as if never interrupted.

use std::sync::Arc;

use pomona_engine::channels::{AnswerFormat, CallStyle};
use pomona_engine::checkpoint::Checkpoint;
use pomona_engine::generation::Generation;
use pomona_engine::grammar::Grammars;
use pomona_protocol::said::parts_of;
use pomona_protocol::{
    AnswerForm, Cause, FinishReason, OutputFormat, Part, Sampling, Tool, ToolChoice, TurnEvent, TurnId,
};
use serde_json::Value;

use super::fake::FakeBackend;
use super::fixture::{Forms, LIMITS, Transcript, generation, run_form, sampling};
use super::sprout;

const PROMPT: &[u32] = &[257, 104, 101, 108, 108, 111];
const SCHEMA: &str = r#"{"type":"object","properties":{"name":{"type":"string","maxLength":12},"kind":{"enum":["ab","ba"]},"many":{"type":"array","items":{"type":"boolean"},"maxItems":3}},"required":["name","kind","many"],"additionalProperties":false}"#;

pub(crate) fn tool(name: &str) -> Tool {
    let (name, parameters) = (name.to_owned(), Some(SCHEMA.to_owned()));
    Tool { name, description: None, parameters, strict: true }
}

pub(crate) fn schema() -> AnswerForm {
    AnswerForm { format: OutputFormat::JsonSchema(SCHEMA.to_owned()), ..AnswerForm::default() }
}

pub(crate) fn required() -> AnswerForm {
    let tools = vec![tool("bite"), tool("bake")];
    AnswerForm { tools, tool_choice: ToolChoice::Required, parallel_calls: false, ..AnswerForm::default() }
}

fn fake() -> Generation {
    generation(FakeBackend::new(64), LIMITS).0
}

/// How an answer is read and held, made anew for each run.
type Make<'a> = &'a dyn Fn() -> (pomona_engine::channels::Channels, Option<pomona_engine::grammar::Guide>);

/// Tokens that suffice for an answer, however much space a model without sense puts into it.
const ROOM: u32 = 450;

/// Runs a turn whole, then resumes it at every index.
fn check(engine: &mut Generation, prompt: &[u32], sampling: &Sampling, make: Make<'_>) -> Transcript {
    check_each(1, engine, prompt, sampling, make)
}

/// The same at each so many-th index.
fn check_each(
    stride: usize,
    engine: &mut Generation,
    prompt: &[u32],
    sampling: &Sampling,
    make: Make<'_>,
) -> Transcript {
    let whole = Transcript::read(&run_form(engine, prompt, sampling, &[], make()), 0);
    for index in (0..=whole.ids.len()).step_by(stride) {
        let (kept, rest) = whole.ids.split_at(index);
        let resumed = Transcript::read(&run_form(engine, prompt, sampling, kept, make()), index);
        assert_eq!(resumed.ids, rest, "ids from index {index}");
        assert_eq!(resumed.texts, whole.texts[index..], "texts from index {index}");
        assert_eq!(resumed.marks, whole.marks[index..], "marks from index {index}");
        assert_eq!(
            (&resumed.tail, &resumed.tail_marks),
            (&whole.tail, &whole.tail_marks),
            "from index {index}"
        );
        assert_eq!((resumed.reason, &resumed.stop), (whole.reason, &whole.stop), "from index {index}");
        assert_eq!(resumed.usage.reasoning_tokens, whole.usage.reasoning_tokens, "from index {index}");
    }
    whole
}

/// Greedy, and drawn from two seeds.
fn samplings() -> Vec<Sampling> {
    let drawn = |seed| sampling(|s| (s.seed, s.max_tokens) = (seed, Some(ROOM)));
    let greedy = sampling(|s| (s.temperature, s.max_tokens) = (Some(0.0), Some(ROOM)));
    vec![greedy, drawn(1), drawn(2)]
}

fn assert_fits(json: &str) {
    let value: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert!(value["name"].is_string() && value["many"].is_array(), "{json}");
    assert!(["ab", "ba"].contains(&value["kind"].as_str().unwrap()), "{json}");
}

/// The parts of the message that an answer becomes.
fn parts(whole: &Transcript) -> Vec<Part> {
    let (text, marks) = whole.spoken();
    parts_of(TurnId(7), &text, &marks)
}

fn assert_calls(whole: &Transcript) {
    assert_eq!(whole.reason, FinishReason::ToolCalls, "{:?}", whole.spoken());
    let [Part::Call(call)] = &parts(whole)[..] else { panic!("{:?}", parts(whole)) };
    assert!(["bite", "bake"].contains(&call.name.as_str()), "{call:?}");
    assert_fits(&call.arguments);
}

#[test]
fn json_of_a_schema_goes_on_as_if_never_interrupted() {
    let forms = Forms::new(false, CallStyle::Hermes);
    for request in samplings() {
        let whole = check(&mut fake(), PROMPT, &request, &|| forms.of(&schema()));
        assert_eq!(whole.reason, FinishReason::Stop);
        assert_fits(&whole.text());
    }
    let any = AnswerForm { format: OutputFormat::Json, ..AnswerForm::default() };
    check(&mut fake(), PROMPT, &samplings()[1], &|| forms.of(&any));
}

#[test]
fn calls_of_tools_go_on_as_if_never_interrupted() {
    let styles = [CallStyle::Hermes, CallStyle::MistralList, CallStyle::PhiList, CallStyle::Bare];
    for style in styles {
        let forms = Forms::new(false, style);
        for request in &samplings()[..2] {
            let whole = check(&mut fake(), PROMPT, request, &|| forms.of(&required()));
            assert_calls(&whole);
        }
    }
}

#[test]
fn thoughts_calls_and_broken_marks_go_on_as_if_never_interrupted() {
    let scripts = [
        "<think>\nhm, ä\n</think>\n\nSo <b>: yes.",
        "<think>a</think>Look.\n<tool_call>\n{\"name\": \"bite\", \"arguments\": {\"a\": \"ü\\\"}\"}}\n</tool_call>\n",
        "<tool_call>{\"arguments\": {}, \"name\": \"bake\"}</tool_call>\n<tool_call>{\"name\": 3} <tool",
        "<tool_call>\n<function=bite>\n<parameter=name>\nx < \"y\"\n</parameter>\n</function>\n</tool_call>",
    ];
    let forms = Forms::new(true, CallStyle::Hermes);
    let request = &samplings()[0];
    let spoken =
        scripts.map(|script| check(&mut fake(), PROMPT, request, &|| forms.script(&required(), script)));
    let [thought, call, broken, xml] = &spoken;
    assert_eq!(thought.reason, FinishReason::Stop);
    assert_eq!(parts(thought), [Part::Reasoning("hm, ä".to_owned()), Part::Text("So <b>: yes.".to_owned())]);
    assert_eq!(thought.usage.reasoning_tokens as usize, "\nhm, ä\n</think>".len());
    assert_eq!((call.reason, parts(call).len()), (FinishReason::ToolCalls, 3));
    let [Part::Call(_), Part::Text(plain)] = &parts(broken)[..] else { panic!("{:?}", parts(broken)) };
    assert_eq!(plain, "\n<tool_call>{\"name\": 3} <tool");
    let [Part::Call(xml)] = &parts(xml)[..] else { panic!("{:?}", parts(xml)) };
    assert_eq!(xml.arguments, "{\"name\": \"x < \\\"y\\\"\"}");
}

#[test]
fn stop_strings_count_in_plain_text_alone() {
    let forms = Forms::new(true, CallStyle::Hermes);
    let request = sampling(|s| {
        s.max_tokens = Some(200);
        s.stop = vec!["END".to_owned(), "no".to_owned()];
    });
    let script = "<think>no END</think>yes\n<tool_call>{\"name\": \"bite\", \"arguments\": {\"a\": \"END\"}}</tool_call> the END x";
    let whole = check(&mut fake(), PROMPT, &request, &|| forms.script(&required(), script));
    assert_eq!((whole.reason, whole.stop.as_deref()), (FinishReason::Stop, Some("END")));
    let Some(Part::Text(last)) = parts(&whole).pop() else { panic!("{:?}", parts(&whole)) };
    assert!(last.ends_with(" the "), "{last}");
}

#[test]
fn an_answer_that_cannot_go_on_fails_by_name() {
    let forms = Forms::new(false, CallStyle::Hermes);
    let grammar = "start: \"a\" NONE\nNONE: /b/ & /c/\n".to_owned();
    let form = AnswerForm { format: OutputFormat::Grammar(grammar), ..AnswerForm::default() };
    // The compiler may see it coming; then there is nothing to run.
    let Ok(guide) = forms.grammars.guide(&form, pomona_engine::grammar::Opening::Chat) else { return };
    let (channels, _) = forms.of(&AnswerForm::default());
    let events = run_form(&mut fake(), PROMPT, &sampling(|_| ()), &[], (channels, guide));
    let Some(TurnEvent::Failed { cause }) = events.last() else { panic!("{events:?}") };
    assert!(
        matches!(cause, Cause::InvalidRequest { parameter, .. } if parameter == "response_format"),
        "{cause}"
    );
}

#[test]
fn shown_tokens_that_do_not_fit_the_form_are_named() {
    let forms = Forms::new(false, CallStyle::Hermes);
    let events = run_form(&mut fake(), PROMPT, &sampling(|_| ()), &[b'x'.into()], forms.of(&schema()));
    let Some(TurnEvent::Failed { cause }) = events.last() else { panic!("{events:?}") };
    assert!(
        cause.to_string().starts_with("response_format: token 0 of the answer does not fit its form"),
        "{cause}"
    );
}

#[test]
fn logprobs_of_a_held_answer_are_those_of_the_model() {
    let forms = Forms::new(false, CallStyle::Hermes);
    let request = sampling(|s| (s.temperature, s.logprobs, s.max_tokens) = (Some(0.0), Some(2), Some(1)));
    let events = run_form(&mut fake(), PROMPT, &request, &[], forms.of(&schema()));
    let free = run_form(&mut fake(), PROMPT, &request, &[], forms.of(&AnswerForm::default()));
    let top = |events: &[TurnEvent]| match &events[1] {
        TurnEvent::Tokens { logprobs, .. } => logprobs[0].top.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(top(&events), top(&free));
}

#[test]
fn the_built_in_model_writes_what_a_schema_asks_for() {
    let (mut engine, prompt) = sprout::engine();
    let checkpoint = Checkpoint::open(&sprout::model()).unwrap();
    let tokenizer = sprout::tokenizer();
    let format = AnswerFormat::Tagged { thoughts: None, calls: CallStyle::Hermes };
    let (vocabulary, eos) = (checkpoint.config.vocabulary, &checkpoint.eos_token_ids);
    let forms =
        Forms { grammars: Grammars::new(&Arc::clone(tokenizer.table()), vocabulary, eos, format), format };
    for temperature in [0.0, 1.0] {
        let request = sampling(|s| {
            s.temperature = Some(temperature);
            s.seed = 5;
            s.max_tokens = Some(ROOM);
        });
        let whole = check_each(5, &mut engine, &prompt, &request, &|| forms.of(&schema()));
        assert_fits(&whole.text());
        assert_calls(&check_each(5, &mut engine, &prompt, &request, &|| forms.of(&required())));
    }
}
