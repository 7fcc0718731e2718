//! Shares: how many of a hundred requests do something, and which transports they take. Read from texts like `5%` and
//! `sse:70,websocket:30` for [`crate::load`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::plan::Transport;
use crate::random::Random;

/// All transports with their names in texts.
const NAMES: [(&str, Transport); 4] = [
    ("sse", Transport::Sse),
    ("whole", Transport::Whole),
    ("websocket", Transport::WebSocket),
    ("session", Transport::Session),
];

/// Which part of the requests takes which transport.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mix(Vec<(Transport, f64)>);

/// A share or a mix that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MixError {
    /// No share.
    #[error("share `{0}` is not a percentage like 5% or a number from 0 to 1")]
    Share(String),
    /// No such transport.
    #[error("transport `{0}` is unknown; known: sse, whole, websocket, session")]
    Transport(String),
    /// A weight that is none.
    #[error("weight `{weight}` of transport `{name}` is not a number from 0 to 1000000")]
    Weight {
        /// Of which transport.
        name: String,
        /// What it says.
        weight: String,
    },
    /// The same transport again.
    #[error("transport `{0}` is named twice; add its weights up")]
    Twice(String),
    /// Nothing is left to choose.
    #[error("transports `{0}` have no weight above 0")]
    Nothing(String),
}

/// Reads `5%` or `0.05`.
pub fn parse_share(text: &str) -> Result<f64, MixError> {
    let trimmed = text.trim();
    let share = match trimmed.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok().map(|percent| percent / 100.0),
        None => trimmed.parse().ok(),
    };
    share.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| MixError::Share(text.to_owned()))
}

impl Mix {
    /// One transport for all.
    pub fn only(transport: Transport) -> Self {
        Self(vec![(transport, 1.0)])
    }

    /// One transport by chance.
    pub(crate) fn draw(&self, random: &mut Random) -> Transport {
        let mut left = random.share() * self.0.iter().map(|(_, weight)| weight).sum::<f64>();
        let mut chosen = Transport::Sse;
        for (transport, weight) in self.0.iter().filter(|(_, weight)| *weight > 0.0) {
            chosen = *transport;
            if left < *weight {
                break;
            }
            left -= weight;
        }
        chosen
    }
}

impl FromStr for Mix {
    type Err = MixError;

    fn from_str(text: &str) -> Result<Self, MixError> {
        let mut mix: Vec<(Transport, f64)> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (name, weight) = part.split_once(':').unwrap_or((part, "1"));
            let (name, weight) = (name.trim(), weight.trim());
            let known = NAMES.iter().find(|(known, _)| *known == name);
            let (_, transport) = known.ok_or_else(|| MixError::Transport(name.to_owned()))?;
            let number = weight.parse::<f64>().ok().filter(|number| (0.0..=1e6).contains(number));
            let wrong = || MixError::Weight { name: name.to_owned(), weight: weight.to_owned() };
            let number = number.ok_or_else(wrong)?;
            if mix.iter().any(|(other, _)| other == transport) {
                return Err(MixError::Twice(name.to_owned()));
            }
            mix.push((*transport, number));
        }
        if mix.iter().all(|(_, weight)| *weight <= 0.0) {
            return Err(MixError::Nothing(text.to_owned()));
        }
        Ok(Self(mix))
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (transport, weight)) in self.0.iter().enumerate() {
            let name = NAMES.iter().find(|(_, known)| known == transport).map_or("sse", |(name, _)| name);
            let comma = if position == 0 { "" } else { "," };
            match self.0.len() {
                1 => write!(f, "{name}")?,
                _ => write!(f, "{comma}{name}:{weight}")?,
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Mix {
    type Error = MixError;

    fn try_from(text: String) -> Result<Self, MixError> {
        text.parse()
    }
}

impl From<Mix> for String {
    fn from(mix: Mix) -> Self {
        mix.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn shares_are_read_as_percentages_and_as_numbers() {
        assert_eq!(parse_share("5%"), Ok(0.05));
        assert_eq!(parse_share(" 0.5 "), Ok(0.5));
        for wrong in ["", "%", "101%", "-1", "2", "NaN", "half"] {
            let error = parse_share(wrong).unwrap_err().to_string();
            assert_eq!(error, format!("share `{wrong}` is not a percentage like 5% or a number from 0 to 1"));
        }
    }

    #[test]
    fn a_mix_is_read_and_written_alike() {
        for text in ["sse", "session", "sse:70,websocket:30", "whole:1,sse:2,session:0.5"] {
            assert_eq!(text.parse::<Mix>().unwrap().to_string(), text);
        }
        assert_eq!("sse:3".parse::<Mix>().unwrap().to_string(), "sse");
    }

    #[test]
    fn a_wrong_mix_is_named() {
        for (text, message) in [
            ("http", "transport `http` is unknown; known: sse, whole, websocket, session"),
            ("sse:x", "weight `x` of transport `sse` is not a number from 0 to 1000000"),
            ("sse:1,sse:2", "transport `sse` is named twice; add its weights up"),
            ("sse:0", "transports `sse:0` have no weight above 0"),
            ("", "transport `` is unknown; known: sse, whole, websocket, session"),
        ] {
            assert_eq!(text.parse::<Mix>().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn transports_are_drawn_by_their_weight() {
        let mix: Mix = "sse:70,whole:0,websocket:30".parse().unwrap();
        let mut random = Random::new(5, Purpose::Transports);
        let drawn: Vec<Transport> = (0..10_000).map(|_| mix.draw(&mut random)).collect();
        let count = |transport| drawn.iter().filter(|drawn| **drawn == transport).count();
        assert!((6_800..7_200).contains(&count(Transport::Sse)));
        assert_eq!(count(Transport::Sse) + count(Transport::WebSocket), 10_000);
    }
}
