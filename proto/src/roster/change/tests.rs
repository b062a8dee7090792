use proptest::prelude::*;

use super::*;
use crate::{
    keys::SigningKey,
    roster::Segment,
    roster::tests::{member, roster},
};

fn name(n: u8) -> MemberName {
    format!("m{n}.example").parse().expect("a name")
}

fn public(seed: u8) -> PublicKey {
    PublicKey::of(&SigningKey::from_bytes(&[seed; 32]))
}

fn base() -> Roster {
    let mut base = roster(1, None, &[(1, "TH"), (2, "NL"), (3, "US")]);
    base.groups.insert("banks".into(), [name(3)].into());
    base
}

type Edit = fn(&mut Roster);

fn first(roster: &mut Roster) -> &mut Member {
    roster.members.get_mut(&name(1)).expect("member 1")
}

/// What is changed, the word for programs, and a part of the line for people.
const EDITS: [(Edit, &str, &str); 19] = [
    (
        |roster| drop(roster.members.insert(name(4), member(4, "SG"))),
        "joined",
        "m4.example joins: ngo in SG, root key ca93",
    ),
    (|roster| drop(roster.members.remove(&name(2))), "left", "m2.example in NL leaves for good"),
    (
        |roster| first(roster).organisation_type = OrganisationType::Bank,
        "organisation",
        "m1.example becomes bank instead of ngo",
    ),
    (
        |roster| first(roster).jurisdiction = Jurisdiction::EU,
        "jurisdiction",
        "m1.example moves from TH to EU",
    ),
    (
        |roster| first(roster).also_subject_to.push(Jurisdiction::EU),
        "also_subject_to",
        "m1.example is also subject to EU instead of none",
    ),
    (|roster| first(roster).cosign_key = public(99), "key", "m1.example replaces its cosign key"),
    (|roster| first(roster).segments[0].from_size = 1, "log_rewritten", "no reader accepts this"),
    (
        |roster| first(roster).tls_ca.push("new".into()),
        "authority_added",
        "m1.example adds a certificate authority, SHA-256 11507a0e",
    ),
    (
        |roster| first(roster).tls_ca.clear(),
        "authority_removed",
        "m1.example removes a certificate authority",
    ),
    (
        |roster| first(roster).grpc = "there:1".into(),
        "address",
        "m1.example changes its gRPC address from `localhost:1` to `there:1`",
    ),
    (
        |roster| first(roster).https = "there:2".into(),
        "address",
        "m1.example changes its HTTPS address from nothing to `there:2`",
    ),
    (
        |roster| first(roster).contact = "a\u{202e}b".into(),
        "address",
        "m1.example changes its contact from nothing to `a\\u{202e}b`",
    ),
    (|roster| drop(roster.groups.insert("empty".into(), [].into())), "group_added", "group empty is new"),
    (|roster| drop(roster.groups.remove("banks")), "group_removed", "group banks is gone"),
    (
        |roster| drop(roster.groups.insert("banks".into(), [name(1), name(3)].into())),
        "group_joined",
        "m1.example joins group banks",
    ),
    (
        |roster| drop(roster.groups.insert("banks".into(), [].into())),
        "group_left",
        "m3.example leaves group banks",
    ),
    (
        |roster| roster.quorum = 2,
        "quorum",
        "2 other jurisdictions must cosign to settle an entry, instead of 1",
    ),
    (
        |roster| roster.custody.cap_percent = 40,
        "cap_percent",
        "above 40 percent of the others' statements, instead of 0",
    ),
    (
        |roster| roster.expires_at += 86_400,
        "expires_at",
        "the roster expires at 2000086400 instead of 2000000000 (Unix seconds), 1 d later",
    ),
];

#[test]
fn every_single_change_is_one_line() {
    for (edit, kind, text) in EDITS {
        let mut edited = base();
        edit(&mut edited);
        let found = changes(&base(), &edited);
        let [change] = found.as_slice() else { panic!("{kind}: {found:?}") };
        assert_eq!(change.kind(), kind);
        let line = change.to_string();
        assert!(line.contains(text), "{line}");
        assert!(!line.contains(char::is_control));
        assert!(change.member().is_none_or(|member| line.contains(member.as_str())), "{line}");
    }
}

#[test]
fn a_rotation_tells_where_the_log_goes_on_and_each_key_that_is_another() {
    let mut rotated = base();
    let member = first(&mut rotated);
    let segment = member.segments[0].clone();
    member.segments.push(Segment { from_size: 20, log_key: public(90), ..segment });
    let lines: Vec<String> = changes(&base(), &rotated).iter().map(ToString::to_string).collect();
    let [segment, key] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(segment.contains("goes on from entry 20"), "{segment}");
    assert!(key.contains("replaces its log key"), "{key}");
    let mut copies = base();
    copies.custody = CustodyRule { copies_amber: 2, copies_amber_strict: 1, cap_percent: 0 };
    let lines: Vec<String> = changes(&base(), &copies).iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "TLP:AMBER is kept in 2 other jurisdictions by default, instead of 0",
            "TLP:AMBER+STRICT is kept in 1 other jurisdiction by default, instead of 0",
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn there_is_nothing_to_tell_exactly_when_both_say_the_same(one in prop::collection::vec(0..EDITS.len(), 0..5), other in prop::collection::vec(0..EDITS.len(), 0..5)) {
        let edited = |edits: &[usize]| {
            let mut roster = base();
            for edit in edits {
                // An edit of a member that another edit removed.
                if roster.members.contains_key(&name(1)) {
                    EDITS[*edit].0(&mut roster);
                }
            }
            roster
        };
        let (one, other) = (edited(&one), edited(&other));
        prop_assert_eq!(changes(&one, &other).is_empty(), one == other);
        prop_assert_eq!(changes(&other, &one).is_empty(), one == other);
    }
}
