//! `almenarad demo`: a federation of three nodes on this machine.

use almenara_client::exit::{CliError, Outcome};

use crate::context::Context;

/// Not built yet.
///
/// # Errors
/// [`CliError`] (usage), always.
pub async fn run(_: &Context) -> Result<Outcome, CliError> {
    Err(CliError::not_built("`almenarad demo`"))
}
