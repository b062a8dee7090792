//! Who may see what.

use almenara_proto::{
    release::{Decision, Recipient, Release, Rosters, released},
    roster::Roster,
};
use serde_json::{Value, json};

use crate::world::{MEMBER, roster};

/// Each as name and what changed from the first.
fn rosters() -> Vec<(&'static str, Roster)> {
    let name = |text: &str| text.parse().expect("a name");
    let base = roster();
    let mut left = base.clone();
    left.members.remove(&name("bank.us.example"));
    left.groups.clear();
    let mut moved = base.clone();
    moved.members.get_mut(&name("ngo.nl.example")).expect("a member").jurisdiction =
        "EU".parse().expect("a code");
    let mut regrouped = base.clone();
    regrouped.groups.insert("banks".to_owned(), [name("ngo.nl.example")].into());
    vec![("base", base), ("bank left", left), ("ngo moved to EU", moved), ("ngo is the group", regrouped)]
}

fn recipients() -> Vec<(&'static str, Recipient)> {
    let name = |text: &str| text.parse().expect("a name");
    let consumer = |member: &str, code: &str| Recipient::Consumer {
        member: name(member),
        jurisdiction: code.parse().expect("a code"),
    };
    vec![
        ("node police.th.example", Recipient::Node(name(MEMBER))),
        ("consumer police.th.example TH", consumer(MEMBER, "TH")),
        ("node ngo.nl.example", Recipient::Node(name("ngo.nl.example"))),
        ("staff ngo.nl.example", Recipient::Staff(name("ngo.nl.example"))),
        ("consumer ngo.nl.example DE", consumer("ngo.nl.example", "DE")),
        ("node bank.us.example", Recipient::Node(name("bank.us.example"))),
        ("consumer bank.us.example US", consumer("bank.us.example", "US")),
        ("node stranger.example", Recipient::Node(name("stranger.example"))),
        ("auditor", Recipient::Auditor),
        ("public", Recipient::Public),
    ]
}

/// TLP, to, not_to, the node that serves, the roster now and then.
type Case = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    &'static str,
    &'static str,
    &'static str,
);

/// `releases.json`.
pub(crate) fn releases() -> Value {
    let rosters = rosters();
    let roster_of = |name: &str| rosters.iter().find(|(known, _)| *known == name).map(|(_, roster)| roster);
    let cases: [Case; 24] = [
        ("CLEAR", &[], &[], MEMBER, "base", "base"),
        ("CLEAR", &[], &[], "ngo.nl.example", "base", "unknown"),
        ("GREEN", &[], &[], MEMBER, "base", "base"),
        ("GREEN", &[], &[], MEMBER, "base", "unknown"),
        ("GREEN", &[], &[], MEMBER, "bank left", "base"),
        ("GREEN", &[], &["jurisdiction:EU"], MEMBER, "base", "base"),
        ("GREEN", &[], &["jurisdiction:NL"], MEMBER, "ngo moved to EU", "ngo moved to EU"),
        ("GREEN", &[], &["jurisdiction:US"], MEMBER, "base", "base"),
        ("GREEN", &[], &["police.th.example"], MEMBER, "base", "base"),
        ("AMBER", &[], &[], MEMBER, "base", "base"),
        ("AMBER", &["police.th.example"], &[], MEMBER, "base", "base"),
        ("AMBER", &["ngo.nl.example", "group:banks"], &[], "ngo.nl.example", "base", "base"),
        ("AMBER", &["group:banks"], &[], MEMBER, "ngo is the group", "base"),
        ("AMBER", &["group:banks"], &["ngo.nl.example"], MEMBER, "ngo is the group", "ngo is the group"),
        ("AMBER", &["jurisdiction:EU"], &[], MEMBER, "base", "base"),
        ("AMBER", &["jurisdiction:EU"], &[], MEMBER, "ngo moved to EU", "base"),
        ("AMBER", &["jurisdiction:EU"], &[], MEMBER, "ngo moved to EU", "ngo moved to EU"),
        ("AMBER", &["jurisdiction:DE"], &[], MEMBER, "base", "base"),
        ("AMBER+STRICT", &["ngo.nl.example", "jurisdiction:US"], &[], MEMBER, "base", "base"),
        ("AMBER+STRICT", &["stranger.example"], &[], MEMBER, "base", "base"),
        ("RED", &["ngo.nl.example"], &[], MEMBER, "base", "base"),
        ("RED", &["ngo.nl.example"], &[], "bank.us.example", "base", "base"),
        ("RED", &["ngo.nl.example", "group:banks"], &[], MEMBER, "base", "base"),
        ("unknown", &["ngo.nl.example"], &[], MEMBER, "base", "base"),
    ];
    let cases: Vec<Value> = cases
        .into_iter()
        .map(|(tlp, to, not_to, server, now, then)| {
            let names = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("an audience")).collect();
            let release = Release { tlp: tlp.parse().ok(), pap: None, to: names(to), not_to: names(not_to) };
            let (origin, at) = (MEMBER.parse().expect("a name"), server.parse().expect("a name"));
            let rosters = Rosters { now: roster_of(now).expect("a roster"), then: roster_of(then) };
            let clear: Vec<&str> = recipients()
                .iter()
                .filter(|(_, recipient)| released(&release, &origin, &at, recipient, rosters) == Decision::Clear)
                .map(|(name, _)| *name)
                .collect();
            json!({"tlp": tlp, "to": to, "not_to": not_to, "server": server, "now": now, "then": then, "clear_to": clear})
        })
        .collect();
    json!({
        "description": "Release (docs/protocol.md, 'Release'): statements of police.th.example, the node that serves them, \
            the roster now and the one that the batch's header names ('unknown': the node does not have it), and to \
            whom of `recipients` they are in clear; from everybody else they are withheld. The rosters differ from \
            `base` (rosters.json, version 1) as their names say.",
        "origin": MEMBER,
        "rosters": rosters.iter().map(|(name, roster)| json!({
            "name": name,
            "members": roster.members.values()
                .map(|member| (member.name.to_string(), json!(member.jurisdiction.to_string())))
                .collect::<serde_json::Map<_, _>>(),
            "groups": roster.groups.iter()
                .map(|(group, members)| (group.clone(), members.iter().map(ToString::to_string).collect()))
                .collect::<serde_json::Map<_, _>>(),
        })).collect::<Value>(),
        "recipients": recipients().iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        "cases": cases,
    })
}
