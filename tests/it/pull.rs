//! A platform: pulls, looks up, shows, asks for the status, over real nodes.

use std::path::{Path, PathBuf};

use almenara_certs::{Role, write_private};
use almenara_client::{
    commands::{lookup, pull, show, status, watch},
    config::Environment,
    context::Context,
    exit::{CliError, Exit, Outcome},
    home::Home,
    output::{Captured, Manner, Output},
    random::Random,
    rosters,
};
use almenara_proto::{
    keys::PublicKey,
    log::{Withdrawal, WithdrawalReason},
    name::Address,
    signed::Signed,
    wire,
};
use almenara_tests::{
    cluster::{Cluster, FEDERATION, NOW},
    desk::{Desk, in_report, report, submit},
};
use anyhow::{Context as _, Result};
use clap::Parser as _;

use crate::THREE;

/// A platform's home folder: a consumer of the second member, who asks the nodes in this order.
pub(crate) fn home(cluster: &Cluster, nodes: &[usize]) -> Result<PathBuf> {
    let folder = cluster.dir.path().join("platform");
    std::fs::create_dir_all(folder.join("tls"))?;
    std::fs::create_dir_all(folder.join("rosters"))?;
    let member = cluster.members.last().context("a member")?;
    let year = std::time::Duration::from_secs(365 * 86_400);
    let leaf = member.authority.issue(Role::Consumer, "app-1", &[], year, NOW)?;
    std::fs::write(folder.join("tls/cert.pem"), leaf.chain_pem)?;
    write_private(&folder.join("tls/key.pem"), &leaf.key_pem)?;
    rosters::write(&folder.join("rosters/1.roster"), &cluster.roster.signed)?;
    let names: Vec<String> = nodes.iter().map(|at| format!("\"{}\"", cluster.members[*at].name)).collect();
    let text = format!(
        "federation = \"{FEDERATION}\"\nroster = \"{}\"\nnodes = [{}]\n",
        cluster.roster.id,
        names.join(", ")
    );
    std::fs::write(folder.join("almenara.toml"), text)?;
    Ok(folder)
}

pub(crate) struct Platform {
    pub(crate) folder: PathBuf,
    pub(crate) clock: almenara_client::clock::Clock,
}

impl Platform {
    pub(crate) fn context(&self, json: bool) -> (Context, Captured) {
        let (output, captured) = Output::captured(Manner { json, ..Manner::default() }, "");
        let context = Context::new(Home::new(&self.folder), output, Environment::default());
        (context.with(self.clock.clone(), Random::system()), captured)
    }

    pub(crate) async fn pull(&self) -> Result<(serde_json::Value, Captured), CliError> {
        let (context, captured) = self.context(true);
        let outcome = pull::run(
            pull::Args { members: Vec::new(), wait: None, choice: pull::Choice::default() },
            &context,
        )
        .await?;
        assert_eq!(outcome, Outcome::Done, "{}", captured.err());
        let answer = serde_json::from_str(&captured.out()).map_err(CliError::internal)?;
        Ok((answer, captured))
    }

    /// Statements held, newly listed, no longer listed.
    pub(crate) async fn pulled(&self) -> Result<[u64; 3], CliError> {
        let (answer, _) = self.pull().await?;
        let logs = answer["logs"].as_array().cloned().unwrap_or_default();
        let statements = logs.iter().filter_map(|log| log["statements"].as_u64()).sum();
        Ok([statements, answer["listed"].as_u64().unwrap_or(0), answer["unlisted"].as_u64().unwrap_or(0)])
    }

    async fn lookup(&self, arguments: &[&str]) -> Result<(Outcome, String), CliError> {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: lookup::Args,
        }
        let line = Line::try_parse_from([&["lookup"], arguments].concat()).map_err(CliError::usage)?;
        let (context, captured) = self.context(false);
        Ok((lookup::run(line.args, &context).await?, captured.out()))
    }

    pub(crate) async fn show(&self, what: &[&str]) -> Result<(Outcome, String), CliError> {
        let (context, captured) = self.context(false);
        let what = what.iter().map(|word| (*word).to_owned()).collect();
        Ok((show::run(show::Args { what }, &context).await?, captured.out()))
    }

    pub(crate) async fn status(&self) -> Result<(Outcome, String), CliError> {
        let (context, captured) = self.context(false);
        Ok((status::run(status::Args {}, &context).await?, captured.out()))
    }
}

async fn withdraw(desk: &Desk, seq: u64, target: &Address) -> Result<()> {
    let withdrawal = Withdrawal {
        federation: FEDERATION.into(),
        member: target.member.clone(),
        publisher: desk.publisher.clone(),
        key: PublicKey::of(&desk.key),
        seq,
        made_at: NOW,
        reason: WithdrawalReason::FalsePositive,
        erase: false,
        targets: vec![(target.entry, target.leaf)],
        second_key: None,
    };
    let item = wire::publish_request::Item::Withdrawal(Signed::sign(withdrawal, &desk.key).to_wire());
    submit(desk.channel.clone(), vec![item]).await?.into_iter().next().context("an answer")??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_pulls_looks_up_and_proves() -> Result<()> {
    let mut cluster = Cluster::start(&[("police.th.example", "TH"), ("ngo.nl.example", "NL")]).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let platform = Platform { folder: home(&cluster, &[0, 1])?, clock: cluster.clock() };
    let batch = desk.seal(vec![report(1, "one.example")?, report(2, "two.example")?], 1)?;
    let receipt = desk.publish(&batch).await??;
    cluster.settled(0, 0, 2).await?;
    let (outcome, text) = platform.status().await?;
    assert_eq!(outcome, Outcome::Done);
    assert!(text.contains("Nothing was pulled yet"), "{text}");
    assert_eq!(platform.pulled().await?, [2, 2, 0]);
    assert_eq!(platform.pulled().await?, [2, 0, 0]);

    let (outcome, text) = platform.lookup(&["one.example", "unknown.example"]).await?;
    assert_eq!(outcome, Outcome::Done);
    assert!(text.contains("LISTED") && text.contains("police.th.example/cyber-desk"), "{text}");
    let (outcome, text) = platform.lookup(&["unknown.example"]).await?;
    assert_eq!((outcome, text.as_str()), (Outcome::No, "Nothing is known about it.\n"));
    let (outcome, from_node) = platform.lookup(&["one.example", "--kind", "domain", "--node"]).await?;
    let (_, from_store) = platform.lookup(&["one.example", "--kind", "domain"]).await?;
    assert_eq!((outcome, from_node), (Outcome::Done, from_store), "the node and the store agree");

    let (outcome, text) = platform.show(&["domain", "one.example"]).await?;
    assert_eq!(outcome, Outcome::Done);
    assert!(text.contains("proof            holds"), "{text}");
    let leaf = batch.statements.iter().position(|bytes| bytes.windows(11).any(|part| part == b"one.example"));
    let address = Address {
        member: "police.th.example".parse()?,
        entry: receipt.index,
        leaf: leaf.context("a leaf")? as u32,
    };
    assert!(text.contains(&address.to_string()), "{text}");
    assert_eq!(platform.show(&[&address.to_string()]).await?.1, text);
    assert_eq!(platform.show(&["police.th.example:9.9"]).await?.0, Outcome::No);

    // The first node is gone: the second one has the log too.
    withdraw(&desk, 2, &address).await?;
    cluster.wait_for(1, 0, 3).await?;
    cluster.stop(0).await?;
    let (answer, captured) = platform.pull().await?;
    assert_eq!((answer["listed"].as_u64(), answer["unlisted"].as_u64()), (Some(0), Some(1)));
    assert!(captured.err().contains("police.th.example"), "{}", captured.err());
    assert_eq!(answer["logs"][1]["node"], "ngo.nl.example");
    let (outcome, text) = platform.lookup(&["one.example"]).await?;
    assert_eq!(outcome, Outcome::No);
    assert!(text.contains("not listed"), "{text}");
    assert!(platform.show(&["domain", "one.example"]).await?.1.contains("withdrawn"));
    let (outcome, text) = platform.status().await?;
    assert_eq!(outcome, Outcome::Done, "{text}");

    // Nobody answers: exit code 3, and the store still does.
    cluster.stop(1).await?;
    let error = platform.pull().await.expect_err("nobody answers");
    assert_eq!(error.exit(), Exit::Unavailable, "{error}");
    assert_eq!(platform.lookup(&["two.example"]).await?.0, Outcome::Done);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_whose_configured_node_is_down_reads_from_another_of_the_roster() -> Result<()> {
    let mut cluster = Cluster::start(&THREE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let platform = Platform { folder: home(&cluster, &[1])?, clock: cluster.clock() };
    let names: Vec<String> = cluster.members.iter().map(|member| member.name.to_string()).collect();
    desk.say(vec![report(1, "one.example")?], 1).await??;
    cluster.settled(2, 0, 2).await?;
    cluster.stop(1).await?;
    // Its own member's node first.
    let (answer, captured) = platform.pull().await?;
    assert_eq!((&answer["listed"], &answer["logs"][0]["node"]), (&1.into(), &names[2].as_str().into()));
    let said = captured.err();
    assert!(said.contains(&format!("{}: ", names[1])), "who did not answer: {said}");
    assert!(said.contains(&format!("asking the node of {}: it is not configured", names[2])), "{said}");
    // A value is asked of nobody whom the reader did not choose.
    let error = platform.lookup(&["one.example", "--node"]).await.expect_err("the configured node is down");
    assert_eq!(error.exit(), Exit::Unavailable, "{error}");
    cluster.stop(2).await?;
    let (answer, _) = platform.pull().await?;
    assert_eq!(answer["logs"][0]["node"], names[0], "then the others");
    // A live reader, too; and it returns to the configured node when the other one has gone.
    let (context, captured) = platform.context(true);
    let args = watch::Args { members: Vec::new(), choice: pull::Choice::default() };
    let live = async {
        said_on(&captured, &format!("watching 3 logs at {}", names[0])).await?;
        cluster.restart(1).await?;
        cluster.wait_for(1, 0, 2).await?;
        cluster.stop(0).await?;
        said_on(&captured, &format!("watching 3 logs at {}", names[1])).await
    };
    tokio::select! {
        ended = watch::run(args, &context) => anyhow::bail!("it ended: {ended:?}"),
        seen = live => seen,
    }
}

/// Waits until standard error says so.
async fn said_on(captured: &Captured, text: &str) -> Result<()> {
    for _ in 0..200 {
        if captured.err().contains(text) {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    anyhow::bail!("`{text}` was not said: {}", captured.err())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_named_and_pulled_again() -> Result<()> {
    let cluster = Cluster::start(&[("police.th.example", "TH")]).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let platform = Platform { folder: home(&cluster, &[0])?, clock: cluster.clock() };
    desk.publish(&desk.seal(vec![report(1, "one.example")?], 1)?).await??;
    assert_eq!(platform.pulled().await?, [1, 1, 0]);
    let replica = platform.folder.join("store/police.th.example");
    flip_last_byte(&replica.join("log"))?;
    let error = platform.show(&["domain", "one.example"]).await.expect_err("damaged");
    assert_eq!(error.exit(), Exit::Misbehaved, "{error}");
    assert!(error.to_string().contains("delete") && error.to_string().contains("almenara pull"), "{error}");
    std::fs::remove_dir_all(replica)?;
    assert_eq!(platform.pulled().await?, [1, 1, 0]);
    assert_eq!(platform.show(&["domain", "one.example"]).await?.0, Outcome::Done);
    Ok(())
}

fn flip_last_byte(path: &Path) -> Result<()> {
    let mut bytes = std::fs::read(path)?;
    *bytes.last_mut().context("a byte")? ^= 1;
    Ok(std::fs::write(path, bytes)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_is_shown_without_moving_a_terminal() -> Result<()> {
    let cluster = Cluster::start(&[("police.th.example", "TH")]).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let platform = Platform { folder: home(&cluster, &[0])?, clock: cluster.clock() };
    let hostile = "good \u{202e}elpmaxe.kcirt\u{2066}\u{feff}\u{200b} text";
    let said = in_report(report(1, "one.example")?, |report| {
        report.description = hostile.into();
        report.labels = vec![hostile.into()];
        report.campaign = hostile.into();
    });
    desk.say(vec![said], 1).await??;
    platform.pulled().await?;
    let tame = |text: &str| {
        let wild = |c: char| c.is_control() && c != '\n' || ('\u{200b}'..='\u{206f}').contains(&c);
        assert!(!text.chars().any(wild), "{text:?}");
    };
    let (_, text) = platform.show(&["domain", "one.example"]).await?;
    assert_eq!(text.matches("\\u{202e}elpmaxe.kcirt").count(), 3, "{text}");
    tame(&text);
    tame(&platform.lookup(&["one.example", "--node"]).await?.1);
    // What somebody typed comes back in an error.
    let error = platform.lookup(&["\u{1b}[2J\u{202e}x"]).await.expect_err("no indicator");
    tame(&error.to_string());
    let error = platform.lookup(&["\u{1b}[2J\u{202e}x", "--kind", "domain"]).await.expect_err("no domain");
    tame(&error.to_string());
    Ok(())
}

/// Waits until what was printed has a line about `value` that says whether it is listed, and is not pending.
async fn told(captured: &Captured, value: &str, listed: bool) -> Result<()> {
    for _ in 0..200 {
        let out = captured.out();
        let said = out.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut said = said.into_iter().filter(|line| line["pending"] == false);
        if said.any(|line| line["value"] == value && line["listed"] == listed) {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    anyhow::bail!("{value} {listed}: {} {}", captured.out(), captured.err())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_reader_is_told_when_something_is_listed_and_when_it_is_withdrawn() -> Result<()> {
    let mut cluster = Cluster::start(&[("police.th.example", "TH"), ("ngo.nl.example", "NL")]).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let platform = Platform { folder: home(&cluster, &[1])?, clock: cluster.clock() };
    desk.say(vec![report(1, "before.example")?], 1).await??;
    cluster.wait_for(1, 0, 2).await?;
    let (context, captured) = platform.context(true);
    let args = watch::Args { members: Vec::new(), choice: pull::Choice::default() };
    let live = async {
        told(&captured, "before.example", true).await?;
        let address =
            |entry| Ok::<_, anyhow::Error>(Address { member: "police.th.example".parse()?, entry, leaf: 0 });
        desk.say(vec![report(2, "new.example")?], 2).await??;
        told(&captured, "new.example", true).await?;
        withdraw(&desk, 3, &address(2)?).await?;
        told(&captured, "new.example", false).await?;
        // The node that it watches goes away and comes back: nothing is missed and nothing said twice.
        cluster.stop(1).await?;
        withdraw(&desk, 4, &address(1)?).await?;
        cluster.restart(1).await?;
        told(&captured, "before.example", false).await
    };
    tokio::select! {
        ended = watch::run(args, &context) => anyhow::bail!("it ended: {ended:?}"),
        seen = live => seen?,
    }
    // What came before it was cosigned was told of then, too.
    let out = captured.out();
    let lines: Vec<&str> = out.lines().filter(|line| !line.contains("\"pending\":true")).collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    // What was seen live is in the store.
    assert_eq!(platform.lookup(&["new.example"]).await?.0, Outcome::No);
    assert_eq!(platform.pulled().await?, [2, 0, 0]);
    Ok(())
}
