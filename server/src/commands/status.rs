//! `almenarad status`: asks the running node, over mutual TLS as everybody else does.

use almenara_client::{
    exit::{CliError, Outcome},
    output::Style,
    rosters::expiry_warning,
    rpc::log_service_client::LogServiceClient,
    store::cosigners,
    text::{count, duration},
    tls::{SharedAuthorities, connect},
};
use almenara_proto::{
    checkpoint::{SignedCheckpoint, origin_of},
    roster::{Member, Roster},
    wire::GetCheckpointRequest,
};
use serde::Serialize;
use tonic::{Code, transport::Channel};

use crate::context::Context;

/// One log, as the node holds it.
#[derive(Debug, Serialize)]
struct LogStatus {
    origin: String,
    jurisdiction: String,
    /// Entries; nothing when the node holds none of it.
    size: Option<u64>,
    /// Base64 in checkpoints, hex here.
    root: Option<String>,
    /// Entries that a quorum of cosignatures covers; nothing when the node holds none of the log.
    settled: Option<u64>,
    /// Members that cosigned the checkpoint of that size.
    cosigned_by: Vec<String>,
    /// Unix seconds of the newest cosignature.
    cosigned_at: Option<u64>,
}

/// Prints one line a log.
///
/// # Errors
/// [`CliError`]: (unavailable) when the node does not answer, (misbehaved) when a checkpoint does not hold.
pub async fn run(context: &Context) -> Result<Outcome, CliError> {
    let config = context.config()?;
    let rosters = context.rosters(&config)?;
    let roster = &rosters.current().roster;
    if let Some(warning) = expiry_warning(roster, context.now()) {
        context.output.warn(warning);
    }
    let authorities = SharedAuthorities::new(almenara_client::rosters::authorities(roster)?);
    let identity = context.identity(&config)?;
    let address = config.local_address().to_string();
    let channel = connect(&address, config.member.as_str(), &identity, &authorities, &context.clock).await?;
    let mut client = LogServiceClient::new(channel);
    let mut logs = Vec::new();
    for member in roster.members.values() {
        logs.push(status(&mut client, member, roster).await?);
    }
    context.output.json(&logs)?;
    let now = context.now();
    let title = format!("{} at {address}, roster version {}", config.member, roster.version);
    context.output.say(format_args!("{}\n", context.output.paint(Style::Bold, &title)))?;
    let rows: Vec<[String; 7]> = logs.iter().map(|log| log.row(now)).collect();
    context.output.table(["log", "in", "entries", "settled", "root", "cosigned by", "cosigned"], &rows)?;
    Ok(Outcome::Done)
}

async fn status(
    client: &mut LogServiceClient<Channel>,
    member: &Member,
    roster: &Roster,
) -> Result<LogStatus, CliError> {
    let mut status = LogStatus {
        origin: member.name.to_string(),
        jurisdiction: member.jurisdiction.to_string(),
        size: None,
        root: None,
        settled: None,
        cosigned_by: Vec::new(),
        cosigned_at: None,
    };
    let answer = match client.get_checkpoint(GetCheckpointRequest { origin: member.name.to_string() }).await {
        Ok(answer) => answer.into_inner(),
        Err(error) if error.code() == Code::NotFound => return Ok(status),
        Err(error) => return Err(error.into()),
    };
    // A log whose first checkpoint has not come yet.
    let Some(segment) = member.segment().filter(|_| !answer.checkpoint.is_empty()) else { return Ok(status) };
    let origin = origin_of(member.name.as_str());
    let open = |note: &[u8]| {
        SignedCheckpoint::open(note, &origin, &segment.log_key.0)
            .map_err(|error| CliError::misbehaved(format!("the node's checkpoint of {origin}: {error}")))
    };
    let checkpoint = open(&answer.checkpoint)?;
    status.size = Some(checkpoint.checkpoint().size);
    status.root = Some(checkpoint.checkpoint().root.to_string());
    status.settled = Some(0);
    if !answer.settled.is_empty() {
        // What was settled under an earlier log key stays settled.
        let earlier = member.segments.iter().rev().skip(1);
        let mut earlier = earlier.map(|s| SignedCheckpoint::open(&answer.settled, &origin, &s.log_key.0));
        let settled = open(&answer.settled).or_else(|error| earlier.find_map(Result::ok).ok_or(error))?;
        let cosigners = cosigners(&settled, &member.name, roster);
        status.settled = Some(settled.checkpoint().size);
        status.cosigned_at = cosigners.iter().map(|one| one.time).max();
        status.cosigned_by = cosigners.into_iter().map(|one| one.member.to_string()).collect();
    }
    Ok(status)
}

impl LogStatus {
    fn row(&self, now: u64) -> [String; 7] {
        let short = |root: &String| root.chars().take(16).collect::<String>() + "…";
        [
            self.origin.clone(),
            self.jurisdiction.clone(),
            self.size.map_or_else(|| "none yet".to_owned(), count),
            self.settled.map(count).unwrap_or_default(),
            self.root.as_ref().map(short).unwrap_or_default(),
            self.cosigned_by.join(", "),
            self.cosigned_at
                .map(|at| format!("{} ago", duration(now.saturating_sub(at))))
                .unwrap_or_default(),
        ]
    }
}
