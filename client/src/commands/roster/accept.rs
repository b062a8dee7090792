//! `almenara roster accept`: takes roster files into the own home, under the configured hash.

use std::path::PathBuf;

use crate::{
    context::Context,
    exit::{CliError, Outcome},
    roster_view::RosterView,
    rosters::{self, Rosters, RostersError},
};

/// Which files.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Roster files, in the order of their versions
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let (folder, pinned) = (context.home.rosters(), context.config()?.roster);
    let mut chain = match Rosters::open(&folder, pinned) {
        Err(RostersError::Missing { .. }) => None,
        opened => Some(opened?),
    };
    for path in &args.files {
        let offered = rosters::read(path)?;
        match &mut chain {
            Some(chain) => {
                chain.accept(offered)?;
            }
            None => chain = Some(Rosters::begin(&folder, offered, pinned)?),
        }
    }
    let Some(chain) = chain else { return Err(CliError::usage("no file was given")) };
    RosterView::of(&chain.current().signed)?.print(&context.output, context.now())?;
    Ok(Outcome::Done)
}
