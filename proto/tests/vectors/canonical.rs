//! Canonical forms: a few for each kind.

use almenara_proto::indicator::{Hints, Indicator, Kind, canonicalise};
use serde_json::{Value, json};

/// Kind and what a person gives.
const INPUTS: [(Kind, &str); 45] = [
    (Kind::Domain, "fake-broker.example"),
    (Kind::Domain, "Fake-Broker.EXAMPLE."),
    (Kind::Domain, "hxxps://login[.]fake-broker[.]example"),
    (Kind::Domain, "ｆａｋｅ．example"),
    (Kind::Domain, "bücher.example"),
    (Kind::Domain, "раураl.com"),
    (Kind::Domain, "co.uk"),
    (Kind::Domain, "0x7f.1"),
    (Kind::Url, "HTTPS://Fake-Broker.example:443/Login?a=1#top"),
    (Kind::Url, "https://user:pw@fake-broker.example/"),
    (Kind::Url, "http://evil.example\\@good.example/"),
    (Kind::Url, "ftp://fake-broker.example/"),
    (Kind::Email, "Agent@Fake-Broker.example"),
    (Kind::Email, "agent(at)fake-broker[.]example"),
    (Kind::Email, "\"a b\"@fake-broker.example"),
    (Kind::Phone, "+66 81 234 5678"),
    (Kind::Phone, "+66 (0)81-234-5678"),
    (Kind::Phone, "1669"),
    (Kind::Phone, "+66812345678;ext=1"),
    (Kind::Wallet, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
    (Kind::Wallet, "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"),
    (Kind::Wallet, "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"),
    (Kind::Wallet, "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"),
    (Kind::Wallet, "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
    (Kind::Iban, "de89 3704 0044 0532 0130 00"),
    (Kind::Iban, "DE88370400440532013000"),
    (Kind::BankAccount, "th:004:123-4-56789-0"),
    (Kind::Handle, "telegram:@FakeBroker"),
    (Kind::Handle, "https://t.me/FakeBroker"),
    (Kind::Handle, "whatsapp:+66 81 234 5678"),
    (Kind::Ip, "8.8.8.8"),
    (Kind::Ip, "::ffff:8.8.8.8"),
    (Kind::Ip, "2600:9000:2000:0::/48"),
    (Kind::Ip, "10.0.0.0/8"),
    (Kind::Ip, "0.0.0.0/0"),
    (Kind::App, "play:com.fake.broker"),
    (Kind::App, "https://play.google.com/store/apps/details?id=com.fake.broker"),
    (Kind::App, "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"),
    (Kind::Advert, "https://jobs.example/1"),
    (Kind::Advert, "text:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (Kind::Image, "pdq:F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0"),
    (Kind::Image, "f0f0"),
    (Kind::Company, "lei:5493001KJTIIGC8Y1R12"),
    (Kind::Company, "ra000585:01234567"),
    (Kind::Company, "01234567"),
];

/// Values that every reader calls void, whatever its tables.
const VOID: [(Kind, &str); 16] = [
    (Kind::Domain, ""),
    (Kind::Domain, "Fake.example"),
    (Kind::Domain, "fake"),
    (Kind::Domain, "fake..example"),
    (Kind::Domain, "fake.example."),
    (Kind::Domain, "fake.example\n"),
    (Kind::Domain, "1.2.3.4"),
    (Kind::Url, "https://fake.example"),
    (Kind::Url, "https://a@fake.example/"),
    (Kind::Email, "fake.example"),
    (Kind::Phone, "66812345678"),
    (Kind::Wallet, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
    (Kind::Iban, "DE89 3704 0044 0532 0130 00"),
    (Kind::Ip, "2600:9000:2000:0::/48"),
    (Kind::App, "sha256:00"),
    (Kind::Image, "pdq:00"),
];

fn index_key(indicator: &Indicator) -> String {
    format!("{:016x}", indicator.index_key())
}

/// `canonical.json`.
pub(crate) fn canonical() -> Value {
    let forms: Vec<Value> = INPUTS
        .into_iter()
        .map(|(kind, input)| match canonicalise(kind, input, &Hints::default()) {
            Ok(canonical) => json!({
                "kind": kind.as_str(),
                "number": kind as i32,
                "input": input,
                "value": canonical.indicator.value(),
                "index_key": index_key(&canonical.indicator),
                "warned": !canonical.warnings.is_empty(),
            }),
            Err(_) => json!({
                "kind": kind.as_str(),
                "number": kind as i32,
                "input": input,
                "value": null,
                "void": Indicator::new(kind, input).is_err(),
            }),
        })
        .collect();
    let voids: Vec<Value> = VOID
        .into_iter()
        .map(|(kind, value)| {
            assert!(Indicator::new(kind, value).is_err(), "{kind} {value}");
            json!({"kind": kind.as_str(), "number": kind as i32, "value": value})
        })
        .collect();
    json!({
        "description": "Indicators (docs/protocol.md, 'Indicator'): what a publisher's client makes of what people give \
            (value null: there is no canonical form; `void` says whether the input as it stands would be void or only \
            refused by a node), with the index key, the first 8 bytes of H(kind number as one byte, value). And values \
            that are void for every reader. Canonical forms depend on tables, which are named in `ruleset`; what is \
            void does not.",
        "forms": forms,
        "void": voids,
    })
}
