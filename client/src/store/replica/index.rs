//! The index of what the entries are about: the newest in memory, the others in sorted runs.

use std::{
    fs::File,
    io::{BufReader, Seek as _, SeekFrom},
    path::PathBuf,
    sync::Arc,
};

use almenara_proto::{batch::VerifiedBatch, log::LogEntry};

use super::{Replica, read::parse};
use crate::store::{
    StoreError,
    erase::Erasure,
    fact::{self, Record},
    frame,
    run::{Cursor, Merge, Writer},
    state::RunOf,
};

/// Statements that are indexed in memory before they become a run: some 20 MB.
const MEMORY_RECORDS: usize = 1 << 18;

/// Runs of one replica. Each costs a lookup one block, and an export one block of memory.
const RUNS: usize = 8;

/// Index records that are in no run yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    bytes: Vec<u8>,
    /// Sort key and place in `bytes`.
    records: Vec<(u128, usize)>,
}

impl Memory {
    /// Whether it is time for a run.
    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= MEMORY_RECORDS
    }

    fn sorted(&self) -> Vec<u8> {
        let at = |place: usize| Record::first(self.bytes.get(place..).unwrap_or_default());
        let mut records = self.records.clone();
        records.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| match (at(a.1), at(b.1)) {
                (Some(a), Some(b)) => a.order(&b),
                (a, b) => a.is_some().cmp(&b.is_some()),
            })
        });
        let mut sorted = Vec::with_capacity(self.bytes.len());
        for record in records.iter().filter_map(|(_, place)| at(*place)) {
            sorted.extend_from_slice(record.whole);
        }
        sorted
    }
}

impl Replica {
    /// Indexes the entries that no run covers.
    pub(super) fn index_tail(&mut self) -> Result<(), StoreError> {
        let path = self.folder.join("log");
        let mut offset = self.state.indexed_bytes;
        if offset >= self.state.log_bytes {
            return Ok(());
        }
        let mut file = File::open(&path).map_err(StoreError::file(&path))?;
        file.seek(SeekFrom::Start(offset)).map_err(StoreError::file(&path))?;
        let mut file = BufReader::with_capacity(1 << 18, file);
        let mut index = self.state.indexed_entries;
        let mut body = Vec::new();
        while offset < self.state.log_bytes {
            frame::read(&mut file, &path, offset, &mut body)?;
            let (entry, void) = parse(index, &body).map_err(|why| StoreError::damaged(&path, offset, why))?;
            self.index(index, entry.entry.as_ref(), entry.batch.as_ref(), void);
            offset += (frame::HEAD + body.len()) as u64;
            index += 1;
        }
        Ok(())
    }

    /// Counts and indexes one entry. Nothing but what it says decides, so that reading it again gives the same.
    pub(super) fn index(
        &mut self,
        index: u64,
        entry: Option<&LogEntry>,
        batch: Option<&VerifiedBatch>,
        void: u64,
    ) {
        let facts = &mut self.facts;
        facts.counts.void += void;
        match entry {
            Some(LogEntry::Batch(signed)) => {
                let header = &signed.content;
                let author = facts.author(&header.publisher, header.key);
                let leaves = batch.map(|batch| batch.leaves.as_slice()).unwrap_or_default();
                facts.counts.batches += 1;
                facts.counts.withheld += u64::from(header.count).saturating_sub(leaves.len() as u64);
                let ranges =
                    batch.into_iter().flat_map(|batch| batch.not_here.iter().chain(&batch.on_request));
                facts.counts.not_here += ranges.map(|(a, b)| u64::from(b.saturating_sub(*a))).sum::<u64>();
                for leaf in leaves {
                    let Ok(statement) = &leaf.statement else {
                        facts.counts.void += 1;
                        continue;
                    };
                    facts.counts.statements += 1;
                    let place = self.memory.bytes.len();
                    fact::push(&mut self.memory.bytes, statement, index, leaf, author);
                    let record = Record::first(self.memory.bytes.get(place..).unwrap_or_default());
                    self.memory.records.extend(record.map(|record| (record.sort_key(), place)));
                }
            }
            Some(LogEntry::Withdrawal(signed)) => {
                Arc::make_mut(&mut facts.erasures).extend(Erasure::of(index, signed));
                let withdrawn = Arc::make_mut(&mut facts.withdrawn);
                for (entry, leaf) in &signed.content.targets {
                    facts.counts.withdrawn += u64::from(withdrawn.insert(*entry, *leaf));
                }
            }
            Some(LogEntry::KeyRevocation(signed)) if signed.content.member != self.member => {
                let revocation = &signed.content;
                facts.revocations.push((revocation.member.clone(), revocation.key, revocation.since_index));
            }
            Some(LogEntry::KeyRevocation(_) | LogEntry::KeyGrant(_) | LogEntry::Override(_)) | None => {}
        }
    }

    fn number(&mut self) -> u64 {
        let number = self.state.next_file;
        self.state.next_file += 1;
        number
    }

    /// The index in memory becomes a run, and the facts a file.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        if !self.memory.records.is_empty() {
            let memory = std::mem::take(&mut self.memory);
            let records = memory.records.len() as u64;
            let cursor = Cursor::over(memory.sorted());
            drop(memory);
            self.write_run(&mut Merge::new([(0, cursor)]), records)?;
        }
        let old = self.state.facts;
        self.state.facts = self.number();
        self.facts.write(&self.folder.join(format!("facts-{}", self.state.facts)))?;
        self.state.indexed_bytes = self.state.log_bytes;
        self.state.indexed_entries = self.prefix.size();
        if let Some(writing) = self.writing.as_mut().filter(|_| old > 0) {
            writing.retired.push(self.folder.join(format!("facts-{old}")));
        }
        Ok(())
    }

    fn write_run(&mut self, records: &mut Merge, count: u64) -> Result<(), StoreError> {
        let number = self.number();
        let mut writer = Writer::create(self.folder.join(format!("run-{number}")))?;
        while let Some(record) = records.peek().and_then(|head| head.cursor.record()) {
            writer.push(&record)?;
            records.advance()?;
        }
        self.runs.push((writer.finish()?, count));
        self.state.runs.push(RunOf { number, records: count });
        Ok(())
    }

    /// Keeps the number of runs small: the newest are merged with their elders as long as these are not twice as
    /// large, so that each record is merged a few times in its life. Gives the files that were replaced.
    pub(super) fn merge(&mut self) -> Result<Vec<PathBuf>, StoreError> {
        if self.runs.len() <= RUNS {
            return Ok(Vec::new());
        }
        let mut start = self.runs.len() - 1;
        let mut total = self.runs.last().map_or(0, |(_, records)| *records);
        while let Some((_, elder)) = start.checked_sub(1).and_then(|at| self.runs.get(at)) {
            if *elder > 2 * total && self.runs.len() - start > 1 {
                break;
            }
            total += elder;
            start -= 1;
        }
        let replaced = self.runs.split_off(start);
        let names = self.state.runs.split_off(start);
        let cursors =
            replaced.iter().map(|(run, _)| Ok((0, run.scan()?))).collect::<Result<Vec<_>, StoreError>>()?;
        self.write_run(&mut Merge::new(cursors), total)?;
        Ok(names.iter().map(|run| self.folder.join(format!("run-{}", run.number))).collect())
    }

    /// All index records, sorted.
    pub(in crate::store) fn scan(&self) -> Result<Vec<Cursor>, StoreError> {
        let mut cursors = self.runs.iter().map(|(run, _)| run.scan()).collect::<Result<Vec<_>, _>>()?;
        cursors.push(Cursor::over(self.memory.sorted()));
        Ok(cursors)
    }

    /// The index records from `key` on.
    pub(in crate::store) fn seek(&self, key: &[u8]) -> Result<Vec<Cursor>, StoreError> {
        let mut cursors = self.runs.iter().map(|(run, _)| run.seek(key)).collect::<Result<Vec<_>, _>>()?;
        let mut found = Vec::new();
        for (_, place) in &self.memory.records {
            let record = Record::first(self.memory.bytes.get(*place..).unwrap_or_default());
            if let Some(record) = record.filter(|record| record.key == key) {
                found.extend_from_slice(record.whole);
            }
        }
        cursors.push(Cursor::over(found));
        Ok(cursors)
    }
}
