use crate::{
    config::Environment,
    follow::{
        Step,
        testlog::{FEDERATION, TestLog, report, roster},
    },
    home::Home,
    output::{Captured, Manner, Output},
    random::Random,
};

use super::*;

/// Somebody who watches the log of `m1.example`, beside `m2.example`, who cosigns.
struct Watcher {
    folder: tempfile::TempDir,
    store: Store,
    context: Context,
    captured: Captured,
    told: BTreeMap<MemberName, Told>,
    /// Characters of the output that were looked at.
    read: usize,
}

impl Watcher {
    fn new(policy: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!(
            "federation = \"{FEDERATION}\"\nroster = \"{}\"\nnodes = [\"m1.example\"]\n{policy}",
            "a".repeat(64)
        );
        std::fs::write(folder.path().join("almenara.toml"), text).expect("written");
        let (output, captured) = Output::captured(Manner { json: true, ..Manner::default() }, "");
        let context = Context::new(Home::new(folder.path()), output, Environment::default());
        let context = context.with(crate::clock::fixed(crate::follow::testlog::NOW), Random::system());
        let store = Store::open(folder.path().join("store"), FEDERATION).expect("a store");
        Self { folder, store, context, captured, told: BTreeMap::new(), read: 0 }
    }

    /// The program starts again, over what is kept.
    fn restart(self) -> Self {
        let Self { folder, store, context, captured, read, .. } = self;
        drop(store);
        let store = Store::open(folder.path().join("store"), FEDERATION).expect("a store");
        let told = Told::all(&store);
        Self { folder, store, context, captured, told, read }
    }

    /// What is new of the log comes, of which so many entries are settled. What is told then: a value, and `listed`,
    /// `pending` or `gone`.
    fn told(&mut self, log: &TestLog, settled: u64) -> Vec<(String, &'static str)> {
        let roster = roster(&[(1, "TH"), (2, "NL")]);
        let replica = self.store.replica_mut(&log.member()).expect("a replica");
        let mut follower = replica.follower();
        for frame in log.frames(replica.size(), 2) {
            if let Step::Page(page) = follower.step(frame, &roster).expect("honest") {
                replica.keep(page, &follower).expect("kept");
            }
        }
        replica.settle(&log.cosigned(settled, &[2]), &roster);
        replica.commit().expect("durable");
        let mut news =
            News { context: &self.context, roster: &roster, told: &mut self.told, printed: 0, served: false };
        news.take(&self.store, Event::Fresh(&log.member())).expect("told");
        let all = self.captured.out();
        let fresh = all.get(self.read..).unwrap_or_default();
        self.read = all.len();
        let lines = fresh.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        lines
            .map(|line| {
                let state = match (line["listed"].as_bool(), line["pending"].as_bool()) {
                    (Some(true), Some(false)) => "listed",
                    (Some(false), Some(true)) => "pending",
                    (Some(false), Some(false)) => "gone",
                    other => panic!("{other:?}"),
                };
                (line["value"].as_str().expect("a value").to_owned(), state)
            })
            .collect()
    }

    fn check(&mut self, log: &TestLog, settled: u64, expected: &[(&str, &str)]) {
        let told = self.told(log, settled);
        let told: Vec<(&str, &str)> = told.iter().map(|(value, state)| (value.as_str(), *state)).collect();
        assert_eq!(told, expected);
    }
}

#[test]
fn what_was_told_as_pending_is_told_again_when_it_is_settled_and_once() {
    let mut log = TestLog::new(1);
    let mut watcher = Watcher::new("");
    log.grant("desk");
    let first = log.batch("desk", vec![report(1, "a.example"), report(2, "b.example")]);
    watcher.check(&log, 0, &[("a.example", "pending"), ("b.example", "pending")]);
    watcher.check(&log, 1, &[]);
    watcher.check(&log, 2, &[("a.example", "listed"), ("b.example", "listed")]);
    watcher.check(&log, 2, &[]);
    // The next one comes while nobody cosigns; a withdrawal ends what stands at once, and is not told of twice.
    log.batch("desk", vec![report(3, "c.example")]);
    log.withdraw("desk", &[(first, 0)]);
    watcher.check(&log, 2, &[("a.example", "gone"), ("c.example", "pending")]);
    log.batch("desk", vec![report(4, "d.example")]);
    watcher.check(&log, 4, &[("c.example", "listed"), ("d.example", "pending")]);
    // What comes settled is told of once.
    log.batch("desk", vec![report(5, "e.example")]);
    watcher.check(&log, 6, &[("d.example", "listed"), ("e.example", "listed")]);
    watcher.check(&log, 6, &[]);
}

#[test]
fn what_was_pending_before_a_restart_is_told_when_it_is_settled() {
    let mut log = TestLog::new(1);
    let mut watcher = Watcher::new("");
    log.grant("desk");
    log.batch("desk", vec![report(1, "a.example")]);
    log.batch("desk", vec![report(2, "b.example")]);
    watcher.check(&log, 2, &[("a.example", "listed"), ("b.example", "pending")]);
    let mut watcher = watcher.restart();
    watcher.check(&log, 2, &[]);
    watcher.check(&log, 3, &[("b.example", "listed")]);
}

#[test]
fn where_pending_entries_count_nothing_is_told_twice() {
    let mut log = TestLog::new(1);
    let mut watcher = Watcher::new("[policy]\npending_allowed = true\n");
    log.grant("desk");
    log.batch("desk", vec![report(1, "a.example")]);
    watcher.check(&log, 0, &[("a.example", "listed")]);
    watcher.check(&log, 2, &[]);
}
