//! From values to places on an axis, and the round numbers beside it. Every scale is finite and wider than nothing, so that
//! whatever is drawn on it has a place from 0 to 1.

use crate::words::number;

/// Values beyond are drawn at the edge. Above any time or rate there is, and far from what a float loses.
const VALUE_MAX: f64 = 1e15;
/// Values below are zero. Steps between smaller ones would be none.
const VALUE_MIN: f64 = 1e-12;
/// Smallest value that a logarithmic axis tells from zero: a nanosecond in milliseconds.
const LOGARITHM_MIN: f64 = 1e-6;
/// From this ratio of largest to smallest on, a linear axis would press the small ones flat.
const LOGARITHM_FROM: f64 = 40.0;
/// From so many decades of percentiles on, the label of 50 % would meet that of 0 %.
const ROOMY_DECADES: f64 = 3.5;
/// Least ratio at the end of an axis of ratios; below, the axis would show nothing but noise.
const RATIO_MIN: f64 = 1.1;
/// Steps of a time axis, in seconds.
const TIME_STEPS: [f64; 24] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
    600.0, 1800.0, 3600.0, 7200.0, 21_600.0, 43_200.0, 86_400.0,
];

/// A place with a label.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    /// From 0 to 1.
    pub(super) at: f64,
    /// What stands there.
    pub(super) label: String,
    /// Whether it is shown only where there is room.
    pub(super) is_minor: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Linear,
    Logarithmic,
    /// Value p lies at −log10(1 − p/100): as much room from 90 to 99 as from 99 to 99.9.
    Percentile,
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    shape: Shape,
    low: f64,
    high: f64,
    /// In rising order.
    pub(super) ticks: Vec<Tick>,
}

impl Scale {
    /// From zero to above the largest value, in round steps.
    pub(super) fn from_zero(values: impl IntoIterator<Item = f64>) -> Self {
        let largest = values.into_iter().filter_map(sane).fold(0.0, f64::max);
        let high = if largest > 0.0 { largest } else { 1.0 };
        let step = round_step(high / 4.0);
        let steps = (high / step).ceil().max(1.0);
        Self::linear(0.0, steps * step, step)
    }

    /// For latencies and other values above 0: logarithmic when they differ so much that it needs to be, else from zero.
    pub(super) fn fitting(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<_> = values.into_iter().filter_map(sane).filter(|value| *value > 0.0).collect();
        let low = values.iter().copied().fold(f64::INFINITY, f64::min).max(LOGARITHM_MIN);
        let high = values.iter().copied().fold(0.0, f64::max);
        if high / low < LOGARITHM_FROM || values.is_empty() {
            return Self::from_zero(values);
        }
        Self::logarithmic(low, high)
    }

    /// Ratios from one over `farthest` to `farthest`, with 1 in the middle and round numbers beside it.
    pub(super) fn around_one(farthest: f64) -> Self {
        let farthest = sane(farthest).unwrap_or(RATIO_MIN).max(RATIO_MIN);
        let steps: &[f64] = match farthest {
            farthest if farthest < 1.15 => &[1.05, 1.1],
            farthest if farthest < 1.6 => &[1.1, 1.25, 1.5],
            farthest if farthest < 4.0 => &[1.25, 1.5, 2.0, 3.0],
            farthest if farthest < 20.0 => &[2.0, 5.0, 10.0],
            _ => &[10.0, 100.0],
        };
        let mut scale =
            Self { shape: Shape::Logarithmic, low: 1.0 / farthest, high: farthest, ticks: Vec::new() };
        let steps = steps.iter().filter(|step| **step <= farthest);
        let below = steps.clone().rev().map(|step| 1.0 / step);
        for value in below.chain([1.0]).chain(steps.copied()) {
            let tick = Tick { at: scale.place(value), label: number::trimmed(value, 2), is_minor: false };
            scale.ticks.push(tick);
        }
        scale
    }

    /// The time from 0 to `ms`.
    pub(super) fn for_time(ms: f64) -> Self {
        let seconds = (sane(ms).unwrap_or(0.0) / 1e3).max(1e-3);
        let fits = |most: f64, step: f64| seconds / step <= most;
        let days = (seconds / 86_400.0 / 4.0).ceil().max(1.0) * 86_400.0;
        let coarse = TIME_STEPS.into_iter().find(|step| fits(4.0, *step)).unwrap_or(days);
        let is_part = |step: &f64| (coarse / step - (coarse / step).round()).abs() < 1e-6;
        let fine = TIME_STEPS.into_iter().filter(is_part).find(|step| fits(10.0, *step)).unwrap_or(coarse);
        let per_coarse = (coarse / fine).round() as usize;
        let ticks = (0..=(seconds / fine + 1e-9) as usize).map(|at| {
            let time = at as f64 * fine;
            Tick { at: time / seconds, label: time_label(time, fine), is_minor: at % per_coarse != 0 }
        });
        Self { shape: Shape::Linear, low: 0.0, high: seconds * 1e3, ticks: ticks.collect() }
    }

    /// Percentiles as far as so many values can tell them.
    pub(super) fn for_percentiles(count: u64) -> Self {
        let high = (count.max(1) as f64).log10().clamp(1.0, 6.0);
        let labels = ["50", "90", "99", "99.9", "99.99", "99.999", "99.9999"];
        let mut scale = Self { shape: Shape::Percentile, low: 0.0, high, ticks: Vec::new() };
        scale.ticks.push(Tick { at: 0.0, label: "0 %".to_owned(), is_minor: true });
        for label in labels {
            let at = percentile_place(label.parse().unwrap_or(0.0));
            let has_room = label != "50" || high < ROOMY_DECADES;
            if at <= high + 1e-9 && has_room {
                let is_minor = label == "50";
                scale.ticks.push(Tick { at: at / high, label: format!("{label} %"), is_minor });
            }
        }
        scale
    }

    fn linear(low: f64, high: f64, step: f64) -> Self {
        // One more than the step's size needs, for the half steps; zeros at the end are not shown.
        let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize + 1;
        let steps = ((high - low) / step).round().min(20.0) as usize;
        let ticks = (0..=steps).map(|at| {
            let value = low + at as f64 * step;
            Tick { at: (value - low) / (high - low), label: tick_label(value, decimals), is_minor: false }
        });
        Self { shape: Shape::Linear, low, high, ticks: ticks.collect() }
    }

    /// From one of 1, 2, 5 times a power of ten to another; `high` is larger than `low`, which is larger than 0.
    pub(super) fn logarithmic(low: f64, high: f64) -> Self {
        let (low, high) = (one_two_five(low, f64::floor), one_two_five(high, f64::ceil));
        let mut scale = Self { shape: Shape::Logarithmic, low, high, ticks: Vec::new() };
        let decades = (high / low).log10();
        let every = (decades / 6.0).ceil().max(1.0) as i32;
        let parts: &[f64] = if decades <= 2.01 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let first = low.log10().floor() as i32;
        for (at, power) in (first..=high.log10().ceil() as i32).enumerate() {
            for part in parts {
                let value = part * 10f64.powi(power);
                if at as i32 % every == 0 && value >= low * 0.999 && value <= high * 1.001 {
                    let label = tick_label(value, (-power).clamp(0, 9) as usize);
                    scale.ticks.push(Tick { at: scale.place(value), label, is_minor: false });
                }
            }
        }
        scale
    }

    /// Where a value lies, from 0 to 1; beyond the ends it is at them.
    pub(super) fn place(&self, value: f64) -> f64 {
        let value = sane(value).unwrap_or(self.low);
        let place = match self.shape {
            Shape::Linear => (value - self.low) / (self.high - self.low),
            Shape::Logarithmic => (value.max(self.low) / self.low).ln() / (self.high / self.low).ln(),
            Shape::Percentile => percentile_place(value) / self.high,
        };
        place.clamp(0.0, 1.0)
    }

    /// Whether equal steps are equal ratios.
    pub(super) fn is_logarithmic(&self) -> bool {
        self.shape == Shape::Logarithmic
    }
}

/// A value that can be drawn; `None` for what is no number.
pub(super) fn sane(value: f64) -> Option<f64> {
    let is_tiny = value.abs() < VALUE_MIN;
    value.is_finite().then(|| if is_tiny { 0.0 } else { value.clamp(-VALUE_MAX, VALUE_MAX) })
}

fn percentile_place(percentile: f64) -> f64 {
    -(1.0 - percentile.clamp(0.0, 99.999_999) / 100.0).log10()
}

/// The smallest of 1, 2, 2.5, 5, 10 times a power of ten that is not below.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let part = [1.0, 2.0, 2.5, 5.0].into_iter().find(|part| part * power >= least * 0.999_999);
    part.unwrap_or(10.0) * power
}

/// The next of 1, 2, 5 times a power of ten, down with `floor`, up with `ceil`.
fn one_two_five(value: f64, direction: fn(f64) -> f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let part = value / power;
    let parts = [1.0, 2.0, 5.0, 10.0];
    let part = if direction(0.5) > 0.0 {
        parts.into_iter().find(|next| *next >= part * 0.999_999).unwrap_or(10.0)
    } else {
        parts.into_iter().rfind(|next| *next <= part * 1.000_001).unwrap_or(1.0)
    };
    part * power
}

fn tick_label(value: f64, decimals: usize) -> String {
    match value.abs() {
        size if size >= 1e9 => format!("{value:.0e}"),
        size if size >= 1e6 => format!("{} M", number::trimmed(value / 1e6, 2)),
        size if size >= 1e4 => format!("{} k", number::trimmed(value / 1e3, 1)),
        _ => number::trimmed(value, decimals),
    }
}

/// `30 s` below two minutes, `2:30` below an hour, then `1:30 h`, then days.
fn time_label(seconds: f64, step: f64) -> String {
    if seconds == 0.0 {
        return "0".to_owned();
    }
    let whole = seconds.round() as u64;
    match step {
        step if step < 1.0 || seconds < 60.0 => format!("{} s", number::trimmed(seconds, 3)),
        step if step >= 86_400.0 => format!("{} d", number::count(whole / 86_400)),
        _ if seconds < 3600.0 => format!("{}:{:02}", whole / 60, whole % 60),
        _ if step < 60.0 => format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60),
        _ => format!("{}:{:02} h", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
#[path = "scale_tests.rs"]
mod tests;
