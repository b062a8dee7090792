//! `long-log --home DIR --entries N`: fills the empty log of a node that does not run, for checks that need a log with
//! several levels of tiles sooner than desks can publish one.
//!
//! A grant, then signed batches of one statement each, under the node's own keys, committed as the node itself does.
//! Statements are not kept, their leaf hashes are: the log is what readers of tiles read.

use std::path::PathBuf;

use almenara_client::{
    clock,
    config::Environment,
    keyfile::{self, Purpose},
    passphrase::Passphrases,
};
use almenara_proto::{
    batch::{Author, seal},
    checkpoint::SignedCheckpoint,
    indicator::{Indicator, Kind},
    keys::{PublicKey, SigningKey},
    log::{KeyGrant, LogEntry},
    merkle::{self, Hash},
    name::Publisher,
    prefix::{CheckedEntry, Prefix},
    release::Release,
    signed::Signed,
    statement::{Category, Claim, Report, Ruleset, Statement},
    tile::Edge,
};
use almenara_server::{
    config::Config,
    home::NodeHome,
    keys::NodeKeys,
    store::{
        Store,
        write::{Append, NewEntry},
    },
};
use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use clap::Parser;

/// Fills the empty log of a node that does not run.
#[derive(Parser)]
struct Args {
    /// The node's home, with its root key.
    #[arg(long)]
    home: PathBuf,
    /// How long the log becomes.
    #[arg(long, default_value_t = 70_000)]
    entries: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let environment = Environment::read();
    let home = NodeHome::find(Some(args.home), None, &environment)?;
    let config = Config::read(&home, &environment)?;
    let passphrases = Passphrases::default();
    let keys = NodeKeys::load(&config.keys, &config.member, None, &passphrases)?;
    let root = keyfile::load(&home.key("root.pem"), Purpose::Root, &passphrases)?;
    let store = Store::open(config.store.as_str()).await?;
    let log = store.add_log(config.member.as_str()).await?;
    let head = store.heads().await?.into_iter().find(|head| head.log == log).context("the log")?;
    ensure!(head.size == 0, "the log has entries already");

    let rosters =
        almenara_client::rosters::Rosters::open(home.rosters(), config.roster.context("a joined roster")?)?;
    let roster = &rosters.current().roster;
    let (federation, publisher) = (roster.federation.clone(), Publisher::new(&config.member, "long-desk")?);
    let desk = SigningKey::from_bytes(&merkle::sha256(&[b"a desk of tests"]).0);
    let grant = KeyGrant {
        federation: federation.clone(),
        member: config.member.clone(),
        publisher: publisher.clone(),
        key: PublicKey::of(&desk),
        note: String::new(),
    };
    let grant = LogEntry::KeyGrant(Signed::sign(grant, &root.key));
    let author = Author { federation: &federation, publisher: &publisher, key: &desk };
    let now = clock::system()();

    let mut prefix = Prefix::new(&federation, config.member.clone());
    let (mut entries, mut leaves): (Vec<NewEntry>, Vec<Hash>) = (Vec::new(), Vec::new());
    for index in 0..args.entries {
        let entry = match index {
            0 => grant.clone(),
            _ => LogEntry::Batch(seal(&author, vec![statement(index, now)?], index, 1, now)?.header),
        };
        // Of one statement the leaf is the root.
        let leaf_hashes = match &entry {
            LogEntry::Batch(header) => Some(vec![header.content.root]),
            _ => None,
        };
        let (id, bytes): (Hash, Bytes) = (entry.id(), entry.encode());
        let counted = prefix.append_checked(&bytes, CheckedEntry::check(entry), roster);
        counted.outcome?;
        leaves.push(counted.leaf);
        entries.push(NewEntry {
            index,
            bytes,
            id,
            counts: true,
            open: false,
            statements: Vec::new(),
            leaf_hashes,
            relayed: false,
        });
    }
    let signed = SignedCheckpoint::sign(prefix.checkpoint(), &keys.log)?;
    let append = Append {
        log,
        old_size: 0,
        size: prefix.size(),
        tree: prefix.tree().to_bytes(),
        checkpoint: Bytes::copy_from_slice(signed.note()),
        settled: Bytes::new(),
        archived: None,
        hollow: None,
        entries,
        tiles: Edge::new().append(&leaves),
        spoke: Vec::new(),
        keys: prefix.keys().collect(),
        moved_at: now,
        withdrawn: Vec::new(),
        erased: Vec::new(),
        tombstones: Vec::new(),
        revocations: Vec::new(),
    };
    store.commit(&[append], &[]).await?;
    store.close().await;
    println!("{} entries", args.entries);
    Ok(())
}

fn statement(number: u64, now: u64) -> Result<Statement> {
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&number.to_be_bytes());
    Ok(Statement {
        nonce,
        indicator: Indicator::new(Kind::Domain, format!("scam{number}.example"))?,
        made_at: now,
        ruleset: Ruleset::default(),
        release: Release::clear(),
        copies: 0,
        claim: Claim::Report(Report::new(Kind::Domain, Category::PHISHING, now)),
    })
}
