//! `almenara dispute`: another member's report is wrong.

use almenara_proto::{
    indicator::{Hints, Kind, canonicalise},
    merkle::Hash,
    name::Address,
    statement::{Claim, Dispute, DisputeReason},
};

use super::{
    desk,
    handling::Handling,
    send::{self, OwnNode, Sending},
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
    /// Id of the report: its leaf hash, as `almenara show` prints it
    #[arg(long, value_name = "HEX")]
    pub id: Hash,
    /// Kind of its indicator
    #[arg(long)]
    pub kind: Kind,
    /// Value of its indicator
    #[arg(long)]
    pub value: String,
    /// Why, in words; no personal data
    #[arg(long, default_value = "")]
    pub description: String,
    /// Who may see it: nobody whom the report excludes.
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
    let indicator = canonicalise(args.kind, &args.value, &Hints::default()).map_err(CliError::usage)?.indicator;
    let sealer = desk::sealer(None, context)?;
    if args.address.member.as_str() == sealer.desk.publisher.member() {
        let address = &args.address;
        return Err(CliError::usage(format!("{address} is our own statement: `almenara withdraw {address}` ends it")));
    }
    let what = format!("a dispute of {} about {} {}", args.address, indicator.kind(), indicator.value());
    let claim = Claim::Dispute(Dispute {
        target: args.address,
        id: args.id,
        reason: args.reason,
        description: args.description,
        references: Vec::new(),
    });
    let draft = Draft::new(Source::default(), indicator, args.handling.release(), 0, claim, context.now())?;
    let node = OwnNode::find(context)?;
    if args.dry_run {
        context.output.note(format_args!("Would send {what} to {node}."));
        return Ok(Outcome::Done);
    }
    if !send::agree(&what, &node, context)? {
        return Ok(Outcome::No);
    }
    let feed = Sealing::new(std::iter::once(Ok(draft)), sealer);
    send::send(Sending { feed, total: 1, refused: None, keep: true }, &node, context).await
}
