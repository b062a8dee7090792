//! Everything about some indicators that a caller may see.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError},
};

use almenara_proto::{
    batch::BatchHeader,
    indicator::Indicator,
    release::{Recipient, Released},
    statement::Statement,
};

use super::Outgoing;
use crate::{
    rosters::ThenAndNow,
    store::{LogId, Place, StoreError},
};

/// One statement that a caller may see.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Where it stands.
    pub place: Place,
    /// Its batch.
    pub header: Arc<BatchHeader>,
    /// Whether its batch counts.
    pub counts: bool,
    /// What it says.
    pub statement: Released<Statement>,
}

impl Outgoing {
    /// Everything about these indicators that `recipient` may see, by position in `indicators`.
    ///
    /// # Errors
    /// As the store says.
    pub async fn about(
        &self,
        indicators: &[Indicator],
        recipient: &Recipient,
    ) -> Result<Vec<Vec<Seen>>, StoreError> {
        let keys: Vec<u64> = indicators.iter().map(Indicator::index_key).collect();
        let mut positions: HashMap<u64, Vec<usize>> = HashMap::with_capacity(keys.len());
        keys.iter().enumerate().for_each(|(at, key)| positions.entry(*key).or_default().push(at));
        let found = self.store.places(&keys).await?;
        let places: Vec<Place> = found.iter().map(|(_, place)| *place).collect();
        let statements = self.store.statements_at(&places).await?;
        let headers = self.headers_of(&places).await?;
        let mut seen: Vec<Vec<Seen>> = indicators.iter().map(|_| Vec::new()).collect();
        let mut rosters: BTreeMap<u64, ThenAndNow> = BTreeMap::new();
        for (key, place) in found {
            if self.rotten.holds(place.log(), place.entry()) || self.store.erased().by(place).is_some() {
                continue;
            }
            let (Some(bytes), Some((header, counts))) =
                (statements.get(&place), headers.get(&(place.log(), place.entry())))
            else {
                continue;
            };
            let Ok(statement) = Statement::parse(bytes) else { continue };
            let rosters = rosters
                .entry(header.roster)
                .or_insert_with(|| ThenAndNow::at(&self.rosters, header.roster, (self.clock)()));
            let (release, indicator) = (statement.release.clone(), statement.indicator.clone());
            let Some(statement) = Released::pass(
                statement,
                &release,
                &header.member,
                &self.server,
                recipient,
                rosters.as_rosters(),
            ) else {
                continue;
            };
            for at in positions.get(&key).into_iter().flatten() {
                if indicators.get(*at) == Some(&indicator)
                    && let Some(list) = seen.get_mut(*at)
                {
                    list.push(Seen {
                        place,
                        header: Arc::clone(header),
                        counts: *counts,
                        statement: statement.clone(),
                    });
                }
            }
        }
        Ok(seen)
    }

    async fn headers_of(
        &self,
        places: &[Place],
    ) -> Result<HashMap<(LogId, u64), (Arc<BatchHeader>, bool)>, StoreError> {
        let mut found = HashMap::new();
        let mut wanted: Vec<(LogId, u64)> = places.iter().map(|place| (place.log(), place.entry())).collect();
        wanted.sort_unstable();
        wanted.dedup();
        {
            let kept = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
            wanted.retain(|at| match kept.get(at) {
                Some(known) => {
                    found.insert(*at, known.clone());
                    false
                }
                None => true,
            });
        }
        for (log, entry) in self.store.entries_at(&wanted).await? {
            if let Some(header) = self.header(log, &entry) {
                found.insert((log, entry.index), header);
            }
        }
        Ok(found)
    }
}
