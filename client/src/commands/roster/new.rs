//! `almenara roster new`: version 1 from the members' entries.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    str::FromStr,
};

use almenara_proto::{
    limits::MESSAGE_BYTES,
    name::MemberName,
    roster::{CustodyRule, Member, Roster, SignedRoster},
};

use crate::{
    config::FederationId,
    context::Context,
    exit::{CliError, Outcome},
    roster_view::RosterView,
    rosters,
};

/// Warned of above this share of foreign restricted statements in one jurisdiction: nobody should hold more than
/// half.
const CAP_PERCENT: u32 = 50;

/// A day, in seconds.
const DAY: u64 = 86_400;

/// Who belongs, and the rules among them.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Federation id, such as scamwatch.example
    #[arg(long)]
    federation: FederationId,
    /// The entries that members made with `almenarad init`
    #[arg(long = "member-entry", required = true, num_args = 1.., value_name = "FILE")]
    entries: Vec<PathBuf>,
    /// Cosignatures of other jurisdictions that settle an entry [default: more than half of the others]
    #[arg(long)]
    quorum: Option<u32>,
    /// Until when.
    #[command(flatten)]
    term: Term,
    /// A group that statements may name, and its members
    #[arg(long = "group", value_name = "NAME=MEMBER,…")]
    groups: Vec<Group>,
    /// Roster file to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Show the roster, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// How long a version holds; the same for each.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Term {
    /// Days until a new version must have been signed
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u64).range(1..=3650))]
    expires_in_days: u64,
}

impl Term {
    /// When it ends, in Unix seconds.
    pub(super) const fn from(self, now: u64) -> u64 {
        now.saturating_add(self.expires_in_days.saturating_mul(DAY))
    }
}

/// `name=a,b`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Its name.
    pub(super) name: MemberName,
    /// Some of its members, or all.
    pub(super) members: BTreeSet<MemberName>,
}

impl FromStr for Group {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, members) = text.split_once('=').ok_or("write NAME=MEMBER,MEMBER")?;
        let members = members.split(',').map(|member| member.trim().parse()).collect::<Result<_, _>>();
        Ok(Self {
            name: name.parse().map_err(|_| format!("`{}` is no group name", name.escape_default()))?,
            members: members.map_err(|error: almenara_proto::name::BadName| error.to_string())?,
        })
    }
}

pub(super) fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    let mut members = BTreeMap::new();
    for path in &args.entries {
        let member = read_entry(path)?;
        let name = member.name.clone();
        if members.insert(name.clone(), member).is_some() {
            return Err(CliError::usage(format!("{}: {name} has an entry already", path.display())));
        }
    }
    let mut groups = BTreeMap::new();
    for group in args.groups {
        if groups.insert(group.name.to_string(), group.members).is_some() {
            return Err(CliError::usage(format!("--group: {} stands twice", group.name)));
        }
    }
    let mut roster = Roster {
        federation: args.federation.to_string(),
        version: 1,
        expires_at: args.term.from(context.now()),
        previous: None,
        members,
        groups,
        quorum: 0,
        custody: CustodyRule { cap_percent: CAP_PERCENT, ..CustodyRule::default() },
    };
    roster.quorum = quorum(args.quorum, roster.jurisdictions().len())?;
    let signed = SignedRoster::unsigned(&roster);
    // What we wrote is judged as others will judge it.
    let view = RosterView::of(&signed).map_err(CliError::usage)?;
    rosters::authorities(&roster).map_err(CliError::usage)?;
    if !args.dry_run {
        rosters::write(&args.output, &signed)?;
    }
    view.print(&context.output, context.now())?;
    if !args.dry_run {
        let file = args.output.display();
        context.output.say(format_args!(
            "\nNext: every member signs {file} with its root key, one after another:\n  almenara roster sign {file} --key ROOT.pem"
        ))?;
    }
    Ok(Outcome::Done)
}

pub(super) fn read_entry(path: &Path) -> Result<Member, CliError> {
    let size = std::fs::metadata(path).map_err(|error| CliError::file(path, &error))?.len();
    if size > MESSAGE_BYTES as u64 {
        return Err(CliError::usage(format!("{}: {size} bytes: this is no member entry", path.display())));
    }
    let bytes = std::fs::read(path).map_err(|error| CliError::file(path, &error))?;
    Member::parse(&bytes).map_err(|void| CliError::from(void).at(path.display()))
}

/// More than half of the jurisdictions other than a log's own: the least with which two histories of a log cannot
/// both settle when each jurisdiction has one member. Where some have more, the roster's warnings say so.
fn quorum(wanted: Option<u32>, jurisdictions: usize) -> Result<u32, CliError> {
    let others = u32::try_from(jurisdictions.saturating_sub(1)).unwrap_or(u32::MAX);
    match wanted {
        Some(quorum) if quorum > others => Err(CliError::usage(format!(
            "--quorum {quorum}: there are only {others} other jurisdictions, so nothing would ever settle"
        ))),
        Some(quorum) => Ok(quorum),
        None if others == 0 => Ok(0),
        None => Ok(others / 2 + 1),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_default_quorum_is_more_than_half_of_the_other_jurisdictions() {
        let defaults: Vec<u32> = (1..=7).map(|n| quorum(None, n).expect("a default")).collect();
        assert_eq!(defaults, [0, 1, 2, 2, 3, 3, 4]);
        assert_eq!(quorum(Some(1), 3).expect("possible"), 1);
        assert!(quorum(Some(3), 3).is_err(), "nothing would ever settle");
    }

    #[test]
    fn a_group_is_a_name_and_its_members() {
        let group: Group = "asean=a.example, b.example".parse().expect("a group");
        assert_eq!((group.name.as_str(), group.members.len()), ("asean", 2));
        for wrong in ["asean", "=a", "Asean=a", "asean=", "asean=a,,b"] {
            assert!(wrong.parse::<Group>().is_err(), "{wrong}");
        }
    }
}
