//! Signed proof of wrongdoing (PROTOCOL.md §§7, 10), as a file that anybody can check offline.
//!
//! What a relay could have made proves nothing: everything here rests on signatures by keys that the checker takes
//! from a roster, never from the file. A file that proves nothing blames whoever brought it.

mod log;
mod roster;
#[cfg(test)]
mod tests;

use prost::Message as _;

pub use log::{Departure, Equivocation, LogFork, NoFork};
pub use roster::{NoRivals, Rivals, RosterFork};

use crate::{blame::Void, field, limits::EVIDENCE_BYTES, strict, wire};

/// A claim with its proof, not checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A log key signed two histories.
    Log(LogFork),
    /// One roster has two successors with enough votes each.
    Roster(RosterFork),
}

impl Evidence {
    /// Reads a file; what it proves is another question.
    ///
    /// # Errors
    /// [`Void`] with the first broken rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, Void> {
        if bytes.len() > EVIDENCE_BYTES {
            return Err(Void::new("Evidence", format!("{} bytes, over {EVIDENCE_BYTES}", bytes.len())));
        }
        strict::check(bytes, &strict::EVIDENCE)?;
        let wire: wire::Evidence = field::message("Evidence", bytes)?;
        match wire.proof {
            Some(wire::evidence::Proof::Log(fork)) => LogFork::from_wire(fork).map(Self::Log),
            Some(wire::evidence::Proof::Roster(fork)) => RosterFork::from_wire(fork).map(Self::Roster),
            None => Err(Void::new("Evidence.proof", "this version knows no such proof")),
        }
    }

    /// The file: one claim has one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let proof = match self {
            Self::Log(fork) => wire::evidence::Proof::Log(fork.to_wire()),
            Self::Roster(fork) => wire::evidence::Proof::Roster(fork.to_wire()),
        };
        wire::Evidence { proof: Some(proof) }.encode_to_vec()
    }
}
