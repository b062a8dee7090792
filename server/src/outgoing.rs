//! What leaves the node: pages of a log and evidence about indicators, every statement through release. A page shows
//! what the reader's member keeps; what it may see besides is shown when it asks for it ([`asked`]).

pub mod asked;
mod lookup;
mod page;
mod reader;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

use almenara_proto::{
    batch::{BatchHeader, statement_id},
    log::LogEntry,
    merkle::{self, Hash},
    name::MemberName,
};

use crate::{
    clock::Clock,
    compare::Trees,
    heads::Heads,
    rosters::SharedRosters,
    rot::Rotten,
    store::{LogId, Place, Store, StoreError, accesses::Access, read::StoredEntry},
};

pub use lookup::Seen;
pub use reader::{Filter, Reader};

/// Batch headers kept for lookups, some 400 bytes each.
const HEADERS_KEPT: usize = 8_192;

type HeaderCache = Mutex<HashMap<(LogId, u64), (Arc<BatchHeader>, bool)>>;

/// The door out.
#[derive(Clone)]
pub struct Outgoing {
    store: Store,
    heads: Heads,
    rosters: SharedRosters,
    server: MemberName,
    clock: Clock,
    headers: Arc<HeaderCache>,
    rotten: Rotten,
    trees: Trees,
}

impl Outgoing {
    /// The door of the node of `server`; what is `rotten` does not pass it.
    #[must_use]
    pub fn new(
        store: Store,
        heads: Heads,
        rosters: SharedRosters,
        server: MemberName,
        clock: Clock,
        rotten: Rotten,
    ) -> Self {
        let trees = Trees::new(store.clone());
        Self { store, heads, rosters, server, clock, headers: Arc::default(), rotten, trees }
    }

    /// Checks that what is stored of an entry leads to what was signed. What does not is kept back from now on.
    ///
    /// # Errors
    /// As the store says.
    pub async fn check(&self, log: LogId, entry: &StoredEntry) -> Result<(), StoreError> {
        if let Some((header, true)) = self.header(log, entry) {
            let mut held = self.store.statements(log, entry.index, entry.index.saturating_add(1)).await?;
            let held = held.remove(&entry.index).unwrap_or_default();
            self.leaves(log, entry, &header, &held).await?;
        }
        Ok(())
    }

    /// Forgets what was read of an entry: it is written anew.
    pub fn forget(&self, log: LogId, entry: u64) {
        self.headers.lock().unwrap_or_else(PoisonError::into_inner).remove(&(log, entry));
    }

    /// The hashes of all leaves of a batch: none when they are not known here, or when it has rotted.
    async fn leaves(
        &self,
        log: LogId,
        entry: &StoredEntry,
        header: &BatchHeader,
        held: &[(u32, Bytes)],
    ) -> Result<Option<Vec<Hash>>, StoreError> {
        if self.rotten.holds(log, entry.index) {
            return Ok(None);
        }
        let origin = header.origin_hash();
        let ids: Vec<(u32, Hash)> =
            held.iter().map(|(leaf, bytes)| (*leaf, statement_id(&origin, bytes))).collect();
        let whole = held.len() == header.count as usize;
        let hashes = if whole {
            Some(ids.iter().map(|(_, id)| *id).collect())
        } else {
            self.store.leaf_hashes(log, entry.index).await?
        };
        let sound = match &hashes {
            Some(hashes) => {
                merkle::root(hashes) == header.root
                    && (whole || ids.iter().all(|(leaf, id)| hashes.get(*leaf as usize) == Some(id)))
            }
            // Without hashes a batch was here whole, or its sender kept back what proves a part of it.
            None => !entry.open && header.member != self.server,
        };
        if !sound {
            self.rotten.found(log, entry.index, &header.member);
        }
        Ok(hashes.filter(|_| sound))
    }

    fn header(&self, log: LogId, entry: &StoredEntry) -> Option<(Arc<BatchHeader>, bool)> {
        let mut kept = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(&(log, entry.index)) {
            return Some(known.clone());
        }
        let LogEntry::Batch(signed) = LogEntry::parse(&entry.bytes).ok()? else { return None };
        let header = (Arc::new(signed.content), entry.counts);
        if kept.len() >= HEADERS_KEPT {
            kept.clear();
        }
        kept.insert((log, entry.index), header.clone());
        Some(header)
    }

    /// Which of these places are withdrawn.
    ///
    /// # Errors
    /// As the store says.
    pub async fn withdrawn(&self, places: &[Place]) -> Result<Vec<Place>, StoreError> {
        self.store.withdrawn(places).await
    }

    /// Who was shown what on request, since `since` (Unix seconds), after a number.
    ///
    /// # Errors
    /// As the store says.
    pub async fn accesses(
        &self,
        since: u64,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, Access)>, StoreError> {
        self.store.accesses(since, after, limit).await
    }

    /// The committed heads.
    #[must_use]
    pub const fn heads(&self) -> &Heads {
        &self.heads
    }

    /// Roots and proofs of what is held.
    #[must_use]
    pub const fn trees(&self) -> &Trees {
        &self.trees
    }

    /// The accepted rosters.
    #[must_use]
    pub const fn rosters(&self) -> &SharedRosters {
        &self.rosters
    }
}
