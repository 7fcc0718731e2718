//! What lengths are read from, what they are refused for, and that draws keep to their distribution.

use super::*;
use crate::random::Purpose;

fn draws(text: &str) -> Vec<u32> {
    let lengths: Lengths = text.parse().unwrap();
    let mut random = Random::new(3, Purpose::Lengths);
    (0..10_000).map(|_| lengths.draw(&mut random)).collect()
}

fn mean(draws: &[u32]) -> f64 {
    draws.iter().map(|draw| f64::from(*draw)).sum::<f64>() / draws.len() as f64
}

#[test]
fn a_text_is_read_and_written_alike() {
    for text in
        ["64", "uniform:20-200", "normal:100,20,1-400", "lognormal:80.5,0.75,1-1000", "list:12,40,800", "0"]
    {
        let lengths: Lengths = text.parse().unwrap();
        assert_eq!(lengths.to_string(), text);
        let json = serde_json::to_string(&lengths).unwrap();
        assert_eq!(serde_json::from_str::<Lengths>(&json).unwrap(), lengths);
    }
    assert_eq!(serde_json::from_str::<Lengths>("64").unwrap(), Lengths::Fixed(64));
    assert_eq!(" fixed:7 ".parse(), Ok(Lengths::Fixed(7)));
    assert_eq!("normal:100,20".parse::<Lengths>().unwrap().max(), LENGTH_MAX);
}

#[test]
fn a_wrong_text_is_named_with_its_part_and_the_remedy() {
    for (text, message) in [
        ("zipf:3", "lengths `zipf:3` have an unknown form; known: 64, uniform:20-200"),
        ("12x", "lengths `12x`: length `12x` is not a whole number from 0 to 1000000"),
        ("-3", "lengths `-3`: length `-3` is not a whole number"),
        ("uniform:20", "lengths `uniform:20`: range `20` is not two lengths as MIN-MAX"),
        ("uniform:30-20", "range `30-20` is not two lengths as MIN-MAX, the smaller first"),
        ("uniform:1-2,3", "have 2 parts behind the colon, not 1"),
        ("normal:5", "lengths `normal:5` have 1 parts behind the colon, not 2 or 3"),
        ("normal:5,wide", "deviation `wide` is not a number"),
        ("lognormal:-5,1", "median `-5` is not a number from 0 to 1000000"),
        ("lognormal:NaN,1", "median `NaN` is not"),
        ("list:", "length `` is not a whole number"),
        ("list:1,,2", "length `` is not a whole number"),
        ("2000000", "length `2000000` is not a whole number from 0 to 1000000"),
    ] {
        let error = text.parse::<Lengths>().unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn draws_lie_where_they_may_and_have_the_mean_of_the_distribution() {
    for (text, expected, tolerance) in [
        ("64", 64.0, 0.0),
        ("uniform:20-200", 110.0, 2.0),
        ("normal:100,20", 100.0, 1.0),
        ("lognormal:80,0.5", 90.7, 1.5),
        ("list:10,20,90", 40.0, 1.0),
    ] {
        let seen = mean(&draws(text));
        assert!((seen - expected).abs() <= tolerance, "{text}: {seen}");
        let stated = text.parse::<Lengths>().unwrap().mean();
        assert!((stated - expected).abs() <= 0.1, "{text}: {stated}");
    }
    let uniform = draws("uniform:3-5");
    assert_eq!((uniform.iter().min(), uniform.iter().max()), (Some(&3), Some(&5)));
    let clipped = draws("normal:10,50,5-20");
    assert_eq!((clipped.iter().min(), clipped.iter().max()), (Some(&5), Some(&20)));
    let mut tail = draws("lognormal:80,1");
    tail.sort_unstable();
    assert!((70..=90).contains(&tail[5_000]) && tail[9_900] > 600, "{} {}", tail[5_000], tail[9_900]);
}
