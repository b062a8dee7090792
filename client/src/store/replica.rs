//! What is held of one member's log.
//!
//! ```text
//! log       pieces in log order: whether the entry counts (1 byte), then `EntryFrame` as it came
//! places    for each entry: where its piece begins in `log` (8 bytes, little-endian), its leaf hash (32)
//! run-N     sorted index records of some of the entries        facts-N   withdrawals, authors, counts
//! state     how much of all this counts
//! ```
//!
//! `log` and `places` only grow and are durable before `state` names their length; what is longer is cut. So a
//! process that is killed anywhere goes on from its last commit. The newest entries are indexed in memory, and
//! indexed again from the log when a process starts before they became a run.

mod tree;

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
    sync::Arc,
};

use bytes::Bytes;
use prost::Message as _;

use almenara_proto::{
    batch::{Disclosure, VerifiedBatch},
    blame::Void,
    checkpoint::SignedCheckpoint,
    evidence::Equivocation,
    keys::PublicKey,
    log::LogEntry,
    merkle::{CompactRange, Hash, leaf_hash},
    name::MemberName,
    prefix::Prefix,
    roster::Roster,
    wire,
};

use super::{
    Counts, StoreError,
    erase::Erasure,
    fact::{self, Record},
    frame,
    run::{Cursor, Merge, Run, Writer},
    state::{Facts, RunOf, State},
    view::is_settled,
};
use crate::follow::{Follower, VerifiedEntry, VerifiedPage};

/// Bytes of new entries that are held in memory before they are made durable: at 100 MB/s a sync every 160 ms.
const COMMIT_BYTES: usize = 16 << 20;

/// Statements that are indexed in memory before they become a run: some 20 MB.
const MEMORY_RECORDS: usize = 1 << 18;

/// Runs of one replica. Each costs a lookup one block, and an export one block of memory.
const RUNS: usize = 8;

/// Bytes of one entry in `places`.
const PLACE: u64 = 40;

/// One member's log, as far as it was pulled.
#[derive(Debug)]
pub struct Replica {
    folder: PathBuf,
    member: MemberName,
    pub(super) state: State,
    pub(super) prefix: Prefix,
    last: Option<SignedCheckpoint>,
    settled: Option<SignedCheckpoint>,
    runs: Vec<(Run, u64)>,
    pub(super) facts: Facts,
    memory: Memory,
    writing: Option<Writing>,
}

/// What only the process that writes has.
#[derive(Debug)]
struct Writing {
    log: File,
    places: File,
    /// Not written yet.
    log_tail: Vec<u8>,
    places_tail: Vec<u8>,
    /// Files that no state names since the last merge; readers may still be in them.
    retired: Vec<PathBuf>,
}

/// Index records that are in no run yet.
#[derive(Clone, Debug, Default)]
struct Memory {
    bytes: Vec<u8>,
    /// Sort key and place in `bytes`.
    records: Vec<(u128, usize)>,
}

impl Memory {
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
    /// Opens what is held in `folder`; with `write` the tail that does not count is cut off.
    pub(super) fn open(
        folder: PathBuf,
        member: MemberName,
        federation: &str,
        write: bool,
    ) -> Result<Self, StoreError> {
        let path = folder.join("state");
        let state =
            if path.exists() { State::read(&path, federation)? } else { State::new(federation, &member) };
        let damaged = |why: String| StoreError::damaged(&path, 0, why);
        let mut replica = Self {
            prefix: state.prefix(&member).map_err(damaged)?,
            last: state.checkpoint(&member).map_err(damaged)?,
            settled: state.settled(&member).map_err(damaged)?,
            runs: Vec::new(),
            facts: match state.facts {
                0 => Facts::default(),
                number => Facts::read(&folder.join(format!("facts-{number}")))?,
            },
            memory: Memory::default(),
            writing: None,
            folder,
            member,
            state,
        };
        for run in &replica.state.runs {
            let path = replica.folder.join(format!("run-{}", run.number));
            replica.runs.push((Run::open(path)?, run.records));
        }
        if write {
            replica.begin_writing()?;
        }
        replica.index_tail()?;
        Ok(replica)
    }

    /// Cuts what no state names, and removes files that none names.
    fn begin_writing(&mut self) -> Result<(), StoreError> {
        crate::files::create_private_folder(&self.folder).map_err(StoreError::file(&self.folder))?;
        let open = |name: &str, length: u64| {
            let path = self.folder.join(name);
            let append = || -> io::Result<File> {
                let file = OpenOptions::new().create(true).append(true).read(true).open(&path)?;
                let found = file.metadata()?.len();
                if found > length {
                    file.set_len(length)?;
                }
                Ok(file)
            };
            let file = append().map_err(StoreError::file(&path))?;
            let found = file.metadata().map_err(StoreError::file(&path))?.len();
            if found < length {
                let why = format!("the file ends here, {length} bytes were written");
                return Err(StoreError::damaged(&path, found, why));
            }
            Ok(file)
        };
        self.writing = Some(Writing {
            log: open("log", self.state.log_bytes)?,
            places: open("places", self.prefix.size().saturating_mul(PLACE))?,
            log_tail: Vec::new(),
            places_tail: Vec::new(),
            retired: Vec::new(),
        });
        let listed = std::fs::read_dir(&self.folder).map_err(StoreError::file(&self.folder))?;
        for file in listed {
            let file = file.map_err(StoreError::file(&self.folder))?;
            let name = file.file_name().to_string_lossy().into_owned();
            if !self.is_named(&name) {
                std::fs::remove_file(file.path()).map_err(StoreError::file(&file.path()))?;
            }
        }
        Ok(())
    }

    /// Whether a file belongs to the state; temporary files of a process that was killed do not.
    fn is_named(&self, name: &str) -> bool {
        let number = |prefix: &str| name.strip_prefix(prefix)?.parse::<u64>().ok();
        matches!(name, "log" | "places" | "state")
            || number("facts-") == Some(self.state.facts)
            || number("run-").is_some_and(|n| self.state.runs.iter().any(|run| run.number == n))
    }

    /// Indexes the entries that no run covers.
    fn index_tail(&mut self) -> Result<(), StoreError> {
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

    /// Whose log.
    #[must_use]
    pub const fn member(&self) -> &MemberName {
        &self.member
    }

    /// Entries.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.prefix.size()
    }

    /// How much there is of everything.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.facts.counts
    }

    /// What the entries add up to.
    #[must_use]
    pub const fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// The last proven checkpoint.
    #[must_use]
    pub const fn last(&self) -> Option<&SignedCheckpoint> {
        self.last.as_ref()
    }

    /// Unix seconds of the last time that nothing was missing below a node's newest checkpoint; 0: never.
    #[must_use]
    pub const fn fresh_at(&self) -> u64 {
        self.state.fresh_at
    }

    /// The largest checkpoint that had a quorum of cosignatures when it came.
    #[must_use]
    pub const fn settled(&self) -> Option<&SignedCheckpoint> {
        self.settled.as_ref()
    }

    /// Entries below it are settled, later ones are pending.
    #[must_use]
    pub fn settled_size(&self) -> u64 {
        self.settled().map_or(0, |note| note.checkpoint().size)
    }

    /// Entries that wait for cosignatures.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.size().saturating_sub(self.settled_size())
    }

    /// Whether a withdrawal ended this statement.
    #[must_use]
    pub fn is_withdrawn(&self, entry: u64, leaf: u32) -> bool {
        self.facts.withdrawn.contains(entry, leaf)
    }

    /// From which index of another member's log on this log says that a key of that member does not count.
    #[must_use]
    pub fn revoked_elsewhere(&self, member: &MemberName, key: &PublicKey) -> Option<u64> {
        let of =
            self.facts.revocations.iter().filter(|(whose, revoked, _)| whose == member && revoked == key);
        of.map(|(_, _, since_index)| *since_index).min()
    }

    pub(super) const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Goes on from here.
    #[must_use]
    pub fn follower(&self) -> Follower {
        Follower::new(self.prefix.clone(), self.last.clone())
    }

    /// The filter with which statements are pulled: `wanted`, or the one of the last pull. It stays: what another
    /// one left out would not come again.
    ///
    /// # Errors
    /// [`StoreError::Filter`], when entries were pulled with another one than is wanted.
    pub fn choose(&mut self, wanted: Option<&wire::Filter>) -> Result<wire::Filter, StoreError> {
        let path = self.folder.join("state");
        let held = wire::Filter::decode(self.state.filter.as_slice())
            .map_err(|error| StoreError::damaged(&path, 0, error.to_string()))?;
        match wanted {
            Some(wanted) if *wanted == held => Ok(held),
            Some(_) if self.prefix.size() > 0 => Err(StoreError::Filter { folder: self.folder.clone() }),
            Some(wanted) => {
                self.state.filter = wanted.encode_to_vec();
                Ok(wanted.clone())
            }
            None => Ok(held),
        }
    }

    /// Takes a page that `follower` has just verified. Entries are made durable when enough have come.
    ///
    /// # Errors
    /// [`StoreError`]: the files may then end anywhere behind the last commit; open the store again.
    pub fn keep(&mut self, page: VerifiedPage, follower: &Follower) -> Result<(), StoreError> {
        for entry in page.entries {
            self.take(entry);
        }
        self.prefix = follower.prefix().clone();
        self.last = follower.last().cloned();
        let waiting = self.writing.as_ref().map_or(0, |writing| writing.log_tail.len());
        if waiting >= COMMIT_BYTES { self.commit() } else { Ok(()) }
    }

    /// A newer note of what is held already, for instance with more cosignatures.
    pub fn note(&mut self, follower: &Follower) {
        self.last = follower.last().cloned();
    }

    /// Remembers that nothing is missing at `now`.
    pub fn mark_fresh(&mut self, now: u64) {
        self.state.fresh_at = self.state.fresh_at.max(now);
    }

    /// Ends the log where the two histories part that its key signed: what is held from there on counts for nothing, for
    /// as long as the roster names that key.
    pub fn quarantine(&mut self, found: &Equivocation) {
        let (key, at) = (found.log_key().0.to_vec(), found.common_at_most());
        if self.state.parted_key != key || at < self.state.parted_at {
            (self.state.parted_key, self.state.parted_at) = (key, at);
        }
    }

    /// From which entry on nothing counts, since the log key in force signed two histories. Of a member that left it is
    /// the key that signed last: whoever goes leaves no second history behind.
    #[must_use]
    pub fn parted_at(&self, roster: &Roster) -> Option<u64> {
        let key = match roster.member(&self.member) {
            Some(member) => member.segment()?.log_key.0,
            None => *self.last.as_ref()?.log_key(),
        };
        (self.state.parted_key == key).then_some(self.state.parted_at)
    }

    /// Remembers when a node said that it had last heard of the origin's own.
    pub fn heard(&mut self, at: u64) {
        self.state.heard_at = self.state.heard_at.max(at);
    }

    /// Unix seconds: when a node had last heard of the origin's own; 0: never.
    #[must_use]
    pub const fn heard_at(&self) -> u64 {
        self.state.heard_at
    }

    /// Keeps a checkpoint that agrees with what is held, if it settles more than is settled already. It stays settled
    /// when a cosigner leaves the roster. Whether it did.
    pub fn settle(&mut self, note: &SignedCheckpoint, roster: &Roster) -> bool {
        let settles = note.checkpoint().size > self.settled_size() && is_settled(note, &self.member, roster);
        if settles {
            self.state.settled = note.note().to_vec();
            self.state.settled_key = note.log_key().to_vec();
            self.settled = Some(note.clone());
        }
        settles
    }

    /// Whether enough came to make it durable.
    pub(super) fn waiting(&self) -> bool {
        self.writing.as_ref().is_some_and(|writing| writing.log_tail.len() >= COMMIT_BYTES)
    }

    /// Writes what came to the files; no state names it yet.
    pub(super) fn flush_tails(&mut self) -> Result<(), StoreError> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        self.state.log_bytes += writing.log_tail.len() as u64;
        let append = |file: &mut File, name: &str, tail: &mut Vec<u8>| {
            let path = self.folder.join(name);
            if !tail.is_empty() {
                file.write_all(tail).and_then(|()| file.sync_data()).map_err(StoreError::file(&path))?;
                tail.clear();
            }
            Ok(())
        };
        append(&mut writing.log, "log", &mut writing.log_tail)?;
        append(&mut writing.places, "places", &mut writing.places_tail)
    }

    /// Stands where another one of the same log stands, whose entries were taken.
    pub(super) fn adopt(&mut self, other: &Self) {
        (self.prefix, self.last) = (other.prefix.clone(), other.last.clone());
        self.settled.clone_from(&other.settled);
        let state = &other.state;
        self.state.filter.clone_from(&state.filter);
        self.state.settled.clone_from(&state.settled);
        self.state.settled_key.clone_from(&state.settled_key);
        self.state.parted_key.clone_from(&state.parted_key);
        self.state.erasing.clone_from(&state.erasing);
        self.state.parted_at = state.parted_at;
        (self.state.fresh_at, self.state.heard_at) = (state.fresh_at, state.heard_at);
    }

    pub(super) fn take(&mut self, entry: VerifiedEntry) {
        let void = u64::from(entry.outcome.is_err());
        let counts = entry.outcome.ok();
        let leaf = leaf_hash(&entry.bytes);
        self.index(entry.index, counts.as_ref(), entry.batch.as_ref(), void);
        let Some(writing) = &mut self.writing else { return };
        let place = self.state.log_bytes + writing.log_tail.len() as u64;
        writing.places_tail.extend_from_slice(&place.to_le_bytes());
        writing.places_tail.extend_from_slice(&leaf.0);
        let frame = wire::EntryFrame { entry: entry.bytes, disclosure: entry.disclosure };
        frame::push(&mut writing.log_tail, |out| {
            out.reserve(1 + frame.encoded_len());
            out.push(u8::from(counts.is_some()));
            frame.encode_raw(out);
        });
    }

    /// Counts and indexes one entry. Nothing but what it says decides, so that reading it again gives the same.
    fn index(&mut self, index: u64, entry: Option<&LogEntry>, batch: Option<&VerifiedBatch>, void: u64) {
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

    /// Makes durable what was kept, and turns the index in memory into a run when it has grown.
    ///
    /// # Errors
    /// As [`Self::keep`].
    pub fn commit(&mut self) -> Result<(), StoreError> {
        let full = self.memory.records.len() >= MEMORY_RECORDS;
        self.commit_with(full)
    }

    /// The same at the end of a run of the program: all that was kept is in sorted runs, so that the next one
    /// starts at once.
    ///
    /// # Errors
    /// As [`Self::keep`].
    pub fn finish(&mut self) -> Result<(), StoreError> {
        self.commit_with(self.state.indexed_entries < self.prefix.size())
    }

    fn commit_with(&mut self, flush: bool) -> Result<(), StoreError> {
        if self.writing.is_none() {
            return Ok(());
        }
        self.flush_tails()?;
        let mut replaced = Vec::new();
        if flush {
            self.flush()?;
            replaced = self.merge()?;
        }
        self.state.set_prefix(&self.prefix, self.last.as_ref());
        frame::replace(&self.folder.join("state"), &self.state.encode_to_vec())?;
        if let Some(writing) = self.writing.as_mut().filter(|_| !replaced.is_empty()) {
            for path in std::mem::replace(&mut writing.retired, replaced) {
                std::fs::remove_file(&path).map_err(StoreError::file(&path))?;
            }
        }
        Ok(())
    }

    fn number(&mut self) -> u64 {
        let number = self.state.next_file;
        self.state.next_file += 1;
        number
    }

    /// The index in memory becomes a run, and the facts a file.
    fn flush(&mut self) -> Result<(), StoreError> {
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
    fn merge(&mut self) -> Result<Vec<PathBuf>, StoreError> {
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
    pub(super) fn scan(&self) -> Result<Vec<Cursor>, StoreError> {
        let mut cursors = self.runs.iter().map(|(run, _)| run.scan()).collect::<Result<Vec<_>, _>>()?;
        cursors.push(Cursor::over(self.memory.sorted()));
        Ok(cursors)
    }

    /// The index records from `key` on.
    pub(super) fn seek(&self, key: &[u8]) -> Result<Vec<Cursor>, StoreError> {
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
    pub(super) fn kept(
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
    fn committed(&self) -> u64 {
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
fn parse(index: u64, body: &[u8]) -> Result<(KeptEntry, u64), String> {
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
