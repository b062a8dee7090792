use super::super::tests::{check, check_with, differs, refused, void};
use super::chain::TOKENS;
use super::*;
use crate::indicator::{Hints, canonicalise};

const W: Kind = Kind::Wallet;

fn on(chain: &str) -> Hints<'_> {
    Hints { chain: Chain::Named(chain), ..Hints::default() }
}

fn error(input: &str, hints: &Hints<'_>) -> NotCanonical {
    canonicalise(W, input, hints).unwrap_err()
}

#[test]
fn an_address_says_its_chain_by_its_own_form() {
    // BIP 173, BIP 350, the genesis block, EIP-55, SLIP-132 and the specifications of each chain.
    check(W, "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "btc:bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4");
    check(
        W,
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        "btc:bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    );
    check(W, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "btc:1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa");
    check(W, "bitcoin:3P14159f73E4gFr7JterCCQh9QjiTjiZrG", "btc:3P14159f73E4gFr7JterCCQh9QjiTjiZrG");
    check(W, "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", "eth:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
    check(W, "0X5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED", "eth:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
    check(W, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "eth:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
    check(W, "qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a", "bch:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a");
    check(
        W,
        "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
        "bch:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
    );
    check(W, "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", "tron:TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t");
    check(W, "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh", "xrp:rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh");
    check(
        W,
        "So11111111111111111111111111111111111111112",
        "sol:So11111111111111111111111111111111111111112",
    );
    check(
        W,
        "4AdUndXHHZ6cfufTMvppY6JwXNouMBzSkbLYfpAV5Usx3skxNgYeYTRj5UzqtReoS44qo9mtmXCqY45DJ852K5Jv2684Rge",
        "xmr:4AdUndXHHZ6cfufTMvppY6JwXNouMBzSkbLYfpAV5Usx3skxNgYeYTRj5UzqtReoS44qo9mtmXCqY45DJ852K5Jv2684Rge",
    );
}

/// Addresses made from one hash, whose forms the codes above must all read: each chain's own version byte.
#[test]
fn every_base58_chain_is_recognised_or_named() {
    let hash = [7; 20];
    for (version, chain) in [
        (0, "btc"),
        (5, "btc"),
        (48, "ltc"),
        (50, "ltc"),
        (30, "doge"),
        (22, "doge"),
        (76, "dash"),
        (16, "dash"),
        (38, "btg"),
        (23, "btg"),
        (0x41, "tron"),
    ] {
        let address = base58::write(version, &hash);
        check(W, &address, &format!("{chain}:{address}"));
        check_with(W, &address, &on(chain), &format!("{chain}:{address}"));
        // One character changed is a wrong checksum, or no address at all.
        let typo: String = address.chars().rev().map(|c| if c == 'a' { 'b' } else { 'a' }).take(1).collect();
        refused(W, &format!("{}{typo}", &address[..address.len() - 1]));
    }
    for (version, chain) in [(0, "bsv"), (30, "xvg"), (33, "xvg")] {
        let address = base58::write(version, &hash);
        check_with(W, &address, &on(chain), &format!("{chain}:{address}"));
    }
    for version in [111, 196, 140] {
        assert!(matches!(
            error(&base58::write(version, &hash), &Hints::default()),
            NotCanonical::Refused { .. }
        ));
    }
}

#[test]
fn bech32_forms_of_the_other_chains_are_recognised() {
    use ::bech32::{Bech32, Bech32m, Hrp, encode, segwit};
    let hrp = |name| Hrp::parse(name).unwrap();
    let ltc = segwit::encode_v0(hrp("ltc"), &[7; 20]).unwrap();
    check(W, &ltc.to_uppercase(), &format!("ltc:{ltc}"));
    refused(W, &segwit::encode_v0(hrp("tltc"), &[7; 20]).unwrap());
    for address in
        [encode::<Bech32>(hrp("zs"), &[7; 43]).unwrap(), encode::<Bech32m>(hrp("u"), &[7; 61]).unwrap()]
    {
        check(W, &address, &format!("zec:{address}"));
    }
    refused(W, &encode::<Bech32m>(hrp("zs"), &[7; 43]).unwrap());
    refused(W, &encode::<Bech32>(hrp("zs"), &[7; 42]).unwrap());
    refused(W, &encode::<Bech32>(hrp("ztestsapling"), &[7; 43]).unwrap());
}

#[test]
fn an_address_that_does_not_fit_its_chain_is_told_the_forms() {
    let text = error("5be5543ff73456ab9f2d207887e2af87", &on("xmr")).to_string();
    assert!(text.contains("does not fit xmr, which has 4…, 8… (95 or 106 characters)"), "{text}");
}

#[test]
fn a_named_chain_decides_between_equal_forms() {
    let evm = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    check_with(W, evm, &on("ETC"), &format!("etc:{evm}"));
    check_with(W, evm, &on("eip155:61"), &format!("etc:{evm}"));
    check_with(W, evm, &on("eip155:56"), &format!("eip155:56:{evm}"));
    check_with(W, evm, &on("BSC"), &format!("eth:{evm}"));
    check_with(W, evm, &on("USDT"), &format!("eth:{evm}"));
    check(W, &format!("eip155:56:{}", evm.to_lowercase()), &format!("eip155:56:{evm}"));
    check_with(
        W,
        "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
        &on("usdt"),
        "tron:TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
    );
    // The vectors of CashAddr's specification.
    check_with(
        W,
        "1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu",
        &on("bch"),
        "bch:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
    );
    check_with(
        W,
        "3CWFddi6m4ndiGyKqzYvsFYagqDLPVMTzC",
        &on("bch"),
        "bch:ppm2qsznhks23z7629mms6s4cwef74vcwvn0h829pq",
    );
    // Litecoin's old script hashes look like Bitcoin's.
    let (old, new) = (base58::write(5, &[7; 20]), base58::write(50, &[7; 20]));
    check_with(W, &old, &on("ltc"), &format!("ltc:{new}"));
    assert!(matches!(error(&new, &on("btc")), NotCanonical::OtherChain { recognised: "ltc", .. }));
}

#[test]
fn forms_of_ton_are_one_account() {
    let raw = "ton:0:ca6e321c7cce9ecedf0a8ca2492ec8592494aa5fb5ce0387dff96ef6af982a3e";
    check(W, "EQDKbjIcfM6ezt8KjKJJLshZJJSqX7XOA4ff-W72r5gqPrHF", raw);
    check(W, "EQDKbjIcfM6ezt8KjKJJLshZJJSqX7XOA4ff+W72r5gqPrHF", raw);
    check(W, "UQDKbjIcfM6ezt8KjKJJLshZJJSqX7XOA4ff-W72r5gqPuwA", raw);
    check(W, "0:CA6E321C7CCE9ECEDF0A8CA2492EC8592494AA5FB5CE0387DFF96EF6AF982A3E", raw);
    check(W, "UQDKbjIcfM6ezt8KjKJJLshZJJSqX7XOA4ff-W72r5gqPuwA?memo=10042", &format!("{raw}?memo=10042"));
    assert!(matches!(
        error("kQDKbjIcfM6ezt8KjKJJLshZJJSqX7XOA4ff-W72r5gqPgpP", &Hints::default()),
        NotCanonical::Refused { .. }
    ));
    assert!(matches!(
        error("EQDKbjIcfM6ezt8KjKJJLshZJJSqX7XOA4ff-W72r5gqPrHG", &Hints::default()),
        NotCanonical::Checksum { .. }
    ));
    refused(W, "1:ca6e321c7cce9ecedf0a8ca2492ec8592494aa5fb5ce0387dff96ef6af982a3e");
}

#[test]
fn a_deposit_tag_is_part_of_the_value() {
    let account = "rGWrZyQqhTp9Xu7G5Pkayo7bXjH4k4QYpf";
    // Vectors of XLS-5.
    check(W, "XVLhHMPHU98es4dbozjVtdWzVrDjtVoUhWS5SgMMoLoBzqQ", &format!("xrp:{account}?dt=13"));
    check(W, "XVLhHMPHU98es4dbozjVtdWzVrDjtV8AqEL4xcZj5whKbmc", &format!("xrp:{account}?dt=0"));
    check(W, &format!("{account}?dt=12345"), &format!("xrp:{account}?dt=12345"));
    check(W, "XVLhHMPHU98es4dbozjVtdWzVrDjtV18pX8yuPT7y4xaEHi", &format!("xrp:{account}?dt=4294967295"));
    refused(W, "XVLhHMPHU98es4drozjVtdWzVbDjtV18pX8zeUygYbCgbPh"); // a tag of 64 bits
    let plain = bs58::decode(account).with_alphabet(bs58::Alphabet::RIPPLE).into_vec().unwrap();
    let x_address = base58::with_checksum([&[0x05, 0x44], &plain[1..21], &[0; 9]].concat());
    check(
        W,
        &bs58::encode(x_address).with_alphabet(bs58::Alphabet::RIPPLE).into_string(),
        &format!("xrp:{account}"),
    );
    let tagged = Hints { memo: Some(" 12345 "), ..Hints::default() };
    check_with(W, account, &tagged, &format!("xrp:{account}?dt=12345"));
    for tag in ["x", "-1", "01", "4294967296", "1&2"] {
        refused(W, &format!("{account}?dt={tag}"));
    }
    assert!(canonicalise(W, &format!("{account}?dt=1"), &tagged).is_err(), "two tags");
    let no_tags = canonicalise(W, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", &tagged).unwrap_err();
    assert!(no_tags.to_string().contains("its chain has no deposit tags"), "{no_tags}");
    refused(W, "bitcoin:1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa?amount=1");
}

#[test]
fn wrong_checksums_cases_and_test_networks_are_refused() {
    let wrong = [
        "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
        "bc1qW508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6q",
        "qPm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
        "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTi",
        "4AdUndXHHZ6cfufTMvppY6JwXNouMBzSkbLYfpAV5Usx3skxNgYeYTRj5UzqtReoS44qo9mtmXCqY45DJ852K5Jv2684Rgf",
    ];
    for address in wrong {
        assert!(matches!(error(address, &Hints::default()), NotCanonical::Checksum { .. }), "{address}");
    }
    for address in
        ["tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", "bchtest:qpm2qsznhks23z7629mms6s4cwef74vcwvqcw003ap"]
    {
        assert!(canonicalise(W, address, &Hints::default()).is_err(), "{address}");
    }
    // Witness version 1 under the checksum of version 0 (BIP 350).
    refused(W, "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd");
}

#[test]
fn chains_that_nobody_added_are_refused_by_name() {
    for (input, hints) in
        [("dot:155dDX3rWoNsY4aiJFbsu6wLB91c2J2Ws5BgMfJKyM1eGnkS", Hints::default()), ("abc", on("ada"))]
    {
        let text = error(input, &hints).to_string();
        assert!(text.contains("is no known chain") && text.contains("eth, btc, tron"), "{text}");
    }
    for input in [
        "155dDX3rWoNsY4aiJFbsu6wLB91c2J2Ws5BgMfJKyM1eGnkS",
        "eip155:0:0x00",
        "eip155:01:0x00",
        "eip155:",
        "btc:",
        ":",
        "btc",
        "é",
        "0:0",
    ] {
        refused(W, input);
    }
    let text = error("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", &on("btc")).to_string();
    assert!(text.contains("is no address on \"btc\", it has the form of eth"), "{text}");
    let text = error("btc:1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", &on("tron")).to_string();
    assert!(text.contains("is no address on \"tron\", it has the form of btc"), "{text}");
}

#[test]
fn an_address_without_checksum_is_warned_about() {
    let sol = canonicalise(W, "So11111111111111111111111111111111111111112", &Hints::default()).unwrap();
    assert_eq!(sol.warnings, [Warning::NoChecksum { chain: "sol" }]);
    assert_eq!(canonicalise(W, "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", &on("trx")).unwrap().warnings, []);
}

#[test]
fn a_wallet_is_void_by_its_bytes_alone_and_tomorrows_chain_is_not() {
    for value in [
        "BTC:1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "btc:1A1zP1eP5Q Gefi2DMPTfTL5",
        "btc:abc",
        "a:1234567890",
    ] {
        void(W, value);
    }
    let tomorrow = crate::indicator::Indicator::new(W, "newchain:1234567890").unwrap();
    assert!(matches!(tomorrow.admissible(), Err(NotCanonical::UnknownName { what: "chain", .. })));
    differs(W, "eth:0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed");
    differs(W, "bch:1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu");
}

#[test]
fn the_names_of_chains_are_unambiguous() {
    let mut names: Vec<_> =
        CHAINS.iter().flat_map(|info| info.aliases.iter().chain([&info.name])).chain(&TOKENS).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}
