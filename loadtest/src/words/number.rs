//! Numbers as people read them: thousands separated, as many digits as mean something, the unit behind. Whatever comes in,
//! something short comes out; what is no number is a dash.

/// Stands where there is no value.
pub(crate) const NONE: &str = "–";

/// A whole number: `12,345`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A measured number with about three digits: `0.042`, `4.20`, `42.0`, `4,200`.
pub(crate) fn figure(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        NONE.to_owned()
    } else if size >= 1e15 || (size > 0.0 && size < 1e-4) {
        format!("{value:.1e}")
    } else if size >= 99.95 {
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}{}", count(size.round() as u64))
    } else if size >= 9.995 {
        format!("{value:.1}")
    } else if size >= 0.01 || size == 0.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.4}")
    }
}

/// A measured number where nothing may be known.
pub(crate) fn maybe(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), figure)
}

/// A duration, from milliseconds: `0.42 ms`, `812 ms`, `12.4 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn duration(ms: f64) -> String {
    if !ms.is_finite() {
        return NONE.to_owned();
    }
    let seconds = (ms.max(0.0) / 1000.0).round() as u64;
    match ms {
        0.0 => "0 ms".to_owned(),
        ms if ms < 999.5 => format!("{} ms", figure(ms)),
        ms if ms < 9_995.0 => format!("{} s", trimmed(ms / 1000.0, 2)),
        ms if ms < 119_500.0 => format!("{} s", trimmed(ms / 1000.0, 1)),
        ms if ms < 7_199_500.0 => joined(seconds / 60, "min", seconds % 60, "s"),
        _ => joined(seconds / 3600, "h", seconds % 3600 / 60, "min"),
    }
}

fn joined(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    match small {
        0 => format!("{} {large_unit}", count(large)),
        _ => format!("{} {large_unit} {small} {small_unit}", count(large)),
    }
}

/// A share of one as a percentage: `0 %`, `0.02 %`, `12.5 %`.
pub(crate) fn share(value: f64) -> String {
    let percent = value * 100.0;
    if !percent.is_finite() {
        NONE.to_owned()
    } else if percent.abs() >= 9.995 {
        format!("{} %", trimmed(percent, 1))
    } else {
        format!("{} %", trimmed(percent, 2))
    }
}

/// One of many as a percentage; 0 of 0 is nothing known.
pub(crate) fn share_of(part: u64, whole: u64) -> String {
    share(part as f64 / whole as f64)
}

/// With at most so many decimals, none of them a zero at the end.
pub(crate) fn trimmed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    if value.abs() >= 1e15 {
        return format!("{value:.1e}");
    }
    let text = format!("{value:.decimals$}");
    let text = if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |text| ("-", text));
    let (whole, fraction) = text.split_once('.').map_or((text, ""), |(whole, fraction)| (whole, fraction));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), count);
    let sign = if whole == "0" && fraction.is_empty() { "" } else { sign };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// So many of something, its plural made with an `s`: `1 token`, `1,200 tokens`.
pub(crate) fn things(value: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(value), if value == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        assert_eq!(
            [0, 12, 999, 1_000, 1_234_567, u64::MAX].map(count),
            ["0", "12", "999", "1,000", "1,234,567", "18,446,744,073,709,551,615"]
        );
    }

    #[test]
    fn a_figure_has_about_three_digits() {
        let seen =
            [0.0, 0.0042, 0.42, 4.2, 42.0, 420.4, 42_000.0, -1234.0, 1e18, 1e-9, f64::NAN, f64::INFINITY];
        let said = [
            "0.00", "0.0042", "0.42", "4.20", "42.0", "420", "42,000", "-1,234", "1.0e18", "1.0e-9", "–", "–",
        ];
        assert_eq!(seen.map(figure), said);
    }

    #[test]
    fn a_figure_at_an_edge_has_no_digit_too_many() {
        assert_eq!([9.999, 99.99, 999.9].map(figure), ["10.0", "100", "1,000"]);
    }

    #[test]
    fn durations_take_the_unit_that_fits() {
        let seen = [0.0, 0.42, 812.0, 4_200.0, 12_400.0, 119_600.0, 200_000.0, 7_500_000.0, f64::NAN];
        let said = ["0 ms", "0.42 ms", "812 ms", "4.2 s", "12.4 s", "2 min", "3 min 20 s", "2 h 5 min", "–"];
        assert_eq!(seen.map(duration), said);
    }

    #[test]
    fn shares_are_percentages() {
        assert_eq!([0.0, 0.000_21, 0.125, 1.0].map(share), ["0 %", "0.02 %", "12.5 %", "100 %"]);
        assert_eq!(share_of(0, 0), NONE);
        assert_eq!(share_of(1, 3), "33.3 %");
    }

    #[test]
    fn trimming_keeps_the_zeros_of_whole_numbers() {
        assert_eq!(trimmed(100.0, 0), "100");
        assert_eq!(trimmed(1200.50, 2), "1,200.5");
        assert_eq!(trimmed(-0.001, 2), "0");
        assert_eq!(trimmed(-1.5, 2), "-1.5");
    }

    #[test]
    fn one_thing_has_no_plural() {
        assert_eq!([0, 1, 2].map(|value| things(value, "token")), ["0 tokens", "1 token", "2 tokens"]);
    }
}
