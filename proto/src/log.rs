//! What stands in a member's log (PROTOCOL.md §5).

mod desk_key;
mod overriding;
#[cfg(test)]
mod tests;
mod withdrawal;

use bytes::Bytes;
use prost::Message as _;

use crate::{
    batch::BatchHeader, blame::Void, field, limits::ENTRY_BYTES, merkle::Hash, signed::Signed, strict, wire,
};

pub use desk_key::{KeyGrant, KeyRevocation};
pub use overriding::Override;
pub use withdrawal::{Withdrawal, WithdrawalReason};

/// One entry of a log.
#[derive(Clone, Debug, PartialEq)]
pub enum LogEntry {
    /// Statements were published.
    Batch(Signed<BatchHeader>),
    /// Statements ended.
    Withdrawal(Signed<Withdrawal>),
    /// A desk got a key.
    KeyGrant(Signed<KeyGrant>),
    /// A key ended.
    KeyRevocation(Signed<KeyRevocation>),
    /// A second desk let named leaves of the next batch pass the safeguards.
    Override(Signed<Override>),
}

impl LogEntry {
    /// Parses an entry's bytes.
    ///
    /// # Errors
    /// [`Void`]: the entry stays in the log and counts for nothing.
    pub fn parse(bytes: &Bytes) -> Result<Self, Void> {
        if bytes.len() > ENTRY_BYTES {
            return Err(Void::new("LogEntry", format!("{} bytes, over {ENTRY_BYTES}", bytes.len())));
        }
        strict::check(bytes, &strict::LOG_ENTRY)?;
        let wire: wire::LogEntry = field::message("LogEntry", bytes.clone())?;
        use wire::log_entry::Entry;
        Ok(match wire.entry {
            Some(Entry::Batch(signed)) => Self::Batch(Signed::parse(signed)?),
            Some(Entry::Withdrawal(signed)) => Self::Withdrawal(Signed::parse(signed)?),
            Some(Entry::KeyGrant(signed)) => Self::KeyGrant(Signed::parse(signed)?),
            Some(Entry::KeyRevocation(signed)) => Self::KeyRevocation(Signed::parse(signed)?),
            Some(Entry::Override(signed)) => Self::Override(Signed::parse(signed)?),
            None => return Err(Void::new("LogEntry.entry", "this version knows no such entry")),
        })
    }

    /// The entry's bytes, as the node that sequences it writes them.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        use wire::log_entry::Entry;
        let entry = match self {
            Self::Batch(signed) => Entry::Batch(signed.to_wire()),
            Self::Withdrawal(signed) => Entry::Withdrawal(signed.to_wire()),
            Self::KeyGrant(signed) => Entry::KeyGrant(signed.to_wire()),
            Self::KeyRevocation(signed) => Entry::KeyRevocation(signed.to_wire()),
            Self::Override(signed) => Entry::Override(signed.to_wire()),
        };
        wire::LogEntry { entry: Some(entry) }.encode_to_vec().into()
    }

    /// SHA-256 of the body that was signed.
    #[must_use]
    pub fn id(&self) -> Hash {
        match self {
            Self::Batch(signed) => signed.id(),
            Self::Withdrawal(signed) => signed.id(),
            Self::KeyGrant(signed) => signed.id(),
            Self::KeyRevocation(signed) => signed.id(),
            Self::Override(signed) => signed.id(),
        }
    }

    /// `batch`, `withdrawal`, `key-grant`, `key-revocation` or `override`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Batch(_) => "batch",
            Self::Withdrawal(_) => "withdrawal",
            Self::KeyGrant(_) => "key-grant",
            Self::KeyRevocation(_) => "key-revocation",
            Self::Override(_) => "override",
        }
    }
}
