use super::*;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

#[test]
fn bytes_signed_as_one_thing_do_not_pass_as_another() {
    let signature = Context::KeyGrant.sign(b"body", &key(1));
    assert!(Context::KeyGrant.verify(b"body", &signature, &key(1).verifying_key()).is_ok());
    assert!(Context::Batch.verify(b"body", &signature, &key(1).verifying_key()).is_err());
    assert!(Context::KeyGrant.verify(b"bodY", &signature, &key(1).verifying_key()).is_err());
    assert!(Context::KeyGrant.verify(b"body", &signature, &key(2).verifying_key()).is_err());
}

#[test]
fn a_signature_holds_in_its_own_context_and_in_no_other() {
    for signed in Context::ALL {
        let signature = signed.sign(b"body", &key(1));
        for read in Context::ALL {
            let holds = read.verify(b"body", &signature, &key(1).verifying_key()).is_ok();
            assert_eq!(holds, read == signed, "{} as {}", signed.as_str(), read.as_str());
        }
    }
}

#[test]
fn a_malleated_signature_with_s_above_the_group_order_is_refused() {
    // L, little endian (RFC 8032 §5.1).
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut signature = Context::Batch.sign(b"body", &key(1));
    let mut carry = 0u16;
    for (s, l) in signature[32..].iter_mut().zip(L) {
        let sum = u16::from(*s) + u16::from(l) + carry;
        *s = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0, "S + L still fits 32 bytes");
    assert!(Context::Batch.verify(b"body", &signature, &key(1).verifying_key()).is_err());
}

/// The eight points of small order, as Edwards encodings.
const SMALL_ORDER: [&str; 8] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
];

#[test]
fn a_small_order_key_is_not_admitted() {
    for text in SMALL_ORDER {
        let key: PublicKey = text.parse().expect("64 hex digits");
        assert!(key.admit().is_err(), "{text}");
    }
}

#[test]
fn a_mixed_order_key_is_not_admitted() {
    let torsion: PublicKey = SMALL_ORDER[4].parse().expect("64 hex digits");
    let torsion = VerifyingKey::from_bytes(&torsion.0).expect("a point").to_edwards();
    let mixed = PublicKey((key(7).verifying_key().to_edwards() + torsion).compress().to_bytes());
    assert!(mixed.admit().is_err());
}

#[test]
fn a_non_canonical_key_is_not_admitted() {
    // y = p + 3 encodes the same point as y = 3 would, if it is one; and p itself encodes y = 0.
    for last in 0xed..=0xffu8 {
        let mut bytes = [0xff; 32];
        bytes[0] = last;
        bytes[31] = 0x7f;
        assert!(PublicKey(bytes).admit().is_err(), "{last:x}");
        bytes[31] = 0xff;
        assert!(PublicKey(bytes).admit().is_err(), "{last:x} with the sign bit");
    }
}

#[test]
fn an_honest_key_is_admitted() {
    for seed in 0..32 {
        assert!(PublicKey::of(&key(seed)).admit().is_ok(), "{seed}");
    }
}

/// What `verify` says of a signature, and whether its key is admitted. Both parts of PROTOCOL.md §2 are needed:
/// stock libraries agree on the first, and only the second keeps crafted keys out.
fn check(name: &str, public: [u8; 32], body: &[u8], signature: [u8; 64], verifies: bool, admitted: bool) {
    let holds = VerifyingKey::from_bytes(&public)
        .is_ok_and(|key| Context::Batch.verify(body, &signature, &key).is_ok());
    assert_eq!((holds, PublicKey(public).admit().is_ok()), (verifies, admitted), "{name}");
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let case = serde_json::json!({
        "name": name,
        "public": hex(&public),
        "body": hex(body),
        "signature": hex(&signature),
        "verifies": verifies,
        "admitted": admitted,
    });
    let kept: serde_json::Value =
        serde_json::from_str(include_str!("../../vectors/ed25519.json")).expect("JSON");
    let cases = kept["cases"].as_array().expect("cases");
    assert!(cases.contains(&case), "not in vectors/ed25519.json:\n{case},");
}

/// A number modulo the group's order from its little-endian bytes; the type comes from an example.
fn scalar<S>(_: S, bytes: &[u8]) -> S
where
    S: From<u64> + std::ops::Add<Output = S> + std::ops::Mul<Output = S>,
{
    bytes.iter().rev().fold(S::from(0), |sum, &byte| sum * S::from(256) + S::from(u64::from(byte)))
}

/// RFC 8032 §5.1.6 with any encodings of R and A in the hash: what a forger can compute who knows both secrets.
fn forge(secret: &SigningKey, nonce: &SigningKey, r: [u8; 32], a: [u8; 32], body: &[u8]) -> [u8; 64] {
    let (secret, nonce) = (secret.to_scalar(), nonce.to_scalar());
    let s = nonce + scalar(secret, &challenge(&r, &a, body)) * secret;
    [r, s.to_bytes()].concat().try_into().expect("64 bytes")
}

fn challenge(r: &[u8; 32], a: &[u8; 32], body: &[u8]) -> [u8; 64] {
    use sha2::Digest as _;
    let message = Context::Batch.message(body);
    sha2::Sha512::new().chain_update(r).chain_update(a).chain_update(message).finalize().into()
}

/// A body whose challenge is a multiple of 8, so that a torsion part of A vanishes: a few tries find one.
fn body_for(r: &[u8; 32], a: &[u8; 32], multiple_of_8: bool) -> Vec<u8> {
    // The library reduces the hash first; multiples of 8 must be looked for in what is left.
    let one = key(1).to_scalar();
    (0..=255u8)
        .map(|n| vec![n])
        .find(|body| {
            let reduced = scalar(one, &challenge(r, a, body)).to_bytes();
            (reduced[0] & 7 == 0) == multiple_of_8
        })
        .expect("one in eight")
}

fn point(text: &str) -> [u8; 32] {
    text.parse::<PublicKey>().expect("64 hex digits").0
}

fn compressed(key: &SigningKey) -> [u8; 32] {
    key.verifying_key().to_bytes()
}

#[test]
fn a_forgery_by_the_honest_formula_is_an_honest_signature() {
    let (a, r) = (compressed(&key(1)), compressed(&key(2)));
    check("R and A as they should be", a, b"body", forge(&key(1), &key(2), r, a, b"body"), true, true);
    let signature = Context::Batch.sign(b"body", &key(1));
    check("signed by the library", a, b"body", signature, true, true);
    check("of another body", a, b"bodY", signature, false, true);
}

#[test]
fn under_a_small_order_key_anything_may_verify_so_it_is_not_admitted() {
    // S = 0 and R = the identity: the equation is 0 = R + k·A.
    let identity = point(SMALL_ORDER[0]);
    let nothing: [u8; 64] = [identity, [0; 32]].concat().try_into().expect("64 bytes");
    check("A of order 1", identity, b"any body", nothing, true, false);
    for a in SMALL_ORDER[1..].iter().map(|text| point(text)) {
        let body = body_for(&identity, &a, true);
        check("A of small order, k = 0 mod 8", a, &body, nothing, true, false);
    }
}

#[test]
fn a_torsion_part_of_r_is_refused_and_one_of_a_is_not_admitted() {
    let a = compressed(&key(1));
    for torsion in SMALL_ORDER[1..].iter().map(|text| point(text)) {
        let torsion = VerifyingKey::from_bytes(&torsion).expect("a point").to_edwards();
        // With cofactor 8 these would hold; without it they do not.
        let mixed = (key(2).verifying_key().to_edwards() + torsion).compress().to_bytes();
        check("R of mixed order", a, b"body", forge(&key(1), &key(2), mixed, a, b"body"), false, true);

        let mixed = (key(1).verifying_key().to_edwards() + torsion).compress().to_bytes();
        let r = compressed(&key(2));
        let body = body_for(&r, &mixed, true);
        check(
            "A of mixed order, k = 0 mod 8",
            mixed,
            &body,
            forge(&key(1), &key(2), r, mixed, &body),
            true,
            false,
        );
    }
    let order_8 = VerifyingKey::from_bytes(&point(SMALL_ORDER[4])).expect("a point").to_edwards();
    let mixed = (key(1).verifying_key().to_edwards() + order_8).compress().to_bytes();
    let r = compressed(&key(2));
    let body = body_for(&r, &mixed, false);
    check(
        "A of mixed order, k ≠ 0 mod 8",
        mixed,
        &body,
        forge(&key(1), &key(2), r, mixed, &body),
        false,
        false,
    );
}

#[test]
fn r_is_compared_as_bytes() {
    // R = the identity, S = k·a: an honest equation, although nobody signs so.
    let a = compressed(&key(1));
    let zero = |r: [u8; 32]| {
        let s = scalar(key(1).to_scalar(), &challenge(&r, &a, b"body")) * key(1).to_scalar();
        [r, s.to_bytes()].concat().try_into().expect("64 bytes")
    };
    let identity = point(SMALL_ORDER[0]);
    check("R of order 1", a, b"body", zero(identity), true, true);
    let (mut unreduced, mut signed) = (identity, identity);
    unreduced[1..31].fill(0xff);
    (unreduced[0], unreduced[31]) = (0xee, 0x7f); // y = p + 1
    signed[31] |= 0x80; // x = −0
    check("R with y above p", a, b"body", zero(unreduced), false, true);
    check("R with the sign of zero", a, b"body", zero(signed), false, true);
}

#[test]
fn a_key_in_another_encoding_is_another_key_and_not_admitted() {
    // The identity again, as a key with y = p + 1 and with the sign of zero.
    let r = point(SMALL_ORDER[0]);
    let signature: [u8; 64] = [r, [0; 32]].concat().try_into().expect("64 bytes");
    let (mut unreduced, mut signed) = (r, r);
    unreduced[1..31].fill(0xff);
    (unreduced[0], unreduced[31]) = (0xee, 0x7f);
    signed[31] |= 0x80;
    check("A with y above p", unreduced, b"body", signature, true, false);
    check("A with the sign of zero", signed, b"body", signature, true, false);
    check("A that is no point", [2; 32], b"body", signature, false, false);
}

#[test]
fn s_has_one_value() {
    let a = compressed(&key(1));
    let honest = Context::Batch.sign(b"body", &key(1));
    let with_s = |s: [u8; 32]| {
        let mut signature = honest;
        signature[32..].copy_from_slice(&s);
        signature
    };
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut s: [u8; 32] = honest[32..].try_into().expect("32 bytes");
    for multiple in 1..16 {
        let mut carry = 0;
        for (byte, l) in s.iter_mut().zip(L) {
            let sum = u16::from(*byte) + u16::from(l) + carry;
            *byte = (sum & 0xff) as u8;
            carry = sum >> 8;
        }
        if carry == 0 {
            check(&format!("S + {multiple} L"), a, b"body", with_s(s), false, true);
        }
    }
    check("S of all ones", a, b"body", with_s([0xff; 32]), false, true);
    check("S = L", a, b"body", with_s(L), false, true);
}

#[test]
fn every_case_of_the_vector_file_is_judged_as_it_says() {
    let kept: serde_json::Value =
        serde_json::from_str(include_str!("../../vectors/ed25519.json")).expect("JSON");
    let bytes = |case: &serde_json::Value, field: &str| {
        data_encoding::HEXLOWER.decode(case[field].as_str().expect("text").as_bytes()).expect("hex")
    };
    for case in kept["cases"].as_array().expect("cases") {
        let public = bytes(case, "public").try_into().expect("32 bytes");
        let signature = bytes(case, "signature").try_into().expect("64 bytes");
        let truth = |field: &str| case[field].as_bool().expect("a truth");
        let name = case["name"].as_str().expect("a name");
        check(name, public, &bytes(case, "body"), signature, truth("verifies"), truth("admitted"));
    }
}
