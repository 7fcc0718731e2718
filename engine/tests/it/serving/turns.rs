//! Turns against the engine's loop, without a socket.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pomona_engine::channels::Channels;
use pomona_engine::generation::{NewTurn, SINK_EVENTS_MIN, StepOutcome};
use pomona_engine::scheduler::SchedulerLimits;
use pomona_protocol::{Cause, FinishReason, Task, TurnEvent};
use tokio::sync::mpsc;

use super::fake::{CURSED, Curse, FakeBackend};
use super::fixture::{EOS, LIMITS, Transcript, drain, exhaust, generation, open, run, sampling};

fn prompt(name: u32, tokens: usize) -> Vec<u32> {
    (0..tokens as u32).map(|index| 40 + (index * name) % 60).collect()
}

fn failure(events: &[TurnEvent]) -> Cause {
    match events.last() {
        Some(TurnEvent::Failed { cause }) => cause.clone(),
        other => panic!("no failure but {other:?}"),
    }
}

#[test]
fn an_answer_does_not_depend_on_what_else_is_in_the_batch() {
    let requests: Vec<_> = (0..12u32)
        .map(|index| (prompt(index % 5, 20 + 9 * index as usize), sampling(|s| s.seed = u64::from(index))))
        .collect();
    let alone: Vec<_> = requests
        .iter()
        .map(|(prompt, sampling)| {
            let mut engine = generation(FakeBackend::new(64), LIMITS).0;
            Transcript::read(&run(&mut engine, prompt, sampling, &[]), 0).ids
        })
        .collect();
    // Seven blocks for prompts of up to four: sequences give way to each other all the time.
    for kv_blocks in [7, 64] {
        let mut engine = generation(FakeBackend::new(kv_blocks), LIMITS).0;
        let mut sinks: Vec<_> =
            requests.iter().map(|(prompt, sampling)| open(&mut engine, prompt, sampling, &[])).collect();
        exhaust(&mut engine);
        for (events, expected) in sinks.iter_mut().zip(&alone) {
            assert_eq!(&Transcript::read(&drain(events), 0).ids, expected);
        }
    }
}

#[test]
fn a_turn_is_started_before_its_prompt_is_computed() {
    let mut engine = generation(FakeBackend::new(64), LIMITS).0;
    let mut events = open(&mut engine, &prompt(1, 200), &sampling(|_| ()), &[]);
    engine.step().unwrap();
    assert_eq!(drain(&mut events), [TurnEvent::Started { prompt_tokens: 200, cached_tokens: 0 }]);
}

/// The events of a turn with a prompt of 700 tokens, which are computed in pieces of 48.
fn long_prompt(tells_prefill: bool) -> Vec<TurnEvent> {
    let mut backend = FakeBackend::new(64);
    backend.shape.context_tokens = 1024;
    let mut engine = generation(backend, LIMITS).0;
    let (sink, mut events) = mpsc::channel(64);
    engine.accept(NewTurn {
        task: Task::Generate,
        prompt: prompt(1, 700),
        pictures: Vec::new(),
        stands_alone: true,
        channels: Channels::plain(),
        one_call: false,
        guide: None,
        sampling: sampling(|s| s.max_tokens = Some(4)),
        resume: Vec::new(),
        sink,
        tells_prefill,
    });
    exhaust(&mut engine);
    drain(&mut events)
}

#[test]
fn who_asks_hears_how_far_a_long_prompt_is_before_the_first_token() {
    let is_prefill = |event: &TurnEvent| matches!(event, TurnEvent::Prefill { .. });
    let mut told = long_prompt(true);
    assert_eq!(told.get(1), Some(&TurnEvent::Prefill { done: 48, total: 700 }), "behind the first step");
    let last = told.iter().rposition(is_prefill);
    assert!(last < told.iter().position(|event| matches!(event, TurnEvent::Tokens { .. })));
    told.retain(|event| !is_prefill(event));
    assert_eq!(told, long_prompt(false), "nothing else is different, and who does not ask hears nothing");
}

#[test]
fn the_second_turn_of_a_chat_computes_only_what_is_new() {
    let backend = FakeBackend::new(64);
    let computed = Arc::clone(&backend.tokens_computed);
    let mut engine = generation(backend, LIMITS).0;
    let first = Transcript::read(&run(&mut engine, &prompt(1, 60), &sampling(|_| ()), &[]), 0);
    let before = computed.load(Ordering::Relaxed);
    let history = [prompt(1, 60), first.ids, prompt(2, 10)].concat();
    let second = Transcript::read(&run(&mut engine, &history, &sampling(|s| s.max_tokens = Some(1)), &[]), 0);
    assert_eq!(second.usage.cached_tokens, 64);
    assert_eq!(computed.load(Ordering::Relaxed) - before, 60 + 16 + 10 - 64);
}

#[test]
fn a_slow_consumer_pauses_its_own_turn_and_no_other() {
    let mut engine = generation(FakeBackend::new(64), LIMITS).0;
    let (sink, mut slow) = mpsc::channel(SINK_EVENTS_MIN);
    let request = sampling(|s| s.seed = 3);
    let turn = NewTurn {
        task: Task::Generate,
        prompt: prompt(1, 5),
        pictures: Vec::new(),
        stands_alone: true,
        channels: Channels::plain(),
        one_call: false,
        guide: None,
        sampling: request.clone(),
        resume: vec![],
        sink,
        tells_prefill: false,
    };
    engine.accept(turn);
    let mut other = open(&mut engine, &prompt(2, 5), &request, &[]);
    while engine.step().unwrap() == StepOutcome::Worked {}
    Transcript::read(&drain(&mut other), 0);
    let mut events = Vec::new();
    loop {
        let taken = drain(&mut slow);
        assert!(taken.len() <= SINK_EVENTS_MIN);
        events.extend(taken);
        if engine.step().unwrap() == StepOutcome::Idle {
            break;
        }
    }
    events.extend(drain(&mut slow));
    let alone = run(&mut generation(FakeBackend::new(64), LIMITS).0, &prompt(1, 5), &request, &[]);
    assert_eq!(events, alone);
}

#[test]
fn a_turn_whose_consumer_has_gone_ends_before_the_next_step() {
    let (mut engine, board) = generation(FakeBackend::new(64), LIMITS);
    let events = open(&mut engine, &prompt(1, 5), &sampling(|_| ()), &[]);
    engine.step().unwrap();
    assert_eq!(board.snapshot(0).running, 1);
    drop(events);
    assert_eq!(engine.step().unwrap(), StepOutcome::Idle);
    assert_eq!(board.snapshot(0).running, 0);
}

#[test]
fn waiting_turns_hear_how_many_are_ahead_and_too_many_are_refused() {
    let limits = SchedulerLimits { running_max: 1, waiting_max: 3, ..LIMITS };
    let mut engine = generation(FakeBackend::new(64), limits).0;
    let mut sinks: Vec<_> =
        (0..5).map(|name| open(&mut engine, &prompt(name, 5), &sampling(|_| ()), &[])).collect();
    let cause = failure(&drain(&mut sinks[4]));
    assert_eq!(cause, Cause::Overloaded { waiting: 4, limit: 3, retry_after_s: 1 });
    exhaust(&mut engine);
    let queued: Vec<_> = drain(&mut sinks[3])
        .into_iter()
        .filter_map(|event| match event {
            TurnEvent::Queued { ahead } => Some(ahead),
            _ => None,
        })
        .collect();
    assert_eq!(queued, [2, 1, 0]);
}

#[test]
fn an_end_of_text_token_ends_the_answer_unless_it_is_ignored() {
    let biased = |ignore_eos| {
        let mut backend = FakeBackend::new(64);
        backend.eos_bias = 100.0;
        let request = sampling(|s| s.ignore_eos = ignore_eos);
        Transcript::read(&run(&mut generation(backend, LIMITS).0, &prompt(1, 5), &request, &[]), 0)
    };
    let ended = biased(false);
    assert_eq!((ended.ids.len(), ended.reason), (0, FinishReason::Stop));
    let ignored = biased(true);
    assert_eq!((ignored.ids, ignored.reason), (vec![EOS; 16], FinishReason::Length));
    assert_eq!(ignored.tail, "", "special tokens have no text");
}

#[test]
fn an_answer_without_a_limit_fills_the_context() {
    let mut backend = FakeBackend::new(64);
    backend.shape.context_tokens = 100;
    let request = sampling(|s| s.max_tokens = None);
    let whole = Transcript::read(&run(&mut generation(backend, LIMITS).0, &prompt(1, 70), &request, &[]), 0);
    assert_eq!((whole.ids.len(), whole.reason), (30, FinishReason::Length));
}

#[test]
fn an_answer_ends_where_the_memory_ends() {
    let request = sampling(|s| s.max_tokens = None);
    let whole = Transcript::read(
        &run(&mut generation(FakeBackend::new(3), LIMITS).0, &prompt(1, 70), &request, &[]),
        0,
    );
    assert_eq!((whole.ids.len(), whole.reason), (26, FinishReason::Length));
}

#[test]
fn what_cannot_run_is_refused_by_name() {
    let (mut engine, _) = generation(FakeBackend::new(4), LIMITS);
    let mut refusal = |prompt: &[u32], resume: &[u32]| {
        failure(&run(&mut engine, prompt, &sampling(|_| ()), resume)).to_string()
    };
    assert_eq!(refusal(&[], &[]), "prompt: 0 tokens are not at least 1");
    assert_eq!(refusal(&[260], &[]), "prompt: token id 260 is not below the vocabulary's 260");
    assert_eq!(refusal(&[1], &[999]), "resume: token id 999 is not below the vocabulary's 260");
    assert_eq!(
        refusal(&prompt(1, 512), &[]),
        "the prompt has 512 tokens and the context of this model holds 512, answer included"
    );
    assert_eq!(refusal(&prompt(1, 130), &[]), "the turn needs 5 KV blocks and the engine has 4");
}

#[test]
fn logits_that_are_not_numbers_fail_their_turn_and_no_other() {
    let mut backend = FakeBackend::new(64);
    backend.curse = Curse::NotANumber;
    let mut engine = generation(backend, LIMITS).0;
    let mut cursed = open(&mut engine, &[CURSED, 50, 51], &sampling(|_| ()), &[]);
    let mut other = open(&mut engine, &prompt(2, 5), &sampling(|_| ()), &[]);
    exhaust(&mut engine);
    let cause = failure(&drain(&mut cursed));
    assert!(matches!(cause, Cause::EngineLost { .. }) && cause.is_retryable());
    Transcript::read(&drain(&mut other), 0);
}

#[test]
fn a_failed_step_fails_every_turn_once() {
    let mut backend = FakeBackend::new(64);
    backend.curse = Curse::Error;
    let mut engine = generation(backend, SchedulerLimits { running_max: 2, ..LIMITS }).0;
    let mut sinks: Vec<_> =
        (0..3).map(|_| open(&mut engine, &[CURSED, 50], &sampling(|_| ()), &[])).collect();
    assert!(engine.step().is_err());
    for events in &mut sinks {
        let events = drain(events);
        assert_eq!(events.iter().filter(|event| event.is_terminal()).count(), 1);
        assert!(matches!(failure(&events), Cause::EngineLost { .. }));
    }
}

#[test]
fn logprobs_come_with_the_bytes_of_their_tokens() {
    let mut engine = generation(FakeBackend::new(64), LIMITS).0;
    let request = sampling(|s| {
        s.temperature = Some(0.0);
        s.logprobs = Some(3);
        s.max_tokens = Some(2);
    });
    let events = run(&mut engine, &prompt(1, 5), &request, &[]);
    let Some(TurnEvent::Tokens { ids, logprobs, .. }) = events.get(1) else { panic!("{events:?}") };
    let [logprob] = logprobs.as_slice() else { panic!("{logprobs:?}") };
    assert_eq!(logprob.chosen, logprob.top[0], "greedy takes the likeliest");
    assert_eq!((logprob.chosen.id, logprob.chosen.bytes.as_slice()), (ids[0], &[ids[0] as u8][..]));
    assert!(logprob.top.windows(2).all(|pair| pair[0].logprob >= pair[1].logprob) && logprob.top.len() == 3);
}

#[test]
fn the_load_counts_what_was_done() {
    let (mut engine, board) = generation(FakeBackend::new(64), LIMITS);
    for _ in 0..2 {
        run(&mut engine, &prompt(1, 70), &sampling(|_| ()), &[]);
    }
    let load = board.snapshot(0);
    assert_eq!((load.prompt_tokens, load.cached_tokens, load.generated_tokens), (140, 64, 32));
    assert_eq!((load.running, load.waiting, load.kv_blocks_total), (0, 0, 64));
    assert_eq!(load.samples.len() as u64, load.steps);
    assert_eq!(load.samples[0].tokens, 48, "the first step is full of prompt");
    assert_eq!(board.snapshot(load.steps - 1).samples, load.samples[load.samples.len() - 1..]);
}
