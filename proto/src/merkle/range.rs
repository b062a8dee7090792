//! The right edge of a growing tree.

use thiserror::Error;

use super::{Hash, MAX_SIZE, empty_root, node_hash};

/// What a reader keeps of a log to extend it and to recompute its root: the size, and the hashes of the perfect
/// subtrees into which it falls, left to right, the largest first (one for each set bit of the size).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactRange {
    size: u64,
    hashes: Vec<Hash>,
}

impl CompactRange {
    /// The empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Hashes of the perfect subtrees, left to right.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Appends one leaf hash.
    pub fn append(&mut self, leaf: &Hash) {
        // Adding one carries through the trailing ones of the size: each carry joins two equal subtrees.
        let carries = self.size.trailing_ones() as usize;
        let keep = self.hashes.len().saturating_sub(carries);
        let mut node = *leaf;
        for left in self.hashes.drain(keep..).rev() {
            node = node_hash(&left, &node);
        }
        self.hashes.push(node);
        self.size += 1; // starts at MAX_SIZE at most, and 2^63 appends never happen
    }

    /// The root of the tree as it stands.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.hashes
            .iter()
            .copied()
            .rev()
            .reduce(|right, left| node_hash(&left, &right))
            .unwrap_or_else(empty_root)
    }

    /// The size as 8 bytes big-endian, then the hashes, 32 bytes each.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let hashes = self.hashes.iter().flat_map(|hash| hash.0);
        self.size.to_be_bytes().into_iter().chain(hashes).collect()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes are shorter than a size, the size is above [`MAX_SIZE`], or the hashes are not exactly as
    /// many as the size implies.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RangeError> {
        let (size, rest) =
            bytes.split_first_chunk().ok_or(RangeError::Length { found: bytes.len(), required: 8 })?;
        let size = u64::from_be_bytes(*size);
        if size > MAX_SIZE {
            return Err(RangeError::Size { found: size });
        }
        let required = 8 + size.count_ones() as usize * Hash::LEN;
        if bytes.len() != required {
            return Err(RangeError::Length { found: bytes.len(), required });
        }
        let (hashes, _) = rest.as_chunks();
        Ok(Self { size, hashes: hashes.iter().copied().map(Hash).collect() })
    }
}

/// These bytes are no compact range. The blame is `Malformed`, or `Internal` when they come from one's own store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RangeError {
    /// Another number of bytes than the size implies.
    #[error("a compact range has {required} bytes here; {found} were given")]
    Length {
        /// Bytes given.
        found: usize,
        /// Bytes implied by the size.
        required: usize,
    },
    /// Larger than any log.
    #[error("a log has at most {MAX_SIZE} entries; the range says {found}")]
    Size {
        /// The size given.
        found: u64,
    },
}
