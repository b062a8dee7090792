//! What nobody reports by accident, and texts that hold more than they should (HOSTILE lines 32, 36).

use anyhow::{Context as _, Result};

use almenara_proto::{
    indicator::{Indicator, Kind},
    log::LogEntry,
    roster::Roster,
    statement::Statement,
    wire::{self, RefusalCode, publish_request::Item},
};
use almenara_server::safeguards::{SHIPPED, Safeguards};
use almenara_tests::{
    cluster::{Cluster, Setup},
    desk::{Desk, in_report, report},
};

use crate::TWO;

/// With the lists that a new node has, and the members' own names.
async fn start() -> Result<(Cluster, Desk, Desk)> {
    let lists = tempfile::tempdir()?;
    for (name, content) in SHIPPED {
        std::fs::write(lists.path().join(name), content)?;
    }
    let mut safeguards = Safeguards::load(lists.path())?;
    safeguards.protect_also(TWO.map(|(name, _)| name));
    let cluster = Cluster::start_with(&TWO, Setup { safeguards, ..Setup::default() }).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let second = cluster.grant(0, "second-desk", 101).await?;
    Ok((cluster, desk, second))
}

fn text(number: u64, text: &str) -> Result<Statement> {
    Ok(in_report(report(number, &format!("scam{number}.example"))?, |report| {
        report.description = text.into()
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_hit_everybody_is_refused_until_a_second_desk_overrides() -> Result<()> {
    let (cluster, desk, second) = start().await?;
    for (number, name) in
        (0..).zip(["google.com", "www.google.com", "police.th.example", "mail.ngo.nl.example"])
    {
        let refusal = desk.say(vec![report(number, name)?], 1).await?.err().context(name)?;
        assert_eq!(refusal.code(), RefusalCode::Protected, "{name}: {refusal}");
    }
    let refusal = desk.say(vec![report(9, "co.uk")?], 1).await?.expect_err("a public suffix");
    assert_eq!(refusal.code(), RefusalCode::NotCanonical, "{refusal}");

    let batch = desk.seal(vec![report(0, "google.com")?, report(1, "scam.example")?], 1)?;
    let leaf = batch.statements.iter().position(|bytes| bytes.windows(10).any(|w| w == b"google.com"));
    let leaf = u32::try_from(leaf.context("it is in the batch")?)?;
    // Oneself is no second one, and neither is a desk without a key, of another member, or for another leaf.
    let foreign = cluster.grant(1, "desk", 102).await?;
    let stranger = cluster.desk(0, "third-desk", 103).await?;
    let Item::Batch(other) = second.override_for(&desk.seal(vec![report(0, "x.com")?], 1)?, &[0])? else {
        unreachable!("it is a batch")
    };
    let of_another_batch =
        Item::Batch(wire::SubmittedBatch { r#override: other.r#override, ..batch.to_wire() });
    let wrong = [
        (desk.override_for(&batch, &[leaf])?, RefusalCode::Key),
        (stranger.override_for(&batch, &[leaf])?, RefusalCode::Key),
        (foreign.override_for(&batch, &[leaf])?, RefusalCode::NotYours),
        (second.override_for(&batch, &[1 - leaf])?, RefusalCode::Protected),
        (of_another_batch, RefusalCode::Void),
    ];
    for (at, (with, code)) in wrong.into_iter().enumerate() {
        let refusal = desk.submit(with).await?.err().with_context(|| format!("override {at}"))?;
        assert_eq!(refusal.code(), code, "override {at}: {refusal}");
    }

    let with = second.override_for(&batch, &[leaf])?;
    let receipt = desk.submit(with.clone()).await??;
    let again = desk.submit(with).await??;
    assert_eq!((again.index, again.repeated), (receipt.index, true));
    cluster.caught_up(1, 0).await?;
    let entries = cluster.follow(1, 0, 1).await?;
    let kinds: Vec<&str> =
        entries.iter().filter_map(|entry| Some(entry.outcome.as_ref().ok()?.kind())).collect();
    assert_eq!(
        kinds,
        ["key-grant", "key-grant", "override", "batch"],
        "the override stands before the batch"
    );
    let Some(Ok(LogEntry::Override(with))) = entries.get(2).map(|entry| &entry.outcome) else {
        panic!("{entries:?}")
    };
    assert_eq!(with.content.leaves, [leaf]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_in_free_text_is_refused_until_a_second_desk_overrides() -> Result<()> {
    let (_cluster, desk, second) = start().await?;
    let own = report(7, "own.example")?;
    assert_eq!(own.indicator.kind(), Kind::Domain);
    let texts = [
        "victim wrote from somchai.jaidee@mail.example",
        "she was called from +66 81 234 5678",
        "paid by card 4111 1111 1111 1111",
    ];
    let mut statements = vec![text(0, "asks for a deposit of 500 USDT, seen on 2026-11-20")?];
    for (number, said) in (1..).zip(texts) {
        let refusal = desk.say(vec![text(number, said)?], 1).await?.err().context(said)?;
        assert_eq!(refusal.code(), RefusalCode::PersonalData, "{said}: {refusal}");
        for word in ["somchai", "234 5678", "4111"] {
            assert!(!refusal.to_string().contains(word), "the answer repeats it: {refusal}");
        }
        statements.push(text(number, said)?);
    }
    let batch = desk.seal(statements, 1)?;
    let refusal = desk.publish(&batch).await?.expect_err("three of four");
    assert_eq!(refusal.0.leaves.len(), 3);
    let leaves: Vec<u32> = refusal.0.leaves.iter().map(|leaf| leaf.leaf).collect();
    desk.submit(second.override_for(&batch, &leaves)?).await??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_replaced_while_the_node_runs_and_new_members_are_protected() -> Result<()> {
    let mut cluster = Cluster::start(&TWO).await?;
    cluster.grant(0, "cyber-desk", 100).await?;
    cluster.stop(0).await?;
    let mut lists = None;
    cluster.restart_with(0, |settings| lists = Some(settings.safeguards.clone())).await?;
    let lists = lists.context("the node's")?;
    let desk = cluster.desk(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "shop.example")?], 1).await??;
    desk.say(vec![report(1, "www.ngo.ke.example")?], 2).await??;

    let folder = tempfile::TempDir::new()?;
    let list = r#"{"name": "own", "description": "", "version": 1, "type": "string",
                   "matching_attributes": ["domain"], "list": ["shop.example"]}"#;
    std::fs::write(folder.path().join("own.json"), list)?;
    lists.replace(Safeguards::load(folder.path())?);
    let refusal = desk.say(vec![report(2, "shop.example")?], 3).await?.expect_err("it is listed now");
    assert_eq!(refusal.code(), RefusalCode::Protected, "{refusal}");

    let entry = cluster.organisation("ngo.ke.example", "KE").await?;
    let joins = |roster: &mut Roster| drop(roster.members.insert(entry.name.clone(), entry.clone()));
    let next = cluster.next_roster(joins, &[0, 1, 2])?;
    assert_eq!(cluster.offer(0, 0, &next).await?.map_err(|status| status.to_string()), Ok(2));
    let joined = Indicator::new(Kind::Domain, "www.ngo.ke.example")?;
    for _ in 0..100 {
        if lists.current().protects(&joined).is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    for (number, name) in [(3, "www.ngo.ke.example"), (4, "shop.example")] {
        let refusal = desk.say(vec![report(number, name)?], 3).await?.err().context(name)?;
        assert_eq!(refusal.code(), RefusalCode::Protected, "{name}: {refusal}");
    }
    Ok(())
}
