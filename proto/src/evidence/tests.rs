use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{
    checkpoint::{Checkpoint, SignedCheckpoint, origin_of},
    keys::{PublicKey, SigningKey},
    merkle::{
        Hash, root,
        tests::{leaves, oracle},
    },
    note,
    roster::{
        Roster, SignedRoster,
        tests::{first, roster as roster_of, signed as signed_roster},
    },
};

const MEMBER: &str = "police.th.example";
const LOG: u8 = 81;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn log_key() -> PublicKey {
    PublicKey::of(&key(LOG))
}

fn signed_by(seed: u8, size: usize, root: Hash) -> SignedCheckpoint {
    let checkpoint = Checkpoint { origin: origin_of(MEMBER), size: size as u64, root };
    SignedCheckpoint::sign(checkpoint, &key(seed)).expect("a checkpoint")
}

fn fork(old: &SignedCheckpoint, new: &SignedCheckpoint, departure: Option<Departure>) -> LogFork {
    LogFork {
        member: MEMBER.parse().expect("a name"),
        log_key: log_key(),
        old: Bytes::copy_from_slice(old.note()),
        new: Bytes::copy_from_slice(new.note()),
        departure,
    }
}

/// One history of 40 entries, and another that changes entry 3.
fn histories() -> (Vec<Hash>, Vec<Hash>) {
    let honest = leaves(40);
    let mut forked = honest.clone();
    forked[3] = Hash([9; 32]);
    (honest, forked)
}

/// What a log that signed `honest` at `old` and `forked` at `new` is caught with.
fn caught(old: usize, new: usize) -> LogFork {
    let (honest, forked) = histories();
    let departure = (old != new).then(|| Departure {
        prefix: root(&forked[..old]),
        consistency: oracle::consistency(old, &forked[..new]),
    });
    fork(&signed_by(LOG, old, root(&honest[..old])), &signed_by(LOG, new, root(&forked[..new])), departure)
}

#[test]
fn two_histories_under_one_key_are_proof_that_survives_its_file() {
    for (old, new) in [(4, 4), (5, 40), (8, 40), (39, 40), (16, 17)] {
        let fork = caught(old, new);
        let proven = fork.verify(&log_key()).expect("a fork");
        let file = proven.to_evidence().encode();
        assert_eq!(Evidence::parse(&file), Ok(Evidence::Log(fork)));
        assert_eq!(
            (proven.earlier().checkpoint().size, proven.later().checkpoint().size),
            (old as u64, new as u64)
        );
        assert!(proven.to_string().contains(MEMBER), "{proven}");
        // What a reader of the log has in its hands is enough to make the file.
        let Ok(Evidence::Log(LogFork { departure, .. })) = Evidence::parse(&file) else { panic!("a log") };
        let made = Equivocation::new(proven.earlier().clone(), proven.later().clone(), departure);
        assert_eq!(made.as_ref(), Ok(&proven));
    }
}

#[test]
fn cosignatures_and_padding_on_the_notes_change_nothing() {
    let fork = caught(4, 4);
    let pad = |raw: &Bytes| {
        let lines = note::cosign("x\n", "witness", &key(5), 1).expect("a line");
        Bytes::from([raw, lines.as_bytes()].concat())
    };
    let padded = LogFork { old: pad(&fork.old), new: pad(&fork.new), ..fork };
    assert!(padded.verify(&log_key()).is_ok());
}

/// Nothing here was signed by the origin but honest notes of one history.
#[test]
fn an_innocent_origin_cannot_be_accused() {
    let (honest, forked) = histories();
    let at = |size: usize| signed_by(LOG, size, root(&honest[..size]));
    let departure = |old: usize, new: usize, of: &[Hash]| {
        Some(Departure { prefix: root(&of[..old]), consistency: oracle::consistency(old, &of[..new]) })
    };
    let check = |fork: LogFork, why: fn(&NoFork) -> bool| {
        let refused = fork.verify(&log_key()).expect_err("nothing is proven");
        assert!(why(&refused), "{refused}");
    };
    // Two honest notes.
    check(fork(&at(5), &at(5), None), |why| matches!(why, NoFork::Agree { size: 5 }));
    check(fork(&at(5), &at(9), None), |why| matches!(why, NoFork::NoDeparture { old: 5, new: 9 }));
    check(fork(&at(5), &at(9), departure(5, 9, &honest)), |why| matches!(why, NoFork::Agree { size: 5 }));
    check(fork(&at(9), &at(5), departure(5, 9, &honest)), |why| {
        matches!(why, NoFork::Order { old: 9, new: 5 })
    });
    check(fork(&at(5), &at(5), departure(5, 9, &forked)), |why| matches!(why, NoFork::Order { .. }));
    // A departure that the newer note does not sign.
    check(fork(&at(5), &at(9), departure(5, 9, &forked)), |why| matches!(why, NoFork::Proof(_)));
    let Some(mut false_root) = departure(5, 9, &honest) else { panic!("two sizes") };
    false_root.prefix = Hash([7; 32]);
    check(fork(&at(5), &at(9), Some(false_root.clone())), |why| matches!(why, NoFork::Proof(_)));
    let cut = Departure { consistency: Vec::new(), prefix: false_root.prefix };
    check(fork(&at(5), &at(9), Some(cut)), |why| matches!(why, NoFork::Proof(_)));
    let long = Departure {
        consistency: [false_root.consistency.as_slice(), &[Hash([1; 32])]].concat(),
        ..false_root
    };
    check(fork(&at(5), &at(9), Some(long)), |why| matches!(why, NoFork::Proof(_)));
    // Every log extends the empty one.
    let any = |prefix| Some(Departure { prefix, consistency: Vec::new() });
    check(fork(&at(0), &at(9), any(Hash([7; 32]))), |why| matches!(why, NoFork::Proof(_)));
    check(fork(&at(0), &at(9), any(root(&[]))), |why| matches!(why, NoFork::Agree { size: 0 }));
    // A note changed on the way, and one that another key signed.
    let mut changed = fork(&at(5), &at(5), None);
    changed.new = String::from_utf8(changed.new.to_vec()).expect("text").replace("\n5\n", "\n6\n").into();
    check(changed, |why| matches!(why, NoFork::Note(_)));
    check(fork(&at(5), &signed_by(7, 5, root(&forked[..5])), None), |why| matches!(why, NoFork::Note(_)));
    // A key of one's own, named in the file.
    let stranger = PublicKey::of(&key(7));
    let own = [at(5), signed_by(7, 5, root(&forked[..5]))].map(|note| Bytes::copy_from_slice(note.note()));
    let [old, new] = [signed_by(7, 5, root(&honest[..5])), signed_by(7, 5, root(&forked[..5]))];
    let theirs = LogFork { log_key: stranger, ..fork(&old, &new, None) };
    assert!(theirs.verify(&stranger).is_ok(), "it would hold, were the key the log's");
    check(theirs.clone(), |why| matches!(why, NoFork::Key { .. }));
    check(LogFork { log_key: log_key(), ..theirs }, |why| matches!(why, NoFork::Note(_)));
    let [old, new] = own;
    check(LogFork { old, new, ..fork(&at(5), &at(5), None) }, |why| matches!(why, NoFork::Note(_)));
    // The log's key on the text of another log.
    let foreign =
        Checkpoint { origin: origin_of("ngo.example"), size: 5, root: root(&forked[..5]) }.to_string();
    let line = note::sign(&foreign, &origin_of(MEMBER), &key(LOG)).expect("a line");
    let raw = note::assemble(&foreign, [line.as_str()]).expect("a note");
    check(LogFork { new: raw.into(), ..fork(&at(5), &at(5), None) }, |why| matches!(why, NoFork::Note(_)));
    // The same key as a cosigner of somebody's fork.
    let text = signed_by(7, 5, root(&forked[..5])).checkpoint().to_string();
    let line = note::cosign(&text, &origin_of(MEMBER), &key(LOG), 1).expect("a line");
    let raw = note::assemble(&text, [line.as_str()]).expect("a note");
    check(LogFork { new: raw.into(), ..fork(&at(5), &at(5), None) }, |why| matches!(why, NoFork::Note(_)));
    // Honest notes under the name of another log.
    let renamed = LogFork { member: "ngo.example".parse().expect("a name"), ..caught(4, 4) };
    check(renamed, |why| matches!(why, NoFork::Note(_)));
}

#[test]
fn a_key_under_which_anybody_signs_accuses_nobody() {
    let identity = PublicKey({
        let mut point = [0; 32];
        point[0] = 1;
        point
    });
    let weak = LogFork { log_key: identity, ..caught(4, 4) };
    assert!(matches!(weak.verify(&identity), Err(NoFork::Weak(_))));
}

#[test]
fn checkpoints_that_were_opened_apart_are_compared_as_strictly() {
    let (honest, forked) = histories();
    let (a, b) = (signed_by(LOG, 5, root(&honest[..5])), signed_by(LOG, 5, root(&forked[..5])));
    assert!(Equivocation::new(a.clone(), b.clone(), None).is_ok());
    assert!(matches!(Equivocation::new(a.clone(), a.clone(), None), Err(NoFork::Agree { .. })));
    let replaced = signed_by(7, 5, root(&forked[..5]));
    assert!(matches!(Equivocation::new(a.clone(), replaced, None), Err(NoFork::Key { .. })));
    let named = |origin: &str| {
        let checkpoint = Checkpoint { origin: origin.to_owned(), ..b.checkpoint().clone() };
        SignedCheckpoint::sign(checkpoint, &key(LOG)).expect("a checkpoint")
    };
    let elsewhere = named(&origin_of("ngo.example"));
    assert!(matches!(Equivocation::new(a, elsewhere.clone(), None), Err(NoFork::Origin(_))));
    let strange = named("log.example/other");
    assert!(matches!(Equivocation::new(strange, elsewhere, None), Err(NoFork::Origin(_))));
}

#[test]
fn only_the_key_in_force_stops_a_log() {
    let fork = LogFork { member: "m1.example".parse().expect("a name"), ..caught(4, 4) };
    let sign = |root| {
        let checkpoint = Checkpoint { origin: origin_of("m1.example"), size: 4, root };
        let signed = SignedCheckpoint::sign(checkpoint, &key(LOG)).expect("a checkpoint");
        Bytes::copy_from_slice(signed.note())
    };
    let fork = LogFork { old: sign(Hash([1; 32])), new: sign(Hash([2; 32])), ..fork };
    let mut roster = roster_of(1, None, &[(1, "TH"), (2, "NL")]);
    assert!(fork.verify_in(&roster).is_ok());
    let member = roster.members.get_mut(&fork.member).expect("a member");
    let rotated = crate::roster::Segment {
        from_size: 2,
        log_key: PublicKey::of(&key(7)),
        ..member.segments[0].clone()
    };
    member.segments.push(rotated);
    assert!(matches!(fork.verify_in(&roster), Err(NoFork::Key { .. })), "its thief may have signed");
    assert!(fork.verify(&log_key()).is_ok(), "who asks about the old key is told");
    roster.members.remove(&fork.member);
    assert!(matches!(fork.verify_in(&roster), Err(NoFork::NoMember(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any two honest notes, with any root and any proof that a relay can copy together.
    #[test]
    fn nothing_that_a_relay_copies_together_accuses_a_log_of_one_history(
        old in 0..40usize,
        new in 0..40usize,
        prefix in (any::<bool>(), 0..40usize),
        consistency in (any::<bool>(), 0..40usize, 0..40usize),
        change in prop::option::of((any::<prop::sample::Index>(), 0..3u8, any::<u8>())),
    ) {
        let (honest, forked) = histories();
        let tree = |is_forked: bool| if is_forked { &forked } else { &honest };
        let (from, to) = (consistency.1.min(consistency.2), consistency.1.max(consistency.2));
        let mut proof = oracle::consistency(from, &tree(consistency.0)[..to]);
        if let Some((at, how, byte)) = change
            && !proof.is_empty()
        {
            let at = at.index(proof.len());
            match how {
                0 => proof[at] = Hash([byte; 32]),
                1 => drop(proof.remove(at)),
                _ => proof.insert(at, Hash([byte; 32])),
            }
        }
        let prefix = root(&tree(prefix.0)[..prefix.1]);
        let at = |size: usize| signed_by(LOG, size, root(&honest[..size]));
        for departure in [None, Some(Departure { prefix, consistency: proof })] {
            prop_assert!(fork(&at(old), &at(new), departure).verify(&log_key()).is_err());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let _ = Evidence::parse(&bytes).map(|read| Evidence::parse(&read.encode()));
        let mut file = Evidence::Log(caught(5, 40)).encode();
        let at = at.index(file.len());
        let whole = file.clone();
        file[at] = byte;
        if let Ok(Evidence::Log(fork)) = Evidence::parse(&file) {
            prop_assert!(fork.verify(&log_key()).is_err() || file == whole);
        }
    }
}

#[test]
fn a_file_has_one_meaning() {
    let whole = Evidence::Log(caught(5, 40)).encode();
    let twice = [whole.as_slice(), &whole].concat();
    assert!(Evidence::parse(&twice).is_err());
    assert_eq!(
        Evidence::parse(&[]).map_err(|void| void.place.into_owned()),
        Err("Evidence.proof".to_owned())
    );
    let Evidence::Log(mut odd) = Evidence::Log(caught(5, 40)) else { panic!("a log") };
    odd.departure = None;
    let mut wire = odd.to_wire();
    wire.consistency = vec![0; 33].into();
    assert!(LogFork::from_wire(wire.clone()).is_err(), "a proof without a root");
    wire.prefix = vec![0; 32].into();
    assert!(LogFork::from_wire(wire).is_err(), "half a hash");
    let huge = vec![0; EVIDENCE_BYTES + 1];
    assert!(Evidence::parse(&huge).is_err());
}

/// Three members in three jurisdictions; version 1 is the last common one.
const MEMBERS: [(u8, &str); 3] = [(1, "TH"), (2, "NL"), (3, "US")];

/// A version 2 that differs by its quorum, signed by these.
fn successor(last: &crate::roster::AcceptedRoster, quorum: u32, signers: &[u8]) -> SignedRoster {
    signed_roster(&Roster { quorum, ..roster_of(2, Some(last.id), &MEMBERS) }, signers)
}

#[test]
fn two_successors_with_enough_votes_are_proof_and_name_who_signed_both() {
    let last = first(&MEMBERS);
    let (one, other) = (successor(&last, 1, &[1, 2]), successor(&last, 2, &[2, 3]));
    let fork = RosterFork::new(one.clone(), other.clone());
    assert_eq!(fork, RosterFork::new(other.clone(), one.clone()), "whichever was seen first");
    let file = Evidence::Roster(fork.clone()).encode();
    assert_eq!(Evidence::parse(&file), Ok(Evidence::Roster(fork.clone())));
    let rivals = fork.verify(&last).expect("two successors");
    assert_eq!(rivals.signed_both, ["m2.example".parse().expect("a name")].into());
    assert!(rivals.first.id < rivals.second.id);

    let check = |a: &SignedRoster, b: &SignedRoster, why: fn(&NoRivals) -> bool| {
        let refused = RosterFork::new(a.clone(), b.clone()).verify(&last).expect_err("nothing is proven");
        assert!(why(&refused), "{refused}");
    };
    // One body with other signatures; a draft that too few signed; a successor of something else.
    check(&one, &successor(&last, 1, &[1, 3]), |why| matches!(why, NoRivals::Same(_)));
    check(&one, &successor(&last, 2, &[3]), |why| matches!(why, NoRivals::NotAccepted { .. }));
    let forged = SignedRoster { signatures: one.signatures.clone(), body: other.body };
    check(&one, &forged, |why| matches!(why, NoRivals::NotAccepted { .. }));
    let elsewhere = first(&[(1, "TH"), (2, "NL")]);
    assert!(matches!(fork.verify(&elsewhere), Err(NoRivals::NotAccepted { .. })));
    // In the file the lower id stands first, and two bodies stand there.
    let wire = fork.to_wire();
    let swapped = wire::RosterFork { first: wire.second.clone(), second: wire.first.clone() };
    assert!(RosterFork::from_wire(swapped).is_err());
    let same = wire::RosterFork { second: wire.first.clone(), ..wire.clone() };
    assert!(RosterFork::from_wire(same).is_err());
    assert!(RosterFork::from_wire(wire::RosterFork { second: None, ..wire }).is_err());
}

#[test]
fn two_majorities_always_share_a_member() {
    let last = first(&MEMBERS);
    let sets = [&[1, 2][..], &[1, 3], &[2, 3], &[1, 2, 3]];
    for one in sets {
        for other in sets {
            let fork = RosterFork::new(successor(&last, 1, one), successor(&last, 2, other));
            assert!(!fork.verify(&last).expect("two successors").signed_both.is_empty());
        }
    }
}
