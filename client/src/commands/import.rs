//! `almenara import`: from other people's lists to drafts.

use std::path::PathBuf;

use super::{list_args::ListArgs, lists};
use crate::{
    context::Context,
    draft::Fields,
    exit::{CliError, Outcome},
    text::count,
};

/// What to read.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Files to read; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How to read them.
    #[command(flatten)]
    pub list: ListArgs,
    /// Drafts file to write
    #[arg(long, short, value_name = "FILE", required_unless_present = "dry_run")]
    pub output: Option<PathBuf>,
    /// Say what would be done, and write no drafts
    #[arg(long)]
    pub dry_run: bool,
}

/// Reads lists into a drafts file, and says what became of each line.
///
/// # Errors
/// [`CliError`]: a file cannot be read or written, or its columns cannot be told apart.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    let mut reading = args.list.open(&args.files, "reading", context)?;
    let tally = reading.tally();
    let mut drafts = match &args.output {
        Some(path) if !args.dry_run => Some(lists::begin(path)?),
        _ => None,
    };
    for line in &mut reading {
        if let (Some(file), Some(draft)) = (&mut drafts, line?.outcome.into_draft()) {
            let json = serde_json::to_string(&Fields::from(&draft)).map_err(CliError::internal)?;
            lists::write_line(file, &json)?;
        }
    }
    drop(reading);
    let report = tally.report();
    lists::tell(&report, &args.files, &context.output)?;
    if report.drafts() == 0 {
        context.output.warn("no line gave a draft, so nothing was written");
        return Ok(Outcome::No);
    }
    if let Some(file) = drafts {
        let path = file.path().to_owned();
        lists::finish(file, true)?;
        let (drafts, path) = (count(report.drafts()), path.display());
        context.output.say(format_args!("\n{drafts} drafts in {path}. Next: almenara publish {path}"))?;
    }
    Ok(Outcome::Done)
}
