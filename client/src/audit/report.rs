//! What an audit came to.

use serde::Serialize;

use super::finding::Finding;
pub use crate::store::Tally;

/// All of an audit.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Which federation.
    pub federation: String,
    /// Hash of version 1 of the roster, on which all of it rests.
    pub roster_hash: String,
    /// The version in force.
    pub roster_version: u64,
    /// Its quorum.
    pub quorum: u32,
    /// Unix seconds.
    pub at: u64,
    /// Who was audited.
    pub sources: Vec<String>,
    /// Each log, at each source.
    pub logs: Vec<LogReport>,
    /// What does not hold, or should be looked at.
    pub findings: Vec<Finding>,
    /// What could not be looked at, and why.
    pub unfinished: Vec<String>,
}

/// One log at one source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogReport {
    /// Whose log.
    pub member: String,
    /// Where that member sits.
    pub jurisdiction: Option<String>,
    /// Who showed it.
    pub source: String,
    /// Entries under its newest checkpoint.
    pub entries: u64,
    /// Those that were replayed now: the others were by earlier audits.
    pub new_entries: u64,
    /// Root of that checkpoint, base16.
    pub root: Option<String>,
    /// Entries that a quorum has cosigned.
    pub settled: u64,
    /// Who cosigned these.
    pub cosigned: Vec<Cosigned>,
    /// How much is in it.
    #[serde(flatten)]
    pub tally: Tally,
    /// Tiles that were recomputed now, of all levels.
    pub tiles: u64,
    /// Statements that were looked at in clear.
    pub shown: u64,
    /// Statements of the same batches that were not shown to us.
    pub withheld: u64,
    /// Keys that do not count any more, and from which index of this log on.
    pub revoked: Vec<Revoked>,
    /// Unix seconds of the audit before; 0: this is the first.
    pub seen_before: u64,
    /// Unix seconds of the last audit that found new entries.
    pub grew_at: u64,
    /// Whether all of it was replayed, up to the checkpoint.
    pub whole: bool,
}

/// A cosignature of the settled checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cosigned {
    /// Who.
    pub member: String,
    /// Where it sits.
    pub jurisdiction: String,
    /// Unix seconds, by its clock.
    pub at: u64,
    /// Whether no jurisdiction can compel both it and the origin.
    pub counts: bool,
}

/// A key that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Revoked {
    /// Base16.
    pub key: String,
    /// What it signed from here on does not count.
    pub from: u64,
}
