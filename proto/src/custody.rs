//! Who keeps a restricted statement (PROTOCOL.md §9): whoever holds it computes its holders, alike.
//!
//! Custody binds honest nodes: it keeps what they hold apart, and cannot take back what one of them was shown.

mod report;
mod shares;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use report::{CustodyOfLog, CustodyReport, VerifiedReport};
pub use shares::{Differs, Share, Shares, Silent, custodied, shares};

use crate::{
    merkle::{Hash, sha256},
    name::{Jurisdiction, MemberName},
    release::{Decision, Recipient, Release, Rosters, Tlp, released},
    roster::Member,
};

/// A statement as custody looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// Its leaf hash.
    pub leaf: &'a Hash,
    /// Who may see it.
    pub release: &'a Release,
    /// As its author wrote: 0, or in how many other jurisdictions it is kept. The roster's default is the
    /// author's to write ([`crate::roster::CustodyRule::copies`]) and changes nothing later.
    pub copies: u32,
    /// Whose log holds it.
    pub origin: &'a MemberName,
    /// The roster now, and at the batch's header.
    pub rosters: Rosters<'a>,
}

/// What a member does with a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// Keeps it in clear.
    Keep,
    /// May see it: asks a holder, uses it, does not store it. One that holds it from before drops it when the
    /// holders of now have confirmed theirs.
    Fetch,
    /// May not see it. One that holds it from before drops it at once.
    Nothing,
}

/// Where a statement with a number of copies is kept, besides its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// How many copies are due: as the author wrote, and one more when the origin has left the roster.
    pub due: u32,
    /// How many could be had: independent of the origin's and of one another.
    pub eligible: usize,
    /// The jurisdictions that keep it, lowest hash first: the lesser of the two numbers.
    pub jurisdictions: Vec<Jurisdiction>,
    /// The members that keep it: all in these jurisdictions to whom it is released and who are independent of
    /// the origin.
    pub keepers: BTreeSet<MemberName>,
}

impl Placement {
    /// Copies that are due and that nobody can keep.
    #[must_use]
    pub fn shortfall(&self) -> u32 {
        let placed = u32::try_from(self.jurisdictions.len()).unwrap_or(u32::MAX);
        self.due.saturating_sub(placed)
    }
}

impl Item<'_> {
    /// What `member` does with it.
    #[must_use]
    pub fn keeps(&self, member: &MemberName) -> Keeping {
        if member == self.origin {
            return Keeping::Keep;
        }
        // TLP:CLEAR is released to strangers too; only members keep anything.
        if !self.rosters.now.contains(member) || !self.released_to(member) {
            return Keeping::Nothing;
        }
        let kept = match self.placement() {
            Some(placement) => placement.keepers.contains(member),
            None => true,
        };
        if kept { Keeping::Keep } else { Keeping::Fetch }
    }

    /// Where its copies are; nothing when no number of copies rules it: CLEAR and GREEN are kept by every member,
    /// AMBER and AMBER+STRICT without `copies`, and RED always, by every member that may see them.
    #[must_use]
    pub fn placement(&self) -> Option<Placement> {
        if self.copies == 0 || !matches!(self.release.tlp, Some(Tlp::Amber | Tlp::AmberStrict)) {
            return None;
        }
        let members = &self.rosters.now.members;
        let origin = members.get(self.origin);
        let candidates = members.values().filter(|member| {
            member.name != *self.origin
                && !origin.is_some_and(|origin| origin.shares_jurisdiction(member))
                && self.released_to(&member.name)
        });
        let mut places = Places::default();
        candidates.for_each(|member| places.add(member));
        let mut places: Vec<Place<'_>> =
            places.all.into_iter().filter(|place| !place.seats.is_empty()).collect();
        places.sort_by_cached_key(|place| place.rank(self.leaf));
        let due = if origin.is_some() { self.copies } else { self.copies.saturating_add(1) };
        let seats = places.iter().take(due as usize).filter_map(|place| place.seat(self.leaf));
        let (mut jurisdictions, mut keepers) = (Vec::new(), BTreeSet::new());
        for (code, members) in seats {
            jurisdictions.push(code);
            keepers.extend(members.iter().map(|member| (*member).clone()));
        }
        Some(Placement { due, eligible: places.len(), jurisdictions, keepers })
    }

    fn released_to(&self, member: &MemberName) -> bool {
        let recipient = Recipient::Node(member.clone());
        released(self.release, self.origin, self.origin, &recipient, self.rosters) == Decision::Clear
    }
}

/// Members that one jurisdiction, or a chain of shared ones, can reach. Otherwise a parent that owns hosts in two
/// jurisdictions would hold two copies of one statement, and twice its share of all.
#[derive(Default)]
struct Place<'a> {
    /// Whoever can compel one of them.
    reach: BTreeSet<Jurisdiction>,
    /// Where they sit.
    seats: BTreeMap<Jurisdiction, Vec<&'a MemberName>>,
}

#[derive(Default)]
struct Places<'a> {
    /// Those that were merged into another are empty.
    all: Vec<Place<'a>>,
    /// Whose reach a jurisdiction is in.
    of: BTreeMap<Jurisdiction, usize>,
}

impl<'a> Places<'a> {
    /// Adds a member to the places that it touches, which become one.
    fn add(&mut self, member: &'a Member) {
        let mut place = Place {
            reach: member.subject_to().collect(),
            seats: [(member.jurisdiction, vec![&member.name])].into(),
        };
        let touched: BTreeSet<usize> =
            place.reach.iter().filter_map(|code| self.of.get(code).copied()).collect();
        let into = touched.first().copied().unwrap_or(self.all.len());
        for at in &touched {
            let Some(other) = self.all.get_mut(*at) else { continue };
            // What is new goes into what is there, which is larger as a rule.
            let new = std::mem::replace(&mut place, std::mem::take(other));
            place.reach.extend(new.reach);
            for (seat, members) in new.seats {
                place.seats.entry(seat).or_default().extend(members);
            }
        }
        self.of.extend(place.reach.iter().map(|code| (*code, into)));
        match self.all.get_mut(into) {
            Some(slot) => *slot = place,
            None => self.all.push(place),
        }
    }
}

impl Place<'_> {
    /// H(leaf ‖ codes of the seats, ascending, with commas between): of one jurisdiction, H(leaf ‖ code).
    fn rank(&self, leaf: &Hash) -> Hash {
        let codes: Vec<&str> = self.seats.keys().map(Jurisdiction::as_str).collect();
        sha256(&[&leaf.0, codes.join(",").as_bytes()])
    }

    /// The one of its jurisdictions that keeps the statement.
    fn seat(&self, leaf: &Hash) -> Option<(Jurisdiction, &[&MemberName])> {
        let lowest = self.seats.iter().min_by_key(|(code, _)| sha256(&[&leaf.0, code.as_str().as_bytes()]));
        lowest.map(|(code, members)| (*code, members.as_slice()))
    }
}
