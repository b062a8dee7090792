//! `almenarad cert inspect`: what a certificate says, and whether it would be accepted now.

use std::path::PathBuf;

use almenara_certs::{Bearer, Usage, inspect, verify};
use almenara_client::{
    exit::{CliError, Outcome},
    output::Style,
    rosters,
    text::duration,
};
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject as _};
use serde::Serialize;

use crate::context::Context;

/// Which one.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Certificate, PEM [default: the node's own]
    pub file: Option<PathBuf>,
}

/// What it says, and the answer.
#[derive(Debug, Serialize)]
struct Answer {
    bearer: String,
    issuer: String,
    not_before: u64,
    not_after: u64,
    dns: Vec<String>,
    ips: Vec<String>,
    sha256: String,
    /// Whether nodes of the federation accept it now; unknown without a roster, and for authorities.
    accepted: Option<bool>,
    /// In words.
    judgement: String,
}

/// Done when nothing speaks against it; no when it has expired or nobody would accept it.
pub(super) fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let path = match &args.file {
        Some(path) => path.clone(),
        None => context.config()?.tls.certificate,
    };
    let pem = std::fs::read_to_string(&path).map_err(|error| CliError::file(&path, &error))?;
    let inspection = inspect(&pem).map_err(|error| CliError::from(error).at(path.display()))?;
    let now = context.now();
    let in_force = (inspection.not_before..=inspection.not_after).contains(&now);
    let (accepted, judgement) = match &inspection.bearer {
        _ if now > inspection.not_after => {
            let ago = duration(now.saturating_sub(inspection.not_after));
            (
                Some(false),
                format!("it expired {ago} ago: renew it with `almenarad cert renew {}`", path.display()),
            )
        }
        Bearer::Leaf(_) => judge(&pem, context)?,
        Bearer::Authority { .. } => (None, "an authority: the roster decides whether it counts".to_owned()),
    };
    let words = inspection.to_string();
    let answer = Answer {
        bearer: inspection.bearer.to_string(),
        issuer: inspection.issuer,
        not_before: inspection.not_before,
        not_after: inspection.not_after,
        dns: inspection.dns,
        ips: inspection.ips.iter().map(ToString::to_string).collect(),
        sha256: inspection.fingerprint_sha256,
        accepted,
        judgement,
    };
    let good = in_force && accepted != Some(false);
    context.output.answer(&answer, |answer| {
        let left = answer.not_after.saturating_sub(now);
        let style = if good { Style::Good } else { Style::Bad };
        let left = if in_force { format!("\nleft          {}", duration(left)) } else { String::new() };
        format!("{words}{left}\njudged        {}", context.output.paint(style, &answer.judgement))
    })?;
    Ok(if good { Outcome::Done } else { Outcome::No })
}

/// As every node judges it, when this home has joined a federation.
fn judge(pem: &str, context: &Context) -> Result<(Option<bool>, String), CliError> {
    let config = if context.home.config().exists() { Some(context.config()?) } else { None };
    let Some(config) = config.filter(|config| config.roster.is_some()) else {
        return Ok((None, "no roster here to judge it by".to_owned()));
    };
    let authorities = rosters::authorities(&context.rosters(&config)?.current().roster)?;
    let chain: Result<Vec<CertificateDer<'_>>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let chain = chain.map_err(|error| CliError::usage(format!("the chain: {error}")))?;
    let [leaf, intermediates @ ..] = chain.as_slice() else {
        return Err(CliError::usage("there is no certificate in it"));
    };
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(context.now()));
    Ok(match verify(leaf, intermediates, &authorities, now, Usage::Client) {
        Ok(_) => (Some(true), format!("accepted by the nodes of {}", config.federation)),
        Err(error) => (Some(false), error.to_string()),
    })
}
