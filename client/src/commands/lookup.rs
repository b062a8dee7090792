//! `almenara lookup`: what is known about values.

use crate::{
    context::Context,
    exit::{CliError, Outcome},
};

/// What to ask.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Values; - reads them from standard input, one a line
    #[arg(required = true, value_name = "VALUE")]
    pub values: Vec<String>,
    /// Kind of the values; guessed when not given
    #[arg(long)]
    pub kind: Option<String>,
}

/// Not built yet.
///
/// # Errors
/// [`CliError`] (usage), always.
pub async fn run(_: Args, _: &Context) -> Result<Outcome, CliError> {
    Err(CliError::not_built("`almenara lookup`"))
}
