//! The scheduling rules by case, and random loads under all of them at once.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::pace::PREFILL_TOKENS_MIN;
use super::*;

const LIMITS: SchedulerLimits = SchedulerLimits {
    running_max: 4,
    waiting_max: 8,
    step_prefill_tokens_max: 64,
    step_guesses_max: 8,
    guess_chance_min: None,
};
/// More tokens than any answer here has.
const PLENTY: usize = 10_000;

fn prompt(name: u32, tokens: usize) -> Vec<u32> {
    vec![name; tokens]
}

/// Plans and completes one step; each sequence that gets logits gets `token`. Steps are free on this machine.
fn step(scheduler: &mut Scheduler, token: u32) -> Plan {
    let plan = scheduler.plan();
    scheduler.complete(&plan);
    for planned in plan.steps.iter().filter(|planned| planned.wants_logits) {
        while scheduler.push(planned.sequence, token) {}
    }
    scheduler.observe(&plan, Duration::from_millis(1));
    plan
}

#[test]
fn a_long_prompt_does_not_stall_a_running_answer() {
    let mut scheduler = Scheduler::new(LIMITS, 100);
    let answer = scheduler.submit(prompt(1, 10), PLENTY).unwrap();
    step(&mut scheduler, 7);
    scheduler.submit(prompt(2, PREFILL_TOKENS_MIN + 640), PLENTY).unwrap();
    assert_eq!(step(&mut scheduler, 7).prefill_tokens, 0, "one step tells how long the answer takes alone");
    let telling = step(&mut scheduler, 7).prefill_tokens;
    assert_eq!(telling, PREFILL_TOKENS_MIN, "one tells what a prompt token costs");
    for _ in 0..10 {
        let plan = step(&mut scheduler, 7);
        assert_eq!(plan.steps[0].sequence, answer);
        assert_eq!(plan.prefill_tokens, 64);
    }
    assert_eq!(step(&mut scheduler, 7).prefill_tokens, 0);
}

#[test]
fn turns_beyond_the_waiting_places_are_refused() {
    let mut scheduler = Scheduler::new(LIMITS, 100);
    for _ in 0..12 {
        scheduler.submit(prompt(1, 4), PLENTY).unwrap();
    }
    let refused = scheduler.submit(prompt(1, 4), PLENTY);
    assert_eq!(refused, Err(Cause::Overloaded { waiting: 12, limit: 8, retry_after_s: 1 }));
    assert_eq!(scheduler.plan().admitted.len(), 4);
    assert!(scheduler.submit(prompt(1, 4), PLENTY).is_err(), "the batch is full and eight wait");
}

#[test]
fn a_turn_that_cannot_fit_is_refused_with_the_numbers() {
    let mut scheduler = Scheduler::new(LIMITS, 2);
    assert_eq!(scheduler.submit(prompt(1, 64), PLENTY), Err(Cause::KvExhausted { needed: 3, total: 2 }));
    assert!(scheduler.submit(prompt(1, 63), PLENTY).is_ok());
}

#[test]
fn when_memory_runs_out_the_youngest_gives_way_and_returns_first() {
    let mut scheduler = Scheduler::new(LIMITS, 4);
    let older = scheduler.submit(prompt(1, 31), PLENTY).unwrap();
    let younger = scheduler.submit(prompt(2, 31), PLENTY).unwrap();
    step(&mut scheduler, 7);
    let last = scheduler.submit(prompt(3, 62), PLENTY).unwrap();
    let mut both = 0;
    while scheduler.running.contains_key(&younger) {
        step(&mut scheduler, 7);
        both += 1;
    }
    assert_eq!(both, 34, "two blocks each hold 64 tokens");
    assert_eq!(scheduler.waiting().collect::<Vec<_>>(), [younger, last]);
    scheduler.finish(older);
    let plan = scheduler.plan();
    assert_eq!(plan.admitted, [Admitted { sequence: younger, cached_tokens: 32 }]);
}

#[test]
fn a_paused_sequence_keeps_its_place_and_takes_no_part() {
    let mut scheduler = Scheduler::new(LIMITS, 10);
    let slow = scheduler.submit(prompt(1, 4), PLENTY).unwrap();
    let other = scheduler.submit(prompt(2, 4), PLENTY).unwrap();
    step(&mut scheduler, 7);
    scheduler.set_paused(slow, true);
    let plan = step(&mut scheduler, 7);
    assert_eq!(plan.steps.iter().map(|planned| planned.sequence).collect::<Vec<_>>(), [other]);
    scheduler.set_paused(slow, false);
    assert_eq!(step(&mut scheduler, 7).steps.len(), 2);
}

#[test]
fn the_second_turn_of_a_chat_prefills_only_what_is_new() {
    let mut scheduler = Scheduler::new(LIMITS, 10);
    let first = scheduler.submit(prompt(1, 60), PLENTY).unwrap();
    for _ in 0..10 {
        step(&mut scheduler, 7);
    }
    scheduler.finish(first);
    let history = [prompt(1, 60), vec![7; 9], prompt(2, 20)].concat();
    scheduler.submit(history, PLENTY).unwrap();
    let plan = scheduler.plan();
    assert_eq!(plan.admitted[0].cached_tokens, 64);
    assert_eq!(plan.prefill_tokens, 25);
}

#[test]
fn an_answer_that_repeats_itself_is_guessed_and_takes_fewer_steps() {
    let mut scheduler = Scheduler::new(LIMITS, 20);
    let answer = scheduler.submit(prompt(1, 10), 110).unwrap();
    let mut steps = 0;
    while scheduler.running.get(&answer).is_none_or(|running| running.tokens.len() < 110) {
        let plan = step(&mut scheduler, 7);
        assert!(plan.steps.iter().all(|planned| planned.positions.end < 110), "the last token needs no KV");
        steps += 1;
    }
    assert_eq!(scheduler.running[&answer].tokens[10..], [7; 100]);
    assert!(steps < 40, "{steps} steps");
}

#[test]
fn a_wrong_guess_leaves_nothing_behind() {
    let mut scheduler = Scheduler::new(LIMITS, 20);
    let text: Vec<u32> = (0..40).map(|index| index % 4).collect();
    let answer = scheduler.submit(text.clone(), PLENTY).unwrap();
    let mut expected = text;
    let mut guessed = 0;
    for token in 0..60 {
        let plan = scheduler.plan();
        scheduler.complete(&plan);
        assert!(!scheduler.push(answer, 50 + token), "a token that never was is not guessed");
        scheduler.observe(&plan, Duration::from_millis(1));
        expected.push(50 + token);
        guessed += plan.guesses;
        let running = &scheduler.running[&answer];
        assert_eq!((&running.tokens, running.computed), (&expected, expected.len() - 1));
    }
    assert_eq!(guessed, 0, "nothing repeats");
    for (token, is_right) in [(50, false), (51, false), (7, false), (50, false), (51, false), (99, false)] {
        let plan = scheduler.plan();
        scheduler.complete(&plan);
        guessed += plan.guesses;
        assert_eq!(scheduler.push(answer, token), is_right);
        scheduler.observe(&plan, Duration::from_millis(1));
        expected.push(token);
        assert_eq!(scheduler.running[&answer].tokens, expected);
    }
    assert!(guessed > 0, "the pair 50, 51 was followed by 52 and by 7");
}

#[derive(Clone, Debug)]
struct Load {
    prompt: Vec<u32>,
    answer: usize,
    arrives: usize,
}

fn load() -> impl Strategy<Value = Load> {
    let prompt = prop::collection::vec(0u32..2, 1..4).prop_flat_map(|names| {
        let whole: Vec<u32> = names.iter().flat_map(|name| [*name; BLOCK_TOKENS / 2]).collect();
        (1..=whole.len()).prop_map(move |tokens| whole[..tokens].to_vec())
    });
    (prompt, 1usize..80, 0usize..40).prop_map(|(prompt, answer, arrives)| Load { prompt, answer, arrives })
}

proptest! {
    #[test]
    fn every_turn_ends_once_answers_never_starve_and_budgets_hold(
        loads in prop::collection::vec(load(), 1..24),
        blocks in 5usize..20,
        paused in any::<u64>(),
    ) {
        let mut scheduler = Scheduler::new(LIMITS, blocks);
        let mut left: HashMap<SequenceId, usize> = HashMap::new();
        let mut arriving = loads;
        let mut ended = BTreeSet::new();
        let (mut refused, turns) = (0, arriving.len());
        for round in 0..20_000usize {
            let (now, later) = arriving.into_iter().partition(|load| load.arrives <= round);
            arriving = later;
            for load in now {
                match scheduler.submit(load.prompt.clone(), load.prompt.len() + load.answer) {
                    Ok(id) => drop(left.insert(id, load.answer)),
                    Err(_) => refused += 1,
                }
            }
            for id in left.keys() {
                scheduler.set_paused(*id, round < 200 && (paused >> ((id.0 + round as u64) % 64)) & 1 == 1);
            }
            let decoding: Vec<SequenceId> = scheduler.running.iter()
                .filter(|(_, running)| running.is_decoding() && !running.paused).map(|(id, _)| *id).collect();
            let plan = scheduler.plan();
            prop_assert!(plan.prefill_tokens <= LIMITS.step_prefill_tokens_max);
            prop_assert!(scheduler.running_count() <= LIMITS.running_max);
            for id in decoding {
                let is_served = plan.steps.iter().any(|planned| planned.sequence == id);
                let gave_way = scheduler.waiting.contains_key(&id) || plan.exhausted.iter().any(|(gone, _)| *gone == id);
                prop_assert!(is_served != gave_way, "an answer goes on in every step or gives way");
            }
            for step in scheduler.batch(&plan) {
                prop_assert!(step.blocks.len() * BLOCK_TOKENS >= step.position + step.tokens.len());
                prop_assert!(!step.tokens.is_empty());
            }
            scheduler.complete(&plan);
            for (id, _) in &plan.exhausted {
                prop_assert!(ended.insert(*id));
                left.remove(id);
            }
            for planned in plan.steps.iter().filter(|planned| planned.wants_logits) {
                let id = planned.sequence;
                prop_assert!(planned.logit_rows() <= left[&id], "no row is behind the last token of an answer");
                for _ in 0..planned.logit_rows() {
                    let tokens = left.get_mut(&id).expect("only live turns are planned");
                    *tokens -= 1;
                    // Mostly the same, so that guesses are made, are right and are wrong.
                    let token = if tokens.is_multiple_of(7) { 8 } else { 7 };
                    if *tokens == 0 {
                        scheduler.finish(id);
                        left.remove(&id);
                        prop_assert!(ended.insert(id));
                        break;
                    } else if !scheduler.push(id, token) {
                        break;
                    }
                }
            }
            prop_assert!(plan.guesses <= LIMITS.step_guesses_max);
            prop_assert!(plan.guesses == 0 || plan.prefill_tokens == 0, "prompts go first");
            scheduler.observe(&plan, Duration::from_micros((paused >> (round % 60)) & 255));
            if left.is_empty() && arriving.is_empty() {
                break;
            }
        }
        prop_assert_eq!(ended.len() + refused, turns);
        prop_assert_eq!(scheduler.pool().available(), blocks);
    }
}
