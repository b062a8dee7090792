//! What statements add up to.

use almenara_proto::{
    indicator::Kind,
    merkle::Hash,
    statement::{Basis, Category, Claim, Dispute, DisputeReason, Report, Statement},
    verdict::{Evidence, Policy, Standing, verdict},
};
use serde_json::{Value, json};

use crate::{
    batches::report,
    world::{DAY, NOW},
};

/// One piece: member, desk, jurisdiction, entry, and the claim with its standing.
#[derive(Clone)]
struct Piece {
    member: &'static str,
    desk: &'static str,
    jurisdiction: &'static str,
    entry: u64,
    statement: Statement,
    standing: Standing,
}

fn said(
    member: &'static str,
    jurisdiction: &'static str,
    entry: u64,
    change: impl FnOnce(&mut Report),
) -> Piece {
    let mut said = Report::new(Kind::Domain, Category::PHISHING, NOW);
    said.valid_until = NOW + 100 * DAY;
    said.confidence = Some(80);
    change(&mut said);
    let statement = Statement { claim: Claim::Report(said), ..report(1) };
    Piece { member, desk: "desk", jurisdiction, entry, statement, standing: Standing::default() }
}

fn disputed(member: &'static str, entry: u64, target: &str) -> Piece {
    let claim = Dispute {
        target: target.parse().expect("an address"),
        id: Hash([0; 32]),
        reason: DisputeReason::FalsePositive,
        description: String::new(),
        references: Vec::new(),
    };
    let statement = Statement { claim: Claim::Dispute(claim), ..report(1) };
    Piece { statement, ..said(member, "NL", entry, |_| {}) }
}

fn with(mut piece: Piece, change: impl FnOnce(&mut Piece)) -> Piece {
    change(&mut piece);
    piece
}

fn shown(piece: &Piece) -> Value {
    let mut shown = json!({
        "address": format!("{}:{}.0", piece.member, piece.entry),
        "publisher": format!("{}/{}", piece.member, piece.desk),
        "jurisdiction": piece.jurisdiction,
        "withdrawn": piece.standing.withdrawn,
        "cut": piece.standing.cut,
        "pending": piece.standing.pending,
    });
    match &piece.statement.claim {
        Claim::Report(report) => {
            shown["report"] = json!({
                "confidence": report.confidence,
                "basis": if report.basis == Basis::Observed { "observed" } else { "imported" },
                "made_at": piece.statement.made_at,
                "last_seen": report.last_seen,
                "valid_until": report.valid_until,
                "categories": report.categories.iter().map(|category| category.number()).collect::<Vec<_>>(),
            });
        }
        Claim::Dispute(dispute) => shown["disputes"] = json!(dispute.target.to_string()),
        Claim::Sighting(_) => {}
    }
    shown
}

fn case(name: &str, pieces: &[Piece], policy: &Policy, now: u64) -> Value {
    let publishers: Vec<String> =
        pieces.iter().map(|piece| format!("{}/{}", piece.member, piece.desk)).collect();
    let evidence: Vec<Evidence<'_>> = pieces
        .iter()
        .zip(&publishers)
        .map(|(piece, publisher)| Evidence {
            address: format!("{}:{}.0", piece.member, piece.entry).parse().expect("an address"),
            publisher,
            jurisdiction: piece.jurisdiction.parse().ok(),
            statement: &piece.statement,
            standing: piece.standing,
        })
        .collect();
    let verdict = verdict(&evidence, policy, now);
    json!({
        "name": name,
        "now": now,
        "policy": {
            "categories": policy.categories.iter().map(|category| category.number()).collect::<Vec<_>>(),
            "minimum_score": policy.minimum_score,
            "minimum_corroboration": policy.minimum_corroboration,
            "ignored": policy.ignored,
            "pending_allowed": policy.pending_allowed,
        },
        "evidence": pieces.iter().map(shown).collect::<Value>(),
        "listed": verdict.listed,
        "score": verdict.score,
        "corroboration": verdict.corroboration,
        "changes_on": verdict.changes_on,
        "counted": verdict.counted.iter().map(|counted| counted.as_str()).collect::<Vec<_>>(),
    })
}

/// `verdicts.json`.
pub(crate) fn verdicts() -> Value {
    let open = Policy::default();
    let one = || said("a.example", "TH", 1, |_| {});
    let two = || said("b.example", "NL", 1, |_| {});
    let later = |days: u64| NOW + days * DAY;
    let second =
        |change: &dyn Fn(&mut Piece)| with(said("a.example", "TH", 2, |_| {}), |piece| change(piece));
    let dispute = |member| disputed(member, 7, "a.example:1.0");
    let cases = vec![
        case("nothing", &[], &open, NOW),
        case("one report", &[one()], &open, NOW),
        case("confidence unset is 50", &[said("a.example", "TH", 1, |r| r.confidence = None)], &open, NOW),
        case(
            "confidence 0 is not unset, and a score of 0 is not listed",
            &[said("a.example", "TH", 1, |r| r.confidence = Some(0))],
            &open,
            NOW,
        ),
        case(
            "confidence 7 after 33 days",
            &[said("a.example", "TH", 1, |r| r.confidence = Some(7))],
            &open,
            later(33),
        ),
        case("it fades: one day", &[one()], &open, later(1)),
        case("it fades: half of the time", &[one()], &open, later(50)),
        case("it fades: the last day", &[one()], &open, later(100)),
        case("it expired", &[one()], &open, later(101)),
        case(
            "last_seen unset: made_at stands for it",
            &[said("a.example", "TH", 1, |r| r.last_seen = 0)],
            &open,
            later(50),
        ),
        case("seen tomorrow", &[said("a.example", "TH", 1, |r| r.last_seen = later(1))], &open, NOW),
        case(
            "seen the day after tomorrow",
            &[said("a.example", "TH", 1, |r| r.last_seen = later(2))],
            &open,
            NOW,
        ),
        case(
            "valid until the day it was seen",
            &[said("a.example", "TH", 1, |r| r.valid_until = NOW + 60)],
            &open,
            NOW,
        ),
        case("two members in two jurisdictions", &[one(), two()], &open, NOW),
        case("two members in one jurisdiction", &[one(), said("b.example", "TH", 1, |_| {})], &open, NOW),
        case("INT never corroborates", &[one(), said("b.example", "INT", 1, |_| {})], &open, NOW),
        case(
            "an import does not corroborate",
            &[one(), said("b.example", "NL", 1, |r| r.basis = Basis::Imported("list".into()))],
            &open,
            NOW,
        ),
        case(
            "two desks of one member: the stronger counts",
            &[said("a.example", "TH", 1, |r| r.confidence = Some(30)), second(&|p| p.desk = "other")],
            &open,
            NOW,
        ),
        case("one dispute", &[one(), dispute("b.example")], &open, NOW),
        case(
            "four disputes count as three",
            &[one(), dispute("b.example"), dispute("c.example"), dispute("d.example"), dispute("e.example")],
            &open,
            NOW,
        ),
        case(
            "two disputes of one member count as one, its own member's as none",
            &[one(), dispute("b.example"), disputed("b.example", 8, "a.example:1.0"), dispute("a.example")],
            &open,
            NOW,
        ),
        case(
            "a withdrawn dispute",
            &[one(), with(dispute("b.example"), |p| p.standing.withdrawn = true)],
            &open,
            NOW,
        ),
        case("a dispute of another report", &[one(), disputed("b.example", 7, "a.example:9.0")], &open, NOW),
        case("the latest report of a publisher is the current one", &[one(), second(&|_| {})], &open, NOW),
        case(
            "the latest one is withdrawn: the one before stays superseded",
            &[one(), second(&|p| p.standing.withdrawn = true)],
            &open,
            NOW,
        ),
        case(
            "the latest one is beyond its key's cut: it was never said",
            &[one(), second(&|p| p.standing.cut = true)],
            &open,
            NOW,
        ),
        case(
            "the latest one is pending: no input yet",
            &[one(), second(&|p| p.standing.pending = true)],
            &open,
            NOW,
        ),
        case(
            "the latest one is pending and withdrawn: the withdrawal counts at once",
            &[one(), second(&|p| p.standing = Standing { pending: true, withdrawn: true, cut: false })],
            &open,
            NOW,
        ),
        case(
            "the earlier one is withdrawn",
            &[with(one(), |p| p.standing.withdrawn = true), second(&|_| {})],
            &open,
            NOW,
        ),
        case(
            "pending allowed",
            &[with(one(), |p| p.standing.pending = true)],
            &Policy { pending_allowed: true, ..open.clone() },
            NOW,
        ),
        case("the score is too low", &[one()], &Policy { minimum_score: 81, ..open.clone() }, NOW),
        case("corroboration is too low", &[one()], &Policy { minimum_corroboration: 2, ..open.clone() }, NOW),
        case(
            "a member is ignored",
            &[one(), two()],
            &Policy { ignored: ["a.example".to_owned()].into(), ..open.clone() },
            NOW,
        ),
        case(
            "a publisher is ignored",
            &[one(), two()],
            &Policy { ignored: ["b.example/desk".to_owned()].into(), ..open.clone() },
            NOW,
        ),
        case(
            "another category is wanted",
            &[one()],
            &Policy { categories: [Category::RANSOM_PAYMENT].into(), ..open.clone() },
            NOW,
        ),
    ];
    json!({
        "description": "Verdicts (docs/protocol.md, 'Verdict') on one domain: the evidence that a reader may see, its \
            policy and the time, and what it adds up to. Score is to the nearest percent; changes_on is a day since 1970, or null; \
            `counted` says for each piece whether it counted or why not.",
        "cases": cases,
    })
}
