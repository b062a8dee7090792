//! What waits to be written many at a time.
//!
//! A statement's one random key costs a whole page of the index when it is written alone: 64 single publications
//! would rewrite a megabyte. So rows of small commits stay here until there are [`FLUSH`] of them, and with them the last
//! `seq` of each key that spoke. Nothing is lost with the process: all of it is derived from entries and payloads, and
//! `logs.indexed` says from which entry on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock},
};

use almenara_proto::{keys::PublicKey, prefix::KeptKey};

use super::{LogId, Place, write::Append};

/// Rows that are written together: of a million statements each page of the index then takes ten of them. In memory they
/// have 16 bytes each, and a start derives them again.
pub(super) const FLUSH: usize = 32_768;

/// `(indicator, place)`, as the columns have them.
pub(super) type IndexRow = (i64, i64);

/// Keys as they are after the last entry.
type Keys = BTreeMap<(LogId, PublicKey), KeptKey>;

/// What readers must see besides the tables. Written by the one writer, after its commit.
#[derive(Clone, Debug, Default)]
pub(super) struct Fresh(Arc<RwLock<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    rows: BTreeSet<IndexRow>,
    spoke: Keys,
}

/// All that waited, to be written now.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// In key order, so that neighbours share pages of the tree.
    pub(super) rows: Vec<IndexRow>,
    pub(super) spoke: Keys,
}

impl Waiting {
    /// Keys that did more than speak are in the table already.
    fn speak(spoke: &mut Keys, appends: &[Append]) {
        for append in appends {
            spoke.extend(append.spoke.iter().map(|kept| ((append.log, kept.key), kept.clone())));
            for kept in &append.keys {
                spoke.remove(&(append.log, kept.key));
            }
        }
    }
}

impl Fresh {
    /// All that waits and what `appends` add to it, when `more` of their rows make it worth to write it.
    pub(super) fn due(&self, more: &[IndexRow], appends: &[Append]) -> Option<Due> {
        let waiting = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if waiting.rows.len().saturating_add(more.len()) < FLUSH {
            return None;
        }
        let mut rows: Vec<IndexRow> = waiting.rows.iter().chain(more).copied().collect();
        rows.sort_unstable();
        rows.dedup();
        let mut spoke = waiting.spoke.clone();
        Waiting::speak(&mut spoke, appends);
        Some(Due { rows, spoke })
    }

    /// Keeps what is derived from durable entries.
    pub(super) fn keep(&self, rows: impl IntoIterator<Item = IndexRow>, appends: &[Append]) {
        let mut waiting = self.0.write().unwrap_or_else(PoisonError::into_inner);
        waiting.rows.extend(rows);
        Waiting::speak(&mut waiting.spoke, appends);
    }

    /// Keeps what a start found out again.
    pub(super) fn recall(&self, log: LogId, rows: impl IntoIterator<Item = IndexRow>, spoke: Vec<KeptKey>) {
        let mut waiting = self.0.write().unwrap_or_else(PoisonError::into_inner);
        waiting.rows.extend(rows);
        waiting.spoke.extend(spoke.into_iter().map(|kept| ((log, kept.key), kept)));
    }

    /// Forgets all: it stands in the tables now.
    pub(super) fn written(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Waiting::default();
    }

    /// Forgets rows of statements that are not here any more.
    pub(super) fn forget(&self, gone: &[IndexRow]) {
        let mut waiting = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for row in gone {
            waiting.rows.remove(row);
        }
    }

    /// Forgets a whole log, whose places these are.
    pub(super) fn forget_log(&self, log: LogId, first: i64, last: i64) {
        let mut waiting = self.0.write().unwrap_or_else(PoisonError::into_inner);
        waiting.rows.retain(|(_, place)| !(first..=last).contains(place));
        waiting.spoke.retain(|(of, _), _| *of != log);
    }

    /// The places of these keys.
    pub(super) fn places(&self, keys: &[u64]) -> Vec<(u64, Place)> {
        let waiting = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if waiting.rows.is_empty() {
            return Vec::new();
        }
        let of = |key: &u64| {
            let indicator = key.cast_signed();
            let found = waiting.rows.range((indicator, i64::MIN)..=(indicator, i64::MAX));
            found.map(|(_, place)| (*key, Place::from_number(*place))).collect::<Vec<_>>()
        };
        keys.iter().flat_map(of).collect()
    }

    /// The key as it is, when it spoke since it was written.
    pub(super) fn key(&self, log: LogId, key: &PublicKey) -> Option<KeptKey> {
        let waiting = self.0.read().unwrap_or_else(PoisonError::into_inner);
        waiting.spoke.get(&(log, *key)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use almenara_proto::{
        batch::{Author, seal},
        indicator::{Indicator, Kind},
        keys::SigningKey,
        log::LogEntry,
        merkle::CompactRange,
        name::Publisher,
        release::Release,
        statement::{Category, Claim, Report, Ruleset, Statement},
    };
    use bytes::Bytes;

    use super::{
        super::{Store, write::NewEntry},
        *,
    };

    #[test]
    fn rows_wait_until_there_are_many() {
        let fresh = Fresh::default();
        assert!(fresh.due(&[(1, 1)], &[]).is_none());
        fresh.keep([(7, 2), (7, 1), (9, 3)], &[]);
        let places = fresh.places(&[7, 8]);
        assert_eq!(places, vec![(7, Place::from_number(1)), (7, Place::from_number(2))]);
        let many: Vec<IndexRow> = (0..FLUSH as i64).map(|n| (n, n)).collect();
        let due = fresh.due(&many, &[]).expect("enough").rows;
        assert_eq!(due.len(), FLUSH + 3);
        assert!(due.is_sorted());
        fresh.written();
        assert!(fresh.places(&[7]).is_empty());
    }

    /// A batch of one as entry `seq` - 1, and as many index rows as it shall bring.
    fn batch(key: &SigningKey, publisher: &Publisher, seq: u64, rows: u32) -> NewEntry {
        let author = Author { federation: "f.example", publisher, key };
        let statement = Statement {
            nonce: [0; 16],
            indicator: Indicator::new(Kind::Domain, "scam.example").expect("a domain"),
            made_at: 1,
            ruleset: Ruleset::default(),
            release: Release::clear(),
            copies: 0,
            claim: Claim::Report(Report::new(Kind::Domain, Category::PHISHING, 1)),
        };
        let batch = seal(&author, vec![statement], seq, 1, 1).expect("a batch");
        let entry = LogEntry::Batch(batch.header);
        NewEntry {
            index: seq - 1,
            id: entry.id(),
            bytes: entry.encode(),
            counts: true,
            open: true,
            statements: (0..rows).map(|leaf| (leaf, Bytes::new(), Some(u64::from(leaf)))).collect(),
            leaf_hashes: None,
            relayed: false,
        }
    }

    fn append(log: LogId, entries: Vec<NewEntry>) -> Append {
        let old_size = entries.first().map_or(0, |entry| entry.index);
        Append {
            log,
            old_size,
            size: old_size + entries.len() as u64,
            tree: CompactRange::new().to_bytes(),
            checkpoint: Bytes::new(),
            settled: Bytes::new(),
            archived: None,
            hollow: None,
            moved_at: 0,
            entries,
            tiles: Vec::new(),
            spoke: Vec::new(),
            keys: Vec::new(),
            withdrawn: Vec::new(),
            erased: Vec::new(),
            tombstones: Vec::new(),
            revocations: Vec::new(),
        }
    }

    #[tokio::test]
    async fn what_a_key_said_last_is_known_whether_it_waits_was_written_or_was_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("node.db").display());
        let mut store = Store::open(&url).await.expect("a store");
        let log = store.add_log("police.th.example").await.expect("a log");
        let publisher: Publisher = "police.th.example/desk".parse().expect("a publisher");
        let key = SigningKey::from_bytes(&[1; 32]);
        let kept = |last_seq| KeptKey {
            key: PublicKey::of(&key),
            publisher: publisher.clone(),
            granted_at: 0,
            last_seq: Some(last_seq),
            cut: None,
            revoked_at: None,
        };
        let first = Append { keys: vec![kept(1)], ..append(log, vec![batch(&key, &publisher, 1, 1)]) };
        store.commit(&[first], &[]).await.expect("it fits");
        // Alone it waits; many rows take it with them; and again it waits.
        for (seqs, rows, waits) in [(2..=2, 1, true), (3..=11, 4_000, false), (12..=12, 1, true)] {
            let seq = *seqs.end();
            let entries = seqs.map(|seq| batch(&key, &publisher, seq, rows)).collect();
            let next = Append { spoke: vec![kept(seq)], ..append(log, entries) };
            store.commit(&[next], &[]).await.expect("it fits");
            assert_eq!(store.fresh.key(log, &PublicKey::of(&key)).is_some(), waits, "{seq}");
            for restarted in [false, true] {
                let found = store.heads().await.expect("heads");
                assert_eq!(found[0].keys, [kept(seq)], "{seq}, restarted: {restarted}");
                if !restarted {
                    store.close().await;
                    drop(store);
                    store = Store::open(&url).await.expect("a store");
                }
            }
        }
        // A history that the roster gave up takes with it what waits.
        store.forget(log, true).await.expect("it goes");
        assert!(store.fresh.key(log, &PublicKey::of(&key)).is_none());
    }

    #[test]
    fn a_key_that_did_more_than_speak_does_not_wait() {
        let publisher: Publisher = "police.th.example/desk".parse().expect("a publisher");
        let kept = |last_seq, cut| KeptKey {
            key: PublicKey([7; 32]),
            publisher: publisher.clone(),
            granted_at: 0,
            last_seq: Some(last_seq),
            cut,
            revoked_at: None,
        };
        let fresh = Fresh::default();
        let log = LogId(0);
        fresh.keep([], &[Append { spoke: vec![kept(5, None)], ..append(log, Vec::new()) }]);
        assert_eq!(fresh.key(log, &PublicKey([7; 32])), Some(kept(5, None)));
        assert_eq!(fresh.key(LogId(1), &PublicKey([7; 32])), None, "it is another log");
        fresh.keep([], &[Append { keys: vec![kept(5, Some(3))], ..append(log, Vec::new()) }]);
        assert_eq!(fresh.key(log, &PublicKey([7; 32])), None, "an older life would overwrite the new one");
    }
}
