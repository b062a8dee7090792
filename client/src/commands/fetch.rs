//! `almenara fetch`: statements that we may see and do not keep, from the nodes that do. What comes is proven against
//! the log that was pulled, printed, and not stored; whoever shows it logs that we asked.

use std::collections::VecDeque;

use almenara_proto::{
    batch::{Disclosure, Leaf, VerifiedBatch},
    log::LogEntry,
    name::{Address, MemberName},
    wire,
};
use serde::Serialize;

use super::show;
use crate::{
    connect::{Caller, Node},
    context::Context,
    exit::{CliError, Outcome},
    output::Style,
    store::{KeptEntry, Replica, Store},
    text::{moment, tame},
};

/// Which ones.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Addresses such as police.th.example:1042.17
    #[arg(required = true, value_name = "ADDRESS")]
    pub addresses: Vec<Address>,
}

/// One statement, proven.
#[derive(Debug, Serialize)]
struct Fetched {
    address: String,
    /// Whose node showed it; our own may have asked another for us.
    node: String,
    /// Leaf hash, hex.
    id: String,
    publisher: String,
    kind: &'static str,
    value: String,
    claim: &'static str,
    /// Unix seconds, the author's claim.
    made_at: u64,
    tlp: Option<&'static str>,
    pap: Option<&'static str>,
    copies: u32,
    withdrawn: bool,
    /// Its key was revoked before its place in the log.
    cut: bool,
    /// A quorum of cosignatures covers it.
    settled: bool,
    details: Vec<(&'static str, String)>,
}

/// Asks our own member's node, then the origin's, then the others in turn.
///
/// # Errors
/// [`CliError`]; (unavailable) when a statement was not shown and some node could not be asked.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    let store = Store::read(context.home.store(), context.config()?.federation.as_str())?;
    let mut caller = Caller::open(context)?;
    let (mut outcome, mut failed) = (Outcome::Done, None);
    for address in &args.addresses {
        let pulled = store.replica(&address.member);
        let entry = pulled.map(|replica| replica.entry(address.entry)).transpose()?.flatten();
        let (Some(replica), Some(entry)) = (pulled, entry) else {
            return Err(CliError::usage(format!(
                "{address} is not in the part of the log that was pulled: run `almenara pull`, so that it can be proven"
            )));
        };
        match find(address, &entry, &mut caller, &mut failed, context).await? {
            Some((node, leaf)) => tell(&fetched(address, &node, &leaf, &entry, replica)?, context)?,
            None => {
                context.output.warn(format_args!("{address} is shown by nobody who could be asked"));
                outcome = Outcome::No;
            }
        }
    }
    match (outcome, failed) {
        (Outcome::No, Some(error)) => Err(error),
        (outcome, _) => Ok(outcome),
    }
}

async fn find(
    address: &Address,
    entry: &KeptEntry,
    caller: &mut Caller,
    failed: &mut Option<CliError>,
    context: &Context,
) -> Result<Option<(MemberName, Leaf)>, CliError> {
    let mut asked: VecDeque<MemberName> = caller.roster().members.keys().cloned().collect();
    let first = |name: &MemberName| match name {
        name if name.as_str() == caller.member() => 0,
        name if *name == address.member => 1,
        _ => 2,
    };
    asked.make_contiguous().sort_by_key(first);
    for member in asked {
        let answer = match caller.call(&member).await {
            Ok(node) => ask(&node, address, entry, caller.roster().version).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(Some(leaf)) => return Ok(Some((member, leaf))),
            Ok(None) => {}
            Err(error) => {
                context.output.warn(format_args!("{member}: {error}"));
                *failed = Some(error);
            }
        }
    }
    Ok(None)
}

/// What one node shows, if it belongs to the entry that was pulled.
async fn ask(
    node: &Node,
    address: &Address,
    entry: &KeptEntry,
    roster: u64,
) -> Result<Option<Leaf>, CliError> {
    let leaves = vec![wire::LeafRange { start: address.leaf, end: address.leaf.saturating_add(1) }];
    let request = wire::FetchRequest {
        origin: address.member.to_string(),
        roster,
        wanted: vec![wire::LeavesOf { entry: address.entry, leaves }],
        to_keep: false,
    };
    let failed = |status| node.error(status);
    let mut answers = node.logs().fetch(request).await.map_err(failed)?.into_inner();
    let Some(answer) = answers.message().await.map_err(failed)? else { return Ok(None) };
    let frame = answer.frame.unwrap_or_default();
    if answer.entry != address.entry || frame.entry != entry.bytes {
        return Err(CliError::misbehaved(format!(
            "{} shows another entry than the one in the log of {}",
            node.member, address.member
        )));
    }
    // An entry that does not count is no batch here.
    let (Some(LogEntry::Batch(header)), Some(shown)) = (&entry.entry, frame.disclosure) else {
        return Ok(None);
    };
    let batch = Disclosure::from_wire(shown, header.content.count)
        .and_then(|shown| VerifiedBatch::verify_disclosure(header.clone(), shown))
        .map_err(|void| CliError::misbehaved(format!("what {} shows does not hold: {void}", node.member)))?;
    Ok(batch.leaves.into_iter().find(|leaf| leaf.index == address.leaf))
}

fn fetched(
    address: &Address,
    node: &MemberName,
    leaf: &Leaf,
    entry: &KeptEntry,
    replica: &Replica,
) -> Result<Fetched, CliError> {
    // Signature and place were checked when the entry was pulled; both are proven again.
    replica.prove(entry)?;
    let Some(LogEntry::Batch(header)) = &entry.entry else {
        return Err(CliError::internal("a statement without its batch"));
    };
    let header = &header.content;
    let statement =
        leaf.statement.as_ref().map_err(|void| CliError::misbehaved(format!("{address}: {void}")))?;
    Ok(Fetched {
        address: address.to_string(),
        node: node.to_string(),
        id: leaf.id.to_string(),
        publisher: header.publisher.to_string(),
        kind: statement.indicator.kind().as_str(),
        value: statement.indicator.value().to_owned(),
        claim: show::claim(statement),
        made_at: statement.made_at,
        tlp: statement.release.tlp.map(|tlp| tlp.as_str()),
        pap: statement.release.pap.map(|pap| pap.as_str()),
        copies: statement.copies,
        withdrawn: replica.is_withdrawn(address.entry, address.leaf),
        cut: replica.prefix().cut(&header.key).is_some_and(|cut| address.entry >= cut),
        settled: address.entry < replica.settled_size(),
        details: show::details(statement),
    })
}

fn tell(fetched: &Fetched, context: &Context) -> Result<(), CliError> {
    let output = &context.output;
    if output.is_json() {
        return output.json(fetched);
    }
    let title = format!("{} {}", fetched.kind, tame(&fetched.value));
    let mut text = format!("{}\n{} {}", output.paint(Style::Bold, &title), fetched.claim, fetched.address);
    let mut line = |name: &str, value: &str| text.push_str(&format!("\n  {name:<17}{}", tame(value)));
    line("said by", &fetched.publisher);
    line("made at", &format!("{} (the author's claim)", moment(fetched.made_at)));
    let (tlp, pap) = (fetched.tlp.unwrap_or("origin only"), fetched.pap.unwrap_or("none"));
    line("marking", &format!("TLP:{tlp} PAP:{pap}, {} copies", fetched.copies));
    fetched.details.iter().for_each(|(name, value)| line(name, value));
    let stands = match (fetched.withdrawn, fetched.cut, fetched.settled) {
        (true, ..) => "no: it is withdrawn",
        (_, true, _) => "no: its key was revoked",
        (_, _, false) => "not yet: it is pending",
        _ => "yes",
    };
    line("stands", stands);
    line("id", &fetched.id);
    line("proof", "holds: in the log that was pulled, signed by the desk");
    line("shown by", &format!("the node of {}, which logs that we asked", fetched.node));
    output.say(text)
}
