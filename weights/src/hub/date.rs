//! Moments as hubs write them. Pure; asked by `request` and `found`.

use std::time::{Duration, SystemTime};

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the form that servers send in headers.
pub(super) fn http_date(text: &str) -> Option<SystemTime> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let (_, rest) = text.split_once(", ")?;
    let parts: Vec<&str> = rest.split(' ').collect();
    let [day, month, year, time, "GMT"] = parts.as_slice() else { return None };
    let month = (MONTHS.find(month).filter(|at| month.len() == 3 && at % 3 == 0)? / 3) as u64 + 1;
    let seconds = seconds([year.parse().ok()?, month, day.parse().ok()?], &numbers(time, ':')?)?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// `2024-09-25T12:32:43.000Z`, as in JSON, in Unix milliseconds; a fraction is dropped.
pub(super) fn utc_unix_ms(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let time = time.split_once('.').map_or(time, |(whole, _)| whole);
    let date: [u64; 3] = numbers(date, '-')?.try_into().ok()?;
    Some(seconds(date, &numbers(time, ':')?)? * 1000)
}

fn numbers(text: &str, between: char) -> Option<Vec<u64>> {
    text.split(between).map(|part| part.parse().ok()).collect()
}

/// Seconds since 1970 of a year, month and day, and a clock.
fn seconds([year, month, day]: [u64; 3], clock: &[u64]) -> Option<u64> {
    let [hour, minute, second] = clock else { return None };
    if !(1970..10_000).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || *hour > 23
        || *minute > 59
        || *second > 60
    {
        return None;
    }
    // Days of the civil calendar since 1970, with years that begin in March so that the leap day is last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_as_servers_write_it() {
        let seconds =
            |text| http_date(text).map(|t| t.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(seconds("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
        for bad in
            ["", "x, y", "Sun, 06 Nov 1994 08:49 GMT", "Sun, 06 anF 1994 08:49:37 GMT", "a, b c d e GMT"]
        {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_moment_is_read_as_json_has_it() {
        assert_eq!(utc_unix_ms("1994-11-06T08:49:37.000Z"), Some(784_111_777_000));
        assert_eq!(utc_unix_ms("2024-02-29T12:00:00Z"), Some(1_709_208_000_000));
        for bad in ["", "2024-02-29", "2024-13-01T00:00:00Z", "2024-02-29T12:00Z", "1-2-3-4T1:2:3Z", "TZ"] {
            assert_eq!(utc_unix_ms(bad), None, "{bad}");
        }
    }
}
