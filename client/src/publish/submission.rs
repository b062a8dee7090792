//! A signed item on its way to a node.

use almenara_proto::{
    batch::SignedBatch,
    blame::Void,
    log::LogEntry,
    merkle::{self, Hash},
    signed::Signed,
    wire::{PublishRequest, SubmittedBatch, publish_request::Item},
};

use crate::draft::Draft;

/// What is submitted, and what of it a receipt must prove.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The bytes to send.
    pub request: PublishRequest,
    /// SHA-256 of the signed body.
    pub id: Hash,
    /// Leaf hash of the log entry that the node has to make of it.
    pub leaf: Hash,
    /// What it is.
    pub kind: SubmissionKind,
    /// Who signed it: a publisher, or a member for its root key.
    pub by: String,
    /// The drafts in leaf order, when this process sealed it and so can seal what is left of it again.
    pub drafts: Option<Vec<Draft>>,
    /// How often it was sealed again with all its drafts.
    pub(super) attempts: u32,
}

/// What a submission is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmissionKind {
    /// A batch of so many statements.
    Batch(u32),
    /// A withdrawal of so many statements.
    Withdrawal(usize),
    /// A key grant.
    KeyGrant,
    /// A key revocation.
    KeyRevocation,
}

impl std::fmt::Display for SubmissionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Batch(count) => write!(f, "a batch of {count} statements"),
            Self::Withdrawal(count) => write!(f, "a withdrawal of {count} statements"),
            Self::KeyGrant => f.write_str("a key grant"),
            Self::KeyRevocation => f.write_str("a key revocation"),
        }
    }
}

impl Submission {
    pub(super) fn sealed(batch: &SignedBatch, drafts: Vec<Draft>) -> Self {
        let header = &batch.header.content;
        let (kind, by) = (SubmissionKind::Batch(header.count), header.publisher.to_string());
        let entry = LogEntry::Batch(batch.header.clone());
        Self { drafts: Some(drafts), ..Self::new(Item::Batch(batch.to_wire()), &entry, kind, by) }
    }

    fn new(item: Item, entry: &LogEntry, kind: SubmissionKind, by: String) -> Self {
        Self {
            request: PublishRequest { item: Some(item) },
            id: entry.id(),
            leaf: merkle::leaf_hash(&entry.encode()),
            kind,
            by,
            drafts: None,
            attempts: 0,
        }
    }

    /// A signed item from a file. Parsed here, so that a damaged file is noticed before anything is sent.
    ///
    /// # Errors
    /// [`Void`], when it is none, or breaks a rule of the protocol.
    pub fn parse(request: PublishRequest) -> Result<Self, Void> {
        let item = request
            .item
            .ok_or_else(|| Void::new("PublishRequest.item", "there is none, or an unknown one"))?;
        let (entry, kind, by) = match &item {
            Item::Batch(submitted) => batch(submitted)?,
            Item::Withdrawal(wire) => {
                let signed: Signed<almenara_proto::log::Withdrawal> = Signed::parse(wire.clone())?;
                let kind = SubmissionKind::Withdrawal(signed.content.targets.len());
                let by = signed.content.publisher.to_string();
                (LogEntry::Withdrawal(signed), kind, by)
            }
            Item::KeyGrant(wire) => {
                let signed: Signed<almenara_proto::log::KeyGrant> = Signed::parse(wire.clone())?;
                let by = signed.content.member.to_string();
                (LogEntry::KeyGrant(signed), SubmissionKind::KeyGrant, by)
            }
            Item::KeyRevocation(wire) => {
                let signed: Signed<almenara_proto::log::KeyRevocation> = Signed::parse(wire.clone())?;
                let by = signed.content.member.to_string();
                (LogEntry::KeyRevocation(signed), SubmissionKind::KeyRevocation, by)
            }
        };
        Ok(Self::new(item, &entry, kind, by))
    }

    /// Statements that it publishes.
    #[must_use]
    pub const fn statements(&self) -> u64 {
        match self.kind {
            SubmissionKind::Batch(count) => count as u64,
            _ => 0,
        }
    }
}

fn batch(submitted: &SubmittedBatch) -> Result<(LogEntry, SubmissionKind, String), Void> {
    let batch = SignedBatch::parse(submitted.clone())?;
    let header = batch.header.clone();
    // Signature and root: a file that was damaged on the way says so here, not at the node.
    batch.verify()?;
    let (count, by) = (header.content.count, header.content.publisher.to_string());
    Ok((LogEntry::Batch(header), SubmissionKind::Batch(count), by))
}
