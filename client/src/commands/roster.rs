//! `almenara roster`: who belongs. Everything here works on files, offline.
//!
//! ```text
//! member.entry (from `almenarad init`, one a member) ─new→ v1.roster ─sign, by each member's root key→ v1.roster
//!   ─the hash is compared by voice→ `almenarad join` on nodes, `almenara roster accept` elsewhere
//! ```

mod accept;
mod new;
mod show;
mod sign;
#[cfg(test)]
mod tests;
mod verify;

use crate::{
    context::Context,
    exit::{CliError, Outcome},
};

/// What to do with rosters.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Verb {
    /// Make version 1 from the members' entries
    New(new::Args),
    /// Sign a roster file with a member's root key
    Sign(sign::Args),
    /// Show a roster file: members, votes, signatures, hash
    Show(show::Args),
    /// Check a chain of roster files against a hash that was given out of band
    Verify(verify::Args),
    /// Take roster files into the own home, under the configured hash
    Accept(accept::Args),
    /// Make a later version (not built yet)
    Propose(Propose),
}

/// Later versions need the running log's segments, and come with the next release.
#[derive(Clone, Debug, clap::Args)]
struct Propose {
    /// Anything
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Does it.
///
/// # Errors
/// [`CliError`], with blame.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    match args.verb {
        Verb::New(args) => new::run(args, context),
        Verb::Sign(args) => sign::run(&args, context),
        Verb::Show(args) => show::run(&args, context),
        Verb::Verify(args) => verify::run(&args, context),
        Verb::Accept(args) => accept::run(&args, context),
        Verb::Propose(_) => Err(CliError::not_built("`almenara roster propose` (versions after the first)")),
    }
}
