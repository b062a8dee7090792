//! `almenara roster verify`: does a chain of roster files follow from a hash that was given out of band?

use std::path::PathBuf;

use almenara_proto::{
    merkle::Hash,
    roster::{AcceptedRoster, RosterError},
};
use serde::Serialize;

use crate::{
    context::Context,
    exit::{CliError, Outcome},
    rosters::{self, RostersError},
    text::plural,
};

/// Which files, and from which hash.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Roster files, in the order of their versions, from version 1
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// SHA-256 of version 1's body, given out of band: 64 hex digits
    #[arg(long, value_name = "HASH")]
    pin: Hash,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Verified {
    federation: String,
    version: u64,
    hash: String,
    members: usize,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let mut chain: Option<AcceptedRoster> = None;
    for path in &args.files {
        let signed = rosters::read(path)?;
        let accepted: Result<_, RosterError> = match &chain {
            None => signed.accept_first(&args.pin),
            Some(current) => signed.accept_next(current),
        };
        let place = path.display().to_string();
        chain = Some(accepted.map_err(|reason| RostersError::Refused { place, reason })?);
    }
    let Some(current) = chain else { return Err(CliError::usage("no file was given")) };
    let verified = Verified {
        federation: current.roster.federation,
        version: current.roster.version,
        hash: current.id.to_string(),
        members: current.roster.members.len(),
    };
    context.output.answer(&verified, |verified| {
        format!(
            "Good: version {} of {}, {}, follows from the pinned hash",
            verified.version,
            verified.federation,
            plural(verified.members, "member", "members")
        )
    })?;
    Ok(Outcome::Done)
}
