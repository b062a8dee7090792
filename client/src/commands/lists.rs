//! What `import`, `sign` and `publish` share: lists on disk, read line by line.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    history::{History, Remark},
    list_args::ListArgs,
};
use crate::{
    context::Context,
    draft::{Defaults, Draft},
    exit::CliError,
    files::Growing,
    formats::import::{Format, ImportError, ImportReport, Importer, Line, Outcome, Seen},
    output::{Output, Progress},
    text::{count, tame},
};

impl ListArgs {
    /// Starts reading `files` in order; `what` is the word of the progress bar, empty for none.
    ///
    /// # Errors
    /// [`CliError`], when an argument makes no sense or the report cannot be written.
    pub(super) fn open(&self, files: &[PathBuf], what: &str, context: &Context) -> Result<Reading, CliError> {
        let formats = files.iter().map(|path| Ok((path.clone(), self.format(path)?)));
        let mut total = 0u64;
        for path in files.iter().filter(|path| !is_standard(path)) {
            total = total
                .saturating_add(std::fs::metadata(path).map_err(|error| CliError::file(path, &error))?.len());
        }
        let report = self.report.as_deref().map(begin).transpose()?;
        Ok(Reading {
            waiting: formats.collect::<Result<_, CliError>>()?,
            current: None,
            // Before there is a roster nobody asks for copies.
            defaults: self.defaults(
                context.now(),
                context.rosters().map(|rosters| rosters.current().roster.custody).unwrap_or_default(),
            ),
            several: files.len() > 1,
            seen: Seen::default(),
            tally: Tally::default(),
            by_line: report,
            history: History::open(context)?,
            progress: (!what.is_empty()).then(|| Arc::new(context.output.progress(what, total))),
        })
    }
}

fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}

/// Begins a file, or says which one cannot be.
pub(super) fn begin(path: &Path) -> Result<Growing, CliError> {
    Growing::begin(path).map_err(|error| CliError::file(path, &error))
}

/// Bytes that pass are shown as progress.
struct Counting {
    inner: Box<dyn BufRead + Send>,
    progress: Option<Arc<Progress>>,
}

impl Counting {
    fn passed(&self, bytes: usize) {
        if let Some(progress) = &self.progress {
            progress.add(bytes as u64);
        }
    }
}

impl io::Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.passed(read);
        Ok(read)
    }
}

impl BufRead for Counting {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.passed(amount);
        self.inner.consume(amount);
    }
}

/// Counts of all files so far, for whoever waits for the end of a [`Reading`] on another thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(Arc<Mutex<ImportReport>>);

impl Tally {
    /// The counts.
    pub(super) fn report(&self) -> ImportReport {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The lines of several files, one after another.
pub(super) struct Reading {
    waiting: VecDeque<(PathBuf, Format)>,
    current: Option<(PathBuf, Importer<Counting>)>,
    defaults: Defaults,
    several: bool,
    seen: Seen,
    tally: Tally,
    by_line: Option<Growing>,
    history: Option<History>,
    progress: Option<Arc<Progress>>,
}

impl Reading {
    /// Counts of the files that were read to their end.
    pub(super) fn tally(&self) -> Tally {
        self.tally.clone()
    }

    /// The drafts alone.
    pub(super) fn drafts(self) -> impl Iterator<Item = Result<Draft, CliError>> + Send + 'static {
        self.filter_map(|line| line.map(|line| line.outcome.into_draft()).transpose())
    }

    fn next_file(&mut self) -> Result<bool, CliError> {
        let Some((path, format)) = self.waiting.pop_front() else { return Ok(false) };
        let inner: Box<dyn BufRead + Send> = if is_standard(&path) {
            Box::new(BufReader::new(io::stdin()))
        } else {
            let file = File::open(&path).map_err(|error| CliError::file(&path, &error))?;
            Box::new(BufReader::with_capacity(1 << 16, file))
        };
        let input = Counting { inner, progress: self.progress.clone() };
        // With one file the line says enough; drafts of a drafts file name their own.
        let file = self.several.then(|| path.display().to_string().into());
        let defaults = Defaults { file, ..self.defaults.clone() };
        let importer = Importer::new(input, &format, defaults, std::mem::take(&mut self.seen));
        self.current = Some((path, importer));
        Ok(true)
    }

    /// Adds what the local store holds against the report of a line.
    fn remark(&mut self, line: &mut Line) -> Result<(), CliError> {
        let (Some(history), Outcome::Accepted(ready) | Outcome::Repaired { ready, .. }) =
            (&self.history, &mut line.outcome)
        else {
            return Ok(());
        };
        if ready.draft.is_report() {
            for Remark { code, message } in history.against(ready.draft.indicator())? {
                let mut report = self.tally.0.lock().unwrap_or_else(PoisonError::into_inner);
                report.warnings.entry(code).or_default().add(line.file, line.number, || message.clone());
                ready.remarks.push(message);
            }
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<Option<Line>, CliError> {
        loop {
            if self.current.is_none() && !self.next_file()? {
                if let Some(report) = self.by_line.take() {
                    finish(report, true)?;
                }
                return Ok(None);
            }
            let Some((path, importer)) = &mut self.current else { continue };
            match importer.next() {
                Some(Ok(mut line)) => {
                    self.remark(&mut line)?;
                    if let Some(report) = &mut self.by_line {
                        write_line(report, &line.to_json())?;
                    }
                    return Ok(Some(line));
                }
                Some(Err(error)) => {
                    let place = path.display();
                    return Err(match error {
                        ImportError::Read { .. } => CliError::unavailable(error).at(place),
                        ImportError::Header(_) => CliError::usage(error).at(place),
                    });
                }
                None => {
                    if let Some((_, importer)) = self.current.take() {
                        let (report, seen) = importer.finish();
                        self.seen = seen;
                        self.tally.0.lock().unwrap_or_else(PoisonError::into_inner).merge(report);
                    }
                }
            }
        }
    }
}

impl Iterator for Reading {
    type Item = Result<Line, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

/// Writes a line to a file that is begun.
pub(super) fn write_line(file: &mut Growing, line: &str) -> Result<(), CliError> {
    writeln!(file, "{line}").map_err(|error| CliError::file(file.path(), &error))
}

/// Puts a file in place.
pub(super) fn finish(file: Growing, over: bool) -> Result<(), CliError> {
    let path = file.path().to_owned();
    file.finish(over).map_err(|error| CliError::file(&path, &error))
}

/// Says what became of the lines.
pub(super) fn tell(report: &ImportReport, files: &[PathBuf], output: &Output) -> Result<(), CliError> {
    if output.is_json() {
        return output.json(report);
    }
    let row = |what: &str, lines: u64, meaning: &str| [what.to_owned(), count(lines), meaning.to_owned()];
    output.table(
        ["outcome", "lines", ""],
        &[
            row("accepted", report.accepted, "canonical already"),
            row("repaired", report.repaired, "refanged or brought into canonical form"),
            row("duplicate", report.duplicate, "of an earlier line"),
            row("refused", report.refused, "see below"),
            row("skipped", report.skipped, "blank, comment, header or continued"),
            row("all", report.lines, ""),
        ],
    )?;
    let place = |file: u32, line: u64| match files {
        [_] => format!("line {line}"),
        several => {
            let name = usize::try_from(file).ok().and_then(|file| several.get(file));
            format!("{}:{line}", name.map(|name| name.display().to_string()).unwrap_or_default())
        }
    };
    for (title, counted) in [("refused because", &report.reasons), ("worth a look", &report.warnings)] {
        let rows: Vec<[String; 3]> = counted
            .iter()
            .map(|(code, counted)| {
                let example = counted.examples.first();
                let example = example.map(|one| format!("{}: {}", place(one.file, one.line), one.message));
                [(*code).to_owned(), count(counted.count), example.unwrap_or_default()]
            })
            .collect();
        if !rows.is_empty() {
            output.say("")?;
            output.table([title, "lines", "for example"], &rows)?;
        }
    }
    if !report.unused_columns.is_empty() {
        let columns = report.unused_columns.join(", ");
        output.warn(format_args!("nothing was read from these columns: {}", tame(&columns)));
    }
    Ok(())
}
