//! What `import`, `sign` and `publish` share: lists on disk, read line by line.

use std::{
    collections::{BTreeSet, VecDeque},
    fs::File,
    io::{self, BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use almenara_proto::{
    indicator::Kind,
    release::{Audience, Pap, Tlp},
    statement::{Basis, Category},
};

use crate::{
    context::Context,
    draft::{self, Defaults, Draft},
    exit::CliError,
    files::Growing,
    formats::import::{CsvOptions, Format, ImportError, ImportReport, Importer, Line, Seen},
    output::{Output, Progress},
    text::{count, tame},
};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum FormatName {
    /// One value a line; # begins a comment
    Plain,
    /// RFC 4180 with a header
    Csv,
    /// One JSON object a line; also a drafts file
    Jsonl,
}

/// How lists are read, and what to say where their lines do not.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ListArgs {
    /// How the files are written [default: by their names: .csv, .jsonl, else plain]
    #[arg(long, value_enum)]
    pub format: Option<FormatName>,
    /// Kind of the values: domain, url, email, phone, wallet, iban, handle, ip …
    #[arg(long)]
    pub kind: Option<Kind>,
    /// Category of the reports, such as scam.phishing; may be repeated
    #[arg(long, value_name = "CATEGORY", value_parser = category)]
    pub category: Vec<Category>,
    /// 0 to 100
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub confidence: Option<u8>,
    /// Who may see it: CLEAR, GREEN, AMBER, AMBER+STRICT or RED
    #[arg(long)]
    pub tlp: Option<Tlp>,
    /// What they may do with it: CLEAR or GREEN lets it into blocklists; AMBER, RED
    #[arg(long)]
    pub pap: Option<Pap>,
    /// Audience: a member, group:NAME or jurisdiction:XX; may be repeated
    #[arg(long, value_name = "AUDIENCE")]
    pub to: Vec<Audience>,
    /// Never these; always wins
    #[arg(long, value_name = "AUDIENCE")]
    pub not_to: Vec<Audience>,
    /// In how many other jurisdictions it is kept (AMBER)
    #[arg(long)]
    pub copies: Option<u32>,
    /// Days after last_seen until it expires [default: the kind's own]
    #[arg(long, value_name = "DAYS")]
    pub valid_days: Option<u32>,
    /// The values come from this list
    #[arg(long, value_name = "LIST", conflicts_with = "observed")]
    pub from: Option<String>,
    /// We saw the values ourselves
    #[arg(long)]
    pub observed: bool,
    /// The report covers all subdomains (domains)
    #[arg(long)]
    pub include_subdomains: bool,
    /// Never in a blocklist
    #[arg(long)]
    pub lookup_only: bool,
    /// The person behind it may be a victim (implies --lookup-only)
    #[arg(long)]
    pub possibly_coerced: bool,
    /// A name that several reports share
    #[arg(long)]
    pub campaign: Option<String>,
    /// Free label; may be repeated
    #[arg(long)]
    pub label: Vec<String>,
    /// Why you may process this
    #[arg(long)]
    pub lawful_basis: Option<String>,
    /// Country of national phone numbers and bank accounts, such as TH
    #[arg(long)]
    pub region: Option<String>,
    /// Chain of wallets: btc, eth, tron, sol … or auto
    #[arg(long)]
    pub chain: Option<String>,
    /// Platform of handles, store of apps, register of companies
    #[arg(long)]
    pub platform: Option<String>,
    /// CSV: which column holds which field, such as value=domain,category=type
    #[arg(long, value_name = "FIELD=COLUMN,…")]
    pub map: Option<String>,
    /// CSV: the character between cells
    #[arg(long, value_name = "CHARACTER", default_value_t = ',')]
    pub delimiter: char,
    /// CSV: there is no header; --map names columns by number, from 1
    #[arg(long, requires = "map")]
    pub no_header: bool,
    /// Write what became of each line, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

fn category(name: &str) -> Result<Category, String> {
    draft::category(name).map_err(|refusal| refusal.message)
}

impl ListArgs {
    fn defaults(&self, now: u64) -> Defaults {
        let basis = match (&self.from, self.observed) {
            (Some(list), _) => Some(Basis::Imported(list.clone())),
            (None, true) => Some(Basis::Observed),
            (None, false) => None,
        };
        Defaults {
            now,
            file: None,
            kind: self.kind,
            categories: self.category.clone(),
            confidence: self.confidence,
            basis,
            valid_days: self.valid_days,
            include_subdomains: self.include_subdomains,
            lookup_only: self.lookup_only,
            possibly_coerced: self.possibly_coerced,
            campaign: self.campaign.clone(),
            labels: self.label.clone(),
            lawful_basis: self.lawful_basis.clone(),
            tlp: self.tlp,
            pap: self.pap,
            to: self.to.iter().cloned().collect::<BTreeSet<_>>(),
            not_to: self.not_to.iter().cloned().collect(),
            copies: self.copies,
            region: self.region.clone(),
            chain: self.chain.clone(),
            platform: self.platform.clone(),
        }
    }

    fn format(&self, path: &Path) -> Result<Format, CliError> {
        let by_name = || match path.extension().and_then(|name| name.to_str()) {
            Some("csv") => FormatName::Csv,
            Some("jsonl" | "ndjson") => FormatName::Jsonl,
            _ => FormatName::Plain,
        };
        Ok(match self.format.unwrap_or_else(by_name) {
            FormatName::Plain => Format::Plain,
            FormatName::Jsonl => Format::JsonLines,
            FormatName::Csv => Format::Csv(CsvOptions {
                map: CsvOptions::map(self.map.as_deref().unwrap_or_default()).map_err(CliError::usage)?,
                delimiter: u8::try_from(self.delimiter)
                    .map_err(|_| CliError::usage("--delimiter: one ASCII character is expected"))?,
                header: !self.no_header,
            }),
        })
    }

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
            defaults: self.defaults(context.now()),
            several: files.len() > 1,
            seen: Seen::default(),
            tally: Tally::default(),
            by_line: report,
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
                Some(Ok(line)) => {
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
