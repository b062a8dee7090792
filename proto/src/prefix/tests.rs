use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    keys::{Context, SigningKey},
    log::{Override, WithdrawalReason},
    roster::{CustodyRule, Member, Segment},
    wire,
};

const FEDERATION: &str = "scamwatch.example";
/// Seeds of keys: our root and log, the other member's root, and keys of desks.
const ROOT: u8 = 1;
const LOG: u8 = 2;
const COSIGN: u8 = 3;
const NEW_ROOT: u8 = 4;
const OTHER_ROOT: u8 = 5;
const A: u8 = 10;
const B: u8 = 11;
const C: u8 = 12;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(seed: u8) -> PublicKey {
    PublicKey::of(&key(seed))
}

fn us() -> MemberName {
    "police.th.example".parse().expect("a name")
}

fn other() -> MemberName {
    "ngo.nl.example".parse().expect("a name")
}

/// Key A is of the first desk, B and C of the second.
fn desk(seed: u8) -> Publisher {
    Publisher::new(&us(), if seed == A { "first" } else { "second" }).expect("a desk")
}

fn member(name: MemberName, roots: &[(u64, u8)], seed: u8) -> Member {
    let segment = |&(from_size, root): &(u64, u8)| Segment {
        from_size,
        root: merkle::empty_root(),
        root_key: public(root),
        log_key: public(seed),
    };
    Member {
        name,
        organisation_type: wire::OrganisationType::Police,
        jurisdiction: "TH".parse().expect("a code"),
        also_subject_to: Vec::new(),
        segments: roots.iter().map(segment).collect(),
        cosign_key: public(seed + 1),
        tls_ca: Vec::new(),
        grpc: String::new(),
        https: String::new(),
        contact: String::new(),
    }
}

/// Our root key changes at size 20.
fn roster() -> Roster {
    let members = [member(us(), &[(0, ROOT), (20, NEW_ROOT)], LOG), member(other(), &[(0, OTHER_ROOT)], 6)];
    Roster {
        federation: FEDERATION.into(),
        version: 1,
        expires_at: 0,
        previous: None,
        members: members.into_iter().map(|member| (member.name.clone(), member)).collect(),
        groups: BTreeMap::new(),
        quorum: 0,
        custody: CustodyRule::default(),
    }
}

fn batch(seed: u8, seq: u64) -> LogEntry {
    batch_with(seed, seq, |_| {})
}

fn batch_with(seed: u8, seq: u64, change: impl FnOnce(&mut BatchHeader)) -> LogEntry {
    let mut header = BatchHeader {
        federation: FEDERATION.into(),
        member: us(),
        publisher: desk(seed),
        key: public(seed),
        seq,
        roster: 1,
        created_at: 0,
        count: 1,
        custodied: 0,
        root: Hash([1; 32]),
        anchor: None,
    };
    change(&mut header);
    LogEntry::Batch(Signed::sign(header, &key(seed)))
}

fn grant(seed: u8) -> LogEntry {
    grant_with(seed, ROOT, |_| {})
}

fn grant_with(seed: u8, root: u8, change: impl FnOnce(&mut KeyGrant)) -> LogEntry {
    let mut grant = KeyGrant {
        federation: FEDERATION.into(),
        member: us(),
        publisher: desk(seed),
        key: public(seed),
        note: String::new(),
    };
    change(&mut grant);
    LogEntry::KeyGrant(Signed::sign(grant, &key(root)))
}

fn revoke(seed: u8, since_index: u64) -> LogEntry {
    revoke_with(seed, since_index, ROOT, |_| {})
}

fn revoke_with(seed: u8, since_index: u64, root: u8, change: impl FnOnce(&mut KeyRevocation)) -> LogEntry {
    let mut revocation = KeyRevocation {
        federation: FEDERATION.into(),
        member: us(),
        key: public(seed),
        reason: String::new(),
        since_index,
    };
    change(&mut revocation);
    LogEntry::KeyRevocation(Signed::sign(revocation, &key(root)))
}

fn withdraw(seed: u8, seq: u64, targets: &[(u64, u32)]) -> LogEntry {
    LogEntry::Withdrawal(Signed::sign(withdrawal(seed, seq, targets), &key(seed)))
}

fn withdrawal(seed: u8, seq: u64, targets: &[(u64, u32)]) -> Withdrawal {
    Withdrawal {
        federation: FEDERATION.into(),
        member: us(),
        publisher: desk(seed),
        key: public(seed),
        seq,
        made_at: 0,
        reason: WithdrawalReason::Error,
        erase: false,
        targets: targets.to_vec(),
        second_key: None,
    }
}

fn erase(seed: u8, seq: u64, second: u8) -> LogEntry {
    let content =
        Withdrawal { erase: true, second_key: Some(public(second)), ..withdrawal(seed, seq, &[(0, 0)]) };
    let mut signed = Signed::sign(content, &key(seed));
    signed.second_signature = Some(Context::Withdrawal.sign(&signed.body, &key(second)));
    LogEntry::Withdrawal(signed)
}

fn with(seed: u8) -> LogEntry {
    LogEntry::Override(Signed::sign(
        Override {
            federation: FEDERATION.into(),
            member: us(),
            publisher: desk(seed),
            key: public(seed),
            batch_id: Hash([1; 32]),
            leaves: vec![0],
            reason: String::new(),
        },
        &key(seed),
    ))
}

fn empty() -> Prefix {
    Prefix::new(FEDERATION, us())
}

/// The place of the broken rule, or nothing when the entry counts.
fn append(prefix: &mut Prefix, entry: &LogEntry) -> String {
    let (index, bytes) = (prefix.size(), entry.encode());
    let appended = prefix.append(&bytes, &roster());
    assert_eq!((appended.index, prefix.size()), (index, index + 1), "whatever it is, it stays in history");
    assert_eq!(appended.leaf, merkle::leaf_hash(&bytes));
    appended.outcome.err().map(|void| void.place.into_owned()).unwrap_or_default()
}

/// A log of these entries: each counts (``) or breaks a rule at that place.
fn check(entries: &[(LogEntry, &str)]) -> Prefix {
    let mut prefix = empty();
    for (at, (entry, place)) in entries.iter().enumerate() {
        let judged = CheckedEntry::check(entry.clone()).and_then(|entry| prefix.judge(&entry, &roster()));
        assert_eq!(append(&mut prefix, entry), *place, "entry {at}");
        assert_eq!(judged.is_ok(), place.is_empty(), "entry {at} at publication: {judged:?}");
    }
    prefix
}

#[test]
fn a_key_speaks_above_its_grant() {
    check(&[(batch(A, 1), "key"), (grant(A), ""), (batch(A, 1), ""), (batch(B, 1), "key")]);
    check(&[(withdraw(A, 1, &[(0, 0)]), "key"), (with(A), "key"), (grant(A), ""), (with(A), "")]);
}

#[test]
fn a_key_speaks_for_its_desk_member_and_federation_only() {
    let other_desk = |header: &mut BatchHeader| header.publisher = desk(B);
    let elsewhere = |header: &mut BatchHeader| header.federation = "other.example".into();
    let foreign = |header: &mut BatchHeader| {
        (header.member, header.publisher) = (other(), "ngo.nl.example/first".parse().expect("a publisher"));
    };
    check(&[
        (grant(A), ""),
        (batch_with(A, 1, other_desk), "publisher"),
        (batch_with(A, 1, elsewhere), "federation"),
        (batch_with(A, 1, foreign), "member"),
        (batch(A, 1), ""),
    ]);
}

#[test]
fn a_grant_is_signed_by_the_root_key_in_force() {
    check(&[
        (grant_with(A, OTHER_ROOT, |_| {}), "signature"),
        (grant_with(A, NEW_ROOT, |_| {}), "signature"),
        (grant(A), ""),
    ]);
    check(&[
        (grant_with(A, ROOT, |g| g.federation = "other.example".into()), "federation"),
        (
            grant_with(A, ROOT, |g| (g.member, g.publisher) = (other(), "ngo.nl.example/x".parse().unwrap())),
            "member",
        ),
    ]);
    // From size 20 on the other root key is in force.
    let mut log: Vec<(LogEntry, &str)> =
        (0..20).map(|seq| (batch(A, seq), if seq == 0 { "key" } else { "" })).collect();
    log[0] = (grant(A), "");
    log.extend([
        (grant(B), "signature"),
        (grant_with(B, NEW_ROOT, |_| {}), ""),
        (revoke(A, 5), "KeyRevocation"),
    ]);
    log.push((revoke_with(A, 5, NEW_ROOT, |_| {}), ""));
    check(&log);
}

#[test]
fn a_key_has_one_life() {
    let to_b = |grant: &mut KeyGrant| grant.publisher = desk(B);
    check(&[(grant(A), ""), (grant(A), "KeyGrant.key"), (grant_with(A, ROOT, to_b), "KeyGrant.key")]);
    check(&[(grant(A), ""), (revoke(A, 1), ""), (grant(A), "KeyGrant.key"), (batch(A, 1), "key")]);
}

#[test]
fn a_weak_key_is_not_granted() {
    let identity = |grant: &mut KeyGrant| {
        grant.key = PublicKey([0; 32]);
        grant.key.0[0] = 1;
    };
    check(&[(grant_with(A, ROOT, identity), "key")]);
}

#[test]
fn a_key_of_the_roster_is_refused_at_publication_but_a_later_roster_voids_no_grant() {
    for seed in [ROOT, LOG, COSIGN, NEW_ROOT, OTHER_ROOT] {
        let checked = CheckedEntry::check(grant(seed)).expect("signed");
        assert_eq!(empty().judge(&checked, &roster()).map_err(|void| void.place), Err("KeyGrant.key".into()));
        assert_eq!(append(&mut empty(), &grant(seed)), "");
    }
}

#[test]
fn seq_rises_strictly_for_each_key() {
    check(&[
        (grant(A), ""),
        (grant(B), ""),
        (batch(A, 5), ""),
        (batch(A, 5), "seq"),
        (batch(A, 4), "seq"),
        (batch(B, 0), ""),
        (withdraw(A, 5, &[(2, 0)]), "seq"),
        (withdraw(A, 6, &[(2, 0)]), ""),
        (batch(A, 6), "seq"),
        (batch(A, u64::MAX), ""),
        (batch(A, u64::MAX), "seq"),
        (batch(B, 1), ""),
    ]);
}

#[test]
fn a_void_entry_takes_no_seq() {
    let mut forged = batch(A, 100);
    let LogEntry::Batch(signed) = &mut forged else { panic!("a batch") };
    signed.signature[0] ^= 1;
    let prefix = check(&[
        (grant(A), ""),
        (forged, "signature"),
        (batch_with(A, 100, |header| header.publisher = desk(B)), "publisher"),
        (withdraw(A, 100, &[(3, 0)]), "Withdrawal.targets"),
        (batch(A, 1), ""),
    ]);
    assert_eq!(prefix.key(&public(A)).and_then(|life| life.last_seq), Some(1));
}

#[test]
fn a_withdrawal_ends_what_stands_below_it_whichever_desk_said_it() {
    check(&[
        (grant(A), ""),
        (grant(B), ""),
        (batch(A, 1), ""),
        (withdraw(B, 1, &[(2, 0), (2, 7)]), ""),
        (withdraw(B, 2, &[(4, 0)]), "Withdrawal.targets"),
        (withdraw(B, 3, &[(2, 0), (u64::MAX, 0)]), "Withdrawal.targets"),
        (withdraw(B, 4, &[(5, 0)]), ""),
    ]);
}

#[test]
fn a_revoked_key_withdraws_nothing_more_but_what_it_withdrew_stays_withdrawn() {
    let prefix = check(&[
        (grant(A), ""),
        (batch(A, 1), ""),
        (withdraw(A, 2, &[(1, 0)]), ""),
        (revoke(A, 1), ""), // cuts the batch, not the withdrawal above it
        (withdraw(A, 3, &[(1, 0)]), "key"),
    ]);
    assert_eq!(prefix.cut(&public(A)), Some(1));
}

#[test]
fn erasing_needs_a_second_key_of_the_member() {
    let without = {
        let LogEntry::Withdrawal(mut signed) = erase(A, 9, B) else { panic!("a withdrawal") };
        signed.second_signature = None;
        LogEntry::Withdrawal(signed)
    };
    let by_another = {
        let LogEntry::Withdrawal(mut signed) = erase(A, 9, B) else { panic!("a withdrawal") };
        signed.second_signature = Some(Context::Withdrawal.sign(&signed.body, &key(C)));
        LogEntry::Withdrawal(signed)
    };
    let needless = {
        let LogEntry::Withdrawal(mut signed) = withdraw(A, 9, &[(0, 0)]) else { panic!("a withdrawal") };
        signed.second_signature = Some(signed.signature);
        LogEntry::Withdrawal(signed)
    };
    check(&[
        (grant(A), ""),
        (grant(B), ""),
        (grant(C), ""),
        (erase(A, 1, B), ""),
        (erase(A, 2, ROOT), ""),
        (erase(A, 3, A), "Withdrawal.second_key"),
        (erase(A, 4, NEW_ROOT), "Withdrawal.second_key"),
        (erase(A, 5, OTHER_ROOT), "Withdrawal.second_key"),
        (erase(A, 6, LOG), "Withdrawal.second_key"),
        (without, "Signed.second_signature"),
        (by_another, "signature"),
        (needless, "Signed.second_signature"),
        (revoke(B, 3), ""),
        (erase(A, 10, B), "Withdrawal.second_key"),
        (erase(A, 11, C), ""),
    ]);
}

#[test]
fn a_revoked_key_that_backdates_is_judged_by_its_place_in_the_log() {
    let backdated = |header: &mut BatchHeader| header.created_at = 1;
    let prefix = check(&[
        (grant(A), ""),
        (batch(A, 1), ""),
        (batch(A, 2), ""),
        (revoke(A, 2), ""),
        (batch_with(A, 3, backdated), "key"),
        (with(A), "key"),
    ]);
    // Entry 1 counts, entry 2 no longer does.
    assert_eq!(prefix.cut(&public(A)), Some(2));
}

#[test]
fn the_least_since_index_of_all_revocations_wins() {
    let prefix = check(&[(grant(A), ""), (revoke(A, 1), ""), (revoke(A, 0), ""), (revoke(A, 3), "")]);
    assert_eq!(prefix.cut(&public(A)), Some(0));
    assert_eq!(prefix.key(&public(A)).and_then(|life| life.revoked_at), Some(1));
}

#[test]
fn a_revocation_names_a_granted_key_and_no_later_index() {
    check(&[
        (revoke(A, 0), "KeyRevocation.key"),
        (grant(A), ""),
        (revoke(A, 3), "KeyRevocation.since_index"),
        (revoke(A, 3), ""),
        (revoke_with(A, 0, OTHER_ROOT, |_| {}), "KeyRevocation"),
        (revoke_with(A, 0, A, |_| {}), "KeyRevocation"),
        (revoke_with(A, 0, ROOT, |r| r.federation = "other.example".into()), "federation"),
        (revoke_with(A, 0, ROOT, |r| r.member = "stranger.example".parse().unwrap()), "KeyRevocation.member"),
    ]);
}

#[test]
fn a_revocation_is_valid_in_the_log_of_any_member() {
    let of_other = |revocation: &mut KeyRevocation| revocation.member = other();
    let prefix = check(&[
        (grant(A), ""),
        (revoke_with(A, u64::MAX, OTHER_ROOT, of_other), ""),
        (revoke_with(A, 0, ROOT, of_other), "KeyRevocation"),
    ]);
    assert_eq!(prefix.cut(&public(A)), None, "it is about the other member's log");
    // In the log of another any root key that the member ever had may sign.
    let mut theirs = Prefix::new(FEDERATION, other());
    for root in [ROOT, NEW_ROOT] {
        assert_eq!(append(&mut theirs, &revoke_with(A, 7, root, |_| {})), "");
    }
    assert_eq!(append(&mut theirs, &revoke_with(A, 7, OTHER_ROOT, |_| {})), "KeyRevocation");
}

#[test]
fn a_revocation_from_elsewhere_leads_to_one_state_whenever_it_is_learned() {
    let log = [
        grant(A),
        grant(B),
        batch(A, 10),
        batch(A, 20),
        withdraw(A, 15, &[(2, 0)]),
        withdraw(A, 25, &[(2, 0)]),
        batch(A, 30),
        erase(B, 1, A),
    ];
    let states: Vec<Prefix> = (0..=log.len())
        .map(|learned| {
            let mut prefix = empty();
            for (at, entry) in log.iter().enumerate() {
                if at == learned {
                    prefix.revoke(&public(A), 3);
                }
                let place = append(&mut prefix, entry);
                match at {
                    3 | 6 => assert_eq!(place, if learned <= at { "key" } else { "" }),
                    4 => assert_eq!(place, "seq", "the seq of an entry beyond the cut is taken"),
                    _ => assert_eq!(place, "", "entry {at}"),
                }
            }
            if learned == log.len() {
                prefix.revoke(&public(A), 3);
            }
            prefix
        })
        .collect();
    assert!(states.iter().all(|state| *state == states[0]));
    assert_eq!(states[0].cut(&public(A)), Some(3));
}

#[test]
fn bytes_that_are_no_entry_stay_in_history() {
    let mut prefix = empty();
    let appended = prefix.append(&Bytes::from_static(b"no entry"), &roster());
    assert!(appended.outcome.is_err());
    assert_eq!(append(&mut prefix, &grant(A)), "");
    let leaves = [merkle::leaf_hash(b"no entry"), merkle::leaf_hash(&grant(A).encode())];
    let checkpoint = prefix.checkpoint();
    assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("police.th.example/almenara", 2));
    assert_eq!(checkpoint.root, merkle::root(&leaves));
}

#[test]
fn who_is_not_on_the_roster_grants_nothing() {
    let mut left = roster();
    left.members.remove(&us());
    let outcome = empty().append(&grant(A).encode(), &left).outcome;
    assert_eq!(outcome.map_err(|void| void.place), Err("member".into()));
}

/// Any entry that a member's keys can make, sound or not.
fn any_entry() -> impl Strategy<Value = LogEntry> {
    let seed = prop::sample::select(vec![A, B, C]);
    let target = prop::collection::btree_set((0..12u64, 0..2u32), 1..3);
    prop_oneof![
        seed.clone().prop_map(grant),
        (seed.clone(), 0..12u64).prop_map(|(seed, seq)| batch(seed, seq)),
        (seed.clone(), 0..12u64, target).prop_map(|(seed, seq, targets): (u8, u64, BTreeSet<(u64, u32)>)| {
            withdraw(seed, seq, &targets.into_iter().collect::<Vec<_>>())
        }),
        (seed.clone(), 0..12u64).prop_map(|(seed, since)| revoke(seed, since)),
        (seed.clone(), 0..12u64, seed.clone()).prop_map(|(seed, seq, second)| erase(seed, seq, second)),
        seed.prop_map(with),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_state_that_was_kept_goes_on_as_if_it_never_stopped(
        entries in prop::collection::vec(any_entry(), 0..14),
        stops in prop::collection::btree_set(0..14usize, 0..4),
        elsewhere in (0..14usize, 0..12u64),
    ) {
        let mut through = empty();
        let outcomes: Vec<String> = entries.iter().map(|entry| append(&mut through, entry)).collect();
        let mut stopped = empty();
        for (at, entry) in entries.iter().enumerate() {
            if stops.contains(&at) {
                let tree = CompactRange::from_bytes(&stopped.tree().to_bytes()).expect("own bytes");
                stopped = Prefix::restore(FEDERATION, us(), tree, stopped.keys().collect()).expect("sound");
            }
            prop_assert_eq!(append(&mut stopped, entry), outcomes[at].clone());
        }
        prop_assert_eq!(&stopped, &through);
        // The same entries with a revocation that is learned on the way, or at the end.
        let mut early = empty();
        for (at, entry) in entries.iter().enumerate() {
            if at == elsewhere.0 {
                early.revoke(&public(A), elsewhere.1);
            }
            append(&mut early, entry);
        }
        if elsewhere.0 >= entries.len() {
            early.revoke(&public(A), elsewhere.1);
        }
        through.revoke(&public(A), elsewhere.1);
        prop_assert_eq!(early, through);
    }
}
