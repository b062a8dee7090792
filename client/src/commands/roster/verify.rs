//! `almenara roster verify`: do roster files follow from a hash that was given out of band, or from the accepted
//! chain of the own home? Who voted, and what is missing?

use std::path::PathBuf;

use almenara_proto::{
    merkle::Hash,
    roster::{Roster, RosterError, RosterHistory, SignedRoster},
};
use serde::Serialize;

use crate::{
    context::Context,
    exit::{CliError, Outcome},
    output::Style,
    roster_view::RosterView,
    rosters::{self, Rosters, RostersError},
    text::plural,
};

/// Which files, and from which hash.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Roster files, in the order of their versions
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// SHA-256 of version 1's body, given out of band: 64 hex digits; the files then begin with version 1
    /// [default: they follow on the accepted chain of the own home]
    #[arg(long, value_name = "HASH")]
    pin: Option<Hash>,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Verified {
    federation: String,
    version: u64,
    hash: String,
    members: usize,
    /// Whether it is accepted; else what is missing.
    good: bool,
    /// In words.
    missing: Option<String>,
    /// The votes of the version before and of this one; empty for version 1, which every member signs.
    ballots: Vec<crate::ballot::Ballot>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let mut walk = Walk::begin(args.pin, context)?;
    let mut last = None;
    for path in &args.files {
        let (signed, place) = (rosters::read(path)?, path.display().to_string());
        let verified = walk.step(&signed, &place)?;
        let good = verified.good;
        last = Some(verified);
        if !good {
            break;
        }
    }
    let Some(verified) = last else { return Err(CliError::usage("no file was given")) };
    context.output.json(&verified)?;
    for ballot in &verified.ballots {
        context.output.say(format_args!("votes of v{:<4}{}", ballot.version, ballot.in_words()))?;
    }
    let name = format!("version {} of {}", verified.version, verified.federation);
    if verified.good {
        let from = if args.pin.is_some() { "the pinned hash" } else { "what was accepted here" };
        let members = plural(verified.members, "member", "members");
        context.output.say(format_args!("Good: {name}, {members}, follows from {from}"))?;
        return Ok(Outcome::Done);
    }
    let missing = verified.missing.unwrap_or_default();
    let text = format!("Not yet: {name} is not signed by {missing}");
    context.output.say(context.output.paint(Style::Warning, &text))?;
    Ok(Outcome::No)
}

/// How far the chain was followed.
enum Walk {
    Pinned(Hash),
    /// With the accepted versions of the own home, if it is followed from there.
    After(Box<RosterHistory>, Option<Box<Rosters>>),
}

impl Walk {
    fn begin(pin: Option<Hash>, context: &Context) -> Result<Self, CliError> {
        match pin {
            Some(pin) => Ok(Self::Pinned(pin)),
            None => {
                let chain = context.rosters()?;
                Ok(Self::After(Box::new(chain.history().clone()), Some(Box::new(chain))))
            }
        }
    }

    fn step(&mut self, signed: &SignedRoster, place: &str) -> Result<Verified, CliError> {
        let refused = |reason| RostersError::Refused { place: place.to_owned(), reason };
        match self {
            Self::Pinned(pin) => match signed.clone().accept_first(pin) {
                Ok(first) => {
                    *self = Self::After(Box::new(RosterHistory::begin(first)), None);
                    Verified::of(signed, None)
                }
                Err(RosterError::Unsigned(_)) => Verified::of(signed, None),
                Err(reason) => Err(refused(reason).into()),
            },
            Self::After(history, held) => {
                let version = Roster::parse(&signed.body).map_err(|void| refused(void.into()))?.version;
                if let Some(accepted) = held.as_ref().and_then(|chain| chain.version(version)) {
                    if accepted.id != signed.id() {
                        return Err(CliError::misbehaved(format!(
                            "{place}: version {version} was accepted here already and is another one, {}; if enough signed this one too, `almenara roster accept` keeps both as evidence",
                            accepted.id
                        )));
                    }
                    let before = version.checked_sub(1).and_then(|before| held.as_ref()?.version(before));
                    // The copy that is held has enough signatures, whatever this one lacks.
                    return Verified::of(&accepted.signed, before.map(|before| &before.roster));
                }
                let before = history.current().roster.clone();
                match history.accept(signed.clone()) {
                    Ok(_) | Err(RosterError::NoMajority { .. }) => Verified::of(signed, Some(&before)),
                    Err(reason) => Err(refused(reason).into()),
                }
            }
        }
    }
}

impl Verified {
    fn of(signed: &SignedRoster, before: Option<&Roster>) -> Result<Self, CliError> {
        let view = RosterView::after(signed, before)?;
        let missing = view.missing();
        Ok(Self {
            federation: view.federation,
            version: view.version,
            hash: view.hash,
            members: view.members.len(),
            good: missing.is_none(),
            missing,
            ballots: view.ballots,
        })
    }
}
