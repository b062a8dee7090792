//! Roots and proofs of what is held, at any size that it had.

use bytes::Bytes;

use almenara_client::follow;
use almenara_proto::{
    checkpoint::SignedCheckpoint,
    evidence::{Departure, Equivocation},
    merkle::Hash,
    roster::Member,
    tile::{self, Edge, TileError},
};

use crate::store::{LogId, Store, StoreError};

/// The stored trees.
#[derive(Clone, Debug)]
pub struct Trees(Store);

impl Trees {
    /// Of this store.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self(store)
    }

    /// Whether the log's `size` entries that are held are not those of the roster's segments: another root where one of
    /// them begins, or a tail beyond the beginning of the last one for which its key does not vouch. What an earlier key
    /// signed there is cut off, whoever had it by then.
    ///
    /// # Errors
    /// As the store says.
    pub async fn is_astray(
        &self,
        log: LogId,
        size: u64,
        checkpoint: &[u8],
        member: &Member,
    ) -> Result<bool, StoreError> {
        let last = member.segment().filter(|last| last.from_size > 0 && last.from_size < size);
        if last.is_some() && follow::open(checkpoint, member).is_err() {
            return Ok(true);
        }
        for segment in member.segments.iter().filter(|segment| (1..=size).contains(&segment.from_size)) {
            if self.root(log, segment.from_size).await? != segment.root {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The root over a log's first `size` entries, all of which are here.
    ///
    /// # Errors
    /// As the store says.
    pub async fn root(&self, log: LogId, size: u64) -> Result<Hash, StoreError> {
        let tiles = self.0.tiles(log, tile::edge_tiles(size)).await?;
        Ok(Edge::from_tiles(size, &tiles).map_err(damaged)?.root())
    }

    /// The proof that the tree of `new` entries begins with that of `old` (RFC 6962 §2.1.2).
    ///
    /// # Errors
    /// As the store says.
    pub async fn consistency(&self, log: LogId, old: u64, new: u64) -> Result<Vec<Hash>, StoreError> {
        let mut tiles = self.0.tiles(log, tile::tiles_for_consistency(old, new)).await?;
        // The log may have grown meanwhile: a tile then holds more hashes than it had at this size.
        for (id, hashes) in &mut tiles {
            hashes.truncate(usize::from(id.width(new)).saturating_mul(Hash::LEN));
        }
        tile::consistency(old, new, &tiles).map_err(damaged)
    }

    /// Proof that a note which is not larger than `ours`, under the same log key, is of another tree than the one that is
    /// held and that `ours` signs; nothing when it is of this one.
    ///
    /// # Errors
    /// As the store says.
    pub async fn contradiction(
        &self,
        log: LogId,
        ours: &SignedCheckpoint,
        note: &SignedCheckpoint,
    ) -> Result<Option<Equivocation>, StoreError> {
        let (size, signed) = (note.checkpoint().size, ours.checkpoint().size);
        if size > signed || note.log_key() != ours.log_key() {
            return Ok(None);
        }
        let prefix = self.root(log, size).await?;
        if prefix == note.checkpoint().root {
            return Ok(None);
        }
        let consistency = self.consistency(log, size, signed).await?;
        let departure = (size < signed).then_some(Departure { prefix, consistency });
        Ok(Equivocation::new(note.clone(), ours.clone(), departure).ok())
    }

    /// [`Self::consistency`] for a message.
    ///
    /// # Errors
    /// As the store says.
    pub async fn consistency_bytes(&self, log: LogId, old: u64, new: u64) -> Result<Vec<Bytes>, StoreError> {
        let proof = self.consistency(log, old, new).await?;
        Ok(proof.iter().map(|hash| Bytes::copy_from_slice(&hash.0)).collect())
    }
}

fn damaged(error: TileError) -> StoreError {
    StoreError::Damaged { what: "tiles", why: error.to_string() }
}
