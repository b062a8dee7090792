//! What a start should not have to find out again: how far custody was put in step, and which notes others showed.

use std::collections::BTreeMap;

use bytes::Bytes;
use sqlx::{Row as _, any::AnyRow};

use super::{LogId, Store, StoreError, write::signed};

/// Something to remember.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Memo {
    /// Entries of a log below `size` are in step with who shall keep them under this roster version.
    InStep {
        /// Which log.
        log: LogId,
        /// The version.
        roster: u64,
        /// Entries.
        size: u64,
    },
    /// The largest note of a log that anybody showed before its entries were here.
    Shown {
        /// Which log.
        log: LogId,
        /// The note, verbatim.
        note: Bytes,
    },
}

impl Store {
    /// Keeps it instead of what it replaces.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn remember(&self, memo: &Memo) -> Result<(), StoreError> {
        let query = match memo {
            Memo::InStep { log, roster, size } => sqlx::query(
                "INSERT INTO in_step (log, roster, size) VALUES ($1, $2, $3) \
                 ON CONFLICT (log) DO UPDATE SET roster = excluded.roster, size = excluded.size",
            )
            .bind(i64::from(log.0))
            .bind(signed(*roster))
            .bind(signed(*size)),
            Memo::Shown { log, note } => sqlx::query(
                "INSERT INTO shown (log, note) VALUES ($1, $2) ON CONFLICT (log) DO UPDATE SET note = excluded.note",
            )
            .bind(i64::from(log.0))
            .bind(note.to_vec()),
        };
        query.execute(&self.writer).await?;
        Ok(())
    }

    /// How many entries of each log are in step under a roster version; none of a log that is left out.
    ///
    /// # Errors
    /// As the database says.
    pub async fn in_step(&self, roster: u64) -> Result<BTreeMap<LogId, u64>, StoreError> {
        let rows = sqlx::query("SELECT log, size FROM in_step WHERE roster = $1")
            .bind(signed(roster))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|row| Ok((log(row)?, row.try_get::<i64, _>(1)?.cast_unsigned()))).collect()
    }

    /// The notes that were shown, as they came.
    ///
    /// # Errors
    /// As the database says.
    pub async fn shown(&self) -> Result<BTreeMap<LogId, Bytes>, StoreError> {
        let rows = sqlx::query("SELECT log, note FROM shown").fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok((log(row)?, row.try_get::<Vec<u8>, _>(1)?.into()))).collect()
    }
}

fn log(row: &AnyRow) -> Result<LogId, StoreError> {
    let number: i64 = row.try_get(0)?;
    let number = u16::try_from(number);
    number.map(LogId).map_err(|error| StoreError::Damaged { what: "log number", why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_memo_of_a_log_survives_a_start() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("node.db").display());
        let store = Store::open(&url).await.unwrap();
        let log = store.add_log("police.th.example").await.unwrap();
        let in_step = |roster, size| Memo::InStep { log, roster, size };
        let shown = |text: &'static str| Memo::Shown { log, note: Bytes::from_static(text.as_bytes()) };
        for memo in [in_step(1, 9), in_step(2, 5), shown("a note"), shown("a larger note")] {
            store.remember(&memo).await.unwrap();
        }
        store.close().await;
        drop(store);
        let store = Store::open(&url).await.unwrap();
        assert_eq!(store.in_step(1).await.unwrap(), BTreeMap::new());
        assert_eq!(store.in_step(2).await.unwrap(), BTreeMap::from([(log, 5)]));
        assert_eq!(store.shown().await.unwrap()[&log], "a larger note");
        store.forget(log, false).await.unwrap();
        assert_eq!((store.in_step(2).await.unwrap().len(), store.shown().await.unwrap().len()), (0, 0));
    }
}
