//! Letting go of a whole log, so that it is fetched anew: its members have decided for another history.

use almenara_proto::merkle::CompactRange;

use super::{LogId, Place, Store, StoreError};

impl Store {
    /// Forgets everything that came with a log, and leaves it empty. What its withdrawals, and revocations in it of others'
    /// keys, have ended stays ended until it is fetched again; tombstones go with the `own` log, from which they are made
    /// again.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn forget(&self, log: LogId, own: bool) -> Result<(), StoreError> {
        let first = Place::new(log, 0, 0)?.number();
        let last = Place::new(log, (1 << 36) - 1, 4_095)?.number();
        let mut transaction = self.writer.begin().await?;
        for table in ["entries", "tiles", "keys", "leaf_hashes", "relayed", "settlings", "in_step", "shown"] {
            let text = sqlx::AssertSqlSafe(format!("DELETE FROM {table} WHERE log = $1"));
            sqlx::query(text).bind(i64::from(log.0)).execute(&mut *transaction).await?;
        }
        for table in ["payloads", "hashes", "withdrawn", "erasures"] {
            let text = sqlx::AssertSqlSafe(format!("DELETE FROM {table} WHERE place >= $1 AND place <= $2"));
            sqlx::query(text).bind(first).bind(last).execute(&mut *transaction).await?;
        }
        if own {
            for table in ["tombstones", "witnessed"] {
                let text = sqlx::AssertSqlSafe(format!("DELETE FROM {table}"));
                sqlx::query(text).execute(&mut *transaction).await?;
            }
        }
        sqlx::query(
            "UPDATE logs SET size = 0, tree = $1, indexed = 0, checkpoint = $2, settled = $2, hollow = -1 WHERE log = $3",
        )
        .bind(CompactRange::new().to_bytes())
        .bind(Vec::new())
        .bind(i64::from(log.0))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        self.fresh.forget_log(log, first, last);
        self.erased.forget(|place| place.log() == log);
        Ok(())
    }
}
