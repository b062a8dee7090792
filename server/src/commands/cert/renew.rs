//! `almenarad cert renew`: the same name, a new key, a new life.

use std::path::{Path, PathBuf};

use almenara_certs::{LEAF_VALIDITY, replace_private};
use almenara_client::{
    exit::{CliError, Outcome},
    text::moment,
};
use serde::Serialize;

use super::authority;
use crate::context::Context;

/// Which one.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Folder with cert.pem and key.pem, or the certificate, with key.pem beside it [default: the node's own]
    pub place: Option<PathBuf>,
    /// Say what would be renewed, and renew nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What was renewed.
#[derive(Debug, Serialize)]
struct Renewed {
    id: String,
    valid_until: u64,
    certificate: PathBuf,
    key: PathBuf,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let config = context.config()?;
    let authority = authority(&config, context)?;
    let (certificate, key) = match &args.place {
        None => (config.tls.certificate, config.tls.key),
        Some(folder) if folder.is_dir() => (folder.join("cert.pem"), folder.join("key.pem")),
        Some(file) => (file.clone(), file.parent().unwrap_or(Path::new("")).join("key.pem")),
    };
    let old = std::fs::read_to_string(&certificate).map_err(|error| CliError::file(&certificate, &error))?;
    if !key.exists() {
        return Err(CliError::usage(format!(
            "{} is not there: the key that belongs to {} must lie beside it",
            key.display(),
            certificate.display()
        )));
    }
    let leaf = authority
        .renew(&old, LEAF_VALIDITY, context.now())
        .map_err(|error| CliError::from(error).at(certificate.display()))?;
    let renewed = Renewed {
        id: leaf.id.to_string(),
        valid_until: context.now().saturating_add(LEAF_VALIDITY.as_secs()),
        certificate,
        key,
    };
    if args.dry_run {
        context.output.answer(&renewed, |renewed| format!("Would renew {}", renewed.id))?;
        return Ok(Outcome::Done);
    }
    // A crash between the two leaves a pair that does not fit: nothing loads it, and renewing again mends it.
    replace_private(&renewed.key, &leaf.key_pem)?;
    replace_private(&renewed.certificate, &leaf.chain_pem)?;
    context
        .output
        .answer(&renewed, |renewed| format!("{} until {}", renewed.id, moment(renewed.valid_until)))?;
    Ok(Outcome::Done)
}
