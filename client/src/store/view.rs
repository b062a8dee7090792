//! What counts in a replica at a moment: the part of a verdict's input that is no statement.

use std::{collections::BTreeSet, sync::Arc};

use almenara_proto::{
    checkpoint::SignedCheckpoint,
    cosigner::{Cosignature, Cosigners, Quorum, Settlement},
    name::{Jurisdiction, MemberName, Publisher},
    roster::Roster,
    verdict::Standing,
};

use super::{Replica, state::Withdrawn};

/// One replica, for one roster. Cheap to keep: a later one can be compared with it.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) member: MemberName,
    pub(super) jurisdiction: Option<Jurisdiction>,
    /// Entries that existed.
    pub(super) size: u64,
    /// Entries that had a quorum of cosignatures.
    settled: u64,
    /// From here on its key signed two histories.
    parted: Option<u64>,
    withdrawn: Arc<Withdrawn>,
    /// What erasing withdrawals name: it is as if it were not there.
    erased: Arc<BTreeSet<(u64, u32)>>,
    /// By place in the table of authors: who, and the cut of the key.
    authors: Vec<(Arc<Publisher>, Option<u64>)>,
}

impl View {
    /// `all` tells the revocations that stand in other members' logs.
    pub(super) fn new<'a>(
        replica: &Replica,
        all: &(impl Iterator<Item = &'a Replica> + Clone),
        roster: &Roster,
    ) -> Self {
        let cut = |key| {
            let foreign = all
                .clone()
                .flat_map(|other| &other.facts().revocations)
                .filter(|(member, revoked, _)| member == replica.member() && *revoked == key)
                .map(|(_, _, since_index)| *since_index);
            foreign.chain(replica.prefix().cut(&key)).min()
        };
        Self {
            member: replica.member().clone(),
            jurisdiction: roster.jurisdiction(replica.member()),
            size: replica.size(),
            settled: replica.settled_size(),
            parted: replica.parted_at(roster),
            withdrawn: replica.facts().withdrawn.clone(),
            erased: Arc::new(
                replica
                    .facts()
                    .erasures
                    .iter()
                    .filter(|erasure| !erasure.is_revoked(|key| cut(*key)))
                    .flat_map(|erasure| erasure.targets.iter().copied())
                    .collect(),
            ),
            authors: replica
                .facts()
                .authors
                .iter()
                .map(|author| (Arc::new(author.publisher.clone()), cut(author.key)))
                .collect(),
        }
    }

    /// A log of which nothing is held.
    pub(super) fn nothing(member: MemberName) -> Self {
        Self {
            member,
            jurisdiction: None,
            size: 0,
            settled: 0,
            parted: None,
            withdrawn: Arc::default(),
            erased: Arc::default(),
            authors: Vec::new(),
        }
    }

    /// Who an author is; nothing when the index names one that is not in the table.
    pub(super) fn publisher(&self, author: usize) -> Option<Arc<Publisher>> {
        self.authors.get(author).map(|(publisher, _)| publisher.clone())
    }

    /// Whether a statement is erased.
    pub(super) fn is_erased(&self, entry: u64, leaf: u32) -> bool {
        self.erased.contains(&(entry, leaf))
    }

    /// What the log says about a statement.
    pub(super) fn standing(&self, entry: u64, leaf: u32, author: usize) -> Standing {
        let cut = self.authors.get(author).and_then(|(_, cut)| *cut);
        Standing {
            withdrawn: self.withdrawn.contains(entry, leaf),
            cut: cut.into_iter().chain(self.parted).any(|cut| entry >= cut),
            pending: entry >= self.settled,
        }
    }
}

/// The cosignatures of a checkpoint that count, by member.
#[must_use]
pub fn cosigners(checkpoint: &SignedCheckpoint, origin: &MemberName, roster: &Roster) -> Vec<Cosignature> {
    let all = quorum(checkpoint, origin, roster).map(|quorum| quorum.cosignatures).unwrap_or_default();
    all.into_iter().filter(|one| one.counts).collect()
}

/// Whether the roster's quorum of jurisdictions that are independent of the origin's cosigned a checkpoint.
#[must_use]
pub fn is_settled(checkpoint: &SignedCheckpoint, origin: &MemberName, roster: &Roster) -> bool {
    quorum(checkpoint, origin, roster).is_some_and(|quorum| quorum.settlement == Settlement::Settled)
}

/// Nothing when the origin has left the roster, or one of the cosignatures is bad: that makes the note's cosignatures
/// worthless, not its checkpoint.
fn quorum(checkpoint: &SignedCheckpoint, origin: &MemberName, roster: &Roster) -> Option<Quorum> {
    Cosigners::of(roster).quorum(checkpoint, roster.member(origin)?).ok()
}
