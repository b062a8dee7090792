//! What an origin says that others are to keep of its log, held against what they say that they keep (PROTOCOL.md §9).
//!
//! Nobody but the origin sees all of its statements, so nobody else can count whom they are placed at; but two signed
//! numbers that do not fit can be shown to anybody.

use std::collections::{BTreeMap, BTreeSet};

use super::{CustodyOfLog, VerifiedReport, report::most, shares::newest};
use crate::{blame::Void, limits::ROSTER_MEMBERS, merkle::MAX_SIZE, name::MemberName, roster::Roster, wire};

/// Of the reporting member's own log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrusted {
    /// Entries looked at.
    pub size: u64,
    /// Custodied leaves that the origin does not have any more (erased, or lost): anybody may have kept them.
    pub gone: u64,
    /// How many of the others each member is to keep, under the report's roster; none for who is left out.
    pub to: BTreeMap<MemberName, u64>,
}

impl Entrusted {
    pub(super) fn parse(wire: wire::Entrusted, origin: &MemberName) -> Result<Self, Void> {
        if wire.size > MAX_SIZE {
            return Err(Void::new("Entrusted.size", "more entries than a log can have"));
        }
        let most = most(wire.size);
        if wire.gone > most {
            return Err(Void::new("Entrusted.gone", "more statements than that many entries can hold"));
        }
        if wire.to.len() > ROSTER_MEMBERS {
            return Err(Void::new("Entrusted.to", format!("more than {ROSTER_MEMBERS}")));
        }
        if !wire.to.is_sorted_by(|a, b| a.member < b.member) {
            return Err(Void::new("Entrusted.to", "the members must ascend strictly"));
        }
        let to = wire.to.into_iter().map(|wire| {
            let member: MemberName = wire.member.parse()?;
            if member == *origin {
                return Err(Void::new("EntrustedTo.member", "nobody is entrusted with its own log"));
            }
            if wire.leaves == 0 || wire.leaves > most {
                return Err(Void::new("EntrustedTo.leaves", "none, or more than that many entries can hold"));
            }
            Ok((member, wire.leaves))
        });
        Ok(Self { size: wire.size, gone: wire.gone, to: to.collect::<Result<_, Void>>()? })
    }

    pub(super) fn to_wire(&self) -> wire::Entrusted {
        let to = self
            .to
            .iter()
            .map(|(member, leaves)| wire::EntrustedTo { member: member.to_string(), leaves: *leaves });
        wire::Entrusted { size: self.size, gone: self.gone, to: to.collect() }
    }

    fn of(&self, member: &MemberName) -> u64 {
        self.to.get(member).copied().unwrap_or(0)
    }

    /// Whether this is more than the member is to keep: of no fewer entries no fewer are due.
    fn is_exceeded(&self, member: &MemberName, said: CustodyOfLog) -> bool {
        said.size <= self.size && said.held > self.of(member).saturating_add(self.gone)
    }

    /// Whether these can be all that the member is to keep.
    fn is_kept(&self, member: &MemberName, said: CustodyOfLog) -> bool {
        said.size >= self.size && said.held >= self.of(member)
    }

    /// Whether this is less than the member is to keep.
    fn is_missed(&self, member: &MemberName, said: CustodyOfLog) -> bool {
        said.size >= self.size && said.held.saturating_add(self.gone) < self.of(member)
    }
}

/// A member says that it keeps another number of an origin's leaves than the origin entrusted to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Who.
    pub member: MemberName,
    /// Whose log.
    pub origin: MemberName,
    /// What the member said.
    pub said: CustodyOfLog,
    /// How many the origin entrusted to it.
    pub entrusted: u64,
    /// How many the origin does not have any more.
    pub gone: u64,
    /// Of a member that keeps more: whose copies it may be waiting for before it drops its own, as they do not say that
    /// they have them. When there are none, nothing excuses it.
    pub waits_for: BTreeSet<MemberName>,
}

impl Misfit {
    /// Whether it keeps more than it should. If not, it keeps less, or does not say how much.
    #[must_use]
    pub const fn is_surplus(&self) -> bool {
        self.said.held > self.entrusted
    }
}

/// Holds the newest report of each member of `roster` against what the origins entrusted to it under the same roster
/// version: by member, and by origin.
#[must_use]
pub fn misfits(reports: &[VerifiedReport], roster: &Roster) -> Vec<Misfit> {
    let newest = newest(reports);
    let mut found = Vec::new();
    for (origin, report) in newest.iter().filter(|(origin, _)| roster.contains(origin)) {
        let Some(entrusted) = &report.report().entrusted else { continue };
        let said = |member: &MemberName| {
            let other = newest.get(member).map(|other| other.report());
            let other = other.filter(|other| other.roster == report.report().roster)?;
            other.logs.get(*origin).copied()
        };
        let others = || roster.members.keys().filter(|member| member != origin);
        for member in others() {
            let Some(log) = said(member) else { continue };
            let more = entrusted.is_exceeded(member, log);
            if !more && !entrusted.is_missed(member, log) {
                continue;
            }
            let waits = |other: &&MemberName| {
                let due = entrusted.of(other) > 0;
                *other != member && due && said(other).is_none_or(|log| !entrusted.is_kept(other, log))
            };
            found.push(Misfit {
                member: member.clone(),
                origin: (*origin).clone(),
                said: log,
                entrusted: entrusted.of(member),
                gone: entrusted.gone,
                waits_for: if more { others().filter(waits).cloned().collect() } else { BTreeSet::new() },
            });
        }
    }
    found.sort_by(|a, b| (&a.member, &a.origin).cmp(&(&b.member, &b.origin)));
    found
}
