use std::{collections::BTreeSet, convert::Infallible, fs};

use proptest::prelude::*;

use super::*;

fn item(kind: Kind, value: &str) -> ExportItem {
    ExportItem {
        indicator: Indicator::new(kind, value).expect("a well-formed value"),
        listed: true,
        pending: false,
        score: 80,
        categories: vec![Category::PHISHING],
        include_subdomains: false,
        lookup_only: false,
        tlp: Some(Tlp::Green),
        pap: Some(Pap::Green),
        valid_until: 1_790_000_000,
        addresses: vec!["police.th.example:1042.17".parse().expect("an address")],
    }
}

fn domain(value: &str) -> ExportItem {
    item(Kind::Domain, value)
}

fn rpz() -> Format {
    Format::Rpz(RpzOptions { origin: "rpz.almenara.example".to_owned(), serial: 7, ttl: 300 })
}

fn text(format: &Format, items: &[ExportItem]) -> (String, Summary) {
    let mut out = Vec::new();
    let items = items.iter().cloned().map(Ok::<_, Infallible>);
    let summary = export(format, items, &mut out).expect("written");
    (String::from_utf8(out).expect("text"), summary)
}

/// What a single item becomes: the lines behind the format's head, or the code of the reason why not.
fn check(format: &Format, item: &ExportItem, expected: &str) {
    let head = text(format, &[]).0;
    let (out, summary) = text(format, std::slice::from_ref(item));
    let body = out.strip_prefix(&head).expect("the head stands first");
    let skipped = summary.skipped.keys().copied().next();
    assert_eq!(skipped.unwrap_or(body), expected, "{item:?}");
    assert_eq!(summary.written + summary.left_out(), 1);
}

#[test]
fn each_blocklist_says_a_domain_in_its_own_way() {
    let plain = Format::Plain(Kind::Domain);
    check(&plain, &domain("fake-broker.example"), "fake-broker.example\n");
    check(&Format::Hosts, &domain("fake-broker.example"), "0.0.0.0 fake-broker.example\n");
    check(&rpz(), &domain("_dmarc.fake-broker.example"), "_dmarc.fake-broker.example CNAME .\n");
    let wide = ExportItem { include_subdomains: true, ..domain("a-b.example") };
    check(&rpz(), &wide, "a-b.example CNAME .\n*.a-b.example CNAME .\n");
    check(&Format::Hosts, &wide, "0.0.0.0 a-b.example\n");
    check(&Format::Plain(Kind::Phone), &item(Kind::Phone, "+66812345678"), "+66812345678\n");
}

#[test]
fn a_blocklist_holds_only_what_may_be_blocked() {
    for format in [Format::Plain(Kind::Domain), Format::Hosts, rpz()] {
        let with = |change: fn(&mut ExportItem), expected| {
            let mut item = domain("a-b.example");
            change(&mut item);
            check(&format, &item, expected);
        };
        with(|item| item.listed = false, "not_listed");
        with(|item| (item.listed, item.pending) = (false, true), "pending");
        with(|item| item.lookup_only = true, "lookup_only");
        with(|item| item.pap = None, "pap");
        with(|item| item.pap = Some(Pap::Amber), "pap");
        with(|item| item.pap = Some(Pap::Red), "pap");
        check(&format, &item(Kind::Url, "https://a-b.example/"), "kind");
        check(&format, &item(Kind::Ip, "8.8.8.8"), "kind");
    }
    check(&Format::Plain(Kind::Company), &item(Kind::Company, "lei:5493001KJTIIGC8Y1R12"), "lookup_only");
}

/// Every format, each with an item that it takes.
fn encoders() -> [(Format, ExportItem); 7] {
    let phone = || item(Kind::Phone, "+66812345678");
    [
        (Format::Plain(Kind::Domain), domain("a-b.example")),
        (Format::Plain(Kind::Phone), phone()),
        (Format::Hosts, domain("a-b.example")),
        (rpz(), domain("a-b.example")),
        (Format::Csv(Profile::Machine), phone()),
        (Format::Csv(Profile::Spreadsheet), phone()),
        (Format::JsonLines, phone()),
    ]
}

/// The encoder refuses the value for that reason, and writes nothing of it.
fn check_refused(format: &Format, item: &ExportItem, value: &str, expected: Skip) {
    let mut line = Vec::new();
    let refused = format.encoder().expect("an encoder").item(item, value, &mut line);
    assert_eq!((refused, line), (Err(expected), Vec::new()), "{format:?} {value:?}");
}

#[test]
fn wildcards_directives_and_policy_triggers_never_leave() {
    // None of these is a well-formed domain, so each encoder of names is asked beneath the type.
    let refuse = |value: &str, expected: Skip| {
        for format in [Format::Plain(Kind::Domain), Format::Hosts, rpz()] {
            check_refused(&format, &domain("a-b.example"), value, expected);
        }
    };
    refuse("*.a-b.example", Skip::Pattern);
    refuse("a-b.example.", Skip::Name);
    refuse("32.1.2.0.192.rpz-ip", Skip::Reserved);
    refuse("a.rpz-client-ip", Skip::Reserved);
    refuse("a-b.rpz-passthru", Skip::Reserved);
    refuse("rpz-passthru.", Skip::Name);
    refuse("rpz-drop.example", Skip::Reserved);
    refuse("$INCLUDE", Skip::Name);
    refuse("$include.example", Skip::Name);
    refuse("a.example CNAME rpz-passthru.", Skip::NotPrintable);
    refuse("a.example;b", Skip::Name);
    refuse("@", Skip::Name);
    refuse("example", Skip::Name);
    refuse("1.2.3.4", Skip::Name);
    refuse("A.example", Skip::Name);
    refuse("-a.example", Skip::Name);
    refuse("a..example", Skip::Name);
    refuse("", Skip::NotPrintable);
    refuse(&format!("{}.example", "a".repeat(64)), Skip::Name);
    refuse(&"a.".repeat(127), Skip::Name);
    for value in ["#a", ";a", "!a", "$INCLUDE", "*.a", "@", "[a]"] {
        check_refused(
            &Format::Plain(Kind::Phone),
            &item(Kind::Phone, "+66812345678"),
            value,
            Skip::Directive,
        );
    }
}

#[test]
fn a_newline_in_a_value_is_refused_by_each_encoder() {
    for value in ["a.example\nb.example", "a.example\r", "a\u{2028}b.example", "a\tb", "a b", "\u{202e}a", ""]
    {
        for (format, item) in encoders() {
            check_refused(&format, &item, value, Skip::NotPrintable);
        }
    }
    for (format, item) in encoders() {
        assert_eq!(text(&format, &[item]).1.written, 1, "{format:?} takes what is well formed");
    }
}

#[test]
fn a_name_too_long_under_the_origin_is_skipped_and_named() {
    let long = |length: usize| {
        let label = "a".repeat(60);
        let mut name = format!("{label}.{label}.{label}.");
        name.extend(std::iter::repeat_n('b', length - name.len() - 4));
        domain(&format!("{name}.com"))
    };
    // 253 − 1 − 20 of the origin.
    assert_eq!(text(&rpz(), &[long(232)]).1.written, 1);
    check(&rpz(), &long(233), "too_long");
    check(&rpz(), &ExportItem { include_subdomains: true, ..long(231) }, "too_long");
    let summary = text(&rpz(), &[long(233), long(234)]).1;
    assert!(summary.skipped["too_long"].examples[0].starts_with("\"aaaa"));
    assert_eq!(summary.skipped["too_long"].count, 2);
}

#[test]
fn a_zone_begins_with_its_soa_and_a_bad_origin_is_refused() {
    let head = "$TTL 300\n$ORIGIN rpz.almenara.example.\n\
                @ IN SOA localhost. hostmaster.localhost. 7 3600 600 2592000 300\n@ IN NS localhost.\n";
    let zone = text(&rpz(), &[domain("a-b.example")]).0;
    assert_eq!(zone, format!("{head}a-b.example CNAME .\n"));
    assert_eq!(serial_of(&zone), Some(7));
    for origin in ["", "a.", "A.example", "a\n$INCLUDE x", "a b"] {
        let format = Format::Rpz(RpzOptions { origin: origin.to_owned(), serial: 1, ttl: 300 });
        let items: [Result<_, Infallible>; 0] = [];
        assert!(matches!(export(&format, items, &mut Vec::new()), Err(ExportError::Zone(_))), "{origin:?}");
    }
}

#[test]
fn a_serial_always_rises() {
    let check = |last, now, expected| assert_eq!(next_serial(last, now), expected, "{last:?} at {now}");
    check(None, 1_790_000_000, 1_790_000_000);
    check(Some(5), 1_790_000_000, 1_790_000_000);
    check(Some(1_790_000_000), 1_790_000_000, 1_790_000_001);
    check(Some(1_790_000_009), 1_790_000_000, 1_790_000_010);
    check(Some(u32::MAX), u64::from(u32::MAX), 0);
    check(Some(u32::MAX), u64::from(u32::MAX) + 3, 2);
}

#[test]
fn a_cell_that_a_spreadsheet_would_run_is_quoted_there_and_exact_for_machines() {
    // HOSTILE 73
    let phone = item(Kind::Phone, "+66812345678");
    let machine = text(&Format::Csv(Profile::Machine), std::slice::from_ref(&phone)).0;
    assert_eq!(
        machine,
        "kind,value,listed,score,categories,include_subdomains,lookup_only,tlp,pap,valid_until,addresses\r\n\
         phone,+66812345678,true,80,scam.phishing,false,false,GREEN,GREEN,2026-09-21T14:13:20Z,\
         police.th.example:1042.17\r\n"
    );
    let sheet = text(&Format::Csv(Profile::Spreadsheet), std::slice::from_ref(&phone)).0;
    assert!(sheet.contains("\"phone\",\"'+66812345678\",\"true\""), "{sheet}");
    let run = |cell: &str| {
        let mut line = Vec::new();
        csv::Csv { profile: Profile::Spreadsheet }.cell(cell, &mut line);
        String::from_utf8(line).expect("text")
    };
    for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"] {
        assert_eq!(run(cell), format!("\"'{cell}\""));
    }
    assert_eq!(run("a\",=1+1"), "\"a\"\",=1+1\"");
}

#[test]
fn records_carry_their_markings() {
    let hidden = ExportItem { listed: false, lookup_only: true, pap: None, ..domain("a-b.example") };
    let pending = ExportItem { listed: false, pending: true, ..domain("c-d.example") };
    let (json, summary) = text(&Format::JsonLines, &[hidden, pending]);
    assert_eq!((summary.written, summary.skipped["pending"].count), (1, 1));
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (&value["listed"], &value["lookup_only"], &value["pap"]),
        (&false.into(), &true.into(), &().into())
    );
}

/// The old content of a list, and a function that replaces it with what `items` give.
fn with_old_file(test: impl FnOnce(&std::path::Path)) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("list.txt");
    fs::write(&path, "old.example\n").expect("written");
    test(&path);
    let left = fs::read_dir(folder.path()).expect("listed").count();
    assert_eq!(left, 1, "no temporary file is left behind");
}

fn content(path: &std::path::Path) -> String {
    fs::read_to_string(path).expect("read")
}

#[test]
fn a_crash_in_the_middle_of_an_export_leaves_the_old_file_intact() {
    // HOSTILE 76
    with_old_file(|path| {
        let items = (0..10_000).map(|number| {
            assert_eq!(content(path), "old.example\n", "readers see the old list until the new one is whole");
            assert!(number < 9_000, "a crash");
            Ok::<_, Infallible>(domain("a-b.example"))
        });
        let crash = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            replace(path, &Format::Hosts, items, false).expect("written")
        }));
        assert!(crash.is_err());
        assert_eq!(content(path), "old.example\n");
    });
}

#[test]
fn a_source_error_is_an_error_and_never_an_empty_blocklist() {
    // HOSTILE 77
    for good in [0, 1, 5_000] {
        with_old_file(|path| {
            let items =
                std::iter::repeat_n(Ok(domain("a-b.example")), good).chain([Err("the store is locked")]);
            let error = replace(path, &Format::Hosts, items, true).expect_err("refused");
            assert!(matches!(error, ReplaceError::Export(ExportError::Source("the store is locked"))));
            assert_eq!(content(path), "old.example\n");
        });
    }
}

#[test]
fn an_honest_empty_list_is_written_only_when_it_is_asked_for() {
    with_old_file(|path| {
        let none = || [Ok::<_, Infallible>(item(Kind::Ip, "8.8.8.8"))];
        let error = replace(path, &Format::Hosts, none(), false).expect_err("refused");
        assert!(matches!(&error, ReplaceError::Empty { summary, .. } if summary.left_out() == 1), "{error}");
        assert_eq!(content(path), "old.example\n");
        replace(path, &Format::Hosts, none(), true).expect("written");
        assert_eq!(content(path), "");
    });
}

#[cfg(unix)]
#[test]
fn a_replaced_list_keeps_its_mode_and_a_new_one_can_be_read_by_resolvers() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &std::path::Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let items = || [Ok::<_, Infallible>(domain("a-b.example"))];
    with_old_file(|path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o640)).expect("set");
        replace(path, &Format::Hosts, items(), false).expect("written");
        assert_eq!((mode(path), content(path).as_str()), (0o640, "0.0.0.0 a-b.example\n"));
    });
    let folder = tempfile::tempdir().expect("a folder");
    let (new, link) = (folder.path().join("new"), folder.path().join("link"));
    replace(&new, &Format::Hosts, items(), false).expect("written");
    assert_eq!(mode(&new), 0o644);
    std::os::unix::fs::symlink(&new, &link).expect("linked");
    replace(&link, &Format::Plain(Kind::Domain), items(), false).expect("written");
    assert_eq!(content(&new), "a-b.example\n");
    assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
}

/// Values as an attacker would like them to be: whatever passes the void rule, and whatever does not is skipped.
fn any_item() -> impl Strategy<Value = ExportItem> {
    let value = prop_oneof![
        "[a-z0-9_-]{1,12}\\.(example|com|rpz-ip|rpz-passthru|in-addr)",
        "(\\*\\.)?[a-z]{1,5}\\.[a-z]{2,3}\\.?",
        "[a-z$@;#=+\"',*. -]{1,16}",
        "\\+[1-9][0-9]{7,12}",
        "https://[a-z]{1,5}\\.example/[a-z=+\"',%?&]{0,12}",
        any::<String>(),
    ];
    let kind = proptest::sample::select(Kind::ALL.to_vec());
    (value, kind, any::<bool>(), any::<bool>()).prop_filter_map(
        "void",
        |(value, kind, subdomains, listed)| {
            let indicator = Indicator::new(kind, value).ok()?;
            let include_subdomains = subdomains && kind == Kind::Domain;
            Some(ExportItem { indicator, include_subdomains, listed, ..domain("a-b.example") })
        },
    )
}

/// Splits one line of RFC 4180 without line breaks in cells: dumb, and independent of the writer.
fn cells(line: &str) -> Vec<String> {
    let mut cells = Vec::new();
    let mut rest = line;
    loop {
        let (cell, after) = match rest.strip_prefix('"') {
            None => rest
                .split_once(',')
                .map_or((rest.to_owned(), None), |(cell, after)| (cell.to_owned(), Some(after))),
            Some(quoted) => {
                let mut end = 0;
                while let Some(at) = quoted[end..].find('"') {
                    end += at + 1;
                    if !quoted[end..].starts_with('"') {
                        break;
                    }
                    end += 1;
                }
                (quoted[..end - 1].replace("\"\"", "\""), quoted[end..].strip_prefix(','))
            }
        };
        cells.push(cell);
        match after {
            Some(after) => rest = after,
            None => return cells,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_line_says_anything_but_the_exported_values(items in proptest::collection::vec(any_item(), 0..12)) {
        let values = |wanted: &dyn Fn(&ExportItem) -> bool| -> BTreeSet<String> {
            items.iter().filter(|item| wanted(item)).map(|item| item.indicator.value().to_owned()).collect()
        };
        let domains = values(&|item| item.listed && item.indicator.kind() == Kind::Domain);
        let wide = values(&|item| item.listed && item.include_subdomains);

        for kind in Kind::ALL {
            let known = values(&|item| item.listed && item.indicator.kind() == kind);
            for line in text(&Format::Plain(kind), &items).0.lines() {
                prop_assert!(known.contains(line) && !line.starts_with('#'), "{line:?}");
            }
        }
        for line in text(&Format::Hosts, &items).0.lines() {
            let parts: Vec<&str> = line.split_whitespace().collect();
            prop_assert!(matches!(parts.as_slice(), ["0.0.0.0", name] if domains.contains(*name)), "{line:?}");
        }
        for line in text(&rpz(), &items).0.lines().skip(4) {
            let Some(owner) = line.strip_suffix(" CNAME .") else { panic!("{line:?}") };
            let (name, known) = owner.strip_prefix("*.").map_or((owner, &domains), |name| (name, &wide));
            prop_assert!(known.contains(name) && !line.starts_with(['$', '@', ';', ' ']), "{line:?}");
            prop_assert!(owner.len() + 1 + "rpz.almenara.example".len() <= 253);
            prop_assert!(!owner.ends_with('.') && !owner.contains("rpz-"), "{line:?}");
        }

        let all: Vec<String> = items.iter().map(|item| item.indicator.value().to_owned()).collect();
        let machine = text(&Format::Csv(Profile::Machine), &items).0;
        let found: Vec<String> = machine.split_terminator("\r\n").skip(1).map(|line| cells(line)[1].clone()).collect();
        prop_assert_eq!(&found, &all);
        let mut reader = ::csv::Reader::from_reader(machine.as_bytes());
        let read: Vec<String> = reader.records().map(|record| record.expect("a record")[1].to_owned()).collect();
        prop_assert_eq!(&read, &all);

        let sheet = text(&Format::Csv(Profile::Spreadsheet), &items).0;
        for (line, value) in sheet.split_terminator("\r\n").skip(1).zip(&all) {
            for cell in cells(line) {
                prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{cell:?}");
            }
            let cell = cells(line)[1].clone();
            prop_assert_eq!(cell.strip_prefix('\'').unwrap_or(&cell), value);
        }

        let json = text(&Format::JsonLines, &items).0;
        let found: Vec<String> = json
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
            .map(|record| record["value"].as_str().expect("text").to_owned())
            .collect();
        prop_assert_eq!(found, all);
    }
}
