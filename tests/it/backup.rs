//! Old copies of a store (HOSTILE line 52): nothing is signed over what was forgotten, and what was forgotten comes back.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tonic::Code;

use almenara_certs::Role;
use almenara_proto::{release::Tlp, wire::RefusalCode};
use almenara_server::own_log::Standing;
use almenara_tests::{
    backup::blind,
    cluster::Cluster,
    desk::{report, restricted},
};

use crate::{THREE, TWO};

/// Waits until a node's own log stands as it should.
async fn stands(cluster: &Cluster, node: usize, as_it: impl Fn(&Standing) -> bool) -> Result<Standing> {
    let mut own = cluster.node(node)?.own_log().subscribe();
    let reached =
        tokio::time::timeout(Duration::from_secs(20), own.wait_for(|standing| as_it(standing))).await;
    match reached {
        Ok(standing) => Ok(standing?.clone()),
        Err(_) => bail!("{:?}", cluster.node(node)?.own_log().standing()),
    }
}

/// The police published two entries, a copy of its store was made, and then it published and withdrew more.
async fn old_copy(more: impl AsyncFnOnce(&Cluster) -> Result<()>) -> Result<(Cluster, Vec<u8>)> {
    let mut cluster = Cluster::start(&THREE).await?;
    cluster.grant(0, "cyber-desk", 100).await?.say(vec![report(0, "early.example")?], 1).await??;
    cluster.caught_up(1, 0).await?;
    cluster.stop(0).await?;
    let copy = cluster.copy(0)?;
    cluster.restart(0).await?;
    more(&cluster).await?;
    cluster.caught_up(1, 0).await?;
    cluster.caught_up(2, 0).await?;
    cluster.stop(0).await?;
    cluster.put_back(0, &copy)?;
    Ok((cluster, copy))
}

async fn later(cluster: &Cluster) -> Result<()> {
    let desk = cluster.desk(0, "cyber-desk", 100).await?;
    desk.say(vec![report(1, "later.example")?], 2).await??;
    let red = restricted(2, "red.example", Tlp::Red, &["bank.us.example"], &[])?;
    let both = restricted(3, "amber.example", Tlp::Amber, &["ngo.nl.example"], &[])?;
    let mut batch = vec![red, both];
    batch.sort_by_key(|statement| statement.nonce);
    desk.say(batch, 3).await??;
    desk.withdraw(&[(2, 0)], 4).await??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_gets_its_own_log_back_from_all_who_hold_parts_of_it_and_goes_on_after_it() -> Result<()>
{
    let (mut cluster, _) = old_copy(later).await?;
    cluster.restart(0).await?;
    // What it is given at once waits until the others were asked, and is not put where something else stands.
    let desk = cluster.desk(0, "cyber-desk", 100).await?;
    let early = desk.say(vec![report(4, "again.example")?], 5).await;
    let early = early.and_then(|answer| Ok(answer?));
    stands(&cluster, 0, |standing| *standing == Standing::Sound).await?;
    if let Err(error) = &early {
        let status = error.downcast_ref::<tonic::Status>().context("a status")?;
        assert_eq!(status.code(), Code::Unavailable, "{status}");
    }
    let receipt = desk.say(vec![report(4, "again.example")?], 5).await??;
    assert_eq!(receipt.index, 5, "behind all that was signed before");
    for node in [1, 2] {
        cluster.wait_for(node, 0, 6).await.context("nobody has anything against it")?;
        assert!(cluster.evidence(node)?.is_empty());
    }
    // All of it is back: the statements from those who may have each, and what a withdrawal remembers.
    let entries = cluster.follow(0, 0, 0).await?;
    let batch = entries.get(3).and_then(|entry| entry.batch.as_ref()).context("the restricted batch")?;
    assert_eq!(batch.leaves.len(), 2);
    let refusal = desk.say(vec![report(5, "later.example")?], 6).await?.expect_err("it was withdrawn");
    assert_eq!(refusal.code(), RefusalCode::Withdrawn);
    // And a restart knows it all.
    cluster.stop(0).await?;
    cluster.restart(0).await?;
    stands(&cluster, 0, |standing| *standing == Standing::Sound).await?;
    assert_eq!(cluster.follow(0, 0, 0).await?.len(), 6);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_store_is_made_anew_from_what_the_others_hold() -> Result<()> {
    let (mut cluster, _) = old_copy(later).await?;
    cluster.lose(0)?;
    cluster.restart(0).await?;
    stands(&cluster, 0, |standing| *standing == Standing::Sound).await?;
    let receipt = cluster.desk(0, "cyber-desk", 100).await?.say(vec![report(9, "new.example")?], 9).await??;
    assert_eq!(receipt.index, 5);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_is_named_and_given_up_only_on_demand() -> Result<()> {
    let (mut cluster, _) = old_copy(async |cluster: &Cluster| {
        let secret = restricted(1, "secret.example", Tlp::Amber, &[], &[])?;
        let mut batch = vec![secret, report(2, "shared.example")?];
        batch.sort_by_key(|statement| statement.nonce);
        cluster.desk(0, "cyber-desk", 100).await?.say(batch, 2).await??;
        Ok(())
    })
    .await?;
    cluster.restart(0).await?;
    let told = stands(&cluster, 0, |standing| standing.to_string().contains("--accept-loss")).await?;
    assert!(told.to_string().contains("1 of the statements: 2."), "{told}");
    let desk = cluster.desk(0, "cyber-desk", 100).await?;
    let refused = desk.say(vec![report(4, "again.example")?], 5).await.expect_err("nothing is signed");
    assert_eq!(refused.downcast::<tonic::Status>()?.code(), Code::Unavailable);
    cluster.stop(0).await?;
    cluster.restart_with(0, |settings| settings.accept_loss = true).await?;
    stands(&cluster, 0, |standing| *standing == Standing::Sound).await?;
    let receipt =
        cluster.desk(0, "cyber-desk", 100).await?.say(vec![report(4, "again.example")?], 5).await??;
    assert_eq!(receipt.index, 3);
    let reader = cluster.reader(0, 0, Role::Consumer, "app").await?;
    assert!(reader.lookup(&["shared.example"]).await?[0].listed);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_that_nobody_could_warn_stops_when_it_learns() -> Result<()> {
    let (mut cluster, _) = old_copy(later).await?;
    for node in [1, 2] {
        cluster.stop(node).await?;
    }
    cluster.restart(0).await?;
    // Nobody answers: after a bounded wait it goes on as it is.
    stands(&cluster, 0, |standing| *standing == Standing::Sound).await?;
    cluster.restart(1).await?;
    cluster.restart(2).await?;
    stands(&cluster, 0, |standing| *standing != Standing::Sound).await?;
    stands(&cluster, 0, |standing| *standing == Standing::Sound).await?;
    assert_eq!(cluster.follow(0, 0, 0).await?.len(), 5, "it had signed nothing else, and caught up");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cosigned_the_past_and_forgot_it_does_not_cosign_another_one() -> Result<()> {
    let mut cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "early.example")?], 1).await??;
    cluster.settled(0, 0, 2).await?;
    cluster.settled(1, 0, 2).await?;
    let mut copies = Vec::new();
    for node in [0, 1] {
        cluster.stop(node).await?;
        copies.push(cluster.copy(node)?);
    }
    for node in [0, 1] {
        cluster.restart(node).await?;
    }
    cluster.desk(0, "cyber-desk", 100).await?.say(vec![report(1, "said.example")?], 2).await??;
    cluster.settled(1, 0, 3).await?;
    // A third member has come, and has all of it with the cosignature of the ngo.
    let entry = cluster.organisation("bank.us.example", "US").await?;
    let joins = |roster: &mut almenara_proto::roster::Roster| {
        drop(roster.members.insert(entry.name.clone(), entry.clone()))
    };
    let next = cluster.next_roster(joins, &[0, 1, 2])?;
    cluster.adopt(&next)?;
    for node in [0, 1] {
        cluster.stop(node).await?;
        cluster.restart(node).await?;
    }
    cluster.restart(2).await?;
    cluster.wait_for(2, 0, 3).await?;
    // Now the ngo and the police both run old copies, and the police says something else than it had said.
    for node in [0, 1] {
        cluster.stop(node).await?;
        cluster.put_back(node, copies.get(node).context("a copy")?)?;
    }
    cluster.restart_with(0, blind).await?;
    cluster.desk(0, "cyber-desk", 100).await?.say(vec![report(2, "rewritten.example")?], 2).await??;
    cluster.restart(1).await?;
    let name = &cluster.member(0)?.name;
    let mut head = cluster.node(1)?.heads().subscribe(name).context("the replica")?;
    let found = head.wait_for(|head| head.quarantine.is_some());
    tokio::time::timeout(Duration::from_secs(15), found).await.context("no quarantine")??;
    let rewritten = cluster.node(0)?.heads().get(name).context("its log")?;
    assert_eq!(rewritten.settled_size(), 2, "nobody vouches for the new past");
    Ok(())
}
