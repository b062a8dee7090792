//! What counts in a replica at a moment: the part of a verdict's input that is no statement.

use std::{collections::BTreeSet, sync::Arc};

use almenara_proto::{
    checkpoint::SignedCheckpoint,
    name::{Jurisdiction, MemberName, Publisher},
    note::{KeyKind, VerifierKey},
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
    withdrawn: Arc<Withdrawn>,
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
            withdrawn: replica.facts().withdrawn.clone(),
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
            withdrawn: Arc::default(),
            authors: Vec::new(),
        }
    }

    /// Who an author is; nothing when the index names one that is not in the table.
    pub(super) fn publisher(&self, author: usize) -> Option<Arc<Publisher>> {
        self.authors.get(author).map(|(publisher, _)| publisher.clone())
    }

    /// What the log says about a statement.
    pub(super) fn standing(&self, entry: u64, leaf: u32, author: usize) -> Standing {
        let cut = self.authors.get(author).and_then(|(_, cut)| *cut);
        Standing {
            withdrawn: self.withdrawn.contains(entry, leaf),
            cut: cut.is_some_and(|cut| entry >= cut),
            pending: entry >= self.settled,
        }
    }
}

/// A member of another jurisdiction than the origin's that cosigned a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigner {
    /// Who.
    pub member: MemberName,
    /// Where it sits.
    pub jurisdiction: Jurisdiction,
    /// Unix seconds, by its clock.
    pub time: u64,
}

/// The members whose cosignatures of a checkpoint count, by name. A cosigner's key bears its member's name.
#[must_use]
pub fn cosigners(checkpoint: &SignedCheckpoint, origin: &MemberName, roster: &Roster) -> Vec<Cosigner> {
    let own = roster.jurisdiction(origin);
    let others = roster.members.values().filter(|member| Some(member.jurisdiction) != own);
    let keys: Vec<VerifierKey> = others
        .clone()
        .filter_map(|member| {
            VerifierKey::new(member.name.as_str(), KeyKind::CosignatureV1, &member.cosign_key.0).ok()
        })
        .collect();
    // One bad cosignature makes the note's cosignatures worthless, not its checkpoint.
    let signed = checkpoint.cosignatures(&keys).unwrap_or_default();
    others
        .filter_map(|member| {
            let one = signed.iter().find(|one| one.name == member.name.as_str())?;
            let (member, jurisdiction) = (member.name.clone(), member.jurisdiction);
            Some(Cosigner { member, jurisdiction, time: one.time.unwrap_or_default() })
        })
        .collect()
}

/// Whether a checkpoint has cosignatures of the roster's quorum of distinct jurisdictions other than the
/// origin's.
#[must_use]
pub fn is_settled(checkpoint: &SignedCheckpoint, origin: &MemberName, roster: &Roster) -> bool {
    let cosigners = cosigners(checkpoint, origin, roster);
    let jurisdictions: BTreeSet<Jurisdiction> = cosigners.iter().map(|one| one.jurisdiction).collect();
    jurisdictions.len() >= roster.quorum as usize
}
