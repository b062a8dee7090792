//! Withdrawals end statements, everybody hears of them, and they stick.

use anyhow::Result;

use almenara_certs::Role;
use almenara_proto::{
    statement::Reinstates,
    wire::{Counted, RefusalCode},
};
use almenara_tests::{
    cluster::{Cluster, submit},
    desk::{in_report, item, report},
    reader::counted,
};

use crate::{ONE, TWO};

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_domain_stays_withdrawn_until_the_withdrawal_is_named() -> Result<()> {
    let mut cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let other = cluster.grant(0, "other-desk", 101).await?;
    desk.say(vec![report(0, "a.example")?, report(1, "b.example")?], 1).await??;
    desk.say(vec![report(2, "scam.example")?], 2).await??;
    let named = desk.withdraw(&[(3, 0)], 3).await??;
    assert_eq!(named.entry, 4);

    for restarted in [false, true] {
        if restarted {
            cluster.stop(0).await?;
            cluster.restart(0).await?;
        }
        // Any desk of the member, and whatever it names but the withdrawal.
        let other = cluster.desk(0, "other-desk", 101).await?;
        let wrong = [
            None,
            Some(Reinstates { entry: 3, ..named }),
            Some(Reinstates { id: almenara_proto::merkle::sha256(&[b"other"]), ..named }),
        ];
        for reinstates in wrong {
            let again = in_report(report(3, "scam.example")?, |report| report.reinstates = reinstates);
            let refusal = other.say(vec![report(4, "c.example")?, again], 1).await?.expect_err("it sticks");
            assert_eq!(refusal.code(), RefusalCode::Withdrawn, "{refusal}");
            assert_eq!(refusal.0.leaves.len(), 1, "the other statement is not to blame: {refusal}");
            assert!(refusal.0.message.contains(&named.id.to_string()), "it says what to name: {refusal}");
        }
    }
    let other =
        almenara_tests::desk::Desk { channel: cluster.desk(0, "other-desk", 101).await?.channel, ..other };
    let again = in_report(report(5, "scam.example")?, |report| report.reinstates = Some(named));
    other.say(vec![again], 1).await??;
    cluster.caught_up(1, 0).await?;
    for node in [0, 1] {
        let reader = cluster.reader(node, node, Role::Consumer, "app").await?;
        let verdicts = reader.lookup(&["scam.example", "a.example"]).await?;
        assert!(verdicts.iter().all(|verdict| verdict.listed), "node {node}: {verdicts:?}");
        let why = counted(&verdicts[0]);
        assert_eq!(why.get("police.th.example:3.0"), Some(&Counted::Withdrawn));
        assert_eq!(why.get("police.th.example:5.0"), Some(&Counted::Yes));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_sticks_to_what_comes_after_it_in_the_same_group() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let say = |number: u64, seq| anyhow::Ok(item(&desk.seal(vec![report(number, "scam.example")?], seq)?));
    let items = vec![
        item(&desk.seal(vec![report(9, "busy.example")?], 1)?),
        say(0, 2)?,
        almenara_proto::wire::publish_request::Item::Withdrawal(desk.withdrawal(&[(2, 0)], 3)?.to_wire()),
        say(1, 4)?,
    ];
    let answers = submit(desk.channel.clone(), items).await?;
    let [Ok(_), Ok(_), Ok(_), Err(refusal)] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!(refusal.code(), RefusalCode::Withdrawn, "{refusal}");
    let reader = cluster.reader(0, 0, Role::Consumer, "app").await?;
    assert!(!reader.lookup(&["scam.example"]).await?[0].listed);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_of_nothing_is_refused() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "scam.example")?], 1).await??;
    // A leaf beyond the batch, a leaf beyond any batch, an entry that is no batch.
    for (seq, target) in (2..).zip([(1, 1), (1, u32::MAX), (0, 0)]) {
        let refusal = desk.withdraw(&[target], seq).await?.expect_err("there is no such statement");
        assert_eq!(refusal.code(), RefusalCode::UnknownTarget, "{target:?}: {refusal}");
    }
    // What is not below the withdrawal is void for every reader.
    for (seq, target) in (5..).zip([(2, 0), (3, 0), (u64::MAX, 0)]) {
        let refusal = desk.withdraw(&[target], seq).await?.expect_err("it lies in the future");
        assert_eq!(refusal.code(), RefusalCode::Void, "{target:?}: {refusal}");
    }
    let refusal = desk.withdraw(&[(1, 0), (1, 1)], 9).await?.expect_err("one target is none");
    assert_eq!(refusal.code(), RefusalCode::UnknownTarget);
    let reader = cluster.reader(0, 0, Role::Consumer, "app").await?;
    assert!(reader.lookup(&["scam.example"]).await?[0].listed, "nothing of it was kept");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn any_desk_of_the_member_may_withdraw_and_nobody_else() -> Result<()> {
    let cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let foreigner = cluster.grant(1, "cyber-desk", 102).await?;
    desk.say(vec![report(0, "scam.example")?], 1).await??;
    let colleague = cluster.grant(0, "other-desk", 101).await?;
    foreigner.say(vec![report(1, "scam.example")?], 1).await??;
    cluster.caught_up(1, 0).await?;
    cluster.caught_up(0, 1).await?;
    // The same numbers name its own statement in its own log: the other one stands.
    foreigner.withdraw(&[(1, 0)], 2).await??;
    cluster.caught_up(0, 1).await?;
    let reader = cluster.reader(0, 0, Role::Consumer, "app").await?;
    let why = counted(&reader.lookup(&["scam.example"]).await?[0]);
    assert_eq!(why.get("police.th.example:1.0"), Some(&Counted::Yes));
    assert_eq!(why.get("ngo.nl.example:1.0"), Some(&Counted::Withdrawn));
    colleague.withdraw(&[(2, 0)], 1).await?.expect_err("entry 2 is its own grant");
    colleague.withdraw(&[(1, 0)], 1).await??;
    assert!(!reader.lookup(&["scam.example"]).await?[0].listed);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_withdrawn_twice_is_named_by_the_latest_withdrawal() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "scam.example")?], 1).await??;
    let first = desk.withdraw(&[(1, 0)], 2).await??;
    let second = desk.withdraw(&[(1, 0)], 3).await??;
    let again = |number, named| {
        anyhow::Ok(in_report(report(number, "scam.example")?, |report| report.reinstates = Some(named)))
    };
    let refusal = desk.say(vec![again(1, first)?], 4).await?.expect_err("a later one stands");
    assert_eq!(refusal.code(), RefusalCode::Withdrawn);
    desk.say(vec![again(2, second)?], 4).await??;
    Ok(())
}
