//! `almenara dispute`: another member's report is wrong.

use crate::{
    context::Context,
    exit::{CliError, Outcome},
};

/// What is disputed, and why.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Address of the report
    pub address: almenara_proto::name::Address,
    /// false_positive, outdated, shared_infrastructure, subject_objection or other
    #[arg(long)]
    pub reason: String,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Not built yet.
///
/// # Errors
/// [`CliError`] (usage), always.
pub async fn run(_: Args, _: &Context) -> Result<Outcome, CliError> {
    Err(CliError::not_built("`almenara dispute`"))
}
