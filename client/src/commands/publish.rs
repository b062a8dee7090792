//! `almenara publish`: sign drafts, or a list, and send them.

use std::path::PathBuf;

use super::{
    agree::agree,
    desk,
    list_args::ListArgs,
    lists,
    own_node::OwnNode,
    preview,
    send::{self, Sending},
};
use crate::{
    context::Context,
    exit::{CliError, Outcome},
    publish::Sealing,
    text::count,
};

/// What to publish.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Drafts files, or lists with the flags of `import`
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How to read lists.
    #[command(flatten)]
    pub list: ListArgs,
    /// Write what the node refuses, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub refused: Option<PathBuf>,
    /// Say who would see and who would keep each statement, and do nothing
    #[arg(long, conflicts_with = "dry_run")]
    pub preview: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Reads, signs, sends, and verifies the receipts.
///
/// # Errors
/// [`CliError`]: a file that cannot be read, no key or roster, a node that cannot be reached or misbehaves.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    if args.files.iter().any(|path| path == std::path::Path::new("-")) {
        return Err(CliError::usage(
            "publish reads its files twice, so it cannot read standard input: `almenara import` it to a drafts file",
        ));
    }
    if args.preview {
        return preview::run(&args.files, &args.list, context);
    }
    let sealer = desk::sealer(None, context)?;
    let node = OwnNode::find(context)?;
    if sealer.desk.publisher.member() != node.log.member.as_str() {
        return Err(CliError::usage(format!(
            "the certificate is of {}, and the desk is {}: one of them is another member's",
            node.log.member, sealer.desk.publisher
        )));
    }
    // The first reading tells what is about to leave; nothing has been signed yet.
    let mut first = args.list.open(&args.files, "reading", context)?;
    let tally = first.tally();
    for line in &mut first {
        line?;
    }
    drop(first);
    let report = tally.report();
    lists::tell(&report, &args.files, &context.output)?;
    if report.drafts() == 0 {
        context.output.warn("no line gave a draft, so there is nothing to publish");
        return Ok(Outcome::No);
    }
    let what = format!("{} statements as {}", count(report.drafts()), sealer.desk.publisher);
    if args.dry_run {
        context.output.note(format_args!("Would send {what} to {node}."));
        return Ok(Outcome::Done);
    }
    let Some(node) = agree(&what, &node, context).await? else { return Ok(Outcome::No) };
    // Signed under the roster that the node knows too.
    let sealer = desk::sealer(None, context)?;
    let list = ListArgs { report: None, ..args.list };
    let feed = Sealing::new(list.open(&args.files, "", context)?.drafts(), sealer);
    let sending = Sending { feed, total: report.drafts(), refused: args.refused, keep: true };
    send::send(sending, &node, context).await
}
