//! Stop strings over a stream of text.
//!
//! A pure state machine per answer, fed by the detokeniser. It holds back any suffix that may become a stop
//! string and lets go of everything else at once. The match that ends first wins; of those that end at the
//! same place, the one that begins first. So the outcome does not depend on how the text was cut.

/// The stop matcher of one answer. Memory is bounded by the longest stop string.
#[derive(Clone, Debug)]
pub struct StopMatcher {
    stops: Vec<String>,
    held: String,
    met: Option<usize>,
}

impl StopMatcher {
    /// A matcher for these texts, at most [`pomona_protocol::limits::STOP_STRINGS_MAX`], none empty.
    pub fn new(stops: &[String]) -> Self {
        Self { stops: stops.to_vec(), held: String::new(), met: None }
    }

    /// Takes the next piece of text and appends to `certain` what may be shown. True when a stop string was
    /// met: `certain` then ends right before it and the matcher is done.
    pub fn push(&mut self, text: &str, certain: &mut String) -> bool {
        if self.stops.is_empty() {
            certain.push_str(text);
            return false;
        }
        if text.is_empty() {
            return false;
        }
        self.held.push_str(text);
        if let Some((start, stop)) = self.first_match() {
            self.met = Some(stop);
            certain.push_str(&self.held[..start]);
            self.held.clear();
            return true;
        }
        let certain_bytes = self.held.len() - self.undecided_bytes();
        certain.push_str(&self.held[..certain_bytes]);
        self.held.drain(..certain_bytes);
        false
    }

    /// Ends the answer: what was held back is text after all.
    pub fn flush(&mut self, certain: &mut String) {
        certain.push_str(&self.held);
        self.held.clear();
    }

    /// The stop string that was met.
    pub fn met(&self) -> Option<&str> {
        self.met.map(|stop| self.stops[stop].as_str())
    }

    /// Where the winning match begins, and which it is.
    fn first_match(&self) -> Option<(usize, usize)> {
        let found = self.stops.iter().enumerate().filter_map(|(index, stop)| {
            let start = self.held.find(stop.as_str())?;
            Some((start + stop.len(), start, index))
        });
        found.min().map(|(_, start, index)| (start, index))
    }

    /// Bytes of the longest suffix that begins some stop string.
    fn undecided_bytes(&self) -> usize {
        let held = self.held.as_bytes();
        let longest = |stop: &String| {
            let most = (stop.len() - 1).min(held.len());
            (1..=most).rev().find(|&bytes| held.ends_with(&stop.as_bytes()[..bytes])).unwrap_or(0)
        };
        self.stops.iter().map(longest).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `text` in pieces; returns what was shown and whether a stop was met.
    fn run(stops: &[String], pieces: &[&str]) -> (String, bool) {
        let mut matcher = StopMatcher::new(stops);
        let mut shown = String::new();
        for piece in pieces {
            if matcher.push(piece, &mut shown) {
                return (shown, true);
            }
        }
        matcher.flush(&mut shown);
        (shown, false)
    }

    fn check(stops: &[&str], pieces: &[&str], expected: (&str, bool)) {
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        assert_eq!(run(&stops, pieces), (expected.0.to_owned(), expected.1), "{stops:?} over {pieces:?}");
    }

    #[test]
    fn text_before_a_stop_is_kept_and_the_stop_is_not() {
        check(&["END"], &["one END two"], ("one ", true));
        check(&["END"], &["one E", "N", "D two"], ("one ", true));
        check(&["END"], &["one E", "N", "o"], ("one ENo", false));
        check(&["END"], &["EN"], ("EN", false));
    }

    #[test]
    fn of_overlapping_stops_the_first_to_end_wins() {
        check(&["abcd", "bc"], &["xabcd"], ("xa", true));
        check(&["abc", "c"], &["xabc"], ("x", true));
        check(&["aab"], &["aa", "ab"], ("a", true));
        check(&["ä", "äö"], &["xä", "ö"], ("x", true));
    }

    #[test]
    fn text_that_cannot_become_a_stop_is_shown_at_once() {
        let mut matcher = StopMatcher::new(&["\n\n".to_owned()]);
        let mut shown = String::new();
        assert!(!matcher.push("hello\n", &mut shown));
        assert_eq!(shown, "hello");
        assert!(!matcher.push("w", &mut shown));
        assert_eq!(shown, "hello\nw");
    }

    proptest! {
        #[test]
        fn the_outcome_does_not_depend_on_how_text_is_cut(
            text in "[abä]{0,24}",
            stops in prop::collection::vec("[abä]{1,4}", 0..4),
            cut in 1usize..6,
        ) {
            let characters: Vec<String> = text.chars().map(String::from).collect();
            let singles: Vec<&str> = characters.iter().map(String::as_str).collect();
            let pieces: Vec<String> = characters.chunks(cut).map(|piece| piece.concat()).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let expected = run(&stops, &singles);
            prop_assert_eq!(&run(&stops, &pieces), &expected);
            let first_end = stops.iter().filter_map(|stop| text.find(stop.as_str()).map(|at| (at + stop.len(), at))).min();
            let model = first_end.map_or((text.clone(), false), |(_, at)| (text[..at].to_owned(), true));
            prop_assert_eq!(expected, model);
        }
    }
}
