//! `almenara withdraw`: end statements.

use crate::{
    context::Context,
    exit::{CliError, Outcome},
};

/// What to end, and why.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Addresses, such as police.th.example:1042.17
    #[arg(required = true, value_name = "ADDRESS")]
    pub addresses: Vec<almenara_proto::name::Address>,
    /// false_positive, outdated, error, legal_order or victim_protection
    #[arg(long)]
    pub reason: String,
    /// Write a signed file instead of sending
    #[arg(long, value_name = "FILE")]
    pub sign_only: Option<std::path::PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Not built yet.
///
/// # Errors
/// [`CliError`] (usage), always.
pub async fn run(_: Args, _: &Context) -> Result<Outcome, CliError> {
    Err(CliError::not_built("`almenara withdraw`"))
}
