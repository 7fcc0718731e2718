//! When requests are meant to start: an open loop asks at times that no answer can move, a closed loop keeps a number of
//! clients that each wait for their answer. Asked by [`crate::load`]; the short text forms are read in `arrival_text`.
//!
//! Every open loop is a rate over time and a way to space requests in it: gaps with mean 1 are laid along the integral
//! of the rate, so that a ramp of Poisson arrivals is still Poisson at each moment (time change, Çinlar 1975).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::random::Random;

pub use crate::arrival_text::{ArrivalError, FORMS};

/// Most requests per second that can be asked for; far more than one generator can send.
pub const RATE_MAX: f64 = 100_000.0;
/// Most clients of a closed loop.
pub const CLIENTS_MAX: u32 = 100_000;
/// Most steps of a load in steps.
pub const STEPS_MAX: usize = 1_000;
/// Least burstiness: a tenth of this, and nearly all requests come at once.
pub const SHAPE_MIN: f64 = 0.01;
/// Greatest burstiness; from here on arrivals are even.
pub const SHAPE_MAX: f64 = 1_000.0;

/// When requests are meant to start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Arrival {
    /// Evenly.
    Constant {
        /// Requests per second.
        rate: f64,
    },
    /// As independent people do.
    Poisson {
        /// Requests per second, mean.
        rate: f64,
    },
    /// Gamma-distributed gaps.
    Gamma {
        /// Requests per second, mean.
        rate: f64,
        /// Shape of the gaps: 1 is Poisson, less comes in bursts, more is more even.
        shape: f64,
    },
    /// A Poisson process whose rate changes between two values at random times (MMPP).
    Bursts {
        /// Requests per second outside of bursts.
        quiet: f64,
        /// Requests per second in bursts.
        burst: f64,
        /// Mean seconds between bursts.
        quiet_s: f64,
        /// Mean seconds of a burst.
        burst_s: f64,
    },
    /// Poisson with a rate that changes evenly over the run.
    Ramp {
        /// Requests per second at the start.
        from: f64,
        /// Requests per second at the end.
        to: f64,
    },
    /// Poisson with rates one after the other; the last one holds to the end of the run. A spike is three steps.
    Steps(Vec<Step>),
    /// A closed loop. Its requests have no start that was known before the run: a client asks when it has its answer,
    /// so a slow server is asked less. It says what a number of users sees, not what a rate of requests meets.
    Closed {
        /// Clients that ask at the same time.
        clients: u32,
    },
}

/// A piece of a load in steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Requests per second.
    pub rate: f64,
    /// How long it holds.
    pub seconds: f64,
}

/// How gaps are drawn; all with mean 1.
#[derive(Clone, Copy)]
enum Spacing {
    Even,
    Exponential,
    Gamma(f64),
}

/// A stretch of time over which the rate changes evenly.
#[derive(Clone, Copy, Debug)]
struct Piece {
    seconds: f64,
    from: f64,
    to: f64,
}

impl Arrival {
    /// Whether starts are known before the run.
    pub fn is_open(&self) -> bool {
        !matches!(self, Self::Closed { .. })
    }

    /// Requests per second, mean over a run of this length; `None` in a closed loop.
    pub fn rate(&self, length: Duration) -> Option<f64> {
        let length = length.as_secs_f64();
        match self {
            Self::Constant { rate } | Self::Poisson { rate } | Self::Gamma { rate, .. } => Some(*rate),
            Self::Bursts { quiet, burst, quiet_s, burst_s } => {
                Some((quiet * quiet_s + burst * burst_s) / (quiet_s + burst_s))
            }
            Self::Ramp { from, to } => Some((from + to) / 2.0),
            Self::Steps(_) if length <= 0.0 => None,
            Self::Steps(steps) => {
                Some(pieces_of_steps(steps, length).iter().map(Piece::area).sum::<f64>() / length)
            }
            Self::Closed { .. } => None,
        }
    }

    /// The same shape with this many requests per second, or this many clients in a closed loop.
    pub fn at_level(&self, level: f64, length: Duration) -> Self {
        let factor = self.rate(length).filter(|rate| *rate > 0.0).map_or(1.0, |rate| level / rate);
        match self {
            Self::Constant { .. } => Self::Constant { rate: level },
            Self::Poisson { .. } => Self::Poisson { rate: level },
            Self::Gamma { shape, .. } => Self::Gamma { rate: level, shape: *shape },
            Self::Bursts { quiet, burst, quiet_s, burst_s } => Self::Bursts {
                quiet: quiet * factor,
                burst: burst * factor,
                quiet_s: *quiet_s,
                burst_s: *burst_s,
            },
            Self::Ramp { from, to } => Self::Ramp { from: from * factor, to: to * factor },
            Self::Steps(steps) => Self::Steps(
                steps.iter().map(|step| Step { rate: step.rate * factor, seconds: step.seconds }).collect(),
            ),
            Self::Closed { .. } => Self::Closed { clients: (level.round().max(1.0) as u32).min(CLIENTS_MAX) },
        }
    }

    /// Intended starts from the start of the run, rising, all before `length` and at most `most`. Empty in a closed
    /// loop.
    pub(crate) fn starts(&self, length: Duration, most: usize, random: &mut Random) -> Vec<Duration> {
        let seconds = length.as_secs_f64();
        let (pieces, spacing) = match self {
            Self::Constant { rate } => (vec![Piece::flat(seconds, *rate)], Spacing::Even),
            Self::Poisson { rate } => (vec![Piece::flat(seconds, *rate)], Spacing::Exponential),
            Self::Gamma { rate, shape } => (vec![Piece::flat(seconds, *rate)], Spacing::Gamma(*shape)),
            Self::Bursts { quiet, burst, quiet_s, burst_s } => {
                let states = [(*quiet, *quiet_s), (*burst, *burst_s)];
                (pieces_of_bursts(states, seconds, random), Spacing::Exponential)
            }
            Self::Ramp { from, to } => (vec![Piece { seconds, from: *from, to: *to }], Spacing::Exponential),
            Self::Steps(steps) => (pieces_of_steps(steps, seconds), Spacing::Exponential),
            Self::Closed { .. } => return Vec::new(),
        };
        lay(&pieces, spacing, most, random)
    }
}

impl Piece {
    fn flat(seconds: f64, rate: f64) -> Self {
        Self { seconds, from: rate, to: rate }
    }

    /// Requests that it holds in the mean.
    fn area(&self) -> f64 {
        self.seconds * (self.from + self.to) / 2.0
    }

    /// After how many seconds this many requests of it have come; `area` is not above its own.
    fn seconds_of(&self, area: f64) -> f64 {
        let slope = (self.to - self.from) / self.seconds;
        // The root of from·t + slope·t²/2 = area, in the form that does not lose digits when the slope is small.
        let root = libm::sqrt((self.from * self.from + 2.0 * slope * area).max(0.0));
        let divisor = self.from + root;
        if divisor > 0.0 { (2.0 * area / divisor).min(self.seconds) } else { 0.0 }
    }
}

/// Lays gaps along the pieces.
fn lay(pieces: &[Piece], spacing: Spacing, most: usize, random: &mut Random) -> Vec<Duration> {
    let mut starts = Vec::new();
    let mut before = 0.0;
    // Requests of the current piece that have come already, as a real number.
    let mut done = 0.0;
    // Even arrivals begin with one at once, so that a rate and a length hold their product of requests.
    let mut gap = if matches!(spacing, Spacing::Even) { 0.0 } else { spacing.draw(random) };
    let mut pieces = pieces.iter();
    let mut current = pieces.next();
    while let Some(piece) = current.filter(|_| starts.len() < most) {
        if done + gap < piece.area() {
            done += gap;
            starts.push(micros(before + piece.seconds_of(done)));
            gap = spacing.draw(random);
        } else {
            gap -= piece.area() - done;
            done = 0.0;
            before += piece.seconds;
            current = pieces.next();
        }
    }
    starts
}

impl Spacing {
    fn draw(self, random: &mut Random) -> f64 {
        match self {
            Self::Even => 1.0,
            Self::Exponential => random.exponential(),
            Self::Gamma(shape) => random.gamma(shape),
        }
    }
}

/// The steps up to the end of the run, the last one made as long as it takes.
fn pieces_of_steps(steps: &[Step], length: f64) -> Vec<Piece> {
    let mut left = length;
    let mut pieces = Vec::with_capacity(steps.len());
    for (position, step) in steps.iter().enumerate() {
        let is_last = position + 1 == steps.len();
        let seconds = if is_last { left } else { step.seconds.min(left) };
        if seconds > 0.0 {
            pieces.push(Piece::flat(seconds, step.rate));
            left -= seconds;
        }
    }
    pieces
}

/// Quiet and burst in turn, each for a random time.
fn pieces_of_bursts(states: [(f64, f64); 2], length: f64, random: &mut Random) -> Vec<Piece> {
    let mut left = length;
    let mut pieces = Vec::new();
    for (rate, mean) in states.into_iter().cycle() {
        // A state of no length would never end the loop.
        let seconds = (mean * random.exponential()).max(1e-3).min(left);
        if left <= 0.0 {
            break;
        }
        pieces.push(Piece::flat(seconds, rate));
        left -= seconds;
    }
    pieces
}

/// Seconds to a duration of whole microseconds.
pub(crate) fn micros(seconds: f64) -> Duration {
    Duration::from_micros(libm::round(seconds * 1e6).max(0.0) as u64)
}

#[cfg(test)]
#[path = "arrival_tests.rs"]
mod tests;
