//! Proofs out of tiles.

use std::collections::BTreeMap;

use super::edge::{last_tile, levels};
use super::{Edge, TileError, TileId, Tiles, edge_tiles, hashes_at, read};
use crate::merkle::{Hash, empty_root, node_hash};

/// Gives proofs against one size. Each tile's inner nodes are hashed once, however many proofs pass through it.
///
/// Every tile is checked when it is first read: a full one must hash to what the tile above it says, and the edge
/// to [`Prover::root`]. So whoever compares that root with a signed one knows that no hash of any proof comes
/// from an unproven tile.
#[derive(Debug)]
pub struct Prover<'a, T> {
    size: u64,
    root: Hash,
    tiles: &'a T,
    edge: Edge,
    /// By level: the root of what lies to the right of the level's last hash.
    rests: Vec<Option<Hash>>,
    /// Owned here and only added to: the tiles that were read and proven.
    proven: BTreeMap<TileId, Rows>,
}

impl<'a, T: Tiles> Prover<'a, T> {
    /// A prover for the tree of `size` entries. Reads the edge ([`edge_tiles`]) now, other tiles when needed.
    ///
    /// # Errors
    /// `Size`, `Missing` or `Length`, as [`Edge::from_tiles`].
    pub fn new(size: u64, tiles: &'a T) -> Result<Self, TileError> {
        Ok(Self::from_edge(Edge::from_tiles(size, tiles)?, tiles))
    }

    /// A prover for the tree that has this edge; reads only tiles that are not part of the edge. With the tiles
    /// that [`Edge::append`] gave it proves every entry appended, so a sequencer reads nothing for its receipts.
    #[must_use]
    pub fn from_edge(edge: Edge, tiles: &'a T) -> Self {
        let rests = edge.rests();
        let root = rests.last().copied().flatten().unwrap_or_else(empty_root);
        Self { size: edge.size(), root, tiles, edge, rests, proven: BTreeMap::new() }
    }

    /// The root of the tree, recomputed from its edge. Compare it with the signed one before using a proof.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The audit path of an entry, leaf to root.
    ///
    /// # Errors
    /// `Index` beyond the tree; `Missing`, `Length` or `Contradiction` of a tile.
    pub fn inclusion(&mut self, index: u64) -> Result<Vec<Hash>, TileError> {
        if index >= self.size {
            return Err(TileError::Index { index, size: self.size });
        }
        self.path(0, index)
    }

    /// The proof that this tree extends that of `old` entries (RFC 9162 §2.1.4.1); empty for `old` 0 or this size.
    ///
    /// # Errors
    /// `Sizes` when `old` is larger; `Missing`, `Length` or `Contradiction` of a tile.
    pub fn consistency(&mut self, old: u64) -> Result<Vec<Hash>, TileError> {
        if old > self.size {
            return Err(TileError::Sizes { old, new: self.size });
        }
        if old == 0 || old == self.size {
            return Ok(Vec::new());
        }
        // It is the path of the largest perfect subtree that ends where the old tree ends, and before it the hash
        // of that subtree, unless it is the whole old tree.
        let height = old.trailing_zeros();
        let path = self.path(height, old - 1)?;
        if old.is_power_of_two() {
            return Ok(path);
        }
        let level = (height / 8) as u8;
        let rows = self.proven(tile_at(level, old - 1))?;
        let seed = rows.get(height % 8, place(level, old - 1) >> (height % 8));
        Ok(seed.into_iter().chain(path).collect())
    }

    /// Proves one tile against [`Prover::root`], as an auditor must for every tile that it fetched.
    ///
    /// # Errors
    /// `Index` when the tree has no such tile; `Missing`, `Length` or `Contradiction` of it or of one above it.
    pub fn check(&mut self, tile: TileId) -> Result<(), TileError> {
        if tile.width(self.size) == 0 {
            return Err(TileError::Index { index: first_entry(tile), size: self.size });
        }
        self.prove(tile.level, first_entry(tile))
    }

    /// The siblings on the way from the node of this height above `entry` to the root.
    fn path(&mut self, height: u32, entry: u64) -> Result<Vec<Hash>, TileError> {
        let lowest = (height / 8) as u8;
        self.prove(lowest, entry)?;
        let mut path = Vec::new();
        for level in lowest..levels(self.size) {
            let rows = self.proven(tile_at(level, entry))?;
            let skip = if level == lowest { height % 8 } else { 0 };
            rows.path(skip, place(level, entry), &mut path);
        }
        Ok(path)
    }

    /// Reads and proves the tiles above `entry` from the highest level down to `lowest`.
    fn prove(&mut self, lowest: u8, entry: u64) -> Result<(), TileError> {
        let mut above: Option<Hash> = None;
        for level in (lowest..levels(self.size)).rev() {
            let tile = tile_at(level, entry);
            if !self.proven.contains_key(&tile) {
                let rows = self.rows(tile)?;
                let found = rows.root().ok_or(TileError::Missing { tile })?;
                // Nothing is above the highest tile: it is part of the edge, of which the root was computed.
                let required = above.unwrap_or(self.root);
                if found != required {
                    return Err(TileError::Contradiction { tile, found, required });
                }
                self.proven.insert(tile, rows);
            }
            above = Some(self.proven(tile)?.get(0, place(level, entry)).ok_or(TileError::Missing { tile })?);
        }
        Ok(())
    }

    /// A tile's inner nodes, at this size: its hashes and, in the last tile of a level, the rest.
    fn rows(&self, tile: TileId) -> Result<Rows, TileError> {
        let mut leaves = if tile == last_tile(tile.level, self.size) {
            self.edge.level(tile.level).to_vec()
        } else {
            read(self.tiles, tile, tile.width(self.size))?
        };
        if tile == last_tile(tile.level, self.size) {
            leaves.extend(self.rests.get(usize::from(tile.level)).copied().flatten());
        }
        Ok(Rows::new(leaves))
    }

    fn proven(&self, tile: TileId) -> Result<&Rows, TileError> {
        self.proven.get(&tile).ok_or(TileError::Missing { tile })
    }
}

/// The nodes of a small tree, row by row from the leaves; a last node without a sibling moves up as it is, which
/// is the same tree as splitting at the largest power of two.
#[derive(Debug)]
struct Rows(Vec<Vec<Hash>>);

impl Rows {
    fn new(leaves: Vec<Hash>) -> Self {
        let mut rows = Vec::new();
        let mut row = leaves;
        while row.len() > 1 {
            let above = row
                .chunks(2)
                .filter_map(|pair| match pair {
                    [left, right] => Some(node_hash(left, right)),
                    [last] => Some(*last),
                    _ => None,
                })
                .collect();
            rows.push(std::mem::replace(&mut row, above));
        }
        rows.push(row);
        Self(rows)
    }

    fn get(&self, height: u32, place: usize) -> Option<Hash> {
        self.0.get(height as usize)?.get(place).copied()
    }

    fn root(&self) -> Option<Hash> {
        self.0.last()?.first().copied()
    }

    /// Appends the siblings on the way from the node at height `skip` above the leaf at `place`.
    fn path(&self, skip: u32, place: usize, path: &mut Vec<Hash>) {
        for (height, row) in self.0.iter().enumerate().skip(skip as usize) {
            path.extend(row.get(place >> height ^ 1));
        }
    }
}

/// The tiles that [`inclusion`] of this entry reads; none when the tree has no such entry.
#[must_use]
pub fn tiles_for_inclusion(index: u64, size: u64) -> Vec<TileId> {
    if index < size { tiles_for(0, index, size) } else { Vec::new() }
}

/// The tiles that [`consistency`] of these sizes reads; none when the proof is empty.
#[must_use]
pub fn tiles_for_consistency(old: u64, new: u64) -> Vec<TileId> {
    if old == 0 || old >= new {
        Vec::new()
    } else {
        tiles_for((old.trailing_zeros() / 8) as u8, old - 1, new)
    }
}

/// The tiles that [`Prover::check`] of this tile reads; none when the tree has no such tile.
#[must_use]
pub fn tiles_for_check(tile: TileId, size: u64) -> Vec<TileId> {
    if tile.width(size) == 0 { Vec::new() } else { tiles_for(tile.level, first_entry(tile), size) }
}

fn tiles_for(lowest: u8, entry: u64, size: u64) -> Vec<TileId> {
    let mut tiles = edge_tiles(size);
    let way = (lowest..levels(size)).map(|level| tile_at(level, entry));
    tiles.extend(way.filter(|tile| *tile != last_tile(tile.level, size)));
    tiles
}

/// The audit path of an entry in the tree of `size` entries. For many, keep a [`Prover`].
///
/// # Errors
/// As [`Prover::new`] and [`Prover::inclusion`].
pub fn inclusion(index: u64, size: u64, tiles: &impl Tiles) -> Result<Vec<Hash>, TileError> {
    Prover::new(size, tiles)?.inclusion(index)
}

/// The proof that the tree of `new` entries extends that of `old`; empty, and no tile read, for `old` 0 or `new`.
///
/// # Errors
/// As [`Prover::new`] and [`Prover::consistency`].
pub fn consistency(old: u64, new: u64, tiles: &impl Tiles) -> Result<Vec<Hash>, TileError> {
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    Prover::new(new, tiles)?.consistency(old)
}

/// The tile at a level above this entry.
fn tile_at(level: u8, entry: u64) -> TileId {
    TileId { level, index: hashes_at(level + 1, entry) }
}

/// The entry's place in that tile.
fn place(level: u8, entry: u64) -> usize {
    (hashes_at(level, entry) % 256) as usize
}

/// The first entry below a tile.
fn first_entry(tile: TileId) -> u64 {
    tile.index.checked_shl(8 * (u32::from(tile.level) + 1)).unwrap_or(0)
}
