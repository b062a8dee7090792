//! The version before a roster file: what its changes and votes are measured by.
//!
//! A later version names the one before by its hash, so a file that was given for comparison needs no trust: it is
//! the one that is meant, or it is refused.

use std::path::PathBuf;

use almenara_proto::roster::{Roster, SignedRoster};

use crate::{
    context::Context,
    exit::CliError,
    rosters::{self, Rosters, RostersError},
};

/// Where the version before is.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Before {
    /// File of the version before [default: the accepted one of the own home]
    #[arg(long, value_name = "FILE")]
    after: Option<PathBuf>,
}

impl Before {
    /// The version that `signed` names as the one before; nothing for version 1, and where it is not at hand.
    pub(super) fn find(&self, signed: &SignedRoster, context: &Context) -> Result<Option<Roster>, CliError> {
        let roster = Roster::parse(&signed.body)?;
        let Some(previous) = roster.previous else { return Ok(None) };
        if let Some(path) = &self.after {
            let before = rosters::read(path)?;
            if before.id() != previous {
                return Err(CliError::usage(format!(
                    "--after {}: its hash is {}, but version {} follows {previous}: give the file of that version",
                    path.display(),
                    before.id(),
                    roster.version
                )));
            }
            let before =
                Roster::parse(&before.body).map_err(|void| CliError::from(void).at(path.display()))?;
            return Ok(Some(before));
        }
        let chain = chain(context)?;
        let before = chain.as_ref().and_then(|chain| chain.version(roster.version.checked_sub(1)?));
        Ok(before.filter(|held| held.id == previous).map(|held| held.roster.clone()))
    }
}

/// The accepted chain; nothing in a home without configuration or rosters, such as that of a machine which only
/// signs.
pub(super) fn chain(context: &Context) -> Result<Option<Rosters>, CliError> {
    if !context.has_config() {
        return Ok(None);
    }
    match Rosters::open(context.home.rosters(), context.config()?.roster) {
        Err(RostersError::Missing { .. }) => Ok(None),
        opened => Ok(Some(opened?)),
    }
}
