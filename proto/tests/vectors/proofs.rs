//! Proof files that hold, and proof files that do not.

use almenara_proto::{
    batch::statement_id,
    checkpoint::{Checkpoint, SignedCheckpoint, origin_of},
    log::LogEntry,
    merkle::{self, Hash},
    proof::{Included, Proof},
};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    batches::five,
    logs, rosters,
    world::{LOG, MEMBER, NGO, NOW, hex, key},
};

/// The second statement of the batch of batch.json, which stands at index 2 of a log of six entries.
fn sound() -> Proof {
    let batch = five();
    let entry = LogEntry::Batch(batch.header.clone()).encode();
    let noise = |text: &'static str| Bytes::from_static(text.as_bytes());
    let log =
        [logs::cyber_desk_grant(), noise("one"), entry.clone(), noise("three"), noise("four"), noise("five")];
    let leaves: Vec<Hash> = log.iter().map(|entry| merkle::leaf_hash(entry)).collect();
    let path = |at: usize| merkle::inclusion(&leaves, at).expect("a path");
    let origin = batch.header.content.origin_hash();
    let ids: Vec<Hash> = batch.statements.iter().map(|bytes| statement_id(&origin, bytes)).collect();
    let checkpoint =
        Checkpoint { origin: origin_of(MEMBER), size: leaves.len() as u64, root: merkle::root(&leaves) };
    let note = SignedCheckpoint::sign(checkpoint, &key(LOG)).expect("a checkpoint");
    let line = note.cosign("ngo.nl.example", &key(NGO + 2), NOW).expect("a line");
    let note = note.with_lines(&line).expect("a note");
    Proof {
        rosters: vec![rosters::first().signed],
        checkpoint: Bytes::copy_from_slice(note.note()),
        batch: Included { index: 2, bytes: entry, path: path(2) },
        grant: Included { index: 0, bytes: log[0].clone(), path: path(0) },
        leaf: 1,
        statement: batch.statements[1].clone(),
        disclosure: merkle::multi_prove(&ids, &[1]).expect("a proof"),
    }
}

/// `proof.json`.
pub(crate) fn proof() -> Value {
    let anchor = rosters::first().id;
    let changed = |change: &dyn Fn(&mut Proof)| {
        let mut proof = sound();
        change(&mut proof);
        proof
    };
    let unsigned = |proof: &mut Proof| proof.rosters[0].signatures.truncate(2);
    let cases: Vec<Value> = [
        ("it holds", sound()),
        ("another leaf", changed(&|proof| proof.leaf = 2)),
        ("another place in the log", changed(&|proof| proof.batch.index = 3)),
        ("a hash too many", changed(&|proof| proof.disclosure.push(Hash([0; 32])))),
        ("the batch in place of the grant", changed(&|proof| proof.grant = proof.batch.clone())),
        ("a roster that lacks a signature", changed(&unsigned)),
        ("no roster", changed(&|proof| proof.rosters.clear())),
    ]
    .into_iter()
    .map(|(name, proof)| {
        let found = proof.verify(&anchor);
        json!({
            "name": name,
            "file": hex(proof.encode()),
            "address": found.as_ref().ok().map(|proven| proven.address.to_string()),
            "existed_by": found.as_ref().ok().map(|proven| proven.existed_by()),
            "proves": found.is_ok(),
            "why_not": found.err().map(|error| error.to_string()),
        })
    })
    .collect();
    json!({
        "description": "Proof files (docs/protocol.md, 'Proof file') for a checker who knows the hash `anchor` of version \
            1 of rosters.json: one statement of the batch in batch.json. Whether each holds, and in our words why not. \
            And the tlog-proof of C2SP for the same entry, whose `extra` is the entry.",
        "anchor": hex(anchor),
        "proofs": cases,
        "tlog_proof": sound().to_tlog().to_string(),
    })
}
