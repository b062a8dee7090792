use almenara_proto::indicator::Kind;
use proptest::prelude::*;

use super::*;

fn indicator(kind: Kind, value: &str) -> Indicator {
    Indicator::new(kind, value).unwrap()
}

/// The first finding, and the very part of the text that it names.
#[track_caller]
fn check_with(own: &Indicator, text: &str, expected: Option<(PersonalData, &str)>) {
    let found = scan(text, own);
    let found = found.as_ref().map(|finding| (finding.what, text.get(finding.at.clone()).unwrap()));
    assert_eq!(found, expected, "{text}");
}

#[track_caller]
fn finds(what: PersonalData, text: &str, part: &str) {
    check_with(&indicator(Kind::Domain, "fake-broker.example"), text, Some((what, part)));
}

#[track_caller]
fn passes(text: &str) {
    check_with(&indicator(Kind::Domain, "fake-broker.example"), text, None);
}

#[test]
fn an_address_of_mail_is_found_in_its_spellings() {
    use PersonalData::Email;
    finds(Email, "victim bob.smith@mail.example wrote", "bob.smith@mail.example");
    finds(Email, "<Bob+1@Mail.Example>.", "Bob+1@Mail.Example");
    finds(Email, "mailto:bob@mail.example.", "bob@mail.example");
    finds(Email, "bob [at] mail (dot) example", "bob [at] mail (dot) example");
    finds(Email, "bob＠mail．example", "bob＠mail．example");
    finds(Email, "อีเมลbob@mail.exampleครับ", "bob@mail.example");
    finds(Email, "почта@пример.рф", "почта@пример.рф");
    finds(Email, "https://evil.example/?u=bob@mail.example&x=1", "bob@mail.example");
    finds(Email, "b\u{200b}ob@mail.exam\u{200b}ple", "b\u{200b}ob@mail.exam\u{200b}ple");
}

#[test]
fn at_signs_without_an_address_pass() {
    for text in
        ["@fakebroker", "t.me/@fakebroker", "5 @ 3.50", "root@localhost", "pkg@1.2.3", "a@b", "@", "@.com"]
    {
        passes(text);
    }
    passes("https://medium.example/@author/post-1");
}

#[test]
fn a_phone_number_is_found_in_its_spellings() {
    use PersonalData::Phone;
    finds(Phone, "call +66 81 234 5678 now", "66 81 234 5678");
    finds(Phone, "call +66812345678", "66812345678");
    finds(Phone, "call+66812345678", "66812345678");
    finds(Phone, "(+66) 81-234-5678", "66) 81-234-5678");
    finds(Phone, "+1 (415) 555-2671", "1 (415) 555-2671");
    finds(Phone, "+33 (0)6 12 34 56 78", "33 (0)6 12 34 56 78");
    finds(Phone, "06 12 34 56 78", "06 12 34 56 78");
    finds(Phone, "06.12.34.56.78", "06.12.34.56.78");
    finds(Phone, "0812345678", "0812345678");
    finds(Phone, "โทร0812345678ครับ", "0812345678");
    finds(Phone, "โทร ๐๘๑-๒๓๔-๕๖๗๘", "๐๘๑-๒๓๔-๕๖๗๘");
    finds(Phone, "081.234.5678", "081.234.5678");
    finds(Phone, "081 – 234 – 5678", "081 – 234 – 5678");
    finds(Phone, "(081)234-5678", "081)234-5678");
    finds(Phone, "030/1234567", "030/1234567");
    finds(Phone, "tel:0812345678", "0812345678");
    finds(Phone, "Tel.0812345678", "0812345678");
    finds(Phone, "0066812345678", "0066812345678");
    finds(Phone, "415-555-2671", "415-555-2671");
    finds(Phone, "1.415.555.2671", "1.415.555.2671");
    finds(Phone, "13812345678", "13812345678");
    finds(Phone, "on 2026-11-22 0812345678 called", "0812345678");
    finds(Phone, "0812345678/0898765432", "0812345678");
    finds(Phone, "081-234-5678 089-876-5432", "081-234-5678 089-876-5432".split(' ').next().unwrap());
    finds(Phone, "paid 10,000 USDT to +66812345678", "66812345678");
}

#[test]
fn numbers_that_are_nobodys_pass() {
    for text in [
        // Dates and times
        "2026-11-22",
        "2026-11-22 14:30:05",
        "2026-11-22 14:30:05.123456789",
        "2026-11-22T14:30:05+07:00",
        "22/11/2026 14:30",
        "22.11.2026, 14.30",
        "22.11.2569",
        "from 2026-11-01 to 2026-11-22",
        "2026-11-01/2026-11-22",
        "2024-2026",
        "at 1763800000, or 1763800000124",
        // Amounts
        "10,000 USDT",
        "1,000,000,000 baht",
        "10 000 000 000 USDT",
        "$1234567890",
        "€ 1.000.000.000",
        "1.000.000.000",
        "0.123456789 BTC",
        "0.123456789",
        "123456789 THB",
        "12,345.67 EUR",
        "99.99 %",
        // Versions, addresses, ports
        "v1.2.3.456789",
        "10.0.19045.3803",
        "Chrome/120.0.6099.109",
        "192.168.100.101",
        "192.168.100.101:8080 and 8.8.8.0/24",
        "CVE-2026-49346",
        "INV-2026-001234",
        "ISO 27001:2022",
        // URLs, names, hashes, wallets
        "https://evil.example/id/123456789012?t=0812345678",
        "hxxps[:]//evil[.]example/123456789",
        "evil.example/123456789012",
        "evil.example:8080/?id=1234567890",
        "shop-0812345678.example",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "550e8400-e29b-41d4-a716-446655440000",
        "0x1234567890123456789012345678901234567890",
        "bc1q012345678901234567890",
        // Small numbers
        "120 victims in 3 of 12 compounds, 45 rescued",
        "rooms 1 2 3 4 5 6 7 8 9 10",
        "",
    ] {
        passes(text);
    }
}

#[test]
fn numbers_of_documents_cards_and_accounts_are_found() {
    use PersonalData::IdNumber;
    finds(IdNumber, "ID 1101700230708", "1101700230708");
    finds(IdNumber, "1-1017-00230-70-8", "1-1017-00230-70-8");
    finds(IdNumber, "card 4111 1111 1111 1111", "4111 1111 1111 1111");
    finds(IdNumber, "card 3782-822463-10005", "3782-822463-10005");
    finds(IdNumber, "SSN 123-45-6789", "123-45-6789");
    finds(IdNumber, "paid to DE89 3704 0044 0532 0130 00 in Berlin", "DE89 3704 0044 0532 0130 00");
    finds(IdNumber, "IBAN:DE89370400440532013000", "DE89370400440532013000");
    finds(IdNumber, "passport no. AB1234567", "AB1234567");
    finds(IdNumber, "身份证 11010519491231002X", "11010519491231002X");
    for text in
        ["flight AB1234567", "DE89 in the Berlin office", "the passport office closed on 20261122 at 5"]
    {
        passes(text);
    }
}

#[test]
fn the_indicator_itself_may_be_repeated_in_any_spelling() {
    let phone = indicator(Kind::Phone, "+66812345678");
    for text in [
        "+66812345678",
        "66812345678",
        "0066 81 234 5678",
        "081 234 5678",
        "081-234-5678",
        "+66 (0)81 234 5678",
        "๐๘๑๒๓๔๕๖๗๘",
        "812345678",
    ] {
        check_with(&phone, text, None);
        let other = format!("{text}, 0898765432");
        check_with(&phone, &other, Some((PersonalData::Phone, "0898765432")));
    }
    check_with(&indicator(Kind::Handle, "whatsapp:+66812345678"), "081 234 5678", None);
    let email = indicator(Kind::Email, "agent@evil.example");
    check_with(&email, "write to Agent[at]Evil.Example", None);
    check_with(&email, "xagent@evil.example", Some((PersonalData::Email, "xagent@evil.example")));
    let iban = indicator(Kind::Iban, "DE89370400440532013000");
    check_with(&iban, "to DE89 3704 0044 0532 0130 00", None);
    let account = indicator(Kind::BankAccount, "TH:004:1234567890");
    check_with(&account, "account 123-4-56789-0", None);
    check_with(&account, "account 223-4-56789-0", Some((PersonalData::Phone, "223-4-56789-0")));
    let url = indicator(Kind::Url, "https://evil.example/?u=bob@mail.example");
    check_with(&url, "see https://evil.example/?u=bob@mail.example", None);
}

#[test]
fn a_finding_says_where_and_never_what() {
    let own = indicator(Kind::Domain, "fake-broker.example");
    let finding = scan("ask bob@mail.example", &own).unwrap();
    assert_eq!(
        finding.to_string(),
        "an e-mail address at bytes 4 to 20; remove it, or override if it is nobody's"
    );
    assert!(!format!("{finding:?}").contains("bob"));
}

#[test]
fn the_first_of_several_findings_is_named() {
    finds(PersonalData::Phone, "0812345678, bob@mail.example", "0812345678");
    finds(PersonalData::Email, "bob@mail.example, 0812345678", "bob@mail.example");
}

/// What would be quadratic in a careless scan: each of these is done at once, or the test run hangs.
#[test]
fn long_texts_of_one_kind_end() {
    let own = indicator(Kind::Phone, "+66812345678");
    for part in ["@", "a@", "1 ", "1", "1-", "[", "(at)", "A1", "DE89 ", ".", "\u{200b}", "ก", "://", "+"] {
        let _ = scan(&part.repeat(20_000), &own);
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_and_every_finding_can_be_cut_out(text in any::<String>()) {
        if let Some(finding) = scan(&text, &indicator(Kind::Phone, "+66812345678")) {
            prop_assert!(text.get(finding.at).is_some_and(|part| !part.is_empty()));
        }
    }

    #[test]
    fn text_that_is_nearly_personal_data_does_not_panic(
        text in r"([0-9]{1,5}|[-. /()+:,@]|\[at\]|\(dot\)|[A-Za-z]{1,3}|๐|＋|DE89|passport|://){0,40}",
    ) {
        if let Some(finding) = scan(&text, &indicator(Kind::Iban, "DE89370400440532013000")) {
            prop_assert!(text.get(finding.at).is_some_and(|part| !part.is_empty()));
        }
    }

    /// With any grouping by spaces; dots and hyphens could make a date of it.
    #[test]
    fn every_international_number_is_found(
        digits in "[1-9][0-9]{8,13}",
        separators in prop::collection::vec(prop::sample::select(vec!["", "", " "]), 14),
    ) {
        let written: String =
            digits.chars().zip(separators).flat_map(|(digit, s)| [digit.to_string(), s.to_owned()]).collect();
        prop_assume!(written.split(|c: char| !c.is_ascii_digit()).count() <= 8);
        let own = indicator(Kind::Domain, "fake-broker.example");
        let text = format!("call +{written} now");
        prop_assert!(scan(&text, &own).is_some(), "{}", text);
    }
}
