//! `almenara sign`: drafts to signed batches, offline.

use std::path::PathBuf;

use super::{
    desk,
    list_args::{FormatName, ListArgs},
    lists,
};
use crate::{
    context::Context,
    exit::{CliError, Outcome},
    publish::{Feed as _, Sealing},
    signed,
    text::count,
};

/// What to sign.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Drafts files
    #[arg(required = true, value_name = "DRAFTS")]
    pub files: Vec<PathBuf>,
    /// Signing key; the configured desk's when not given
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// File of signed items to write [default: DRAFTS.signed]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Checks drafts again, signs them in batches, and writes what `submit` sends.
///
/// # Errors
/// [`CliError`]: no key or roster, a file that cannot be read or written.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    let list = ListArgs { format: Some(FormatName::Jsonl), ..ListArgs::default() };
    let reading = list.open(&args.files, "signing", context)?;
    let tally = reading.tally();
    let sealer = desk::sealer(args.key.as_deref(), context)?;
    let (publisher, public) = (sealer.desk.publisher.clone(), desk::public(&sealer));
    if args.dry_run {
        for line in reading {
            line?;
        }
        lists::tell(&tally.report(), &args.files, &context.output)?;
        let drafts = count(tally.report().drafts());
        context
            .output
            .say(format_args!("Would sign {drafts} statements as {publisher} with key {public}."))?;
        return Ok(Outcome::Done);
    }
    let path = match (args.output, args.files.first()) {
        (Some(path), _) => path,
        (None, Some(first)) => first.with_extension("signed"),
        (None, None) => return Err(CliError::usage("no drafts file was given")),
    };
    let mut file = signed::Writer::begin(&path)?;
    let mut sealing = Sealing::new(reading.drafts(), sealer);
    while let Some(item) = sealing.next()? {
        file.push(&item.request)?;
    }
    let report = tally.report();
    lists::tell(&report, &args.files, &context.output)?;
    if report.drafts() == 0 {
        context.output.warn("there is nothing to sign, so nothing was written");
        return Ok(Outcome::No);
    }
    let batches = count(file.finish()?);
    let (drafts, path) = (count(report.drafts()), path.display());
    context.output.say(format_args!(
        "\nSigned as {publisher}: {drafts} statements in {batches} batches. Next: almenara submit {path}"
    ))?;
    Ok(Outcome::Done)
}
