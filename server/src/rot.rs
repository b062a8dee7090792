//! What rots on the disk: noticed, kept back, and fetched again from a member who has it.
//!
//! ```text
//! a page that leaves, or the daily walk ─does not lead to what was signed→ Rotten
//!        Rotten ─nothing of the entry leaves any more; other members are asked→ verified → sequencer → whole again
//! ```
//!
//! Readers would notice it too, and blame this node: no signed root can be reached with a byte changed. But then a log
//! would end for them where its first payload rots.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use almenara_proto::{
    batch::statement_id,
    limits::BATCH_STATEMENTS,
    log::LogEntry,
    merkle::{self, Hash},
    name::MemberName,
};

use crate::{
    doubts::{Doubts, Pauses},
    fetch::{Fetcher, Tree, Wanted, entry_leaves},
    ingest::{self, NotNow},
    keeping::Keeper,
    outgoing::Outgoing,
    peers::Peers,
    store::{LogId, Store, StoreError, write::NewEntry},
};

/// Between two walks over all that is stored: a day, as long as others keep a copy of what rots meanwhile.
const WALK_EVERY: Duration = Duration::from_secs(86_400);
/// Entries that the walk looks at without a rest.
const WALK_ENTRIES: u32 = 64;
/// The rest after them: 64 full batches take some tenths of a second, and half of a core stays for others.
const WALK_REST: Duration = Duration::from_millis(200);
/// The first pause before the others are asked again; they double up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// What nobody has cannot be had sooner by asking more often.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Entries of relays that are read from the store at once.
const FILLED_AT_ONCE: u32 = 64;

/// Entries of which nothing leaves, since what is stored of them is not what was signed. All clones share one.
#[derive(Clone, Debug, Default)]
pub struct Rotten(Doubts);

impl Rotten {
    /// Keeps an entry back.
    pub fn found(&self, log: LogId, entry: u64, origin: &MemberName) {
        if self.0.add(log, entry) {
            tracing::error!(
                %origin,
                entry,
                "what is stored is not what was signed: it is kept back and fetched again; check the disk"
            );
        }
    }

    /// Whether an entry is kept back.
    #[must_use]
    pub fn holds(&self, log: LogId, entry: u64) -> bool {
        self.0.holds(log, entry)
    }
}

/// Looks for what has rotted, and mends it.
#[derive(Clone)]
pub struct Mender {
    /// The entrance, and the heads.
    pub peers: Peers,
    /// Checks what is stored.
    pub outgoing: Outgoing,
    /// What is stored.
    pub store: Store,
    /// What was found.
    pub rotten: Rotten,
    /// Asks the others.
    pub fetcher: Fetcher,
    /// What is ours to keep.
    pub keeper: Keeper,
}

/// Why an entry could not be had from a member.
#[derive(Debug, thiserror::Error)]
enum NotMended {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Stopping(#[from] NotNow),
    #[error("the store does not take it: {0}")]
    Write(String),
    #[error("no other member has it now")]
    Nobody,
}

impl Mender {
    /// Walks over everything that is stored, now and then once a day, until `shutdown`.
    pub async fn walk(self, shutdown: CancellationToken) {
        loop {
            let walked = tokio::select! {
                walked = self.walk_once() => walked,
                () = shutdown.cancelled() => return,
            };
            if let Err(error) = walked {
                tracing::error!(%error, "the walk over the store ended early");
            }
            tokio::select! {
                () = tokio::time::sleep(WALK_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn walk_once(&self) -> Result<(), StoreError> {
        for head in self.peers.heads.all() {
            let (mut from, size) = (0, head.prefix.size());
            while from < size {
                let entries = self.store.entries(head.log, from, size, WALK_ENTRIES).await?;
                let Some(last) = entries.last().map(|entry| entry.index) else { break };
                let leaves = entry_leaves(&self.store, head.log, from, last, size).await?;
                for entry in &entries {
                    if leaves.get(&entry.index) == Some(&merkle::leaf_hash(&entry.bytes)) {
                        self.outgoing.check(head.log, entry).await?;
                    } else {
                        self.rotten.found(head.log, entry.index, head.prefix.member());
                    }
                }
                from = last.saturating_add(1);
                if from < size {
                    tokio::time::sleep(WALK_REST).await;
                }
            }
        }
        Ok(())
    }

    /// Mends what is found until `shutdown`. What is new is tried at once, the rest after the pause: a disk that loses
    /// thousands of entries is found out one by one, and each would else have all before it asked for again.
    pub async fn mend(self, shutdown: CancellationToken) {
        let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
        let (mut tried, mut told) = (BTreeSet::new(), BTreeSet::new());
        loop {
            tokio::select! {
                new = self.rotten.0.wait(&mut pauses) => if !new { tried.clear() },
                () = shutdown.cancelled() => return,
            }
            for (log, entry) in self.rotten.0.all() {
                if !tried.insert((log, entry)) {
                    continue;
                }
                let mended = tokio::select! {
                    mended = self.mend_one(log, entry) => mended,
                    () = shutdown.cancelled() => return,
                };
                match mended {
                    Ok(()) => {
                        self.rotten.0.remove(log, entry);
                        tried.remove(&(log, entry));
                        told.remove(&(log, entry));
                    }
                    Err(error) if told.insert((log, entry)) => {
                        tracing::warn!(entry, %error, "an entry stays kept back");
                    }
                    Err(error) => tracing::debug!(entry, %error, "an entry stays kept back"),
                }
            }
        }
    }

    /// Asks for what relays did not show, whenever others were heard, until `shutdown`.
    pub async fn fill(self, shutdown: CancellationToken) {
        let mut rounds = self.peers.compared.rounds();
        // Asked of everybody but the origin, which did not answer: nothing but its answer helps.
        let mut waiting: BTreeSet<(LogId, u64)> = BTreeSet::new();
        loop {
            tokio::select! {
                changed = rounds.changed() => if changed.is_err() { return },
                () = shutdown.cancelled() => return,
            }
            let filled = tokio::select! {
                filled = self.fill_all(&mut waiting) => filled,
                () = shutdown.cancelled() => return,
            };
            if let Err(error) = filled {
                tracing::error!(%error, "what relays did not show is not asked for");
            }
        }
    }

    async fn fill_all(&self, waiting: &mut BTreeSet<(LogId, u64)>) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let relayed = self.store.relayed(after, FILLED_AT_ONCE).await?;
            let Some(last) = relayed.last() else { return Ok(()) };
            after = Some(*last);
            for (log, entry) in relayed {
                let heads = self.peers.heads.all();
                let Some(head) = heads.iter().find(|head| head.log == log) else { continue };
                let heard = self.peers.compared.shows(head.prefix.member(), head.prefix.member());
                if heard || waiting.insert((log, entry)) {
                    match self.mend_one(log, entry).await {
                        Ok(()) if heard => drop(waiting.remove(&(log, entry))),
                        Ok(()) => {}
                        Err(error) => tracing::debug!(entry, %error, "an entry stays as a relay showed it"),
                    }
                }
            }
        }
    }

    /// Asks everybody for what is not here of the entries of one log that relays showed.
    pub async fn fill_log(&self, member: &MemberName) {
        let Some(head) = self.peers.heads.get(member) else { return };
        let mut after = head.log.0.checked_sub(1).map(|before| (LogId(before), u64::MAX >> 1));
        while let Ok(relayed) = self.store.relayed(after, FILLED_AT_ONCE).await {
            after = relayed.last().copied();
            for (log, entry) in relayed {
                if log != head.log {
                    return;
                }
                if let Err(error) = self.mend_one(log, entry).await {
                    tracing::debug!(entry, %error, "an entry stays as a relay showed it");
                }
            }
            if after.is_none() {
                return;
            }
        }
    }

    async fn mend_one(&self, log: LogId, index: u64) -> Result<(), NotMended> {
        let heads = self.peers.heads.all();
        let head = heads.iter().find(|head| head.log == log).ok_or(NotMended::Nobody)?;
        let stored = self.store.entries(log, index, index.saturating_add(1), 1).await?;
        let stored = stored.first().ok_or(NotMended::Nobody)?;
        let origin = head.prefix.member();
        let tree = Tree { origin, log, size: head.prefix.size() };
        let wanted = Wanted::from([(index, (0..BATCH_STATEMENTS as u32).collect())]);
        let mut entry: Option<(Bytes, Vec<Hash>)> = None;
        let mut statements = BTreeMap::new();
        let mut complete = false;
        for member in self.fetcher.sources(origin) {
            let shown = match self.fetcher.ask(&member, tree, &wanted, true).await {
                Ok(shown) => shown.into_iter().next(),
                Err(why) => {
                    tracing::debug!(%member, index, %why, "an entry cannot be had there");
                    continue;
                }
            };
            let Some(mut shown) = shown else { continue };
            if let Ok(LogEntry::Batch(header)) = LogEntry::parse(&shown.bytes) {
                if shown.hashes.is_empty() {
                    continue;
                }
                self.keeper.keep(&header.content, &mut shown.statements);
            }
            // It shows all that is ours to keep.
            complete |= member == *origin;
            statements.extend(shown.statements.into_iter().map(|(at, bytes, key)| (at, (bytes, key))));
            let (_, hashes) = entry.get_or_insert((shown.bytes, shown.hashes));
            if statements.len() == hashes.len() {
                break;
            }
        }
        let (bytes, hashes) = entry.ok_or(NotMended::Nobody)?;
        // Whoever still shows what was erased has not heard of it.
        let erased = self.store.erased().of_entry(log, index);
        statements.retain(|leaf, _| !erased.contains_key(leaf));
        let signed = LogEntry::parse(&bytes).ok();
        if let Some(LogEntry::Batch(header)) = &signed {
            // What is sound of our own stays: others may have less than we.
            let mut held = self.store.statements(log, index, index.saturating_add(1)).await?;
            let held = held.remove(&index).unwrap_or_default();
            let origin = header.content.origin_hash();
            for (at, bytes) in held {
                let sound = hashes.get(at as usize) == Some(&statement_id(&origin, &bytes));
                if sound && !statements.contains_key(&at) {
                    statements.insert(at, (bytes.clone(), ingest::index_key(&bytes)));
                }
            }
        }
        let missing = hashes.len().saturating_sub(statements.len());
        if missing > 0 && *origin == *self.keeper.member() {
            tracing::error!(
                entry = index,
                missing,
                "of these statements nobody has a sound copy: restore a backup"
            );
        }
        let new = NewEntry {
            index,
            id: signed.map_or_else(|| merkle::sha256(&[&bytes]), |entry| entry.id()),
            bytes,
            counts: stored.counts,
            open: stored.open && missing == 0,
            statements: statements.into_iter().map(|(at, (bytes, key))| (at, bytes, key)).collect(),
            leaf_hashes: (missing > 0).then_some(hashes),
            relayed: missing > 0 && !complete,
        };
        self.peers.ingest.mend(log, new).await?.map_err(NotMended::Write)?;
        self.outgoing.forget(log, index);
        self.peers.reports.recount(log).await;
        tracing::info!(%origin, entry = index, missing, "an entry was fetched anew");
        Ok(())
    }
}
