//! The writing transaction: everything that one group commit adds, all or nothing.

use bytes::{BufMut as _, Bytes, BytesMut};
use sqlx::{Any, AssertSqlSafe, Row as _, Transaction, any::AnyArguments, query::Query};

use almenara_proto::{keys::PublicKey, merkle::Hash, prefix::KeptKey, statement::Statement, tile::TileId};

use crate::heads::Settled;

use super::{LogId, Place, Store, StoreError, erased::Erasure, fresh::IndexRow, json_pairs};

/// Statements in one row of `payloads`. See the schema.
pub const CHUNK: u32 = 16;

/// Entries read at once when a start looks for what no index has yet: there are [`super::fresh::FLUSH`] statements at
/// most, so mostly small entries.
const RECALLED: usize = 256;

/// What a group commit adds to one log.
#[derive(Debug)]
pub struct Append {
    /// Which log.
    pub log: LogId,
    /// Its size before.
    pub old_size: u64,
    /// Its size after.
    pub size: u64,
    /// The right edge after, as `CompactRange::to_bytes`.
    pub tree: Vec<u8>,
    /// The newest signed note of at most the new size; empty when there is none.
    pub checkpoint: Bytes,
    /// The largest note with a quorum of cosignatures; empty when there is none.
    pub settled: Bytes,
    /// The one that was the largest before, when it is kept for the date that it tells.
    pub archived: Option<Settled>,
    /// The first entry of which leaf hashes are missing.
    pub hollow: Option<u64>,
    /// Unix seconds: when entries last came.
    pub moved_at: u64,
    /// The new entries, in order.
    pub entries: Vec<NewEntry>,
    /// Every tile whose content changed.
    pub tiles: Vec<(TileId, Vec<u8>)>,
    /// Keys that were granted, spoke or were revoked.
    pub keys: Vec<KeptKey>,
    /// Places that ended, and the withdrawal's index.
    pub withdrawn: Vec<(Place, u64)>,
    /// Statements that erasing withdrawals named.
    pub erased: Vec<Erasure>,
    /// Of this member's own withdrawals, each tag once.
    pub tombstones: Vec<Tombstone>,
    /// Of keys of other members than the log's, each key once.
    pub revocations: Vec<Revocation>,
}

/// One entry and what came with it.
#[derive(Debug)]
pub struct NewEntry {
    /// Its index.
    pub index: u64,
    /// `LogEntry`, verbatim.
    pub bytes: Bytes,
    /// SHA-256 of the signed body.
    pub id: Hash,
    /// Whether it counts.
    pub counts: bool,
    /// Whether every statement in it is TLP:CLEAR.
    pub open: bool,
    /// Leaf, statement bytes and index key (nothing for a void statement), ascending.
    pub statements: Vec<(u32, Bytes, Option<u64>)>,
    /// All leaf hashes, when not all statements are here.
    pub leaf_hashes: Option<Vec<Hash>>,
    /// A relay showed it, and its origin may show more.
    pub relayed: bool,
}

/// A withdrawn indicator under the node's key.
#[derive(Clone, Debug)]
pub struct Tombstone {
    /// Keyed hash of kind and value.
    pub tag: [u8; 32],
    /// The withdrawal's index.
    pub entry: u64,
    /// The withdrawal's id.
    pub withdrawal: Hash,
}

/// A key of a member that another member's log says is revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Whose key.
    pub member: String,
    /// The key.
    pub key: PublicKey,
    /// Entries of the member's log at or above it do not count.
    pub since: u64,
}

/// How much of its day's quota a publisher used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The whole publisher name.
    pub publisher: String,
    /// Unix seconds / 86,400.
    pub day: u64,
    /// On that day.
    pub statements: u64,
}

impl Store {
    /// Gives a log its number; the same again for a known member.
    ///
    /// # Errors
    /// As the database says.
    pub async fn add_log(&self, member: &str) -> Result<LogId, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let known: Option<i64> = sqlx::query_scalar("SELECT log FROM logs WHERE member = $1")
            .bind(member.to_owned())
            .fetch_optional(&mut *transaction)
            .await?;
        let number = match known {
            Some(number) => number,
            None => {
                let last: Option<i64> = sqlx::query_scalar("SELECT log FROM logs ORDER BY log DESC LIMIT 1")
                    .fetch_optional(&mut *transaction)
                    .await?;
                let number = last.map_or(0, |last| last.saturating_add(1));
                let tree = almenara_proto::merkle::CompactRange::new().to_bytes();
                sqlx::query(
                    "INSERT INTO logs (log, member, size, tree, indexed, checkpoint, settled, hollow) \
                     VALUES ($1, $2, 0, $3, 0, $4, $4, -1)",
                )
                .bind(number)
                .bind(member.to_owned())
                .bind(tree)
                .bind(Vec::new())
                .execute(&mut *transaction)
                .await?;
                number
            }
        };
        transaction.commit().await?;
        u16::try_from(number)
            .map(LogId)
            .map_err(|_| StoreError::Damaged { what: "log number", why: number.to_string() })
    }

    /// Commits a group. When this returns, it is durable: SQLite has synced its WAL, PostgreSQL its own.
    ///
    /// # Errors
    /// Nothing of the group was kept. [`StoreError::is_survivable`] tells whether to go on.
    pub async fn commit(&self, appends: &[Append], usage: &[Usage]) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        let mut rows = Vec::new();
        for append in appends {
            self.append(&mut transaction, append).await?;
            rows.extend(index_rows(append.log, &append.entries)?);
        }
        let due = self.fresh.due(&rows);
        if let Some(due) = &due {
            self.index(&mut transaction, due).await?;
        }
        let used = usage.iter().collect::<Vec<_>>();
        insert(
            &mut transaction,
            "INSERT INTO quotas (publisher, day, statements) VALUES ",
            3,
            " ON CONFLICT (publisher) DO UPDATE SET day = excluded.day, statements = excluded.statements",
            &used,
            |query, usage| {
                query.bind(usage.publisher.clone()).bind(signed(usage.day)).bind(signed(usage.statements))
            },
        )
        .await?;
        transaction.commit().await?;
        appends.iter().for_each(|append| self.erased.keep(&append.erased));
        match due {
            Some(_) => self.fresh.written(),
            None => self.fresh.keep(rows),
        }
        Ok(())
    }

    /// Writes rows of `hashes`, in key order; one parameter, as binding is what costs.
    async fn index(
        &self,
        transaction: &mut Transaction<'_, Any>,
        rows: &[IndexRow],
    ) -> Result<(), StoreError> {
        // SQLite reads `ON` after a FROM as a join's without the WHERE.
        let text = self.sql(
            "INSERT INTO hashes (hash, place) SELECT a, b FROM ({pairs}) AS pairs WHERE true \
             ON CONFLICT DO NOTHING",
        );
        sqlx::query(text).bind(json_pairs(rows)).execute(&mut **transaction).await?;
        sqlx::query("UPDATE logs SET indexed = size").execute(&mut **transaction).await?;
        Ok(())
    }

    /// After a start: the rows of statements that no index has yet, out of their payloads.
    pub(super) async fn recall_fresh(&self) -> Result<(), StoreError> {
        let logs = sqlx::query("SELECT log, indexed, size FROM logs WHERE indexed < size")
            .fetch_all(&self.readers)
            .await?;
        for row in logs {
            let log: i64 = row.try_get(0)?;
            let log = LogId(u16::try_from(log).unwrap_or(u16::MAX));
            let (indexed, size): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
            let (indexed, size) = (indexed.cast_unsigned(), size.cast_unsigned());
            for from in (indexed..size).step_by(RECALLED) {
                let to = from.saturating_add(RECALLED as u64).min(size);
                let mut rows = Vec::new();
                for entry in self.entries(log, from, to, u32::MAX).await? {
                    let place = Place::new(log, entry.index, 0)?;
                    rows.push((id_prefix(&entry.id()), place.number()));
                }
                for (entry, statements) in self.statements(log, from, to).await? {
                    for (leaf, bytes) in statements {
                        if let Ok(statement) = Statement::parse(&bytes) {
                            let place = Place::new(log, entry, leaf)?;
                            rows.push((statement.indicator.index_key().cast_signed(), place.number()));
                        }
                    }
                }
                self.fresh.keep(rows);
            }
        }
        Ok(())
    }

    async fn append(
        &self,
        transaction: &mut Transaction<'_, Any>,
        append: &Append,
    ) -> Result<(), StoreError> {
        let log = i64::from(append.log.0);
        let moved =
            sqlx::query("UPDATE logs SET size = $1, tree = $2, checkpoint = $3, settled = $4, hollow = $5, moved_at = $6 WHERE log = $7 AND size = $8")
                .bind(signed(append.size))
                .bind(append.tree.clone())
                .bind(append.checkpoint.to_vec())
                .bind(append.settled.to_vec())
                .bind(optional(append.hollow))
                .bind(signed(append.moved_at))
                .bind(log)
                .bind(signed(append.old_size))
                .execute(&mut **transaction)
                .await?;
        if moved.rows_affected() != 1 {
            return Err(StoreError::HeadMoved { log: append.log.0, expected: append.old_size });
        }
        insert(
            transaction,
            "INSERT INTO settlings (log, size, note) VALUES ",
            3,
            " ON CONFLICT (log, size) DO NOTHING",
            append.archived.as_slice(),
            |query, note| query.bind(log).bind(signed(note.size)).bind(note.note.to_vec()),
        )
        .await?;
        insert(
            transaction,
            "INSERT INTO entries (log, entry, counts, open, bytes) VALUES ",
            5,
            "",
            &append.entries,
            |query, entry| {
                query
                    .bind(log)
                    .bind(signed(entry.index))
                    .bind(i64::from(entry.counts))
                    .bind(i64::from(entry.open))
                    .bind(entry.bytes.to_vec())
            },
        )
        .await?;
        insert(
            transaction,
            "INSERT INTO tiles (log, level, tile, hashes) VALUES ",
            4,
            " ON CONFLICT (log, level, tile) DO UPDATE SET hashes = excluded.hashes",
            &append.tiles,
            |query, (tile, hashes)| {
                query.bind(log).bind(i64::from(tile.level)).bind(signed(tile.index)).bind(hashes.clone())
            },
        )
        .await?;
        insert(
            transaction,
            "INSERT INTO keys (log, public_key, publisher, granted_at, last_seq, cut, revoked_at) VALUES ",
            7,
            " ON CONFLICT (log, public_key) DO UPDATE SET last_seq = excluded.last_seq, cut = excluded.cut, \
             revoked_at = excluded.revoked_at",
            &append.keys,
            |query, key| {
                query
                    .bind(log)
                    .bind(key.key.0.to_vec())
                    .bind(key.publisher.to_string())
                    .bind(signed(key.granted_at))
                    .bind(optional(key.last_seq))
                    .bind(optional(key.cut))
                    .bind(optional(key.revoked_at))
            },
        )
        .await?;
        self.append_statements(transaction, append.log, &append.entries).await?;
        insert(
            transaction,
            "INSERT INTO withdrawn (place, by_entry) VALUES ",
            2,
            // Ended twice is ended by the first.
            " ON CONFLICT (place) DO NOTHING",
            &append.withdrawn,
            |query, (place, by)| query.bind(place.number()).bind(signed(*by)),
        )
        .await?;
        self.add_erasures(transaction, &append.erased).await?;
        insert(
            transaction,
            "INSERT INTO tombstones (tag, entry, withdrawal) VALUES ",
            3,
            " ON CONFLICT (tag) DO UPDATE SET entry = excluded.entry, withdrawal = excluded.withdrawal",
            &append.tombstones,
            |query, stone| {
                query.bind(stone.tag.to_vec()).bind(signed(stone.entry)).bind(stone.withdrawal.0.to_vec())
            },
        )
        .await?;
        insert(
            transaction,
            "INSERT INTO revocations (member, public_key, since) VALUES ",
            3,
            " ON CONFLICT (member, public_key) DO UPDATE SET since = \
             CASE WHEN excluded.since < revocations.since THEN excluded.since ELSE revocations.since END",
            &append.revocations,
            |query, revocation| {
                // Anybody may name any number here; no log comes near 2⁶³ entries.
                let since = i64::try_from(revocation.since).unwrap_or(i64::MAX);
                query.bind(revocation.member.clone()).bind(revocation.key.0.to_vec()).bind(since)
            },
        )
        .await
    }

    pub(super) async fn append_statements(
        &self,
        transaction: &mut Transaction<'_, Any>,
        log: LogId,
        entries: &[NewEntry],
    ) -> Result<(), StoreError> {
        let mut chunks: Vec<(Place, Vec<u8>)> = Vec::new();
        for entry in entries {
            for statements in entry.statements.chunk_by(|a, b| a.0 / CHUNK == b.0 / CHUNK) {
                let Some((first, ..)) = statements.first() else { continue };
                let place = Place::new(log, entry.index, first - first % CHUNK)?;
                chunks.push((place, encode_chunk(statements)));
            }
        }
        insert(
            transaction,
            "INSERT INTO payloads (place, bytes) VALUES ",
            2,
            " ON CONFLICT (place) DO UPDATE SET bytes = excluded.bytes",
            &chunks,
            |query, (place, bytes)| query.bind(place.number()).bind(bytes.clone()),
        )
        .await?;
        let hidden: Vec<(u64, Vec<u8>)> = entries
            .iter()
            .filter_map(|entry| {
                let hashes = entry.leaf_hashes.as_ref()?;
                Some((entry.index, hashes.iter().flat_map(|hash| hash.0).collect()))
            })
            .collect();
        let log = i64::from(log.0);
        insert(
            transaction,
            "INSERT INTO leaf_hashes (log, entry, hashes) VALUES ",
            3,
            "",
            &hidden,
            |query, (entry, hashes)| query.bind(log).bind(signed(*entry)).bind(hashes.clone()),
        )
        .await?;
        let relayed: Vec<u64> =
            entries.iter().filter(|entry| entry.relayed).map(|entry| entry.index).collect();
        insert(
            transaction,
            "INSERT INTO relayed (log, entry) VALUES ",
            2,
            " ON CONFLICT DO NOTHING",
            &relayed,
            |query, entry| query.bind(log).bind(signed(*entry)),
        )
        .await
    }

    /// Keeps proof against a log, and the size up to which both of its histories are one.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn quarantine(&self, log: LogId, agreed: u64, evidence: Vec<u8>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO quarantines (log, agreed, evidence) VALUES ($1, $2, $3) ON CONFLICT (log) DO UPDATE SET \
             agreed = excluded.agreed, evidence = excluded.evidence",
        )
        .bind(i64::from(log.0))
        .bind(signed(agreed))
        .bind(evidence)
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}

/// Where entries stand, by id, and their statements, by indicator; void ones stand nowhere.
pub(super) fn index_rows(log: LogId, entries: &[NewEntry]) -> Result<Vec<IndexRow>, StoreError> {
    let mut rows = Vec::new();
    for entry in entries {
        rows.push((id_prefix(&entry.id), Place::new(log, entry.index, 0)?.number()));
        for (leaf, _, key) in &entry.statements {
            if let Some(key) = key {
                rows.push((key.cast_signed(), Place::new(log, entry.index, *leaf)?.number()));
            }
        }
    }
    Ok(rows)
}

/// First 8 bytes of an id.
pub(super) fn id_prefix(id: &Hash) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = id.0;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

pub(super) const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// Nothing is −1: log positions and sequence numbers of honest clocks stay far below 2⁶³.
const fn optional(number: Option<u64>) -> i64 {
    match number {
        Some(number) => number.cast_signed(),
        None => -1,
    }
}

/// Statements of one chunk: for each of its leaves a little-endian u16 length (0: not here), then the bytes. A
/// statement has at most 16 KiB.
pub(super) fn encode_chunk(statements: &[(u32, Bytes, Option<u64>)]) -> Vec<u8> {
    let size: usize = statements.iter().map(|(_, bytes, _)| bytes.len().saturating_add(2)).sum();
    let mut out = BytesMut::with_capacity(size.saturating_add(2 * CHUNK as usize));
    let mut next = 0;
    for (leaf, bytes, _) in statements {
        let slot = leaf % CHUNK;
        (next..slot).for_each(|_| out.put_u16_le(0));
        out.put_u16_le(u16::try_from(bytes.len()).unwrap_or(0));
        out.put_slice(bytes);
        next = slot.saturating_add(1);
    }
    out.into()
}

/// The statements of a chunk that are wanted, with their slots. Nothing is counted or copied for the others: a lookup
/// wants one of them.
pub(super) fn decode_chunk(bytes: Vec<u8>, mut wanted: impl FnMut(u32) -> bool) -> Vec<(u32, Bytes)> {
    let bytes = Bytes::from(bytes);
    let mut out = Vec::new();
    let mut at = 0usize;
    for slot in 0..CHUNK {
        let length = bytes.get(at..).and_then(|rest| rest.first_chunk::<2>());
        let Some(length) = length.map(|length| usize::from(u16::from_le_bytes(*length))) else { break };
        let from = at.saturating_add(2);
        at = from.saturating_add(length);
        if at > bytes.len() {
            break;
        }
        if length > 0 && wanted(slot) {
            out.push((slot, bytes.slice(from..at)));
        }
    }
    out
}

/// Inserts rows, many a statement. Blocks are powers of two, so that few texts are prepared whatever the number
/// of rows.
pub(super) async fn insert<T>(
    transaction: &mut Transaction<'_, Any>,
    head: &str,
    columns: usize,
    tail: &str,
    mut rows: &[T],
    bind: impl for<'q> Fn(Query<'q, Any, AnyArguments>, &T) -> Query<'q, Any, AnyArguments>,
) -> Result<(), StoreError> {
    const LARGEST: usize = 128;
    while !rows.is_empty() {
        let block = if rows.len() >= LARGEST { LARGEST } else { 1 << rows.len().ilog2() };
        let (now, later) = rows.split_at(block);
        let mut query = sqlx::query(AssertSqlSafe(values(head, columns, tail, block)));
        for row in now {
            query = bind(query, row);
        }
        query.execute(&mut **transaction).await?;
        rows = later;
    }
    Ok(())
}

/// `head ($1, $2), ($3, $4) tail`.
fn values(head: &str, columns: usize, tail: &str, rows: usize) -> String {
    let mut text = String::from(head);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 1..=columns {
            if column > 1 {
                text.push_str(", ");
            }
            text.push('$');
            text.push_str(&(row * columns + column).to_string());
        }
        text.push(')');
    }
    text.push_str(tail);
    text
}
