//! From the node's answer to what it means for the item that it answers.

use almenara_proto::wire::{PublishResponse, Refusal, RefusalCode, publish_response::Outcome};

use super::{BadReceipt, Log, Receipt, Refused, Submission, receipt::about};

/// What an answer comes to.
pub(super) enum Judged {
    Accepted(Receipt),
    /// Ascending.
    Leaves(Vec<(u32, Refused)>),
    Whole {
        why: Refused,
        seq: bool,
    },
}

impl Judged {
    /// Checks that the answer is about `item`, and a receipt against the log.
    ///
    /// # Errors
    /// [`BadReceipt`]: the node is to blame.
    pub(super) fn of(item: &Submission, answer: PublishResponse, log: &Log) -> Result<Self, BadReceipt> {
        about(item, &answer.id)?;
        match answer.outcome {
            None => Err(BadReceipt::Empty),
            Some(Outcome::Receipt(receipt)) => log.verify(item, &receipt).map(Self::Accepted),
            Some(Outcome::Refusal(refusal)) => Self::refusal(item, refusal),
        }
    }

    fn refusal(item: &Submission, refusal: Refusal) -> Result<Self, BadReceipt> {
        let count = item.statements();
        if let Some(bad) = refusal.leaves.iter().find(|named| u64::from(named.leaf) >= count) {
            return Err(BadReceipt::Leaf { leaf: bad.leaf, count });
        }
        if refusal.leaves.is_empty() || item.drafts.is_none() {
            let seq = refusal.code == i32::from(RefusalCode::Seq);
            let named: Vec<String> = refusal
                .leaves
                .iter()
                .map(|named| format!("leaf {}: {}", named.leaf, named.message))
                .collect();
            let message = std::iter::once(refusal.message).chain(named).collect::<Vec<_>>().join("; ");
            return Ok(Self::Whole { why: Refused::new(refusal.code, message), seq });
        }
        let mut leaves: Vec<(u32, Refused)> = refusal
            .leaves
            .into_iter()
            .map(|named| (named.leaf, Refused::new(named.code, named.message)))
            .collect();
        leaves.sort_by_key(|(leaf, _)| *leaf);
        leaves.dedup_by_key(|(leaf, _)| *leaf);
        Ok(Self::Leaves(leaves))
    }
}
