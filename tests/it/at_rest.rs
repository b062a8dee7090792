//! Files that rot, and files with two openers (HOSTILE lines 16, 53).

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use almenara_certs::Role;
use almenara_proto::log::LogEntry;
use almenara_tests::{
    cluster::Cluster,
    desk::{in_report, report},
};

use crate::{ONE, TWO};

/// Flips a bit in the middle of every place of a file where these bytes stand.
pub(crate) fn flip(file: &Path, bytes: &[u8]) -> Result<()> {
    let mut stored = std::fs::read(file)?;
    let places: Vec<usize> = (0..stored.len()).filter(|at| stored[*at..].starts_with(bytes)).collect();
    ensure!(!places.is_empty(), "they do not stand in the file");
    for place in places {
        stored[place + bytes.len() / 2] ^= 4;
    }
    Ok(std::fs::write(file, stored)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotten_payload_is_refused_by_the_peer_which_keeps_what_came_before() -> Result<()> {
    let mut cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "before.example")?], 1).await??;
    cluster.caught_up(1, 0).await?;
    cluster.stop(1).await?;
    let marked = in_report(report(1, "rotten.example")?, |report| report.description = "<a story>".into());
    desk.say(vec![marked, report(2, "beside.example")?], 2).await??;
    cluster.stop(0).await?;
    flip(&cluster.database(0), b"<a story>")?;
    cluster.restart(0).await?;
    let error = cluster.follow(0, 0, 1).await.expect_err("not what was signed");
    assert!(error.to_string().contains("police.th.example"), "{error}");
    cluster.restart(1).await?;
    // The peer tries again and again; in vain, but it keeps serving.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(cluster.follow(1, 0, 1).await?.len(), 2);
    let reader = cluster.reader(1, 1, Role::Consumer, "app").await?;
    let known: Vec<bool> = reader
        .lookup(&["before.example", "rotten.example", "beside.example"])
        .await?
        .iter()
        .map(|verdict| verdict.known)
        .collect();
    assert_eq!(known, [true, false, false]);
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
    let url = format!("sqlite:{}", cluster.database(0).display());
    let error = almenara_server::store::Store::open(&url).await.expect_err("a log has one writer");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    desk.say(vec![report(0, "scam.example")?], 1).await??;
    cluster.stop(0).await?;
    almenara_server::store::Store::open(&url).await?.close().await;
    cluster.restart(0).await
}
