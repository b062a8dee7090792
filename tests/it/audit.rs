//! Auditors, who have no account: audits of real nodes, kept pages, statements, proof files.

use std::{
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use anyhow::{Context as _, Result, ensure};

use almenara_certs::{Role, write_private};
use almenara_client::{
    audit::{self, Report, Sample, Wish},
    commands::prove,
    config::Environment,
    context::Context,
    home::Home,
    output::{Manner, Output},
    proofs,
    pull::{self, Wish as Pulled},
    random::Random,
    rosters::{self, Rosters},
    store::Store,
};
use almenara_proto::{name::Address, proof::Proof, release::Tlp, wire::Filter};
use almenara_tests::{
    cluster::{Cluster, FEDERATION, NOW},
    desk::{in_report, report, restricted},
};

use crate::{THREE, TWO};

/// A home with the hash of the roster and nothing secret; with a certificate when statements are to be seen.
fn home(cluster: &Cluster, certificate: bool) -> Result<PathBuf> {
    let folder = cluster.dir.path().join("auditor");
    std::fs::create_dir_all(folder.join("rosters"))?;
    std::fs::create_dir_all(folder.join("tls"))?;
    if certificate {
        let year = std::time::Duration::from_secs(365 * 86_400);
        let member = cluster.members.last().context("a member")?;
        let leaf = member.authority.issue(Role::Auditor, "court", &[], year, NOW)?;
        std::fs::write(folder.join("tls/cert.pem"), leaf.chain_pem)?;
        write_private(&folder.join("tls/key.pem"), &leaf.key_pem)?;
    }
    let path = folder.join("rosters/1.roster");
    if !path.exists() {
        rosters::write(&path, &cluster.roster.signed)?;
    }
    let names: Vec<String> = cluster.members.iter().map(|home| format!("\"{}\"", home.name)).collect();
    let config = format!(
        "federation = \"{FEDERATION}\"\nroster = \"{}\"\nnodes = [{}]\n",
        cluster.roster.id,
        names.join(", ")
    );
    std::fs::write(folder.join("almenara.toml"), config)?;
    Ok(folder)
}

fn context(cluster: &Cluster, folder: &Path) -> Context {
    let (output, _) = Output::captured(Manner::default(), "");
    Context::new(Home::new(folder), output, Environment::default()).with(cluster.clock(), Random::system())
}

/// The police's log out of the ngo's node, and the rosters: what proofs are made of.
async fn pulled(cluster: &Cluster, context: &Context) -> Result<(Store, Rosters)> {
    let mut caller = almenara_client::connect::Caller::open(context)?;
    let node = caller.call(&"ngo.nl.example".parse()?).await?;
    let mut store = Store::open(context.home.store(), FEDERATION)?;
    let wish = Pulled { filter: None::<&Filter>, roster: &cluster.roster.roster, clock: &context.clock };
    pull::pull(&node, &"police.th.example".parse()?, &mut store, wish, &mut |_, _| Ok(())).await?;
    Ok((store, Rosters::open(context.home.rosters(), cluster.roster.id)?))
}

async fn audited(cluster: &Cluster, folder: &Path, wish: &Wish) -> Result<Report> {
    Ok(audit::audit(wish, &context(cluster, folder)).await?)
}

fn names(cluster: &Cluster) -> Vec<String> {
    cluster.members.iter().map(|home| home.name.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn anybody_audits_every_node_and_keeps_what_it_showed() -> Result<()> {
    let mut cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    for seq in 1..=40 {
        desk.say(vec![report(seq, "scam.example")?], seq).await??;
    }
    cluster.settled(1, 0, 41).await?;
    let folder = home(&cluster, false)?;
    let kept = cluster.dir.path().join("kept");
    let wish = Wish { targets: names(&cluster), keep: Some(kept.clone()), full: true, ..Wish::default() };
    let found = audited(&cluster, &folder, &wish).await?;
    ensure!(found.findings.is_empty() && found.unfinished.is_empty(), "{found:?}");
    let of_police: Vec<_> = found.logs.iter().filter(|log| log.member == "police.th.example").collect();
    assert_eq!(of_police.len(), 2, "at its own node and at the other");
    assert!(of_police.iter().all(|log| log.whole && log.entries == 41 && log.new_entries == 41));
    assert!(of_police.iter().all(|log| log.tally.statements == 40 && log.settled == 41));
    // Without nodes, from what they showed.
    cluster.stop(0).await?;
    cluster.stop(1).await?;
    let target = kept.join("ngo.nl.example").display().to_string();
    let again =
        audited(&cluster, &folder, &Wish { targets: vec![target], full: true, ..Wish::default() }).await?;
    ensure!(again.findings.is_empty() && again.unfinished.is_empty(), "{again:?}");
    assert_eq!(again.logs.iter().map(|log| log.new_entries).max(), Some(41));
    // A node that does not answer is no finding.
    let away = audited(&cluster, &folder, &Wish { targets: names(&cluster), ..Wish::default() }).await?;
    assert_eq!((away.findings.len(), away.unfinished.len()), (0, 2), "{away:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_an_auditor_may_see_belong_to_what_was_signed() -> Result<()> {
    let cluster = Cluster::start(&THREE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    for seq in 1..=20 {
        let secret = restricted(seq * 10, "secret.example", Tlp::Amber, &["ngo.nl.example"], &[])?;
        desk.say(vec![secret, report(seq * 10 + 1, "open.example")?], seq).await??;
    }
    cluster.settled(2, 0, 21).await?;
    let folder = home(&cluster, true)?;
    for (sample, shown) in [(Sample::All, 20), (Sample::Entries(50), 0)] {
        let wish = Wish {
            targets: vec!["bank.us.example".to_owned()],
            logs: vec!["police.th.example".parse()?],
            sample: Some(sample),
            ..Wish::default()
        };
        let found = audited(&cluster, &folder, &wish).await?;
        ensure!(found.findings.is_empty() && found.unfinished.is_empty(), "{found:?}");
        let log = found.logs.first().context("a log")?;
        assert_eq!(log.shown, log.withheld, "one of two in each batch is everybody's");
        assert!(log.shown >= shown && log.shown > 0, "{log:?}");
    }
    Ok(())
}

/// What an audit of the replica says, in one line.
fn said(found: &Report) -> String {
    let findings = found.findings.iter().map(|one| format!("{}: {} [{}]", one.place, one.what, one.fault));
    let unfinished = found.unfinished.iter().map(|why| format!("not looked at: {why}"));
    let kept_back: u64 = found.logs.iter().map(|log| log.withheld).sum();
    let kept_back = (kept_back > 1).then(|| format!("{kept_back} statements are not shown"));
    let pending =
        found.logs.iter().any(|log| log.settled < log.entries).then(|| "not shown as settled".to_owned());
    findings.chain(unfinished).chain(kept_back).chain(pending).collect::<Vec<_>>().join("; ")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_changed_byte_of_anything_that_a_node_stores_is_kept_back_or_named() -> Result<()> {
    let mut cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let secret = restricted(1, "secret.example", Tlp::Red, &["bank.us.example"], &[])?;
    desk.say(
        vec![secret, in_report(report(2, "open.example")?, |one| one.description = "<a story>".into())],
        1,
    )
    .await??;
    for seq in 2..=260 {
        desk.say(vec![report(seq * 10, &format!("scam{seq}.example"))?], seq).await??;
    }
    cluster.settled(1, 0, 261).await?;
    let head = cluster.node(1)?.heads().get(&cluster.member(0)?.name).context("a replica")?;
    let pages = cluster.pages(1).await?;
    let page = async |path: &str| pages.get(&format!("/log/police.th.example/{path}"), 8 << 20).await;
    let tile = page("tile/0/000").await?.context("a tile")?;
    let above = page("tile/1/000.p/1").await?.context("a tile")?;
    let entries = cluster.follow(1, 0, 1).await?;
    let hidden =
        entries[1].batch.as_ref().and_then(|batch| batch.leaf_hashes.as_ref()).context("leaf hashes")?;
    let settled = head.settled.as_ref().context("settled")?.note.clone();
    let line = String::from_utf8(settled.to_vec())?.lines().last().context("a line")?.to_owned();
    let cases: [(&str, Vec<u8>); 7] = [
        ("a tile of level 0", tile[32 * 100..32 * 101].to_vec()),
        ("a tile of level 1", above.to_vec()),
        ("an entry", entries[7].bytes.to_vec()),
        ("a payload", b"<a story>".to_vec()),
        ("a leaf list", hidden[0].0.to_vec()),
        ("a checkpoint", head.checkpoint[24..60].to_vec()),
        ("a cosignature", line.as_bytes()[line.len() - 60..].to_vec()),
    ];
    drop(head);
    let folder = home(&cluster, true)?;
    let wish = Wish {
        targets: vec!["ngo.nl.example".to_owned()],
        logs: vec!["police.th.example".parse()?],
        sample: Some(Sample::All),
        full: true,
        ..Wish::default()
    };
    assert_eq!(said(&audited(&cluster, &folder, &wish).await?), "");
    cluster.stop(0).await?; // it could mend what rots
    cluster.stop(1).await?;
    let whole = std::fs::read(cluster.database(1))?;
    println!("one byte changed in the replica's {:<17} | what the audit says", "");
    for (what, bytes) in cases {
        let mut changed = whole.clone();
        let places: Vec<usize> = (0..whole.len()).filter(|at| whole[*at..].starts_with(&bytes)).collect();
        ensure!(!places.is_empty(), "{what} does not stand in the file");
        places.into_iter().for_each(|at| changed[at + bytes.len() / 2] ^= 1);
        std::fs::write(cluster.database(1), changed)?;
        let started = cluster.restart(1).await;
        let said = match &started {
            Ok(()) => said(&audited(&cluster, &folder, &wish).await?),
            Err(error) => format!("the node does not start: {error}"),
        };
        println!("{what:<50} | {said}");
        ensure!(!said.is_empty(), "{what} was taken as it is");
        ensure!(!said.contains("[signed by"), "{what} accuses the origin: {said}");
        if started.is_ok() {
            cluster.stop(1).await?;
        }
        std::fs::write(cluster.database(1), &whole)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_is_made_late_still_tells_the_early_date() -> Result<()> {
    let cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let mut dates = Vec::new();
    for seq in 1..=4u64 {
        cluster.time.fetch_add(86_400, Ordering::Relaxed);
        dates.push(cluster.clock()());
        desk.say(vec![report(seq, &format!("scam{seq}.example"))?], seq).await??;
        cluster.settled(0, 0, seq + 1).await?;
        cluster.settled(1, 0, seq + 1).await?;
    }
    let folder = home(&cluster, true)?;
    let context = context(&cluster, &folder);
    let (store, chain) = pulled(&cluster, &context).await?;
    for (entry, date) in (1u64..).zip(&dates) {
        let address: Address = format!("police.th.example:{entry}.0").parse()?;
        let today = proofs::prove(&store, &chain, &address, 1)?.verify(&cluster.roster.id)?;
        assert_eq!(today.existed_by(), dates.last().copied(), "the store knows the newest note");
        for member in 0..2 {
            let page = cluster.pages(member).await?;
            let note = page.get(&format!("/log/police.th.example/settled/{}", entry + 1), 64 * 1_024).await?;
            let note = cluster.open_note(0, &note.context("a note")?)?;
            let proof = proofs::prove_under(&store, &chain, &address, 1, &note)?;
            assert_eq!(
                proof.verify(&cluster.roster.id)?.existed_by(),
                Some(*date),
                "entry {entry}, node {member}"
            );
        }
    }
    // The command asks the nodes for it.
    let file = folder.join("early.proof");
    let address = "police.th.example:1.0".parse()?;
    let wish = prove::Args { address, output: Some(file.clone()), roster_from: 1, earliest: true };
    prove::run(&wish, &context).await?;
    let proven = Proof::parse(&std::fs::read(file)?)?.verify(&cluster.roster.id)?;
    assert_eq!(proven.existed_by(), Some(dates[0]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reader_pulled_it_proves_to_others_in_a_few_kilobytes() -> Result<()> {
    let cluster = Cluster::start(&THREE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let reports = (1..=40).map(|n| report(n, &format!("scam{n}.example"))).collect::<Result<Vec<_>>>()?;
    desk.say(reports, 1).await??;
    cluster.settled(1, 0, 2).await?;
    let context = context(&cluster, &home(&cluster, true)?);
    let (store, chain) = pulled(&cluster, &context).await?;
    let address: Address = "police.th.example:1.17".parse()?;
    let file = proofs::prove(&store, &chain, &address, 1)?.encode();
    ensure!(file.len() <= 8 * 1_024, "{} bytes", file.len());
    let proven = Proof::parse(&file)?.verify(&cluster.roster.id)?;
    assert_eq!(proven.address, address);
    assert!(proven.statement.indicator.value().ends_with(".example"));
    assert!(proven.existed_by().is_some(), "somebody in another jurisdiction had seen it");
    Ok(())
}
