use super::*;
use crate::keys::SigningKey;

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// Member number `n` in a jurisdiction; its root key is `key(n)`.
pub(crate) fn member(n: u8, jurisdiction: &str) -> Member {
    Member {
        name: format!("m{n}.example").parse().expect("a name"),
        organisation_type: wire::OrganisationType::Ngo,
        jurisdiction: jurisdiction.parse().expect("a code"),
        also_subject_to: Vec::new(),
        segments: vec![Segment {
            from_size: 0,
            root: merkle::empty_root(),
            root_key: PublicKey::of(&key(n)),
            log_key: PublicKey::of(&key(n + 80)),
        }],
        cosign_key: PublicKey::of(&key(n + 160)),
        tls_ca: vec![Bytes::from_static(b"der")],
        grpc: "localhost:1".into(),
        https: String::new(),
        contact: String::new(),
    }
}

pub(crate) fn roster(version: u64, previous: Option<Hash>, members: &[(u8, &str)]) -> Roster {
    let members = members.iter().map(|&(n, code)| member(n, code)).map(|m| (m.name.clone(), m)).collect();
    Roster {
        federation: "scamwatch.example".into(),
        version,
        expires_at: 2_000_000_000,
        previous,
        members,
        groups: BTreeMap::new(),
        quorum: 1,
        custody: CustodyRule::default(),
    }
}

pub(crate) fn signed(roster: &Roster, signers: &[u8]) -> SignedRoster {
    let mut signed = SignedRoster::unsigned(roster);
    signers.iter().for_each(|&n| signed.sign(&key(n)));
    signed
}

pub(crate) fn first(members: &[(u8, &str)]) -> AcceptedRoster {
    let signers: Vec<u8> = members.iter().map(|(n, _)| *n).collect();
    let signed = signed(&roster(1, None, members), &signers);
    let pinned = signed.id();
    signed.accept_first(&pinned).expect("version 1")
}

fn check_next(now: &[(u8, &str)], next: &[(u8, &str)], signers: &[u8], accepted: bool) {
    let current = first(now);
    let offered = signed(&roster(2, Some(current.id), next), signers).accept_next(&current);
    assert_eq!(offered.is_ok(), accepted, "{now:?} → {next:?} signed by {signers:?}: {:?}", offered.err());
}

#[test]
fn the_first_version_needs_its_pinned_hash_and_every_member() {
    let all = signed(&roster(1, None, &[(1, "TH"), (2, "NL")]), &[1, 2]);
    assert!(all.clone().accept_first(&all.id()).is_ok());
    assert!(matches!(all.accept_first(&merkle::empty_root()), Err(RosterError::NotPinned { .. })));
    let one = signed(&roster(1, None, &[(1, "TH"), (2, "NL")]), &[1]);
    assert!(matches!(one.clone().accept_first(&one.id()), Err(RosterError::Unsigned(_))));
}

#[test]
fn more_than_half_of_the_jurisdictions_of_both_versions_must_vote() {
    let three = [(1, "TH"), (2, "NL"), (3, "US")];
    check_next(&three, &three, &[1, 2], true);
    check_next(&three, &three, &[1], false);
    // Two jurisdictions: both are needed.
    check_next(&[(1, "TH"), (2, "NL")], &[(1, "TH"), (2, "NL")], &[1], false);
    check_next(&[(1, "TH"), (2, "NL")], &[(1, "TH"), (2, "NL")], &[1, 2], true);
    // Filling one jurisdiction with members gains nothing.
    let filled = [(1, "TH"), (4, "TH"), (5, "TH"), (6, "TH"), (2, "NL"), (3, "US")];
    check_next(&three, &filled, &[1, 4, 5, 6], false);
    check_next(&filled, &filled, &[1, 4, 5, 6], false);
    // Half of a jurisdiction's members are no vote of it.
    check_next(&[(1, "TH"), (4, "TH"), (2, "NL")], &[(1, "TH"), (4, "TH"), (2, "NL")], &[1, 2], false);
    // A new majority must agree to itself: newcomers' votes count in the version that has them.
    check_next(&three, &[(1, "TH"), (4, "DE"), (5, "FR"), (6, "IT"), (7, "ES")], &[1, 2], false);
    check_next(&three, &[(1, "TH"), (4, "DE"), (5, "FR"), (6, "IT"), (7, "ES")], &[1, 2, 4, 5], true);
}

#[test]
fn succession_is_exact() {
    let current = first(&[(1, "TH"), (2, "NL")]);
    let offer = |version, previous| {
        signed(&roster(version, previous, &[(1, "TH"), (2, "NL")]), &[1, 2]).accept_next(&current)
    };
    assert!(offer(2, Some(current.id)).is_ok());
    assert!(offer(3, Some(current.id)).is_err());
    assert!(offer(2, Some(merkle::empty_root())).is_err());
    // An older roster offered again is refused.
    assert!(current.signed.clone().accept_next(&current).is_err());
}

#[test]
fn one_key_has_one_holder_and_one_purpose() {
    let mut shared = roster(1, None, &[(1, "TH"), (2, "NL")]);
    let log_key = shared.members.values().next().expect("two members").segments[0].log_key;
    shared.members.values_mut().for_each(|member| member.segments[0].log_key = log_key);
    assert!(Roster::parse(&shared.encode()).is_err());
    let mut double = roster(1, None, &[(1, "TH")]);
    double.members.values_mut().for_each(|member| member.cosign_key = member.segments[0].root_key);
    assert!(Roster::parse(&double.encode()).is_err());
}

#[test]
fn a_roster_survives_its_own_bytes() {
    let mut roster = roster(1, None, &[(1, "TH"), (2, "EU"), (3, "INT")]);
    roster.groups.insert("banks".into(), [roster.members.keys().next().expect("a member").clone()].into());
    assert_eq!(Roster::parse(&roster.encode()), Ok(roster));
}

#[test]
fn each_segment_has_a_log_key_of_its_own_and_no_root_key_returns() {
    let check = |segments: &[(u64, u8, u8)], sound: bool| {
        let mut roster = roster(1, None, &[(1, "TH")]);
        let segment = |&(from_size, root, log): &(u64, u8, u8)| Segment {
            from_size,
            root: merkle::empty_root(),
            root_key: PublicKey::of(&key(root)),
            log_key: PublicKey::of(&key(log)),
        };
        let member = roster.members.values_mut().next().expect("a member");
        member.segments = segments.iter().map(segment).collect();
        let parsed = Roster::parse(&roster.encode());
        assert_eq!(parsed.is_ok(), sound, "{segments:?}: {parsed:?}");
    };
    check(&[(0, 1, 81), (5, 1, 82), (9, 2, 83), (12, 2, 84)], true);
    // A log key that goes on would have signed two histories where entries are cut off.
    check(&[(0, 1, 81), (5, 2, 81)], false);
    check(&[(0, 1, 81), (5, 2, 82), (9, 3, 81)], false);
    check(&[(0, 1, 81), (5, 2, 82), (9, 1, 83)], false);
    check(&[(0, 1, 81), (5, 2, 1)], false);
}

#[test]
fn what_people_read_of_a_member_is_of_one_line() {
    for change in [
        (|member| member.contact = "abuse@x\u{1b}[2J".into()) as fn(&mut Member),
        |member| member.grpc = "a:1\nb:2".into(),
        |member| member.https = "\0".into(),
    ] {
        let mut odd = roster(1, None, &[(1, "TH")]);
        odd.members.values_mut().for_each(change);
        assert!(Roster::parse(&odd.encode()).is_err());
    }
}
