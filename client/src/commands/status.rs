//! `almenara status`: logs, sizes, ages and trouble of the local store.

use serde::Serialize;

use crate::{
    context::Context,
    evidence,
    exit::{CliError, Outcome},
    store::{Replica, Store},
    text::{count, duration, moment, size},
};

/// After a day without news from a node a list is old: the shortest default validity is a week.
const STALE: u64 = 86_400;

/// Nothing but the flags of every verb.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// What is held of one log.
#[derive(Debug, Serialize)]
struct Log {
    member: String,
    entries: u64,
    statements: u64,
    withdrawn: u64,
    withheld: u64,
    void: u64,
    /// Size of the last proven checkpoint.
    checkpoint: u64,
    /// Entries that a quorum of cosignatures covers.
    settled: u64,
    /// Unix seconds of the last time that nothing was missing; 0: never.
    fresh_at: u64,
    /// Unix seconds: when the node that was asked had last heard of the origin's own; 0: never.
    heard_at: u64,
    /// What is to be looked at.
    trouble: Option<String>,
    /// Version of the roster with which its member left: its log has ended. Nothing while it is there.
    left: Option<u64>,
}

/// The whole answer.
#[derive(Debug, Serialize)]
struct Answer {
    federation: String,
    roster_version: u64,
    roster_expires_at: u64,
    bytes: u64,
    logs: Vec<Log>,
    /// Files of evidence against origins.
    evidence: Vec<String>,
}

/// Shows what is held. Exit code 1 when something is to be looked at.
///
/// # Errors
/// [`CliError`].
pub async fn run(_: Args, context: &Context) -> Result<Outcome, CliError> {
    let config = context.config()?;
    let store = Store::read(context.home.store(), config.federation.as_str())?;
    let rosters = context.rosters()?;
    let roster = &rosters.current().roster;
    let now = context.now();
    let log = |replica: &Replica| {
        let counts = replica.counts();
        let checkpoint = replica.last().map_or(0, |last| last.checkpoint().size);
        let age = now.saturating_sub(replica.fresh_at());
        let unheard = replica.fresh_at().saturating_sub(replica.heard_at());
        let left = rosters.left_with(replica.member());
        let trouble = if left.is_some() {
            None // nothing more comes, and nobody can mend that
        } else if let Some(parted) = replica.parted_at(roster) {
            Some(format!(
                "IN QUARANTINE: its key signed two histories; entries from {parted} on count for nothing"
            ))
        } else if checkpoint > replica.size() {
            Some(format!("{} entries are missing: run `almenara pull`", count(checkpoint - replica.size())))
        } else if replica.fresh_at() == 0 || age > STALE {
            Some("stale: run `almenara pull`".to_owned())
        } else if replica.heard_at() > 0 && unheard > STALE {
            Some(format!(
                "stale: when it was pulled, nobody had heard of its origin for {}",
                duration(unheard)
            ))
        } else {
            None
        };
        Log {
            member: replica.member().to_string(),
            entries: replica.size(),
            statements: counts.statements,
            withdrawn: counts.withdrawn,
            withheld: counts.withheld,
            void: counts.void,
            checkpoint,
            settled: replica.settled_size(),
            fresh_at: replica.fresh_at(),
            heard_at: replica.heard_at(),
            trouble,
            left,
        }
    };
    let answer = Answer {
        federation: config.federation.to_string(),
        roster_version: roster.version,
        roster_expires_at: roster.expires_at,
        bytes: store.bytes()?,
        logs: store.replicas().map(log).collect(),
        evidence: evidence::kept(&evidence::folder(context))?,
    };
    tell(&answer, now, context)?;
    let sound = answer.logs.iter().all(|log| log.trouble.is_none())
        && answer.evidence.is_empty()
        && answer.roster_expires_at > now;
    Ok(if sound { Outcome::Done } else { Outcome::No })
}

fn tell(answer: &Answer, now: u64, context: &Context) -> Result<(), CliError> {
    let output = &context.output;
    if output.is_json() {
        return output.json(answer);
    }
    let expired = if answer.roster_expires_at > now { "expires" } else { "EXPIRED" };
    output.say(format_args!(
        "{}, roster version {} ({expired} {}); {} on disk",
        answer.federation,
        answer.roster_version,
        moment(answer.roster_expires_at),
        size(answer.bytes),
    ))?;
    let rows: Vec<[String; 8]> = answer
        .logs
        .iter()
        .map(|log| {
            [
                log.member.clone(),
                count(log.entries),
                count(log.settled),
                count(log.statements),
                count(log.withdrawn),
                count(log.withheld),
                match log.fresh_at {
                    0 => "never".to_owned(),
                    at => format!("{} ago", duration(now.saturating_sub(at))),
                },
                match (&log.trouble, log.left) {
                    (Some(trouble), _) => trouble.clone(),
                    (None, Some(version)) => format!("its member left with roster version {version}"),
                    (None, None) => String::new(),
                },
            ]
        })
        .collect();
    if rows.is_empty() {
        return output.say("Nothing was pulled yet: run `almenara pull`.");
    }
    output
        .table(["log", "entries", "settled", "statements", "withdrawn", "withheld", "complete", ""], &rows)?;
    for file in &answer.evidence {
        output.warn(format_args!("an origin signed two histories: {file}"));
    }
    Ok(())
}
