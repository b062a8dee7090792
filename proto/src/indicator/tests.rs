//! What holds for every kind, on any input; and the one-line checks that the kinds' own tests use.

use super::*;
use proptest::prelude::*;

/// The input has this canonical form, which is admissible and its own canonical form.
#[track_caller]
pub(super) fn check(kind: Kind, input: &str, expected: &str) {
    check_with(kind, input, &Hints::default(), expected);
}

#[track_caller]
pub(super) fn check_with(kind: Kind, input: &str, hints: &Hints<'_>, expected: &str) {
    let canonical = match canonicalise(kind, input, hints) {
        Ok(canonical) => canonical,
        Err(error) => panic!("{input:?}: {error}"),
    };
    assert_eq!(canonical.indicator.value(), expected, "{input:?}");
    assert_eq!(canonical.repaired, input.trim() != expected, "{input:?}");
    assert_eq!(canonical.indicator.admissible(), Ok(()), "{input:?}");
    let again = canonicalise(kind, expected, &Hints::default()).unwrap();
    assert_eq!((again.indicator.value(), again.repaired), (expected, false), "{input:?}");
    assert_eq!(again.warnings, canonical.warnings, "{input:?}");
}

/// The input has no canonical form; if it is well formed nevertheless, a node refuses it.
#[track_caller]
pub(super) fn refused(kind: Kind, input: &str) {
    let result = canonicalise(kind, input, &Hints::default());
    assert!(result.is_err(), "{input:?} became {result:?}");
    if let Ok(indicator) = Indicator::new(kind, input) {
        assert!(indicator.admissible().is_err(), "{input:?}");
    }
}

/// The bytes are void for every reader.
#[track_caller]
pub(super) fn void(kind: Kind, value: &str) {
    assert!(Indicator::new(kind, value).is_err(), "{value:?}");
}

/// Well formed, but a node refuses it, for its canonical form is another.
#[track_caller]
pub(super) fn differs(kind: Kind, value: &str) {
    let result = Indicator::new(kind, value).unwrap().admissible();
    assert!(matches!(result, Err(NotCanonical::Differs { .. })), "{value:?}: {result:?}");
}

#[test]
fn an_index_key_is_the_start_of_a_hash_over_kind_and_value() {
    // printf '\001fake-broker.example' | sha256sum
    let indicator = Indicator::new(Kind::Domain, "fake-broker.example").unwrap();
    assert_eq!(indicator.index_key(), 0x1b0aa540eacb4c22);
    assert_eq!((indicator.kind(), indicator.value()), (Kind::Domain, "fake-broker.example"));
}

#[test]
fn nothing_and_too_much_are_refused_in_every_kind() {
    for kind in Kind::ALL {
        void(kind, "");
        void(kind, &"a".repeat(5_000));
        assert!(matches!(
            canonicalise(kind, " \u{200b}\"\" ", &Hints::default()),
            Err(NotCanonical::Empty { .. })
        ));
        let long = canonicalise(kind, &"a".repeat(MAX_INPUT_BYTES + 1), &Hints::default());
        assert_eq!(long, Err(NotCanonical::TooLong { kind, bytes: MAX_INPUT_BYTES + 1 }));
    }
}

#[test]
fn no_kind_has_a_value_with_control_bidi_zero_width_or_space() {
    let values = [
        "evil.example",
        "http://evil.example/",
        "a@evil.example",
        "+66812345678",
        "btc:1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "DE89370400440532013000",
        "TH:004:1234567890",
        "telegram:fakebroker",
        "8.8.8.8",
        "play:com.fake.broker",
        "http://evil.example/",
        "pdq:f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0",
        "ra000585:01234567",
    ];
    for (kind, value) in Kind::ALL.into_iter().zip(values) {
        assert!(Indicator::new(kind, value).is_ok(), "{kind} {value}");
        for c in ['\n', '\r', '\t', '\0', '\u{1b}', ' ', '\u{7f}', '\u{202e}', '\u{200b}', '\u{feff}', 'é'] {
            for (place, _) in value.char_indices().chain([(value.len(), ' ')]) {
                let mut hidden = value.to_owned();
                hidden.insert(place, c);
                void(kind, &hidden);
            }
        }
    }
}

/// Whatever comes in: no panic; what has a canonical form has it once, well formed and admissible.
fn holds_for(kind: Kind, input: &str, hints: &Hints<'_>) {
    if let Ok(canonical) = canonicalise(kind, input, hints) {
        let value = canonical.indicator.value();
        assert_eq!(canonical.indicator.admissible(), Ok(()), "{kind} {input:?} {value:?}");
        let again = canonicalise(kind, value, &Hints::default()).unwrap();
        assert_eq!(again.indicator, canonical.indicator, "{kind} {input:?}");
        assert!(!again.repaired);
    }
    // The oracle of admission: a value is admissible exactly if it is its own canonical form.
    if let Ok(indicator) = Indicator::new(kind, input) {
        let own = canonicalise(kind, input, &Hints::default()).is_ok_and(|own| own.indicator == indicator);
        assert_eq!(indicator.admissible().is_ok(), own, "{kind} {input:?}");
    }
}

/// Text near the forms that the kinds read, so that a good part of it gets past the first check.
fn near() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9._-]{1,40}",
        "(xn--)?[a-z0-9-]{1,12}\\.(xn--[a-z0-9-]{1,12}|com|example|co\\.uk)\\.?",
        "[a-zа-яé\u{200d}ｇß．。-]{1,12}\\.(com|рф|example)",
        "(h(tt|xx)ps?)(://|\\[:\\]//)[a-z0-9.@:\\[\\]\\\\%-]{1,20}[/?#]?[ -~]{0,20}",
        "[ -~]{1,20}@[a-z0-9.-]{1,20}",
        "[+0-9 ()./;*#-]{1,24}",
        "\\+[1-9][0-9]{5,16}",
        "(btc|eth|ton|xrp|eip155:[0-9]{1,3}|usdt)?:?[a-zA-Z0-9]{20,60}(\\?(dt|memo)=[0-9a-z]{1,12})?",
        "0[xX][0-9a-fA-F]{40}",
        "(0|-1):[0-9a-fA-F]{64}",
        "[A-Z]{2}[0-9]{2}[A-Z0-9 ]{10,30}",
        "[A-Za-z]{2}:[A-Z0-9]{2,6}:[0-9-]{4,12}",
        "(telegram|whatsapp|line|facebook|linkedin|x|signal):@?[A-Za-z0-9._/+-]{1,24}",
        "(https://)?(t\\.me|wa\\.me|facebook\\.com|x\\.com)/[A-Za-z0-9@._/?=-]{0,24}",
        "[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}(/[0-9]{1,2})?",
        "[0-9a-f:]{2,39}(/[0-9]{1,3})?",
        "(play|appstore|ios|sha256|cert|lei|ra000585|pdq|text):[A-Za-z0-9.: -]{1,64}",
        "(pdq:|text:|sha256:)?[0-9a-fA-F]{64}",
    ]
}

fn hints() -> impl Strategy<Value = Hints<'static>> {
    let one_of = |values: &'static [&'static str]| proptest::option::of(proptest::sample::select(values));
    let chain = one_of(&["btc", "eth", "usdt", "ltc", "bch", "eip155:56", "nochain"]);
    (
        one_of(&["TH", "us", "XX"]),
        chain,
        one_of(&["7", "x y"]),
        one_of(&["telegram", "play", "cert", "lei", "?"]),
    )
        .prop_map(|(region, chain, memo, platform)| Hints {
            region,
            chain: chain.map_or(Chain::Auto, Chain::Named),
            memo,
            platform,
            quality: None,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn text_near_the_forms_has_one_canonical_form_or_none(input in near(), hints in hints()) {
        for kind in Kind::ALL {
            holds_for(kind, &input, &hints);
        }
    }

    #[test]
    fn a_defanged_value_is_the_value(
        labels in proptest::collection::vec("[a-z][a-z0-9]{0,9}", 1..4),
        dot in proptest::sample::select(&["[.]", "(.)", "{.}", "[dot]", " (DOT) ", "{ dot }", "．", "。", ".\u{200b}"][..]),
        scheme in proptest::sample::select(&["hxxp://", "hXXp://", "http[:]//", "h**p://", "http://"][..]),
    ) {
        let name = format!("{}.example", labels.join("."));
        let defanged = name.replace('.', dot);
        check(Kind::Domain, &defanged, &name);
        check(Kind::Email, &format!("a[at]{defanged}"), &format!("a@{name}"));
        check(Kind::Url, &format!("{scheme}{defanged}/a"), &format!("http://{name}/a"));
    }

    #[test]
    fn any_text_has_one_canonical_form_or_none(input in any::<String>(), hints in hints()) {
        for kind in Kind::ALL {
            holds_for(kind, &input, &hints);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(16) })]

    #[test]
    fn long_text_is_bounded_work(piece in prop_oneof![near(), any::<String>()]) {
        let times = MAX_INPUT_BYTES.checked_div(piece.len()).unwrap_or_default();
        let input = piece.repeat(times);
        for kind in Kind::ALL {
            holds_for(kind, &input, &Hints::default());
        }
    }
}
