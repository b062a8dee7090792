//! The right edge of a log in tiles: what an appender keeps.

use super::{TILE_WIDTH, TileError, TileId, Tiles, hashes_at, partial_width, read};
use crate::merkle::{Hash, MAX_SIZE, empty_root, root};

/// The partial tiles of a tree, one for each level, and its size. At most 8 levels of at most 255 hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    /// The partial tile's hashes by level: `partial_width(level, size)` of them.
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// The empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The edge of a stored tree of `size` entries; reads the tiles that [`edge_tiles`] names.
    ///
    /// # Errors
    /// `Size` above [`MAX_SIZE`]; `Missing` or `Length` of a tile.
    pub fn from_tiles(size: u64, tiles: &impl Tiles) -> Result<Self, TileError> {
        if size > MAX_SIZE {
            return Err(TileError::Size { size });
        }
        let levels = (0..levels(size)).map(|level| match partial_width(level, size) {
            0 => Ok(Vec::new()),
            width => read(tiles, last_tile(level, size), width),
        });
        Ok(Self { size, levels: levels.collect::<Result<_, _>>()? })
    }

    /// Entries so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends leaf hashes. Gives every tile whose content changed, each once, with its new bytes: the tiles that
    /// became full, and what is now partial. All of them must be stored before the new size is signed.
    pub fn append(&mut self, leaves: &[Hash]) -> Vec<(TileId, Vec<u8>)> {
        let mut changed = Vec::new();
        let mut touched = 0;
        for leaf in leaves {
            touched = touched.max(self.push(*leaf, &mut changed));
        }
        // A level that received a hash and ended full has an empty partial tile now, and was given above.
        for (level, hashes) in (0u8..).zip(&self.levels).take(touched) {
            if !hashes.is_empty() {
                changed.push((last_tile(level, self.size), bytes(hashes)));
            }
        }
        changed
    }

    /// Appends one leaf hash; gives how many levels received a hash. Full tiles go to `full`.
    fn push(&mut self, leaf: Hash, full: &mut Vec<(TileId, Vec<u8>)>) -> usize {
        self.size += 1; // starts at MAX_SIZE at most, and 2^63 appends never happen
        let mut hash = leaf;
        for (level, hashes) in (0u8..).zip(&mut self.levels) {
            hashes.push(hash);
            if hashes.len() < TILE_WIDTH {
                return usize::from(level) + 1;
            }
            hash = root(hashes);
            let index = hashes_at(level, self.size) / TILE_WIDTH as u64 - 1;
            full.push((TileId { level, index }, bytes(&std::mem::take(hashes))));
        }
        self.levels.push(vec![hash]);
        self.levels.len()
    }

    /// The root, recomputed from the partial tiles.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.rests().pop().flatten().unwrap_or_else(empty_root)
    }

    /// By level, from 0 to one above the highest: the root of the entries to the right of the level's last hash,
    /// `None` when there are none. The last one is the root of the tree.
    pub(super) fn rests(&self) -> Vec<Option<Hash>> {
        let mut rests = vec![None];
        let mut rest = None;
        for hashes in &self.levels {
            if !hashes.is_empty() {
                // The rest is smaller than what one of these hashes stands for, so it splits off as their last.
                rest = Some(root(&hashes.iter().copied().chain(rest).collect::<Vec<_>>()));
            }
            rests.push(rest);
        }
        rests
    }

    pub(super) fn level(&self, level: u8) -> &[Hash] {
        self.levels.get(usize::from(level)).map_or(&[], Vec::as_slice)
    }
}

/// The partial tiles of a tree of `size` entries: what [`Edge::from_tiles`] and every proof reads.
#[must_use]
pub fn edge_tiles(size: u64) -> Vec<TileId> {
    let partial = (0..levels(size)).filter(|level| partial_width(*level, size) > 0);
    partial.map(|level| last_tile(level, size)).collect()
}

/// Recomputes the root of a stored tree from its edge, as a server does before it signs.
///
/// # Errors
/// As [`Edge::from_tiles`]; `Root` when the tiles say otherwise.
pub fn verify(size: u64, required: &Hash, tiles: &impl Tiles) -> Result<(), TileError> {
    let found = Edge::from_tiles(size, tiles)?.root();
    if found == *required { Ok(()) } else { Err(TileError::Root { found, required: *required }) }
}

/// Levels that hold a hash. The highest has a partial tile of 1 to 255 hashes and no other.
pub(super) fn levels(size: u64) -> u8 {
    size.checked_ilog2().map_or(0, |log| (log / 8 + 1) as u8)
}

/// The tile at a level into which the next hash goes.
pub(super) fn last_tile(level: u8, size: u64) -> TileId {
    TileId { level, index: hashes_at(level, size) / TILE_WIDTH as u64 }
}

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}
