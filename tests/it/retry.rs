//! Publishing again: one record, the same answer (HOSTILE line 8, 47).

use anyhow::{Context as _, Result};

use almenara_proto::{
    keys::PublicKey,
    wire::{RefusalCode, publish_request::Item},
};
use almenara_tests::{
    cluster::{Cluster, key, submit},
    desk::{item, report},
};

use crate::ONE;

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_item_published_again_gives_its_first_place() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let batch = item(&desk.seal(vec![report(0, "scam.example")?], 1)?);
    let withdrawal = Item::Withdrawal(desk.withdrawal(&[(1, 0)], 2)?.to_wire());
    let grant = Item::KeyGrant(cluster.key_grant(0, "second-desk", PublicKey::of(&key(101)))?.to_wire());
    let revocation = Item::KeyRevocation(cluster.key_revocation(0, &key(101), 3)?.to_wire());
    for round in [false, true] {
        let answers = [
            desk.submit(batch.clone()).await??,
            desk.submit(withdrawal.clone()).await??,
            cluster.operate(0, grant.clone()).await??,
            cluster.operate(0, revocation.clone()).await??,
        ];
        for (index, answer) in (1..).zip(&answers) {
            assert_eq!((answer.index, answer.repeated), (index, round), "item {index}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_published_again_after_its_key_was_revoked_still_has_its_place() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let batch = desk.seal(vec![report(0, "scam.example")?], 1)?;
    desk.publish(&batch).await??;
    cluster.operate(0, Item::KeyRevocation(cluster.key_revocation(0, &desk.key, 1)?.to_wire())).await??;
    let again = desk.publish(&batch).await??;
    assert_eq!((again.index, again.repeated), (1, true));
    let next = desk.say(vec![report(1, "scam1.example")?], 2).await?.expect_err("the key is revoked");
    assert_eq!(next.code(), RefusalCode::Key);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_and_its_retry_in_one_group_are_one_record() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    // The first keeps the writer busy; the others wait and make one group.
    let mut items = Vec::new();
    for seq in 1..=16 {
        let batch = item(&desk.seal(vec![report(seq, &format!("scam{seq}.example"))?], seq)?);
        items.extend([batch.clone(), batch]);
    }
    let answers = submit(desk.channel.clone(), items).await?;
    for (at, pair) in (1..).zip(answers.chunks(2)) {
        let [Ok(first), Ok(again)] = pair else { panic!("{pair:?}") };
        assert_eq!((first.index, first.repeated), (at, false));
        assert_eq!((again.index, again.repeated), (at, true));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_sudden_stop_survives_and_the_rest_settles() -> Result<()> {
    let mut cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let batches = (1..=24)
        .map(|seq| desk.seal(vec![report(seq, &format!("scam{seq}.example"))?], seq))
        .collect::<Result<Vec<_>>>()?;
    let mut acknowledged = Vec::new();
    let (head, tail) = batches.split_at(8);
    for batch in head {
        acknowledged.push(desk.publish(batch).await??);
    }
    let unanswered = tokio::spawn(submit(desk.channel.clone(), tail.iter().map(item).collect()));
    cluster.stop(0).await?;
    drop(unanswered.await?);
    cluster.restart(0).await?;
    let desk = cluster.desk(0, "cyber-desk", 100).await?;
    let again = submit(desk.channel.clone(), batches.iter().map(item).collect()).await?;
    for (at, outcome) in again.iter().enumerate() {
        let receipt = outcome.as_ref().map_err(Clone::clone).context("a retry settles it")?;
        assert_eq!(receipt.index, at as u64 + 1, "each is in the log once, in order");
        if let Some(first) = acknowledged.get(at) {
            assert_eq!((receipt.repeated, receipt.index), (true, first.index));
        }
    }
    Ok(())
}
