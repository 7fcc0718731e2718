//! The statistics that sweeps and comparisons need: a line through points with Student's test of its slope, the test of
//! Mann and Whitney, and the bootstrap. Pure; numbers by chance come from a seed.

use crate::random::Random;

/// Values per side up to which the test of Mann and Whitney counts all orders instead of taking the normal curve.
const EXACT_MAX: usize = 20;

/// The mean; 0 without values.
pub(crate) fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// The median, between the two middle ones when there are two; 0 without values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

/// A line through points by least squares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Line {
    /// Change of y per x.
    pub(crate) slope: f64,
    /// Chance of this slope or a steeper one when there is none and points scatter normally: one-sided.
    pub(crate) p_rising: f64,
}

impl Line {
    /// The line; `None` for fewer than three points, or when all have the same x.
    pub(crate) fn through(points: &[(f64, f64)]) -> Option<Self> {
        if points.len() < 3 {
            return None;
        }
        let n = points.len() as f64;
        let (sum_x, sum_y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
        let (mean_x, mean_y) = (sum_x / n, sum_y / n);
        let sum = |of: &dyn Fn(f64, f64) -> f64| {
            points.iter().map(|(x, y)| of(x - mean_x, y - mean_y)).sum::<f64>()
        };
        let spread = sum(&|x, _| x * x);
        if spread <= 0.0 {
            return None;
        }
        let slope = sum(&|x, y| x * y) / spread;
        let residual = sum(&|x, y| (y - slope * x) * (y - slope * x));
        let error = libm::sqrt(residual / (n - 2.0) / spread);
        let p_rising = match (error > 0.0, slope > 0.0) {
            (true, _) => student_above(slope / error, n - 2.0),
            (false, true) => 0.0,
            (false, false) => 1.0,
        };
        Some(Self { slope, p_rising })
    }
}

/// Chance that a value of Student's distribution with these degrees of freedom is above `t`.
fn student_above(t: f64, degrees: f64) -> f64 {
    let tail = 0.5 * beta_share(degrees / 2.0, 0.5, degrees / (degrees + t * t));
    if t > 0.0 { tail } else { 1.0 - tail }
}

/// The regularised incomplete beta function, by the continued fraction of Abramowitz and Stegun 26.5.8 in Lentz's form.
fn beta_share(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let front =
        libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log(1.0 - x);
    let front = libm::exp(front);
    // The fraction converges fast on this side of the mean; the other side is its mirror.
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(a, b, x) / a
    } else {
        1.0 - front * beta_fraction(b, a, 1.0 - x) / b
    }
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const STEPS_MAX: u32 = 300;
    const PRECISION: f64 = 1e-14;
    let away_from_zero = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for step in 1..=STEPS_MAX {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = fraction;
        for term in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + term * d);
            c = away_from_zero(1.0 + term / c);
            fraction *= d * c;
        }
        if (fraction - before).abs() < PRECISION * fraction.abs() {
            break;
        }
    }
    fraction
}

/// Two-sided chance of such a difference in order between two samples, or a greater one, when both come from one
/// distribution (Mann and Whitney 1947). Exact for up to 20 values a side without ties, else by the normal curve with
/// corrections for ties and continuity. 1 without values.
pub(crate) fn mann_whitney(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 1.0;
    }
    let wins: f64 = a.iter().map(|x| b.iter().map(|y| win(*x, *y)).sum::<f64>()).sum();
    let pairs = (a.len() * b.len()) as f64;
    let fewer = wins.min(pairs - wins);
    let ties = tie_groups(a, b);
    if ties.iter().all(|group| *group == 1) && a.len().max(b.len()) <= EXACT_MAX {
        return exact_two_sided(a.len(), b.len(), fewer as usize);
    }
    let n = (a.len() + b.len()) as f64;
    let tied: f64 = ties.iter().map(|group| (*group as f64).powi(3) - *group as f64).sum();
    let variance = pairs / 12.0 * (n + 1.0 - tied / (n * (n - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let z = (pairs / 2.0 - fewer - 0.5).max(0.0) / libm::sqrt(variance);
    libm::erfc(z / std::f64::consts::SQRT_2).min(1.0)
}

fn win(x: f64, y: f64) -> f64 {
    match x.total_cmp(&y) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    }
}

/// How many values are equal, for each value that there is.
fn tie_groups(a: &[f64], b: &[f64]) -> Vec<usize> {
    let mut all: Vec<f64> = a.iter().chain(b).copied().collect();
    all.sort_by(f64::total_cmp);
    all.chunk_by(|x, y| x.total_cmp(y).is_eq()).map(<[f64]>::len).collect()
}

/// Twice the share of orders of `m` and `n` values in which one side wins at most `wins` pairs.
fn exact_two_sided(m: usize, n: usize, wins: usize) -> f64 {
    // counts[j][u]: orders of the values so far of the first side and j of the second in which the first wins u pairs.
    // The largest of all is of the first side and wins j pairs, or of the second and wins none.
    let mut counts = vec![vec![0.0; m * n + 1]; n + 1];
    counts.iter_mut().for_each(|row| row[0] = 1.0);
    for _ in 0..m {
        let before = counts;
        counts = vec![vec![0.0; m * n + 1]; n + 1];
        for j in 0..=n {
            for u in 0..=m * n {
                let first = if u >= j { before[j][u - j] } else { 0.0 };
                let second = if j > 0 { counts[j - 1][u] } else { 0.0 };
                counts[j][u] = first + second;
            }
        }
    }
    let all: f64 = counts[n].iter().sum();
    let as_few: f64 = counts[n][..=wins].iter().sum();
    (2.0 * as_few / all).min(1.0)
}

/// The middle `confidence` of what `of` gives for pairs drawn again from `pairs`, with as many draws as there are pairs,
/// `resamples` times (Efron 1979, percentiles). Draws for which it gives nothing are left out; `None` when all do.
pub(crate) fn bootstrap(
    pairs: &[(f64, f64)],
    resamples: u32,
    confidence: f64,
    random: &mut Random,
    of: impl Fn(&[(f64, f64)]) -> Option<f64>,
) -> Option<(f64, f64)> {
    let mut drawn = pairs.to_vec();
    let mut values = Vec::with_capacity(resamples as usize);
    for _ in 0..resamples {
        for place in &mut drawn {
            *place = pairs[random.below(pairs.len() as u64) as usize];
        }
        values.extend(of(&drawn).filter(|value| value.is_finite()));
    }
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = |share: f64| values[((last as f64 * share).round() as usize).min(last)];
    let tail = (1.0 - confidence) / 2.0;
    Some((at(tail), at(1.0 - tail)))
}

#[cfg(test)]
#[path = "statistics_tests.rs"]
mod tests;
