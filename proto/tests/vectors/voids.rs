//! Bytes that break a rule, beside bytes that look odd and do not.

use almenara_proto::{
    batch::BatchHeader,
    log::{KeyGrant, LogEntry, Override, Withdrawal},
    signed::{Body, Signed},
    statement::Statement,
    wire,
};
use bytes::Bytes;
use prost::Message;
use serde_json::{Value, json};

use crate::{
    batches::{five, report},
    logs,
    world::{DAY, hex},
};

fn case(message: &str, name: &str, bytes: &[u8], found: Result<(), almenara_proto::blame::Void>) -> Value {
    json!({
        "message": message,
        "name": name,
        "bytes": hex(bytes),
        "void": found.is_err(),
        "rule": found.err().map(|void| format!("{}: {}", void.place, void.rule)),
    })
}

fn statement(name: &str, bytes: &[u8]) -> Value {
    case("Statement", name, bytes, Statement::parse(bytes).map(drop))
}

fn body<B: Body>(message: &str, name: &str, bytes: &[u8]) -> Value {
    let wire = wire::Signed {
        body: Bytes::copy_from_slice(bytes),
        signature: vec![0; 64].into(),
        ..Default::default()
    };
    case(message, name, bytes, Signed::<B>::parse(wire).map(drop))
}

fn entry(name: &str, bytes: &[u8]) -> Value {
    case("LogEntry", name, bytes, LogEntry::parse(&Bytes::copy_from_slice(bytes)).map(drop))
}

/// The message with one thing changed.
fn changed<M: Message + Default>(bytes: &[u8], change: impl FnOnce(&mut M)) -> Vec<u8> {
    let mut message = M::decode(bytes).expect("own bytes");
    change(&mut message);
    message.encode_to_vec()
}

fn in_report(change: impl FnOnce(&mut wire::Report)) -> Vec<u8> {
    changed::<wire::Statement>(&report(1).encode(), |statement| match &mut statement.claim {
        Some(wire::statement::Claim::Report(report)) => change(report),
        other => panic!("{other:?}"),
    })
}

/// The sound report, its claim replaced by these bytes.
fn with_claim(claim: &[u8]) -> Vec<u8> {
    let mut bytes = changed::<wire::Statement>(&report(1).encode(), |statement| statement.claim = None);
    bytes.extend([0x3a, u8::try_from(claim.len()).expect("short")]);
    bytes.extend(claim);
    bytes
}

fn in_release(change: impl FnOnce(&mut wire::Release)) -> Vec<u8> {
    changed::<wire::Statement>(&report(1).encode(), |statement| {
        change(statement.release.get_or_insert_with(Default::default));
    })
}

fn statements() -> Vec<Value> {
    let sound = report(1).encode();
    let tail = |tail: &[u8]| [sound.as_slice(), tail].concat();
    let head = |change: &dyn Fn(&mut wire::Statement)| {
        changed::<wire::Statement>(&sound, |statement| change(statement))
    };
    vec![
        statement("sound", &sound),
        statement("an unknown field", &tail(&[0xf2, 0x06, 0x01, 0x00])),
        statement("an unknown field that is a group", &tail(&[0xf3, 0x06, 0xf4, 0x06])),
        statement("an unknown wire type", &tail(&[0xf6, 0x06])),
        statement("field number 0", &tail(&[0x00, 0x00])),
        statement("field number 2^29", &tail(&[0x80, 0x80, 0x80, 0x80, 0x10, 0x00])),
        statement("made_at twice", &tail(&[0x18, 0x05])),
        statement("a second claim", &tail(&[0x42, 0x00])),
        statement(
            "made_at with another wire type",
            &head(&|s| s.made_at = 0).into_iter().chain([0x1a, 0x00]).collect::<Vec<_>>(),
        ),
        statement("it ends within a field", &sound[..sound.len() - 1]),
        statement(
            "a varint of eleven bytes",
            &head(&|s| s.made_at = 0)
                .into_iter()
                .chain([0x18])
                .chain([0xff; 10])
                .chain([0x01])
                .collect::<Vec<_>>(),
        ),
        statement(
            "a varint of 65 bits",
            &head(&|s| s.made_at = 0)
                .into_iter()
                .chain([0x18])
                .chain([0xff; 9])
                .chain([0x02])
                .collect::<Vec<_>>(),
        ),
        statement("copies above 32 bits", &tail(&[0x30, 0x80, 0x80, 0x80, 0x80, 0x10])),
        statement("a bool of 2", &with_claim(&[0x08, 0x0d, 0x38, 0xff, 0xff, 0xff, 0xff, 0x07, 0x48, 0x02])),
        statement("a text that is not UTF-8", &tail(&[0x22, 0x03, 0x0a, 0x01, 0xff])),
        statement("a nonce of 15 bytes", &head(&|s| s.nonce = vec![1; 15].into())),
        statement("no nonce", &head(&|s| s.nonce = Bytes::new())),
        statement("no indicator", &head(&|s| s.indicator = None)),
        statement(
            "an unknown kind",
            &head(&|s| s.indicator = Some(wire::Indicator { kind: 14, value: "a.example".into() })),
        ),
        statement(
            "a value that is not well formed",
            &head(&|s| s.indicator = Some(wire::Indicator { kind: 1, value: "A.example".into() })),
        ),
        statement("no claim", &head(&|s| s.claim = None)),
        statement("copies of a CLEAR statement", &head(&|s| s.copies = 1)),
        statement("no category", &in_report(|r| r.categories.clear())),
        statement("category 0", &in_report(|r| r.categories.push(0))),
        statement("an unknown category", &in_report(|r| r.categories.push(4_711))),
        statement("confidence 101", &in_report(|r| r.confidence = Some(101))),
        statement("an unknown basis", &in_report(|r| r.basis = 9)),
        statement("imported from nowhere", &in_report(|r| r.basis = 2)),
        statement("first_seen after last_seen", &in_report(|r| r.first_seen = r.last_seen + 1)),
        statement("no valid_until", &in_report(|r| r.valid_until = 0)),
        statement("valid_until at last_seen", &in_report(|r| r.valid_until = r.last_seen)),
        statement("valid for 5 x 366 days", &in_report(|r| r.valid_until = r.last_seen + 1_830 * DAY)),
        statement("valid for a second more", &in_report(|r| r.valid_until = r.last_seen + 1_830 * DAY + 1)),
        statement("a line feed in a label", &in_report(|r| r.labels.push("a\nb".into()))),
        statement("a line feed in a description", &in_report(|r| r.description = "a\nb".into())),
        statement("an escape in a description", &in_report(|r| r.description = "\u{1b}[2J".into())),
        statement(
            "a reference's hash of 31 bytes",
            &in_report(|r| {
                r.references.push(wire::Reference { url: "a".into(), sha256: vec![0; 31].into() })
            }),
        ),
        statement("CLEAR with `to`", &in_release(|r| r.to.push("ngo.nl.example".into()))),
        statement(
            "CLEAR with `not_to` in an unknown syntax",
            &in_release(|r| r.not_to.push("team:x".into())),
        ),
        statement(
            "AMBER in an unknown syntax (origin only)",
            &in_release(|r| (r.tlp, r.to) = (3, vec!["team:x".into()])),
        ),
        statement("an unknown TLP (origin only)", &in_release(|r| r.tlp = 9)),
        statement("compound.ransom_payment and CLEAR", &in_report(|r| r.categories.push(4))),
    ]
}

/// `voids.json`.
pub(crate) fn voids() -> Value {
    let mut cases = statements();
    let header = five().header.body;
    let in_header = |change: &dyn Fn(&mut wire::BatchHeader)| {
        changed::<wire::BatchHeader>(&header, |header| change(header))
    };
    let header_case = |name: &str, bytes: Vec<u8>| body::<BatchHeader>("BatchHeader", name, &bytes);
    cases.extend([
        header_case("sound", header.to_vec()),
        header_case("seq twice", [header.as_ref(), &[0x28, 0x01]].concat()),
        header_case("count 0", in_header(&|h| h.count = 0)),
        header_case("count 4,097", in_header(&|h| h.count = 4_097)),
        header_case("more custodied than there are", in_header(&|h| h.custodied = 6)),
        header_case(
            "a publisher of another member",
            in_header(&|h| h.publisher = "ngo.nl.example/desk".into()),
        ),
        header_case("a member in capitals", in_header(&|h| h.member = "Police".into())),
        header_case("no federation", in_header(&|h| h.federation.clear())),
        header_case("a key of 31 bytes", in_header(&|h| h.key.truncate(31))),
        header_case("no root", in_header(&|h| h.root.clear())),
        header_case("an anchor without a root", in_header(&|h| h.anchor = Some(wire::Anchor::default()))),
    ]);
    let withdrawal = logs::plain_withdrawal();
    let in_withdrawal =
        |change: &dyn Fn(&mut wire::Withdrawal)| changed::<wire::Withdrawal>(&withdrawal, |one| change(one));
    let withdrawal_case = |name: &str, bytes: Vec<u8>| body::<Withdrawal>("Withdrawal", name, &bytes);
    cases.extend([
        withdrawal_case("sound", withdrawal.to_vec()),
        withdrawal_case("no target", in_withdrawal(&|w| w.targets.clear())),
        withdrawal_case("targets that do not ascend", in_withdrawal(&|w| w.targets.swap(0, 1))),
        withdrawal_case("a target twice", in_withdrawal(&|w| w.targets.insert(0, w.targets[0]))),
        withdrawal_case("erase without a second key", in_withdrawal(&|w| w.erase = true)),
        withdrawal_case("a second key without erase", in_withdrawal(&|w| w.second_key = vec![1; 32].into())),
        withdrawal_case("an unknown reason", in_withdrawal(&|w| w.reason = 9)),
    ]);
    let grant = logs::plain_grant();
    let note = changed::<wire::KeyGrant>(&grant, |grant| grant.note = "a\nb".into());
    let overridden = logs::plain_override();
    let leaves = changed::<wire::Override>(&overridden, |one| one.leaves = vec![3, 0]);
    cases.extend([
        body::<KeyGrant>("KeyGrant", "a line feed in a note", &note),
        body::<Override>("Override", "leaves that do not ascend", &leaves),
        entry("no kind of entry", &[]),
        entry("an unknown kind of entry", &[0x32, 0x00]),
        entry("two kinds of entry", &[0x0a, 0x00, 0x12, 0x00]),
        entry("a grant with a second signature", &logs::grant_with_second_signature()),
    ]);
    json!({
        "description": "Bytes that are void and bytes that only look odd (docs/protocol.md, 'Void'): decided alike by \
            every reader from the bytes alone. `rule` is in our words; signatures are not looked at here. A void \
            statement stays in its batch, a void entry in its log, and counts for nothing.",
        "cases": cases,
    })
}
