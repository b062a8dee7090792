//! `almenara submit`: send signed files.

use std::path::PathBuf;

use super::{
    feeds,
    own_node::OwnNode,
    send::{self, Sending},
};
use crate::{
    context::Context,
    exit::{CliError, Outcome},
    text::{count, plural},
};

/// What to send.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Files of signed items
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Looks through the files first, so that a damaged one is noticed before anything is sent; then sends them.
///
/// # Errors
/// [`CliError`]: a file that cannot be read or is damaged, a node that cannot be reached or misbehaves.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    let node = OwnNode::find(context)?;
    let (mut number, mut statements) = (0usize, 0u64);
    for item in feeds::items(args.files.clone())? {
        number = number.saturating_add(1);
        statements = statements.saturating_add(item?.statements());
    }
    if number == 0 {
        context.output.warn("the files hold no signed item");
        return Ok(Outcome::No);
    }
    let what =
        format!("{} with {} statements", plural(number, "signed item", "signed items"), count(statements));
    if args.dry_run {
        context.output.note(format_args!("Would send {what} to {node}."));
        return Ok(Outcome::Done);
    }
    let Some(node) = node.ask(&what, context).await? else { return Ok(Outcome::No) };
    let feed = feeds::files(args.files)?;
    send::send(Sending { feed, total: statements, refused: None, keep: false }, &node, context).await
}
