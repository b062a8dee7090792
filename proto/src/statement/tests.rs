use super::*;
use crate::{
    limits::VALIDITY_SECONDS,
    merkle::Hash,
    name::Jurisdiction,
    release::{Audience, Pap},
};

/// 2026-01-01, Unix seconds.
pub(crate) const NOW: u64 = 1_767_225_600;
const DAY: u64 = 86_400;

/// A report on a domain, for everyone. Statements of different `n` differ in nonce and value.
pub(crate) fn report(n: u8) -> Statement {
    let indicator = Indicator::new(Kind::Domain, format!("scam{n}.example")).expect("a domain");
    Statement {
        nonce: [n; 16],
        claim: Claim::Report(Report::new(Kind::Domain, Category::PHISHING, NOW - DAY)),
        indicator,
        made_at: NOW,
        ruleset: Ruleset::default(),
        release: Release::clear(),
        copies: 0,
    }
}

/// Every field of a report filled.
pub(crate) fn full_report() -> Statement {
    let to = [Audience::Group("banks".into()), Audience::Jurisdiction(Jurisdiction::EU)];
    let release = Release {
        tlp: Some(Tlp::Amber),
        pap: Some(Pap::Green),
        to: to.into(),
        not_to: [Audience::Member("bank.us.example".parse().expect("a name"))].into(),
    };
    let mut full = Report::new(Kind::Domain, Category::PHISHING, NOW - DAY);
    full.categories.push(Category::from_number(4_711).expect("not 0"));
    full.confidence = Some(0);
    full.basis = Basis::Imported("a list".into());
    full.first_seen = NOW - 9 * DAY;
    full.include_subdomains = true;
    full.lookup_only = true;
    full.possibly_coerced = true;
    full.campaign = "harvest".into();
    full.labels = vec!["a".into(), "ไทย".into()];
    full.description = "line 1\n\tline 2".into();
    full.language = "th".into();
    full.references = vec![
        Reference { url: "https://a.example/".into(), sha256: Some(Hash([7; 32])) },
        Reference { url: String::new(), sha256: None },
    ];
    full.related = vec![Indicator::new(Kind::Phone, "+66812345678").expect("a number")];
    full.lawful_basis = "PDPA 24(5)".into();
    full.reinstates = Some(Reinstates { entry: 3, id: Hash([8; 32]) });
    Statement {
        ruleset: Ruleset { unicode: "16".into(), public_suffix: "2".into(), phone: "9".into() },
        release,
        copies: 2,
        claim: Claim::Report(full),
        ..report(1)
    }
}

pub(crate) fn sighting() -> Statement {
    let claim = Sighting { count: 3, window_start: NOW - 60, window_end: NOW, action: Action::Blocked };
    Statement { claim: Claim::Sighting(claim), ..report(2) }
}

pub(crate) fn dispute() -> Statement {
    let claim = Dispute {
        target: "police.th.example:5.0".parse().expect("an address"),
        id: Hash([9; 32]),
        reason: DisputeReason::SubjectObjection,
        description: "it is a school".into(),
        references: Vec::new(),
    };
    Statement { claim: Claim::Dispute(claim), ..report(3) }
}

fn wire_of(statement: &Statement) -> wire::Statement {
    wire::Statement::decode(statement.encode().as_slice()).expect("own bytes")
}

/// A statement, changed on the wire, is void at `place`, or not at all.
fn check_on(statement: &Statement, change: impl FnOnce(&mut wire::Statement), place: Option<&str>) {
    let mut wire = wire_of(statement);
    change(&mut wire);
    let found = Statement::parse(&wire.encode_to_vec()).err();
    assert_eq!(found.as_ref().map(|void| void.place.as_ref()), place, "{found:?}: {wire:?}");
}

fn check(change: impl FnOnce(&mut wire::Report), place: Option<&str>) {
    let change = |wire: &mut wire::Statement| match &mut wire.claim {
        Some(wire::statement::Claim::Report(report)) => change(report),
        other => panic!("{other:?}"),
    };
    check_on(&report(1), change, place);
}

#[test]
fn every_claim_survives_its_own_bytes() {
    for statement in [report(1), full_report(), sighting(), dispute()] {
        assert_eq!(Statement::parse(&statement.encode()), Ok(statement));
    }
}

#[test]
fn a_report_that_breaks_a_rule_is_void() {
    check(|_| {}, None);
    check(|r| r.categories.clear(), Some("Report.categories"));
    check(|r| r.categories.push(0), Some("Report.categories"));
    check(|r| r.categories.push(i32::MAX), None);
    check(|r| r.categories.push(-1), Some("Report.categories"));
    check(|r| r.confidence = Some(100), None);
    check(|r| r.confidence = Some(101), Some("Report.confidence"));
    check(|r| r.basis = 77, None);
    check(|r| r.basis = wire::Basis::Imported.into(), Some("Report.imported_from"));
    check(|r| r.imported_from = "a\nb".into(), Some("Report.imported_from"));
    check(|r| r.first_seen = r.last_seen, None);
    check(|r| r.first_seen = r.last_seen + 1, Some("Report.first_seen"));
    check(|r| r.valid_until = r.last_seen + 1, None);
    check(|r| r.valid_until = r.last_seen, Some("Report.valid_until"));
    check(|r| r.valid_until = 0, Some("Report.valid_until"));
    check(|r| r.valid_until = r.last_seen + VALIDITY_SECONDS, None);
    check(|r| r.valid_until = r.last_seen + VALIDITY_SECONDS + 1, Some("Report.valid_until"));
    check(|r| (r.last_seen, r.valid_until) = (u64::MAX, u64::MAX), Some("Report.valid_until"));
    check(|r| (r.last_seen, r.valid_until) = (0, NOW + 1), None); // made_at stands for it
    check(|r| (r.last_seen, r.valid_until) = (0, NOW), Some("Report.valid_until"));
    check(|r| (r.last_seen, r.first_seen) = (0, NOW + 1), Some("Report.first_seen"));
    check(|r| r.campaign = "a\u{7f}".into(), Some("Report.campaign"));
    check(|r| r.labels.push("a\tb".into()), Some("Report.labels"));
    check(|r| r.description = "a\tb\nc".into(), None);
    check(|r| r.description = "a\rb".into(), Some("Report.description"));
    check(|r| r.description = "a\u{85}b".into(), Some("Report.description"));
    check(|r| r.language = "\0".into(), Some("Report.language"));
    check(|r| r.lawful_basis = "\u{1b}[2J".into(), Some("Report.lawful_basis"));
    check(|r| r.reinstates = Some(wire::Reinstates::default()), Some("Reinstates.id"));
    let reference = |url: &str, hash: &'static [u8]| wire::Reference { url: url.into(), sha256: hash.into() };
    check(|r| r.references.push(reference("a", &[])), None);
    check(|r| r.references.push(reference("a", &[1; 31])), Some("Reference.sha256"));
    check(|r| r.references.push(reference("a\nb", &[])), Some("Reference.url"));
    check(|r| r.related.push(wire::Indicator { kind: 1, value: "a.b".into() }), None);
    check(|r| r.related.push(wire::Indicator { kind: 1, value: "a".into() }), Some("Indicator.value"));
    check(|r| r.related.push(wire::Indicator { kind: 99, value: "a.b".into() }), Some("Indicator.kind"));
    check_on(
        &full_report(),
        |w| w.indicator = Some(wire::Indicator { kind: 9, value: "8.8.8.8".into() }),
        Some("Report.include_subdomains"),
    );
}

#[test]
fn a_statement_that_breaks_a_rule_is_void() {
    let on = |change: &dyn Fn(&mut wire::Statement), place| check_on(&report(1), change, place);
    on(&|w| w.nonce = vec![1; 15].into(), Some("Statement.nonce"));
    on(&|w| w.nonce = vec![1; 17].into(), Some("Statement.nonce"));
    on(&|w| w.indicator = None, Some("Indicator.kind"));
    on(
        &|w| w.indicator = Some(wire::Indicator { kind: 1, value: "A.example".into() }),
        Some("Indicator.value"),
    );
    on(
        &|w| w.indicator = Some(wire::Indicator { kind: 1, value: "a.example\n".into() }),
        Some("Indicator.value"),
    );
    on(&|w| w.claim = None, Some("Statement.claim"));
    on(&|w| w.made_at = u64::MAX, None);
    on(
        &|w| w.ruleset = Some(wire::Ruleset { unicode: "\n".into(), ..Default::default() }),
        Some("Ruleset.unicode"),
    );
}

#[test]
fn a_sighting_or_dispute_that_breaks_a_rule_is_void() {
    let seen = |change: &dyn Fn(&mut wire::Sighting), place| {
        let change = |wire: &mut wire::Statement| match &mut wire.claim {
            Some(wire::statement::Claim::Sighting(sighting)) => change(sighting),
            other => panic!("{other:?}"),
        };
        check_on(&sighting(), change, place);
    };
    seen(&|s| s.count = 0, Some("Sighting.count"));
    seen(&|s| s.window_end = s.window_start, None);
    seen(&|s| s.window_end = s.window_start - 1, Some("Sighting.window_end"));
    seen(&|s| s.action = 99, None);
    let disputed = |change: &dyn Fn(&mut wire::Dispute), place| {
        let change = |wire: &mut wire::Statement| match &mut wire.claim {
            Some(wire::statement::Claim::Dispute(dispute)) => change(dispute),
            other => panic!("{other:?}"),
        };
        check_on(&dispute(), change, place);
    };
    disputed(&|d| d.member = "Police".into(), Some("name"));
    disputed(&|d| d.id = vec![1; 33].into(), Some("Dispute.id"));
    disputed(&|d| d.reason = 99, None);
    disputed(&|d| d.description = "\0".into(), Some("Dispute.description"));
}

#[test]
fn a_statement_has_at_most_16_kib() {
    let padded = |bytes: usize| {
        let mut statement = report(1);
        let Claim::Report(report) = &mut statement.claim else { panic!("a report") };
        report.description = "x".repeat(bytes);
        statement.encode()
    };
    let room = (0..STATEMENT_BYTES).rev().find(|n| padded(*n).len() <= STATEMENT_BYTES).expect("it fits");
    assert_eq!(padded(room).len(), STATEMENT_BYTES);
    assert!(Statement::parse(&padded(room)).is_ok());
    assert_eq!(Statement::parse(&padded(room + 1)).map_err(|void| void.place), Err("Statement".into()));
}

/// `release` on the wire gives this marking to us, or makes the statement void.
fn check_release(
    change: impl FnOnce(&mut wire::Statement, &mut wire::Release),
    tail: &[u8],
    tlp: Result<Option<Tlp>, &str>,
) {
    let mut wire = wire_of(&report(1));
    let mut release = wire.release.take().expect("a release");
    change(&mut wire, &mut release);
    let release = [release.encode_to_vec().as_slice(), tail].concat();
    // Field 5, appended by hand, so that `tail` can be what prost would not write.
    let mut bytes = wire.encode_to_vec();
    bytes.push(5 << 3 | 2);
    bytes.push(u8::try_from(release.len()).expect("short"));
    bytes.extend(release);
    let found = Statement::parse(&bytes).map(|statement| statement.release.tlp).map_err(|void| void.place);
    assert_eq!(found, tlp.map_err(Into::into));
}

#[test]
fn what_release_does_not_say_in_our_words_is_for_the_origin_only() {
    let clear = Ok(Some(Tlp::Clear));
    check_release(|_, _| {}, &[], clear);
    check_release(|_, r| r.tlp = 0, &[], Ok(None));
    check_release(|_, r| r.tlp = 6, &[], Ok(None));
    check_release(|_, r| r.pap = 0, &[], clear);
    check_release(|_, r| r.pap = 5, &[], Ok(None));
    check_release(|_, _| {}, &[0x78, 0x01], Ok(None)); // an unknown field
    let green = |r: &mut wire::Release| r.tlp = wire::Tlp::Green.into();
    check_release(
        |_, r| {
            green(r);
            r.to = vec!["ngo.example".into()];
        },
        &[],
        Ok(Some(Tlp::Green)),
    );
    check_release(
        |_, r| {
            green(r);
            r.to = vec!["team:x".into()];
        },
        &[],
        Ok(None),
    );
    check_release(
        |_, r| {
            green(r);
            r.not_to = vec!["jurisdiction:Thailand".into()];
        },
        &[],
        Ok(None),
    );
}

#[test]
fn a_marking_rule_holds_whatever_else_release_says() {
    let to = |r: &mut wire::Release, name: &str| r.to = vec![name.into()];
    check_release(|_, r| to(r, "ngo.example"), &[], Err("Release.to"));
    check_release(|_, r| r.not_to = vec!["ngo.example".into()], &[], Err("Release.to"));
    // A later version may know the syntax or the field: it must not judge otherwise.
    check_release(|_, r| to(r, "team:x"), &[], Err("Release.to"));
    check_release(|_, r| to(r, "ngo.example"), &[0x78, 0x01], Err("Release.to"));
    check_release(|w, _| w.copies = 1, &[], Err("Statement.copies"));
    check_release(|w, _| w.copies = 1, &[0x78, 0x01], Err("Statement.copies"));
    check_release(
        |w, r| {
            w.copies = 1;
            r.tlp = 2
        },
        &[],
        Err("Statement.copies"),
    );
    check_release(
        |w, r| {
            w.copies = 1;
            r.tlp = 3
        },
        &[],
        Ok(Some(Tlp::Amber)),
    );
    check_release(
        |w, r| {
            w.copies = 1;
            r.tlp = 4
        },
        &[],
        Ok(Some(Tlp::AmberStrict)),
    );
    check_release(
        |w, r| {
            w.copies = 1;
            r.tlp = 5
        },
        &[],
        Err("Statement.copies"),
    );
    let ransom = |w: &mut wire::Statement| match &mut w.claim {
        Some(wire::statement::Claim::Report(report)) => {
            report.categories.push(Category::RANSOM_PAYMENT.number())
        }
        other => panic!("{other:?}"),
    };
    check_release(|w, _| ransom(w), &[], Err("Release.tlp"));
    check_release(|w, _| ransom(w), &[0x78, 0x01], Err("Release.tlp"));
    check_release(
        |w, r| {
            ransom(w);
            r.tlp = 2
        },
        &[],
        Ok(Some(Tlp::Green)),
    );
}

#[test]
fn unknown_fields_are_kept_by_keeping_the_bytes() {
    let bytes = [report(1).encode(), vec![0xf2, 0x06, 0x01, 0x00]].concat();
    assert_eq!(Statement::parse(&bytes), Ok(report(1)));
    // However deep an unknown field nests, it is skipped, not entered.
    let nested = (0..200).fold(Vec::new(), |inner: Vec<u8>, _| {
        let mut outer = vec![0xf2, 0x06];
        prost::encoding::encode_varint(inner.len() as u64, &mut outer);
        outer.extend(inner);
        outer
    });
    assert_eq!(Statement::parse(&[report(1).encode(), nested].concat()), Ok(report(1)));
}

#[test]
fn what_may_belong_to_a_victim_is_for_lookups_only() {
    let lookup_only = |change: &dyn Fn(&mut Report)| {
        let mut statement = report(1);
        let Claim::Report(report) = &mut statement.claim else { panic!("a report") };
        change(report);
        statement.lookup_only()
    };
    assert!(!lookup_only(&|_| {}));
    assert!(lookup_only(&|r| r.lookup_only = true));
    assert!(lookup_only(&|r| r.possibly_coerced = true));
    assert!(lookup_only(&|r| r.categories.push(Category::RANSOM_PAYMENT)));
    let company = Indicator::new(Kind::Company, "lei:5493001KJTIIGC8Y1R12").expect("a company");
    assert!(Statement { indicator: company, ..report(1) }.lookup_only());
    assert!(!sighting().lookup_only());
}

#[test]
fn a_report_that_does_not_say_when_it_was_seen_was_seen_when_it_was_made() {
    assert_eq!(report(1).last_seen(), NOW - DAY);
    assert_eq!(sighting().last_seen(), NOW);
    let Claim::Report(unsaid) = full_report().claim else { panic!("a report") };
    let unsaid = Claim::Report(Report { last_seen: 0, ..unsaid });
    assert_eq!(Statement { claim: unsaid, ..report(1) }.last_seen(), NOW);
}

#[test]
fn a_category_has_one_name() {
    for category in Category::all() {
        assert_eq!(category.to_string().parse(), Ok(category));
    }
    assert_eq!(Category::PHISHING.to_string(), "scam.phishing");
    assert_eq!(Category::RANSOM_PAYMENT.to_string(), "compound.ransom_payment");
    assert_eq!(Category::all().count(), 17);
    assert!("phishing".parse::<Category>().is_err());
}
