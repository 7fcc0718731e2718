//! What a trace is read from, what it is refused for, and which chains follow from it.

use super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn lines_are_read_with_and_without_a_session() {
    let text = concat!(
        r#"{"at_ms": 0, "prompt_words": 10, "output_tokens": 5}"#,
        "\n\n",
        r#"{"at_ms": 12.5, "prompt_words": 20, "output_tokens": 6, "session": "a", "think_ms": 300}"#,
        "\r\n",
        r#"{"at_ms": 20, "prompt_words": 1, "output_tokens": 1, "session": 7, "think_ms": null}"#,
        "\n",
    );
    let lines = parse(text).unwrap();
    let plain = |at, prompt_words, output_tokens| Line {
        at,
        prompt_words,
        output_tokens,
        session: None,
        think: None,
    };
    assert_eq!(lines[0], plain(ms(0), 10, 5));
    let second = plain(Duration::from_micros(12_500), 20, 6);
    assert_eq!(lines[1], Line { session: Some("a".to_owned()), think: Some(ms(300)), ..second });
    assert_eq!(lines[2], Line { session: Some("7".to_owned()), ..plain(ms(20), 1, 1) });
}

#[test]
fn a_wrong_line_is_named_with_its_field() {
    let good = r#"{"at_ms": 0, "prompt_words": 10, "output_tokens": 5}"#;
    for (line, message) in [
        ("[]", "line 2 of the trace is not a JSON object: invalid type: sequence"),
        ("{", "line 2 of the trace is not a JSON object: EOF"),
        (r#"{"at_ms": 1, "output_tokens": 5}"#, "line 2 of the trace has no field `prompt_words`"),
        (
            r#"{"at": 1, "prompt_words": 1, "output_tokens": 5}"#,
            "line 2 of the trace has an unknown field `at`; known: at_ms, prompt_words, output_tokens, session, think_ms",
        ),
        (
            r#"{"at_ms": -1, "prompt_words": 1, "output_tokens": 5}"#,
            "line 2 of the trace: field `at_ms` is -1, not a number of milliseconds from 0 to a day",
        ),
        (
            r#"{"at_ms": 1, "prompt_words": 0, "output_tokens": 5}"#,
            "line 2 of the trace: field `prompt_words` is 0, not a whole number from 1 to 1000000",
        ),
        (
            r#"{"at_ms": 1, "prompt_words": 1, "output_tokens": "5"}"#,
            "line 2 of the trace: field `output_tokens` is \"5\", not a whole number from 1 to 1000000",
        ),
        (
            r#"{"at_ms": 1, "prompt_words": 1, "output_tokens": 5, "session": []}"#,
            "line 2 of the trace: field `session` is [], not a name of at most 256 bytes",
        ),
    ] {
        let error = parse(&format!("{good}\n{line}\n")).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    assert_eq!(parse(" \n\n"), Err(TraceError::Empty));
    let long = format!(
        r#"{{"at_ms": 0, "prompt_words": 10, "output_tokens": 5, "session": "{}"}}"#,
        "ä".repeat(500)
    );
    assert!(parse(&long).unwrap_err().to_string().len() < 400);
}

#[test]
fn sessions_are_chains_in_the_order_of_their_times() {
    let line = |at, words, session: Option<&str>, think: Option<u64>| Line {
        at: ms(at),
        prompt_words: words,
        output_tokens: 1,
        session: session.map(str::to_owned),
        think: think.map(ms),
    };
    let lines = [
        line(400, 3, Some("a"), None),
        line(0, 1, Some("a"), Some(9)),
        line(100, 2, None, None),
        line(1_000, 4, Some("a"), Some(50)),
        line(100, 5, None, None),
    ];
    let seen: Vec<(u64, Vec<(u64, u32)>)> = chains(&lines, 1.0)
        .into_iter()
        .map(|(at, turns)| {
            let turns = turns.iter().map(|turn| (turn.think.as_millis() as u64, turn.prompt_words));
            (at.as_millis() as u64, turns.collect())
        })
        .collect();
    assert_eq!(
        seen,
        [(0, vec![(0, 1), (400, 3), (50, 4)]), (100, vec![(0, 2)]), (100, vec![(0, 5)])],
        "the first turn of a session does not think"
    );
    assert_eq!(length(&chains(&lines, 1.0)), ms(450) + 2 * ANSWER_MAX);
    assert_eq!(length(&chains(&lines[2..3], 4.0)), ms(25));
    assert_eq!(chains(&lines, 2.0)[0].1[1].think, ms(200));
}
