//! Those who ask, again and again: each stream has a question of its own, and its answer does not change.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use futures::future::try_join_all;
use pomona_tests::{Answer, Api, Socket, script};
use serde_json::{Value, json};

use super::ChaosArguments;

/// Tokens per second of a paced stream: somewhat faster than people read.
pub(super) const PACE: u32 = 40;
/// Turns of one connection; a gateway allows 32 by default.
const TURNS_PER_SOCKET: u32 = 8;

/// An answer, and which question it belongs to.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Number of the question.
    pub(super) question: u32,
    /// What came.
    pub(super) answer: Answer,
}

fn question(number: u32, tokens: u32) -> Value {
    json!({
        "model": "sprout",
        "messages": [{"role": "user", "content": format!("Tell me story number {number} of the orchard.")}],
        "temperature": 0.0,
        "seed": number,
        "max_tokens": tokens,
        "ignore_eos": true,
    })
}

/// What each question is answered when nothing happens.
pub(super) async fn undisturbed(api: &Api, arguments: &ChaosArguments) -> Result<Vec<String>> {
    if arguments.paced {
        let answers = (0..arguments.streams).map(|seed| script::answer(seed.into(), arguments.tokens));
        return Ok(answers.collect());
    }
    let mut socket = Socket::connect(api).await?;
    let mut texts = Vec::new();
    for number in 0..arguments.streams {
        let answer = socket.ask("alone", &question(number, arguments.tokens)).await?;
        answer.check_complete()?;
        texts.push(answer.text);
    }
    Ok(texts)
}

/// Asks all questions at once, over and over, until `over`.
pub(super) async fn ask_until(api: &Api, arguments: &ChaosArguments, over: &AtomicBool) -> Result<Vec<Seen>> {
    let firsts = (0..arguments.streams).step_by(TURNS_PER_SOCKET as usize);
    let seen = try_join_all(firsts.map(|first| {
        let end = (first + TURNS_PER_SOCKET).min(arguments.streams);
        ask_some(api, first..end, arguments.tokens, over)
    }));
    Ok(seen.await?.into_iter().flatten().collect())
}

/// The questions of one connection. A stream begins anew as soon as it has ended, so that they do not march in step.
async fn ask_some(
    api: &Api,
    questions: std::ops::Range<u32>,
    tokens: u32,
    over: &AtomicBool,
) -> Result<Vec<Seen>> {
    let mut socket = Socket::connect(api).await?;
    for number in questions {
        socket.start(&number.to_string(), &question(number, tokens)).await?;
    }
    let mut seen = Vec::new();
    while !socket.answers.is_empty() {
        socket.until(|socket| socket.answers.values().any(Answer::is_over)).await?;
        let ended: Vec<String> =
            socket.answers.iter().filter(|(_, answer)| answer.is_over()).map(|(id, _)| id.clone()).collect();
        for id in ended {
            let answer = socket.answers.remove(&id).context("no such turn")?;
            let number: u32 = id.parse()?;
            seen.push(Seen { question: number, answer });
            if !over.load(Ordering::Acquire) {
                socket.start(&id, &question(number, tokens)).await?;
            }
        }
    }
    Ok(seen)
}
