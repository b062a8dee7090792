//! Phone numbers, and identity and card numbers without letters: digits in groups.

mod groups;
mod mask;

use std::ops::Range;

use super::{PersonalData, document, folded::Folded, own::Own};
use groups::{Group, Groups};

/// Digits of a number with `+`: the shortest that is dialled from abroad, and E.164's longest.
const INTERNATIONAL: std::ops::RangeInclusive<usize> = 7..=15;
/// Digits of a number without: shorter ones are prices, places and dates more often than numbers.
const BARE: std::ops::RangeInclusive<usize> = 9..=15;
/// The longest card number.
const MAX_DIGITS: usize = 19;
/// Groups of `+33 (0)6 12 34 56 78`, and one more.
const MAX_GROUPS: usize = 8;

/// Signs and words next to an amount of money.
const SIGNS: &str = "$€£¥฿₿₫₹₩₱₽₮";
const UNITS: [&str; 44] = [
    "usdt", "usdc", "usd", "eur", "gbp", "thb", "btc", "eth", "trx", "sol", "xmr", "xrp", "ton", "bnb",
    "ltc", "doge", "dai", "cny", "rmb", "jpy", "krw", "vnd", "php", "myr", "sgd", "idr", "inr", "aud", "cad",
    "chf", "hkd", "twd", "khr", "mmk", "lak", "brl", "rub", "uah", "pln", "baht", "dollars", "euros", "wei",
    "sats",
];

pub(super) fn find(text: &Folded, own: &Own) -> Option<(PersonalData, Range<usize>)> {
    let mut groups = Groups::new(text, &mask::words(text));
    for first in 0..groups.len() {
        let Some(start) = groups.start(first) else { continue };
        let plus = has_plus(text, start);
        let least = if plus { *INTERNATIONAL.start() } else { *BARE.start() };
        // The longest reading first: what it explains is not read again in parts.
        for last in (first..first + MAX_GROUPS).rev() {
            let Some(window) = groups.window(first, last) else { continue };
            let digits: usize = window.iter().map(Group::len).sum();
            if !(least..=MAX_DIGITS).contains(&digits) {
                continue;
            }
            let number = Number::new(text, window, plus);
            if own.is_number(&number.digits) || number.is_amount(text) {
                groups.take(first, last);
                break;
            }
            if let Some(what) = number.what() {
                return Some((what, number.at));
            }
        }
    }
    None
}

/// `+66`, `+ 66`, `(+66)`, `+(66)`
fn has_plus(text: &Folded, from: usize) -> bool {
    match (text.before(from), from.checked_sub(1).and_then(|place| text.before(place))) {
        (Some('+'), _) => true,
        (Some(' ' | '('), before) => before == Some('+'),
        _ => false,
    }
}

/// Groups of digits that are read as one number.
struct Number {
    at: Range<usize>,
    digits: String,
    plus: bool,
    /// Digits of each group.
    sizes: Vec<usize>,
    /// What stands between the groups, all of it.
    between: String,
}

impl Number {
    fn new(text: &Folded, window: &[Group], plus: bool) -> Self {
        let from = window.first().map_or(0, |group| group.from);
        let to = window.last().map_or(from, |group| group.to);
        let all = text.text(from..to);
        let digits = all.chars().filter(char::is_ascii_digit).collect();
        let between = all.chars().filter(|c| !c.is_ascii_digit()).collect();
        let sizes = window.iter().map(Group::len).collect();
        Self { at: from..to, digits, plus, sizes, between }
    }

    /// Money stands next to it.
    fn is_amount(&self, text: &Folded) -> bool {
        let before = self.at.start.checked_sub(1).map(|place| match text.at(place) {
            Some(' ') => place,
            _ => self.at.start,
        });
        let sign = |c: Option<char>| c.is_some_and(|c| SIGNS.contains(c));
        let behind = text.until(self.at.end, 1, |c| c != ' ');
        let end = text.until(behind, 8, |c| !c.is_ascii_alphabetic());
        let unit = text.text(behind..end).to_ascii_lowercase();
        sign(before.and_then(|place| text.before(place)))
            || sign(text.at(behind))
            || text.at(behind) == Some('%')
            || UNITS.contains(&unit.as_str())
    }

    fn what(&self) -> Option<PersonalData> {
        let social_security = self.sizes == [3, 2, 4] && self.between == "--";
        if document::is_thai(&self.digits) || document::is_card(&self.digits) || social_security {
            return Some(PersonalData::IdNumber);
        }
        let length = self.digits.len();
        if self.plus {
            return INTERNATIONAL.contains(&length).then_some(PersonalData::Phone);
        }
        (BARE.contains(&length) && self.is_grouped_like_a_phone()).then_some(PersonalData::Phone)
    }

    fn is_grouped_like_a_phone(&self) -> bool {
        let Some((&first, rest)) = self.sizes.split_first() else { return false };
        let one_kind_of = |separator: char| !rest.is_empty() && self.between.chars().all(|c| c == separator);
        if rest.is_empty() {
            // Seconds or milliseconds since 1970; no country's numbers of this length start so.
            return !(matches!(first, 10 | 13) && self.digits.starts_with('1'));
        }
        if one_kind_of('.') {
            let thousands = first <= 3 && rest.len() >= 2 && rest.iter().all(|size| *size == 3);
            let decimal = rest.len() == 1 && first <= 2;
            let version = rest.contains(&1) || first == 1 && !self.digits.starts_with('1');
            return !(version || decimal || thousands && !self.digits.starts_with('0'));
        }
        let largest = rest.iter().copied().max().unwrap_or(0).max(first);
        let pairs = first <= 2 && rest.iter().all(|size| *size == 2);
        let no_crumbs = one_kind_of('-') || rest.iter().all(|size| *size >= 2);
        pairs || largest >= 3 && no_crumbs
    }
}
