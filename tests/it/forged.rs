//! Logs that no honest node writes: what is void is isolated, and the rest goes on (HOSTILE line 64).

use anyhow::{Context as _, Result};
use bytes::Bytes;

use almenara_certs::Role;
use almenara_proto::{
    batch::{Author, SignedBatch, seal},
    keys::PublicKey,
    log::{KeyGrant, LogEntry, Withdrawal},
    name::Publisher,
    signed::Signed,
    wire,
};
use almenara_tests::{
    cluster::{Cluster, FEDERATION, NOW, Setup, key},
    desk::{Desk, report},
    forge::Forged,
};
use tonic::transport::Endpoint;

use crate::THREE;

/// A desk of the first member, before any node runs.
fn forger(cluster: &Cluster) -> Result<Desk> {
    let channel = Endpoint::from_static("http://localhost:1").connect_lazy();
    Ok(Desk { publisher: Publisher::new(&cluster.member(0)?.name, "desk")?, key: key(100), channel })
}

fn grant(cluster: &Cluster) -> Result<Forged> {
    Ok(Forged::plain(&LogEntry::KeyGrant(cluster.key_grant(0, "desk", PublicKey::of(&key(100)))?)))
}

fn shown(batch: &SignedBatch) -> Forged {
    Forged {
        bytes: LogEntry::Batch(batch.header.clone()).encode(),
        statements: batch.statements.clone(),
        counts: true,
    }
}

fn from_wire(batch: wire::SubmittedBatch) -> Result<Forged> {
    Ok(shown(&SignedBatch::parse(batch)?))
}

fn batch(desk: &Desk, number: u64, domain: &str) -> Result<SignedBatch> {
    let author = Author { federation: FEDERATION, publisher: &desk.publisher, key: &desk.key };
    Ok(seal(&author, vec![report(number, domain)?], number, 1, NOW)?)
}

/// Starts the federation on a log that begins with a grant, then `poison`, then a good batch (seq 9); checks that
/// the good one reaches a peer, and a third member through that peer.
async fn check(poison: impl Fn(&Desk) -> Result<Vec<Forged>>) -> Result<Cluster> {
    let mut cluster = Cluster::prepare(&THREE, Setup::default()).await?;
    let desk = forger(&cluster)?;
    let mut entries = vec![grant(&cluster)?];
    entries.extend(poison(&desk)?);
    entries.push(shown(&batch(&desk, 9, "good.example")?));
    let size = entries.len() as u64;
    cluster.forge(0, entries).await?;
    cluster.restart(0).await?;
    cluster.restart(1).await?;
    cluster.wait_for(1, 0, size).await.context("the replica")?;
    let reader = cluster.reader(1, 1, Role::Consumer, "app").await?;
    assert!(reader.lookup(&["good.example"]).await?[0].listed, "what came after it counts");
    let relayed = cluster.follow(1, 0, 2).await.context("the relay")?;
    assert_eq!(relayed.len() as u64, size);
    let last = relayed.last().and_then(|entry| entry.batch.as_ref()).context("the good batch")?;
    assert_eq!(last.leaves.len(), 1, "in clear");
    // And nothing of it is lost by a restart.
    cluster.stop(1).await?;
    cluster.restart(1).await?;
    assert_eq!(cluster.follow(1, 0, 2).await?.len() as u64, size);
    Ok(cluster)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_nonsense_is_isolated() -> Result<()> {
    let nonsense = |bytes: &'static [u8]| Forged {
        bytes: Bytes::from_static(bytes),
        statements: Vec::new(),
        counts: false,
    };
    check(|_| Ok(vec![nonsense(b"nonsense"), nonsense(b""), nonsense(&[0; 40_000])])).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_does_not_count_is_isolated() -> Result<()> {
    let cluster = check(|desk| {
        let first = batch(desk, 5, "first.example")?;
        let replayed = batch(desk, 5, "replayed.example")?;
        let stranger = Desk { key: key(200), ..desk.clone() };
        let ungranted = batch(&stranger, 6, "ungranted.example")?;
        let mut unsigned = batch(desk, 7, "unsigned.example")?;
        unsigned.header.signature[0] ^= 1;
        Ok([first, replayed, ungranted, unsigned].iter().map(shown).collect())
    })
    .await?;
    let reader = cluster.reader(1, 1, Role::Consumer, "app").await?;
    let names = ["first.example", "replayed.example", "ungranted.example", "unsigned.example"];
    let listed: Vec<bool> = reader.lookup(&names).await?.iter().map(|verdict| verdict.listed).collect();
    assert_eq!(listed, [true, false, false, false]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_does_not_parse_is_isolated_whatever_its_size() -> Result<()> {
    let cluster = check(|desk| {
        let mut entries = Vec::new();
        for (seq, void) in (1u64..).zip([1, 1_000, 16 * 1024 + 1, 60_000]) {
            let good = report(seq, &format!("beside{seq}.example"))?.encode().into();
            let void = Bytes::from(vec![0; void]);
            entries.push(from_wire(desk.seal_raw(vec![void, good], seq, |body| body)?)?);
        }
        Ok(entries)
    })
    .await?;
    let reader = cluster.reader(1, 1, Role::Consumer, "app").await?;
    for seq in 1..=4 {
        let verdict = reader.lookup(&[&format!("beside{seq}.example")]).await?.remove(0);
        assert!(verdict.listed, "what stands beside void statement {seq} counts");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_which_nothing_is_shown_is_isolated_and_never_cosigned() -> Result<()> {
    let cluster = check(|desk| {
        let hidden = batch(desk, 1, "hidden.example")?;
        Ok(vec![Forged { counts: false, statements: Vec::new(), ..shown(&hidden) }])
    })
    .await?;
    // Nobody vouches for a count whose leaves were kept back, though every later entry is whole.
    let name = &cluster.member(0)?.name;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(cluster.node(0)?.heads().get(name).context("its log")?.settled_size(), 0);
    let replica = cluster.node(1)?.heads().get(name).context("the replica")?;
    assert_eq!((replica.hollow, replica.prefix.size()), (Some(1), 3));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_of_what_cannot_exist_is_isolated() -> Result<()> {
    let cluster = check(|desk| {
        let first = batch(desk, 1, "first.example")?;
        let targets = [(0, 0), (1, 0), (1, 7), (1, 4_096), (1, u32::MAX)];
        let withdrawal: Signed<Withdrawal> = desk.withdrawal(&targets, 2)?;
        Ok(vec![shown(&first), Forged::plain(&LogEntry::Withdrawal(withdrawal))])
    })
    .await?;
    let reader = cluster.reader(1, 1, Role::Consumer, "app").await?;
    assert!(!reader.lookup(&["first.example"]).await?[0].listed, "what exists is withdrawn");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_member_says_in_the_name_of_another_counts_nowhere() -> Result<()> {
    let cluster = check(|desk| {
        // 'ngo.nl.example said so', in the log of the police and under keys of the police; the second is also
        // granted in the ngo's name.
        let said = Publisher::new(&"ngo.nl.example".parse()?, "desk")?;
        let author = Author { federation: FEDERATION, publisher: &said, key: &desk.key };
        let batch = seal(&author, vec![report(1, "relayed.example")?], 1, 1, NOW)?;
        let grant = KeyGrant {
            federation: FEDERATION.into(),
            member: "ngo.nl.example".parse()?,
            publisher: said.clone(),
            key: PublicKey::of(&key(101)),
            note: String::new(),
        };
        let grant = Forged::plain(&LogEntry::KeyGrant(Signed::sign(grant, &key(1))));
        let author = Author { key: &key(101), ..author };
        let granted = seal(&author, vec![report(2, "granted.example")?], 1, 1, NOW)?;
        Ok(vec![shown(&batch), Forged { counts: false, ..grant }, shown(&granted)])
    })
    .await?;
    let reader = cluster.reader(1, 1, Role::Consumer, "app").await?;
    let verdicts = reader.lookup(&["relayed.example", "granted.example"]).await?;
    assert!(verdicts.iter().all(|verdict| !verdict.known && !verdict.listed), "{verdicts:?}");
    for entry in cluster.follow(1, 0, 2).await?.get(1..4).context("three entries")? {
        assert!(entry.outcome.is_err(), "every reader judges it void: {:?}", entry.outcome);
    }
    Ok(())
}
