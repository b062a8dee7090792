//! What is measured, phase by phase, at both sizes.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde::Serialize;
use tempfile::TempDir;
use tokio::sync::mpsc;

use almenara_certs::Role;
use almenara_client::clock;
use almenara_proto::{keys::PublicKey, log::KeyGrant, name::Publisher, signed::Signed, wire};

use super::{
    federation::Federation,
    load::{self, Desk},
    machine::{ed25519_verify_per_s, percentile},
};
use crate::cluster::{FEDERATION, submit};

/// Single publications, and the keys that make them.
const SINGLES: u64 = 60_000;
const PUBLISHERS: u64 = 64;
/// Publications whose way to another node's reader is timed.
const VISIBLE: u64 = 500;

/// The figures of one size.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    /// How many statements.
    pub statements: u64,
    /// End to end.
    pub publish_per_s: f64,
    /// Verified and stored by the second node.
    pub replicate_per_s: f64,
    /// Verified, stored and exported as a hosts file by a platform.
    pub pull_per_s: f64,
    /// 1,000 values a call, a tenth of them hits.
    pub lookup_bulk_per_s: f64,
    /// The same, all of them hits.
    pub lookup_bulk_all_hits_per_s: f64,
    /// One value a call, one call after another.
    pub lookup_p99_us: f64,
    /// Batches of one, 64 publishers at once, durable receipts.
    pub single_publish_per_s: f64,
    /// The same while the second node follows, verifies and cosigns on the same cores.
    pub single_publish_followed_per_s: f64,
    /// From publishing on A until a live reader of B has verified it.
    pub visible_p50_ms: f64,
    /// The same.
    pub visible_p99_ms: f64,
    /// The largest resident set of any node.
    pub server_rss_mib_max: f64,
    /// The database after a checkpoint.
    pub disk_bytes_per_statement: f64,
    /// The write-ahead log at its largest.
    pub wal_peak_mib: f64,
}

impl Figures {
    /// What was measured before and after something else, in the middle: a machine whose speed wanders through a run
    /// would else be measured as growth.
    #[must_use]
    pub fn around(before: &Self, after: &Self) -> Self {
        let mean = |of: fn(&Self) -> f64| f64::midpoint(of(before), of(after));
        Self {
            statements: before.statements,
            publish_per_s: mean(|figures| figures.publish_per_s),
            replicate_per_s: mean(|figures| figures.replicate_per_s),
            pull_per_s: mean(|figures| figures.pull_per_s),
            lookup_bulk_per_s: mean(|figures| figures.lookup_bulk_per_s),
            lookup_bulk_all_hits_per_s: mean(|figures| figures.lookup_bulk_all_hits_per_s),
            lookup_p99_us: mean(|figures| figures.lookup_p99_us),
            single_publish_per_s: mean(|figures| figures.single_publish_per_s),
            single_publish_followed_per_s: mean(|figures| figures.single_publish_followed_per_s),
            visible_p50_ms: mean(|figures| figures.visible_p50_ms),
            visible_p99_ms: mean(|figures| figures.visible_p99_ms),
            server_rss_mib_max: before.server_rss_mib_max.max(after.server_rss_mib_max),
            disk_bytes_per_statement: mean(|figures| figures.disk_bytes_per_statement),
            wal_peak_mib: before.wal_peak_mib.max(after.wal_peak_mib),
        }
    }
}

/// What is measured at one go. Every size goes through one phase before any goes to the next, so that sizes are
/// compared within seconds of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// One desk, full batches.
    Publish,
    /// A platform verifies all, and exports.
    Pull,
    /// A tenth of the values asked for is known.
    Lookup,
    /// All of them are known.
    LookupHits,
    /// The second node catches up.
    Replicate,
    /// To a live reader of the second node.
    Visible,
    /// Batches of one.
    Singles,
}

impl Phase {
    /// In the order in which they follow from each other.
    pub const ALL: [Self; 7] = [
        Self::Publish,
        Self::Pull,
        Self::Lookup,
        Self::LookupHits,
        Self::Replicate,
        Self::Visible,
        Self::Singles,
    ];
}

/// Two nodes at one size, and what was measured of them.
pub struct Bed {
    directory: TempDir,
    federation: Federation,
    desk: Desk,
    now: u64,
    /// So far.
    pub figures: Figures,
}

impl Bed {
    /// Two members, the first one's node running and empty.
    ///
    /// # Errors
    /// When a node does not start.
    pub async fn make(total: u64) -> Result<Self> {
        let directory = TempDir::new()?;
        let mut federation = Federation::create(directory.path()).await?;
        federation.start(0).await?;
        let desk = grant(&federation, "desk").await?;
        let figures = Figures { statements: total, ..Default::default() };
        Ok(Self { directory, federation, desk, now: clock::system()(), figures })
    }

    /// Measures one phase.
    ///
    /// # Errors
    /// When a node or a check fails.
    pub async fn measure(&mut self, phase: Phase) -> Result<()> {
        let (total, now) = (self.figures.statements, self.now);
        let spread = |at: u64| at.wrapping_mul(7_919) % total;
        let tenth = |at: u64| if at.is_multiple_of(10) { spread(at) } else { total + at };
        let federation = &mut self.federation;
        let figures = &mut self.figures;
        match phase {
            Phase::Publish => {
                figures.publish_per_s = total as f64 / self.desk.publish_all(total, now).await?;
            }
            Phase::Pull => {
                let seconds = super::pull::pull_and_export(federation, total, self.directory.path()).await?;
                figures.pull_per_s = total as f64 / seconds;
            }
            Phase::Lookup => {
                let consumer = federation.connect(0, Role::Consumer, "app").await?;
                (figures.lookup_bulk_per_s, _, _) =
                    load::lookups(&consumer, total.min(500_000), 4, tenth).await?;
            }
            Phase::LookupHits => {
                let consumer = federation.connect(0, Role::Consumer, "app").await?;
                (figures.lookup_bulk_all_hits_per_s, _, _) =
                    load::lookups(&consumer, total.min(200_000), 4, spread).await?;
                figures.lookup_p99_us = load::single_lookups(&consumer, 2_000, spread).await?;
            }
            Phase::Replicate => {
                let begin = Instant::now();
                federation.start(1).await?;
                caught_up(federation).await?;
                figures.replicate_per_s = total as f64 / begin.elapsed().as_secs_f64();
                figures.wal_peak_mib =
                    federation.disk(0)?.1.max(federation.disk(1)?.1) as f64 / f64::from(1 << 20);
                federation.stop(0).await?;
                figures.disk_bytes_per_statement = federation.disk(0)?.0 as f64 / total as f64;
                federation.start(0).await?;
            }
            Phase::Visible => {
                (figures.visible_p50_ms, figures.visible_p99_ms) = visible(federation, total, now).await?;
            }
            Phase::Singles => {
                federation.stop(1).await?;
                figures.single_publish_per_s = singles(federation, "alone", total * 3, now).await?;
                federation.start(1).await?;
                caught_up(federation).await?;
                figures.single_publish_followed_per_s =
                    singles(federation, "followed", total * 3 + SINGLES, now).await?;
                caught_up(federation).await?;
            }
        }
        federation.note_rss()?;
        figures.server_rss_mib_max = federation.rss_mib_max;
        Ok(())
    }
}

/// Every phase at a tenth, at the whole and at a tenth again, side by side. Gives the tenth, the whole, and V of each
/// phase: the mean of what one core verified just before each of the three.
///
/// # Errors
/// When a node or a check fails.
pub async fn run(total: u64, note: impl Fn(&str)) -> Result<(Figures, Figures, BTreeMap<Phase, f64>)> {
    let tenth = (total / 10).max(1);
    let mut beds = [Bed::make(tenth).await?, Bed::make(total).await?, Bed::make(tenth).await?];
    let mut yardsticks = BTreeMap::new();
    for phase in Phase::ALL {
        let mut verified = 0.0;
        for bed in &mut beds {
            note(&format!("{phase:?} at {}", bed.figures.statements));
            verified += ed25519_verify_per_s()?;
            bed.measure(phase).await?;
        }
        yardsticks.insert(phase, verified / beds.len() as f64);
    }
    let [before, whole, after] = beds.map(|bed| bed.figures);
    Ok((Figures::around(&before, &after), whole, yardsticks))
}

/// Until B holds all that A has.
async fn caught_up(federation: &Federation) -> Result<()> {
    let reader = federation.connect(1, Role::Auditor, "reader").await?;
    let size = federation.size(&federation.connect(0, Role::Auditor, "reader").await?, 0).await?;
    while federation.size(&reader, 0).await? < size {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

pub(super) async fn grant(federation: &Federation, desk: &str) -> Result<Desk> {
    let member = federation.name(0)?;
    let publisher = Publisher::new(&member, desk)?;
    let seed = almenara_proto::merkle::sha256(&[desk.as_bytes()]).0;
    let secret = almenara_proto::keys::SigningKey::from_bytes(&seed);
    let content = KeyGrant {
        federation: FEDERATION.into(),
        member,
        publisher: publisher.clone(),
        key: PublicKey::of(&secret),
        note: String::new(),
    };
    let signed = Signed::sign(content, &federation.root_key(0));
    let operator = federation.connect(0, Role::Operator, "ops").await?;
    let item = wire::publish_request::Item::KeyGrant(signed.to_wire());
    submit(operator, vec![item]).await?.into_iter().next().context("no answer")??;
    let channel = federation.connect(0, Role::Publisher, desk).await?;
    Ok(Desk { publisher, key: secret, channel })
}

async fn visible(federation: &Federation, total: u64, now: u64) -> Result<(f64, f64)> {
    let desk = grant(federation, "visible").await?;
    let reader = federation.connect(1, Role::Consumer, "live").await?;
    let (send, mut seen) = mpsc::channel(64);
    let roster = federation.roster.roster.clone();
    let following = tokio::spawn(load::live_reader(reader, federation.name(0)?, roster, send));
    let size = federation.size(&federation.connect(0, Role::Auditor, "reader").await?, 0).await?;
    while let Some((index, _)) = seen.recv().await {
        if index + 1 >= size {
            break;
        }
    }
    let mut times = Vec::new();
    for n in 0..VISIBLE {
        let begin = Instant::now();
        let number = total * 2 + n;
        desk.publish_singles(number..number + 1, now).await?;
        let (_, at) = seen.recv().await.context("the live reader stopped")?;
        times.push(at.duration_since(begin).as_secs_f64() * 1e3);
    }
    following.abort();
    Ok((percentile(&mut times, 0.5), percentile(&mut times, 0.99)))
}

async fn singles(federation: &Federation, name: &str, from: u64, now: u64) -> Result<f64> {
    let mut desks = Vec::new();
    for n in 0..PUBLISHERS {
        desks.push(grant(federation, &format!("{name}-{n}")).await?);
    }
    let each = SINGLES / PUBLISHERS;
    let begin = Instant::now();
    let publishing: Vec<_> = (0u64..)
        .zip(desks)
        .map(|(n, desk)| {
            let first = from + n * each;
            tokio::spawn(async move { desk.publish_singles(first..first + each, now).await })
        })
        .collect();
    for one in publishing {
        one.await??;
    }
    Ok((each * PUBLISHERS) as f64 / begin.elapsed().as_secs_f64())
}
