use crate::{
    keys::{Context, PublicKey, SigningKey},
    name::{MemberName, Publisher},
    signed::Body,
};

use super::*;

const FEDERATION: &str = "scamwatch.example";

fn key_of(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(seed: u8) -> PublicKey {
    PublicKey::of(&key_of(seed))
}

fn member() -> MemberName {
    "police.th.example".parse().expect("a name")
}

fn desk() -> Publisher {
    "police.th.example/cyber-desk".parse().expect("a publisher")
}

fn withdrawal() -> Withdrawal {
    Withdrawal {
        federation: FEDERATION.into(),
        member: member(),
        publisher: desk(),
        key: public(1),
        seq: 7,
        made_at: 1_767_225_600,
        reason: WithdrawalReason::FalsePositive,
        erase: false,
        targets: vec![(1, 0), (1, 4_095), (2, 0)],
        second_key: None,
    }
}

fn grant() -> KeyGrant {
    KeyGrant {
        federation: FEDERATION.into(),
        member: member(),
        publisher: desk(),
        key: public(1),
        note: "the new desk".into(),
    }
}

fn revocation() -> KeyRevocation {
    KeyRevocation {
        federation: FEDERATION.into(),
        member: member(),
        key: public(1),
        reason: "lost".into(),
        since_index: 3,
    }
}

fn with() -> Override {
    Override {
        federation: FEDERATION.into(),
        member: member(),
        publisher: desk(),
        key: public(2),
        batch_id: Hash([5; 32]),
        leaves: vec![0, 3],
        reason: "we mean it".into(),
    }
}

/// The body, changed on the wire, is void at `place`, or not at all.
fn check<B: Body, W: prost::Message + Default>(body: &B, change: impl FnOnce(&mut W), place: Option<&str>) {
    let mut wire = W::decode(body.encode().as_slice()).expect("own bytes");
    change(&mut wire);
    let signed = wire::Signed {
        body: wire.encode_to_vec().into(),
        signature: vec![0; 64].into(),
        ..Default::default()
    };
    let found = Signed::<B>::parse(signed).err();
    assert_eq!(found.as_ref().map(|void| void.place.as_ref()), place, "{found:?}");
}

#[test]
fn every_entry_survives_its_own_bytes() {
    let mut erasing =
        Signed::sign(Withdrawal { erase: true, second_key: Some(public(2)), ..withdrawal() }, &key_of(1));
    erasing.second_signature = Some(Context::Withdrawal.sign(&erasing.body, &key_of(2)));
    let entries = [
        (LogEntry::Withdrawal(Signed::sign(withdrawal(), &key_of(1))), "withdrawal"),
        (LogEntry::Withdrawal(erasing), "withdrawal"),
        (LogEntry::KeyGrant(Signed::sign(grant(), &key_of(9))), "key-grant"),
        (LogEntry::KeyRevocation(Signed::sign(revocation(), &key_of(9))), "key-revocation"),
        (LogEntry::Override(Signed::sign(with(), &key_of(2))), "override"),
    ];
    for (entry, kind) in entries {
        assert_eq!(LogEntry::parse(&entry.encode()), Ok(entry.clone()));
        assert_eq!(entry.kind(), kind);
    }
}

#[test]
fn a_withdrawal_that_breaks_a_rule_is_void() {
    let on = |change: &dyn Fn(&mut wire::Withdrawal), place| check(&withdrawal(), change, place);
    on(&|_| {}, None);
    on(&|w| w.federation = "a b".into(), Some("federation"));
    on(&|w| w.member = "Police".into(), Some("name"));
    on(&|w| w.publisher = "cyber-desk".into(), Some("name"));
    on(&|w| w.publisher = "ngo.example/desk".into(), Some("publisher"));
    on(&|w| w.key = vec![1; 31].into(), Some("Withdrawal.key"));
    on(&|w| w.targets.clear(), Some("Withdrawal.targets"));
    on(&|w| w.targets.swap(0, 1), Some("Withdrawal.targets"));
    on(&|w| w.targets.push(w.targets[2]), Some("Withdrawal.targets"));
    let many = |n: u32| (0..n).map(|leaf| wire::Target { entry: 1, leaf }).collect();
    on(&|w| w.targets = many(2_048), None);
    on(&|w| w.targets = many(2_049), Some("Withdrawal.targets"));
    on(&|w| w.erase = true, Some("Withdrawal.second_key"));
    on(&|w| w.second_key = vec![1; 32].into(), Some("Withdrawal.second_key"));
    on(&|w| (w.erase, w.second_key) = (true, vec![1; 32].into()), None);
    on(&|w| (w.erase, w.second_key) = (true, vec![1; 33].into()), Some("Withdrawal.second_key"));
    on(&|w| w.reason = 77, None);
    on(&|w| w.reason = -1, Some("Withdrawal.reason"));
}

#[test]
fn a_key_event_or_override_that_breaks_a_rule_is_void() {
    let on = |change: &dyn Fn(&mut wire::KeyGrant), place| check(&grant(), change, place);
    on(&|_| {}, None);
    on(&|w| w.publisher = "ngo.example/desk".into(), Some("publisher"));
    on(&|w| w.key.truncate(0), Some("KeyGrant.key"));
    on(&|w| w.note = "a\nb".into(), Some("KeyGrant.note"));
    let on = |change: &dyn Fn(&mut wire::KeyRevocation), place| check(&revocation(), change, place);
    on(&|_| {}, None);
    on(&|w| w.member = String::new(), Some("name"));
    on(&|w| w.key = vec![1; 64].into(), Some("KeyRevocation.key"));
    on(&|w| w.reason = "\u{9b}".into(), Some("KeyRevocation.reason"));
    on(&|w| w.since_index = u64::MAX, None);
    let on = |change: &dyn Fn(&mut wire::Override), place| check(&with(), change, place);
    on(&|_| {}, None);
    on(&|w| w.leaves.clear(), Some("Override.leaves"));
    on(&|w| w.leaves = vec![3, 0], Some("Override.leaves"));
    on(&|w| w.leaves = vec![3, 3], Some("Override.leaves"));
    on(&|w| w.batch_id.truncate(31), Some("Override.batch_id"));
    on(&|w| w.reason = "\0".into(), Some("Override.reason"));
}

#[test]
fn an_entry_that_no_version_1_reader_knows_is_void() {
    let place = |bytes: Vec<u8>| LogEntry::parse(&bytes.into()).map_err(|void| void.place.into_owned());
    let err = |place: &str| Err(place.to_owned());
    assert_eq!(place(Vec::new()), err("LogEntry.entry"));
    assert_eq!(place(vec![0x32, 0x00]), err("LogEntry.entry")); // field 6
    assert_eq!(place(vec![0x0a, 0x00, 0x12, 0x00]), err("LogEntry.withdrawal")); // two of the oneof
    assert_eq!(place(vec![0xf3, 0x06, 0xf4, 0x06]), err("LogEntry")); // a group
    let grant = LogEntry::KeyGrant(Signed::sign(grant(), &key_of(9))).encode();
    let padding = |bytes: usize| {
        // An unknown field of 16,384 bytes or more: its length takes three bytes.
        let rest = bytes - grant.len() - 5;
        let mut padded = grant.to_vec();
        padded.extend([0xf2, 0x06]);
        prost::encoding::encode_varint(rest as u64, &mut padded);
        padded.resize(bytes, 0);
        padded
    };
    assert!(LogEntry::parse(&padding(ENTRY_BYTES).into()).is_ok());
    assert_eq!(place(padding(ENTRY_BYTES + 1)), err("LogEntry"));
}

#[test]
fn the_largest_withdrawal_fits_into_an_entry() {
    let targets = (0..2_048).map(|leaf| (u64::from(u32::MAX), 2_048 + leaf)).collect();
    let largest = Withdrawal { targets, ..withdrawal() };
    let entry = LogEntry::Withdrawal(Signed::sign(largest, &key_of(1)));
    assert_eq!(LogEntry::parse(&entry.encode()), Ok(entry));
}

#[test]
fn only_a_withdrawal_has_a_second_signature() {
    let mut wire = Signed::sign(grant(), &key_of(9)).to_wire();
    wire.second_signature = vec![0; 64].into();
    let place = Signed::<KeyGrant>::parse(wire).map_err(|void| void.place);
    assert_eq!(place, Err("Signed.second_signature".into()));
    for length in [0, 63, 65] {
        let mut wire = Signed::sign(grant(), &key_of(9)).to_wire();
        wire.signature = vec![0; length].into();
        assert!(Signed::<KeyGrant>::parse(wire).is_err(), "{length} bytes");
    }
}

#[test]
fn a_body_counts_for_what_it_was_signed_for_only() {
    let signed = Signed::sign(grant(), &key_of(9));
    let key = key_of(9).verifying_key();
    assert!(signed.verify(&key).is_ok());
    assert!(signed.verify(&key_of(8).verifying_key()).is_err());
    for context in
        [Context::Batch, Context::Withdrawal, Context::KeyRevocation, Context::Override, Context::Roster]
    {
        let signature = context.sign(&signed.body, &key_of(9));
        assert!(Signed { signature, ..signed.clone() }.verify(&key).is_err(), "{}", context.as_str());
    }
}
