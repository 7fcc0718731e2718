//! What a decision costs: microseconds from ask to grant, and back, by number of replicas in the view. Run with
//! `cargo run --release -p pomona-cluster --example routing_cost`; the promise is 20 µs at 1,000.

#![expect(clippy::print_stdout, reason = "it is run for its figures")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use pomona_cluster::admission::{Admission, AdmissionLimits, Ask, Effect, Input, Ticket};
use pomona_cluster::affinity::Prefix;
use pomona_protocol::{Message, ModelId, NodeId, ReplicaId, ReplicaLoad, Role, TurnId, TurnInput};

const TURNS: u32 = 20_000;
const LIMITS: AdmissionLimits =
    AdmissionLimits { replica_turns_max: 64, queue_max: 1024, wait_max: Duration::from_secs(30) };

fn main() {
    for (words, prompt_bytes) in [("short, 1 KiB each", 1 << 10), ("long, 32 KiB each", 32 << 10)] {
        println!("prompts: {words}");
        for replicas in [1, 10, 100, 1000] {
            let (ask, leave) = cost(replicas, prompt_bytes);
            println!("{replicas:>5} replicas: {ask:6.2} us to ask, {leave:5.2} us to leave");
        }
    }
}

/// Microseconds per ask and per leave, over conversations that share a system prompt and come back.
fn cost(replicas: u32, prompt_bytes: usize) -> (f64, f64) {
    let start = Instant::now();
    let mut admission = Admission::new(LIMITS);
    for n in 0..replicas {
        let replica =
            ReplicaId { node: NodeId(format!("n-{n:016x}")), model: ModelId::from("m"), incarnation: 1 };
        let load = ReplicaLoad {
            turns_max: 64,
            running: n % 7,
            step_ms: 20.0 + (n % 13) as f32,
            prefill_tokens_per_s: 900.0,
            ..ReplicaLoad::default()
        };
        let rtt = Duration::from_micros(300);
        admission.handle(Input::ReplicaUp { replica, load, rtt, is_draining: false }, start);
    }
    let prompts: Vec<_> = (0..200).map(|n| prompt(n, prompt_bytes)).collect();
    let (mut asking, mut leaving) = (Duration::ZERO, Duration::ZERO);
    let mut draw = 1u64;
    for turn in 0..TURNS {
        let ticket = Ticket { turn: TurnId(u128::from(turn)), attempt: 1 };
        let mut ask = Ask::new(ticket, ModelId::from("m"));
        ask.prefix = prompts[turn as usize % prompts.len()].clone();
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ask.draw = draw;
        let input = Input::Ask(Box::new(ask));
        let before = Instant::now();
        let effects = black_box(admission.handle(input, before));
        asking += before.elapsed();
        assert!(matches!(effects[..], [Effect::Grant { .. }]));
        if let Some(old) = turn.checked_sub(replicas.min(16) * 8) {
            let ticket = Ticket { turn: TurnId(u128::from(old)), attempt: 1 };
            let before = Instant::now();
            black_box(admission.handle(Input::Leave { ticket }, before));
            leaving += before.elapsed();
        }
    }
    let per_turn = |spent: Duration| spent.as_secs_f64() * 1e6 / f64::from(TURNS);
    (per_turn(asking), per_turn(leaving))
}

fn prompt(n: u32, bytes: usize) -> Prefix {
    let system = Message::text(Role::System, "You help with the orchard. ".repeat(bytes / 108));
    let user = Message::text(Role::User, format!("{n:08} apples? ").repeat(bytes / 22));
    Prefix::of(&TurnInput::Messages(vec![system, user]))
}
