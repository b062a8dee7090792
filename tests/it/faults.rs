//! Origins that are gone, or show less than they signed: the others supply (HOSTILE lines 59, 60).

use std::{sync::atomic::Ordering, time::Duration};

use anyhow::{Context as _, Result, bail};

use almenara_certs::Role;
use almenara_client::rpc::log_service_client::LogServiceClient;
use almenara_proto::{release::Tlp, wire::GetCheckpointRequest};
use almenara_server::compare::STALE_AFTER;
use almenara_tests::{
    backup::blind,
    cluster::{Cluster, NOW},
    desk::{report, restricted},
};

/// A federation in which an origin can vanish and three are left to tell.
const FOUR: [(&str, &str); 4] = [
    ("police.th.example", "TH"),
    ("ngo.nl.example", "NL"),
    ("bank.us.example", "US"),
    ("cert.ke.example", "KE"),
];

/// Which of these domains a consumer of the member is told of, at its own node.
async fn known(cluster: &Cluster, member: usize, domains: &[&str]) -> Result<Vec<bool>> {
    let reader = cluster.reader(member, member, Role::Consumer, "app").await?;
    Ok(reader.lookup(domains).await?.iter().map(|verdict| verdict.known).collect())
}

async fn until_known(cluster: &Cluster, member: usize, domains: &[&str], expected: &[bool]) -> Result<()> {
    for _ in 0..150 {
        if known(cluster, member, domains).await? == expected {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("{domains:?} at node {member}: {:?}", known(cluster, member, domains).await?)
}

/// The police's newest entry reached the ngo and nobody else: one statement for all, one for the ngo and the bank, one
/// for the bank alone, and one that only the origin itself may hand to the bank.
async fn half_told() -> Result<Cluster> {
    let mut cluster = Cluster::start(&FOUR).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "early.example")?], 1).await??;
    for node in 1..4 {
        cluster.wait_for(node, 0, 2).await?;
    }
    cluster.stop(2).await?;
    cluster.stop(3).await?;
    let newest = vec![
        report(1, "all.example")?,
        restricted(2, "both.example", Tlp::Amber, &["ngo.nl.example", "bank.us.example"], &[])?,
        restricted(3, "bank.example", Tlp::Amber, &["bank.us.example"], &[])?,
        restricted(4, "red.example", Tlp::Red, &["ngo.nl.example", "bank.us.example"], &[])?,
    ];
    let mut newest = newest;
    newest.sort_by_key(|statement| statement.nonce);
    desk.say(newest, 2).await??;
    cluster.wait_for(1, 0, 3).await?;
    Ok(cluster)
}

const NEWEST: [&str; 4] = ["all.example", "both.example", "bank.example", "red.example"];

#[tokio::test(flavor = "multi_thread")]
async fn what_an_origin_told_only_some_before_it_was_lost_reaches_all_from_each_other() -> Result<()> {
    let mut cluster = half_told().await?;
    cluster.stop(0).await?;
    cluster.lose(0)?;
    cluster.restart(2).await?;
    cluster.restart(3).await?;
    for node in [2, 3] {
        cluster.wait_for(node, 0, 3).await.context("from another member")?;
    }
    // What a relay may show; RED never passes one, and what it never had it cannot show.
    assert_eq!(known(&cluster, 2, &NEWEST).await?, [true, true, false, false]);
    assert_eq!(known(&cluster, 3, &NEWEST).await?, [true, false, false, false]);
    // And it is relayed on: the bank's copy alone is enough for one who comes later.
    cluster.stop(1).await?;
    cluster.stop(3).await?;
    cluster.lose(3)?;
    cluster.restart(3).await?;
    cluster.wait_for(3, 0, 3).await.context("from the last who has it")?;
    assert_eq!(known(&cluster, 3, &NEWEST).await?, [true, false, false, false]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_relay_could_not_show_comes_from_the_origin_when_it_is_back() -> Result<()> {
    let mut cluster = half_told().await?;
    cluster.stop(0).await?;
    cluster.restart(2).await?;
    cluster.wait_for(2, 0, 3).await.context("from another member")?;
    assert_eq!(known(&cluster, 2, &NEWEST).await?, [true, true, false, false]);
    // It is remembered over a restart that something is missing.
    cluster.stop(2).await?;
    cluster.restart(2).await?;
    cluster.restart(0).await?;
    // RED is for nodes, not for their consumers.
    until_known(&cluster, 2, &NEWEST, &[true, true, true, false]).await?;
    let entries = cluster.follow(2, 0, 0).await?;
    let batch = entries.get(2).and_then(|entry| entry.batch.as_ref()).context("the newest batch")?;
    assert_eq!(batch.leaves.len(), 4, "the replica is complete, RED included: its origin may see it");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_hides_its_newest_withdrawal_is_noticed_and_others_supply_it() -> Result<()> {
    let mut cluster = Cluster::start(&FOUR).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "wrong.example")?], 1).await??;
    for node in 1..4 {
        cluster.wait_for(node, 0, 2).await?;
    }
    for node in [2, 3, 0] {
        cluster.stop(node).await?;
    }
    let before = cluster.copy(0)?;
    cluster.restart(0).await?;
    cluster.desk(0, "cyber-desk", 100).await?.withdraw(&[(1, 0)], 2).await??;
    cluster.wait_for(1, 0, 3).await?;
    cluster.stop(0).await?;
    // From now on it serves what it had before, as if nothing had been withdrawn.
    cluster.put_back(0, &before)?;
    cluster.restart_with(0, blind).await?;
    cluster.restart(2).await?;
    cluster.wait_for(2, 0, 3).await.context("from the ngo")?;
    let reader = cluster.reader(2, 2, Role::Consumer, "app").await?;
    assert!(!reader.lookup(&["wrong.example"]).await?[0].listed, "the withdrawal came");
    assert!(cluster.evidence(2)?.is_empty(), "to lag is no crime");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_origin_falls_silent_is_shown_as_stale_with_its_age() -> Result<()> {
    let mut cluster = Cluster::start(&FOUR).await?;
    cluster.grant(0, "cyber-desk", 100).await?.say(vec![report(0, "early.example")?], 1).await??;
    cluster.wait_for(1, 0, 2).await?;
    let ask = async |cluster: &Cluster| -> Result<(u64, u64)> {
        let channel = cluster.connect(1, &cluster.identity(1, Role::Operator, "ops")?).await?;
        let request = GetCheckpointRequest { origin: cluster.name(0)?.to_owned(), size: 0 };
        let answer = LogServiceClient::new(channel).get_checkpoint(request).await?.into_inner();
        Ok((answer.heard_at, answer.moved_at))
    };
    let (_, moved) = ask(&cluster).await?;
    assert_eq!(moved, NOW, "entries came just now");
    cluster.stop(0).await?;
    cluster.time.fetch_add(2 * STALE_AFTER, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(800)).await;
    let (heard, moved) = ask(&cluster).await?;
    let now = cluster.time.load(Ordering::Relaxed);
    assert!(now - heard.max(moved) >= STALE_AFTER, "heard {heard}, moved {moved}");
    // A restart does not make it young.
    cluster.stop(1).await?;
    cluster.restart(1).await?;
    assert_eq!(ask(&cluster).await?, (0, NOW));
    cluster.restart(0).await?;
    for _ in 0..100 {
        let (heard, moved) = ask(&cluster).await?;
        if heard == now {
            assert_eq!(moved, NOW, "it is quiet, and no longer stale");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("it is back, and nobody hears it")
}
