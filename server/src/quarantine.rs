//! Logs whose key signed two histories (PROTOCOL.md §10): what both share goes on counting, nothing more is taken.

use std::{fmt, path::PathBuf};

use almenara_client::evidence;
use almenara_proto::{
    evidence::{Equivocation, Evidence},
    name::MemberName,
    roster::Roster,
};

use crate::{
    ingest::{Ingest, NotNow},
    rosters::SharedRosters,
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
    /// says which history is the log's. Of a member that left it is the key that it had last: whoever goes leaves no second
    /// history behind.
    #[must_use]
    pub fn is_in_force(&self, rosters: &SharedRosters) -> bool {
        rosters
            .last_with(self.member())
            .and_then(|accepted| Some(accepted.roster.member(self.member())?.segment()?.log_key))
            .is_some_and(|log_key| log_key == self.proof.log_key())
    }

    /// Proof that was kept, if it still is in force.
    ///
    /// # Errors
    /// In words: it proves nothing, or a later segment of the roster has ended it.
    pub fn recall(bytes: &[u8], rosters: &SharedRosters) -> Result<Self, String> {
        match Evidence::parse(bytes).map_err(|void| void.to_string())? {
            Evidence::Log(fork) => {
                let accepted = rosters.last_with(&fork.member).ok_or("no roster ever had its member")?;
                fork.verify_in(&accepted.roster).map(Self::new).map_err(|why| why.to_string())
            }
            Evidence::Roster(_) => Err("it is about a roster, not about a log".to_owned()),
        }
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

/// Keeps proof against logs, whoever found it.
#[derive(Clone, Debug)]
pub struct Accuser {
    /// The way to the one writer.
    pub ingest: Ingest,
    /// Where files of evidence go.
    pub evidence: PathBuf,
}

impl Accuser {
    /// Keeps proof against a log: in the store, so that it counts no further, and as a file for people.
    ///
    /// # Errors
    /// [`NotNow`].
    pub async fn accuse(&self, found: Quarantine) -> Result<(), NotNow> {
        match found.keep(&self.evidence) {
            Ok(file) => {
                tracing::error!(origin = %found.member(), file = %file.display(), evidence = %found, "evidence")
            }
            Err(error) => {
                tracing::error!(%error, "the file of evidence could not be written; the store has it")
            }
        }
        self.ingest.quarantine(found).await
    }
}

impl fmt::Display for Quarantine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; entries from {} on count for nothing", self.proof, self.agreed)
    }
}
