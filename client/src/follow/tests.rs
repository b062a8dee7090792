use almenara_proto::{
    evidence::{Equivocation, Evidence},
    merkle::{MAX_SIZE, leaf_hash},
};

use super::testlog::{TestLog, decode, frame, note, report, roster, shown};
use super::*;

fn two() -> Roster {
    roster(&[(1, "TH"), (2, "NL")])
}

fn follower(log: &TestLog) -> Follower {
    Follower::new(log.prefix(), None)
}

/// Feeds frames until one is refused; gives all pages.
fn feed(
    follower: &mut Follower,
    frames: Vec<wire::ReplicateFrame>,
) -> Result<Vec<VerifiedPage>, FollowError> {
    let mut pages = Vec::new();
    for frame in frames {
        if let Step::Page(page) = follower.step(frame, &two())? {
            pages.push(page);
        }
    }
    Ok(pages)
}

fn same(a: &Follower, b: &Follower) {
    assert_eq!(a.prefix.tree(), b.prefix.tree());
    assert_eq!(a.prefix.keys().collect::<Vec<_>>(), b.prefix.keys().collect::<Vec<_>>());
    assert_eq!(
        a.last.as_ref().map(|c| c.checkpoint().clone()),
        b.last.as_ref().map(|c| c.checkpoint().clone())
    );
}

/// Whether anybody who has the roster can check it, out of the file.
fn checkable(found: &Equivocation) -> bool {
    match Evidence::parse(&found.to_evidence().encode()) {
        Ok(Evidence::Log(fork)) => fork.verify_in(&two()).as_ref() == Ok(found),
        _ => false,
    }
}

/// The frames are refused for that reason, blame that party, and change nothing.
fn check_refused(log: &TestLog, frames: Vec<wire::ReplicateFrame>, accused: Accused, reason: &str) {
    let mut follower = follower(log);
    let error = feed(&mut follower, frames).expect_err(reason);
    let text = error.to_string();
    assert!(text.contains(reason), "`{text}` instead of `{reason}`");
    assert!(text.contains(log.member().as_str()), "{text}");
    let blamed =
        if accused == Accused::Origin { "the origin is to blame" } else { "the connection is to blame" };
    let advised = [blamed, "take the newest roster first", "the node lags"];
    assert!(advised.iter().any(|advice| text.contains(advice)), "{text}");
    assert_eq!(error.accused(), accused, "{text}");
    assert_eq!(follower.prefix.size(), 0);
    assert_eq!(error.evidence().is_some(), accused == Accused::Origin);
    assert!(error.evidence().is_none_or(checkable));
}

fn check_relay(log: &TestLog, frames: Vec<wire::ReplicateFrame>, reason: &str) {
    check_refused(log, frames, Accused::Connection, reason);
}

fn page_of(frame: &mut wire::ReplicateFrame) -> &mut wire::LogPage {
    match &mut frame.frame {
        Some(wire::replicate_frame::Frame::Page(page)) => page,
        other => panic!("{other:?} is no page"),
    }
}

/// The small log in one page, with that page changed.
fn changed(log: &TestLog, change: impl FnOnce(&mut wire::LogPage)) -> Vec<wire::ReplicateFrame> {
    let mut frames = log.frames(0, 64);
    change(page_of(&mut frames[1]));
    frames
}

#[test]
fn a_log_is_followed_from_its_first_entry_to_its_checkpoint() {
    let log = TestLog::small(1);
    let mut follower = follower(&log);
    let pages = feed(&mut follower, log.frames(0, 3)).expect("an honest log");
    assert_eq!(pages.iter().map(|page| page.caught_up).collect::<Vec<_>>(), [false, true]);
    assert_eq!(follower.prefix().checkpoint(), *log.signed(4, log.root(4)).checkpoint());
    assert_eq!(follower.last().map(|last| last.checkpoint().size), Some(4));
    let entries: Vec<&VerifiedEntry> = pages.iter().flat_map(|page| &page.entries).collect();
    assert_eq!(entries.iter().map(|entry| entry.index).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(entries.iter().zip(&log.entries).all(|(entry, bytes)| entry.bytes == *bytes));
    assert!(entries.iter().all(|entry| entry.outcome.is_ok()));
    let shown: Vec<usize> = entries.iter().filter_map(|e| Some(e.batch.as_ref()?.leaves.len())).collect();
    assert_eq!(shown, [1, 2]);
    assert!(entries.iter().zip(&log.shown).all(|(entry, shown)| entry.disclosure == *shown));
    let asked = follower.request(wire::Filter::default(), true, 7, false);
    assert_eq!((asked.from, asked.origin.as_str(), asked.live, asked.roster), (4, "m1.example", true, 7));
}

#[test]
fn a_run_resumed_at_any_entry_reaches_the_same_state_as_one_pass() {
    let mut log = TestLog::small(1);
    for n in 0..9 {
        log.batch("desk", vec![report(100 + n, "x.example")]);
    }
    let mut whole = follower(&log);
    feed(&mut whole, log.frames(0, 64)).expect("one pass");
    for cut in 0..=log.size() {
        for length in [1, 2, 5] {
            let mut first = follower(&log);
            let to_cut = [log.checkpoint(log.size()), log.page(0, cut, log.size())];
            feed(&mut first, to_cut.into_iter().take(if cut == 0 { 1 } else { 2 }).collect())
                .expect("up to the cut");
            // What a store keeps and gives back.
            let prefix = Prefix::restore(
                &log.federation,
                log.member(),
                first.prefix.tree().clone(),
                first.prefix.keys().collect(),
            );
            let mut second = Follower::new(prefix.expect("kept"), first.last().cloned());
            feed(&mut second, log.frames(cut, length)).expect("the rest");
            same(&whole, &second);
        }
    }
}

#[test]
fn a_live_stream_goes_on_with_the_next_checkpoint() {
    let mut log = TestLog::small(1);
    let mut follower = follower(&log);
    feed(&mut follower, log.frames(0, 64)).expect("what is there");
    for round in 0..5 {
        let before = log.size();
        log.batch("desk", vec![report(200 + round, "y.example")]);
        let pages = feed(&mut follower, log.frames(before, 64)).expect("what is new");
        assert!(pages.iter().all(|page| page.caught_up && page.entries.len() == 1));
    }
    // The same head again, for instance with more cosignatures, is no news and no error.
    let again = log.checkpoint(log.size());
    assert_eq!(
        follower.step(again, &two()),
        Ok(Step::Checkpoint(log.signed(log.size(), log.root(log.size()))))
    );
}

fn disclosure_of(page: &mut wire::LogPage, entry: usize) -> &mut wire::Disclosure {
    page.entries[entry].disclosure.as_mut().expect("a batch")
}

/// A grant, and a batch of which one statement is shown and the others are leaf hashes.
fn with_leaf_hashes() -> TestLog {
    let mut log = TestLog::new(1);
    log.grant("desk");
    let batch = log.sealed("desk", (0..3).map(|n| report(n, "part.example")).collect());
    log.push_batch(&batch, &[1], true);
    log
}

/// What is sent of a page, kind by kind, and which part the refusal names.
type Part<'a> = (&'a TestLog, u64, &'a dyn Fn(&mut wire::LogPage) -> &mut Bytes, &'a str);

#[test]
fn every_changed_byte_of_every_kind_is_refused_and_blames_the_connection() {
    let (log, hashed) = (TestLog::small(1), with_leaf_hashes());
    let flip = |bytes: &mut Bytes, at: usize| {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1 << (at % 8);
        *bytes = changed.into();
    };
    let tree = "entries 0 to 3: consistency proof";
    let parts: [Part<'_>; 10] = [
        // Entries: a grant, two headers of batches and a withdrawal, each with its signature.
        (&log, 64, &|page| &mut page.entries[0].entry, tree),
        (&log, 64, &|page| &mut page.entries[1].entry, tree),
        (&log, 64, &|page| &mut page.entries[2].entry, tree),
        (&log, 64, &|page| &mut page.entries[3].entry, tree),
        // Payloads.
        (&log, 64, &|page| &mut disclosure_of(page, 1).statements[0], "entry 1: disclosure"),
        (&log, 64, &|page| &mut disclosure_of(page, 3).statements[0], "entry 3: disclosure"),
        (&log, 64, &|page| &mut disclosure_of(page, 3).statements[1], "entry 3: disclosure"),
        // The proof of a part of a batch, or the hashes of the other leaves.
        (&log, 64, &|page| &mut disclosure_of(page, 1).proof, "entry 1: disclosure"),
        (&hashed, 64, &|page| &mut disclosure_of(page, 1).leaf_hashes, "entry 1: disclosure"),
        // The proof from the page's end to the checkpoint.
        (&log, 3, &|page| &mut page.consistency[0], "entries 0 to 2: consistency proof"),
    ];
    let mut refused = 0;
    for (log, length, pick, named) in parts {
        let whole = log.frames(0, length);
        for at in 0..pick(page_of(&mut whole.clone()[1])).len() {
            let mut frames = whole.clone();
            flip(pick(page_of(&mut frames[1])), at);
            check_relay(log, frames, named);
            refused += 1;
        }
    }
    let note = log.signed(4, log.root(4)).note().to_vec();
    for at in 0..note.len() {
        let mut note = Bytes::from(note.clone());
        flip(&mut note, at);
        let changed = frame(wire::replicate_frame::Frame::Checkpoint(note));
        check_relay(&log, vec![changed], "checkpoint");
        refused += 1;
    }
    assert!(refused > 1_000, "{refused}");
}

#[test]
fn whatever_byte_of_the_wire_changes_nothing_unsigned_gets_in() {
    let log = TestLog::small(1);
    let mut honest = follower(&log);
    let mut genuine: Vec<Bytes> = Vec::new();
    for page in feed(&mut honest, log.frames(0, 3)).expect("an honest log") {
        genuine.extend(
            page.entries.iter().flat_map(|e| &e.batch).flat_map(|b| &b.leaves).map(|l| l.bytes.clone()),
        );
    }
    let wire: Vec<Vec<u8>> = log.frames(0, 3).iter().map(prost::Message::encode_to_vec).collect();
    for at in 0..wire.len() {
        for byte in 0..wire[at].len() {
            let mut changed = wire.clone();
            changed[at][byte] ^= 1 << (byte % 8);
            let mut reader = follower(&log);
            for bytes in &changed {
                let Some(frame) = decode(bytes) else { break };
                let before = reader.clone();
                match reader.step(frame, &two()) {
                    Ok(Step::Checkpoint(_)) => {}
                    Ok(Step::Page(page)) => {
                        let batches = page.entries.iter().filter_map(|entry| entry.batch.as_ref());
                        for leaf in batches.flat_map(|batch| &batch.leaves) {
                            assert!(genuine.contains(&leaf.bytes), "frame {at}, byte {byte}");
                        }
                    }
                    Err(error) => {
                        assert_eq!(error.accused(), Accused::Connection, "{error}");
                        same(&before, &reader);
                        break;
                    }
                }
            }
            let size = reader.prefix.size();
            assert_eq!(reader.prefix.tree().root(), log.root(size), "frame {at}, byte {byte}");
        }
    }
}

#[test]
fn removed_reordered_repeated_and_foreign_entries_are_refused() {
    let log = TestLog::small(1);
    check_relay(&log, changed(&log, |page| drop(page.entries.remove(1))), "consistency proof");
    check_relay(&log, changed(&log, |page| drop(page.entries.pop())), "consistency proof");
    check_relay(&log, changed(&log, |page| page.entries.swap(1, 3)), "consistency proof");
    check_relay(&log, changed(&log, |page| page.entries[3] = page.entries[1].clone()), "consistency proof");
    check_relay(&log, changed(&log, |page| page.entries.push(page.entries[1].clone())), "ends at 5");
    check_relay(&log, changed(&log, |page| page.entries.clear()), "0 entries");
    check_relay(&log, changed(&log, |page| page.from = 1), "entry 0 comes next");
    check_relay(&log, changed(&log, |page| page.from = u64::MAX), "entry 0 comes next");
    let foreign = TestLog::small(2);
    check_relay(&log, foreign.frames(0, 64), "checkpoint");
    check_relay(
        &log,
        changed(&log, |page| page.entries[1].entry = foreign.entries[1].clone()),
        "consistency",
    );
    check_relay(&log, vec![log.page(0, 4, 4)], "no checkpoint");
    check_relay(&log, vec![wire::ReplicateFrame { frame: None }], "neither");
    let mut long = TestLog::small(1);
    for _ in 0..64 {
        long.push_raw(Bytes::from_static(b"?"), None);
    }
    check_relay(&long, vec![long.checkpoint(68), long.page(0, 65, 68)], "65 entries");
    // A page that was taken is not taken again.
    let mut reader = follower(&log);
    feed(&mut reader, log.frames(0, 64)).expect("once");
    assert!(matches!(
        reader.step(log.page(0, 4, 4), &two()).expect_err("twice").fault,
        Fault::Gap { found: 0, required: 4 }
    ));
}

#[test]
fn a_proof_of_other_length_or_hashes_is_refused() {
    let log = TestLog::small(1);
    let with = |change: &dyn Fn(&mut Vec<Bytes>)| {
        let mut frames = log.frames(0, 3);
        change(&mut page_of(&mut frames[1]).consistency);
        frames
    };
    check_relay(&log, with(&|proof| proof.clear()), "hashes");
    check_relay(&log, with(&|proof| proof.push(proof[0].clone())), "hashes");
    check_relay(&log, with(&|proof| proof[0] = Bytes::from_static(b"short")), "32 bytes");
    check_relay(&log, with(&|proof| proof.reverse()), "consistency proof");
    check_relay(&log, changed(&log, |page| page.consistency = vec![Bytes::from(vec![0; 32])]), "hashes");
}

#[test]
fn entries_of_another_federation_or_member_stay_and_count_for_nothing() {
    let mut log = TestLog::small(1);
    let mut other = TestLog::small(1);
    other.federation = "other.example".into();
    other.grant("else");
    let stranger = TestLog::small(2);
    log.push_raw(other.entries[4].clone(), None);
    log.push_raw(stranger.entries[1].clone(), stranger.shown[1].clone());
    log.push_raw(log.entries[1].clone(), log.shown[1].clone());
    log.push_raw(Bytes::from_static(b"no entry"), None);
    log.batch("desk", vec![report(9, "z.example")]);
    let pages = feed(&mut follower(&log), log.frames(0, 64)).expect("void entries stop nothing");
    let counts: Vec<bool> = pages[0].entries.iter().map(|entry| entry.outcome.is_ok()).collect();
    assert_eq!(counts, [true, true, true, true, false, false, false, false, true]);
    // What is shown of a void batch is ignored, right or wrong.
    assert!(pages[0].entries[5..8].iter().all(|e| e.batch.is_none() && e.disclosure.is_none()));
}

#[test]
fn any_part_of_a_batch_may_be_shown_and_nothing_else() {
    let reports = || (0..5).map(|n| report(n, "part.example")).collect::<Vec<_>>();
    for mask in 0..32u32 {
        let clear: Vec<u32> = (0..5).filter(|at| mask & 1 << at != 0).collect();
        for leaf_hashes in [false, true] {
            let mut log = TestLog::new(1);
            log.grant("desk");
            let batch = log.sealed("desk", reports());
            log.push_batch(&batch, &clear, leaf_hashes);
            let pages = feed(&mut follower(&log), log.frames(0, 64)).expect("a part");
            let shown = pages[0].entries[1].batch.as_ref().expect("a batch");
            assert_eq!(shown.leaves.iter().map(|leaf| leaf.index).collect::<Vec<_>>(), clear);
            assert_eq!(shown.leaf_hashes.is_some(), leaf_hashes && clear.len() < 5 || clear.len() == 5);
        }
    }
    let mut log = TestLog::new(1);
    log.grant("desk");
    let (one, two) = (log.sealed("desk", reports()), log.sealed("desk", vec![report(7, "other.example")]));
    log.push_batch(&one, &[0, 1], false);
    let wrong = |change: &dyn Fn(&mut wire::Disclosure)| {
        changed(&log, |page| change(page.entries[1].disclosure.as_mut().expect("a batch")))
    };
    check_relay(&log, wrong(&|d| *d = shown(&two, &[0], false)), "entry 1: disclosure");
    check_relay(&log, wrong(&|d| d.ranges[0].end = 3), "entry 1: disclosure");
    check_relay(&log, wrong(&|d| d.ranges[0].end = u32::MAX), "entry 1: disclosure");
    check_relay(&log, wrong(&|d| d.statements.swap(0, 1)), "entry 1: disclosure");
    check_relay(&log, wrong(&|d| drop(d.statements.pop())), "entry 1: disclosure");
    check_relay(&log, wrong(&|d| d.leaf_hashes = d.proof.clone()), "entry 1: disclosure");
    let shown_of_grant =
        |page: &mut wire::LogPage| page.entries[0].disclosure = Some(shown(&two, &[0], false));
    check_relay(&log, changed(&log, shown_of_grant), "entry 0: disclosure: it is a key-grant");
    // Showing nothing is a node's right.
    let nothing = changed(&log, |page| page.entries[1].disclosure = None);
    assert!(feed(&mut follower(&log), nothing).is_ok());
}

#[test]
fn two_roots_for_one_size_accuse_the_origin_with_evidence() {
    let log = TestLog::small(1);
    let mut forged = log.clone();
    forged.entries[3] = Bytes::from_static(b"another history");
    check_refused(
        &log,
        vec![log.checkpoint(4), forged.checkpoint(4)],
        Accused::Origin,
        "two roots for size 4",
    );
    // The same for a note that was kept from an earlier run.
    let mut reader = follower(&log);
    feed(&mut reader, log.frames(0, 64)).expect("an honest log");
    let mut resumed = Follower::new(reader.prefix().clone(), reader.last().cloned());
    let error = resumed.step(forged.checkpoint(4), &two()).expect_err("two roots");
    assert_eq!(error.accused(), Accused::Origin);
    assert!(error.evidence().is_some_and(checkable));
    same(&reader, &resumed);
    // Without a note to hold against it, it is only another root.
    let mut bare = Follower::new(reader.prefix().clone(), None);
    let error = bare.step(forged.checkpoint(4), &two()).expect_err("another root");
    assert!(matches!(error.fault, Fault::OtherRoot { size: 4, .. }));
    // A relay cannot make evidence: without the log key there is no second note.
    forged.log_key = testlog::key(99);
    check_relay(&log, vec![log.checkpoint(4), forged.checkpoint(4)], "checkpoint");
}

#[test]
fn a_later_note_that_rewrites_the_past_accuses_the_origin_with_evidence() {
    let mut log = TestLog::small(1);
    for n in 0..8 {
        log.batch("desk", vec![report(50 + n, "w.example")]);
    }
    for rewritten in 3..9 {
        let mut forged = log.clone();
        forged.entries[rewritten] = Bytes::from_static(b"another history");
        for length in [1, 2, 5, 12] {
            // Entries up to 3 are known; a note for 9 was seen, then the log forks below 9.
            let mut reader = follower(&log);
            feed(&mut reader, vec![log.checkpoint(9), log.page(0, 3, 9)]).expect("an honest log");
            let error = feed(&mut reader, forged.frames(3, length)).expect_err("a fork");
            assert!(matches!(error.fault, Fault::Fork(_)), "{error}");
            assert_eq!(error.accused(), Accused::Origin);
            assert!(error.evidence().is_some_and(checkable), "{rewritten}, {length}");
            assert!(reader.prefix.size() < 9);
        }
        // A relay that sends those entries below the honest note only breaks its own proof.
        let mut reader = follower(&log);
        feed(&mut reader, vec![log.checkpoint(9), log.page(0, 3, 9)]).expect("an honest log");
        let error = reader.step(forged.page(3, 12, 12), &two()).expect_err("beyond the note");
        assert_eq!(error.accused(), Accused::Connection);
    }
}

#[test]
fn a_head_behind_what_is_held_is_stale_and_accuses_nobody() {
    let log = TestLog::small(1);
    let mut reader = follower(&log);
    feed(&mut reader, log.frames(0, 64)).expect("an honest log");
    let error = reader.step(log.checkpoint(3), &two()).expect_err("it lags");
    assert!(matches!(error.fault, Fault::Stale { found: 3, held: 4 }));
    assert_eq!(error.blame(), almenara_proto::blame::Blame::Unavailable);
    // One that lags behind another node, but not behind the reader, is of use.
    let mut reader = follower(&log);
    feed(&mut reader, vec![log.checkpoint(4), log.page(0, 2, 4)]).expect("from one node");
    let pages = feed(&mut reader, vec![log.checkpoint(3), log.page(2, 3, 3)]).expect("from another");
    assert!(pages[0].caught_up);
    assert_eq!(reader.last().map(|last| last.checkpoint().size), Some(4));
    feed(&mut reader, log.frames(3, 64)).expect("from the first again");
}

#[test]
fn a_note_of_a_place_just_passed_agrees_or_is_evidence() {
    let log = TestLog::small(1);
    let mut reader = follower(&log);
    feed(&mut reader, vec![log.checkpoint(4), log.page(0, 2, 4), log.page(2, 4, 4)]).expect("an honest log");
    let (passed, before) = (log.signed(2, log.root(2)), reader.clone());
    assert_eq!(reader.step(note(&passed), &two()), Ok(Step::Checkpoint(passed)));
    same(&before, &reader);
    // No page ended at 3: whether it agrees is not known any more.
    let error = reader.step(log.checkpoint(3), &two()).expect_err("not remembered");
    assert!(matches!(error.fault, Fault::Stale { found: 3, held: 4 }), "{error}");
    let error = reader.step(note(&log.signed(2, log.root(3))), &two()).expect_err("another tree");
    assert!(error.evidence().is_some_and(checkable), "{error}");
    same(&before, &reader);
}

#[test]
fn an_enormous_size_hurts_nobody() {
    let log = TestLog::small(1);
    let far = log.signed(MAX_SIZE, leaf_hash(b"far"));
    let mut reader = follower(&log);
    assert_eq!(reader.step(note(&far), &two()), Ok(Step::Checkpoint(far.clone())));
    let error = reader.step(log.page(0, 4, 4), &two()).expect_err("no proof to there");
    assert_eq!(error.accused(), Accused::Connection);
    feed(&mut reader, log.frames(0, 64)).expect("it goes on with a note that leads somewhere");
    // The text itself says 2^64 − 1: no checkpoint at all.
    let huge = String::from_utf8(far.note().to_vec())
        .expect("text")
        .replace(&MAX_SIZE.to_string(), &u64::MAX.to_string());
    check_relay(&log, vec![frame(wire::replicate_frame::Frame::Checkpoint(huge.into()))], "checkpoint");
}

#[test]
fn a_log_that_is_not_the_one_of_the_roster_s_new_key_is_refused() {
    let mut log = TestLog::small(1);
    let old_key = log.log_key.clone();
    log.log_key = testlog::key(70);
    let rotated = |root| {
        let mut roster = two();
        let member = roster.members.get_mut(&log.member()).expect("a member");
        let first = member.segments[0].clone();
        let log_key = PublicKey::of(&log.log_key);
        member.segments.push(Segment { from_size: 2, root, log_key, ..first });
        roster
    };
    let run = |roster: &Roster, log: &TestLog| -> Result<(), FollowError> {
        let mut reader = follower(log);
        log.frames(0, 64).into_iter().try_for_each(|frame| reader.step(frame, roster).map(drop))
    };
    assert_eq!(run(&rotated(log.root(2)), &log), Ok(()));
    let error = run(&rotated(log.root(3)), &log).expect_err("another root");
    assert!(matches!(error.fault, Fault::SegmentRoot { size: 2, .. }), "{error}");
    // The old key signs nothing any more, and a note below the place where the new one took over is behind it.
    let mut with_old = log.clone();
    with_old.log_key = old_key;
    assert!(matches!(
        run(&rotated(log.root(2)), &with_old),
        Err(FollowError { fault: Fault::Checkpoint(_), .. })
    ));
    let mut reader = follower(&log);
    let error = reader.step(log.checkpoint(1), &rotated(log.root(2))).expect_err("below the segment");
    assert!(matches!(error.fault, Fault::Stale { found: 1, held: 2 }));
}

#[test]
fn a_log_of_no_member_is_refused() {
    let log = TestLog::small(3);
    check_relay(&log, log.frames(0, 64), "not on the roster");
}
