//! An auditor: a whole log replayed, all its statements looked at, tiles as fast as they are served, a proof file.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use almenara_certs::{Role, write_private};
use almenara_client::{clock, hand::almenara, rosters, rpc::publish_service_client::PublishServiceClient};
use almenara_proto::{limits::MESSAGE_BYTES, proof::Proof, wire};

use super::{
    federation::Federation,
    load::Desk,
    machine::{ed25519_verify_per_s, peak_rss_mib, percentile},
    measure::grant,
};
use crate::cluster::FEDERATION;

/// Entries of the log whose tiles are asked for: 64 full tiles and bundles, more than any processor's cache holds twice.
const ENTRIES: u64 = 16_400;
/// Batches of one that are on their way at once.
const IN_FLIGHT: usize = 64;
/// Verifications of the proof file whose median is given.
const VERIFICATIONS: usize = 1_000;
/// How long wrk asks, in seconds, and over how many connections.
const ASKING: (u64, u64) = (10, 64);

/// The figures of one size.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    /// How many, in full batches.
    pub statements: u64,
    /// Seconds from the start of `almenara audit` to its end: every entry, tile, key and cosignature.
    pub headers_s: f64,
    /// The same with `--sample all`: every statement in clear, and every leaf hash.
    pub statements_per_s: f64,
    /// The largest resident set of the first.
    pub headers_rss_mib: f64,
    /// The largest resident set of the second.
    pub statements_rss_mib: f64,
    /// Bytes of a proof file of one statement.
    pub proof_bytes: f64,
    /// Milliseconds to check it, without reading the file: the median.
    pub proof_verified_ms: f64,
}

/// Everything of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Audits {
    /// Verifications a second on one core: the yardstick V.
    pub ed25519_verify_per_s: f64,
    /// At a tenth of the size.
    pub tenth: Figures,
    /// At the whole size.
    pub whole: Figures,
    /// Full tiles a second, as wrk counts them over TLS; nothing where there is no wrk.
    pub tiles_per_s: Option<f64>,
    /// Bundles of 256 entries a second, the same.
    pub bundles_per_s: Option<f64>,
}

/// Below so many MiB memory is flat enough at any size.
const FLAT_MIB: f64 = 128.0;

/// What a child process tells of a command that it ran.
#[derive(Debug, Serialize, Deserialize)]
struct Done {
    rss_mib: f64,
    answer: Value,
}

/// Runs everything at `total` statements and at a tenth.
///
/// # Errors
/// When a node or a check fails.
pub async fn run(total: u64, note: impl Fn(&str)) -> Result<Audits> {
    let tenth = at((total / 10).max(1), &note).await?;
    let whole = at(total, &note).await?;
    note("tiles");
    let (tiles_per_s, bundles_per_s) = tiles().await?;
    Ok(Audits { ed25519_verify_per_s: ed25519_verify_per_s()?, tenth, whole, tiles_per_s, bundles_per_s })
}

/// A command in a process of its own (used by the benchmark itself): prints what it answered, and its memory.
///
/// # Errors
/// What the command said.
pub async fn child(words: &[String]) -> Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let answer = almenara(&words).await.done()?;
    let done = Done { rss_mib: peak_rss_mib(std::process::id())?, answer };
    println!("{}", serde_json::to_string(&done)?);
    Ok(())
}

async fn at(total: u64, note: &impl Fn(&str)) -> Result<Figures> {
    let directory = TempDir::new()?;
    let mut federation = Federation::create(directory.path()).await?;
    let now = clock::system()();
    note(&format!("{total}: publish and settle"));
    federation.start(0).await?;
    federation.start(1).await?;
    grant(&federation, "desk").await?.publish_all(total, now).await?;
    settled(&federation).await?;
    federation.stop(1).await?;

    let home = home(&federation, directory.path())?;
    let node = federation.name(0)?.to_string();
    note(&format!("{total}: audit"));
    let audit = |more: &[&str]| {
        let begin = Instant::now();
        let words = [&["--home", &home, "audit", &node, "--log", &node, "--full"], more].concat();
        let done = in_a_process(&words)?;
        let log = done.answer.pointer("/logs/0").cloned().unwrap_or_default();
        ensure!(log["whole"] == true && log["statements"] == total, "{}", done.answer);
        anyhow::Ok((begin.elapsed().as_secs_f64(), done.rss_mib, log))
    };
    let (headers_s, headers_rss_mib, _) = audit(&[])?;
    let (seconds, statements_rss_mib, log) = audit(&["--sample", "all"])?;
    ensure!(log["shown"] == total, "not all statements were looked at: {log}");

    note(&format!("{total}: prove"));
    in_a_process(&["--home", &home, "pull", &node])?;
    let file = directory.path().join("said.proof");
    let path = file.to_str().context("a UTF-8 path")?;
    in_a_process(&["--home", &home, "prove", &format!("{node}:1.0"), "-o", path])?;
    let bytes = std::fs::read(&file)?;
    let mut times = Vec::with_capacity(VERIFICATIONS);
    for _ in 0..VERIFICATIONS {
        let begin = Instant::now();
        let proven = Proof::parse(&bytes)?.verify(&federation.roster.id)?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        ensure!(proven.existed_by().is_some(), "nobody cosigned it");
    }
    Ok(Figures {
        statements: total,
        headers_s,
        statements_per_s: total as f64 / seconds,
        headers_rss_mib,
        statements_rss_mib,
        proof_bytes: bytes.len() as f64,
        proof_verified_ms: percentile(&mut times, 0.5),
    })
}

/// Waits until the second node has cosigned all that the first one has.
async fn settled(federation: &Federation) -> Result<()> {
    let reader = federation.connect(0, Role::Auditor, "reader").await?;
    for _ in 0..6_000 {
        let request = wire::GetCheckpointRequest { origin: federation.name(0)?.to_string(), size: 0 };
        let mut client = almenara_client::rpc::log_service_client::LogServiceClient::new(reader.clone());
        let answer = client.get_checkpoint(request).await?.into_inner();
        // Origin, size and root of both.
        let text = |note: &[u8]| {
            String::from_utf8_lossy(note).lines().take(3).map(str::to_owned).collect::<Vec<_>>()
        };
        if text(&answer.checkpoint) == text(&answer.settled) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the second node does not cosign")
}

/// The files of somebody who reads all that everybody may read.
fn home(federation: &Federation, directory: &Path) -> Result<String> {
    let home = directory.join("court");
    for folder in ["tls", "rosters", "store", "keys"] {
        std::fs::create_dir_all(home.join(folder))?;
    }
    let leaf = federation.leaf(0, Role::Auditor, "court")?;
    write_private(&home.join("tls").join("cert.pem"), &leaf.chain_pem)?;
    write_private(&home.join("tls").join("key.pem"), &leaf.key_pem)?;
    rosters::write(&home.join("rosters").join("1.roster"), &federation.roster.signed)?;
    let config = format!(
        "federation = \"{FEDERATION}\"\nroster = \"{}\"\nnodes = [\"{}\"]\n",
        federation.roster.id,
        federation.name(0)?
    );
    std::fs::write(home.join("almenara.toml"), config)?;
    Ok(home.to_str().context("a UTF-8 path")?.to_owned())
}

fn in_a_process(words: &[&str]) -> Result<Done> {
    let output = Command::new(std::env::current_exe()?)
        .arg("--almenara")
        .args(words)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "{words:?} failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Full tiles and full bundles a second: wrk asks a node with a log of many entries for one after another.
async fn tiles() -> Result<(Option<f64>, Option<f64>)> {
    if Command::new("wrk").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        eprintln!("no wrk here: it measures tiles; Debian has a package of that name");
        return Ok((None, None));
    }
    let directory = TempDir::new()?;
    let mut federation = Federation::create(directory.path()).await?;
    federation.start(0).await?;
    let desk = grant(&federation, "desk").await?;
    entries(&desk).await?;
    let address = federation.roster.roster.member(&federation.name(0)?).context("a member")?.grpc.clone();
    let tiles = wrk(directory.path(), &address, "/log/tile/0/%03d")?;
    let bundles = wrk(directory.path(), &address, "/log/tile/entries/%03d")?;
    federation.stop(0).await?;
    Ok((Some(tiles), Some(bundles)))
}

/// Publishes batches of one, many on their way at once.
async fn entries(desk: &Desk) -> Result<()> {
    let (send, requests) = mpsc::channel(IN_FLIGHT);
    let (now, sealing) = (clock::system()(), desk.clone());
    let sealing = tokio::task::spawn_blocking(move || {
        for n in 1..ENTRIES {
            let item = wire::publish_request::Item::Batch(sealing.seal(n..n + 1, n, now)?.to_wire());
            send.blocking_send(wire::PublishRequest { item: Some(item) })?;
        }
        anyhow::Ok(())
    });
    let mut client = PublishServiceClient::new(desk.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
    let mut answers = client.publish(ReceiverStream::new(requests)).await?.into_inner();
    while let Some(answer) = answers.message().await? {
        let taken = matches!(answer.outcome, Some(wire::publish_response::Outcome::Receipt(_)));
        ensure!(taken, "refused: {answer:?}");
    }
    sealing.await?
}

/// Requests a second over TLS with keep-alive, each of the full pages in turn; every answer must be 200.
fn wrk(directory: &Path, address: &str, path: &str) -> Result<f64> {
    let full = ENTRIES / 256;
    let script: PathBuf = directory.join("pages.lua");
    std::fs::write(
        &script,
        format!(
            "local n = 0\nrequest = function()\n  n = (n + 1) % {full}\n  return wrk.format(\"GET\", \
             string.format(\"{path}\", n))\nend\n"
        ),
    )?;
    let (seconds, connections) = ASKING;
    let output = Command::new("wrk")
        .args(["--threads", "1", "--connections", &connections.to_string()])
        .args(["--duration", &format!("{seconds}s"), "--script"])
        .arg(&script)
        .arg(format!("https://{address}"))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success() && !text.contains("Non-2xx"), "wrk: {text}");
    let rate = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    Ok(rate.context("wrk gives no rate")?.trim().parse()?)
}

/// A figure's name, where it is, and whether it reaches which goal.
type Row<'a> = (&'a str, fn(&Figures) -> f64, (bool, &'a str));

impl Audits {
    /// The table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let (v, tenth, whole) = (self.ed25519_verify_per_s, &self.tenth, &self.whole);
        // A tenth of a small size does not fill what is bounded.
        let flat =
            |of: fn(&Figures) -> f64| (of(whole) <= (1.25 * of(tenth)).max(FLAT_MIB), "flat, or ≤ 128");
        let rows: [Row<'_>; 6] = [
            ("headers_s", |f| f.headers_s, (whole.headers_s <= 2.0, "≤ 2")),
            ("statements_per_s", |f| f.statements_per_s, (whole.statements_per_s >= 8.0 * v, "≥ 8 V")),
            ("headers_rss_mib", |f| f.headers_rss_mib, flat(|f| f.headers_rss_mib)),
            ("statements_rss_mib", |f| f.statements_rss_mib, flat(|f| f.statements_rss_mib)),
            ("proof_bytes", |f| f.proof_bytes, (whole.proof_bytes <= 8192.0, "≤ 8192")),
            ("proof_verified_ms", |f| f.proof_verified_ms, (whole.proof_verified_ms <= 5.0, "≤ 5")),
        ];
        let mut out = format!(
            "V = {v:.0} Ed25519 verifications a second on one core; 8 V = {:.0}\n{:<24}{:>14}{:>14}   goal\n",
            8.0 * v,
            "statements",
            tenth.statements,
            whole.statements
        );
        for (name, of, (reached, goal)) in rows {
            let mark = if reached { "✓" } else { "✗" };
            out.push_str(&format!("{name:<24}{:>14.2}{:>14.2} {mark} {goal}\n", of(tenth), of(whole)));
        }
        let served =
            [("tiles_per_s", self.tiles_per_s, Some(20_000.0)), ("bundles_per_s", self.bundles_per_s, None)];
        for (name, rate, least) in served {
            let Some(rate) = rate else { continue };
            let goal = match least {
                Some(least) if rate >= least => format!("✓ ≥ {least}"),
                Some(least) => format!("✗ ≥ {least}"),
                None => "(no goal)".to_owned(),
            };
            out.push_str(&format!("{name:<24}{:>14}{rate:>14.0} {goal}\n", "by wrk"));
        }
        out
    }
}
