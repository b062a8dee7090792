//! `almenara withdraw`: end statements.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use almenara_proto::{
    indicator::Kind,
    keys::PublicKey,
    limits::WITHDRAWAL_TARGETS,
    log::{Withdrawal, WithdrawalReason},
    name::{Address, MemberName},
    signed::{Body as _, Signed},
    wire::{PublishRequest, publish_request::Item},
};

use super::{
    agree::agree,
    desk, feeds, held,
    own_node::OwnNode,
    send::{self, Sending},
};
use crate::{
    context::Context,
    exit::{CliError, Outcome},
    keyfile::{self, KeyFile, KeyFileError, Purpose},
    passphrase::Passphrases,
    publish::{Sealer, Submission},
    text::plural,
};

/// What to end, and why.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Addresses, such as police.th.example:1042.17
    #[arg(required_unless_present = "indicator", value_name = "ADDRESS")]
    pub addresses: Vec<Address>,
    /// All own reports on this indicator that the local store holds, of all desks
    #[arg(long, num_args = 2, value_names = ["KIND", "VALUE"])]
    pub indicator: Vec<String>,
    /// false_positive, outdated, error, legal_order or victim_protection
    #[arg(long, value_parser = reason)]
    pub reason: WithdrawalReason,
    /// Delete the statements everywhere, not only end them; needs a second key
    #[arg(long, requires = "second_key")]
    pub erase: bool,
    /// Another desk's key of the same member, or its root key: who agrees to erase
    #[arg(long, value_name = "FILE", requires = "erase")]
    pub second_key: Option<PathBuf>,
    /// Signing key; the configured desk's when not given
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Write a signed file instead of sending
    #[arg(long, value_name = "FILE")]
    pub sign_only: Option<PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Addresses that a question names; more would hide it.
const NAMED: usize = 5;

fn reason(name: &str) -> Result<WithdrawalReason, String> {
    WithdrawalReason::NAMES
        .into_iter()
        .find(|(known, _)| *known == name)
        .map(|(_, reason)| reason)
        .ok_or_else(|| format!("there are: {}", WithdrawalReason::NAMES.map(|(known, _)| known).join(", ")))
}

/// Signs withdrawals of the addresses, at most 2,048 each, and sends them or writes them to a file.
///
/// # Errors
/// [`CliError`]: another member's address, no key, a node that cannot be reached or misbehaves.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    let sealer = desk::sealer(args.key.as_deref(), context)?;
    let member: MemberName = sealer.desk.publisher.member().parse().map_err(CliError::usage)?;
    let mut addresses = args.addresses;
    if let [kind, value] = args.indicator.as_slice() {
        let kind: Kind = kind.parse().map_err(CliError::usage)?;
        addresses.extend(held::reports(&member, kind, value, context)?);
    }
    if let Some(foreign) = addresses.iter().find(|address| address.member != member) {
        return Err(CliError::usage(format!(
            "{foreign} is a statement of {}, and {member} can end its own only; say that it is wrong with \
             `almenara dispute {foreign}`",
            foreign.member
        )));
    }
    let second =
        args.second_key.as_ref().map(|path| second_key(path, &member, &context.passphrases)).transpose()?;
    let targets: BTreeSet<(u64, u32)> =
        addresses.iter().map(|address| (address.entry, address.leaf)).collect();
    let named: Vec<String> =
        targets.iter().take(NAMED).map(|(entry, leaf)| format!("{member}:{entry}.{leaf}")).collect();
    let what = format!(
        "{} of {} ({}{}) for {}{}",
        if args.erase { "the withdrawal and erasure" } else { "the withdrawal" },
        plural(targets.len(), "statement", "statements"),
        named.join(", "),
        if targets.len() > NAMED { ", …" } else { "" },
        args.reason.as_str(),
        if targets.len() > 1 { "; all can see that they were withdrawn together" } else { "" }
    );
    if args.dry_run {
        context.output.note(format_args!("Would sign, as {}: {what}.", sealer.desk.publisher));
        return Ok(Outcome::Done);
    }
    let sign = || -> Result<Vec<PublishRequest>, CliError> {
        let targets: Vec<(u64, u32)> = targets.iter().copied().collect();
        targets
            .chunks(WITHDRAWAL_TARGETS)
            .map(|targets| withdrawal(&sealer, &member, args.reason, targets, second.as_ref()))
            .collect()
    };
    if let Some(path) = &args.sign_only {
        return send::write(path, &sign()?, context);
    }
    let node = OwnNode::find(context)?;
    let Some(node) = agree(&what, &node, context).await? else { return Ok(Outcome::No) };
    let items = sign()?.into_iter().map(Submission::parse).collect::<Result<_, _>>()?;
    send::send(Sending { feed: feeds::made(items), total: 0, refused: None, keep: true }, &node, context)
        .await
}

/// Whoever agrees to an erasure: another desk of the member, or the member itself.
fn second_key(path: &Path, member: &MemberName, passphrases: &Passphrases) -> Result<KeyFile, CliError> {
    let file = match keyfile::load(path, Purpose::Publisher, passphrases) {
        Err(KeyFileError::WrongPurpose { found: Purpose::Root, .. }) => {
            keyfile::load(path, Purpose::Root, passphrases)
        }
        other => other,
    }?;
    let holder = file.holder.split('/').next().unwrap_or_default();
    if holder == member.as_str() {
        return Ok(file);
    }
    Err(CliError::usage(format!("{} is no key of {member}", path.display())))
}

fn withdrawal(
    sealer: &Sealer,
    member: &MemberName,
    reason: WithdrawalReason,
    targets: &[(u64, u32)],
    second: Option<&KeyFile>,
) -> Result<PublishRequest, CliError> {
    let desk = &sealer.desk;
    let withdrawal = Withdrawal {
        federation: desk.federation.clone(),
        member: member.clone(),
        publisher: desk.publisher.clone(),
        key: desk::public(sealer),
        seq: (sealer.seq)()?,
        made_at: (sealer.clock)(),
        reason,
        erase: second.is_some(),
        targets: targets.to_vec(),
        second_key: second.map(|file| PublicKey::of(&file.key)),
    };
    let mut signed = Signed::sign(withdrawal, &desk.key);
    signed.second_signature = second.map(|file| Withdrawal::CONTEXT.sign(&signed.body, &file.key));
    Ok(PublishRequest { item: Some(Item::Withdrawal(signed.to_wire())) })
}
