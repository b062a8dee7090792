//! What custody reports add up to, by jurisdiction (PROTOCOL.md §9). Anybody with the public entries, the roster
//! and the reports reaches the same numbers.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{CustodyOfLog, VerifiedReport};
use crate::{
    log::LogEntry,
    name::{Jurisdiction, MemberName},
    roster::Roster,
};

/// The custodied leaves of a log: the sum of `custodied` over its entries that parse as batches. Whether they
/// count is not asked, so that the number follows from the bytes alone and never changes for a size.
pub fn custodied<'a>(entries: impl IntoIterator<Item = &'a Bytes>) -> u64 {
    entries
        .into_iter()
        .filter_map(|bytes| match LogEntry::parse(bytes) {
            Ok(LogEntry::Batch(signed)) => Some(u64::from(signed.content.custodied)),
            _ => None,
        })
        .fold(0, u64::saturating_add)
}

/// How much of the others' restricted statements one jurisdiction can reach: through the members that sit in it
/// and those whose hosting or parent does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// What one member alone holds, of each log the most: so much at least, for two may hold the same.
    pub at_least: u64,
    /// What its members hold together, if no two hold the same; of no log more than there is.
    pub at_most: u64,
    /// Of so many, in the logs that its members reported on.
    pub of: u64,
}

impl Share {
    /// Of 100, rounded down; 0 of nothing.
    #[must_use]
    pub fn percent(&self) -> u64 {
        let hundred = u128::from(self.at_most) * 100;
        hundred.checked_div(self.of.into()).and_then(|percent| percent.try_into().ok()).unwrap_or(0)
    }

    /// Whether it may hold more than `cap` percent. A cap of 0 is none.
    #[must_use]
    pub fn exceeds(&self, cap: u32) -> bool {
        cap > 0 && u128::from(self.at_most) * 100 > u128::from(self.of) * u128::from(cap)
    }
}

/// A member said nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Silent {
    /// Who.
    pub member: MemberName,
    /// About whose log; nothing when about all.
    pub origin: Option<MemberName>,
}

/// A member counts other leaves in a log's headers than we do: it says too much or too little of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differs {
    /// Who.
    pub member: MemberName,
    /// Whose log.
    pub origin: MemberName,
    /// What it said.
    pub said: CustodyOfLog,
    /// What we count at that size; nothing when we have no such entries, and take its word.
    pub counted: Option<u64>,
}

impl Differs {
    /// Whether it claims to hold leaves that do not exist.
    #[must_use]
    pub fn overstates(&self) -> bool {
        self.counted.is_some_and(|counted| self.said.held > counted)
    }
}

/// What all reports together say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Every jurisdiction that can compel a member of the roster.
    pub jurisdictions: BTreeMap<Jurisdiction, Share>,
    /// Those that may hold more than the roster's cap.
    pub above_cap: BTreeSet<Jurisdiction>,
    /// Members, or their reports, that say nothing about a log of another member.
    pub silent: Vec<Silent>,
    /// Where a report and the headers do not agree, or cannot be compared.
    pub differing: Vec<Differs>,
}

/// Sums up the newest report of each member of `roster`; `counted` is [`custodied`] of a log's first entries, or
/// nothing if this reader does not have that many.
pub fn shares(
    reports: &[VerifiedReport],
    roster: &Roster,
    counted: impl Fn(&MemberName, u64) -> Option<u64>,
) -> Shares {
    let newest = newest(reports);
    let mut differing = Vec::new();
    let mut silent = Vec::new();
    // Held and all, by member and by origin.
    let mut rows: BTreeMap<&MemberName, BTreeMap<&MemberName, (u64, u64)>> = BTreeMap::new();
    for member in roster.members.keys() {
        let Some(report) = newest.get(member).map(|report| report.report()) else {
            silent.push(Silent { member: member.clone(), origin: None });
            continue;
        };
        let missing = roster.members.keys().filter(|o| *o != member && !report.logs.contains_key(*o));
        silent.extend(missing.map(|o| Silent { member: member.clone(), origin: Some(o.clone()) }));
        for (origin, said) in &report.logs {
            let own = counted(origin, said.size);
            if own != Some(said.of) {
                let (member, origin) = (member.clone(), origin.clone());
                differing.push(Differs { member, origin, said: *said, counted: own });
            }
            let all = own.unwrap_or(said.of);
            rows.entry(member).or_default().insert(origin, (said.held.min(all), all));
        }
    }
    let codes: BTreeSet<Jurisdiction> =
        roster.members.values().flat_map(|member| member.subject_to()).collect();
    let jurisdictions: BTreeMap<Jurisdiction, Share> = codes
        .into_iter()
        .map(|code| {
            let within = |name: &MemberName| {
                roster.member(name).is_some_and(|member| member.subject_to().any(|its| its == code))
            };
            let held = rows.iter().filter(|(member, _)| within(member)).flat_map(|(_, logs)| logs);
            (code, share(held.filter(|(origin, _)| !within(origin)).map(|(origin, row)| (*origin, *row))))
        })
        .collect();
    let above = jurisdictions.iter().filter(|(_, share)| share.exceeds(roster.custody.cap_percent));
    Shares { above_cap: above.map(|(code, _)| *code).collect(), jurisdictions, silent, differing }
}

/// Of each member the report that it made last; of two made at once the one with the greater id, as everywhere.
pub(super) fn newest(reports: &[VerifiedReport]) -> BTreeMap<&MemberName, &VerifiedReport> {
    let mut newest: BTreeMap<&MemberName, &VerifiedReport> = BTreeMap::new();
    let age = |report: &VerifiedReport| (report.report().made_at, report.id());
    for report in reports {
        let kept = newest.entry(&report.report().member).or_insert(report);
        if age(report) > age(kept) {
            *kept = report;
        }
    }
    newest
}

/// One jurisdiction's, out of what its members hold, by origin: held and all.
fn share<'a>(rows: impl Iterator<Item = (&'a MemberName, (u64, u64))>) -> Share {
    let mut logs: BTreeMap<&MemberName, Share> = BTreeMap::new();
    for (origin, (held, all)) in rows {
        let log = logs.entry(origin).or_default();
        log.at_least = log.at_least.max(held);
        log.at_most = log.at_most.saturating_add(held);
        log.of = log.of.max(all);
    }
    logs.into_values().fold(Share::default(), |sum, log| Share {
        at_least: sum.at_least.saturating_add(log.at_least),
        at_most: sum.at_most.saturating_add(log.at_most.min(log.of)),
        of: sum.of.saturating_add(log.of),
    })
}
