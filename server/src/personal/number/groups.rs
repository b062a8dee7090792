//! Groups of digits, without those that are dates, times, addresses and thousands.

use super::super::folded::Folded;

/// Places from the first digit to behind the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Explained already.
    taken: bool,
    /// What joins it to the group before.
    joint: Joint,
}

impl Group {
    /// Digits.
    pub(super) fn len(&self) -> usize {
        self.to - self.from
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joint {
    /// Nothing that could be part of one number.
    None,
    /// One character.
    Sign(char),
    /// A space or a bracket, with or without others.
    Loose,
}

/// All groups of a text, in order.
pub(super) struct Groups(Vec<Group>);

impl Groups {
    pub(super) fn new(text: &Folded, masked: &[bool]) -> Self {
        let digits = text.runs(0..text.len(), |c| c.is_ascii_digit());
        let mut groups: Vec<Group> = Vec::new();
        for run in digits.into_iter().filter(|run| masked.get(run.start) == Some(&false)) {
            let joint = groups.last().map_or(Joint::None, |before| joint(text, before.to, run.start));
            groups.push(Group { from: run.start, to: run.end, taken: false, joint });
        }
        let mut groups = Self(groups);
        groups.take_what_is_explained(text);
        groups
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The groups from `first` to `last`, if they may be one number: joined, free, and with nothing tight around.
    pub(super) fn window(&self, first: usize, last: usize) -> Option<&[Group]> {
        let window = self.0.get(first..=last)?;
        let (head, tail) = window.split_first()?;
        let joined = tail.iter().all(|group| group.joint != Joint::None);
        let free = window.iter().all(|group| !group.taken);
        let ends = self.0.get(last + 1).is_none_or(|next| is_loose(next.joint));
        (joined && free && ends && is_loose(head.joint)).then_some(window)
    }

    /// Where a group starts, unless it is taken or tied to the one before.
    pub(super) fn start(&self, place: usize) -> Option<usize> {
        self.0.get(place).filter(|group| !group.taken && is_loose(group.joint)).map(|group| group.from)
    }

    pub(super) fn take(&mut self, first: usize, last: usize) {
        for group in self.0.get_mut(first..=last).unwrap_or_default() {
            group.taken = true;
        }
    }

    fn take_what_is_explained(&mut self, text: &Folded) {
        for first in 0..self.0.len() {
            // `14:30:05.123`: on either side of a colon.
            let Some(group) = self.0.get(first).copied() else { continue };
            let small = group.len() <= 2;
            let after_colon = text.before(group.from) == Some(':')
                && group.from.checked_sub(2).is_some_and(|place| text.is_digit(place));
            let before_colon = text.at(group.to) == Some(':') && text.is_digit(group.to + 1);
            if small && (after_colon || before_colon) {
                self.take(first, first);
                let fraction = self.0.get(first + 1).is_some_and(|next| next.joint == Joint::Sign('.'));
                if after_colon && fraction {
                    self.take(first + 1, first + 1);
                }
            }
            // `10,000,000`
            let thousands = text.at(group.to) == Some(',')
                && self.0.get(first + 1).is_some_and(|next| next.from == group.to + 1 && next.len() == 3);
            if group.len() <= 3 && thousands {
                self.take(first, first + 1);
            }
            for (length, explains) in
                [(2, is_span as fn(&[u64], &[usize], char) -> bool), (3, is_date), (4, is_ipv4)]
            {
                if self.explained(text, first, length, explains) {
                    self.take(first, first + length - 1);
                }
            }
        }
    }

    /// `length` groups with one and the same sign between them, and no such sign around, have a meaning.
    fn explained(
        &self,
        text: &Folded,
        first: usize,
        length: usize,
        explains: fn(&[u64], &[usize], char) -> bool,
    ) -> bool {
        let Some((head, tail)) = self.0.get(first..first + length).and_then(<[Group]>::split_first) else {
            return false;
        };
        let Some(Joint::Sign(sign)) = tail.first().map(|group| group.joint) else { return false };
        let joint = Joint::Sign(sign);
        let around =
            self.0.get(first + length).is_some_and(|next| next.joint == joint) || head.joint == joint;
        if around || tail.iter().any(|group| group.joint != joint) || text.before(head.from) == Some('+') {
            return false;
        }
        let groups = || std::iter::once(head).chain(tail);
        let sizes: Vec<usize> = groups().map(|group| group.len()).collect();
        if sizes.iter().any(|size| *size > 4) {
            return false;
        }
        let values = groups().map(|group| text.text(group.from..group.to).parse());
        values.collect::<Result<Vec<u64>, _>>().is_ok_and(|values| explains(&values, &sizes, sign))
    }
}

/// A number may start or end here.
fn is_loose(joint: Joint) -> bool {
    matches!(joint, Joint::None | Joint::Loose | Joint::Sign('/'))
}

fn joint(text: &Folded, from: usize, to: usize) -> Joint {
    // `) (` is the longest that people write inside one number.
    if to - from > 3 {
        return Joint::None;
    }
    let between = text.text(from..to);
    let mut signs = between.chars();
    match (signs.next(), signs.next()) {
        (Some(sign @ ('-' | '.' | '/')), None) => Joint::Sign(sign),
        _ if between.chars().all(|c| " .-/()".contains(c)) => Joint::Loose,
        _ => Joint::None,
    }
}

/// Gregorian, or Buddhist as in Thailand.
fn is_year(value: u64, size: usize) -> bool {
    size == 4 && ((1900..2100).contains(&value) || (2450..2650).contains(&value))
}

/// `2024-2026`, `2026-11`
fn is_span(values: &[u64], sizes: &[usize], _sign: char) -> bool {
    let ([a, b], [first, second]) = (values, sizes) else { return false };
    is_year(*a, *first) && (is_year(*b, *second) || (1..=12).contains(b) && *second <= 2)
}

/// `2026-11-22`, `22.11.2026`, `11/22/26`
fn is_date(values: &[u64], sizes: &[usize], _sign: char) -> bool {
    let ([a, b, c], [first, second, third]) = (values, sizes) else { return false };
    let day_and_month =
        |a: u64, b: u64| (1..=31).contains(&a) && (1..=31).contains(&b) && (a <= 12 || b <= 12);
    *second <= 2
        && (is_year(*a, *first) && *third <= 2 && day_and_month(*b, *c)
            || *first <= 2 && (is_year(*c, *third) || *third == 2) && day_and_month(*a, *b))
}

/// Four parts up to 255, without leading zeros.
fn is_ipv4(values: &[u64], sizes: &[usize], sign: char) -> bool {
    let part = |(value, size): (&u64, &usize)| match size {
        1 => true,
        2 => *value >= 10,
        _ => (100..=255).contains(value),
    };
    sign == '.' && values.len() == 4 && values.iter().zip(sizes).all(part)
}
