//! The Merkle tree of RFC 6962 §2.1 and RFC 9162 §2.1 over SHA-256: hashes, roots, proofs.
//!
//! `leaf = H(0x00 ‖ data)`, `node = H(0x01 ‖ left ‖ right)`; a tree of n leaves splits at the largest power of
//! two below n; the root of the empty tree is H(""). The one byte in front keeps a node from being shown as a
//! leaf.
//!
//! A root does not commit to a size. So every check here takes the size from a signed text (a batch header, a
//! checkpoint) and demands exactly the number of hashes that this size implies, before it hashes anything. Work
//! is bounded by the number of hashes given or by log2 of the size; any `u64` may be asked about.

mod disclosure;
mod proof;
mod range;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use thiserror::Error;

pub use disclosure::{multi_narrow, multi_path, multi_prove, multi_root, multi_verify};
pub use proof::{inclusion, verify_consistency, verify_inclusion};
pub use range::{CompactRange, RangeError};

/// The largest size a log may have: 2^63 − 1.
///
/// Go's `sumdb/tlog` and SQL both count in signed 64-bit integers, so a larger log could be read by neither; and
/// because nobody can append 2^63 entries, a size that was once accepted never overflows.
pub const MAX_SIZE: u64 = i64::MAX as u64;

/// A SHA-256 hash. Its text is 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Bytes in a hash.
    pub const LEN: usize = 32;
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Hash {
    type Error = HashError;

    fn try_from(bytes: &[u8]) -> Result<Self, HashError> {
        bytes.try_into().map(Self).map_err(|_| HashError::Length { found: bytes.len() })
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| HashError::Hex)?;
        Self::try_from(bytes.as_slice())
    }
}

/// What was given is not a hash. The blame is `Malformed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HashError {
    /// The wrong number of bytes.
    #[error("a hash has 32 bytes; {found} were given")]
    Length {
        /// Bytes given.
        found: usize,
    },
    /// Not lowercase hexadecimal.
    #[error("a hash is written as 64 lowercase hexadecimal digits")]
    Hex,
}

/// Why a proof does not hold. The proof may come from any relay, so this blames the connection, not the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// No such leaf.
    #[error("leaf {index} is not in a tree of {size} leaves")]
    Index {
        /// The leaf asked for.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// A log never shrinks.
    #[error("a tree of {old} leaves cannot have grown into one of {new}")]
    Sizes {
        /// Size said to be earlier.
        old: u64,
        /// Size said to be later.
        new: u64,
    },
    /// The sizes imply another number of hashes.
    #[error("the proof has {found} hashes where {required} are required")]
    Length {
        /// Hashes given.
        found: usize,
        /// Hashes that the sizes and indices imply.
        required: usize,
    },
    /// The hashes lead elsewhere.
    #[error("the proof leads to root {found}; the signed one is {required}")]
    Root {
        /// The root that the proof leads to.
        found: Hash,
        /// The root that was to be reached.
        required: Hash,
    },
    /// The disclosed indices are no strictly ascending list below the count.
    #[error("disclosed indices must ascend strictly and stay below {count}; {index} does not")]
    Disclosed {
        /// The first index out of order or out of range.
        index: u32,
        /// Leaves in the batch.
        count: u32,
    },
    /// Without a disclosed leaf no root can be recomputed, and no proof is due.
    #[error("nothing is disclosed, so there is nothing to prove")]
    NothingDisclosed,
}

/// SHA-256 of the parts, one after the other. The parts' borders are not hashed: the caller separates them.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

/// The hash of a leaf: H(0x00 ‖ data).
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Hash {
    leaf_hash_parts(&[data])
}

/// The hash of a leaf whose data stands in parts: H(0x00 ‖ parts…).
#[must_use]
pub fn leaf_hash_parts(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x00]);
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

/// The hash of an inner node: H(0x01 ‖ left ‖ right).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    // One update of 65 bytes: this is the hot call of every proof and every tile.
    let mut node = [0x01; 1 + 2 * Hash::LEN];
    let (_, children) = node.split_at_mut(1);
    let (l, r) = children.split_at_mut(Hash::LEN);
    l.copy_from_slice(&left.0);
    r.copy_from_slice(&right.0);
    sha256(&[&node])
}

/// The root of the empty tree: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// The root of the tree over these leaf hashes.
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    let mut range = CompactRange::new();
    for leaf in leaves {
        range.append(leaf);
    }
    range.root()
}

/// Where a tree of `n` ≥ 2 leaves splits: the largest power of two below n.
fn split(n: usize) -> usize {
    1 << (n.max(2) - 1).ilog2()
}
