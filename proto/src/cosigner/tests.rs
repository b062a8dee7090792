use proptest::prelude::*;

use super::*;
use crate::{
    checkpoint::Checkpoint,
    keys::{PublicKey, SigningKey},
    merkle::Hash,
    roster::tests::roster as roster_of,
};

/// Of [`roster_of`]: member n cosigns with `key(n + 160)`, and its log's key is `key(n + 80)`.
fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn roster(members: &[(u8, &str)], quorum: u32) -> Roster {
    Roster { quorum, ..roster_of(1, None, members) }
}

fn checkpoint(root: u8) -> SignedCheckpoint {
    let checkpoint = Checkpoint { origin: origin_of("m1.example"), size: 5, root: Hash([root; 32]) };
    SignedCheckpoint::sign(checkpoint, &key(81)).expect("a checkpoint")
}

/// The line of member n at a time.
fn line(checkpoint: &SignedCheckpoint, n: u8, time: u64) -> String {
    checkpoint.cosign(&format!("m{n}.example"), &key(n + 160), time).expect("a line")
}

fn cosigned(by: &[(u8, u64)]) -> SignedCheckpoint {
    let plain = checkpoint(7);
    let lines: String = by.iter().map(|(n, time)| line(&plain, *n, *time)).collect();
    if lines.is_empty() { plain } else { plain.with_lines(&lines).expect("a note") }
}

/// Member 1 is the origin.
fn quorum(roster: &Roster, checkpoint: &SignedCheckpoint) -> Quorum {
    let origin = roster.members.values().next().expect("member 1");
    Cosigners::of(roster).quorum(checkpoint, origin).expect("a sound note")
}

fn check(members: &[(u8, &str)], need: u32, by: &[u8], have: u32) {
    let by: Vec<(u8, u64)> = by.iter().map(|n| (*n, 50)).collect();
    let found = quorum(&roster(members, need), &cosigned(&by)).settlement;
    let required = if have < need { Settlement::Pending { have, need } } else { Settlement::Settled };
    assert_eq!(found, required, "{members:?} by {by:?}");
}

#[test]
fn distinct_jurisdictions_other_than_the_origins_settle() {
    let members = [(1, "TH"), (2, "NL"), (3, "NL"), (4, "US"), (5, "TH")];
    check(&members, 0, &[], 0);
    check(&members, 2, &[], 0);
    check(&members, 2, &[2], 1);
    check(&members, 2, &[2, 3], 1);
    check(&members, 2, &[2, 4], 2);
    check(&members, 2, &[1, 5, 2], 1);
    check(&members, 3, &[1, 2, 3, 4, 5], 2);
    // Nobody of this roster.
    check(&members, 1, &[9], 0);
}

#[test]
fn whoever_one_jurisdiction_can_compel_with_the_origin_does_not_count() {
    let also = |of: u8, code: &str| {
        let mut roster = roster(&[(1, "TH"), (2, "NL"), (3, "US"), (4, "KE")], 3);
        let name = format!("m{of}.example").parse().expect("a name");
        let member: &mut Member = roster.members.get_mut(&name).expect("a member");
        member.also_subject_to.push(code.parse().expect("a code"));
        roster
    };
    let check = |roster: &Roster, counted: &[&str]| {
        let found = quorum(roster, &cosigned(&[(2, 1), (3, 2), (4, 3)]));
        let names: Vec<&str> =
            found.cosignatures.iter().filter(|one| one.counts).map(|one| one.member.as_str()).collect();
        assert_eq!((names.as_slice(), found.cosignatures.len()), (counted, 3));
        let settled = found.settlement == Settlement::Settled;
        assert_eq!(settled, counted.len() == 3, "{counted:?}");
    };
    // The origin's parent sits where member 3 does; member 2's sits where the origin does.
    check(&also(1, "US"), &["m2.example", "m4.example"]);
    check(&also(2, "TH"), &["m3.example", "m4.example"]);
    // A parent of two cosigners, alone, cannot rewrite what it has no log key of: both count.
    check(&also(2, "US"), &["m2.example", "m3.example", "m4.example"]);
}

#[test]
fn a_proposal_tells_whose_entries_can_never_settle() {
    let check = |members: &[(u8, &str)], need: u32, required: &[&str]| {
        let roster = roster(members, need);
        let found: Vec<&str> = roster.unsettleable().map(|member| member.name.as_str()).collect();
        assert_eq!(found, required, "{members:?} {need}");
    };
    check(&[(1, "TH"), (2, "NL"), (3, "US")], 2, &[]);
    check(&[(1, "TH"), (2, "NL"), (3, "US")], 3, &["m1.example", "m2.example", "m3.example"]);
    check(&[(1, "TH")], 1, &["m1.example"]);
    check(&[(1, "TH")], 0, &[]);
    let mut hosted = roster(&[(1, "TH"), (2, "NL"), (3, "US")], 2);
    let member = hosted.members.values_mut().next().expect("member 1");
    member.also_subject_to.push("NL".parse().expect("a code"));
    let found: Vec<&str> = hosted.unsettleable().map(|member| member.name.as_str()).collect();
    assert_eq!(found, ["m1.example", "m2.example"]);
}

/// Every way to show each cosigner one of two histories.
fn both_can_settle(seats: &[&str], quorum: usize) -> bool {
    (0..1u32 << seats.len()).any(|shown| {
        let settles = |which: u32| {
            let saw = (0..).zip(seats).filter(|(n, _)| shown >> n & 1 == which);
            saw.map(|(_, code)| code).collect::<BTreeSet<_>>().len() >= quorum
        };
        settles(0) && settles(1)
    })
}

#[test]
fn a_quorum_prevents_forks_only_if_any_two_share_a_cosigner() {
    let check = |seats: &[&str], need: u32, forkable: bool| {
        let members: Vec<(u8, &str)> = (1..).zip([&["TH"], seats].concat()).collect();
        let roster = roster(&members, need);
        let found = roster.forkable().any(|member| member.name.as_str() == "m1.example");
        assert_eq!(found, forkable, "{seats:?} {need}");
        assert_eq!(found, both_can_settle(seats, need as usize), "{seats:?} {need}");
    };
    check(&["NL", "US", "KE"], 1, true);
    check(&["NL", "US", "KE"], 2, false);
    // Two of NL, each of whom saw another history.
    check(&["NL", "NL", "US", "KE"], 2, true);
    check(&["NL", "NL", "US", "KE"], 3, false);
    check(&["NL", "NL", "US", "US"], 2, true);
    check(&["NL"], 0, true);
    check(&[], 0, true);
    check(&["NL"], 1, false);
    check(&["NL"], 2, false);
}

proptest! {
    #[test]
    fn forks_are_called_prevented_exactly_when_no_showing_of_two_histories_settles_both(
        seats in prop::collection::vec(prop::sample::select(vec!["NL", "US", "KE", "SG"]), 0..8),
        need in 0..6u32,
    ) {
        let members: Vec<(u8, &str)> = (1..).zip([&["TH"], seats.as_slice()].concat()).collect();
        let roster = roster(&members, need);
        let found = roster.forkable().any(|member| member.name.as_str() == "m1.example");
        prop_assert_eq!(found, both_can_settle(&seats, need as usize));
    }
}

#[test]
fn a_bad_line_of_a_known_key_is_an_error_and_one_of_an_unknown_key_is_none() {
    let roster = roster(&[(1, "TH"), (2, "NL"), (3, "US")], 1);
    let cosigners = Cosigners::of(&roster);
    let origin = roster.members.values().next().expect("member 1");
    let plain = checkpoint(7);
    let with = |lines: &str| plain.with_lines(lines).expect("a note");
    // Member 2 cosigned another root: the line does not hold here.
    let bad = with(&line(&checkpoint(8), 2, 50));
    let error = cosigners.quorum(&bad, origin).expect_err("a bad line");
    assert!(matches!(error, CheckpointError::Note(NoteError::BadSignature { .. })), "{error}");
    assert!(matches!(cosigners.merge(&plain, &bad), Err(MergeError::Note(_))));
    // A time that C2SP does not allow, and that no table could keep.
    let late = with(&line(&plain, 2, 1 << 63));
    assert!(cosigners.quorum(&late, origin).is_err());
    assert!(cosigners.quorum(&with(&line(&plain, 2, (1 << 63) - 1)), origin).is_ok());
    // Another name, another key under a known name, a plain signature: lines of unknown (name, id).
    let text = plain.checkpoint().to_string();
    for unknown in [
        plain.cosign("m2.example/cosigner", &key(162), 50),
        plain.cosign("m2.example", &key(99), 50),
        note::sign(&text, "m2.example", &key(162)),
    ] {
        let found = cosigners.quorum(&with(&unknown.expect("a line")), origin).expect("nobody known");
        assert_eq!(found.cosignatures, []);
    }
    let other = roster.members.values().nth(1).expect("member 2");
    assert!(matches!(cosigners.quorum(&plain, other), Err(CheckpointError::Origin { .. })));
}

#[test]
fn merged_notes_have_each_cosigner_once_and_nothing_else() {
    let roster = roster(&[(1, "TH"), (2, "NL"), (3, "US")], 2);
    let cosigners = Cosigners::of(&roster);
    let padded = cosigned(&[(2, 70), (9, 1), (2, 60)]);
    let merged = cosigners.merge(&padded, &cosigned(&[(3, 80), (2, 65)])).expect("one note");
    let lines = Note::parse(merged.note()).expect("a note").signatures().len();
    assert_eq!((lines, merged.checkpoint()), (3, padded.checkpoint()));
    let found = quorum(&roster, &merged);
    let times: Vec<(&str, u64)> =
        found.cosignatures.iter().map(|one| (one.member.as_str(), one.time)).collect();
    assert_eq!(times, [("m2.example", 60), ("m3.example", 80)]);
    assert_eq!(found.settlement, Settlement::Settled);
    // Two checkpoints are not merged: that is for evidence to judge.
    assert_eq!(cosigners.merge(&checkpoint(7), &checkpoint(8)), Err(MergeError::Other));
    let text = checkpoint(7).checkpoint().clone();
    let rotated = SignedCheckpoint::sign(text, &key(1)).expect("a checkpoint");
    assert_eq!(cosigners.merge(&checkpoint(7), &rotated), Err(MergeError::Other));
}

#[test]
fn a_full_note_keeps_a_cosigner_of_every_jurisdiction() {
    // Member 1, the origin, and 119 others: all in NL but the last two.
    let key = |n: u8| {
        let mut seed = [n; 32];
        seed[31] = 0xff;
        SigningKey::from_bytes(&seed)
    };
    let mut roster = roster(&[(1, "TH")], 3);
    let origin = roster.members.values().next().expect("member 1").clone();
    for n in 2..121 {
        let code = if n < 119 { "NL" } else { ["US", "KE"][usize::from(n - 119)] };
        let name: MemberName = format!("m{n}.example").parse().expect("a name");
        let jurisdiction = code.parse().expect("a code");
        let cosign_key = PublicKey::of(&key(n));
        let member = Member { name: name.clone(), jurisdiction, cosign_key, ..origin.clone() };
        roster.members.insert(name, member);
    }
    let plain = checkpoint(7);
    let half = |range: std::ops::Range<u8>| {
        let line = |n| plain.cosign(&format!("m{n}.example"), &key(n), 9).expect("a line");
        plain.with_lines(&range.map(line).collect::<String>()).expect("a note")
    };
    let cosigners = Cosigners::of(&roster);
    let merged = cosigners.merge(&half(2..80), &half(80..121)).expect("one note");
    let found = cosigners.quorum(&merged, &origin).expect("a sound note");
    assert_eq!((found.cosignatures.len(), found.settlement), (MAX_SIGNATURES - 1, Settlement::Settled));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn notes_merge_to_one_whatever_the_order(copies in prop::collection::vec(prop::collection::vec((1..8u8, 0..4u64), 0..6), 1..4)) {
        let members: Vec<(u8, &str)> = (1..7).zip(["TH", "NL", "US", "KE", "NL", "TH"]).collect();
        let roster = roster(&members, 2);
        let cosigners = Cosigners::of(&roster);
        let notes: Vec<SignedCheckpoint> = copies.iter().map(|by| cosigned(by)).collect();
        let merge = |notes: &mut dyn Iterator<Item = &SignedCheckpoint>| {
            notes.fold(checkpoint(7), |held, brought| cosigners.merge(&held, brought).expect("one checkpoint"))
        };
        let merged = merge(&mut notes.iter());
        prop_assert_eq!(&merged, &merge(&mut notes.iter().rev()));
        prop_assert_eq!(&merged, &cosigners.merge(&merged, &merged).expect("itself"));
        // The dumb way: every member's least time in any copy.
        let found: Vec<(String, u64)> =
            quorum(&roster, &merged).cosignatures.into_iter().map(|one| (one.member.to_string(), one.time)).collect();
        let all: Vec<(u8, u64)> = copies.concat();
        let required: Vec<(String, u64)> = (1..7u8)
            .filter_map(|n| Some((format!("m{n}.example"), all.iter().filter(|one| one.0 == n).map(|one| one.1).min()?)))
            .collect();
        prop_assert_eq!(found, required);
    }
}
