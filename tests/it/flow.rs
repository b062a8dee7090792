//! Publish, log, replicate.

use almenara_tests::{cluster::Cluster, desk::report};
use anyhow::Result;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_on_one_node_reaches_the_other_verified() -> Result<()> {
    let cluster = Cluster::start(&[("police.th.example", "TH"), ("ngo.nl.example", "NL")]).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let statements = (0..100).map(|n| report(n, &format!("scam{n}.example"))).collect::<Result<_>>()?;
    let receipt = desk.publish(&desk.seal(statements, 1)?).await??;
    assert_eq!(receipt.index, 1);
    cluster.wait_for(1, 0, 2).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_again_gives_the_first_place() -> Result<()> {
    let cluster = Cluster::start(&[("police.th.example", "TH")]).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let batch = desk.seal(vec![report(0, "scam.example")?], 1)?;
    let first = desk.publish(&batch).await??;
    desk.publish(&desk.seal(vec![report(1, "scam1.example")?], 2)?).await??;
    let again = desk.publish(&batch).await??;
    assert_eq!((again.index, again.repeated), (first.index, true));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stopped_goes_on_where_it_was() -> Result<()> {
    let mut cluster = Cluster::start(&[("police.th.example", "TH"), ("ngo.nl.example", "NL")]).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.publish(&desk.seal(vec![report(0, "scam.example")?], 1)?).await??;
    cluster.wait_for(1, 0, 2).await?;
    cluster.stop(0).await?;
    cluster.stop(1).await?;
    cluster.restart(0).await?;
    cluster.restart(1).await?;
    let desk = cluster.grant(0, "second-desk", 101).await?;
    let receipt = desk.publish(&desk.seal(vec![report(1, "scam1.example")?], 1)?).await??;
    assert_eq!(receipt.index, 3);
    cluster.wait_for(1, 0, 4).await?;
    Ok(())
}
