//! What erasing withdrawals named: hidden at once, deleted later, and remembered as erased for ever.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use sqlx::Row as _;

use super::{
    LogId, Place, Store, StoreError, json_numbers,
    rows::{Inserts, Row},
    tables::ERASURES,
    write::signed,
};

/// A statement that an erasing withdrawal of its own log names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// The statement.
    pub place: Place,
    /// Index of the withdrawal.
    pub by: u64,
    /// Unix seconds, by the holder's clock: when it is deleted.
    pub due: u64,
}

/// What became of erasures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Deleted: what stays is that it was erased.
    Deleted,
    /// A key that signed the withdrawal was revoked in time: withdrawn, and no more than that.
    Spared,
}

/// Of a deleted one.
const NEVER: i64 = -1;

/// All of them in memory: whatever leaves is held against it. Written by the one writer, after its commit; 16 bytes each.
#[derive(Clone, Debug, Default)]
pub struct Erased(Arc<RwLock<BTreeMap<Place, u64>>>);

impl Erased {
    /// The index of the erasing withdrawal, if there is one.
    #[must_use]
    pub fn by(&self, place: Place) -> Option<u64> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&place).copied()
    }

    /// The erased leaves of an entry, each with the index of the erasing withdrawal.
    #[must_use]
    pub fn of_entry(&self, log: LogId, entry: u64) -> BTreeMap<u32, u64> {
        let (Ok(first), Ok(last)) = (Place::new(log, entry, 0), Place::new(log, entry, 4_095)) else {
            return BTreeMap::new();
        };
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.range(first..=last).map(|(place, by)| (place.leaf(), *by)).collect()
    }

    /// How many leaves of a log are erased.
    #[must_use]
    pub fn of_log(&self, log: LogId) -> usize {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.keys().filter(|place| place.log() == log).count()
    }

    pub(super) fn keep(&self, new: &[Erasure]) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for erasure in new {
            // Erased twice is erased by the first.
            all.entry(erasure.place).or_insert(erasure.by);
        }
    }

    pub(super) fn forget(&self, gone: impl Fn(Place) -> bool) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|place, _| !gone(*place));
    }
}

impl Store {
    /// What is erased.
    #[must_use]
    pub const fn erased(&self) -> &Erased {
        &self.erased
    }

    pub(super) async fn recall_erased(&self) -> Result<(), StoreError> {
        let all = self.erasures("SELECT place, by_entry, due FROM erasures").await?;
        self.erased.keep(&all);
        Ok(())
    }

    /// Those that are not deleted yet.
    ///
    /// # Errors
    /// As the database says.
    pub async fn pending_erasures(&self) -> Result<Vec<Erasure>, StoreError> {
        self.erasures("SELECT place, by_entry, due FROM erasures WHERE due >= 0 ORDER BY place").await
    }

    async fn erasures(&self, text: &'static str) -> Result<Vec<Erasure>, StoreError> {
        let rows = sqlx::query(text).fetch_all(&self.readers).await?;
        let read = |row: &sqlx::any::AnyRow| {
            let (place, by, due): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            Ok(Erasure { place: Place::from_number(place), by: by.cast_unsigned(), due: due.cast_unsigned() })
        };
        rows.iter().map(read).collect()
    }

    /// Notes what became of erasures.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn end_erasures(&self, places: &[Place], fate: Fate) -> Result<(), StoreError> {
        let numbers = json_numbers(places.iter().map(|place| place.number()));
        match fate {
            Fate::Deleted => {
                let text = self.sql("UPDATE erasures SET due = $2 WHERE place IN ({numbers})");
                sqlx::query(text).bind(numbers).bind(NEVER).execute(&self.writer).await?;
            }
            Fate::Spared => {
                let text = self.sql("DELETE FROM erasures WHERE place IN ({numbers}) AND due >= 0");
                sqlx::query(text).bind(numbers).execute(&self.writer).await?;
                self.erased.forget(|place| places.contains(&place));
            }
        }
        Ok(())
    }
}

/// What a group commit brings.
pub(super) fn add(inserts: &mut Inserts, new: &[Erasure]) {
    let row = |row: &mut Row<'_>, erasure: &Erasure| {
        row.number(erasure.place.number()).number(signed(erasure.by)).number(signed(erasure.due));
    };
    inserts.add(ERASURES, new, row);
}
