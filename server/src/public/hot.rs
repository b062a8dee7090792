//! Tiles that are asked for again and again, in memory.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;

use almenara_proto::tile::TilePath;

use crate::store::LogId;

/// Bytes of one generation: a thousand tiles. There are two, and a node is to stay below 256 MiB in all.
const GENERATION: usize = 8 << 20;

type Key = (LogId, TilePath);

/// A bounded memory that forgets what was not asked for lately. What is kept under a path is the same for ever, so
/// nothing in here grows old.
#[derive(Debug, Default)]
pub(super) struct Hot(Mutex<Generations>);

/// When the young are enough they become the old ones, and those that nobody asked for meanwhile are dropped.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Key, Bytes>,
    old: HashMap<Key, Bytes>,
    bytes: usize,
}

impl Hot {
    pub(super) fn get(&self, key: Key) -> Option<Bytes> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = kept.young.get(&key) {
            return Some(bytes.clone());
        }
        let bytes = kept.old.remove(&key)?;
        kept.keep(key, bytes.clone());
        Some(bytes)
    }

    /// One that would take more than a quarter of a generation is not kept.
    pub(super) fn put(&self, key: Key, bytes: &Bytes) {
        if bytes.len() <= GENERATION / 4 {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).keep(key, bytes.clone());
        }
    }
}

impl Generations {
    fn keep(&mut self, key: Key, bytes: Bytes) {
        if self.bytes.saturating_add(bytes.len()) > GENERATION {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes = self.bytes.saturating_add(bytes.len());
        self.young.insert(key, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_forgotten_in_time() {
        let (hot, size) = (Hot::default(), 8192);
        let key = |n: u64| (LogId(1), TilePath::Entries { index: n, partial: None });
        let tile = Bytes::from(vec![7; size]);
        let many = (4 * GENERATION / size) as u64;
        for n in 1..many {
            hot.put(key(n), &tile);
            hot.put(key(0), &tile);
            assert_eq!(hot.get(key(0)).as_ref(), Some(&tile), "asked for each time");
        }
        let held = (1..many).filter(|n| hot.get(key(*n)).is_some()).count();
        assert!(held < 2 * GENERATION / size, "{held} are held");
        assert_eq!(hot.get((LogId(2), key(0).1)), None, "another log");
        hot.put(key(many), &Bytes::from(vec![7; GENERATION / 2]));
        assert_eq!(hot.get(key(many)), None, "too large to be worth it");
    }
}
