//! Log entries, and a log with sound and void ones.

use almenara_proto::{
    batch::BatchHeader,
    keys::Context,
    log::{KeyGrant, KeyRevocation, LogEntry, Override, Withdrawal, WithdrawalReason},
    merkle::{self, Hash},
    prefix::Prefix,
    signed::{Body, Signed},
};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    batches::five,
    world::{
        CYBER_DESK, DESK, FEDERATION, HOTLINE, NGO, NOW, ROOT, SECOND_DESK, desk, hex, key, member, public,
        roster,
    },
};

fn desk_of(seed: u8) -> &'static str {
    if seed == CYBER_DESK { DESK } else { SECOND_DESK }
}

fn grant(seed: u8, root: u8) -> Signed<KeyGrant> {
    let content = KeyGrant {
        federation: FEDERATION.to_owned(),
        member: member(),
        publisher: desk(desk_of(seed)),
        key: public(seed),
        note: "2026".to_owned(),
    };
    Signed::sign(content, &key(root))
}

fn revoke(seed: u8, since_index: u64, root: u8) -> Signed<KeyRevocation> {
    let content = KeyRevocation {
        federation: FEDERATION.to_owned(),
        member: member(),
        key: public(seed),
        reason: "the laptop is gone".to_owned(),
        since_index,
    };
    Signed::sign(content, &key(root))
}

fn withdrawal(seed: u8, seq: u64, targets: &[(u64, u32)]) -> Withdrawal {
    Withdrawal {
        federation: FEDERATION.to_owned(),
        member: member(),
        publisher: desk(desk_of(seed)),
        key: public(seed),
        seq,
        made_at: NOW,
        reason: WithdrawalReason::FalsePositive,
        erase: false,
        targets: targets.to_vec(),
        second_key: None,
    }
}

fn withdraw(seed: u8, seq: u64, targets: &[(u64, u32)]) -> Signed<Withdrawal> {
    Signed::sign(withdrawal(seed, seq, targets), &key(seed))
}

fn erase(seed: u8, seq: u64, targets: &[(u64, u32)], second: u8) -> Signed<Withdrawal> {
    let content =
        Withdrawal { erase: true, second_key: Some(public(second)), ..withdrawal(seed, seq, targets) };
    let mut signed = Signed::sign(content, &key(seed));
    signed.second_signature = Some(Context::Withdrawal.sign(&signed.body, &key(second)));
    signed
}

fn with(seed: u8, batch_id: Hash) -> Signed<Override> {
    let content = Override {
        federation: FEDERATION.to_owned(),
        member: member(),
        publisher: desk(desk_of(seed)),
        key: public(seed),
        batch_id,
        leaves: vec![0, 3],
        reason: "it was bought by the broker last week".to_owned(),
    };
    Signed::sign(content, &key(seed))
}

fn batch(seed: u8, seq: u64) -> Signed<BatchHeader> {
    let content =
        BatchHeader { publisher: desk(desk_of(seed)), key: public(seed), seq, ..five().header.content };
    Signed::sign(content, &key(seed))
}

fn entry_case<B: Body>(signed: &Signed<B>, entry: &LogEntry, seed: u8, second: Option<u8>) -> Value {
    let bytes = entry.encode();
    json!({
        "kind": entry.kind(),
        "context": B::CONTEXT.as_str(),
        "seed": hex([seed; 32]),
        "body": hex(&signed.body),
        "id": hex(signed.id()),
        "signature": hex(signed.signature),
        "second_seed": second.map(|seed| hex([seed; 32])),
        "second_signature": signed.second_signature.map(hex),
        "entry": hex(&bytes),
        "log_leaf": hex(merkle::leaf_hash(&bytes)),
    })
}

/// `entries.json`.
pub(crate) fn entries() -> Value {
    let (five, granted, revoked) = (five().header, grant(CYBER_DESK, ROOT), revoke(CYBER_DESK, 7, ROOT));
    let (ended, erased) = (withdraw(HOTLINE, 5, &[(2, 0), (2, 4)]), erase(HOTLINE, 6, &[(2, 1)], CYBER_DESK));
    let overridden = with(HOTLINE, five.id());
    json!({
        "description": "One log entry of each kind (docs/protocol.md, 'Log'): the body that was signed, its id H(body), \
            the signature over context, a zero byte, body, the LogEntry's bytes, and its leaf hash H(0x00, entry) in \
            the log. An erasing withdrawal bears the signature of a second key over the same message.",
        "entries": [
            entry_case(&five, &LogEntry::Batch(five.clone()), CYBER_DESK, None),
            entry_case(&ended, &LogEntry::Withdrawal(ended.clone()), HOTLINE, None),
            entry_case(&erased, &LogEntry::Withdrawal(erased.clone()), HOTLINE, Some(CYBER_DESK)),
            entry_case(&granted, &LogEntry::KeyGrant(granted.clone()), ROOT, None),
            entry_case(&revoked, &LogEntry::KeyRevocation(revoked.clone()), ROOT, None),
            entry_case(&overridden, &LogEntry::Override(overridden.clone()), HOTLINE, None),
        ],
    })
}

/// `log.json`.
pub(crate) fn log() -> Value {
    let forged = {
        let mut forged = batch(CYBER_DESK, 50);
        forged.signature[63] ^= 1;
        forged
    };
    let named: Vec<(&str, Bytes)> = vec![
        ("a batch before its key's grant", LogEntry::Batch(batch(CYBER_DESK, 1)).encode()),
        ("a grant", LogEntry::KeyGrant(grant(CYBER_DESK, ROOT)).encode()),
        ("a batch", LogEntry::Batch(batch(CYBER_DESK, 1)).encode()),
        ("the same again", LogEntry::Batch(batch(CYBER_DESK, 1)).encode()),
        ("a grant by a key that is not the root key", LogEntry::KeyGrant(grant(HOTLINE, NGO)).encode()),
        ("a grant to the second desk", LogEntry::KeyGrant(grant(HOTLINE, ROOT)).encode()),
        ("a withdrawal by the other desk", LogEntry::Withdrawal(withdraw(HOTLINE, 1, &[(2, 0)])).encode()),
        ("a withdrawal of itself", LogEntry::Withdrawal(withdraw(HOTLINE, 2, &[(7, 0)])).encode()),
        ("a batch whose signature fails, with a high seq", LogEntry::Batch(forged).encode()),
        ("a batch whose seq the forged one did not take", LogEntry::Batch(batch(CYBER_DESK, 2)).encode()),
        (
            "a withdrawal that shares the seq",
            LogEntry::Withdrawal(withdraw(CYBER_DESK, 2, &[(2, 1)])).encode(),
        ),
        (
            "a withdrawal by the key that is revoked next",
            LogEntry::Withdrawal(withdraw(CYBER_DESK, 3, &[(2, 1)])).encode(),
        ),
        (
            "an erasing withdrawal by two desks",
            LogEntry::Withdrawal(erase(HOTLINE, 3, &[(2, 2)], CYBER_DESK)).encode(),
        ),
        (
            "a revocation since 9: entry 9 is cut, entries 11 and 12 stay",
            LogEntry::KeyRevocation(revoke(CYBER_DESK, 9, ROOT)).encode(),
        ),
        (
            "a batch of the revoked key, made before by its own words",
            LogEntry::Batch(batch(CYBER_DESK, 9)).encode(),
        ),
        (
            "a withdrawal of the revoked key",
            LogEntry::Withdrawal(withdraw(CYBER_DESK, 10, &[(2, 3)])).encode(),
        ),
        (
            "an erasing withdrawal with the revoked key as the second",
            LogEntry::Withdrawal(erase(HOTLINE, 4, &[(2, 3)], CYBER_DESK)).encode(),
        ),
        (
            "the same with the root key as the second",
            LogEntry::Withdrawal(erase(HOTLINE, 5, &[(2, 3)], ROOT)).encode(),
        ),
        ("the revoked key granted again", LogEntry::KeyGrant(grant(CYBER_DESK, ROOT)).encode()),
        ("a revocation of a later index", LogEntry::KeyRevocation(revoke(HOTLINE, 20, ROOT)).encode()),
        ("bytes that are no entry", Bytes::from_static(b"no entry")),
    ];
    let roster = roster();
    let mut prefix = Prefix::new(FEDERATION, member());
    let entries: Vec<Value> = named
        .into_iter()
        .map(|(name, bytes)| {
            let appended = prefix.append(&bytes, &roster);
            json!({
                "index": appended.index,
                "name": name,
                "entry": hex(&bytes),
                "counts": appended.outcome.is_ok(),
                "rule": appended.outcome.err().map(|void| void.to_string()),
                "root": hex(prefix.tree().root()),
            })
        })
        .collect();
    json!({
        "description": "A log of police.th.example from its first entry, under the roster of rosters.json version 1 \
            (docs/protocol.md, 'Which entries count'): whether each entry counts when it is appended, in words why not, \
            and the log's root with it. Then the keys' states: entries of a key at or above its cut do not count any \
            more, except withdrawals. The words are ours; whether an entry counts is everybody's.",
        "federation": FEDERATION,
        "member": member().to_string(),
        "entries": entries,
        "keys": prefix.keys().map(|kept| json!({
            "key": kept.key.to_string(),
            "publisher": kept.publisher.to_string(),
            "granted_at": kept.granted_at,
            "last_seq": kept.last_seq,
            "cut": kept.cut,
            "revoked_at": kept.revoked_at,
        })).collect::<Value>(),
    })
}

/// Bodies for `voids.json`.
pub(crate) fn plain_withdrawal() -> Bytes {
    withdraw(HOTLINE, 5, &[(2, 0), (2, 4)]).body
}

pub(crate) fn plain_grant() -> Bytes {
    grant(CYBER_DESK, ROOT).body
}

pub(crate) fn plain_override() -> Bytes {
    with(HOTLINE, five().header.id()).body
}

pub(crate) fn grant_with_second_signature() -> Bytes {
    let mut signed = grant(CYBER_DESK, ROOT);
    signed.second_signature = Some(signed.signature);
    LogEntry::KeyGrant(signed).encode()
}

/// The entry that gives the cyber desk its key, for `proof.json`.
pub(crate) fn cyber_desk_grant() -> Bytes {
    LogEntry::KeyGrant(grant(CYBER_DESK, ROOT)).encode()
}
