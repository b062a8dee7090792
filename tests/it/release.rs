//! Release at the wire: what each kind of caller gets, searched byte by byte for what it must not have.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use anyhow::Result;
use prost::Message as _;

use almenara_certs::Role;
use almenara_proto::{
    release::Tlp,
    statement::Statement,
    wire::{LookupVerdict, ReplicateFrame},
};
use almenara_tests::{
    cluster::{Cluster, ROSTER_EXPIRES, Setup},
    desk::{in_report, report, restricted},
    reader::{Reader, holds},
};

use crate::THREE;

const NGO: &str = "ngo.nl.example";

/// TLP, `to`, `not_to`, and who may have it.
type Said = (Option<Tlp>, &'static [&'static str], &'static [&'static str], &'static str);

/// What the police said, and who may have it: node, staff and consumer of the ngo (`n`, `s`, `c`), the same of
/// the bank (`N`, `S`, `C`), an auditor (`a`), the police's own consumer (`o`).
#[rustfmt::skip]
const SAID: [Said; 14] = [
    (Some(Tlp::Clear), &[], &[], "nscNSCao"),
    (Some(Tlp::Green), &[], &[], "nscNSCo"),
    (Some(Tlp::Green), &[], &["jurisdiction:US"], "nsco"),
    (Some(Tlp::Green), &[], &["jurisdiction:EU"], "NSCo"),
    (Some(Tlp::Green), &[], &["bank.us.example"], "nsco"),
    (Some(Tlp::Amber), &[NGO], &[], "nsc"),
    (Some(Tlp::Amber), &["group:asia"], &[], "nsco"),
    (Some(Tlp::Amber), &["jurisdiction:US"], &[], "NSC"),
    (Some(Tlp::Amber), &["jurisdiction:EU"], &[], ""),
    (Some(Tlp::Amber), &[NGO], &["jurisdiction:NL"], ""),
    (Some(Tlp::AmberStrict), &[NGO], &[], "ns"),
    (Some(Tlp::Red), &[NGO], &[], "n"),
    (Some(Tlp::Red), &["group:asia"], &[], ""),
    (None, &[NGO], &[], ""),
];

fn marker(at: usize) -> String {
    format!("<marker-{at:02}>")
}

fn domain(at: usize) -> String {
    format!("marked{at:02}.example")
}

fn said(at: usize) -> Result<Statement> {
    let (tlp, to, not_to, _) = SAID[at];
    let mut statement = if tlp == Some(Tlp::Clear) {
        report(at as u64, &domain(at))?
    } else {
        restricted(at as u64, &domain(at), tlp.unwrap_or(Tlp::Amber), to, not_to)?
    };
    statement.release.tlp = tlp;
    Ok(in_report(statement, |report| report.description = marker(at)))
}

/// Police, ngo and bank; everything said in one batch, the RED ones once more in a batch of their own.
async fn start() -> Result<Cluster> {
    let setup = Setup { groups: vec![("asia", vec![0, 1])], ..Setup::default() };
    let cluster = Cluster::start_with(&THREE, setup).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say((0..SAID.len()).map(said).collect::<Result<_>>()?, 1).await??;
    let red = |at| anyhow::Ok(in_report(said(at)?, |report| report.campaign = "again".into()));
    desk.say(vec![red(11)?, red(12)?], 2).await??;
    cluster.caught_up(1, 0).await?;
    cluster.caught_up(2, 0).await?;
    Ok(cluster)
}

fn may_have(who: char, at: usize) -> bool {
    SAID[at].3.contains(who)
}

fn found(frames: &[ReplicateFrame]) -> BTreeSet<usize> {
    (0..SAID.len()).filter(|at| frames.iter().any(|frame| holds(frame, &marker(*at)))).collect()
}

const CALLERS: [(char, usize, Role); 8] = [
    ('n', 1, Role::Node),
    ('s', 1, Role::Publisher),
    ('c', 1, Role::Consumer),
    ('N', 2, Role::Node),
    ('S', 2, Role::Operator),
    ('C', 2, Role::Consumer),
    ('a', 2, Role::Auditor),
    ('o', 0, Role::Consumer),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_stream_carries_a_byte_that_its_reader_may_not_have() -> Result<()> {
    let cluster = start().await?;
    for (who, member, role) in CALLERS {
        let reader = cluster.reader(0, member, role, "x").await?;
        for leaf_hashes in [false, true] {
            let request = Reader::request("police.th.example", 0, false);
            let frames =
                reader.frames(almenara_proto::wire::ReplicateRequest { leaf_hashes, ..request }).await?;
            let allowed: BTreeSet<usize> = (0..SAID.len()).filter(|at| may_have(who, *at)).collect();
            assert_eq!(found(&frames), allowed, "{who}");
            cluster.check(0, frames)?;
        }
        // Whoever has another roster gets what everybody may have.
        let mut other = Reader::request("police.th.example", 0, false);
        other.roster = 2;
        assert_eq!(found(&reader.frames(other).await?), BTreeSet::from([0]), "{who} with another roster");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_rosters_expiry_only_what_is_for_everybody_leaves() -> Result<()> {
    let cluster = start().await?;
    cluster.time.store(ROSTER_EXPIRES + 1, Ordering::Relaxed);
    for (who, member, role) in CALLERS {
        let reader = cluster.reader(0, member, role, "x").await?;
        let frames = reader.frames(Reader::request("police.th.example", 0, false)).await?;
        assert_eq!(found(&frames), BTreeSet::from([0]), "{who}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrowed_member_gets_what_is_public_and_withdrawals_and_nothing_else() -> Result<()> {
    let setup = Setup { groups: vec![("asia", vec![0, 1])], narrowed: vec![1], ..Setup::default() };
    let cluster = Cluster::start_with(&THREE, setup).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say((0..SAID.len()).map(said).collect::<Result<_>>()?, 1).await??;
    for (who, member, role) in CALLERS {
        let reader = cluster.reader(0, member, role, "x").await?;
        let frames = reader.frames(Reader::request("police.th.example", 0, false)).await?;
        let allowed = (0..SAID.len()).filter(|at| if member == 1 { *at == 0 } else { may_have(who, *at) });
        assert_eq!(found(&frames), allowed.collect(), "{who}");
        // Every entry comes, so that nothing is hidden from it but what the statements say.
        cluster.check(0, frames)?;
        let known = reader.lookup(&[&domain(5)]).await?[0].known;
        assert_eq!(known, member != 1 && may_have(who, 5), "{who}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_relay_carries_more_than_the_origin_would_and_never_red() -> Result<()> {
    let cluster = start().await?;
    for (relay, server) in [(1, 'n'), (2, 'N')] {
        for (who, member, role) in CALLERS {
            let reader = cluster.reader(relay, member, role, "x").await?;
            let frames = reader.frames(Reader::request("police.th.example", 0, false)).await?;
            let red = |at: usize| SAID[at].0 == Some(Tlp::Red);
            let allowed: BTreeSet<usize> = (0..SAID.len())
                .filter(|at| may_have(who, *at) && may_have(server, *at) && !red(*at))
                .collect();
            assert_eq!(found(&frames), allowed, "{who} at the node of {server}");
            cluster.check(0, frames)?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_holds_only_what_its_node_may_have() -> Result<()> {
    let mut cluster = start().await?;
    for (node, who) in [(1, 'n'), (2, 'N')] {
        cluster.stop(node).await?;
        let stored = std::fs::read(cluster.database(node))?;
        let stored = String::from_utf8_lossy(&stored);
        for at in 0..SAID.len() {
            let held = stored.contains(&marker(at));
            assert_eq!(held, may_have(who, at), "{} in the files of {who}", marker(at));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lookup_of_what_is_hidden_answers_as_for_what_is_absent() -> Result<()> {
    let cluster = start().await?;
    let domains: Vec<String> = (0..SAID.len()).map(domain).collect();
    let domains: Vec<&str> = domains.iter().map(String::as_str).collect();
    for (who, member, role) in CALLERS {
        let reader = cluster.reader(0, member, role, "x").await?;
        let absent = reader.lookup(&["absent.example"]).await?[0].encode_to_vec();
        for (at, verdict) in reader.lookup(&domains).await?.iter().enumerate() {
            assert_eq!(verdict.known, may_have(who, at), "{who} asks for {}", domain(at));
            if !may_have(who, at) {
                assert_eq!(verdict.encode_to_vec(), absent, "{who} asks for {}", domain(at));
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_changes_no_verdict_on_what_is_not() -> Result<()> {
    let cluster = Cluster::start(&THREE).await?;
    let (police, ngo) = (cluster.grant(0, "desk", 100).await?, cluster.grant(1, "desk", 101).await?);
    let verdict = async |node, member| -> Result<LookupVerdict> {
        let reader = cluster.reader(node, member, Role::Consumer, "app").await?;
        Ok(reader.lookup(&["scam.example"]).await?.remove(0))
    };
    ngo.say(vec![report(0, "scam.example")?], 1).await??;
    cluster.caught_up(0, 1).await?;
    let before = verdict(0, 2).await?;
    police.say(vec![restricted(1, "scam.example", Tlp::Amber, &[NGO], &[])?], 1).await??;
    cluster.caught_up(1, 0).await?;
    assert_eq!(verdict(0, 2).await?, before, "the bank sees what it saw");
    assert!(verdict(0, 1).await?.score > before.score, "the ngo sees more");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_narrows_and_never_widens() -> Result<()> {
    use almenara_proto::wire::{Category, Filter, Kind};
    let cluster = start().await?;
    let reader = cluster.reader(0, 1, Role::Node, "x").await?;
    let allowed: BTreeSet<usize> = (0..SAID.len()).filter(|at| may_have('n', *at)).collect();
    let cases = [
        (Filter { kinds: vec![Kind::Domain.into()], ..Filter::default() }, true),
        (Filter { kinds: vec![Kind::Phone.into()], ..Filter::default() }, false),
        (Filter { kinds: vec![999], ..Filter::default() }, false),
        (Filter { categories: vec![Category::ScamPhishing.into()], ..Filter::default() }, true),
        (Filter { categories: vec![-5], ..Filter::default() }, false),
        (Filter { publishers: vec!["police.th.example/cyber-desk".into()], ..Filter::default() }, true),
        (Filter { publishers: vec!["police.th.example".into()], ..Filter::default() }, false),
        (Filter { no_statements: true, ..Filter::default() }, false),
    ];
    for (filter, some) in cases {
        let mut request = Reader::request("police.th.example", 0, false);
        request.filter = Some(filter.clone());
        let frames = reader.frames(request).await?;
        let expected = if some { allowed.clone() } else { BTreeSet::new() };
        assert_eq!(found(&frames), expected, "{filter:?}");
        cluster.check(0, frames)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_repeats_it_more_loosely_loosens_nothing_of_the_first() -> Result<()> {
    let cluster = Cluster::start(&THREE).await?;
    let police = cluster.grant(0, "cyber-desk", 100).await?;
    let ngo = cluster.grant(1, "helpline", 101).await?;
    let narrow = restricted(0, "both.example", Tlp::Amber, &["ngo.nl.example"], &[])?;
    let narrow = in_report(narrow, |report| report.description = "<how the police knows>".into());
    police.say(vec![narrow], 1).await??;
    cluster.caught_up(1, 0).await?;
    ngo.say(vec![report(1, "both.example")?], 1).await??;
    cluster.caught_up(0, 1).await?;
    cluster.caught_up(2, 0).await?;
    cluster.caught_up(2, 1).await?;
    for node in 0..3 {
        let reader = cluster.reader(node, 2, Role::Consumer, "app").await?;
        let verdict = reader.lookup(&["both.example"]).await?.remove(0);
        let addresses: Vec<&str> = verdict.considered.iter().map(|piece| piece.address.as_str()).collect();
        assert_eq!(addresses, ["ngo.nl.example:1.0"], "node {node}");
        let reader = cluster.reader(node, 2, Role::Node, "node-1").await?;
        for frame in reader.frames(Reader::request(cluster.name(0)?, 0, false)).await? {
            assert!(!holds(&frame, "<how the police knows>"), "node {node}");
        }
    }
    Ok(())
}
