//! `almenara export`: blocklists and feeds.

use crate::{
    context::Context,
    exit::{CliError, Outcome},
};

/// What to write.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Format
    pub format: String,
    /// File to write; standard output when not given
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<std::path::PathBuf>,
}

/// Not built yet.
///
/// # Errors
/// [`CliError`] (usage), always.
pub async fn run(_: Args, _: &Context) -> Result<Outcome, CliError> {
    Err(CliError::not_built("`almenara export`"))
}
