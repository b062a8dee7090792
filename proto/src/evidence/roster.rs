//! Two successors of one roster, each with enough votes.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::{
    blame::Void,
    merkle::Hash,
    name::MemberName,
    roster::{AcceptedRoster, RosterError, SignedRoster},
    wire,
};

/// What a file of evidence about a roster says. It proves nothing before [`Self::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterFork {
    /// The one with the lower id.
    first: SignedRoster,
    /// The other.
    second: SignedRoster,
}

/// Proof that one roster has two successors: exists only when it holds. Stay at the last common version, release
/// nothing restricted, and let a person decide.
#[derive(Clone, Debug, PartialEq)]
pub struct Rivals {
    /// The one with the lower id.
    pub first: AcceptedRoster,
    /// The other.
    pub second: AcceptedRoster,
    /// Members of the last common version whose root keys signed both. There is one at least: two majorities of
    /// the jurisdictions share one, and two majorities of its members share a member.
    pub signed_both: BTreeSet<MemberName>,
}

impl RosterFork {
    /// The file's content, whichever of them was seen first.
    #[must_use]
    pub fn new(one: SignedRoster, other: SignedRoster) -> Self {
        if one.id() <= other.id() {
            Self { first: one, second: other }
        } else {
            Self { first: other, second: one }
        }
    }

    /// The one with the lower id, and the other.
    #[must_use]
    pub const fn rosters(&self) -> [&SignedRoster; 2] {
        [&self.first, &self.second]
    }

    pub(super) fn from_wire(wire: wire::RosterFork) -> Result<Self, Void> {
        let (Some(first), Some(second)) = (wire.first, wire.second) else {
            return Err(Void::new("RosterFork", "two rosters are expected"));
        };
        let (first, second) = (SignedRoster::from_wire(first)?, SignedRoster::from_wire(second)?);
        if first.id() >= second.id() {
            return Err(Void::new("RosterFork", "two bodies, the one with the lower id first"));
        }
        Ok(Self { first, second })
    }

    pub(super) fn to_wire(&self) -> wire::RosterFork {
        wire::RosterFork { first: Some(self.first.to_wire()), second: Some(self.second.to_wire()) }
    }

    /// Whether both would be accepted after `last`, the last common version.
    ///
    /// # Errors
    /// [`NoRivals`]: it proves nothing.
    pub fn verify(&self, last: &AcceptedRoster) -> Result<Rivals, NoRivals> {
        if self.first.id() == self.second.id() {
            return Err(NoRivals::Same(self.first.id()));
        }
        let accept = |signed: &SignedRoster| {
            let id = signed.id();
            signed.clone().accept_next(last).map_err(|why| NoRivals::NotAccepted { id, why: Box::new(why) })
        };
        let (first, second) = (accept(&self.first)?, accept(&self.second)?);
        let signed_both = &self.first.signers(&last.roster) & &self.second.signers(&last.roster);
        Ok(Rivals { first, second, signed_both })
    }
}

/// Why a file proves nothing about a roster. It blames whoever brought it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoRivals {
    /// One body, perhaps with other signatures.
    #[error("both are roster {0}")]
    Same(Hash),
    /// One of them is no successor.
    #[error("roster {id} does not count: {why}")]
    NotAccepted {
        /// Which one.
        id: Hash,
        /// Why not.
        why: Box<RosterError>,
    },
}
