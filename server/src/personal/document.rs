//! Numbers of documents and accounts that have letters in them, and the checksums of those that have none.

use std::ops::Range;

use almenara_proto::indicator::{Hints, Kind, canonicalise};

use super::{
    PersonalData,
    folded::{Folded, MIN_DIGITS},
    own::Own,
};

/// ISO 13616, in groups of four: 34 characters and 8 spaces.
const MAX_IBAN: usize = 42;
/// Norway's, without spaces.
const MIN_IBAN: usize = 15;
/// How far behind the word a passport's number may stand: `passport number is: `.
const PASSPORT_REACH: usize = 24;
const PASSPORT_WORDS: [&str; 4] = ["passport", "หนังสือเดินทาง", "паспорт", "护照"];

pub(super) fn find(text: &Folded, own: &Own) -> Option<(PersonalData, Range<usize>)> {
    let words = text.runs(0..text.len(), |c| c.is_ascii_alphanumeric());
    let found = words.iter().find_map(|word| {
        let at = iban(text, word).or_else(|| chinese(text, word)).or_else(|| passport(text, word))?;
        let compact: String = text.text(at.clone()).chars().filter(char::is_ascii_alphanumeric).collect();
        (!own.is_document(&compact)).then_some(at)
    });
    found.map(|at| (PersonalData::IdNumber, at))
}

/// Country and check digits, then what mod 97 and the country's structure accept, with or without spaces.
fn iban(text: &Folded, word: &Range<usize>) -> Option<Range<usize>> {
    let at = |place: usize| text.at(word.start + place);
    let (a, b, c, d) = (at(0)?, at(1)?, at(2)?, at(3)?);
    // Hashes are lowercase and start like this now and then.
    if !(a.is_ascii_uppercase() && b.is_ascii_uppercase() && c.is_ascii_digit() && d.is_ascii_digit()) {
        return None;
    }
    let mut sum = 0;
    for place in word.start + 4..word.start + MAX_IBAN {
        match text.at(place).filter(|c| c.is_ascii_alphanumeric() || *c == ' ')? {
            ' ' => continue,
            c => sum = mod_97(sum, c)?,
        }
        // The words behind it may belong to it or to the sentence.
        let ends = text.at(place + 1).is_none_or(|next| !next.is_ascii_alphanumeric());
        let at = word.start..place + 1;
        if ends && at.len() >= MIN_IBAN && [a, b, c, d].into_iter().try_fold(sum, mod_97)? == 1 {
            let compact = text.text(at.clone()).replace(' ', "");
            if canonicalise(Kind::Iban, &compact, &Hints::default()).is_ok() {
                return Some(at);
            }
        }
    }
    None
}

/// One more character of a number in base 36 as ISO 7064 writes it: letters are 10 to 35.
fn mod_97(sum: u32, c: char) -> Option<u32> {
    let value = c.to_digit(36)?;
    Some((sum * if value < 10 { 10 } else { 100 } + value) % 97)
}

/// China's resident number (GB 11643): 17 digits with a date of birth, and a check character that may be X.
fn chinese(text: &Folded, word: &Range<usize>) -> Option<Range<usize>> {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    if word.len() != 18 {
        return None;
    }
    let number = text.text(word.clone());
    let (body, check) = number.split_at_checked(17)?;
    let digits = body.chars().map(|c| c.to_digit(10)).collect::<Option<Vec<_>>>()?;
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    let expected = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'].get((sum % 11) as usize)?;
    let born = number.get(6..14)?;
    let plausible = matches!(born.get(..2), Some("18" | "19" | "20"))
        && born.get(4..6).is_some_and(|month| ("01"..="12").contains(&month))
        && born.get(6..).is_some_and(|day| ("01"..="31").contains(&day));
    (plausible && check.to_ascii_uppercase() == expected.to_string()).then(|| word.clone())
}

/// Six to nine letters and digits, mostly digits, shortly behind the word: no other form of passports is certain.
fn passport(text: &Folded, word: &Range<usize>) -> Option<Range<usize>> {
    if !(6..=9).contains(&word.len()) {
        return None;
    }
    let digits = word.clone().filter(|place| text.is_digit(*place)).count();
    // Eight digits and no letter would be a date.
    if digits < MIN_DIGITS || word.len() - digits > 3 || digits == 8 && word.len() == 8 {
        return None;
    }
    let before = text.text(word.start.saturating_sub(PASSPORT_REACH)..word.start).to_lowercase();
    PASSPORT_WORDS.iter().any(|name| before.contains(name)).then(|| word.clone())
}

/// Thailand's identity number: 13 digits, the first 1 to 8, the last a check digit.
pub(super) fn is_thai(digits: &str) -> bool {
    let values: Vec<u32> = digits.chars().filter_map(|c| c.to_digit(10)).collect();
    let Some((check, body)) = values.split_last().filter(|(_, body)| body.len() == 12) else { return false };
    let sum: u32 = body.iter().zip((2..=13).rev()).map(|(digit, weight)| digit * weight).sum();
    (1..=8).contains(body.first().unwrap_or(&0)) && (11 - sum % 11) % 10 == *check
}

/// A payment card (ISO/IEC 7812): 13 to 19 digits of the large networks, with Luhn's check digit.
pub(super) fn is_card(digits: &str) -> bool {
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|c| c.to_digit(10))
        .enumerate()
        .map(|(place, digit)| match (place % 2 == 1, digit * 2) {
            (false, _) => digit,
            (true, double) if double > 9 => double - 9,
            (true, double) => double,
        })
        .sum();
    (13..=19).contains(&digits.len())
        && digits.starts_with(['2', '3', '4', '5', '6'])
        && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_decide() {
        // Thailand's well-known specimen, and test numbers of card networks.
        for (digits, thai, card) in [
            ("1101700230708", true, false),
            ("1101700230707", false, false),
            ("9101700230708", false, false),
            ("4111111111111111", false, true),
            ("378282246310005", false, true),
            ("4111111111111112", false, false),
            ("1763800000124", false, false),
            ("", false, false),
        ] {
            assert_eq!((is_thai(digits), is_card(digits)), (thai, card), "{digits}");
        }
    }
}
