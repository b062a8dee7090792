//! Reading what is committed. Nothing here decides who may see it: see `outgoing`.

use std::collections::BTreeMap;

use bytes::Bytes;
use sqlx::{Row as _, any::AnyRow};

use almenara_proto::{
    keys::PublicKey,
    log::LogEntry,
    merkle::{self, CompactRange, Hash},
    name::Publisher,
    prefix::KeptKey,
    tile::TileId,
};

use super::{
    LogId, Place, Store, StoreError,
    chunks::{CHUNK, decode_chunk},
    json_numbers, json_pairs,
    write::{Revocation, Usage, id_prefix, signed},
};

/// A log's head as it was committed.
#[derive(Clone, Debug)]
pub struct StoredHead {
    /// Its number.
    pub log: LogId,
    /// Whose.
    pub member: String,
    /// Entries.
    pub size: u64,
    /// The right edge.
    pub tree: CompactRange,
    /// The newest signed note; empty when there is none.
    pub checkpoint: Bytes,
    /// The largest note with a quorum of cosignatures; empty when there is none.
    pub settled: Bytes,
    /// The first entry of which leaf hashes are missing.
    pub hollow: Option<u64>,
    /// Unix seconds: when entries last came; 0 before the first.
    pub moved_at: u64,
    /// All keys.
    pub keys: Vec<KeptKey>,
}

/// An entry as it was committed.
#[derive(Clone, Debug)]
pub struct StoredEntry {
    /// Its index.
    pub index: u64,
    /// `LogEntry`, verbatim.
    pub bytes: Bytes,
    /// Whether it counts.
    pub counts: bool,
    /// Whether every statement in it is TLP:CLEAR.
    pub open: bool,
}

impl StoredEntry {
    /// SHA-256 of the signed body; of the whole when it is no entry that can be read.
    #[must_use]
    pub fn id(&self) -> Hash {
        LogEntry::parse(&self.bytes).map_or_else(|_| merkle::sha256(&[&self.bytes]), |entry| entry.id())
    }
}

fn unsigned(number: i64) -> u64 {
    number.cast_unsigned()
}

fn optional(number: i64) -> Option<u64> {
    u64::try_from(number).ok()
}

fn damaged(what: &'static str) -> impl Fn(&dyn std::fmt::Display) -> StoreError {
    move |why| StoreError::Damaged { what, why: why.to_string() }
}

impl Store {
    /// All logs.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when a row makes no sense.
    pub async fn heads(&self) -> Result<Vec<StoredHead>, StoreError> {
        let rows = sqlx::query(
            "SELECT log, member, size, tree, checkpoint, settled, hollow, moved_at FROM logs ORDER BY log",
        )
        .fetch_all(&self.readers)
        .await?;
        let mut heads = Vec::new();
        for row in rows {
            let log: i64 = row.try_get(0)?;
            let number = LogId(u16::try_from(log).map_err(|error| damaged("log number")(&error))?);
            let stored = self.keys(log).await?;
            heads.push(StoredHead {
                log: number,
                member: row.try_get(1)?,
                size: unsigned(row.try_get(2)?),
                tree: CompactRange::from_bytes(&row.try_get::<Vec<u8>, _>(3)?)
                    .map_err(|error| damaged("tree")(&error))?,
                checkpoint: row.try_get::<Vec<u8>, _>(4)?.into(),
                settled: row.try_get::<Vec<u8>, _>(5)?.into(),
                hollow: optional(row.try_get(6)?),
                moved_at: unsigned(row.try_get(7)?),
                keys: stored
                    .into_iter()
                    .map(|kept| self.fresh.key(number, &kept.key).unwrap_or(kept))
                    .collect(),
            });
        }
        Ok(heads)
    }

    /// A log's keys as they were written; what they said since waits in `fresh`.
    pub(super) async fn keys(&self, log: i64) -> Result<Vec<KeptKey>, StoreError> {
        let key = |row: &AnyRow| -> Result<KeptKey, StoreError> {
            let bytes: Vec<u8> = row.try_get(0)?;
            Ok(KeptKey {
                key: PublicKey(bytes.try_into().map_err(|_| damaged("key")(&"32 bytes are expected"))?),
                publisher: row
                    .try_get::<String, _>(1)?
                    .parse::<Publisher>()
                    .map_err(|error| damaged("publisher")(&error))?,
                granted_at: unsigned(row.try_get(2)?),
                last_seq: optional(row.try_get(3)?),
                cut: optional(row.try_get(4)?),
                revoked_at: optional(row.try_get(5)?),
            })
        };
        sqlx::query(
            "SELECT public_key, publisher, granted_at, last_seq, cut, revoked_at FROM keys WHERE log = $1",
        )
        .bind(log)
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(key)
        .collect()
    }

    /// Logs whose key signed two histories: the last size that both have, and the evidence.
    ///
    /// # Errors
    /// As the database says.
    pub async fn quarantines(&self) -> Result<Vec<(LogId, u64, Vec<u8>)>, StoreError> {
        let rows =
            sqlx::query("SELECT log, agreed, evidence FROM quarantines").fetch_all(&self.readers).await?;
        let read = |row: &AnyRow| {
            let log =
                u16::try_from(row.try_get::<i64, _>(0)?).map_err(|error| damaged("log number")(&error))?;
            Ok((LogId(log), unsigned(row.try_get(1)?), row.try_get(2)?))
        };
        rows.iter().map(read).collect()
    }

    /// Entries that a relay showed, not whole, and of which the origin was not asked yet: at most `limit`, in order,
    /// behind `after`.
    ///
    /// # Errors
    /// As the database says.
    pub async fn relayed(
        &self,
        after: Option<(LogId, u64)>,
        limit: u32,
    ) -> Result<Vec<(LogId, u64)>, StoreError> {
        let (log, entry) = after.map_or((-1, -1), |(log, entry)| (i64::from(log.0), signed(entry)));
        let text = "SELECT log, entry FROM relayed WHERE log > $1 OR (log = $1 AND entry > $2) \
                    ORDER BY log, entry LIMIT $3";
        let rows =
            sqlx::query(text).bind(log).bind(entry).bind(i64::from(limit)).fetch_all(&self.readers).await?;
        let read = |row: &AnyRow| {
            let log =
                u16::try_from(row.try_get::<i64, _>(0)?).map_err(|error| damaged("log number")(&error))?;
            Ok((LogId(log), unsigned(row.try_get(1)?)))
        };
        rows.iter().map(read).collect()
    }

    /// What each publisher used of its day's quota.
    ///
    /// # Errors
    /// As the database says.
    pub async fn usage(&self) -> Result<Vec<Usage>, StoreError> {
        sqlx::query("SELECT publisher, day, statements FROM quotas")
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(|row| {
                Ok(Usage {
                    publisher: row.try_get(0)?,
                    day: unsigned(row.try_get(1)?),
                    statements: unsigned(row.try_get(2)?),
                })
            })
            .collect()
    }

    /// What the logs of others say of each member's keys.
    ///
    /// # Errors
    /// As the database says.
    pub async fn revocations(&self) -> Result<Vec<Revocation>, StoreError> {
        sqlx::query("SELECT member, public_key, since FROM revocations")
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(|row| {
                let key: Vec<u8> = row.try_get(1)?;
                Ok(Revocation {
                    member: row.try_get(0)?,
                    key: PublicKey(key.try_into().map_err(|_| damaged("key")(&"32 bytes are expected"))?),
                    since: unsigned(row.try_get(2)?),
                })
            })
            .collect()
    }

    /// Entries `[from, to)` of a log, at most `limit`.
    ///
    /// # Errors
    /// As the database says.
    pub async fn entries(
        &self,
        log: LogId,
        from: u64,
        to: u64,
        limit: u32,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        sqlx::query(
            "SELECT entry, bytes, counts, open FROM entries \
             WHERE log = $1 AND entry >= $2 AND entry < $3 ORDER BY entry LIMIT $4",
        )
        .bind(i64::from(log.0))
        .bind(signed(from))
        .bind(signed(to))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(|row| {
            Ok(StoredEntry {
                index: unsigned(row.try_get(0)?),
                bytes: row.try_get::<Vec<u8>, _>(1)?.into(),
                counts: row.try_get::<i64, _>(2)? != 0,
                open: row.try_get::<i64, _>(3)? != 0,
            })
        })
        .collect()
    }

    /// The statements of entries `[from, to)` that are here: by entry, then leaf and bytes, ascending.
    ///
    /// # Errors
    /// As the database says.
    pub async fn statements(
        &self,
        log: LogId,
        from: u64,
        to: u64,
    ) -> Result<BTreeMap<u64, Vec<(u32, Bytes)>>, StoreError> {
        let rows =
            sqlx::query("SELECT place, bytes FROM payloads WHERE place >= $1 AND place < $2 ORDER BY place")
                .bind(Place::new(log, from, 0)?.number())
                .bind(Place::new(log, to, 0)?.number())
                .fetch_all(&self.readers)
                .await?;
        let mut found: BTreeMap<u64, Vec<(u32, Bytes)>> = BTreeMap::new();
        for row in rows {
            let first = Place::from_number(row.try_get(0)?);
            let chunk = decode_chunk(row.try_get(1)?, |_| true).into_iter();
            found
                .entry(first.entry())
                .or_default()
                .extend(chunk.map(|(slot, bytes)| (first.leaf() + slot, bytes)));
        }
        Ok(found)
    }

    /// Statements by place; those that are not here are left out.
    ///
    /// # Errors
    /// As the database says.
    pub async fn statements_at(&self, places: &[Place]) -> Result<BTreeMap<Place, Bytes>, StoreError> {
        let mut wanted = places.to_vec();
        wanted.sort_unstable();
        let mut chunks: Vec<i64> =
            wanted.iter().map(|place| place.number() - i64::from(place.leaf() % CHUNK)).collect();
        chunks.dedup();
        if chunks.is_empty() {
            return Ok(BTreeMap::new());
        }
        let text = self.sql("SELECT place, bytes FROM payloads WHERE place IN ({numbers})");
        let rows = sqlx::query(text).bind(json_numbers(chunks)).fetch_all(&self.readers).await?;
        let mut found = BTreeMap::new();
        for row in rows {
            let first: i64 = row.try_get(0)?;
            let place = |slot| Place::from_number(first + i64::from(slot));
            let chunk = decode_chunk(row.try_get(1)?, |slot| wanted.binary_search(&place(slot)).is_ok());
            found.extend(chunk.into_iter().map(|(slot, bytes)| (place(slot), bytes)));
        }
        Ok(found)
    }

    /// Where indicators with these index keys, or entries with these first bytes of their ids, stand: `(key, place)`.
    /// Two may share a key: the caller compares.
    ///
    /// # Errors
    /// As the database says.
    pub async fn places(&self, keys: &[u64]) -> Result<Vec<(u64, Place)>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        // First what waits in memory: a row that is written meanwhile is then found in the table, or twice.
        let mut found = self.fresh.places(keys);
        // In one row: a thousand small ones cost more to hand over than to find.
        let text = self.sql("SELECT {list} FROM hashes WHERE hash IN ({numbers})");
        let list: Option<String> = sqlx::query_scalar(text)
            .bind(json_numbers(keys.iter().map(|key| key.cast_signed())))
            .fetch_one(&self.readers)
            .await?;
        for pair in list.as_deref().unwrap_or_default().split_terminator(',') {
            let pair = pair
                .split_once(':')
                .and_then(|(hash, place)| Some((hash.parse().ok()?, place.parse().ok()?)));
            let (hash, place) = pair.ok_or_else(|| damaged("index")(&"a hash and a place are expected"))?;
            found.push((unsigned(hash), Place::from_number(place)));
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Which of these places are withdrawn.
    ///
    /// # Errors
    /// As the database says.
    pub async fn withdrawn(&self, places: &[Place]) -> Result<Vec<Place>, StoreError> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let text = self.sql("SELECT place FROM withdrawn WHERE place IN ({numbers})");
        sqlx::query(text)
            .bind(json_numbers(places.iter().map(|place| place.number())))
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(|row| Ok(Place::from_number(row.try_get(0)?)))
            .collect()
    }

    /// Entries by log and index.
    ///
    /// # Errors
    /// As the database says.
    pub async fn entries_at(&self, wanted: &[(LogId, u64)]) -> Result<Vec<(LogId, StoredEntry)>, StoreError> {
        let mut found = Vec::new();
        let mut logs: BTreeMap<LogId, Vec<i64>> = BTreeMap::new();
        wanted.iter().for_each(|(log, entry)| logs.entry(*log).or_default().push(signed(*entry)));
        for (log, entries) in logs {
            let text = self.sql(
                "SELECT entry, bytes, counts, open FROM entries WHERE entry IN ({numbers}) AND log = $2",
            );
            let rows = sqlx::query(text)
                .bind(json_numbers(entries))
                .bind(i64::from(log.0))
                .fetch_all(&self.readers)
                .await?;
            for row in rows {
                found.push((
                    log,
                    StoredEntry {
                        index: unsigned(row.try_get(0)?),
                        bytes: row.try_get::<Vec<u8>, _>(1)?.into(),
                        counts: row.try_get::<i64, _>(2)? != 0,
                        open: row.try_get::<i64, _>(3)? != 0,
                    },
                ));
            }
        }
        Ok(found)
    }

    /// The entry whose signed body has this id, in this log.
    ///
    /// # Errors
    /// As the database says.
    pub async fn find(&self, log: LogId, id: &Hash) -> Result<Option<u64>, StoreError> {
        let places = self.places(&[id_prefix(id).cast_unsigned()]).await?;
        let wanted: Vec<(LogId, u64)> = places
            .iter()
            .filter(|(_, place)| place.log() == log && place.leaf() == 0)
            .map(|(_, place)| (log, place.entry()))
            .collect();
        let found = self.entries_at(&wanted).await?;
        Ok(found.into_iter().map(|(_, entry)| entry).filter(|entry| entry.id() == *id).map(|e| e.index).min())
    }

    /// Tiles by name; those that are not stored are left out.
    ///
    /// # Errors
    /// As the database says.
    pub async fn tiles(
        &self,
        log: LogId,
        ids: impl IntoIterator<Item = TileId>,
    ) -> Result<BTreeMap<TileId, Vec<u8>>, StoreError> {
        let wanted: Vec<(i64, i64)> =
            ids.into_iter().map(|id| (i64::from(id.level), signed(id.index))).collect();
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let text = self.sql(
            "SELECT tiles.level, tiles.tile, tiles.hashes FROM ({pairs}) AS wanted \
             JOIN tiles ON tiles.log = $2 AND tiles.level = wanted.a AND tiles.tile = wanted.b",
        );
        sqlx::query(text)
            .bind(json_pairs(&wanted))
            .bind(i64::from(log.0))
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(|row| {
                let level: i64 = row.try_get(0)?;
                let level = u8::try_from(level).map_err(|error| damaged("tile")(&error))?;
                Ok((TileId { level, index: unsigned(row.try_get(1)?) }, row.try_get(2)?))
            })
            .collect()
    }

    /// All leaf hashes of an entry that is not here whole.
    ///
    /// # Errors
    /// As the database says.
    pub async fn leaf_hashes(&self, log: LogId, entry: u64) -> Result<Option<Vec<Hash>>, StoreError> {
        let bytes: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT hashes FROM leaf_hashes WHERE log = $1 AND entry = $2")
                .bind(i64::from(log.0))
                .bind(signed(entry))
                .fetch_optional(&self.readers)
                .await?;
        Ok(bytes.map(|bytes| bytes.as_chunks::<32>().0.iter().map(|hash| Hash(*hash)).collect()))
    }

    /// The withdrawal behind each tombstone with one of these tags.
    ///
    /// # Errors
    /// As the database says.
    pub async fn tombstones(&self, tags: &[[u8; 32]]) -> Result<Vec<([u8; 32], u64, Hash)>, StoreError> {
        let mut found = Vec::new();
        for tag in tags {
            let row = sqlx::query("SELECT entry, withdrawal FROM tombstones WHERE tag = $1")
                .bind(tag.to_vec())
                .fetch_optional(&self.readers)
                .await?;
            if let Some(row) = row {
                let id: Vec<u8> = row.try_get(1)?;
                let id = Hash::try_from(id.as_slice()).map_err(|error| damaged("tombstone")(&error))?;
                found.push((*tag, unsigned(row.try_get(0)?), id));
            }
        }
        Ok(found)
    }

    /// All tombstones' tags.
    ///
    /// # Errors
    /// As the database says.
    pub async fn tombstone_tags(&self) -> Result<Vec<[u8; 32]>, StoreError> {
        sqlx::query("SELECT tag FROM tombstones")
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(|row| {
                row.try_get::<Vec<u8>, _>(0)?
                    .try_into()
                    .map_err(|_| damaged("tombstone")(&"32 bytes are expected"))
            })
            .collect()
    }
}
