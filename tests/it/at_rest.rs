//! Files that rot, and files with two openers (HOSTILE lines 16, 53).

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};

use almenara_certs::Role;
use almenara_client::follow::VerifiedEntry;
use almenara_proto::{log::LogEntry, release::Tlp};
use almenara_tests::{
    cluster::Cluster,
    desk::{in_report, report, restricted},
};

use crate::{ONE, TWO};

/// Flips a bit in the middle of every place of a file where these bytes stand.
fn flip(file: &Path, bytes: &[u8]) -> Result<()> {
    let mut stored = std::fs::read(file)?;
    let places: Vec<usize> = (0..stored.len()).filter(|at| stored[*at..].starts_with(bytes)).collect();
    ensure!(!places.is_empty(), "they do not stand in the file");
    for place in places {
        stored[place + bytes.len() / 2] ^= 4;
    }
    Ok(std::fs::write(file, stored)?)
}

/// Waits until a log at a node is what is expected there; until then it may not even hold.
async fn until(cluster: &Cluster, node: usize, origin: usize, expected: &[VerifiedEntry]) -> Result<()> {
    for _ in 0..200 {
        if cluster.follow(node, origin, 1).await.is_ok_and(|shown| shown == expected) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("it stays damaged: {:?}", cluster.follow(node, origin, 1).await)
}

/// Which of these domains are known to a consumer of the member, at its own node.
async fn known(cluster: &Cluster, member: usize, domains: &[&str]) -> Result<Vec<bool>> {
    let reader = cluster.reader(member, member, Role::Consumer, "app").await?;
    Ok(reader.lookup(domains).await?.iter().map(|verdict| verdict.known).collect())
}

/// The police's log on two nodes: one batch of two, one of them for the ngo alone.
async fn two_nodes() -> Result<Cluster> {
    let cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let marked = restricted(0, "rotten.example", Tlp::Amber, &["ngo.nl.example"], &[])?;
    let marked = in_report(marked, |report| report.description = "<a story>".into());
    desk.say(vec![marked, report(1, "beside.example")?], 1).await??;
    desk.say(vec![report(2, "after.example")?], 2).await??;
    cluster.caught_up(1, 0).await?;
    Ok(cluster)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rots_in_a_replica_is_kept_back_until_it_was_fetched_again() -> Result<()> {
    let mut cluster = two_nodes().await?;
    let whole = cluster.follow(1, 0, 1).await?;
    cluster.stop(0).await?;
    cluster.stop(1).await?;
    flip(&cluster.database(1), b"<a story>")?;
    cluster.restart(1).await?;
    // Nobody has it now: the entry is shown without its statements, and what comes after it goes on.
    let shown = cluster.follow(1, 0, 1).await?;
    assert_eq!(shown.len(), whole.len());
    assert!(shown[1].batch.as_ref().is_none_or(|batch| batch.leaves.is_empty()), "{:?}", shown[1]);
    assert_eq!(shown[2], whole[2]);
    let all = ["rotten.example", "beside.example", "after.example"];
    assert_eq!(known(&cluster, 1, &all).await?, [false, false, true]);
    // And when the origin is back, it is whole again, for good.
    cluster.restart(0).await?;
    until(&cluster, 1, 0, &whole).await?;
    assert_eq!(known(&cluster, 1, &all).await?, [true, true, true]);
    cluster.stop(0).await?;
    cluster.stop(1).await?;
    cluster.restart(1).await?;
    assert_eq!(cluster.follow(1, 0, 1).await?, whole);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rots_in_the_own_log_comes_back_from_a_member_who_holds_it() -> Result<()> {
    let mut cluster = two_nodes().await?;
    let whole = cluster.follow(0, 0, 1).await?;
    // A statement, and the entry of another batch.
    let entry = whole.get(2).context("the second batch")?.bytes.clone();
    cluster.stop(0).await?;
    flip(&cluster.database(0), b"<a story>")?;
    flip(&cluster.database(0), &entry)?;
    cluster.restart(0).await?;
    until(&cluster, 0, 0, &whole).await?;
    assert_eq!(known(&cluster, 0, &["beside.example", "after.example"]).await?, [true, true]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rots_and_nobody_else_has_is_never_served_and_the_rest_goes_on() -> Result<()> {
    let mut cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "before.example")?], 1).await??;
    cluster.caught_up(1, 0).await?;
    cluster.stop(1).await?;
    let marked = in_report(report(1, "rotten.example")?, |report| report.description = "<a story>".into());
    desk.say(vec![marked], 2).await??;
    desk.say(vec![report(2, "after.example")?], 3).await??;
    cluster.stop(0).await?;
    flip(&cluster.database(0), b"<a story>")?;
    cluster.restart(0).await?;
    let shown = cluster.follow(0, 0, 1).await?;
    let leaves: Vec<usize> =
        shown.iter().map(|entry| entry.batch.as_ref().map_or(0, |batch| batch.leaves.len())).collect();
    assert_eq!(leaves, [0, 1, 0, 1]);
    cluster.restart(1).await?;
    cluster.caught_up(1, 0).await?;
    let all = ["before.example", "rotten.example", "after.example"];
    assert_eq!(known(&cluster, 1, &all).await?, [true, false, true]);
    assert_eq!(known(&cluster, 0, &all).await?, [true, false, true]);
    Ok(())
}

/// Fills a log with three entries, stops its node, and flips a bit of what `choose` takes.
async fn check_refused(choose: impl Fn(&[Vec<u8>], &[u8]) -> Vec<u8>, advice: &str) -> Result<()> {
    let mut cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    for seq in 1..=2 {
        desk.say(vec![report(seq, &format!("scam{seq}.example"))?], seq).await??;
    }
    let head = cluster.node(0)?.heads().get(&cluster.member(0)?.name).context("a head")?;
    let hashes: Vec<Vec<u8>> = head.prefix.tree().hashes().iter().map(|hash| hash.0.to_vec()).collect();
    let chosen = choose(&hashes, &head.checkpoint);
    drop(head);
    cluster.stop(0).await?;
    flip(&cluster.database(0), &chosen)?;
    let error = cluster.restart(0).await.expect_err("it must not sign");
    let text = error.to_string();
    assert!(text.contains(advice) && text.contains("restore"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_rotten_head_a_node_does_not_start() -> Result<()> {
    // Of three entries: the root of the first two stands in the head alone.
    check_refused(|hashes, _| hashes[0].clone(), "head").await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_rotten_checkpoint_a_node_does_not_start() -> Result<()> {
    check_refused(|_, note| note[note.len() - 40..].to_vec(), "checkpoint").await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_rotten_tile_a_node_does_not_start() -> Result<()> {
    let mut cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "scam.example")?], 1).await??;
    let first = cluster.follow(0, 0, 0).await?.remove(0);
    let LogEntry::KeyGrant(_) = first.outcome? else { anyhow::bail!("a grant is the first entry") };
    cluster.stop(0).await?;
    // Its leaf hash stands in the tile alone: the head holds the root of both.
    flip(&cluster.database(0), &almenara_proto::merkle::leaf_hash(&first.bytes).0)?;
    let error = cluster.restart(0).await.expect_err("it must not sign");
    assert!(error.to_string().contains("restore"), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_opener_of_the_same_store_is_refused_and_the_first_goes_on() -> Result<()> {
    let mut cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let url = cluster.settings(0).await?.store_url;
    let error = almenara_server::store::Store::open(&url).await.expect_err("a log has one writer");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    desk.say(vec![report(0, "scam.example")?], 1).await??;
    cluster.stop(0).await?;
    almenara_server::store::Store::open(&url).await?.close().await;
    cluster.restart(0).await
}
