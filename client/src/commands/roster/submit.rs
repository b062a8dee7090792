//! `almenara roster submit`: a version that enough members signed goes to the nodes, which hand it on. Its
//! signatures count, not who brings it.

use std::path::PathBuf;

use almenara_proto::{
    name::MemberName,
    roster::{Roster, SignedRoster},
};
use serde::Serialize;

use super::before::Before;
use crate::{
    connect::Caller,
    context::Context,
    exit::{CliError, Outcome},
    roster_view::RosterView,
    rosters::{self, Rosters},
};

/// Which one.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Roster file
    file: PathBuf,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Submitted {
    version: u64,
    hash: String,
    nodes: Vec<Told>,
}

/// What one node answered.
#[derive(Debug, Serialize)]
struct Told {
    member: String,
    /// In force there now.
    version: Option<u64>,
    error: Option<String>,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let signed = rosters::read(&args.file)?;
    let version = check(&signed, &context.rosters()?).map_err(|error| error.at(args.file.display()))?;
    let before = Before::default().find(&signed, context)?;
    let output = &context.output;
    if !output.is_json() {
        RosterView::after(&signed, before.as_ref())?.print(output, context.now())?;
    }
    let nodes: Vec<&MemberName> = context.config()?.nodes.iter().collect();
    let names = nodes.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    output.note(format_args!("This sends version {version} to the nodes of {names}; they hand it on."));
    if args.dry_run {
        return Ok(Outcome::Done);
    }
    if !output.confirm("Submit it?")? {
        return Ok(Outcome::No);
    }
    let mut caller = Caller::open(context)?;
    let (mut told, mut failure) = (Vec::new(), None);
    for name in nodes {
        let answer = tell(&mut caller, name, &signed, version).await;
        if let Err(error) = &answer {
            output.warn(error);
        }
        told.push(Told {
            member: name.to_string(),
            version: answer.as_ref().ok().copied(),
            error: answer.as_ref().err().map(ToString::to_string),
        });
        failure = failure.or(answer.err());
    }
    let taken = told.iter().any(|node| node.error.is_none());
    if taken {
        caller.accept(signed.clone())?;
    }
    output.json(&Submitted { version, hash: signed.id().to_string(), nodes: told })?;
    match failure {
        Some(error) if !taken => Err(error),
        _ => {
            output.say(format_args!("Version {version} is in force at the nodes that took it, and here."))?;
            Ok(Outcome::Done)
        }
    }
}

/// What a node would refuse is not sent.
fn check(signed: &SignedRoster, chain: &Rosters) -> Result<u64, CliError> {
    let version = Roster::parse(&signed.body)?.version;
    if version == 1 {
        return Err(CliError::usage(
            "version 1 is not submitted: every operator compares its hash and runs `almenarad join`",
        ));
    }
    match chain.version(version) {
        Some(held) if held.id == signed.id() => Ok(version),
        Some(held) => Err(CliError::misbehaved(format!(
            "version {version} was accepted here already and is another one, {}: `almenara roster accept` keeps both as evidence if enough signed this one too",
            held.id
        ))),
        None => match chain.history().check(signed.clone()) {
            Ok(_) => Ok(version),
            Err(reason) => Err(CliError::refused(format!(
                "{reason}; `almenara roster verify` tells more, and `almenara pull` brings versions that are not here yet"
            ))),
        },
    }
}

/// Tells one node, which takes it or says why not.
async fn tell(
    caller: &mut Caller,
    member: &MemberName,
    signed: &SignedRoster,
    version: u64,
) -> Result<u64, CliError> {
    let node = caller.call(member).await.map_err(|error| error.at(member))?;
    let request = almenara_proto::wire::SubmitRosterRequest { roster: Some(signed.to_wire()) };
    let answer = node.rosters().submit(request).await.map_err(|status| node.error(status))?;
    let in_force = answer.into_inner().version;
    if in_force < version {
        return Err(CliError::unavailable(format!(
            "{member}: its node keeps version {in_force}: try again, or ask its operator"
        )));
    }
    Ok(in_force)
}
