//! The order and the way in which entries arrive decide nothing (HOSTILE lines 55, 63).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use almenara_certs::Role;
use almenara_client::{follow::Step, store::Store, tls};
use almenara_proto::{
    merkle,
    name::MemberName,
    prefix::KeptKey,
    roster::Roster,
    verdict::Policy,
    wire::{self, ReplicateFrame},
};
use almenara_tests::{
    cluster::{Cluster, FEDERATION, NOW, key},
    desk::report,
    reader::Reader,
};

use crate::THREE;

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 += 1;
        let hash = merkle::sha256(&[b"order", &self.0.to_be_bytes()]);
        (u64::from_be_bytes(*hash.0.first_chunk().expect("eight of 32 bytes")) % bound as u64) as usize
    }
}

/// What came of a log, asked from an entry on, at some moment at some node.
type Captures = BTreeMap<(MemberName, u64), Vec<Vec<ReplicateFrame>>>;

/// Asks two nodes, a relay among them, for both logs from every entry on.
async fn capture(cluster: &Cluster, captures: &mut Captures) -> Result<()> {
    for origin in [0, 1] {
        cluster.caught_up(2, origin).await?;
        let name = &cluster.member(origin)?.name;
        let size = cluster.node(origin)?.heads().get(name).context("its log")?.prefix.size();
        for server in [origin, 2] {
            let reader = cluster.reader(server, 2, Role::Node, "node-1").await?;
            for from in 0..size {
                let frames = reader.frames(Reader::request(name.as_str(), from, false)).await?;
                captures.entry((name.clone(), from)).or_default().push(frames);
            }
        }
    }
    Ok(())
}

/// Everything that two stores must agree on.
#[derive(Debug, PartialEq)]
struct State {
    logs: Vec<(u64, merkle::Hash, Vec<KeptKey>)>,
    verdicts: Vec<String>,
    listed: BTreeSet<String>,
}

fn state(store: &Store, roster: &Roster) -> Result<State> {
    let policy = Policy { minimum_score: 1, pending_allowed: true, ..Policy::default() };
    let judged = store.verdicts(roster, &policy, NOW)?.collect::<Result<Vec<_>, _>>()?;
    let logs = store.replicas().map(|replica| {
        let prefix = replica.prefix();
        (prefix.size(), prefix.tree().root(), prefix.keys().collect())
    });
    Ok(State {
        logs: logs.collect(),
        verdicts: judged.iter().map(|one| format!("{:?} {:?}", one.indicator, one.verdict)).collect(),
        listed: judged
            .iter()
            .filter(|one| one.verdict.listed)
            .map(|one| one.indicator.value().to_owned())
            .collect(),
    })
}

/// Fills a store on some way: pieces of logs in any order, each from any node that had it at any time, again and again,
/// with restarts.
fn fill(
    folder: &Path,
    captures: &Captures,
    sizes: &BTreeMap<MemberName, u64>,
    rosters: [&Roster; 2],
    numbers: &mut Numbers,
) -> Result<Store> {
    let mut store = Store::open(folder, FEDERATION)?;
    loop {
        let mut open: Vec<MemberName> = Vec::new();
        for (member, size) in sizes {
            if store.replica_mut(member)?.size() < *size {
                open.push(member.clone());
            }
        }
        if open.is_empty() {
            store.finish()?;
            return Ok(store);
        }
        let member = open.get(numbers.below(open.len())).context("a log")?;
        let at = store.replica_mut(member)?.size();
        // Half of the time something that does not continue what is held: an older or a later piece.
        let from = if numbers.below(2) == 0 { at } else { numbers.below(sizes[member] as usize) as u64 };
        let choices = captures.get(&(member.clone(), from)).context("captured")?;
        let frames = choices.get(numbers.below(choices.len())).context("a capture")?;
        let roster = rosters[numbers.below(2)];
        let replica = store.replica_mut(member)?;
        replica.choose(Some(&wire::Filter::default()))?;
        let mut follower = replica.follower();
        for frame in frames {
            match follower.step(frame.clone(), roster) {
                Ok(Step::Page(page)) => replica.keep(page, &follower)?,
                Ok(Step::Checkpoint(_)) => replica.note(&follower),
                // It is refused, and nothing has changed.
                Err(_) => break,
            }
            if numbers.below(4) == 0 {
                break;
            }
        }
        if numbers.below(5) == 0 {
            store.finish()?;
            drop(store);
            store = Store::open(folder, FEDERATION)?;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_order_and_any_path_lead_to_one_state() -> Result<()> {
    let mut cluster = Cluster::start(&THREE).await?;
    let mut captures = Captures::new();
    let police = cluster.grant(0, "cyber-desk", 100).await?;
    let stolen = cluster.grant(0, "stolen-desk", 101).await?;
    let ngo = cluster.grant(1, "helpline", 102).await?;
    police.say(vec![report(0, "said.example")?, report(1, "also.example")?], 1).await??;
    ngo.say(vec![report(2, "said.example")?], 1).await??;
    police.say(vec![report(3, "wrong.example")?], 2).await??;
    stolen.say(vec![report(4, "before.example")?], 1).await??;
    capture(&cluster, &mut captures).await?;
    police.withdraw(&[(3, 0)], 3).await??;
    stolen.say(vec![report(5, "forged.example")?], 2).await??;
    stolen.say(vec![report(6, "forged-too.example")?], 3).await??;
    police.say(vec![report(7, "said.example")?], 4).await??;
    ngo.say(vec![report(8, "later.example")?], 2).await??;
    // In another member's log, when both forgeries are out: from entry 6 on the key counts for nothing.
    let revocation = cluster.key_revocation(0, &key(101), 6)?;
    cluster.operate(1, wire::publish_request::Item::KeyRevocation(revocation.to_wire())).await??;
    capture(&cluster, &mut captures).await?;
    let next = cluster.next_roster(|roster| roster.quorum = 2, &[0, 1, 2])?;
    let before = cluster.roster.roster.clone();
    ensure!(cluster.offer(0, 0, &next).await?.is_ok(), "the next roster");
    for node in 0..3 {
        cluster.has_roster(node, 2).await?;
    }
    cluster.adopt(&next)?;
    let police = cluster.desk(0, "cyber-desk", 100).await?;
    police.say(vec![report(9, "newest.example")?], 5).await??;
    capture(&cluster, &mut captures).await?;

    // The oracle: a list of what was said, without what was withdrawn or cut.
    let listed: BTreeSet<String> =
        ["said", "also", "before", "later", "newest"].map(|name| format!("{name}.example")).into();
    let sizes: BTreeMap<MemberName, u64> = [0, 1]
        .map(|origin| -> Result<_> {
            let name = cluster.member(origin)?.name.clone();
            let size = cluster.node(origin)?.heads().get(&name).context("its log")?.prefix.size();
            Ok((name, size))
        })
        .into_iter()
        .collect::<Result<_>>()?;
    let mut first: Option<State> = None;
    for seed in 0..40 {
        let folder = tempfile::tempdir()?;
        let mut numbers = Numbers(seed * 10_000);
        let rosters = [&before, &cluster.roster.roster];
        let store = fill(folder.path(), &captures, &sizes, rosters, &mut numbers)?;
        let found = state(&store, &cluster.roster.roster)?;
        assert_eq!(found.listed, listed, "seed {seed}");
        match &first {
            None => first = Some(found),
            Some(first) => assert_eq!(&found, first, "seed {seed}"),
        }
    }
    // And every node says the same, wherever its entries came from.
    let all: Vec<&str> =
        listed.iter().map(String::as_str).chain(["wrong.example", "forged.example"]).collect();
    for node in 0..3 {
        cluster.caught_up(node, 0).await?;
        cluster.caught_up(node, 1).await?;
        let reader = cluster.reader(node, node, Role::Consumer, "app").await?;
        let found: Vec<bool> = reader.lookup(&all).await?.iter().map(|one| one.listed).collect();
        assert_eq!(found, [true, true, true, true, true, false, false], "node {node}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_a_day_apart_change_no_order() -> Result<()> {
    let mut cluster = Cluster::start(&THREE).await?;
    cluster.stop(1).await?;
    let time = Arc::clone(&cluster.time);
    cluster
        .restart_with(1, |node| node.clock = Arc::new(move || time.load(Ordering::Relaxed) + 86_400))
        .await?;
    let police = cluster.grant(0, "cyber-desk", 100).await?;
    let ngo = cluster.grant(1, "helpline", 101).await?;
    police.say(vec![report(0, "scam.example")?], 1).await??;
    ngo.say(vec![report(1, "scam.example")?], 1).await??;
    police.withdraw(&[(1, 0)], 2).await??;
    for node in 0..3 {
        cluster.wait_for(node, 0, 3).await?;
        cluster.wait_for(node, 1, 2).await?;
        let entries = cluster.follow(node, 0, 2).await?;
        assert_eq!(entries.len(), 3, "node {node}");
        let reader = cluster.reader(node, node, Role::Consumer, "app").await?;
        let verdict = reader.lookup(&["scam.example"]).await?.remove(0);
        let names: Vec<&str> = verdict.considered.iter().map(|piece| piece.address.as_str()).collect();
        assert_eq!((verdict.listed, names.len()), (true, 2), "node {node}: {names:?}");
    }
    // Who is so far behind that no certificate is good yet is told why.
    let late: tls::Clock = Arc::new(|| NOW - 3 * 86_400);
    let home = cluster.member(0)?;
    let address = &cluster.roster.roster.member(&home.name).context("on the roster")?.grpc;
    let identity = cluster.identity(1, Role::Consumer, "app")?;
    let authorities =
        tls::SharedAuthorities::new(almenara_client::rosters::authorities(&cluster.roster.roster)?);
    let refused = tls::connect(address, home.name.as_str(), &identity, &authorities, &late);
    let refused = tokio::time::timeout(Duration::from_secs(10), refused).await?.expect_err("not valid yet");
    assert!(refused.to_string().contains("clock"), "{refused}");
    Ok(())
}
