//! `almenara pull`: fetch and verify what is new.

use crate::{
    context::Context,
    exit::{CliError, Outcome},
};

/// What to fetch.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Members whose logs are wanted; all when none is given
    #[arg(value_name = "MEMBER")]
    pub members: Vec<almenara_proto::name::MemberName>,
}

/// Not built yet.
///
/// # Errors
/// [`CliError`] (usage), always.
pub async fn run(_: Args, _: &Context) -> Result<Outcome, CliError> {
    Err(CliError::not_built("`almenara pull`"))
}
