//! What the machine can do at best: the yardsticks that the figures are read against.

use std::{fs::File, io::Write as _, path::Path, time::Instant};

use almenara_proto::keys::{Context, SigningKey};
use anyhow::Result;

/// Ed25519 verifications a second on one core: a parsed key, 200 bytes. The yardstick V.
///
/// # Errors
/// Never, unless Ed25519 is broken here.
pub fn ed25519_verify_per_s() -> Result<f64> {
    let key = SigningKey::from_bytes(&[7; 32]);
    let verifying = key.verifying_key();
    let body = [3u8; 200];
    let signature = Context::Batch.sign(&body, &key);
    let (begin, mut count) = (Instant::now(), 0u32);
    while begin.elapsed().as_secs_f64() < 0.5 {
        for _ in 0..100 {
            Context::Batch.verify(&body, &signature, &verifying)?;
        }
        count += 100;
    }
    Ok(f64::from(count) / begin.elapsed().as_secs_f64())
}

/// Median milliseconds to append 4 KiB and fdatasync, in the directory of the databases.
///
/// # Errors
/// When the file cannot be written.
pub fn fdatasync_p50_ms(directory: &Path) -> Result<f64> {
    let mut file = File::create(directory.join("fdatasync.probe"))?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let begin = Instant::now();
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    Ok(percentile(&mut times, 0.5))
}

/// The `share` (0 to 1) percentile; sorts.
#[must_use]
pub fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}

/// The largest resident set so far of a process, in MiB.
///
/// # Errors
/// When the process is gone.
pub fn peak_rss_mib(process: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.trim().parse::<f64>().ok())
        .unwrap_or_default();
    Ok(kib / 1024.0)
}
