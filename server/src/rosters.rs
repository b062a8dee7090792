//! The accepted rosters, as everybody in the node reads them.

use std::sync::{Arc, PoisonError, RwLock};

use rustls_pki_types::CertificateDer;

use almenara_certs::{Authorities, AuthoritiesError};
use almenara_proto::{
    release::Rosters,
    roster::{AcceptedRoster, Roster},
};

/// The chain of accepted versions; all clones see a new one at once.
#[derive(Clone, Debug)]
pub struct SharedRosters(Arc<RwLock<Vec<Arc<AcceptedRoster>>>>);

impl SharedRosters {
    /// Starts with a chain that was verified when it was read: version 1 and its successors.
    #[must_use]
    pub fn new(first: AcceptedRoster, successors: Vec<AcceptedRoster>) -> Self {
        let chain = std::iter::once(first).chain(successors).map(Arc::new).collect();
        Self(Arc::new(RwLock::new(chain)))
    }

    /// The version in force.
    #[must_use]
    pub fn current(&self) -> Arc<AcceptedRoster> {
        let chain = self.0.read().unwrap_or_else(PoisonError::into_inner);
        // `new` put one in, and nothing takes any out.
        chain.last().map(Arc::clone).unwrap_or_else(|| unreachable!("a chain has a first version"))
    }

    /// All versions from one on.
    #[must_use]
    pub fn from(&self, version: u64) -> Vec<Arc<AcceptedRoster>> {
        let chain = self.0.read().unwrap_or_else(PoisonError::into_inner);
        chain.iter().filter(|accepted| accepted.roster.version >= version).cloned().collect()
    }

    /// A version.
    #[must_use]
    pub fn version(&self, version: u64) -> Option<Arc<AcceptedRoster>> {
        self.from(version).into_iter().find(|accepted| accepted.roster.version == version)
    }
}

/// What release looks at: the roster now, and the one that a batch's author used.
#[derive(Clone, Debug)]
pub struct ThenAndNow {
    now: Arc<AcceptedRoster>,
    then: Option<Arc<AcceptedRoster>>,
}

impl ThenAndNow {
    /// For a batch that names `version`, at `time` (Unix seconds). After the roster in force has expired nothing
    /// restricted flows (PROTOCOL.md §7).
    #[must_use]
    pub fn at(rosters: &SharedRosters, version: u64, time: u64) -> Self {
        let now = rosters.current();
        if time > now.roster.expires_at {
            return Self { now, then: None };
        }
        let then =
            if now.roster.version == version { Some(Arc::clone(&now)) } else { rosters.version(version) };
        Self { now, then }
    }

    /// For an end of a stream that has another roster: only what everybody may see flows.
    #[must_use]
    pub fn disagreed(rosters: &SharedRosters) -> Self {
        Self { now: rosters.current(), then: None }
    }

    /// As release takes them.
    #[must_use]
    pub fn as_rosters(&self) -> Rosters<'_> {
        Rosters { now: &self.now.roster, then: self.then.as_ref().map(|then| &then.roster) }
    }
}

/// The authorities of all members.
///
/// # Errors
/// A member's certificate is malformed; the caller keeps the old ones.
pub fn authorities(roster: &Roster) -> Result<Authorities, AuthoritiesError> {
    let mut authorities = Authorities::new();
    for member in roster.members.values() {
        let certificates: Vec<CertificateDer<'_>> =
            member.tls_ca.iter().map(|der| der.to_vec().into()).collect();
        authorities.insert(member.name.as_str(), &certificates)?;
    }
    Ok(authorities)
}
