//! What is erased is hidden at once and then gone, while what was signed about it stays (HOSTILE line 35).

use std::{
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use almenara_certs::Role;
use almenara_client::exit::Outcome;
use almenara_proto::{
    release::Tlp,
    wire::{Counted, RefusalCode, replicate_frame::Frame},
};
use almenara_tests::{
    cluster::{Cluster, key},
    desk::{in_report, report, restricted},
    reader::{Reader, counted},
};

use crate::{
    THREE, TWO,
    pull::{Platform, home},
};

const HOUR: u64 = 3_600;

/// The files below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    Ok(found)
}

/// The files that hold these bytes, anywhere in the federation and with its readers.
fn holding(cluster: &Cluster, bytes: &[u8]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for file in files(cluster.dir.path())? {
        // A temporary file may have gone meanwhile.
        let Ok(stored) = std::fs::read(&file) else { continue };
        if stored.windows(bytes.len()).any(|window| window == bytes) {
            found.push(file);
        }
    }
    Ok(found)
}

fn later(cluster: &Cluster, hours: u64) {
    cluster.time.fetch_add(hours * HOUR, Ordering::Relaxed);
}

/// What the node of `to` answers about each leaf of an entry: whether it is in clear, and what erased it.
async fn answered(cluster: &Cluster, to: usize, entry: u64) -> Result<Vec<(bool, Option<u64>)>> {
    let reader = cluster.reader(to, 2, Role::Node, "node-1").await?;
    for frame in reader.frames(Reader::request(cluster.name(0)?, entry, false)).await? {
        let Some(Frame::Page(page)) = frame.frame else { continue };
        let shown = page.entries.into_iter().next().and_then(|first| first.disclosure).context("a batch")?;
        let count = 3;
        let clear = |leaf| {
            let within = shown.ranges.iter().any(|range| (range.start..range.end).contains(&leaf));
            within || (shown.ranges.is_empty() && shown.statements.len() == count as usize)
        };
        let by = |leaf| {
            let range = shown.erased.iter().find(|range| (range.start..range.end).contains(&leaf));
            range.map(|range| range.by)
        };
        return Ok((0..count).map(|leaf| (clear(leaf), by(leaf))).collect());
    }
    bail!("no page came")
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_delay_no_file_of_any_node_or_reader_holds_what_was_erased() -> Result<()> {
    let mut cluster = Cluster::start(&THREE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    cluster.grant(0, "other-desk", 101).await?;
    let mut batch = vec![
        in_report(report(0, "erased.example")?, |report| report.description = "<a story>".into()),
        report(1, "stays.example")?,
        restricted(2, "narrow.example", Tlp::Amber, &["ngo.nl.example"], &[])?,
    ];
    batch.sort_by_key(|statement| statement.nonce);
    let nonces: Vec<[u8; 16]> = batch.iter().map(|statement| statement.nonce).collect();
    let leaf_of = |number: u64| -> Result<u32> {
        let nonce = report(number, "any.example")?.nonce;
        let at = nonces.iter().position(|known| *known == nonce).context("a leaf")?;
        Ok(u32::try_from(at)?)
    };
    let (erased, narrow) = (leaf_of(0)?, leaf_of(2)?);
    let gone = [report(0, "any.example")?.nonce, report(2, "any.example")?.nonce];
    desk.say(batch, 1).await??;
    cluster.caught_up(1, 0).await?;
    cluster.caught_up(2, 0).await?;
    let platform = Platform { folder: home(&cluster, &[1])?, clock: cluster.clock() };
    platform.pulled().await?;
    assert!(holding(&cluster, &gone[0])?.len() >= 4, "three nodes and a reader: the search finds something");

    let mut targets = [(2, erased), (2, narrow)];
    targets.sort_unstable();
    let named = desk.erase(&targets, 2, &key(101)).await??;
    for node in [1, 2] {
        cluster.caught_up(node, 0).await?;
    }
    // At once: nobody is shown it any more, and everybody is told by what it was erased.
    let all = ["erased.example", "stays.example", "narrow.example"];
    for node in 0..3 {
        let reader = cluster.reader(node, node, Role::Consumer, "app").await?;
        let known: Vec<bool> = reader.lookup(&all).await?.iter().map(|one| one.known).collect();
        assert_eq!(known, [false, true, false], "node {node}");
        for (leaf, answer) in (0..).zip(answered(&cluster, node, 2).await?) {
            let by = targets.contains(&(2, leaf)).then_some(named.entry);
            assert_eq!(answer, (by.is_none(), by), "node {node}, leaf {leaf}");
        }
    }
    platform.pulled().await?;
    let address = format!("{}:2.{erased}", cluster.name(0)?);
    let (outcome, text) = platform.show(&[address.as_str()]).await?;
    assert_eq!(outcome, Outcome::No);
    assert!(
        text.contains(&format!("is erased, by the withdrawal {}:{}", cluster.name(0)?, named.entry)),
        "{text}"
    );
    let (_, text) = platform.show(&["domain", "erased.example"]).await?;
    assert!(text.contains("Nothing of it"), "{text}");
    assert!(!text.contains("<a story>"));

    // Before its time nothing is deleted.
    later(&cluster, 71);
    platform.pulled().await?;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(holding(&cluster, &gone[0])?.len() >= 4);
    later(&cluster, 2);
    platform.pulled().await?;
    for nonce in gone {
        for _ in 0..150 {
            if holding(&cluster, &nonce)?.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(holding(&cluster, &nonce)?, Vec::<PathBuf>::new(), "while the nodes run");
    }
    assert_eq!(holding(&cluster, b"<a story>")?, Vec::<PathBuf>::new());
    assert_eq!(holding(&cluster, b"erased.example")?, Vec::<PathBuf>::new(), "nor the index");

    // What was signed stays provable, here and after a restart; the rest of the batch too.
    for restarted in [false, true] {
        if restarted {
            for node in 0..3 {
                cluster.stop(node).await?;
            }
            for node in 0..3 {
                cluster.restart(node).await?;
            }
        }
        for node in 0..3 {
            let entries = cluster.follow(node, 0, 1).await?;
            let batch = entries.get(2).and_then(|entry| entry.batch.as_ref()).context("the batch")?;
            assert_eq!(batch.leaves.len(), 1, "node {node}");
            assert_eq!(answered(&cluster, node, 2).await?.iter().filter(|(_, by)| by.is_some()).count(), 2);
        }
    }
    let (outcome, _) = platform.show(&["domain", "stays.example"]).await?;
    assert_eq!(outcome, Outcome::Done);
    platform.pulled().await?;

    // The tombstone survives, and gives way to who names the withdrawal.
    let desk = cluster.desk(0, "cyber-desk", 100).await?;
    let refusal = desk.say(vec![report(7, "erased.example")?], 3).await?.expect_err("it sticks");
    assert_eq!(refusal.code(), RefusalCode::Withdrawn);
    let again = in_report(report(8, "erased.example")?, |report| report.reinstates = Some(named));
    desk.say(vec![again], 4).await??;
    cluster.caught_up(1, 0).await?;
    let reader = cluster.reader(1, 1, Role::Consumer, "app").await?;
    assert!(reader.lookup(&["erased.example"]).await?[0].listed);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_deletes_when_its_own_configuration_says_so() -> Result<()> {
    let cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    cluster.grant(0, "other-desk", 101).await?;
    desk.say(vec![report(0, "erased.example")?], 1).await??;
    let platform = Platform { folder: home(&cluster, &[0])?, clock: cluster.clock() };
    let config = platform.folder.join("almenara.toml");
    let text = std::fs::read_to_string(&config)?;
    std::fs::write(&config, format!("{text}[erasure]\ndelay_hours = 2\n"))?;
    platform.pulled().await?;
    desk.erase(&[(2, 0)], 2, &key(101)).await??;
    platform.pulled().await?;
    let nonce = report(0, "any.example")?.nonce;
    let held = || -> Result<bool> {
        Ok(holding(&cluster, &nonce)?.iter().any(|file| file.starts_with(&platform.folder)))
    };
    assert!(held()?, "not before its time");
    later(&cluster, 2);
    platform.pulled().await?;
    assert!(!held()?, "then at once, whatever nodes do");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stolen_key_erased_is_spared_when_it_is_revoked_in_time() -> Result<()> {
    let cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let thief = cluster.grant(0, "stolen-desk", 101).await?;
    desk.say(vec![report(0, "evidence.example")?], 1).await??;
    let named = thief.erase(&[(2, 0)], 1, &key(100)).await??;
    cluster.caught_up(1, 0).await?;
    let reader = cluster.reader(1, 1, Role::Consumer, "app").await?;
    assert!(!reader.lookup(&["evidence.example"]).await?[0].known);
    let revocation = cluster.key_revocation(0, &key(101), named.entry)?;
    let item = almenara_proto::wire::publish_request::Item::KeyRevocation(revocation.to_wire());
    cluster.operate(0, item).await??;
    cluster.caught_up(1, 0).await?;
    later(&cluster, 100);
    for _ in 0..100 {
        let verdict = reader.lookup(&["evidence.example"]).await?.remove(0);
        if verdict.known {
            // It was withdrawn, and stays so: a false positive does not come back because a key was stolen.
            assert_eq!(counted(&verdict).into_values().collect::<Vec<_>>(), [Counted::Withdrawn]);
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("it stays hidden")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_names_the_desk_s_earlier_reports_too_so_that_none_of_them_comes_back() -> Result<()> {
    let cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    cluster.grant(0, "other-desk", 101).await?;
    desk.say(vec![report(0, "scam.example")?], 1).await??;
    desk.say(vec![report(1, "scam.example")?], 2).await??;
    let refusal = desk.erase(&[(3, 0)], 3, &key(101)).await?.expect_err("the earlier one would count again");
    assert_eq!(refusal.code(), RefusalCode::Earlier, "{refusal}");
    assert!(refusal.0.message.contains(":2.0"), "{refusal}");
    desk.erase(&[(2, 0), (3, 0)], 3, &key(101)).await??;
    let reader = cluster.reader(0, 0, Role::Consumer, "app").await?;
    assert!(!reader.lookup(&["scam.example"]).await?[0].known);
    Ok(())
}
