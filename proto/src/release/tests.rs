use std::collections::BTreeMap;

use super::*;
use crate::{
    keys::PublicKey,
    merkle,
    roster::{CustodyRule, Member, Segment},
};

/// A roster as the oracle sees it: members with their jurisdictions, and groups.
type Plain = (&'static [(&'static str, &'static str)], &'static [(&'static str, &'static [&'static str])]);

const ORIGIN: &str = "police.th";
const BASE: Plain = (
    &[("police.th", "TH"), ("ngo.de", "DE"), ("inst.eu", "EU"), ("bank.us", "US"), ("un.int", "INT")],
    &[("banks", &["bank.us", "ngo.de"])],
);
/// ngo.de left.
const LEFT: Plain = (
    &[("police.th", "TH"), ("inst.eu", "EU"), ("bank.us", "US"), ("un.int", "INT")],
    &[("banks", &["bank.us"])],
);
/// The group has other members.
const REGROUPED: Plain = (BASE.0, &[("banks", &["inst.eu"])]);
/// ngo.de and bank.us changed places.
const MOVED: Plain = (
    &[("police.th", "TH"), ("ngo.de", "US"), ("inst.eu", "EU"), ("bank.us", "FR"), ("un.int", "INT")],
    BASE.1,
);

fn name(text: &str) -> MemberName {
    text.parse().expect("a name")
}

pub(crate) fn roster((members, groups): Plain) -> Roster {
    let member = |&(text, code): &(&str, &str)| Member {
        name: name(text),
        organisation_type: wire::OrganisationType::Other,
        jurisdiction: code.parse().expect("a code"),
        also_subject_to: Vec::new(),
        segments: vec![Segment {
            from_size: 0,
            root: merkle::empty_root(),
            root_key: PublicKey([0; 32]),
            log_key: PublicKey([0; 32]),
        }],
        cosign_key: PublicKey([0; 32]),
        tls_ca: Vec::new(),
        grpc: String::new(),
        https: String::new(),
        contact: String::new(),
    };
    Roster {
        federation: "scamwatch.example".into(),
        version: 1,
        expires_at: 0,
        previous: None,
        members: members.iter().map(member).map(|member| (member.name.clone(), member)).collect(),
        groups: groups
            .iter()
            .map(|(group, names)| ((*group).to_owned(), names.iter().map(|text| name(text)).collect()))
            .collect::<BTreeMap<_, _>>(),
        quorum: 0,
        custody: CustodyRule::default(),
    }
}

/// Who asks, as the oracle sees it: what sort, which member, whose jurisdiction.
type Asker<'a> = (&'a str, &'a str, &'a str);

fn recipient((sort, member, code): Asker<'_>) -> Recipient {
    match sort {
        "node" => Recipient::Node(name(member)),
        "staff" => Recipient::Staff(name(member)),
        "consumer" => {
            Recipient::Consumer { member: name(member), jurisdiction: code.parse().expect("a code") }
        }
        "auditor" => Recipient::Auditor,
        _ => Recipient::Public,
    }
}

struct Case<'a> {
    tlp: &'a str,
    to: &'a [&'a str],
    not_to: &'a [&'a str],
    server: &'a str,
    asker: Asker<'a>,
    now: Plain,
    then: Option<Plain>,
}

/// PROTOCOL.md §8 read line by line, with texts and lists.
fn oracle(case: &Case<'_>) -> bool {
    let (sort, member, code) = case.asker;
    let seat = |roster: Plain| roster.0.iter().find(|(name, _)| *name == member).map(|(_, code)| *code);
    let grouped = |roster: Plain, group: &str| {
        roster.1.iter().any(|(name, members)| *name == group && members.contains(&member))
    };
    // "CLEAR: everyone, public HTTPS feeds included."
    if case.tlp == "CLEAR" {
        return true;
    }
    // "The origin always sees its own": its node and its people.
    if member == ORIGIN && (sort == "node" || sort == "staff") {
        return true;
    }
    // "An unknown TLP: origin only." Everything else is for members, and needs both rosters.
    let Some(then) = case.then else { return false };
    if case.tlp == "?" || sort == "auditor" || sort == "public" || seat(case.now).is_none() {
        return false;
    }
    // "`not_to` always wins, matches a consumer by its own jurisdiction or its member's; EU and its states match
    // each other; matching at either version is enough."
    let alike = |a: &str, b: &str| {
        let state = |code: &str| code == "DE" || code == "FR";
        a == b || (a == "EU" && state(b)) || (b == "EU" && state(a))
    };
    for roster in [case.now, then] {
        for name in case.not_to {
            let hit = match name.split_once(':') {
                Some(("group", group)) => grouped(roster, group),
                Some((_, named)) => {
                    seat(roster).is_some_and(|seat| alike(named, seat))
                        || (sort == "consumer" && alike(named, code))
                }
                None => *name == member,
            };
            if hit {
                return false;
            }
        }
    }
    // "`to` matches by the member only, exactly, both then and now."
    let named = [case.now, then].into_iter().all(|roster| {
        seat(roster).is_some()
            && case.to.iter().any(|name| match name.split_once(':') {
                Some(("group", group)) => grouped(roster, group),
                Some((_, named)) => seat(roster) == Some(named),
                None => *name == member,
            })
    });
    match case.tlp {
        "GREEN" => true,
        "AMBER" => named,
        "AMBER+STRICT" => named && sort != "consumer",
        // "Member nodes named one by one, by the origin itself; never relayed."
        _ => {
            named && sort == "node" && case.server == ORIGIN && !case.to.iter().any(|name| name.contains(':'))
        }
    }
}

fn release(case: &Case<'_>) -> Release {
    let names = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("an audience")).collect();
    Release { tlp: case.tlp.parse().ok(), pap: None, to: names(case.to), not_to: names(case.not_to) }
}

#[test]
fn release_is_what_the_protocol_says_in_every_case() {
    let tlps = ["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED", "?"];
    let to: [&[&str]; 10] = [
        &[],
        &["ngo.de"],
        &["ngo.de", "bank.us"],
        &["police.th"],
        &["group:banks"],
        &["group:nobody"],
        &["jurisdiction:DE"],
        &["jurisdiction:EU"],
        &["jurisdiction:US", "ngo.de"],
        &["jurisdiction:TH", "jurisdiction:FR", "jurisdiction:INT"],
    ];
    let not_to: [&[&str]; 8] = [
        &[],
        &["ngo.de"],
        &["police.th"],
        &["group:banks"],
        &["jurisdiction:DE"],
        &["jurisdiction:EU"],
        &["jurisdiction:US"],
        &["jurisdiction:TH", "bank.us"],
    ];
    let askers: [Asker<'_>; 19] = [
        ("node", "police.th", ""),
        ("staff", "police.th", ""),
        ("consumer", "police.th", "TH"),
        ("consumer", "police.th", "DE"),
        ("node", "ngo.de", ""),
        ("staff", "ngo.de", ""),
        ("consumer", "ngo.de", "DE"),
        ("consumer", "ngo.de", "US"),
        ("consumer", "ngo.de", "EU"),
        ("node", "inst.eu", ""),
        ("consumer", "inst.eu", "EU"),
        ("node", "bank.us", ""),
        ("staff", "bank.us", ""),
        ("consumer", "bank.us", "US"),
        ("consumer", "bank.us", "FR"),
        ("node", "un.int", ""),
        ("node", "stranger.de", ""),
        ("auditor", "", ""),
        ("public", "", ""),
    ];
    let plain = [BASE, LEFT, REGROUPED, MOVED];
    let rosters = plain.map(roster);
    let pairs = || plain.iter().zip(&rosters);
    let recipients = askers.map(recipient);
    let (mut clear, mut withheld) = (0, 0);
    let products = tlps.len() * to.len() * not_to.len();
    for product in 0..products {
        let tlp = tlps[product % tlps.len()];
        let (to, not_to) = (to[product / tlps.len() % to.len()], not_to[product / tlps.len() / to.len()]);
        let case = Case { tlp, to, not_to, server: ORIGIN, asker: askers[0], now: BASE, then: None };
        let release = release(&case);
        for ((asker, recipient), server) in
            askers.iter().zip(&recipients).flat_map(|asker| [(asker, ORIGIN), (asker, "bank.us")])
        {
            let (origin, at) = (name(ORIGIN), name(server));
            for (now, roster_now) in pairs() {
                for then in pairs().map(Some).chain([None]) {
                    let rosters = Rosters { now: roster_now, then: then.map(|(_, roster)| roster) };
                    let decision = released(&release, &origin, &at, recipient, rosters);
                    let case = Case {
                        server,
                        asker: *asker,
                        now: *now,
                        then: then.map(|(plain, _)| *plain),
                        ..case
                    };
                    let expected = oracle(&case);
                    assert_eq!(
                        decision == Decision::Clear,
                        expected,
                        "{tlp} to {to:?} not to {not_to:?}, {asker:?} at {server}, now {now:?}, then {:?}",
                        case.then
                    );
                    let passed = Released::pass((), &release, &origin, &at, recipient, rosters);
                    assert_eq!(passed.is_some(), expected);
                    if expected { clear += 1 } else { withheld += 1 }
                }
            }
        }
    }
    assert!(
        clear > 50_000 && withheld > 50_000,
        "{clear} in clear, {withheld} withheld: the product lost its variety"
    );
}

/// By hand, for those who read tests before specifications.
fn check(tlp: &str, to: &[&str], not_to: &[&str], asker: Asker<'_>, clear: bool) {
    let case = Case { tlp, to, not_to, server: "bank.us", asker, now: BASE, then: Some(BASE) };
    let base = roster(BASE);
    let rosters = Rosters { now: &base, then: Some(&base) };
    let decision = released(&release(&case), &name(ORIGIN), &name("bank.us"), &recipient(asker), rosters);
    assert_eq!(decision == Decision::Clear, clear, "{tlp} to {to:?} not to {not_to:?} for {asker:?}");
    assert_eq!(oracle(&case), clear);
}

#[test]
fn a_reader_of_this_test_can_check_the_table() {
    check("CLEAR", &[], &[], ("public", "", ""), true);
    check("GREEN", &[], &[], ("public", "", ""), false);
    check("GREEN", &[], &[], ("consumer", "bank.us", "US"), true);
    check("GREEN", &[], &["jurisdiction:EU"], ("consumer", "bank.us", "FR"), false);
    check("GREEN", &[], &["jurisdiction:FR"], ("node", "inst.eu", ""), false);
    check("GREEN", &[], &["jurisdiction:FR"], ("node", "ngo.de", ""), true);
    check("AMBER", &["jurisdiction:EU"], &[], ("node", "ngo.de", ""), false);
    check("AMBER", &["jurisdiction:DE"], &[], ("consumer", "ngo.de", "US"), true);
    check("AMBER", &["jurisdiction:US"], &[], ("consumer", "ngo.de", "US"), false);
    check("AMBER", &[], &[], ("consumer", "police.th", "TH"), false);
    check("AMBER", &[], &[], ("staff", "police.th", ""), true);
    check("AMBER", &["group:banks"], &["bank.us"], ("node", "bank.us", ""), false);
    check("AMBER+STRICT", &["ngo.de"], &[], ("staff", "ngo.de", ""), true);
    check("AMBER+STRICT", &["ngo.de"], &[], ("consumer", "ngo.de", "DE"), false);
    check("RED", &["ngo.de"], &[], ("node", "ngo.de", ""), false); // relayed
    check("?", &["ngo.de"], &[], ("node", "ngo.de", ""), false);
    check("?", &[], &["police.th"], ("node", "police.th", ""), true);
}

#[test]
fn a_marking_has_one_name_and_old_ones_are_understood() {
    for text in ["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"] {
        assert_eq!(text.parse::<Tlp>().map(Tlp::as_str), Ok(text));
        assert_eq!(format!("tlp:{}", text.to_lowercase()).parse::<Tlp>().map(Tlp::as_str), Ok(text));
    }
    assert_eq!("TLP:WHITE".parse(), Ok(Tlp::Clear));
    assert!("ORANGE".parse::<Tlp>().is_err());
    for text in ["CLEAR", "GREEN", "AMBER", "RED"] {
        assert_eq!(text.parse::<Pap>().map(Pap::as_str), Ok(text));
    }
    assert_eq!("pap:white".parse(), Ok(Pap::Clear));
    assert!("AMBER+STRICT".parse::<Pap>().is_err());
}

#[test]
fn an_audience_has_one_spelling() {
    let check = |text: &str, good: bool| {
        let parsed = text.parse::<Audience>().ok().map(|audience| audience.to_string());
        assert_eq!(parsed, good.then(|| text.to_owned()), "{text:?}");
    };
    check("ngo.example", true);
    check("group:banks", true);
    check("jurisdiction:TH", true);
    check("jurisdiction:EU", true);
    check("jurisdiction:INT", true);
    check("jurisdiction:th", false);
    check("group:", false);
    check("group:a:b", false);
    check("team:x", false);
    check("ngo.example/desk", false);
    check("", false);
    check(" ngo.example", false);
}
