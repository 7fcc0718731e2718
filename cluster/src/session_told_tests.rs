//! What is known of a turn besides its answer: how far its prompt is, and when it began to speak.

use pomona_protocol::{SessionLive, TurnEvent};

use super::bench::*;
use super::*;

const STARTED: TurnEvent = TurnEvent::Started { prompt_tokens: 9, cached_tokens: 4 };

#[test]
fn a_turn_knows_when_it_started_and_when_its_first_token_came() {
    let mut bench = Bench::new();
    bench.asked(ask("hi"));
    let times = |bench: &Bench| {
        let view = bench.session.view(1).unwrap();
        (view.turns[0].started_ms, view.turns[0].first_token_ms)
    };
    assert_eq!(times(&bench), (0, 0));
    bench.says(vec![STARTED]);
    let started = bench.now;
    bench.write();
    assert_eq!(times(&bench), (started, 0));
    bench.says(vec![tokens(0, &[7], "a")]);
    let first = bench.now;
    bench.write();
    bench.says(vec![tokens(1, &[8], "b"), finished("")]);
    bench.write();
    assert_eq!(times(&bench), (started, first));
    bench.crash();
    assert_eq!(times(&bench), (started, first), "the log says it, whoever reads it");
}

#[test]
fn a_snapshot_that_notes_no_times_is_read() {
    let mut bench = Bench::new();
    bench.answered(ask("hi"), "ho");
    let mut snapshot = serde_json::to_value(bench.session.state()).unwrap();
    for time in ["started_ms", "first_token_ms"] {
        assert!(snapshot["turns"][0].as_object_mut().unwrap().remove(time).is_some());
    }
    let state: SessionState = serde_json::from_value(snapshot).unwrap();
    let turn = &state.view(1).unwrap().turns[0];
    assert_eq!((turn.started_ms, turn.first_token_ms, turn.answer.as_str()), (0, 0, "ho"));
}

#[test]
fn how_far_a_prompt_is_passes_and_is_in_no_log() {
    let mut bench = Bench::new();
    let turn = bench.asked(ask("hi"));
    let prefill = |done| TurnEvent::Prefill { done, total: 900 };
    bench.says(vec![STARTED, prefill(100), prefill(300)]);
    bench.write();
    assert_eq!(
        bench.lives,
        [SessionLive::Prefill { turn, done: 300, total: 900 }],
        "the newest of one message"
    );
    let batches = bench.batches.len();
    bench.says(vec![prefill(600)]);
    let told = Effect::Live(SessionLive::Prefill { turn, done: 600, total: 900 });
    assert_eq!(bench.last, [told, Effect::Ready { run: 1 }]);
    assert_eq!(bench.batches.len(), batches, "nothing was written");
}
