//! Pages of a log: every entry, and of each batch what the reader may see.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;

use almenara_proto::{
    batch::{BatchHeader, Disclosure, Rest, leaf_ranges},
    custody::Placer,
    limits::BATCH_STATEMENTS,
    merkle::{self, Hash},
    release::{Open, Released},
    statement::Statement,
    wire,
};

use super::{Outgoing, Reader};
use crate::{
    rosters::ThenAndNow,
    store::{LogId, StoreError, read::StoredEntry},
};

/// Entries of one page: enough to make the proof at its end cheap, few enough for a message.
const PAGE_ENTRIES: u32 = 64;
/// Bytes at which a page ends: with one more batch of at most 3 MiB it stays below the message limit, since a
/// page ends before a batch that would pass it unless it is the first.
const PAGE_BYTES: usize = 768 * 1024;
impl Outgoing {
    /// Entries of a log from an index on, up to the size of a signed checkpoint, with the proof that they lead to it.
    ///
    /// # Errors
    /// As the store says.
    pub async fn page(
        &self,
        log: LogId,
        from: u64,
        size: u64,
        reader: &Reader,
    ) -> Result<wire::LogPage, StoreError> {
        let entries = self.store.entries(log, from, size, PAGE_ENTRIES).await?;
        let entries: Vec<Leaving> =
            entries.into_iter().map(|entry| self.leaving(log, entry, reader)).collect();
        let mut frames = Vec::new();
        let mut length = 0usize;
        'page: for run in runs(&entries) {
            let mut held = self.held(log, run).await?;
            for Leaving { entry, batch } in run {
                let held = held.remove(&entry.index).unwrap_or_default();
                let disclosure = match batch {
                    Some(batch) => {
                        let shown = self.disclosure(log, entry, batch, held, reader, None).await?;
                        let erased = self.erased(log, entry.index);
                        Some(wire::Disclosure { erased, ..shown.into_wire(batch.header.count) })
                    }
                    None => None,
                };
                let bytes = entry.bytes.len().saturating_add(disclosure.as_ref().map_or(0, disclosure_bytes));
                if !frames.is_empty() && length.saturating_add(bytes) > PAGE_BYTES {
                    break 'page;
                }
                length = length.saturating_add(bytes);
                frames.push(wire::EntryFrame { entry: entry.bytes.clone(), disclosure });
            }
        }
        let to = from.saturating_add(frames.len() as u64);
        let consistency = self.trees.consistency_bytes(log, to, size).await?;
        Ok(wire::LogPage { from, entries: frames, consistency })
    }

    pub(super) fn leaving(&self, log: LogId, entry: StoredEntry, reader: &Reader) -> Leaving {
        let header = self.header(log, &entry).and_then(|(header, counts)| counts.then_some(header));
        let batch = header
            .map(|header| Batch { wanted: reader.filter.wants_publisher(header.publisher.as_str()), header });
        Leaving { entry, batch }
    }

    /// The statements of a run that are here and may be wanted, read at once.
    async fn held(
        &self,
        log: LogId,
        run: &[Leaving],
    ) -> Result<BTreeMap<u64, Vec<(u32, Bytes)>>, StoreError> {
        let wanted =
            || run.iter().filter(|leaving| leaving.statements() > 0).map(|leaving| leaving.entry.index);
        match (wanted().next(), wanted().next_back()) {
            (Some(first), Some(last)) => self.store.statements(log, first, last.saturating_add(1)).await,
            _ => Ok(BTreeMap::new()),
        }
    }

    /// What was erased of an entry, for its readers.
    pub(super) fn erased(&self, log: LogId, entry: u64) -> Vec<wire::ErasedLeaves> {
        ranges(&self.store.erased().of_entry(log, entry))
    }

    /// What is shown of a batch: of all of it, or of the leaves that are asked for.
    pub(super) async fn disclosure(
        &self,
        log: LogId,
        entry: &StoredEntry,
        Batch { header, wanted }: &Batch,
        held: Vec<(u32, Bytes)>,
        reader: &Reader,
        only: Option<&BTreeSet<u32>>,
    ) -> Result<Disclosure, StoreError> {
        if !wanted {
            return Ok(Disclosure::nothing());
        }
        let Some(leaves) = self.leaves(log, entry, header, &held).await? else {
            // Whoever sent this entry kept back what proves a part of it, or it rotted here: others may have it.
            return Ok(Disclosure { not_here: vec![(0, header.count)], ..Disclosure::nothing() });
        };
        let erased = self.store.erased().of_entry(log, entry.index);
        if let Some(open) = Open::stored(entry.open)
            && reader.filter.is_all()
            && only.is_none()
            && erased.is_empty()
        {
            let all = Released::open(held, &open).into_inner().into_iter().map(|(_, bytes)| bytes).collect();
            return Ok(Disclosure::whole(all));
        }
        let rosters = self.then_and_now(header, reader);
        let mut placer = Placer::new(&header.member, rosters.as_rosters());
        let (mut clear, mut on_request) = (Vec::new(), Vec::new());
        for (leaf, bytes) in held {
            if erased.contains_key(&leaf) || only.is_some_and(|only| !only.contains(&leaf)) {
                continue;
            }
            let Ok(statement) = Statement::parse(&bytes) else { continue };
            let passed = Released::pass(
                (leaf, bytes),
                &statement.release,
                &header.member,
                &self.server,
                &reader.recipient,
                rosters.as_rosters(),
            );
            let Some(passed) = passed.filter(|_| reader.filter.wants(&statement)) else { continue };
            if reader.is_shown(&mut placer, leaves.get(leaf as usize), &statement) {
                clear.push(passed.into_inner());
            } else {
                on_request.push(leaf);
            }
        }
        let shown = disclose(clear, &leaves, reader.leaf_hashes);
        Ok(Disclosure { on_request: leaf_ranges(on_request), ..shown })
    }

    fn then_and_now(&self, header: &BatchHeader, reader: &Reader) -> ThenAndNow {
        if reader.agreed {
            ThenAndNow::at(&self.rosters, header.roster, (self.clock)())
        } else {
            ThenAndNow::disagreed(&self.rosters)
        }
    }
}

/// An entry on its way out.
pub(super) struct Leaving {
    pub(super) entry: StoredEntry,
    /// Of a batch that counts.
    pub(super) batch: Option<Batch>,
}

pub(super) struct Batch {
    pub(super) header: Arc<BatchHeader>,
    /// Whether the reader asks for statements of its publisher.
    wanted: bool,
}

impl Leaving {
    /// How many statements may be read for it.
    fn statements(&self) -> usize {
        self.batch.as_ref().map_or(0, |batch| if batch.wanted { batch.header.count as usize } else { 0 })
    }
}

/// Neighbours that together have no more statements than one full batch are read at once: small ones cost as much to
/// ask for as to read.
fn runs(entries: &[Leaving]) -> impl Iterator<Item = &[Leaving]> {
    let mut statements = 0usize;
    entries.chunk_by(move |before, next| {
        statements = statements.saturating_add(before.statements());
        let together = statements.saturating_add(next.statements()) <= BATCH_STATEMENTS;
        if !together {
            statements = 0;
        }
        together
    })
}

/// Shows `clear`, and proves it by what the reader asked for.
fn disclose(clear: Vec<(u32, Bytes)>, leaves: &[Hash], leaf_hashes: bool) -> Disclosure {
    let rest = if leaf_hashes {
        let shown: Vec<u32> = clear.iter().map(|(index, _)| *index).collect();
        let hidden = (0u32..).zip(leaves).filter(|(index, _)| shown.binary_search(index).is_err());
        Rest::Leaves(hidden.map(|(_, hash)| *hash).collect())
    } else if clear.is_empty() {
        Rest::Proof(Vec::new())
    } else {
        let shown: Vec<u32> = clear.iter().map(|(index, _)| *index).collect();
        Rest::Proof(merkle::multi_prove(leaves, &shown).unwrap_or_default())
    };
    Disclosure { clear, rest, ..Disclosure::nothing() }
}

/// Neighbours that one withdrawal erased, together.
fn ranges(erased: &BTreeMap<u32, u64>) -> Vec<wire::ErasedLeaves> {
    let mut ranges: Vec<wire::ErasedLeaves> = Vec::new();
    for (&leaf, &by) in erased {
        match ranges.last_mut() {
            Some(last) if last.end == leaf && last.by == by => last.end = leaf.saturating_add(1),
            _ => ranges.push(wire::ErasedLeaves { start: leaf, end: leaf.saturating_add(1), by }),
        }
    }
    ranges
}

fn disclosure_bytes(disclosure: &wire::Disclosure) -> usize {
    let statements: usize = disclosure.statements.iter().map(|bytes| bytes.len().saturating_add(4)).sum();
    statements.saturating_add(disclosure.proof.len()).saturating_add(disclosure.leaf_hashes.len())
}
