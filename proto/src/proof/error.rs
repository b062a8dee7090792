//! Why a file proves nothing.

use thiserror::Error;

use crate::{
    blame::Void,
    checkpoint::CheckpointError,
    keys::PublicKey,
    merkle::{Hash, ProofError},
    name::{MemberName, Publisher},
    roster::RosterError,
};

/// The first check that fails. It blames whoever brought the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unproven {
    /// Nobody belongs.
    #[error("it holds no roster")]
    NoRoster,
    /// Another federation, or another version of its roster.
    #[error("it rests on the roster with hash {found}; the one that you know has {known}")]
    Anchor {
        /// Of the file.
        found: Hash,
        /// Given by the checker.
        known: Hash,
    },
    /// A roster breaks a rule.
    #[error("roster: {0}")]
    Roster(Void),
    /// A roster does not follow.
    #[error("roster: {0}")]
    Chain(#[from] RosterError),
    /// One of a roster's signatures does not hold, or stands twice.
    #[error("roster version {version}: one of its signatures does not hold, or stands there twice")]
    RosterSignature {
        /// Which.
        version: u64,
    },
    /// Nobody of this name belongs.
    #[error("{0} is on none of its rosters")]
    NoMember(MemberName),
    /// The checkpoint, or a cosignature of it.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A signature line that nothing checks.
    #[error(
        "checkpoint: the signature line of `{0}` is of no key that the rosters name, or stands there twice"
    )]
    StrangeLine(String),
    /// The log began anew below the entry.
    #[error("checkpoint: its log key was replaced at size {end}, and entry {entry} was cut off there")]
    CutOff {
        /// The batch.
        entry: u64,
        /// Where the next segment begins.
        end: u64,
    },
    /// The entry is not in that log.
    #[error("{what}: not in the log under that checkpoint: {why}")]
    NotInLog {
        /// Batch or grant.
        what: &'static str,
        /// What fails.
        why: ProofError,
    },
    /// The entry is of another kind.
    #[error("a {expected} is expected, and a {found} is there")]
    Kind {
        /// What must stand there.
        expected: &'static str,
        /// What does.
        found: &'static str,
    },
    /// Said in another federation.
    #[error("{what}: it is of {found}, the roster of {federation}")]
    Federation {
        /// Batch or grant.
        what: &'static str,
        /// In the entry.
        found: String,
        /// Of the roster.
        federation: String,
    },
    /// Not a key.
    #[error("batch: key {0} is no point of the curve")]
    NoPoint(PublicKey),
    /// The header is void, or its signature fails.
    #[error("batch: {0}")]
    Batch(Void),
    /// The grant is void, or its signature fails.
    #[error("grant: {0}")]
    Grant(Void),
    /// A grant of something else.
    #[error("grant: it gives key {key} to {publisher}, and not the batch's key to the batch's desk")]
    AnotherGrant {
        /// The key that it gives.
        key: PublicKey,
        /// To whom.
        publisher: Publisher,
    },
    /// A key speaks only above its grant.
    #[error("grant: it stands at {grant}, the batch at {batch}: the key was not in force yet")]
    LateGrant {
        /// Log index.
        grant: u64,
        /// Log index.
        batch: u64,
    },
    /// The statement is not in the batch.
    #[error("statement: not under the signed root: {0}")]
    Disclosure(Void),
    /// Nothing is disclosed.
    #[error("statement: none is there")]
    NoStatement,
    /// The statement breaks a rule: it was said, and counts for nothing.
    #[error("statement: {0}")]
    Statement(Void),
}
