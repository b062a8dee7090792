//! `almenara roster`: who belongs. Everything here works on files, offline; only `submit` calls nodes.
//!
//! ```text
//! member.entry (from `almenarad init`, one a member) ─new→ v1.roster ─sign, by each member's root key→ v1.roster
//!   ─the hash is compared by voice→ `almenarad join` on nodes, `almenara roster accept` elsewhere
//! the current version ─propose→ v2.roster ─sign, by members of most jurisdictions→ their copies ─merge→ v2.roster
//!   ─submit→ nodes, which hand it on
//! ```

mod accept;
mod amend;
mod before;
mod merge;
mod new;
mod propose;
mod show;
mod sign;
mod submit;
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
    /// Check roster files: do they follow, who voted, what is missing
    Verify(verify::Args),
    /// Take roster files into the own home, under the configured hash
    Accept(accept::Args),
    /// Make the next version from the current one
    Propose(propose::Args),
    /// Put the signatures of several copies of a roster file into one
    Merge(merge::Args),
    /// Send a signed version to the nodes of almenara.toml (online)
    Submit(submit::Args),
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
        Verb::Propose(args) => propose::run(args, context),
        Verb::Merge(args) => merge::run(&args, context),
        Verb::Submit(args) => submit::run(&args, context).await,
    }
}
