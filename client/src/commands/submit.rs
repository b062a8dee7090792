//! `almenara submit`: send signed files.

use crate::{
    context::Context,
    exit::{CliError, Outcome},
};

/// What to send.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Files of signed items
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<std::path::PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Not built yet.
///
/// # Errors
/// [`CliError`] (usage), always.
pub async fn run(_: Args, _: &Context) -> Result<Outcome, CliError> {
    Err(CliError::not_built("`almenara submit`"))
}
