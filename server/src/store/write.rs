//! The writing transaction: everything that one group commit adds, all or nothing.

use std::collections::HashMap;

use bytes::Bytes;
use sqlx::{Row as _, error::ErrorKind};

use almenara_proto::{
    keys::PublicKey, log::LogEntry, merkle::Hash, prefix::KeptKey, statement::Statement, tile::TileId,
};

use crate::heads::Settled;

use super::{
    LogId, Place, Store, StoreError,
    chunks::{Stored, chunk, chunks},
    erased::{self, Erasure},
    fresh::IndexRow,
    read::StoredEntry,
    rows::{Inserts, Row},
    tables::{
        ENTRIES, HASHES, HEADS, KEYS, LEAF_HASHES, PAYLOADS, QUOTAS, RELAYED, REVOCATIONS, SETTLINGS, TILES,
        TOMBSTONES, WITHDRAWN,
    },
};

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
    /// Keys that spoke, and of which nothing else is new: the entries that count tell it.
    pub spoke: Vec<KeptKey>,
    /// All other keys of which something is new.
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
    /// Those that came, ascending.
    pub statements: Vec<Stored>,
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
        let mut inserts = Inserts::default();
        let mut rows = Vec::new();
        for append in appends {
            inserts.add(HEADS, [append], head);
            add(&mut inserts, append)?;
            rows.extend(index_rows(append.log, &append.entries)?);
        }
        let quota = |row: &mut Row<'_>, usage: &Usage| {
            row.text(&usage.publisher).number(signed(usage.day)).number(signed(usage.statements));
        };
        inserts.add(QUOTAS, usage, quota);
        let due = self.fresh.due(&rows, appends);
        if let Some(due) = &due {
            inserts.add(HASHES, &due.rows, index_row);
            inserts.add(KEYS, &due.spoke, |row, ((log, _), key)| key_row(row, *log, key));
        }
        let mut transaction = self.writer.begin().await?;
        inserts.send(self.dialect, &mut transaction).await.map_err(head_moved)?;
        if due.is_some() {
            sqlx::query("UPDATE logs SET indexed = size").execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        appends.iter().for_each(|append| self.erased.keep(&append.erased));
        match due {
            Some(_) => self.fresh.written(),
            None => self.fresh.keep(rows, appends),
        }
        Ok(())
    }

    /// After a start: the rows of statements that no index has yet, out of their payloads, and what keys said last, out of
    /// entries.
    pub(super) async fn recall_fresh(&self) -> Result<(), StoreError> {
        let logs = sqlx::query("SELECT log, indexed, size FROM logs WHERE indexed < size")
            .fetch_all(&self.readers)
            .await?;
        for row in logs {
            let log: i64 = row.try_get(0)?;
            let keys = self.keys(log).await?;
            let mut keys: HashMap<PublicKey, KeptKey> =
                keys.into_iter().map(|kept| (kept.key, kept)).collect();
            let log = LogId(u16::try_from(log).unwrap_or(u16::MAX));
            let (indexed, size): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
            let (indexed, size) = (indexed.cast_unsigned(), size.cast_unsigned());
            for from in (indexed..size).step_by(RECALLED) {
                let to = from.saturating_add(RECALLED as u64).min(size);
                let (mut rows, mut spoke) = (Vec::new(), Vec::new());
                for entry in self.entries(log, from, to, u32::MAX).await? {
                    let place = Place::new(log, entry.index, 0)?;
                    rows.push((id_prefix(&entry.id()), place.number()));
                    if let Some((key, seq)) = said(&entry)
                        && let Some(kept) = keys.get_mut(&key)
                    {
                        kept.last_seq = kept.last_seq.max(Some(seq));
                        spoke.push(kept.clone());
                    }
                }
                for (entry, statements) in self.statements(log, from, to).await? {
                    for (leaf, bytes) in statements {
                        if let Ok(statement) = Statement::parse(&bytes) {
                            let place = Place::new(log, entry, leaf)?;
                            rows.push((statement.indicator.index_key().cast_signed(), place.number()));
                        }
                    }
                }
                self.fresh.recall(log, rows, spoke);
            }
        }
        Ok(())
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

fn head(row: &mut Row<'_>, append: &Append) {
    row.number(i64::from(append.log.0)).number(signed(append.old_size)).number(signed(append.size));
    row.bytes(&append.tree).bytes(&append.checkpoint).bytes(&append.settled);
    row.number(optional(append.hollow)).number(signed(append.moved_at));
}

/// Nothing but a head that somebody else moved is ever without a value.
fn head_moved(error: StoreError) -> StoreError {
    match &error {
        StoreError::Database(cause)
            if cause.as_database_error().is_some_and(|it| it.kind() == ErrorKind::NotNullViolation) =>
        {
            StoreError::HeadMoved
        }
        _ => error,
    }
}

/// What a group commit adds, row by row.
fn add(inserts: &mut Inserts, append: &Append) -> Result<(), StoreError> {
    let log = i64::from(append.log.0);
    let settling = |row: &mut Row<'_>, note: &Settled| {
        row.number(log).number(signed(note.size)).bytes(&note.note);
    };
    inserts.add(SETTLINGS, &append.archived, settling);
    let entry = |row: &mut Row<'_>, entry: &NewEntry| {
        row.number(log).number(signed(entry.index));
        row.number(i64::from(entry.counts)).number(i64::from(entry.open)).bytes(&entry.bytes);
    };
    inserts.add(ENTRIES, &append.entries, entry);
    let tile = |row: &mut Row<'_>, (tile, hashes): &(TileId, Vec<u8>)| {
        row.number(log).number(i64::from(tile.level)).number(signed(tile.index)).bytes(hashes);
    };
    inserts.add(TILES, &append.tiles, tile);
    inserts.add(KEYS, &append.keys, |row, key| key_row(row, append.log, key));
    add_statements(inserts, append.log, &append.entries)?;
    let ended = |row: &mut Row<'_>, (place, by): &(Place, u64)| {
        row.number(place.number()).number(signed(*by));
    };
    inserts.add(WITHDRAWN, &append.withdrawn, ended);
    erased::add(inserts, &append.erased);
    let stone = |row: &mut Row<'_>, stone: &Tombstone| {
        row.bytes(&stone.tag).number(signed(stone.entry)).bytes(&stone.withdrawal.0);
    };
    inserts.add(TOMBSTONES, &append.tombstones, stone);
    let revocation = |row: &mut Row<'_>, revocation: &Revocation| {
        // Anybody may name any number here; no log comes near 2⁶³ entries.
        let since = i64::try_from(revocation.since).unwrap_or(i64::MAX);
        row.text(&revocation.member).bytes(&revocation.key.0).number(since);
    };
    inserts.add(REVOCATIONS, &append.revocations, revocation);
    Ok(())
}

fn key_row(row: &mut Row<'_>, log: LogId, key: &KeptKey) {
    row.number(i64::from(log.0))
        .bytes(&key.key.0)
        .text(key.publisher.as_str())
        .number(signed(key.granted_at));
    row.number(optional(key.last_seq)).number(optional(key.cut)).number(optional(key.revoked_at));
}

/// Writes payloads in chunks, the leaf hashes of entries that are not here whole, and which came from a relay.
pub(super) fn add_statements(
    inserts: &mut Inserts,
    log: LogId,
    entries: &[NewEntry],
) -> Result<(), StoreError> {
    let place = |entry: &NewEntry| Ok(Place::new(log, entry.index, 0)?.number());
    let first = entries.iter().map(place).collect::<Result<Vec<_>, StoreError>>()?;
    let chunks = first.into_iter().zip(entries).flat_map(|(first, entry)| chunks(first, &entry.statements));
    inserts.add(PAYLOADS, chunks, chunk);
    let log = i64::from(log.0);
    let hidden = entries.iter().filter_map(|entry| Some((entry.index, entry.leaf_hashes.as_ref()?)));
    let hashes = |row: &mut Row<'_>, (entry, hashes): (u64, &Vec<Hash>)| {
        let hashes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
        row.number(log).number(signed(entry)).bytes(&hashes);
    };
    inserts.add(LEAF_HASHES, hidden, hashes);
    let relayed = entries.iter().filter(|entry| entry.relayed);
    inserts.add(RELAYED, relayed, |row, entry| {
        row.number(log).number(signed(entry.index));
    });
    Ok(())
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

pub(super) fn index_row(row: &mut Row<'_>, (hash, place): &IndexRow) {
    row.number(*hash).number(*place);
}

/// The key and the `seq` of an entry that counts. Keys of entries that do not are written with them.
fn said(entry: &StoredEntry) -> Option<(PublicKey, u64)> {
    match LogEntry::parse(&entry.bytes).ok().filter(|_| entry.counts)? {
        LogEntry::Batch(signed) => Some((signed.content.key, signed.content.seq)),
        LogEntry::Withdrawal(signed) => Some((signed.content.key, signed.content.seq)),
        LogEntry::KeyGrant(_) | LogEntry::KeyRevocation(_) | LogEntry::Override(_) => None,
    }
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
