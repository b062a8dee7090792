use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    keys::SigningKey,
    log::{KeyGrant, LogEntry},
    statement::{
        Statement,
        tests::{dispute, full_report, report, sighting},
    },
};

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn publisher(name: &str) -> Publisher {
    name.parse().expect("a publisher")
}

fn sealed_by(federation: &str, name: &str, statements: Vec<Statement>) -> SignedBatch {
    let author = Author { federation, publisher: &publisher(name), key: &key(1) };
    seal(&author, statements, 7, 1, 1_767_225_600).expect("a batch")
}

fn sealed(statements: Vec<Statement>) -> SignedBatch {
    sealed_by("scamwatch.example", "police.th.example/cyber-desk", statements)
}

fn reports(count: u8) -> SignedBatch {
    sealed((0..count).map(report).collect())
}

fn leaf_hashes(batch: &SignedBatch) -> Vec<Hash> {
    let origin = batch.header.content.origin_hash();
    batch.statements.iter().map(|bytes| statement_id(&origin, bytes)).collect()
}

/// A batch of these bytes, whatever they say.
fn raw(statements: Vec<Vec<u8>>) -> SignedBatch {
    let mut batch = reports(1);
    batch.statements = statements.into_iter().map(Bytes::from).collect();
    let mut header = batch.header.content.clone();
    header.count = u32::try_from(batch.statements.len()).expect("few");
    header.root = merkle::root(&leaf_hashes(&batch));
    SignedBatch { header: Signed::sign(header, &key(1)), ..batch }
}

#[test]
fn what_is_sealed_is_parsed_and_verified() {
    let statements = vec![dispute(), full_report(), report(9), sighting()];
    let batch = sealed(statements);
    let wire = batch.to_wire();
    let verified = SignedBatch::parse(wire.clone()).expect("well formed").verify().expect("valid");
    assert_eq!(verified.header.content.count, 4);
    assert_eq!(verified.header.content.custodied, 1);
    assert_eq!(verified.leaf_hashes, Some(leaf_hashes(&batch)));
    let said: Vec<Statement> =
        verified.leaves.iter().map(|leaf| leaf.statement.clone().expect("sound")).collect();
    assert_eq!(said, [full_report(), sighting(), dispute(), report(9)], "in the order of the nonces");
    let relayed: Vec<Bytes> = verified.leaves.into_iter().map(|leaf| leaf.bytes).collect();
    assert_eq!(relayed, wire.statements);
    assert_eq!(verified.header.to_wire().body, wire.header);
}

#[test]
fn what_no_reader_would_take_is_not_sealed() {
    let author = Author { federation: "f", publisher: &publisher("a.example/b"), key: &key(1) };
    let place =
        |statements| seal(&author, statements, 1, 1, 0).map(drop).map_err(|void| void.place.into_owned());
    assert_eq!(place(Vec::new()), Err("batch".to_owned()));
    assert_eq!(place(vec![report(1), report(1)]), Err("Statement.nonce".to_owned()));
    assert_eq!(place(vec![Statement { copies: 1, ..report(1) }]), Err("Statement.copies".to_owned()));
    let nonce = |n: u16| {
        let mut nonce = [0; 16];
        nonce[..2].copy_from_slice(&n.to_be_bytes());
        nonce
    };
    let many =
        |count: u16| (0..count).map(|n| Statement { nonce: nonce(n), ..report(1) }).collect::<Vec<_>>();
    assert_eq!(place(many(4_097)), Err("batch".to_owned()));
    assert_eq!(place(many(4_096)), Ok(()));
    let mut large = many(200);
    for statement in &mut large {
        let crate::statement::Claim::Report(report) = &mut statement.claim else { panic!("a report") };
        report.description = "x".repeat(16_000);
    }
    assert_eq!(place(large), Err("batch".to_owned()));
}

#[test]
fn a_submitted_batch_is_as_long_as_its_header_says() {
    let check = |change: &dyn Fn(&mut wire::SubmittedBatch)| {
        let mut wire = reports(3).to_wire();
        change(&mut wire);
        SignedBatch::parse(wire)
            .and_then(SignedBatch::verify)
            .map(drop)
            .map_err(|void| void.place.into_owned())
    };
    let err = |place: &str| Err(place.to_owned());
    assert_eq!(check(&|_| {}), Ok(()));
    assert_eq!(check(&|w| drop(w.statements.pop())), err("SubmittedBatch.statements"));
    assert_eq!(check(&|w| w.statements.push(Bytes::new())), err("SubmittedBatch.statements"));
    assert_eq!(check(&|w| w.statements.swap(0, 1)), err("batch"));
    assert_eq!(check(&|w| w.signature.truncate(63)), err("Signed.signature"));
    assert_eq!(check(&|w| w.signature = vec![0; 64].into()), err("signature"));
    assert_eq!(check(&|w| w.statements[0] = vec![0; BATCH_BYTES].into()), err("batch"));
}

/// The header, changed on the wire and signed again, is void at `place`, or not at all.
fn check_header(change: impl FnOnce(&mut wire::BatchHeader), place: Option<&str>) {
    let mut wire = wire::BatchHeader::decode(reports(1).header.body).expect("own bytes");
    change(&mut wire);
    let body = Bytes::from(wire.encode_to_vec());
    let signed = wire::Signed { signature: vec![0; 64].into(), body, ..Default::default() };
    let found = Signed::<BatchHeader>::parse(signed).err();
    assert_eq!(found.as_ref().map(|void| void.place.as_ref()), place, "{found:?}");
}

#[test]
fn a_header_that_breaks_a_rule_is_void() {
    let anchor =
        |root: Vec<u8>, origin: &str| wire::Anchor { origin: origin.into(), size: 5, root: root.into() };
    check_header(|_| {}, None);
    check_header(|h| h.federation.clear(), Some("federation"));
    check_header(|h| h.member = "police".into(), Some("publisher"));
    check_header(|h| h.publisher = "police.th.example".into(), Some("name"));
    check_header(|h| h.key.truncate(31), Some("BatchHeader.key"));
    check_header(|h| h.count = 0, Some("BatchHeader.count"));
    check_header(|h| h.count = 4_096, None);
    check_header(|h| h.count = 4_097, Some("BatchHeader.count"));
    check_header(|h| h.custodied = 2, Some("BatchHeader.custodied"));
    check_header(|h| h.root.clear(), Some("BatchHeader.root"));
    check_header(|h| h.anchor = Some(anchor(vec![1; 32], "ngo.example/almenara")), None);
    check_header(|h| h.anchor = Some(anchor(vec![1; 31], "ngo.example/almenara")), Some("Anchor.root"));
    check_header(|h| h.anchor = Some(anchor(vec![1; 32], "a\nb")), Some("Anchor.origin"));
}

/// Fields backwards, and every varint (tags and lengths as well) a byte longer than it needs to be.
fn oddly(fields: &[(u64, Result<u64, &[u8]>)]) -> Vec<u8> {
    fn padded(value: u64, out: &mut Vec<u8>) {
        let mut varint = Vec::new();
        prost::encoding::encode_varint(value, &mut varint);
        *varint.last_mut().expect("a byte") |= 0x80;
        varint.push(0);
        out.extend(varint);
    }
    let mut bytes = Vec::new();
    for (number, value) in fields.iter().rev() {
        match value {
            Ok(value) => {
                padded(number << 3, &mut bytes);
                padded(*value, &mut bytes);
            }
            Err(content) => {
                padded(number << 3 | 2, &mut bytes);
                padded(content.len() as u64, &mut bytes);
                bytes.extend(*content);
            }
        }
    }
    bytes
}

fn signed_header(body: Vec<u8>) -> wire::Signed {
    let signature = Context::Batch.sign(&body, &key(1)).to_vec().into();
    wire::Signed { body: body.into(), signature, second_signature: Bytes::new() }
}

#[test]
fn reordered_fields_and_padded_varints_are_verified_and_relayed_as_they_are() {
    let indicator = oddly(&[(1, Ok(1)), (2, Err(b"scam.example"))]);
    let claim = oddly(&[(1, Ok(13)), (6, Ok(1_000)), (7, Ok(2_000))]);
    let release = oddly(&[(1, Ok(1))]);
    let statement = oddly(&[(1, Err(&[3; 16])), (2, Err(&indicator)), (5, Err(&release)), (7, Err(&claim))]);
    let plain = reports(1).header.content;
    let root = merkle::root(&[statement_id(&plain.origin_hash(), &statement)]);
    let header = oddly(&[
        (1, Err(plain.federation.as_bytes())),
        (2, Err(plain.member.as_str().as_bytes())),
        (3, Err(plain.publisher.as_str().as_bytes())),
        (4, Err(&plain.key.0)),
        (5, Ok(9)),
        (8, Ok(1)),
        (10, Err(&root.0)),
    ]);
    let wire = signed_header(header.clone());
    let submitted = wire::SubmittedBatch {
        header: wire.body.clone(),
        signature: wire.signature.clone(),
        statements: vec![statement.clone().into()],
        r#override: None,
    };
    let verified = SignedBatch::parse(submitted).expect("well formed").verify().expect("valid");
    assert_eq!(verified.leaves[0].statement.as_ref().map(|said| said.indicator.value()), Ok("scam.example"));
    assert_eq!(verified.leaves[0].bytes, statement);
    assert_eq!(verified.header.id(), merkle::sha256(&[&header]));
    let entry = LogEntry::Batch(verified.header);
    let relayed = LogEntry::parse(&entry.encode()).expect("an entry");
    let LogEntry::Batch(relayed) = relayed else { panic!("a batch") };
    assert_eq!((relayed.to_wire(), relayed.content.seq), (wire, 9));
}

#[test]
fn a_void_statement_stays_in_its_batch_and_stops_nothing() {
    let sound = report(1).encode();
    let twice = [sound.clone(), vec![0x18, 0x05]].concat(); // made_at again
    let badly = [sound.clone(), vec![0x22, 0x03, 0x0a, 0x01, 0xff]].concat(); // ruleset, not UTF-8
    let unknown = [sound.clone(), vec![0xf2, 0x06, 0x01, 0x00]].concat();
    let verified =
        raw(vec![sound, twice, badly, unknown.clone(), vec![0x0b]]).verify().expect("a sound batch");
    let judged: Vec<Result<(), String>> = verified
        .leaves
        .iter()
        .map(|leaf| leaf.statement.as_ref().map(drop).map_err(|void| void.place.to_string()))
        .collect();
    let err = |place: &str| Err(place.to_owned());
    assert_eq!(
        judged,
        [Ok(()), err("Statement.made_at"), err("Ruleset.unicode"), Ok(()), err("Statement.nonce")]
    );
    assert_eq!(verified.leaves[3].bytes, unknown, "unknown fields survive because the bytes do");
}

#[test]
fn unknown_fields_of_a_header_survive_and_duplicates_are_void() {
    let body = reports(2).header.body.to_vec();
    let unknown = signed_header([body.clone(), vec![0xf2, 0x06, 0x01, 0x00]].concat());
    let header = Signed::<BatchHeader>::parse(unknown.clone()).expect("well formed");
    let statements = reports(2).statements;
    let verified = VerifiedBatch::verify(header, Disclosure::whole(statements)).expect("valid");
    assert_eq!(verified.header.to_wire(), unknown);
    let place = |tail: &[u8]| {
        let signed = signed_header([body.as_slice(), tail].concat());
        Signed::<BatchHeader>::parse(signed).map(drop).map_err(|void| void.place.into_owned())
    };
    assert_eq!(place(&[0x28, 0x01]), Err("BatchHeader.seq".to_owned()));
    assert_eq!(place(&[0x0a, 0x01, b'x']), Err("BatchHeader.federation".to_owned()));
    assert_eq!(place(&[0xf3, 0x06, 0xf4, 0x06]), Err("BatchHeader".to_owned()), "a group");
}

#[test]
fn a_signature_is_no_part_of_an_id() {
    let batch = reports(1);
    let mut other = batch.header.clone();
    other.signature = [7; 64];
    assert_eq!(other.id(), batch.header.id());
    assert_eq!(other.id(), merkle::sha256(&[&batch.header.body]));
}

#[test]
fn a_malleated_signature_is_refused() {
    // S + L of RFC 8032 §5.1 gives the same point.
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut batch = reports(1);
    let mut carry = 0;
    for (s, l) in batch.header.signature[32..].iter_mut().zip(L) {
        let sum = u16::from(*s) + u16::from(l) + carry;
        *s = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    assert_eq!(batch.verify().map_err(|void| void.place), Err("signature".into()));
}

#[test]
fn what_was_signed_as_something_else_is_no_batch() {
    let batch = reports(1);
    for context in
        [Context::KeyGrant, Context::KeyRevocation, Context::Withdrawal, Context::Override, Context::Roster]
    {
        let signature = context.sign(&batch.header.body, &key(1));
        let replayed = Signed { signature, ..batch.header.clone() };
        assert!(VerifiedBatch::verify(replayed, Disclosure::whole(batch.statements.clone())).is_err());
    }
    let grant = KeyGrant {
        federation: "scamwatch.example".into(),
        member: "police.th.example".parse().expect("a name"),
        publisher: publisher("police.th.example/cyber-desk"),
        key: PublicKey::of(&key(1)),
        note: String::new(),
    };
    assert!(Signed::<BatchHeader>::parse(Signed::sign(grant, &key(1)).to_wire()).is_err());
}

#[test]
fn leaves_copied_into_the_batch_of_another_open_nothing() {
    let batch = reports(2);
    let check = |federation: &str, name: &str, opens: bool| {
        let mut header = sealed_by(federation, name, vec![report(1)]).header.content;
        (header.count, header.root) = (2, batch.header.content.root);
        let header = Signed::sign(header, &key(1));
        let shown = Disclosure::whole(batch.statements.clone());
        assert_eq!(VerifiedBatch::verify(header, shown).is_ok(), opens, "{federation} {name}");
    };
    check("scamwatch.example", "police.th.example/cyber-desk", true);
    check("scamwatch.example", "police.th.example/other-desk", false);
    check("scamwatch.example", "ngo.nl.example/cyber-desk", false);
    check("otherwatch.example", "police.th.example/cyber-desk", false);
}

/// What a server says of a batch, over the wire.
fn shown(batch: &SignedBatch, clear: &[u32], with_leaves: bool) -> wire::Disclosure {
    let hashes = leaf_hashes(batch);
    let rest = if with_leaves {
        Rest::Leaves((0..).zip(&hashes).filter(|(i, _)| !clear.contains(i)).map(|(_, hash)| *hash).collect())
    } else {
        Rest::Proof(merkle::multi_prove(&hashes, clear).expect("a proof"))
    };
    let bytes = |index: &u32| (*index, batch.statements[*index as usize].clone());
    Disclosure { clear: clear.iter().map(bytes).collect(), rest, ..Disclosure::nothing() }
        .into_wire(batch.header.content.count)
}

fn verify(batch: &SignedBatch, wire: wire::Disclosure) -> Result<VerifiedBatch, Void> {
    let shown = Disclosure::from_wire(wire, batch.header.content.count)?;
    VerifiedBatch::verify_disclosure(batch.header.clone(), shown)
}

#[test]
fn every_subset_of_a_batch_can_be_shown() {
    for count in 1..=7 {
        let batch = reports(count);
        for subset in 0..1u32 << count {
            let clear: Vec<u32> = (0..u32::from(count)).filter(|i| subset >> i & 1 == 1).collect();
            for with_leaves in [false, true] {
                let verified = verify(&batch, shown(&batch, &clear, with_leaves)).expect("it holds");
                let found: Vec<u32> = verified.leaves.iter().map(|leaf| leaf.index).collect();
                assert_eq!(found, clear);
                assert!(verified.leaves.iter().all(|leaf| leaf.statement == Ok(report(leaf.index as u8))));
                let whole = clear.len() == usize::from(count);
                let expected = (with_leaves || whole).then(|| leaf_hashes(&batch));
                assert_eq!(verified.leaf_hashes, expected);
            }
        }
    }
}

#[test]
fn what_is_taken_out_of_a_disclosure_leaves_the_one_without_it() {
    for count in 1..=6u8 {
        let batch = reports(count);
        let hashes = leaf_hashes(&batch);
        let hash = |bytes: &Bytes| statement_id(&batch.header.content.origin_hash(), bytes);
        assert_eq!(batch.statements.iter().map(hash).collect::<Vec<_>>(), hashes);
        for (before, gone) in (0..1u32 << count).flat_map(|a| (0..1u32 << count).map(move |b| (a, b))) {
            let leaves = |set: u32| (0..u32::from(count)).filter(move |leaf| set >> leaf & 1 == 1);
            let gone_set: BTreeSet<u32> = leaves(gone).collect();
            for with_leaves in [false, true] {
                let wire = shown(&batch, &leaves(before).collect::<Vec<_>>(), with_leaves);
                let whole = Disclosure::from_wire(wire, count.into()).expect("it was just made");
                let narrowed = whole.without(count.into(), &gone_set, hash).expect("a proof");
                let expected = shown(&batch, &leaves(before & !gone).collect::<Vec<_>>(), with_leaves);
                let wire = narrowed.into_wire(count.into());
                // Of a whole batch nobody says whether its rest, which is empty, would be leaf hashes or a proof.
                if before.count_ones() < u32::from(count) || !with_leaves {
                    assert_eq!(wire, expected, "{before:b} without {gone:b} of {count}");
                }
                assert!(verify(&batch, wire).is_ok());
            }
        }
    }
}

#[test]
fn a_disclosure_that_does_not_fit_is_refused() {
    let batch = reports(8);
    let check = |with_leaves: bool, change: &dyn Fn(&mut wire::Disclosure), holds: bool| {
        let mut wire = shown(&batch, &[1, 2, 4], with_leaves);
        change(&mut wire);
        assert_eq!(verify(&batch, wire.clone()).is_ok(), holds, "{wire:?}");
    };
    let more = |bytes: &Bytes, tail: &[u8]| Bytes::from([bytes.as_ref(), tail].concat());
    let range = |start, end| wire::LeafRange { start, end };
    for with_leaves in [false, true] {
        let check = |change: &dyn Fn(&mut wire::Disclosure), holds| check(with_leaves, change, holds);
        check(&|_| {}, true);
        check(&|d| d.ranges = vec![range(1, 2), range(2, 3), range(4, 5)], true);
        check(&|d| d.not_here = vec![range(0, 1), range(5, 6)], true);
        check(&|d| d.not_here = vec![range(5, 9)], false);
        check(&|d| d.on_request = vec![range(0, 1), range(5, 6)], true);
        check(&|d| d.on_request = vec![range(5, 9)], false);
        check(&|d| d.ranges.clear(), false);
        check(&|d| d.ranges = vec![range(1, 4)], false);
        check(&|d| d.ranges.swap(0, 1), false);
        check(&|d| d.ranges = vec![range(1, 3), range(2, 3)], false);
        check(&|d| d.ranges = vec![range(1, 3), range(4, 4), range(4, 5)], false);
        check(&|d| d.ranges = vec![range(1, 3), range(5, 6)], false);
        check(&|d| d.ranges = vec![range(1, 3), range(8, 9)], false);
        check(&|d| d.ranges = vec![range(0, u32::MAX)], false);
        check(&|d| d.statements.swap(0, 1), false);
        check(&|d| drop(d.statements.pop()), false);
        check(&|d| d.statements[0] = more(&d.statements[0], &[0x78, 0x01]), false);
        check(&|d| (d.proof, d.leaf_hashes) = (d.leaf_hashes.clone(), d.proof.clone()), false);
    }
    check(false, &|d| d.leaf_hashes = d.proof.clone(), false);
    check(false, &|d| d.proof = more(&d.proof, &[0; 32]), false);
    check(false, &|d| d.proof.truncate(d.proof.len() - 32), false);
    check(false, &|d| d.proof.truncate(d.proof.len() - 1), false);
    check(true, &|d| d.leaf_hashes = more(&d.leaf_hashes, &[0; 32]), false);
    check(true, &|d| d.leaf_hashes.truncate(128), false);
    check(true, &|d| d.leaf_hashes.truncate(159), false);
}

#[test]
fn nothing_shown_needs_no_proof_and_takes_none() {
    let batch = reports(5);
    let nothing = Disclosure::nothing().into_wire(5);
    assert_eq!(nothing, wire::Disclosure::default());
    assert_eq!(verify(&batch, nothing).map(|verified| verified.leaves), Ok(Vec::new()));
    let proof = Bytes::from(batch.header.content.root.0.to_vec());
    assert!(verify(&batch, wire::Disclosure { proof, ..Default::default() }).is_err());
}

#[test]
fn an_inflated_count_is_exposed() {
    let batch = reports(4);
    let mut header = batch.header.content.clone();
    header.count = 5;
    let inflated =
        SignedBatch { header: Signed::sign(header, &key(1)), statements: batch.statements.clone() };
    assert!(verify(&inflated, shown(&batch, &[0, 1, 2, 3], false)).is_err());
    assert!(verify(&inflated, shown(&batch, &[0], true)).is_err());
    for index in 0..4 {
        assert!(verify(&inflated, shown(&batch, &[index], false)).is_err(), "{index}");
    }
}

#[test]
fn indices_that_a_program_mixed_up_are_refused() {
    let batch = reports(2);
    let clear = vec![(1, batch.statements[0].clone()), (0, batch.statements[1].clone())];
    let mixed = Disclosure { clear, ..Disclosure::nothing() };
    assert!(VerifiedBatch::verify_disclosure(batch.header, mixed).is_err());
}

proptest! {
    #[test]
    fn any_disclosure_is_read_or_refused(
        ranges in prop::collection::vec((0..9u32, 0..9u32), 0..4),
        statements in 0..4usize,
        proof in 0..130usize,
        hashes in 0..130usize,
    ) {
        let batch = reports(4);
        let wire = wire::Disclosure {
            ranges: ranges.into_iter().map(|(start, end)| wire::LeafRange { start, end }).collect(),
            statements: batch.statements.iter().take(statements).cloned().collect(),
            proof: vec![1; proof].into(),
            leaf_hashes: vec![1; hashes].into(),
            ..wire::Disclosure::default()
        };
        let holds = verify(&batch, wire.clone()).is_ok();
        // Made-up hashes hold nowhere: only what shows nothing, or nothing but hashes, is left.
        prop_assert_eq!(holds, wire == wire::Disclosure::default());
    }
}
