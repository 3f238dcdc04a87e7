//! Times and durations as a person reads them, and as `--at` takes them back.
//!
//! Must not: know a clock. Times are those of events.

use tracer_model::ids::BootNs;

use super::Style;

/// Milliseconds since `base` with three decimals, rounded down: `305.402`, `-1.200`.
#[must_use]
pub fn ms(at: BootNs, base: BootNs) -> String {
    let (sign, ns) = if at < base { ("-", base.since(at)) } else { ("", at.since(base)) };
    let us = ns / 1000;
    format!("{sign}{}.{:03}", us / 1000, us % 1000)
}

/// A duration with two or three digits: `18 µs`, `4.1 ms`, `302 ms`, `3.1 s`, `4 min 05 s`, `2 h 03 min`.
#[must_use]
pub fn span(ns: u64, style: Style) -> String {
    let micro = if style.ascii { "us" } else { "µs" };
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => short(ns, 1_000, micro),
        1_000_000..1_000_000_000 => short(ns, 1_000_000, "ms"),
        1_000_000_000..60_000_000_000 => short(ns, 1_000_000_000, "s"),
        _ => {
            let seconds = ns / 1_000_000_000;
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            if hours > 0 {
                format!("{hours} h {minutes:02} min")
            } else {
                format!("{minutes} min {:02} s", seconds % 60)
            }
        }
    }
}

/// One decimal below ten, none above.
fn short(ns: u64, unit: u64, name: &str) -> String {
    if ns < 10 * unit && ns % unit >= unit / 10 {
        format!("{}.{} {name}", ns / unit, ns % unit / (unit / 10))
    } else {
        format!("{} {name}", ns / unit)
    }
}

/// Wall time in UTC, rounded down to milliseconds: `2026-11-24T08:00:00.500Z`. ns since 1970.
#[must_use]
pub fn wall(unix_ns: i64) -> String {
    let (days, of_day) = (unix_ns.div_euclid(DAY_NS), unix_ns.rem_euclid(DAY_NS));
    let (year, month, day) = civil(days);
    let (seconds, ms) = (of_day / 1_000_000_000, of_day / 1_000_000 % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

const DAY_NS: i64 = 86_400_000_000_000;

/// The date of a day since 1970, in the Gregorian calendar. Years are counted from March, so that a leap day is the last.
fn civil(days: i64) -> (i64, i64, i64) {
    const FOUR_CENTURIES: i64 = 146_097;
    // 1970-01-01 is so many days after 0000-03-01.
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(FOUR_CENTURIES), days.rem_euclid(FOUR_CENTURIES));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_times_are_those_of_the_calendar() {
        for (seconds, shown) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_709_251_200, "2024-03-01T00:00:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(wall(seconds * 1_000_000_000), shown);
        }
        assert_eq!(wall(1_500_999_999), "1970-01-01T00:00:01.500Z");
    }

    #[test]
    fn times_are_milliseconds_since_the_start() {
        let base = BootNs(5_000_000_000);
        for (at, shown) in [
            (5_000_000_000, "0.000"),
            (5_000_000_999, "0.000"),
            (5_003_931_000, "3.931"),
            (5_305_402_999, "305.402"),
            (125_000_000_000, "120000.000"),
            (4_998_800_000, "-1.200"),
            (4_999_999_900, "-0.000"),
            (0, "-5000.000"),
        ] {
            assert_eq!(ms(BootNs(at), base), shown);
        }
    }

    #[test]
    fn durations_have_two_or_three_digits() {
        for (ns, shown) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1 µs"),
            (18_400, "18 µs"),
            (4_120_000, "4.1 ms"),
            (4_020_000, "4 ms"),
            (302_900_000, "302 ms"),
            (3_100_000_000, "3.1 s"),
            (59_999_999_999, "59 s"),
            (245_000_000_000, "4 min 05 s"),
            (7_380_000_000_000, "2 h 03 min"),
            (u64::MAX, "5124095 h 34 min"),
        ] {
            assert_eq!(span(ns, Style::PLAIN), shown);
        }
        assert_eq!(span(18_000, Style { ascii: true, ..Style::PLAIN }), "18 us");
    }
}
