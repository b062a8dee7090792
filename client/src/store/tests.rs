mod damage;
mod history;
mod oracle;

use std::{collections::BTreeSet, fs, path::Path};

use almenara_proto::{
    batch::SignedBatch,
    evidence::Equivocation,
    indicator::Kind,
    keys::PublicKey,
    name::Address,
    roster::Segment,
    statement::{Action, Basis, Category, Claim, Dispute, DisputeReason, Report, Sighting, Statement},
    verdict::{Evidence, Standing, Verdict, verdict},
    wire,
};

use super::*;
use crate::follow::{
    Step,
    testlog::{FEDERATION, NOW, TestLog, key, name, report, roster},
};

fn two() -> Roster {
    roster(&[(1, "TH"), (2, "NL")])
}

/// Pulls what is new of a log, in pages of `length`.
fn pull(store: &mut Store, log: &TestLog, length: u64) {
    let replica = store.replica_mut(&log.member()).expect("a replica");
    replica.choose(Some(&wire::Filter::default())).expect("the same filter");
    let mut follower = replica.follower();
    for frame in log.frames(replica.size(), length) {
        if let Step::Page(page) = follower.step(frame, &two()).expect("an honest log") {
            replica.keep(page, &follower).expect("kept");
        }
    }
    replica.mark_fresh(NOW);
}

fn fresh(folder: &Path) -> Store {
    Store::open(folder, FEDERATION).expect("a store")
}

fn policy() -> Policy {
    Policy { minimum_score: 1, pending_allowed: true, ..Policy::default() }
}

fn all(store: &Store, policy: &Policy) -> Vec<Judged> {
    let verdicts = store.verdicts(&two(), policy, NOW).expect("an index");
    verdicts.collect::<Result<_, _>>().expect("readable")
}

fn grown(log: &mut TestLog, batches: u32) {
    for _ in 0..batches {
        let n = log.size() as u32;
        log.batch(
            "desk",
            vec![report(2 * n, &format!("v{n}.example")), report(2 * n + 1, &format!("w{}.example", n % 7))],
        );
    }
}

#[test]
fn one_process_writes_and_others_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = TestLog::small(1);
    let mut store = fresh(folder.path());
    assert!(matches!(Store::open(folder.path(), FEDERATION), Err(StoreError::Locked { .. })));
    pull(&mut store, &log, 64);
    assert_eq!(all(&Store::read(folder.path(), FEDERATION).expect("empty"), &policy()), []);
    store.replica_mut(&log.member()).expect("a replica").commit().expect("written");
    let reader = Store::read(folder.path(), FEDERATION).expect("readable");
    assert_eq!(all(&reader, &policy()), all(&store, &policy()));
    drop(store);
    assert!(Store::open(folder.path(), FEDERATION).is_ok());
    assert!(matches!(Store::read(folder.path(), "other.example"), Err(StoreError::Federation { .. })));
    assert!(Store::read(folder.path().join("nowhere"), FEDERATION).is_ok());
}

#[test]
fn another_filter_needs_another_pull() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = fresh(folder.path());
    pull(&mut store, &TestLog::small(1), 64);
    let replica = store.replica_mut(&name(1)).expect("a replica");
    let other = wire::Filter { no_statements: true, ..wire::Filter::default() };
    assert!(matches!(replica.choose(Some(&other)), Err(StoreError::Filter { .. })));
    assert_eq!(replica.choose(None).expect("the same filter"), wire::Filter::default());
}

#[test]
fn what_expires_leaves_the_lists_and_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = fresh(folder.path());
    let log = TestLog::small(1);
    pull(&mut store, &log, 64);
    let listed = |now: u64| -> Vec<String> {
        let all = store.verdicts(&two(), &policy(), now).expect("readable");
        let all = all.map(|judged| judged.expect("readable"));
        all.filter(|judged| judged.verdict.listed).map(|judged| judged.indicator.value().to_owned()).collect()
    };
    let told = |now: u64| -> Vec<String> {
        let mut told = Vec::new();
        let mut each = |judged: Judged| {
            let sign = if judged.verdict.listed { '+' } else { '-' };
            told.push(format!("{sign}{}", judged.indicator.value()));
        };
        store.changes(&store.snapshot(&two()), &two(), &policy(), now, &mut each).expect("readable");
        told
    };
    let today = listed(NOW);
    assert!(!today.is_empty());
    assert_eq!(told(NOW), Vec::<String>::new());
    assert_eq!(told(NOW + 86_400), Vec::<String>::new(), "nothing expires tomorrow");
    let years = NOW + 6 * 366 * 86_400;
    assert_eq!(listed(years), Vec::<String>::new());
    let expected: Vec<String> = today.iter().map(|value| format!("-{value}")).collect();
    assert_eq!(told(years), expected);
}

#[test]
fn what_is_new_lists_and_what_is_withdrawn_unlists() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = fresh(folder.path());
    let mut log = TestLog::small(1);
    let check = |store: &mut Store, log: &TestLog, expected: &[&str]| {
        let before = store.snapshot(&two());
        pull(store, log, 64);
        let mut found = Vec::new();
        let mut each = |judged: Judged| {
            let sign = if judged.verdict.listed { '+' } else { '-' };
            found.push(format!("{sign}{}", judged.indicator.value()));
        };
        store.changes(&before, &two(), &policy(), NOW, &mut each).expect("readable");
        assert_eq!(found, expected);
    };
    // Of the small log's first batch only the withdrawn statement is in clear.
    check(&mut store, &log, &["+d.example", "+e.example"]);
    check(&mut store, &log, &[]);
    let entry = log.batch("desk", vec![report(9, "d.example"), report(10, "f.example")]);
    check(&mut store, &log, &["+f.example"]);
    log.withdraw("desk", &[(entry, 0), (entry, 1)]);
    // What was said of `d` before does not come back.
    check(&mut store, &log, &["-d.example", "-f.example"]);
    let key = PublicKey::of(&log.desk_key("desk"));
    log.revoke(1, key, 0);
    check(&mut store, &log, &["-e.example"]);
}

#[test]
fn many_runs_become_few() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = fresh(folder.path());
    let mut log = TestLog::small(1);
    for _ in 0..30 {
        grown(&mut log, 2);
        pull(&mut store, &log, 64);
        store.replica_mut(&log.member()).expect("a replica").finish().expect("written");
    }
    let runs = fs::read_dir(folder.path().join("m1.example"))
        .expect("a folder")
        .filter(|file| file.as_ref().is_ok_and(|file| file.file_name().to_string_lossy().starts_with("run-")))
        .count();
    assert!(runs <= 24, "{runs} runs, those that readers may still be in included");
    let expected = all(&store, &policy());
    drop(store);
    assert_eq!(all(&fresh(folder.path()), &policy()), expected);
    assert_eq!(expected.iter().map(|judged| judged.pieces.len()).sum::<usize>(), 3 + 120);
}

/// Seconds of processor time of this thread (Linux), so that a busy machine does not disturb the figures.
fn cpu() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanoseconds: f64 = text.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
    nanoseconds / 1e9
}

/// Run by hand, in release: `cargo test --release -p almenara-client --lib million -- --ignored --nocapture`.
#[test]
#[ignore = "measures; run by hand in release"]
fn a_million_statements() {
    let batches = 245;
    let value =
        |n: u32| format!("host-{:07x}.fake-broker{}.example", n.wrapping_mul(2_654_435_761), n % 4_096 % 97);
    let mut log = TestLog::new(1);
    log.grant("desk");
    for batch in 0..batches {
        let numbers = batch * 4_096..(batch + 1) * 4_096;
        log.batch("desk", numbers.map(|n| report(n, &value(n))).collect());
    }
    let shown = log.shown.iter().flatten().flat_map(|shown| &shown.statements);
    let (count, bytes) = shown.fold((0, 0), |(count, bytes), statement| (count + 1, bytes + statement.len()));
    println!("{count} statements of {} bytes; seconds of one core:", bytes / count);
    let frames: Vec<_> = std::iter::once(log.checkpoint(log.size()))
        .chain((0..log.size()).map(|at| log.page(at, at + 1, log.size())))
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = fresh(folder.path());
    let replica = store.replica_mut(&log.member()).expect("a replica");
    let mut follower = replica.follower();
    let (mut verify, mut keep) = (0.0, 0.0);
    for frame in frames {
        let start = cpu();
        let step = follower.step(frame, &two()).expect("an honest log");
        verify += cpu() - start;
        let start = cpu();
        if let Step::Page(page) = step {
            replica.keep(page, &follower).expect("kept");
        }
        keep += cpu() - start;
    }
    let start = cpu();
    replica.finish().expect("written");
    println!("verified {verify:.2}, kept {:.2}", keep + cpu() - start);
    let start = cpu();
    let listed = all(&store, &policy()).iter().filter(|judged| judged.verdict.listed).count();
    println!("verdicts, collected {:.2}: {listed} listed", cpu() - start);
    let start = cpu();
    let verdicts = store.verdicts(&two(), &policy(), NOW).expect("an index");
    let listed = verdicts.filter(|judged| judged.as_ref().is_ok_and(|judged| judged.verdict.listed)).count();
    println!("verdicts, one by one {:.2}: {listed} listed", cpu() - start);
    drop(store);
    let start = cpu();
    let store = Store::read(folder.path(), FEDERATION).expect("readable");
    println!("opened {:.3}: {} bytes", cpu() - start, store.bytes().expect("a size"));
    let start = cpu();
    let (roster, policy) = (two(), policy());
    let lookups = store.lookups(&roster, &policy, NOW);
    for n in 0..10_000 {
        let indicator = Indicator::new(Kind::Domain, value(n * 97)).expect("a domain");
        assert!(lookups.find(&indicator).expect("readable").is_some());
    }
    println!("10,000 lookups {:.2}", cpu() - start);
    let start = cpu();
    let mut changes = 0;
    let nothing = Snapshot { views: BTreeMap::new(), at: 0 };
    store.changes(&nothing, &roster, &policy, NOW, &mut |_| changes += 1).expect("readable");
    println!("delta {:.2}: {changes}", cpu() - start);
}
