//! A batch that was checked: what is shown belongs to what was signed.

use bytes::Bytes;

use super::{BatchHeader, Disclosure, Rest, statement_id};
use crate::{
    blame::Void,
    keys::VerifyingKey,
    merkle::{self, Hash},
    signed::Signed,
    statement::Statement,
};

/// One statement that was shown and belongs to the signed root.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// Its place in the batch.
    pub index: u32,
    /// Its leaf hash.
    pub id: Hash,
    /// The bytes as signed.
    pub bytes: Bytes,
    /// What they say, or why they count for nothing.
    pub statement: Result<Statement, Void>,
}

/// A batch whose signature and root hold. The state of its key is judged by the log (`prefix`).
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedBatch {
    /// The signed header.
    pub header: Signed<BatchHeader>,
    /// The statements in clear, in leaf order.
    pub leaves: Vec<Leaf>,
    /// All leaf hashes, when they are known.
    pub leaf_hashes: Option<Vec<Hash>>,
    /// Leaves that the server does not hold but others may: ranges `[start, end)`.
    pub not_here: Vec<(u32, u32)>,
    /// Leaves that the reader may fetch: ranges `[start, end)`.
    pub on_request: Vec<(u32, u32)>,
}

impl VerifiedBatch {
    /// Checks the signature over the header and that what is shown belongs to it, in this order.
    ///
    /// # Errors
    /// [`Void`] for the first check that fails.
    pub fn verify(header: Signed<BatchHeader>, disclosure: Disclosure) -> Result<Self, Void> {
        // Whether the key may speak here at all, and that it is no weak one, is judged by the log.
        let key = VerifyingKey::from_bytes(&header.content.key.0)
            .map_err(|_| Void::new("BatchHeader.key", "it is no point of the curve"))?;
        Self::verify_under(&key, header, disclosure)
    }

    /// The same for whoever has found the key's point on the curve before: finding it takes a fifth as long as verifying.
    ///
    /// # Errors
    /// As [`Self::verify`]; [`Void`] when the header names another key.
    pub fn verify_under(
        key: &VerifyingKey,
        header: Signed<BatchHeader>,
        disclosure: Disclosure,
    ) -> Result<Self, Void> {
        if header.content.key.0 != key.to_bytes() {
            return Err(Void::new("BatchHeader.key", "it is another key"));
        }
        header.verify(key)?;
        Self::verify_disclosure(header, disclosure)
    }

    /// The same without the signature, for a header that the log has judged already.
    ///
    /// # Errors
    /// [`Void`] when what is shown does not belong to the header.
    pub fn verify_disclosure(header: Signed<BatchHeader>, disclosure: Disclosure) -> Result<Self, Void> {
        let count = header.content.count;
        let origin = header.content.origin_hash();
        let leaves: Vec<Leaf> = disclosure
            .clear
            .into_iter()
            .map(|(index, bytes)| Leaf {
                index,
                id: statement_id(&origin, &bytes),
                statement: Statement::parse(&bytes),
                bytes,
            })
            .collect();
        let leaf_hashes = match disclosure.rest {
            Rest::Proof(proof) if proof.is_empty() && leaves.iter().map(|leaf| leaf.index).eq(0..count) => {
                let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf.id).collect();
                expect_root(&merkle::root(&hashes), &header.content.root)?;
                Some(hashes)
            }
            Rest::Proof(proof) => {
                let shown: Vec<(u32, Hash)> = leaves.iter().map(|leaf| (leaf.index, leaf.id)).collect();
                merkle::multi_verify(count, &shown, &proof, &header.content.root)?;
                None
            }
            Rest::Leaves(hidden) => {
                let hashes = interleave(&leaves, hidden, count)?;
                expect_root(&merkle::root(&hashes), &header.content.root)?;
                Some(hashes)
            }
        };
        let Disclosure { not_here, on_request, .. } = disclosure;
        Ok(Self { header, leaves, leaf_hashes, not_here, on_request })
    }
}

fn expect_root(found: &Hash, signed: &Hash) -> Result<(), Void> {
    if found == signed {
        Ok(())
    } else {
        Err(Void::new("batch", "the statements do not lead to the signed root"))
    }
}

fn interleave(leaves: &[Leaf], hidden: Vec<Hash>, count: u32) -> Result<Vec<Hash>, Void> {
    if leaves.len() + hidden.len() != count as usize {
        return Err(Void::new(
            "Disclosure.leaf_hashes",
            "statements and leaf hashes are not as many as the batch",
        ));
    }
    let (mut shown, mut hidden) = (leaves.iter().peekable(), hidden.into_iter());
    (0..count)
        .map(|index| match shown.next_if(|leaf| leaf.index == index) {
            Some(leaf) => Ok(leaf.id),
            None => hidden.next().ok_or_else(|| Void::new("Disclosure", "a leaf is missing")),
        })
        .collect()
}
