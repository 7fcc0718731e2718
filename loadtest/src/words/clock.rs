//! Wall time in UTC as text, from the milliseconds since 1970 that a report holds.

use time::OffsetDateTime;

/// For people: `2026-11-21 22:04:09 UTC`; a dash when no calendar has it.
pub(crate) fn people(unix_ms: u64) -> String {
    parts(unix_ms).map_or_else(|| super::number::NONE.to_owned(), |(date, time)| format!("{date} {time} UTC"))
}

/// For programs, as JUnit wants it: `2026-11-21T22:04:09`.
pub(crate) fn machine(unix_ms: u64) -> String {
    let (date, time) = parts(unix_ms).unwrap_or_else(|| ("1970-01-01".to_owned(), "00:00:00".to_owned()));
    format!("{date}T{time}")
}

fn parts(unix_ms: u64) -> Option<(String, String)> {
    let time = OffsetDateTime::from_unix_timestamp(i64::try_from(unix_ms / 1000).ok()?).ok()?;
    let date = format!("{:04}-{:02}-{:02}", time.year(), u8::from(time.month()), time.day());
    Some((date, format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_twice_the_same() {
        assert_eq!(people(1_795_305_849_500), "2026-11-22 00:04:09 UTC");
        assert_eq!(machine(1_795_305_849_500), "2026-11-22T00:04:09");
    }

    #[test]
    fn a_time_without_a_calendar_is_a_dash() {
        assert_eq!(people(u64::MAX), "–");
        assert_eq!(machine(u64::MAX), "1970-01-01T00:00:00");
    }
}
