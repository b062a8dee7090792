//! IBANs: ISO 13616, uppercase, without spaces.

use super::{Kind, NotCanonical, Shown};
use iban::{Iban, IbanLike, ParseIbanError};

/// ISO 13616; the shortest in the registry (Norway) has 15, and no country gives fewer than 11 after the check digits.
const LENGTHS: std::ops::RangeInclusive<usize> = 15..=34;

pub(super) fn well_formed(value: &str) -> Result<(), &'static str> {
    let bytes = value.as_bytes();
    if !LENGTHS.contains(&bytes.len()) {
        return Err("an IBAN has 15 to 34 characters");
    }
    let shape = bytes.iter().enumerate().all(|(i, b)| match i {
        0 | 1 => b.is_ascii_uppercase(),
        2 | 3 => b.is_ascii_digit(),
        _ => b.is_ascii_uppercase() || b.is_ascii_digit(),
    });
    if !shape {
        return Err("an IBAN is a country, two check digits and uppercase letters or digits, without spaces");
    }
    // 98 minus a remainder of 0 to 96 (ISO 7064): 00, 01 and 99 are never written.
    let check = value.get(2..4).unwrap_or_default();
    if mod_97(value) != 1 || matches!(check, "00" | "01" | "99") {
        return Err("its check digits are wrong (ISO 7064, mod 97-10)");
    }
    Ok(())
}

/// ISO 7064 mod 97-10 of an account whose first four characters count last, letters as 10 to 35.
pub(super) fn mod_97(value: &str) -> u32 {
    let (country, rest) = value.split_at_checked(4).unwrap_or((value, ""));
    digits_mod_97(rest.bytes().chain(country.bytes()))
}

/// The same without moving anything, as for a Legal Entity Identifier (ISO 17442).
pub(super) fn digits_mod_97(bytes: impl Iterator<Item = u8>) -> u32 {
    bytes.fold(0, |sum, b| match char::from(b).to_digit(36) {
        Some(digit @ 0..10) => (sum * 10 + digit) % 97,
        Some(letter) => (sum * 100 + letter) % 97,
        None => sum,
    })
}

pub(super) fn canonical(input: &str) -> Result<String, NotCanonical> {
    let mut account: String =
        input.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '.')).collect::<String>();
    account.make_ascii_uppercase();
    let account = account.strip_prefix("IBAN").map_or(account.as_str(), |rest| rest.trim_start_matches(':'));
    let form = |because| {
        NotCanonical::form(
            Kind::Iban,
            input,
            because,
            "copy it again; without an IBAN, report it as bank_account",
        )
    };
    match account.parse::<Iban>() {
        Ok(iban) => Ok(iban.electronic_str().to_owned()),
        Err(ParseIbanError::InvalidBaseIban { source: iban::ParseBaseIbanError::InvalidChecksum }) => {
            Err(NotCanonical::Checksum { value: Shown::new(input), scheme: "ISO 7064, mod 97-10" })
        }
        Err(ParseIbanError::InvalidBaseIban { .. }) => Err(form("it does not have the form of an IBAN")),
        Err(ParseIbanError::InvalidBban(_)) => Err(form("its country writes accounts otherwise")),
        Err(ParseIbanError::UnknownCountry(_)) => Err(form("its country has no IBANs")),
    }
}

/// Whether the country is in the IBAN registry, asked with an account that no bank has but whose checksum holds.
pub(super) fn country_has_iban(country: &str) -> bool {
    let check = 98_u32.saturating_sub(mod_97(&format!("{country}0000000000000")));
    !matches!(
        format!("{country}{check:02}00000000000").parse::<Iban>(),
        Err(ParseIbanError::UnknownCountry(_))
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, refused, void};
    use super::*;
    use crate::indicator::Indicator;

    #[test]
    fn one_account_has_one_form() {
        let i = Kind::Iban;
        check(i, "de89 3704 0044 0532 0130 00", "DE89370400440532013000");
        check(i, "IBAN: GB82 WEST 1234 5698 7654 32", "GB82WEST12345698765432");
        check(i, "NO93-8601-1117-947", "NO9386011117947");
    }

    #[test]
    fn a_wrong_account_is_refused() {
        assert!(matches!(canonical("DE89370400440532013001"), Err(NotCanonical::Checksum { .. })));
        for account in
            ["DE8937040044053201300", "TH0000000000000000", "XX89370400440532013000", "é", "IBAN", "DE"]
        {
            refused(Kind::Iban, account);
        }
    }

    #[test]
    fn an_account_is_void_by_its_bytes_alone() {
        for account in
            ["de89370400440532013000", "DE89 3704 0044 0532 0130 00", "DE89370400440532013001", "DE8A", ""]
        {
            void(Kind::Iban, account);
        }
        // Right by arithmetic, but German accounts have 18 characters after the check digits: a matter of tables.
        let digits = 98 - mod_97("DE0000000000000000");
        let short = Indicator::new(Kind::Iban, format!("DE{digits:02}00000000000000")).unwrap();
        assert!(short.admissible().is_err());
    }

    #[test]
    fn the_registry_knows_its_countries() {
        for country in ["DE", "GB", "NO", "AE", "MU"] {
            assert!(country_has_iban(country), "{country}");
        }
        for country in ["TH", "KH", "MM", "US", "CN", "XX"] {
            assert!(!country_has_iban(country), "{country}");
        }
    }
}
