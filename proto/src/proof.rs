//! One statement with everything that proves it (PROTOCOL.md §13), as a file that anybody can check offline: who said
//! it, under which key and grant, at which place of which log, who cosigned, and who belonged.
//!
//! The checker brings one hash, that of a roster. Nothing stands in a file that is not checked, and a file has one
//! encoding: with any byte changed it proves nothing, and whoever brought it is to blame. It proves that something was
//! said; whether it still stands is for the log to tell, as it is later.

mod check;
mod error;
#[cfg(test)]
mod tests;
mod tlog;

use bytes::Bytes;
use prost::Message as _;

pub use check::Proven;
pub use error::Unproven;
pub use tlog::{BadTlogProof, TlogProof};

use crate::{blame::Void, field, limits::PROOF_BYTES, merkle::Hash, roster::SignedRoster, strict, wire};

/// What a file says. It proves nothing before [`Self::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// One by one, from the one whose hash the checker knows.
    pub rosters: Vec<SignedRoster>,
    /// A signed note with its cosignatures, verbatim; no lines of others.
    pub checkpoint: Bytes,
    /// The batch.
    pub batch: Included,
    /// The grant of the batch's key.
    pub grant: Included,
    /// The statement's place in the batch.
    pub leaf: u32,
    /// The statement's bytes.
    pub statement: Bytes,
    /// The hash of every maximal subtree of the batch without the leaf, left to right.
    pub disclosure: Vec<Hash>,
}

/// A log entry and its audit path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Included {
    /// Its log index.
    pub index: u64,
    /// `LogEntry`, verbatim.
    pub bytes: Bytes,
    /// Leaf to root, under the checkpoint.
    pub path: Vec<Hash>,
}

impl Proof {
    /// Reads a file; what it proves is another question.
    ///
    /// # Errors
    /// [`Void`] with the first broken rule; also when it is not in its one encoding.
    pub fn parse(bytes: &[u8]) -> Result<Self, Void> {
        if bytes.len() > PROOF_BYTES {
            return Err(Void::new("Proof", format!("{} bytes, over {PROOF_BYTES}", bytes.len())));
        }
        strict::check(bytes, &strict::PROOF)?;
        let wire: wire::Proof = field::message("Proof", bytes)?;
        let rosters = wire.rosters.into_iter().map(SignedRoster::from_wire).collect::<Result<_, _>>()?;
        let proof = Self {
            rosters,
            checkpoint: wire.checkpoint,
            batch: Included {
                index: wire.entry,
                bytes: wire.batch,
                path: hashes("Proof.inclusion", &wire.inclusion)?,
            },
            grant: Included {
                index: wire.grant_entry,
                bytes: wire.grant,
                path: hashes("Proof.grant_inclusion", &wire.grant_inclusion)?,
            },
            leaf: wire.leaf,
            statement: wire.statement,
            disclosure: hashes("Proof.disclosure", &wire.disclosure)?,
        };
        // Unknown fields, fields in another order and padded numbers would be bytes that nothing checks.
        if proof.encode() == bytes {
            Ok(proof)
        } else {
            Err(Void::new("Proof", "it is not in the one encoding that a proof has"))
        }
    }

    /// The file: one proof has one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let concat =
            |hashes: &[Hash]| Bytes::from(hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>());
        wire::Proof {
            rosters: self.rosters.iter().map(SignedRoster::to_wire).collect(),
            checkpoint: self.checkpoint.clone(),
            entry: self.batch.index,
            batch: self.batch.bytes.clone(),
            inclusion: concat(&self.batch.path),
            grant_entry: self.grant.index,
            grant: self.grant.bytes.clone(),
            grant_inclusion: concat(&self.grant.path),
            leaf: self.leaf,
            statement: self.statement.clone(),
            disclosure: concat(&self.disclosure),
        }
        .encode_to_vec()
    }

    /// The hash of the first roster in it: the one that the checker must know.
    #[must_use]
    pub fn anchor(&self) -> Option<Hash> {
        self.rosters.first().map(SignedRoster::id)
    }

    /// The same about the log entry alone, for the tools of C2SP.
    #[must_use]
    pub fn to_tlog(&self) -> TlogProof {
        TlogProof {
            extra: self.batch.bytes.clone(),
            index: self.batch.index,
            path: self.batch.path.clone(),
            checkpoint: self.checkpoint.clone(),
        }
    }
}

fn hashes(place: &'static str, bytes: &[u8]) -> Result<Vec<Hash>, Void> {
    let (hashes, odd) = bytes.as_chunks::<32>();
    if odd.is_empty() {
        Ok(hashes.iter().copied().map(Hash).collect())
    } else {
        Err(Void::new(place, "hashes have 32 bytes each"))
    }
}
