//! `almenara show`: one statement.

use crate::{
    context::Context,
    exit::{CliError, Outcome},
};

/// Which one.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Its address, such as police.th.example:1042.17
    pub address: almenara_proto::name::Address,
}

/// Not built yet.
///
/// # Errors
/// [`CliError`] (usage), always.
pub async fn run(_: Args, _: &Context) -> Result<Outcome, CliError> {
    Err(CliError::not_built("`almenara show`"))
}
