//! `almenara export`: blocklists and records from the local store.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use almenara_proto::{indicator::Kind, verdict::Counted};

use crate::{
    context::Context,
    exit::{CliError, Outcome},
    formats::export::{
        self, ExportError, ExportItem, Format, Profile, ReplaceError, RpzOptions, Summary, next_serial,
        serial_of,
    },
    output::Progress,
    store::{Judged, Store, StoreError},
    text::count,
};

/// How the list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum FormatName {
    /// Blocklist: one value of --kind a line
    Plain,
    /// Blocklist: 0.0.0.0 name
    Hosts,
    /// Blocklist: a DNS response policy zone
    Rpz,
    /// Records with their markings, exact, for programs
    Csv,
    /// Records with their markings; no cell can be a formula
    Spreadsheet,
    /// Records with their markings, one JSON object a line
    Jsonl,
}

/// What to write.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// How the list is written
    #[arg(long, value_enum)]
    pub format: FormatName,
    /// File to replace, whole or not at all; standard output when not given
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Plain: which kind of values
    #[arg(long, default_value = "domain")]
    pub kind: Kind,
    /// RPZ: the zone's name, such as rpz.almenara.example
    #[arg(long, value_name = "NAME", required_if_eq("format", "rpz"))]
    pub origin: Option<String>,
    /// RPZ: seconds that a resolver keeps an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub ttl: u32,
    /// RPZ: serial of the zone [default: the time, and above that of the file]
    #[arg(long)]
    pub serial: Option<u32>,
    /// Records: also what the policy does not list
    #[arg(long)]
    pub all: bool,
    /// Write a list even when nothing stands in it
    #[arg(long)]
    pub allow_empty: bool,
    /// Say what would be written, and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Judges everything in the local store by the configured policy, and writes what is listed.
///
/// # Errors
/// [`CliError`]: nothing was pulled yet, the store is damaged, the file cannot be written. The old file then stays.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    let config = context.config()?;
    let rosters = context.rosters()?;
    let store = Store::read(context.home.store(), config.federation.as_str())?;
    if store.replicas().next().is_none() {
        return Err(CliError::usage("the local store is empty: run `almenara pull` first"));
    }
    let format = format(&args, context)?;
    let all = args.all && !format.is_blocklist();
    let progress = context.output.progress("exporting", 0);
    let now = context.now();
    // Whoever asks for all of it gets what is pending too.
    let pending = |judged: &Judged| !all && judged.is_pending(&config.policy, now);
    let items = store
        .verdicts(&rosters.current().roster, &config.policy, now)?
        .map(|judged| judged.map(|judged| item(pending(&judged), judged)))
        .filter(|item| all || !matches!(item, Ok(item) if !item.listed && !item.pending))
        .inspect(|_| progress.add(1));
    let summary = write(&args, &format, items, context)?;
    let Some(summary) = summary else { return Ok(Outcome::No) };
    drop::<Progress>(progress);
    tell(&summary, &args, context)?;
    Ok(Outcome::Done)
}

fn format(args: &Args, context: &Context) -> Result<Format, CliError> {
    Ok(match args.format {
        FormatName::Plain => Format::Plain(args.kind),
        FormatName::Hosts => Format::Hosts,
        FormatName::Rpz => Format::Rpz(RpzOptions {
            origin: args.origin.clone().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase(),
            serial: match args.serial {
                Some(serial) => serial,
                None => {
                    next_serial(args.output.as_deref().map(last_serial).transpose()?.flatten(), context.now())
                }
            },
            ttl: args.ttl,
        }),
        FormatName::Csv => Format::Csv(Profile::Machine),
        FormatName::Spreadsheet => Format::Csv(Profile::Spreadsheet),
        FormatName::Jsonl => Format::JsonLines,
    })
}

/// The serial of the zone file that is there; nothing when there is none.
fn last_serial(path: &Path) -> Result<Option<u32>, CliError> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CliError::file(path, &error)),
    };
    let mut head = Vec::new();
    // The SOA stands in the third line.
    file.take(4_096).read_to_end(&mut head).map_err(|error| CliError::file(path, &error))?;
    Ok(serial_of(&String::from_utf8_lossy(&head)))
}

/// Writes the list; nothing when it would be empty, which was then said.
fn write(
    args: &Args,
    format: &Format,
    items: impl Iterator<Item = Result<ExportItem, StoreError>>,
    context: &Context,
) -> Result<Option<Summary>, CliError> {
    match &args.output {
        Some(path) if !args.dry_run => match export::replace(path, format, items, args.allow_empty) {
            Ok(summary) => Ok(Some(summary)),
            Err(error @ ReplaceError::Empty { .. }) => {
                context.output.warn(&error);
                if let ReplaceError::Empty { summary, .. } = &error {
                    left_out(summary, context)?;
                }
                Ok(None)
            }
            Err(ReplaceError::Export(error)) => Err(failed(error)),
            Err(error) => Err(CliError::unavailable(error)),
        },
        _ => {
            // In memory first: a source error must not leave half a list in a pipe.
            let mut out = Vec::new();
            let summary = export::export(format, items, &mut out).map_err(failed)?;
            if summary.written == 0 && !args.allow_empty {
                context.output.warn("nothing stands in the list; --allow-empty writes it nevertheless");
                left_out(&summary, context)?;
                return Ok(None);
            }
            if !args.dry_run {
                context.output.raw(&out)?;
            }
            Ok(Some(summary))
        }
    }
}

fn failed(error: ExportError<StoreError>) -> CliError {
    match error {
        ExportError::Source(error) => CliError::from(error).at("nothing was written"),
        ExportError::Write(error) => CliError::unavailable(error),
        ExportError::Zone(error) => CliError::usage(error).at("--origin"),
    }
}

fn tell(summary: &Summary, args: &Args, context: &Context) -> Result<(), CliError> {
    let written = count(summary.written);
    if summary.written == 0 {
        context.output.warn("the list is empty: nothing is blocked by it any more");
    }
    match &args.output {
        // The list itself went to standard output.
        None if !args.dry_run => context.output.note(format_args!("{written} items")),
        _ if context.output.is_json() => return context.output.json(summary),
        Some(path) if !args.dry_run => {
            context.output.say(format_args!("{written} items in {}", path.display()))?
        }
        _ => context.output.say(format_args!("Would write {written} items."))?,
    }
    left_out(summary, context)
}

/// Says what is not in the list, on standard error beside a list on standard output.
fn left_out(summary: &Summary, context: &Context) -> Result<(), CliError> {
    for skipped in summary.skipped.values() {
        context.output.note(format_args!(
            "{} left out: {} (such as {})",
            count(skipped.count),
            skipped.why,
            skipped.examples.join(", ")
        ));
    }
    Ok(())
}

fn item(pending: bool, judged: Judged) -> ExportItem {
    ExportItem {
        listed: judged.verdict.listed,
        pending,
        score: judged.verdict.score,
        categories: judged.categories(),
        include_subdomains: judged.include_subdomains(),
        lookup_only: lookup_only(&judged),
        tlp: judged.tlp(),
        pap: judged.pap(),
        valid_until: judged.valid_until(),
        addresses: judged.addresses(),
        indicator: judged.indicator,
    }
}

/// Whether any report that still stands says that it must not be blocked. A warning that a person may be coerced
/// holds although the policy asks for other categories, or a colleague's report weighs more.
fn lookup_only(judged: &Judged) -> bool {
    judged.pieces.iter().zip(&judged.verdict.counted).any(|(piece, counted)| {
        matches!(
            counted,
            Counted::Yes
                | Counted::WeakerOfSameMember
                | Counted::Pending
                | Counted::Category
                | Counted::Future
        ) && piece.statement.lookup_only()
    })
}
