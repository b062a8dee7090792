use std::collections::BTreeMap;

use almenara_proto::{
    keys::{PublicKey, SigningKey},
    merkle::empty_root,
    roster::{CustodyRule, Member, Segment},
    wire::OrganisationType,
};

use super::*;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn member(n: u8, jurisdiction: &str) -> Member {
    Member {
        name: format!("m{n}.example").parse().expect("a name"),
        organisation_type: OrganisationType::Ngo,
        jurisdiction: jurisdiction.parse().expect("a code"),
        also_subject_to: Vec::new(),
        segments: vec![Segment {
            from_size: 0,
            root: empty_root(),
            root_key: PublicKey::of(&key(n)),
            log_key: PublicKey::of(&key(n + 80)),
        }],
        cosign_key: PublicKey::of(&key(n + 160)),
        tls_ca: vec![bytes::Bytes::from_static(b"der")],
        grpc: "localhost:1".into(),
        https: String::new(),
        contact: String::new(),
    }
}

/// A version signed by members 1 and 2; `expires_at` tells bodies of one version apart.
fn version(number: u64, previous: Option<Hash>, expires_at: u64) -> SignedRoster {
    let members: BTreeMap<_, _> =
        [member(1, "TH"), member(2, "NL")].into_iter().map(|member| (member.name.clone(), member)).collect();
    let roster = Roster {
        federation: "scamwatch.example".into(),
        version: number,
        expires_at,
        previous,
        members,
        groups: BTreeMap::new(),
        quorum: 1,
        custody: CustodyRule::default(),
    };
    let mut signed = SignedRoster::unsigned(&roster);
    signed.sign(&key(1));
    signed.sign(&key(2));
    signed
}

/// A chain of two versions on disk.
fn two() -> (tempfile::TempDir, Rosters, Hash) {
    let folder = tempfile::tempdir().expect("a folder");
    let first = version(1, None, 9);
    let pinned = first.id();
    let mut rosters = Rosters::begin(folder.path().join("rosters"), first, pinned).expect("begun");
    rosters.accept(version(2, Some(pinned), 9)).expect("accepted");
    (folder, rosters, pinned)
}

#[test]
fn a_chain_survives_and_is_verified_again() {
    let (_folder, rosters, pinned) = two();
    let again = Rosters::open(&rosters.folder, pinned).expect("opened");
    assert_eq!(again.current().roster.version, 2);
    assert_eq!(again.chain().count(), 2);
    let found = |number| again.version(number).map(|accepted| accepted.roster.version);
    assert_eq!([found(0), found(1), found(2), found(3)], [None, Some(1), Some(2), None]);
    assert!(matches!(Rosters::open(&rosters.folder, empty_root()), Err(RostersError::Refused { .. })));
}

#[test]
fn a_chain_never_silently_ends_earlier() {
    let (_folder, rosters, pinned) = two();
    let path = file_of(&rosters.folder, 2);
    let good = std::fs::read(&path).expect("read");
    let at = |found: usize| good.get(found).copied();
    for index in [10, good.len() / 2, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[index] = at(index).expect("there") ^ 1;
        std::fs::write(&path, bytes).expect("written");
        assert!(Rosters::open(&rosters.folder, pinned).is_err(), "a flipped bit at {index}");
    }
    std::fs::write(&path, &good[..good.len() / 2]).expect("written");
    assert!(Rosters::open(&rosters.folder, pinned).is_err(), "cut short");
}

#[test]
fn every_changed_byte_of_a_roster_is_refused_and_named() {
    let (_folder, rosters, pinned) = two();
    for number in [1, 2] {
        let path = file_of(&rosters.folder, number);
        let good = std::fs::read(&path).expect("read");
        let body = version(number, (number == 2).then_some(pinned), 9).body;
        let start = good.windows(body.len()).position(|part| part == body).expect("verbatim");
        let body = start..start + body.len();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&path, bytes).expect("written");
            let error = Rosters::open(&rosters.folder, pinned).expect_err("a changed byte");
            let text = error.to_string();
            assert!(text.contains(&path.display().to_string()), "byte {at}: {text}");
            // Whoever gave us the file is to blame, never ourselves or the network.
            assert!(matches!(error.blame(), Blame::Malformed | Blame::Misbehaved), "byte {at}: {text}");
            if number == 1 && body.contains(&at) {
                assert!(text.contains("was pinned"), "byte {at}: {text}");
            }
        }
        std::fs::write(&path, good).expect("written");
    }
    assert_eq!(Rosters::open(&rosters.folder, pinned).expect("as it was").current().roster.version, 2);
}

#[test]
fn nothing_but_the_next_version_is_accepted() {
    let (_folder, mut rosters, pinned) = two();
    let current = rosters.current().id;
    let mut check = |offered: SignedRoster, good: bool| {
        assert_eq!(rosters.accept(offered.clone()).is_ok(), good, "{:?}", Roster::parse(&offered.body));
    };
    check(version(2, Some(pinned), 9), true); // held already
    check(version(4, Some(current), 9), false);
    check(version(3, Some(pinned), 9), false);
    let mut unsigned = version(3, Some(current), 9);
    unsigned.signatures.clear();
    check(unsigned, false);
    check(version(3, Some(current), 9), true);
    assert_eq!(rosters.current().roster.version, 3);
}

#[test]
fn two_valid_bodies_of_one_version_are_kept_as_evidence() {
    let (_folder, mut rosters, pinned) = two();
    let other = version(2, Some(pinned), 10);
    for _ in 0..2 {
        let error = rosters.accept(other.clone()).expect_err("a fork");
        let RostersError::Fork { version: 2, evidence, signed_both, .. } = &error else { panic!("{error}") };
        assert_eq!(signed_both, "m1.example, m2.example");
        let kept = Evidence::parse(&std::fs::read(evidence).expect("kept")).expect("evidence");
        let Evidence::Roster(fork) = kept else { panic!("of a roster") };
        let rivals = fork.verify(rosters.version(1).expect("held")).expect("anybody can check it");
        assert!([rivals.first.id, rivals.second.id].contains(&other.id()));
        assert_eq!(error.blame(), Blame::Misbehaved);
    }
    let mut unsigned = version(2, Some(pinned), 11);
    unsigned.signatures.clear();
    assert!(matches!(rosters.accept(unsigned), Err(RostersError::Refused { .. })), "no evidence of anything");
    assert!(matches!(rosters.accept(version(1, None, 11)), Err(RostersError::Refused { .. })));
    assert_eq!(rosters.current().roster.version, 2);
}

#[test]
fn without_version_one_there_is_no_chain() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = Rosters::open(folder.path(), empty_root()).expect_err("nothing there");
    assert!(matches!(error, RostersError::Missing { .. }));
    assert!(error.to_string().contains("almenara roster accept"), "{error}");
}

/// The next version after what is held, with these members.
fn with_members(number: u64, previous: Hash, members: &[Member]) -> SignedRoster {
    let mut roster = Roster::parse(&version(number, Some(previous), 9).body).expect("a body");
    roster.members = members.iter().map(|member| (member.name.clone(), member.clone())).collect();
    let mut signed = SignedRoster::unsigned(&roster);
    (1..=3).for_each(|n| signed.sign(&key(n)));
    signed
}

#[test]
fn no_name_and_no_key_returns_even_after_a_restart() {
    let (_folder, mut rosters, pinned) = two();
    let (one, other, third) = (member(1, "TH"), member(2, "NL"), member(3, "US"));
    let both = with_members(3, rosters.current().id, &[one.clone(), other.clone(), third.clone()]);
    rosters.accept(both).expect("one joins");
    let without = with_members(4, rosters.current().id, &[one.clone(), other.clone()]);
    rosters.accept(without).expect("and leaves");
    let back = with_members(5, rosters.current().id, &[one, other, third]);
    for mut rosters in [rosters.clone(), Rosters::open(&rosters.folder, pinned).expect("opened")] {
        let error = rosters.accept(back.clone()).expect_err("a name has one life");
        assert!(error.to_string().contains("m3.example was a member up to version 3"), "{error}");
        assert!(matches!(rosters.could_follow(&back), Err(RosterError::Reused(_))));
        assert_eq!(rosters.current().roster.version, 4);
    }
}

#[test]
fn a_version_that_lacks_only_votes_could_follow() {
    let (_folder, rosters, pinned) = two();
    let mut next = version(3, Some(rosters.current().id), 9);
    next.signatures.clear();
    assert!(rosters.could_follow(&next).is_ok());
    assert!(rosters.could_follow(&version(3, Some(pinned), 9)).is_err());
}

#[test]
fn what_another_process_accepted_a_moment_ago_is_accepted() {
    let (_folder, mut rosters, _) = two();
    let mut other = rosters.clone();
    let next = version(3, Some(rosters.current().id), 9);
    rosters.accept(next.clone()).expect("accepted");
    other.accept(next).expect("it is there already");
    assert_eq!(other.current().roster.version, 3);
}
