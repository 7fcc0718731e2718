//! The words of a prompt, made from the numbers of the plan: equal numbers give equal words, in every run.

use crate::plan::Prompt;

/// Plain words; 64 of them, so that six bits choose one.
const WORDS: [&str; 64] = [
    "apple",
    "river",
    "stone",
    "garden",
    "winter",
    "window",
    "paper",
    "light",
    "mountain",
    "table",
    "letter",
    "music",
    "morning",
    "ocean",
    "bridge",
    "candle",
    "forest",
    "summer",
    "village",
    "bread",
    "silver",
    "cloud",
    "harbor",
    "pencil",
    "meadow",
    "copper",
    "lantern",
    "basket",
    "thunder",
    "island",
    "orchard",
    "velvet",
    "about",
    "over",
    "under",
    "beside",
    "before",
    "after",
    "while",
    "because",
    "tells",
    "finds",
    "keeps",
    "makes",
    "carries",
    "follows",
    "remembers",
    "opens",
    "small",
    "old",
    "quiet",
    "bright",
    "heavy",
    "green",
    "early",
    "narrow",
    "slowly",
    "often",
    "never",
    "again",
    "together",
    "always",
    "seldom",
    "gladly",
];

impl Prompt {
    /// What the user says: the shared beginning, then words of its own.
    pub fn words(&self) -> String {
        let mut text = String::with_capacity((self.shared_words + self.own_words) as usize * 7);
        // A beginning's words must not be those of somebody's own.
        append(&mut text, u64::from(self.shared_group) ^ 0x5ba3_ed00_0000_0000, self.shared_words);
        append(&mut text, self.own_seed, self.own_words);
        text
    }
}

fn append(text: &mut String, seed: u64, count: u32) {
    let mut state = seed;
    for _ in 0..count {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(WORDS[(mixed(&mut state) >> 58) as usize]);
    }
}

/// The next number of SplitMix64 (Steele, Lea and Flood, 2014).
fn mixed(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_share_their_beginning_and_nothing_else() {
        let prompt =
            |own_seed, shared_group| Prompt { shared_words: 40, shared_group, own_words: 20, own_seed };
        let words = |prompt: Prompt| prompt.words().split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (one, two, other) = (words(prompt(1, 0)), words(prompt(2, 0)), words(prompt(1, 1)));
        assert_eq!((one.len(), &one[..40]), (60, &two[..40]));
        assert_ne!(one[40..], two[40..]);
        assert_ne!(one[..40], other[..40]);
        assert_eq!(one[40..], other[40..]);
    }
}
