//! Against values from tables and from counting by hand.

use super::*;
use crate::random::Purpose;

#[track_caller]
fn assert_near(seen: f64, expected: f64, tolerance: f64) {
    assert!((seen - expected).abs() <= tolerance, "{seen} for {expected}");
}

#[test]
fn means_and_medians() {
    assert_eq!((mean(&[]), median(&[])), (0.0, 0.0));
    assert_eq!((mean(&[1.0, 2.0, 6.0]), median(&[6.0, 1.0, 2.0])), (3.0, 2.0));
    assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
}

#[test]
fn tails_of_students_distribution_are_those_of_the_table() {
    for (t, degrees, above) in [
        (0.0, 5.0, 0.5),
        (6.314, 1.0, 0.05),
        (2.920, 2.0, 0.05),
        (1.812, 10.0, 0.05),
        (2.228, 10.0, 0.025),
        (1.697, 30.0, 0.05),
        (2.457, 30.0, 0.01),
        (1.660, 100.0, 0.05),
        (-1.812, 10.0, 0.95),
    ] {
        assert_near(student_above(t, degrees), above, 1e-4);
    }
    assert!(student_above(50.0, 30.0) < 1e-20);
}

#[test]
fn a_line_has_its_slope_and_the_chance_of_it() {
    let line =
        |ys: &[f64]| Line::through(&ys.iter().enumerate().map(|(x, y)| (x as f64, *y)).collect::<Vec<_>>());
    assert_eq!(line(&[1.0, 3.0, 5.0]), Some(Line { slope: 2.0, p_rising: 0.0 }));
    assert_eq!(line(&[5.0, 3.0, 1.0]), Some(Line { slope: -2.0, p_rising: 1.0 }));
    assert_eq!(line(&[4.0, 4.0, 4.0]), Some(Line { slope: 0.0, p_rising: 1.0 }));
    // By hand: slope 0.6, residuals 2.4 over 3 degrees, error sqrt(0.08), t 2.1213, p of the table 0.0620.
    let scattered = line(&[2.0, 4.0, 5.0, 4.0, 5.0]).unwrap();
    assert_near(scattered.slope, 0.6, 1e-12);
    assert_near(scattered.p_rising, 0.0620, 2e-4);
    assert!(line(&[1.0, 2.0]).is_none());
    assert!(Line::through(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]).is_none());
}

#[test]
fn mann_and_whitney_count_orders() {
    let low = [1.0, 2.0, 3.0, 4.0];
    let high = [5.0, 6.0, 7.0, 8.0];
    assert_near(mann_whitney(&low, &high), 2.0 / 70.0, 1e-12);
    assert_near(mann_whitney(&high, &low), 2.0 / 70.0, 1e-12);
    assert_near(mann_whitney(&low[..3], &high[..3]), 0.1, 1e-12);
    // One inversion: orders with at most one win are two of seventy, on each side.
    assert_near(mann_whitney(&[1.0, 2.0, 3.0, 5.5], &[5.0, 6.0, 7.0, 8.0]), 4.0 / 70.0, 1e-12);
    // The critical value of the table for five and five at 5 % is 2 wins, at 1 % none.
    let five = [1.0, 2.0, 3.0, 4.0, 7.5];
    let others = [6.0, 7.0, 8.0, 9.0, 10.0];
    assert!(mann_whitney(&five, &others) < 0.05 && mann_whitney(&five, &others) > 0.01);
    assert_eq!(mann_whitney(&[], &low), 1.0);
    assert_eq!(mann_whitney(&[3.0; 5], &[3.0; 5]), 1.0, "all are equal");
    assert_eq!(mann_whitney(&[1.0, 4.0, 5.0, 8.0], &[2.0, 3.0, 6.0, 7.0]), 1.0);
}

#[test]
fn the_normal_curve_agrees_with_the_orders() {
    let mut random = Random::new(5, Purpose::Resampling);
    for shift in [0.0, 0.3, 0.6, 1.0] {
        let a: Vec<f64> = (0..20).map(|_| random.normal()).collect();
        let b: Vec<f64> = (0..20).map(|_| random.normal() + shift).collect();
        let exact = mann_whitney(&a, &b);
        // A pair of ties far from the rest makes the test take the normal curve.
        let with = |values: &[f64]| [values, &[100.0]].concat();
        assert_near(mann_whitney(&with(&a), &with(&b)), exact, 0.03 + 0.1 * exact);
    }
}

#[test]
fn the_bootstrap_covers_what_is_there_and_repeats() {
    let mut noise = Random::new(9, Purpose::Lengths);
    let pairs: Vec<(f64, f64)> = (0..30).map(|_| (10.0 + noise.normal(), 12.0 + noise.normal())).collect();
    let of = |pairs: &[(f64, f64)]| {
        let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        Some(mean(&b) / mean(&a))
    };
    let draw =
        |seed| bootstrap(&pairs, 1_000, 0.95, &mut Random::new(seed, Purpose::Resampling), of).unwrap();
    let (low, high) = draw(1);
    assert!(low < 1.2 && 1.2 < high && high - low < 0.15, "{low} {high}");
    assert_eq!(draw(1), (low, high));
    assert_ne!(draw(2), (low, high));
    let nothing = bootstrap(&pairs, 10, 0.95, &mut Random::new(1, Purpose::Resampling), |_| None);
    assert_eq!(nothing, None);
    assert_eq!(bootstrap(&[], 10, 0.95, &mut Random::new(1, Purpose::Resampling), |_| Some(f64::NAN)), None);
}
