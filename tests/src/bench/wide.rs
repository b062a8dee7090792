//! A federation of many members in one process: how soon all hold what each says, and how soon it is settled.

use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::Serialize;

use almenara_proto::limits::BATCH_STATEMENTS;
use almenara_server::compare::Pace;

use super::machine::{peak_rss_mib, percentile};
use crate::{
    cluster::{Cluster, Setup},
    desk::report,
};

/// Members of the federation of which most tests speak; settling by two of three other jurisdictions.
const QUORUM: u32 = 2;
/// Publications of which settling is timed.
const SETTLED: u64 = 500;
/// Keys of desks; members' own keys are made of the bytes below.
const DESK_SEED: u8 = 190;
/// Where the members sit: each somewhere else.
const PLACES: [&str; 30] = [
    "TH", "NL", "US", "KH", "MM", "LA", "VN", "PH", "SG", "MY", "ID", "CN", "TW", "JP", "KR", "IN", "AU",
    "NZ", "GB", "DE", "FR", "ES", "IT", "PL", "SE", "CA", "BR", "ZA", "NG", "KE",
];

/// The figures of one run.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Wide {
    /// Nodes, each of another jurisdiction, over mutual TLS on loopback.
    pub members: usize,
    /// Statements of all of them together.
    pub statements: u64,
    /// From the first publication until every node held everything, verified.
    pub converged_s: f64,
    /// Statements that nodes took in from others, all nodes together, a second.
    pub replicated_per_s: f64,
    /// From publishing one statement until two other jurisdictions' cosignatures are at its origin.
    pub settled_p50_ms: f64,
    /// The same.
    pub settled_p99_ms: f64,
    /// Of the process with all nodes.
    pub rss_mib: f64,
}

/// Runs `members` nodes, of which each publishes its part of `statements`.
///
/// # Errors
/// When a node does not start, or more members are asked for than places are known.
pub async fn run(members: usize, statements: u64, note: impl Fn(&str)) -> Result<Wide> {
    let places = PLACES.get(..members).filter(|_| members > QUORUM as usize);
    let places = places.with_context(|| format!("3 to {} members", PLACES.len()))?;
    let names: Vec<String> = places.iter().map(|place| format!("{}.example", place.to_lowercase())).collect();
    let listed: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(places.iter().copied()).collect();
    note("start");
    // Comparing as often as tests do would be most of what thirty nodes on one machine do.
    let setup = Setup { quorum: Some(QUORUM), pace: Pace::default(), ..Setup::default() };
    let cluster = Cluster::start_with(&listed, setup).await?;
    let each = statements / members as u64;
    let mut batches = Vec::new();
    for member in 0..members {
        let desk = cluster.grant(member, "desk", DESK_SEED + u8::try_from(member)?).await?;
        let numbers: Vec<u64> = (0..each).map(|n| n * members as u64 + member as u64).collect();
        let made = numbers.chunks(BATCH_STATEMENTS).map(|numbers| {
            numbers.iter().map(|n| report(*n, &super::load::domain(*n))).collect::<Result<Vec<_>>>()
        });
        batches.push((desk, made.collect::<Result<Vec<_>>>()?));
    }
    note("converge");
    let begin = Instant::now();
    let publishing: Vec<_> = batches
        .into_iter()
        .map(|(desk, batches)| {
            tokio::spawn(async move {
                for (seq, statements) in (1..).zip(batches) {
                    desk.say(statements, seq).await??;
                }
                anyhow::Ok(desk)
            })
        })
        .collect();
    let mut desks = Vec::new();
    for one in publishing {
        desks.push(one.await??);
    }
    for reader in 0..members {
        for origin in (0..members).filter(|origin| *origin != reader) {
            cluster.caught_up(reader, origin).await?;
        }
    }
    let converged_s = begin.elapsed().as_secs_f64();
    note(&format!("converged in {converged_s:.1} s; settle {SETTLED} publications, one after another"));
    let (desk, origin) = (desks.first().context("a desk")?, &cluster.member(0)?.name);
    let mut head = cluster.node(0)?.heads().subscribe(origin).context("its own log")?;
    let mut times = Vec::new();
    for n in 0..SETTLED {
        let number = statements + n;
        let begin = Instant::now();
        let receipt = desk.say(vec![report(number, &super::load::domain(number))?], 1_000 + n).await??;
        head.wait_for(|head| head.settled_size() > receipt.index).await?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    Ok(Wide {
        members,
        statements: each * members as u64,
        converged_s,
        replicated_per_s: (each * members as u64 * (members as u64 - 1)) as f64 / converged_s,
        settled_p50_ms: percentile(&mut times, 0.5),
        settled_p99_ms: percentile(&mut times, 0.99),
        rss_mib: peak_rss_mib(std::process::id())?,
    })
}

impl Wide {
    /// The table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let settled = if self.settled_p99_ms <= 250.0 { "✓" } else { "✗" };
        format!(
            "{} members, {} statements, quorum {QUORUM}\n\
             converged_s       {:>12.1}\n\
             replicated_per_s  {:>12.1}\n\
             settled_p50_ms    {:>12.1}\n\
             settled_p99_ms    {:>12.1} {settled} ≤ 250\n\
             rss_mib           {:>12.1}   (all nodes)\n",
            self.members,
            self.statements,
            self.converged_s,
            self.replicated_per_s,
            self.settled_p50_ms,
            self.settled_p99_ms,
            self.rss_mib
        )
    }
}
