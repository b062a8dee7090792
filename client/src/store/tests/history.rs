//! What later entries, cosignatures and rosters do to what was said.

use super::*;

#[test]
fn a_revocation_in_another_log_ends_statements_here() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = fresh(folder.path());
    let (log, mut other) = (TestLog::small(1), TestLog::small(2));
    pull(&mut store, &log, 64);
    assert_eq!(all(&store, &policy()).iter().filter(|judged| judged.verdict.listed).count(), 2);
    other.revoke(1, PublicKey::of(&log.desk_key("desk")), 3);
    pull(&mut store, &other, 64);
    let listed = all(&store, &policy());
    let who: Vec<&str> = listed
        .iter()
        .filter(|judged| judged.verdict.listed)
        .flat_map(|judged| judged.counted().map(|piece| piece.address.member.as_str()))
        .collect();
    assert_eq!(who, ["m2.example", "m2.example"]);
}

#[test]
fn what_a_settled_checkpoint_covers_counts_and_what_comes_later_waits() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = TestLog::new(1);
    log.grant("desk");
    log.batch("desk", vec![report(1, "a.example")]);
    log.batch("desk", vec![report(2, "b.example")]);
    let mut store = fresh(folder.path());
    pull(&mut store, &log, 1);
    let strict = Policy { pending_allowed: false, ..policy() };
    let check = |store: &Store, settled: u64| {
        let replica = store.replica(&log.member()).expect("held");
        assert_eq!((replica.settled_size(), replica.pending()), (settled, 3 - settled));
        for (entry, judged) in (1..).zip(all(store, &strict)) {
            let waits = entry >= settled;
            assert_eq!((judged.verdict.listed, judged.is_pending(&strict, NOW)), (!waits, waits), "{entry}");
            let choosy = Policy { minimum_score: 100, ..strict.clone() };
            assert!(!judged.is_pending(&choosy, NOW), "it would not be listed either, were it settled");
        }
    };
    check(&store, 0);
    for (note, settles) in [
        (log.cosigned(2, &[]), false),
        (log.cosigned(2, &[1]), false),
        (log.cosigned(2, &[2]), true),
        (log.cosigned(2, &[2]), false),
        (log.cosigned(1, &[2]), false),
        (log.cosigned(3, &[]), false),
    ] {
        let replica = store.replica_mut(&log.member()).expect("held");
        assert_eq!(replica.settle(&note, &two()), settles);
    }
    check(&store, 2);
    store.finish().expect("written");
    drop(store);
    let mut store = fresh(folder.path());
    check(&store, 2);
    let replica = store.replica(&log.member()).expect("held");
    for (index, size) in [(0, Some(2)), (1, Some(2)), (2, None)] {
        let entry = replica.entry(index).expect("readable").expect("held");
        let proof = replica.prove(&entry).expect("sound");
        assert_eq!(proof.settled.map(|note| note.checkpoint().size), size);
        assert_eq!(proof.newest.map(|note| note.checkpoint().size), Some(3));
    }
    let note = log.cosigned(3, &[2]);
    assert!(store.replica_mut(&log.member()).expect("held").settle(&note, &two()));
    check(&store, 3);
    let who: Vec<_> = cosigners(&note, &log.member(), &two()).into_iter().map(|one| one.member).collect();
    assert_eq!(who, [name(2)]);
}

#[test]
fn what_was_settled_stays_settled_when_another_log_key_takes_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = TestLog::new(1);
    log.grant("desk");
    log.batch("desk", vec![report(1, "a.example")]);
    let mut store = fresh(folder.path());
    pull(&mut store, &log, 64);
    assert!(store.replica_mut(&log.member()).expect("held").settle(&log.cosigned(2, &[2]), &two()));
    let mut next = two();
    log.log_key = key(99);
    next.members.get_mut(&log.member()).expect("a member").segments.push(Segment {
        from_size: 2,
        root: log.root(2),
        root_key: PublicKey::of(&key(1)),
        log_key: PublicKey::of(&log.log_key),
    });
    log.batch("desk", vec![report(2, "b.example")]);
    let replica = store.replica_mut(&log.member()).expect("held");
    let mut follower = replica.follower();
    for frame in log.frames(2, 64) {
        if let Step::Page(page) = follower.step(frame, &next).expect("an honest log") {
            replica.keep(page, &follower).expect("kept");
        }
    }
    store.finish().expect("written");
    drop(store);
    let store = fresh(folder.path());
    let replica = store.replica(&log.member()).expect("held");
    assert_eq!((replica.settled_size(), replica.pending()), (2, 1));
}

#[test]
fn a_log_with_two_histories_stays_parted_when_its_member_leaves() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = TestLog::new(1);
    log.grant("desk");
    let mut another = log.clone();
    log.batch("desk", vec![report(1, "a.example")]);
    another.batch("desk", vec![report(2, "b.example")]);
    let mut store = fresh(folder.path());
    pull(&mut store, &log, 64);
    let found =
        Equivocation::new(log.cosigned(2, &[]), another.cosigned(2, &[]), None).expect("two histories");
    store.replica_mut(&log.member()).expect("held").quarantine(&found);
    let mut left = two();
    left.members.remove(&log.member());
    let cut = |roster: &Roster| {
        let judged = store.verdicts(roster, &policy(), NOW).expect("a store").next();
        judged.expect("one").expect("sound").pieces[0].standing.cut
    };
    assert_eq!((cut(&two()), cut(&left)), (true, true));
    // A new log key says which history is the log's: one that left after that left with it.
    let mut next = two();
    let member = next.members.get_mut(&log.member()).expect("a member");
    member.segments[0].log_key = PublicKey::of(&key(99));
    assert!(!cut(&next));
}

#[test]
fn a_checkpoint_is_settled_by_distinct_other_jurisdictions() {
    let log = TestLog::small(1);
    let check = |members: &[(u8, &str)], quorum, cosigners: &[u8], expected: bool| {
        let mut roster = roster(members);
        roster.quorum = quorum;
        let note = log.cosigned(4, cosigners);
        assert_eq!(is_settled(&note, &log.member(), &roster), expected, "{members:?} {quorum} {cosigners:?}");
    };
    let members = [(1, "TH"), (2, "NL"), (3, "NL"), (4, "US"), (5, "TH")];
    check(&members, 0, &[], true);
    check(&members, 1, &[], false);
    check(&members, 1, &[2], true);
    check(&members, 1, &[1, 5], false);
    check(&members, 2, &[2, 3], false);
    check(&members, 2, &[2, 4], true);
    check(&members[..3], 1, &[4], false);
    // Whom the origin's jurisdiction can compel vouches for nothing that the origin says.
    let mut roster = roster(&members);
    let subject = roster.members.get_mut(&name(4)).expect("a member");
    subject.also_subject_to.push("TH".parse().expect("a code"));
    assert!(!is_settled(&log.cosigned(4, &[4]), &log.member(), &roster));
    assert!(is_settled(&log.cosigned(4, &[2]), &log.member(), &roster));
}
