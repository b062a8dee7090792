use crate::{
    batch::{Author, SignedBatch, seal, statement_id},
    checkpoint::{Checkpoint, origin_of},
    indicator::{Indicator, Kind},
    keys::PublicKey,
    log::{KeyGrant, LogEntry},
    merkle,
    release::Release,
    roster::{
        AcceptedRoster, Roster,
        tests::{first, key, roster as roster_of, signed},
    },
    signed::Signed,
    statement::{Category, Claim, Report, Ruleset, Statement},
};

use super::*;

const DAY: u64 = 86_400;
const NOW: u64 = 20_000 * DAY;
const DESK: u8 = 70;
/// Of the second cosignature.
const LATER: u64 = NOW + 5;

/// Three members in three jurisdictions, and one more in version 2.
fn chain() -> (AcceptedRoster, SignedRoster) {
    let first = first(&[(1, "TH"), (2, "NL"), (3, "US")]);
    let federation = first.roster.federation.clone();
    let members = [(1, "TH"), (2, "NL"), (3, "US"), (4, "KE")];
    let second = Roster { quorum: 2, federation, ..roster_of(2, Some(first.id), &members) };
    (first, signed(&second, &[1, 2, 4]))
}

fn grant(federation: &str) -> Bytes {
    let content = KeyGrant {
        federation: federation.to_owned(),
        member: "m1.example".parse().expect("a name"),
        publisher: "m1.example/desk".parse().expect("a desk"),
        key: PublicKey::of(&key(DESK)),
        note: String::new(),
    };
    LogEntry::KeyGrant(Signed::sign(content, &key(1))).encode()
}

fn batch(federation: &str, count: u8) -> SignedBatch {
    let statement = |n: u8| Statement {
        nonce: [n; 16],
        indicator: Indicator::new(Kind::Domain, format!("scam{n}.example")).expect("a domain"),
        made_at: NOW,
        ruleset: Ruleset::default(),
        release: Release::clear(),
        copies: 0,
        claim: Claim::Report(Report::new(Kind::Domain, Category::PHISHING, NOW)),
    };
    let publisher = "m1.example/desk".parse().expect("a desk");
    let author = Author { federation, publisher: &publisher, key: &key(DESK) };
    seal(&author, (0..count).map(statement).collect(), 1, 1, NOW).expect("a batch")
}

/// A log of `size` entries: the grant first, the batch at 5, noise elsewhere.
fn log(grant: &Bytes, batch: &Bytes, size: u64) -> Vec<Bytes> {
    let entry = |n: u64| match n {
        0 => grant.clone(),
        5 => batch.clone(),
        _ => Bytes::from(n.to_string()),
    };
    (0..size).map(entry).collect()
}

fn noted(leaves: &[Hash], cosigners: &[(u8, u64)]) -> Bytes {
    let checkpoint =
        Checkpoint { origin: origin_of("m1.example"), size: leaves.len() as u64, root: merkle::root(leaves) };
    let note = crate::checkpoint::SignedCheckpoint::sign(checkpoint, &key(81)).expect("a note");
    let lines: String = cosigners
        .iter()
        .map(|(n, at)| note.cosign(&format!("m{n}.example"), &key(n + 160), *at).expect("a line"))
        .collect();
    let note = if lines.is_empty() { note } else { note.with_lines(&lines).expect("lines") };
    Bytes::copy_from_slice(note.note())
}

/// The proof of leaf 3 of 11, in a log of 13 entries that two others have cosigned.
fn sound() -> Proof {
    let (first, second) = chain();
    let federation = &first.roster.federation;
    let (grant, batch) = (grant(federation), batch(federation, 11));
    let entry = LogEntry::Batch(batch.header.clone()).encode();
    let entries = log(&grant, &entry, 13);
    let leaves: Vec<Hash> = entries.iter().map(|entry| merkle::leaf_hash(entry)).collect();
    let path = |index: usize| merkle::inclusion(&leaves, index).expect("a path");
    let origin = batch.header.content.origin_hash();
    let ids: Vec<Hash> = batch.statements.iter().map(|bytes| statement_id(&origin, bytes)).collect();
    Proof {
        rosters: vec![first.signed, second],
        checkpoint: noted(&leaves, &[(2, NOW), (4, LATER)]),
        batch: Included { index: 5, bytes: entry, path: path(5) },
        grant: Included { index: 0, bytes: grant, path: path(0) },
        leaf: 3,
        statement: batch.statements[3].clone(),
        disclosure: merkle::multi_prove(&ids, &[3]).expect("a proof"),
    }
}

fn check(change: impl FnOnce(&mut Proof), why: &str) {
    let mut proof = sound();
    let anchor = proof.anchor().expect("a roster");
    change(&mut proof);
    let error = proof.verify(&anchor).expect_err(why).to_string();
    assert!(error.contains(why), "`{error}` does not say `{why}`");
}

#[test]
fn a_proof_says_who_said_what_and_when_others_had_seen_it() {
    let proof = sound();
    let file = proof.encode();
    assert_eq!(Proof::parse(&file).as_ref(), Ok(&proof));
    let proven = proof.verify(&proof.rosters[0].id()).expect("proven");
    assert_eq!(proven.address.to_string(), "m1.example:5.3");
    assert_eq!(proven.statement.indicator.value(), "scam3.example");
    assert_eq!(proven.header.content.publisher.to_string(), "m1.example/desk");
    assert_eq!((proven.granted_at, proven.checkpoint.checkpoint().size), (0, 13));
    assert_eq!(proven.roster.roster.version, 2);
    assert_eq!(proven.existed_by(), Some(LATER), "of two jurisdictions the second settles it");
    // Whoever knows version 2 by its hash needs no version 1.
    let shorter = Proof { rosters: proof.rosters[1..].to_vec(), ..proof };
    let anchor = shorter.anchor().expect("a roster");
    assert_eq!(shorter.verify(&anchor).map(|proven| proven.id), Ok(proven.id));
}

#[test]
fn with_any_byte_changed_a_file_proves_nothing() {
    let whole = sound();
    // Every byte of what one hash anchors; and of the chain that leads there, which takes longer to check, many.
    let short = Proof { rosters: whole.rosters[1..].to_vec(), ..whole.clone() };
    for (proof, step) in [(short, 1), (whole.clone(), 11)] {
        let (file, anchor) = (proof.encode(), proof.anchor().expect("a roster"));
        assert!(file.len() < 8 * 1_024, "{} bytes", file.len());
        for at in (0..file.len()).step_by(step) {
            let mut changed = file.clone();
            changed[at] ^= 1 << (at % 8);
            let proven = Proof::parse(&changed).is_ok_and(|proof| proof.verify(&anchor).is_ok());
            assert!(!proven, "byte {at} of {} is not checked", file.len());
        }
    }
    let file = whole.encode();
    for length in [0, 1, file.len() / 2, file.len() - 1] {
        assert!(Proof::parse(&file[..length]).is_err_and(|_| true) || length == 0, "{length}");
    }
    let longer = [file.as_slice(), &[0x78, 0x01]].concat(); // field 15, unknown
    assert!(Proof::parse(&longer).is_err(), "unknown fields are bytes that nothing checks");
}

#[test]
fn what_does_not_hold_is_named() {
    check(|proof| proof.rosters.clear(), "no roster");
    check(|proof| proof.rosters = proof.rosters.split_off(1), "rests on the roster");
    check(|proof| proof.rosters[1].signatures.truncate(1), "required");
    check(|proof| proof.rosters[1].signatures[0].1[0] ^= 1, "required");
    let twice = |proof: &mut Proof| {
        let signature = proof.rosters[1].signatures[0];
        proof.rosters[1].signatures.push(signature);
    };
    check(twice, "stands there twice");
    check(|proof| proof.batch.index = 6, "batch: not in the log");
    check(|proof| proof.batch.path.truncate(1), "batch: not in the log");
    check(|proof| proof.grant.index = 1, "grant: not in the log");
    check(|proof| proof.batch = proof.grant.clone(), "a batch is expected");
    check(|proof| proof.grant = proof.batch.clone(), "a key-grant is expected");
    check(|proof| proof.leaf = 4, "not under the signed root");
    check(|proof| proof.disclosure.truncate(1), "not under the signed root");
    check(|proof| proof.statement = Bytes::from_static(b"another"), "not under the signed root");
    check(|proof| proof.checkpoint = Bytes::from_static(b"no note"), "checkpoint: ");
}

#[test]
fn signature_lines_that_nobody_can_check_are_refused() {
    let added = |line: &str| {
        let line = line.to_owned();
        move |proof: &mut Proof| proof.checkpoint = [&proof.checkpoint[..], line.as_bytes()].concat().into()
    };
    let log_key = PublicKey::of(&key(81)).0;
    let note =
        crate::checkpoint::SignedCheckpoint::open(&sound().checkpoint, "m1.example/almenara", &log_key);
    let note = note.expect("a note");
    let line = |name: &str, seed| note.cosign(name, &key(seed), NOW).expect("a line");
    check(added(&line("witness.example", 9)), "of no key that the rosters name");
    check(added(&line("m3.example", 9)), "of no key that the rosters name");
    check(added(&line("m2.example", 162)), "stands there twice");
    // A signature of something else by a key that is known.
    let other = noted(&[merkle::leaf_hash(b"other")], &[(3, NOW)]);
    let other = std::str::from_utf8(&other).expect("text").lines().last().expect("a line").to_owned() + "\n";
    check(added(&other), "does not verify");
}

#[test]
fn a_note_under_a_replaced_key_proves_what_the_roster_did_not_cut_off() {
    for (from_size, proven) in [(13, true), (6, true), (5, false), (1, false)] {
        let mut proof = sound();
        let mut next = Roster::parse(&proof.rosters[1].body).expect("a roster");
        let member = next.members.values_mut().find(|member| member.name.as_str() == "m1.example");
        member.expect("a member").segments.push(crate::roster::Segment {
            from_size,
            root: Hash([7; 32]),
            root_key: PublicKey::of(&key(1)),
            log_key: PublicKey::of(&key(91)),
        });
        proof.rosters[1] = signed(&next, &[1, 2, 4]);
        let found = proof.verify(&proof.rosters[0].id());
        assert_eq!(found.is_ok(), proven, "{from_size}: {:?}", found.err().map(|error| error.to_string()));
    }
}

#[test]
fn the_entry_alone_is_proven_to_the_tools_of_c2sp() {
    let proof = sound();
    let text = proof.to_tlog().to_string();
    let parsed: TlogProof = text.parse().expect("parsed");
    assert_eq!((&parsed, parsed.to_string()), (&proof.to_tlog(), text.clone()));
    let key_of = |seed| PublicKey::of(&key(seed)).0;
    assert!(parsed.verify("m1.example/almenara", &key_of(81)).is_ok());
    assert!(parsed.verify("m1.example/almenara", &key_of(82)).is_err());
    assert!(parsed.verify("m2.example/almenara", &key_of(81)).is_err());
    for at in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 1;
        let held = String::from_utf8(changed)
            .ok()
            .and_then(|text| text.parse::<TlogProof>().ok())
            .is_some_and(|proof| proof.verify("m1.example/almenara", &key_of(81)).is_ok());
        // Lines of cosigners are for those who know their keys.
        let log_line = text.find("— m2.example").unwrap_or(text.len());
        assert!(!held || at >= log_line, "byte {at}");
    }
    for broken in ["", "c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v1\nindex 01\n\nx"] {
        assert!(broken.parse::<TlogProof>().is_err(), "{broken}");
    }
}

#[test]
fn a_proof_for_one_leaf_follows_from_one_for_several() {
    for count in 1..=20u8 {
        let leaves: Vec<Hash> = (0..count).map(|n| merkle::leaf_hash(&[n])).collect();
        for mask in 1u32..1 << count.min(8) {
            let shown: Vec<u32> = (0..u32::from(count)).filter(|at| mask >> (at % 8) & 1 == 1).collect();
            let disclosed: Vec<(u32, Hash)> = shown.iter().map(|at| (*at, leaves[*at as usize])).collect();
            let proof = merkle::multi_prove(&leaves, &shown).expect("a proof");
            for leaf in 0..u32::from(count) {
                let narrow = merkle::multi_path(u32::from(count), &disclosed, &proof, leaf);
                let expected = shown.contains(&leaf).then(|| merkle::multi_prove(&leaves, &[leaf])).flatten();
                assert_eq!(narrow, expected, "{leaf} of {count} out of {shown:?}");
            }
        }
    }
}
