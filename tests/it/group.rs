//! Group commit: many at once, each judged alone, all receipts true.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use sqlx::{AnyConnection, Connection as _, Executor as _};

use almenara_proto::{
    batch::SignedBatch,
    log::LogEntry,
    merkle::{self, Hash, verify_inclusion},
    wire::{Receipt, RefusalCode},
};
use almenara_tests::{
    cluster::{Cluster, submit},
    desk::{Desk, item, report},
};

use crate::ONE;

/// The receipt's path leads from the batch to the checkpoint that the log key signed.
fn check_receipt(cluster: &Cluster, batch: &SignedBatch, receipt: &Receipt) -> Result<()> {
    let note = cluster.open_note(0, &receipt.checkpoint)?;
    let path = receipt.inclusion.iter().map(|hash| Hash::try_from(hash.as_ref()));
    let leaf = merkle::leaf_hash(&LogEntry::Batch(batch.header.clone()).encode());
    let (size, root) = (note.checkpoint().size, note.checkpoint().root);
    verify_inclusion(&leaf, receipt.index, size, &path.collect::<Result<Vec<_>, _>>()?, &root)?;
    Ok(())
}

/// What one desk sends over one stream: mostly one statement a batch, now and then fifty, and one that is
/// refused (a void statement) in the middle.
fn stream(desk: &Desk, number: u64) -> Result<Vec<SignedBatch>> {
    (1..=20)
        .map(|seq| {
            let first = number * 1_000_000 + seq * 1_000;
            let count = if seq % 7 == 0 { 50 } else { 1 };
            let statements = (first..first + count)
                .map(|n| report(n, &format!("scam{n}.example")))
                .collect::<Result<_>>()?;
            let mut batch = desk.seal(statements, seq)?;
            if seq == 10 {
                batch.statements = vec![batch.statements[0].slice(1..)];
            }
            Ok(batch)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_receipt_of_many_concurrent_publishers_holds_and_a_refusal_disturbs_nobody() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let mut tasks = Vec::new();
    for number in 0..6u8 {
        let desk = cluster.grant(0, &format!("desk{number}"), 100 + number).await?;
        let batches = stream(&desk, number.into())?;
        let items = batches.iter().map(item).collect();
        tasks.push((batches, tokio::spawn(submit(desk.channel.clone(), items))));
    }
    let mut indices = BTreeSet::new();
    for (batches, task) in tasks {
        let outcomes = task.await??;
        assert_eq!(outcomes.len(), batches.len());
        let mut last = 0;
        for (batch, outcome) in batches.iter().zip(outcomes) {
            if batch.header.content.seq == 10 {
                assert_eq!(outcome.expect_err("it does not lead to its root").code(), RefusalCode::Void);
                continue;
            }
            let receipt = outcome?;
            check_receipt(&cluster, batch, &receipt)?;
            assert!(receipt.index > last, "the order of a desk is kept");
            assert!(indices.insert(receipt.index), "each has its own place");
            last = receipt.index;
        }
    }
    let entries = cluster.follow(0, 0, 0).await?;
    assert_eq!(entries.len(), 6 + 6 * 19);
    assert!(entries.iter().all(|entry| entry.outcome.is_ok()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_given_again_proves_the_first_place_under_the_newest_checkpoint() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let mut batches = Vec::new();
    for seq in 1..=9 {
        let batch = desk.seal(vec![report(seq, &format!("scam{seq}.example"))?], seq)?;
        check_receipt(&cluster, &batch, &desk.publish(&batch).await??)?;
        batches.push(batch);
    }
    for batch in &batches {
        let receipt = desk.publish(batch).await??;
        check_receipt(&cluster, batch, &receipt)?;
        let note = cluster.open_note(0, &receipt.checkpoint)?;
        assert_eq!((receipt.repeated, note.checkpoint().size), (true, 10));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_refused_with_every_reason_at_once_and_leaves_nothing_behind() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let statements = vec![
        report(0, "good.example")?,
        report(1, "twice.example")?,
        report(2, "twice.example")?,
        report(3, "co.uk")?,
    ];
    let refusal = desk.say(statements, 1).await?.expect_err("two reasons");
    let codes: BTreeSet<i32> = refusal.0.leaves.iter().map(|leaf| leaf.code).collect();
    let expected = [RefusalCode::Void as i32, RefusalCode::NotCanonical as i32];
    assert_eq!(codes, BTreeSet::from(expected), "{refusal}");
    assert_eq!(refusal.0.leaves.len(), 2, "{refusal}");
    let receipt = desk.say(vec![report(0, "good.example")?], 1).await?.context("nothing was kept")?;
    assert_eq!(receipt.index, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_writer_of_the_same_store_is_noticed_before_anything_is_written() -> Result<()> {
    let mut cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let mut other = AnyConnection::connect(&cluster.settings(0).await?.store_url).await?;
    other.execute("UPDATE logs SET size = 7").await?;
    assert!(desk.say(vec![report(0, "scam.example")?], 1).await.is_err(), "no receipt");
    let why = cluster.stop(0).await.expect_err("it wrote beside another");
    assert!(why.to_string().contains("moved under its writer"), "{why}");
    let entries: i64 = sqlx::query_scalar("SELECT count(*) FROM entries").fetch_one(&mut other).await?;
    assert_eq!(entries, 1, "the grant");
    Ok(())
}
