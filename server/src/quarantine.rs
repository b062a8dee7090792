//! Logs whose key signed two histories (PROTOCOL.md §10): what both share goes on counting, nothing more is taken.

use std::{fmt, path::PathBuf};

use almenara_client::evidence;
use almenara_proto::{
    evidence::{Equivocation, Evidence},
    name::MemberName,
    roster::Roster,
};

/// Proof against a log, and where it ends for this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// Entries below it are in both histories, as far as is known; those at or above it count for nothing.
    pub agreed: u64,
    /// Two notes that cannot both be true.
    pub proof: Equivocation,
}

impl Quarantine {
    /// As far as the proof alone tells.
    #[must_use]
    pub fn new(proof: Equivocation) -> Self {
        Self { agreed: proof.common_at_most(), proof }
    }

    /// Whose log.
    #[must_use]
    pub const fn member(&self) -> &MemberName {
        self.proof.member()
    }

    /// Whether the key that signed both is the log's key still: a later segment of the roster ends the quarantine, and
    /// says which history is the log's.
    #[must_use]
    pub fn is_in_force(&self, roster: &Roster) -> bool {
        let segment = roster.member(self.member()).and_then(|member| member.segment());
        segment.is_some_and(|segment| segment.log_key == self.proof.log_key())
    }

    /// As the store keeps it and others are shown it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.proof.to_evidence().encode()
    }

    /// Proof that came from elsewhere, checked under the log key that is in force.
    ///
    /// # Errors
    /// In words: it proves nothing, and blames whoever brought it.
    pub fn check(bytes: &[u8], roster: &Roster) -> Result<Self, String> {
        match Evidence::parse(bytes).map_err(|void| void.to_string())? {
            Evidence::Log(fork) => fork.verify_in(roster).map(Self::new).map_err(|why| why.to_string()),
            Evidence::Roster(_) => Err("it is about a roster, not about a log".to_owned()),
        }
    }

    /// Writes the file that `almenara evidence verify` checks.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn keep(&self, folder: &std::path::Path) -> Result<PathBuf, String> {
        evidence::keep(folder, &self.proof).map_err(|error| error.to_string())
    }
}

impl fmt::Display for Quarantine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; entries from {} on count for nothing", self.proof, self.agreed)
    }
}
