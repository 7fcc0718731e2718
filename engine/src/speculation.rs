//! Prompt lookup: guesses the next tokens of an answer from its prompt and from what it said so far.
//!
//! Answers repeat themselves and quote their prompts. Where the last tokens stood before, the tokens behind them are
//! guessed to come again; the scheduler has them computed together with the next token, and `generation` keeps those
//! that the sampler chooses anyway. So a guess costs time when it is wrong and never changes an answer. The longest
//! earlier match counts, the newest of equals. How many tokens are guessed follows from how often guesses behind
//! matches of that length were right, and from what a row costs ([`Guesser::guess`]). Pure; one per running sequence,
//! owned by the scheduler.

use std::collections::HashMap;

use crate::vision::FIRST_PLACE;

/// Tokens guessed at once. More than this rarely all come true, and one wrong token spoils those behind it.
pub const GUESS_TOKENS_MAX: usize = 8;
/// Tokens of a match that are compared; longer matches are not told apart.
const MATCH_TOKENS_MAX: usize = 8;
/// Earlier places that are compared per guess, the newest first. Bounds the time for text that repeats one pair.
const CANDIDATES_MAX: usize = 16;
/// Guesses that are left out before a kind of match that does not pay is tried again.
const REST_GUESSES: u32 = 32;
/// What an old experience counts for when there is a new one: about the last twenty tell.
const MEMORY: f32 = 0.95;
/// Lengths of match from which on one belongs to the next kind.
const KIND_STARTS: [usize; 3] = [2, 4, MATCH_TOKENS_MAX];
/// Of a kind without experience: so many tokens right of so many.
const PRIORS: [(f32, f32); KIND_STARTS.len()] = [(1.0, 2.0), (1.5, 2.0), (2.0, 2.5)];
/// No earlier place.
const NOWHERE: u32 = u32::MAX;

/// What one sequence knows for guessing.
#[derive(Debug, Default)]
pub struct Guesser {
    /// Where each pair of tokens ended last.
    latest: HashMap<(u32, u32), u32>,
    /// For each position, where the pair that ends there ended before.
    earlier: Vec<u32>,
    kinds: [Experience; KIND_STARTS.len()],
    /// Of which kind the guess is that was made last.
    guessed_kind: usize,
}

/// How often guesses of one kind came true.
#[derive(Debug, Default)]
struct Experience {
    right: f32,
    tried: f32,
    rested: u32,
}

impl Guesser {
    /// Guesses up to `tokens_max` tokens that follow `tokens`, the sequence so far, into `guess`. `least` is how likely
    /// a guess must be right so that it pays, 0 to 1: what a row costs by what a saved step is worth.
    pub fn guess(&mut self, tokens: &[u32], tokens_max: usize, least: f32, guess: &mut Vec<u32>) {
        guess.clear();
        self.learn_text(tokens);
        let Some((end, matched)) = self.longest_match(tokens) else { return };
        self.guessed_kind = KIND_STARTS.iter().rposition(|start| matched >= *start).unwrap_or(0);
        let (right, tried) = PRIORS[self.guessed_kind];
        let count = self.kinds[self.guessed_kind].guesses(right, tried, least).min(tokens_max);
        for place in end + 1..=end + count {
            // Behind the end the guess itself goes on: a text of one period repeats it.
            let next = tokens.get(place).or_else(|| guess.get(place - tokens.len()));
            // What an answer says of a picture, it does not say by the picture's places.
            let Some(next) = next.copied().filter(|token| *token < FIRST_PLACE) else { break };
            guess.push(next);
        }
    }

    /// How many of the tokens guessed last were right, and whether there were more.
    pub fn learn(&mut self, right: usize, was_wrong: bool) {
        let kind = &mut self.kinds[self.guessed_kind];
        for outcome in std::iter::repeat_n(1.0, right).chain(was_wrong.then_some(0.0)) {
            kind.right = kind.right * MEMORY + outcome;
            kind.tried = kind.tried * MEMORY + 1.0;
        }
    }

    /// Notes the pairs of the tokens that are new.
    fn learn_text(&mut self, tokens: &[u32]) {
        for end in self.earlier.len()..tokens.len() {
            // The last pair is what is looked up; it becomes a place when there is something behind it.
            if end >= 2 {
                let before = self.latest.insert((tokens[end - 2], tokens[end - 1]), end as u32 - 1);
                self.earlier[end - 1] = before.unwrap_or(NOWHERE);
            }
            self.earlier.push(NOWHERE);
        }
    }

    /// Where the longest match with the end of `tokens` ends, and its length.
    fn longest_match(&self, tokens: &[u32]) -> Option<(usize, usize)> {
        let [.., first, second] = tokens else { return None };
        let mut place = *self.latest.get(&(*first, *second))?;
        let mut best: Option<(usize, usize)> = None;
        for _ in 0..CANDIDATES_MAX {
            let pairs = tokens[..=place as usize].iter().rev().zip(tokens.iter().rev());
            let length = pairs.take(MATCH_TOKENS_MAX).take_while(|(before, now)| before == now).count();
            if best.is_none_or(|(_, longest)| length > longest) {
                best = Some((place as usize, length));
            }
            place = self.earlier[place as usize];
            if place == NOWHERE || length == MATCH_TOKENS_MAX {
                break;
            }
        }
        best
    }
}

impl Experience {
    /// How many tokens to guess: as many as are all right with at least the chance `least`. One now and then where
    /// that is none, so that a text that changes its ways is noticed.
    fn guesses(&mut self, prior_right: f32, prior_tried: f32, least: f32) -> usize {
        let chance = (self.right + prior_right) / (self.tried + prior_tried);
        let mut count = 0;
        let mut all_right = chance;
        while count < GUESS_TOKENS_MAX && all_right > least {
            count += 1;
            all_right *= chance;
        }
        if count > 0 {
            self.rested = 0;
            return count;
        }
        self.rested += 1;
        if self.rested <= REST_GUESSES || least >= 1.0 {
            return 0;
        }
        self.rested = 0;
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(guesser: &mut Guesser, tokens: &[u32], max: usize) -> Vec<u32> {
        let mut guess = Vec::new();
        guesser.guess(tokens, max, 0.1, &mut guess);
        guess
    }

    #[test]
    fn what_followed_the_longest_match_is_guessed() {
        let text = [1, 2, 3, 4, 5, 9, 2, 3, 7, 8, 1, 2, 3];
        assert_eq!(guess(&mut Guesser::default(), &text, 2), [4, 5], "three tokens match, not the newer two");
        let text = [5, 2, 3, 4, 6, 2, 3, 7, 8, 2, 3];
        assert_eq!(guess(&mut Guesser::default(), &text, 1), [7], "of equals the newest");
    }

    #[test]
    fn text_without_repetition_is_not_guessed() {
        for text in [&[][..], &[1], &[1, 1], &[1, 2, 3, 4, 5, 6], &[3, 1, 2, 4, 3]] {
            assert!(guess(&mut Guesser::default(), text, 8).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn a_period_is_continued_beyond_the_end() {
        assert_eq!(guess(&mut Guesser::default(), &[7; 12], 4), [7; 4]);
        let text = [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2];
        assert_eq!(guess(&mut Guesser::default(), &text, 5), [3, 1, 2, 3, 1]);
    }

    #[test]
    fn the_same_text_in_pieces_gives_the_same_guesses() {
        let text: Vec<u32> = (0..200u32).map(|index| (index * index) % 7).collect();
        let mut grown = Guesser::default();
        for end in 0..text.len() {
            let whole = guess(&mut Guesser::default(), &text[..end], 3);
            assert_eq!(guess(&mut grown, &text[..end], 3), whole, "{end} tokens");
        }
    }

    #[test]
    fn guesses_grow_when_they_are_right_and_rest_when_they_are_wrong() {
        let text: Vec<u32> = (0..64u32).map(|index| index % 16).collect();
        let mut guesser = Guesser::default();
        let mut guess = Vec::new();
        guesser.guess(&text, 8, 0.5, &mut guess);
        let first = guess.len();
        guesser.learn(60, false);
        guesser.guess(&text, 8, 0.5, &mut guess);
        assert!(guess.len() > first && guess.len() == GUESS_TOKENS_MAX, "{first} then {}", guess.len());
        for _ in 0..60 {
            guesser.learn(0, true);
        }
        let tries = (0..330).filter(|_| {
            guesser.guess(&text, 8, 0.5, &mut guess);
            !guess.is_empty()
        });
        assert_eq!(tries.count(), 10, "one of 33 is tried");
    }

    #[test]
    fn nothing_is_guessed_where_no_guess_can_pay() {
        let mut guesser = Guesser::default();
        let mut guess = Vec::new();
        assert!((0..100).all(|_| {
            guesser.guess(&[7; 40], 8, 1.0, &mut guess);
            guess.is_empty()
        }));
    }
}
