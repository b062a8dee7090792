//! Reading entries back, and proving them again.

use std::{
    fs::File,
    io::{BufReader, Read as _, Seek as _, SeekFrom},
};

use almenara_proto::{
    batch::{Disclosure, VerifiedBatch},
    blame::Void,
    checkpoint::SignedCheckpoint,
    log::LogEntry,
    merkle::{CompactRange, Hash, leaf_hash},
    wire,
};
use bytes::Bytes;
use prost::Message as _;

use super::{PLACE, Replica};
use crate::store::{StoreError, frame};

/// An entry read back from the store. Hashes and signatures were checked when it came; [`Replica::prove`] checks
/// them again.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptEntry {
    /// Its place in the log.
    pub index: u64,
    /// `LogEntry`, verbatim.
    pub bytes: Bytes,
    /// The entry, if it counts.
    pub entry: Option<LogEntry>,
    /// What was shown of a batch, verified against its header again.
    pub batch: Option<VerifiedBatch>,
    /// The same as it came.
    pub shown: Option<wire::Disclosure>,
}

/// The checkpoints that cover an entry.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    /// The last one; nothing while it is ahead of the entries.
    pub newest: Option<&'a SignedCheckpoint>,
    /// One with a quorum of cosignatures; nothing while the entry is pending.
    pub settled: Option<&'a SignedCheckpoint>,
}

impl Replica {
    /// Reads an entry back; nothing when the log does not reach so far.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn entry(&self, index: u64) -> Result<Option<KeptEntry>, StoreError> {
        if index >= self.committed() {
            return Ok(None);
        }
        Ok(self.kept(index)?.map(|(entry, _)| entry))
    }

    /// The same with what was shown of a batch, as it came.
    pub(in crate::store) fn kept(
        &self,
        index: u64,
    ) -> Result<Option<(KeptEntry, Option<wire::Disclosure>)>, StoreError> {
        let path = self.folder.join("places");
        let mut file = File::open(&path).map_err(StoreError::file(&path))?;
        let mut place = [0; 8];
        file.seek(SeekFrom::Start(index.saturating_mul(PLACE)))
            .and_then(|_| file.read_exact(&mut place))
            .map_err(StoreError::file(&path))?;
        let (path, offset) = (self.folder.join("log"), u64::from_le_bytes(place));
        let mut body = Vec::new();
        frame::read_at(&path, offset, &mut body)?;
        let damaged = |why: String| StoreError::damaged(&path, offset, why);
        let (entry, _) = parse(index, &body).map_err(damaged)?;
        let frame = wire::EntryFrame::decode(body.get(1..).unwrap_or_default());
        Ok(Some((entry, frame.map_err(|error| damaged(error.to_string()))?.disclosure)))
    }

    /// Entries that are durable.
    pub(super) fn committed(&self) -> u64 {
        CompactRange::from_bytes(&self.state.tree).map_or(0, |tree| tree.size())
    }

    /// Proves again that this entry stands at its index in the log whose checkpoints are held: its bytes hash to
    /// the leaf, the leaves lead to the roots, and the log key signed these.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], when it does not hold.
    pub fn prove(&self, entry: &KeptEntry) -> Result<Proof<'_>, StoreError> {
        let path = self.folder.join("places");
        let file = File::open(&path).map_err(StoreError::file(&path))?;
        let mut file = BufReader::with_capacity(1 << 18, file);
        let mut tree = CompactRange::new();
        for index in 0..self.committed() {
            let mut place = [0; PLACE as usize];
            file.read_exact(&mut place).map_err(StoreError::file(&path))?;
            let leaf = place.last_chunk().map_or(Hash([0; 32]), |leaf| Hash(*leaf));
            if index == entry.index && leaf != leaf_hash(&entry.bytes) {
                let why = format!("entry {index} has another leaf hash");
                return Err(StoreError::damaged(&path, index * PLACE, why));
            }
            tree.append(&leaf);
            let settled = self.settled().map(SignedCheckpoint::checkpoint);
            if settled.is_some_and(|note| note.size == tree.size() && note.root != tree.root()) {
                return Err(StoreError::damaged(&path, 0, "the leaf hashes do not lead to the settled root"));
            }
        }
        let last = self.last.as_ref().filter(|last| last.checkpoint().size == tree.size());
        let root = last.map_or(self.prefix.tree().root(), |last| last.checkpoint().root);
        if tree.root() != root {
            return Err(StoreError::damaged(&path, 0, "the leaf hashes do not lead to the signed root"));
        }
        let settled = self.settled().filter(|note| entry.index < note.checkpoint().size);
        Ok(Proof { newest: last, settled })
    }
}

/// Reads a piece of the log: the entry, and how many parts of it are void.
pub(super) fn parse(index: u64, body: &[u8]) -> Result<(KeptEntry, u64), String> {
    let (counts, frame) = body.split_first().ok_or("an empty piece")?;
    let frame = wire::EntryFrame::decode(Bytes::copy_from_slice(frame)).map_err(|error| error.to_string())?;
    if *counts == 0 {
        return Ok((KeptEntry { index, bytes: frame.entry, entry: None, batch: None, shown: None }, 1));
    }
    let read = || -> Result<(LogEntry, Option<VerifiedBatch>), Void> {
        let entry = LogEntry::parse(&frame.entry)?;
        let batch = match (&entry, &frame.disclosure) {
            (LogEntry::Batch(header), Some(shown)) => {
                let shown = Disclosure::from_wire(shown.clone(), header.content.count)?;
                Some(VerifiedBatch::verify_disclosure(header.clone(), shown)?)
            }
            _ => None,
        };
        Ok((entry, batch))
    };
    let (entry, batch) = read().map_err(|void| void.to_string())?;
    Ok((KeptEntry { index, bytes: frame.entry, entry: Some(entry), batch, shown: frame.disclosure }, 0))
}
