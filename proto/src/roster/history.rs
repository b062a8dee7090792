//! What a reader of the chain must remember (PROTOCOL.md §7): no name is ever used again, and a key has one
//! holder, one purpose and one life. One step of the chain cannot see that.

use std::{collections::BTreeMap, fmt};

use super::{AcceptedRoster, Roster, RosterError, SignedRoster};
use crate::{keys::PublicKey, name::MemberName};

/// What a key of the roster is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Grants and revokes desks' keys, votes.
    Root,
    /// Signs checkpoints.
    Log,
    /// Attests what the member holds of others' logs: cosigns checkpoints, signs custody reports.
    Cosign,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Root => "root key",
            Self::Log => "log key",
            Self::Cosign => "cosign key",
        })
    }
}

/// A roster takes up what had its life.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reused {
    /// A member's name, which was free since.
    #[error("{name} was a member up to version {last}: a name is never used again")]
    Name {
        /// The name.
        name: MemberName,
        /// The last version that had it.
        last: u64,
    },
    /// A key.
    #[error(
        "{member} takes key {key} as its {purpose}, which was the {was} of {of} up to version {last}: a key has one life"
    )]
    Key {
        /// The key.
        key: PublicKey,
        /// Who takes it.
        member: MemberName,
        /// As what.
        purpose: Purpose,
        /// Whose it was.
        of: MemberName,
        /// What it was.
        was: Purpose,
        /// The last version that had it.
        last: u64,
    },
}

/// A key's life so far.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Life {
    of: MemberName,
    purpose: Purpose,
    last: u64,
}

/// A chain of rosters, walked one by one from version 1.
#[derive(Clone, Debug, PartialEq)]
pub struct RosterHistory {
    current: AcceptedRoster,
    /// Every member that ever was, with the last version that had it.
    names: BTreeMap<MemberName, u64>,
    /// Every root, log and cosign key that ever was.
    keys: BTreeMap<PublicKey, Life>,
}

impl RosterHistory {
    /// Begins with version 1, as [`SignedRoster::accept_first`] gives it.
    #[must_use]
    pub fn begin(first: AcceptedRoster) -> Self {
        let mut history = Self { current: first, names: BTreeMap::new(), keys: BTreeMap::new() };
        history.remember();
        history
    }

    /// The version that was accepted last.
    #[must_use]
    pub const fn current(&self) -> &AcceptedRoster {
        &self.current
    }

    /// The last version that had this member; nothing if there never was one of that name.
    #[must_use]
    pub fn last_version_of(&self, member: &MemberName) -> Option<u64> {
        self.names.get(member).copied()
    }

    /// Whether a version follows: exact succession, two majorities, and nothing that had its life. The caller makes
    /// it durable and then calls [`Self::accept`].
    ///
    /// # Errors
    /// [`RosterError`].
    pub fn check(&self, offered: SignedRoster) -> Result<AcceptedRoster, RosterError> {
        let next = offered.accept_next(&self.current)?;
        self.check_reuse(&next.roster)?;
        Ok(next)
    }

    /// Goes on to the next version.
    ///
    /// # Errors
    /// As [`Self::check`]; the history then stays where it is.
    pub fn accept(&mut self, offered: SignedRoster) -> Result<&AcceptedRoster, RosterError> {
        self.current = self.check(offered)?;
        self.remember();
        Ok(&self.current)
    }

    /// Whether a version takes up a name or a key that had its life; who signed it is another question, so whoever
    /// proposes a version can ask before anybody has.
    ///
    /// # Errors
    /// [`Reused`], the first one.
    pub fn check_reuse(&self, next: &Roster) -> Result<(), Reused> {
        let now = self.current.roster.version;
        for member in next.members.values() {
            if let Some(&last) = self.names.get(&member.name).filter(|last| **last < now) {
                return Err(Reused::Name { name: member.name.clone(), last });
            }
            for (key, purpose) in member.keys() {
                let Some(life) = self.keys.get(&key) else { continue };
                if life.of != member.name || life.purpose != purpose || life.last < now {
                    let Life { of, purpose: was, last } = life.clone();
                    return Err(Reused::Key { key, member: member.name.clone(), purpose, of, was, last });
                }
            }
        }
        Ok(())
    }

    fn remember(&mut self) {
        let last = self.current.roster.version;
        for member in self.current.roster.members.values() {
            self.names.insert(member.name.clone(), last);
            for (key, purpose) in member.keys() {
                self.keys.insert(key, Life { of: member.name.clone(), purpose, last });
            }
        }
    }
}

#[cfg(test)]
mod tests;
