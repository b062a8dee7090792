//! What proves that a node took an item: never its word alone.

use almenara_proto::{
    checkpoint::{CheckpointError, SignedCheckpoint, origin_of},
    merkle::{Hash, HashError, ProofError, verify_inclusion},
    name::MemberName,
    wire,
};

use super::Submission;

/// The log that items go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Whose.
    pub member: MemberName,
    /// The key of its checkpoints, from the roster.
    pub key: [u8; 32],
}

/// A verified receipt: the item stands in the log, under a checkpoint that the member signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its log index.
    pub index: u64,
    /// Entries that the checkpoint covers.
    pub size: u64,
    /// The checkpoint, a signed note.
    pub checkpoint: Vec<u8>,
    /// It stood there already.
    pub repeated: bool,
}

/// Why a receipt does not hold. The node is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReceipt {
    /// It is about something else.
    #[error("the answer is about {found}, but {expected} was sent")]
    Id {
        /// As answered.
        found: String,
        /// As sent.
        expected: Hash,
    },
    /// Neither a receipt nor a refusal.
    #[error("the answer is neither a receipt nor a refusal")]
    Empty,
    /// The checkpoint.
    #[error("the receipt's checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A hash of the proof.
    #[error("the receipt's proof: {0}")]
    Hash(#[from] HashError),
    /// The item is not where the node says.
    #[error("the item does not stand in the log: {0}")]
    Proof(#[from] ProofError),
    /// A refusal names leaves that the batch does not have.
    #[error("the refusal names leaf {leaf} of a batch of {count}")]
    Leaf {
        /// As named.
        leaf: u32,
        /// Leaves of the batch.
        count: u64,
    },
}

impl Log {
    /// Checks the id of an answer, then the checkpoint's signature, then the place of the entry under it.
    ///
    /// # Errors
    /// [`BadReceipt`] for the first check that fails.
    pub(super) fn verify(&self, sent: &Submission, receipt: &wire::Receipt) -> Result<Receipt, BadReceipt> {
        let signed =
            SignedCheckpoint::open(&receipt.checkpoint, &origin_of(self.member.as_str()), &self.key)?;
        let path: Vec<Hash> =
            receipt.inclusion.iter().map(|hash| Hash::try_from(hash.as_ref())).collect::<Result<_, _>>()?;
        let checkpoint = signed.checkpoint();
        verify_inclusion(&sent.leaf, receipt.index, checkpoint.size, &path, &checkpoint.root)?;
        Ok(Receipt {
            index: receipt.index,
            size: checkpoint.size,
            checkpoint: receipt.checkpoint.to_vec(),
            repeated: receipt.repeated,
        })
    }
}

/// Whether an answer is about what was sent.
pub(super) fn about(sent: &Submission, id: &[u8]) -> Result<(), BadReceipt> {
    if id == sent.id.0 {
        Ok(())
    } else {
        Err(BadReceipt::Id { found: data_encoding::HEXLOWER.encode(id), expected: sent.id })
    }
}
