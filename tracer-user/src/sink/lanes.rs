//! Brackets: one lane for each process group that is born before our eyes, from the line of its birth to that of its end.
//!
//! Lines of members touch the lane of their group (`├`), others pass it by (`│`), so that the eye can follow a group through
//! the lines of others. Must not: know what a line says.

use tracer_model::ids::PgrpKey;

use super::Style;

/// More groups at a time than this have no lane.
pub(super) const MOST: usize = 6;

/// One lane on one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Empty,
    Opens,
    Touches,
    Passes,
    Closes,
    /// Begins and ends on the same line.
    Dot,
}

impl Mark {
    pub(super) fn glyph(self, style: Style) -> char {
        match (self, style.ascii) {
            (Self::Empty, _) => ' ',
            (Self::Opens, false) => '┌',
            (Self::Touches, false) => '├',
            (Self::Passes, false) => '│',
            (Self::Closes, false) => '└',
            (Self::Dot, false) => '╶',
            (Self::Opens, true) => ',',
            (Self::Touches, true) => '+',
            (Self::Passes, true) => '|',
            (Self::Closes, true) => '\'',
            (Self::Dot, true) => '-',
        }
    }
}

/// The lanes that are in use.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    groups: Vec<Option<PgrpKey>>,
}

impl Lanes {
    /// The marks of a line of a member of `group` on which lanes open and close.
    pub(super) fn line(&mut self, group: Option<PgrpKey>, opens: &[PgrpKey], closes: &[PgrpKey]) -> Vec<Mark> {
        for group in opens {
            self.open(*group);
        }
        let mark = |lane: &Option<PgrpKey>| match lane {
            None => Mark::Empty,
            Some(this) => match (opens.contains(this), closes.contains(this)) {
                (true, true) => Mark::Dot,
                (true, false) => Mark::Opens,
                (false, true) => Mark::Closes,
                (false, false) if group == Some(*this) => Mark::Touches,
                (false, false) => Mark::Passes,
            },
        };
        let marks = self.groups.iter().map(mark).collect();
        for lane in self.groups.iter_mut().filter(|lane| lane.is_some_and(|group| closes.contains(&group))) {
            *lane = None;
        }
        while self.groups.pop_if(|lane| lane.is_none()).is_some() {}
        marks
    }

    fn open(&mut self, group: PgrpKey) {
        if self.groups.contains(&Some(group)) {
            return;
        }
        if let Some(free) = self.groups.iter_mut().find(|lane| lane.is_none()) {
            *free = Some(group);
        } else if self.groups.len() < MOST {
            self.groups.push(Some(group));
        }
    }
}

/// The marks of a line that continues the one with `marks`.
pub(super) fn below(marks: &[Mark]) -> Vec<Mark> {
    let continued = |mark: &Mark| match mark {
        Mark::Empty | Mark::Closes | Mark::Dot => Mark::Empty,
        Mark::Opens | Mark::Touches | Mark::Passes => Mark::Passes,
    };
    marks.iter().map(continued).collect()
}

#[cfg(test)]
mod tests {
    use tracer_model::ids::{Life, Pgid};

    use super::*;

    fn group(number: u32) -> PgrpKey {
        PgrpKey { number: Pgid(number), life: Life(number) }
    }

    fn draw(marks: &[Mark]) -> String {
        marks.iter().map(|mark| mark.glyph(Style::PLAIN)).collect()
    }

    #[test]
    fn a_freed_lane_is_used_again_and_the_others_stay() {
        let (a, b, c) = (group(1), group(2), group(3));
        let mut lanes = Lanes::default();
        assert_eq!(draw(&lanes.line(None, &[], &[])), "");
        assert_eq!(draw(&lanes.line(Some(a), &[a], &[])), "┌");
        assert_eq!(draw(&lanes.line(Some(b), &[b], &[])), "│┌");
        assert_eq!(draw(&lanes.line(Some(a), &[], &[])), "├│");
        assert_eq!(draw(&lanes.line(None, &[], &[a])), "└│");
        assert_eq!(draw(&lanes.line(Some(b), &[], &[])), " ├");
        let marks = lanes.line(Some(c), &[c], &[b]);
        assert_eq!(draw(&marks), "┌└");
        assert_eq!(draw(&below(&marks)), "│ ");
        assert_eq!(draw(&lanes.line(Some(c), &[], &[])), "├");
        assert_eq!(draw(&lanes.line(Some(a), &[a], &[a])), "│╶");
        assert_eq!(draw(&lanes.line(None, &[], &[])), "│");
    }

    #[test]
    fn there_are_not_more_lanes_than_fit() {
        let mut lanes = Lanes::default();
        for number in 1..=20 {
            lanes.line(None, &[group(number)], &[]);
        }
        assert_eq!(draw(&lanes.line(Some(group(20)), &[], &[group(3)])), "││└│││");
        assert_eq!(draw(&lanes.line(Some(group(21)), &[group(21)], &[])), "││┌│││");
    }
}
