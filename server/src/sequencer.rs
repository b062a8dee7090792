//! The single writer of all logs of this node: one ordered function from what waits to what is durable.
//!
//! A group commit takes what waits, judges each item against the log with everything before it in the group,
//! writes all that passed in one transaction, and only then answers. A crash at any step leaves the log as it
//! was before or as it is after: the head moves by compare-and-swap in the transaction that appends, the
//! checkpoint is signed over a root recomputed from the tiles, and no receipt leaves before the commit.

mod judge;
mod seal;
mod standing;
mod start;
mod take;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use almenara_proto::{
    checkpoint::SignedCheckpoint,
    keys::{PublicKey, SigningKey},
    merkle::Hash,
    name::MemberName,
    prefix::Prefix,
    tile::{Edge, Prover, TileError, TileId},
    wire,
};

use crate::{
    clock::Clock,
    cosign::Cosignatures,
    heads::{Head, Heads, Settled},
    ingest::{Admitted, Job, NotNow, Outcome, ReplicaPage, Room},
    own_log::OwnLog,
    quarantine::Quarantine,
    rosters::SharedRosters,
    store::{
        LogId, Store, StoreError,
        write::{Append, Revocation, Usage},
    },
};

/// Statements of one transaction: 8 full batches. Larger ones spread the index's inserts over the same pages, for some
/// per cent, and hold as much more memory.
const GROUP_STATEMENTS: usize = 32_768;
/// Items of one transaction, for groups of single statements.
const GROUP_ITEMS: usize = 1_024;
/// Jobs that wait before senders do; a group can fill from it at once.
pub const WAITING: usize = GROUP_ITEMS;

/// What the sequencer needs to know of the member it writes for.
#[derive(Debug)]
pub struct Own {
    /// Whose log.
    pub member: MemberName,
    /// Signs its checkpoints.
    pub log_key: SigningKey,
    /// Hides what was withdrawn.
    pub tombstone_key: [u8; 32],
    /// Statements that one publisher may publish on one day.
    pub statements_per_day: u64,
    /// Seconds between an erasing withdrawal and the deletion.
    pub erase_after: u64,
}

/// One log as the writer knows it.
#[derive(Clone, Debug)]
struct Draft {
    log: LogId,
    prefix: Prefix,
    edge: Edge,
    /// The partial tiles of `edge`, as bytes for proofs.
    edge_tiles: BTreeMap<TileId, Vec<u8>>,
    /// The newest signed one, at most of the prefix's size.
    checkpoint: Option<SignedCheckpoint>,
    settled: Option<Settled>,
    /// Unix seconds: when a settled note was last kept for the date that it tells.
    archived_at: u64,
    /// The first entry of which leaf hashes are missing.
    hollow: Option<u64>,
    /// Unix seconds: when entries last came.
    moved_at: u64,
    quarantine: Option<Arc<Quarantine>>,
}

/// Owns every log's head. Nobody else writes the store.
pub struct Sequencer {
    store: Store,
    heads: Heads,
    rosters: SharedRosters,
    clock: Clock,
    own: Own,
    own_log: LogId,
    standing: OwnLog,
    cosignatures: Cosignatures,
    logs: BTreeMap<MemberName, Draft>,
    usage: HashMap<String, Usage>,
    /// Of these it is not stored yet.
    unsaved: HashSet<String>,
    /// Unix seconds: when it was stored last.
    saved_at: u64,
    tombstones: HashSet<[u8; 32]>,
    /// Of each member's keys, from the logs of others; applied to every prefix that is published.
    revocations: HashMap<String, BTreeMap<PublicKey, u64>>,
}

/// An item for the own log, the room that it takes, and who waits for the answer.
type Publication = (Admitted, Room, oneshot::Sender<Result<Outcome, NotNow>>);

/// What was accepted in a group, waiting for the commit.
struct Accepted {
    index: u64,
    /// It was in this group already.
    repeated: bool,
    reply: oneshot::Sender<Result<Outcome, NotNow>>,
    /// Until the answer.
    _room: Room,
}

impl Sequencer {
    fn learn(&mut self, revocations: &[Revocation]) {
        for revocation in revocations {
            let keys = self.revocations.entry(revocation.member.clone()).or_default();
            let since = keys.entry(revocation.key).or_insert(revocation.since);
            *since = revocation.since.min(*since);
        }
    }

    fn own_draft(&self) -> Result<&Draft, StoreError> {
        self.logs
            .get(&self.own.member)
            .ok_or_else(|| StoreError::Damaged { what: "log", why: "the own log is missing".to_owned() })
    }

    /// Works until all senders are gone, or a write fails in a way that only a restart can judge.
    ///
    /// # Errors
    /// The failed write. Nobody was told that it succeeded.
    pub async fn run(mut self, mut jobs: mpsc::Receiver<Job>) -> Result<(), StoreError> {
        while let Some(group) = gather(&mut jobs).await {
            self.commit(group).await?;
        }
        let unsaved = self.unsaved(&[]);
        if unsaved.is_empty() { Ok(()) } else { self.store.commit(&[], &unsaved).await }
    }

    /// What is not stored yet, `more` of a group included.
    fn unsaved(&self, more: &[Usage]) -> Vec<Usage> {
        let newer = |publisher: &str| more.iter().any(|usage| usage.publisher == publisher);
        let waiting = self.unsaved.iter().filter(|publisher| !newer(publisher));
        waiting.filter_map(|publisher| self.usage.get(publisher)).chain(more).cloned().collect()
    }

    /// One group, in order: judge, write, publish the heads, answer.
    async fn commit(&mut self, group: Vec<Job>) -> Result<(), StoreError> {
        let mut publications = Vec::new();
        let (mut pages, mut settling, mut dropping) = (Vec::new(), Vec::new(), Vec::new());
        let sound = self.standing.is_sound();
        for job in group {
            match job {
                Job::Publish(item, room, reply) if sound => publications.push((*item, room, reply)),
                // Whoever asked may have gone.
                Job::Publish(_, _, reply) => drop(reply.send(Err(NotNow::OldCopy))),
                Job::Recover(page, reply) => {
                    let recovered = self.take_back(*page).await?;
                    drop(reply.send(recovered));
                }
                Job::Quarantine(found, reply) => {
                    self.quarantine(*found).await?;
                    let _ = reply.send(());
                }
                Job::Replicate(page, reply) => pages.push((*page, reply)),
                Job::Mend(log, entry, reply) => changed(self.store.mend(log, *entry).await, reply)?,
                Job::Add(log, entry, mut statements, reply) => {
                    // Whoever still shows what was erased has not heard of it.
                    let erased = self.store.erased().of_entry(log, entry);
                    statements.retain(|(leaf, ..)| !erased.contains_key(leaf));
                    changed(self.store.add_statements(log, entry, &statements).await, reply)?;
                }
                Job::Accesses(accesses, since, reply) => {
                    changed(self.store.log_accesses(&accesses, since).await, reply)?;
                }
                Job::Drop(log, entry, leaves, reply) => {
                    let dropped = self.store.drop_statements(log, entry, &leaves).await;
                    dropping.push((dropped, reply));
                }
                Job::Witnessed(witnessed, reply) => {
                    changed(self.store.keep_witnessed(&witnessed).await, reply)?;
                }
                Job::Remember(memo, reply) => changed(self.store.remember(&memo).await, reply)?,
                Job::EndErasures(places, fate, reply) => {
                    changed(self.store.end_erasures(&places, fate).await, reply)?;
                }
                Job::Settle(member, settled) => settling.push((member, settled)),
                Job::AddLog(member, reply) => {
                    self.store.add_log(member.as_str()).await?;
                    self.load().await?;
                    // Whoever asked may have gone.
                    let _ = reply.send(());
                }
            }
        }
        if !dropping.is_empty() {
            // Once for all: only then is it true that they have disappeared.
            self.store.write_back().await;
        }
        dropping.into_iter().try_for_each(|(dropped, reply)| changed(dropped, reply))?;
        let mut writes: Vec<(Draft, Append)> = Vec::new();
        let mut answered = Vec::new();
        for (page, reply) in pages {
            match self.continue_replica(page, &writes) {
                Ok(write) => {
                    writes.push(write);
                    answered.push(reply);
                }
                // The follower reads the head again; nobody listens any more if it is gone.
                Err(why) => drop(reply.send(Err(why))),
            }
        }
        let mut usage = Vec::new();
        let mut accepted = Vec::new();
        let mut proof_tiles = BTreeMap::new();
        if !publications.is_empty() {
            let (own, collected) = self.judge(publications, &mut accepted, &mut usage).await?;
            if !collected.entries.is_empty() {
                let mut own = own;
                let append = self.seal(&mut own, collected, true)?;
                proof_tiles = own.edge_tiles.clone();
                proof_tiles.extend(append.tiles.iter().cloned());
                writes.push((own, append));
            }
        }
        for (member, settled) in settling {
            self.settle(&member, settled, &mut writes)?;
        }
        if writes.is_empty() {
            return Ok(());
        }
        let (drafts, appends): (Vec<Draft>, Vec<Append>) = writes.into_iter().unzip();
        // Once a second: a row for each of many desks in each commit would be dear, and what a crash forgets was used
        // within one second.
        let now = (self.clock)();
        let saved = if now == self.saved_at { Vec::new() } else { self.unsaved(&usage) };
        if let Err(error) = self.store.commit(&appends, &saved).await {
            if !error.is_survivable() {
                return Err(error);
            }
            tracing::error!(%error, "nothing of this group was stored");
            accepted.into_iter().for_each(|item| drop(item.reply.send(Err(NotNow::Full))));
            answered.into_iter().for_each(|reply| drop(reply.send(Err(error.to_string()))));
            return Ok(());
        }
        // A crash from here on loses no more than the answers: the items are in the log, and publishing them
        // again finds them.
        self.tombstones.extend(appends.iter().flat_map(|append| &append.tombstones).map(|stone| stone.tag));
        self.unsaved.extend(usage.iter().map(|usage| usage.publisher.clone()));
        self.usage.extend(usage.into_iter().map(|usage| (usage.publisher.clone(), usage)));
        if !saved.is_empty() {
            self.saved_at = now;
            self.unsaved.clear();
        }
        // First what revocations end in the logs of others: nobody sees the entry before its effect.
        for append in &appends {
            self.learn(&append.revocations);
            for revocation in &append.revocations {
                let of = self.logs.values().find(|log| log.prefix.member().as_str() == revocation.member);
                if let Some(draft) = of.cloned() {
                    self.put(draft);
                }
            }
        }
        drafts.into_iter().for_each(|draft| self.put(draft));
        answered.into_iter().for_each(|reply| drop(reply.send(Ok(()))));
        self.answer(accepted, &proof_tiles)
    }

    /// One page of the own log, written and signed at once.
    async fn take_back(&mut self, page: ReplicaPage) -> Result<Result<(), String>, StoreError> {
        let (draft, append) = match self.recover(page).await? {
            Ok(write) => write,
            Err(why) => return Ok(Err(why)),
        };
        let appends = [append];
        if let Err(error) = self.store.commit(&appends, &[]).await {
            return if error.is_survivable() { Ok(Err(error.to_string())) } else { Err(error) };
        }
        let [append] = &appends;
        self.tombstones.extend(append.tombstones.iter().map(|stone| stone.tag));
        self.learn(&append.revocations);
        self.put(draft);
        Ok(Ok(()))
    }

    /// Ends a log where its two histories part. Of several proofs the one that parts first counts.
    async fn quarantine(&mut self, found: Quarantine) -> Result<(), StoreError> {
        let Some(known) = self.logs.get(found.member()) else { return Ok(()) };
        let in_force = known.quarantine.as_ref().filter(|known| known.is_in_force(&self.rosters));
        if in_force.is_some_and(|known| known.agreed <= found.agreed) {
            return Ok(());
        }
        if *found.member() == self.own.member {
            self.standing.forked();
        }
        self.store.quarantine(known.log, found.agreed, found.to_bytes()).await?;
        tracing::error!(origin = %found.member(), evidence = %found, "this log is in quarantine from now on");
        let draft = Draft { quarantine: Some(Arc::new(found)), ..known.clone() };
        self.put(draft);
        Ok(())
    }

    fn put(&mut self, mut draft: Draft) {
        for (key, since) in self.revocations.get(draft.prefix.member().as_str()).into_iter().flatten() {
            draft.prefix.revoke(key, *since);
        }
        if let Some(checkpoint) =
            draft.checkpoint.as_ref().filter(|_| *draft.prefix.member() == self.own.member)
        {
            self.cosignatures.expect(checkpoint);
        }
        self.heads.publish(draft.head());
        self.logs.insert(draft.prefix.member().clone(), draft);
    }

    /// Receipts, all against the new size; each tile is hashed once for all of them.
    fn answer(&self, accepted: Vec<Accepted>, tiles: &BTreeMap<TileId, Vec<u8>>) -> Result<(), StoreError> {
        if accepted.is_empty() {
            return Ok(());
        }
        let damaged = |error: TileError| StoreError::Damaged { what: "tiles", why: error.to_string() };
        let draft = self.own_draft()?;
        let checkpoint = draft.note();
        let mut prover = Prover::new(draft.edge.size(), tiles).map_err(damaged)?;
        for Accepted { index, repeated, reply, .. } in accepted {
            let inclusion = prover.inclusion(index).map_err(damaged)?;
            drop(reply.send(Ok(Ok(receipt(index, &inclusion, &checkpoint, repeated)))));
        }
        Ok(())
    }
}

/// Seconds between two settled notes that are kept: so much later than true may be the date by which an entry existed.
/// Some 600 bytes each, and never more of them than entries.
const ARCHIVED_EVERY: u64 = 60;

impl Draft {
    /// Takes the next settled note, and gives the one before it when that is to be kept: it may be the first that covers
    /// its last entries.
    fn settle(&mut self, settled: Settled, now: u64) -> Option<Settled> {
        let before = self.settled.replace(settled);
        if now.saturating_sub(self.archived_at) < ARCHIVED_EVERY {
            return None;
        }
        self.archived_at = now;
        before
    }

    /// The newest note; empty when there is none.
    fn note(&self) -> Bytes {
        self.checkpoint.as_ref().map_or_else(Bytes::new, |signed| Bytes::copy_from_slice(signed.note()))
    }

    fn head(&self) -> Head {
        Head {
            log: self.log,
            prefix: Arc::new(self.prefix.clone()),
            signed_size: self.checkpoint.as_ref().map_or(0, |signed| signed.checkpoint().size),
            checkpoint: self.note(),
            settled: self.settled.clone(),
            hollow: self.hollow,
            moved_at: self.moved_at,
            quarantine: self.quarantine.clone(),
        }
    }
}

/// Answers whoever changed what is stored of an entry. What only a restart can judge ends the sequencer.
fn changed<T>(
    outcome: Result<T, StoreError>,
    reply: oneshot::Sender<Result<T, String>>,
) -> Result<(), StoreError> {
    let answer = match outcome {
        Ok(done) => Ok(done),
        Err(error) if error.is_survivable() => Err(error.to_string()),
        Err(error) => return Err(error),
    };
    // Whoever asked may have gone.
    drop(reply.send(answer));
    Ok(())
}

fn receipt(index: u64, inclusion: &[Hash], checkpoint: &Bytes, repeated: bool) -> wire::Receipt {
    wire::Receipt {
        index,
        inclusion: inclusion.iter().map(|hash| Bytes::copy_from_slice(&hash.0)).collect(),
        checkpoint: checkpoint.clone(),
        repeated,
    }
}

/// What waits, as one group; nothing when all senders are gone. It does not wait for more: what comes meanwhile is
/// verified while this is being written, and is the next group.
async fn gather(jobs: &mut mpsc::Receiver<Job>) -> Option<Vec<Job>> {
    let first = jobs.recv().await?;
    let mut statements = weight(&first);
    let mut group = vec![first];
    while group.len() < GROUP_ITEMS && statements < GROUP_STATEMENTS {
        let Ok(job) = jobs.try_recv() else { break };
        statements = statements.saturating_add(weight(&job));
        group.push(job);
    }
    Some(group)
}

/// Statements.
fn weight(job: &Job) -> usize {
    match job {
        Job::Settle(..) | Job::AddLog(..) | Job::Quarantine(..) | Job::Witnessed(..) | Job::Remember(..) => 0,
        Job::Mend(_, entry, _) => entry.statements.len(),
        Job::Accesses(accesses, ..) => accesses.len(),
        Job::Add(_, _, statements, _) => statements.len(),
        Job::Drop(_, _, leaves, _) => leaves.len(),
        Job::EndErasures(places, ..) => places.len(),
        Job::Publish(item, ..) => item.statements.len(),
        Job::Replicate(page, _) | Job::Recover(page, _) => {
            page.entries.iter().map(|entry| entry.new.statements.len()).sum()
        }
    }
}
