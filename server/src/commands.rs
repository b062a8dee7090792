//! One file a verb of the operator.

use almenara_client::exit::{CliError, Outcome};

use crate::{cli::Verb, context::Context, demo};

pub mod accesses;
pub mod cert;
pub mod entry;
pub mod init;
pub mod join;
pub mod run;
pub mod status;

/// Does what was asked.
///
/// # Errors
/// [`CliError`], with blame.
pub async fn run(verb: Verb, context: &Context) -> Result<Outcome, CliError> {
    match verb {
        Verb::Init(args) => init::run(&args, context),
        Verb::Join(args) => join::run(&args, context),
        Verb::Run(args) => run::run(&args, context).await,
        Verb::Status => status::run(context).await,
        Verb::Accesses(args) => accesses::run(&args, context).await,
        Verb::Entry(args) => entry::run(&args, context),
        Verb::Cert(verb) => cert::run(verb, context),
        Verb::Demo(args) => demo::run(args, context).await,
    }
}

#[cfg(all(test, unix))]
mod tests;
