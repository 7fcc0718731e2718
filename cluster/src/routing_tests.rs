//! Who is chosen, by tables; that nothing worse than near the best ever is, by random ones.

use proptest::prelude::*;

use super::*;

fn idle(index: u32) -> Candidate {
    Candidate { index, turns_max: 8, step_ms: 20.0, prefill_tokens_per_s: 1000.0, ..Candidate::default() }
}

/// Whoever can be chosen for a prompt of 1,000 tokens, over many draws.
fn chosen(candidates: &[Candidate]) -> Vec<u32> {
    let mut scratch = Vec::new();
    let mut winners: Vec<_> = (0..64u64)
        .filter_map(|n| {
            let draw = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            choose(candidates.iter().copied(), 1000, draw, &mut scratch).map(|choice| choice.index)
        })
        .collect();
    winners.sort_unstable();
    winners.dedup();
    winners
}

#[test]
fn the_fastest_prediction_wins_whatever_makes_it_fast() {
    let base = idle(0);
    let cases = [
        ("an idle one", Candidate { turns: 8, ..base }),
        ("one with fewer tokens to prefill", Candidate { pending_tokens: 4000, ..base }),
        ("a faster one", Candidate { step_ms: 40.0, ..base }),
        ("one with a faster prefill", Candidate { prefill_tokens_per_s: 200.0, ..base }),
        ("one that is nearer", Candidate { rtt_ms: 900.0, ..base }),
    ];
    for (name, worse) in cases {
        assert_eq!(chosen(&[worse, idle(1)]), [1], "{name}");
        assert_eq!(chosen(&[idle(1), worse]), [1], "{name}");
    }
    assert_eq!(chosen(&[]), Vec::<u32>::new());
}

#[test]
fn a_cached_prefix_wins_until_the_load_costs_more() {
    let cached = |turns| Candidate { cached_tokens: 960, turns, running: 1, ..idle(0) };
    let other = idle(1);
    assert_eq!(chosen(&[cached(1), other]), [0]);
    assert_eq!(chosen(&[cached(12), other]), [1]);
    let difference = |turns| predict_ms(&cached(turns), 1000) - predict_ms(&other, 1000);
    assert!(difference(1) < 0.0 && difference(12) > 0.0);
}

#[test]
fn equals_share_the_turns() {
    assert_eq!(chosen(&[idle(0), idle(1), idle(2), idle(3)]), [0, 1, 2, 3]);
    let nearly = Candidate { rtt_ms: NEAR_MS * 0.9, ..idle(1) };
    assert_eq!(chosen(&[idle(0), nearly]), [0]);
    assert_eq!(chosen(&[nearly, nearly]), [1]);
}

#[test]
fn an_unknown_replica_is_tried() {
    let unknown = Candidate { index: 1, turns_max: 8, ..Candidate::default() };
    let slow = Candidate { step_ms: 80.0, prefill_tokens_per_s: 200.0, ..idle(0) };
    // As good as the best that was measured, be that better than the prior or worse.
    let fast = Candidate { step_ms: 0.2, prefill_tokens_per_s: 20_000.0, ..idle(0) };
    assert_eq!(chosen(&[fast, unknown]), [0, 1]);
    assert_eq!(chosen(&[fast, Candidate { index: 2, step_ms: 0.4, ..unknown }, unknown]), [0, 1]);
    assert_eq!(chosen(&[slow, Candidate { index: 2, ..slow }, unknown]), [0, 1, 2]);
    // The steps of a large batch say what one sequence alone would take.
    let busy =
        Candidate { step_ms: 60.0, running: 32, turns: 32, turns_max: 64, cached_tokens: 1000, ..idle(0) };
    assert_eq!(chosen(&[busy, Candidate { turns_max: 64, ..unknown }]), [1]);
    let slowest = Candidate { step_ms: f32::MAX, prefill_tokens_per_s: f32::MIN_POSITIVE, ..unknown };
    assert!(predict_ms(&slowest, u32::MAX).is_finite());
    assert_eq!(chosen(&[slowest]), [1]);
    for hostile in [f32::NAN, f32::INFINITY, -1.0] {
        let liar = Candidate { step_ms: hostile, prefill_tokens_per_s: hostile, ..unknown };
        assert_eq!(predict_ms(&liar, 1000), predict_ms(&unknown, 1000));
    }
}

proptest! {
    #[test]
    fn nobody_farther_than_the_tolerance_is_chosen(
        candidates in prop::collection::vec((0u32..20, 0u32..20, 0f32..100.0, 0f32..5000.0, 0u32..3000, 0f32..200.0, 0u32..3000), 1..40),
        tokens in 0u32..5000,
        draw in any::<u64>(),
    ) {
        let candidates: Vec<_> = candidates.into_iter().enumerate().map(|(index, c)| Candidate {
            index: index as u32, turns: c.0, turns_max: 8, running: c.1, step_ms: c.2,
            prefill_tokens_per_s: c.3, pending_tokens: c.4, rtt_ms: c.5, cached_tokens: c.6,
        }).collect();
        let best = Best::of(candidates.iter().copied());
        let candidates: Vec<_> = candidates.into_iter().map(|candidate| best.stands_in(candidate)).collect();
        let best = candidates.iter().map(|c| predict_ms(c, tokens)).fold(f32::INFINITY, f32::min);
        let choice = choose(candidates.iter().copied(), tokens, draw, &mut Vec::new());
        let choice = choice.expect("there is somebody");
        prop_assert!(best.is_finite() && best > 0.0);
        prop_assert!(choice.predicted_ms <= near(best));
        prop_assert_eq!(choice.predicted_ms, predict_ms(&candidates[choice.index as usize], tokens));
    }
}
