//! Who keeps a restricted statement (PROTOCOL.md §9): whoever holds it computes its holders, alike.
//!
//! Custody binds honest nodes: it keeps what they hold apart, and cannot take back what one of them was shown.

mod entrusted;
mod report;
mod shares;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use entrusted::{Entrusted, Misfit, misfits};
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
        Placer::new(self.origin, self.rosters).keeps(member, self.leaf, self.release, self.copies)
    }

    /// Where its copies are; nothing when no number of copies rules it: CLEAR and GREEN are kept by every member,
    /// AMBER and AMBER+STRICT without `copies`, and RED always, by every member that may see them.
    #[must_use]
    pub fn placement(&self) -> Option<Placement> {
        let candidates = Candidates::find(self.release, self.copies, self.origin, self.rosters)?;
        Some(candidates.place(self.leaf))
    }
}

/// Who could keep a statement with a number of copies, whatever its leaf hash is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidates {
    /// Copies besides the origin's, as [`Placement::due`].
    pub due: u32,
    /// Places that nobody can reach together: their members by the jurisdiction that they sit in.
    pub places: Vec<BTreeMap<Jurisdiction, Vec<MemberName>>>,
}

impl Candidates {
    /// Of statements with this release and `copies`; nothing when no number of copies rules them.
    #[must_use]
    pub fn find(release: &Release, copies: u32, origin: &MemberName, rosters: Rosters<'_>) -> Option<Self> {
        if !is_placed(release, copies) {
            return None;
        }
        let members = &rosters.now.members;
        let listed = members.get(origin);
        let candidates = members.values().filter(|member| {
            member.name != *origin
                && !listed.is_some_and(|origin| origin.shares_jurisdiction(member))
                && released_to(&member.name, release, origin, rosters)
        });
        let mut places = Places::default();
        candidates.for_each(|member| places.add(member));
        let places = places.all.into_iter().map(|place| place.seats).filter(|seats| !seats.is_empty());
        let due = if listed.is_some() { copies } else { copies.saturating_add(1) };
        Some(Self { due, places: places.collect() })
    }

    /// Copies that are due and that nobody can keep.
    #[must_use]
    pub fn shortfall(&self) -> u32 {
        self.due.saturating_sub(u32::try_from(self.places.len()).unwrap_or(u32::MAX))
    }

    /// Chooses for one of these statements.
    #[must_use]
    pub fn place(&self, leaf: &Hash) -> Placement {
        let mut places: Vec<&BTreeMap<Jurisdiction, Vec<MemberName>>> = self.places.iter().collect();
        places.sort_by_cached_key(|seats| rank(leaf, seats));
        let seats = places.iter().take(self.due as usize).filter_map(|seats| seat(leaf, seats));
        let (mut jurisdictions, mut keepers) = (Vec::new(), BTreeSet::new());
        for (code, members) in seats {
            jurisdictions.push(code);
            keepers.extend(members.iter().cloned());
        }
        Placement { due: self.due, eligible: places.len(), jurisdictions, keepers }
    }
}

/// Places the statements of one log, many of which have one audience: its candidates are found once.
#[derive(Clone, Debug)]
pub struct Placer<'a> {
    origin: &'a MemberName,
    rosters: Rosters<'a>,
    last: Option<(Release, u32, Candidates)>,
}

impl<'a> Placer<'a> {
    /// For the log of `origin`, and batches that name one roster version.
    #[must_use]
    pub const fn new(origin: &'a MemberName, rosters: Rosters<'a>) -> Self {
        Self { origin, rosters, last: None }
    }

    /// What `member` does with a statement.
    #[must_use]
    pub fn keeps(&mut self, member: &MemberName, leaf: &Hash, release: &Release, copies: u32) -> Keeping {
        if member == self.origin {
            return Keeping::Keep;
        }
        // TLP:CLEAR is released to strangers too; only members keep anything.
        if !self.rosters.now.contains(member) || !released_to(member, release, self.origin, self.rosters) {
            return Keeping::Nothing;
        }
        let kept = self.keepers(leaf, release, copies).is_none_or(|keepers| keepers.contains(member));
        if kept { Keeping::Keep } else { Keeping::Fetch }
    }

    /// The members besides the origin that keep a statement with a number of copies; nothing when none rules it.
    #[must_use]
    pub fn keepers(&mut self, leaf: &Hash, release: &Release, copies: u32) -> Option<BTreeSet<MemberName>> {
        if !is_placed(release, copies) {
            return None;
        }
        let known = self.last.as_ref().is_some_and(|(of, number, _)| of == release && *number == copies);
        if !known {
            let candidates = Candidates::find(release, copies, self.origin, self.rosters)?;
            self.last = Some((release.clone(), copies, candidates));
        }
        self.last.as_ref().map(|(.., candidates)| candidates.place(leaf).keepers)
    }
}

/// Whether a number of copies rules: elsewhere everybody keeps what is released to it.
const fn is_placed(release: &Release, copies: u32) -> bool {
    copies > 0 && matches!(release.tlp, Some(Tlp::Amber | Tlp::AmberStrict))
}

fn released_to(member: &MemberName, release: &Release, origin: &MemberName, rosters: Rosters<'_>) -> bool {
    let recipient = Recipient::Node(member.clone());
    released(release, origin, origin, &recipient, rosters) == Decision::Clear
}

/// Members that one jurisdiction, or a chain of shared ones, can reach. Otherwise a parent that owns hosts in two
/// jurisdictions would hold two copies of one statement, and twice its share of all.
#[derive(Default)]
struct Place {
    /// Whoever can compel one of them.
    reach: BTreeSet<Jurisdiction>,
    /// Where they sit.
    seats: BTreeMap<Jurisdiction, Vec<MemberName>>,
}

#[derive(Default)]
struct Places {
    /// Those that were merged into another are empty.
    all: Vec<Place>,
    /// Whose reach a jurisdiction is in.
    of: BTreeMap<Jurisdiction, usize>,
}

impl Places {
    /// Adds a member to the places that it touches, which become one.
    fn add(&mut self, member: &Member) {
        let mut place = Place {
            reach: member.subject_to().collect(),
            seats: [(member.jurisdiction, vec![member.name.clone()])].into(),
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

/// H(leaf ‖ codes of the seats, ascending, with commas between): of one jurisdiction, H(leaf ‖ code).
fn rank(leaf: &Hash, seats: &BTreeMap<Jurisdiction, Vec<MemberName>>) -> Hash {
    let codes: Vec<&str> = seats.keys().map(Jurisdiction::as_str).collect();
    sha256(&[&leaf.0, codes.join(",").as_bytes()])
}

/// The one of a place's jurisdictions that keeps the statement.
fn seat<'a>(
    leaf: &Hash,
    seats: &'a BTreeMap<Jurisdiction, Vec<MemberName>>,
) -> Option<(Jurisdiction, &'a [MemberName])> {
    let lowest = seats.iter().min_by_key(|(code, _)| sha256(&[&leaf.0, code.as_str().as_bytes()]));
    lowest.map(|(code, members)| (*code, members.as_slice()))
}
