//! Small trees with their proofs, and checkpoints with their signatures.

use almenara_proto::{
    checkpoint::{Checkpoint, SignedCheckpoint, origin_of},
    cosigner::{Cosigners, Settlement},
    merkle::{self, Hash, verify_consistency, verify_inclusion},
    note::{KeyKind, VerifierKey},
    roster::Roster,
};
use serde_json::{Value, json};

use crate::world::{BANK, COSIGN, LOG, MEMBER, NGO, NOW, hashes, hex, key, member, public, roster};

const LEAVES: [&[u8]; 8] =
    [b"", b"\0", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43", b"abcdefgh", b"0123456789"];

fn leaves() -> Vec<Hash> {
    LEAVES.map(merkle::leaf_hash).to_vec()
}

fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}

/// RFC 9162 §2.1.4.1, as it is written there.
pub(crate) fn consistency(old: usize, leaves: &[Hash]) -> Vec<Hash> {
    fn sub(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if whole { Vec::new() } else { vec![merkle::root(leaves)] };
        }
        let (left, right) = leaves.split_at(split(leaves.len()));
        let (mut proof, other) = if old <= left.len() {
            (sub(old, left, whole), right)
        } else {
            (sub(old - left.len(), right, false), left)
        };
        proof.push(merkle::root(other));
        proof
    }
    if old == 0 { Vec::new() } else { sub(old, leaves, true) }
}

/// `trees.json`.
pub(crate) fn trees() -> Value {
    let leaves = leaves();
    let roots: Vec<Hash> = (0..=leaves.len()).map(|size| merkle::root(&leaves[..size])).collect();
    let inclusion: Vec<Value> = [(0, 1), (0, 2), (1, 2), (2, 3), (0, 5), (4, 5), (3, 7), (6, 7), (5, 8)]
        .into_iter()
        .map(|(index, size)| {
            let path = merkle::inclusion(&leaves[..size], index).expect("a leaf");
            let holds = |path: &[Hash]| {
                verify_inclusion(&leaves[index], index as u64, size as u64, path, &roots[size]).is_ok()
            };
            let longer = [path.as_slice(), &[roots[1]]].concat();
            assert!(holds(&path) && !holds(&longer));
            json!({"index": index, "size": size, "path": hashes(&path)})
        })
        .collect();
    let consistent: Vec<Value> =
        [(0, 0), (0, 5), (1, 2), (1, 8), (2, 3), (3, 7), (4, 7), (6, 8), (7, 8), (8, 8)]
            .into_iter()
            .map(|(old, new)| {
                let proof = consistency(old, &leaves[..new]);
                let holds =
                    verify_consistency(old as u64, &roots[old], new as u64, &roots[new], &proof).is_ok();
                assert!(holds, "{old} → {new}");
                json!({"old": old, "new": new, "proof": hashes(&proof)})
            })
            .collect();
    json!({
        "description": "The Merkle tree of RFC 6962 over eight leaves (docs/protocol.md, 'Trees'): leaf hashes H(0x00, \
            data), the roots of the first 0 to 8 of them, audit paths from leaf to root, and consistency proofs \
            (RFC 9162 2.1.4). From size 0 and between equal sizes the proof is empty. A proof with one hash more or \
            less than index and sizes imply does not hold.",
        "leaves": LEAVES.map(hex),
        "leaf_hashes": hashes(&leaves),
        "roots": hashes(&roots),
        "inclusion": inclusion,
        "consistency": consistent,
    })
}

/// `checkpoints.json`.
pub(crate) fn checkpoints() -> Value {
    let leaves = leaves();
    let origin = origin_of(MEMBER);
    let roster = Roster { quorum: 2, ..roster() };
    let cosigners = Cosigners::of(&roster);
    let origin_member = roster.member(&member()).expect("a member");
    let verifier = |name: &str, kind, seed: u8| {
        VerifierKey::new(name, kind, &public(seed).0).expect("a key").to_string()
    };
    let signed: Vec<Value> = [0, 1, 8]
        .into_iter()
        .map(|size| {
            let checkpoint =
                Checkpoint { origin: origin.clone(), size: size as u64, root: merkle::root(&leaves[..size]) };
            let signed = SignedCheckpoint::sign(checkpoint, &key(LOG)).expect("a checkpoint");
            let line = |name, seed, time| signed.cosign(name, &key(seed), time).expect("a line");
            let (own, ngo, bank) = (
                line(MEMBER, COSIGN, NOW),
                line("ngo.nl.example", NGO + 2, NOW + 1),
                line("bank.us.example", BANK + 2, NOW + 2),
            );
            let cases: Vec<Value> = [vec![], vec![&own, &ngo], vec![&ngo, &bank]]
                .into_iter()
                .map(|lines| {
                    let lines: String = lines.into_iter().map(String::as_str).collect();
                    let note = if lines.is_empty() {
                        signed.clone()
                    } else {
                        signed.with_lines(&lines).expect("a note")
                    };
                    let found = cosigners.quorum(&note, origin_member).expect("a sound note");
                    json!({
                        "note": String::from_utf8_lossy(note.note()),
                        "cosigned_by": found.cosignatures.iter().map(|one| json!({
                            "member": one.member.to_string(), "time": one.time, "counts": one.counts,
                        })).collect::<Value>(),
                        "settled": found.settlement == Settlement::Settled,
                    })
                })
                .collect();
            let again = line("ngo.nl.example", NGO + 2, NOW + 9);
            let held = signed.with_lines(&[own.as_str(), &again].concat()).expect("a note");
            let brought = signed.with_lines(&[bank, ngo].concat()).expect("a note");
            let merged = cosigners.merge(&held, &brought).expect("one note");
            json!({
                "size": size,
                "text": signed.checkpoint().to_string(),
                "quorum": cases,
                "merge": {
                    "held": String::from_utf8_lossy(held.note()),
                    "brought": String::from_utf8_lossy(brought.note()),
                    "merged": String::from_utf8_lossy(merged.note()),
                },
            })
        })
        .collect();
    json!({
        "description": "Checkpoints of trees.json as C2SP signed notes (docs/protocol.md, 'Checkpoints' and 'Cosigning'), \
            signed by the log key of police.th.example, in the federation of rosters.json version 1 with a quorum of 2. \
            For each: notes with cosignatures (cosignature/v1), who cosigned when, whose cosignature counts and whether \
            its entries are settled; and two notes that are merged into one. The verifier keys are in the vkey format of \
            C2SP signed-note; a cosign key bears its member's name.",
        "origin": origin,
        "log_key": verifier(&origin, KeyKind::Ed25519, LOG),
        "cosigners": [
            verifier(MEMBER, KeyKind::CosignatureV1, COSIGN),
            verifier("ngo.nl.example", KeyKind::CosignatureV1, NGO + 2),
            verifier("bank.us.example", KeyKind::CosignatureV1, BANK + 2),
        ],
        "checkpoints": signed,
    })
}
