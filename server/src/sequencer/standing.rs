//! The member's reports that stand: what a new one on the same indicator must fit.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;

use almenara_proto::{log::LogEntry, release::Release, statement::Statement, wire::RefusalCode};

use super::{Publication, Sequencer};
use crate::{
    ingest::Admitted,
    store::{LogId, Place, StoreError, read::StoredEntry},
};

/// Reports of the member that are not withdrawn, by index key: from the store, and from the group so far.
#[derive(Default)]
pub(super) struct Standing(HashMap<u64, Vec<StandingReport>>);

struct StandingReport {
    place: (u64, u32),
    publisher: Arc<str>,
    bytes: Bytes,
}

impl Standing {
    /// Reports whose audience differs from the publisher's current one: no two readers may believe different
    /// current reports.
    pub(super) fn conflicts(&self, publisher: &str, item: &Admitted) -> Vec<(u32, RefusalCode, String)> {
        let mut conflicts = Vec::new();
        for report in &item.reports {
            let Some(known) = self.0.get(&report.key) else { continue };
            let Some(new) = item.statement(report.leaf) else { continue };
            let current = known
                .iter()
                .filter(|known| *known.publisher == *publisher)
                .filter_map(|known| Some((known.place, Statement::parse(&known.bytes).ok()?)))
                .filter(|(_, statement)| statement.report().is_some() && statement.indicator == new.indicator)
                .max_by_key(|(place, _)| *place);
            if let Some(((entry, leaf), current)) = current
                && !same_audience(&current.release, &new.release)
            {
                let why = format!(
                    "the current report on this indicator ({entry}.{leaf}) has another audience: withdraw that first"
                );
                conflicts.push((report.leaf, RefusalCode::Audience, why));
            }
        }
        conflicts
    }

    pub(super) fn add(&mut self, publisher: &Arc<str>, index: u64, item: &Admitted) {
        // Reports ascend by leaf, as the statements do.
        let mut statements = item.statements.iter();
        for report in &item.reports {
            if let Some((_, bytes, _)) = statements.find(|(leaf, ..)| *leaf == report.leaf) {
                self.0.entry(report.key).or_default().push(StandingReport {
                    place: (index, report.leaf),
                    publisher: Arc::clone(publisher),
                    bytes: bytes.clone(),
                });
            }
        }
    }

    pub(super) fn remove(&mut self, targets: &[(u64, u32)]) {
        for reports in self.0.values_mut() {
            reports.retain(|report| targets.binary_search(&report.place).is_err());
        }
    }
}

impl Sequencer {
    /// The member's reports on the indicators that this group reports, as they stand in the store.
    pub(super) async fn standing(&self, publications: &[Publication]) -> Result<Standing, StoreError> {
        let mut keys: Vec<u64> =
            publications.iter().flat_map(|(item, ..)| &item.reports).map(|report| report.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut places = self.store.places(&keys).await?;
        places.retain(|(_, place)| place.log() == self.own_log);
        let all: Vec<Place> = places.iter().map(|(_, place)| *place).collect();
        let gone: HashSet<Place> = self.store.withdrawn(&all).await?.into_iter().collect();
        let statements = self.store.statements_at(&all).await?;
        let publishers = self.publishers(&all).await?;
        let mut standing = Standing::default();
        for (key, place) in places {
            if gone.contains(&place) {
                continue;
            }
            if let (Some(bytes), Some(publisher)) = (statements.get(&place), publishers.get(&place.entry())) {
                standing.0.entry(key).or_default().push(StandingReport {
                    place: (place.entry(), place.leaf()),
                    publisher: Arc::clone(publisher),
                    bytes: bytes.clone(),
                });
            }
        }
        Ok(standing)
    }

    pub(super) async fn publishers(&self, places: &[Place]) -> Result<HashMap<u64, Arc<str>>, StoreError> {
        let mut entries: Vec<(LogId, u64)> =
            places.iter().map(|place| (place.log(), place.entry())).collect();
        entries.sort_unstable();
        entries.dedup();
        let stored = self.store.entries_at(&entries).await?;
        Ok(stored.into_iter().filter_map(|(_, entry)| Some((entry.index, publisher_of(&entry)?))).collect())
    }
}

/// What may be done with a statement (PAP) is not whom it is for.
fn same_audience(a: &Release, b: &Release) -> bool {
    a.tlp == b.tlp && a.to == b.to && a.not_to == b.not_to
}

fn publisher_of(entry: &StoredEntry) -> Option<Arc<str>> {
    match LogEntry::parse(&entry.bytes).ok()? {
        LogEntry::Batch(signed) => Some(signed.content.publisher.as_str().into()),
        _ => None,
    }
}
