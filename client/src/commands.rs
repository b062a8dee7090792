//! One file a verb: its arguments and what it does with the library.

use crate::{
    cli::Verb,
    context::Context,
    exit::{CliError, Outcome},
};

mod agree;
mod desk;
mod feeds;
mod handling;
mod held;
mod history;
mod list_args;
mod lists;
mod own_node;
mod preview;
mod send;
#[cfg(test)]
mod tests;
mod unsettled;

pub mod audit;
pub mod completions;
pub mod custody;
pub mod dispute;
pub mod evidence;
pub mod export;
pub mod fetch;
pub mod grant;
pub mod import;
pub mod keygen;
pub mod lookup;
pub mod monitor;
pub mod prove;
pub mod publish;
pub mod pull;
pub mod revoke;
pub mod roster;
pub mod show;
pub mod sight;
pub mod sign;
pub mod status;
pub mod submit;
pub mod verify;
pub mod watch;
pub mod withdraw;

/// Does what was asked.
///
/// # Errors
/// [`CliError`], with blame.
pub async fn run(verb: Verb, context: &Context) -> Result<Outcome, CliError> {
    match verb {
        Verb::Keygen(args) => keygen::run(args, context).await,
        Verb::Grant(args) => grant::run(args, context).await,
        Verb::Revoke(args) => revoke::run(args, context).await,
        Verb::Roster(args) => roster::run(args, context).await,
        Verb::Import(args) => import::run(args, context).await,
        Verb::Sign(args) => sign::run(args, context).await,
        Verb::Publish(args) => publish::run(args, context).await,
        Verb::Submit(args) => submit::run(args, context).await,
        Verb::Withdraw(args) => withdraw::run(args, context).await,
        Verb::Dispute(args) => dispute::run(args, context).await,
        Verb::Sight(args) => sight::run(args, context).await,
        Verb::Pull(args) => pull::run(args, context).await,
        Verb::Watch(args) => watch::run(args, context).await,
        Verb::Lookup(args) => lookup::run(args, context).await,
        Verb::Export(args) => export::run(args, context).await,
        Verb::Show(args) => show::run(args, context).await,
        Verb::Fetch(args) => fetch::run(args, context).await,
        Verb::Custody(args) => custody::run(args, context).await,
        Verb::Audit(args) => audit::run(args, context).await,
        Verb::Monitor(args) => monitor::run(args, context).await,
        Verb::Prove(args) => prove::run(&args, context).await,
        Verb::Verify(args) => verify::run(&args, context),
        Verb::Status(args) => status::run(args, context).await,
        Verb::Evidence(args) => evidence::run(args, context).await,
        Verb::Completions(args) => completions::run(args, context).await,
    }
}
