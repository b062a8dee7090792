use std::collections::BTreeMap;

use almenara_proto::{
    indicator::Kind,
    release::Tlp,
    statement::{Basis, Category, Claim},
};
use proptest::prelude::*;

use super::*;

fn defaults(kind: Kind) -> Defaults {
    Defaults {
        now: 1_790_000_000,
        kind: Some(kind),
        categories: vec![Category::PHISHING],
        basis: Some(Basis::Imported("a list".to_owned())),
        tlp: Some(Tlp::Clear),
        ..Defaults::default()
    }
}

fn import(bytes: &[u8], format: &Format, defaults: Defaults) -> (Vec<Line>, ImportReport) {
    let mut importer = Importer::new(bytes, format, defaults, Seen::default());
    let lines = importer.by_ref().collect::<Result<_, _>>().expect("a readable file");
    (lines, importer.finish().0)
}

/// Each line as `outcome` with the canonical value, the line it repeats, or the reason.
fn outcomes(lines: &[Line]) -> String {
    let shown = |line: &Line| {
        let name = line.outcome_name();
        match &line.outcome {
            Outcome::Accepted(ready) | Outcome::Repaired { ready, .. } => {
                format!("{name} {}", ready.draft.indicator().value())
            }
            Outcome::Duplicate { first, .. } => format!("{name} {}", first.line),
            Outcome::Refused(refusal) => format!("{name} {}", refusal.code),
            Outcome::Skipped => name.to_owned(),
        }
    };
    lines.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn check(kind: Kind, text: impl AsRef<[u8]>, expected: &str) {
    let (lines, report) = import(text.as_ref(), &Format::Plain, defaults(kind));
    assert_eq!(outcomes(&lines), expected);
    assert_sums(text.as_ref(), &report);
}

/// A dumb count of lines: the oracle.
fn count_lines(bytes: &[u8]) -> u64 {
    bytes.split_inclusive(|&byte| byte == b'\n').count() as u64
}

fn assert_sums(bytes: &[u8], report: &ImportReport) {
    let sum = report.accepted + report.repaired + report.duplicate + report.refused + report.skipped;
    assert_eq!((report.lines, sum), (count_lines(bytes), count_lines(bytes)));
    assert_eq!(report.reasons.values().map(|reason| reason.count).sum::<u64>(), report.refused);
    assert_eq!(report.kinds.values().sum::<u64>(), report.drafts());
}

#[test]
fn plain_lines_are_values() {
    check(Kind::Domain, "", "");
    check(Kind::Domain, "\n", "skipped");
    check(Kind::Domain, "a-b.example", "accepted a-b.example");
    check(Kind::Domain, "a-b.example\r\n\r\n", "accepted a-b.example, skipped");
    check(Kind::Domain, "\u{feff}a-b.example\n", "accepted a-b.example");
    check(Kind::Domain, "# a list\n  # more", "skipped, skipped");
    check(Kind::Domain, "a-b.example # phishing", "accepted a-b.example");
    check(Kind::Domain, "a-b[.]example\nA-B.EXAMPLE.", "repaired a-b.example, duplicate 1");
    check(Kind::Domain, "co.uk\na-b.example", "refused public_suffix, accepted a-b.example");
    check(Kind::Domain, "a b.example", "refused undecodable");
    check(Kind::Url, "hxxps://a-b[.]example/x#y", "repaired https://a-b.example/x");
    check(Kind::Phone, "0812345678", "refused needs_region");
}

#[test]
fn one_bad_line_never_stops_the_file() {
    let good = "accepted a-b.example";
    check(Kind::Domain, b"\xff\xfe\na-b.example", &format!("refused not_utf8, {good}"));
    check(Kind::Domain, b"a\0b.example\na-b.example", &format!("refused undecodable, {good}"));
    check(Kind::Domain, b"\0\0\0\na-b.example", &format!("refused undecodable, {good}"));
    let long = [vec![b'x'; 10 << 20], b"\na-b.example".to_vec()].concat();
    check(Kind::Domain, &long, &format!("refused too_long, {good}"));
    check(Kind::Domain, [vec![b'x'; LINE_BYTES], b"\n".to_vec()].concat(), "refused too_long");
    check(Kind::Domain, "\u{1b}[2J\u{202e}\na-b.example", &format!("refused undecodable, {good}"));
}

#[test]
fn a_newline_in_a_value_is_refused_at_ingest() {
    // HOSTILE 72
    let jsonl = "{\"value\":\"a-b.example\\n0.0.0.0 bank.example\"}";
    let (lines, _) = import(jsonl.as_bytes(), &Format::JsonLines, defaults(Kind::Domain));
    assert_eq!(outcomes(&lines), "refused undecodable");
    let csv = "value\n\"a-b.example\n0.0.0.0 bank.example\"\n";
    let (lines, report) = import(csv.as_bytes(), &Format::Csv(CsvOptions::default()), defaults(Kind::Domain));
    assert_eq!(outcomes(&lines), "skipped, refused undecodable");
    assert_sums(csv.as_bytes(), &report);
}

#[test]
fn hints_of_the_command_reach_every_line() {
    let hinted = |kind, text: &str, change: fn(&mut Defaults)| {
        let mut defaults = defaults(kind);
        change(&mut defaults);
        outcomes(&import(text.as_bytes(), &Format::Plain, defaults).0)
    };
    let thai = |defaults: &mut Defaults| defaults.region = Some("TH".to_owned());
    assert_eq!(hinted(Kind::Phone, "081 234 5678", thai), "repaired +66812345678");
    let telegram = |defaults: &mut Defaults| defaults.platform = Some("telegram".to_owned());
    assert_eq!(hinted(Kind::Handle, "@FakeBroker", telegram), "repaired telegram:fakebroker");
    let genesis = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa";
    let auto = |defaults: &mut Defaults| defaults.chain = Some("auto".to_owned());
    assert_eq!(hinted(Kind::Wallet, genesis, auto), format!("repaired btc:{genesis}"));
    let tron = |defaults: &mut Defaults| defaults.chain = Some("tron".to_owned());
    assert_eq!(hinted(Kind::Wallet, genesis, tron), "refused other_chain");
}

fn check_csv(options: CsvOptions, text: &str, expected: &str) {
    let (lines, report) = import(text.as_bytes(), &Format::Csv(options), defaults(Kind::Domain));
    assert_eq!(outcomes(&lines), expected, "{text}");
    assert_sums(text.as_bytes(), &report);
}

fn mapped(map: &str) -> CsvOptions {
    CsvOptions { map: CsvOptions::map(map).expect("a map"), ..CsvOptions::default() }
}

#[test]
fn csv_columns_are_found_by_name_or_mapped() {
    let plain = CsvOptions::default;
    check_csv(plain(), "value,category\na-b.example,phishing\n", "skipped, accepted a-b.example");
    check_csv(
        plain(),
        "# c\r\n\r\nvalue\r\na-b.example\r\n",
        "skipped, skipped, skipped, accepted a-b.example",
    );
    check_csv(mapped("value=host"), "id,host\n1,a-b.example", "skipped, accepted a-b.example");
    check_csv(mapped("value=host"), "value,host\nx,a-b.example", "skipped, accepted a-b.example");
    check_csv(plain(), "value,category\na-b.example,fraud", "skipped, refused category");
    check_csv(plain(), "value,confidence\na-b.example,many", "skipped, refused cell");
    check_csv(plain(), "value,kind\na-b.example\n8.8.8.8,ip", "skipped, refused columns, accepted 8.8.8.8");
    let numbered = CsvOptions { header: false, ..mapped("value=2") };
    check_csv(numbered, "1,a-b.example\n2,b-c.example\n", "accepted a-b.example, accepted b-c.example");
    let semicolons = CsvOptions { delimiter: b';', ..plain() };
    check_csv(semicolons, "value;description\na-b.example;\"x;y\"", "skipped, accepted a-b.example");
}

#[test]
fn a_quote_that_never_closes_costs_one_line() {
    let plain = CsvOptions::default;
    check_csv(
        plain(),
        "value\n\"a-b.example\nb-c.example\n",
        "skipped, refused unclosed_quote, accepted b-c.example",
    );
    let filler = "b-c.example\n".repeat(100);
    let text = format!("value\n\"x\n{filler}\"y\"\nc-d.example");
    let (lines, report) = import(text.as_bytes(), &Format::Csv(plain()), defaults(Kind::Domain));
    assert_sums(text.as_bytes(), &report);
    assert_eq!((report.lines, report.duplicate, report.refused), (104, 99, 2));
    assert_eq!(lines.last().map(Line::outcome_name), Some("accepted"));
    check_csv(
        plain(),
        "value\n\"a\"b,\"\nb-c.example",
        "skipped, refused unclosed_quote, accepted b-c.example",
    );
    check_csv(plain(), "value\n\"a\"b\nb-c.example", "skipped, refused stray_quote, accepted b-c.example");
}

#[test]
fn a_record_may_span_lines() {
    let text = "value,description\na-b.example,\"one\ntwo \"\"quoted\"\"\"\nb-c.example,x\n";
    let (lines, report) =
        import(text.as_bytes(), &Format::Csv(CsvOptions::default()), defaults(Kind::Domain));
    assert_eq!(outcomes(&lines), "skipped, accepted a-b.example, accepted b-c.example");
    assert_eq!(
        lines.iter().map(|line| (line.number, line.lines)).collect::<Vec<_>>(),
        [(1, 1), (2, 2), (4, 1)]
    );
    assert_sums(text.as_bytes(), &report);
}

fn check_header(options: CsvOptions, text: &str, expected: &str) {
    let importer =
        Importer::new(text.as_bytes(), &Format::Csv(options), defaults(Kind::Domain), Seen::default());
    let lines: Vec<_> = importer.collect();
    let error = lines.into_iter().find_map(Result::err).map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn columns_that_cannot_be_told_apart_stop_the_file_before_it_begins() {
    check_header(CsvOptions::default(), "domain\na.example", "no column is called `value`");
    check_header(
        mapped("value=host"),
        "domain\na.example",
        "the header has no column `host`; it has: domain",
    );
    check_header(mapped("value=host"), "host,host\n", "two columns are called `host`");
    check_header(CsvOptions::default(), "value,value\n", "two columns are called `value`");
    check_header(CsvOptions::default(), "\"value\n", "the header cannot be read");
    check_header(CsvOptions { header: false, ..mapped("value=3") }, "a,b\n", "no column `3`");
    assert!(CsvOptions::map("vaule=a").is_err_and(|error| error.to_string().contains("no field `vaule`")));
    assert!(CsvOptions::map("value").is_err());
}

#[test]
fn columns_that_nothing_was_read_from_are_named() {
    let (_, report) = import(
        b"id,value,notto\n1,a-b.example,x",
        &Format::Csv(CsvOptions::default()),
        defaults(Kind::Domain),
    );
    assert_eq!(report.unused_columns, ["id", "notto"]);
}

fn check_json(text: &str, expected: &str) {
    let (lines, report) = import(text.as_bytes(), &Format::JsonLines, defaults(Kind::Domain));
    assert_eq!(outcomes(&lines), expected, "{text}");
    assert_sums(text.as_bytes(), &report);
}

#[test]
fn json_lines_have_documented_names() {
    check_json("{\"value\":\"a-b.example\"}\n\n", "accepted a-b.example, skipped");
    check_json("{\"value\":\"8.8.8.8\",\"kind\":\"ip\"}", "accepted 8.8.8.8");
    check_json("{\"value\":\"a-b.example\",\"category\":\"romance\"}", "accepted a-b.example");
    check_json("{\"value\":\"a-b.example\",\"last_seen\":\"2026-01-31\"}", "accepted a-b.example");
    check_json("{\"vaule\":\"a-b.example\"}", "refused json");
    check_json("[]\nnull\n{\n\"x\"", "refused json, refused json, refused json, refused json");
    check_json(&"[".repeat(60_000), "refused json");
}

#[test]
fn a_duplicate_of_an_earlier_file_is_found() {
    let mut first =
        Importer::new("a-b.example\n".as_bytes(), &Format::Plain, defaults(Kind::Domain), Seen::default());
    assert_eq!(first.by_ref().count(), 1);
    let (mut report, seen) = first.finish();
    let mut second = Importer::new("\nA-B.example".as_bytes(), &Format::Plain, defaults(Kind::Domain), seen);
    let lines: Vec<Line> = second.by_ref().map(|line| line.expect("readable")).collect();
    let expected =
        Outcome::Duplicate { of: "domain a-b.example".to_owned(), first: Place { file: 0, line: 1 } };
    assert_eq!(lines.last().map(|line| (line.file, line.number, &line.outcome)), Some((1, 2, &expected)));
    report.merge(second.finish().0);
    assert_eq!((report.lines, report.accepted, report.duplicate, report.skipped), (3, 1, 1, 1));
}

#[test]
fn a_file_that_fails_in_the_middle_is_an_error_and_not_its_end() {
    struct Failing;
    impl io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let input = io::BufReader::new(io::Read::chain("a-b.example\n".as_bytes(), Failing));
    let lines: Vec<_> =
        Importer::new(input, &Format::Plain, defaults(Kind::Domain), Seen::default()).collect();
    assert!(matches!(lines.as_slice(), [Ok(_), Err(ImportError::Read { line: 1, .. })]));
}

#[test]
fn the_report_of_a_line_is_json_with_its_reason() {
    let (lines, _) = import(b"hxxp://x\nA-b.example", &Format::Plain, defaults(Kind::Domain));
    let json: Vec<BTreeMap<String, serde_json::Value>> =
        lines.iter().map(|line| serde_json::from_str(&line.to_json()).expect("JSON")).collect();
    assert_eq!(json[0]["outcome"], "refused");
    assert!(json[0].contains_key("reason") && json[0].contains_key("message"));
    assert_eq!((&json[1]["value"], &json[1]["from"]), (&"a-b.example".into(), &"A-b.example".into()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_the_bytes_the_outcomes_sum_to_the_lines(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for format in [Format::Plain, Format::JsonLines] {
            let (_, report) = import(&bytes, &format, defaults(Kind::Domain));
            assert_sums(&bytes, &report);
        }
        let bytes = [b"value,description\n".as_slice(), &bytes].concat();
        let (_, report) = import(&bytes, &Format::Csv(CsvOptions::default()), defaults(Kind::Domain));
        assert_sums(&bytes, &report);
    }

    #[test]
    fn quotes_and_line_breaks_anywhere_lose_no_line(text in "[\",a\\n\\r#]{0,200}") {
        let text = format!("value,description\n{text}");
        let (_, report) = import(text.as_bytes(), &Format::Csv(CsvOptions::default()), defaults(Kind::Domain));
        assert_sums(text.as_bytes(), &report);
    }

    #[test]
    fn a_well_formed_csv_file_is_read_as_the_csv_crate_reads_it(
        cells in proptest::collection::vec(("[a-z]{1,8}", "[a-z\",\\n ;#]{0,12}"), 1..20)
    ) {
        let mut writer = ::csv::Writer::from_writer(Vec::new());
        writer.write_record(["value", "description"]).expect("written");
        for (name, text) in &cells {
            writer.write_record([&format!("{name}-x.example"), text]).expect("written");
        }
        let bytes = writer.into_inner().expect("flushed");
        let (lines, _) = import(&bytes, &Format::Csv(CsvOptions::default()), defaults(Kind::Domain));
        let found: Vec<String> = lines.into_iter().skip(1).filter_map(|line| line.outcome.into_draft()).map(|draft| {
            let Claim::Report(report) = draft.claim() else { unreachable!("a report") };
            format!("{} {}", draft.indicator().value(), report.description)
        }).collect();
        let mut seen = std::collections::BTreeSet::new();
        let expected: Vec<String> = cells
            .iter()
            .filter(|(name, _)| seen.insert(name.clone()))
            // A cell of blanks says nothing.
            .map(|(name, text)| format!("{name}-x.example {}", if text.trim().is_empty() { "" } else { text }))
            .collect();
        prop_assert_eq!(found, expected);
    }
}
