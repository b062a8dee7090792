//! The accepted rosters, as everybody in the node reads them, and how the next one is accepted.

use std::sync::{
    Arc, Mutex, PoisonError, RwLock,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::watch;

use almenara_client::rosters::{Rosters as Chain, RostersError};
use almenara_proto::{
    name::MemberName,
    release::Rosters,
    roster::{AcceptedRoster, SignedRoster},
};

/// The chain of accepted versions; all clones see a new one at once.
#[derive(Clone, Debug)]
pub struct SharedRosters(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// In order; never empty.
    chain: RwLock<Vec<Arc<AcceptedRoster>>>,
    /// Makes a version durable before it counts.
    kept: Mutex<Chain>,
    /// The version in force.
    version: watch::Sender<u64>,
    /// Two successors of one version were seen.
    rivals: AtomicBool,
}

impl SharedRosters {
    /// Starts with a chain that was verified when it was read. While evidence of two successors is kept with it, only
    /// what everybody may see leaves the node.
    ///
    /// # Errors
    /// [`RostersError::File`].
    pub fn new(kept: Chain) -> Result<Self, Box<RostersError>> {
        let rivals = kept.has_evidence()?;
        if rivals {
            tracing::error!(
                "two successors of one roster are kept as evidence: nothing restricted leaves this node"
            );
        }
        Ok(Self(Arc::new(Shared {
            chain: RwLock::new(kept.chain().cloned().map(Arc::new).collect()),
            version: watch::Sender::new(kept.current().roster.version),
            kept: Mutex::new(kept),
            rivals: AtomicBool::new(rivals),
        })))
    }

    /// The version in force.
    #[must_use]
    pub fn current(&self) -> Arc<AcceptedRoster> {
        let chain = self.0.chain.read().unwrap_or_else(PoisonError::into_inner);
        // `new` put one in, and nothing takes any out.
        chain.last().map(Arc::clone).unwrap_or_else(|| unreachable!("a chain has a first version"))
    }

    /// All versions from one on.
    #[must_use]
    pub fn from(&self, version: u64) -> Vec<Arc<AcceptedRoster>> {
        let chain = self.0.chain.read().unwrap_or_else(PoisonError::into_inner);
        chain.iter().filter(|accepted| accepted.roster.version >= version).cloned().collect()
    }

    /// A version.
    #[must_use]
    pub fn version(&self, version: u64) -> Option<Arc<AcceptedRoster>> {
        self.from(version).into_iter().find(|accepted| accepted.roster.version == version)
    }

    /// The newest version that has a member: the one by which a member that left is still judged (PROTOCOL.md §6).
    #[must_use]
    pub fn last_with(&self, member: &MemberName) -> Option<Arc<AcceptedRoster>> {
        let chain = self.0.chain.read().unwrap_or_else(PoisonError::into_inner);
        chain.iter().rev().find(|version| version.roster.contains(member)).cloned()
    }

    /// Wakes the caller at each new version.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// Accepts the next version, durably, and puts it in force; one that is held already changes nothing. Gives the
    /// version in force.
    ///
    /// # Errors
    /// [`RostersError`]: it does not follow, or too few signed it. After a rival of a version that is held, only what
    /// everybody may see flows, until an operator has decided (PROTOCOL.md §7).
    pub fn accept(&self, offered: SignedRoster) -> Result<u64, Box<RostersError>> {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let accepted = match kept.accept(offered) {
            Ok(accepted) => accepted.clone(),
            Err(error) => {
                if matches!(error, RostersError::Fork { .. }) {
                    self.0.rivals.store(true, Ordering::Release);
                    tracing::error!(%error, "nothing restricted leaves this node any more");
                }
                return Err(Box::new(error));
            }
        };
        let version = accepted.roster.version;
        let before = self.current().roster.version;
        if version > before {
            self.0.chain.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(accepted));
            self.0.version.send_replace(version);
            tracing::info!(version, "a new roster is in force");
        }
        Ok(version)
    }

    /// Whether anything restricted flows at `time` (Unix seconds): not after the expiry of the roster in force, and not
    /// while it has a rival.
    #[must_use]
    pub fn release_restricted(&self, time: u64) -> bool {
        time <= self.current().roster.expires_at && !self.0.rivals.load(Ordering::Acquire)
    }
}

/// What release looks at: the roster now, and the one that a batch's author used.
#[derive(Clone, Debug)]
pub struct ThenAndNow {
    now: Arc<AcceptedRoster>,
    then: Option<Arc<AcceptedRoster>>,
}

impl ThenAndNow {
    /// For a batch that names `version`, at `time` (Unix seconds). After the roster in force has expired, or when it
    /// has a rival, nothing restricted flows (PROTOCOL.md §7).
    #[must_use]
    pub fn at(rosters: &SharedRosters, version: u64, time: u64) -> Self {
        let now = rosters.current();
        if !rosters.release_restricted(time) {
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
