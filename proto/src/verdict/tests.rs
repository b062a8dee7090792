use proptest::prelude::*;

use super::*;
use crate::{
    indicator::Indicator,
    merkle::Hash,
    release::Release,
    statement::{Dispute, DisputeReason, Report, Ruleset},
};

/// Day 20,000 since 1970, some seconds in.
const NOW: u64 = 20_000 * DAY + 4_711;

/// One piece of evidence, owned.
#[derive(Clone, Debug)]
struct Piece {
    address: Address,
    publisher: String,
    jurisdiction: Option<Jurisdiction>,
    statement: Statement,
    standing: Standing,
}

fn address(member: &str, entry: u64) -> Address {
    format!("{member}.example:{entry}.0").parse().expect("an address")
}

fn statement(claim: Claim) -> Statement {
    Statement {
        nonce: [0; 16],
        indicator: Indicator::new(Kind::Domain, "scam.example").expect("a domain"),
        made_at: NOW,
        ruleset: Ruleset::default(),
        release: Release::clear(),
        copies: 0,
        claim,
    }
}

fn piece(member: &str, code: &str, entry: u64, claim: Claim) -> Piece {
    Piece {
        address: address(member, entry),
        publisher: format!("{member}.example/desk"),
        jurisdiction: code.parse().ok(),
        statement: statement(claim),
        standing: Standing::default(),
    }
}

/// Seen today, valid for 100 days, of that confidence.
fn said(confidence: Option<u8>) -> Report {
    Report { confidence, valid_until: NOW + 100 * DAY, ..Report::new(Kind::Domain, Category::PHISHING, NOW) }
}

fn report(member: &str, code: &str, entry: u64, confidence: u8) -> Piece {
    piece(member, code, entry, Claim::Report(said(Some(confidence))))
}

fn dispute(member: &str, entry: u64, target: Address) -> Piece {
    let reason = DisputeReason::FalsePositive;
    let claim =
        Dispute { target, id: Hash([0; 32]), reason, description: String::new(), references: Vec::new() };
    piece(member, "NL", entry, Claim::Dispute(claim))
}

fn judge(pieces: &[Piece], policy: &Policy, now: u64) -> Verdict {
    let evidence: Vec<Evidence<'_>> = pieces
        .iter()
        .map(|piece| Evidence {
            address: piece.address.clone(),
            publisher: &piece.publisher,
            jurisdiction: piece.jurisdiction,
            statement: &piece.statement,
            standing: piece.standing,
        })
        .collect();
    verdict(&evidence, policy, now)
}

fn changed(mut piece: Piece, change: impl FnOnce(&mut Piece)) -> Piece {
    change(&mut piece);
    piece
}

fn changed_report(piece: Piece, change: impl FnOnce(&mut Report)) -> Piece {
    changed(piece, |piece| match &mut piece.statement.claim {
        Claim::Report(report) => change(report),
        other => panic!("{other:?}"),
    })
}

/// The score in percent, today, with an open policy.
fn check(pieces: &[Piece], score: u32) {
    assert_eq!(judge(pieces, &Policy::default(), NOW).score, score);
}

fn counted(pieces: &[Piece]) -> Vec<&'static str> {
    judge(pieces, &Policy::default(), NOW).counted.into_iter().map(Counted::as_str).collect()
}

#[test]
fn a_chain_of_disputes_ten_thousand_deep_is_judged_at_once() {
    // Each disputes the one before it; only the first is of a report, and disputes of disputes weigh nothing.
    let mut pieces = vec![report("a", "TH", 0, 100)];
    for entry in 1..=10_000 {
        let target = address(if entry == 1 { "a" } else { "b" }, entry - 1);
        pieces.push(dispute("b", entry, target));
    }
    check(&pieces, 60);
    pieces.reverse();
    check(&pieces, 60);
}

#[test]
fn scores_that_were_computed_by_hand() {
    check(&[], 0);
    check(&[report("a", "TH", 1, 100)], 100);
    check(&[report("a", "TH", 1, 1)], 1); // w = 655 of 65,536
    check(&[report("a", "TH", 1, 80)], 80); // w = 52,428: 79.998…
    check(&[piece("a", "TH", 1, Claim::Report(said(None)))], 50); // unset means 50
    check(&[report("a", "TH", 1, 0)], 0); // zero is not unset
    // 1 − ½ · ½
    check(&[report("a", "TH", 1, 50), report("b", "NL", 1, 50)], 75);
    // w = 52,428; miss = ⌊65,536 · 13,108 / 65,536⌋ = 13,108, then ⌊13,108 · 13,108 / 65,536⌋ = 2,621.
    check(&[report("a", "TH", 1, 80), report("b", "NL", 1, 80)], 96);
}

#[test]
fn a_report_fades_to_half_until_it_expires() {
    let at = |days: u64| judge(&[report("a", "TH", 1, 100)], &Policy::default(), NOW + days * DAY);
    assert_eq!(at(0).score, 100);
    assert_eq!(at(1).score, 99); // 32,768 + ⌊32,768 · 99 / 100⌋ = 65,208
    assert_eq!(at(50).score, 75);
    assert_eq!(at(100).score, 50);
    assert_eq!((at(101).score, at(101).listed, at(101).counted), (0, false, vec![Counted::Expired]));
    assert_eq!(at(40).changes_on, Some(20_041));
    assert_eq!(at(100).changes_on, Some(20_101), "it may leave by itself on the day after valid_until");
    assert_eq!(at(101).changes_on, None);
}

#[test]
fn a_report_that_does_not_say_when_it_was_seen_fades_from_when_it_was_made() {
    let unsaid = changed_report(report("a", "TH", 1, 100), |report| report.last_seen = 0);
    check(std::slice::from_ref(&unsaid), 100);
    assert_eq!(judge(&[unsaid], &Policy::default(), NOW + 50 * DAY).score, 75);
}

#[test]
fn a_report_that_ends_on_the_day_it_was_seen_does_not_fade() {
    let short = changed_report(report("a", "TH", 1, 100), |report| report.valid_until = NOW + 60);
    check(std::slice::from_ref(&short), 100);
    assert_eq!(judge(&[short], &Policy::default(), NOW).changes_on, Some(20_001));
}

#[test]
fn a_report_of_the_day_after_tomorrow_waits() {
    let ahead = |days: u64| {
        let ahead = changed_report(report("a", "TH", 1, 100), |report| {
            report.last_seen = NOW + days * DAY;
            report.valid_until = NOW + 100 * DAY;
        });
        judge(&[ahead], &Policy::default(), NOW)
    };
    assert_eq!((ahead(1).score, ahead(1).changes_on), (100, Some(20_002)));
    assert_eq!(
        (ahead(2).score, ahead(2).counted, ahead(2).changes_on),
        (0, vec![Counted::Future], Some(20_001))
    );
    assert_eq!(ahead(9).changes_on, Some(20_008));
    // Without last_seen the day it was made stands for it.
    let made = changed(report("a", "TH", 1, 100), |piece| piece.statement.made_at = NOW + 9 * DAY);
    let made = changed_report(made, |report| report.last_seen = 0);
    assert_eq!(counted(&[made]), ["future"]);
}

#[test]
fn three_members_disputes_count_and_a_fourth_does_not() {
    let target = address("a", 1);
    let with = |count: usize| {
        let mut pieces = vec![report("a", "TH", 1, 100)];
        pieces
            .extend(["b", "c", "d", "e"].iter().take(count).map(|member| dispute(member, 9, target.clone())));
        pieces
    };
    check(&with(0), 100);
    check(&with(1), 60); // ⌊3 · 65,536 / 5⌋ = 39,321
    check(&with(2), 36); // 23,592
    check(&with(3), 22); // 14,155: 21.599…
    check(&with(4), 22);
}

#[test]
fn a_dispute_counts_once_for_each_other_member_while_it_is_live() {
    let target = address("a", 1);
    let with = |disputes: &[Piece]| [&[report("a", "TH", 1, 100)], disputes].concat();
    check(&with(&[dispute("b", 1, target.clone()), dispute("b", 2, target.clone())]), 60);
    check(&with(&[dispute("a", 2, target.clone())]), 100); // its own member
    check(&with(&[dispute("b", 1, address("a", 2))]), 100); // another report
    let but = |change: &dyn Fn(&mut Standing)| {
        with(&[changed(dispute("b", 1, target.clone()), |piece| change(&mut piece.standing))])
    };
    check(&but(&|standing| standing.withdrawn = true), 100);
    check(&but(&|standing| standing.cut = true), 100);
    check(&but(&|standing| standing.pending = true), 100);
    let ignoring = Policy { ignored: ["b.example".to_owned()].into(), ..Policy::default() };
    assert_eq!(judge(&with(&[dispute("b", 1, target.clone())]), &ignoring, NOW).score, 100);
    let pending = Policy { pending_allowed: true, ..Policy::default() };
    assert_eq!(judge(&but(&|standing| standing.pending = true), &pending, NOW).score, 60);
    assert_eq!(counted(&with(&[dispute("b", 1, target)])), ["counted", "not_a_report"]);
}

#[test]
fn twenty_publishers_of_one_member_are_one_voice() {
    let pieces: Vec<Piece> = (0..20)
        .map(|n| changed(report("a", "TH", n, 50), |piece| piece.publisher = format!("a.example/desk{n}")))
        .collect();
    let verdict = judge(&pieces, &Policy::default(), NOW);
    assert_eq!((verdict.score, verdict.corroboration), (50, 1));
    assert_eq!(verdict.counted[19], Counted::Yes, "of equal ones the latest");
    assert!(verdict.counted[..19].iter().all(|counted| *counted == Counted::WeakerOfSameMember));
}

#[test]
fn of_one_member_the_strongest_report_counts() {
    let desk = |n: u64, confidence| {
        changed(report("a", "TH", n, confidence), |piece| piece.publisher = format!("a.example/desk{n}"))
    };
    let pieces = [desk(1, 30), desk(2, 70), desk(3, 50)];
    check(&pieces, 70);
    assert_eq!(counted(&pieces), ["weaker_of_same_member", "counted", "weaker_of_same_member"]);
    // The same report given twice is one.
    check(&[desk(1, 50), desk(1, 50)], 50);
}

#[test]
fn a_superseded_report_is_ignored_however_often_it_is_replayed() {
    let pieces = [report("a", "TH", 1, 100), report("a", "TH", 2, 10), report("a", "TH", 1, 100)];
    check(&pieces, 10);
    assert_eq!(counted(&pieces), ["superseded", "counted", "superseded"]);
    // Leaves of one batch are ordered as well; another desk supersedes nothing.
    let leaf =
        |leaf: u32, confidence| changed(report("a", "TH", 1, confidence), |piece| piece.address.leaf = leaf);
    assert_eq!(counted(&[leaf(5, 100), leaf(7, 10)]), ["superseded", "counted"]);
    let other_desk = changed(report("a", "TH", 2, 10), |piece| piece.publisher = "a.example/other".into());
    assert_eq!(counted(&[report("a", "TH", 1, 100), other_desk]), ["counted", "weaker_of_same_member"]);
    // The same desk name of another member is another publisher.
    assert_eq!(counted(&[report("a", "TH", 1, 9), report("b", "TH", 2, 9)]), ["counted", "counted"]);
}

#[test]
fn what_becomes_of_the_report_before_when_the_latest_one_does_not_live() {
    let after = |change: &dyn Fn(&mut Piece)| {
        counted(&[report("a", "TH", 1, 100), changed(report("a", "TH", 2, 100), |piece| change(piece))])
    };
    // Withdrawing what was said last never brings back what was said before.
    assert_eq!(after(&|piece| piece.standing.withdrawn = true), ["superseded", "withdrawn"]);
    // A thief's report was never said.
    assert_eq!(after(&|piece| piece.standing.cut = true), ["counted", "key_cut"]);
    assert_eq!(
        after(&|piece| piece.standing = Standing { withdrawn: true, cut: true, pending: false }),
        ["counted", "withdrawn"]
    );
    // What is pending is no input yet, but its withdrawal counts at once.
    assert_eq!(after(&|piece| piece.standing.pending = true), ["counted", "pending"]);
    assert_eq!(
        after(&|piece| piece.standing = Standing { withdrawn: true, cut: false, pending: true }),
        ["superseded", "withdrawn"]
    );
    let report_of = |change: &dyn Fn(&mut Report)| {
        counted(&[
            report("a", "TH", 1, 100),
            changed_report(report("a", "TH", 2, 100), |report| change(report)),
        ])
    };
    assert_eq!(report_of(&|report| report.valid_until = NOW - DAY), ["superseded", "expired"]);
    assert_eq!(report_of(&|report| report.last_seen = NOW + 9 * DAY), ["superseded", "future"]);
    // A sighting is no report and supersedes nothing.
    let seen = crate::statement::Sighting {
        count: 1,
        window_start: 0,
        window_end: 0,
        action: crate::statement::Action::Seen,
    };
    assert_eq!(
        counted(&[report("a", "TH", 1, 100), piece("a", "TH", 2, Claim::Sighting(seen))]),
        ["counted", "not_a_report"]
    );
}

#[test]
fn corroboration_counts_jurisdictions_that_observed() {
    let check = |pieces: &[Piece], expected: u32| {
        assert_eq!(judge(pieces, &Policy::default(), NOW).corroboration, expected);
    };
    let imported =
        |piece: Piece| changed_report(piece, |report| report.basis = Basis::Imported("list".into()));
    let unknown = |piece: Piece| changed_report(piece, |report| report.basis = Basis::Other);
    check(&[report("a", "TH", 1, 50), report("b", "NL", 1, 50)], 2);
    check(&[report("a", "TH", 1, 50), report("b", "TH", 1, 50)], 1);
    check(&[report("a", "TH", 1, 50), report("b", "INT", 1, 50)], 1);
    check(&[report("a", "TH", 1, 50), report("b", "EU", 1, 50), report("c", "DE", 1, 50)], 3);
    check(&[report("a", "TH", 1, 50), imported(report("b", "NL", 1, 50))], 1);
    check(&[report("a", "TH", 1, 50), unknown(report("b", "NL", 1, 50))], 1);
    check(&[report("a", "left the roster", 1, 50)], 0);
    // A weaker report of the same member is live, so what it observed corroborates.
    let desk = changed(report("a", "TH", 2, 10), |piece| piece.publisher = "a.example/other".into());
    check(&[imported(report("a", "TH", 1, 50)), desk], 1);
    check(&[changed(report("a", "TH", 1, 50), |piece| piece.standing.withdrawn = true)], 0);
}

#[test]
fn a_policy_chooses_what_counts_and_what_is_listed() {
    let pieces = [report("a", "TH", 1, 50), report("b", "NL", 1, 20)];
    let check = |policy: Policy, listed: bool, score: u32| {
        let verdict = judge(&pieces, &policy, NOW);
        assert_eq!((verdict.listed, verdict.score), (listed, score), "{policy:?}: {verdict:?}");
    };
    let open = Policy::default;
    check(open(), true, 60); // 1 − ½ · 0.8
    check(Policy { minimum_score: 60, ..open() }, true, 60);
    check(Policy { minimum_score: 61, ..open() }, false, 60);
    check(Policy { minimum_corroboration: 2, ..open() }, true, 60);
    check(Policy { minimum_corroboration: 3, ..open() }, false, 60);
    check(Policy { ignored: ["a.example".to_owned()].into(), ..open() }, true, 20);
    check(Policy { ignored: ["b.example/desk".to_owned()].into(), ..open() }, true, 50);
    check(Policy { ignored: ["desk".to_owned()].into(), ..open() }, true, 60);
    check(Policy { kinds: [Kind::Phone].into(), ..open() }, false, 0);
    check(Policy { kinds: [Kind::Domain, Kind::Phone].into(), ..open() }, true, 60);
    check(Policy { categories: [Category::RANSOM_PAYMENT].into(), ..open() }, false, 0);
    check(Policy { categories: [Category::PHISHING].into(), ..open() }, true, 60);
    let zero = judge(&[report("a", "TH", 1, 0)], &open(), NOW);
    assert!(!zero.listed, "a score of 0 is never listed");
}

#[test]
fn a_policy_survives_the_wire_and_unknown_wishes_are_refused() {
    let policy = Policy {
        kinds: [Kind::Domain, Kind::Company].into(),
        categories: [Category::PHISHING].into(),
        minimum_score: 60,
        minimum_corroboration: 2,
        ignored: ["a.example".to_owned()].into(),
        pending_allowed: true,
    };
    assert_eq!(Policy::from_wire(policy.to_wire()), Ok(policy.clone()));
    assert!(Policy::from_wire(wire::Policy { kinds: vec![99], ..policy.to_wire() }).is_err());
    assert!(Policy::from_wire(wire::Policy { categories: vec![0], ..policy.to_wire() }).is_err());
}

#[test]
fn thirty_thousand_repetitions_are_judged_at_once() {
    let pieces: Vec<Piece> = (0..30_000).map(|n| report("a", "TH", n, 50)).collect();
    let verdict = judge(&pieces, &Policy::default(), NOW);
    assert_eq!((verdict.score, verdict.counted.last()), (50, Some(&Counted::Yes)));
}

/// PROTOCOL.md §11, sentence by sentence: slow, in wide signed numbers, each rule on its own.
fn oracle(pieces: &[Piece], policy: &Policy, now: u64) -> Verdict {
    const ONE: i128 = 65_536;
    let day = |seconds: u64| i128::from(seconds / 86_400);
    let now = day(now);
    let ignored = |piece: &Piece| {
        policy
            .ignored
            .iter()
            .any(|name| *name == piece.publisher || *name == piece.address.member.to_string())
    };
    let settled = |piece: &Piece| !piece.standing.pending || policy.pending_allowed;
    let place = |piece: &Piece| (piece.address.entry, piece.address.leaf);
    let seen = |piece: &Piece, report: &Report| {
        day(if report.last_seen == 0 { piece.statement.made_at } else { report.last_seen })
    };
    // 'Current': no later report of the same publisher that was ever said.
    let current = |piece: &Piece| {
        !pieces.iter().any(|later| {
            matches!(later.statement.claim, Claim::Report(_))
                && later.publisher == piece.publisher
                && place(later) > place(piece)
                && !later.standing.cut
                && (settled(later) || later.standing.withdrawn)
        })
    };
    let why = |piece: &Piece| -> Counted {
        let Claim::Report(report) = &piece.statement.claim else { return Counted::NotAReport };
        let wanted = report.categories.iter().any(|one| policy.categories.contains(one));
        for (broken, counted) in [
            (piece.standing.withdrawn, Counted::Withdrawn),
            (piece.standing.cut, Counted::KeyCut),
            (!settled(piece), Counted::Pending),
            (ignored(piece), Counted::Ignored),
            (!current(piece), Counted::Superseded),
            (now > day(report.valid_until), Counted::Expired),
            (seen(piece, report) > now + 1, Counted::Future),
            (!policy.kinds.is_empty() && !policy.kinds.contains(&Kind::Domain), Counted::Category),
            (!policy.categories.is_empty() && !wanted, Counted::Category),
        ] {
            if broken {
                return counted;
            }
        }
        Counted::Yes
    };
    let weight = |piece: &Piece| -> i128 {
        let Claim::Report(report) = &piece.statement.claim else { return 0 };
        let (c, ls, vu) =
            (report.confidence.map_or(50, i128::from), seen(piece, report), day(report.valid_until));
        let d = if now <= ls || vu == ls { ONE } else { 32_768 + 32_768 * (vu - now) / (vu - ls) };
        let mut w = c * d / 100;
        let mut disputers: Vec<&MemberName> = pieces
            .iter()
            .filter(|other| match &other.statement.claim {
                Claim::Dispute(dispute) => {
                    dispute.target == piece.address
                        && other.address.member != piece.address.member
                        && !other.standing.withdrawn
                        && !other.standing.cut
                        && settled(other)
                        && !ignored(other)
                }
                _ => false,
            })
            .map(|other| &other.address.member)
            .collect();
        disputers.sort();
        disputers.dedup();
        for _ in disputers.iter().take(3) {
            w = 3 * w / 5;
        }
        w
    };
    let mut counted: Vec<Counted> = pieces.iter().map(why).collect();
    let live: Vec<usize> = (0..pieces.len()).filter(|at| counted[*at] == Counted::Yes).collect();
    let mut members: Vec<&MemberName> = live.iter().map(|at| &pieces[*at].address.member).collect();
    members.sort();
    members.dedup();
    let mut miss = ONE;
    for member in members {
        let own: Vec<usize> =
            live.iter().copied().filter(|at| pieces[*at].address.member == *member).collect();
        let best =
            own.iter().copied().max_by_key(|at| (weight(&pieces[*at]), place(&pieces[*at]))).expect("one");
        own.iter().filter(|at| **at != best).for_each(|at| counted[*at] = Counted::WeakerOfSameMember);
        miss = miss * (ONE - weight(&pieces[best])) / ONE;
    }
    let score = u32::try_from(((ONE - miss) * 200 + ONE) / (2 * ONE)).expect("a percentage");
    let mut observed: Vec<&str> = live
        .iter()
        .filter(|at| pieces[**at].statement.report().is_some_and(|report| report.basis == Basis::Observed))
        .filter_map(|at| pieces[*at].jurisdiction.as_ref().map(Jurisdiction::as_str))
        .filter(|code| *code != "INT")
        .collect();
    observed.sort_unstable();
    observed.dedup();
    let corroboration = u32::try_from(observed.len()).expect("few");
    Verdict {
        listed: score > 0 && score >= policy.minimum_score && corroboration >= policy.minimum_corroboration,
        score,
        corroboration,
        changes_on: None,
        counted,
    }
}

fn any_piece() -> impl Strategy<Value = Piece> {
    let days = || prop_oneof![3 => 19_990..20_010u64, 1 => Just(0u64), 1 => 0..40_000u64];
    let confidence = prop::option::of(0..=100u8);
    let basis = prop_oneof![Just(Basis::Observed), Just(Basis::Imported("l".into())), Just(Basis::Other)];
    let category = prop::sample::select(vec![Category::PHISHING, Category::RANSOM_PAYMENT]);
    let report = (confidence, basis, category, days(), days(), 1..2_000u64, 0..DAY);
    let standing = (prop::bool::weighted(0.15), prop::bool::weighted(0.15), prop::bool::weighted(0.3));
    let who = (0..4usize, 0..2usize, prop::option::of(prop::sample::select(vec!["TH", "NL", "INT"])));
    (who, standing, report, 0..10u8, (0..4usize, 0..8u64)).prop_map(
        |(who, standing, report, sort, target)| {
            let members = ["a", "b", "c", "d"];
            let (confidence, basis, category, seen, made, valid, within) = report;
            let (last_seen, made_at) = (seen * DAY + if seen == 0 { 0 } else { within }, made * DAY + within);
            let from = if last_seen == 0 { made_at } else { last_seen };
            let claim = match sort {
                0 | 1 => {
                    let target = address(members[target.0], target.1);
                    dispute("x", 0, target).statement.claim
                }
                _ => Claim::Report(Report {
                    confidence,
                    basis,
                    valid_until: from + valid * DAY / 10,
                    ..Report::new(Kind::Domain, category, last_seen)
                }),
            };
            let mut piece = piece(members[who.0], who.2.unwrap_or("none"), 0, claim);
            piece.publisher = format!("{}.example/desk{}", members[who.0], who.1);
            piece.statement.made_at = made_at;
            piece.standing = Standing { withdrawn: standing.0, cut: standing.1, pending: standing.2 };
            piece
        },
    )
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let kinds = prop::collection::btree_set(prop::sample::select(vec![Kind::Domain, Kind::Phone]), 0..2);
    let categories = prop::collection::btree_set(prop::sample::select(vec![Category::PHISHING]), 0..2);
    let names = ["a.example", "b.example/desk0", "c.example", "nobody"].map(str::to_owned).to_vec();
    let ignored = prop::collection::btree_set(prop::sample::select(names), 0..2);
    (kinds, categories, 0..100u32, 0..3u32, ignored, any::<bool>()).prop_map(
        |(kinds, categories, minimum_score, minimum_corroboration, ignored, pending_allowed)| Policy {
            kinds,
            categories,
            minimum_score,
            minimum_corroboration,
            ignored,
            pending_allowed,
        },
    )
}

/// Pieces at addresses of their own, and the same in another order.
fn any_evidence() -> impl Strategy<Value = (Vec<Piece>, Vec<Piece>)> {
    prop::collection::vec(any_piece(), 0..9)
        .prop_map(|mut pieces| {
            (0..).zip(&mut pieces).for_each(|(entry, piece)| piece.address.entry = entry);
            pieces
        })
        .prop_flat_map(|pieces| (Just(pieces.clone()), Just(pieces).prop_shuffle()))
}

fn totals(verdict: &Verdict) -> (bool, u32, u32, Option<u64>) {
    (verdict.listed, verdict.score, verdict.corroboration, verdict.changes_on)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_verdict_is_what_the_protocol_says((pieces, shuffled) in any_evidence(), policy in any_policy(), within in 0..DAY) {
        let found = judge(&pieces, &policy, NOW);
        let expected = Verdict { changes_on: found.changes_on, ..oracle(&pieces, &policy, NOW) };
        prop_assert_eq!(&found, &expected);
        // Neither the order of the evidence nor the hour matters.
        let other = judge(&shuffled, &policy, NOW / DAY * DAY + within);
        prop_assert_eq!(totals(&other), totals(&found));
        for (piece, counted) in shuffled.iter().zip(&other.counted) {
            let at = pieces.iter().position(|other| other.address == piece.address).expect("the same pieces");
            prop_assert_eq!(*counted, found.counted[at]);
        }
    }

    #[test]
    fn nothing_changes_by_itself_before_the_day_it_says((pieces, _) in any_evidence(), policy in any_policy(), days in 0..40u64) {
        let found = judge(&pieces, &policy, NOW);
        let later = judge(&pieces, &policy, NOW + days * DAY);
        if found.changes_on.is_none_or(|day| (NOW + days * DAY) / DAY < day) {
            prop_assert_eq!(totals(&later), totals(&found));
        } else {
            prop_assert!(found.changes_on > Some(NOW / DAY));
        }
    }
}
