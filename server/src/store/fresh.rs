//! Index rows that wait to be written many at a time.
//!
//! A statement's one random key costs a whole page of the index when it is written alone: 64 single publications
//! would rewrite a megabyte. So rows of small commits stay here until there are [`FLUSH`] of them. Nothing is lost
//! with the process: they are derived from the payloads, and `logs.indexed` says from which entry on.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock},
};

use super::Place;

/// Rows that are written together: some hundred pages then take ten rows each, at 16 bytes a row in memory.
pub(super) const FLUSH: usize = 16_384;

/// `(indicator, place)`, as the columns have them.
pub(super) type IndexRow = (i64, i64);

/// Rows that readers must see besides the table's. Written by the one writer, after its commit.
#[derive(Clone, Debug, Default)]
pub(super) struct Fresh(Arc<RwLock<BTreeSet<IndexRow>>>);

impl Fresh {
    /// All rows, when `more` of them make it worth to write them.
    pub(super) fn due(&self, more: &[IndexRow]) -> Option<Vec<IndexRow>> {
        let rows = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if rows.len().saturating_add(more.len()) < FLUSH {
            return None;
        }
        // In key order, so that neighbours share pages of the tree.
        let mut all: Vec<IndexRow> = rows.iter().chain(more).copied().collect();
        all.sort_unstable();
        all.dedup();
        Some(all)
    }

    /// Keeps rows whose payloads are durable.
    pub(super) fn keep(&self, rows: impl IntoIterator<Item = IndexRow>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(rows);
    }

    /// Forgets all rows: they stand in the table now.
    pub(super) fn written(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Forgets rows of statements that are not here any more.
    pub(super) fn forget(&self, gone: &[IndexRow]) {
        let mut rows = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for row in gone {
            rows.remove(row);
        }
    }

    /// Forgets the rows of a whole range of places.
    pub(super) fn forget_places(&self, first: i64, last: i64) {
        let mut rows = self.0.write().unwrap_or_else(PoisonError::into_inner);
        rows.retain(|(_, place)| !(first..=last).contains(place));
    }

    /// The places of these keys.
    pub(super) fn places(&self, keys: &[u64]) -> Vec<(u64, Place)> {
        let rows = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if rows.is_empty() {
            return Vec::new();
        }
        let of = |key: &u64| {
            let indicator = key.cast_signed();
            let found = rows.range((indicator, i64::MIN)..=(indicator, i64::MAX));
            found.map(|(_, place)| (*key, Place::from_number(*place))).collect::<Vec<_>>()
        };
        keys.iter().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_wait_until_there_are_many() {
        let fresh = Fresh::default();
        assert_eq!(fresh.due(&[(1, 1)]), None);
        fresh.keep([(7, 2), (7, 1), (9, 3)]);
        let places = fresh.places(&[7, 8]);
        assert_eq!(places, vec![(7, Place::from_number(1)), (7, Place::from_number(2))]);
        let many: Vec<IndexRow> = (0..FLUSH as i64).map(|n| (n, n)).collect();
        let due = fresh.due(&many).expect("enough");
        assert_eq!(due.len(), FLUSH + 3);
        assert!(due.is_sorted());
        fresh.written();
        assert!(fresh.places(&[7]).is_empty());
    }
}
