//! How long things are: words of a prompt, tokens of an answer, turns of a session, milliseconds of thought. Each is a
//! distribution with a short text form, used on the command line and in files alike. Asked by [`crate::load`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// Largest length: a prompt of a million words is longer than any context.
pub const LENGTH_MAX: u32 = 1_000_000;
/// Longest list of lengths.
pub const LIST_MAX: usize = 10_000;

/// The forms, for messages and help.
pub const FORMS: &str =
    "64, uniform:20-200, normal:MEAN,DEVIATION[,MIN-MAX], lognormal:MEDIAN,SIGMA[,MIN-MAX], list:12,40,800";

/// A distribution of lengths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "String")]
pub enum Lengths {
    /// Always the same.
    Fixed(u32),
    /// Evenly between both, both included.
    Uniform(Range),
    /// Normal, what lies outside of the range moved to its edge.
    Normal {
        /// Mean before the range is applied.
        mean: f64,
        /// Standard deviation.
        deviation: f64,
        /// Where values may lie.
        within: Range,
    },
    /// Log-normal: many short ones and a long tail, as people's prompts are.
    LogNormal {
        /// Half are shorter.
        median: f64,
        /// Standard deviation of the logarithm; 1 puts the 84th percentile at 2.7 times the median.
        sigma: f64,
        /// Where values may lie.
        within: Range,
    },
    /// One of these, each as likely; a measured sample. Never empty.
    List(Vec<u32>),
}

/// From and to, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The smallest.
    pub min: u32,
    /// The largest, not below `min`.
    pub max: u32,
}

/// Lengths that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LengthsError {
    /// Another word before the colon.
    #[error("lengths `{0}` have an unknown form; known: {FORMS}")]
    Form(String),
    /// A part that is no number in its place.
    #[error("lengths `{text}`: {part} `{value}` is not {expected}")]
    Part {
        /// All of the text.
        text: String,
        /// Which part.
        part: &'static str,
        /// What it says.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// Parts are missing or too many.
    #[error("lengths `{text}` have {found} parts behind the colon, not {expected}")]
    Parts {
        /// All of the text.
        text: String,
        /// How many there are.
        found: usize,
        /// How many there may be.
        expected: &'static str,
    },
}

/// A number or a text, as files may hold.
#[derive(Deserialize)]
#[serde(untagged, expecting = "lengths are a number or a text like uniform:20-200")]
enum Text {
    Number(u64),
    Text(String),
}

impl Lengths {
    /// One length.
    pub(crate) fn draw(&self, random: &mut Random) -> u32 {
        match self {
            Self::Fixed(length) => *length,
            Self::Uniform(range) => {
                range.min + random.below(u64::from(range.max.saturating_sub(range.min)) + 1) as u32
            }
            Self::Normal { mean, deviation, within } => within.clip(mean + deviation * random.normal()),
            Self::LogNormal { median, sigma, within } => {
                within.clip(median * libm::exp(sigma * random.normal()))
            }
            Self::List(list) => list.get(random.below(list.len() as u64) as usize).copied().unwrap_or(0),
        }
    }

    /// The mean, clipping not counted.
    pub fn mean(&self) -> f64 {
        match self {
            Self::Fixed(length) => f64::from(*length),
            Self::Uniform(range) => (f64::from(range.min) + f64::from(range.max)) / 2.0,
            Self::Normal { mean, .. } => *mean,
            Self::LogNormal { median, sigma, .. } => median * libm::exp(sigma * sigma / 2.0),
            Self::List(list) => {
                list.iter().map(|length| f64::from(*length)).sum::<f64>() / list.len().max(1) as f64
            }
        }
    }

    /// The largest that can be drawn.
    pub fn max(&self) -> u32 {
        match self {
            Self::Fixed(length) => *length,
            Self::Uniform(within) | Self::Normal { within, .. } | Self::LogNormal { within, .. } => {
                within.max
            }
            Self::List(list) => list.iter().copied().max().unwrap_or(0),
        }
    }
}

impl Range {
    /// Where values lie that nobody bounded: at least 1.
    const ANY: Self = Self { min: 1, max: LENGTH_MAX };

    fn clip(self, value: f64) -> u32 {
        libm::round(value).min(f64::from(self.max)).max(f64::from(self.min)) as u32
    }
}

impl FromStr for Lengths {
    type Err = LengthsError;

    fn from_str(text: &str) -> Result<Self, LengthsError> {
        let reader = Reader { text };
        let (form, parts) = text.trim().split_once(':').unwrap_or(("fixed", text.trim()));
        let parts: Vec<&str> = parts.split(',').map(str::trim).collect();
        match form {
            "fixed" => match parts[..] {
                [length] => Ok(Self::Fixed(reader.length("length", length)?)),
                _ => Err(reader.parts(&parts, "1")),
            },
            "uniform" => match parts[..] {
                [range] => Ok(Self::Uniform(reader.range(range)?)),
                _ => Err(reader.parts(&parts, "1")),
            },
            "normal" => {
                let (mean, deviation, within) = reader.curve(&parts, "mean", "deviation")?;
                Ok(Self::Normal { mean, deviation, within })
            }
            "lognormal" => {
                let (median, sigma, within) = reader.curve(&parts, "median", "sigma")?;
                Ok(Self::LogNormal { median, sigma, within })
            }
            "list" if parts.len() > LIST_MAX => Err(reader.parts(&parts, "at most 10000")),
            "list" => Ok(Self::List(
                parts.iter().map(|part| reader.length("length", part)).collect::<Result<_, _>>()?,
            )),
            _ => Err(LengthsError::Form(text.to_owned())),
        }
    }
}

/// Reads parts of one text.
struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn length(&self, part: &'static str, value: &str) -> Result<u32, LengthsError> {
        let length = value.parse().ok().filter(|length| *length <= LENGTH_MAX);
        length.ok_or_else(|| self.part(part, value, "a whole number from 0 to 1000000"))
    }

    fn range(&self, value: &str) -> Result<Range, LengthsError> {
        let wrong = || self.part("range", value, "two lengths as MIN-MAX, the smaller first");
        let (min, max) = value.split_once('-').ok_or_else(wrong)?;
        let (min, max) = (self.length("range", min.trim())?, self.length("range", max.trim())?);
        if min > max { Err(wrong()) } else { Ok(Range { min, max }) }
    }

    fn curve(
        &self,
        parts: &[&str],
        centre: &'static str,
        spread: &'static str,
    ) -> Result<(f64, f64, Range), LengthsError> {
        let within = match parts {
            [_, _] => Range::ANY,
            [_, _, range] => self.range(range)?,
            _ => return Err(self.parts(parts, "2 or 3")),
        };
        let number = |part, value: &str, min: f64| {
            let number = value.parse::<f64>().ok().filter(|n| (min..=f64::from(LENGTH_MAX)).contains(n));
            number.ok_or_else(|| self.part(part, value, "a number from 0 to 1000000"))
        };
        Ok((number(centre, parts[0], 0.0)?, number(spread, parts[1], 0.0)?, within))
    }

    fn part(&self, part: &'static str, value: &str, expected: &'static str) -> LengthsError {
        LengthsError::Part { text: self.text.to_owned(), part, value: value.to_owned(), expected }
    }

    fn parts(&self, parts: &[&str], expected: &'static str) -> LengthsError {
        LengthsError::Parts { text: self.text.to_owned(), found: parts.len(), expected }
    }
}

impl fmt::Display for Lengths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(length) => write!(f, "{length}"),
            Self::Uniform(range) => write!(f, "uniform:{range}"),
            Self::Normal { mean, deviation, within } => write!(f, "normal:{mean},{deviation},{within}"),
            Self::LogNormal { median, sigma, within } => write!(f, "lognormal:{median},{sigma},{within}"),
            Self::List(list) => {
                write!(f, "list:")?;
                for (position, length) in list.iter().enumerate() {
                    let comma = if position == 0 { "" } else { "," };
                    write!(f, "{comma}{length}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.min, self.max)
    }
}

impl TryFrom<Text> for Lengths {
    type Error = LengthsError;

    fn try_from(text: Text) -> Result<Self, LengthsError> {
        match text {
            Text::Number(length) => length.to_string().parse(),
            Text::Text(text) => text.parse(),
        }
    }
}

impl From<Lengths> for String {
    fn from(lengths: Lengths) -> Self {
        lengths.to_string()
    }
}

#[cfg(test)]
#[path = "lengths_tests.rs"]
mod tests;
