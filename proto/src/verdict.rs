//! What the live statements that a reader may see add up to (PROTOCOL.md §11): integers only, the same on
//! every machine, explained.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use crate::{
    blame::Void,
    indicator::Kind,
    name::{Address, Jurisdiction, MemberName},
    statement::{Basis, Category, Claim, Statement},
    wire,
};

/// A whole, in the fixed-point numbers of this module.
const ONE: u64 = 65_536;
const DAY: u64 = 86_400;

/// What counts, for one reader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Empty: all.
    pub kinds: BTreeSet<Kind>,
    /// Empty: all.
    pub categories: BTreeSet<Category>,
    /// Percent; a score of 0 is never listed.
    pub minimum_score: u32,
    /// Distinct jurisdictions that observed it.
    pub minimum_corroboration: u32,
    /// Members or publishers that do not count.
    pub ignored: BTreeSet<String>,
    /// Whether entries without a quorum of cosignatures count.
    pub pending_allowed: bool,
}

/// One statement about the indicator that the reader may see, with what the logs say about it.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    /// Where it stands.
    pub address: Address,
    /// Who said it: the whole publisher name.
    pub publisher: &'a str,
    /// Jurisdiction of the member on the current roster; nothing when it left.
    pub jurisdiction: Option<Jurisdiction>,
    /// What it says.
    pub statement: &'a Statement,
    /// What the logs say about it.
    pub standing: Standing,
}

/// What the logs say about a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its member withdrew it.
    pub withdrawn: bool,
    /// Its key's cut is at or below its entry.
    pub cut: bool,
    /// It has no quorum of cosignatures yet.
    pub pending: bool,
}

/// Whether a statement counted, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It did.
    Yes,
    /// Its member withdrew it.
    Withdrawn,
    /// The same publisher reported it again later.
    Superseded,
    /// After `valid_until`.
    Expired,
    /// Its key was revoked.
    KeyCut,
    /// No quorum of cosignatures yet.
    Pending,
    /// The policy wants other categories or kinds.
    Category,
    /// Last seen after tomorrow.
    Future,
    /// The policy ignores its member or publisher.
    Ignored,
    /// A sighting or a dispute.
    NotAReport,
    /// Another report of the same member weighs more.
    WeakerOfSameMember,
}

impl Counted {
    /// As people and `--json` read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "counted",
            Self::Withdrawn => "withdrawn",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
            Self::KeyCut => "key_cut",
            Self::Pending => "pending",
            Self::Category => "category",
            Self::Future => "future",
            Self::Ignored => "ignored",
            Self::NotAReport => "not_a_report",
            Self::WeakerOfSameMember => "weaker_of_same_member",
        }
    }

    /// The wire's form.
    #[must_use]
    pub const fn to_wire(self) -> wire::Counted {
        match self {
            Self::Yes => wire::Counted::Yes,
            Self::Withdrawn => wire::Counted::Withdrawn,
            Self::Superseded => wire::Counted::Superseded,
            Self::Expired => wire::Counted::Expired,
            Self::KeyCut => wire::Counted::KeyCut,
            Self::Pending => wire::Counted::Pending,
            Self::Category => wire::Counted::Category,
            Self::Future => wire::Counted::Future,
            Self::Ignored => wire::Counted::Ignored,
            Self::NotAReport => wire::Counted::NotAReport,
            Self::WeakerOfSameMember => wire::Counted::WeakerOfSameMember,
        }
    }
}

/// The sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the policy lists it.
    pub listed: bool,
    /// To the nearest percent.
    pub score: u32,
    /// Distinct jurisdictions among live reports that observed it.
    pub corroboration: u32,
    /// Day (Unix seconds / 86,400) on which it may change by itself.
    pub changes_on: Option<u64>,
    /// For each piece of evidence, in the given order.
    pub counted: Vec<Counted>,
}

/// Judges one indicator. `evidence` holds what the reader may see about it, in any order; `now` is in Unix
/// seconds, and only its day matters.
///
/// Work is n log n in the evidence, however often one publisher repeats itself.
#[must_use]
pub fn verdict(evidence: &[Evidence<'_>], policy: &Policy, now: u64) -> Verdict {
    let today = now / DAY;
    let current = current(evidence, policy);
    let disputes = disputes(evidence, policy);
    let mut counted: Vec<Counted> =
        evidence.iter().map(|piece| standing(piece, &current, policy, today)).collect();
    let weights: Vec<u64> = evidence
        .iter()
        .map(|piece| weight(piece, disputes.get(&piece.address).map_or(0, BTreeSet::len), today))
        .collect();
    keep_strongest_of_each_member(evidence, &weights, &mut counted);

    let mut live: Vec<(&MemberName, u64)> = Vec::new();
    let mut observed: BTreeSet<Jurisdiction> = BTreeSet::new();
    let mut changes_on: Option<u64> = None;
    for ((piece, counted), weight) in evidence.iter().zip(&counted).zip(&weights) {
        let Some(report) = piece.statement.report() else { continue };
        let is_live = matches!(counted, Counted::Yes | Counted::WeakerOfSameMember);
        if *counted == Counted::Yes {
            live.push((&piece.address.member, *weight));
        }
        if is_live && report.basis == Basis::Observed {
            observed.extend(piece.jurisdiction.filter(|code| *code != Jurisdiction::INT));
        }
        changes_on = [changes_on, next_change(piece.statement, *counted, today)].into_iter().flatten().min();
    }
    live.sort_unstable();
    let miss = live.iter().fold(ONE, |miss, (_, weight)| miss * (ONE - weight.min(&ONE)) / ONE);
    // To the nearest percent, so that one report of confidence 80 scores 80, whatever the floors before it cut off.
    let score = u32::try_from(((ONE - miss) * 100 + ONE / 2) / ONE).unwrap_or(100);
    let corroboration = u32::try_from(observed.len()).unwrap_or(u32::MAX);
    let listed = score > 0 && score >= policy.minimum_score && corroboration >= policy.minimum_corroboration;
    Verdict { listed, score, corroboration, changes_on, counted }
}

/// Place in a log.
type Spot = (u64, u32);

const fn spot(address: &Address) -> Spot {
    (address.entry, address.leaf)
}

/// The place of each publisher's current report: the latest that counts, in log order.
///
/// A withdrawn or expired report stays the current one, so that withdrawing what was said last never brings back
/// what was said before. A report beyond its key's cut was never said; a pending one is no input until it settles,
/// unless the policy says otherwise, but its withdrawal counts at once.
fn current<'a>(evidence: &'a [Evidence<'_>], policy: &Policy) -> BTreeMap<&'a str, Spot> {
    let mut current = BTreeMap::new();
    for piece in evidence {
        let Standing { withdrawn, cut, pending } = piece.standing;
        if piece.statement.report().is_some() && !cut && (withdrawn || !pending || policy.pending_allowed) {
            let latest = current.entry(piece.publisher).or_insert(spot(&piece.address));
            *latest = spot(&piece.address).max(*latest);
        }
    }
    current
}

/// What one piece is, beside the others of its publisher. The first reason is the one that is shown.
fn standing(piece: &Evidence<'_>, current: &BTreeMap<&str, Spot>, policy: &Policy, today: u64) -> Counted {
    let Claim::Report(report) = &piece.statement.claim else { return Counted::NotAReport };
    let kinds = policy.kinds.is_empty() || policy.kinds.contains(&piece.statement.indicator.kind());
    let categories = policy.categories.is_empty()
        || report.categories.iter().any(|category| policy.categories.contains(category));
    if piece.standing.withdrawn {
        Counted::Withdrawn
    } else if piece.standing.cut {
        Counted::KeyCut
    } else if piece.standing.pending && !policy.pending_allowed {
        Counted::Pending
    } else if ignored(piece, policy) {
        Counted::Ignored
    } else if current.get(piece.publisher).is_some_and(|latest| *latest > spot(&piece.address)) {
        Counted::Superseded
    } else if today > report.valid_until / DAY {
        Counted::Expired
    } else if piece.statement.last_seen() / DAY > today.saturating_add(1) {
        Counted::Future
    } else if !(kinds && categories) {
        Counted::Category
    } else {
        Counted::Yes
    }
}

fn ignored(piece: &Evidence<'_>, policy: &Policy) -> bool {
    policy.ignored.contains(piece.publisher) || policy.ignored.contains(piece.address.member.as_str())
}

/// The members that dispute a report, by the report's address; its own member does not.
///
/// The address is enough: a log has one statement there, or it is quarantined.
fn disputes<'a>(
    evidence: &'a [Evidence<'_>],
    policy: &Policy,
) -> BTreeMap<&'a Address, BTreeSet<&'a MemberName>> {
    let mut disputes: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for piece in evidence {
        let Claim::Dispute(dispute) = &piece.statement.claim else { continue };
        let Standing { withdrawn, cut, pending } = piece.standing;
        let live = !withdrawn && !cut && (!pending || policy.pending_allowed) && !ignored(piece, policy);
        if live && piece.address.member != dispute.target.member {
            disputes.entry(&dispute.target).or_default().insert(&piece.address.member);
        }
    }
    disputes
}

/// `w` of PROTOCOL.md §11: confidence, fading to half until it expires, reduced by at most three disputes.
fn weight(piece: &Evidence<'_>, disputes: usize, today: u64) -> u64 {
    let Some(report) = piece.statement.report() else { return 0 };
    let confidence = u64::from(report.confidence.unwrap_or(50));
    let (seen, until) = (piece.statement.last_seen() / DAY, report.valid_until / DAY);
    let fade = if today <= seen || until <= seen {
        ONE
    } else {
        // Days of any `u64` of seconds times 32,768 fit: 2^64 / 86,400 < 2^48.
        ONE / 2 + (ONE / 2) * until.saturating_sub(today) / (until - seen)
    };
    (0..disputes.min(3)).fold(confidence * fade / 100, |weight, _| 3 * weight / 5)
}

/// One report per member: the largest weight; of equal ones the latest.
fn keep_strongest_of_each_member(evidence: &[Evidence<'_>], weights: &[u64], counted: &mut [Counted]) {
    let mut strongest: BTreeMap<&MemberName, ((u64, Spot), &mut Counted)> = BTreeMap::new();
    for ((piece, weight), own) in evidence.iter().zip(weights).zip(counted) {
        if *own != Counted::Yes {
            continue;
        }
        let rank = (*weight, spot(&piece.address));
        match strongest.entry(&piece.address.member) {
            Entry::Vacant(free) => {
                free.insert((rank, own));
            }
            Entry::Occupied(mut held) if held.get().0 < rank => {
                let (_, weaker) = held.insert((rank, own));
                *weaker = Counted::WeakerOfSameMember;
            }
            Entry::Occupied(_) => *own = Counted::WeakerOfSameMember,
        }
    }
}

/// The next day on which this report's part may change: it fades daily from the day after it was last seen until
/// the day after it expires, and a report of the future begins on the day before it was seen.
fn next_change(statement: &Statement, counted: Counted, today: u64) -> Option<u64> {
    let seen = statement.last_seen() / DAY;
    match counted {
        Counted::Yes | Counted::WeakerOfSameMember => Some(seen.max(today).saturating_add(1)),
        Counted::Future => Some(seen.saturating_sub(1)),
        _ => None,
    }
}

impl Policy {
    /// The wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::Policy {
        wire::Policy {
            kinds: self.kinds.iter().map(|kind| *kind as i32).collect(),
            categories: self.categories.iter().map(|category| category.number()).collect(),
            minimum_score: self.minimum_score,
            minimum_corroboration: self.minimum_corroboration,
            ignored: self.ignored.iter().cloned().collect(),
            pending_allowed: self.pending_allowed,
        }
    }

    /// From a call.
    ///
    /// # Errors
    /// [`Void`] for a kind or category that this version does not know: leaving it out would widen the policy.
    pub fn from_wire(wire: wire::Policy) -> Result<Self, Void> {
        let unknown =
            |what: &'static str, number: &i32| Void::new(what, format!("{number} is not known here"));
        Ok(Self {
            kinds: wire
                .kinds
                .iter()
                .map(|n| Kind::from_number(*n).ok_or_else(|| unknown("Policy.kinds", n)))
                .collect::<Result<_, _>>()?,
            categories: wire
                .categories
                .iter()
                .map(|n| Category::from_number(*n).ok_or_else(|| unknown("Policy.categories", n)))
                .collect::<Result<_, _>>()?,
            minimum_score: wire.minimum_score,
            minimum_corroboration: wire.minimum_corroboration,
            ignored: wire.ignored.into_iter().collect(),
            pending_allowed: wire.pending_allowed,
        })
    }
}

#[cfg(test)]
mod tests;
