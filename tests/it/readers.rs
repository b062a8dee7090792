//! Readers that do not read (HOSTILE line 70).

use std::time::Duration;

use anyhow::{Context as _, Result};

use almenara_certs::Role;
use almenara_server::listener::Limits;
use almenara_tests::{
    cluster::{Cluster, Setup},
    desk::{Desk, in_report, report},
    reader::Reader,
};

use crate::{ONE, TWO};

/// Memory of this process, which holds the nodes, in MiB: `VmRSS` now, `VmHWM` at its highest.
pub(crate) fn resident(which: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(which)).context("a line of memory")?;
    Ok(line.split_whitespace().nth(1).context("a number")?.parse::<u64>()? / 1024)
}

/// A batch of half a megabyte.
async fn say(desk: &Desk, seq: u64) -> Result<()> {
    let statements = (seq * 1_000..seq * 1_000 + 32).map(|n| {
        Ok(in_report(report(n, &format!("scam{n}.example"))?, |report| {
            report.description = "x".repeat(15_000);
        }))
    });
    desk.say(statements.collect::<Result<_>>()?, seq).await??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_nobody_reads_cost_a_bounded_memory_and_nobody_else_anything() -> Result<()> {
    let cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    for seq in 1..=12 {
        say(&desk, seq).await?;
    }
    // All caches are warm before anything is measured.
    assert_eq!(cluster.follow(0, 0, 1).await?.len(), 13);
    cluster.caught_up(1, 0).await?;
    let before = resident("VmRSS")?;
    let sleeper = cluster.reader(0, 1, Role::Consumer, "sleeper").await?;
    let mut asleep = Vec::new();
    for _ in 0..30 {
        asleep.push(sleeper.stream(Reader::request("police.th.example", 0, true)).await?);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Six megabytes for each of thirty sleepers would be one hundred and eighty.
    let grown = resident("VmRSS")?.saturating_sub(before);
    assert!(grown < 100, "{grown} MiB");
    say(&desk, 13).await?;
    cluster.caught_up(1, 0).await?;
    assert_eq!(cluster.follow(0, 0, 1).await?.len(), 14, "others read on");
    drop(asleep);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_never_read_are_dropped_with_their_connection_and_no_other() -> Result<()> {
    let limits = Limits { unread: Duration::from_secs(1), ..Limits::default() };
    let cluster = Cluster::start_with(&ONE, Setup { limits, ..Setup::default() }).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    for seq in 1..=12 {
        say(&desk, seq).await?;
    }
    let sleeper = cluster.reader(0, 0, Role::Consumer, "sleeper").await?;
    let request = |from| Reader::request("police.th.example", from, true);
    // One that has nothing to wait for but the end of the connection.
    let mut idle = sleeper.stream(request(13)).await?;
    assert!(idle.message().await?.is_some(), "the checkpoint");
    let mut asleep = Vec::new();
    for _ in 0..8 {
        asleep.push(sleeper.stream(request(0)).await?);
    }
    let ended =
        tokio::time::timeout(Duration::from_secs(30), idle.message()).await.context("it is dropped")?;
    assert!(ended.is_err(), "{ended:?}");
    // What waits for a sleeper is less than the log.
    let mut last = asleep.pop().context("a sleeper")?;
    let mut pages = 0;
    while let Ok(Some(_)) = last.message().await {
        pages += 1;
    }
    assert!(pages < 12, "{pages}");
    assert_eq!(cluster.follow(0, 0, 0).await?.len(), 13, "others read on");
    say(&desk, 13).await
}
