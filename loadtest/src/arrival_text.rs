//! The short text forms of arrivals: `poisson:20`, `steps:5x30,50x10`. Read and written for [`crate::arrival`].

use std::fmt;
use std::str::FromStr;

use crate::arrival::{Arrival, CLIENTS_MAX, RATE_MAX, SHAPE_MAX, SHAPE_MIN, STEPS_MAX, Step};

/// The forms, for messages and help.
pub const FORMS: &str = "constant:RATE, poisson:RATE, gamma:RATE,SHAPE, bursts:QUIET,BURST,QUIET_S,BURST_S, ramp:FROM-TO, steps:RATExSECONDS,…, closed:CLIENTS";

/// Longest time of a step or a state, in seconds.
const SECONDS_MAX: f64 = 1e6;
/// Shortest step, in seconds.
const STEP_SECONDS_MIN: f64 = 0.001;
/// Shortest mean time between bursts and of one, in seconds; a day of shorter ones would not fit into memory.
const STATE_SECONDS_MIN: f64 = 0.1;

/// Arrivals that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArrivalError {
    /// Another word before the colon, or no colon.
    #[error("arrival `{0}` has an unknown form; known: {FORMS}")]
    Form(String),
    /// A part that is no number in its place.
    #[error("arrival `{text}`: {part} `{value}` is not {expected}")]
    Part {
        /// All of the text.
        text: String,
        /// Which part.
        part: &'static str,
        /// What it says.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// Parts are missing or too many.
    #[error("arrival `{text}` has {found} parts behind the colon, not {expected}")]
    Parts {
        /// All of the text.
        text: String,
        /// How many there are.
        found: usize,
        /// How they are written.
        expected: &'static str,
    },
    /// Nothing would ever arrive.
    #[error("arrival `{0}` has no requests; some rate must be above 0")]
    Nothing(String),
}

impl FromStr for Arrival {
    type Err = ArrivalError;

    fn from_str(text: &str) -> Result<Self, ArrivalError> {
        let reader = Reader { text };
        let (form, rest) = text.trim().split_once(':').ok_or_else(|| ArrivalError::Form(text.to_owned()))?;
        let parts: Vec<&str> = rest.split(',').map(str::trim).collect();
        let arrival = match form {
            "constant" => Self::Constant { rate: reader.rate(reader.exactly::<1>(&parts, "RATE")?[0])? },
            "poisson" => Self::Poisson { rate: reader.rate(reader.exactly::<1>(&parts, "RATE")?[0])? },
            "gamma" => {
                let [rate, shape] = reader.exactly(&parts, "RATE,SHAPE")?;
                Self::Gamma {
                    rate: reader.rate(rate)?,
                    shape: reader.number("shape", shape, SHAPE_MIN, SHAPE_MAX)?,
                }
            }
            "bursts" => {
                let [quiet, burst, quiet_s, burst_s] =
                    reader.exactly(&parts, "QUIET,BURST,QUIET_S,BURST_S")?;
                Self::Bursts {
                    quiet: reader.rate(quiet)?,
                    burst: reader.rate(burst)?,
                    quiet_s: reader.number("seconds", quiet_s, STATE_SECONDS_MIN, SECONDS_MAX)?,
                    burst_s: reader.number("seconds", burst_s, STATE_SECONDS_MIN, SECONDS_MAX)?,
                }
            }
            "ramp" => {
                let [range] = reader.exactly(&parts, "FROM-TO")?;
                let (from, to) = reader.pair("ramp", range, '-', "two rates as FROM-TO")?;
                Self::Ramp { from: reader.rate(from)?, to: reader.rate(to)? }
            }
            "steps" if parts.len() <= STEPS_MAX => {
                Self::Steps(parts.iter().map(|part| reader.step(part)).collect::<Result<_, _>>()?)
            }
            "steps" => return Err(reader.parts(&parts, "at most 1000 of RATExSECONDS")),
            "closed" => Self::Closed { clients: reader.clients(reader.exactly::<1>(&parts, "CLIENTS")?[0])? },
            _ => return Err(ArrivalError::Form(text.to_owned())),
        };
        if arrival.is_nothing() { Err(ArrivalError::Nothing(text.to_owned())) } else { Ok(arrival) }
    }
}

impl Arrival {
    /// Whether all of its rates are 0.
    fn is_nothing(&self) -> bool {
        match self {
            Self::Constant { rate } | Self::Poisson { rate } | Self::Gamma { rate, .. } => *rate <= 0.0,
            Self::Bursts { quiet, burst, .. } => *quiet <= 0.0 && *burst <= 0.0,
            Self::Ramp { from, to } => *from <= 0.0 && *to <= 0.0,
            Self::Steps(steps) => steps.iter().all(|step| step.rate <= 0.0),
            Self::Closed { .. } => false,
        }
    }
}

/// Reads parts of one text.
struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn exactly<'p, const N: usize>(
        &self,
        parts: &[&'p str],
        expected: &'static str,
    ) -> Result<[&'p str; N], ArrivalError> {
        parts.try_into().map_err(|_| self.parts(parts, expected))
    }

    fn rate(&self, value: &str) -> Result<f64, ArrivalError> {
        self.number("rate", value, 0.0, RATE_MAX)
    }

    fn clients(&self, value: &str) -> Result<u32, ArrivalError> {
        let clients = value.parse().ok().filter(|clients| (1..=CLIENTS_MAX).contains(clients));
        clients.ok_or_else(|| self.part("clients", value, format!("a whole number from 1 to {CLIENTS_MAX}")))
    }

    fn step(&self, part: &str) -> Result<Step, ArrivalError> {
        let (rate, seconds) = self.pair("step", part, 'x', "a rate and seconds as RATExSECONDS")?;
        Ok(Step {
            rate: self.rate(rate)?,
            seconds: self.number("seconds", seconds, STEP_SECONDS_MIN, SECONDS_MAX)?,
        })
    }

    fn pair<'p>(
        &self,
        part: &'static str,
        value: &'p str,
        between: char,
        expected: &str,
    ) -> Result<(&'p str, &'p str), ArrivalError> {
        let pair = value.split_once(between).map(|(a, b)| (a.trim(), b.trim()));
        pair.ok_or_else(|| self.part(part, value, expected.to_owned()))
    }

    fn number(&self, part: &'static str, value: &str, min: f64, max: f64) -> Result<f64, ArrivalError> {
        let number = value.parse::<f64>().ok().filter(|number| (min..=max).contains(number));
        number.ok_or_else(|| self.part(part, value, format!("a number from {min} to {max}")))
    }

    fn part(&self, part: &'static str, value: &str, expected: String) -> ArrivalError {
        ArrivalError::Part { text: self.text.to_owned(), part, value: value.to_owned(), expected }
    }

    fn parts(&self, parts: &[&str], expected: &'static str) -> ArrivalError {
        ArrivalError::Parts { text: self.text.to_owned(), found: parts.len(), expected }
    }
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant { rate } => write!(f, "constant:{rate}"),
            Self::Poisson { rate } => write!(f, "poisson:{rate}"),
            Self::Gamma { rate, shape } => write!(f, "gamma:{rate},{shape}"),
            Self::Bursts { quiet, burst, quiet_s, burst_s } => {
                write!(f, "bursts:{quiet},{burst},{quiet_s},{burst_s}")
            }
            Self::Ramp { from, to } => write!(f, "ramp:{from}-{to}"),
            Self::Steps(steps) => {
                write!(f, "steps:")?;
                for (position, step) in steps.iter().enumerate() {
                    let comma = if position == 0 { "" } else { "," };
                    write!(f, "{comma}{}x{}", step.rate, step.seconds)?;
                }
                Ok(())
            }
            Self::Closed { clients } => write!(f, "closed:{clients}"),
        }
    }
}

impl TryFrom<String> for Arrival {
    type Error = ArrivalError;

    fn try_from(text: String) -> Result<Self, ArrivalError> {
        text.parse()
    }
}

impl From<Arrival> for String {
    fn from(arrival: Arrival) -> Self {
        arrival.to_string()
    }
}
