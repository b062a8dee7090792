//! Keeps what is stored in step with who shall keep it (PROTOCOL.md §9): at the start, and whenever a roster changes.
//!
//! ```text
//! each entry that is not open ─ statement ours to keep, and not here      → asked for, proven, stored
//!                             ├ not ours any more, and still ours to see  → dropped when its keepers confirmed theirs
//!                             └ not ours to see any more                  → dropped at once
//! ```
//!
//! Entries that came by a stream that has ended are looked at again too: its other end may have had another roster than
//! we, and kept back what is ours. What cannot be had or confirmed now is tried again. What is remembered is from where on
//! to look, and under which roster version everything below is in step: a start, a walk after a change and a retry are one
//! path, and a start asks for nothing that the one before has asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

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
    doubts::Pauses,
    fetch::{Fetcher, Shown, Tree, Wanted},
    heads::Head,
    ingest::NotNow,
    keeping::Keeper,
    peers::Peers,
    reports::Reports,
    rot::Rotten,
    store::{LogId, Store, StoreError, memory::Memo, read::StoredEntry},
};

/// After a roster change, so that pages judged by the one before are in the store.
const SETTLES: Duration = Duration::from_millis(500);
/// Entries looked at without a rest.
const WALK_ENTRIES: u32 = 64;
/// The rest after them: half of a core stays for others.
const WALK_REST: Duration = Duration::from_millis(20);
/// The first pause before what could not be had or confirmed is tried again; they double up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// What nobody has cannot be had sooner by asking more often.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// A report that nobody asks for is renewed, and old accesses are forgotten, once an hour.
const HOURLY: Duration = Duration::from_secs(3_600);

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
            let roster = *version.borrow_and_update();
            let mut in_step = self.begin(roster).await;
            let (mut pauses, mut news) = (Pauses::new(FIRST_PAUSE, LONGEST_PAUSE), true);
            loop {
                if news {
                    tokio::time::sleep(SETTLES).await;
                }
                if self.keeper.decides() {
                    self.walk(roster, &mut in_step).await;
                }
                self.report().await;
                tokio::select! {
                    changed = version.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                    added = self.peers.doubts.wait(&mut pauses) => news = added,
                    () = tokio::time::sleep(HOURLY) => news = false,
                }
            }
        }
    }

    /// From where on each log is to be looked at under this roster version; gives how much of each is in step with it.
    async fn begin(&self, roster: u64) -> BTreeMap<LogId, u64> {
        let in_step = self.store.in_step(roster).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "how far custody was put in step is not known: it is looked at from the first entry on");
            BTreeMap::new()
        });
        for head in self.peers.heads.all() {
            self.peers.doubts.put_back(head.log, in_step.get(&head.log).copied().unwrap_or(0));
        }
        in_step
    }

    async fn report(&self) {
        if let Err(error) = self.reports.make().await {
            tracing::error!(%error, "what is kept cannot be counted");
        }
        if let Ok(Err(why)) = self.peers.ingest.log_accesses(Vec::new(), (self.peers.clock)()).await {
            tracing::warn!(%why, "old accesses are not forgotten yet");
        }
    }

    /// Goes over the logs of others that are in doubt, each from where on it is, and leaves in doubt what is not done.
    async fn walk(&self, roster: u64, in_step: &mut BTreeMap<LogId, u64>) {
        let mut doubts: BTreeMap<LogId, u64> = BTreeMap::new();
        for (log, from) in self.peers.doubts.take() {
            // Ascending: the first of a log is the least.
            doubts.entry(log).or_insert(from);
        }
        for head in self.peers.heads.all() {
            let Some(from) = doubts.remove(&head.log) else { continue };
            if head.prefix.member() == self.keeper.member() {
                continue;
            }
            let done = match self.walk_log(&head, from).await {
                Ok(None) => head.prefix.size(),
                Ok(Some(entry)) => entry,
                Err(error) => {
                    tracing::warn!(origin = %head.prefix.member(), %error, "the walk over a log ended early");
                    from
                }
            };
            if done < head.prefix.size() {
                self.peers.doubts.put_back(head.log, done);
            }
            let before = in_step.get(&head.log).copied().unwrap_or(0);
            // A walk that saw the next roster come in is done once more, from the first entry on.
            if from <= before && done != before && self.keeper.version() == roster {
                in_step.insert(head.log, done);
                let memo = Memo::InStep { log: head.log, roster, size: done };
                if let Ok(Err(why)) = self.peers.ingest.remember(memo).await {
                    tracing::warn!(%why, "the next start looks at these entries again");
                }
            }
        }
    }

    /// Gives the first entry with which something is left to do.
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
    /// and whether no more can be had: the origin showed all of these entries, or nobody is left to ask.
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
                        let whole = source == *origin && shown.len() == part.len();
                        stored |= self.store_shown(head.log, shown, &mut part, headers).await?;
                        if whole || part.is_empty() {
                            answered = true;
                            break;
                        }
                        // It keeps back what has rotted there, and shows it later.
                        answered &= source != *origin;
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

    /// Stores what was shown and is ours to keep, and takes it off what is missing. Gives whether there was anything.
    async fn store_shown(
        &self,
        log: LogId,
        shown: Vec<Shown>,
        missing: &mut Wanted,
        headers: &BTreeMap<u64, BatchHeader>,
    ) -> Result<bool, Stopped> {
        let mut stored = false;
        for Shown { entry, mut statements, .. } in shown {
            let (Some(header), Some(left)) = (headers.get(&entry), missing.get_mut(&entry)) else { continue };
            self.keeper.keep(header, &mut statements);
            statements.retain(|(leaf, ..)| left.remove(leaf));
            if !statements.is_empty() {
                let added = self.peers.ingest.add_statements(log, entry, statements).await?;
                added.map_err(Stopped::Write)?;
                stored = true;
            }
        }
        missing.retain(|_, leaves| !leaves.is_empty());
        Ok(stored)
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
