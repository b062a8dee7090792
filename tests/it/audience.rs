//! No two readers believe different current reports: the audience changes only through a withdrawal.

use anyhow::Result;

use almenara_proto::{
    release::{Pap, Tlp},
    statement::Statement,
    wire::{RefusalCode, publish_request::Item},
};
use almenara_tests::{
    cluster::{Cluster, submit},
    desk::{Desk, in_report, item, report, restricted},
};

use crate::ONE;

fn green(number: u64) -> Result<Statement> {
    restricted(number, "scam.example", Tlp::Green, &[], &[])
}

async fn start() -> Result<(Cluster, Desk)> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    Ok((cluster, desk))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_audience_needs_a_withdrawal_first() -> Result<()> {
    let (cluster, desk) = start().await?;
    desk.say(vec![green(0)?], 1).await??;
    let others = [
        report(1, "scam.example")?,
        restricted(2, "scam.example", Tlp::Amber, &["ngo.nl.example"], &[])?,
        restricted(3, "scam.example", Tlp::Green, &[], &["jurisdiction:US"])?,
    ];
    for other in &others {
        let refusal = desk.say(vec![other.clone()], 2).await?.expect_err("another audience");
        assert_eq!(refusal.code(), RefusalCode::Audience, "{refusal}");
    }
    desk.say(vec![green(4)?], 2).await??;
    // Another desk's report is another current one.
    let colleague = cluster.grant(0, "other-desk", 101).await?;
    colleague.say(vec![report(5, "scam.example")?], 1).await??;
    // Both of the desk's reports count until each is withdrawn.
    let named = desk.withdraw(&[(1, 0), (2, 0)], 3).await??;
    let again = in_report(others[1].clone(), |report| report.reinstates = Some(named));
    desk.say(vec![again], 4).await??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_done_with_it_is_no_audience() -> Result<()> {
    let (_cluster, desk) = start().await?;
    desk.say(vec![green(0)?], 1).await??;
    let mut other = green(1)?;
    other.release.pap = Some(Pap::Amber);
    desk.say(vec![other], 2).await??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rule_holds_within_one_group_commit() -> Result<()> {
    let (_cluster, desk) = start().await?;
    let items = vec![
        item(&desk.seal(vec![report(9, "busy.example")?], 1)?),
        item(&desk.seal(vec![green(0)?], 2)?),
        item(&desk.seal(vec![report(1, "scam.example")?], 3)?),
        item(&desk.seal(vec![green(2)?, report(3, "other.example")?], 4)?),
        Item::Withdrawal(desk.withdrawal(&[(2, 0), (3, 0)], 5)?.to_wire()),
    ];
    let answers = submit(desk.channel.clone(), items).await?;
    let [Ok(_), Ok(_), Err(refusal), Ok(_), last] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!(refusal.code(), RefusalCode::Audience, "{refusal}");
    assert_eq!(refusal.0.leaves.iter().map(|leaf| leaf.leaf).collect::<Vec<_>>(), [0]);
    assert!(last.is_ok(), "{last:?}");
    Ok(())
}
