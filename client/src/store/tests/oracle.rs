//! Verdicts beside those of the dumbest index.

use super::*;

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
