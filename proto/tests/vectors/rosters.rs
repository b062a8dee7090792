//! Two versions of a roster, and who must sign the second.

use almenara_proto::{
    keys::PublicKey,
    roster::{AcceptedRoster, Roster, SignedRoster},
};
use prost::Message as _;
use serde_json::{Value, json};

use crate::world::{BANK, DAY, NGO, NOW, ROOT, hex, key, roster};

fn signed(roster: &Roster, roots: &[u8]) -> SignedRoster {
    let mut signed = SignedRoster::unsigned(roster);
    roots.iter().for_each(|root| signed.sign(&key(*root)));
    signed
}

fn first() -> AcceptedRoster {
    let signed = signed(&roster(), &[ROOT, NGO, BANK]);
    let pinned = signed.id();
    signed.accept_first(&pinned).expect("version 1")
}

/// Version 2: a second member in TH.
fn second(first: &AcceptedRoster) -> Roster {
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
            than half of its members. A signature is over almenara/v1/roster, a zero byte, body.",
        "first": case(&first.signed),
        "second": case(&signed(&second, &[ROOT, NGO, BANK, 31])),
        "votes": votes,
    })
}
