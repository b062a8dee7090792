//! What an auditor keeps of one log between two audits: one checked piece of protobuf, replaced whole.

use std::path::Path;

use prost::Message;
use serde::Serialize;

use almenara_proto::{
    checkpoint::{SignedCheckpoint, origin_of},
    keys::PublicKey,
    merkle::CompactRange,
    name::MemberName,
    prefix::Prefix,
};

use super::{StoreError, frame, state::Key};

/// The layout.
const VERSION: u32 = 1;

/// How much a log holds, counted from its first entry.
#[derive(Clone, Copy, PartialEq, Eq, Message, Serialize)]
pub struct Tally {
    /// Batches that count.
    #[prost(uint64, tag = "1")]
    pub batches: u64,
    /// Statements in them, as their headers say.
    #[prost(uint64, tag = "2")]
    pub statements: u64,
    /// Of these, those that only some jurisdictions keep.
    #[prost(uint64, tag = "3")]
    pub custodied: u64,
    /// Withdrawals that count.
    #[prost(uint64, tag = "4")]
    pub withdrawals: u64,
    /// Statements that they end.
    #[prost(uint64, tag = "5")]
    pub withdrawn: u64,
    /// Withdrawals that erase.
    #[prost(uint64, tag = "6")]
    pub erasures: u64,
    /// Key grants that count.
    #[prost(uint64, tag = "7")]
    pub grants: u64,
    /// Key revocations that count.
    #[prost(uint64, tag = "8")]
    pub revocations: u64,
    /// Overrides that count.
    #[prost(uint64, tag = "9")]
    pub overrides: u64,
    /// Entries that count for nothing.
    #[prost(uint64, tag = "10")]
    pub void: u64,
}

/// A log as it was audited last.
#[derive(Clone, Debug, PartialEq)]
pub struct Audited {
    /// What its entries add up to.
    pub prefix: Prefix,
    /// The note that they lead to; nothing before the first audit.
    pub note: Option<SignedCheckpoint>,
    /// How much there is.
    pub tally: Tally,
    /// Unix seconds of the last audit; 0: never.
    pub seen_at: u64,
    /// Unix seconds of the last audit that found new entries.
    pub grew_at: u64,
    /// A size that was pending, and the Unix seconds when that was first seen; zeros when nothing was.
    pub pending: (u64, u64),
    /// Keys of other members that end, by this log: the member, the key, and from which index.
    pub revocations: Vec<(MemberName, PublicKey, u64)>,
}

#[derive(Clone, PartialEq, Message)]
struct Kept {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(string, tag = "2")]
    federation: String,
    #[prost(string, tag = "3")]
    member: String,
    #[prost(bytes = "vec", tag = "4")]
    tree: Vec<u8>,
    #[prost(message, repeated, tag = "5")]
    keys: Vec<Key>,
    #[prost(bytes = "vec", tag = "6")]
    note: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    log_key: Vec<u8>,
    #[prost(message, optional, tag = "8")]
    tally: Option<Tally>,
    #[prost(uint64, tag = "9")]
    seen_at: u64,
    #[prost(uint64, tag = "10")]
    grew_at: u64,
    #[prost(uint64, tag = "11")]
    pending_size: u64,
    #[prost(uint64, tag = "12")]
    pending_since: u64,
    #[prost(message, repeated, tag = "13")]
    revocations: Vec<Revocation>,
}

#[derive(Clone, PartialEq, Message)]
struct Revocation {
    #[prost(string, tag = "1")]
    member: String,
    #[prost(bytes = "vec", tag = "2")]
    key: Vec<u8>,
    #[prost(uint64, tag = "3")]
    since_index: u64,
}

impl Audited {
    /// Of a log that was never audited.
    #[must_use]
    pub fn new(federation: &str, member: MemberName) -> Self {
        Self {
            prefix: Prefix::new(federation, member),
            note: None,
            tally: Tally::default(),
            seen_at: 0,
            grew_at: 0,
            pending: (0, 0),
            revocations: Vec::new(),
        }
    }

    /// Reads what was kept; nothing when there is no file.
    ///
    /// # Errors
    /// [`StoreError`]; `Damaged` when a byte of it has changed.
    pub fn read(path: &Path, federation: &str, member: &MemberName) -> Result<Option<Self>, StoreError> {
        if !path.try_exists().map_err(StoreError::file(path))? {
            return Ok(None);
        }
        let mut body = Vec::new();
        frame::read_at(path, 0, &mut body)?;
        // The piece is all of the file.
        let whole = std::fs::metadata(path).map_err(StoreError::file(path))?.len();
        let damaged = |why: String| StoreError::damaged(path, 0, why);
        if whole != (frame::HEAD + body.len()) as u64 {
            return Err(damaged("there is more behind its end".to_owned()));
        }
        let kept = Kept::decode(body.as_slice()).map_err(|error| damaged(error.to_string()))?;
        if kept.version != VERSION || kept.federation != federation || kept.member != member.as_str() {
            return Err(damaged(format!(
                "it is of {} in {}, layout {}",
                kept.member, kept.federation, kept.version
            )));
        }
        kept.restore(federation, member).map(Some).map_err(damaged)
    }

    /// Keeps it, durably and in one step.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn write(&self, path: &Path, federation: &str) -> Result<(), StoreError> {
        let note = self.note.as_ref();
        let kept = Kept {
            version: VERSION,
            federation: federation.to_owned(),
            member: self.prefix.member().to_string(),
            tree: self.prefix.tree().to_bytes(),
            keys: self.prefix.keys().map(|kept| Key::of(&kept)).collect(),
            note: note.map(|note| note.note().to_vec()).unwrap_or_default(),
            log_key: note.map(|note| note.log_key().to_vec()).unwrap_or_default(),
            tally: Some(self.tally),
            seen_at: self.seen_at,
            grew_at: self.grew_at,
            pending_size: self.pending.0,
            pending_since: self.pending.1,
            revocations: self
                .revocations
                .iter()
                .map(|(member, key, since_index)| Revocation {
                    member: member.to_string(),
                    key: key.0.to_vec(),
                    since_index: *since_index,
                })
                .collect(),
        };
        frame::replace(path, &kept.encode_to_vec())
    }
}

impl Kept {
    fn restore(self, federation: &str, member: &MemberName) -> Result<Audited, String> {
        let tree = CompactRange::from_bytes(&self.tree).map_err(|error| error.to_string())?;
        let keys = self.keys.iter().map(Key::kept).collect::<Result<Vec<_>, _>>()?;
        let prefix =
            Prefix::restore(federation, member.clone(), tree, keys).map_err(|void| void.to_string())?;
        let key = |bytes: &[u8]| bytes.try_into().map_err(|_| "a key has 32 bytes".to_owned());
        let note = match self.note.as_slice() {
            [] => None,
            note => {
                let opened = SignedCheckpoint::open(note, &origin_of(member.as_str()), &key(&self.log_key)?);
                Some(opened.map_err(|error| error.to_string())?)
            }
        };
        if note.as_ref().is_some_and(|note| *note.checkpoint() != prefix.checkpoint()) {
            return Err("its note is not that of its tree".to_owned());
        }
        let revocations = self.revocations.iter().map(|kept| {
            let member = kept.member.parse().map_err(|_| "a name is none".to_owned())?;
            Ok((member, PublicKey(key(&kept.key)?), kept.since_index))
        });
        Ok(Audited {
            revocations: revocations.collect::<Result<_, String>>()?,
            prefix,
            note,
            tally: self.tally.unwrap_or_default(),
            seen_at: self.seen_at,
            grew_at: self.grew_at,
            pending: (self.pending_size, self.pending_since),
        })
    }
}
