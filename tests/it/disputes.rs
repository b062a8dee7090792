//! Disputes: of what is there, and told to nobody who may not know of it.

use anyhow::{Context as _, Result};

use almenara_certs::Role;
use almenara_proto::{
    merkle::Hash,
    name::Address,
    release::Tlp,
    statement::{Claim, Dispute, DisputeReason, Statement},
    wire::RefusalCode,
};
use almenara_tests::{
    cluster::Cluster,
    desk::{report, restricted},
};

use crate::TWO;

fn dispute(report: &Statement, target: &str, id: Hash) -> Result<Statement> {
    Ok(Statement {
        claim: Claim::Dispute(Dispute {
            target: target.parse::<Address>()?,
            id,
            reason: DisputeReason::SubjectObjection,
            description: String::new(),
            references: Vec::new(),
        }),
        ..report.clone()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_is_of_a_report_that_is_there_and_within_its_audience() -> Result<()> {
    let cluster = Cluster::start(&TWO).await?;
    let police = cluster.grant(0, "desk", 100).await?;
    let ngo = cluster.grant(1, "desk", 101).await?;
    police.say(vec![report(0, "open.example")?], 1).await??;
    police.say(vec![restricted(1, "closed.example", Tlp::Amber, &["ngo.nl.example"], &[])?], 2).await??;
    cluster.caught_up(1, 0).await?;
    let ids: Vec<Hash> = cluster
        .follow(1, 0, 1)
        .await?
        .iter()
        .filter_map(|entry| Some(entry.batch.as_ref()?.leaves.first()?.id))
        .collect();
    let [open, closed] = *ids.as_slice() else { panic!("{ids:?}") };

    let of_open = dispute(&report(2, "open.example")?, "police.th.example:1.0", open)?;
    let of_closed = restricted(3, "closed.example", Tlp::Amber, &["police.th.example"], &[])?;
    let of_closed = dispute(&of_closed, "police.th.example:2.0", closed)?;
    let public = dispute(&report(4, "closed.example")?, "police.th.example:2.0", closed)?;
    let wrong = [
        ("another id", dispute(&of_open, "police.th.example:1.0", closed)?, RefusalCode::UnknownTarget),
        ("no such leaf", dispute(&of_open, "police.th.example:1.1", open)?, RefusalCode::UnknownTarget),
        ("no batch", dispute(&of_open, "police.th.example:0.0", open)?, RefusalCode::UnknownTarget),
        ("no member", dispute(&of_open, "nobody.example:1.0", open)?, RefusalCode::UnknownTarget),
        (
            "another name",
            dispute(&report(5, "x.example")?, "police.th.example:1.0", open)?,
            RefusalCode::UnknownTarget,
        ),
        ("told to all", public, RefusalCode::Audience),
    ];
    for (what, statement, code) in wrong {
        let refusal = ngo.say(vec![statement], 1).await?.err().context(what)?;
        assert_eq!(refusal.code(), code, "{what}: {refusal}");
    }
    let reader = cluster.reader(0, 0, Role::Node, "x").await?;
    let before = reader.lookup(&["open.example", "closed.example"]).await?;
    ngo.say(vec![of_open, Statement { nonce: [9; 16], ..of_closed }], 1).await??;
    cluster.caught_up(0, 1).await?;
    let after = reader.lookup(&["open.example", "closed.example"]).await?;
    for (before, after) in before.iter().zip(&after) {
        assert!(after.score < before.score && after.considered.len() == 2, "{after:?}");
    }
    Ok(())
}
