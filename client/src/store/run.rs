//! Sorted runs: index records of some entries, in the order of kind and value, written once and never changed.
//!
//! ```text
//! run-12 = block … block, directory (first key and place of each block), place of the directory (8 bytes)
//! ```
//!
//! Blocks and directory are pieces with checksums. A reader holds one block of each run, and a lookup reads
//! one: memory does not grow with the store.

use std::{
    collections::BinaryHeap,
    fs::File,
    io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{StoreError, fact::Record, frame};

/// A block is closed at this size in bytes: a lookup reads and hashes one of each run in some 20 µs.
const BLOCK: usize = 16 * 1024;

/// A run that is there to be read.
#[derive(Clone, Debug)]
pub(super) struct Run {
    path: PathBuf,
    /// First key and place of each block, in order.
    blocks: Arc<[(Box<[u8]>, u64)]>,
}

impl Run {
    /// Reads the directory of the run at `path`.
    pub(super) fn open(path: PathBuf) -> Result<Self, StoreError> {
        let mut file = File::open(&path).map_err(StoreError::replaceable(&path))?;
        let io = |error| StoreError::File { path: path.clone(), error };
        let length = file.metadata().map_err(io)?.len();
        let short = || StoreError::damaged(&path, length, "the file is too short for a run");
        file.seek(SeekFrom::Start(length.checked_sub(8).ok_or_else(short)?)).map_err(io)?;
        let mut place = [0; 8];
        file.read_exact(&mut place).map_err(io)?;
        let place = u64::from_le_bytes(place);
        file.seek(SeekFrom::Start(place)).map_err(io)?;
        let mut body = Vec::new();
        frame::read(&mut file, &path, place, &mut body)?;
        let mut blocks = Vec::new();
        let mut rest = body.as_slice();
        while let Some((offset, more)) = rest.split_first_chunk() {
            let (key, more) = more
                .split_first_chunk()
                .and_then(|(length, more)| more.split_at_checked(u16::from_le_bytes(*length).into()))
                .ok_or_else(|| StoreError::damaged(&path, place, "the directory ends within a key"))?;
            blocks.push((key.into(), u64::from_le_bytes(*offset)));
            rest = more;
        }
        Ok(Self { path, blocks: blocks.into() })
    }

    /// All records.
    pub(super) fn scan(&self) -> Result<Cursor, StoreError> {
        Cursor::at(Source::Run { run: self.clone(), next: 0 })
    }

    /// Records with this key or a later one.
    pub(super) fn seek(&self, key: &[u8]) -> Result<Cursor, StoreError> {
        // Equal keys may begin at the end of the block before.
        let next = self.blocks.partition_point(|(first, _)| first.as_ref() < key).saturating_sub(1);
        let mut cursor = Cursor::at(Source::Run { run: self.clone(), next })?;
        while cursor.record().is_some_and(|record| record.key < key) {
            cursor.advance()?;
        }
        Ok(cursor)
    }
}

/// Writes a run.
pub(super) struct Writer {
    path: PathBuf,
    file: BufWriter<File>,
    offset: u64,
    block: Vec<u8>,
    first: Vec<u8>,
    directory: Vec<u8>,
}

impl Writer {
    /// Begins the file at `path`.
    pub(super) fn create(path: PathBuf) -> Result<Self, StoreError> {
        let file = File::create(&path).map_err(StoreError::file(&path))?;
        Ok(Self {
            path,
            file: BufWriter::with_capacity(1 << 18, file),
            offset: 0,
            block: Vec::with_capacity(2 * BLOCK),
            first: Vec::new(),
            directory: Vec::new(),
        })
    }

    /// Appends a record; they come sorted.
    pub(super) fn push(&mut self, record: &Record<'_>) -> Result<(), StoreError> {
        if self.block.is_empty() {
            self.first = record.key.to_vec();
        }
        self.block.extend_from_slice(record.whole);
        if self.block.len() >= BLOCK { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.directory.extend_from_slice(&self.offset.to_le_bytes());
        self.directory.extend_from_slice(&u16::try_from(self.first.len()).unwrap_or(u16::MAX).to_le_bytes());
        self.directory.extend_from_slice(&self.first);
        let block = std::mem::take(&mut self.block);
        self.write(&block)?;
        self.block = block;
        self.block.clear();
        Ok(())
    }

    fn write(&mut self, body: &[u8]) -> Result<(), StoreError> {
        let mut piece = Vec::with_capacity(frame::HEAD + body.len());
        frame::push(&mut piece, |out| out.extend_from_slice(body));
        self.offset += piece.len() as u64;
        self.file.write_all(&piece).map_err(StoreError::file(&self.path))
    }

    /// Ends the file, durably.
    pub(super) fn finish(mut self) -> Result<Run, StoreError> {
        if !self.block.is_empty() {
            self.close()?;
        }
        let (place, directory) = (self.offset, std::mem::take(&mut self.directory));
        self.write(&directory)?;
        self.file
            .write_all(&place.to_le_bytes())
            .and_then(|()| self.file.flush())
            .and_then(|()| self.file.get_ref().sync_all())
            .map_err(StoreError::file(&self.path))?;
        Run::open(self.path)
    }
}

/// Where records come from.
#[derive(Debug)]
enum Source {
    Run { run: Run, next: usize },
    Memory,
}

/// A place in sorted records.
#[derive(Debug)]
pub(super) struct Cursor {
    source: Source,
    block: Vec<u8>,
    /// The current record in the block; empty behind the last one.
    current: std::ops::Range<usize>,
}

impl Cursor {
    fn at(source: Source) -> Result<Self, StoreError> {
        let mut cursor = Self { source, block: Vec::new(), current: 0..0 };
        cursor.advance()?;
        Ok(cursor)
    }

    /// Records in memory, sorted.
    pub(super) fn over(sorted: Vec<u8>) -> Self {
        let end = Record::first(&sorted).map_or(0, |record| record.whole.len());
        Self { source: Source::Memory, block: sorted, current: 0..end }
    }

    /// The current record; nothing behind the last one.
    pub(super) fn record(&self) -> Option<Record<'_>> {
        Record::first(self.block.get(self.current.clone())?)
    }

    /// Goes to the next record.
    pub(super) fn advance(&mut self) -> Result<(), StoreError> {
        let mut start = self.current.end;
        if start >= self.block.len() {
            let Source::Run { run, next } = &mut self.source else {
                self.current = start..start;
                return Ok(());
            };
            let Some((_, offset)) = run.blocks.get(*next) else {
                self.current = start..start;
                return Ok(());
            };
            frame::read_at(&run.path, *offset, &mut self.block)?;
            *next += 1;
            start = 0;
        }
        let record = Record::first(self.block.get(start..).unwrap_or_default());
        let Some(length) = record.map(|record| record.whole.len()) else {
            return Err(self.damaged("a record of the index cannot be read"));
        };
        self.current = start..start + length;
        Ok(())
    }

    /// Damage in the block that is being read.
    pub(super) fn damaged(&self, why: &str) -> StoreError {
        match &self.source {
            Source::Run { run, next } => {
                let offset = next.checked_sub(1).and_then(|at| run.blocks.get(at)).map_or(0, |block| block.1);
                StoreError::damaged(&run.path, offset, why)
            }
            Source::Memory => StoreError::damaged(Path::new("log"), 0, why),
        }
    }
}

/// Many sorted sources as one: the record that comes next, and which source has it.
#[derive(Debug)]
pub(super) struct Merge {
    heap: BinaryHeap<Head>,
}

/// A cursor that has a record, the least first.
#[derive(Debug)]
pub(super) struct Head {
    /// Where the records come from.
    pub(super) cursor: Cursor,
    /// Which replica.
    pub(super) replica: usize,
}

impl Head {
    fn key(&self) -> Option<Record<'_>> {
        self.cursor.record()
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let order = match (self.key(), other.key()) {
            (Some(a), Some(b)) => a.key.cmp(b.key).then(self.replica.cmp(&other.replica)).then(a.order(&b)),
            (a, b) => a.is_none().cmp(&b.is_none()),
        };
        order.reverse()
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

impl Merge {
    /// Of cursors, each with the number of its replica.
    pub(super) fn new(cursors: impl IntoIterator<Item = (usize, Cursor)>) -> Self {
        let heads = cursors.into_iter().map(|(replica, cursor)| Head { cursor, replica });
        Self { heap: heads.filter(|head| head.key().is_some()).collect() }
    }

    /// The least record.
    pub(super) fn peek(&self) -> Option<&Head> {
        self.heap.peek()
    }

    /// Goes behind it.
    pub(super) fn advance(&mut self) -> Result<(), StoreError> {
        let Some(mut head) = self.heap.peek_mut() else { return Ok(()) };
        head.cursor.advance()?;
        if head.cursor.record().is_none() {
            std::collections::binary_heap::PeekMut::pop(head);
        }
        Ok(())
    }
}
