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

/// A generator of small numbers that repeats itself (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// What was said, kept in the dumbest way: an oracle for the index.
#[derive(Default)]
struct Said {
    /// Address, publisher, key, statement.
    statements: Vec<(Address, String, PublicKey, Statement)>,
    withdrawn: BTreeSet<Address>,
    cuts: Vec<(PublicKey, u64)>,
}

impl Said {
    fn batch(&mut self, log: &mut TestLog, desk: &str, statements: Vec<Statement>) {
        let batch: SignedBatch = log.sealed(desk, statements);
        let all: Vec<u32> = (0..batch.header.content.count).collect();
        let entry = log.push_batch(&batch, &all, false);
        for (leaf, bytes) in (0..).zip(&batch.statements) {
            let address = Address { member: log.member(), entry, leaf };
            let header = &batch.header.content;
            let statement = Statement::parse(bytes).expect("a statement");
            self.statements.push((address, header.publisher.to_string(), header.key, statement));
        }
    }

    fn verdict(&self, indicator: &Indicator, policy: &Policy) -> (Vec<Address>, Verdict) {
        let mut about: Vec<_> =
            self.statements.iter().filter(|said| said.3.indicator == *indicator).collect();
        about.sort_by_key(|said| &said.0);
        let evidence: Vec<Evidence<'_>> = about
            .iter()
            .map(|(address, publisher, key, statement)| Evidence {
                address: address.clone(),
                publisher,
                jurisdiction: two().jurisdiction(&address.member),
                statement,
                standing: Standing {
                    withdrawn: self.withdrawn.contains(address),
                    cut: self.cuts.iter().any(|(cut, since)| cut == key && address.entry >= *since),
                    pending: true,
                },
            })
            .collect();
        (about.iter().map(|said| said.0.clone()).collect(), verdict(&evidence, policy, NOW))
    }

    fn indicators(&self) -> BTreeSet<Indicator> {
        self.statements.iter().map(|said| said.3.indicator.clone()).collect()
    }
}

/// Two members, two desks each, few values, every claim.
fn random_statement(dice: &mut Dice, nonce: u32, said: &Said) -> Statement {
    let kinds = [(Kind::Domain, "example"), (Kind::Domain, "test"), (Kind::Phone, "+66812345")];
    let (kind, stem) = kinds[dice.roll(3) as usize];
    let value = match kind {
        Kind::Phone => format!("{stem}{:03}", dice.roll(4)),
        _ => format!("n{}.{stem}", dice.roll(6)),
    };
    let mut statement = report(nonce, "x.example");
    statement.indicator = Indicator::new(kind, value).expect("a value");
    let category = Category::from_number(1 + dice.roll(17) as i32).expect("a category");
    let said_seen = if dice.roll(4) == 0 { 0 } else { NOW - dice.roll(200) * 86_400 + 90_000 };
    let last_seen = if said_seen == 0 { NOW } else { said_seen };
    statement.claim = match dice.roll(8) {
        0 => Claim::Sighting(Sighting {
            count: 1 + dice.roll(9),
            window_start: NOW - 100,
            window_end: NOW,
            action: Action::Seen,
        }),
        1 if !said.statements.is_empty() => {
            let target = &said.statements[dice.roll(said.statements.len() as u64) as usize];
            statement.indicator = target.3.indicator.clone();
            Claim::Dispute(Dispute {
                target: target.0.clone(),
                id: almenara_proto::merkle::leaf_hash(b"id"),
                reason: DisputeReason::FalsePositive,
                description: String::new(),
                references: Vec::new(),
            })
        }
        _ => Claim::Report(Report {
            categories: vec![category, Category::PHISHING],
            confidence: [None, Some(0), Some(30), Some(100)][dice.roll(4) as usize],
            basis: [Basis::Observed, Basis::Imported("a-list".into()), Basis::Other][dice.roll(3) as usize]
                .clone(),
            valid_until: last_seen + 86_400 * (1 + dice.roll(300)),
            include_subdomains: kind == Kind::Domain && dice.roll(2) == 0,
            lookup_only: dice.roll(4) == 0,
            possibly_coerced: dice.roll(8) == 0,
            ..Report::new(kind, category, said_seen)
        }),
    };
    if statement.check_clear() {
        statement.release.tlp = Some(almenara_proto::release::Tlp::Green);
    }
    statement
}

trait Clear {
    fn check_clear(&self) -> bool;
}

impl Clear for Statement {
    /// Whether CLEAR would make it void.
    fn check_clear(&self) -> bool {
        self.report().is_some_and(|report| report.categories.contains(&Category::RANSOM_PAYMENT))
    }
}

fn check_against_oracle(store: &Store, said: &Said) {
    let policies = [
        policy(),
        Policy { pending_allowed: false, ..policy() },
        Policy { kinds: [Kind::Phone].into(), minimum_corroboration: 1, ..policy() },
        Policy {
            categories: [Category::PHISHING].into(),
            ignored: ["m2.example/b".into()].into(),
            ..policy()
        },
    ];
    for policy in &policies {
        let judged = all(store, policy);
        assert!(judged.is_sorted_by(|a, b| a.indicator < b.indicator));
        assert_eq!(judged.iter().map(|j| j.indicator.clone()).collect::<BTreeSet<_>>(), said.indicators());
        for judged in &judged {
            let (addresses, expected) = said.verdict(&judged.indicator, policy);
            let found: Vec<Address> = judged.pieces.iter().map(|piece| piece.address.clone()).collect();
            assert_eq!(found, addresses);
            assert_eq!(judged.verdict, expected, "{}", judged.indicator.value());
            let looked_up = store.lookups(&two(), policy, NOW).find(&judged.indicator).expect("readable");
            assert_eq!(looked_up.as_ref(), Some(judged));
        }
    }
    let unknown = Indicator::new(Kind::Domain, "unknown.example").expect("a domain");
    assert_eq!(store.lookups(&two(), &policy(), NOW).find(&unknown).expect("readable"), None);
}

#[test]
fn every_verdict_is_the_one_that_the_statements_themselves_give() {
    for seed in 1..=3 {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut dice, mut said) = (Dice(seed * 7_919), Said::default());
        let mut logs = [TestLog::new(1), TestLog::new(2)];
        logs.iter_mut().for_each(|log| {
            log.grant("a");
            log.grant("b");
        });
        let mut store = Some(fresh(folder.path()));
        let mut nonce = 0;
        for round in 0..50 {
            let log = &mut logs[dice.roll(2) as usize];
            let desk = ["a", "b"][dice.roll(2) as usize];
            match dice.roll(12) {
                0 if !said.statements.is_empty() => {
                    let own: Vec<Address> = said
                        .statements
                        .iter()
                        .map(|s| s.0.clone())
                        .filter(|a| a.member == log.member())
                        .collect();
                    if !own.is_empty()
                        && !said.cuts.iter().any(|(key, _)| *key == PublicKey::of(&log.desk_key(desk)))
                    {
                        let target = own[dice.roll(own.len() as u64) as usize].clone();
                        log.withdraw(desk, &[(target.entry, target.leaf)]);
                        said.withdrawn.insert(target);
                    }
                }
                // A key of the one member, revoked in the log of the other.
                1 if round == 40 || round == 41 => {
                    let other = 3 - log.number;
                    let key = PublicKey::of(&TestLog::new(other).desk_key("a"));
                    log.revoke(other, key, 5);
                    said.cuts.push((key, 5));
                }
                _ => {
                    let mut indicators = BTreeSet::new();
                    let mut statements = Vec::new();
                    for _ in 0..=dice.roll(5) {
                        nonce += 1;
                        let statement = random_statement(&mut dice, nonce, &said);
                        if indicators.insert(statement.indicator.clone()) {
                            statements.push(statement);
                        }
                    }
                    said.batch(log, desk, statements);
                }
            }
            let mut open = store.take().expect("open");
            if dice.roll(3) == 0 {
                logs.iter().for_each(|log| pull(&mut open, log, 1 + dice.roll(9)));
            }
            for log in &logs {
                let replica = open.replica_mut(&log.member()).expect("a replica");
                match dice.roll(4) {
                    0 => replica.finish().expect("written"),
                    1 => replica.commit().expect("written"),
                    _ => {}
                }
            }
            // Killed and started again: what was not committed is pulled again.
            let killed = dice.roll(5) == 0;
            store = Some(if killed {
                drop(open);
                fresh(folder.path())
            } else {
                open
            });
        }
        let mut store = store.expect("open");
        logs.iter().for_each(|log| pull(&mut store, log, 64));
        check_against_oracle(&store, &said);
        for log in &logs {
            store.replica_mut(&log.member()).expect("a replica").finish().expect("written");
        }
        check_against_oracle(&store, &said);
        drop(store);
        check_against_oracle(&Store::read(folder.path(), FEDERATION).expect("readable"), &said);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for file in fs::read_dir(from).expect("a folder") {
        let file = file.expect("a file");
        let target = to.join(file.file_name());
        if file.path().is_dir() {
            copy(&file.path(), &target);
        } else {
            fs::copy(file.path(), target).expect("copied");
        }
    }
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
fn a_process_killed_anywhere_goes_on_from_its_last_commit() {
    let mut log = TestLog::small(1);
    let whole = tempfile::tempdir().expect("a folder");
    let mut store = fresh(whole.path());
    pull(&mut store, &log, 2);
    store.replica_mut(&log.member()).expect("a replica").finish().expect("written");
    let old_size = log.size();
    let earlier = tempfile::tempdir().expect("a folder");
    copy(whole.path(), earlier.path());
    grown(&mut log, 20);
    pull(&mut store, &log, 3);
    store.replica_mut(&log.member()).expect("a replica").finish().expect("written");
    drop(store);
    let expected = all(&fresh(whole.path()), &policy());

    let replica = |folder: &Path| folder.join("m1.example");
    let log_file = |folder: &Path| replica(folder).join("log");
    let (short, long) = (
        fs::read(log_file(earlier.path())).expect("a log"),
        fs::read(log_file(whole.path())).expect("a log"),
    );
    // Written, not committed: any length of the log behind what the old state names, with and without runs.
    for length in (short.len()..=long.len()).step_by(1_009).chain([long.len()]) {
        let folder = tempfile::tempdir().expect("a folder");
        copy(whole.path(), folder.path());
        fs::copy(replica(earlier.path()).join("state"), replica(folder.path()).join("state"))
            .expect("copied");
        for file in fs::read_dir(replica(earlier.path())).expect("a folder") {
            let file = file.expect("a file").file_name();
            let to = replica(folder.path()).join(&file);
            if !to.exists() {
                fs::copy(replica(earlier.path()).join(&file), to).expect("copied");
            }
        }
        fs::write(log_file(folder.path()), &long[..length]).expect("written");
        fs::write(replica(folder.path()).join(".tmpAbC"), b"half a state").expect("written");
        let mut store = fresh(folder.path());
        assert_eq!(store.replica(&log.member()).expect("a replica").size(), old_size);
        pull(&mut store, &log, 5);
        assert_eq!(all(&store, &policy()), expected, "{length}");
        store.replica_mut(&log.member()).expect("a replica").finish().expect("written");
        assert_eq!(fs::read(log_file(folder.path())).expect("a log"), long);
        assert!(!replica(folder.path()).join(".tmpAbC").exists());
    }
}

#[test]
fn damage_is_named_and_never_changes_an_answer() {
    let mut log = TestLog::small(1);
    grown(&mut log, 12);
    let good = tempfile::tempdir().expect("a folder");
    let mut store = fresh(good.path());
    pull(&mut store, &log, 64);
    let replica = store.replica_mut(&log.member()).expect("a replica");
    replica.finish().expect("written");
    drop(store);
    let expected = all(&fresh(good.path()), &policy());
    let read = |folder: &Path| -> Result<Vec<Judged>, StoreError> {
        let store = Store::read(folder, FEDERATION)?;
        let judged = store.verdicts(&two(), &policy(), NOW)?.collect::<Result<Vec<_>, _>>()?;
        let replica = store.replica(&log.member()).expect("a replica");
        for index in 0..log.size() {
            let entry = replica.entry(index)?.expect("held");
            assert_eq!(entry.bytes, log.entries[index as usize]);
            assert!(replica.prove(&entry)?.newest.is_some());
        }
        Ok(judged)
    };
    assert_eq!(read(good.path()).expect("sound"), expected);
    let mut damaged = 0;
    for file in fs::read_dir(good.path().join("m1.example")).expect("a folder") {
        let path = file.expect("a file").path();
        let bytes = fs::read(&path).expect("a file");
        for at in (0..bytes.len()).step_by(bytes.len().div_ceil(40)) {
            for changed in [Some(bytes[at] ^ 1 << (at % 8)), None] {
                let mut other = bytes.clone();
                match changed {
                    Some(byte) => other[at] = byte,
                    None => other.truncate(at),
                }
                fs::write(&path, &other).expect("written");
                match read(good.path()) {
                    Ok(judged) => assert_eq!(judged, expected, "{} at {at}", path.display()),
                    Err(error) => {
                        let text = error.to_string();
                        assert!(
                            text.contains(&*path.file_name().expect("a name").to_string_lossy())
                                || text.contains("log"),
                            "{text}"
                        );
                        damaged += 1;
                    }
                }
            }
        }
        fs::write(&path, &bytes).expect("written");
    }
    assert!(damaged > 200, "{damaged}");
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
fn a_revocation_in_another_log_ends_statements_here() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = fresh(folder.path());
    let (log, mut other) = (TestLog::small(1), TestLog::small(2));
    pull(&mut store, &log, 64);
    assert_eq!(all(&store, &policy()).iter().filter(|judged| judged.verdict.listed).count(), 2);
    other.revoke(1, PublicKey::of(&log.desk_key("desk")), 3);
    pull(&mut store, &other, 64);
    let listed = all(&store, &policy());
    let who: Vec<&str> = listed
        .iter()
        .filter(|judged| judged.verdict.listed)
        .flat_map(|judged| judged.counted().map(|piece| piece.address.member.as_str()))
        .collect();
    assert_eq!(who, ["m2.example", "m2.example"]);
}

#[test]
fn what_a_settled_checkpoint_covers_counts_and_what_comes_later_waits() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = TestLog::new(1);
    log.grant("desk");
    log.batch("desk", vec![report(1, "a.example")]);
    log.batch("desk", vec![report(2, "b.example")]);
    let mut store = fresh(folder.path());
    pull(&mut store, &log, 1);
    let strict = Policy { pending_allowed: false, ..policy() };
    let check = |store: &Store, settled: u64| {
        let replica = store.replica(&log.member()).expect("held");
        assert_eq!((replica.settled_size(), replica.pending()), (settled, 3 - settled));
        for (entry, judged) in (1..).zip(all(store, &strict)) {
            let waits = entry >= settled;
            assert_eq!((judged.verdict.listed, judged.is_pending(&strict, NOW)), (!waits, waits), "{entry}");
            let choosy = Policy { minimum_score: 100, ..strict.clone() };
            assert!(!judged.is_pending(&choosy, NOW), "it would not be listed either, were it settled");
        }
    };
    check(&store, 0);
    for (note, settles) in [
        (log.cosigned(2, &[]), false),
        (log.cosigned(2, &[1]), false),
        (log.cosigned(2, &[2]), true),
        (log.cosigned(2, &[2]), false),
        (log.cosigned(1, &[2]), false),
        (log.cosigned(3, &[]), false),
    ] {
        let replica = store.replica_mut(&log.member()).expect("held");
        assert_eq!(replica.settle(&note, &two()), settles);
    }
    check(&store, 2);
    store.finish().expect("written");
    drop(store);
    let mut store = fresh(folder.path());
    check(&store, 2);
    let replica = store.replica(&log.member()).expect("held");
    for (index, size) in [(0, Some(2)), (1, Some(2)), (2, None)] {
        let entry = replica.entry(index).expect("readable").expect("held");
        let proof = replica.prove(&entry).expect("sound");
        assert_eq!(proof.settled.map(|note| note.checkpoint().size), size);
        assert_eq!(proof.newest.map(|note| note.checkpoint().size), Some(3));
    }
    let note = log.cosigned(3, &[2]);
    assert!(store.replica_mut(&log.member()).expect("held").settle(&note, &two()));
    check(&store, 3);
    let who: Vec<_> = cosigners(&note, &log.member(), &two()).into_iter().map(|one| one.member).collect();
    assert_eq!(who, [name(2)]);
}

#[test]
fn what_was_settled_stays_settled_when_another_log_key_takes_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = TestLog::new(1);
    log.grant("desk");
    log.batch("desk", vec![report(1, "a.example")]);
    let mut store = fresh(folder.path());
    pull(&mut store, &log, 64);
    assert!(store.replica_mut(&log.member()).expect("held").settle(&log.cosigned(2, &[2]), &two()));
    let mut next = two();
    log.log_key = key(99);
    next.members.get_mut(&log.member()).expect("a member").segments.push(Segment {
        from_size: 2,
        root: log.root(2),
        root_key: PublicKey::of(&key(1)),
        log_key: PublicKey::of(&log.log_key),
    });
    log.batch("desk", vec![report(2, "b.example")]);
    let replica = store.replica_mut(&log.member()).expect("held");
    let mut follower = replica.follower();
    for frame in log.frames(2, 64) {
        if let Step::Page(page) = follower.step(frame, &next).expect("an honest log") {
            replica.keep(page, &follower).expect("kept");
        }
    }
    store.finish().expect("written");
    drop(store);
    let store = fresh(folder.path());
    let replica = store.replica(&log.member()).expect("held");
    assert_eq!((replica.settled_size(), replica.pending()), (2, 1));
}

#[test]
fn a_log_with_two_histories_stays_parted_when_its_member_leaves() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = TestLog::new(1);
    log.grant("desk");
    let mut another = log.clone();
    log.batch("desk", vec![report(1, "a.example")]);
    another.batch("desk", vec![report(2, "b.example")]);
    let mut store = fresh(folder.path());
    pull(&mut store, &log, 64);
    let found =
        Equivocation::new(log.cosigned(2, &[]), another.cosigned(2, &[]), None).expect("two histories");
    store.replica_mut(&log.member()).expect("held").quarantine(&found);
    let mut left = two();
    left.members.remove(&log.member());
    let cut = |roster: &Roster| {
        let judged = store.verdicts(roster, &policy(), NOW).expect("a store").next();
        judged.expect("one").expect("sound").pieces[0].standing.cut
    };
    assert_eq!((cut(&two()), cut(&left)), (true, true));
    // A new log key says which history is the log's: one that left after that left with it.
    let mut next = two();
    let member = next.members.get_mut(&log.member()).expect("a member");
    member.segments[0].log_key = PublicKey::of(&key(99));
    assert!(!cut(&next));
}

#[test]
fn a_checkpoint_is_settled_by_distinct_other_jurisdictions() {
    let log = TestLog::small(1);
    let check = |members: &[(u8, &str)], quorum, cosigners: &[u8], expected: bool| {
        let mut roster = roster(members);
        roster.quorum = quorum;
        let note = log.cosigned(4, cosigners);
        assert_eq!(is_settled(&note, &log.member(), &roster), expected, "{members:?} {quorum} {cosigners:?}");
    };
    let members = [(1, "TH"), (2, "NL"), (3, "NL"), (4, "US"), (5, "TH")];
    check(&members, 0, &[], true);
    check(&members, 1, &[], false);
    check(&members, 1, &[2], true);
    check(&members, 1, &[1, 5], false);
    check(&members, 2, &[2, 3], false);
    check(&members, 2, &[2, 4], true);
    check(&members[..3], 1, &[4], false);
    // Whom the origin's jurisdiction can compel vouches for nothing that the origin says.
    let mut roster = roster(&members);
    let subject = roster.members.get_mut(&name(4)).expect("a member");
    subject.also_subject_to.push("TH".parse().expect("a code"));
    assert!(!is_settled(&log.cosigned(4, &[4]), &log.member(), &roster));
    assert!(is_settled(&log.cosigned(4, &[2]), &log.member(), &roster));
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
