//! The calendar: days and times in UTC, for log files and `gateway.json`. Nothing here decides by the clock.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A day in UTC, shown as `2026-01-31`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Day(i64);

impl Day {
    /// Today.
    pub(crate) fn today() -> Self {
        Self(seconds_now().div_euclid(86_400))
    }

    /// The day so many days before.
    pub(crate) fn before(self, days: u32) -> Self {
        Self(self.0 - i64::from(days))
    }

    /// The day of a text as [`Day`] shows it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-').map(|part| part.parse::<i64>().ok());
        let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
        let found = Self::from_civil(year, month, day);
        (parts.next().is_none() && found.to_string() == text).then_some(found)
    }

    /// Days since 1970 of a date in the Gregorian calendar; years start in March so that leap days come last.
    fn from_civil(year: i64, month: i64, day: i64) -> Self {
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        Self(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
    }

    /// Year, month and day; the inverse of [`Day::from_civil`].
    fn civil(self) -> (i64, i64, i64) {
        let days = self.0 + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// Microseconds since 1970 of a time as `2026-01-31T23:59:59.000001Z`, with up to nine digits behind the point.
pub(crate) fn parse_utc_us(text: &str) -> Option<u64> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = time.split(':').map(|part| part.parse::<u64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let is_time = parts.next().is_none() && hours < 24 && minutes < 60 && seconds < 61;
    if !is_time || fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros: u64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let days = u64::try_from(Day::parse(day)?.0).ok()?;
    Some((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000_000 + micros)
}

/// Now, as `2026-01-31T23:59:59Z`.
pub(crate) fn now_utc() -> String {
    at(seconds_now())
}

/// So many seconds after the start of 1970, as `2026-01-31T23:59:59Z`.
pub(crate) fn utc(unix_s: u64) -> String {
    at(i64::try_from(unix_s).unwrap_or_default())
}

/// Now, in milliseconds since the start of 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn at(seconds: i64) -> String {
    let of_day = seconds.rem_euclid(86_400);
    let day = Day(seconds.div_euclid(86_400));
    format!("{day}T{:02}:{:02}:{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

fn seconds_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_shown_as_the_calendar_has_them() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (20_778, "2026-11-21"),
            (-1, "1969-12-31"),
        ] {
            assert_eq!(Day(days).to_string(), expected);
        }
    }

    #[test]
    fn every_day_reads_back_as_it_was_shown() {
        for days in (0..80_000).step_by(13) {
            assert_eq!(Day::parse(&Day(days).to_string()), Some(Day(days)));
        }
        for text in ["", "2026-02-30", "2026-2-3", "2026-01-01-01", "x-y-z"] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_of_a_log_is_read_to_the_microsecond() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T00:00:01.5Z", Some(1_500_000)),
            ("2026-01-31T23:59:59.000001Z", Some(1_769_903_999_000_001)),
            ("2026-01-31T23:59:59.123456789Z", Some(1_769_903_999_123_456)),
            ("2026-01-31T24:00:00Z", None),
            ("2026-01-31 23:59:59Z", None),
            ("2026-01-31T23:59:59", None),
            ("2026-01-31T23:59:59.Z", Some(1_769_903_999_000_000)),
            ("2026-01-31T23:59:59.x1Z", None),
            ("1969-12-31T00:00:00Z", None),
        ] {
            assert_eq!(parse_utc_us(text), expected, "{text}");
        }
    }
}
