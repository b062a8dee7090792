//! The accepted chain of rosters on disk, verified again each time it is loaded.
//!
//! `rosters/<version>.roster` holds one `SignedRoster` (protobuf). Each version is durable before it counts. Two
//! valid bodies of one version are evidence (PROTOCOL.md §7): both are kept in a file of `evidence/` beside the
//! folder of the chain, and the chain stays where it is.

mod expiry;

use std::{
    io,
    path::{Path, PathBuf},
};

use almenara_certs::{Authorities, AuthoritiesError};
use almenara_proto::{
    blame::{Blame, Void},
    evidence::{Evidence, RosterFork},
    limits::MESSAGE_BYTES,
    merkle::Hash,
    name::MemberName,
    roster::{AcceptedRoster, Roster, RosterError, RosterHistory, SignedRoster},
    wire,
};
use prost::Message as _;

use crate::{exit::CliError, files};

pub use expiry::expiry_warning;

/// The chain that a reader accepted, from version 1 to the current one. Owned by one task; whoever else needs
/// the current roster gets a clone.
#[derive(Clone, Debug)]
pub struct Rosters {
    folder: PathBuf,
    /// In order; never empty.
    first: AcceptedRoster,
    later: Vec<AcceptedRoster>,
    /// Every name and key that ever was: none returns.
    history: RosterHistory,
}

/// Why there is no chain, or why a roster does not continue it.
#[derive(Debug, thiserror::Error)]
pub enum RostersError {
    /// No version 1 on disk.
    #[error(
        "there is no roster in {}: get the file of roster version 1 from a member and run `almenara roster accept FILE`, or `almenarad join FILE` on a node",
        folder.display()
    )]
    Missing {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// A file is no roster.
    #[error("{} is no roster file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: Void,
    },
    /// It does not follow, or too few signed it.
    #[error("{place}: {reason}")]
    Refused {
        /// The file, or what was offered.
        place: String,
        /// Why.
        reason: RosterError,
    },
    /// Two valid bodies of one version.
    #[error(
        "roster version {version} exists twice, both signed by a majority: {held} and {offered}. {signed_both} signed two futures; the evidence is in {}. Nothing restricted may flow until an operator decides: show it to the other members (`almenara evidence verify` checks it)",
        evidence.display()
    )]
    Fork {
        /// Which version.
        version: u64,
        /// The hash of the one that is held.
        held: Hash,
        /// The hash of the other.
        offered: Hash,
        /// Members of the version before whose root keys signed both.
        signed_both: String,
        /// The file with both.
        evidence: PathBuf,
    },
}

impl RostersError {
    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Missing { .. } | Self::Malformed { .. } => Blame::Malformed,
            Self::File { .. } => Blame::Unavailable,
            Self::Refused { reason: RosterError::Void(_), .. } => Blame::Malformed,
            Self::Refused { .. } | Self::Fork { .. } => Blame::Misbehaved,
        }
    }
}

impl From<RostersError> for CliError {
    fn from(error: RostersError) -> Self {
        match &error {
            RostersError::File { path, error } => Self::file(path, error),
            _ => Self::new(error.blame(), error),
        }
    }
}

impl Rosters {
    /// Loads the chain in `folder` and verifies it again, from the hash that was given out of band.
    ///
    /// # Errors
    /// [`RostersError`]. A later version that is damaged is an error too: a chain never silently ends earlier.
    pub fn open(folder: impl Into<PathBuf>, pinned: Hash) -> Result<Self, RostersError> {
        let folder = folder.into();
        let path = file_of(&folder, 1);
        if !exists(&path)? {
            return Err(RostersError::Missing { folder });
        }
        let refused = |path: &Path| {
            let place = path.display().to_string();
            move |reason| RostersError::Refused { place, reason }
        };
        let first = read(&path)?.accept_first(&pinned).map_err(refused(&path))?;
        let mut rosters = Self::beginning(folder, first);
        loop {
            let path = file_of(&rosters.folder, rosters.current().roster.version.saturating_add(1));
            if !exists(&path)? {
                return Ok(rosters);
            }
            let next = rosters.history.accept(read(&path)?).map_err(refused(&path))?.clone();
            rosters.later.push(next);
        }
    }

    /// Begins a chain in `folder` with version 1, whose hash was given out of band.
    ///
    /// # Errors
    /// [`RostersError`]; nothing is then written. A chain that exists already is loaded when it begins with the
    /// same version 1.
    pub fn begin(
        folder: impl Into<PathBuf>,
        first: SignedRoster,
        pinned: Hash,
    ) -> Result<Self, RostersError> {
        let folder = folder.into();
        let accepted = first
            .accept_first(&pinned)
            .map_err(|reason| RostersError::Refused { place: "roster version 1".to_owned(), reason })?;
        if exists(&file_of(&folder, 1))? {
            return Self::open(folder, pinned);
        }
        std::fs::create_dir_all(&folder)
            .map_err(|error| RostersError::File { path: folder.clone(), error })?;
        write(&file_of(&folder, 1), &accepted.signed)?;
        Ok(Self::beginning(folder, accepted))
    }

    fn beginning(folder: PathBuf, first: AcceptedRoster) -> Self {
        Self { folder, history: RosterHistory::begin(first.clone()), first, later: Vec::new() }
    }

    /// Every name and key that ever was.
    #[must_use]
    pub const fn history(&self) -> &RosterHistory {
        &self.history
    }

    /// Whether a version would follow if enough jurisdictions signed it: everything that a reader asks but the
    /// votes.
    ///
    /// # Errors
    /// [`RosterError`], never `NoMajority`.
    pub fn could_follow(&self, offered: &SignedRoster) -> Result<Roster, RosterError> {
        match self.history.check(offered.clone()) {
            Ok(next) => Ok(next.roster),
            Err(RosterError::NoMajority { .. }) => {
                let next = Roster::parse(&offered.body)?;
                self.history.check_reuse(&next)?;
                Ok(next)
            }
            Err(other) => Err(other),
        }
    }

    /// The newest version that was accepted.
    #[must_use]
    pub fn current(&self) -> &AcceptedRoster {
        self.later.last().unwrap_or(&self.first)
    }

    /// The newest version that has a member: the one by which a member that left is still judged (PROTOCOL.md §6).
    #[must_use]
    pub fn last_with(&self, member: &MemberName) -> Option<&AcceptedRoster> {
        self.later.iter().rev().chain([&self.first]).find(|version| version.roster.contains(member))
    }

    /// The version with which a member left; nothing for one that is there, or never was.
    #[must_use]
    pub fn left_with(&self, member: &MemberName) -> Option<u64> {
        let gone = !self.current().roster.contains(member);
        Some(self.last_with(member).filter(|_| gone)?.roster.version.saturating_add(1))
    }

    /// An accepted version, from 1.
    #[must_use]
    pub fn version(&self, number: u64) -> Option<&AcceptedRoster> {
        match number.checked_sub(2) {
            None => (number == 1).then_some(&self.first),
            Some(later) => self.later.get(usize::try_from(later).ok()?),
        }
    }

    /// All accepted versions in order.
    pub fn chain(&self) -> impl Iterator<Item = &AcceptedRoster> {
        std::iter::once(&self.first).chain(&self.later)
    }

    /// Version 1 and its successors in order, for whoever keeps the chain in memory.
    #[must_use]
    pub fn into_chain(self) -> (AcceptedRoster, Vec<AcceptedRoster>) {
        (self.first, self.later)
    }

    /// Whether a rival of an accepted version is kept as evidence: an operator who has decided takes the file away.
    ///
    /// # Errors
    /// [`RostersError::File`].
    pub fn has_evidence(&self) -> Result<bool, RostersError> {
        let folder = self.evidence();
        let unreadable = |error| RostersError::File { path: folder.clone(), error };
        let listed = match std::fs::read_dir(&folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(unreadable(error)),
        };
        for file in listed {
            if file.map_err(unreadable)?.file_name().to_string_lossy().starts_with("roster-") {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Beside the chain, with the evidence against logs.
    fn evidence(&self) -> PathBuf {
        self.folder.with_file_name("evidence")
    }

    /// Accepts the next version, durably; a version that is held already changes nothing.
    ///
    /// # Errors
    /// [`RostersError::Refused`] when it does not follow; [`RostersError::Fork`] when another valid body of a
    /// version that is held; [`RostersError::File`]. The chain is then unchanged.
    pub fn accept(&mut self, offered: SignedRoster) -> Result<&AcceptedRoster, RostersError> {
        let id = offered.id();
        let version = Roster::parse(&offered.body).map_err(|void| refused(id, void.into()))?.version;
        if let Some(held) = self.version(version) {
            if held.id != id {
                return Err(self.fork(version, held, &offered));
            }
        } else {
            let next = self.history.check(offered).map_err(|reason| refused(id, reason))?;
            self.keep(&next)?;
            self.history.accept(next.signed.clone()).map_err(|reason| refused(id, reason))?;
            self.later.push(next);
        }
        Ok(self.current())
    }

    /// Makes the next version durable; another process of ours may have done so a moment ago.
    fn keep(&self, next: &AcceptedRoster) -> Result<(), RostersError> {
        let path = file_of(&self.folder, next.roster.version);
        match write(&path, &next.signed) {
            Err(RostersError::File { error, .. })
                if error.kind() == io::ErrorKind::AlreadyExists
                    && read(&path).is_ok_and(|kept| kept.id() == next.id) =>
            {
                Ok(())
            }
            written => written,
        }
    }

    /// A second body of a version that is held: evidence when it would have been accepted in its place.
    fn fork(&self, version: u64, held: &AcceptedRoster, offered: &SignedRoster) -> RostersError {
        let id = offered.id();
        // Only the pinned hash makes a version 1; any other body of it is no roster of this federation.
        let Some(before) = version.checked_sub(1).and_then(|before| self.version(before)) else {
            return refused(id, RosterError::NotPinned { found: id, pinned: held.id });
        };
        if let Err(reason) = offered.clone().accept_next(before) {
            return refused(id, reason);
        }
        let fork = RosterFork::new(held.signed.clone(), offered.clone());
        let signed_both = &held.signed.signers(&before.roster) & &offered.signers(&before.roster);
        let signed_both = signed_both.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let folder = self.evidence();
        let evidence = folder.join(format!("roster-{version}-{id}.evidence"));
        let written = files::create_private_folder(&folder)
            .and_then(|()| files::replace_file(&evidence, &Evidence::Roster(fork).encode()));
        match written {
            Ok(()) => RostersError::Fork { version, held: held.id, offered: id, signed_both, evidence },
            Err(error) => RostersError::File { path: evidence, error },
        }
    }
}

/// Reads a roster file; who signed it is another question.
///
/// # Errors
/// [`RostersError::File`], [`RostersError::Malformed`].
pub fn read(path: &Path) -> Result<SignedRoster, RostersError> {
    let unreadable = |error| RostersError::File { path: path.to_owned(), error };
    let malformed = |reason| RostersError::Malformed { path: path.to_owned(), reason };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > MESSAGE_BYTES as u64 {
        return Err(malformed(Void::new("SignedRoster", format!("{size} bytes, over {MESSAGE_BYTES}"))));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let wire = wire::SignedRoster::decode(bytes::Bytes::from(bytes))
        .map_err(|error| malformed(Void::new("SignedRoster", error.to_string())))?;
    SignedRoster::from_wire(wire).map_err(malformed)
}

/// Writes a new roster file, durably.
///
/// # Errors
/// [`RostersError::File`]; a file that exists is not overwritten.
pub fn write(path: &Path, roster: &SignedRoster) -> Result<(), RostersError> {
    files::create_file(path, &roster.to_wire().encode_to_vec())
        .map_err(|error| RostersError::File { path: path.to_owned(), error })
}

/// Whose certificates count under this roster.
///
/// # Errors
/// [`AuthoritiesError`], when a member's authorities cannot be used; the roster before it stays in force.
pub fn authorities(roster: &Roster) -> Result<Authorities, AuthoritiesError> {
    let mut authorities = Authorities::new();
    for member in roster.members.values() {
        authorities.insert(member.name.as_str(), &member.tls_ca)?;
    }
    Ok(authorities)
}

fn refused(id: Hash, reason: RosterError) -> RostersError {
    RostersError::Refused { place: format!("the offered roster {id}"), reason }
}

fn file_of(folder: &Path, version: u64) -> PathBuf {
    folder.join(format!("{version}.roster"))
}

fn exists(path: &Path) -> Result<bool, RostersError> {
    path.try_exists().map_err(|error| RostersError::File { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests;
