//! The tables. `{blob}` and `{clustered}` are what the two databases call differently.

use sqlx::{Any, AssertSqlSafe, Executor as _, Pool};

use super::{Dialect, StoreError};

/// One step of the schema, in order; a step that was released is never changed.
const STEPS: &[&[&str]] = &[
    &[
        // A log's head: what its writer compares and swaps. Statements of entries below `indexed` stand in
        // `hashes`; those of later ones wait in memory (see `fresh`).
        "CREATE TABLE logs (
        log BIGINT PRIMARY KEY,
        member TEXT NOT NULL UNIQUE,
        size BIGINT NOT NULL,
        tree {blob} NOT NULL,
        indexed BIGINT NOT NULL,
        checkpoint {blob} NOT NULL,
        settled {blob} NOT NULL,
        hollow BIGINT NOT NULL)",
        // open: every statement is TLP:CLEAR, so that release need not look at each.
        "CREATE TABLE entries (
        log BIGINT NOT NULL,
        entry BIGINT NOT NULL,
        counts BIGINT NOT NULL,
        open BIGINT NOT NULL,
        bytes {blob} NOT NULL,
        PRIMARY KEY (log, entry)){clustered}",
        "CREATE TABLE tiles (
        log BIGINT NOT NULL,
        level BIGINT NOT NULL,
        tile BIGINT NOT NULL,
        hashes {blob} NOT NULL,
        PRIMARY KEY (log, level, tile))",
        "CREATE TABLE keys (
        log BIGINT NOT NULL,
        public_key {blob} NOT NULL,
        publisher TEXT NOT NULL,
        granted_at BIGINT NOT NULL,
        last_seq BIGINT NOT NULL,
        cut BIGINT NOT NULL,
        revoked_at BIGINT NOT NULL,
        PRIMARY KEY (log, public_key)){clustered}",
        // Sixteen statements a row: one row each costs three times the inserts, one row a batch makes a lookup read
        // 400 KB. place is that of the first leaf.
        "CREATE TABLE payloads (place BIGINT NOT NULL PRIMARY KEY, bytes {blob} NOT NULL)",
        // Only of batches that are not here whole.
        "CREATE TABLE leaf_hashes (
        log BIGINT NOT NULL,
        entry BIGINT NOT NULL,
        hashes {blob} NOT NULL,
        PRIMARY KEY (log, entry))",
        // The only row that each statement has: 8 bytes of the hash of kind and value, and where it stands. Each entry has
        // one too, by 8 bytes of its id. Not unique: what is found is compared.
        "CREATE TABLE hashes (
        hash BIGINT NOT NULL,
        place BIGINT NOT NULL,
        PRIMARY KEY (hash, place)){clustered}",
        "CREATE TABLE withdrawn (place BIGINT NOT NULL PRIMARY KEY, by_entry BIGINT NOT NULL)",
        // What this member withdrew, under a key of the node: survives erasure and tells nobody what it was.
        "CREATE TABLE tombstones (
        tag {blob} NOT NULL PRIMARY KEY,
        entry BIGINT NOT NULL,
        withdrawal {blob} NOT NULL)",
        "CREATE TABLE quotas (
        publisher TEXT NOT NULL PRIMARY KEY,
        day BIGINT NOT NULL,
        statements BIGINT NOT NULL)",
        // Of keys of one member, in the logs of others: a seized node cannot suppress them.
        "CREATE TABLE revocations (
        member TEXT NOT NULL,
        public_key {blob} NOT NULL,
        since BIGINT NOT NULL,
        PRIMARY KEY (member, public_key)){clustered}",
    ],
    &[
        // Who was shown what on request: no value, nobody below a member, and nothing after thirty days.
        "CREATE TABLE accesses (
        number BIGINT NOT NULL PRIMARY KEY,
        at BIGINT NOT NULL,
        place BIGINT NOT NULL,
        asker TEXT NOT NULL,
        holder TEXT NOT NULL)",
        // Unix seconds of the last entries that came.
        "ALTER TABLE logs ADD COLUMN moved_at BIGINT NOT NULL DEFAULT 0",
        // Logs whose key signed two histories, and the last size that both have.
        "CREATE TABLE quarantines (
        log BIGINT NOT NULL PRIMARY KEY,
        agreed BIGINT NOT NULL,
        evidence {blob} NOT NULL)",
        // What erasing withdrawals named, and when it is deleted (Unix seconds; -1: it is).
        "CREATE TABLE erasures (place BIGINT NOT NULL PRIMARY KEY, by_entry BIGINT NOT NULL, due BIGINT NOT NULL)",
        // Entries that were read from a relay, which may have shown less than their origin will.
        "CREATE TABLE relayed (log BIGINT NOT NULL, entry BIGINT NOT NULL, PRIMARY KEY (log, entry)){clustered}",
    ],
    &[
        // Notes with a quorum of cosignatures, one a minute at most: when an entry existed at the latest.
        "CREATE TABLE settlings (
        log BIGINT NOT NULL,
        size BIGINT NOT NULL,
        note {blob} NOT NULL,
        PRIMARY KEY (log, size)){clustered}",
        // The newest own note that each witness outside the federation has cosigned.
        "CREATE TABLE witnessed (witness TEXT NOT NULL PRIMARY KEY, size BIGINT NOT NULL, note {blob} NOT NULL)",
    ],
    &[
        // Entries below size are in step with who shall keep them, under this roster version.
        "CREATE TABLE in_step (log BIGINT NOT NULL PRIMARY KEY, roster BIGINT NOT NULL, size BIGINT NOT NULL)",
        // The largest note of each log that others showed before its entries were here.
        "CREATE TABLE shown (log BIGINT NOT NULL PRIMARY KEY, note {blob} NOT NULL)",
    ],
];

/// Brings the tables to the newest step.
pub(super) async fn migrate(writer: &Pool<Any>, dialect: Dialect) -> Result<(), StoreError> {
    let (blob, clustered) = match dialect {
        Dialect::Sqlite => ("BLOB", " WITHOUT ROWID"),
        Dialect::Postgres => ("BYTEA", ""),
    };
    writer.execute("CREATE TABLE IF NOT EXISTS schema_steps (step BIGINT NOT NULL PRIMARY KEY)").await?;
    let done: Option<i64> = sqlx::query_scalar("SELECT step FROM schema_steps ORDER BY step DESC LIMIT 1")
        .fetch_optional(writer)
        .await?;
    let newest = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if done.is_some_and(|done| done > newest) {
        return Err(StoreError::Damaged {
            what: "schema",
            why: "it was written by a newer version of this program".to_owned(),
        });
    }
    for (step, statements) in (1i64..).zip(STEPS) {
        if done.is_some_and(|done| done >= step) {
            continue;
        }
        let mut transaction = writer.begin().await?;
        for statement in *statements {
            let statement = statement.replace("{blob}", blob).replace("{clustered}", clustered);
            transaction.execute(AssertSqlSafe(statement)).await?;
        }
        sqlx::query("INSERT INTO schema_steps (step) VALUES ($1)")
            .bind(step)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    }
    Ok(())
}
