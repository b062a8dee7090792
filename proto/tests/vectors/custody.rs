//! Who keeps a statement, what a member reports, and what reports add up to.

use std::collections::BTreeMap;

use almenara_proto::{
    custody::{CustodyOfLog, CustodyReport, Entrusted, Item, Keeping, VerifiedReport, misfits, shares},
    keys::Context,
    merkle::leaf_hash,
    name::MemberName,
    release::{Release, Rosters},
    roster::{Member, Roster},
    signed::Signed,
};
use prost::Message as _;
use serde_json::{Value, json};

use crate::world::{FEDERATION, MEMBER, NOW, hex, key, public, roster, roster_member};

/// Name, seat, who else can compel it; the cosign key's seed is 100 and its place in the list.
const MEMBERS: [(&str, &str, &[&str]); 8] = [
    (MEMBER, "TH", &[]),
    ("bank.th.example", "TH", &[]),
    ("bank.us.example", "US", &[]),
    ("cert.sg.example", "SG", &["US"]),
    ("ngo.de.example", "DE", &["TH"]),
    ("ngo.nl.example", "NL", &[]),
    ("office.int.example", "INT", &[]),
    ("platform.ke.example", "KE", &[]),
];

fn name(text: &str) -> MemberName {
    text.parse().expect("a name")
}

fn federation() -> Roster {
    let member = |(n, (text, seat, also)): (u8, &(&str, &str, &[&str]))| {
        let also_subject_to = also.iter().map(|code| code.parse().expect("a code")).collect();
        let organisation = almenara_proto::wire::OrganisationType::Other;
        let member = roster_member(text, seat, 40 + 3 * n, organisation);
        Member { also_subject_to, cosign_key: public(100 + n), ..member }
    };
    let members = (0..).zip(&MEMBERS).map(member).map(|member| (member.name.clone(), member)).collect();
    Roster { members, groups: BTreeMap::new(), ..roster() }
}

fn placements(roster: &Roster) -> Vec<Value> {
    let mut left = roster.clone();
    left.members.remove(&name(MEMBER));
    let cases = [
        (1, "AMBER", 0, false),
        (1, "AMBER", 1, false),
        (1, "AMBER", 2, false),
        (2, "AMBER", 2, false),
        (3, "AMBER+STRICT", 2, false),
        (4, "AMBER", 3, false),
        (5, "AMBER", 9, false),
        (2, "AMBER", 2, true),
        (1, "GREEN", 0, false),
        (1, "RED", 0, false),
    ];
    cases
        .into_iter()
        .map(|(n, tlp, copies, origin_left)| {
            let to = roster.members.keys().filter(|member| member.as_str() != "platform.ke.example");
            let to = to.map(|member| member.as_str().parse().expect("an audience")).collect();
            let release = Release { tlp: tlp.parse().ok(), pap: None, to, not_to: [].into() };
            let (leaf, origin) = (leaf_hash(&[n]), name(MEMBER));
            let now = if origin_left { &left } else { roster };
            let rosters = Rosters { now, then: Some(roster) };
            let item = Item { leaf: &leaf, release: &release, copies, origin: &origin, rosters };
            let does = |keeping| {
                let members = now.members.keys().filter(|member| item.keeps(member) == keeping);
                members.map(ToString::to_string).collect::<Vec<_>>()
            };
            let placement = item.placement();
            json!({
                "leaf": hex(leaf),
                "tlp": tlp,
                "copies": copies,
                "origin_left": origin_left,
                "jurisdictions": placement.as_ref()
                    .map(|placed| placed.jurisdictions.iter().map(ToString::to_string).collect::<Vec<_>>()),
                "eligible": placement.as_ref().map(|placed| placed.eligible),
                "shortfall": placement.as_ref().map(|placed| placed.shortfall()),
                "keep": does(Keeping::Keep),
                "fetch": does(Keeping::Fetch),
                "nothing": does(Keeping::Nothing),
            })
        })
        .collect()
}

fn report(
    n: u8,
    logs: &[(&str, u64, u64, u64)],
    entrusted: Option<Entrusted>,
) -> (u8, Signed<CustodyReport>) {
    let content = CustodyReport {
        federation: FEDERATION.to_owned(),
        member: name(MEMBERS[usize::from(n)].0),
        roster: 1,
        made_at: NOW + u64::from(n),
        logs: logs
            .iter()
            .map(|&(origin, size, held, of)| (name(origin), CustodyOfLog { size, held, of }))
            .collect(),
        entrusted,
    };
    (100 + n, Signed::sign(content, &key(100 + n)))
}

/// `custody.json`.
pub(crate) fn custody() -> Value {
    let roster = federation();
    let to = [("bank.us.example", 20), ("cert.sg.example", 35), ("office.int.example", 4)];
    let to = to.into_iter().map(|(member, leaves)| (name(member), leaves)).collect();
    let entrusted = Entrusted { size: 10, gone: 2, to };
    let reports = [
        report(0, &[], Some(entrusted)),
        report(2, &[(MEMBER, 10, 30, 100), ("ngo.nl.example", 4, 10, 20)], None),
        report(3, &[(MEMBER, 8, 35, 80), ("ngo.nl.example", 4, 9, 20)], None),
        report(4, &[(MEMBER, 10, 0, 100), ("ngo.nl.example", 4, 25, 25)], None),
        report(5, &[(MEMBER, 12, 20, 130)], None),
        report(6, &[(MEMBER, 10, 1, 100)], None),
    ];
    let heads = [(MEMBER, 8, 80), (MEMBER, 10, 100), ("ngo.nl.example", 4, 20)];
    let counted = |origin: &MemberName, size: u64| {
        heads.iter().find(|head| head.0 == origin.as_str() && head.1 == size).map(|head| head.2)
    };
    let verified: Vec<VerifiedReport> = reports
        .iter()
        .map(|(_, signed)| VerifiedReport::verify(signed.clone(), &roster).expect("a report"))
        .collect();
    let sum = shares(&verified, &roster, counted);
    json!({
        "description": "Custody (docs/protocol.md, 'Custody'). First: statements of police.th.example to all members but \
            platform.ke.example, the jurisdictions that keep a copy (lowest hash first; null when no number of copies \
            rules it), and what each member does. bank.th.example and ngo.de.example share TH with the origin; SG and \
            US count as one place, because US can compel cert.sg.example. Then custody reports, signed by cosign keys \
            over almenara/v1/custody-report, a zero byte, body; and what they add up to for a reader that counted \
            `counted` custodied leaves in each log's first `size` entries. The cap is 40 percent. Last, who says that it \
            keeps more or less than its origin entrusted to it.",
        "members": roster.members.values().map(|member| json!({
            "name": member.name.to_string(),
            "jurisdiction": member.jurisdiction.to_string(),
            "also_subject_to": member.also_subject_to.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "cosign_key": member.cosign_key.to_string(),
        })).collect::<Value>(),
        "statements": placements(&roster),
        "reports": reports.iter().map(|(seed, signed)| json!({
            "seed": hex([*seed; 32]),
            "context": Context::CustodyReport.as_str(),
            "member": signed.content.member.to_string(),
            "logs": signed.content.logs.iter().map(|(origin, log)| json!({
                "origin": origin.to_string(), "size": log.size, "held": log.held, "of": log.of,
            })).collect::<Value>(),
            "entrusted": signed.content.entrusted.as_ref().map(|own| json!({
                "size": own.size, "gone": own.gone,
                "to": own.to.iter().map(|(member, leaves)| json!({
                    "member": member.to_string(), "leaves": leaves,
                })).collect::<Value>(),
            })),
            "body": hex(&signed.body),
            "id": hex(signed.id()),
            "signature": hex(signed.signature),
            "signed": hex(signed.to_wire().encode_to_vec()),
        })).collect::<Value>(),
        "counted": heads.map(|(origin, size, counted)| json!({"origin": origin, "size": size, "counted": counted})),
        "shares": {
            "jurisdictions": sum.jurisdictions.iter().map(|(code, share)| (code.to_string(), json!({
                "at_least": share.at_least, "at_most": share.at_most, "of": share.of, "percent": share.percent(),
            }))).collect::<serde_json::Map<_, _>>(),
            "above_cap": sum.above_cap.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "silent_about_all": sum.silent.iter().filter(|silent| silent.origin.is_none())
                .map(|silent| silent.member.to_string()).collect::<Vec<_>>(),
            "differing": sum.differing.iter().map(|differs| json!({
                "member": differs.member.to_string(),
                "origin": differs.origin.to_string(),
                "said": differs.said.of,
                "counted": differs.counted,
                "overstates": differs.overstates(),
            })).collect::<Value>(),
        },
        "misfits": misfits(&verified, &roster).iter().map(|one| json!({
            "member": one.member.to_string(),
            "origin": one.origin.to_string(),
            "held": one.said.held,
            "entrusted": one.entrusted,
            "gone": one.gone,
            "keeps": if one.is_surplus() { "more" } else { "less" },
            "waits_for": one.waits_for.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })).collect::<Value>(),
    })
}
