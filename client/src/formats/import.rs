//! Lists in: each line of a file becomes a draft, or a reason why not, and nothing stops the rest.
//!
//! The outcomes of a file always sum to its number of lines, whatever its bytes. A reader holds one line (at most
//! [`LINE_BYTES`]) and, for duplicates, 24 bytes of each value: a million lines need some tens of megabytes.

mod csv;
mod jsonl;
mod lines;
mod plain;
mod report;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, hash_map::Entry},
    io::{self, BufRead},
};

use almenara_proto::indicator::Warning;

use crate::draft::{Defaults, Draft, Fields, Refusal};

pub use self::csv::{CsvOptions, HeaderError};
pub use lines::LINE_BYTES;
pub use report::{Counted, Example, ImportReport};

/// How a file is written.
#[derive(Clone, Debug)]
pub enum Format {
    /// One value a line; `#` begins a comment.
    Plain,
    /// RFC 4180.
    Csv(CsvOptions),
    /// One JSON object a line, with the names of [`Fields`]: also what a drafts file is.
    JsonLines,
}

/// One item of a file and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Index of the file among those that were read.
    pub file: u32,
    /// Its first line, from 1.
    pub number: u64,
    /// How many lines it spans; more than one only in CSV, where a quoted cell may hold line breaks.
    pub lines: u64,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The value was canonical already.
    Accepted(Box<Ready>),
    /// It was refanged or canonicalised.
    Repaired {
        /// The draft.
        ready: Box<Ready>,
        /// What stood there.
        from: String,
    },
    /// A report on the same indicator stood in an earlier line.
    Duplicate {
        /// The indicator, as `kind value`.
        of: String,
        /// Where it stood first.
        first: Place,
    },
    /// There is no draft.
    Refused(Refusal),
    /// Nothing is claimed: a blank line, a comment or a header.
    Skipped,
}

/// A draft and its warnings.
#[derive(Clone, Debug, PartialEq)]
pub struct Ready {
    /// The draft.
    pub draft: Draft,
    /// Worth a look before publishing.
    pub warnings: Vec<Warning>,
    /// The same, of whoever read the list and knows more than the list: sentences.
    pub remarks: Vec<String>,
}

/// A line of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the file among those that were read.
    pub file: u32,
    /// From 1.
    pub line: u64,
}

impl Outcome {
    /// The draft, if there is one.
    #[must_use]
    pub fn into_draft(self) -> Option<Draft> {
        match self {
            Self::Accepted(ready) | Self::Repaired { ready, .. } => Some(ready.draft),
            Self::Duplicate { .. } | Self::Refused(_) | Self::Skipped => None,
        }
    }
}

/// Which indicators were reported already, over all files of a run.
///
/// Keyed by [`Draft::indicator_hash`], so that the values themselves are not kept.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    places: HashMap<[u8; 16], Place>,
    files: u32,
}

impl Seen {
    /// Where this draft's indicator was reported first, or nothing: then this is the place. What is not a report
    /// may stand often.
    fn admit(&mut self, draft: &Draft, place: Place) -> Option<Place> {
        if !draft.is_report() {
            return None;
        }
        match self.places.entry(draft.indicator_hash()) {
            Entry::Occupied(first) => Some(*first.get()),
            Entry::Vacant(free) => {
                free.insert(place);
                None
            }
        }
    }
}

/// Why a file cannot be read on. A bad line is never the reason.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file or pipe failed.
    #[error("after line {line}: {source}")]
    Read {
        /// The last line that was read.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// The columns cannot be told from each other.
    #[error(transparent)]
    Header(#[from] HeaderError),
}

/// What one line says, before anything is filled in.
pub(crate) struct Raw {
    number: u64,
    lines: u64,
    said: Said,
}

pub(crate) enum Said {
    Fields(Box<Fields>),
    Refused(Refusal),
    Nothing,
}

enum Reader<R> {
    Plain(plain::Plain<R>),
    Csv(csv::Csv<R>),
    JsonLines(jsonl::JsonLines<R>),
}

/// Reads one file, line by line: an iterator over [`Line`]s that counts what passes.
pub struct Importer<R> {
    reader: Reader<R>,
    defaults: Defaults,
    seen: Seen,
    file: u32,
    report: ImportReport,
    failed: bool,
}

impl<R: BufRead> Importer<R> {
    /// Starts on a file. `seen` is empty, or what [`Importer::finish`] of the file before returned.
    #[must_use]
    pub fn new(input: R, format: &Format, defaults: Defaults, mut seen: Seen) -> Self {
        let file = seen.files;
        seen.files = file.saturating_add(1);
        let lines = lines::Lines::new(input);
        let reader = match format {
            Format::Plain => Reader::Plain(plain::Plain::new(lines)),
            Format::Csv(options) => Reader::Csv(csv::Csv::new(lines, options.clone())),
            Format::JsonLines => Reader::JsonLines(jsonl::JsonLines::new(lines)),
        };
        Self { reader, defaults, seen, file, report: ImportReport::default(), failed: false }
    }

    /// What was counted so far.
    #[must_use]
    pub const fn report(&self) -> &ImportReport {
        &self.report
    }

    /// What was counted, and what the next file is compared with.
    #[must_use]
    pub fn finish(mut self) -> (ImportReport, Seen) {
        if let Reader::Csv(csv) = &self.reader {
            self.report.unused_columns = csv.unused_columns();
        }
        (self.report, self.seen)
    }

    fn judge(&mut self, raw: Raw) -> Line {
        let Raw { number, lines, said } = raw;
        let outcome = match said {
            Said::Nothing => Outcome::Skipped,
            Said::Refused(refusal) => Outcome::Refused(refusal),
            Said::Fields(fields) => {
                let from = fields.value.clone().unwrap_or_default();
                match fields.settle(&self.defaults, number) {
                    Err(refusal) => Outcome::Refused(refusal),
                    Ok(settled) => {
                        let place = Place { file: self.file, line: number };
                        let ready =
                            Ready { draft: settled.draft, warnings: settled.warnings, remarks: Vec::new() };
                        match self.seen.admit(&ready.draft, place) {
                            Some(first) => {
                                let indicator = ready.draft.indicator();
                                let of = format!("{} {}", indicator.kind(), indicator.value());
                                Outcome::Duplicate { of, first }
                            }
                            None if settled.repaired => Outcome::Repaired { ready: Box::new(ready), from },
                            None => Outcome::Accepted(Box::new(ready)),
                        }
                    }
                }
            }
        };
        Line { file: self.file, number, lines, outcome }
    }
}

impl<R: BufRead> Iterator for Importer<R> {
    type Item = Result<Line, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let raw = match &mut self.reader {
            Reader::Plain(plain) => plain.next(),
            Reader::Csv(csv) => csv.next(),
            Reader::JsonLines(jsonl) => jsonl.next(),
        };
        match raw {
            Ok(None) => None,
            Ok(Some(raw)) => {
                let line = self.judge(raw);
                self.report.count(&line);
                Some(Ok(line))
            }
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}
