//! `almenara submit`: send signed files.

use std::path::PathBuf;

use super::send::{self, OwnNode, Sending};
use crate::{
    context::Context,
    draft::Draft,
    exit::{CliError, Outcome},
    publish::{Feed, Submission},
    signed,
    text::{count, plural},
};

/// What to send.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Files of signed items
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// The items of several files, each parsed and its signature over its statements checked as it is read.
struct Files<I>(I);

fn items(
    files: Vec<PathBuf>,
) -> Result<impl Iterator<Item = Result<Submission, CliError>> + Send + use<>, CliError> {
    let opened = files.iter().map(|path| signed::read(path)).collect::<Result<Vec<_>, _>>()?;
    Ok(files.into_iter().zip(opened).flat_map(|(path, items)| {
        let parse = |item| Submission::parse(item).map_err(CliError::usage);
        items.map(move |item| item.and_then(|item| parse(item).map_err(|error| error.at(path.display()))))
    }))
}

impl<I: Iterator<Item = Result<Submission, CliError>> + Send + 'static> Feed for Files<I> {
    fn next(&mut self) -> Result<Option<Submission>, CliError> {
        self.0.next().transpose()
    }

    fn again(&mut self, _: Vec<Draft>) -> Result<Option<Submission>, CliError> {
        Ok(None)
    }
}

/// All that is in these files.
pub(super) fn feed(files: Vec<PathBuf>) -> Result<impl Feed + use<>, CliError> {
    Ok(Files(items(files)?))
}

/// Looks through the files first, so that a damaged one is noticed before anything is sent; then sends them.
///
/// # Errors
/// [`CliError`]: a file that cannot be read or is damaged, a node that cannot be reached or misbehaves.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    let node = OwnNode::find(context)?;
    let (mut number, mut statements) = (0usize, 0u64);
    for item in items(args.files.clone())? {
        number = number.saturating_add(1);
        statements = statements.saturating_add(item?.statements());
    }
    if number == 0 {
        context.output.warn("the files hold no signed item");
        return Ok(Outcome::No);
    }
    let what =
        format!("{} with {} statements", plural(number, "signed item", "signed items"), count(statements));
    if args.dry_run {
        context.output.note(format_args!("Would send {what} to {node}."));
        return Ok(Outcome::Done);
    }
    let Some(node) = send::ask(&what, &node, context).await? else { return Ok(Outcome::No) };
    let feed = feed(args.files)?;
    send::send(Sending { feed, total: statements, refused: None, keep: false }, &node, context).await
}
