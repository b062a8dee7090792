//! Notes that are kept beside the head of a log: those that tell when an entry existed at the latest, and the newest one
//! that each third party has cosigned.

use bytes::Bytes;
use sqlx::Row as _;

use super::{LogId, Store, StoreError, write::signed};

/// The newest own note that a witness outside the federation has cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// The witness: its key, as C2SP signed-note writes it.
    pub witness: String,
    /// Entries.
    pub size: u64,
    /// The note, with its line.
    pub note: Bytes,
}

impl Store {
    /// The first kept note with a quorum of cosignatures that covers at least `entries` entries; nothing when only the
    /// newest one does.
    ///
    /// # Errors
    /// As the database says.
    pub async fn first_settled(&self, log: LogId, entries: u64) -> Result<Option<Bytes>, StoreError> {
        let note: Option<Vec<u8>> = sqlx::query_scalar(
            "SELECT note FROM settlings WHERE log = $1 AND size >= $2 ORDER BY size LIMIT 1",
        )
        .bind(i64::from(log.0))
        .bind(signed(entries))
        .fetch_optional(&self.readers)
        .await?;
        Ok(note.map(Bytes::from))
    }

    /// What third parties have cosigned.
    ///
    /// # Errors
    /// As the database says.
    pub async fn witnessed(&self) -> Result<Vec<Witnessed>, StoreError> {
        sqlx::query("SELECT witness, size, note FROM witnessed")
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(|row| {
                Ok(Witnessed {
                    witness: row.try_get(0)?,
                    size: row.try_get::<i64, _>(1)?.cast_unsigned(),
                    note: row.try_get::<Vec<u8>, _>(2)?.into(),
                })
            })
            .collect()
    }

    /// Keeps a note in place of the one before it of the same witness.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn keep_witnessed(&self, witnessed: &Witnessed) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO witnessed (witness, size, note) VALUES ($1, $2, $3) \
             ON CONFLICT (witness) DO UPDATE SET size = excluded.size, note = excluded.note",
        )
        .bind(witnessed.witness.clone())
        .bind(signed(witnessed.size))
        .bind(witnessed.note.to_vec())
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}
