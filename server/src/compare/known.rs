//! What others were heard to hold.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use tokio::sync::watch;

use almenara_proto::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    name::MemberName,
};

use crate::{
    heads::Head,
    ingest::{Ingest, NotNow},
    store::memory::Memo,
};

/// What is known of all logs from others' notes. All clones share one; the comparer writes.
#[derive(Clone, Debug)]
pub struct Compared(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    logs: Mutex<BTreeMap<MemberName, Known>>,
    /// Rounds of questions that ended.
    rounds: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Known {
    /// The largest note that was shown, under the log key that was in force then.
    largest: Option<SignedCheckpoint>,
    /// The largest of them to which the entries that are held were seen to lead.
    reached: Option<Checkpoint>,
    /// Sizes of the newest notes, by who showed them.
    holders: BTreeMap<MemberName, u64>,
    /// Unix seconds: when the origin's own node last answered.
    heard_at: u64,
}

impl Default for Compared {
    fn default() -> Self {
        Self(Arc::new(Shared { logs: Mutex::default(), rounds: watch::Sender::new(0) }))
    }
}

impl Compared {
    fn with<T>(&self, origin: &MemberName, each: impl FnOnce(&mut Known) -> T) -> T {
        let mut logs = self.0.logs.lock().unwrap_or_else(PoisonError::into_inner);
        each(logs.entry(origin.clone()).or_default())
    }

    /// Wakes the caller at the end of each round.
    #[must_use]
    pub fn rounds(&self) -> watch::Receiver<u64> {
        self.0.rounds.subscribe()
    }

    pub(crate) fn round_ended(&self) {
        self.0.rounds.send_modify(|rounds| *rounds = rounds.saturating_add(1));
    }

    /// Takes a note of `origin`'s log that `by` showed, opened and in accord with what is held.
    /// Gives the size that `by` showed before.
    pub(crate) fn showed(&self, origin: &MemberName, by: &MemberName, note: SignedCheckpoint) -> Option<u64> {
        let size = note.checkpoint().size;
        self.saw(origin, note);
        self.with(origin, |known| known.holders.insert(by.clone(), size))
    }

    /// The same, when it does not matter who showed it. Gives whether it is the largest now.
    pub(crate) fn saw(&self, origin: &MemberName, note: SignedCheckpoint) -> bool {
        self.with(origin, |known| {
            // Under another key the log began anew: what was known of the earlier one is nothing to wait for.
            let newer = known.largest.as_ref().is_none_or(|largest| {
                largest.log_key() != note.log_key() || largest.checkpoint().size < note.checkpoint().size
            });
            if newer {
                known.largest = Some(note);
            }
            newer
        })
    }

    /// Takes a note that was shown before the last start.
    pub(crate) fn recall(&self, origin: &MemberName, note: SignedCheckpoint) {
        self.with(origin, |known| known.largest = Some(note));
    }

    /// Takes a note that is larger than what is held of its log, and remembers it, before its entries are here: what comes
    /// must lead to it, after a restart too.
    ///
    /// # Errors
    /// [`NotNow`].
    pub(crate) async fn expect(
        &self,
        ingest: &Ingest,
        head: &Head,
        note: SignedCheckpoint,
    ) -> Result<(), NotNow> {
        let origin = head.prefix.member();
        let memo = Memo::Shown { log: head.log, note: Bytes::copy_from_slice(note.note()) };
        if self.saw(origin, note)
            && let Err(why) = ingest.remember(memo).await?
        {
            tracing::warn!(%origin, %why, "a note that was shown is not remembered");
        }
        Ok(())
    }

    /// `by` has nothing of this log, or does not answer.
    pub(crate) fn shows_nothing(&self, origin: &MemberName, by: &MemberName) {
        self.with(origin, |known| known.holders.remove(by));
    }

    /// The origin's own node answered at `now`, Unix seconds.
    pub(crate) fn heard(&self, origin: &MemberName, now: u64) {
        self.with(origin, |known| known.heard_at = known.heard_at.max(now));
    }

    /// When the origin's own node last answered, in Unix seconds; 0: not yet.
    #[must_use]
    pub fn heard_at(&self, origin: &MemberName) -> u64 {
        self.with(origin, |known| known.heard_at)
    }

    /// The largest note that anybody showed.
    #[must_use]
    pub fn largest(&self, origin: &MemberName) -> Option<SignedCheckpoint> {
        self.with(origin, |known| known.largest.clone())
    }

    /// Whether the entries that are held were seen to lead to this one.
    #[must_use]
    pub fn leads_to(&self, origin: &MemberName, shown: &Checkpoint) -> bool {
        self.with(origin, |known| known.reached.as_ref() == Some(shown))
    }

    /// The entries that are held lead to this one.
    pub(crate) fn reached(&self, origin: &MemberName, shown: &Checkpoint) {
        self.with(origin, |known| known.reached = Some(shown.clone()));
    }

    /// Whether `by` showed a note of this log when it was last asked.
    #[must_use]
    pub fn shows(&self, origin: &MemberName, by: &MemberName) -> bool {
        self.with(origin, |known| known.holders.contains_key(by))
    }

    /// Those but the origin itself who showed more than `held` entries: another one first at each `turn`.
    #[must_use]
    pub fn holders(&self, origin: &MemberName, held: u64, turn: usize) -> Vec<MemberName> {
        let mut holders: Vec<MemberName> = self.with(origin, |known| {
            let more = known.holders.iter().filter(|(by, size)| **size > held && *by != origin);
            more.map(|(by, _)| by.clone()).collect()
        });
        if !holders.is_empty() {
            let first = turn % holders.len();
            holders.rotate_left(first);
        }
        holders
    }
}

#[cfg(test)]
mod tests {
    use almenara_proto::{
        checkpoint::{Checkpoint, origin_of},
        keys::SigningKey,
        merkle::Hash,
    };

    use super::*;

    fn name(text: &str) -> MemberName {
        text.parse().expect("a name")
    }

    fn note(seed: u8, size: u64) -> SignedCheckpoint {
        let checkpoint = Checkpoint { origin: origin_of("a.example"), size, root: Hash([1; 32]) };
        SignedCheckpoint::sign(checkpoint, &SigningKey::from_bytes(&[seed; 32])).expect("a note")
    }

    #[test]
    fn those_who_have_more_are_asked_in_turn_and_never_the_origin() {
        let known = Compared::default();
        let origin = name("a.example");
        for (by, size) in [("a.example", 9), ("b.example", 3), ("c.example", 7), ("d.example", 9)] {
            known.showed(&origin, &name(by), note(1, size));
        }
        assert_eq!(known.holders(&origin, 5, 0), [name("c.example"), name("d.example")]);
        assert_eq!(known.holders(&origin, 5, 1), [name("d.example"), name("c.example")]);
        assert_eq!(known.holders(&origin, 9, 0), []);
        known.shows_nothing(&origin, &name("d.example"));
        assert_eq!(known.holders(&origin, 5, 1), [name("c.example")]);
    }

    #[test]
    fn the_largest_note_stays_until_another_key_begins_anew() {
        let known = Compared::default();
        let (origin, by) = (name("a.example"), name("b.example"));
        let size = || known.largest(&origin).map(|note| note.checkpoint().size);
        assert_eq!(size(), None);
        for (seed, shown, largest) in [(1, 5, 5), (1, 9, 9), (1, 2, 9), (2, 3, 3)] {
            known.showed(&origin, &by, note(seed, shown));
            assert_eq!(size(), Some(largest));
        }
    }
}
