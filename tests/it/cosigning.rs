//! Cosignatures of other jurisdictions: what is settled, what stays pending, and who sees it (PROTOCOL.md §5).

use std::time::Duration;

use anyhow::{Context as _, Result};
use tonic::Code;

use almenara_certs::Role;
use almenara_client::{
    follow::{Follower, Step},
    rpc::{log_service_client::LogServiceClient, lookup_service_client::LookupServiceClient},
    store::is_settled,
};
use almenara_proto::{
    indicator::{Indicator, Kind},
    keys::{PublicKey, SigningKey},
    note,
    prefix::Prefix,
    roster::{Roster, Segment},
    statement::wire_indicator,
    wire::{self, Counted},
};
use almenara_tests::{
    cluster::{Cluster, FEDERATION, NOW, key},
    desk::report,
    reader::{Reader, counted},
};

use crate::{THREE, TWO};

/// How a consumer of `node`'s member is told of a domain, when pending entries do not count.
async fn asked(cluster: &Cluster, node: usize, domain: &str) -> Result<(bool, Vec<Counted>)> {
    let reader = cluster.reader(node, node, Role::Consumer, "app").await?;
    let indicator = wire_indicator(&Indicator::new(Kind::Domain, domain)?);
    let request = wire::LookupRequest { indicators: vec![indicator], policy: None };
    let answer = LookupServiceClient::new(reader.channel).lookup(request).await?.into_inner();
    let verdict = answer.verdicts.into_iter().next().context("no verdict")?;
    Ok((verdict.listed, counted(&verdict).into_values().collect()))
}

/// Brings a cosignature line to the first member's node, as somebody of `member`; how that ends.
async fn bring(cluster: &Cluster, member: usize, role: Role, size: u64, line: bytes::Bytes) -> Result<Code> {
    let channel = cluster.connect(0, &cluster.identity(member, role, "node-1")?).await?;
    let answer = LogServiceClient::new(channel).cosign(wire::CosignRequest { size, line }).await;
    Ok(answer.map_or_else(|status| status.code(), |_| Code::Ok))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_settled_everywhere_once_another_jurisdiction_has_cosigned_it() -> Result<()> {
    let mut cluster = Cluster::start(&THREE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "scam.example")?], 1).await??;
    for node in 0..3 {
        cluster.settled(node, 0, 2).await?;
        assert_eq!(asked(&cluster, node, "scam.example").await?, (true, vec![Counted::Yes]));
    }
    // Settled is durable, at the origin and at a relay.
    for node in [0, 2] {
        cluster.stop(node).await?;
    }
    cluster.stop(1).await?;
    for node in [0, 2] {
        cluster.restart(node).await?;
        let head = cluster.node(node)?.heads().get(&cluster.member(0)?.name).context("its log")?;
        assert_eq!(head.settled_size(), 2);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_else_holds_is_pending_until_somebody_does() -> Result<()> {
    let mut cluster = Cluster::start(&THREE).await?;
    cluster.stop(1).await?;
    cluster.stop(2).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "scam.example")?], 1).await??;
    assert_eq!(asked(&cluster, 0, "scam.example").await?, (false, vec![Counted::Pending]));
    cluster.restart(2).await?;
    cluster.settled(0, 0, 2).await?;
    assert_eq!(asked(&cluster, 0, "scam.example").await?, (true, vec![Counted::Yes]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_the_origin_s_jurisdiction_settle_nothing_for_it() -> Result<()> {
    let mut cluster =
        Cluster::start(&[("police.th.example", "TH"), ("bank.th.example", "TH"), ("ngo.nl.example", "NL")])
            .await?;
    cluster.stop(2).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "scam.example")?], 1).await??;
    // The bank's cosignature comes, and is not of another jurisdiction; what comes after it in the queue is logged.
    let head = cluster.node(0)?.heads().get(&cluster.member(0)?.name).context("its log")?;
    let (text, bank) = (head.prefix.checkpoint().to_string(), cluster.member(1)?);
    let line = note::cosign(&text, bank.name.as_str(), &bank.cosign_key, NOW)?.into();
    assert_eq!(bring(&cluster, 1, Role::Node, 2, line).await?, Code::Ok);
    desk.say(vec![report(1, "lure.example")?], 2).await??;
    assert!(!asked(&cluster, 0, "scam.example").await?.0);
    cluster.restart(2).await?;
    cluster.settled(0, 0, 3).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_reader_is_brought_the_cosignatures_of_what_it_holds() -> Result<()> {
    let cluster = Cluster::start(&THREE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let origin = cluster.member(0)?.name.clone();
    let reader = cluster.reader(1, 1, Role::Consumer, "app").await?;
    let mut frames = reader.stream(Reader::request(origin.as_str(), 0, true)).await?;
    let mut follower = Follower::new(Prefix::new(FEDERATION, origin.clone()), None);
    let roster = &cluster.roster.roster;
    let reach = async |follower: &mut Follower, frames: &mut tonic::Streaming<_>, size: u64| -> Result<()> {
        loop {
            let frame = frames.message().await?.context("the stream ended")?;
            let note = match follower.step(frame, roster)? {
                Step::Checkpoint(note) => note,
                Step::Page(page) => page.checkpoint,
            };
            let reached = note.checkpoint().size <= follower.prefix().size();
            if reached && note.checkpoint().size >= size && is_settled(&note, &origin, roster) {
                return Ok(());
            }
        }
    };
    for number in 0..20 {
        desk.say(vec![report(number, &format!("scam{number}.example"))?], number + 1).await??;
        let reached = reach(&mut follower, &mut frames, number + 2);
        tokio::time::timeout(Duration::from_secs(10), reached).await.context("no cosignature came")??;
    }
    // A reader that comes later is led over the settled checkpoint.
    let later = reader.frames(Reader::request(origin.as_str(), 0, false)).await?;
    let mut follower = Follower::new(Prefix::new(FEDERATION, origin.clone()), None);
    let mut seen = 0;
    for frame in later {
        if let Step::Page(page) = follower.step(frame, roster)?
            && page.caught_up
            && is_settled(&page.checkpoint, &origin, roster)
        {
            seen = page.checkpoint.checkpoint().size;
        }
    }
    assert_eq!(seen, 21);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_at_the_settled_size_is_told_so_before_what_came_later() -> Result<()> {
    let mut cluster = Cluster::start(&THREE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "scam.example")?], 1).await??;
    cluster.settled(0, 0, 2).await?;
    cluster.stop(1).await?;
    cluster.stop(2).await?;
    desk.say(vec![report(1, "later.example")?], 2).await??;
    let (origin, roster) = (cluster.member(0)?.name.clone(), &cluster.roster.roster);
    let reader = cluster.reader(0, 0, Role::Consumer, "app").await?;
    // It has both entries, and heard of no cosignature: while it was connected, none had come yet.
    let mut follower = Follower::new(Prefix::new(FEDERATION, origin.clone()), None);
    let mut entries = Vec::new();
    for frame in reader.frames(Reader::request(origin.as_str(), 0, false)).await? {
        if let Step::Page(page) = follower.step(frame, roster)? {
            entries.extend(page.entries);
        }
    }
    let mut prefix = Prefix::new(FEDERATION, origin.clone());
    for entry in entries.iter().take(2) {
        prefix.append(&entry.bytes, roster);
    }
    let mut follower = Follower::new(prefix, None);
    let mut told = Vec::new();
    for frame in reader.frames(Reader::request(origin.as_str(), 2, false)).await? {
        if let Step::Checkpoint(note) = follower.step(frame, roster)? {
            told.push((note.checkpoint().size, is_settled(&note, &origin, roster)));
        }
    }
    assert_eq!(told, [(2, true), (3, false)]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_settled_under_a_replaced_log_key_keeps_no_reader_from_the_rest() -> Result<()> {
    let mut cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "scam.example")?], 1).await??;
    cluster.settled(0, 0, 2).await?;
    let origin = cluster.member(0)?.name.clone();
    let root = cluster.node(0)?.heads().get(&origin).context("its log")?.prefix.tree().root();
    cluster.stop(0).await?;
    cluster.stop(1).await?;
    let (root_key, log_key) = (PublicKey::of(&cluster.member(0)?.root_key), key(200));
    let segment = Segment { from_size: 2, root, root_key, log_key: PublicKey::of(&log_key) };
    let replace = |roster: &mut Roster| {
        if let Some(member) = roster.members.get_mut(&origin) {
            member.segments.push(segment);
        }
    };
    let next = cluster.next_roster(replace, &[0, 1])?;
    cluster.adopt(&next)?;
    cluster.members.get_mut(0).context("a member")?.log_key = log_key;
    cluster.restart(0).await?;
    cluster.desk(0, "cyber-desk", 100).await?.say(vec![report(1, "later.example")?], 2).await??;
    let reader = cluster.reader(0, 1, Role::Consumer, "app").await?;
    let mut follower = Follower::new(Prefix::new(FEDERATION, origin.clone()), None);
    for frame in reader.frames(Reader::request(origin.as_str(), 0, false)).await? {
        follower.step(frame, &cluster.roster.roster)?;
    }
    assert_eq!(follower.prefix().size(), 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_cosigns_for_somebody_else() -> Result<()> {
    let mut cluster = Cluster::start(&THREE).await?;
    cluster.stop(1).await?;
    cluster.stop(2).await?;
    cluster.grant(0, "cyber-desk", 100).await?;
    let head = cluster.node(0)?.heads().get(&cluster.member(0)?.name).context("its log")?;
    let text = head.prefix.checkpoint().to_string();
    let line = |of: usize, key: &SigningKey| -> Result<bytes::Bytes> {
        Ok(note::cosign(&text, cluster.member(of)?.name.as_str(), key, NOW)?.into())
    };
    let check = async |member, role, size, line, expected| -> Result<()> {
        assert_eq!(bring(&cluster, member, role, size, line).await?, expected);
        Ok(())
    };
    let (node, one, two) = (Role::Node, &cluster.member(1)?.cosign_key, &cluster.member(2)?.cosign_key);
    check(2, node, 1, line(1, one)?, Code::InvalidArgument).await?;
    check(1, node, 1, line(1, two)?, Code::InvalidArgument).await?;
    check(1, node, 1, line(1, &cluster.member(1)?.log_key)?, Code::InvalidArgument).await?;
    check(1, node, 1, "rubbish".into(), Code::InvalidArgument).await?;
    check(1, node, 1, [line(1, one)?, line(2, two)?].concat().into(), Code::InvalidArgument).await?;
    check(1, node, 7, line(1, one)?, Code::Unavailable).await?;
    check(1, Role::Consumer, 1, line(1, one)?, Code::PermissionDenied).await?;
    check(0, node, 1, line(0, &cluster.member(0)?.cosign_key)?, Code::PermissionDenied).await?;
    let settled = |cluster: &Cluster| -> Result<u64> {
        let name = &cluster.member(0)?.name;
        Ok(cluster.node(0)?.heads().get(name).context("its log")?.settled_size())
    };
    assert_eq!(settled(&cluster)?, 0);
    check(1, node, 1, line(1, one)?, Code::Ok).await?;
    check(1, node, 1, line(1, one)?, Code::Ok).await?;
    for _ in 0..100 {
        if settled(&cluster)? == 1 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    anyhow::bail!("one cosignature of another jurisdiction is the quorum")
}
