//! The log's tree, stored as tiles (C2SP tlog-tiles): 256 hashes a full tile, eight heights a level.
//!
//! Tile n at level l holds, at i, the root of entries [(n·256 + i)·256^l, (n·256 + i + 1)·256^l). Only full tiles
//! of one level feed the next, so a full tile never changes and may be cached for ever; the rightmost tile of a
//! level is partial and grows. What lies to the right of a level's last stored hash, its *rest*, is smaller than
//! one hash of that level stands for; its root follows from the partial tiles below.
//!
//! Reading is split in two so that this code needs no I/O: first ask which tiles a proof needs, then fetch them
//! (a full tile serves where a partial one was asked for), then compute.

mod edge;
mod path;
mod prover;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;

use crate::merkle::{Hash, MAX_SIZE};

pub use edge::{Edge, edge_tiles, verify};
pub use path::{TilePath, TilePathError};
pub use prover::{
    Prover, consistency, inclusion, tiles_for_check, tiles_for_consistency, tiles_for_inclusion,
};

/// Hashes in a full tile.
pub const TILE_WIDTH: usize = 256;

/// Bytes in a full tile.
pub const TILE_BYTES: usize = TILE_WIDTH * Hash::LEN;

/// The `index`-th tile at `level`, both from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    /// Level: its hashes stand for 256^level entries each. A tree of `u64` size has levels 0 to 7.
    pub level: u8,
    /// Position within the level.
    pub index: u64,
}

impl TileId {
    /// How many hashes (0 to 256) this tile has in a tree of `size` entries.
    #[must_use]
    pub fn width(self, size: u64) -> u16 {
        let before = self.index.saturating_mul(TILE_WIDTH as u64);
        hashes_at(self.level, size).saturating_sub(before).min(TILE_WIDTH as u64) as u16
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TilePath::Tree { id: *self, partial: None }.fmt(f)
    }
}

/// The width (0 to 255 hashes) of the partial tile at `level` in a tree of `size` entries; at 0 there is none.
#[must_use]
pub fn partial_width(level: u8, size: u64) -> u16 {
    (hashes_at(level, size) % TILE_WIDTH as u64) as u16
}

/// Where tiles are read from. A tile is whole, or holds at least the hashes it has at the size in question.
pub trait Tiles {
    /// The bytes of a tile: its hashes, one after the other.
    fn tile(&self, id: TileId) -> Option<&[u8]>;
}

impl<B: AsRef<[u8]>> Tiles for BTreeMap<TileId, B> {
    fn tile(&self, id: TileId) -> Option<&[u8]> {
        self.get(&id).map(AsRef::as_ref)
    }
}

/// Why tiles give no proof. From one's own store the blame is `Internal`; from a peer it falls on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TileError {
    /// A tile that the proof needs was not given.
    #[error("tile {tile} is missing; fetch it first")]
    Missing {
        /// The tile.
        tile: TileId,
    },
    /// A tile is not made of 32-byte hashes, or of too few, or of more than 256.
    #[error("tile {tile} has {found} bytes; a multiple of 32 from {required} to 8192 is required")]
    Length {
        /// The tile.
        tile: TileId,
        /// Bytes given.
        found: usize,
        /// The least number of bytes at this size.
        required: usize,
    },
    /// A tile does not hash to what the tile above it says.
    #[error("tile {tile} hashes to {found}; the tile above it says {required}")]
    Contradiction {
        /// The lower tile; either may be the wrong one.
        tile: TileId,
        /// The hash of the tile.
        found: Hash,
        /// The hash in the tile above.
        required: Hash,
    },
    /// The tiles do not hash to the root.
    #[error("the tiles hash to root {found}; {required} is required")]
    Root {
        /// The root recomputed from the tiles.
        found: Hash,
        /// The root that was to be reached.
        required: Hash,
    },
    /// The tree has no such entry, or no such tile.
    #[error("position {index} is not in a tree of {size} entries")]
    Index {
        /// The entry or the tile's first entry.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// A log never shrinks.
    #[error("a tree of {old} entries cannot have grown into one of {new}")]
    Sizes {
        /// Size said to be earlier.
        old: u64,
        /// Size said to be later.
        new: u64,
    },
    /// Larger than any log.
    #[error("a log has at most {MAX_SIZE} entries; {size} were named")]
    Size {
        /// The size named.
        size: u64,
    },
}

/// Hashes stored at a level of a tree of `size` entries: one for each 256^level entries.
fn hashes_at(level: u8, size: u64) -> u64 {
    size.checked_shr(8 * u32::from(level)).unwrap_or(0)
}

/// The first `width` hashes of a tile, which must have that many.
fn read(tiles: &impl Tiles, tile: TileId, width: u16) -> Result<Vec<Hash>, TileError> {
    let bytes = tiles.tile(tile).ok_or(TileError::Missing { tile })?;
    let required = usize::from(width) * Hash::LEN;
    let (hashes, odd) = bytes.as_chunks();
    if !odd.is_empty() || bytes.len() < required || bytes.len() > TILE_BYTES {
        return Err(TileError::Length { tile, found: bytes.len(), required });
    }
    Ok(hashes.iter().take(usize::from(width)).copied().map(Hash).collect())
}
