use almenara_proto::{
    checkpoint::{Checkpoint, origin_of},
    keys::SigningKey,
    merkle::{self, leaf_hash},
};
use bytes::Bytes;

use super::*;

fn note(seed: u8, leaves: &[Hash]) -> SignedCheckpoint {
    let checkpoint =
        Checkpoint { origin: origin_of("a.example"), size: leaves.len() as u64, root: merkle::root(leaves) };
    SignedCheckpoint::sign(checkpoint, &SigningKey::from_bytes(&[seed; 32])).expect("a note")
}

/// The answer of somebody with these leaves to who holds two.
fn answer(leaves: &[Hash]) -> wire::GetCheckpointResponse {
    // From two leaves to four: what lies behind them.
    let consistency = vec![Bytes::copy_from_slice(&merkle::root(&leaves[2..]).0)];
    let root = Bytes::copy_from_slice(&merkle::root(&leaves[..2]).0);
    wire::GetCheckpointResponse { root, consistency, ..wire::GetCheckpointResponse::default() }
}

fn leaves(changed: Option<usize>) -> Vec<Hash> {
    (0..4).map(|at| leaf_hash(&[at as u8, u8::from(changed == Some(at))])).collect()
}

#[test]
fn a_larger_note_that_extends_ours_agrees() {
    let theirs = leaves(None);
    let verdict = larger(&note(1, &theirs[..2]), &note(1, &theirs), &answer(&theirs));
    assert!(matches!(verdict, Verdict::Agrees), "{verdict:?}");
}

#[test]
fn a_larger_note_that_does_not_extend_ours_is_proof_against_its_origin() {
    let (ours, theirs) = (note(1, &leaves(None)[..2]), leaves(Some(1)));
    let verdict = larger(&ours, &note(1, &theirs), &answer(&theirs));
    let Verdict::Contradicts(proof) = verdict else { panic!("{verdict:?}") };
    let key = almenara_proto::keys::PublicKey::of(&SigningKey::from_bytes(&[1; 32]));
    let file = almenara_proto::evidence::Evidence::parse(&proof.to_evidence().encode());
    let Ok(almenara_proto::evidence::Evidence::Log(fork)) = file else { panic!("{file:?}") };
    assert_eq!(fork.verify(&key).map(|proof| proof.common_at_most()), Ok(1));
}

/// Whatever a relay makes of its answer, the two notes are honest ones of one history.
#[test]
fn what_a_relay_could_have_forged_accuses_nobody() {
    let honest = leaves(None);
    let (ours, theirs) = (note(1, &honest[..2]), note(1, &honest));
    let (good, forked) = (answer(&honest), answer(&leaves(Some(1))));
    let none = wire::GetCheckpointResponse::default();
    let mut forged = vec![none, forked.clone()];
    forged.push(wire::GetCheckpointResponse { root: forked.root, ..good.clone() });
    forged.push(wire::GetCheckpointResponse { root: Bytes::from_static(&[7; 32]), ..good.clone() });
    forged.push(wire::GetCheckpointResponse { root: Bytes::from_static(&[7; 31]), ..good.clone() });
    forged.push(wire::GetCheckpointResponse { consistency: Vec::new(), ..good.clone() });
    forged.push(wire::GetCheckpointResponse { consistency: vec![Bytes::new()], ..good.clone() });
    let twice = [good.consistency.clone(), good.consistency.clone()].concat();
    forged.push(wire::GetCheckpointResponse { consistency: twice, ..good });
    for answer in forged {
        let verdict = larger(&ours, &theirs, &answer);
        assert!(matches!(verdict, Verdict::Unproven(_)), "{verdict:?}");
    }
}
