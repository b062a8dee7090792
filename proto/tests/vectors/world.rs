//! The names, keys and times of all vectors.

use almenara_proto::{
    keys::{Context, PublicKey, SigningKey},
    merkle::{Hash, empty_root},
    name::{MemberName, Publisher},
    roster::{CustodyRule, Member, Roster, Segment},
    wire,
};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

/// 2026-01-01, Unix seconds.
pub(crate) const NOW: u64 = 1_767_225_600;
pub(crate) const DAY: u64 = 86_400;
pub(crate) const FEDERATION: &str = "scamwatch.example";
pub(crate) const MEMBER: &str = "police.th.example";
pub(crate) const DESK: &str = "police.th.example/cyber-desk";
pub(crate) const SECOND_DESK: &str = "police.th.example/hotline";

/// Seeds of Ed25519 keys: 32 times the same byte.
pub(crate) const ROOT: u8 = 1;
pub(crate) const LOG: u8 = 2;
pub(crate) const COSIGN: u8 = 3;
pub(crate) const CYBER_DESK: u8 = 4;
pub(crate) const HOTLINE: u8 = 5;
/// Root, log and cosign key of the second member; of the third the same and 10 more.
pub(crate) const NGO: u8 = 11;
pub(crate) const BANK: u8 = 21;

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn public(seed: u8) -> PublicKey {
    PublicKey::of(&key(seed))
}

pub(crate) fn member() -> MemberName {
    MEMBER.parse().expect("a name")
}

pub(crate) fn desk(name: &str) -> Publisher {
    name.parse().expect("a publisher")
}

pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> Value {
    Value::String(HEXLOWER.encode(bytes.as_ref()))
}

pub(crate) fn hashes(all: &[Hash]) -> Value {
    all.iter().map(hex).collect()
}

pub(crate) fn roster_member(name: &str, code: &str, root: u8, kind: wire::OrganisationType) -> Member {
    Member {
        name: name.parse().expect("a name"),
        organisation_type: kind,
        jurisdiction: code.parse().expect("a code"),
        also_subject_to: Vec::new(),
        segments: vec![Segment {
            from_size: 0,
            root: empty_root(),
            root_key: public(root),
            log_key: public(root + 1),
        }],
        cosign_key: public(root + 2),
        // A stand-in: real ones are DER certificates.
        tls_ca: vec![b"not a certificate".as_slice().into()],
        grpc: format!("{name}:7443"),
        https: String::new(),
        contact: format!("abuse@{name}"),
    }
}

/// Version 1: three members in three jurisdictions, one group.
pub(crate) fn roster() -> Roster {
    let members = [
        roster_member(MEMBER, "TH", ROOT, wire::OrganisationType::Police),
        roster_member("ngo.nl.example", "NL", NGO, wire::OrganisationType::Ngo),
        roster_member("bank.us.example", "US", BANK, wire::OrganisationType::Bank),
    ];
    Roster {
        federation: FEDERATION.to_owned(),
        version: 1,
        expires_at: NOW + 365 * DAY,
        previous: None,
        groups: [("banks".to_owned(), [members[2].name.clone()].into())].into(),
        members: members.into_iter().map(|member| (member.name.clone(), member)).collect(),
        quorum: 1,
        custody: CustodyRule { copies_amber: 2, copies_amber_strict: 1, cap_percent: 40 },
    }
}

/// `keys.json`.
pub(crate) fn keys() -> Value {
    let named = [
        ("root key of police.th.example", ROOT),
        ("log key of police.th.example", LOG),
        ("cosign key of police.th.example", COSIGN),
        ("publisher key of police.th.example/cyber-desk", CYBER_DESK),
        ("publisher key of police.th.example/hotline", HOTLINE),
        ("root key of ngo.nl.example", NGO),
        ("log key of ngo.nl.example", NGO + 1),
        ("cosign key of ngo.nl.example", NGO + 2),
        ("root key of bank.us.example", BANK),
        ("log key of bank.us.example", BANK + 1),
        ("cosign key of bank.us.example", BANK + 2),
    ];
    json!({
        "description": "The keys of all other files (docs/protocol.md, 'Signatures'): an Ed25519 seed is 32 times one \
            byte. And one body signed in each context, where the signed message is context, a zero byte, body. For \
            signatures and keys at the edges of Ed25519 see ed25519.json.",
        "keys": named.map(|(holder, seed)| json!({
            "holder": holder,
            "seed": hex([seed; 32]),
            "public": public(seed).to_string(),
        })),
        "contexts": Context::ALL.map(|context| json!({
            "context": context.as_str(),
            "seed": hex([CYBER_DESK; 32]),
            "body": hex("body"),
            "message": hex([context.as_str().as_bytes(), b"\0body"].concat()),
            "signature": hex(context.sign(b"body", &key(CYBER_DESK))),
        })),
    })
}
