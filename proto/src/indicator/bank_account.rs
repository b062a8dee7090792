//! Bank accounts of countries without IBAN: `<country>:<bank code>:<number>`.
//!
//! The country is ISO 3166-1 alpha-2. The bank code is the national clearing code (three digits in Thailand, IFSC in
//! India, the routing number in the United States) or, where there is none, the BIC.

use super::{Kind, NotCanonical, iban, phone};

/// A BIC has 11 characters, the longest clearing codes (CNAPS) 12; 16 leaves room.
const MAX_BANK_CODE_BYTES: usize = 16;
/// The longest account numbers of countries without IBAN have 20 digits; ISO 13616 gives 30.
const MAX_NUMBER_BYTES: usize = 34;

pub(super) fn well_formed(value: &str) -> Result<(), &'static str> {
    let mut parts = value.split(':');
    let (Some(country), Some(bank), Some(number), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("an account is <country>:<bank code>:<number>");
    };
    if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err("the country is two uppercase letters");
    }
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !plain(bank) || !(2..=MAX_BANK_CODE_BYTES).contains(&bank.len()) {
        return Err("the bank code is 2 to 16 uppercase letters or digits");
    }
    if !plain(number) || !(4..=MAX_NUMBER_BYTES).contains(&number.len()) {
        return Err("the account number is 4 to 34 uppercase letters or digits");
    }
    Ok(())
}

pub(super) fn canonical(input: &str, region: Option<&str>) -> Result<String, NotCanonical> {
    let mut account: String =
        input.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '.' | '/')).collect();
    account.make_ascii_uppercase();
    if let (Some(region), 1) = (region, account.matches(':').count()) {
        account = format!("{}:{account}", region.trim().to_ascii_uppercase());
    }
    let instead = "give <country>:<bank code>:<number>, for example TH:004:1234567890";
    let because = |because| NotCanonical::form(Kind::BankAccount, input, because, instead);
    well_formed(&account).map_err(because)?;
    let country = account.get(..2).unwrap_or_default();
    phone::country_of(country).map_err(|_| because("its country is none of ISO 3166"))?;
    if iban::country_has_iban(country) {
        let because = "its country has IBANs, and one account needs one form";
        return Err(NotCanonical::refused(Kind::BankAccount, input, because, "report it as iban"));
    }
    Ok(account)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_with, refused, void};
    use super::*;
    use crate::indicator::Hints;

    #[test]
    fn one_account_has_one_form() {
        let b = Kind::BankAccount;
        check(b, "th:004:123-4-56789-0", "TH:004:1234567890");
        check_with(
            b,
            "004 : 1234567890",
            &Hints { region: Some("th"), ..Hints::default() },
            "TH:004:1234567890",
        );
        check(b, "IN:HDFC0000001:50100012345678", "IN:HDFC0000001:50100012345678");
    }

    #[test]
    fn a_country_with_ibans_and_half_an_account_are_refused() {
        for account in [
            "DE:37040044:0532013000",
            "XX:004:1234567890",
            "TH:1234567890",
            "TH:004:",
            "004:1234567890",
            "ทย:1:2345",
        ] {
            refused(Kind::BankAccount, account);
        }
        for account in ["th:004:1234567890", "TH:004:123-4", "TH:004:1234567890:1", "TH:0:1234567890", ""] {
            void(Kind::BankAccount, account);
        }
    }
}
