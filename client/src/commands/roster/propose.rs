//! `almenara roster propose`: the next version, from the accepted current one. Offline: it is signed by others.

use std::path::PathBuf;

use almenara_proto::{name::MemberName, roster::SignedRoster};

use super::{
    amend::{Amended, Onward},
    new::{Group, Term, read_entry},
};
use crate::{
    context::Context,
    exit::{CliError, Outcome},
    output::Output,
    roster_view::RosterView,
    rosters,
};

/// What changes. Without any, the version only lasts longer.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Entry of an organisation that joins: its member.entry; may be repeated
    #[arg(long = "add-member", value_name = "FILE")]
    add: Vec<PathBuf>,
    /// Member that leaves, for good; may be repeated
    #[arg(long = "remove-member", value_name = "MEMBER")]
    remove: Vec<MemberName>,
    /// New entry of a member: other addresses, certificates, keys; may be repeated
    #[arg(long = "replace-member", value_name = "FILE")]
    replace: Vec<PathBuf>,
    /// Where the log of a replaced member goes on under the new root and log key of its entry; what it logged
    /// beyond does not count
    #[arg(long = "segment", value_name = "MEMBER=SIZE:ROOT", requires = "replace")]
    segments: Vec<Onward>,
    /// New group that statements may name, and its members
    #[arg(long = "add-group", value_name = "NAME=MEMBER,…")]
    add_groups: Vec<Group>,
    /// Group that is given up
    #[arg(long = "remove-group", value_name = "NAME")]
    remove_groups: Vec<MemberName>,
    /// Members that join a group
    #[arg(long = "join-group", value_name = "NAME=MEMBER,…")]
    join_groups: Vec<Group>,
    /// Members that leave a group
    #[arg(long = "leave-group", value_name = "NAME=MEMBER,…")]
    leave_groups: Vec<Group>,
    /// Cosignatures of other jurisdictions that settle an entry
    #[arg(long)]
    quorum: Option<u32>,
    /// Copies of AMBER statements in other jurisdictions, where authors say nothing else
    #[arg(long, value_name = "COPIES")]
    copies_amber: Option<u32>,
    /// Copies of AMBER+STRICT statements in other jurisdictions, where authors say nothing else
    #[arg(long, value_name = "COPIES")]
    copies_amber_strict: Option<u32>,
    /// Share of the others' restricted statements above which a jurisdiction is warned of; 0 is never
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(0..=100))]
    cap_percent: Option<u32>,
    /// Until when.
    #[command(flatten)]
    term: Term,
    /// Roster file to write
    #[arg(long, short, value_name = "FILE", required_unless_present = "dry_run")]
    output: Option<PathBuf>,
    /// Show the roster, and write nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(mut args: Args, context: &Context) -> Result<Outcome, CliError> {
    let chain = context.rosters()?;
    let output = args.output.take().filter(|_| !args.dry_run);
    let mut next = Amended::begin(chain.history())?;
    next.roster.expires_at = args.term.from(context.now());
    amend(&mut next, args)?;
    let signed = SignedRoster::unsigned(&next.roster);
    // What we wrote is judged as others will judge it.
    let next = chain.could_follow(&signed).map_err(CliError::usage)?;
    rosters::authorities(&next).map_err(CliError::usage)?;
    let view = RosterView::after(&signed, Some(&chain.current().roster))?;
    if let Some(path) = &output {
        rosters::write(path, &signed)?;
    }
    view.print(&context.output, context.now())?;
    needed(&view, &context.output)?;
    if let Some(path) = &output {
        let file = path.display();
        context.output.say(format_args!(
            "\nNext: send {file} to those members. Each looks at it and signs it:\n  almenara roster sign {file} --key ROOT.pem\nPut what they send back together with `almenara roster merge`, and then `almenara roster submit`."
        ))?;
    }
    Ok(Outcome::Done)
}

/// Members leave before others join, so that a group may be given up and made anew.
fn amend(next: &mut Amended<'_>, args: Args) -> Result<(), CliError> {
    for name in &args.remove {
        next.remove(name)?;
    }
    let mut segments = args.segments;
    for path in &args.replace {
        let member = read_entry(path)?;
        let of_it = segments.iter().position(|onward| onward.member == member.name);
        let onward = of_it.map(|place| segments.remove(place));
        next.replace(member, onward).map_err(|error| error.at(path.display()))?;
    }
    if let Some(unused) = segments.first() {
        return Err(CliError::usage(format!(
            "--segment {}=…: give its new entry with --replace-member, and one segment only",
            unused.member
        )));
    }
    for path in &args.add {
        next.add(read_entry(path)?).map_err(|error| error.at(path.display()))?;
    }
    for name in &args.remove_groups {
        next.remove_group(name)?;
    }
    for group in args.add_groups {
        next.add_group(group)?;
    }
    for group in &args.leave_groups {
        next.leave_group(group)?;
    }
    for group in args.join_groups {
        next.join_group(group)?;
    }
    let roster = &mut next.roster;
    roster.quorum = args.quorum.unwrap_or(roster.quorum);
    let custody = &mut roster.custody;
    custody.copies_amber = args.copies_amber.unwrap_or(custody.copies_amber);
    custody.copies_amber_strict = args.copies_amber_strict.unwrap_or(custody.copies_amber_strict);
    custody.cap_percent = args.cap_percent.unwrap_or(custody.cap_percent);
    Ok(())
}

/// Whose signatures make it count.
fn needed(view: &RosterView, output: &Output) -> Result<(), CliError> {
    output.say("\nSignatures needed, each by more than half of a jurisdiction's members:")?;
    for ballot in &view.ballots {
        output.say(format_args!(
            "  {}",
            ballot.missing().unwrap_or_else(|| format!("none more of version {}", ballot.version))
        ))?;
    }
    for change in view.changes.iter().flatten().filter(|change| change.replaces_root()) {
        output.say(format_args!(
            "  {} votes with its old root key in version {} and with its new one in version {}: it signs with both",
            change.member.as_deref().unwrap_or_default(),
            view.version.saturating_sub(1),
            view.version
        ))?;
    }
    Ok(())
}
