//! A log served by another member's node: good when the origin is away, and unable to change a byte.

use anyhow::Result;

use almenara_certs::Role;
use almenara_tests::{
    cluster::Cluster,
    desk::{in_report, report},
    reader::Reader,
};

use crate::{THREE, at_rest::flip};

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_serves_the_log_of_an_origin_that_is_down() -> Result<()> {
    let mut cluster = Cluster::start(&THREE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "scam.example")?, report(1, "other.example")?], 1).await??;
    let whole = cluster.follow(0, 0, 2).await?;
    cluster.caught_up(1, 0).await?;
    cluster.stop(0).await?;
    assert_eq!(cluster.follow(1, 0, 2).await?, whole);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_cannot_change_a_byte() -> Result<()> {
    let mut cluster = Cluster::start(&THREE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let marked = in_report(report(0, "scam.example")?, |report| report.description = "<a true story>".into());
    desk.say(vec![marked], 1).await??;
    cluster.caught_up(1, 0).await?;
    cluster.stop(1).await?;
    flip(&cluster.database(1), b"<a true story>")?;
    cluster.restart(1).await?;
    let reader = cluster.reader(1, 2, Role::Node, "node-1").await?;
    let frames = reader.frames(Reader::request("police.th.example", 0, false)).await?;
    let error = cluster.check(0, frames).expect_err("not what was signed");
    assert!(error.to_string().contains("police.th.example"), "{error}");
    assert_eq!(cluster.follow(0, 0, 2).await?.len(), 2, "the origin still serves what was said");
    Ok(())
}
