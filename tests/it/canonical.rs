//! One canonical form for each thing, at the node that a publisher talks to: what its client should have
//! canonicalised is refused and never repaired, since the bytes are signed (HOSTILE: canonical values).

use anyhow::{Context as _, Result};
use prost::Message as _;

use almenara_proto::{
    indicator::{Hints, Kind, canonicalise},
    wire::{self, RefusalCode, publish_request::Item},
};
use almenara_tests::{
    cluster::Cluster,
    desk::{Desk, report},
};

use crate::ONE;

/// A statement about `value`, whatever it is, signed by the desk.
fn batch_of(desk: &Desk, kind: Kind, value: &str, seq: u64) -> Result<Item> {
    let mut statement = wire::Statement::decode(report(seq, "scam.example")?.encode().as_slice())?;
    statement.indicator = Some(wire::Indicator { kind: kind as i32, value: value.to_owned() });
    Ok(Item::Batch(desk.seal_raw(vec![statement.encode_to_vec().into()], seq, |body| body)?))
}

/// What somebody wrote, and its canonical form if it has one.
const WRITTEN: [(Kind, &str, Option<&str>); 27] = [
    (Kind::Domain, "EXAMPLE.CO.UK", Some("example.co.uk")),
    (Kind::Domain, "CO.UK", None),
    (Kind::Domain, "co.uk", None),
    (Kind::Domain, "ｅｖｉｌ．ｅｘａｍｐｌｅ", Some("evil.example")),
    (Kind::Domain, "ｂａｄ。ｅｘａｍｐｌｅ", Some("bad.example")),
    (Kind::Domain, "xn--example-.org", None),
    (Kind::Domain, "раураl.com", Some("xn--l-7sba6dbr.com")),
    (Kind::Domain, "0x7f.1", None),
    (Kind::Domain, "scam.example\n0.0.0.0 bank.example", None),
    (Kind::Ip, "0x7f.1", None),
    (Kind::Ip, "10.0.0.0/8", None),
    (Kind::Ip, "0.0.0.0/0", None),
    (Kind::Ip, "8.8.8.77/24", Some("8.8.8.0/24")),
    (Kind::Url, "http://evil.com\\@good.com", Some("http://evil.com/@good.com")),
    (Kind::Wallet, "eth:0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", None),
    (
        Kind::Wallet,
        "eth:0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
        Some("eth:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
    ),
    (
        Kind::Wallet,
        "ton:EQDKbjIcfM6ezt8KjKJJLshZJJSqX7XOA4ff-W72r5gqPrHF",
        Some("ton:0:ca6e321c7cce9ecedf0a8ca2492ec8592494aa5fb5ce0387dff96ef6af982a3e"),
    ),
    (Kind::Wallet, "btc:bc1qW508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", None),
    (Kind::Wallet, "btc:tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", None),
    (
        Kind::Wallet,
        "btc:BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
        Some("btc:bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
    ),
    (Kind::Phone, "+66 081 234 5678", Some("+66812345678")),
    (Kind::Phone, "+66812345678;phone-context=evil", None),
    (Kind::Phone, ".;phone-context=", None),
    (Kind::Phone, "+;phone-context=+1", None),
    (Kind::Phone, "+*1*2", None),
    (Kind::Phone, "00000000000000000000", None),
    (Kind::Phone, "+99999999999999", None),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_canonical_is_refused_by_the_node_and_its_canonical_form_is_taken() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let mut seq = 0;
    for (kind, written, canonical) in WRITTEN {
        seq += 1;
        let refusal = desk.submit(batch_of(&desk, kind, written, seq)?).await?.err().context(written)?;
        let code = refusal.code();
        assert!(matches!(code, RefusalCode::Void | RefusalCode::NotCanonical), "{written}: {refusal}");
        assert!(!refusal.0.message.contains(|c: char| c.is_control()), "{refusal}");
        // Its author's client knows what was meant, or refuses it as well.
        let found = canonicalise(kind, written, &Hints::default()).ok();
        assert_eq!(found.as_ref().map(|found| found.indicator.value()), canonical, "{written}");
        if let Some(canonical) = canonical {
            seq += 1;
            desk.submit(batch_of(&desk, kind, canonical, seq)?)
                .await?
                .with_context(|| canonical.to_owned())?;
        }
    }
    Ok(())
}
