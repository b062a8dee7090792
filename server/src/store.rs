//! What a node keeps, in SQLite or PostgreSQL, with one SQL text for both.
//!
//! Only the sequencer writes ([`mod@write`]); everybody else reads what is committed ([`mod@read`]). Numbers that
//! readers page by are log positions, given in the writing transaction.

pub mod accesses;
pub mod archive;
mod change;
pub mod chunks;
pub mod erased;
mod forget;
mod fresh;
pub mod memory;
mod place;
pub mod read;
mod rows;
mod schema;
mod tables;
pub mod write;

use std::{
    fs::File,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use sqlx::{
    Any, AnyConnection, AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Pool,
    any::{AnyConnectOptions, AnyPoolOptions},
};

pub use place::{LogId, Place};

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process uses the same files.
    #[error("{place} is in use by another process: stop that one first, a log has one writer")]
    InUse {
        /// The lock file, or the database.
        place: String,
    },
    /// The address of the store is not understood.
    #[error("store.url `{0}`: `sqlite:FILE` or `postgres://…` is expected")]
    Url(String),
    /// No room is left: nothing of the write was kept, reads go on.
    #[error("no space is left where the node keeps its data: nothing was stored; free some and try again")]
    Full,
    /// The head is not where the writer thought: somebody else wrote.
    #[error("the head of a log moved under its writer: another process writes the same store")]
    HeadMoved,
    /// What is stored contradicts itself.
    #[error("the stored {what} is damaged: {why}")]
    Damaged {
        /// What.
        what: &'static str,
        /// How it shows.
        why: String,
    },
    /// A file could not be opened.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database said no.
    #[error("the database: {0}")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // SQLITE_FULL is 13; PostgreSQL's disk_full is 53100.
        let full = error
            .as_database_error()
            .and_then(|error| error.code())
            .is_some_and(|code| code == "13" || code == "53100");
        if full { Self::Full } else { Self::Database(error) }
    }
}

impl StoreError {
    /// Whether the node may go on with what it had before: nothing of the write was kept, and the next try may
    /// succeed. After anything else (a failed fsync above all) only a restart tells what is on the disk.
    #[must_use]
    pub const fn is_survivable(&self) -> bool {
        matches!(self, Self::Full)
    }
}

/// SQLite pages held by the writer: the random inserts of the indicator index stay in memory up to some
/// millions of statements. In KiB.
const WRITER_CACHE_KIB: u32 = 24 * 1024;
/// SQLite pages held by each reader, in KiB: the index of a million statements and half of their payloads. The readers
/// and the writer stay below a node's 256 MiB.
const READER_CACHE_KIB: u32 = 58 * 1024;
/// Bytes of an SQLite page: four rows of payloads. A lookup that hits reads one page for one statement, so larger ones
/// are copied for nothing; smaller ones split rows and slow down the writer. A database keeps the size that it was
/// made with.
const PAGE_BYTES: u32 = 8_192;
/// Readers at once. More threads than that fight for two cores, and each has a cache of its own.
const READERS: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Sqlite,
    Postgres,
}

/// A node's store.
#[derive(Clone, Debug)]
pub struct Store {
    readers: Pool<Any>,
    writer: Pool<Any>,
    dialect: Dialect,
    /// Index rows that are not in the table yet.
    fresh: fresh::Fresh,
    /// What must not leave any more.
    erased: erased::Erased,
    /// Held for as long as the store is open.
    _lock: Lock,
}

/// What keeps a second process from the same store.
#[derive(Clone, Debug)]
enum Lock {
    File(#[expect(dead_code, reason = "held, not read")] Arc<File>),
    /// A session of PostgreSQL's own, with an advisory lock. If the session dies, the compare-and-swap of heads is what
    /// is left between two writers.
    Session(#[expect(dead_code, reason = "held, not read")] Arc<Mutex<AnyConnection>>),
}

/// `almenara` on a telephone's keys; advisory locks are numbers, and belong to one database.
const ADVISORY_LOCK: i64 = 25_636_272;

impl Store {
    /// Opens or creates the store at `url`: `sqlite:FILE` or `postgres://…`.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it; else as the database says.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let (dialect, lock) = if let Some(path) = url.strip_prefix("sqlite:") {
            (Dialect::Sqlite, Lock::File(Arc::new(lock(path)?)))
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            (Dialect::Postgres, Lock::Session(Arc::new(Mutex::new(lock_session(url).await?))))
        } else {
            return Err(StoreError::Url(url.to_owned()));
        };
        let (write_url, read_url) = match dialect {
            Dialect::Sqlite => (format!("{url}?mode=rwc"), format!("{url}?mode=ro")),
            Dialect::Postgres => (url.to_owned(), url.to_owned()),
        };
        let writer = pool(&write_url, dialect, 1, WRITER_CACHE_KIB).await?;
        schema::migrate(&writer, dialect).await?;
        let readers = pool(&read_url, dialect, READERS, READER_CACHE_KIB).await?;
        let store = Self {
            readers,
            writer,
            dialect,
            fresh: fresh::Fresh::default(),
            erased: erased::Erased::default(),
            _lock: lock,
        };
        store.recall_fresh().await?;
        store.recall_erased().await?;
        Ok(store)
    }

    /// The same store for the one who writes: it reads through the writer's connection too, so that what it looks at
    /// is not cached a second time by the readers.
    #[must_use]
    pub(crate) fn for_writer(&self) -> Self {
        Self { readers: self.writer.clone(), ..self.clone() }
    }

    /// Writes SQLite's WAL back into the database and closes.
    pub async fn close(&self) {
        self.readers.close().await;
        self.write_back().await;
        self.writer.close().await;
    }

    /// Writes SQLite's WAL back into the database and empties it: it holds pages as they were before something was
    /// deleted from them.
    pub async fn write_back(&self) {
        if self.dialect == Dialect::Sqlite
            && let Err(error) = self.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").await
        {
            tracing::warn!(%error, "the WAL stays as it is; the next start reads it");
        }
    }

    /// One text for both databases: `{numbers}` becomes the set of 64-bit numbers in the JSON array `$1`, `{pairs}`
    /// that of the pairs of numbers in it, as columns `a` and `b`; `{list}` all rows of `hashes` as one text,
    /// `HASH:PLACE,…`.
    fn sql(&self, text: &str) -> AssertSqlSafe<String> {
        let (numbers, pairs, list) = match self.dialect {
            Dialect::Sqlite => (
                "SELECT value AS v FROM json_each($1)",
                "SELECT value ->> 0 AS a, value ->> 1 AS b FROM json_each($1)",
                "group_concat(hash || ':' || place)",
            ),
            Dialect::Postgres => (
                "SELECT v::bigint AS v FROM json_array_elements_text($1::json) AS v",
                "SELECT (v ->> 0)::bigint AS a, (v ->> 1)::bigint AS b FROM json_array_elements($1::json) AS v",
                "string_agg(hash || ':' || place, ',')",
            ),
        };
        AssertSqlSafe(text.replace("{numbers}", numbers).replace("{pairs}", pairs).replace("{list}", list))
    }
}

async fn pool(url: &str, dialect: Dialect, size: u32, cache_kib: u32) -> Result<Pool<Any>, StoreError> {
    let options = AnyPoolOptions::new().max_connections(size).min_connections(1);
    // A connection to a file does not die while it rests; asking it each time costs as much as a small query.
    let options = options.test_before_acquire(dialect == Dialect::Postgres).after_connect(
        move |connection: &mut AnyConnection, _| {
            Box::pin(async move {
                if dialect == Dialect::Sqlite {
                    // FULL: a log that forgets acknowledged entries at a power loss forks itself.
                    let settings = format!(
                        "PRAGMA page_size = {PAGE_BYTES}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                         PRAGMA cache_size = -{cache_kib}; PRAGMA journal_size_limit = 67108864; \
                         PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON;"
                    );
                    connection.execute(AssertSqlSafe(settings)).await?;
                }
                Ok(())
            })
        },
    );
    // Each statement would be timed and its text looked at for a log that nobody asked for.
    let connect: AnyConnectOptions = url.parse()?;
    Ok(options.connect_with(connect.disable_statement_logging()).await?)
}

/// SQLite allows several writing processes; a log does not.
fn lock(path: &str) -> Result<File, StoreError> {
    let path = PathBuf::from(format!("{path}.lock"));
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|source| StoreError::File { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(StoreError::InUse { place: path.display().to_string() })
        }
        Err(std::fs::TryLockError::Error(source)) => Err(StoreError::File { path, source }),
    }
}

/// PostgreSQL serves many processes; a log has one writer.
async fn lock_session(url: &str) -> Result<AnyConnection, StoreError> {
    let mut session = AnyConnection::connect(url).await?;
    let free: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(ADVISORY_LOCK)
        .fetch_one(&mut session)
        .await?;
    if free { Ok(session) } else { Err(StoreError::InUse { place: "the database".to_owned() }) }
}

/// A JSON array of numbers, as the `{numbers}` of a statement.
fn json_numbers(numbers: impl IntoIterator<Item = i64>) -> String {
    let mut text = String::from("[");
    for number in numbers {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&number.to_string());
    }
    text.push(']');
    text
}

/// A JSON array of pairs of numbers, as the `{pairs}` of a statement.
fn json_pairs(pairs: &[(i64, i64)]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(pairs.len().saturating_mul(40));
    text.push('[');
    for (at, (a, b)) in pairs.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}[{a},{b}]");
    }
    text.push(']');
    text
}
