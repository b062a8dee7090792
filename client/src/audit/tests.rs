//! Logs as anybody may show them, in a folder: honest ones, damaged ones, and histories that change.

use std::path::PathBuf;

use almenara_proto::{
    merkle::{Hash, leaf_hash},
    roster::SignedRoster,
    tile::{Edge, TILE_WIDTH},
};
use bytes::Bytes;
use prost::Message as _;

use super::{
    source::{bundle_path, tree_path},
    statements::disclosed,
    *,
};
use crate::{
    clock,
    commands::{audit as command, monitor},
    config::Environment,
    context::Context,
    exit::Exit,
    follow::testlog::{FEDERATION, NOW, TestLog, key, report, roster, shown},
    home::Home,
    output::{Manner, Output},
    random::Random,
    store::Audited,
};

/// An auditor's home, and a folder with what is shown.
struct Auditor {
    folder: tempfile::TempDir,
    roster: SignedRoster,
}

impl Auditor {
    fn new() -> Self {
        let mut first = SignedRoster::unsigned(&roster(&[(1, "TH"), (2, "NL")]));
        [1, 2].iter().for_each(|n| first.sign(&key(*n)));
        let auditor = Self { folder: tempfile::tempdir().expect("a folder"), roster: first };
        let config = format!(
            "federation = \"{FEDERATION}\"\nroster = \"{}\"\nnodes = [\"m1.example\"]\n",
            auditor.roster.id()
        );
        std::fs::write(auditor.path("almenara.toml"), config).expect("written");
        auditor.write("shown/roster/1", &auditor.roster.to_wire().encode_to_vec());
        auditor
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, bytes).expect("written");
    }

    /// Shows the first `size` entries of a log in a folder, as a node does.
    fn show(&self, folder: &str, log: &TestLog, size: u64, settled: u64) {
        let base = format!("{folder}/log/{}", log.member());
        let _none = std::fs::remove_dir_all(self.path(&base));
        let entries = &log.entries[..size as usize];
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        for (id, bytes) in Edge::new().append(&leaves) {
            self.write(&format!("{base}/{}", tree_path(id, size)), &bytes);
        }
        for (index, entries) in (0..).zip(entries.chunks(TILE_WIDTH)) {
            let bundle: Vec<u8> = entries
                .iter()
                .flat_map(|entry| [&(entry.len() as u16).to_be_bytes(), entry.as_ref()].concat())
                .collect();
            self.write(&format!("{base}/{}", bundle_path(index, size)), &bundle);
        }
        let cosigners = [3 - log.number];
        let newest =
            if settled == size { log.cosigned(size, &cosigners) } else { log.signed(size, log.root(size)) };
        self.write(&format!("{base}/checkpoint"), newest.note());
        if settled > 0 {
            self.write(&format!("{base}/settled"), log.cosigned(settled, &cosigners).note());
        }
    }

    fn context(&self, now: u64) -> Context {
        let (output, _) = Output::captured(Manner::default(), "");
        Context::new(Home::new(self.folder.path()), output, Environment::default())
            .with(clock::fixed(now), Random::system())
    }

    fn wish(&self, folders: &[&str]) -> Wish {
        let targets = folders.iter().map(|folder| self.path(folder).display().to_string()).collect();
        Wish { targets, ..Wish::default() }
    }

    fn audit_with(&self, wish: &Wish, now: u64) -> Report {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(audit(wish, &self.context(now))).expect("audited")
    }

    fn audit(&self) -> Report {
        self.audit_with(&self.wish(&["shown"]), NOW)
    }

    /// How the command ends.
    fn exit(&self) -> u8 {
        let what = command::What {
            targets: vec![self.path("shown").display().to_string()],
            ..command::What::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let html = Some(self.path("report.html"));
        match runtime.block_on(command::run(command::Args { what, html }, &self.context(NOW))) {
            Ok(outcome) => Exit::from(outcome).code(),
            Err(error) => error.exit().code(),
        }
    }

    /// Changes one byte of a page, and changes it back.
    fn damaged<T>(&self, page: &str, at: usize, then: impl FnOnce() -> T) -> T {
        let path = self.path(page);
        let whole = std::fs::read(&path).unwrap_or_else(|error| panic!("{page}: {error}"));
        let mut changed = whole.clone();
        changed[at] ^= 1;
        std::fs::write(&path, changed).expect("written");
        let result = then();
        std::fs::write(&path, whole).expect("written");
        result
    }
}

fn words(report: &Report) -> String {
    let one = |finding: &Finding| format!("{}: {} [{}]", finding.place, finding.what, finding.fault);
    report.findings.iter().map(one).collect::<Vec<_>>().join("\n")
}

/// 600 entries: three tiles, of which two are full, below one that is partial.
fn long() -> TestLog {
    let mut log = TestLog::new(1);
    log.grant("desk");
    for n in 1..600 {
        log.batch("desk", vec![report(n, "a.example")]);
    }
    log
}

#[test]
fn an_honest_log_holds_and_the_next_audit_goes_on_where_this_one_ended() {
    let auditor = Auditor::new();
    let mut log = long();
    auditor.show("shown", &log, 500, 300);
    let first = auditor.audit();
    assert_eq!((words(&first).as_str(), first.unfinished.as_slice()), ("", [].as_slice()));
    let [of_log] = first.logs.iter().filter(|log| log.entries > 0).collect::<Vec<_>>()[..] else {
        panic!("one log is shown")
    };
    assert!(of_log.whole);
    assert_eq!((of_log.new_entries, of_log.settled, of_log.tally.statements), (500, 300, 499));
    assert_eq!(of_log.cosigned.iter().map(|one| one.member.as_str()).collect::<Vec<_>>(), ["m2.example"]);
    assert_eq!(auditor.exit(), 0);
    assert!(std::fs::read_to_string(auditor.path("report.html")).expect("a page").contains("holds."));

    log.withdraw("desk", &[(3, 0)]);
    auditor.show("shown", &log, 601, 601);
    let next = auditor.audit();
    let of_log = &next.logs[0];
    assert_eq!((words(&next).as_str(), of_log.new_entries, of_log.whole), ("", 101, true));
    assert_eq!((of_log.tally.statements, of_log.tally.withdrawn, of_log.seen_before), (599, 1, NOW));
    // From the first entry on, it comes to the same.
    let full = auditor.audit_with(&Wish { full: true, ..auditor.wish(&["shown"]) }, NOW);
    assert_eq!(
        (words(&full).as_str(), full.logs[0].new_entries, full.logs[0].tally),
        ("", 601, of_log.tally)
    );
}

/// What is changed, where, and how the place is named that the audit finds.
type Case<'a> = (&'a str, String, usize, &'a str);

/// A row of the table that the tests below print.
fn row(what: &str, place: &str, said: &Report, exit: u8) {
    let findings = said.findings.iter().map(|one| format!("{} [{}]", one.place, one.fault));
    println!("| {what:<36} | {place:<24} | {exit} | {}", findings.collect::<Vec<_>>().join("; "));
}

const HEADING: &str = "one byte changed in                    | where                    | exit | place [whose fault it can be]";

#[test]
fn one_changed_byte_of_anything_is_named_with_its_place_and_whose_fault_it_can_be() {
    let auditor = Auditor::new();
    let log = long();
    auditor.show("shown", &log, 600, 600);
    let base = "shown/log/m1.example";
    let read = |page: &str| std::fs::read(auditor.path(&format!("{base}/{page}"))).expect("read");
    let note = String::from_utf8(read("checkpoint")).expect("text");
    let line = |start: &str| note.find(start).expect("a line") + start.len() + 20;
    let second =
        2 + usize::from(u16::from_be_bytes(*read("tile/entries/001").first_chunk().expect("2 bytes")));
    let roster = auditor.roster.to_wire().encode_to_vec();
    let shown = format!("served by {}", auditor.path("shown").display());
    let cases: [Case<'_>; 15] = [
        ("a full tile of level 0", "tile/0/000".into(), 40, "tile/0/000, hash 1"),
        ("a partial tile of level 0", "tile/0/002.p/88".into(), 0, "tile/0/002.p/88, hash 0"),
        ("a tile of level 1", "tile/1/000.p/2".into(), 33, "tile/1/000.p/2, hash 1"),
        ("an entry of a full bundle", "tile/entries/001".into(), second + 30, "entry 257"),
        ("the length of an entry", "tile/entries/001".into(), 0, "tile/entries/001"),
        ("an entry of a partial bundle", "tile/entries/002.p/88".into(), 50, "entry 512"),
        ("the origin of a checkpoint", "checkpoint".into(), 0, "checkpoint"),
        ("the size of a checkpoint", "checkpoint".into(), note.find("600").expect("it"), "checkpoint"),
        ("the root of a checkpoint", "checkpoint".into(), note.find("600").expect("it") + 9, "checkpoint"),
        ("the signature of a checkpoint", "checkpoint".into(), line("— m1.example/almenara "), "checkpoint"),
        ("a cosignature", "checkpoint".into(), line("— m2.example "), "cosignature"),
        (
            "the root of the settled checkpoint",
            "settled".into(),
            note.find("600").expect("it") + 9,
            "checkpoint",
        ),
        ("a cosignature of the settled one", "settled".into(), line("— m2.example "), "cosignature"),
        ("the body of a roster", "../../roster/1".into(), 20, "roster/1"),
        ("a signature of a roster", "../../roster/1".into(), roster.len() - 1, "roster/1"),
    ];
    println!("{HEADING}");
    for (what, page, at, place) in cases {
        let _none = std::fs::remove_dir_all(auditor.path("audit"));
        if page.contains("roster") {
            auditor.audit(); // the chain begins with the true one
        }
        let (found, exit) =
            auditor.damaged(&format!("{base}/{page}"), at, || (auditor.audit(), auditor.exit()));
        row(what, &format!("{}, byte {at}", page.trim_start_matches("../../")), &found, exit);
        let said = words(&found);
        let first = found.findings.first().expect("found").place.to_string();
        assert_eq!(first, place, "{what}: {said}");
        assert!(said.lines().all(|line| line.ends_with(&format!("[{shown}]"))), "{what}: {said}");
        assert_eq!(exit, 1, "{what}");
    }
    let _none = std::fs::remove_dir_all(auditor.path("audit"));
    assert_eq!(words(&auditor.audit()), "");
    let state = "audit/m1.example.state";
    let (found, exit) = auditor.damaged(state, 100, || (auditor.audit(), auditor.exit()));
    row("the audit's own state", &format!("{state}, byte 100"), &found, exit);
    let said = words(&found);
    assert!(said.contains("m1.example.state") && said.ends_with("[this machine]"), "{said}");
}

/// What the audit finds in a stream of these frames.
fn streamed(
    auditor: &Auditor,
    log: &TestLog,
    frames: Vec<almenara_proto::wire::ReplicateFrame>,
) -> Statements {
    let (roster, source) = (roster(&[(1, "TH"), (2, "NL")]), Source::Folder(auditor.path("shown")));
    let (by, evidence) = (crate::follow::testlog::name(2), auditor.path("evidence"));
    let of = Log {
        member: roster.member(&log.member()).expect("a member"),
        judging: &roster,
        newest: &roster,
        source: &source,
        sources: std::slice::from_ref(&source),
        evidence: &evidence,
        now: NOW,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut stream = stream::Stream::new(of, &by);
        for frame in frames {
            if stream.take(frame).await.expect("taken").is_none() {
                break;
            }
        }
        stream.end(log.size()).await.expect("ended")
    })
}

/// What is shown of an entry in a frame.
type Piece = fn(&mut almenara_proto::wire::EntryFrame) -> &mut Bytes;

#[test]
fn one_changed_byte_of_what_a_node_shows_of_its_statements_is_named_too() {
    use almenara_proto::wire::replicate_frame::Frame;
    let auditor = Auditor::new();
    let mut log = TestLog::new(1);
    log.grant("desk");
    let values = ["a.example", "b.example", "c.example", "d.example", "e.example"];
    for leaf_hashes in [false, true] {
        let batch = log.sealed("desk", (1..).zip(values).map(|(n, value)| report(n, value)).collect());
        log.push_batch(&batch, &[1, 3], leaf_hashes);
    }
    let honest = streamed(&auditor, &log, log.frames(0, 8));
    assert_eq!((honest.shown, honest.withheld, honest.findings), (4, 6, Vec::new()));
    let cases: [(&str, usize, Piece, &str); 5] = [
        ("a payload", 1, |entry| &mut shown_of(entry).statements[1], "leaves of entry 1"),
        ("a payload beside a leaf list", 2, |entry| &mut shown_of(entry).statements[0], "leaves of entry 2"),
        ("a proof of leaves", 1, |entry| &mut shown_of(entry).proof, "leaves of entry 1"),
        ("a leaf list", 2, |entry| &mut shown_of(entry).leaf_hashes, "leaves of entry 2"),
        ("an entry in a stream", 1, |entry| &mut entry.entry, "entry 0"),
    ];
    println!("{HEADING}");
    let check = |what: &str, frames, place: &str| {
        let found = streamed(&auditor, &log, frames);
        let report = Report { findings: found.findings, ..Report::default() };
        row(what, "the stream of a node", &report, 1);
        let (said, first) = (words(&report), report.findings.first().expect("found"));
        assert_eq!(first.place.to_string(), place, "{what}: {said}");
        assert!(said.lines().all(|line| line.ends_with("[served by m2.example]")), "{what}: {said}");
    };
    for (what, entry, piece, place) in cases {
        let mut frames = log.frames(0, 8);
        let Some(Frame::Page(page)) = &mut frames[1].frame else { panic!("a page") };
        let changed = piece(&mut page.entries[entry]);
        let mut bytes = changed.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        *changed = bytes.into();
        check(what, frames, place);
    }
    let mut frames = log.frames(0, 8);
    let Some(Frame::Checkpoint(note)) = &mut frames[0].frame else { panic!("a checkpoint") };
    let mut bytes = note.to_vec();
    bytes[25] ^= 1;
    *note = bytes.into();
    check("a checkpoint in a stream", frames, "checkpoint");
}

fn shown_of(entry: &mut almenara_proto::wire::EntryFrame) -> &mut almenara_proto::wire::Disclosure {
    entry.disclosure.as_mut().expect("a disclosure")
}

#[test]
fn every_byte_of_the_own_state_is_checked() {
    let auditor = Auditor::new();
    auditor.show("shown", &TestLog::small(1), 4, 4);
    assert_eq!(words(&auditor.audit()), "");
    let (path, member) = (auditor.path("audit/m1.example.state"), TestLog::new(1).member());
    let length = std::fs::read(&path).expect("kept").len();
    for at in 0..length {
        let read = auditor
            .damaged("audit/m1.example.state", at, || Audited::read(&path, FEDERATION, &member).map(|_| ()));
        assert!(read.is_err(), "byte {at} of {length}");
    }
}

/// Pieces of what is shown, to be changed.
type Parts = fn(&mut almenara_proto::wire::Disclosure) -> Vec<&mut Bytes>;

#[test]
fn every_byte_of_what_is_shown_of_a_batch_is_checked() {
    let mut log = TestLog::new(1);
    let values = ["a.example", "b.example", "c.example", "d.example", "e.example"];
    let batch = log.sealed("desk", (1..).zip(values).map(|(n, value)| report(n, value)).collect());
    for leaf_hashes in [false, true] {
        let entry = almenara_proto::log::LogEntry::Batch(batch.header.clone()).encode();
        let disclosure = shown(&batch, &[1, 3], leaf_hashes);
        let frame = |disclosure| almenara_proto::wire::EntryFrame { entry: entry.clone(), disclosure };
        let honest = disclosed(&entry, frame(Some(disclosure.clone()))).expect("it holds").expect("a batch");
        assert_eq!((honest.0, honest.1.leaves.len()), (5, 2));
        let kinds: [(&str, Parts); 3] = [
            ("payload", |shown| shown.statements.iter_mut().collect()),
            ("proof", |shown| vec![&mut shown.proof]),
            ("leaf list", |shown| vec![&mut shown.leaf_hashes]),
        ];
        for (kind, parts) in kinds {
            for part in 0..parts(&mut disclosure.clone()).len() {
                let length = parts(&mut disclosure.clone())[part].len();
                for at in 0..length {
                    let mut changed = disclosure.clone();
                    let mut bytes = parts(&mut changed)[part].to_vec();
                    bytes[at] ^= 1;
                    *parts(&mut changed)[part] = bytes.into();
                    let (place, _) = disclosed(&entry, frame(Some(changed))).expect_err(kind);
                    assert_eq!(place(7).to_string(), "leaves of entry 7", "{kind}, byte {at}");
                }
            }
        }
        let mut another = entry.to_vec();
        another[9] ^= 1;
        let other = almenara_proto::wire::EntryFrame { entry: another.into(), disclosure: None };
        assert_eq!(disclosed(&entry, other).expect_err("another entry").0(7).to_string(), "entry 7");
    }
}

#[test]
fn a_log_that_changes_its_past_is_proven_to_have_two_histories() {
    for (size, longer) in [(4u64, 4u64), (4, 6)] {
        let auditor = Auditor::new();
        auditor.show("shown", &TestLog::small(1), size, size);
        assert_eq!(words(&auditor.audit()), "");
        let mut another = TestLog::new(1);
        another.grant("desk");
        for n in 1..longer {
            another.batch("desk", vec![report(n as u32, "z.example")]);
        }
        auditor.show("shown", &another, longer, longer);
        let found = auditor.audit();
        let said = words(&found);
        assert!(
            said.starts_with("checkpoint: log key ") && said.ends_with("[signed by m1.example]"),
            "{said}"
        );
        let evidence = found.findings[0].evidence.as_ref().expect("a file");
        let read = crate::evidence::read(evidence).expect("evidence");
        let almenara_proto::evidence::Evidence::Log(fork) = read else { panic!("of a log") };
        assert!(fork.verify_in(&roster(&[(1, "TH"), (2, "NL")])).is_ok());
        assert_eq!(auditor.exit(), 4);
        // What was seen stays what the next audit demands.
        auditor.show("shown", &TestLog::small(1), size, size);
        assert_eq!(words(&auditor.audit()), "");
    }
}

#[test]
fn two_who_show_two_histories_are_compared() {
    let auditor = Auditor::new();
    auditor.show("shown", &TestLog::small(1), 4, 4);
    let mut another = TestLog::new(1);
    another.grant("desk");
    another.batch("desk", vec![report(9, "z.example")]);
    auditor.show("elsewhere", &another, 2, 2);
    auditor.write("elsewhere/roster/1", &auditor.roster.to_wire().encode_to_vec());
    let found = auditor.audit_with(&auditor.wish(&["shown", "elsewhere"]), NOW);
    assert_eq!(found.findings.len(), 1, "{}", words(&found));
    assert!(found.findings[0].evidence.is_some(), "{}", words(&found));
}

#[test]
fn what_is_behind_missing_or_waits_is_said() {
    let auditor = Auditor::new();
    let log = TestLog::small(1);
    auditor.show("shown", &log, 4, 2);
    assert_eq!(words(&auditor.audit()), "");
    let later = auditor.audit_with(&auditor.wish(&["shown"]), NOW + 2 * 86_400);
    assert!(words(&later).contains("entries from 2 on wait for cosignatures since"), "{}", words(&later));
    auditor.show("shown", &log, 3, 3);
    assert!(words(&auditor.audit()).contains("it covers 3 entries, an earlier audit has seen 4"));
    std::fs::remove_dir_all(auditor.path("shown/log")).expect("removed");
    assert!(words(&auditor.audit()).contains("not shown any more"));
    let _gone = std::fs::remove_file(auditor.path("shown/roster/1"));
    assert!(words(&auditor.audit()).contains("roster/1: it is not there"));
}

#[test]
fn entries_that_count_for_nothing_and_keys_that_ended_are_told() {
    let auditor = Auditor::new();
    let (mut police, mut ngo) = (TestLog::small(1), TestLog::new(2));
    police.push_raw(Bytes::from_static(b"nothing"), None);
    police.push_raw(Bytes::from_static(b"nothing more"), None);
    ngo.revoke(1, almenara_proto::keys::PublicKey::of(&police.desk_key("desk")), 3);
    auditor.show("shown", &police, 6, 6);
    auditor.show("shown", &ngo, 1, 1);
    let found = auditor.audit();
    let said = words(&found);
    assert!(
        said.starts_with("entry 4: it counts for nothing: void: ") && said.contains("so do 1 more"),
        "{said}"
    );
    assert!(said.ends_with("[signed by m1.example]"), "{said}");
    let revoked: Vec<u64> = found.logs[0].revoked.iter().map(|one| one.from).collect();
    assert_eq!(revoked, [3], "the key ends by a log that its own member does not keep");
}

#[test]
fn a_monitor_tells_once_what_is_new_and_writes_numbers() {
    let auditor = Auditor::new();
    auditor.show("shown", &TestLog::small(1), 4, 4);
    let (told, metrics) = (auditor.path("told"), auditor.path("almenara.prom"));
    let what = command::What {
        targets: vec![auditor.path("shown").display().to_string()],
        ..command::What::default()
    };
    let args = |rounds| monitor::Args {
        what: what.clone(),
        every: 0,
        rounds: Some(rounds),
        metrics: Some(metrics.clone()),
        exec: Some(format!("cat >> '{}'", told.display())),
    };
    let run = |rounds| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(monitor::run(args(rounds), &auditor.context(NOW))).map(Exit::from)
    };
    assert_eq!(run(1), Ok(Exit::Done));
    assert!(!told.exists(), "nothing is to be told");
    let page = "shown/log/m1.example/tile/0/000.p/4";
    std::fs::remove_dir_all(auditor.path("audit")).expect("removed");
    assert_eq!(auditor.damaged(page, 9, || run(3)), Ok(Exit::No));
    let text = std::fs::read_to_string(&told).expect("told");
    let report: serde_json::Value = serde_json::from_str(&text).expect("one report, told once");
    assert_eq!(report["findings"][0]["place"], "tile/0/000.p/4, hash 0");
    let numbers = std::fs::read_to_string(&metrics).expect("written");
    assert!(numbers.contains("\nalmenara_audit_findings 1\n"), "{numbers}");
}

#[test]
fn three_levels_of_tiles_are_recomputed() {
    let auditor = Auditor::new();
    let mut log = TestLog::new(1);
    for n in 0..65_600u32 {
        log.push_raw(Bytes::from(n.to_be_bytes().to_vec()), None);
    }
    auditor.show("shown", &log, 65_600, 0);
    let void = "entry 0: it counts for nothing";
    let clean = auditor.audit();
    assert!(words(&clean).starts_with(void) && clean.findings.len() == 1, "{}", words(&clean));
    assert_eq!(clean.logs[0].tiles, 257 + 1 + 1);
    for (page, at, place) in [
        ("tile/0/200", 8, "tile/0/200, hash 0"),
        ("tile/1/000", 8_191, "tile/1/000, hash 255"),
        ("tile/2/000.p/1", 5, "tile/2/000.p/1, hash 0"),
    ] {
        let wish = Wish { full: true, ..auditor.wish(&["shown"]) };
        let page = format!("shown/log/m1.example/{page}");
        let said = auditor.damaged(&page, at, || words(&auditor.audit_with(&wish, NOW)));
        assert!(said.contains(place), "{place}: {said}");
    }
}
