//! `almenara import`: from other people's formats to drafts.

use crate::{
    context::Context,
    exit::{CliError, Outcome},
};

/// What to read.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Files to read; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<std::path::PathBuf>,
    /// Format of the files; guessed when not given
    #[arg(long)]
    pub format: Option<String>,
    /// Kind of the values, for lists without one
    #[arg(long)]
    pub kind: Option<String>,
    /// Category of the reports
    #[arg(long)]
    pub category: Vec<String>,
    /// Drafts file to write
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
    Err(CliError::not_built("`almenara import`"))
}
