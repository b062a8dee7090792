//! Appending: what came is durable before the state names it.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::PathBuf,
};

use almenara_proto::{merkle::leaf_hash, wire};
use prost::Message as _;

use super::{PLACE, Replica};
use crate::{
    follow::{Follower, VerifiedEntry, VerifiedPage},
    store::{StoreError, frame},
};

/// Bytes of new entries that are held in memory before they are made durable: at 100 MB/s a sync every 160 ms.
const COMMIT_BYTES: usize = 16 << 20;

/// What only the process that writes has.
#[derive(Debug)]
pub(super) struct Writing {
    log: File,
    places: File,
    /// Not written yet.
    log_tail: Vec<u8>,
    places_tail: Vec<u8>,
    /// Files that no state names since the last merge; readers may still be in them.
    pub(super) retired: Vec<PathBuf>,
}

impl Replica {
    /// Cuts what no state names, and removes files that none names.
    pub(super) fn begin_writing(&mut self) -> Result<(), StoreError> {
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
        if self.waiting() { self.commit() } else { Ok(()) }
    }

    /// Whether enough came to make it durable.
    pub(in crate::store) fn waiting(&self) -> bool {
        self.writing.as_ref().is_some_and(|writing| writing.log_tail.len() >= COMMIT_BYTES)
    }

    /// Writes what came to the files; no state names it yet.
    pub(in crate::store) fn flush_tails(&mut self) -> Result<(), StoreError> {
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

    /// Counts, indexes and queues one entry, of which nothing is checked any more.
    pub(in crate::store) fn take(&mut self, entry: VerifiedEntry) {
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

    /// Makes durable what was kept, and turns the index in memory into a run when it has grown.
    ///
    /// # Errors
    /// As [`Self::keep`].
    pub fn commit(&mut self) -> Result<(), StoreError> {
        self.commit_with(self.memory.is_full())
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
}
