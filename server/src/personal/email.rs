//! E-mail addresses.

use std::ops::Range;

use super::{PersonalData, folded::Folded, own::Own};

/// RFC 5321.
const MAX_LOCAL: usize = 64;
const MAX_HOST: usize = 253;

pub(super) fn find(text: &Folded, own: &Own) -> Option<(PersonalData, Range<usize>)> {
    (0..text.len())
        .filter(|&place| text.at(place) == Some('@'))
        .filter_map(|at| {
            // Scripts without spaces run into an address: ASCII first, then any letters.
            let from = local(text, at, |c| c.is_ascii_alphanumeric())
                .or_else(|| local(text, at, char::is_alphanumeric))?;
            let to = host(text, at + 1, |c| c.is_ascii_alphanumeric())
                .or_else(|| host(text, at + 1, char::is_alphanumeric))?;
            Some(from..to)
        })
        .find(|range| !own.is_email(&text.text(range.clone())))
        .map(|range| (PersonalData::Email, range))
}

/// Where the part before the `@` starts.
fn local(text: &Folded, at: usize, letter: impl Fn(char) -> bool) -> Option<usize> {
    let belongs = |c: char| letter(c) || "!#$%&'*+-^_`{|}~.".contains(c);
    let mut from = at;
    while at - from < MAX_LOCAL && text.before(from).is_some_and(belongs) {
        from -= 1;
    }
    // Quotes and markup around an address are not part of it.
    let from = (from..at).find(|&place| text.at(place).is_some_and(&letter))?;
    Some(from)
}

/// Where the host ends: labels, the last of them a top-level domain.
fn host(text: &Folded, start: usize, letter: impl Fn(char) -> bool) -> Option<usize> {
    let mut end = text.until(start, MAX_HOST, |c| !(letter(c) || matches!(c, '-' | '.')));
    while end > start && matches!(text.before(end), Some('-' | '.')) {
        end -= 1;
    }
    let host = text.text(start..end);
    let (above, last) = host.rsplit_once('.')?;
    let top_level =
        last.starts_with("xn--") || last.chars().count() >= 2 && last.chars().all(char::is_alphabetic);
    (top_level && above.split('.').all(|label| !label.is_empty())).then_some(end)
}
