//! The next version of a roster, change by change. Each change that makes no sense is refused with what to write
//! instead; whether the whole is a roster is judged as readers judge it, when it is done.

use std::{collections::BTreeSet, str::FromStr};

use almenara_proto::{
    merkle::Hash,
    name::MemberName,
    roster::{Member, Roster, RosterHistory, Segment},
};

use super::new::Group;
use crate::exit::CliError;

/// Where a member's log goes on under the keys of its new entry: `member=size:root`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Onward {
    /// Whose log.
    pub(super) member: MemberName,
    /// First index under the new keys.
    from_size: u64,
    /// Root of the log at that size.
    root: Hash,
}

impl FromStr for Onward {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').and_then(|(member, place)| Some((member, place.split_once(':')?)));
        let (member, (size, root)) = parts.ok_or("write MEMBER=SIZE:ROOT")?;
        Ok(Self {
            member: member.parse().map_err(|error: almenara_proto::name::BadName| error.to_string())?,
            from_size: size.parse().map_err(|_| format!("`{}` is no size", size.escape_default()))?,
            root: root.parse().map_err(|_| "the root is 64 hex digits".to_owned())?,
        })
    }
}

/// A version in the making.
#[derive(Debug)]
pub(super) struct Amended<'a> {
    /// As it is so far.
    pub(super) roster: Roster,
    history: &'a RosterHistory,
}

impl<'a> Amended<'a> {
    /// The successor of the current version, which changes nothing yet.
    pub(super) fn begin(history: &'a RosterHistory) -> Result<Self, CliError> {
        let current = history.current();
        let version = current.roster.version.checked_add(1);
        let version = version.ok_or_else(|| CliError::usage("no version follows this one"))?;
        Ok(Self { roster: Roster { version, previous: Some(current.id), ..current.roster.clone() }, history })
    }

    /// An organisation joins.
    pub(super) fn add(&mut self, member: Member) -> Result<(), CliError> {
        let name = member.name.clone();
        if let Some(last) = self.history.last_version_of(&name) {
            return Err(CliError::usage(if last == self.history.current().roster.version {
                format!("{name} is a member: give its new entry with --replace-member")
            } else {
                format!(
                    "{name} was a member up to version {last}, and a name is never used again: it joins under another name, with other keys"
                )
            }));
        }
        match self.roster.members.insert(name.clone(), member) {
            Some(_) => Err(CliError::usage(format!("--add-member: {name} stands twice"))),
            None => Ok(()),
        }
    }

    /// A member leaves, and all its groups.
    pub(super) fn remove(&mut self, name: &MemberName) -> Result<(), CliError> {
        if self.roster.members.remove(name).is_none() {
            return Err(CliError::usage(format!("--remove-member: {name} is no member")));
        }
        for members in self.roster.groups.values_mut() {
            members.remove(name);
        }
        Ok(())
    }

    /// A member's new entry. Its log keeps its segments; a new one is the entry's own, or follows from `onward`.
    pub(super) fn replace(&mut self, mut member: Member, onward: Option<Onward>) -> Result<(), CliError> {
        let name = member.name.clone();
        let Some(old) = self.roster.members.get_mut(&name) else {
            return Err(CliError::usage(format!(
                "{name} is no member whose entry could be replaced: one that joins is given with --add-member"
            )));
        };
        if let (Some(Onward { from_size, root, .. }), Some(keys)) = (onward, member.segment()) {
            let added = Segment { from_size, root, ..keys.clone() };
            member.segments = old.segments.iter().cloned().chain([added]).collect();
        }
        if !member.segments.starts_with(&old.segments) {
            return Err(CliError::usage(format!(
                "the entry of {name} begins its log anew under other keys, but what was logged stays: say where the log goes on with --segment {name}=SIZE:ROOT, the size and root of its last checkpoint that is sure to be genuine (`almenarad status --json` tells both)"
            )));
        }
        *old = member;
        Ok(())
    }

    /// A group is new.
    pub(super) fn add_group(&mut self, group: Group) -> Result<(), CliError> {
        match self.roster.groups.insert(group.name.to_string(), group.members) {
            Some(_) => Err(CliError::usage(format!(
                "--add-group: there is a group {} already: use --join-group and --leave-group",
                group.name
            ))),
            None => Ok(()),
        }
    }

    /// A group is gone.
    pub(super) fn remove_group(&mut self, name: &MemberName) -> Result<(), CliError> {
        match self.roster.groups.remove(name.as_str()) {
            Some(_) => Ok(()),
            None => Err(CliError::usage(format!("--remove-group: there is no group {name}"))),
        }
    }

    /// Members are in a group.
    pub(super) fn join_group(&mut self, group: Group) -> Result<(), CliError> {
        let members = self.group("--join-group", &group)?;
        match group.members.intersection(members).next() {
            Some(twice) => {
                Err(CliError::usage(format!("--join-group: {twice} is in group {} already", group.name)))
            }
            None => {
                members.extend(group.members);
                Ok(())
            }
        }
    }

    /// Members are in it no more.
    pub(super) fn leave_group(&mut self, group: &Group) -> Result<(), CliError> {
        let members = self.group("--leave-group", group)?;
        for name in &group.members {
            if !members.remove(name) {
                return Err(CliError::usage(format!("--leave-group: {name} is not in group {}", group.name)));
            }
        }
        Ok(())
    }

    fn group(&mut self, flag: &str, group: &Group) -> Result<&mut BTreeSet<MemberName>, CliError> {
        self.roster
            .groups
            .get_mut(group.name.as_str())
            .ok_or_else(|| CliError::usage(format!("{flag}: there is no group {}", group.name)))
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn where_a_log_goes_on_is_a_size_and_a_root() {
        let root = "ab".repeat(32);
        let onward: Onward = format!("a.example=7:{root}").parse().expect("a place");
        assert_eq!((onward.member.as_str(), onward.from_size), ("a.example", 7));
        for wrong in ["a.example", "a.example=7", "=7:00", "a.example=x:00", "a.example=7:00"] {
            assert!(wrong.parse::<Onward>().is_err(), "{wrong}");
        }
    }
}
