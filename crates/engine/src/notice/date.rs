//! The date of a message.

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const SECONDS_OF_A_DAY: u64 = 24 * 60 * 60;

/// The last second of the year 9999.
const LAST: u64 = 253_402_300_799;

/// Returns a time, in seconds since 1970-01-01 in UTC, as a date (RFC 5322 section 3.3). Times after the year 9999 become
/// the last one in it.
pub(super) fn date(seconds: u64) -> String {
    let seconds = seconds.min(LAST);
    let (day, second) = (seconds / SECONDS_OF_A_DAY, seconds % SECONDS_OF_A_DAY);
    let (mut year, mut of_year) = (1970, day);
    while of_year >= days_of_year(year) {
        of_year -= days_of_year(year);
        year += 1;
    }
    let (mut month, mut of_month) = (0, of_year);
    while of_month >= days_of_month(year, month) {
        of_month -= days_of_month(year, month);
        month += 1;
    }
    format!(
        "{}, {} {} {year} {:02}:{:02}:{:02} +0000",
        DAYS[(day % 7) as usize],
        of_month + 1,
        MONTHS[month],
        second / 3600,
        second / 60 % 60,
        second % 60,
    )
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

/// Returns the days of a month; 0 is January.
fn days_of_month(year: u64, month: usize) -> u64 {
    match month {
        1 if is_leap(year) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail_parser::DateTime;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_000_000_000, "Sun, 9 Sep 2001 01:46:40 +0000"),
            (1_790_000_000, "Mon, 21 Sep 2026 14:13:20 +0000"),
            (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 +0000"),
            (4_107_542_400, "Mon, 1 Mar 2100 00:00:00 +0000"),
            (LAST, "Fri, 31 Dec 9999 23:59:59 +0000"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 +0000"),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }

    #[test]
    fn each_day_is_read_back() {
        for day in 0..60_000 {
            let seconds = day * SECONDS_OF_A_DAY + day % SECONDS_OF_A_DAY;
            let date = date(seconds);
            let message = format!("Date: {date}\r\n\r\n");
            let parsed = mail_parser::MessageParser::default().parse(message.as_bytes()).unwrap();
            assert_eq!(parsed.date().map(DateTime::to_timestamp), Some(seconds as i64), "{date}");
        }
    }
}
