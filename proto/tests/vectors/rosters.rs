//! Two versions of a roster, and who must sign the second.

use almenara_proto::{
    keys::PublicKey,
    roster::{AcceptedRoster, Member, Roster, RosterHistory, Segment, SignedRoster, changes},
};
use prost::Message as _;
use serde_json::{Value, json};

use crate::world::{BANK, DAY, NGO, NOW, ROOT, hex, key, public, roster};

pub(crate) fn signed(roster: &Roster, roots: &[u8]) -> SignedRoster {
    let mut signed = SignedRoster::unsigned(roster);
    roots.iter().for_each(|root| signed.sign(&key(*root)));
    signed
}

pub(crate) fn first() -> AcceptedRoster {
    let signed = signed(&roster(), &[ROOT, NGO, BANK]);
    let pinned = signed.id();
    signed.accept_first(&pinned).expect("version 1")
}

/// Version 2: a second member in TH.
pub(crate) fn second(first: &AcceptedRoster) -> Roster {
    let mut next = Roster { version: 2, previous: Some(first.id), expires_at: NOW + 500 * DAY, ..roster() };
    let mut platform = next.members.values().next().expect("a member").clone();
    platform.name = "platform.th.example".parse().expect("a name");
    platform.jurisdiction = "TH".parse().expect("a code");
    platform.segments[0].root_key = PublicKey::of(&key(31));
    platform.segments[0].log_key = PublicKey::of(&key(32));
    platform.cosign_key = PublicKey::of(&key(33));
    next.members.insert(platform.name.clone(), platform);
    next
}

fn case(signed: &SignedRoster) -> Value {
    json!({
        "body": hex(&signed.body),
        "id": hex(signed.id()),
        "signatures": signed.signatures.iter().map(|(key, signature)| json!({
            "root_key": key.to_string(),
            "signature": hex(signature),
        })).collect::<Value>(),
        "signed_roster": hex(signed.to_wire().encode_to_vec()),
    })
}

/// Version 3 after one in which bank.us.example left: what may come instead.
fn reuse() -> Vec<Value> {
    let mut history = RosterHistory::begin(first());
    let after = |current: &AcceptedRoster| Roster {
        version: current.roster.version + 1,
        previous: Some(current.id),
        ..current.roster.clone()
    };
    let mut without = after(history.current());
    let bank = without.members.remove(&"bank.us.example".parse().expect("a name")).expect("a member");
    without.groups.clear();
    history.accept(signed(&without, &[ROOT, NGO, BANK])).expect("version 2");
    let newcomer = Member {
        name: "other.us.example".parse().expect("a name"),
        segments: vec![Segment { root_key: public(51), log_key: public(52), ..bank.segments[0].clone() }],
        cosign_key: public(53),
        ..bank.clone()
    };
    let log_key = |key| vec![Segment { log_key: key, ..newcomer.segments[0].clone() }];
    let cases = [
        ("a newcomer with a name and keys of its own", newcomer.clone()),
        ("the member that left", bank.clone()),
        (
            "a newcomer under the name of the one that left",
            Member { name: bank.name.clone(), ..newcomer.clone() },
        ),
        ("its cosign key as another's", Member { cosign_key: bank.cosign_key, ..newcomer.clone() }),
        ("its root key as another's log key", Member { segments: log_key(public(BANK)), ..newcomer.clone() }),
    ];
    cases
        .into_iter()
        .map(|(name, member)| {
            let mut third = after(history.current());
            third.members.insert(member.name.clone(), member);
            let third = signed(&third, &[ROOT, NGO, BANK, 51]);
            let offered = history.check(third.clone());
            json!({
                "name": name,
                "second": hex(history.current().signed.to_wire().encode_to_vec()),
                "third": hex(third.to_wire().encode_to_vec()),
                "accepted": offered.is_ok(),
                "why_not": offered.err().map(|error| error.to_string()),
            })
        })
        .collect()
}

/// `rosters.json`.
pub(crate) fn rosters() -> Value {
    let first = first();
    let second = second(&first);
    let votes: Vec<Value> = [
        vec![ROOT, NGO, BANK, 31],
        vec![NGO, BANK],
        vec![ROOT, NGO],
        vec![ROOT, 31],
        vec![ROOT, 31, NGO],
        vec![NGO],
        vec![],
    ]
    .into_iter()
    .map(|roots| {
        let offered = signed(&second, &roots).accept_next(&first);
        json!({
            "signed_by_seeds": roots.iter().map(|root| hex([*root; 32])).collect::<Value>(),
            "accepted": offered.is_ok(),
            "why_not": offered.err().map(|error| error.to_string()),
        })
    })
    .collect();
    json!({
        "description": "Rosters (docs/protocol.md, 'Roster'): version 1 of three members in three jurisdictions, accepted \
            by its hash and signed by all; version 2 with a second member in TH; and which sets of signatures get \
            version 2 accepted after version 1: more than half of the jurisdictions of both versions, each by more \
            than half of its members. A signature is over almenara/v1/roster, a zero byte, body. `changes` says in our \
            words what the second version changes. `reuse`: after a version 2 in which bank.us.example left, which \
            versions 3 are accepted: no name and no key comes back.",
        "first": case(&first.signed),
        "second": case(&signed(&second, &[ROOT, NGO, BANK, 31])),
        "changes": changes(&first.roster, &second).iter()
            .map(|change| json!({"kind": change.kind(), "line": change.to_string()})).collect::<Value>(),
        "votes": votes,
        "reuse": reuse(),
    })
}
