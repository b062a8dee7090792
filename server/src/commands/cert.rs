//! `almenarad cert`: certificates of the own member.

mod client_home;
mod inspect;
mod issue;
mod renew;

use almenara_certs::{Authority, read_private};
use almenara_client::exit::{CliError, Outcome};

use crate::{config::Config, context::Context};

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

/// The own member's authority, which `init` made.
fn authority(config: &Config, context: &Context) -> Result<Authority, CliError> {
    let (path, key) = (context.home.tls("authority.pem"), context.home.tls("authority.key"));
    let certificate = std::fs::read_to_string(&path).map_err(|error| CliError::file(&path, &error))?;
    let authority = Authority::load(&certificate, &read_private(&key)?)
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
