//! Who belongs changes while the nodes run (PROTOCOL.md §7; HOSTILE lines 17–19, 30, 62).

use std::time::Duration;

use anyhow::{Context as _, Result};
use tonic::Code;

use almenara_certs::Role;
use almenara_proto::{
    release::{Release, Tlp},
    roster::Roster,
    statement::Statement,
};
use almenara_tests::{
    cluster::Cluster,
    desk::report,
    reader::{Reader, holds},
};

use crate::THREE;

/// Shorter than a person waits, longer than a loaded machine takes.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_new_member_joins_while_the_nodes_run_and_is_followed_by_all() -> Result<()> {
    let mut cluster = Cluster::start(&THREE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "scam.example")?], 1).await??;
    let entry = cluster.organisation("ngo.ke.example", "KE").await?;
    let joins = |roster: &mut Roster| drop(roster.members.insert(entry.name.clone(), entry.clone()));
    let next = cluster.next_roster(joins, &[0, 1, 2, 3])?;
    assert_eq!(cluster.offer(1, 1, &next).await?.map_err(|status| status.to_string()), Ok(2));
    // One node was told; the others hear of it from each other.
    for node in 0..3 {
        cluster.has_roster(node, 2).await?;
    }
    cluster.adopt(&next)?;
    cluster.restart(3).await?;
    cluster.wait_for(3, 0, 2).await.context("the new member gets what was there before")?;
    let desk = cluster.grant(3, "helpline", 101).await?;
    desk.say(vec![report(1, "lure.example")?], 1).await??;
    for node in 0..3 {
        cluster.wait_for(node, 3, 2).await.context("the others follow the new member")?;
    }
    // The same again changes nothing, and an older one is not taken back.
    assert_eq!(cluster.offer(0, 0, &next).await?.map_err(|status| status.to_string()), Ok(2));
    let first = cluster.first_roster()?;
    assert_eq!(cluster.offer(0, 0, &first).await?.map_err(|status| status.to_string()), Ok(2));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_removed_gets_nothing_more_and_what_it_said_stays() -> Result<()> {
    let mut cluster = Cluster::start(&THREE).await?;
    let removed = cluster.member(2)?.name.clone();
    let desk = cluster.grant(2, "fraud-desk", 102).await?;
    desk.say(vec![report(0, "old.example")?], 1).await??;
    cluster.caught_up(0, 2).await?;
    let reader = cluster.reader(0, 2, Role::Node, "node-1").await?;
    let mut live = reader.stream(Reader::request(cluster.name(0)?, 0, true)).await?;
    let next = cluster.next_roster(|roster| drop(roster.members.remove(&removed)), &[0, 1])?;
    assert_eq!(cluster.offer(0, 0, &next).await?.map_err(|status| status.to_string()), Ok(2));
    // The stream that was open ends.
    let ended = async {
        loop {
            match live.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(status) => return Some(status.code()),
            }
        }
    };
    tokio::time::timeout(SOON, ended).await.context("its live stream goes on")?;
    // The connection that was open serves nothing any more, and a new one is refused.
    assert!(reader.stream(Reader::request(cluster.name(0)?, 0, false)).await.is_err());
    let anew = async {
        let reader = cluster.reader(0, 2, Role::Node, "node-1").await?;
        reader.frames(Reader::request(cluster.name(0)?, 0, false)).await
    };
    assert!(anew.await.is_err());
    cluster.has_roster(1, 2).await?;
    cluster.adopt(&next)?;
    let reader = cluster.reader(1, 1, Role::Consumer, "app").await?;
    let verdict = reader.lookup(&["old.example"]).await?.remove(0);
    assert!(verdict.known, "its statements stay");
    let entries = cluster.reader(1, 1, Role::Auditor, "reader").await?;
    let frames = entries.frames(Reader::request(removed.as_str(), 0, false)).await?;
    assert!(!frames.is_empty(), "and its log can still be read");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jurisdiction_that_fills_itself_with_members_gains_nothing() -> Result<()> {
    let mut cluster = Cluster::start(&THREE).await?;
    let mut straw = Vec::new();
    for name in ["a.th.example", "b.th.example", "c.th.example", "d.th.example"] {
        straw.push(cluster.organisation(name, "TH").await?);
    }
    let filled = |roster: &mut Roster| {
        roster.members.extend(straw.iter().map(|entry| (entry.name.clone(), entry.clone())));
    };
    let pushed = cluster.next_roster(filled, &[0, 3, 4, 5, 6])?;
    let refused = cluster.offer(0, 0, &pushed).await?.expect_err("one jurisdiction of three");
    assert!(refused.message().contains("1 of the jurisdictions"), "{refused}");
    let alone = cluster.next_roster(|roster| roster.quorum = 0, &[0])?;
    assert!(cluster.offer(0, 0, &alone).await?.is_err());
    let none = cluster.next_roster(|roster| roster.quorum = 0, &[])?;
    assert!(cluster.offer(1, 1, &none).await?.is_err());
    for node in 0..3 {
        assert_eq!(cluster.node(node)?.rosters().current().roster.version, 1);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_operators_and_nodes_hand_in_rosters() -> Result<()> {
    let cluster = Cluster::start(&THREE).await?;
    let next = cluster.next_roster(|roster| roster.quorum = 2, &[0, 1, 2])?;
    let check = async |role, expected: Code| -> Result<()> {
        let answer = cluster.offer_as(0, 1, role, &next).await?;
        assert_eq!(answer.map_or_else(|status| status.code(), |_| Code::Ok), expected);
        Ok(())
    };
    check(Role::Consumer, Code::PermissionDenied).await?;
    check(Role::Auditor, Code::PermissionDenied).await?;
    check(Role::Publisher, Code::PermissionDenied).await?;
    check(Role::Operator, Code::Ok).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rival_rosters_stop_what_is_restricted_until_an_operator_decides() -> Result<()> {
    let mut cluster = Cluster::start(&THREE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let green = Release { tlp: Some(Tlp::Green), ..Release::clear() };
    let secret = Statement { release: green, ..report(0, "green.example")? };
    desk.say(vec![secret, report(1, "clear.example")?], 1).await??;
    let reads = async |cluster: &Cluster| -> Result<(bool, bool)> {
        let reader = cluster.reader(0, 1, Role::Node, "node-1").await?;
        let version = cluster.node(0)?.rosters().current().roster.version;
        let request = almenara_proto::wire::ReplicateRequest {
            roster: version,
            ..Reader::request(cluster.name(0)?, 0, false)
        };
        let frames = reader.frames(request).await?;
        let shown = |marker| frames.iter().any(|frame| holds(frame, marker));
        Ok((shown("green.example"), shown("clear.example")))
    };
    assert_eq!(reads(&cluster).await?, (true, true));
    let one = cluster.next_roster(|roster| roster.quorum = 2, &[0, 1, 2])?;
    let other = cluster.next_roster(|roster| roster.quorum = 0, &[0, 1])?;
    assert!(cluster.offer(0, 0, &one).await?.is_ok());
    assert_eq!(reads(&cluster).await?, (true, true));
    let refused = cluster.offer(0, 0, &other).await?.expect_err("a rival");
    assert_eq!(refused.code(), Code::DataLoss, "{refused}");
    assert_eq!(reads(&cluster).await?, (false, true));
    // A restart forgets nothing of it.
    cluster.adopt(&one)?;
    cluster.stop(0).await?;
    cluster.restart(0).await?;
    assert_eq!(reads(&cluster).await?, (false, true));
    Ok(())
}
