//! What arrivals are read from, what they are refused for, and that starts have the statistics of their process.

use std::time::Duration;

use super::*;
use crate::random::Purpose;

const LENGTH: Duration = Duration::from_secs(200);

fn starts(text: &str) -> Vec<f64> {
    let arrival: Arrival = text.parse().unwrap();
    let starts = arrival.starts(LENGTH, usize::MAX, &mut Random::new(11, Purpose::Arrivals));
    assert!(starts.is_sorted(), "{text}");
    assert!(starts.iter().all(|at| *at <= LENGTH), "{text}");
    starts.iter().map(Duration::as_secs_f64).collect()
}

/// Mean of the gaps and their variance over the square of the mean: 1 for Poisson.
fn gaps(starts: &[f64]) -> (f64, f64) {
    let gaps: Vec<f64> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let variance = gaps.iter().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / gaps.len() as f64;
    (mean, variance / (mean * mean))
}

fn within(starts: &[f64], from: f64, to: f64) -> usize {
    starts.iter().filter(|at| (from..to).contains(*at)).count()
}

#[test]
fn a_text_is_read_and_written_alike() {
    for text in [
        "constant:20",
        "poisson:0.5",
        "gamma:20,0.25",
        "bursts:2,50,10,1.5",
        "ramp:1-50",
        "steps:5x30,50x10,5x30",
        "closed:16",
    ] {
        let arrival: Arrival = text.parse().unwrap();
        assert_eq!(arrival.to_string(), text);
        let json = serde_json::to_string(&arrival).unwrap();
        assert_eq!(serde_json::from_str::<Arrival>(&json).unwrap(), arrival);
    }
}

#[test]
fn a_wrong_text_is_named_with_its_part_and_the_remedy() {
    for (text, message) in [
        ("20", "arrival `20` has an unknown form; known: constant:RATE"),
        ("uniform:3", "arrival `uniform:3` has an unknown form"),
        ("poisson:fast", "arrival `poisson:fast`: rate `fast` is not a number from 0 to 100000"),
        ("poisson:-1", "rate `-1` is not a number"),
        ("poisson:inf", "rate `inf` is not a number"),
        ("poisson:NaN", "rate `NaN` is not a number"),
        ("poisson:1,2", "arrival `poisson:1,2` has 2 parts behind the colon, not RATE"),
        ("constant:0", "arrival `constant:0` has no requests; some rate must be above 0"),
        ("gamma:3", "has 1 parts behind the colon, not RATE,SHAPE"),
        ("gamma:3,0", "shape `0` is not a number from 0.01 to 1000"),
        ("bursts:1,2,3", "has 3 parts behind the colon, not QUIET,BURST,QUIET_S,BURST_S"),
        ("bursts:1,2,3,0", "seconds `0` is not a number from 0.1"),
        ("ramp:5", "ramp `5` is not two rates as FROM-TO"),
        ("ramp:0-0", "has no requests"),
        ("steps:5", "step `5` is not a rate and seconds as RATExSECONDS"),
        ("steps:5x0", "seconds `0` is not a number from 0.001"),
        ("closed:0", "clients `0` is not a whole number from 1 to 100000"),
        ("closed:1.5", "clients `1.5` is not a whole number"),
    ] {
        let error = text.parse::<Arrival>().unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn even_arrivals_are_even_and_begin_at_once() {
    let starts = starts("constant:20");
    assert_eq!(starts.len(), 4_000);
    assert_eq!(starts[0], 0.0);
    assert!(starts.windows(2).all(|pair| (pair[1] - pair[0] - 0.05).abs() < 2e-6));
}

#[test]
fn gaps_scatter_as_their_process_says() {
    for (text, scatter) in [("poisson:20", 1.0), ("gamma:20,0.25", 4.0), ("gamma:20,4", 0.25)] {
        let starts = starts(text);
        let (mean, seen) = gaps(&starts);
        assert!((3_600..4_400).contains(&starts.len()), "{text}: {}", starts.len());
        assert!((0.045..0.055).contains(&mean), "{text}: {mean}");
        assert!((0.8 * scatter..1.2 * scatter).contains(&seen), "{text}: {seen}");
    }
}

#[test]
fn bursts_scatter_more_than_poisson_and_keep_the_mean() {
    let starts = starts("bursts:5,65,3,1");
    assert!((3_000..5_000).contains(&starts.len()), "{}", starts.len());
    let (_, scatter) = gaps(&starts);
    assert!(scatter > 1.5, "{scatter}");
    let seconds: Vec<usize> = (0..200).map(|s| within(&starts, f64::from(s), f64::from(s + 1))).collect();
    assert!(seconds.iter().any(|count| *count <= 8) && seconds.iter().any(|count| *count >= 50));
}

#[test]
fn ramps_and_steps_follow_their_rate() {
    let ramp = starts("ramp:0-40");
    let quarters: Vec<usize> =
        (0..4).map(|q| within(&ramp, f64::from(q) * 50.0, f64::from(q + 1) * 50.0)).collect();
    for (seen, expected) in quarters.iter().zip([250usize, 750, 1_250, 1_750]) {
        assert!(seen.abs_diff(expected) < expected / 5, "{quarters:?}");
    }
    let down = starts("ramp:40-0");
    assert!(within(&down, 0.0, 50.0).abs_diff(1_750) < 350, "{}", within(&down, 0.0, 50.0));
    let spike = starts("steps:2x50,100x10,2x5");
    assert!(within(&spike, 50.0, 60.0).abs_diff(1_000) < 150);
    assert!(within(&spike, 60.0, 200.0).abs_diff(280) < 80, "the last step holds to the end");
    assert!(within(&spike, 0.0, 50.0).abs_diff(100) < 40);
}

#[test]
fn a_rate_is_the_mean_and_levels_scale_the_shape() {
    for (text, rate) in [
        ("constant:20", 20.0),
        ("gamma:20,3", 20.0),
        ("bursts:5,65,3,1", 20.0),
        ("ramp:10-30", 20.0),
        ("steps:10x100,30x1", 20.0),
    ] {
        let arrival: Arrival = text.parse().unwrap();
        assert_eq!(arrival.rate(LENGTH), Some(rate), "{text}");
        let doubled = arrival.at_level(40.0, LENGTH);
        assert_eq!(doubled.rate(LENGTH), Some(40.0), "{text}");
        assert!(arrival.is_open());
    }
    let closed = Arrival::Closed { clients: 4 };
    assert_eq!((closed.rate(LENGTH), closed.is_open()), (None, false));
    assert_eq!(closed.at_level(7.6, LENGTH), Arrival::Closed { clients: 8 });
    assert_eq!(closed.at_level(0.0, LENGTH), Arrival::Closed { clients: 1 });
}

#[test]
fn no_more_starts_are_made_than_asked() {
    let arrival: Arrival = "poisson:100000".parse().unwrap();
    assert_eq!(arrival.starts(LENGTH, 500, &mut Random::new(1, Purpose::Arrivals)).len(), 500);
    let none = Arrival::Steps(Vec::new());
    assert!(none.starts(LENGTH, 10, &mut Random::new(1, Purpose::Arrivals)).is_empty());
    assert!(arrival.starts(Duration::ZERO, 10, &mut Random::new(1, Purpose::Arrivals)).is_empty());
}
