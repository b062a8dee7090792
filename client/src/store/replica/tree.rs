//! The log's tree, built again from the leaf hashes that are held: for proofs.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Read as _},
};

use almenara_proto::{
    merkle::Hash,
    tile::{Edge, TILE_WIDTH, TileId},
};

use super::{PLACE, Replica};
use crate::store::StoreError;

impl Replica {
    /// The tiles of the tree over the first `size` entries, for [`almenara_proto::tile::Prover`]: 32 bytes an entry.
    /// Nothing is compared with a signed root here; whoever uses them does.
    ///
    /// # Errors
    /// [`StoreError`]; `Damaged` when fewer entries are held.
    pub fn tiles(&self, size: u64) -> Result<BTreeMap<TileId, Vec<u8>>, StoreError> {
        let path = self.folder.join("places");
        if size > self.committed() {
            return Err(StoreError::damaged(&path, 0, format!("entry {size} is not held")));
        }
        let file = File::open(&path).map_err(StoreError::file(&path))?;
        let mut file = BufReader::with_capacity(1 << 18, file);
        let (mut edge, mut tiles) = (Edge::new(), BTreeMap::new());
        let mut leaves = Vec::with_capacity(TILE_WIDTH);
        for index in 0..size {
            let mut place = [0; PLACE as usize];
            file.read_exact(&mut place).map_err(StoreError::file(&path))?;
            leaves.push(place.last_chunk().map_or(Hash([0; 32]), |leaf| Hash(*leaf)));
            if leaves.len() == TILE_WIDTH || index + 1 == size {
                tiles.extend(edge.append(&leaves));
                leaves.clear();
            }
        }
        Ok(tiles)
    }
}
