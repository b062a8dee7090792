//! Changing what is stored of an entry that stands in its log. What the log's tree has of it stays as it is.

use std::collections::BTreeSet;

use sqlx::{Any, Transaction};

use almenara_proto::{
    batch::{BatchHeader, statement_id},
    log::LogEntry,
    statement::Statement,
};

use super::{
    LogId, Place, Store, StoreError,
    chunks::{CHUNK, Stored, chunk, chunks, decode_chunk},
    fresh::IndexRow,
    json_numbers, json_pairs,
    rows::Inserts,
    tables::{HASHES, PAYLOADS},
    write::{NewEntry, add_statements, index_row, index_rows, signed},
};

impl Store {
    /// Replaces what is stored of an entry by a sound copy: its bytes, its statements, its leaf hashes.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn mend(&self, log: LogId, entry: NewEntry) -> Result<(), StoreError> {
        let first = Place::new(log, entry.index, 0)?;
        let mut transaction = self.writer.begin().await?;
        sqlx::query("UPDATE entries SET bytes = $1, open = $2 WHERE log = $3 AND entry = $4")
            .bind(entry.bytes.to_vec())
            .bind(i64::from(entry.open))
            .bind(i64::from(log.0))
            .bind(signed(entry.index))
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM payloads WHERE place >= $1 AND place <= $2")
            .bind(first.number())
            .bind(first.number() | 0xfff)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM leaf_hashes WHERE log = $1 AND entry = $2")
            .bind(i64::from(log.0))
            .bind(signed(entry.index))
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM relayed WHERE log = $1 AND entry = $2")
            .bind(i64::from(log.0))
            .bind(signed(entry.index))
            .execute(&mut *transaction)
            .await?;
        let entries = [entry];
        let mut inserts = Inserts::default();
        add_statements(&mut inserts, log, &entries)?;
        // A start that met the rot may have indexed something else.
        inserts.add(HASHES, &index_rows(log, &entries)?, index_row);
        inserts.send(self.dialect, &mut transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Makes the statements at some leaves of an entry disappear: nothing of them can be read or found here any more,
    /// nor, after [`Self::write_back`], seen in SQLite's files. All leaf hashes of the batch stay, so that it can still
    /// be proven and relayed. Leaves that are not here are passed over; gives how many were.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn drop_statements(
        &self,
        log: LogId,
        entry: u64,
        leaves: &BTreeSet<u32>,
    ) -> Result<usize, StoreError> {
        let first = Place::new(log, entry, 0)?;
        let mut transaction = self.writer.begin().await?;
        let held = held(&mut transaction, first).await?;
        let (gone, stay): (Vec<Stored>, Vec<Stored>) =
            held.iter().cloned().partition(|(leaf, ..)| leaves.contains(leaf));
        if gone.is_empty() {
            return Ok(0);
        }
        keep_leaf_hashes(&mut transaction, log, entry, &held).await?;
        let touched: BTreeSet<u32> = gone.iter().map(|(leaf, ..)| leaf / CHUNK).collect();
        let places = touched.iter().map(|chunk| first.number() | i64::from(chunk * CHUNK));
        let text = self.sql("DELETE FROM payloads WHERE place IN ({numbers})");
        sqlx::query(text).bind(json_numbers(places)).execute(&mut *transaction).await?;
        let mut inserts = Inserts::default();
        put_chunks(&mut inserts, first, &stay, &touched);
        inserts.send(self.dialect, &mut transaction).await?;
        let rows = rows_of(first, &gone);
        let text = self.sql("DELETE FROM hashes WHERE (hash, place) IN ({pairs})");
        sqlx::query(text).bind(json_pairs(&rows)).execute(&mut *transaction).await?;
        sqlx::query("UPDATE entries SET open = 0 WHERE log = $1 AND entry = $2")
            .bind(i64::from(log.0))
            .bind(signed(entry))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.fresh.forget(&rows);
        Ok(gone.len())
    }

    /// Stores statements of an entry that were not here, and are proven to stand at these leaves.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub async fn add_statements(
        &self,
        log: LogId,
        entry: u64,
        statements: &[Stored],
    ) -> Result<(), StoreError> {
        let first = Place::new(log, entry, 0)?;
        let mut transaction = self.writer.begin().await?;
        let mut all = held(&mut transaction, first).await?;
        all.retain(|(leaf, ..)| !statements.iter().any(|(new, ..)| new == leaf));
        all.extend_from_slice(statements);
        all.sort_unstable_by_key(|(leaf, ..)| *leaf);
        let touched = statements.iter().map(|(leaf, ..)| leaf / CHUNK).collect();
        let mut inserts = Inserts::default();
        put_chunks(&mut inserts, first, &all, &touched);
        inserts.add(HASHES, &rows_of(first, statements), index_row);
        inserts.send(self.dialect, &mut transaction).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// The statements of an entry that are here, by leaf.
async fn held(transaction: &mut Transaction<'_, Any>, first: Place) -> Result<Vec<Stored>, StoreError> {
    let rows: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT place, bytes FROM payloads WHERE place >= $1 AND place <= $2 ORDER BY place")
            .bind(first.number())
            .bind(first.number() | 0xfff)
            .fetch_all(&mut **transaction)
            .await?;
    let chunks = rows
        .into_iter()
        .map(|(place, bytes)| (Place::from_number(place).leaf(), decode_chunk(bytes, |_| true)));
    let statements = chunks.flat_map(|(at, chunk)| {
        chunk.into_iter().map(move |(slot, bytes)| {
            let key = Statement::parse(&bytes).ok().map(|statement| statement.indicator.index_key());
            (at.saturating_add(slot), bytes, key)
        })
    });
    Ok(statements.collect())
}

/// Of a batch that was here whole no leaf hashes are stored: they follow from its statements for as long as it is.
async fn keep_leaf_hashes(
    transaction: &mut Transaction<'_, Any>,
    log: LogId,
    entry: u64,
    held: &[Stored],
) -> Result<(), StoreError> {
    let bytes: Vec<u8> = sqlx::query_scalar("SELECT bytes FROM entries WHERE log = $1 AND entry = $2")
        .bind(i64::from(log.0))
        .bind(signed(entry))
        .fetch_one(&mut **transaction)
        .await?;
    let Some(header) = header(bytes).filter(|header| header.count as usize == held.len()) else {
        return Ok(());
    };
    let origin = header.origin_hash();
    let hashes: Vec<u8> = held.iter().flat_map(|(_, bytes, _)| statement_id(&origin, bytes).0).collect();
    // Those that are stored are what the root was checked with when they came.
    sqlx::query("INSERT INTO leaf_hashes (log, entry, hashes) VALUES ($1, $2, $3) ON CONFLICT (log, entry) DO NOTHING")
        .bind(i64::from(log.0))
        .bind(signed(entry))
        .bind(hashes)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

fn header(bytes: Vec<u8>) -> Option<BatchHeader> {
    match LogEntry::parse(&bytes.into()).ok()? {
        LogEntry::Batch(signed) => Some(signed.content),
        _ => None,
    }
}

/// Writes the chunks of `all` that are among `touched`.
fn put_chunks(inserts: &mut Inserts, first: Place, all: &[Stored], touched: &BTreeSet<u32>) {
    let is_touched = |statements: &[Stored]| {
        statements.first().is_some_and(|(leaf, ..)| touched.contains(&(leaf / CHUNK)))
    };
    let chunks = chunks(first.number(), all).filter(|(_, statements)| is_touched(statements));
    inserts.add(PAYLOADS, chunks, chunk);
}

fn rows_of(first: Place, statements: &[Stored]) -> Vec<IndexRow> {
    let row =
        |(leaf, _, key): &Stored| Some((key.as_ref()?.cast_signed(), first.number() | i64::from(*leaf)));
    statements.iter().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use almenara_proto::{
        batch::{Author, seal},
        indicator::{Indicator, Kind},
        keys::SigningKey,
        merkle::{self, CompactRange, Hash},
        name::Publisher,
        release::Release,
        statement::{Category, Claim, Report, Ruleset},
    };

    use super::*;
    use crate::store::write::Append;

    /// More than one chunk, the last one not full.
    const COUNT: u8 = 40;

    fn domain(leaf: u8) -> String {
        format!("scam-{leaf:03}.example")
    }

    /// One batch of [`COUNT`] statements, as a node stores it: the store's address, the batch and its leaf hashes.
    async fn stored() -> (tempfile::TempDir, String, BatchHeader, Vec<Hash>) {
        let publisher: Publisher = "police.th.example/desk".parse().unwrap();
        let key = SigningKey::from_bytes(&[1; 32]);
        let author = Author { federation: "f.example", publisher: &publisher, key: &key };
        let statement = |leaf: u8| Statement {
            nonce: [leaf; 16],
            indicator: Indicator::new(Kind::Domain, domain(leaf)).unwrap(),
            made_at: 1,
            ruleset: Ruleset::default(),
            release: Release::clear(),
            copies: 0,
            claim: Claim::Report(Report::new(Kind::Domain, Category::PHISHING, 1)),
        };
        let batch = seal(&author, (0..COUNT).map(statement).collect(), 1, 1, 1).unwrap();
        let statements: Vec<Stored> = (0u32..)
            .zip(&batch.statements)
            .map(|(leaf, bytes)| {
                (leaf, bytes.clone(), Some(Statement::parse(bytes).unwrap().indicator.index_key()))
            })
            .collect();
        let origin = batch.header.content.origin_hash();
        let hashes = batch.statements.iter().map(|bytes| statement_id(&origin, bytes)).collect();
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("node.db").display());
        let store = Store::open(&url).await.unwrap();
        let log = store.add_log("police.th.example").await.unwrap();
        let entry = LogEntry::Batch(batch.header.clone());
        let append = Append {
            log,
            old_size: 0,
            size: 1,
            tree: CompactRange::new().to_bytes(),
            checkpoint: Bytes::new(),
            settled: Bytes::new(),
            archived: None,
            hollow: None,
            moved_at: 0,
            entries: vec![NewEntry {
                index: 0,
                id: entry.id(),
                bytes: entry.encode(),
                counts: true,
                open: true,
                statements,
                leaf_hashes: None,
                relayed: false,
            }],
            tiles: Vec::new(),
            spoke: Vec::new(),
            keys: Vec::new(),
            withdrawn: Vec::new(),
            erased: Vec::new(),
            tombstones: Vec::new(),
            revocations: Vec::new(),
        };
        store.commit(&[append], &[]).await.unwrap();
        store.close().await;
        (folder, url, batch.header.content, hashes)
    }

    fn in_files(folder: &tempfile::TempDir, text: &str) -> bool {
        std::fs::read_dir(folder.path()).unwrap().any(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        })
    }

    /// What is here, what is found, and that all leaf hashes are known.
    async fn check(store: &Store, stay: &[u32], hashes: &[Hash]) {
        let mut held = store.statements(LogId(0), 0, 1).await.unwrap();
        let held: Vec<u32> = held.remove(&0).unwrap_or_default().into_iter().map(|(leaf, _)| leaf).collect();
        assert_eq!(held, stay);
        for leaf in 0..COUNT {
            let key = Indicator::new(Kind::Domain, domain(leaf)).unwrap().index_key();
            let found = !store.places(&[key]).await.unwrap().is_empty();
            assert_eq!(found, stay.contains(&u32::from(leaf)), "{leaf}");
        }
        assert_eq!(store.leaf_hashes(LogId(0), 0).await.unwrap().as_deref(), Some(hashes));
        assert!(!store.entries(LogId(0), 0, 1, 1).await.unwrap()[0].open);
    }

    #[tokio::test]
    async fn a_dropped_statement_is_in_no_file_and_the_batch_is_still_proven() {
        let (folder, url, header, hashes) = stored().await;
        let store = Store::open(&url).await.unwrap();
        assert!(in_files(&folder, &domain(17)));
        let gone = BTreeSet::from([0, 17, 39, 4_000]);
        assert_eq!(store.drop_statements(LogId(0), 0, &gone).await.unwrap(), 3);
        assert_eq!(store.drop_statements(LogId(0), 0, &gone).await.unwrap(), 0);
        store.write_back().await;
        let stay: Vec<u32> = (0..u32::from(COUNT)).filter(|leaf| !gone.contains(leaf)).collect();
        check(&store, &stay, &hashes).await;
        store.close().await;
        drop(store);
        // Its index rows are read again out of what is stored.
        let store = Store::open(&url).await.unwrap();
        check(&store, &stay, &hashes).await;
        assert_eq!(merkle::root(&hashes), header.root);
        assert!(!in_files(&folder, &domain(17)) && in_files(&folder, &domain(18)));
    }

    #[tokio::test]
    async fn what_was_dropped_can_be_added_again_and_survives_a_start() {
        let (_folder, url, _, hashes) = stored().await;
        let store = Store::open(&url).await.unwrap();
        let mut before = store.statements(LogId(0), 0, 1).await.unwrap();
        let before: Vec<Stored> = before
            .remove(&0)
            .unwrap()
            .into_iter()
            .map(|(leaf, bytes)| {
                let key = Statement::parse(&bytes).unwrap().indicator.index_key();
                (leaf, bytes, Some(key))
            })
            .collect();
        let all: BTreeSet<u32> = (0..u32::from(COUNT)).collect();
        assert_eq!(store.drop_statements(LogId(0), 0, &all).await.unwrap(), usize::from(COUNT));
        check(&store, &[], &hashes).await;
        let some = |leaves: &[u32]| -> Vec<Stored> {
            before.iter().filter(|(leaf, ..)| leaves.contains(leaf)).cloned().collect()
        };
        store.add_statements(LogId(0), 0, &some(&[3, 33])).await.unwrap();
        store.add_statements(LogId(0), 0, &some(&[2, 3])).await.unwrap();
        check(&store, &[2, 3, 33], &hashes).await;
        store.close().await;
        drop(store);
        let store = Store::open(&url).await.unwrap();
        check(&store, &[2, 3, 33], &hashes).await;
    }
}
