//! Pictures on their whole way: from messages to places in a prompt, through the scheduler, to answers.

use std::sync::Arc;

use pomona_engine::channels::Channels;
use pomona_engine::checkpoint::{Checkpoint, GenerationDefaults};
use pomona_engine::cpu::{CpuBackend, CpuOptions};
use pomona_engine::generation::{Generation, LoadBoard, ModelFacts, NewTurn, StepOutcome};
use pomona_engine::scheduler::SchedulerLimits;
use pomona_engine::tokenizer::Tokenizer;
use pomona_engine::vision::{FIRST_PLACE, Picture, PictureWords, Shown, VisionShape, place_ids};
use pomona_protocol::{Image, Message, Part, Role, Sampling, Task, TurnEvent};
use serde_json::json;
use tokio::sync::mpsc;

use super::{Case, PLACE_ID, expected, folder, tower, with_places};
use crate::serving::fixture::{tokenizer, tokenizer_json};

/// Fewer prompt tokens in a step than a picture has places.
const LIMITS: SchedulerLimits = SchedulerLimits {
    running_max: 4,
    waiting_max: 4,
    step_prefill_tokens_max: 3,
    step_guesses_max: 16,
    guess_chance_min: Some(0.0),
};
const PLACES: usize = 4;

fn generation() -> Generation {
    let options = CpuOptions { threads: 2, kv_blocks: 64, ..CpuOptions::default() };
    let backend = CpuBackend::load(&Checkpoint::open(&folder()).unwrap(), options).unwrap();
    let facts = ModelFacts {
        tokens: Arc::clone(tokenizer().table()),
        eos_token_ids: vec![2],
        defaults: GenerationDefaults::default(),
    };
    let board = Arc::new(LoadBoard::default());
    Generation::new(Box::new(backend.with_eyes(tower(2, None))), facts, LIMITS, board)
}

/// A greedy turn of a case; `resume` was said before.
fn turn(case: &Case, pictures: &[Picture], resume: &[u32]) -> (NewTurn, mpsc::Receiver<TurnEvent>) {
    let (sink, events) = mpsc::channel(256);
    let (prompt, starts) = with_places(case, pictures, PLACES);
    let sampling = Sampling {
        temperature: Some(0.0),
        max_tokens: Some(case.greedy.len() as u32),
        ignore_eos: true,
        logit_bias: [(PLACE_ID, -100.0)].into(),
        ..Sampling::default()
    };
    let shown = starts
        .iter()
        .zip(pictures)
        .map(|(position, picture)| Shown { position: *position, picture: picture.clone() });
    let turn = NewTurn {
        task: Task::Generate,
        prompt,
        pictures: shown.collect(),
        stands_alone: true,
        channels: Channels::plain(),
        one_call: false,
        guide: None,
        sampling,
        resume: resume.to_vec(),
        sink,
        tells_prefill: false,
    };
    (turn, events)
}

/// The ids that a turn said, and how many tokens of its prompt were cached.
fn read(mut events: mpsc::Receiver<TurnEvent>) -> (Vec<u32>, u32) {
    let (mut said, mut cached) = (Vec::new(), 0);
    loop {
        match events.try_recv().unwrap() {
            TurnEvent::Started { cached_tokens, .. } => cached = cached_tokens,
            TurnEvent::Tokens { ids, .. } => said.extend(ids),
            TurnEvent::Finished { .. } => return (said, cached),
            TurnEvent::Queued { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

fn run(generation: &mut Generation) {
    while generation.step().unwrap() == StepOutcome::Worked {}
}

fn pictures() -> Vec<Picture> {
    expected().pictures.into_iter().map(|bytes| Picture::from_rgb(24, bytes).unwrap()).collect()
}

#[test]
fn turns_with_pictures_answer_like_the_reference_side_by_side_and_again() {
    let (expected, pictures) = (expected(), pictures());
    let mut generation = generation();
    for cached_min in [0, 32] {
        let open: Vec<_> = expected.cases.iter().map(|case| turn(case, &pictures, &[])).collect();
        let mut streams = Vec::new();
        for (turn, events) in open {
            generation.accept(turn);
            streams.push(events);
        }
        run(&mut generation);
        for (case, events) in expected.cases.iter().zip(streams) {
            let (said, cached) = read(events);
            assert_eq!(said, case.greedy);
            assert!(case.prompt_ids.len() <= 33 || cached >= cached_min, "{cached} tokens were cached");
        }
    }
}

#[test]
fn an_answer_to_a_picture_resumes_at_every_token() {
    let (expected, pictures) = (expected(), pictures());
    let case = &expected.cases[1];
    for shown in 0..case.greedy.len() {
        let mut generation = generation();
        let (turn, events) = turn(case, &pictures, &case.greedy[..shown]);
        generation.accept(turn);
        run(&mut generation);
        assert_eq!(read(events).0, case.greedy[shown..], "behind {shown} tokens");
    }
}

#[test]
fn another_picture_shares_no_prefix() {
    let (expected, mut pictures) = (expected(), pictures());
    let case = &expected.cases[0];
    let mut generation = generation();
    let (first, events) = turn(case, &pictures, &[]);
    generation.accept(first);
    run(&mut generation);
    let (said, _) = read(events);
    pictures.reverse();
    let (other, events) = turn(case, &pictures, &[]);
    generation.accept(other);
    run(&mut generation);
    let (changed, cached) = read(events);
    assert_eq!(cached, 0, "the picture lies in the first block");
    assert_ne!(said, changed);
}

/// The tokenizer of the other tests with the words of pictures as 258, 259 and 260.
fn words() -> (Tokenizer, PictureWords) {
    let mut json: serde_json::Value = serde_json::from_slice(&tokenizer_json()).unwrap();
    for (id, content) in [(258, "<begin>"), (259, "<place>"), (260, "<end>")] {
        json["added_tokens"].as_array_mut().unwrap().push(json!({
            "id": id, "content": content, "special": true, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false,
        }));
    }
    let tokenizer = Tokenizer::from_json(&serde_json::to_vec(&json).unwrap(), 261).unwrap();
    let shape = VisionShape { side: 8, places: 3, width: 48 };
    let words = PictureWords::new(&tokenizer, shape, [258, 259, 260]).unwrap();
    (tokenizer, words)
}

#[test]
fn each_mark_becomes_the_places_of_its_picture() {
    let (tokenizer, words) = words();
    let pictures = vec![Picture::plain(8, [1, 2, 3]), Picture::plain(8, [9, 9, 9])];
    let ids: Vec<Vec<u32>> = pictures.iter().map(|picture| place_ids(picture, 3)).collect();
    let spread = words.spread("a<begin>b<begin>", 2).unwrap();
    let mut prompt = tokenizer.encode_rendered(&spread).unwrap();
    let shown = words.place(&mut prompt, pictures.clone()).unwrap();
    let whole = |ids: &[u32]| [&[10, 10, 258], ids, &[260, 10, 10]].concat();
    assert_eq!(prompt, [vec![97], whole(&ids[0]), vec![98], whole(&ids[1])].concat());
    let found: Vec<_> = shown.into_iter().map(|shown| (shown.position, shown.picture)).collect();
    assert_eq!(found, [4, 14].into_iter().zip(pictures).collect::<Vec<_>>());
    assert_eq!(prompt.iter().filter(|id| **id >= FIRST_PLACE).count(), 6);
}

#[test]
fn marks_in_text_and_pictures_that_are_none_are_refused() {
    let (_, words) = words();
    for (text, pictures) in [("a<begin>", 0), ("a", 1), ("<begin><place>", 1)] {
        assert!(words.spread(text, pictures).unwrap_err().to_string().contains("<begin>"), "{text}");
    }
    let image = || Part::Image(Image { media_type: "image/png".to_owned(), base64: "AAAA".to_owned() });
    let refused =
        |parts: Vec<Part>| words.pictures(&[Message { role: Role::User, parts }]).unwrap_err().to_string();
    assert!(refused(vec![image()]).contains("picture 0: the picture cannot be read"));
    assert!(refused((0..17).map(|_| image()).collect()).contains("17 pictures; at most 16"));
}
