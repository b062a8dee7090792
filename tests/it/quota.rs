//! Quotas: of a desk's statements a day, of a member's lookups a minute (HOSTILE line 33).

use anyhow::Result;
use std::{sync::atomic::Ordering, time::Duration};
use tonic::Code;

use almenara_certs::Role;
use almenara_proto::{statement::Statement, wire::RefusalCode};
use almenara_server::listener::Limits;
use almenara_tests::{
    cluster::{Cluster, Setup, submit},
    desk::{item, report},
    reader::Reader,
};

use crate::{ONE, TWO};

fn reports(from: u64, count: u64) -> Result<Vec<Statement>> {
    (from..from + count).map(|n| report(n, &format!("scam{n}.example"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desks_day_is_counted_across_restarts_and_ends_at_midnight() -> Result<()> {
    let mut cluster = Cluster::start_with(&ONE, Setup { statements_per_day: 10, ..Setup::default() }).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let colleague = cluster.grant(0, "other-desk", 101).await?;
    let batch = desk.seal(reports(0, 8)?, 1)?;
    desk.publish(&batch).await??;
    let over = desk.say(reports(8, 3)?, 2).await?.expect_err("eleven");
    assert_eq!(over.code(), RefusalCode::Quota, "{over}");
    colleague.say(reports(20, 10)?, 1).await??;

    cluster.stop(0).await?;
    cluster.restart(0).await?;
    let desk = cluster.desk(0, "cyber-desk", 100).await?;
    let over = desk.say(reports(8, 3)?, 2).await?.expect_err("a restart forgets nothing");
    assert_eq!(over.code(), RefusalCode::Quota, "{over}");
    desk.say(reports(8, 2)?, 2).await??;
    assert!(desk.publish(&batch).await??.repeated, "what is in the log already costs nothing");
    desk.withdraw(&[(2, 0)], 3).await??;

    cluster.time.fetch_add(86_400, Ordering::Relaxed);
    desk.say(reports(30, 10)?, 4).await??;
    let over = desk.say(reports(40, 1)?, 5).await?.expect_err("a new day has ten as well");
    assert_eq!(over.code(), RefusalCode::Quota, "{over}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_commit_counts_each_of_its_batches() -> Result<()> {
    let cluster = Cluster::start_with(&ONE, Setup { statements_per_day: 10, ..Setup::default() }).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let batches = (0..8u64).map(|n| desk.seal(reports(n * 3, 3)?, n + 1)).collect::<Result<Vec<_>>>()?;
    let outcomes = submit(desk.channel.clone(), batches.iter().map(item).collect()).await?;
    let taken: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(taken, [true, true, true, false, false, false, false, false]);
    desk.say(reports(50, 1)?, 9).await??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lookups_in_bulk_are_throttled_for_one_member_alone() -> Result<()> {
    let cluster = Cluster::start_with(&TWO, Setup { lookups_per_minute: 5, ..Setup::default() }).await?;
    let code = async |member, name, domains: &[&str]| -> Result<Option<Code>> {
        let reader = cluster.reader(0, member, Role::Consumer, name).await?;
        match reader.lookup(domains).await {
            Ok(_) => Ok(None),
            Err(error) => Ok(Some(error.downcast::<tonic::Status>()?.code())),
        }
    };
    let five = ["a.example", "b.example", "c.example", "d.example", "e.example"];
    assert_eq!(code(0, "app", &five[..4]).await?, None);
    assert_eq!(code(0, "app", &five[..2]).await?, Some(Code::ResourceExhausted));
    assert_eq!(code(0, "app-2", &five[..2]).await?, Some(Code::ResourceExhausted), "another account of it");
    assert_eq!(code(0, "app", &five[..1]).await?, None, "what is left may be used");
    assert_eq!(code(1, "app", &five).await?, None, "another member");
    cluster.time.fetch_add(60, Ordering::Relaxed);
    assert_eq!(code(0, "app", &five).await?, None, "the next minute");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_members_crowd_reads_so_many_logs_at_once_and_others_notice_nothing() -> Result<()> {
    let limits = Limits { streams_per_member: 2, ..Limits::default() };
    let cluster = Cluster::start_with(&TWO, Setup { limits, ..Setup::default() }).await?;
    let name = cluster.name(0)?;
    let live = || Reader::request(name, 0, true);
    let own = cluster.reader(0, 0, Role::Consumer, "app").await?;
    let (one, _two) = (own.stream(live()).await?, own.stream(live()).await?);
    let status = own.stream(live()).await.expect_err("a third one").downcast::<tonic::Status>()?;
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("end a stream, or read from another member's node"), "{status}");
    let other = cluster.reader(0, 1, Role::Consumer, "app").await?;
    other.stream(live()).await?;
    // The place of one that ended is free.
    drop(one);
    for tries in 0.. {
        if own.stream(live()).await.is_ok() {
            return Ok(());
        }
        anyhow::ensure!(tries < 100, "its place stays taken");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
