//! Statements, the batch that they make, and what can be shown of one.

use almenara_proto::{
    batch::{self, Author, Disclosure, Rest, SignedBatch, VerifiedBatch, statement_id},
    indicator::{Indicator, Kind},
    log::LogEntry,
    merkle::{self, Hash},
    release::{Audience, Pap, Release, Tlp},
    statement::{
        Action, Basis, Category, Claim, Dispute, DisputeReason, Reference, Reinstates, Report, Ruleset,
        Sighting, Statement,
    },
    wire,
};
use bytes::Bytes;
use prost::Message as _;
use serde_json::{Value, json};

use crate::world::{CYBER_DESK, DAY, DESK, FEDERATION, MEMBER, NOW, desk, hashes, hex, key};

fn audience(names: &[&str]) -> std::collections::BTreeSet<Audience> {
    names.iter().map(|name| name.parse().expect("an audience")).collect()
}

/// The smallest report.
pub(crate) fn report(n: u8) -> Statement {
    Statement {
        nonce: [n; 16],
        indicator: Indicator::new(Kind::Domain, format!("fake-broker-{n}.example")).expect("a domain"),
        made_at: NOW,
        ruleset: Ruleset::default(),
        release: Release::clear(),
        copies: 0,
        claim: Claim::Report(Report::new(Kind::Domain, Category::PHISHING, NOW - DAY)),
    }
}

fn full_report() -> Statement {
    let mut full = Report::new(Kind::Domain, Category::PHISHING, NOW - DAY);
    full.categories.push(Category::from_number(5).expect("a category"));
    full.confidence = Some(0);
    full.basis = Basis::Imported("a public list".to_owned());
    full.first_seen = NOW - 9 * DAY;
    full.include_subdomains = true;
    full.lookup_only = true;
    full.possibly_coerced = true;
    full.campaign = "harvest".to_owned();
    full.labels = vec!["broker".to_owned(), "ไทย".to_owned()];
    full.description = "Two lines,\nand a tab:\t.".to_owned();
    full.language = "en".to_owned();
    let reference = |url: &str, sha256| Reference { url: url.to_owned(), sha256 };
    full.references = vec![
        reference("https://news.example/1", Some(merkle::sha256(&[b"page"]))),
        reference("https://news.example/2", None),
    ];
    full.related = vec![Indicator::new(Kind::Phone, "+66812345678").expect("a number")];
    full.lawful_basis = "public task".to_owned();
    full.reinstates = Some(Reinstates { entry: 3, id: merkle::sha256(&[b"withdrawal"]) });
    Statement {
        ruleset: Ruleset { unicode: "16.0".into(), public_suffix: "2026-01".into(), phone: "9.0".into() },
        release: Release {
            tlp: Some(Tlp::Amber),
            pap: Some(Pap::Green),
            to: audience(&["ngo.nl.example", "group:banks", "jurisdiction:EU"]),
            not_to: audience(&["jurisdiction:DE"]),
        },
        copies: 2,
        claim: Claim::Report(full),
        ..report(2)
    }
}

fn sighting() -> Statement {
    let claim = Sighting { count: 3, window_start: NOW - 3_600, window_end: NOW, action: Action::Blocked };
    let release = Release { tlp: Some(Tlp::Green), ..Release::clear() };
    Statement { claim: Claim::Sighting(claim), release, ..report(3) }
}

fn dispute() -> Statement {
    let claim = Dispute {
        target: "ngo.nl.example:5.0".parse().expect("an address"),
        id: merkle::sha256(&[b"report"]),
        reason: DisputeReason::SubjectObjection,
        description: "It is a school.".to_owned(),
        references: Vec::new(),
    };
    Statement { claim: Claim::Dispute(claim), ..report(4) }
}

/// A report as another encoder may write it: fields backwards, numbers longer than need be, an unknown field.
fn odd_bytes() -> Vec<u8> {
    let mut bytes = vec![0xf2, 0x06, 0x01, 0x00];
    let mut claim = vec![0x38];
    claim.extend(padded(NOW + 100 * DAY));
    claim.extend([0x30]);
    claim.extend(padded(NOW - DAY));
    claim.extend([0x0a, 0x82, 0x00]); // packed categories, the length padded
    claim.extend(padded(13));
    bytes.extend([0x3a, u8::try_from(claim.len()).expect("short")]);
    bytes.extend(claim);
    bytes.extend([0x2a, 0x02, 0x08, 0x01, 0x18]);
    bytes.extend(padded(NOW));
    bytes.extend([0x12, 0x10, 0x12, 0x0c]);
    bytes.extend(b"scam.example");
    bytes.extend([0x08, 0x01, 0x0a, 0x10]);
    bytes.extend([5; 16]);
    bytes
}

/// A varint of one byte more than it needs.
fn padded(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(value, &mut bytes);
    *bytes.last_mut().expect("a byte") |= 0x80;
    bytes.push(0);
    bytes
}

fn statement_bytes() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("the smallest report", report(1).encode()),
        ("a report with every field", full_report().encode()),
        ("a sighting", sighting().encode()),
        ("a dispute", dispute().encode()),
        ("a report in another order, with padded varints and an unknown field", odd_bytes()),
    ]
}

fn origin() -> Hash {
    sealed(vec![report(1)]).header.content.origin_hash()
}

/// What a reader finds, field by field.
fn said(bytes: &[u8]) -> Value {
    let statement = Statement::parse(bytes).expect("a sound statement");
    let names =
        |set: &std::collections::BTreeSet<Audience>| set.iter().map(ToString::to_string).collect::<Vec<_>>();
    let claim = match &statement.claim {
        Claim::Report(report) => json!({"report": {
            "categories": report.categories.iter().map(|category| category.number()).collect::<Vec<_>>(),
            "confidence": report.confidence,
            "basis": format!("{:?}", report.basis).to_lowercase(),
            "first_seen": report.first_seen,
            "last_seen": report.last_seen,
            "valid_until": report.valid_until,
            "include_subdomains": report.include_subdomains,
            "possibly_coerced": report.possibly_coerced,
            "campaign": report.campaign,
            "labels": report.labels,
            "description": report.description,
            "references": report.references.len(),
            "related": report.related.iter().map(Indicator::value).collect::<Vec<_>>(),
            "reinstates": report.reinstates.map(|named| json!({"entry": named.entry, "id": hex(named.id)})),
        }}),
        Claim::Sighting(sighting) => json!({"sighting": {
            "count": sighting.count,
            "window_start": sighting.window_start,
            "window_end": sighting.window_end,
        }}),
        Claim::Dispute(dispute) => json!({"dispute": {
            "target": dispute.target.to_string(),
            "id": hex(dispute.id),
            "description": dispute.description,
        }}),
    };
    json!({
        "nonce": hex(statement.nonce),
        "kind": statement.indicator.kind().as_str(),
        "value": statement.indicator.value(),
        "index_key": format!("{:016x}", statement.indicator.index_key()),
        "made_at": statement.made_at,
        "last_seen": statement.last_seen(),
        "lookup_only": statement.lookup_only(),
        "tlp": statement.release.tlp.map(Tlp::as_str),
        "pap": statement.release.pap.map(Pap::as_str),
        "to": names(&statement.release.to),
        "not_to": names(&statement.release.not_to),
        "copies": statement.copies,
        "claim": claim,
    })
}

/// `statements.json`.
pub(crate) fn statements() -> Value {
    let origin = origin();
    let cases: Vec<Value> = statement_bytes()
        .into_iter()
        .map(|(name, bytes)| {
            json!({
                "name": name,
                "bytes": hex(&bytes),
                "id": hex(statement_id(&origin, &bytes)),
                "says": said(&bytes),
            })
        })
        .collect();
    json!({
        "description": "Statements (docs/protocol.md, 'Statement'): the bytes, what they say, and their id, which is \
            their leaf hash: H(0x00, origin, bytes) with origin = H('almenara/v1/statement', 0, federation, 0, member, \
            0, publisher). `says.last_seen` is that of the report or else made_at.",
        "federation": FEDERATION,
        "member": MEMBER,
        "publisher": DESK,
        "origin": hex(origin),
        "statements": cases,
    })
}

fn sealed(statements: Vec<Statement>) -> SignedBatch {
    let author = Author { federation: FEDERATION, publisher: &desk(DESK), key: &key(CYBER_DESK) };
    batch::seal(&author, statements, 1_767_225_600_000_000, 1, NOW).expect("a batch")
}

/// Five statements, one of them custodied.
pub(crate) fn five() -> SignedBatch {
    sealed(vec![dispute(), sighting(), full_report(), report(1), report(9)])
}

fn leaves_of(batch: &SignedBatch) -> Vec<Hash> {
    let origin = batch.header.content.origin_hash();
    batch.statements.iter().map(|bytes| statement_id(&origin, bytes)).collect()
}

/// `batch.json`.
pub(crate) fn batch() -> Value {
    let batch = five();
    let header = &batch.header.content;
    json!({
        "description": "A batch of five statements in the order of their nonces (docs/protocol.md, 'Batch'): the header's \
            body, its id H(body), its signature in context almenara/v1/batch, the leaves, their Merkle root, the \
            SubmittedBatch that a publisher sends and the LogEntry that the log holds, with its leaf hash in the log.",
        "seed": hex([CYBER_DESK; 32]),
        "federation": header.federation,
        "member": header.member.to_string(),
        "publisher": header.publisher.to_string(),
        "key": header.key.to_string(),
        "seq": header.seq,
        "roster": header.roster,
        "created_at": header.created_at,
        "count": header.count,
        "custodied": header.custodied,
        "statements": batch.statements.iter().map(hex).collect::<Value>(),
        "leaves": hashes(&leaves_of(&batch)),
        "root": hex(header.root),
        "body": hex(&batch.header.body),
        "id": hex(batch.header.id()),
        "signature": hex(batch.header.signature),
        "submitted": hex(batch.to_wire().encode_to_vec()),
        "entry": hex(LogEntry::Batch(batch.header.clone()).encode()),
        "log_leaf": hex(merkle::leaf_hash(&LogEntry::Batch(batch.header.clone()).encode())),
    })
}

fn shown(batch: &SignedBatch, clear: &[u32], with_leaves: bool) -> wire::Disclosure {
    let leaves = leaves_of(batch);
    let rest = if with_leaves {
        Rest::Leaves(
            (0..).zip(&leaves).filter(|(index, _)| !clear.contains(index)).map(|(_, leaf)| *leaf).collect(),
        )
    } else {
        Rest::Proof(merkle::multi_prove(&leaves, clear).expect("a proof"))
    };
    let clear = (0..).zip(batch.statements.clone()).filter(|(index, _)| clear.contains(index)).collect();
    Disclosure { clear, rest, ..Disclosure::nothing() }.into_wire(batch.header.content.count)
}

/// `disclosures.json`.
pub(crate) fn disclosures() -> Value {
    let batch = five();
    let holds = |wire: &wire::Disclosure| {
        Disclosure::from_wire(wire.clone(), 5)
            .and_then(|shown| VerifiedBatch::verify_disclosure(batch.header.clone(), shown))
            .is_ok()
    };
    let case = |name: &str, wire: wire::Disclosure| {
        let split = |bytes: &Bytes| bytes.chunks(32).map(hex).collect::<Value>();
        let pairs = |ranges: &[wire::LeafRange]| {
            ranges.iter().map(|range| json!([range.start, range.end])).collect::<Value>()
        };
        json!({
            "name": name,
            "bytes": hex(wire.encode_to_vec()),
            "ranges": pairs(&wire.ranges),
            "not_here": pairs(&wire.not_here),
            "on_request": pairs(&wire.on_request),
            "statements": wire.statements.len(),
            "proof": split(&wire.proof),
            "leaf_hashes": split(&wire.leaf_hashes),
            "holds": holds(&wire),
        })
    };
    let subsets: [&[u32]; 9] =
        [&[], &[0], &[3], &[4], &[0, 1], &[1, 2], &[0, 4], &[0, 1, 2, 3], &[0, 1, 2, 3, 4]];
    let mut cases: Vec<Value> = subsets
        .iter()
        .flat_map(|clear| {
            [(false, "proof"), (true, "leaf hashes")].map(|(with_leaves, how)| {
                case(&format!("leaves {clear:?} with {how}"), shown(&batch, clear, with_leaves))
            })
        })
        .collect();
    let mut wrong = |name: &str, change: &dyn Fn(&mut wire::Disclosure)| {
        let mut wire = shown(&batch, &[1, 2], false);
        change(&mut wire);
        cases.push(case(name, wire));
    };
    let more = |bytes: &Bytes, tail: &[u8]| Bytes::from([bytes.as_ref(), tail].concat());
    let range = |start, end| wire::LeafRange { start, end };
    wrong("a hash is left over", &|d| d.proof = more(&d.proof, &[0; 32]));
    wrong("a hash is missing", &|d| d.proof.truncate(d.proof.len() - 32));
    wrong("a hash is cut", &|d| d.proof.truncate(d.proof.len() - 1));
    wrong("both a proof and leaf hashes", &|d| d.leaf_hashes = d.proof.clone());
    wrong("the ranges do not ascend", &|d| d.ranges = vec![range(2, 3), range(1, 2)]);
    wrong("the ranges overlap", &|d| d.ranges = vec![range(1, 2), range(1, 2)]);
    wrong("a range is empty", &|d| d.ranges = vec![range(1, 1), range(1, 3)]);
    wrong("a range ends beyond the batch", &|d| d.ranges = vec![range(4, 6)]);
    wrong("fewer statements than the ranges say", &|d| drop(d.statements.pop()));
    wrong("the statements changed places", &|d| d.statements.swap(0, 1));
    wrong("two ranges that touch are one", &|d| d.ranges = vec![range(1, 2), range(2, 3)]);
    wrong("no range, and not all of the batch", &|d| d.ranges.clear());
    // Of the leaves that are not in clear, what the reader is told about them.
    let mut told = |name: &str, not_here: &[(u32, u32)], on_request: &[(u32, u32)]| {
        let mut wire = shown(&batch, &[1, 2], false);
        wire.not_here = not_here.iter().map(|(start, end)| range(*start, *end)).collect();
        wire.on_request = on_request.iter().map(|(start, end)| range(*start, *end)).collect();
        cases.push(case(name, wire));
    };
    told("the others can be asked for", &[], &[(0, 1), (3, 5)]);
    told("one can be asked for, two are not here, neighbours touch", &[(3, 4), (4, 5)], &[(0, 1)]);
    told("one that is in clear is said to be on request as well", &[], &[(0, 3)]);
    told("one that is not here is said to be on request as well", &[(3, 5)], &[(4, 5)]);
    told("what can be asked for does not ascend", &[], &[(3, 5), (0, 1)]);
    told("what can be asked for overlaps", &[], &[(3, 5), (4, 5)]);
    told("what can be asked for is an empty range", &[], &[(3, 3)]);
    told("what can be asked for ends beyond the batch", &[], &[(3, 6)]);
    told("what is not here ends beyond the batch", &[(5, 6)], &[]);
    json!({
        "description": "What may be shown of the batch in batch.json (docs/protocol.md, 'Disclosure'): the Disclosure's \
            bytes, its parts, and whether it holds against the header. A proof lists, left to right, the hash of every \
            maximal subtree without a leaf in clear; nothing in clear needs no proof. `on_request` and `not_here` are what \
            the server says of leaves that it does not show: nothing proves that, but the ranges must be ranges.",
        "count": 5,
        "root": hex(batch.header.content.root),
        "disclosures": cases,
    })
}
