//! `almenarad cert`: certificates of the own member.

mod client_home;
mod inspect;
mod issue;
mod renew;

use std::path::Path;

use almenara_certs::{Authority, read_private};
use almenara_client::exit::{CliError, Outcome};

use crate::{config::Config, context::Context, keys::next_path};

/// What to do with certificates.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Verb {
    /// Issue a certificate, and a ready home for whoever gets it
    Issue(issue::Args),
    /// Show what a certificate says, and whether it would be accepted now
    Inspect(inspect::Args),
    /// Issue a certificate anew: the same name, a new key, a new life
    Renew(renew::Args),
}

/// Does it.
///
/// # Errors
/// [`CliError`], with blame.
pub fn run(verb: Verb, context: &Context) -> Result<Outcome, CliError> {
    match verb {
        Verb::Issue(args) => issue::run(&args, context),
        Verb::Inspect(args) => inspect::run(&args, context),
        Verb::Renew(args) => renew::run(&args, context),
    }
}

/// The own member's authority, which `init` made; once the roster lists the one that `entry --rotate tls` made, that.
fn authority(config: &Config, context: &Context) -> Result<Authority, CliError> {
    let next = next_path(&context.home.tls("authority.pem"));
    if config.roster.is_some() && next.exists() {
        let next = load(&next, &context.home.tls("authority.next.key"), config)?;
        let rosters = context.rosters(config)?;
        let listed = rosters.current().roster.member(&config.member);
        if listed.is_some_and(|member| member.tls_ca.iter().any(|ca| **ca == **next.cert_der())) {
            return Ok(next);
        }
    }
    load(&context.home.tls("authority.pem"), &context.home.tls("authority.key"), config)
}

fn load(path: &Path, key: &Path, config: &Config) -> Result<Authority, CliError> {
    let certificate = std::fs::read_to_string(path).map_err(|error| CliError::file(path, &error))?;
    let authority = Authority::load(&certificate, &read_private(key)?)
        .map_err(|error| CliError::from(error).at(path.display()))?;
    if authority.member() != config.member.as_str() {
        return Err(CliError::usage(format!(
            "{} is the authority of {}, not of {}",
            path.display(),
            authority.member(),
            config.member
        )));
    }
    Ok(authority)
}
