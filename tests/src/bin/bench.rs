//! `bench --statements N [--json FILE]`: the benchmark of the README, at N and at N/10; with `--members M`, a
//! federation of M nodes instead.

use std::path::{Path, PathBuf};

use almenara_tests::bench::{decisions, federation, machine, measure, report::Report, wide};
use anyhow::Result;
use clap::Parser;
use serde::Serialize;

// That of the binaries.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Two nodes with mTLS and SQLite as processes of their own, and everything that a user waits for.
#[derive(Parser)]
struct Args {
    /// Statements at the whole size; each phase is measured at a tenth before and after, so that growth shows.
    #[arg(long, default_value_t = 100_000)]
    statements: u64,
    /// So many nodes in one process, each of another jurisdiction: how soon all hold everything, and it is settled.
    #[arg(long, value_name = "M")]
    members: Option<usize>,
    /// Also write the figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Be the node of this number (used by the benchmark itself).
    #[arg(long, hide = true, requires = "directory")]
    node: Option<usize>,
    /// Where that node's files are.
    #[arg(long, hide = true)]
    directory: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    if let (Some(member), Some(directory)) = (args.node, &args.directory) {
        tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(std::io::stderr).init();
        return federation::node(member, directory).await;
    }
    if let Some(members) = args.members {
        let figures =
            wide::run(members, args.statements, |step| eprintln!("{members} members: {step}")).await?;
        print!("{}", figures.table());
        return write(args.json.as_deref(), &figures);
    }
    let probe = tempfile::TempDir::new()?;
    let (tenth, whole, ed25519_verify_per_s) =
        measure::run(args.statements, |step| eprintln!("{step}")).await?;
    let report = Report {
        ed25519_verify_per_s,
        release_per_s: decisions::per_second().await?,
        fdatasync_p50_ms: machine::fdatasync_p50_ms(probe.path())?,
        tenth,
        whole,
    };
    print!("{}", report.table());
    write(args.json.as_deref(), &report)
}

fn write(file: Option<&Path>, figures: &impl Serialize) -> Result<()> {
    match file {
        Some(file) => Ok(std::fs::write(file, serde_json::to_string_pretty(figures)?)?),
        None => Ok(()),
    }
}
