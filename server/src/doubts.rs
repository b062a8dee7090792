//! Entries that are to be looked at again: noticed by many, looked at by one, who is woken at once by what is new, and
//! after pauses that double by what could not be done.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::Notify;

use crate::store::LogId;

/// A set of entries. All clones share one.
#[derive(Clone, Debug, Default)]
pub struct Doubts(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    entries: RwLock<BTreeSet<(LogId, u64)>>,
    news: Notify,
}

impl Doubts {
    /// Adds one, and wakes whoever looks at them. Gives whether it is new.
    pub fn add(&self, log: LogId, entry: u64) -> bool {
        let new = self.put_back(log, entry);
        if new {
            self.0.news.notify_one();
        }
        new
    }

    /// Adds one that could not be dealt with: its turn comes after the pause. Gives whether it is new.
    pub fn put_back(&self, log: LogId, entry: u64) -> bool {
        self.0.entries.write().unwrap_or_else(PoisonError::into_inner).insert((log, entry))
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn holds(&self, log: LogId, entry: u64) -> bool {
        self.0.entries.read().unwrap_or_else(PoisonError::into_inner).contains(&(log, entry))
    }

    /// All, in order.
    #[must_use]
    pub fn all(&self) -> Vec<(LogId, u64)> {
        self.0.entries.read().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// All, in order; nothing is left. One that is added while it is being dealt with comes again.
    #[must_use]
    pub fn take(&self) -> BTreeSet<(LogId, u64)> {
        std::mem::take(&mut *self.0.entries.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// This one is dealt with.
    pub fn remove(&self, log: LogId, entry: u64) {
        self.0.entries.write().unwrap_or_else(PoisonError::into_inner).remove(&(log, entry));
    }

    /// Waits until one was added, or the pause is over and some are left; without any for ever. Gives whether one was
    /// added.
    pub async fn wait(&self, pauses: &mut Pauses) -> bool {
        let left = !self.0.entries.read().unwrap_or_else(PoisonError::into_inner).is_empty();
        tokio::select! {
            () = self.0.news.notified() => {
                pauses.begin_anew();
                true
            }
            () = tokio::time::sleep(pauses.next), if left => {
                pauses.double();
                false
            }
        }
    }
}

/// Pauses between tries, each twice as long as the one before, up to the longest.
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Pauses {
    /// From `first` to `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    fn begin_anew(&mut self) {
        self.next = self.first;
    }

    fn double(&mut self) {
        self.next = self.next.saturating_mul(2).min(self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogId = LogId(3);

    fn pauses() -> Pauses {
        Pauses::new(Duration::from_millis(1), Duration::from_millis(5))
    }

    #[tokio::test]
    async fn what_is_new_wakes_at_once_and_what_is_left_after_pauses_that_double() {
        let (doubts, mut pauses) = (Doubts::default(), pauses());
        assert!(doubts.add(LOG, 7) && !doubts.add(LOG, 7));
        assert!(doubts.wait(&mut pauses).await, "it is new");
        for next in [2, 4, 5, 5] {
            assert!(!doubts.wait(&mut pauses).await, "it is left");
            assert_eq!(pauses.next, Duration::from_millis(next));
        }
        doubts.add(LOG, 8);
        assert!(doubts.wait(&mut pauses).await);
        assert_eq!(pauses.next, Duration::from_millis(1));
    }

    #[tokio::test]
    async fn nobody_is_woken_for_nothing_nor_called_back_at_once() {
        let (doubts, mut pauses) = (Doubts::default(), pauses());
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, doubts.wait(&mut pauses)).await.is_err());
        doubts.put_back(LOG, 1);
        assert!(!doubts.wait(&mut pauses).await, "it is not new");
        assert_eq!((doubts.all(), doubts.holds(LOG, 1)), (vec![(LOG, 1)], true));
        doubts.remove(LOG, 1);
        assert!(tokio::time::timeout(soon, doubts.wait(&mut pauses)).await.is_err());
        doubts.put_back(LOG, 2);
        assert_eq!(doubts.take(), BTreeSet::from([(LOG, 2)]));
        assert!(doubts.add(LOG, 2), "one that comes while it is dealt with comes again");
    }
}
