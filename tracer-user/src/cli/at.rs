//! `--at`: an instant of a recording, as a person writes it.
//!
//! What the timeline prints (`305.402`, `305.4ms`, `1.2s`), an RFC 3339 time (`2026-11-24T08:00:00.5Z`), or an event (`#812`).
//!
//! Must not: ask a clock: an instant is one of the recording's own.

use std::{fmt, str::FromStr};

use tracer_model::{
    event::{Event, EventKind},
    ids::{BootNs, Seq},
};

use crate::trace_file::{Header, Place};

/// The timeline shows whole microseconds, rounded down: what it shows as 305.402 ms happened within the µs after that.
const RESOLUTION_NS: i128 = 999;

/// An instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// ns since the start of the capture.
    Since(i64),
    /// Wall time, ns since 1970.
    Wall(i64),
    /// After this event.
    Event(Seq),
    /// So many ns before now.
    Ago(i64),
}

impl At {
    /// The instant for a reader whose wall clock shows this, ns since 1970.
    #[must_use]
    pub fn resolve(self, now: i64) -> Self {
        match self {
            Self::Ago(ns) => Self::Wall(now.saturating_sub(ns)),
            Self::Since(_) | Self::Wall(_) | Self::Event(_) => self,
        }
    }
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtError {
    text: String,
    /// The character, from 0.
    position: usize,
    what: &'static str,
}

impl fmt::Display for AtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, position, what } = self;
        write!(f, "{what}\n    {text}\n    {:position$}^\n", "")?;
        write!(f, "write 305.402 or 305.4ms, 1.2s, 2026-11-24T08:00:00.5Z, 3m ago, or #812 for an event")
    }
}

impl std::error::Error for AtError {}

impl AtError {
    /// Columns before the character.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.position
    }

    /// What is wrong with it.
    #[must_use]
    pub fn what(&self) -> &'static str {
        self.what
    }
}

impl FromStr for At {
    type Err = AtError;

    fn from_str(text: &str) -> Result<Self, AtError> {
        let mut cursor = Cursor { text, at: 0 };
        if cursor.take('#') {
            let seq = cursor.number("a number of an event")?;
            cursor.end("only digits follow #")?;
            return Ok(Self::Event(Seq(seq)));
        }
        let looks_like_a_date = text.bytes().take(4).all(|byte| byte.is_ascii_digit()) && text.get(4..5) == Some("-");
        if looks_like_a_date {
            return cursor.wall().map(Self::Wall);
        }
        let (ns, ago) = cursor.since()?;
        Ok(if ago { Self::Ago(ns) } else { Self::Since(ns) })
    }
}

/// Reads from left to right.
struct Cursor<'a> {
    text: &'a str,
    /// Byte.
    at: usize,
}

impl Cursor<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, what: &'static str) -> AtError {
        let before = self.text.get(..self.at).unwrap_or_default();
        // The message stands on a terminal.
        let clean = |text: &str| crate::text::sanitize(text.as_bytes()).into_owned();
        AtError { text: clean(self.text), position: crate::text::width(&clean(before)), what }
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.rest().starts_with(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    /// Takes one of these characters.
    fn expect(&mut self, wanted: &[char], what: &'static str) -> Result<(), AtError> {
        if wanted.iter().any(|c| self.take(*c)) { Ok(()) } else { Err(self.error(what)) }
    }

    fn end(&self, what: &'static str) -> Result<(), AtError> {
        if self.rest().is_empty() { Ok(()) } else { Err(self.error(what)) }
    }

    fn digits(&mut self) -> String {
        let digits: String = self.rest().chars().take_while(char::is_ascii_digit).collect();
        self.at += digits.len();
        digits
    }

    fn number(&mut self, wanted: &'static str) -> Result<u64, AtError> {
        let start = self.at;
        let digits = self.digits();
        if digits.is_empty() {
            return Err(self.error(wanted));
        }
        digits.parse().map_err(|_| Cursor { text: self.text, at: start }.error("too large a number"))
    }

    /// Exactly so many digits, within bounds.
    fn field(&mut self, length: usize, bounds: (u64, u64), wanted: &'static str) -> Result<u64, AtError> {
        let start = self.at;
        let digits = self.digits();
        match digits.parse::<u64>() {
            Ok(number) if digits.len() == length && number >= bounds.0 && number <= bounds.1 => Ok(number),
            _ => Err(Cursor { text: self.text, at: start }.error(wanted)),
        }
    }

    /// Digits after a point as so many billionths.
    fn fraction(&mut self) -> Result<i128, AtError> {
        if !self.take('.') {
            return Ok(0);
        }
        let digits = self.digits();
        if digits.is_empty() {
            return Err(self.error("a digit must follow the point"));
        }
        let billionths: String = digits.chars().chain("000000000".chars()).take(9).collect();
        Ok(billionths.parse().unwrap_or(0))
    }

    /// `305.402`, `305.4ms`, `1.2s`; and whether it is `ago`.
    fn since(&mut self) -> Result<(i64, bool), AtError> {
        let negative = self.take('-');
        let whole = i128::from(self.number("a number must stand here")?);
        let fraction = self.fraction()?;
        let (unit, ago) = match self.rest().trim_end().strip_suffix("ago") {
            Some(unit) => (unit.trim(), true),
            None => (self.rest(), false),
        };
        let unit: i128 = match unit {
            "" | "ms" => 1_000_000,
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "s" => 1_000_000_000,
            "min" | "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            rest if rest.starts_with('.') => return Err(self.error("a second point")),
            _ => return Err(self.error("this is no unit: ns, us, ms, s, min or h")),
        };
        let ns = whole * unit + fraction * unit / 1_000_000_000;
        let ns = if negative { -ns } else { ns };
        let ns = i64::try_from(ns).map_err(|_| Cursor { text: self.text, at: 0 }.error("too far away"))?;
        Ok((ns, ago))
    }

    /// RFC 3339, with a space for the T too, as its section 5.6 allows.
    fn wall(&mut self) -> Result<i64, AtError> {
        let year = self.field(4, (1970, 9999), "a year of four digits, from 1970 on")?;
        self.expect(&['-'], "- must stand between year and month")?;
        let month = self.field(2, (1, 12), "a month from 01 to 12")?;
        self.expect(&['-'], "- must stand between month and day")?;
        let last = days_of_month(year, month);
        let day = self.field(2, (1, last), "that month has no such day: two digits from 01 on")?;
        self.expect(&['T', 't', ' '], "T must stand between date and time")?;
        let hour = self.field(2, (0, 23), "an hour from 00 to 23")?;
        self.expect(&[':'], ": must stand between hour and minute")?;
        let minute = self.field(2, (0, 59), "a minute from 00 to 59")?;
        self.expect(&[':'], ": must stand between minute and second")?;
        let second = self.field(2, (0, 60), "a second from 00 to 59")?;
        let fraction = self.fraction()?;
        let offset = self.offset()?;
        self.end("nothing may follow the time zone")?;
        let local = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
        let seconds = i128::from(local) - i128::from(offset) * 60;
        i64::try_from(seconds * 1_000_000_000 + fraction)
            .map_err(|_| Cursor { text: self.text, at: 0 }.error("too far away"))
    }

    /// Minutes east of UTC.
    fn offset(&mut self) -> Result<i64, AtError> {
        if self.take('Z') || self.take('z') {
            return Ok(0);
        }
        let sign = if self.take('-') { -1 } else { 1 };
        if sign == 1 && !self.take('+') {
            return Err(self.error("a time zone must stand here: Z or +01:00"));
        }
        let hours = self.field(2, (0, 23), "hours of the time zone: 00 to 23")?;
        self.expect(&[':'], ": must stand between hours and minutes of the time zone")?;
        let minutes = self.field(2, (0, 59), "minutes of the time zone: 00 to 59")?;
        Ok(sign * (hours * 60 + minutes).cast_signed())
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let before = year - 1;
    let leap_days = before / 4 - before / 100 + before / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let months: u64 = (1..month).map(|month| days_of_month(year, month)).sum();
    (year - 1970) * 365 + leap_days + months + day - 1
}

/// Follows the clocks of a recording and tells which events are beyond an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    at: At,
    start: BootNs,
    /// Wall clock minus boot clock, as of the last anchor.
    offset: i128,
}

impl Limit {
    /// Nothing read yet.
    #[must_use]
    pub fn new(at: At, header: &Header) -> Self {
        let offset = i128::from(header.unix_ns) - i128::from(header.boot_ns.0);
        Self { at, start: header.boot_ns, offset }
    }

    /// Whether this event, the next of the recording, is later than the instant.
    pub fn is_before(&mut self, event: &Event) -> bool {
        if let EventKind::ClockAnchor { unix_ns } = event.kind {
            self.offset = i128::from(unix_ns) - i128::from(event.at.0);
        }
        self.lead(event) > RESOLUTION_NS
    }

    /// As [`Self::is_before`], with the clocks as they were set by it.
    #[must_use]
    pub fn is_over(&self, event: &Event) -> bool {
        self.lead(event) > RESOLUTION_NS
    }

    /// Whether the instant is that of this event, or earlier.
    #[must_use]
    pub fn is_reached(&self, event: &Event) -> bool {
        self.lead(event) >= 0
    }

    /// Whether the instant is earlier than the start of the capture, and than this, its first event.
    #[must_use]
    pub fn precedes(&self, first: &Event) -> bool {
        let start = match self.at {
            At::Event(_) | At::Ago(_) => 0,
            At::Since(ns) => -i128::from(ns),
            At::Wall(ns) => i128::from(self.start.0) + self.offset - i128::from(ns),
        };
        self.lead(first) > RESOLUTION_NS && (start > RESOLUTION_NS || matches!(self.at, At::Event(_)))
    }

    /// The instant by the boot clock; `None` for that of an event.
    #[must_use]
    pub fn instant(&self) -> Option<BootNs> {
        let ns = match self.at {
            At::Event(_) | At::Ago(_) => return None,
            At::Since(ns) => i128::from(self.start.0) + i128::from(ns),
            At::Wall(ns) => i128::from(ns) - self.offset,
        };
        u64::try_from(ns).ok().map(BootNs)
    }

    /// Whether an event before this place was later than the instant.
    #[must_use]
    pub fn is_passed(&self, place: &Place) -> bool {
        self.lead_of(place.seq, place.at, place.unix_ns) > RESOLUTION_NS
    }

    /// Whether an event before this place was at the instant or later.
    #[must_use]
    pub fn has_come(&self, place: &Place) -> bool {
        self.lead_of(place.seq, place.at, place.unix_ns) >= 0
    }

    /// The next event is the one after this place.
    pub fn go_to(&mut self, place: &Place) {
        self.offset = i128::from(place.clock_offset);
    }

    /// ns (for an event's number: µs) from the instant to this event.
    fn lead(&self, event: &Event) -> i128 {
        let unix_ns = i128::from(event.at.0) + self.offset;
        self.lead_of(event.seq.0, event.at, i64::try_from(unix_ns).unwrap_or(i64::MAX))
    }

    fn lead_of(&self, seq: u64, at: BootNs, unix_ns: i64) -> i128 {
        match self.at {
            At::Event(wanted) => (i128::from(seq) - i128::from(wanted.0)) * (RESOLUTION_NS + 1),
            At::Since(ns) => i128::from(at.0) - i128::from(self.start.0) - i128::from(ns),
            At::Wall(ns) => i128::from(unix_ns) - i128::from(ns),
            // Nobody said what now is: everything was before.
            At::Ago(_) => i128::MIN,
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn at(text: &str) -> At {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn what_the_timeline_prints_is_taken() {
        for (text, ns) in [
            ("305.402", 305_402_000),
            ("305.402ms", 305_402_000),
            ("0", 0),
            ("-1.200", -1_200_000),
            ("1.2s", 1_200_000_000),
            ("18us", 18_000),
            ("18.5µs", 18_500),
            ("7ns", 7),
            ("2min", 120_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("0.0000001", 0),
        ] {
            assert_eq!(at(text), At::Since(ns), "{text}");
        }
        assert_eq!(at("#812"), At::Event(Seq(812)));
        assert_eq!(at("3m ago"), At::Ago(180_000_000_000));
        assert_eq!(at("1.5s ago").resolve(10_000_000_000), At::Wall(8_500_000_000));
    }

    #[test]
    fn what_is_printed_comes_back_within_the_microsecond() {
        let base = BootNs(5_000_000_000);
        for ns in [0_i64, 1, 999, 1_000, 3_931_777, 305_402_999, -1, -1_200_500] {
            let event = BootNs(base.0.wrapping_add_signed(ns));
            let At::Since(parsed) = at(&crate::sink::time::ms(event, base)) else { panic!("no offset") };
            assert!(
                (0..1000).contains(&(ns - parsed)) || (ns < 0 && (parsed - ns) < 1000),
                "{ns} came back as {parsed}"
            );
        }
    }

    #[test]
    fn wall_times_are_those_of_rfc_3339() {
        for (text, unix) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2026-11-24T08:00:00Z", 1_795_507_200),
            ("2026-11-24 09:30:00+01:30", 1_795_507_200),
            ("2026-11-24t00:00:00-08:00", 1_795_507_200),
            ("2100-03-01T00:00:00z", 4_107_542_400),
            ("2024-12-31T23:59:60Z", 1_735_689_600),
        ] {
            assert_eq!(at(text), At::Wall(unix * 1_000_000_000), "{text}");
        }
        assert_eq!(at("2026-11-24T08:00:00.5Z"), At::Wall(1_795_507_200_500_000_000));
    }

    #[test]
    #[expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them when it updates")]
    fn errors_point_at_the_character() {
        assert!("".parse::<At>().is_err());
        let mut said = String::new();
        for text in [
            "abc",
            "12.3.4ms",
            "12.",
            "12 parsecs",
            "-",
            "#",
            "#12x",
            "99999999999999999999999",
            "#99999999999999999999999",
            "9000000000000h",
            "2026-13-01T00:00:00Z",
            "2025-02-29T00:00:00Z",
            "2026-11-24",
            "2026-11-24T08:00:00",
            "2026-1-1",
            "2026-11-24T08:00:00Z+",
            "2026-11-24T08:00:00+1",
            "\u{1b}[2J",
            "日12",
            "9999-12-31T23:59:59Z",
        ] {
            let error = text.parse::<At>().expect_err(text).to_string();
            let lines: Vec<&str> = error.lines().collect();
            said.extend([lines[1], lines[2], lines[0]].map(|line| format!("{line}\n")));
        }
        expect![[r#"
                abc
                ^
            a number must stand here
                12.3.4ms
                    ^
            a second point
                12.
                   ^
            a digit must follow the point
                12 parsecs
                  ^
            this is no unit: ns, us, ms, s, min or h
                -
                 ^
            a number must stand here
                #
                 ^
            a number of an event
                #12x
                   ^
            only digits follow #
                99999999999999999999999
                ^
            too large a number
                #99999999999999999999999
                 ^
            too large a number
                9000000000000h
                ^
            too far away
                2026-13-01T00:00:00Z
                     ^
            a month from 01 to 12
                2025-02-29T00:00:00Z
                        ^
            that month has no such day: two digits from 01 on
                2026-11-24
                          ^
            T must stand between date and time
                2026-11-24T08:00:00
                                   ^
            a time zone must stand here: Z or +01:00
                2026-1-1
                     ^
            a month from 01 to 12
                2026-11-24T08:00:00Z+
                                    ^
            nothing may follow the time zone
                2026-11-24T08:00:00+1
                                    ^
            hours of the time zone: 00 to 23
                \x1b[2J
                ^
            a number must stand here
                日12
                ^
            a number must stand here
                9999-12-31T23:59:59Z
                ^
            too far away
        "#]]
        .assert_eq(&said);
    }

    #[test]
    fn no_text_panics() {
        let alphabet = ['0', '9', '-', ':', '.', 'T', 'Z', '+', '#', 'm', 's', 'µ', '\u{301}', ' '];
        let mut seed = 1_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..seed % 24 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push(alphabet[(seed >> 33) as usize % alphabet.len()]);
            }
            seed = seed.wrapping_add(1);
            drop(text.parse::<At>());
        }
    }
}
