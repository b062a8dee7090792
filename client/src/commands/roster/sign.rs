//! `almenara roster sign`: a member's root key signs what is shown.

use std::path::PathBuf;

use almenara_proto::{keys::PublicKey, roster::Roster};
use prost::Message as _;

use crate::{
    context::Context,
    exit::{CliError, Outcome},
    files,
    keyfile::{self, Purpose},
    roster_view::RosterView,
    rosters,
};

/// What is signed, and with which key.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Roster file; the signature is added to it
    file: PathBuf,
    /// The member's root key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Show what would be signed, and sign nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let root = keyfile::load(&args.key, Purpose::Root)?;
    let mut signed = rosters::read(&args.file)?;
    let roster = Roster::parse(&signed.body).map_err(|void| CliError::from(void).at(args.file.display()))?;
    let public = PublicKey::of(&root.key);
    let is_root_of = |member: &&almenara_proto::roster::Member| {
        member.segment().is_some_and(|segment| segment.root_key == public)
    };
    let Some(member) = roster.members.values().find(is_root_of) else {
        return Err(CliError::usage(format!(
            "{} is the root key of no member in {}: give the key whose public half is in your member.entry",
            args.key.display(),
            args.file.display()
        )));
    };
    if !context.output.is_json() {
        RosterView::of(&signed)?.print(&context.output, context.now())?;
    }
    if args.dry_run {
        return Ok(Outcome::Done);
    }
    let question = format!("Sign this as {} with its root key?", member.name);
    if !context.output.confirm(&question)? {
        return Ok(Outcome::No);
    }
    signed.sign(&root.key);
    files::replace_file(&args.file, &signed.to_wire().encode_to_vec())
        .map_err(|error| CliError::file(&args.file, &error))?;
    let view = RosterView::of(&signed)?;
    context.output.json(&view)?;
    let file = args.file.display();
    match view.unsigned().as_slice() {
        [] => context.output.say(format_args!(
            "\nSigned by every member. Send {file} to all; they compare this hash by voice or in person, and join:\n  {}\n  almenarad join {file}",
            view.hash
        ))?,
        missing => context.output.say(format_args!(
            "\nSigned as {}. Still to sign: {}. Send them {file}",
            member.name,
            missing.join(", ")
        ))?,
    }
    Ok(Outcome::Done)
}
