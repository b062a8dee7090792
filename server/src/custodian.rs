//! Keeps what is stored in step with who shall keep it (PROTOCOL.md §9): at the start, and whenever a roster changes.
//!
//! ```text
//! each entry that is not open ─ statement ours to keep, and not here      → asked for, proven, stored
//!                             ├ not ours any more, and still ours to see  → dropped when its keepers confirmed theirs
//!                             └ not ours to see any more                  → dropped at once
//! ```
//!
//! Entries that came by a stream that has ended are looked at again too: its other end may have had another roster than
//! we, and kept back what is ours. What cannot be had or confirmed now is tried again. Nothing is remembered but from
//! where on: a start, a walk after a change and a retry are one path.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use almenara_proto::{
    batch::{BatchHeader, statement_id},
    custody::{Keeping, Placer},
    limits::BATCH_STATEMENTS,
    log::LogEntry,
    name::MemberName,
    statement::Statement,
};

use crate::{
    fetch::{Fetcher, Tree, Wanted},
    heads::Head,
    ingest::NotNow,
    keeping::Keeper,
    peers::Peers,
    reports::Reports,
    rot::Rotten,
    store::{LogId, Store, StoreError, read::StoredEntry},
};

/// After a roster change, so that pages judged by the one before are in the store.
const SETTLES: Duration = Duration::from_millis(500);
/// Entries looked at without a rest.
const WALK_ENTRIES: u32 = 64;
/// The rest after them: half of a core stays for others.
const WALK_REST: Duration = Duration::from_millis(20);
/// The first pause before what could not be had or confirmed is tried again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// What nobody has cannot be had sooner by asking more often.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// A report that nobody asks for is renewed, and old accesses are forgotten, once an hour.
const HOURLY: Duration = Duration::from_secs(3_600);

/// Entries of logs that are to be looked at again: from where on. All clones share them.
#[derive(Clone, Default)]
pub struct Doubts(Arc<Doubted>);

#[derive(Default)]
struct Doubted {
    from: Mutex<BTreeMap<LogId, u64>>,
    news: Notify,
}

impl Doubts {
    /// Adds what came from an entry on.
    pub fn add(&self, log: LogId, from: u64) {
        lower(&mut self.0.from.lock().unwrap_or_else(PoisonError::into_inner), log, from);
        self.0.news.notify_one();
    }

    fn take(&self) -> BTreeMap<LogId, u64> {
        std::mem::take(&mut *self.0.from.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn lower(all: &mut BTreeMap<LogId, u64>, log: LogId, from: u64) {
    let entry = all.entry(log).or_insert(from);
    *entry = from.min(*entry);
}

/// Walks over what is stored.
#[derive(Clone)]
pub struct Custodian {
    /// The entrance, the heads and the rosters.
    pub peers: Peers,
    /// Asks the others.
    pub fetcher: Fetcher,
    /// What is ours to keep.
    pub keeper: Keeper,
    /// What is stored.
    pub store: Store,
    /// What is not touched, as it is fetched anew.
    pub rotten: Rotten,
    /// Who is told how much that is.
    pub reports: Reports,
}

#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Stopping(#[from] NotNow),
    #[error("the store does not take it: {0}")]
    Write(String),
}

/// What is to be done with a run of entries of one log.
#[derive(Default)]
struct Tasks {
    /// Not ours to see.
    gone: Wanted,
    /// Not ours to keep: by entry and leaf, who keeps it.
    leaving: BTreeMap<u64, BTreeMap<u32, BTreeSet<MemberName>>>,
    /// Not here.
    missing: Wanted,
    /// By what fetched statements are judged.
    headers: BTreeMap<u64, BatchHeader>,
}

impl Custodian {
    /// Works until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        tokio::select! {
            () = self.work() => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn work(&self) {
        let mut version = self.peers.rosters.subscribe();
        loop {
            version.borrow_and_update();
            tokio::time::sleep(SETTLES).await;
            let mut undone: Option<BTreeMap<LogId, u64>> = None;
            let mut pause = FIRST_PAUSE;
            loop {
                if self.keeper.decides() && undone.as_ref().is_none_or(|undone| !undone.is_empty()) {
                    undone = Some(self.walk(undone.as_ref()).await);
                }
                self.report().await;
                let rest =
                    if undone.as_ref().is_some_and(|undone| undone.is_empty()) { HOURLY } else { pause };
                tokio::select! {
                    changed = version.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                    () = self.peers.doubts.0.news.notified() => {
                        let doubts = self.peers.doubts.take();
                        // Before the first walk everything is looked at anyway.
                        if let Some(all) = &mut undone {
                            doubts.iter().for_each(|(log, from)| lower(all, *log, *from));
                        }
                        pause = FIRST_PAUSE;
                        tokio::time::sleep(SETTLES).await;
                    }
                    () = tokio::time::sleep(rest) => pause = pause.saturating_mul(2).min(LONGEST_PAUSE),
                }
            }
        }
    }

    async fn report(&self) {
        if let Err(error) = self.reports.make().await {
            tracing::error!(%error, "what is kept cannot be counted");
        }
        if let Ok(Err(why)) = self.peers.ingest.log_accesses(Vec::new(), (self.peers.clock)()).await {
            tracing::warn!(%why, "old accesses are not forgotten yet");
        }
    }

    /// Goes over all logs of others, or those of `again` from where it says, and gives from where on something is left
    /// to do.
    async fn walk(&self, again: Option<&BTreeMap<LogId, u64>>) -> BTreeMap<LogId, u64> {
        let mut undone = BTreeMap::new();
        for head in self.peers.heads.all() {
            let from = again.map_or(Some(0), |again| again.get(&head.log).copied());
            let Some(from) = from.filter(|_| head.prefix.member() != self.keeper.member()) else { continue };
            match self.walk_log(&head, from).await {
                Ok(None) => {}
                Ok(Some(entry)) => {
                    undone.insert(head.log, entry);
                }
                Err(error) => {
                    tracing::warn!(origin = %head.prefix.member(), %error, "the walk over a log ended early");
                    undone.insert(head.log, from);
                }
            }
        }
        undone
    }

    async fn walk_log(&self, head: &Head, mut from: u64) -> Result<Option<u64>, Stopped> {
        let (mut undone, size) = (None, head.prefix.size());
        while from < size {
            let entries = self.store.entries(head.log, from, size, WALK_ENTRIES).await?;
            let Some(last) = entries.last().map(|entry| entry.index) else { break };
            let mut tasks = Tasks::default();
            for entry in entries.iter().filter(|entry| entry.counts && !entry.open) {
                self.look(head.log, entry, &mut tasks).await?;
            }
            if !self.settle(head, tasks).await? {
                undone = undone.or(Some(from));
            }
            from = last.saturating_add(1);
            tokio::time::sleep(WALK_REST).await;
        }
        Ok(undone)
    }

    /// What is to be done with one entry.
    async fn look(&self, log: LogId, entry: &StoredEntry, tasks: &mut Tasks) -> Result<(), StoreError> {
        let index = entry.index;
        let Ok(LogEntry::Batch(signed)) = LogEntry::parse(&entry.bytes) else { return Ok(()) };
        if self.rotten.holds(log, index) {
            return Ok(());
        }
        let header = signed.content;
        let mut held = self.store.statements(log, index, index.saturating_add(1)).await?;
        let held = held.remove(&index).unwrap_or_default();
        let (origin, rosters) = (header.origin_hash(), self.keeper.rosters(&header));
        let mut placer = Placer::new(&header.member, rosters.as_rosters());
        let mut missing: BTreeSet<u32> = (0..header.count).collect();
        for (leaf, bytes) in held {
            missing.remove(&leaf);
            let Ok(statement) = Statement::parse(&bytes) else { continue };
            let (id, release, copies) = (statement_id(&origin, &bytes), &statement.release, statement.copies);
            match placer.keeps(self.keeper.member(), &id, release, copies) {
                Keeping::Keep => {}
                Keeping::Nothing => {
                    tasks.gone.entry(index).or_default().insert(leaf);
                }
                Keeping::Fetch => {
                    let keepers = placer.keepers(&id, release, copies).unwrap_or_default();
                    tasks.leaving.entry(index).or_default().insert(leaf, keepers);
                }
            }
        }
        // Nobody has what was erased.
        for leaf in self.store.erased().of_entry(log, index).keys() {
            missing.remove(leaf);
        }
        if !missing.is_empty() {
            tasks.missing.insert(index, missing);
            tasks.headers.insert(index, header);
        }
        Ok(())
    }

    /// Does it; gives whether nothing is left.
    async fn settle(&self, head: &Head, tasks: Tasks) -> Result<bool, Stopped> {
        let mut changed = !tasks.gone.is_empty();
        self.drop_all(head.log, tasks.gone).await?;
        let (confirmed, all_confirmed) = self.confirmed(head.prefix.member(), &tasks.leaving).await;
        changed |= !confirmed.is_empty();
        self.drop_all(head.log, confirmed).await?;
        let (stored, all_there) = self.fetch(head, tasks.missing, &tasks.headers).await?;
        if changed || stored {
            self.reports.recount(head.log).await;
        }
        Ok(all_confirmed && all_there)
    }

    async fn drop_all(&self, log: LogId, gone: Wanted) -> Result<(), Stopped> {
        for (entry, leaves) in gone {
            let dropped = self.peers.ingest.drop_statements(log, entry, leaves).await?;
            let dropped = dropped.map_err(Stopped::Write)?;
            tracing::info!(log = log.0, entry, dropped, "statements that are not ours to keep are dropped");
        }
        Ok(())
    }

    /// Of what leaves, what all its keepers say they hold; and whether that is all.
    async fn confirmed(
        &self,
        origin: &MemberName,
        leaving: &BTreeMap<u64, BTreeMap<u32, BTreeSet<MemberName>>>,
    ) -> (Wanted, bool) {
        let mut asked: BTreeMap<&MemberName, Wanted> = BTreeMap::new();
        for (entry, leaves) in leaving {
            for (leaf, keepers) in leaves {
                for keeper in keepers {
                    asked.entry(keeper).or_default().entry(*entry).or_default().insert(*leaf);
                }
            }
        }
        let mut held: BTreeMap<&MemberName, Wanted> = BTreeMap::new();
        for (keeper, wanted) in asked {
            for part in parts(wanted) {
                match self.fetcher.confirm(keeper, origin, &part).await {
                    Ok(answer) => held.entry(keeper).or_default().extend(answer),
                    Err(why) => tracing::debug!(%keeper, %why, "a keeper does not confirm"),
                }
            }
        }
        let has = |keeper: &MemberName, entry: &u64, leaf: &u32| {
            let of = held.get(keeper).and_then(|held| held.get(entry));
            of.is_some_and(|leaves| leaves.contains(leaf))
        };
        let (mut confirmed, mut all) = (Wanted::new(), true);
        for (entry, leaves) in leaving {
            for (leaf, keepers) in leaves {
                if keepers.iter().all(|keeper| has(keeper, entry, leaf)) {
                    confirmed.entry(*entry).or_default().insert(*leaf);
                } else {
                    all = false;
                }
            }
        }
        (confirmed, all)
    }

    /// Asks the origin, and then everybody, for what is missing and ours to keep. Gives whether something was stored,
    /// and whether no more can be had: the origin said so, or nobody is left to ask.
    async fn fetch(
        &self,
        head: &Head,
        missing: Wanted,
        headers: &BTreeMap<u64, BatchHeader>,
    ) -> Result<(bool, bool), Stopped> {
        let origin = head.prefix.member();
        let tree = Tree { origin, log: head.log, size: head.prefix.size() };
        let (mut stored, mut done) = (false, true);
        for mut part in parts(missing) {
            let mut answered = true;
            for source in self.fetcher.sources(origin) {
                match self.fetcher.ask(&source, tree, &part, true).await {
                    Ok(shown) => {
                        for mut shown in shown {
                            let Some(header) = headers.get(&shown.entry) else { continue };
                            self.keeper.keep(header, &mut shown.statements);
                            let left = part.get(&shown.entry);
                            shown
                                .statements
                                .retain(|(leaf, ..)| left.is_some_and(|left| left.contains(leaf)));
                            if shown.statements.is_empty() {
                                continue;
                            }
                            if let Some(left) = part.get_mut(&shown.entry) {
                                left.retain(|leaf| !shown.statements.iter().any(|(at, ..)| at == leaf));
                            }
                            let added =
                                self.peers.ingest.add_statements(head.log, shown.entry, shown.statements);
                            added.await?.map_err(Stopped::Write)?;
                            stored = true;
                        }
                        part.retain(|_, leaves| !leaves.is_empty());
                        if source == *origin || part.is_empty() {
                            answered = true;
                            break;
                        }
                    }
                    Err(why) => {
                        answered = false;
                        tracing::debug!(%source, %origin, %why, "what is missing cannot be had there");
                    }
                }
            }
            done &= answered;
        }
        Ok((stored, done))
    }
}

/// As much as one call may ask for.
fn parts(wanted: Wanted) -> Vec<Wanted> {
    let mut parts: Vec<Wanted> = Vec::new();
    let mut room = 0usize;
    for (entry, leaves) in wanted {
        if leaves.len() > room {
            parts.push(Wanted::new());
            room = BATCH_STATEMENTS;
        }
        room = room.saturating_sub(leaves.len());
        if let Some(part) = parts.last_mut() {
            part.insert(entry, leaves);
        }
    }
    parts
}
