//! Who may say what, under which key (HOSTILE: crypto, identity).

use anyhow::{Context as _, Result};

use almenara_certs::Role;
use almenara_proto::{
    batch::{Author, seal},
    keys::PublicKey,
    name::Publisher,
    prefix::Prefix,
    wire::{Counted, RefusalCode, publish_request::Item},
};
use almenara_tests::{
    cluster::{Cluster, FEDERATION, NOW, key, submit},
    desk::{item, report},
    reader::counted,
};

use crate::{ONE, THREE, TWO};

#[tokio::test(flavor = "multi_thread")]
async fn weak_keys_and_keys_of_others_are_not_granted() -> Result<()> {
    let cluster = Cluster::start(&TWO).await?;
    cluster.grant(0, "cyber-desk", 100).await?;
    cluster.caught_up(1, 0).await?;
    let mut identity = [0; 32];
    identity[0] = 1;
    let keys = [
        ("the identity point", PublicKey(identity)),
        ("a point of order 4", PublicKey([0; 32])),
        ("no point", PublicKey([0xff; 32])),
        ("a key on the roster", PublicKey::of(&cluster.member(1)?.log_key)),
        ("its own root key", PublicKey::of(&cluster.member(1)?.root_key)),
        ("a desk's key of another member", PublicKey::of(&key(100))),
    ];
    for (what, key) in keys {
        let grant = Item::KeyGrant(cluster.key_grant(1, "desk", key)?.to_wire());
        let refusal = cluster.operate(1, grant).await?.err().context(what)?;
        assert_eq!(refusal.code(), RefusalCode::Key, "{what}: {refusal}");
    }
    Ok(())
}

async fn check_elsewhere(federation: &str, member: &str) -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let publisher = Publisher::new(&member.parse()?, "cyber-desk")?;
    let author = Author { federation, publisher: &publisher, key: &desk.key };
    let batch = seal(&author, vec![report(0, "scam.example")?], 1, 1, NOW)?;
    let refusal = desk.publish(&batch).await?.expect_err("it belongs elsewhere");
    assert_eq!(refusal.code(), RefusalCode::NotYours, "{refusal}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_another_federation_is_refused() -> Result<()> {
    check_elsewhere("other.example", "police.th.example").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_another_member_is_refused() -> Result<()> {
    check_elsewhere(FEDERATION, "ngo.nl.example").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desk_cannot_use_the_key_of_another_desk() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    cluster.grant(0, "cyber-desk", 100).await?;
    cluster.grant(0, "fraud-desk", 101).await?;
    let thief = cluster.desk(0, "fraud-desk", 100).await?;
    let refusal = thief.say(vec![report(0, "scam.example")?], 1).await?.expect_err("not its key");
    assert_eq!(refusal.code(), RefusalCode::Key, "{refusal}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_publishes_as_a_desk_but_that_desk_at_its_own_node() -> Result<()> {
    let cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let batch = item(&desk.seal(vec![report(0, "scam.example")?], 1)?);
    let withdrawal = Item::Withdrawal(desk.withdrawal(&[(0, 0)], 2)?.to_wire());
    let grant = Item::KeyGrant(cluster.key_grant(0, "new-desk", PublicKey::of(&key(102)))?.to_wire());
    let revocation = Item::KeyRevocation(cluster.key_revocation(0, &key(100), 0)?.to_wire());
    let everything = vec![batch, withdrawal, grant, revocation];
    let callers = [
        (0, 0, Role::Publisher, "other-desk"),
        (0, 1, Role::Publisher, "cyber-desk"),
        (1, 0, Role::Publisher, "cyber-desk"),
        (0, 0, Role::Consumer, "cyber-desk"),
        (0, 0, Role::Auditor, "cyber-desk"),
        (0, 0, Role::Node, "cyber-desk"),
        (0, 1, Role::Operator, "ops"),
        (1, 0, Role::Operator, "ops"),
    ];
    for (node, member, role, name) in callers {
        let channel = cluster.connect(node, &cluster.identity(member, role, name)?).await?;
        for outcome in submit(channel, everything.clone()).await? {
            let refusal = outcome.err().with_context(|| format!("{role:?} {name} of {member} at {node}"))?;
            assert_eq!(refusal.code(), RefusalCode::NotYours, "{refusal}");
        }
    }
    for (role, allowed) in [(Role::Publisher, [true, false]), (Role::Operator, [false, true])] {
        let name = if role == Role::Publisher { "cyber-desk" } else { "ops" };
        let channel = cluster.connect(0, &cluster.identity(0, role, name)?).await?;
        let items = vec![everything[0].clone(), everything[2].clone()];
        let outcomes = submit(channel, items).await?;
        assert_eq!([outcomes[0].is_ok(), outcomes[1].is_ok()], allowed, "{role:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_does_not_count_from_its_place_in_the_log_whatever_it_claims() -> Result<()> {
    let mut cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "before.example")?], 1).await??;
    let mut backdated = report(1, "after.example")?;
    backdated.made_at -= 30 * 86_400;
    desk.say(vec![backdated], 2).await??;
    cluster.operate(0, Item::KeyRevocation(cluster.key_revocation(0, &desk.key, 2)?.to_wire())).await??;
    let late = desk.say(vec![report(2, "late.example")?], 3).await?.expect_err("revoked");
    assert_eq!(late.code(), RefusalCode::Key);
    cluster.caught_up(1, 0).await?;
    for restarted in [false, true] {
        for node in [0, 1] {
            if restarted {
                cluster.stop(node).await?;
                cluster.restart(node).await?;
            }
            let reader = cluster.reader(node, node, Role::Consumer, "app").await?;
            let verdicts = reader.lookup(&["before.example", "after.example", "late.example"]).await?;
            let [before, after, late] = verdicts.as_slice() else { panic!("{verdicts:?}") };
            assert_eq!((before.listed, after.listed, late.known), (true, false, false), "node {node}");
            let why = counted(after);
            assert_eq!(why.get("police.th.example:2.0"), Some(&Counted::KeyCut));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_in_another_members_log_counts_as_well() -> Result<()> {
    let cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "before.example")?], 1).await??;
    desk.say(vec![report(1, "after.example")?], 2).await??;
    cluster.caught_up(1, 0).await?;
    // The member's own node is seized and suppresses it: another member's operator logs it.
    let revocation = Item::KeyRevocation(cluster.key_revocation(0, &desk.key, 2)?.to_wire());
    cluster.operate(1, revocation).await??;
    cluster.caught_up(0, 1).await?;
    for node in [0, 1] {
        let reader = cluster.reader(node, node, Role::Consumer, "app").await?;
        let verdicts = reader.lookup(&["before.example", "after.example"]).await?;
        let listed: Vec<bool> = verdicts.iter().map(|verdict| verdict.listed).collect();
        assert_eq!(listed, [true, false], "node {node}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_finds_every_log_as_it_was_what_a_cut_key_said_included() -> Result<()> {
    let mut cluster = Cluster::start(&THREE).await?;
    cluster.grant(0, "cyber-desk", 100).await?;
    let colleague = cluster.grant(0, "other-desk", 101).await?;
    colleague.say(vec![report(0, "before.example")?], 1).await??;
    cluster.caught_up(2, 0).await?;
    // The police do not hear of the revocation, the bank does: to it what the desk says from now on is void.
    cluster.stop(0).await?;
    cluster.operate(1, Item::KeyRevocation(cluster.key_revocation(0, &key(100), 3)?.to_wire())).await??;
    cluster.caught_up(2, 1).await?;
    cluster.stop(1).await?;
    cluster.stop(2).await?;
    cluster.restart(0).await?;
    let desk = cluster.desk(0, "cyber-desk", 100).await?;
    let colleague = cluster.desk(0, "other-desk", 101).await?;
    desk.say(vec![report(1, "cut.example")?], 5).await??;
    colleague.say(vec![report(2, "after.example")?], 7).await??;
    cluster.restart(2).await?;
    cluster.wait_for(2, 0, 5).await?;
    let police = cluster.member(0)?.name.clone();
    let as_it_is = |cluster: &Cluster| -> Result<Prefix> {
        Ok(Prefix::clone(&cluster.node(2)?.heads().get(&police).context("its log")?.prefix))
    };
    let before = as_it_is(&cluster)?;
    let said = |key| before.key(&PublicKey::of(&key)).and_then(|life| Some((life.last_seq?, life.cut)));
    assert_eq!(said(key(100)), Some((5, Some(3))));
    assert_eq!(said(key(101)), Some((7, None)));
    cluster.stop(2).await?;
    cluster.restart(2).await?;
    assert_eq!(as_it_is(&cluster)?, before);
    Ok(())
}
