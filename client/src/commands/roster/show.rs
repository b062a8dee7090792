//! `almenara roster show`: a roster file in plain words; nothing is accepted by that.

use std::path::PathBuf;

use super::before::Before;
use crate::{
    context::Context,
    exit::{CliError, Outcome},
    roster_view::RosterView,
    rosters,
};

/// Which one.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Roster file [default: the current one of the own home, once verified]
    file: Option<PathBuf>,
    #[command(flatten)]
    before: Before,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let signed = match &args.file {
        Some(path) => rosters::read(path)?,
        None => context.rosters()?.current().signed.clone(),
    };
    let before = args.before.find(&signed, context)?;
    let view = RosterView::after(&signed, before.as_ref())?;
    view.print(&context.output, context.now())?;
    if view.version > 1 && before.is_none() {
        context.output.warn(
            "the version before is not at hand, so nobody can say here what this one changes: give its file with --after",
        );
    }
    Ok(Outcome::Done)
}
