//! Logs whose key signed two histories (HOSTILE lines 57, 66): proof for everybody, an end for that log, and nothing for
//! any other.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tonic::Code;

use almenara_certs::Role;
use almenara_client::{exit::Exit, rpc::log_service_client::LogServiceClient};
use almenara_proto::{
    evidence::Evidence,
    keys::PublicKey,
    merkle::Hash,
    roster::{Roster, Segment},
    wire,
};
use almenara_tests::{
    backup::blind,
    cluster::{Cluster, key},
    desk::report,
};

use crate::{
    THREE,
    pull::{Platform, home},
};

/// Waits until a node keeps evidence against the first member, and checks that it ends the log at `agreed`.
async fn quarantined(cluster: &Cluster, node: usize, agreed: u64) -> Result<()> {
    let name = &cluster.member(0)?.name;
    let mut head = cluster.node(node)?.heads().subscribe(name).context("its log")?;
    let found = head.wait_for(|head| head.quarantine.as_ref().is_some_and(|found| found.agreed <= agreed));
    let found = tokio::time::timeout(Duration::from_secs(15), found).await.context("no quarantine")??.clone();
    assert_eq!(found.quarantine.as_ref().map(|found| found.agreed), Some(agreed));
    let files = cluster.evidence(node)?;
    let file = files.first().context("a file of evidence")?;
    let Evidence::Log(fork) = Evidence::parse(&std::fs::read(file)?)? else { bail!("a log is accused") };
    fork.verify(&PublicKey::of(&cluster.member(0)?.log_key))?;
    Ok(())
}

/// The police's node signs two third entries: one that the ngo gets, and one that the bank gets. Then it is gone.
async fn split_view() -> Result<Cluster> {
    let mut cluster = Cluster::start(&THREE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    cluster.grant(1, "helpline", 101).await?.say(vec![report(9, "other.example")?], 1).await??;
    desk.say(vec![report(0, "common.example")?], 1).await??;
    cluster.wait_for(1, 0, 2).await?;
    cluster.wait_for(2, 0, 2).await?;
    cluster.wait_for(2, 1, 2).await?;
    cluster.stop(2).await?;
    cluster.stop(0).await?;
    let before = cluster.copy(0)?;
    cluster.restart(0).await?;
    cluster.desk(0, "cyber-desk", 100).await?.say(vec![report(1, "for-ngo.example")?], 2).await??;
    cluster.wait_for(1, 0, 3).await?;
    cluster.stop(0).await?;
    cluster.stop(1).await?;
    cluster.put_back(0, &before)?;
    cluster.restart_with(0, blind).await?;
    cluster.restart(2).await?;
    let desk = cluster.desk(0, "cyber-desk", 100).await?;
    desk.say(vec![report(2, "for-bank.example")?], 2).await??;
    desk.say(vec![report(3, "later.example")?], 3).await??;
    cluster.wait_for(2, 0, 4).await?;
    cluster.stop(0).await?;
    Ok(cluster)
}

#[tokio::test(flavor = "multi_thread")]
async fn different_heads_for_different_peers_are_found_when_they_compare_and_end_that_log_alone() -> Result<()>
{
    let mut cluster = split_view().await?;
    cluster.restart(1).await?;
    let all = ["common.example", "for-ngo.example", "for-bank.example", "later.example"];
    for restarted in [false, true] {
        for node in [1, 2] {
            if restarted {
                cluster.stop(node).await?;
                cluster.restart(node).await?;
            }
            quarantined(&cluster, node, 2).await?;
            let reader = cluster.reader(node, node, Role::Consumer, "app").await?;
            let listed: Vec<bool> = reader.lookup(&all).await?.iter().map(|one| one.listed).collect();
            assert_eq!(
                listed,
                [true, false, false, false],
                "node {node}: what both have counts, nothing else"
            );
        }
    }
    // Nobody vouches for it, whatever it shows; the others go on.
    let head = cluster.node(1)?.heads().get(&cluster.member(0)?.name).context("its log")?;
    cluster.restart_with(0, blind).await?;
    cluster.desk(1, "helpline", 101).await?.say(vec![report(10, "goes-on.example")?], 2).await??;
    cluster.wait_for(2, 1, 3).await?;
    cluster.desk(0, "cyber-desk", 100).await?.say(vec![report(4, "more.example")?], 9).await??;
    tokio::time::sleep(Duration::from_millis(500)).await;
    for node in [1, 2] {
        let held = cluster.node(node)?.heads().get(&cluster.member(0)?.name).context("its log")?;
        assert!(held.prefix.size() <= 4 && held.settled_size() <= 4, "nothing more is taken or cosigned");
    }
    assert_eq!(head.prefix.size(), 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_of_a_note_that_was_only_seen_is_found_after_a_restart_when_nobody_shows_it_any_more()
-> Result<()> {
    let mut cluster = Cluster::start(&THREE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "common.example")?], 1).await??;
    cluster.wait_for(1, 0, 2).await?;
    cluster.wait_for(2, 0, 2).await?;
    cluster.stop(2).await?;
    cluster.stop(0).await?;
    let before = cluster.copy(0)?;
    cluster.restart(0).await?;
    cluster.desk(0, "cyber-desk", 100).await?.say(vec![report(1, "for-ngo.example")?], 2).await??;
    cluster.wait_for(1, 0, 3).await?;
    cluster.stop(0).await?;
    // The ngo can show the note, and not the entry: it has rotted there.
    cluster.stop(1).await?;
    cluster.tamper(1, "UPDATE entries SET bytes = x'00' WHERE entry = 2;").await?;
    cluster.restart(1).await?;
    cluster.restart(2).await?;
    for tries in 0.. {
        anyhow::ensure!(tries < 100, "the bank does not remember what it was shown");
        // Notes that came before their entries are remembered too: this is the one of three entries.
        let of_three = "SELECT count(*) FROM shown WHERE cast(note AS TEXT) LIKE '%/almenara' || char(10, 51, 10) || '%'";
        if cluster.number(2, of_three).await? == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let held = cluster.node(2)?.heads().get(&cluster.member(0)?.name).context("its log")?;
    assert_eq!(held.prefix.size(), 2);
    cluster.stop(2).await?;
    cluster.stop(1).await?;
    // Another history, for the bank alone.
    cluster.put_back(0, &before)?;
    cluster.restart_with(0, blind).await?;
    cluster.desk(0, "cyber-desk", 100).await?.say(vec![report(2, "for-bank.example")?], 2).await??;
    cluster.restart(2).await?;
    quarantined(&cluster, 2, 2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_of_the_key_stops_signing_and_whoever_asks_gets_the_proof() -> Result<()> {
    let mut cluster = split_view().await?;
    cluster.restart(1).await?;
    quarantined(&cluster, 1, 2).await?;
    // Its own node hears of it, and takes nothing more.
    cluster.restart(0).await?;
    quarantined(&cluster, 0, 2).await?;
    let desk = cluster.desk(0, "cyber-desk", 100).await?;
    let refused = desk.say(vec![report(5, "again.example")?], 20).await.expect_err("it signs nothing");
    let status = refused.downcast::<tonic::Status>()?;
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    // A consumer gets the proof with the checkpoint.
    let channel = cluster.connect(1, &cluster.identity(1, Role::Consumer, "app")?).await?;
    let request = wire::GetCheckpointRequest { origin: cluster.name(0)?.to_owned(), size: 0 };
    let answer = LogServiceClient::new(channel).get_checkpoint(request).await?.into_inner();
    let Evidence::Log(fork) = Evidence::parse(&answer.evidence)? else { bail!("a log is accused") };
    fork.verify_in(&cluster.roster.roster)?;
    // And its store ends the log there, when it pulls, though the node itself serves what it has.
    let platform = Platform { folder: home(&cluster, &[1])?, clock: cluster.clock() };
    let error = platform.pulled().await.expect_err("a log is in quarantine");
    assert_eq!(error.exit(), Exit::Misbehaved, "{error}");
    assert!(error.to_string().contains("almenara evidence verify"), "{error}");
    let (_, text) = platform.status().await?;
    assert!(text.contains("IN QUARANTINE"), "{text}");
    let (_, text) = platform.show(&["domain", "common.example"]).await?;
    assert!(!text.contains("key_cut"), "what both histories have counts: {text}");
    let (_, text) = platform.show(&["domain", "for-ngo.example"]).await?;
    assert!(text.contains("not listed"), "{text}");
    let (_, text) = platform.show(&["domain", "other.example"]).await?;
    assert!(!text.contains("not listed"), "the other logs go on: {text}");
    Ok(())
}

/// All sign and adopt a roster by which the log of the first member goes on from this place under a new key.
fn replace_log_key(cluster: &mut Cluster, from_size: u64, root: Hash) -> Result<()> {
    let log_key = key(200);
    let member = cluster.member(0)?;
    let origin = member.name.clone();
    let segment = Segment {
        from_size,
        root,
        root_key: PublicKey::of(&member.root_key),
        log_key: PublicKey::of(&log_key),
    };
    let replace = |roster: &mut Roster| {
        if let Some(member) = roster.members.get_mut(&origin) {
            member.segments.push(segment);
        }
    };
    let next = cluster.next_roster(replace, &[0, 1, 2])?;
    cluster.adopt(&next)?;
    cluster.members.get_mut(0).context("a member")?.log_key = log_key;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_with_a_new_log_key_says_which_history_is_the_log_s() -> Result<()> {
    let mut cluster = split_view().await?;
    cluster.restart(1).await?;
    for node in [1, 2] {
        quarantined(&cluster, node, 2).await?;
    }
    // The members choose what the ngo has.
    let origin = cluster.member(0)?.name.clone();
    let head = cluster.node(1)?.heads().get(&origin).context("its log")?;
    let (from_size, root): (u64, Hash) = (head.prefix.size(), head.prefix.tree().root());
    cluster.stop(1).await?;
    cluster.stop(2).await?;
    replace_log_key(&mut cluster, from_size, root)?;
    cluster.restart(1).await?;
    // The police's node and the bank's hold the other history: they let go of it, and fetch this one.
    cluster.restart(0).await?;
    cluster.restart(2).await?;
    cluster.wait_for(0, 0, from_size).await.context("its own log comes back")?;
    cluster.desk(0, "cyber-desk", 100).await?.say(vec![report(6, "new.example")?], 30).await??;
    for node in [1, 2] {
        cluster.wait_for(node, 0, from_size + 1).await.context("it is followed again")?;
        let reader = cluster.reader(node, node, Role::Consumer, "app").await?;
        let verdicts = reader.lookup(&["for-ngo.example", "for-bank.example", "new.example"]).await?;
        let listed: Vec<bool> = verdicts.iter().map(|one| one.listed).collect();
        assert_eq!(listed, [true, false, true], "node {node}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_expelled_leaves_no_second_history_behind() -> Result<()> {
    let mut cluster = split_view().await?;
    cluster.restart(1).await?;
    let origin = cluster.member(0)?.name.clone();
    for node in [1, 2] {
        quarantined(&cluster, node, 2).await?;
    }
    let next = cluster.next_roster(|roster| drop(roster.members.remove(&origin)), &[1, 2])?;
    cluster.offer(1, 1, &next).await??;
    for node in [1, 2] {
        cluster.has_roster(node, 2).await?;
    }
    cluster.adopt(&next)?;
    for restarted in [false, true] {
        for node in [1, 2] {
            if restarted {
                cluster.stop(node).await?;
                cluster.restart(node).await?;
            }
            let reader = cluster.reader(node, node, Role::Consumer, "app").await?;
            let verdicts = reader.lookup(&["common.example", "for-ngo.example", "for-bank.example"]).await?;
            let listed: Vec<bool> = verdicts.iter().map(|one| one.listed).collect();
            assert_eq!(listed, [true, false, false], "node {node}, restarted: {restarted}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_old_log_key_signed_beyond_its_segment_is_cut_off_wherever_it_is_held() -> Result<()> {
    let mut cluster = Cluster::start(&THREE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "common.example")?], 1).await??;
    for node in [1, 2] {
        cluster.wait_for(node, 0, 2).await?;
    }
    let origin = cluster.member(0)?.name.clone();
    let head = cluster.node(2)?.heads().get(&origin).context("its log")?;
    let (from_size, root): (u64, Hash) = (head.prefix.size(), head.prefix.tree().root());
    // The thief of the key goes on, and the ngo follows.
    cluster.stop(2).await?;
    desk.say(vec![report(1, "tail.example")?], 2).await??;
    cluster.wait_for(1, 0, from_size + 1).await?;
    cluster.stop(0).await?;
    cluster.stop(1).await?;
    replace_log_key(&mut cluster, from_size, root)?;
    for node in [2, 1, 0] {
        cluster.restart(node).await?;
    }
    cluster.wait_for(0, 0, from_size).await.context("its own log comes back")?;
    cluster.desk(0, "cyber-desk", 100).await?.say(vec![report(2, "new.example")?], 30).await??;
    for node in [0, 1, 2] {
        cluster.wait_for(node, 0, from_size + 1).await.context("it is followed again")?;
        let reader = cluster.reader(node, node, Role::Consumer, "app").await?;
        let verdicts = reader.lookup(&["common.example", "tail.example", "new.example"]).await?;
        let listed: Vec<bool> = verdicts.iter().map(|one| one.listed).collect();
        assert_eq!(listed, [true, false, true], "node {node}");
    }
    Ok(())
}
