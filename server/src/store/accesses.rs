//! The access log: which statements were shown on request, to which member, and when.

use sqlx::Row as _;

use super::{
    Place, Store, StoreError,
    rows::{Inserts, Row},
    tables::ACCESSES,
    write::signed,
};

/// A statement was shown on request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Unix seconds.
    pub at: u64,
    /// Which.
    pub place: Place,
    /// The member that asked.
    pub asker: String,
    /// The member whose node showed it.
    pub holder: String,
}

impl Store {
    /// Logs accesses, and forgets those before `since` (Unix seconds).
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn log_accesses(&self, accesses: &[Access], since: u64) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        sqlx::query("DELETE FROM accesses WHERE at < $1")
            .bind(signed(since))
            .execute(&mut *transaction)
            .await?;
        let last: Option<i64> =
            sqlx::query_scalar("SELECT number FROM accesses ORDER BY number DESC LIMIT 1")
                .fetch_optional(&mut *transaction)
                .await?;
        let numbered = (last.unwrap_or(0).saturating_add(1)..).zip(accesses);
        let access = |row: &mut Row<'_>, (number, access): (i64, &Access)| {
            row.number(number).number(signed(access.at)).number(access.place.number());
            row.text(&access.asker).text(&access.holder);
        };
        let mut inserts = Inserts::default();
        inserts.add(ACCESSES, numbered, access);
        inserts.send(self.dialect, &mut transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Accesses since `since` (Unix seconds) with a number above `after`, the first `limit`, in order.
    ///
    /// # Errors
    /// As the database says.
    pub async fn accesses(
        &self,
        since: u64,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, Access)>, StoreError> {
        sqlx::query(
            "SELECT number, at, place, asker, holder FROM accesses \
             WHERE number > $1 AND at >= $2 ORDER BY number LIMIT $3",
        )
        .bind(signed(after))
        .bind(signed(since))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(|row| {
            let access = Access {
                at: row.try_get::<i64, _>(1)?.cast_unsigned(),
                place: Place::from_number(row.try_get(2)?),
                asker: row.try_get(3)?,
                holder: row.try_get(4)?,
            };
            Ok((row.try_get::<i64, _>(0)?.cast_unsigned(), access))
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::LogId;

    #[tokio::test]
    async fn accesses_are_numbered_in_order_and_forgotten_when_they_are_old() {
        let folder = tempfile::tempdir().unwrap();
        let store =
            Store::open(&format!("sqlite:{}", folder.path().join("node.db").display())).await.unwrap();
        let access = |at: u64, leaf: u32| Access {
            at,
            place: Place::new(LogId(0), 7, leaf).unwrap(),
            asker: "ngo.nl.example".into(),
            holder: "police.th.example".into(),
        };
        store.log_accesses(&[access(10, 0), access(10, 1)], 0).await.unwrap();
        store.log_accesses(&[access(20, 2)], 0).await.unwrap();
        let all = store.accesses(0, 0, 9).await.unwrap();
        assert_eq!(all, vec![(1, access(10, 0)), (2, access(10, 1)), (3, access(20, 2))]);
        assert_eq!(store.accesses(11, 0, 9).await.unwrap(), all[2..]);
        assert_eq!(store.accesses(0, 1, 1).await.unwrap(), all[1..2]);
        store.log_accesses(&[], 20).await.unwrap();
        assert_eq!(store.accesses(0, 0, 9).await.unwrap(), all[2..]);
    }
}
