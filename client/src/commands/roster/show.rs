//! `almenara roster show`: a roster file in plain words; nothing is accepted by that.

use std::path::PathBuf;

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
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let view = match &args.file {
        Some(path) => {
            RosterView::of(&rosters::read(path)?).map_err(|void| CliError::from(void).at(path.display()))?
        }
        None => RosterView::of(&context.rosters()?.current().signed)?,
    };
    view.print(&context.output, context.now())?;
    Ok(Outcome::Done)
}
