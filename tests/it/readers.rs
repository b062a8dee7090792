//! Readers that do not read (HOSTILE line 70).

use std::time::Duration;

use anyhow::{Context as _, Result};

use almenara_certs::Role;
use almenara_tests::{
    cluster::Cluster,
    desk::{in_report, report},
    reader::Reader,
};

use crate::TWO;

/// Resident memory of this process, which holds the nodes, in MiB.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS")).context("VmRSS")?;
    Ok(line.split_whitespace().nth(1).context("a number")?.parse::<u64>()? / 1024)
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_nobody_reads_cost_a_bounded_memory_and_nobody_else_anything() -> Result<()> {
    let cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let say = async |seq: u64| -> Result<()> {
        let statements = (seq * 1_000..seq * 1_000 + 32).map(|n| {
            Ok(in_report(report(n, &format!("scam{n}.example"))?, |report| {
                report.description = "x".repeat(15_000);
            }))
        });
        desk.say(statements.collect::<Result<_>>()?, seq).await??;
        Ok(())
    };
    for seq in 1..=12 {
        say(seq).await?;
    }
    // All caches are warm before anything is measured.
    assert_eq!(cluster.follow(0, 0, 1).await?.len(), 13);
    cluster.caught_up(1, 0).await?;
    let before = resident()?;
    let sleeper = cluster.reader(0, 1, Role::Consumer, "sleeper").await?;
    let mut asleep = Vec::new();
    for _ in 0..30 {
        asleep.push(sleeper.stream(Reader::request("police.th.example", 0, true)).await?);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Six megabytes for each of thirty sleepers would be one hundred and eighty.
    let grown = resident()?.saturating_sub(before);
    assert!(grown < 100, "{grown} MiB");
    say(13).await?;
    cluster.caught_up(1, 0).await?;
    assert_eq!(cluster.follow(0, 0, 1).await?.len(), 14, "others read on");
    drop(asleep);
    Ok(())
}
