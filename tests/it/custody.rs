//! Who keeps what (PROTOCOL.md §9), on whole nodes: what stands in their files, what they show and to whom.

mod federation;
mod hoard;
mod oracle;
mod shares;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use almenara_certs::Role;
use almenara_client::{
    commands::{custody, fetch},
    exit::Outcome,
    follow::VerifiedEntry,
};
use almenara_proto::{
    custody::{CustodyOfLog, VerifiedReport, custodied, misfits, shares},
    merkle::Hash,
    name::MemberName,
    release::Tlp,
    roster::Roster,
    signed::Signed,
    statement::Statement,
};
use almenara_tests::{
    cluster::{Cluster, NOW, Setup},
    desk::{in_report, restricted},
};

use crate::pull::{Platform, home};
use oracle::{Said, World};

const POLICE: &str = "police.th.example";
/// Five members in five jurisdictions.
const FIVE: [(&str, &str); 5] = [
    (POLICE, "TH"),
    ("ngo.nl.example", "NL"),
    ("bank.us.example", "US"),
    ("bank.sg.example", "SG"),
    ("ngo.ke.example", "KE"),
];
/// Statements in the police's one batch; their copies are 0, 2 and 3 by turns.
const SAID: u64 = 30;
const COPIES: [u32; 3] = [0, 2, 3];

fn marker(number: u64) -> String {
    format!("<kept-{number:02}>")
}

fn copies(number: u64) -> u32 {
    COPIES[(number % 3) as usize]
}

/// AMBER to the group that begins with all four others.
fn said(number: u64) -> Result<Statement> {
    let domain = format!("kept{number:02}.example");
    let mut statement = restricted(number, &domain, Tlp::Amber, &["group:desks"], &[])?;
    statement.copies = copies(number);
    Ok(in_report(statement, |report| report.description = marker(number)))
}

struct Kept {
    cluster: Cluster,
    /// The leaf and its hash of each statement, by number; they stand in entry 1.
    leaves: BTreeMap<u64, (u32, Hash)>,
}

impl Kept {
    async fn start() -> Result<Self> {
        let setup = Setup { groups: vec![("desks", vec![1, 2, 3, 4])], ..Setup::default() };
        let cluster = Cluster::start_with(&FIVE, setup).await?;
        let desk = cluster.grant(0, "cyber-desk", 100).await?;
        let batch = desk.seal((0..SAID).map(said).collect::<Result<_>>()?, 1)?;
        let origin = batch.header.content.origin_hash();
        let mut leaves = BTreeMap::new();
        for (leaf, bytes) in (0u32..).zip(&batch.statements) {
            let text = String::from_utf8_lossy(bytes);
            let number = (0..SAID).find(|number| text.contains(&marker(*number))).context("a marker")?;
            leaves.insert(number, (leaf, almenara_proto::batch::statement_id(&origin, bytes)));
        }
        desk.publish(&batch).await??;
        for node in 1..FIVE.len() {
            cluster.caught_up(node, 0).await?;
        }
        Ok(Self { cluster, leaves })
    }

    /// The numbers that a member keeps while `group` are in the group.
    fn due(&self, member: usize, group: &[usize]) -> BTreeSet<u64> {
        let world = World {
            orgs: FIVE.iter().map(|(name, seat)| (*name, *seat, [].as_slice())).collect(),
            groups: [("desks", group.iter().map(|at| FIVE[*at].0).collect())].into(),
        };
        let keeps = |number: &u64| {
            let said = Said {
                origin: POLICE,
                tlp: "AMBER",
                to: vec!["group:desks"],
                not_to: Vec::new(),
                copies: copies(*number),
            };
            world.keeps(&said, &self.leaves[number].1.0, FIVE[member].0)
        };
        (0..SAID).filter(keeps).collect()
    }

    /// The numbers of which a byte stands in a node's files.
    fn stored(&self, member: usize) -> Result<BTreeSet<u64>> {
        let mut bytes = std::fs::read(self.cluster.database(member))?;
        let wal = format!("{}-wal", self.cluster.database(member).display());
        bytes.extend(std::fs::read(wal).unwrap_or_default());
        let text = String::from_utf8_lossy(&bytes);
        Ok((0..SAID).filter(|number| text.contains(&marker(*number))).collect())
    }

    async fn until(&self, group: &[usize], members: &[usize]) -> Result<()> {
        let mut last = String::new();
        for _ in 0..200 {
            let mut all = true;
            for member in members {
                let (stored, due) = (self.stored(*member)?, self.due(*member, group));
                if stored != due {
                    (all, last) = (false, format!("{member} has {stored:?}, {due:?} are due"));
                }
            }
            if all {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("custody does not move: {last}")
    }

    /// The next roster with these members in the group, at all running nodes.
    async fn regroup(&mut self, group: &[usize], to: usize) -> Result<()> {
        let members: BTreeSet<MemberName> =
            group.iter().map(|at| Ok(FIVE[*at].0.parse()?)).collect::<Result<_>>()?;
        let change = |roster: &mut Roster| drop(roster.groups.insert("desks".into(), members));
        let next = self.cluster.next_roster(change, &[0, 1, 2, 3, 4])?;
        let version = self.cluster.offer(to, to, &next).await??;
        for member in 0..FIVE.len() {
            if self.cluster.node(member).is_ok() {
                self.cluster.has_roster(member, version).await?;
            }
        }
        self.cluster.adopt(&next)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_stands_in_the_files_of_its_keepers_and_of_nobody_else() -> Result<()> {
    let kept = Kept::start().await?;
    for (member, (name, _)) in FIVE.iter().enumerate() {
        assert_eq!(kept.stored(member)?, kept.due(member, &[1, 2, 3, 4]), "{name}");
    }
    // By copies: each of them is somewhere, and none more often than it should be.
    for number in 0..SAID {
        let held = (1..FIVE.len()).filter(|at| kept.due(*at, &[1, 2, 3, 4]).contains(&number)).count();
        assert_eq!(held, [4, 2, 3][(number % 3) as usize]);
    }
    // A reader of a member is told what it may ask for, at the origin and at a holder alike.
    let due = kept.due(1, &[1, 2, 3, 4]);
    for role in [Role::Node, Role::Consumer] {
        let reader = kept.cluster.reader(0, 1, role, "x").await?;
        let frames = reader.frames(almenara_tests::reader::Reader::request(POLICE, 0, false)).await?;
        let entries: Vec<VerifiedEntry> = kept.cluster.check(0, frames)?;
        let batch = entries.get(1).and_then(|entry| entry.batch.as_ref()).context("the batch")?;
        assert_eq!(batch.leaves.len(), due.len());
        let told: BTreeSet<u32> = batch.on_request.iter().flat_map(|(start, end)| *start..*end).collect();
        let others = (0..SAID).filter(|number| !due.contains(number)).map(|number| kept.leaves[&number].0);
        assert_eq!(told, others.collect());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_see_a_statement_and_does_not_keep_it_fetches_it_and_both_sides_log_that() -> Result<()> {
    let kept = Kept::start().await?;
    let cluster = &kept.cluster;
    let due = kept.due(1, &[1, 2, 3, 4]);
    let number = (0..SAID).find(|number| !due.contains(number)).context("one that is not kept")?;
    let leaf = kept.leaves[&number].0;
    // At the origin; and at the own node, which asks the origin and stores nothing.
    let direct = cluster.reader(0, 1, Role::Consumer, "app").await?;
    let own = cluster.reader(1, 1, Role::Consumer, "app").await?;
    for reader in [&direct, &own] {
        let shown = reader.fetch(POLICE, 1, &[leaf], 1).await?;
        assert_eq!(shown.len(), 1);
        assert!(String::from_utf8_lossy(&shown[0].bytes).contains(&marker(number)));
    }
    assert_eq!(kept.stored(1)?, due);
    let address = format!("{POLICE}:1.{leaf}");
    let logged = |accesses: Vec<almenara_proto::wire::Access>| -> Vec<_> {
        accesses.into_iter().map(|access| (access.at, access.address, access.asker, access.holder)).collect()
    };
    let row = (NOW, address, FIVE[1].0.to_owned(), POLICE.to_owned());
    let at_holder = cluster.reader(0, 0, Role::Operator, "ops").await?.accesses().await?;
    assert_eq!(logged(at_holder), [row.clone(), row.clone()]);
    let at_asker = cluster.reader(1, 1, Role::Operator, "ops").await?.accesses().await?;
    assert_eq!(logged(at_asker), [row]);
    // Nobody else reads that, and nobody is shown what it may not see.
    assert!(cluster.reader(0, 1, Role::Operator, "ops").await?.accesses().await.is_err());
    assert!(cluster.reader(0, 0, Role::Consumer, "app").await?.accesses().await.is_err());
    let auditor = cluster.reader(0, 1, Role::Auditor, "x").await?;
    assert!(auditor.fetch(POLICE, 1, &[leaf], 1).await?.is_empty());
    // Under another roster nothing restricted flows.
    assert!(direct.fetch(POLICE, 1, &[leaf], 2).await.is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn custody_moves_with_the_roster_and_nothing_is_dropped_before_it_is_elsewhere() -> Result<()> {
    let mut kept = Kept::start().await?;
    // The ngo leaves the group: it has nothing more, and others fill its place.
    kept.regroup(&[2, 3, 4], 0).await?;
    kept.until(&[2, 3, 4], &[1, 2, 3, 4]).await.context("without the ngo")?;
    let without: Vec<BTreeSet<u64>> = (0..FIVE.len()).map(|member| kept.due(member, &[2, 3, 4])).collect();
    assert!(without[1].is_empty());
    // It comes back while its node is down: nobody can confirm, so nobody drops.
    kept.cluster.stop(1).await?;
    kept.regroup(&[1, 2, 3, 4], 0).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let moves = (2..FIVE.len()).filter(|member| kept.due(*member, &[1, 2, 3, 4]) != without[*member]);
    assert!(moves.count() > 0, "this roster moves nothing");
    for member in 2..FIVE.len() {
        let due = &kept.due(member, &[1, 2, 3, 4]) | &without[member];
        ensure!(kept.stored(member)? == due, "{} dropped too early", FIVE[member].0);
    }
    // With it its holes are filled, those of statements without copies too, and then the others drop theirs.
    kept.cluster.restart(1).await?;
    kept.until(&[1, 2, 3, 4], &[1, 2, 3, 4]).await.context("with the ngo again")?;
    // What came late is found like everything else.
    let number = *kept.due(1, &[1, 2, 3, 4]).first().context("one that is kept")?;
    let reader = kept.cluster.reader(1, 1, Role::Consumer, "app").await?;
    assert!(reader.lookup(&[&format!("kept{number:02}.example")]).await?[0].known);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_in_step_is_not_asked_for_again_after_a_restart_but_under_the_next_roster() -> Result<()>
{
    let mut kept = Kept::start().await?;
    // What came by a stream is looked at when the stream has ended.
    kept.cluster.stop(1).await?;
    kept.cluster.restart(1).await?;
    let in_step = "SELECT coalesce(max(size), 0) FROM in_step WHERE roster = 1";
    for tries in 0.. {
        ensure!(tries < 100, "custody is not put in step");
        if kept.cluster.number(1, in_step).await? == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What is not here any more would come again, if somebody asked.
    kept.cluster.stop(1).await?;
    kept.cluster.tamper(1, "DELETE FROM payloads;").await?;
    kept.cluster.restart(1).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(kept.stored(1)?, BTreeSet::new());
    kept.regroup(&[1, 2, 3, 4], 0).await?;
    kept.until(&[1, 2, 3, 4], &[1, 2, 3, 4]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_say_what_is_held_anybody_can_add_them_up_and_a_lie_is_named() -> Result<()> {
    let kept = Kept::start().await?;
    let cluster = &kept.cluster;
    let roster = &cluster.roster.roster;
    let mut reports: Vec<VerifiedReport> = Vec::new();
    for (member, (name, _)) in FIVE.iter().enumerate() {
        let reader = cluster.reader(member, 1, Role::Auditor, "x").await?;
        let own = reader.reports(roster).await?.into_iter();
        reports.extend(own.filter(|report| report.report().member.as_str() == *name));
    }
    assert_eq!(reports.len(), FIVE.len());
    let origin: MemberName = POLICE.parse()?;
    let with_copies = (0..SAID).filter(|number| copies(*number) > 0).count() as u64;
    for report in &reports {
        let member = FIVE.iter().position(|(name, _)| *name == report.report().member.as_str());
        let member = member.context("a member")?;
        if member == 0 {
            continue;
        }
        let due = kept.due(member, &[1, 2, 3, 4]);
        let held = due.iter().filter(|number| copies(**number) > 0).count() as u64;
        assert_eq!(report.report().logs[&origin], CustodyOfLog { size: 2, held, of: with_copies });
    }
    // An outsider, who sees entries alone, reaches the same.
    let outsider = cluster.reader(2, 2, Role::Auditor, "x").await?;
    let frames = outsider.frames(almenara_tests::reader::Reader::request(POLICE, 0, false)).await?;
    let entries: Vec<bytes::Bytes> = cluster.check(0, frames)?.into_iter().map(|entry| entry.bytes).collect();
    let counted = |member: &MemberName, size: u64| match member.as_str() {
        POLICE => Some(custodied(entries.iter().take(usize::try_from(size).ok()?))),
        _ => Some(0),
    };
    let all = shares(&reports, roster, counted);
    assert!(all.differing.is_empty() && all.silent.is_empty(), "{all:?}");
    let sum: u64 = all.jurisdictions.values().map(|share| share.at_most).sum();
    assert_eq!(sum, (0..SAID).map(|number| u64::from(copies(number))).sum::<u64>());
    // A member that says more than there is, under its own signature.
    let liar = cluster.member(3)?;
    let mut lie = reports[3].report().clone();
    lie.made_at += 1;
    lie.logs.insert(origin.clone(), CustodyOfLog { size: 2, held: with_copies + 5, of: with_copies + 5 });
    reports.push(VerifiedReport::verify(Signed::sign(lie, &liar.cosign_key), roster)?);
    let all = shares(&reports, roster, counted);
    let named: Vec<&str> =
        all.differing.iter().filter(|one| one.overstates()).map(|one| one.member.as_str()).collect();
    assert_eq!(named, [FIVE[3].0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_hands_on_the_reports_of_those_that_are_down() -> Result<()> {
    let mut kept = Kept::start().await?;
    // They met when they connected.
    for _ in 0..100 {
        let reader = kept.cluster.reader(0, 0, Role::Operator, "ops").await?;
        if reader.reports(&kept.cluster.roster.roster).await?.len() == FIVE.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    kept.cluster.stop(4).await?;
    let reader = kept.cluster.reader(0, 2, Role::Consumer, "app").await?;
    let reports = reader.reports(&kept.cluster.roster.roster).await?;
    assert!(reports.iter().any(|report| report.report().member.as_str() == FIVE[4].0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_fetches_what_others_keep_and_adds_up_what_each_jurisdiction_can_reach() -> Result<()> {
    let kept = Kept::start().await?;
    let platform = Platform { folder: home(&kept.cluster, &[0])?, clock: kept.cluster.clock() };
    platform.pull().await?;
    let due = kept.due(4, &[1, 2, 3, 4]);
    let number = (0..SAID).find(|number| !due.contains(number)).context("one that is not kept")?;
    let address = format!("{POLICE}:1.{}", kept.leaves[&number].0);
    let ask = async |address: &str| {
        let (context, captured) = platform.context(true);
        let args = fetch::Args { addresses: vec![address.parse()?] };
        let outcome = fetch::run(args, &context).await?;
        anyhow::Ok((outcome, serde_json::from_str(&captured.out()).unwrap_or(serde_json::Value::Null)))
    };
    let (outcome, shown) = ask(&address).await?;
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(shown["value"], format!("kept{number:02}.example"));
    // Its own member's node asked for it, and logged that.
    assert_eq!(shown["node"], FIVE[4].0);
    let logged = kept.cluster.reader(4, 4, Role::Operator, "ops").await?.accesses().await?;
    assert_eq!(logged.iter().map(|access| access.address.as_str()).collect::<Vec<_>>(), [address.as_str()]);
    assert_eq!(ask(&format!("{POLICE}:1.{SAID}")).await?.0, Outcome::No);
    assert!(ask(&format!("{POLICE}:7.0")).await.is_err());
    let add_up = async || {
        let (context, captured) = platform.context(true);
        let outcome = custody::run(custody::Args {}, &context).await?;
        anyhow::Ok((outcome, serde_json::from_str::<serde_json::Value>(&captured.out())?))
    };
    let (outcome, answer) = add_up().await?;
    assert_eq!((outcome, answer["reports"].as_array().map(Vec::len)), (Outcome::Done, Some(5)), "{answer}");
    let row = &answer["jurisdictions"].as_array().context("rows")?[0];
    let of_ke = due.iter().filter(|number| copies(**number) > 0).count();
    assert_eq!((row["jurisdiction"].as_str(), row["at_most"].as_u64()), (Some("KE"), Some(of_ke as u64)));
    // Four share two and a half copies on average: somebody is above a half.
    let next = kept.cluster.next_roster(|roster| roster.custody.cap_percent = 50, &[0, 1, 2, 3, 4])?;
    kept.cluster.offer(0, 0, &next).await??;
    for member in 0..FIVE.len() {
        kept.cluster.has_roster(member, 2).await?;
    }
    let (outcome, answer) = add_up().await?;
    assert_eq!((outcome, answer["cap_percent"].as_u64()), (Outcome::No, Some(50)), "{answer}");
    Ok(())
}
