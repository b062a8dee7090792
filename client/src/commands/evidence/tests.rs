//! Files of evidence are checked offline, as anybody can who was sent one.

use std::path::PathBuf;

use almenara_proto::{
    checkpoint::SignedCheckpoint,
    evidence::Equivocation,
    keys::PublicKey,
    merkle::{Hash, leaf_hash},
    roster::SignedRoster,
};
use clap::Parser as _;

use super::*;
use crate::{
    cli::Cli,
    config::Environment,
    exit::Exit,
    follow::testlog::{FEDERATION, TestLog, key, roster},
    home::Home,
    output::{Manner, Output},
    rosters,
};

struct Desk(tempfile::TempDir);

impl Desk {
    /// A home that accepted version 1, of two members.
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().expect("a folder"));
        let first = desk.first();
        let config =
            format!("federation = \"{FEDERATION}\"\nroster = \"{}\"\nnodes = [\"m1.example\"]\n", first.id());
        std::fs::write(desk.path("almenara.toml"), config).expect("written");
        Rosters::begin(desk.path("rosters"), first.clone(), first.id()).expect("begun");
        desk
    }

    fn first(&self) -> SignedRoster {
        signed(&roster(&[(1, "TH"), (2, "NL")]))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn check(&self, line: &str, code: u8, says: &str) -> String {
        let words = line.split(' ').map(|word| match word.strip_prefix('@') {
            Some(file) => self.path(file).display().to_string(),
            None => word.to_owned(),
        });
        let cli = Cli::try_parse_from(std::iter::once("almenara".to_owned()).chain(words)).expect("parsed");
        let manner = Manner { json: cli.global.manner.json, ..Manner::default() };
        let (output, captured) = Output::captured(manner, "");
        let context = Context::new(Home::new(self.0.path()), output, Environment::default());
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (found, text) = match runtime.block_on(crate::commands::run(cli.verb, &context)) {
            Ok(outcome) => (Exit::from(outcome), captured.out()),
            Err(error) => (error.exit(), error.to_string()),
        };
        assert_eq!(found.code(), code, "{line}: {text}");
        assert!(text.contains(says), "{line}: {text}");
        text
    }
}

fn signed(roster: &Roster) -> SignedRoster {
    let mut signed = SignedRoster::unsigned(roster);
    signed.sign(&key(1));
    signed.sign(&key(2));
    signed
}

/// Two notes of one size under the log's key.
fn two_roots(log: &TestLog) -> Equivocation {
    let note = |root: Hash| -> SignedCheckpoint { log.signed(3, root) };
    Equivocation::new(note(leaf_hash(b"one")), note(leaf_hash(b"other")), None).expect("two roots")
}

#[test]
fn a_log_fork_is_checked_under_the_key_of_the_roster_or_a_given_one() {
    let desk = Desk::new();
    desk.check("evidence list", 0, "no evidence");
    let log = TestLog::new(1);
    let path = evidence::keep(&desk.path("evidence"), &two_roots(&log)).expect("kept");
    assert_eq!(path, desk.path("evidence/m1.example-3-3.evidence"));
    let line = "evidence verify @evidence/m1.example-3-3.evidence";
    let text = desk.check(line, 0, "it holds");
    assert!(text.contains("of m1.example signed root"), "{text}");
    assert!(desk.check("evidence list --json", 0, "\"kind\":\"log\"").contains("\"holds\":true"));
    let log_key = PublicKey::of(&log.log_key);
    desk.check(&format!("{line} --log-key {log_key}"), 0, "it holds");
    let other = PublicKey::of(&key(77));
    desk.check(&format!("{line} --log-key {other}"), 1, "it proves nothing");
    // A key that the roster does not know accuses nobody.
    let mut stolen = log;
    stolen.log_key = key(99);
    evidence::keep(&desk.path("stolen"), &two_roots(&stolen)).expect("kept");
    desk.check("evidence verify @stolen/m1.example-3-3.evidence", 1, "--log-key checks it all the same");
}

#[test]
fn who_has_no_home_gives_the_log_s_key() {
    let desk = Desk(tempfile::tempdir().expect("a folder"));
    let log = TestLog::new(1);
    evidence::keep(&desk.path("sent"), &two_roots(&log)).expect("kept");
    let line = "evidence verify @sent/m1.example-3-3.evidence";
    desk.check(line, 2, "almenara.toml");
    desk.check(&format!("{line} --log-key {}", PublicKey::of(&log.log_key)), 0, "it holds");
}

#[test]
fn two_futures_of_a_roster_are_kept_listed_and_checked() {
    let desk = Desk::new();
    let first = desk.first();
    let next = |quorum| {
        let mut next = Roster::parse(&first.body).expect("a body");
        (next.version, next.previous, next.quorum) = (2, Some(first.id()), quorum);
        signed(&next)
    };
    rosters::write(&desk.path("a.roster"), &next(1)).expect("written");
    rosters::write(&desk.path("b.roster"), &next(0)).expect("written");
    desk.check("roster accept @a.roster", 0, "version 2");
    desk.check("roster accept @b.roster", 4, "m1.example, m2.example signed two futures");
    let text = desk.check("evidence list", 0, "it holds: version 2 exists as");
    assert!(text.contains("the root keys of m1.example, m2.example signed both"), "{text}");
    let file = evidence::kept(&desk.path("evidence")).expect("listed").remove(0);
    desk.check(&format!("evidence verify {file}"), 0, "it holds");
    // A file whose rivals nobody signed proves nothing.
    let bare = |mut roster: SignedRoster| {
        roster.signatures.clear();
        roster
    };
    let nothing = Evidence::Roster(RosterFork::new(bare(next(1)), bare(next(0))));
    std::fs::write(desk.path("nothing.evidence"), nothing.encode()).expect("written");
    desk.check("evidence verify @nothing.evidence", 1, "it proves nothing");
}

#[test]
fn what_is_no_evidence_is_no_input() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("evidence")).expect("made");
    std::fs::write(desk.path("evidence/x.evidence"), b"x").expect("written");
    desk.check("evidence verify @evidence/x.evidence", 2, "x.evidence");
    desk.check("evidence list", 0, "it proves nothing");
    desk.check("evidence verify @nothing.evidence", 2, "nothing.evidence");
}
