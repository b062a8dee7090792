use super::*;
use crate::{
    keys::SigningKey,
    name::MemberName,
    roster::tests::{first, member, signed},
    roster::{Member, Segment},
};

const MEMBERS: [(u8, &str); 4] = [(1, "TH"), (2, "NL"), (3, "US"), (4, "KE")];

fn name(n: u8) -> MemberName {
    format!("m{n}.example").parse().expect("a name")
}

/// The next version after the history's, with something changed.
fn next(history: &RosterHistory, change: impl FnOnce(&mut Roster)) -> SignedRoster {
    let current = history.current();
    let mut roster =
        Roster { version: current.roster.version + 1, previous: Some(current.id), ..current.roster.clone() };
    change(&mut roster);
    // Whoever was and is a member signs.
    signed(&roster, &[1, 2, 3, 4, 5, 40])
}

fn step(history: &mut RosterHistory, change: impl FnOnce(&mut Roster)) {
    let offered = next(history, change);
    let id = offered.id();
    assert_eq!(history.accept(offered).expect("a successor").id, id);
}

fn refused(history: &RosterHistory, change: impl FnOnce(&mut Roster)) -> Reused {
    match history.check(next(history, change)) {
        Err(RosterError::Reused(reused)) => reused,
        other => panic!("{other:?}"),
    }
}

fn insert(roster: &mut Roster, member: Member) {
    roster.members.insert(member.name.clone(), member);
}

fn public(seed: u8) -> PublicKey {
    PublicKey::of(&SigningKey::from_bytes(&[seed; 32]))
}

/// Version 1 with four members; version 2 without the fourth; version 3 the same.
fn after_one_left() -> RosterHistory {
    let mut history = RosterHistory::begin(first(&MEMBERS));
    step(&mut history, |roster| drop(roster.members.remove(&name(4))));
    step(&mut history, |roster| roster.quorum = 2);
    history
}

#[test]
fn a_name_is_never_used_again() {
    let mut history = after_one_left();
    // Neither by the same organisation nor by another with keys of its own.
    let again = refused(&history, |roster| insert(roster, member(4, "KE")));
    assert_eq!(again, Reused::Name { name: name(4), last: 1 });
    let stranger = refused(&history, |roster| insert(roster, Member { name: name(4), ..member(5, "NL") }));
    assert_eq!(stranger, Reused::Name { name: name(4), last: 1 });
    assert_eq!((history.last_version_of(&name(4)), history.last_version_of(&name(5))), (Some(1), None));
    step(&mut history, |roster| insert(roster, member(5, "KE")));
    assert_eq!(history.last_version_of(&name(5)), Some(4));
    assert_eq!(history.last_version_of(&name(1)), Some(4));
    // One step of the chain cannot see it.
    let offered = next(&history, |roster| insert(roster, member(4, "KE")));
    assert!(offered.clone().accept_next(history.current()).is_ok());
    assert!(history.check(offered).is_err());
}

#[test]
fn a_key_has_one_holder_one_purpose_and_one_life() {
    let history = after_one_left();
    let joins = |change: fn(&mut Member)| {
        let mut newcomer = member(5, "KE");
        change(&mut newcomer);
        refused(&history, |roster| insert(roster, newcomer))
    };
    let was =
        |key, purpose, of: u8, was| Reused::Key { key, member: name(5), purpose, of: name(of), was, last: 1 };
    // Every key of the one that left, for any purpose.
    assert_eq!(
        joins(|member| member.segments[0].root_key = public(4)),
        was(public(4), Purpose::Root, 4, Purpose::Root)
    );
    assert_eq!(
        joins(|member| member.segments[0].log_key = public(84)),
        was(public(84), Purpose::Log, 4, Purpose::Log)
    );
    assert_eq!(
        joins(|member| member.cosign_key = public(4)),
        was(public(4), Purpose::Cosign, 4, Purpose::Root)
    );
    assert_eq!(
        joins(|member| member.segments[0].root_key = public(164)),
        was(public(164), Purpose::Root, 4, Purpose::Cosign)
    );
}

#[test]
fn a_replaced_key_returns_neither_to_its_holder_nor_to_another() {
    let mut history = RosterHistory::begin(first(&MEMBERS));
    let cosign = |roster: &mut Roster, n: u8, seed| {
        roster.members.get_mut(&name(n)).expect("a member").cosign_key = public(seed);
    };
    step(&mut history, |roster| cosign(roster, 1, 99));
    let back = refused(&history, |roster| cosign(roster, 1, 161));
    assert!(matches!(&back, Reused::Key { last: 1, .. }), "{back}");
    let taken = refused(&history, |roster| cosign(roster, 2, 161));
    assert!(taken.to_string().contains("cosign key of m1.example up to version 1"), "{taken}");
    // Two holders in two steps: one step each sees nothing wrong.
    let swapped = refused(&history, |roster| {
        cosign(roster, 1, 98);
        cosign(roster, 2, 99);
    });
    assert!(matches!(swapped, Reused::Key { last: 2, .. }), "{swapped}");
    // Root and log keys stay in their segments, so they may stand there for ever.
    let rotate = |roster: &mut Roster| {
        let member = roster.members.get_mut(&name(4)).expect("a member");
        let segment =
            Segment { from_size: 9, root_key: public(40), log_key: public(41), ..member.segments[0].clone() };
        member.segments.push(segment);
    };
    step(&mut history, rotate);
    step(&mut history, |roster| roster.quorum = 3);
    assert_eq!(history.current().roster.version, 4);
}

#[test]
fn a_refused_version_leaves_the_history_where_it_is() {
    let mut history = after_one_left();
    let before = history.clone();
    let offered = next(&history, |roster| insert(roster, member(4, "KE")));
    assert!(history.accept(offered).is_err());
    let unsigned = SignedRoster { signatures: Vec::new(), ..next(&history, |roster| roster.quorum = 0) };
    assert!(matches!(history.accept(unsigned), Err(RosterError::NoMajority { .. })));
    let old = history.current().signed.clone();
    assert!(matches!(history.accept(old), Err(RosterError::NotNext { .. })));
    assert_eq!(history, before);
    // A version that expires earlier is one: a majority may shorten what it granted.
    step(&mut history, |roster| roster.expires_at = 1);
    assert_eq!(history.current().roster.version, 4);
}
