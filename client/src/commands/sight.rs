//! `almenara sight`: a reported indicator was seen.

use crate::{
    context::Context,
    exit::{CliError, Outcome},
};

/// What was seen.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Kind of the value
    pub kind: String,
    /// The value
    pub value: String,
    /// How often
    #[arg(long, default_value_t = 1)]
    pub count: u64,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Not built yet.
///
/// # Errors
/// [`CliError`] (usage), always.
pub async fn run(_: Args, _: &Context) -> Result<Outcome, CliError> {
    Err(CliError::not_built("`almenara sight`"))
}
