//! Phone numbers: E.164.

use super::{Kind, NotCanonical, Shown};
use phonenumber::{Mode, country};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// E.164: country code and national number together. Seven digits are the shortest that are dialled from abroad.
const MIN_DIGITS: usize = 7;
const MAX_DIGITS: usize = 15;
/// Digits of an input: E.164, an international prefix of up to four digits and a trunk prefix. Nothing longer
/// reaches the crate, whose parser others have made panic.
const MAX_INPUT_DIGITS: usize = 20;
/// Version of the crate's metadata (Google's libphonenumber).
pub(super) const TABLES: &str = "9.0.33";

pub(super) fn well_formed(value: &str) -> Result<(), &'static str> {
    let digits = value.strip_prefix('+').ok_or("a number starts with +")?;
    if !(MIN_DIGITS..=MAX_DIGITS).contains(&digits.len()) {
        return Err("a number has 7 to 15 digits (E.164)");
    }
    if digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("a number is + and digits, the first of them 1 to 9");
    }
    Ok(())
}

pub(super) fn canonical(input: &str, region: Option<&str>) -> Result<String, NotCanonical> {
    let instead = "give one number as digits, for example +66 81 234 5678";
    let because = |because| NotCanonical::form(Kind::Phone, input, because, instead);
    let dialled = dialled(input).map_err(because)?;
    let digits = dialled.trim_start_matches('+').len();
    if digits > MAX_INPUT_DIGITS {
        return Err(because("it has too many digits"));
    }
    let region = region.map(country_of).transpose()?;
    // With a +, the number says its own country: the caller's region must not change what it means.
    let region = region.filter(|_| !dialled.starts_with('+'));
    let short = digits < MIN_DIGITS && !dialled.starts_with('+');
    if region.is_none() && !dialled.starts_with('+') {
        let value = Shown::new(input);
        return Err(if short {
            NotCanonical::ShortCode { value }
        } else {
            NotCanonical::NeedsRegion { value }
        });
    }
    let refused = || match short {
        true => NotCanonical::ShortCode { value: Shown::new(input) },
        false => NotCanonical::NotInPlan { value: Shown::new(input), tables: TABLES },
    };
    let number = isolated(|| e164(region, &dialled)).or_else(|| isolated(|| whole(region?, &dialled)));
    let number = number.ok_or_else(refused)?;
    // A number that reads otherwise a second time has no canonical form.
    if number == dialled || isolated(|| e164(None, &number)).as_ref() == Some(&number) {
        return Ok(number);
    }
    Err(refused())
}

/// ISO 3166-1 alpha-2, by the regions that the phone tables know.
pub(super) fn country_of(code: &str) -> Result<country::Id, NotCanonical> {
    let upper = code.trim().to_ascii_uppercase();
    upper.parse().map_err(|_| {
        let instead = "give two letters of ISO 3166, for example TH";
        NotCanonical::form(Kind::Phone, code, "it is no country", instead)
    })
}

/// What the numbering plan makes of it, if it is a number of the plan.
fn e164(region: Option<country::Id>, dialled: &str) -> Option<String> {
    let number = phonenumber::parse(region, dialled).ok()?;
    number.is_valid().then(|| number.format().mode(Mode::E164).to_string())
}

/// A national number whose first digits are those of its country code, which the crate would strip (Rwanda: 250).
fn whole(region: country::Id, national: &str) -> Option<String> {
    let code = phonenumber::metadata::DATABASE.by_id(region.as_ref())?.country_code();
    e164(None, &format!("+{code}{national}"))
}

/// The crate's code on somebody else's input: a panic in it is an answer, not the end.
fn isolated(parse: impl FnOnce() -> Option<String>) -> Option<String> {
    // The closures hold only shared references and leave nothing half-changed.
    catch_unwind(AssertUnwindSafe(parse)).ok().flatten()
}

/// `+` and digits, or digits: what a person would dial. Only punctuation of phone numbers may stand between them;
/// a `;` starts parameters (RFC 3966) that both phone crates ignore, so that two inputs would be one number.
fn dialled(input: &str) -> Result<String, &'static str> {
    let input = match input.split_at_checked(4) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("tel:") => rest.trim_start(),
        _ => input,
    };
    let mut out = String::with_capacity(input.len().min(MAX_INPUT_DIGITS + 1));
    for c in input.chars() {
        match c {
            '+' | '＋' if out.is_empty() => out.push('+'),
            ';' => return Err("a number has no parameters after ;"),
            ' '
            | '\u{a0}'
            | '\u{202f}'
            | '\u{2009}'
            | '-'
            | '\u{2010}'..='\u{2014}'
            | '.'
            | '/'
            | '('
            | ')' => {}
            _ => out.push(digit(c).ok_or("it has a character that no number has")?),
        }
    }
    Ok(out)
}

/// ASCII of a decimal digit, in the scripts of the countries that people write from.
fn digit(c: char) -> Option<char> {
    /// The zeros of ASCII, fullwidth, Arabic, Persian and Urdu, Devanagari, Bengali, Thai, Lao, Burmese, Khmer.
    const ZEROS: [char; 10] =
        ['0', '０', '\u{660}', '\u{6f0}', '\u{966}', '\u{9e6}', '\u{e50}', '\u{ed0}', '\u{1040}', '\u{17e0}'];
    let value =
        ZEROS.iter().find_map(|zero| (c as u32).checked_sub(*zero as u32).filter(|value| *value < 10))?;
    char::from_digit(value, 10)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_with, refused, void};
    use super::*;
    use crate::indicator::{Hints, canonicalise};
    use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};

    fn in_region(region: &str) -> Hints<'_> {
        Hints { region: Some(region), ..Hints::default() }
    }

    #[test]
    fn one_number_has_one_form() {
        let p = Kind::Phone;
        check(p, "+66 081 234 5678", "+66812345678");
        check(p, "+66812345678", "+66812345678");
        check(p, "+66 (0)81-234-5678", "+66812345678");
        check(p, "tel:+66-81-234-5678", "+66812345678");
        check(p, "＋６６８１２３４５６７８", "+66812345678");
        check(p, "+๖๖ ๘๑ ๒๓๔ ๕๖๗๘", "+66812345678");
        check(p, "+39 06 698 12345", "+390669812345");
        check(p, "+1 (415) 555-2671", "+14155552671");
        check_with(p, "081 234 5678", &in_region("TH"), "+66812345678");
        check_with(p, "0066 81 234 5678", &in_region("de"), "+66812345678");
        check_with(p, "011 66 81 234 5678", &in_region("US"), "+66812345678");
        check_with(p, "+66812345678", &in_region("KH"), "+66812345678");
    }

    #[test]
    fn what_is_no_full_number_is_refused() {
        for number in ["112", "911", "1669", "+112", "191"] {
            refused(Kind::Phone, number);
            assert!(canonicalise(Kind::Phone, number, &in_region("TH")).is_err(), "{number}");
        }
        for number in [
            "+66812345678;phone-context=evil",
            "+66812345678;ext=5",
            "+66812345678 x5",
            "081 234 5678",
            "1-800-FLOWERS",
            "+999 123 456 789",
            "+0812345678",
            "+66 1",
            "+",
            "++66812345678",
            "+668123456789012345",
            "*100#1234567",
            "+66812345678, +66812345679",
        ] {
            refused(Kind::Phone, number);
        }
        assert!(matches!(
            canonicalise(Kind::Phone, "081 234 5678", &Hints::default()),
            Err(NotCanonical::NeedsRegion { .. })
        ));
        assert!(canonicalise(Kind::Phone, "081 234 5678", &in_region("XX")).is_err());
    }

    #[test]
    fn a_number_is_void_by_its_bytes_alone() {
        for number in [
            "66812345678",
            "+6681 2345678",
            "+081234567",
            "+123456",
            "+1234567890123456",
            "+",
            "+66a12345678",
        ] {
            void(Kind::Phone, number);
        }
    }

    #[test]
    fn a_crafted_number_that_panics_the_crate_is_isolated() {
        assert_eq!(isolated(|| panic!("as a crafted number would")), None);
        assert_eq!(isolated(|| Some("+1".into())), Some("+1".into()));
        // What has made parsers of phone numbers panic: signs where digits are expected, and nothing but zeros.
        for crafted in
            [".;phone-context=", "+;phone-context=+1", "+*1*2", "+é66", "+1\u{a0}", "00000000000000000000"]
        {
            refused(Kind::Phone, crafted);
            assert!(canonicalise(Kind::Phone, crafted, &in_region("TH")).is_err(), "{crafted}");
        }
    }

    /// The second opinion: another port of libphonenumber agrees on the example number of every region, as people
    /// there write it.
    #[test]
    fn another_library_agrees_on_the_example_numbers_of_all_regions() {
        let util = &*PHONE_NUMBER_UTIL;
        let mut checked = 0;
        for region in util.get_supported_regions() {
            let Ok(example) = util.get_example_number(region) else { continue };
            let expected = util.format(&example, PhoneNumberFormat::E164);
            let written = util.format(&example, PhoneNumberFormat::National);
            let found = canonicalise(Kind::Phone, &written, &in_region(&format!("{region:?}")));
            assert_eq!(
                found.map(|c| c.indicator.value().to_owned()).as_deref(),
                Ok(&*expected),
                "{region:?} {written}"
            );
            checked += 1;
        }
        assert!(checked > 200, "{checked}");
    }
}
