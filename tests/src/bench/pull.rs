//! A platform: the commands `pull` and `export`, as a person types them.

use std::{path::Path, time::Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use almenara_certs::{Role, write_private};
use almenara_client::{hand::almenara, rosters};

use super::federation::Federation;
use crate::cluster::FEDERATION;

/// Gives seconds from the first request until the hosts file is in place: everything verified and stored.
///
/// # Errors
/// When a command fails, or the list is not whole.
pub async fn pull_and_export(federation: &Federation, total: u64, directory: &Path) -> Result<f64> {
    let home = directory.join("platform");
    for folder in ["tls", "rosters", "store", "keys"] {
        std::fs::create_dir_all(home.join(folder))?;
    }
    let leaf = federation.leaf(0, Role::Consumer, "platform")?;
    write_private(&home.join("tls").join("cert.pem"), &leaf.chain_pem)?;
    write_private(&home.join("tls").join("key.pem"), &leaf.key_pem)?;
    rosters::write(&home.join("rosters").join("1.roster"), &federation.roster.signed)?;
    let (node, hash) = (federation.name(0)?, federation.roster.id);
    // No second node runs meanwhile, that could cosign.
    let config = format!(
        "federation = \"{FEDERATION}\"\nroster = \"{hash}\"\nnodes = [\"{node}\"]\n[tls]\ncertificate = \
         \"tls/cert.pem\"\nkey = \"tls/key.pem\"\n[policy]\npending_allowed = true\n"
    );
    std::fs::write(home.join("almenara.toml"), config)?;
    let home_text = home.to_str().context("a UTF-8 path")?;
    let hosts = home.join("hosts");
    let begin = Instant::now();
    almenara(&["--home", home_text, "pull", node.as_str()]).await.done()?;
    let pulled = begin.elapsed().as_secs_f64();
    let export =
        ["--home", home_text, "export", "--format", "hosts", "-o", hosts.to_str().context("a UTF-8 path")?];
    let summary = almenara(&export).await.done()?;
    let seconds = begin.elapsed().as_secs_f64();
    let written = summary.get("written").and_then(Value::as_u64);
    anyhow::ensure!(written == Some(total), "{written:?} of {total} were written");
    eprintln!("  pull {pulled:.2} s, export {:.2} s", seconds - pulled);
    Ok(seconds)
}
