//! Taking up what is stored: starting and recovering from a crash are the same.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;

use almenara_proto::{
    checkpoint::{Checkpoint, SignedCheckpoint, origin_of},
    name::MemberName,
    prefix::Prefix,
    tile::{Edge, edge_tiles},
};

use super::{Draft, Own, Sequencer, take::Collected};
use crate::{
    clock::Clock,
    cosign::Cosignatures,
    heads::{Heads, Settled},
    own_log::OwnLog,
    quarantine::Quarantine,
    rosters::SharedRosters,
    store::{LogId, Store, StoreError},
};

impl Sequencer {
    /// Loads every log, recomputes its root from the stored tiles, and publishes the heads. Starting and
    /// recovering from a crash are the same.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when what is stored contradicts itself: the node must not sign.
    pub async fn start(
        store: Store,
        heads: Heads,
        rosters: SharedRosters,
        clock: Clock,
        own: Own,
        standing: OwnLog,
        cosignatures: Cosignatures,
    ) -> Result<Self, StoreError> {
        let own_log = store.add_log(own.member.as_str()).await?;
        let usage = store.usage().await?.into_iter().map(|usage| (usage.publisher.clone(), usage)).collect();
        let tombstones = store.tombstone_tags().await?.into_iter().collect();
        let revocations = store.revocations().await?;
        let mut sequencer = Self {
            store,
            heads,
            rosters,
            clock,
            own,
            own_log,
            standing,
            cosignatures,
            logs: BTreeMap::new(),
            usage,
            unsaved: HashSet::new(),
            saved_at: 0,
            tombstones,
            revocations: HashMap::new(),
        };
        sequencer.learn(&revocations);
        sequencer.load().await?;
        if sequencer.own_draft()?.checkpoint.is_none() {
            sequencer.sign_empty().await?;
        }
        Ok(sequencer)
    }

    /// Takes up every log in the store that is not known yet.
    pub(super) async fn load(&mut self) -> Result<(), StoreError> {
        let accepted = self.rosters.current();
        let federation = accepted.roster.federation.clone();
        let mut quarantines: BTreeMap<LogId, Arc<Quarantine>> = BTreeMap::new();
        for (log, agreed, evidence) in self.store.quarantines().await? {
            match Quarantine::recall(&evidence, &self.rosters) {
                Ok(found) => drop(quarantines.insert(log, Arc::new(Quarantine { agreed, ..found }))),
                // A later segment of the roster has ended it.
                Err(reason) => {
                    tracing::info!(?log, %reason, "evidence that is kept quarantines no log any more")
                }
            }
        }
        for stored in self.store.heads().await? {
            let damaged = |why: String| StoreError::Damaged { what: "log", why };
            let member: MemberName = stored.member.parse().map_err(|error| damaged(format!("{error}")))?;
            if self.logs.contains_key(&member) {
                continue;
            }
            let edge_tiles = self.store.tiles(stored.log, edge_tiles(stored.size)).await?;
            let edge =
                Edge::from_tiles(stored.size, &edge_tiles).map_err(|error| damaged(error.to_string()))?;
            if edge.root() != stored.tree.root() || stored.tree.size() != stored.size {
                return Err(damaged(format!(
                    "the tiles of {member} lead to another root than its head; restore this node from a backup or \
                     let it fetch the log anew, and do not sign with it before"
                )));
            }
            let prefix = Prefix::restore(&federation, member.clone(), stored.tree, stored.keys)
                .map_err(|error| damaged(error.to_string()))?;
            let checkpoint = self.reopen(&member, &stored.checkpoint);
            let own = Checkpoint { origin: origin_of(member.as_str()), size: stored.size, root: edge.root() };
            let fits = checkpoint.as_ref().is_some_and(|found| *found.checkpoint() == own);
            if member == self.own.member && !stored.checkpoint.is_empty() && !fits {
                return Err(damaged(format!(
                    "the checkpoint of {member} does not fit its entries; restore this node from a backup, and do \
                     not sign with it before"
                )));
            }
            let settled = self.reopen(&member, &stored.settled).map(|note| Settled::new(&note));
            let (hollow, moved_at) = (stored.hollow, stored.moved_at);
            let quarantine = quarantines.remove(&stored.log);
            if let Some(found) = &quarantine {
                tracing::error!(origin = %member, evidence = %found, "this log is in quarantine");
                if member == self.own.member {
                    self.standing.forked();
                }
            }
            let log = stored.log;
            self.put(Draft {
                log,
                prefix,
                edge,
                edge_tiles,
                checkpoint,
                settled,
                archived_at: 0,
                hollow,
                moved_at,
                quarantine,
            });
        }
        Ok(())
    }

    /// A stored note, if it still is what one of the member's log keys signed. Without it a replica serves nothing
    /// until its origin's next one comes.
    fn reopen(&self, member: &MemberName, note: &Bytes) -> Option<SignedCheckpoint> {
        let accepted = self.rosters.current();
        let origin = origin_of(member.as_str());
        let segments = accepted.roster.member(member).map_or(&[][..], |member| &member.segments);
        let opened = segments.iter().find_map(|s| SignedCheckpoint::open(note, &origin, &s.log_key.0).ok());
        if opened.is_none() && !note.is_empty() {
            tracing::warn!(%member, "a stored checkpoint does not hold: it is not served");
        }
        opened
    }

    /// The empty log has a checkpoint too, so that a reader can tell an empty log from no answer.
    async fn sign_empty(&mut self) -> Result<(), StoreError> {
        let mut draft = self.own_draft()?.clone();
        let append = self.seal(&mut draft, Collected::default(), true)?;
        self.store.commit(&[append], &[]).await?;
        self.put(draft);
        Ok(())
    }
}
