//! A desk imports, signs, withdraws and exports through files, as people do.

use std::path::PathBuf;

use almenara_proto::{
    keys::VerifyingKey,
    log::Withdrawal,
    name::Address,
    roster::{Roster, SignedRoster},
    signed::Signed,
    statement::{Claim, Dispute, DisputeReason, Report, Statement},
    wire::publish_request::Item,
};
use clap::Parser as _;

use crate::{
    cli::Cli,
    clock,
    config::Environment,
    context::Context,
    exit::{CliError, Exit, Outcome},
    follow::{
        Step,
        testlog::{FEDERATION, NOW, TestLog, key, report, roster},
    },
    home::Home,
    keyfile::{self, Purpose},
    output::{Captured, Manner, Output},
    publish::Submission,
    random::Random,
    signed,
    store::Store,
};

const DESK: &str = "m1.example/desk";

/// The home of a desk of `m1.example`, with a roster of two members and a key.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().expect("a folder") };
        let mut first = SignedRoster::unsigned(&roster(&[(1, "TH"), (2, "NL")]));
        first.sign(&key(1));
        first.sign(&key(2));
        let config = format!(
            "federation = \"{FEDERATION}\"\nroster = \"{}\"\nnodes = [\"m1.example\"]\n\
             [publisher]\nname = \"{DESK}\"\nkey = \"desk.pem\"\n",
            first.id()
        );
        std::fs::write(desk.path("almenara.toml"), config).expect("written");
        std::fs::create_dir(desk.path("rosters")).expect("made");
        crate::rosters::write(&desk.path("rosters/1.roster"), &first).expect("written");
        let make = |file, purpose, holder, key: &_| {
            keyfile::create(&desk.path(file), purpose, holder, key).expect("written");
        };
        make("desk.pem", Purpose::Publisher, DESK, &TestLog::new(1).desk_key("desk"));
        make("root.pem", Purpose::Root, "m1.example", &key(1));
        make("foreign.pem", Purpose::Root, "m2.example", &key(2));
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Runs `almenara` with this line, where words that name files of the home start with `@`.
    fn run(&self, line: &str) -> (Result<Outcome, CliError>, Captured) {
        let words = line.split(' ').map(|word| match word.strip_prefix('@') {
            Some(file) => self.path(file).display().to_string(),
            None => word.to_owned(),
        });
        let cli = Cli::try_parse_from(std::iter::once("almenara".to_owned()).chain(words)).expect("parsed");
        let manner = Manner { json: cli.global.manner.json, yes: cli.global.manner.yes, ..Manner::default() };
        let (output, captured) = Output::captured(manner, "");
        let context = Context::new(Home::new(self.folder.path()), output, Environment::default())
            .with(clock::fixed(NOW), Random::system());
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        (runtime.block_on(super::run(cli.verb, &context)), captured)
    }

    fn check(&self, line: &str, code: u8, says: &str) -> String {
        let (outcome, captured) = self.run(line);
        let (found, text) = match outcome {
            Ok(outcome) => (Exit::from(outcome), captured.out() + &captured.err()),
            Err(error) => (error.exit(), error.to_string()),
        };
        assert_eq!(found.code(), code, "{line}: {text}");
        assert!(text.contains(says), "{line}: {text}");
        text
    }

    /// Pulls a whole log into the store, which the other member has cosigned.
    fn pull(&self, log: &TestLog) {
        self.pull_settled(log, log.size());
    }

    /// The same, where the other member has cosigned so many entries.
    fn pull_settled(&self, log: &TestLog, settled: u64) {
        let mut store = Store::open(self.path("store"), FEDERATION).expect("a store");
        let replica = store.replica_mut(&log.member()).expect("a replica");
        let mut follower = replica.follower();
        for frame in log.frames(replica.size(), 10) {
            if let Step::Page(page) = follower.step(frame, &roster(&[(1, "TH"), (2, "NL")])).expect("honest")
            {
                replica.keep(page, &follower).expect("kept");
            }
        }
        replica.settle(&log.cosigned(settled, &[3 - log.number]), &roster(&[(1, "TH"), (2, "NL")]));
        replica.mark_fresh(NOW);
        replica.finish().expect("durable");
    }

    fn withdrawals(&self, file: &str) -> Vec<Signed<Withdrawal>> {
        let items = signed::read(&self.path(file)).expect("opened");
        items
            .map(|item| match item.expect("readable").item {
                Some(Item::Withdrawal(wire)) => Signed::parse(wire).expect("no void one"),
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

const LIST: &str =
    "# seen this week\nfake-broker[.]example\nother(dot)example\nB.example # again\nb.example\nco.uk\n";
const HOW: &str = "--kind domain --category phishing --tlp GREEN --pap GREEN --observed";

#[test]
fn a_list_becomes_drafts_and_drafts_become_signed_batches() {
    let desk = Desk::new();
    desk.write("list.txt", LIST);
    let text = desk.check(&format!("import @list.txt {HOW} -o @d.jsonl --report @r.jsonl"), 0, "3 drafts in");
    for part in ["repaired   3", "duplicate  1", "refused    1", "public_suffix", "line 6: "] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(desk.read("r.jsonl").lines().count(), 6);
    assert_eq!(desk.read("d.jsonl").lines().count(), 3);
    desk.check("sign @d.jsonl --dry-run", 0, "Would sign 3 statements as m1.example/desk");
    desk.check("sign @d.jsonl -o @d.signed", 0, "3 statements in 1 batches");
    let items: Vec<_> =
        signed::read(&desk.path("d.signed")).expect("opened").collect::<Result<_, _>>().expect("read");
    let Some(Item::Batch(batch)) = &items[0].item else { panic!("a batch") };
    let said = |bytes: &bytes::Bytes| Statement::parse(bytes).expect("not void").indicator.value().to_owned();
    let mut values: Vec<String> = batch.statements.iter().map(said).collect();
    values.sort();
    assert_eq!(values, ["b.example", "fake-broker.example", "other.example"]);
    assert!(Submission::parse(items[0].clone()).is_ok(), "signature and root hold");
    desk.check("sign @d.jsonl -o @d.signed", 2, "exists");
}

#[test]
fn what_gives_no_draft_writes_nothing() {
    let desk = Desk::new();
    desk.write("list.txt", "co.uk\n\n");
    desk.write("list.csv", "host\na.example\n");
    desk.write("d.jsonl", "{\"kind\":\"domain\",\"value\":\"a-b.example\"}\n");
    desk.check(&format!("import @list.txt {HOW} -o @new.jsonl"), 1, "no line gave a draft");
    desk.check(&format!("import @list.csv {HOW} -o @new.jsonl"), 2, "no column is called `value`");
    desk.check(&format!("import @none.txt {HOW} -o @new.jsonl"), 2, "none.txt");
    let text = desk.check("import @list.txt --kind domain -o @new.jsonl", 2, "plain list of values");
    assert!(text.contains("give --category, --tlp, --from LIST or --observed"), "{text}");
    desk.check("sign @d.jsonl -o @new.jsonl", 1, "missing_tlp");
    assert!(!desk.path("new.jsonl").exists());
    desk.check(&format!("import @list.csv {HOW} --map value=host --dry-run"), 0, "accepted");
    let json = desk.check(&format!("import @list.csv {HOW} --map value=host -o @new.jsonl --json"), 0, "");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).expect("one object")["accepted"], 1);
}

#[test]
fn what_others_took_back_or_dispute_is_warned_about_before_it_is_reported_again() {
    let desk = Desk::new();
    desk.write("list.txt", "a.example\nB[.]example\nc.example\nd.example\n");
    let import = format!("import @list.txt {HOW} -o @d.jsonl --report @r.jsonl");
    let text = desk.check(&import, 0, "4 drafts in");
    assert!(!text.contains("withdrawn"), "without a store nothing is known: {text}");

    let mut log = TestLog::new(2);
    log.grant("desk");
    log.grant("night");
    let first =
        log.batch("desk", vec![report(1, "a.example"), report(2, "c.example"), report(3, "d.example")]);
    log.withdraw("desk", &[(first, 0), (first, 2)]);
    // The second report stands again, and another desk's dispute of it was taken back.
    log.batch("desk", vec![report(4, "d.example")]);
    let target: Address = "m1.example:7.0".parse().expect("an address");
    let dispute = |nonce, value| Statement {
        claim: Claim::Dispute(Dispute {
            target: target.clone(),
            id: almenara_proto::merkle::sha256(&[b"a report"]),
            reason: DisputeReason::FalsePositive,
            description: String::new(),
            references: Vec::new(),
        }),
        ..report(nonce, value)
    };
    log.batch("night", vec![dispute(5, "b.example")]);
    let taken_back = log.batch("night", vec![dispute(6, "c.example")]);
    log.withdraw("night", &[(taken_back, 0)]);
    desk.pull(&log);

    let text = desk.check(&import, 0, "4 drafts in");
    for part in [
        "line 1: a.example: m2.example/desk reported it and took that back (m2.example:2.0)",
        "line 2: b.example: m2.example/night disputes the report m1.example:7.0 (m2.example:5.0)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let report = desk.read("r.jsonl");
    let warned: Vec<bool> = report.lines().map(|line| line.contains("\"warnings\"")).collect();
    assert_eq!(warned, [true, true, false, false], "{report}");
    let json = desk.check(&format!("import @list.txt {HOW} --dry-run --json"), 0, "");
    let json: serde_json::Value = serde_json::from_str(&json).expect("one object");
    let counts = ["withdrawn", "disputed"].map(|code| json["warnings"][code]["count"].as_u64());
    assert_eq!(counts, [Some(1), Some(1)]);
}

#[test]
fn own_statements_are_withdrawn_and_nobody_elses() {
    let desk = Desk::new();
    let line =
        "withdraw m1.example:9.2 m1.example:3.1 m1.example:9.2 --reason outdated --sign-only @w.signed";
    desk.check(line, 0, "Signed into");
    let signed = desk.withdrawals("w.signed");
    assert_eq!(signed[0].content.targets, [(3, 1), (9, 2)]);
    let public = TestLog::new(1).desk_key("desk").verifying_key();
    assert!(signed[0].verify(&public).is_ok());
    desk.check(
        "withdraw m2.example:9.2 --reason error --sign-only @x.signed",
        2,
        "almenara dispute m2.example:9.2",
    );
    assert!(Cli::try_parse_from("almenara withdraw m1.example:1.1 --reason whim".split(' ')).is_err());
    assert!(
        Cli::try_parse_from("almenara withdraw m1.example:1.1 --reason error --erase".split(' ')).is_err()
    );
    assert!(Cli::try_parse_from("almenara withdraw --reason error".split(' ')).is_err());
}

#[test]
fn an_erasure_bears_a_second_key_of_the_member() {
    let desk = Desk::new();
    let line = "withdraw m1.example:9.2 --reason legal_order --erase --second-key";
    desk.check(&format!("{line} @foreign.pem --sign-only @x.signed"), 2, "no key of m1.example");
    desk.check(&format!("{line} @root.pem --sign-only @w.signed"), 0, "");
    let signed = desk.withdrawals("w.signed").remove(0);
    let root: VerifyingKey = key(1).verifying_key();
    let second = Signed { signature: signed.second_signature.expect("a second one"), ..signed.clone() };
    assert!(second.verify(&root).is_ok());
    assert_eq!(signed.content.second_key.map(|key| key.0), Some(root.to_bytes()));
}

#[test]
fn more_targets_than_a_withdrawal_holds_make_several() {
    let desk = Desk::new();
    let addresses: Vec<String> = (0..2_050).map(|leaf| format!("m1.example:4.{leaf}")).collect();
    desk.check(&format!("withdraw {} --reason error --sign-only @w.signed", addresses.join(" ")), 0, "");
    let signed = desk.withdrawals("w.signed");
    assert_eq!(signed.iter().map(|one| one.content.targets.len()).collect::<Vec<_>>(), [2_048, 2]);
    assert!(signed[0].content.seq < signed[1].content.seq);
}

/// A report that resolvers may use.
fn blockable(nonce: u32, value: &str, change: impl FnOnce(&mut Report)) -> Statement {
    let mut statement = report(nonce, value);
    if let Claim::Report(report) = &mut statement.claim {
        change(report);
    }
    statement
}

#[test]
fn a_withdrawn_domain_leaves_every_export() {
    let desk = Desk::new();
    desk.check("export --format hosts -o @hosts", 2, "almenara pull");
    let mut log = TestLog::new(1);
    log.grant("desk");
    let batch =
        log.batch("desk", vec![report(1, "a.example"), blockable(2, "b.example", |r| r.lookup_only = true)]);
    desk.pull(&log);
    desk.check("export --format hosts -o @hosts", 0, "1 items in");
    assert_eq!(desk.read("hosts"), "0.0.0.0 a.example\n");
    let text = desk.check("export --format plain", 0, "a.example\n");
    assert!(text.contains("1 left out: it is lookup-only") && text.contains("\"b.example\""), "{text}");
    desk.check("export --format rpz --origin rpz.m1.example -o @zone", 0, "");
    let before = crate::formats::export::serial_of(&desk.read("zone")).expect("a serial");
    desk.check("export --format rpz --origin rpz.m1.example -o @zone", 0, "");
    assert!(crate::formats::export::serial_of(&desk.read("zone")).expect("a serial") > before);
    assert!(desk.read("zone").ends_with("\na.example CNAME .\n"));
    desk.check("export --format csv -o @all.csv", 0, "2 items in");
    desk.check("export --format jsonl --dry-run", 0, "Would write 2 items");

    log.withdraw("desk", &[(batch, 0)]);
    desk.pull(&log);
    desk.check("export --format hosts -o @hosts", 1, "--allow-empty");
    assert_eq!(desk.read("hosts"), "0.0.0.0 a.example\n", "the old list stays");
    desk.check("export --format plain", 1, "nothing stands in the list");
    desk.check("export --format hosts -o @hosts --allow-empty", 0, "the list is empty");
    assert_eq!(desk.read("hosts"), "");
    desk.check("export --format jsonl", 0, "b.example");
    let all = desk.check("export --format jsonl --all", 0, "");
    assert!(all.contains("\"value\":\"a.example\",\"listed\":false"), "{all}");
}

#[test]
fn what_is_pending_is_called_so_and_listed_when_it_is_settled() {
    let desk = Desk::new();
    let mut log = TestLog::new(1);
    log.grant("desk");
    log.batch("desk", vec![report(1, "a.example")]);
    log.batch("desk", vec![report(2, "b.example"), blockable(3, "c.example", |r| r.confidence = Some(0))]);
    desk.pull_settled(&log, 2);

    let left_out = "1 left out: it is pending: too few other jurisdictions";
    for format in ["plain", "hosts", "rpz --origin rpz.m1.example", "csv", "jsonl"] {
        let text = desk.check(&format!("export --format {format} -o @list"), 0, "1 items in");
        assert!(text.contains(left_out) && text.contains("\"b.example\""), "{text}");
    }
    desk.check("export --format jsonl --all -o @list", 0, "3 items in");
    let waits = "waits for cosignatures of 1 other jurisdiction, not counted until then";
    let text = desk.check("lookup a.example b.example", 0, "LISTED");
    assert!(text.contains("pending") && text.contains(&format!("What is pending {waits}")), "{text}");
    assert!(!desk.check("lookup a.example", 0, "LISTED").contains("pending"));
    desk.check("lookup b.example", 1, "pending");
    let text =
        desk.check("show domain a.example", 0, ", cosigned by m2.example (NL) on 2026-01-01 00:00 UTC");
    assert!(text.contains("settled          in the checkpoint of size 2"), "{text}");
    let text = desk.check("show domain b.example", 0, "counts           pending");
    assert!(text.contains(&format!("pending          it {waits}")), "{text}");
    let json = desk.check("show domain a.example --json", 0, "");
    let json: serde_json::Value = serde_json::from_str(&json).expect("one object");
    assert_eq!((&json["settled"], &json["checkpoint"]), (&2.into(), &3.into()));
    assert_eq!(json["cosigned"][0]["member"], "m2.example");

    desk.pull(&log);
    assert!(!desk.check("export --format plain -o @list", 0, "2 items in").contains("pending"));
    assert_eq!(desk.read("list"), "a.example\nb.example\n");
    assert!(desk.check("status --json", 0, "").contains("\"settled\":3"));
}

#[test]
fn what_a_member_said_that_left_stays_proven_and_is_called_so() {
    let desk = Desk::new();
    let mut log = TestLog::new(2);
    log.grant("desk");
    log.batch("desk", vec![report(1, "a.example")]);
    log.batch("desk", vec![report(2, "b.example")]);
    desk.pull_settled(&log, 2);
    desk.check("status", 0, "");

    let first = crate::rosters::read(&desk.path("rosters/1.roster")).expect("read");
    let next = Roster { version: 2, previous: Some(first.id()), quorum: 0, ..roster(&[(1, "TH")]) };
    let mut next = SignedRoster::unsigned(&next);
    [1, 2].iter().for_each(|root| next.sign(&key(*root)));
    crate::rosters::write(&desk.path("rosters/2.roster"), &next).expect("written");

    let text =
        desk.check("show domain a.example", 0, "checkpoint of size 3, the last one here: its member left");
    assert!(text.contains("with roster version 2"), "{text}");
    desk.check("show domain b.example", 0, "pending          for good: its member left before");
    let json = desk.check("show domain a.example --json", 0, "");
    let json: serde_json::Value = serde_json::from_str(&json).expect("one object");
    assert_eq!((&json["left"], &json["checkpoint"]), (&2.into(), &3.into()));
    // A log that has ended is nothing to be looked at.
    desk.check("status", 0, "its member left with roster version 2");
    assert!(desk.check("status --json", 0, "").contains("\"trouble\":null,\"left\":2"));
}

#[test]
fn what_is_pending_counts_where_the_policy_says_so() {
    let desk = Desk::new();
    let mut log = TestLog::new(1);
    log.grant("desk");
    log.batch("desk", vec![report(1, "a.example")]);
    desk.pull_settled(&log, 1);
    let config = desk.read("almenara.toml");
    desk.check("lookup a.example", 1, "pending");
    desk.write("almenara.toml", &format!("{config}[policy]\npending_allowed = true\n"));
    desk.check("lookup a.example", 0, "LISTED");
    desk.check("export --format plain -o @list", 0, "1 items in");
    desk.check("show domain a.example", 0, "counted nevertheless (policy.pending_allowed)");
}

#[test]
fn a_warning_that_somebody_may_be_coerced_holds_although_another_report_weighs_more() {
    let desk = Desk::new();
    let mut log = TestLog::new(1);
    log.grant("desk");
    log.grant("night");
    log.batch("desk", vec![blockable(1, "a.example", |report| report.confidence = Some(90))]);
    let weak = |report: &mut Report| {
        report.confidence = Some(10);
        report.possibly_coerced = true;
    };
    log.batch("night", vec![blockable(2, "a.example", weak), report(3, "b.example")]);
    desk.pull(&log);
    desk.check("export --format plain -o @list", 0, "1 items in");
    assert_eq!(desk.read("list"), "b.example\n");
}

#[test]
fn reports_on_an_indicator_are_found_in_the_store_and_withdrawn() {
    let desk = Desk::new();
    let mut log = TestLog::new(1);
    log.grant("desk");
    let batch = log.batch("desk", vec![report(1, "a.example"), report(2, "b.example")]);
    desk.pull(&log);
    desk.check("withdraw --indicator domain B[.]example --reason error --sign-only @w.signed", 0, "");
    assert_eq!(desk.withdrawals("w.signed")[0].content.targets, [(batch, 1)]);
    desk.check(
        "withdraw --indicator domain c.example --reason error --sign-only @x.signed",
        1,
        "holds no standing",
    );
    desk.check("withdraw --indicator domian c.example --reason error --sign-only @x.signed", 2, "no kind");
}

#[test]
fn only_another_members_report_is_disputed() {
    let desk = Desk::new();
    desk.check("dispute m1.example:1.0 --reason outdated", 2, "almenara withdraw m1.example:1.0");
    desk.check("dispute m2.example:1.0 --reason outdated", 1, "does not hold m2.example:1.0");
    desk.check("sight domain a-b.example", 2, "Give --tlp");
    desk.check("sight domain co.uk --tlp GREEN", 2, "public suffix");
}

#[test]
fn a_preview_says_before_anything_is_signed_who_would_see_and_who_would_keep_it() {
    let desk = Desk::new();
    let line = |value: u32, rest: &str| {
        format!(
            "{{\"kind\":\"domain\",\"value\":\"scam{value}.example\",\"categories\":[\"scam.phishing\"],\
             \"basis\":\"observed\",\"pap\":\"GREEN\",{rest}}}\n"
        )
    };
    let amber = "\"tlp\":\"AMBER\",\"to\":[\"m2.example\"],\"copies\":2";
    let mut text: String = (0..40).map(|value| line(value, amber)).collect();
    text.push_str(&line(90, "\"tlp\":\"GREEN\""));
    desk.write("drafts.jsonl", &text);
    // Equal ones are one line.
    let said = desk.check("publish --preview @drafts.jsonl --json", 0, "");
    let lines: Vec<serde_json::Value> =
        said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert_eq!(lines[0]["statements"], 40);
    assert_eq!(lines[0]["seen_by"], serde_json::json!(["m2.example"]));
    assert_eq!(lines[0]["kept_by"], serde_json::json!(["m2.example"]));
    assert_eq!((&lines[0]["due"], &lines[0]["shortfall"]), (&2.into(), &1.into()));
    assert_eq!(lines[1]["seen_by"], lines[1]["kept_by"]);
    desk.check("publish --preview @drafts.jsonl", 0, "shortfall 1 of 2 copies");
}

/// A log with a batch of four of which two are shown, and one that is withdrawn later.
fn told() -> TestLog {
    let mut log = TestLog::new(1);
    log.grant("desk");
    let values = ["a.example", "b.example", "c.example", "d.example"];
    let reports = (1..).zip(values).map(|(nonce, value)| report(nonce, value)).collect();
    let batch = log.sealed("desk", reports);
    log.push_batch(&batch, &[1, 3], false);
    log
}

#[test]
fn a_statement_is_proven_to_somebody_who_knows_one_hash() {
    let desk = Desk::new();
    let mut log = told();
    desk.pull(&log);
    desk.check("prove m1.example:1.3 -o @f.proof", 0, "bytes that prove m1.example:1.3");
    desk.check("prove m1.example:1.0 -o @none.proof", 1, "does not hold m1.example:1.0");
    desk.check("prove m1.example:9.0 -o @none.proof", 1, "does not hold");
    desk.check("prove m1.example:1.1 --roster-from 2 -o @none.proof", 2, "no roster version 2");
    assert!(desk.read("f.tlog-proof").starts_with("c2sp.org/tlog-proof@v1\nextra "));
    let text = desk.check("verify @f.proof", 0, "m1.example/desk said at m1.example:1.3");
    for part in ["domain d.example", "cosigned by      m2.example (NL)", "existed by", "not withdrawn"] {
        assert!(text.contains(part), "{part}: {text}");
    }

    // Elsewhere: no configuration, no store, no network.
    let court = Desk { folder: tempfile::tempdir().expect("a folder") };
    std::fs::copy(desk.path("f.proof"), court.path("f.proof")).expect("copied");
    let config = desk.read("almenara.toml");
    let hash = config.split('"').find(|word| word.len() == 64).expect("a hash").to_owned();
    court.check("verify @f.proof", 2, &hash);
    court.check(&format!("verify @f.proof --roster-hash {hash}"), 0, "cannot tell whether it still stands");
    let json = court.check(&format!("verify @f.proof --roster-hash {hash} --json"), 0, "");
    let json: serde_json::Value = serde_json::from_str(&json).expect("one object");
    assert_eq!((&json["holds"], &json["value"]), (&true.into(), &"d.example".into()));
    let other = "7".repeat(64);
    court.check(&format!("verify @f.proof --roster-hash {other}"), 1, "rests on the roster");
    let mut bytes = std::fs::read(desk.path("f.proof")).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(court.path("g.proof"), bytes).expect("written");
    court.check(&format!("verify @f.proof @g.proof --roster-hash {hash}"), 1, "it proves nothing: ");
    court.check(&format!("verify @none.proof --roster-hash {hash}"), 2, "none.proof");

    // What became of it is for a later state of the log to tell.
    log.withdraw("desk", &[(1, 3)]);
    desk.pull(&log);
    desk.check("verify @f.proof", 0, "WITHDRAWN (the local store has 3 entries");
}

#[test]
fn a_proof_of_another_history_is_evidence() {
    let desk = Desk::new();
    desk.pull(&told());
    desk.check("prove m1.example:1.3 -o @f.proof", 0, "");
    std::fs::remove_dir_all(desk.path("store")).expect("removed");
    let mut another = TestLog::new(1);
    another.grant("desk");
    another.batch("desk", vec![report(9, "z.example")]);
    another.batch("desk", vec![report(8, "y.example")]);
    desk.pull(&another);
    let text = desk.check("verify @f.proof", 4, "one of them in this file, the other in the local store");
    let file =
        text.split("The evidence is in ").nth(1).and_then(|rest| rest.split(',').next()).expect("a path");
    let (outcome, _) = desk.run(&format!("evidence verify {file}"));
    assert_eq!(outcome.map(Exit::from), Ok(Exit::Done));
}
