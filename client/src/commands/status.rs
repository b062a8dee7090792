//! `almenara status`: logs, sizes, ages and trouble of the local store.

use crate::{
    context::Context,
    exit::{CliError, Outcome},
};

/// Nothing but the flags of every verb.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// Not built yet.
///
/// # Errors
/// [`CliError`] (usage), always.
pub async fn run(_: Args, _: &Context) -> Result<Outcome, CliError> {
    Err(CliError::not_built("`almenara status`"))
}
