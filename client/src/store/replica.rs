//! What is held of one member's log.
//!
//! ```text
//! log       pieces in log order: whether the entry counts (1 byte), then `EntryFrame` as it came
//! places    for each entry: where its piece begins in `log` (8 bytes, little-endian), its leaf hash (32)
//! run-N     sorted index records of some of the entries        facts-N   withdrawals, authors, counts
//! state     how much of all this counts
//! ```
//!
//! `log` and `places` only grow and are durable before `state` names their length; what is longer is cut. So a
//! process that is killed anywhere goes on from its last commit. The newest entries are indexed in memory, and
//! indexed again from the log when a process starts before they became a run.

mod index;
mod read;
mod tree;
mod write;

use std::path::PathBuf;

use prost::Message as _;

use almenara_proto::{
    checkpoint::SignedCheckpoint, evidence::Equivocation, keys::PublicKey, name::MemberName, prefix::Prefix,
    roster::Roster, wire,
};

use super::{
    Counts, StoreError,
    run::Run,
    state::{Facts, State},
    view::is_settled,
};
use crate::follow::Follower;
use index::Memory;
use write::Writing;

pub use read::{KeptEntry, Proof};

/// Bytes of one entry in `places`.
const PLACE: u64 = 40;

/// One member's log, as far as it was pulled.
#[derive(Debug)]
pub struct Replica {
    folder: PathBuf,
    member: MemberName,
    pub(super) state: State,
    pub(super) prefix: Prefix,
    last: Option<SignedCheckpoint>,
    settled: Option<SignedCheckpoint>,
    runs: Vec<(Run, u64)>,
    pub(super) facts: Facts,
    memory: Memory,
    writing: Option<Writing>,
}

impl Replica {
    /// Opens what is held in `folder`; with `write` the tail that does not count is cut off.
    pub(super) fn open(
        folder: PathBuf,
        member: MemberName,
        federation: &str,
        write: bool,
    ) -> Result<Self, StoreError> {
        let path = folder.join("state");
        let state =
            if path.exists() { State::read(&path, federation)? } else { State::new(federation, &member) };
        let damaged = |why: String| StoreError::damaged(&path, 0, why);
        let mut replica = Self {
            prefix: state.prefix(&member).map_err(damaged)?,
            last: state.checkpoint(&member).map_err(damaged)?,
            settled: state.settled(&member).map_err(damaged)?,
            runs: Vec::new(),
            facts: match state.facts {
                0 => Facts::default(),
                number => Facts::read(&folder.join(format!("facts-{number}")))?,
            },
            memory: Memory::default(),
            writing: None,
            folder,
            member,
            state,
        };
        for run in &replica.state.runs {
            let path = replica.folder.join(format!("run-{}", run.number));
            replica.runs.push((Run::open(path)?, run.records));
        }
        if write {
            replica.begin_writing()?;
        }
        replica.index_tail()?;
        Ok(replica)
    }

    /// Whose log.
    #[must_use]
    pub const fn member(&self) -> &MemberName {
        &self.member
    }

    /// Entries.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.prefix.size()
    }

    /// How much there is of everything.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.facts.counts
    }

    /// What the entries add up to.
    #[must_use]
    pub const fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// The last proven checkpoint.
    #[must_use]
    pub const fn last(&self) -> Option<&SignedCheckpoint> {
        self.last.as_ref()
    }

    /// Unix seconds of the last time that nothing was missing below a node's newest checkpoint; 0: never.
    #[must_use]
    pub const fn fresh_at(&self) -> u64 {
        self.state.fresh_at
    }

    /// The largest checkpoint that had a quorum of cosignatures when it came.
    #[must_use]
    pub const fn settled(&self) -> Option<&SignedCheckpoint> {
        self.settled.as_ref()
    }

    /// Entries below it are settled, later ones are pending.
    #[must_use]
    pub fn settled_size(&self) -> u64 {
        self.settled().map_or(0, |note| note.checkpoint().size)
    }

    /// Entries that wait for cosignatures.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.size().saturating_sub(self.settled_size())
    }

    /// Whether a withdrawal ended this statement.
    #[must_use]
    pub fn is_withdrawn(&self, entry: u64, leaf: u32) -> bool {
        self.facts.withdrawn.contains(entry, leaf)
    }

    /// From which index of another member's log on this log says that a key of that member does not count.
    #[must_use]
    pub fn revoked_elsewhere(&self, member: &MemberName, key: &PublicKey) -> Option<u64> {
        let of =
            self.facts.revocations.iter().filter(|(whose, revoked, _)| whose == member && revoked == key);
        of.map(|(_, _, since_index)| *since_index).min()
    }

    pub(super) const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Goes on from here.
    #[must_use]
    pub fn follower(&self) -> Follower {
        Follower::new(self.prefix.clone(), self.last.clone())
    }

    /// The filter with which statements are pulled: `wanted`, or the one of the last pull. It stays: what another
    /// one left out would not come again.
    ///
    /// # Errors
    /// [`StoreError::Filter`], when entries were pulled with another one than is wanted.
    pub fn choose(&mut self, wanted: Option<&wire::Filter>) -> Result<wire::Filter, StoreError> {
        let path = self.folder.join("state");
        let held = wire::Filter::decode(self.state.filter.as_slice())
            .map_err(|error| StoreError::damaged(&path, 0, error.to_string()))?;
        match wanted {
            Some(wanted) if *wanted == held => Ok(held),
            Some(_) if self.prefix.size() > 0 => Err(StoreError::Filter { folder: self.folder.clone() }),
            Some(wanted) => {
                self.state.filter = wanted.encode_to_vec();
                Ok(wanted.clone())
            }
            None => Ok(held),
        }
    }

    /// A newer note of what is held already, for instance with more cosignatures.
    pub fn note(&mut self, follower: &Follower) {
        self.last = follower.last().cloned();
    }

    /// Remembers that nothing is missing at `now`.
    pub fn mark_fresh(&mut self, now: u64) {
        self.state.fresh_at = self.state.fresh_at.max(now);
    }

    /// Ends the log where the two histories part that its key signed: what is held from there on counts for nothing, for
    /// as long as the roster names that key.
    pub fn quarantine(&mut self, found: &Equivocation) {
        let (key, at) = (found.log_key().0.to_vec(), found.common_at_most());
        if self.state.parted_key != key || at < self.state.parted_at {
            (self.state.parted_key, self.state.parted_at) = (key, at);
        }
    }

    /// From which entry on nothing counts, since the log key in force signed two histories. Of a member that left it is
    /// the key that signed last: whoever goes leaves no second history behind.
    #[must_use]
    pub fn parted_at(&self, roster: &Roster) -> Option<u64> {
        let key = match roster.member(&self.member) {
            Some(member) => member.segment()?.log_key.0,
            None => *self.last.as_ref()?.log_key(),
        };
        (self.state.parted_key == key).then_some(self.state.parted_at)
    }

    /// Remembers when a node said that it had last heard of the origin's own.
    pub fn heard(&mut self, at: u64) {
        self.state.heard_at = self.state.heard_at.max(at);
    }

    /// Unix seconds: when a node had last heard of the origin's own; 0: never.
    #[must_use]
    pub const fn heard_at(&self) -> u64 {
        self.state.heard_at
    }

    /// Keeps a checkpoint that agrees with what is held, if it settles more than is settled already. It stays settled
    /// when a cosigner leaves the roster. Whether it did.
    pub fn settle(&mut self, note: &SignedCheckpoint, roster: &Roster) -> bool {
        let settles = note.checkpoint().size > self.settled_size() && is_settled(note, &self.member, roster);
        if settles {
            self.state.settled = note.note().to_vec();
            self.state.settled_key = note.log_key().to_vec();
            self.settled = Some(note.clone());
        }
        settles
    }

    /// Stands where another one of the same log stands, whose entries were taken.
    pub(super) fn adopt(&mut self, other: &Self) {
        (self.prefix, self.last) = (other.prefix.clone(), other.last.clone());
        self.settled.clone_from(&other.settled);
        let state = &other.state;
        self.state.filter.clone_from(&state.filter);
        self.state.settled.clone_from(&state.settled);
        self.state.settled_key.clone_from(&state.settled_key);
        self.state.parted_key.clone_from(&state.parted_key);
        self.state.erasing.clone_from(&state.erasing);
        self.state.parted_at = state.parted_at;
        (self.state.fresh_at, self.state.heard_at) = (state.fresh_at, state.heard_at);
    }
}
