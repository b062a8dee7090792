//! `almenara sign`: drafts to signed batches, offline.

use crate::{
    context::Context,
    exit::{CliError, Outcome},
};

/// What to sign.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Drafts files
    #[arg(required = true, value_name = "DRAFTS")]
    pub files: Vec<std::path::PathBuf>,
    /// Signing key; the configured desk's when not given
    #[arg(long, value_name = "FILE")]
    pub key: Option<std::path::PathBuf>,
    /// File of signed items to write
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<std::path::PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Not built yet.
///
/// # Errors
/// [`CliError`] (usage), always.
pub async fn run(_: Args, _: &Context) -> Result<Outcome, CliError> {
    Err(CliError::not_built("`almenara sign`"))
}
