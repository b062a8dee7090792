//! `almenara dispute`: another member's report is wrong.

use almenara_proto::{
    name::Address,
    statement::{Claim, Dispute, DisputeReason},
};

use super::{
    agree::agree,
    desk,
    handling::Handling,
    held,
    own_node::OwnNode,
    send::{self, Sending},
};
use crate::{
    context::Context,
    draft::{DISPUTE_REASONS, Draft, Source},
    exit::{CliError, Outcome},
    publish::Sealing,
};

/// What is disputed, and why.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Address of the report
    pub address: Address,
    /// false_positive, outdated, shared_infrastructure, subject_objection or other
    #[arg(long, value_parser = reason)]
    pub reason: DisputeReason,
    /// Why, in words; no personal data
    #[arg(long, default_value = "")]
    pub description: String,
    /// Who may see it: nobody but those who may see the report, and they when nothing is said.
    #[command(flatten)]
    pub handling: Handling,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

fn reason(name: &str) -> Result<DisputeReason, String> {
    DISPUTE_REASONS
        .into_iter()
        .find(|(known, _)| *known == name)
        .map(|(_, reason)| reason)
        .ok_or_else(|| format!("there are: {}", DISPUTE_REASONS.map(|(known, _)| known).join(", ")))
}

/// Signs a dispute and sends it.
///
/// # Errors
/// [`CliError`]: a rule of the protocol is broken, no key, a node that cannot be reached or misbehaves.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    if args.address.member.as_str() == desk::publisher(context)?.member() {
        let address = &args.address;
        return Err(CliError::usage(format!(
            "{address} is our own statement: `almenara withdraw {address}` ends it"
        )));
    }
    let (leaf, report) = held::statement(&args.address, context)?;
    if report.report().is_none() {
        return Err(CliError::usage(format!("{} is no report: only reports can be disputed", args.address)));
    }
    let indicator = report.indicator;
    let release = args.handling.release()?.unwrap_or(report.release);
    let what = format!("a dispute of {} about {} {}", args.address, indicator.kind(), indicator.value());
    let claim = Claim::Dispute(Dispute {
        target: args.address,
        id: leaf.id,
        reason: args.reason,
        description: args.description,
        references: Vec::new(),
    });
    let draft = Draft::new(Source::default(), indicator, release, 0, claim, context.now())?;
    let node = OwnNode::find(context)?;
    if args.dry_run {
        context.output.note(format_args!("Would send {what} to {node}."));
        return Ok(Outcome::Done);
    }
    let Some(node) = agree(&what, &node, context).await? else { return Ok(Outcome::No) };
    // Signed under the roster that the node knows too.
    let feed = Sealing::new(std::iter::once(Ok(draft)), desk::sealer(None, context)?);
    send::send(Sending { feed, total: 1, refused: None, keep: true }, &node, context).await
}
