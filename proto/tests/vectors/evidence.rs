//! Files that prove two histories, and files that prove nothing.

use almenara_proto::{
    checkpoint::{Checkpoint, SignedCheckpoint, origin_of},
    evidence::{Departure, Evidence, LogFork, RosterFork},
    keys::PublicKey,
    merkle::{self, Hash},
    roster::Roster,
};
use serde_json::{Value, json};

use crate::{
    rosters,
    trees::consistency,
    world::{BANK, LOG, MEMBER, NGO, ROOT, hex, key, member, public},
};

fn leaves(third: &[u8]) -> Vec<Hash> {
    [b"one".as_slice(), b"two", third, b"four", b"five"].map(merkle::leaf_hash).to_vec()
}

fn note(leaves: &[Hash], seed: u8) -> SignedCheckpoint {
    let checkpoint =
        Checkpoint { origin: origin_of(MEMBER), size: leaves.len() as u64, root: merkle::root(leaves) };
    SignedCheckpoint::sign(checkpoint, &key(seed)).expect("a checkpoint")
}

fn fork(old: &SignedCheckpoint, new: &SignedCheckpoint, departure: Option<Departure>) -> LogFork {
    LogFork {
        member: member(),
        log_key: PublicKey(*old.log_key()),
        old: old.note().to_vec().into(),
        new: new.note().to_vec().into(),
        departure,
    }
}

/// `evidence.json`.
pub(crate) fn evidence() -> Value {
    let (ours, theirs) = (leaves(b"three"), leaves(b"another"));
    let departure = |of: &[Hash], old: usize| {
        Some(Departure { prefix: merkle::root(&of[..old]), consistency: consistency(old, of) })
    };
    let (at_5, at_3) = (note(&ours, LOG), note(&ours[..3], LOG));
    let logs: Vec<Value> = [
        ("one size, two roots", fork(&at_5, &note(&theirs, LOG), None)),
        (
            "the tree of 5 departs from what was signed for 3",
            fork(&at_3, &note(&theirs, LOG), departure(&theirs, 3)),
        ),
        ("the same note twice", fork(&at_5, &at_5, None)),
        ("two sizes, nothing that connects them", fork(&at_3, &note(&theirs, LOG), None)),
        ("one history", fork(&at_3, &at_5, departure(&ours, 3))),
        ("a departure that the newer note does not sign", fork(&at_3, &at_5, departure(&theirs, 3))),
        ("the larger size first", fork(&note(&theirs, LOG), &at_3, departure(&theirs, 3))),
        (
            "two histories under a key that is not the log's",
            fork(&note(&ours, NGO), &note(&theirs, NGO), None),
        ),
        ("one of them under another key", fork(&at_5, &note(&theirs, NGO), None)),
    ]
    .into_iter()
    .map(|(name, fork)| {
        let found = fork.verify(&public(LOG));
        json!({
            "name": name,
            "file": hex(Evidence::Log(fork).encode()),
            "proves": found.is_ok(),
            "why_not": found.err().map(|error| error.to_string()),
        })
    })
    .collect();

    let last = rosters::first();
    let next = |quorum, roots: &[u8]| rosters::signed(&Roster { quorum, ..rosters::second(&last) }, roots);
    let rosters: Vec<Value> = [
        (
            "two successors, each with two of three jurisdictions",
            next(1, &[ROOT, 31, NGO]),
            next(2, &[NGO, BANK]),
        ),
        ("one body with other signatures", next(1, &[ROOT, 31, NGO]), next(1, &[NGO, BANK])),
        ("a successor and a draft", next(1, &[ROOT, 31, NGO]), next(2, &[NGO])),
    ]
    .into_iter()
    .map(|(name, one, other)| {
        let fork = RosterFork::new(one, other);
        let found = fork.verify(&last);
        let both = found.as_ref().map(|rivals| rivals.signed_both.iter().map(ToString::to_string).collect());
        json!({
            "name": name,
            "file": hex(Evidence::Roster(fork).encode()),
            "signed_both": both.unwrap_or_else(|_| Vec::new()),
            "proves": found.is_ok(),
            "why_not": found.err().map(|error| error.to_string()),
        })
    })
    .collect();
    json!({
        "description": "Evidence (docs/protocol.md, 'Evidence'): files about the log of police.th.example, whose key is \
            `log_key`, and files about successors of version 1 of rosters.json; whether each proves what it claims, and \
            in our words why not. A file of one body twice is void: it has no order of ids.",
        "member": MEMBER,
        "log_key": public(LOG).to_string(),
        "logs": logs,
        "last_roster": hex(last.id),
        "rosters": rosters,
    })
}
