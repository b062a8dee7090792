//! Single entries, asked for by their places.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use almenara_proto::{batch::Disclosure, wire};

use super::{Outgoing, Reader};
use crate::store::{LogId, StoreError};

/// An entry as its reader may have it.
#[derive(Clone, Debug)]
pub struct Asked {
    entry: Bytes,
    /// Of a batch that counts: its count, and what is shown of it.
    batch: Option<(u32, Disclosure)>,
    /// What nobody has any more.
    erased: Vec<wire::ErasedLeaves>,
}

impl Asked {
    /// The leaves in clear, ascending.
    #[must_use]
    pub fn clear(&self) -> Vec<u32> {
        let clear = self.batch.iter().flat_map(|(_, disclosure)| &disclosure.clear);
        clear.map(|(leaf, _)| *leaf).collect()
    }

    /// Those of `leaves` that the batch has and that are not in clear.
    #[must_use]
    pub fn missing(&self, leaves: &BTreeSet<u32>) -> BTreeSet<u32> {
        let Some((count, _)) = &self.batch else { return BTreeSet::new() };
        let clear: BTreeSet<u32> = self.clear().into_iter().collect();
        leaves.iter().copied().filter(|leaf| leaf < count && !clear.contains(leaf)).collect()
    }

    /// The wire form.
    #[must_use]
    pub fn into_wire(self) -> wire::EntryFrame {
        let erased = self.erased;
        let shown = self.batch.map(|(count, disclosure)| disclosure.into_wire(count));
        let disclosure = shown.map(|shown| wire::Disclosure { erased, ..shown });
        wire::EntryFrame { entry: self.entry, disclosure }
    }
}

impl Outgoing {
    /// An entry with what `reader` may have of the statements at these leaves: of those that are here, and of `more`,
    /// which were fetched and proven. Nothing when the log does not have it.
    ///
    /// # Errors
    /// As the store says.
    pub async fn asked(
        &self,
        log: LogId,
        index: u64,
        leaves: &BTreeSet<u32>,
        more: Vec<(u32, Bytes)>,
        reader: &Reader,
    ) -> Result<Option<Asked>, StoreError> {
        let entry = self.store.entries(log, index, index.saturating_add(1), 1).await?.into_iter().next();
        let Some(entry) = entry else { return Ok(None) };
        let leaving = self.leaving(log, entry, reader);
        let Some(batch) = &leaving.batch else {
            return Ok(Some(Asked { entry: leaving.entry.bytes, batch: None, erased: Vec::new() }));
        };
        let mut held = self.store.statements(log, index, index.saturating_add(1)).await?;
        let mut held: BTreeMap<u32, Bytes> = held.remove(&index).unwrap_or_default().into_iter().collect();
        held.extend(more);
        let held = held.into_iter().collect();
        let disclosure = self.disclosure(log, &leaving.entry, batch, held, reader, Some(leaves)).await?;
        let (count, erased) = (batch.header.count, self.erased(log, index));
        Ok(Some(Asked { entry: leaving.entry.bytes, batch: Some((count, disclosure)), erased }))
    }
}
