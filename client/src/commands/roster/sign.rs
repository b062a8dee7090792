//! `almenara roster sign`: a member's root key signs what is shown.

use std::path::PathBuf;

use almenara_proto::{
    keys::PublicKey,
    merkle::Hash,
    name::MemberName,
    roster::{Roster, SignedRoster},
};
use prost::Message as _;

use super::before::{self, Before};
use crate::{
    context::Context,
    exit::{CliError, Outcome},
    files,
    keyfile::{self, Purpose},
    roster_view::RosterView,
    rosters, votes,
};

/// What is signed, and with which key.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Roster file; the signature is added to it
    file: PathBuf,
    /// The member's root key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    before: Before,
    /// Hash of another proposal of this version that this key signed, and that was given up
    #[arg(long, value_name = "HEX")]
    instead_of: Option<Hash>,
    /// Show what would be signed, and sign nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let root = keyfile::load(&args.key, Purpose::Root, &context.passphrases)?;
    let mut signed = rosters::read(&args.file)?;
    let roster = Roster::parse(&signed.body).map_err(|void| CliError::from(void).at(args.file.display()))?;
    let before = args.before.find(&signed, context)?;
    check(&signed, &roster, before.as_ref(), context).map_err(|error| error.at(args.file.display()))?;
    let public = PublicKey::of(&root.key);
    let Some(member) = holder(&public, [Some(&roster), before.as_ref()]) else {
        return Err(CliError::usage(format!(
            "{} is the root key of no member in {}: give the key whose public half is in your member.entry",
            args.key.display(),
            args.file.display()
        )));
    };
    check_earlier(args, roster.version, &signed.id()).map_err(|error| error.at(args.file.display()))?;
    if !context.output.is_json() {
        RosterView::after(&signed, before.as_ref())?.print(&context.output, context.now())?;
    }
    if args.dry_run {
        return Ok(Outcome::Done);
    }
    let question = format!("Sign this as {member} with its root key?");
    if !context.output.confirm(&question)? {
        return Ok(Outcome::No);
    }
    votes::remember(&args.key, roster.version, &signed.id())?;
    signed.sign(&root.key);
    files::replace_file(&args.file, &signed.to_wire().encode_to_vec())
        .map_err(|error| CliError::file(&args.file, &error))?;
    let view = RosterView::after(&signed, before.as_ref())?;
    context.output.json(&view)?;
    let file = args.file.display().to_string();
    match view.missing() {
        None => context.output.say(format_args!("\n{}", view.next(&file)))?,
        Some(missing) if view.version == 1 => context
            .output
            .say(format_args!("\nSigned as {member}. Still to sign: {missing}. Send them {file}"))?,
        Some(missing) => context.output.say(format_args!(
            "\nSigned as {member}. Send {file} back to whoever proposed it. Still needed: {missing}"
        ))?,
    }
    Ok(Outcome::Done)
}

/// Nobody signs blindly: not a later version without the one that it changes, not what no reader would accept, and
/// not a second future beside a version that was accepted.
fn check(
    signed: &SignedRoster,
    roster: &Roster,
    before: Option<&Roster>,
    context: &Context,
) -> Result<(), CliError> {
    if let Some(chain) = before::chain(context)? {
        match chain.version(roster.version) {
            Some(held) if held.id != signed.id() => {
                return Err(CliError::refused(format!(
                    "version {} was accepted here already and is another one, {}: whoever signs both signs two futures, and is accused by that",
                    roster.version, held.id
                )));
            }
            // What follows a version that is not here yet is compared with `--after`.
            None if chain.current().roster.version.checked_add(1) == Some(roster.version) => {
                chain.could_follow(signed).map_err(|reason| {
                    CliError::refused(format!("no reader would accept it, so do not sign it: {reason}"))
                })?;
            }
            _ => {}
        }
    }
    if roster.version > 1 && before.is_none() {
        return Err(CliError::usage(format!(
            "it changes version {}, which is not here, so nobody can say what you would sign: take that version in with `almenara roster accept`, or give its file with --after",
            roster.version.saturating_sub(1)
        )));
    }
    Ok(())
}

/// Whoever signs two bodies of a version is accused by both as soon as both have their majority. Of version 1 there is only
/// the one that everybody pins.
fn check_earlier(args: &Args, version: u64, id: &Hash) -> Result<(), CliError> {
    match votes::last(&args.key, version)? {
        Some(earlier) if version > 1 && earlier != *id && args.instead_of != Some(earlier) => {
            Err(CliError::refused(format!(
                "this key has signed another version {version}, {earlier} (see {}): if both get their votes, that is two \
             futures, and evidence against whoever signed both. If all agree that the other one is given up, and nobody \
             collects signatures for it any more, say so with --instead-of {earlier}",
                votes::path_of(&args.key).display()
            )))
        }
        _ => Ok(()),
    }
}

/// Whose root key in force it is, in one of these versions. A member that replaces its root key, or leaves, votes
/// in the version before with the old one.
fn holder(key: &PublicKey, versions: [Option<&Roster>; 2]) -> Option<MemberName> {
    let members = versions.into_iter().flatten().flat_map(|roster| roster.members.values());
    members
        .filter(|member| member.segment().is_some_and(|segment| segment.root_key == *key))
        .map(|member| member.name.clone())
        .next()
}
