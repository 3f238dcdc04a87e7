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

#[cfg(test)]
mod tests {
    use super::*;

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
