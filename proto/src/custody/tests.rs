mod reports;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{
    keys::{PublicKey, SigningKey},
    merkle,
    roster::{CustodyRule, Roster, Segment},
    wire,
};

const ORIGIN: &str = "police.th";

/// Name, seat, and who else can compel it.
type Seat<'a> = (&'a str, &'a str, &'a [&'a str]);

/// Seven members in as many jurisdictions, the first of them the origin.
const SEVEN: [Seat<'static>; 7] = [
    (ORIGIN, "TH", &[]),
    ("ngo.nl", "NL", &[]),
    ("bank.us", "US", &[]),
    ("bank.sg", "SG", &[]),
    ("ngo.ke", "KE", &[]),
    ("inst.eu", "EU", &[]),
    ("un.int", "INT", &[]),
];

fn name(text: &str) -> MemberName {
    text.parse().expect("a name")
}

fn code(text: &str) -> Jurisdiction {
    text.parse().expect("a code")
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// The cosign key of member number n is `key(n)`.
fn roster(members: &[Seat<'_>]) -> Roster {
    let member = |(n, (text, seat, also)): (u8, &Seat<'_>)| Member {
        name: name(text),
        organisation_type: wire::OrganisationType::Other,
        jurisdiction: code(seat),
        also_subject_to: also.iter().map(|text| code(text)).collect(),
        segments: vec![Segment {
            from_size: 0,
            root: merkle::empty_root(),
            root_key: PublicKey([0; 32]),
            log_key: PublicKey([0; 32]),
        }],
        cosign_key: PublicKey::of(&key(n)),
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
        members: (1..).zip(members).map(member).map(|member| (member.name.clone(), member)).collect(),
        groups: BTreeMap::new(),
        quorum: 0,
        custody: CustodyRule { copies_amber: 3, copies_amber_strict: 1, cap_percent: 40 },
    }
}

fn to_all(tlp: &str, roster: &Roster) -> Release {
    let to = roster.members.keys().cloned().map(crate::release::Audience::Member).collect();
    Release { tlp: tlp.parse().ok(), pap: None, to, not_to: BTreeSet::new() }
}

fn leaf(n: u64) -> Hash {
    merkle::leaf_hash(&n.to_be_bytes())
}

/// Where an AMBER statement of [`ORIGIN`] to all members is kept.
fn place(n: u64, copies: u32, roster: &Roster) -> Placement {
    let (leaf, release, origin) = (leaf(n), to_all("AMBER", roster), name(ORIGIN));
    let rosters = Rosters { now: roster, then: Some(roster) };
    let item = Item { leaf: &leaf, release: &release, copies, origin: &origin, rosters };
    item.placement().expect("a number of copies")
}

/// What each member does, by name, with a statement of [`ORIGIN`].
fn check_keeps(roster: &Roster, tlp: &str, copies: u32, required: &[(&str, Keeping)]) {
    let (leaf, release, origin) = (leaf(1), to_all(tlp, roster), name(ORIGIN));
    let rosters = Rosters { now: roster, then: Some(roster) };
    let item = Item { leaf: &leaf, release: &release, copies, origin: &origin, rosters };
    for (member, keeping) in required {
        assert_eq!(item.keeps(&name(member)), *keeping, "TLP:{tlp}, {copies} copies, {member}");
    }
}

#[test]
fn without_a_number_of_copies_every_member_that_may_see_it_keeps_it() {
    use Keeping::{Keep, Nothing};
    let roster = roster(&SEVEN);
    for tlp in ["CLEAR", "GREEN", "AMBER", "AMBER+STRICT"] {
        check_keeps(
            &roster,
            tlp,
            0,
            &[(ORIGIN, Keep), ("ngo.nl", Keep), ("un.int", Keep), ("stranger", Nothing)],
        );
    }
    // RED has no copies to place: whoever it names has it from the origin, and keeps it.
    check_keeps(&roster, "RED", 0, &[(ORIGIN, Keep), ("ngo.nl", Keep), ("stranger", Nothing)]);
    // What is for the origin only is nobody else's to keep, whatever `copies` says.
    check_keeps(&roster, "unknown", 3, &[(ORIGIN, Keep), ("ngo.nl", Nothing)]);
}

#[test]
fn who_may_see_it_and_is_no_keeper_fetches_it() {
    let roster = roster(&SEVEN);
    let placement = place(1, 2, &roster);
    assert_eq!((placement.eligible, placement.shortfall(), placement.keepers.len()), (6, 0, 2));
    let keeping = |member: &str| {
        if member == ORIGIN || placement.keepers.contains(&name(member)) {
            Keeping::Keep
        } else {
            Keeping::Fetch
        }
    };
    check_keeps(&roster, "AMBER", 2, &SEVEN.map(|(member, ..)| (member, keeping(member))));
    check_keeps(&roster, "AMBER+STRICT", 2, &SEVEN.map(|(member, ..)| (member, keeping(member))));
}

#[test]
fn whoever_shares_a_jurisdiction_with_the_origin_keeps_no_copy() {
    use Keeping::{Fetch, Keep};
    let others: &[Seat<'_>] = &[
        ("bank.th", "TH", &[]),
        ("ngo.de", "DE", &["TH"]),
        ("bank.us", "US", &[]),
        ("ngo.sg", "SG", &["US"]),
        ("cert.nl", "NL", &[]),
        ("bank.nl", "NL", &["TH"]),
    ];
    let of_origin = |also| roster(&[&[(ORIGIN, "TH", also)], others].concat());
    // US, with SG, and NL; of NL not the bank, whose parent sits where the origin does.
    let roster = of_origin(&[]);
    let placement = place(1, 9, &roster);
    assert_eq!((placement.eligible, placement.shortfall()), (2, 7));
    check_keeps(
        &roster,
        "AMBER",
        9,
        &[("bank.th", Fetch), ("ngo.de", Fetch), ("cert.nl", Keep), ("bank.nl", Fetch)],
    );
    // An origin that is hosted in US has its copies elsewhere.
    let hosted = place(1, 9, &of_origin(&["US"]));
    assert_eq!((hosted.jurisdictions, hosted.keepers), (vec![code("NL")], [name("cert.nl")].into()));
}

#[test]
fn an_origin_that_left_is_replaced_by_one_more_copy() {
    let (then, now) = (roster(&SEVEN), roster(&SEVEN[1..]));
    let (release, origin) = (to_all("AMBER", &then), name(ORIGIN));
    for n in 0..200 {
        let leaf = leaf(n);
        let rosters = Rosters { now: &now, then: Some(&then) };
        let item = Item { leaf: &leaf, release: &release, copies: 2, origin: &origin, rosters };
        let (before, after) = (place(n, 2, &then), item.placement().expect("a number of copies"));
        assert_eq!((after.due, after.jurisdictions.len()), (3, 3));
        assert_eq!(before.jurisdictions, after.jurisdictions[..2], "who held it holds it");
    }
}

#[test]
fn shares_are_near_uniform() {
    let roster = roster(&SEVEN);
    let mut kept: BTreeMap<Jurisdiction, u32> = BTreeMap::new();
    for n in 0..20_000 {
        for code in place(n, 2, &roster).jurisdictions {
            *kept.entry(code).or_default() += 1;
        }
    }
    // 2 of 6: 6,667 each; five standard deviations are 334.
    assert_eq!(kept.len(), 6);
    assert!(kept.values().all(|count| count.abs_diff(6_667) < 334), "{kept:?}");
}

#[test]
fn a_parent_of_several_reaches_no_more_than_anybody_else() {
    // US can compel three of seven, one of them through a chain.
    let linked = roster(&[
        (ORIGIN, "TH", &[]),
        ("bank.us", "US", &[]),
        ("ngo.nl", "NL", &["US"]),
        ("bank.sg", "SG", &["NL"]),
        ("ngo.ke", "KE", &[]),
        ("ngo.br", "BR", &[]),
        ("ngo.jp", "JP", &[]),
    ]);
    let sphere = [code("US"), code("NL"), code("SG")];
    let mut kept: BTreeMap<Jurisdiction, u32> = BTreeMap::new();
    for n in 0..6_000 {
        let placement = place(n, 2, &linked);
        assert_eq!((placement.eligible, placement.jurisdictions.len()), (4, 2));
        let within: Vec<&Jurisdiction> =
            placement.jurisdictions.iter().filter(|code| sphere.contains(code)).collect();
        assert!(within.len() < 2, "{within:?}");
        placement.jurisdictions.into_iter().for_each(|code| *kept.entry(code).or_default() += 1);
    }
    // 2 of 4 places: 3,000 each, the three together as one, and 1,000 for each of them; deviations are 39 and 29.
    let together: u32 = sphere.iter().map(|code| kept[code]).sum();
    assert!(together.abs_diff(3_000) < 195, "{kept:?}");
    assert!(sphere.iter().all(|code| kept[code].abs_diff(1_000) < 145), "{kept:?}");
}

#[test]
fn removing_a_jurisdiction_moves_only_what_it_held() {
    let all = roster(&SEVEN);
    for gone in 1..SEVEN.len() {
        let fewer = roster(&[&SEVEN[..gone], &SEVEN[gone + 1..]].concat());
        let code = code(SEVEN[gone].1);
        for n in 0..300 {
            let (before, after) = (place(n, 3, &all).jurisdictions, place(n, 3, &fewer).jurisdictions);
            let stayed: Vec<Jurisdiction> = before.iter().copied().filter(|one| *one != code).collect();
            assert_eq!(after[..stayed.len()], stayed, "leaf {n} without {code}");
            assert_eq!(after.len(), 3);
        }
    }
}

#[test]
fn the_roster_says_what_an_author_writes_by_default() {
    let rule = roster(&SEVEN).custody;
    let copies = |tlp: &str| rule.copies(tlp.parse().expect("a marking"));
    assert_eq!(["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"].map(copies), [0, 0, 3, 1, 0]);
}

/// §9 read line by line, with texts and lists: everybody is sorted, then filtered.
fn oracle(item: &Item<'_>, member: &str) -> Keeping {
    let now: Vec<&Member> = item.rosters.now.members.values().collect();
    let may_see = |who: &MemberName| {
        let recipient = Recipient::Node(who.clone());
        released(item.release, item.origin, item.origin, &recipient, item.rosters) == Decision::Clear
    };
    if member == item.origin.as_str() {
        return Keeping::Keep;
    }
    if !now.iter().any(|one| one.name.as_str() == member) || !may_see(&name(member)) {
        return Keeping::Nothing;
    }
    match item.release.tlp {
        Some(Tlp::Clear | Tlp::Green) => return Keeping::Keep,
        Some(Tlp::Amber | Tlp::AmberStrict) if item.copies == 0 => return Keeping::Keep,
        Some(Tlp::Amber | Tlp::AmberStrict) => {}
        Some(Tlp::Red) => return Keeping::Keep,
        None => return Keeping::Fetch,
    }
    let reach = |one: &Member| -> Vec<String> {
        [&[one.jurisdiction], one.also_subject_to.as_slice()]
            .concat()
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    let alike = |a: &Member, b: &Member| reach(a).iter().any(|code| reach(b).contains(code));
    let origin = now.iter().find(|one| one.name == *item.origin);
    let mut left: Vec<&Member> = now.clone();
    left.retain(|one| one.name != *item.origin && may_see(&one.name));
    left.retain(|one| origin.is_none_or(|origin| !alike(one, origin)));
    // The number of the sphere of each, spread from neighbour to neighbour until nothing changes.
    let mut number: Vec<usize> = (0..left.len()).collect();
    for _ in 0..left.len() {
        for a in 0..left.len() {
            for b in 0..left.len() {
                if alike(left[a], left[b]) {
                    let least = number[a].min(number[b]);
                    (number[a], number[b]) = (least, least);
                }
            }
        }
    }
    let hash = |text: &str| sha256(&[item.leaf.as_ref(), text.as_bytes()]).to_string();
    let seats = |sphere: usize| {
        let within = number.iter().zip(&left).filter(|(number, _)| **number == sphere);
        let mut codes: Vec<String> = within.map(|(_, one)| one.jurisdiction.to_string()).collect();
        codes.sort();
        codes.dedup();
        codes
    };
    let mut spheres: Vec<Vec<String>> =
        (0..left.len()).map(seats).filter(|codes| !codes.is_empty()).collect();
    spheres.sort_by_key(|codes| hash(&codes.join(",")));
    spheres.truncate(item.copies as usize + usize::from(origin.is_none()));
    let seat = |codes: &Vec<String>| codes.iter().min_by_key(|code| hash(code)).cloned();
    let chosen: Vec<String> = spheres.iter().filter_map(seat).collect();
    let kept =
        left.iter().any(|one| one.name.as_str() == member && chosen.contains(&one.jurisdiction.to_string()));
    if kept { Keeping::Keep } else { Keeping::Fetch }
}

/// Members m0, m1, … with seats and who else can compel them; some are missing.
fn any_roster() -> impl Strategy<Value = Roster> {
    let codes = || prop::sample::select(vec!["TH", "NL", "US", "SG", "KE", "BR", "EU", "INT"]);
    let also = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(codes(), 1..3)];
    let member = prop::option::weighted(0.9, (codes(), also));
    prop::collection::vec(member, 10).prop_map(|members| {
        let names: Vec<String> = (0..members.len()).map(|n| format!("m{n}")).collect();
        let seats: Vec<Seat<'_>> = names
            .iter()
            .zip(&members)
            .filter_map(|(name, member)| {
                member.as_ref().map(|(seat, also)| (name.as_str(), *seat, also.as_slice()))
            })
            .collect();
        roster(&seats)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn everybody_does_what_a_dumb_reader_of_the_document_says(
        now in any_roster(),
        then in any_roster(),
        seed in any::<u64>(),
        copies in 0..5u32,
        tlp in prop::sample::select(vec!["CLEAR", "GREEN", "AMBER", "AMBER", "AMBER+STRICT", "RED", "?"]),
        not_to in prop::collection::vec(0..10usize, 0..3),
        origin in 0..10usize,
    ) {
        let mut release = to_all(tlp, &then);
        release.not_to = not_to.iter().map(|n| format!("m{n}").parse().expect("a name")).collect();
        let (leaf, origin) = (leaf(seed), name(&format!("m{origin}")));
        let item = Item { leaf: &leaf, release: &release, copies, origin: &origin, rosters: Rosters { now: &now, then: Some(&then) } };
        let mut keepers = BTreeSet::new();
        for n in 0..11 {
            let member = format!("m{n}");
            let keeping = item.keeps(&name(&member));
            prop_assert_eq!(keeping, oracle(&item, &member), "{}", member);
            if keeping == Keeping::Keep && name(&member) != origin {
                keepers.insert(name(&member));
            }
        }
        if let Some(placement) = item.placement() {
            prop_assert_eq!(&placement.keepers, &keepers);
            prop_assert_eq!(placement.jurisdictions.len(), placement.eligible.min(placement.due as usize));
            prop_assert_eq!(placement.shortfall() as usize + placement.jurisdictions.len(), placement.due as usize);
            // Nobody reaches copies in two places, and nobody both the origin and a copy.
            for a in &keepers {
                let a = &now.members[a];
                prop_assert!(now.members.get(&origin).is_none_or(|origin| !origin.shares_jurisdiction(a)));
                for b in &keepers {
                    let b = &now.members[b];
                    prop_assert!(a.jurisdiction == b.jurisdiction || !a.shares_jurisdiction(b));
                }
            }
        }
    }

    #[test]
    fn neither_names_nor_their_order_matter(now in any_roster(), seed in any::<u64>(), copies in 1..5u32) {
        let mut renamed = now.clone();
        renamed.members = now.members.values().zip((0..now.members.len()).rev()).map(|(member, n)| {
            let name = name(&format!("r{n}"));
            let also_subject_to = member.also_subject_to.iter().rev().copied().collect();
            (name.clone(), Member { name, also_subject_to, ..member.clone() })
        }).collect();
        let (before, after) = (place(seed, copies, &now), place(seed, copies, &renamed));
        prop_assert_eq!(before.jurisdictions, after.jurisdictions);
        prop_assert_eq!(before.keepers.len(), after.keepers.len());
    }
}
