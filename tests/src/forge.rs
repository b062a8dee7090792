//! Logs that no honest node would write, put into a store before its node starts.

use anyhow::Result;
use bytes::Bytes;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};

use almenara_proto::{
    checkpoint::SignedCheckpoint,
    log::LogEntry,
    merkle::{self, Hash},
    prefix::Prefix,
    tile::Edge,
};
use almenara_server::store::{
    Store,
    write::{Append, NewEntry},
};

use crate::cluster::{Cluster, FEDERATION};

/// One entry, and what the forged node shows of it.
pub struct Forged {
    /// What stands in the log.
    pub bytes: Bytes,
    /// Statements that the node will show whole when there are any, true or not.
    pub statements: Vec<Bytes>,
    /// Whether the node believes that it counts: else it shows nothing of it.
    pub counts: bool,
}

impl Forged {
    /// An entry without statements.
    #[must_use]
    pub fn plain(entry: &LogEntry) -> Self {
        Self { bytes: entry.encode(), statements: Vec::new(), counts: true }
    }
}

impl Cluster {
    /// Changes a node's SQLite database behind its back, for good.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn tamper(&self, member: usize, statements: &str) -> Result<()> {
        let mut database = self.sqlite(member).await?;
        let statements = format!("PRAGMA secure_delete = ON; {statements}");
        database.execute(AssertSqlSafe(statements)).await?;
        Ok(database.close().await?)
    }

    /// One number out of a node's SQLite database.
    ///
    /// # Errors
    /// When there is none.
    pub async fn number(&self, member: usize, query: &str) -> Result<i64> {
        let mut database = self.sqlite(member).await?;
        let number = sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&mut database).await?;
        database.close().await?;
        Ok(number)
    }

    async fn sqlite(&self, member: usize) -> Result<AnyConnection> {
        Ok(AnyConnection::connect(&format!("sqlite:{}", self.database(member).display())).await?)
    }

    /// Writes a log of `member` that begins with these entries, under its true log key; its node must not run.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn forge(&self, member: usize, entries: Vec<Forged>) -> Result<()> {
        let home = self.member(member)?;
        let store = Store::open(&format!("sqlite:{}", self.database(member).display())).await?;
        let log = store.add_log(home.name.as_str()).await?;
        let mut prefix = Prefix::new(FEDERATION, home.name.clone());
        let mut leaves: Vec<Hash> = Vec::new();
        let mut new = Vec::new();
        for (index, entry) in (0u64..).zip(entries) {
            leaves.push(merkle::leaf_hash(&entry.bytes));
            prefix.append(&entry.bytes, &self.roster.roster);
            new.push(NewEntry {
                index,
                id: merkle::sha256(&[&entry.bytes]),
                bytes: entry.bytes,
                counts: entry.counts,
                open: !entry.statements.is_empty(),
                statements: (0..).zip(entry.statements).map(|(leaf, bytes)| (leaf, bytes, None)).collect(),
                leaf_hashes: None,
                relayed: false,
            });
        }
        let mut edge = Edge::new();
        let tiles = edge.append(&leaves);
        let checkpoint = SignedCheckpoint::sign(prefix.checkpoint(), &home.log_key)?;
        let append = Append {
            log,
            old_size: 0,
            size: prefix.size(),
            tree: prefix.tree().to_bytes(),
            checkpoint: Bytes::copy_from_slice(checkpoint.note()),
            settled: Bytes::new(),
            archived: None,
            hollow: None,
            moved_at: 0,
            entries: new,
            tiles,
            spoke: Vec::new(),
            keys: prefix.keys().collect(),
            withdrawn: Vec::new(),
            erased: Vec::new(),
            tombstones: Vec::new(),
            revocations: Vec::new(),
        };
        store.commit(&[append], &[]).await?;
        store.close().await;
        Ok(())
    }
}
