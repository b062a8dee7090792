//! Why a frame is refused, and whose fault that is.

use std::fmt;

use almenara_proto::{
    blame::{Blame, Void},
    checkpoint::CheckpointError,
    evidence::Equivocation,
    merkle::{Hash, HashError, ProofError},
    name::MemberName,
};

use super::PAGE_ENTRIES;

/// A frame of `origin`'s log was refused; the follower's state has not changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("log of {origin}: {fault}; {}", advice(fault))]
pub struct FollowError {
    /// Whose log was followed. It is to blame only when [`Self::accused`] says so.
    pub origin: MemberName,
    /// What is wrong.
    #[source]
    pub fault: Fault,
}

/// Who can have produced what was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accused {
    /// The node that serves the stream, or the way from it: drop the connection, try elsewhere.
    Connection,
    /// The origin itself: its log key signed both notes of an [`Equivocation`].
    Origin,
}

/// What is wrong with a frame.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    /// The roster has no such member.
    #[error("it is not on the roster")]
    NotAMember,
    /// Neither page nor checkpoint.
    #[error("a frame is neither a page nor a checkpoint")]
    UnknownFrame,
    /// The note is no checkpoint of this log under the log key in force.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// It is behind what is held already, or behind the place where its log key took over.
    #[error("checkpoint: its size {found} is below {held}, which is held already")]
    Stale {
        /// Its size.
        found: u64,
        /// The least size that would do.
        held: u64,
    },
    /// Two notes of one size with different roots.
    #[error(
        "checkpoint: its log key signed two roots for size {}: {} and {}",
        .0.earlier().checkpoint().size, .0.earlier().checkpoint().root, .0.later().checkpoint().root
    )]
    Equivocation(Box<Equivocation>),
    /// Of the size that is held, with another root, and no earlier note to hold against it.
    #[error("checkpoint: its root at size {size} is {found}, the entries that are held lead to {held}")]
    OtherRoot {
        /// Its size.
        size: u64,
        /// Its root.
        found: Hash,
        /// The root over the entries that are held.
        held: Hash,
    },
    /// A page before any checkpoint.
    #[error("page: no checkpoint came before it")]
    PageFirst,
    /// Entries are missing or repeated.
    #[error("page: it starts at entry {found}, entry {required} comes next")]
    Gap {
        /// Where it starts.
        found: u64,
        /// Where it should.
        required: u64,
    },
    /// None, or too many.
    #[error("page: it has {found} entries, 1 to {PAGE_ENTRIES} are expected")]
    PageLength {
        /// Its entries.
        found: usize,
    },
    /// It goes on above what was signed.
    #[error("page: it ends at {end}, the checkpoint covers {size} entries")]
    Beyond {
        /// Where it ends.
        end: u64,
        /// The checkpoint's size.
        size: u64,
    },
    /// The proof is no list of hashes.
    #[error("page: consistency proof: {0}")]
    ProofHash(HashError),
    /// The entries do not lead to what was signed.
    #[error("entries {from} to {}: consistency proof: {why}{}", .end.saturating_sub(1), suspect(void.as_deref()))]
    Proof {
        /// First entry of the page.
        from: u64,
        /// Behind its last entry.
        end: u64,
        /// What fails.
        why: Box<ProofError>,
        /// The first void entry of the page, which is where a changed byte often shows.
        void: Option<Box<(u64, Void)>>,
    },
    /// The log is not the one for which the roster's new log key was made.
    #[error(
        "entry {size}: root: the roster says {required} where the log key changed, the entries lead to {found}"
    )]
    SegmentRoot {
        /// Where the segment starts.
        size: u64,
        /// Of the entries.
        found: Hash,
        /// Of the roster.
        required: Hash,
    },
    /// A later note signs a tree that does not begin with an earlier one.
    #[error(
        "checkpoint: its log key signed size {} and size {}, and the second does not extend the first",
        .0.earlier().checkpoint().size, .0.later().checkpoint().size
    )]
    Fork(Box<Equivocation>),
    /// What is shown does not belong to the batch.
    #[error("entry {index}: disclosure: {why}")]
    Disclosure {
        /// The batch.
        index: u64,
        /// Which part fails.
        why: Void,
    },
    /// Statements with an entry that has none.
    #[error("entry {index}: disclosure: it is a {kind} and has no statements")]
    NotABatch {
        /// The entry.
        index: u64,
        /// What it is.
        kind: &'static str,
    },
}

impl FollowError {
    /// Whose fault it is. Blame needs proof: only two notes under the origin's log key accuse the origin.
    #[must_use]
    pub const fn accused(&self) -> Accused {
        match self.fault {
            Fault::Equivocation(_) | Fault::Fork(_) => Accused::Origin,
            _ => Accused::Connection,
        }
    }

    /// What anybody can check offline, when the origin is accused.
    #[must_use]
    pub const fn evidence(&self) -> Option<&Equivocation> {
        match &self.fault {
            Fault::Equivocation(evidence) | Fault::Fork(evidence) => Some(evidence),
            _ => None,
        }
    }

    /// Its kind, for exit codes and status.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self.fault {
            Fault::NotAMember => Blame::Refused,
            // A node that lags is no liar.
            Fault::Stale { .. } => Blame::Unavailable,
            Fault::UnknownFrame => Blame::Malformed,
            _ => Blame::Misbehaved,
        }
    }
}

fn suspect(void: Option<&(u64, Void)>) -> impl fmt::Display {
    fmt::from_fn(move |f| match void {
        Some((index, why)) => write!(f, " (entry {index} is {why})"),
        None => Ok(()),
    })
}

const fn advice(fault: &Fault) -> &'static str {
    match fault {
        Fault::NotAMember => "take the newest roster first",
        Fault::Stale { .. } => "the node lags: try another one, or later",
        Fault::Equivocation(_) | Fault::Fork(_) => {
            "the origin is to blame: keep the evidence and show it to the other members"
        }
        _ => "the connection is to blame, not the origin: try another node",
    }
}
