//! What waits to be written many at a time.
//!
//! A statement's one random key costs a whole page of the index when it is written alone: 64 single publications
//! would rewrite a megabyte. So rows of small commits stay here until there are [`FLUSH`] of them, and with them the last
//! `seq` of each key that spoke. Nothing is lost with the process: all of it is derived from entries and payloads, and
//! `logs.indexed` says from which entry on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock},
};

use almenara_proto::{keys::PublicKey, prefix::KeptKey};

use super::{LogId, Place, write::Append};

/// Rows that are written together: some hundred pages then take ten rows each, at 16 bytes a row in memory.
pub(super) const FLUSH: usize = 16_384;

/// `(indicator, place)`, as the columns have them.
pub(super) type IndexRow = (i64, i64);

/// Keys as they are after the last entry.
type Keys = BTreeMap<(LogId, PublicKey), KeptKey>;

/// What readers must see besides the tables. Written by the one writer, after its commit.
#[derive(Clone, Debug, Default)]
pub(super) struct Fresh(Arc<RwLock<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    rows: BTreeSet<IndexRow>,
    spoke: Keys,
}

/// All that waited, to be written now.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// In key order, so that neighbours share pages of the tree.
    pub(super) rows: Vec<IndexRow>,
    pub(super) spoke: Keys,
}

impl Waiting {
    /// Keys that did more than speak are in the table already.
    fn speak(spoke: &mut Keys, appends: &[Append]) {
        for append in appends {
            spoke.extend(append.spoke.iter().map(|kept| ((append.log, kept.key), kept.clone())));
            for kept in &append.keys {
                spoke.remove(&(append.log, kept.key));
            }
        }
    }
}

impl Fresh {
    /// All that waits and what `appends` add to it, when `more` of their rows make it worth to write it.
    pub(super) fn due(&self, more: &[IndexRow], appends: &[Append]) -> Option<Due> {
        let waiting = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if waiting.rows.len().saturating_add(more.len()) < FLUSH {
            return None;
        }
        let mut rows: Vec<IndexRow> = waiting.rows.iter().chain(more).copied().collect();
        rows.sort_unstable();
        rows.dedup();
        let mut spoke = waiting.spoke.clone();
        Waiting::speak(&mut spoke, appends);
        Some(Due { rows, spoke })
    }

    /// Keeps what is derived from durable entries.
    pub(super) fn keep(&self, rows: impl IntoIterator<Item = IndexRow>, appends: &[Append]) {
        let mut waiting = self.0.write().unwrap_or_else(PoisonError::into_inner);
        waiting.rows.extend(rows);
        Waiting::speak(&mut waiting.spoke, appends);
    }

    /// Keeps what a start found out again.
    pub(super) fn recall(&self, log: LogId, rows: impl IntoIterator<Item = IndexRow>, spoke: Vec<KeptKey>) {
        let mut waiting = self.0.write().unwrap_or_else(PoisonError::into_inner);
        waiting.rows.extend(rows);
        waiting.spoke.extend(spoke.into_iter().map(|kept| ((log, kept.key), kept)));
    }

    /// Forgets all: it stands in the tables now.
    pub(super) fn written(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Waiting::default();
    }

    /// Forgets rows of statements that are not here any more.
    pub(super) fn forget(&self, gone: &[IndexRow]) {
        let mut waiting = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for row in gone {
            waiting.rows.remove(row);
        }
    }

    /// Forgets a whole log, whose places these are.
    pub(super) fn forget_log(&self, log: LogId, first: i64, last: i64) {
        let mut waiting = self.0.write().unwrap_or_else(PoisonError::into_inner);
        waiting.rows.retain(|(_, place)| !(first..=last).contains(place));
        waiting.spoke.retain(|(of, _), _| *of != log);
    }

    /// The places of these keys.
    pub(super) fn places(&self, keys: &[u64]) -> Vec<(u64, Place)> {
        let waiting = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if waiting.rows.is_empty() {
            return Vec::new();
        }
        let of = |key: &u64| {
            let indicator = key.cast_signed();
            let found = waiting.rows.range((indicator, i64::MIN)..=(indicator, i64::MAX));
            found.map(|(_, place)| (*key, Place::from_number(*place))).collect::<Vec<_>>()
        };
        keys.iter().flat_map(of).collect()
    }

    /// The key as it is, when it spoke since it was written.
    pub(super) fn key(&self, log: LogId, key: &PublicKey) -> Option<KeptKey> {
        let waiting = self.0.read().unwrap_or_else(PoisonError::into_inner);
        waiting.spoke.get(&(log, *key)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_wait_until_there_are_many() {
        let fresh = Fresh::default();
        assert!(fresh.due(&[(1, 1)], &[]).is_none());
        fresh.keep([(7, 2), (7, 1), (9, 3)], &[]);
        let places = fresh.places(&[7, 8]);
        assert_eq!(places, vec![(7, Place::from_number(1)), (7, Place::from_number(2))]);
        let many: Vec<IndexRow> = (0..FLUSH as i64).map(|n| (n, n)).collect();
        let due = fresh.due(&many, &[]).expect("enough").rows;
        assert_eq!(due.len(), FLUSH + 3);
        assert!(due.is_sorted());
        fresh.written();
        assert!(fresh.places(&[7]).is_empty());
    }
}
