//! The committed heads of all logs of this node. A watcher is told that a head moved, and reads from its own
//! cursor: backfill, live and recovery are one path.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use bytes::Bytes;
use tokio::sync::watch;

use almenara_proto::{checkpoint::SignedCheckpoint, name::MemberName, prefix::Prefix};

use crate::{quarantine::Quarantine, rosters::SharedRosters, store::LogId};

/// A log as it was last committed.
#[derive(Clone, Debug)]
pub struct Head {
    /// Its number in the store.
    pub log: LogId,
    /// What its entries add up to.
    pub prefix: Arc<Prefix>,
    /// Size under the newest signed note; at most the prefix's.
    pub signed_size: u64,
    /// That note; empty when there is none.
    pub checkpoint: Bytes,
    /// The largest checkpoint with a quorum of cosignatures.
    pub settled: Option<Settled>,
    /// The first entry of which leaf hashes are missing: beyond it this node vouches for nothing.
    pub hollow: Option<u64>,
    /// Unix seconds: when entries last came; 0 before the first.
    pub moved_at: u64,
    /// Proof that its key signed two histories.
    pub quarantine: Option<Arc<Quarantine>>,
}

/// A checkpoint that the roster's quorum cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Entries below it are settled, later ones are pending.
    pub size: u64,
    /// The note, with its cosignatures.
    pub note: Bytes,
    /// The log key that signed it: once another one is in force, no reader opens it any more.
    pub log_key: [u8; 32],
}

impl Settled {
    /// From a note whose cosignatures were counted.
    #[must_use]
    pub fn new(note: &SignedCheckpoint) -> Self {
        let (size, log_key) = (note.checkpoint().size, *note.log_key());
        Self { size, note: Bytes::copy_from_slice(note.note()), log_key }
    }
}

impl Head {
    /// Entries below it are settled.
    #[must_use]
    pub fn settled_size(&self) -> u64 {
        self.settled.as_ref().map_or(0, |settled| settled.size)
    }

    /// Proof against the log, under the key that is its own now.
    #[must_use]
    pub fn quarantined(&self, rosters: &SharedRosters) -> Option<&Quarantine> {
        self.quarantine.as_deref().filter(|quarantine| quarantine.is_in_force(rosters))
    }
}

/// All heads. Written by the sequencer alone.
#[derive(Clone, Debug, Default)]
pub struct Heads(Arc<RwLock<BTreeMap<MemberName, watch::Sender<Arc<Head>>>>>);

impl Heads {
    /// The newest head of a member's log.
    #[must_use]
    pub fn get(&self, member: &MemberName) -> Option<Arc<Head>> {
        Some(self.subscribe(member)?.borrow().clone())
    }

    /// A watch on a member's log.
    #[must_use]
    pub fn subscribe(&self, member: &MemberName) -> Option<watch::Receiver<Arc<Head>>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).get(member)?.subscribe())
    }

    /// All heads.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Head>> {
        let heads = self.0.read().unwrap_or_else(PoisonError::into_inner);
        heads.values().map(|head| head.borrow().clone()).collect()
    }

    pub(crate) fn publish(&self, head: Head) {
        let member = head.prefix.member().clone();
        let head = Arc::new(head);
        let mut heads = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match heads.get(&member) {
            Some(sender) => {
                sender.send_replace(head);
            }
            None => {
                heads.insert(member, watch::Sender::new(head));
            }
        }
    }
}
