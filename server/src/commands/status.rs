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

use crate::{compare::STALE_AFTER, context::Context, quarantine::Quarantine};

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
    /// Unix seconds: when the node last heard of the origin's own node; 0: not since it began.
    heard_at: u64,
    /// Unix seconds: when entries last came; 0: never.
    moved_at: u64,
    /// Seconds for which nothing was heard of its origin, when that is long.
    stale: Option<u64>,
    /// What its key signed twice.
    quarantine: Option<String>,
    /// Why the node takes nothing for its own log.
    trouble: Option<String>,
}

/// Prints one line a log. Exit code 1 when something is to be looked at.
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
        logs.push(status(&mut client, member, roster, context.now()).await?);
    }
    context.output.json(&logs)?;
    let now = context.now();
    let title = format!("{} at {address}, roster version {}", config.member, roster.version);
    context.output.say(format_args!("{}\n", context.output.paint(Style::Bold, &title)))?;
    let rows: Vec<[String; 9]> = logs.iter().map(|log| log.row(now)).collect();
    let columns = ["log", "in", "entries", "settled", "root", "cosigned by", "cosigned", "moved", ""];
    context.output.table(columns, &rows)?;
    for log in &logs {
        if let Some(proof) = &log.quarantine {
            let what = "IN QUARANTINE, its key signed two histories";
            context.output.warn(format_args!("{}: {what}: {proof}", log.origin));
        }
        if let Some(trouble) = &log.trouble {
            context.output.warn(format_args!("{}: {trouble}", log.origin));
        }
    }
    let sound = logs.iter().all(|log| log.remark().is_none());
    Ok(if sound { Outcome::Done } else { Outcome::No })
}

async fn status(
    client: &mut LogServiceClient<Channel>,
    member: &Member,
    roster: &Roster,
    now: u64,
) -> Result<LogStatus, CliError> {
    let mut status = LogStatus {
        origin: member.name.to_string(),
        jurisdiction: member.jurisdiction.to_string(),
        size: None,
        root: None,
        settled: None,
        cosigned_by: Vec::new(),
        cosigned_at: None,
        heard_at: 0,
        moved_at: 0,
        stale: None,
        quarantine: None,
        trouble: None,
    };
    let request = GetCheckpointRequest { origin: member.name.to_string(), size: 0 };
    let answer = match client.get_checkpoint(request).await {
        Ok(answer) => answer.into_inner(),
        Err(error) if error.code() == Code::NotFound => return Ok(status),
        Err(error) => return Err(error.into()),
    };
    (status.heard_at, status.moved_at) = (answer.heard_at, answer.moved_at);
    let last = answer.heard_at.max(answer.moved_at);
    status.stale = Some(now.saturating_sub(last)).filter(|age| last > 0 && *age >= STALE_AFTER);
    status.trouble = Some(answer.trouble).filter(|trouble| !trouble.is_empty());
    if !answer.evidence.is_empty() {
        // What does not hold is the node's own defect, and no proof against anybody.
        let found = Quarantine::check(&answer.evidence, roster).map_err(CliError::misbehaved)?;
        status.quarantine = Some(found.proof.to_string());
    }
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
    /// What is to be looked at.
    fn remark(&self) -> Option<String> {
        let stale =
            || self.stale.map(|age| format!("STALE: its node was not heard of for {}", duration(age)));
        let quarantine = self.quarantine.as_ref().map(|_| "IN QUARANTINE".to_owned());
        let trouble = || self.trouble.as_ref().map(|_| "TAKES NOTHING".to_owned());
        quarantine.or_else(trouble).or_else(stale)
    }

    fn row(&self, now: u64) -> [String; 9] {
        let ago = |at: u64| format!("{} ago", duration(now.saturating_sub(at)));
        let short = |root: &String| root.chars().take(16).collect::<String>() + "…";
        [
            self.origin.clone(),
            self.jurisdiction.clone(),
            self.size.map_or_else(|| "none yet".to_owned(), count),
            self.settled.map(count).unwrap_or_default(),
            self.root.as_ref().map(short).unwrap_or_default(),
            self.cosigned_by.join(", "),
            self.cosigned_at.map(ago).unwrap_or_default(),
            Some(self.moved_at).filter(|at| *at > 0).map(ago).unwrap_or_default(),
            self.remark().unwrap_or_default(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> LogStatus {
        LogStatus {
            origin: "police.th.example".into(),
            jurisdiction: "TH".into(),
            size: Some(7),
            root: None,
            settled: Some(7),
            cosigned_by: Vec::new(),
            cosigned_at: None,
            heard_at: 0,
            moved_at: 0,
            stale: None,
            quarantine: None,
            trouble: None,
        }
    }

    fn check(change: impl FnOnce(&mut LogStatus), remark: Option<&str>) {
        let mut log = log();
        change(&mut log);
        assert_eq!(log.remark().as_deref(), remark);
        assert_eq!(log.row(9)[8], remark.unwrap_or_default());
    }

    #[test]
    fn what_is_to_be_looked_at_is_said_the_worst_first() {
        check(|_| (), None);
        check(|log| log.stale = Some(7_200), Some("STALE: its node was not heard of for 2 h"));
        check(|log| log.trouble = Some("an old copy".into()), Some("TAKES NOTHING"));
        let both = |log: &mut LogStatus| {
            log.quarantine = Some("two roots".into());
            log.stale = Some(7_200);
        };
        check(both, Some("IN QUARANTINE"));
    }
}
