use super::*;
use crate::signed::Signed;

fn report(member: &str, made_at: u64, logs: &[(&str, u64, u64, u64)]) -> CustodyReport {
    CustodyReport {
        federation: "scamwatch.example".into(),
        member: name(member),
        roster: 1,
        made_at,
        logs: logs
            .iter()
            .map(|&(origin, size, held, of)| (name(origin), CustodyOfLog { size, held, of }))
            .collect(),
        entrusted: None,
    }
}

const THREE: [Seat<'static>; 4] =
    [("a.th", "TH", &[]), ("b.nl", "NL", &["US"]), ("c.us", "US", &[]), ("d.ke", "KE", &[])];

/// Signed by member number n of [`THREE`].
fn verified(n: u8, made_at: u64, logs: &[(&str, u64, u64, u64)]) -> VerifiedReport {
    let member = THREE[usize::from(n) - 1].0;
    let signed = Signed::sign(report(member, made_at, logs), &key(n));
    VerifiedReport::verify(signed, &roster(&THREE)).expect("a report")
}

#[test]
fn a_report_survives_its_own_bytes_and_holds_under_the_cosign_key_only() {
    let roster = roster(&THREE);
    let mut content = report("a.th", 7, &[("b.nl", 10, 3, 40), ("c.us", 0, 0, 0)]);
    content.entrusted = Some(entrusted(10, 2, &[("b.nl", 7), ("d.ke", 9)]));
    let signed = Signed::sign(content.clone(), &key(1));
    let read = Signed::<CustodyReport>::parse(signed.to_wire()).expect("own bytes");
    assert_eq!((&read.content, &read), (&content, &signed));
    assert_eq!(VerifiedReport::verify(read, &roster).expect("a report").report(), &content);

    let check = |content: CustodyReport, seed, place: &str| {
        let refused = VerifiedReport::verify(Signed::sign(content, &key(seed)), &roster).expect_err(place);
        assert_eq!(refused.place, place);
    };
    check(content.clone(), 2, "signature");
    check(CustodyReport { member: name("stranger"), ..content.clone() }, 1, "CustodyReport.member");
    check(CustodyReport { roster: 2, ..content.clone() }, 1, "CustodyReport.roster");
    check(CustodyReport { federation: "other".into(), ..content }, 1, "CustodyReport.federation");
}

#[test]
fn what_a_report_must_not_say_is_void() {
    let sound = wire::CustodyReport {
        federation: "f".into(),
        member: "a".into(),
        roster: 1,
        made_at: 1,
        logs: ["b", "c"]
            .map(|origin| wire::CustodyOfLog { origin: origin.into(), size: 1, held: 1, of: 4_096 })
            .to_vec(),
        entrusted: Some(wire::Entrusted {
            size: 1,
            gone: 4_096,
            to: ["b", "c"].map(|member| wire::EntrustedTo { member: member.into(), leaves: 4_096 }).to_vec(),
        }),
    };
    let parse = |change: fn(&mut wire::CustodyReport)| {
        let mut changed = sound.clone();
        change(&mut changed);
        let signed = wire::Signed {
            body: prost::Message::encode_to_vec(&changed).into(),
            signature: vec![0; 64].into(),
            ..Default::default()
        };
        Signed::<CustodyReport>::parse(signed).map_err(|void| void.place.into_owned())
    };
    assert!(parse(|_| {}).is_ok());
    assert!(parse(|report| report.logs.clear()).is_ok());
    let check = |change, place: &str| assert_eq!(parse(change).map(drop), Err(place.to_owned()));
    check(|report| report.roster = 0, "CustodyReport.roster");
    check(|report| report.member = "A".into(), "name");
    check(|report| report.federation = "a b".into(), "federation");
    check(|report| report.logs.swap(0, 1), "CustodyReport.logs");
    check(|report| report.logs[1].origin = "b".into(), "CustodyReport.logs");
    check(|report| report.logs[0].origin = "a".into(), "CustodyOfLog.origin");
    check(|report| report.logs[0].held = 4_097, "CustodyOfLog.held");
    check(|report| report.logs[0].of = 4_097, "CustodyOfLog.of");
    check(|report| report.logs[0].size = 1 << 63, "CustodyOfLog.size");
    check(
        |report| {
            let log = report.logs[0].clone();
            let more = (0..4_097).map(|n| wire::CustodyOfLog { origin: format!("b{n:05}"), ..log.clone() });
            report.logs = more.collect();
        },
        "CustodyReport.logs",
    );
    assert!(parse(|report| report.entrusted = None).is_ok());
    let check = |change: fn(&mut wire::Entrusted), place: &str| {
        let mut report = sound.clone();
        report.entrusted.as_mut().map(change);
        let body = prost::Message::encode_to_vec(&report);
        assert_eq!(
            <CustodyReport as crate::signed::Body>::parse(&body)
                .map_err(|void| void.place.into_owned())
                .map(drop),
            Err(place.to_owned())
        );
    };
    check(|own| own.size = 1 << 63, "Entrusted.size");
    check(|own| own.size = 0, "Entrusted.gone");
    check(|own| own.to.swap(0, 1), "Entrusted.to");
    check(|own| own.to[1].member = "b".into(), "Entrusted.to");
    check(|own| own.to[0].member = "a".into(), "EntrustedTo.member");
    check(|own| own.to[0].member = "B".into(), "name");
    check(|own| own.to[0].leaves = 0, "EntrustedTo.leaves");
    check(|own| own.to[0].leaves = 4_097, "EntrustedTo.leaves");
    check(
        |own| {
            let more = (0..513).map(|n| wire::EntrustedTo { member: format!("b{n:05}"), leaves: 1 });
            own.to = more.collect();
        },
        "Entrusted.to",
    );
}

fn entrusted(size: u64, gone: u64, to: &[(&str, u64)]) -> Entrusted {
    Entrusted { size, gone, to: to.iter().map(|(member, leaves)| (name(member), *leaves)).collect() }
}

/// What d.ke, whose log has 50 custodied leaves in 10 entries, 2 of them gone, entrusted to the others is held against
/// what they say: size and number. Gives who keeps more, with those whom it may wait for, and who keeps less.
fn misfitting(said: [(u64, u64); 3]) -> Vec<(String, bool, Vec<String>)> {
    let own = entrusted(10, 2, &[("a.th", 20), ("b.nl", 30)]);
    let mut origin = report("d.ke", 1, &[]);
    origin.entrusted = Some(own);
    let origin = VerifiedReport::verify(Signed::sign(origin, &key(4)), &roster(&THREE)).expect("a report");
    let members = (1u8..).zip(said).map(|(n, (size, held))| verified(n, 1, &[("d.ke", size, held, 50)]));
    let found = misfits(&members.chain([origin]).collect::<Vec<_>>(), &roster(&THREE));
    assert!(found.iter().all(|one| one.origin == name("d.ke") && one.gone == 2));
    let texts = |names: &BTreeSet<MemberName>| names.iter().map(ToString::to_string).collect();
    found.iter().map(|one| (one.member.to_string(), one.is_surplus(), texts(&one.waits_for))).collect()
}

#[test]
fn whoever_keeps_more_or_less_than_was_entrusted_to_it_is_named() {
    let check = |said, required: &[(&str, bool, &[&str])]| {
        let required: Vec<(String, bool, Vec<String>)> = required
            .iter()
            .map(|(member, more, waits)| {
                ((*member).to_owned(), *more, waits.iter().map(|name| (*name).to_owned()).collect())
            })
            .collect();
        assert_eq!(misfitting(said), required, "{said:?}");
    };
    check([(10, 20), (10, 30), (10, 0)], &[]);
    // What the origin has no more may be anybody's, and may be dropped already.
    check([(10, 22), (10, 28), (10, 2)], &[]);
    // Whom nothing is entrusted to, and everybody else has theirs: nothing excuses it.
    check([(10, 20), (10, 30), (10, 3)], &[("c.us", true, &[])]);
    check([(10, 23), (12, 33), (10, 0)], &[("a.th", true, &[])]);
    // One that waits for another one to have its own.
    check([(10, 23), (9, 30), (10, 0)], &[("a.th", true, &["b.nl"])]);
    check([(10, 17), (10, 33), (10, 0)], &[("a.th", false, &[]), ("b.nl", true, &["a.th"])]);
    // Of other sizes than the origin's only one side tells.
    check([(11, 50), (9, 0), (11, 50)], &[]);
    check([(9, 50), (11, 0), (0, 0)], &[("a.th", true, &["b.nl"]), ("b.nl", false, &[])]);
}

#[test]
fn numbers_under_two_rosters_are_not_held_against_each_other() {
    let mut origin = report("d.ke", 1, &[]);
    origin.entrusted = Some(entrusted(10, 0, &[("a.th", 20)]));
    let mut later = roster(&THREE);
    later.version = 2;
    let mut other = report("b.nl", 1, &[("d.ke", 10, 50, 50)]);
    other.roster = 2;
    let reports = [
        VerifiedReport::verify(Signed::sign(origin, &key(4)), &roster(&THREE)).expect("a report"),
        VerifiedReport::verify(Signed::sign(other, &key(2)), &later).expect("a report"),
    ];
    assert_eq!(misfits(&reports, &later), []);
}

/// The log of a.th has 100 custodied leaves in 10 entries, that of d.ke 50.
fn counted(origin: &MemberName, size: u64) -> Option<u64> {
    match (origin.as_str(), size) {
        ("a.th", 10) => Some(100),
        ("d.ke", 10) => Some(50),
        (_, 0) => Some(0),
        _ => None,
    }
}

#[test]
fn shares_are_summed_by_whoever_can_compel_the_holders() {
    let roster = roster(&THREE);
    let reports = [
        verified(1, 1, &[("b.nl", 0, 0, 0), ("c.us", 0, 0, 0), ("d.ke", 10, 20, 50)]),
        // An older one, in which it held nothing.
        verified(2, 0, &[("a.th", 10, 0, 100), ("c.us", 0, 0, 0), ("d.ke", 10, 0, 50)]),
        verified(2, 1, &[("a.th", 10, 60, 100), ("c.us", 0, 0, 0), ("d.ke", 10, 0, 50)]),
        verified(3, 1, &[("a.th", 10, 50, 100), ("b.nl", 0, 0, 0), ("d.ke", 10, 10, 50)]),
        verified(4, 1, &[("a.th", 10, 40, 100), ("b.nl", 0, 0, 0), ("c.us", 0, 0, 0)]),
    ];
    let sum = shares(&reports, &roster, counted);
    let share = |text: &str| sum.jurisdictions[&code(text)];
    assert_eq!(share("TH"), Share { at_least: 20, at_most: 20, of: 50 });
    assert_eq!(share("NL"), Share { at_least: 60, at_most: 60, of: 150 });
    // US reaches b.nl too: of a.th's log all that there is, and not 110 of 100.
    assert_eq!(share("US"), Share { at_least: 70, at_most: 110, of: 150 });
    assert_eq!(share("KE"), Share { at_least: 40, at_most: 40, of: 100 });
    assert_eq!(["TH", "NL", "US", "KE"].map(|text| share(text).percent()), [40, 40, 73, 40]);
    // Above 40 percent, not at it.
    assert_eq!(sum.above_cap, [code("US")].into());
    assert_eq!((sum.silent.len(), sum.differing.len()), (0, 0));

    let mut reversed = reports.clone();
    reversed.reverse();
    assert_eq!(shares(&reversed, &roster, counted), sum);
    let uncapped = Roster { custody: CustodyRule::default(), ..roster };
    assert!(shares(&reports, &uncapped, counted).above_cap.is_empty());
}

#[test]
fn who_says_nothing_too_much_or_something_else_is_named() {
    let reports = [
        verified(1, 1, &[("b.nl", 0, 0, 0), ("c.us", 0, 0, 0), ("d.ke", 10, 60, 60)]),
        verified(2, 1, &[("a.th", 10, 5, 90), ("d.ke", 11, 7, 70)]),
        verified(3, 1, &[]),
    ];
    let sum = shares(&reports, &roster(&THREE), counted);
    let silent: Vec<(&str, Option<&str>)> =
        sum.silent.iter().map(|s| (s.member.as_str(), s.origin.as_ref().map(MemberName::as_str))).collect();
    let about = |member, origins: [&'static str; 3]| origins.map(|origin| (member, Some(origin)));
    let required =
        [&[("b.nl", Some("c.us"))][..], &about("c.us", ["a.th", "b.nl", "d.ke"]), &[("d.ke", None)]];
    assert_eq!(silent, required.concat());
    let differing: Vec<(&str, &str, Option<u64>, bool)> = sum
        .differing
        .iter()
        .map(|d| (d.member.as_str(), d.origin.as_str(), d.counted, d.overstates()))
        .collect();
    // More than there is; another total; and entries that this reader does not have.
    let required =
        [("a.th", "d.ke", Some(50), true), ("b.nl", "a.th", Some(100), false), ("b.nl", "d.ke", None, false)];
    assert_eq!(differing, required);
    // Nobody's share is counted beyond what there is; what cannot be counted is taken as said.
    assert_eq!(sum.jurisdictions[&code("TH")], Share { at_least: 50, at_most: 50, of: 50 });
    assert_eq!(sum.jurisdictions[&code("US")], Share { at_least: 12, at_most: 12, of: 170 });
    assert_eq!(sum.jurisdictions[&code("KE")], Share::default());
    assert_eq!(sum.jurisdictions[&code("KE")].percent(), 0);
}

#[test]
fn custodied_leaves_are_counted_from_the_entries_alone() {
    let header = |custodied| crate::batch::BatchHeader {
        federation: "f".into(),
        member: name("a.th"),
        publisher: "a.th/desk".parse().expect("a desk"),
        key: PublicKey::of(&key(1)),
        seq: 1,
        roster: 1,
        created_at: 1,
        count: 9,
        custodied,
        root: leaf(1),
        anchor: None,
    };
    let entry = |custodied| crate::log::LogEntry::Batch(Signed::sign(header(custodied), &key(1))).encode();
    let mut forged = Signed::sign(header(4), &key(1));
    forged.signature = [0; 64];
    let entries = [
        entry(7),
        // It does not count in the log; here it does, so that no reader needs keys and cuts to know the number.
        crate::log::LogEntry::Batch(forged).encode(),
        entry(0),
        // Void by its bytes: more custodied leaves than leaves.
        entry(10),
        bytes::Bytes::from_static(b"no entry"),
    ];
    assert_eq!(custodied(&entries), 11);
    assert_eq!(custodied(&[]), 0);
}
