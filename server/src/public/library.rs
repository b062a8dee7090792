//! From the store to tiles and bundles, each proven against the checkpoint before it leaves.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;

use almenara_proto::{
    checkpoint::Checkpoint,
    merkle::{self, Hash},
    note::Note,
    tile::{Prover, TILE_WIDTH, TileId, TilePath, tiles_for_check},
};

use super::hot::Hot;
use crate::{
    heads::Head,
    rot::Rotten,
    store::{Store, StoreError},
};

/// Why a page is not served.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotServed {
    /// There is none: no such log, or not below the signed size.
    #[error("it is not there")]
    NotThere,
    /// What is stored does not lead to what was signed.
    #[error("what is stored is damaged: {0}")]
    Damaged(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All tiles and bundles of a node.
#[derive(Clone)]
pub struct Library {
    store: Store,
    rotten: Rotten,
    hot: Arc<Hot>,
    /// The public reads the store through one connection, and members keep the others.
    turn: Arc<Semaphore>,
}

impl Library {
    /// Of this store; what is `rotten` does not leave.
    #[must_use]
    pub fn new(store: Store, rotten: Rotten) -> Self {
        Self { store, rotten, hot: Arc::default(), turn: Arc::new(Semaphore::new(1)) }
    }

    /// A tile or bundle, up to the size of the newest checkpoint.
    ///
    /// # Errors
    /// [`NotServed`].
    pub(super) async fn read(&self, head: &Head, path: TilePath) -> Result<Bytes, NotServed> {
        if let Some(bytes) = self.hot.get((head.log, path)) {
            return Ok(bytes);
        }
        let (index, width) = (path.index(), path.width());
        let id = TileId { level: path.level().unwrap_or(0), index };
        if id.width(head.signed_size) < width {
            return Err(NotServed::NotThere);
        }
        let turn = self.turn.acquire().await;
        // Whoever had the turn before may have read the same.
        if let Some(bytes) = self.hot.get((head.log, path)) {
            return Ok(bytes);
        }
        let tile = self.tile(head, id, width).await?;
        let bytes = if path.is_bundle() { self.bundle(head, index, &tile).await? } else { tile };
        drop(turn);
        self.hot.put((head.log, path), &bytes);
        Ok(bytes)
    }

    /// The first kept note that settled at least so many entries of a log.
    ///
    /// # Errors
    /// As the store says.
    pub(super) async fn first_settled(&self, head: &Head, entries: u64) -> Result<Option<Bytes>, NotServed> {
        let _turn = self.turn.acquire().await;
        Ok(self.store.first_settled(head.log, entries).await?)
    }

    /// The first `width` hashes of a tile. It is compared with the tiles above it, up to the signed root: a reader would
    /// notice a changed byte too, and blame this node.
    async fn tile(&self, head: &Head, id: TileId, width: u16) -> Result<Bytes, NotServed> {
        let size = head.signed_size;
        let damaged = |why: String| {
            tracing::error!(origin = %head.prefix.member(), tile = %id, %why, "a stored tile is damaged: check the disk");
            NotServed::Damaged(why)
        };
        let mut tiles = self.store.tiles(head.log, tiles_for_check(id, size)).await?;
        // The log may have grown meanwhile: a tile then holds more hashes than it had at this size.
        for (id, hashes) in &mut tiles {
            hashes.truncate(usize::from(id.width(size)).saturating_mul(Hash::LEN));
        }
        let mut prover = Prover::new(size, &tiles).map_err(|why| damaged(why.to_string()))?;
        let signed =
            Note::parse(&head.checkpoint).ok().and_then(|note| note.text().parse::<Checkpoint>().ok());
        if signed.is_none_or(|signed| signed.size != size || signed.root != prover.root()) {
            return Err(damaged("the tiles do not lead to the signed root".to_owned()));
        }
        prover.check(id).map_err(|why| damaged(why.to_string()))?;
        let mut tile = tiles.remove(&id).unwrap_or_default();
        tile.truncate(usize::from(width).saturating_mul(Hash::LEN));
        Ok(tile.into())
    }

    /// The entries of a proven tile of level 0, each behind its length (u16, big-endian).
    async fn bundle(&self, head: &Head, index: u64, tile: &Bytes) -> Result<Bytes, NotServed> {
        let (hashes, _) = tile.as_chunks::<32>();
        let from = index.saturating_mul(TILE_WIDTH as u64);
        let to = from.saturating_add(hashes.len() as u64);
        let entries = self.store.entries(head.log, from, to, TILE_WIDTH as u32).await?;
        let missing = || NotServed::Damaged("an entry is missing".to_owned());
        let mut bundle =
            Vec::with_capacity(entries.iter().map(|entry| entry.bytes.len().saturating_add(2)).sum());
        let mut entries = entries.into_iter();
        for (at, hash) in (from..).zip(hashes) {
            let entry = entries.next().filter(|entry| entry.index == at).ok_or_else(missing)?;
            if merkle::leaf_hash(&entry.bytes).0 != *hash {
                self.rotten.found(head.log, at, head.prefix.member());
                return Err(NotServed::Damaged(format!("entry {at}")));
            }
            let length = u16::try_from(entry.bytes.len());
            let length = length.map_err(|_| NotServed::Damaged(format!("entry {at} is too long")))?;
            bundle.extend_from_slice(&length.to_be_bytes());
            bundle.extend_from_slice(&entry.bytes);
        }
        Ok(bundle.into())
    }
}
