//! The local store of a platform or desk: verified logs in append-only files, and a sorted index of what their
//! statements are about. No database.
//!
//! ```text
//! store/lock                one process writes; others read what the last commit left
//! store/<member>/…          one replica a log (`replica`)
//!
//! verified page ─keep→ log, index in memory ─commit→ state ─…→ sorted runs
//! sorted runs of all replicas ─merge→ records of one indicator ─verdict→ lookup, export, delta
//! ```
//!
//! What is received is kept verbatim, so that a statement can be proven again without a network. Expired,
//! withdrawn, cut and superseded are decided by `almenara_proto::verdict` alone; the index only keeps what that
//! function reads.

mod erase;
mod audited;
mod error;
mod fact;
mod frame;
mod judge;
mod replica;
mod run;
mod state;
#[cfg(test)]
mod tests;
mod view;

use std::{
    collections::BTreeMap,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use almenara_proto::{indicator::Indicator, name::MemberName, roster::Roster, verdict::Policy};

pub use audited::{Audited, Tally};
pub use erase::ERASE_AFTER;
pub use error::StoreError;
pub use judge::{Judged, Piece, Verdicts};
pub use replica::{KeptEntry, Proof, Replica};
pub use state::Counts;
pub use view::{cosigners, is_settled};

use judge::Groups;
use run::Merge;
use view::View;

/// All logs that were pulled.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    federation: String,
    replicas: BTreeMap<MemberName, Replica>,
    /// Held as long as this process may write.
    lock: Option<File>,
}

/// What counted at a moment, to be compared with a later one.
#[derive(Clone, Debug)]
pub struct Snapshot {
    views: BTreeMap<MemberName, View>,
    /// Unix seconds: when the store was last complete; 0: never.
    at: u64,
}

impl Store {
    /// Opens the store to write to it; it is made when there is none.
    ///
    /// # Errors
    /// [`StoreError`]; `Locked` when another process writes.
    pub fn open(folder: impl Into<PathBuf>, federation: &str) -> Result<Self, StoreError> {
        let folder = folder.into();
        crate::files::create_private_folder(&folder).map_err(StoreError::file(&folder))?;
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(StoreError::file(&path))?;
        match lock.try_lock() {
            Ok(()) => {
                Self::settle_erasing(&folder)?;
                Self::with(folder, federation, Some(lock))
            }
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { folder }),
            Err(TryLockError::Error(error)) => Err(StoreError::File { path, error }),
        }
    }

    /// Opens the store as the last commit left it. Another process may go on writing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(folder: impl Into<PathBuf>, federation: &str) -> Result<Self, StoreError> {
        Self::with(folder.into(), federation, None)
    }

    fn with(folder: PathBuf, federation: &str, lock: Option<File>) -> Result<Self, StoreError> {
        let mut store = Self { replicas: BTreeMap::new(), federation: federation.to_owned(), lock, folder };
        for member in members(&store.folder)? {
            store.open_replica(&member)?;
        }
        Ok(store)
    }

    fn open_replica(&mut self, member: &MemberName) -> Result<(), StoreError> {
        let folder = self.folder.join(member.as_str());
        let replica = Replica::open(folder, member.clone(), &self.federation, self.lock.is_some())?;
        self.replicas.insert(member.clone(), replica);
        Ok(())
    }

    /// All replicas, by name.
    pub fn replicas(&self) -> impl Iterator<Item = &Replica> + Clone {
        self.replicas.values()
    }

    /// What is held of a member's log.
    #[must_use]
    pub fn replica(&self, member: &MemberName) -> Option<&Replica> {
        self.replicas.get(member)
    }

    /// The same to write to; an empty one begins when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn replica_mut(&mut self, member: &MemberName) -> Result<&mut Replica, StoreError> {
        if !self.replicas.contains_key(member) {
            self.open_replica(member)?;
        }
        let folder = &self.folder;
        self.replicas.get_mut(member).ok_or_else(|| StoreError::Moved { path: folder.join(member.as_str()) })
    }

    /// Makes durable and sorts all that was kept, at the end of a run of the program.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn finish(&mut self) -> Result<(), StoreError> {
        self.replicas.values_mut().try_for_each(Replica::finish)
    }

    /// Bytes on disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn bytes(&self) -> Result<u64, StoreError> {
        let mut total = 0;
        for member in self.replicas.keys() {
            let folder = self.folder.join(member.as_str());
            for file in std::fs::read_dir(&folder).map_err(StoreError::file(&folder))? {
                let metadata = file.and_then(|file| file.metadata());
                total += metadata.map_err(StoreError::file(&folder))?.len();
            }
        }
        Ok(total)
    }

    /// What counts now.
    #[must_use]
    pub fn snapshot(&self, roster: &Roster) -> Snapshot {
        let view = |replica: &Replica| View::new(replica, &self.replicas(), roster);
        Snapshot {
            views: self.replicas().map(|replica| (replica.member().clone(), view(replica))).collect(),
            at: self.replicas().map(Replica::fresh_at).max().unwrap_or(0),
        }
    }

    /// Views in the order of the replicas; of one that did not exist there is nothing to see.
    fn views(&self, snapshot: &Snapshot) -> Vec<View> {
        let empty = |member: &MemberName| View::nothing(member.clone());
        self.replicas.keys().map(|m| snapshot.views.get(m).cloned().unwrap_or_else(|| empty(m))).collect()
    }

    fn groups(&self, views: Vec<View>) -> Result<Groups, StoreError> {
        let mut cursors = Vec::new();
        for (number, replica) in self.replicas().enumerate() {
            cursors.extend(replica.scan()?.into_iter().map(|cursor| (number, cursor)));
        }
        Ok(Groups::new(Merge::new(cursors), views))
    }

    /// Verdicts of all indicators that something is held about, in the order of kind and value.
    ///
    /// # Errors
    /// [`StoreError`], here or from the iterator, which then ends.
    pub fn verdicts(&self, roster: &Roster, policy: &Policy, now: u64) -> Result<Verdicts, StoreError> {
        let views = self.views(&self.snapshot(roster));
        Ok(Verdicts::new(self.groups(views)?, policy.clone(), now))
    }

    /// Looks single indicators up, as many as are wanted. What does not depend on them is worked out once.
    #[must_use]
    pub fn lookups<'a>(&'a self, roster: &Roster, policy: &'a Policy, now: u64) -> Lookups<'a> {
        Lookups { store: self, views: self.views(&self.snapshot(roster)), policy, now }
    }

    /// What is held about one indicator; nothing when nothing is. For many, keep [`Self::lookups`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn lookup(
        &self,
        indicator: &Indicator,
        roster: &Roster,
        policy: &Policy,
        now: u64,
    ) -> Result<Option<Judged>, StoreError> {
        self.lookups(roster, policy, now).find(indicator)
    }

    /// Gives each indicator that is listed now and was not `before`, or the other way round, as it is judged now: also
    /// what has expired since the store was last complete.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn changes(
        &self,
        before: &Snapshot,
        roster: &Roster,
        policy: &Policy,
        now: u64,
        each: &mut dyn FnMut(Judged),
    ) -> Result<(), StoreError> {
        let was_at = if before.at == 0 { now } else { before.at.min(now) };
        // Verdicts depend on the day alone: on the same one only what is new can change them.
        let days_passed = was_at / 86_400 < now / 86_400;
        let (before, after) = (self.views(before), self.views(&self.snapshot(roster)));
        let mut groups = self.groups(Vec::new())?;
        while let Some(group) = groups.next_group()? {
            if days_passed || group.changed(&before, &after) {
                let was = group.clone().judge(&before, policy, was_at).verdict.listed;
                let judged = group.judge(&after, policy, now);
                if judged.verdict.listed != was {
                    each(judged);
                }
            }
        }
        Ok(())
    }
}

/// Looks indicators up in a store, as it stood when this was made.
#[derive(Debug)]
pub struct Lookups<'a> {
    store: &'a Store,
    views: Vec<View>,
    policy: &'a Policy,
    now: u64,
}

impl Lookups<'_> {
    /// What is held about one indicator; nothing when nothing is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find(&self, indicator: &Indicator) -> Result<Option<Judged>, StoreError> {
        let key = fact::key_of(indicator);
        let mut cursors = Vec::new();
        for (number, replica) in self.store.replicas().enumerate() {
            cursors.extend(replica.seek(&key)?.into_iter().map(|cursor| (number, cursor)));
        }
        let group = Groups::new(Merge::new(cursors), Vec::new()).next_group()?;
        let group = group.filter(|group| group.indicator() == indicator);
        let judged = group.map(|group| group.judge(&self.views, self.policy, self.now));
        // Of what was erased nothing is known.
        Ok(judged.filter(|judged| !judged.pieces.is_empty()))
    }
}

/// The members whose logs are in `folder`; none when there is no folder.
fn members(folder: &Path) -> Result<Vec<MemberName>, StoreError> {
    let listed = match std::fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::File { path: folder.to_owned(), error }),
    };
    let mut members = Vec::new();
    for file in listed {
        let file = file.map_err(StoreError::file(folder))?;
        let name = file.file_name().to_str().and_then(|name| name.parse().ok());
        members.extend(name.filter(|_| file.path().is_dir()));
    }
    Ok(members)
}
