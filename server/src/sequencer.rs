//! The single writer of all logs of this node: one ordered function from what waits to what is durable.
//!
//! A group commit takes what waits, judges each item against the log with everything before it in the group,
//! writes all that passed in one transaction, and only then answers. A crash at any step leaves the log as it
//! was before or as it is after: the head moves by compare-and-swap in the transaction that appends, the
//! checkpoint is signed over a root recomputed from the tiles, and no receipt leaves before the commit.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use almenara_proto::{
    checkpoint::{Checkpoint, SignedCheckpoint, origin_of},
    indicator::Indicator,
    keys::{PublicKey, SigningKey},
    log::{KeyRevocation, LogEntry},
    merkle::{self, Hash},
    name::MemberName,
    prefix::{CheckedEntry, Prefix},
    release::Release,
    statement::{Claim, Statement},
    tile::{Edge, Prover, TileId, edge_tiles},
    wire::{self, RefusalCode},
};

use crate::{
    clock::Clock,
    disputes,
    heads::{Head, Heads},
    ingest::{Admitted, Job, Outcome, Refusal, ReplicaPage, Room},
    rosters::SharedRosters,
    store::{
        LogId, Place, Store, StoreError,
        read::StoredEntry,
        write::{Append, NewEntry, Revocation, Tombstone, Usage},
    },
};

/// Statements of one transaction: 16 full batches. Larger groups gain nothing (the index's inserts are sorted
/// within a group already) and make those who wait wait longer.
const GROUP_STATEMENTS: usize = 65_536;
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
}

/// One log as the writer knows it.
#[derive(Clone, Debug)]
struct Draft {
    log: LogId,
    prefix: Prefix,
    edge: Edge,
    /// The partial tiles of `edge`, as bytes for proofs.
    edge_tiles: BTreeMap<TileId, Vec<u8>>,
    signed_size: u64,
    checkpoint: Bytes,
}

/// Owns every log's head. Nobody else writes the store.
pub struct Sequencer {
    store: Store,
    heads: Heads,
    rosters: SharedRosters,
    clock: Clock,
    own: Own,
    own_log: LogId,
    logs: BTreeMap<MemberName, Draft>,
    usage: HashMap<String, Usage>,
    tombstones: HashSet<[u8; 32]>,
    /// Of each member's keys, from the logs of others; applied to every prefix that is published.
    revocations: HashMap<String, BTreeMap<PublicKey, u64>>,
}

/// An item for the own log, the room that it takes, and who waits for the answer.
type Publication = (Admitted, Room, oneshot::Sender<Outcome>);

/// What was accepted in a group, waiting for the commit.
struct Accepted {
    index: u64,
    /// It was in this group already.
    repeated: bool,
    reply: oneshot::Sender<Outcome>,
    /// Until the answer.
    _room: Room,
}

impl Sequencer {
    /// Loads every log, recomputes its root from the stored tiles, and publishes the heads. Starting and
    /// recovering from a crash are the same.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when what is stored contradicts itself: the node must not sign.
    pub async fn start(
        store: Store,
        heads: Heads,
        rosters: SharedRosters,
        clock: Clock,
        own: Own,
    ) -> Result<Self, StoreError> {
        let own_log = store.add_log(own.member.as_str()).await?;
        let usage = store.usage().await?.into_iter().map(|usage| (usage.publisher.clone(), usage)).collect();
        let tombstones = store.tombstone_tags().await?.into_iter().collect();
        let revocations = store.revocations().await?;
        let mut sequencer = Self {
            store,
            heads,
            rosters,
            clock,
            own,
            own_log,
            logs: BTreeMap::new(),
            usage,
            tombstones,
            revocations: HashMap::new(),
        };
        sequencer.learn(&revocations);
        sequencer.load().await?;
        if sequencer.own_draft()?.checkpoint.is_empty() {
            sequencer.sign_empty().await?;
        }
        Ok(sequencer)
    }

    async fn load(&mut self) -> Result<(), StoreError> {
        let federation = self.rosters.current().roster.federation.clone();
        for stored in self.store.heads().await? {
            let damaged = |why: String| StoreError::Damaged { what: "log", why };
            let member: MemberName = stored.member.parse().map_err(|error| damaged(format!("{error}")))?;
            let edge_tiles = self.store.tiles(stored.log, edge_tiles(stored.size)).await?;
            let edge =
                Edge::from_tiles(stored.size, &edge_tiles).map_err(|error| damaged(error.to_string()))?;
            if edge.root() != stored.tree.root() || stored.tree.size() != stored.size {
                return Err(damaged(format!(
                    "the tiles of {member} lead to another root than its head; restore this node from a backup or \
                     let it fetch the log anew, and do not sign with it before"
                )));
            }
            let prefix = Prefix::restore(&federation, member.clone(), stored.tree, stored.keys)
                .map_err(|error| damaged(error.to_string()))?;
            let checkpoint = self.reopen(&member, &stored.checkpoint);
            let signed_size = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
            let own = Checkpoint { origin: origin_of(member.as_str()), size: stored.size, root: edge.root() };
            if member == self.own.member && !stored.checkpoint.is_empty() && checkpoint != Some(own) {
                return Err(damaged(format!(
                    "the checkpoint of {member} does not fit its entries; restore this node from a backup, and do \
                     not sign with it before"
                )));
            }
            let draft = Draft {
                log: stored.log,
                prefix,
                edge,
                edge_tiles,
                signed_size,
                checkpoint: if checkpoint.is_some() { stored.checkpoint } else { Bytes::new() },
            };
            self.put(draft);
        }
        Ok(())
    }

    fn learn(&mut self, revocations: &[Revocation]) {
        for revocation in revocations {
            let keys = self.revocations.entry(revocation.member.clone()).or_default();
            let since = keys.entry(revocation.key).or_insert(revocation.since);
            *since = revocation.since.min(*since);
        }
    }

    /// A stored note, if it still is what one of the member's log keys signed. Without it a replica serves nothing
    /// until its origin's next one comes.
    fn reopen(&self, member: &MemberName, note: &Bytes) -> Option<Checkpoint> {
        let accepted = self.rosters.current();
        let origin = origin_of(member.as_str());
        let segments = accepted.roster.member(member).map_or(&[][..], |member| &member.segments);
        let opened = segments.iter().find_map(|s| SignedCheckpoint::open(note, &origin, &s.log_key.0).ok());
        if opened.is_none() && !note.is_empty() {
            tracing::warn!(%member, "the stored checkpoint does not hold: it is not served");
        }
        opened.map(|opened| opened.checkpoint().clone())
    }

    /// The empty log has a checkpoint too, so that a reader can tell an empty log from no answer.
    async fn sign_empty(&mut self) -> Result<(), StoreError> {
        let mut draft = self.own_draft()?.clone();
        let append = self.seal(&mut draft, Collected::default(), true)?;
        self.store.commit(&[append], &[]).await?;
        self.put(draft);
        Ok(())
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
        while let Some(first) = jobs.recv().await {
            let mut group = vec![first];
            let mut statements = weight(&group);
            while group.len() < GROUP_ITEMS && statements < GROUP_STATEMENTS {
                let Ok(job) = jobs.try_recv() else { break };
                group.push(job);
                statements =
                    statements.saturating_add(weight(group.get(group.len() - 1..).unwrap_or_default()));
            }
            self.commit(group).await?;
        }
        Ok(())
    }

    /// One group, in order: judge, write, publish the heads, answer.
    async fn commit(&mut self, group: Vec<Job>) -> Result<(), StoreError> {
        let mut publications = Vec::new();
        let mut pages = Vec::new();
        for job in group {
            match job {
                Job::Publish(item, room, reply) => publications.push((*item, room, reply)),
                Job::Replicate(page, reply) => pages.push((*page, reply)),
                Job::Mend(log, entry, reply) => match self.store.mend(log, *entry).await {
                    Ok(()) => drop(reply.send(Ok(()))),
                    Err(error) if error.is_survivable() => drop(reply.send(Err(error.to_string()))),
                    Err(error) => return Err(error),
                },
            }
        }
        let mut appends = Vec::new();
        let mut drafts = Vec::new();
        let mut answered = Vec::new();
        for (page, reply) in pages {
            match self.continue_replica(page, &drafts) {
                Ok((draft, append)) => {
                    drafts.push(draft);
                    appends.push(append);
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
                appends.push(append);
                drafts.push(own);
            }
        }
        if appends.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.store.commit(&appends, &usage).await {
            if !error.is_survivable() {
                return Err(error);
            }
            tracing::error!(%error, "nothing of this group was stored");
            let refusal = || Refusal::new(RefusalCode::Quota, error.to_string());
            accepted.into_iter().for_each(|item| drop(item.reply.send(Err(refusal()))));
            answered.into_iter().for_each(|reply| drop(reply.send(Err(error.to_string()))));
            return Ok(());
        }
        // A crash from here on loses no more than the answers: the items are in the log, and publishing them
        // again finds them.
        self.tombstones.extend(appends.iter().flat_map(|append| &append.tombstones).map(|stone| stone.tag));
        self.usage.extend(usage.into_iter().map(|usage| (usage.publisher.clone(), usage)));
        drafts.into_iter().for_each(|draft| self.put(draft));
        for append in &appends {
            self.learn(&append.revocations);
            for revocation in &append.revocations {
                let of = self.logs.values().find(|log| log.prefix.member().as_str() == revocation.member);
                if let Some(draft) = of.cloned() {
                    self.put(draft);
                }
            }
        }
        answered.into_iter().for_each(|reply| drop(reply.send(Ok(()))));
        self.answer(accepted, &proof_tiles)
    }

    fn put(&mut self, mut draft: Draft) {
        for (key, since) in self.revocations.get(draft.prefix.member().as_str()).into_iter().flatten() {
            draft.prefix.revoke(key, *since);
        }
        self.heads.publish(draft.head());
        self.logs.insert(draft.prefix.member().clone(), draft);
    }

    /// Receipts, all against the new size; each tile is hashed once for all of them.
    fn answer(&self, accepted: Vec<Accepted>, tiles: &BTreeMap<TileId, Vec<u8>>) -> Result<(), StoreError> {
        if accepted.is_empty() {
            return Ok(());
        }
        let damaged = |error: almenara_proto::tile::TileError| StoreError::Damaged {
            what: "tiles",
            why: error.to_string(),
        };
        let draft = self.own_draft()?;
        let mut prover = Prover::new(draft.edge.size(), tiles).map_err(damaged)?;
        for Accepted { index, repeated, reply, .. } in accepted {
            let inclusion = prover.inclusion(index).map_err(damaged)?;
            drop(reply.send(Ok(receipt(index, &inclusion, &draft.checkpoint, repeated))));
        }
        Ok(())
    }

    /// Judges publications in order, each with all before it.
    async fn judge(
        &self,
        publications: Vec<Publication>,
        accepted: &mut Vec<Accepted>,
        usage: &mut Vec<Usage>,
    ) -> Result<(Draft, Collected), StoreError> {
        let mut draft = self.own_draft()?.clone();
        let mut collected = Collected::default();
        let mut standing = self.standing(&publications).await?;
        let today = (self.clock)() / 86_400;
        for (item, room, reply) in publications {
            let judged = self.judge_one(&draft, &collected, &standing, &item, today, usage).await?;
            // What is in the log cannot come once more, but for revocations: those may be as often as they like.
            let may_be_known = match &judged {
                Ok(()) => matches!(item.entry.entry(), LogEntry::KeyRevocation(_)),
                Err(refusal) => matches!(refusal.code, RefusalCode::Seq | RefusalCode::Key),
            };
            if may_be_known {
                let id = item.entry.entry().id();
                if let Some(known) = collected.entries.iter().find(|known| known.id == id) {
                    accepted.push(Accepted { index: known.index, repeated: true, reply, _room: room });
                    continue;
                }
                if let Some(receipt) = self.repeated(&id).await? {
                    drop(reply.send(Ok(receipt)));
                    continue;
                }
            }
            match judged {
                Ok(()) => {
                    let index =
                        self.take(&mut draft, &mut collected, &mut standing, item, today, usage).await?;
                    accepted.push(Accepted { index, repeated: false, reply, _room: room });
                }
                Err(refusal) => drop(reply.send(Err(refusal))),
            }
        }
        Ok((draft, collected))
    }

    /// The member's reports on the indicators that this group reports, as they stand in the store.
    async fn standing(&self, publications: &[Publication]) -> Result<Standing, StoreError> {
        let mut keys: Vec<u64> =
            publications.iter().flat_map(|(item, ..)| &item.reports).map(|report| report.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut places = self.store.places(&keys).await?;
        places.retain(|(_, place)| place.log() == self.own_log);
        let all: Vec<Place> = places.iter().map(|(_, place)| *place).collect();
        let gone: HashSet<Place> = self.store.withdrawn(&all).await?.into_iter().collect();
        let statements = self.store.statements_at(&all).await?;
        let publishers = self.publishers(&all).await?;
        let mut standing = Standing::default();
        for (key, place) in places {
            if gone.contains(&place) {
                continue;
            }
            if let (Some(bytes), Some(publisher)) = (statements.get(&place), publishers.get(&place.entry())) {
                standing.0.entry(key).or_default().push(StandingReport {
                    place: (place.entry(), place.leaf()),
                    publisher: Arc::clone(publisher),
                    bytes: bytes.clone(),
                });
            }
        }
        Ok(standing)
    }

    async fn publishers(&self, places: &[Place]) -> Result<HashMap<u64, Arc<str>>, StoreError> {
        let mut entries: Vec<(LogId, u64)> =
            places.iter().map(|place| (place.log(), place.entry())).collect();
        entries.sort_unstable();
        entries.dedup();
        let stored = self.store.entries_at(&entries).await?;
        Ok(stored.into_iter().filter_map(|(_, entry)| Some((entry.index, publisher_of(&entry)?))).collect())
    }

    async fn judge_one(
        &self,
        draft: &Draft,
        collected: &Collected,
        standing: &Standing,
        item: &Admitted,
        today: u64,
        usage: &[Usage],
    ) -> Result<Result<(), Refusal>, StoreError> {
        let roster = &self.rosters.current().roster;
        if let Some((with, _)) = &item.with
            && let Err(void) = draft.prefix.judge(with, roster)
        {
            return Ok(Err(Refusal::from(void)));
        }
        if let Err(void) = draft.prefix.judge(&item.entry, roster) {
            return Ok(Err(Refusal::from(void)));
        }
        match item.entry.entry() {
            LogEntry::Batch(signed) => {
                let publisher = signed.content.publisher.as_str();
                if let Err(refusal) = self.quota(publisher, u64::from(signed.content.count), today, usage) {
                    return Ok(Err(refusal));
                }
                let mut leaves = standing.conflicts(publisher, item);
                leaves.extend(self.withdrawn_before(item, collected).await?);
                leaves.extend(self.refused_disputes(item).await?);
                leaves.sort_unstable_by_key(|(leaf, ..)| *leaf);
                leaves.dedup_by_key(|(leaf, ..)| *leaf);
                Ok(Refusal::of_leaves(leaves).map_or(Ok(()), Err))
            }
            LogEntry::Withdrawal(signed) => self.targets_exist(&signed.content.targets, collected).await,
            LogEntry::KeyGrant(signed) => Ok(self.unused_elsewhere(&signed.content.key)),
            _ => Ok(Ok(())),
        }
    }

    /// A key has one holder (PROTOCOL.md §2), as far as this node knows the logs of others.
    fn unused_elsewhere(&self, key: &PublicKey) -> Result<(), Refusal> {
        let holder = self
            .logs
            .iter()
            .find(|(member, log)| **member != self.own.member && log.prefix.key(key).is_some());
        match holder {
            None => Ok(()),
            Some((member, _)) => Err(Refusal::new(
                RefusalCode::Key,
                format!("{member} granted {key} to a desk of its own: make a new key"),
            )),
        }
    }

    fn quota(&self, publisher: &str, count: u64, today: u64, usage: &[Usage]) -> Result<(), Refusal> {
        let used = self.used(publisher, today, usage);
        if used.saturating_add(count) <= self.own.statements_per_day {
            return Ok(());
        }
        Err(Refusal::new(
            RefusalCode::Quota,
            format!(
                "{publisher} published {used} statements today, and {} is its daily quota: go on tomorrow, or ask \
                 the operator for a larger quotas.statements_per_day",
                self.own.statements_per_day
            ),
        ))
    }

    fn used(&self, publisher: &str, today: u64, usage: &[Usage]) -> u64 {
        usage
            .iter()
            .find(|usage| usage.publisher == publisher)
            .or_else(|| self.usage.get(publisher))
            .filter(|usage| usage.day == today)
            .map_or(0, |usage| usage.statements)
    }

    /// Sticky withdrawals: a stale import cannot resurrect a false positive.
    async fn withdrawn_before(
        &self,
        item: &Admitted,
        collected: &Collected,
    ) -> Result<Vec<(u32, RefusalCode, String)>, StoreError> {
        if self.tombstones.is_empty() && collected.tombstones.is_empty() {
            return Ok(Vec::new());
        }
        let mut hits = Vec::new();
        for report in &item.reports {
            let Some(statement) = item.statement(report.leaf) else { continue };
            let tag = self.tag(&statement.indicator);
            let fresh = collected.tombstones.get(&tag);
            if fresh.is_some() || self.tombstones.contains(&tag) {
                hits.push((report.leaf, statement, tag, fresh.cloned()));
            }
        }
        let tags: Vec<[u8; 32]> = hits.iter().map(|(_, _, tag, _)| *tag).collect();
        let stored: HashMap<[u8; 32], (u64, Hash)> = self
            .store
            .tombstones(&tags)
            .await?
            .into_iter()
            .map(|(tag, entry, id)| (tag, (entry, id)))
            .collect();
        let refused = hits.into_iter().filter_map(|(leaf, statement, tag, fresh)| {
            let (entry, id) =
                fresh.map(|stone| (stone.entry, stone.withdrawal)).or_else(|| stored.get(&tag).copied())?;
            let Claim::Report(report) = &statement.claim else { return None };
            if report.reinstates.is_some_and(|named| named.entry == entry && named.id == id) {
                return None;
            }
            let why = format!(
                "{} withdrew this indicator in entry {entry}: a new report must name that withdrawal ({id}) as \
                 what it reinstates",
                self.own.member
            );
            Some((leaf, RefusalCode::Withdrawn, why))
        });
        Ok(refused.collect())
    }

    async fn refused_disputes(&self, item: &Admitted) -> Result<Vec<(u32, RefusalCode, String)>, StoreError> {
        let mut refused = Vec::new();
        for leaf in &item.disputes {
            let Some(statement) = item.statement(*leaf) else { continue };
            let Claim::Dispute(dispute) = &statement.claim else { continue };
            let log = self.logs.get(&dispute.target.member).map(|log| log.log);
            let judged = disputes::judge(&self.store, log, &statement, dispute, &self.own.member).await?;
            refused.extend(judged.err().map(|refusal| (*leaf, refusal.code, refusal.message)));
        }
        Ok(refused)
    }

    /// A keyed hash: the tag survives erasure and tells nobody what was withdrawn.
    fn tag(&self, indicator: &Indicator) -> [u8; 32] {
        let kind = [indicator.kind() as u8];
        merkle::sha256(&[
            b"almenara/v1/tombstone\0",
            &self.own.tombstone_key,
            &kind,
            indicator.value().as_bytes(),
        ])
        .0
    }

    async fn targets_exist(
        &self,
        targets: &[(u64, u32)],
        collected: &Collected,
    ) -> Result<Result<(), Refusal>, StoreError> {
        let mut wanted: Vec<(LogId, u64)> = targets.iter().map(|(entry, _)| (self.own_log, *entry)).collect();
        wanted.dedup();
        let mut counts: HashMap<u64, u32> = self
            .store
            .entries_at(&wanted)
            .await?
            .iter()
            .filter_map(|(_, stored)| Some((stored.index, count_of(&stored.bytes)?)))
            .collect();
        counts.extend(collected.entries.iter().filter_map(|new| Some((new.index, count_of(&new.bytes)?))));
        let missing =
            targets.iter().find(|(entry, leaf)| counts.get(entry).is_none_or(|count| leaf >= count));
        Ok(match missing {
            None => Ok(()),
            Some((entry, leaf)) => Err(Refusal::new(
                RefusalCode::UnknownTarget,
                format!("{}:{entry}.{leaf} is no statement of this log", self.own.member),
            )),
        })
    }

    /// The first receipt of an item that is in the log already.
    async fn repeated(&self, id: &Hash) -> Result<Option<wire::Receipt>, StoreError> {
        let Some(index) = self.store.find(self.own_log, id).await? else {
            return Ok(None);
        };
        let draft = self.own_draft()?;
        let size = draft.edge.size();
        let tiles =
            self.store.tiles(self.own_log, almenara_proto::tile::tiles_for_inclusion(index, size)).await?;
        let inclusion = almenara_proto::tile::inclusion(index, size, &tiles)
            .map_err(|error| StoreError::Damaged { what: "tiles", why: error.to_string() })?;
        Ok(Some(receipt(index, &inclusion, &draft.checkpoint, true)))
    }

    /// Appends an item that passed, with its override before it.
    async fn take(
        &self,
        draft: &mut Draft,
        collected: &mut Collected,
        standing: &mut Standing,
        item: Admitted,
        today: u64,
        usage: &mut Vec<Usage>,
    ) -> Result<u64, StoreError> {
        if let Some((with, bytes)) = item.with.clone() {
            self.push(draft, collected, with, bytes, Vec::new(), false);
        }
        let index = draft.prefix.size();
        match item.entry.entry() {
            LogEntry::Batch(signed) => {
                let publisher = signed.content.publisher.to_string();
                let statements =
                    self.used(&publisher, today, usage).saturating_add(u64::from(signed.content.count));
                usage.retain(|usage| usage.publisher != publisher);
                usage.push(Usage { publisher, day: today, statements });
                standing.add(&signed.content.publisher.as_str().into(), index, &item);
            }
            LogEntry::Withdrawal(signed) => {
                let id = signed.id();
                let targets = signed.content.targets.clone();
                self.withdraw(collected, standing, index, id, &targets).await?;
            }
            _ => {}
        }
        self.push(draft, collected, item.entry, item.bytes, item.statements, item.open);
        Ok(index)
    }

    async fn withdraw(
        &self,
        collected: &mut Collected,
        standing: &mut Standing,
        index: u64,
        withdrawal: Hash,
        targets: &[(u64, u32)],
    ) -> Result<(), StoreError> {
        let places = targets
            .iter()
            .map(|(entry, leaf)| Place::new(self.own_log, *entry, *leaf))
            .collect::<Result<Vec<_>, _>>()?;
        let mut statements = self.store.statements_at(&places).await?;
        for new in &collected.entries {
            for (leaf, bytes, _) in &new.statements {
                if targets.binary_search(&(new.index, *leaf)).is_ok() {
                    statements.insert(Place::new(self.own_log, new.index, *leaf)?, bytes.clone());
                }
            }
        }
        for bytes in statements.values() {
            if let Ok(statement) = Statement::parse(bytes)
                && statement.report().is_some()
            {
                let tag = self.tag(&statement.indicator);
                collected.tombstones.insert(tag, Tombstone { tag, entry: index, withdrawal });
            }
        }
        standing.remove(targets);
        collected.withdrawn.extend(places.into_iter().map(|place| (place, index)));
        Ok(())
    }

    fn push(
        &self,
        draft: &mut Draft,
        collected: &mut Collected,
        entry: CheckedEntry,
        bytes: Bytes,
        statements: Vec<(u32, Bytes, Option<u64>)>,
        open: bool,
    ) {
        let id = entry.entry().id();
        let key = spoken_of(entry.entry());
        let appended = draft.prefix.append_checked(&bytes, Ok(entry), &self.rosters.current().roster);
        collected.leaves.push(appended.leaf);
        collected.keys.extend(key);
        if let Ok(entry) = &appended.outcome {
            collected.learn(&self.own.member, entry);
        }
        collected.entries.push(NewEntry {
            index: appended.index,
            bytes,
            id,
            counts: appended.outcome.is_ok(),
            open,
            statements,
            leaf_hashes: None,
        });
    }

    /// Moves the edge, checks that tiles and tree agree, and signs (the own log only).
    fn seal(&self, draft: &mut Draft, collected: Collected, own: bool) -> Result<Append, StoreError> {
        let old_size = draft.edge.size();
        let tiles = draft.edge.append(&collected.leaves);
        draft.edge_tiles.extend(tiles.iter().cloned());
        let keep = edge_tiles(draft.edge.size());
        draft.edge_tiles.retain(|tile, _| keep.contains(tile));
        let damaged = |why: &str| StoreError::Damaged { what: "tree", why: why.to_owned() };
        if draft.edge.root() != draft.prefix.tree().root() || draft.edge.size() != draft.prefix.size() {
            return Err(damaged("tiles and head lead to two roots; nothing was signed"));
        }
        if own {
            let signed = SignedCheckpoint::sign(draft.prefix.checkpoint(), &self.own.log_key)
                .map_err(|error| damaged(&error.to_string()))?;
            draft.checkpoint = Bytes::copy_from_slice(signed.note());
            draft.signed_size = draft.prefix.size();
        }
        let keys = draft.prefix.keys().filter(|kept| collected.keys.contains(&kept.key)).collect();
        Ok(Append {
            log: draft.log,
            old_size,
            size: draft.prefix.size(),
            tree: draft.prefix.tree().to_bytes(),
            checkpoint: draft.checkpoint.clone(),
            entries: collected.entries,
            tiles,
            keys,
            withdrawn: collected.withdrawn,
            tombstones: collected.tombstones.into_values().collect(),
            revocations: collected.revocations,
        })
    }

    /// A page that continues a replica, which its follower verified.
    fn continue_replica(&self, page: ReplicaPage, drafts: &[Draft]) -> Result<(Draft, Append), String> {
        let member = page.prefix.member().clone();
        // Two pages of one log in one group: the second continues the first.
        let known = drafts.iter().rev().find(|draft| *draft.prefix.member() == member);
        let Some(known) = known.or_else(|| self.logs.get(&member)) else {
            return Err(format!("this node holds no log of {member}"));
        };
        let from = page.entries.first().map_or(page.prefix.size(), |entry| entry.new.index);
        if member == self.own.member || from != known.prefix.size() {
            return Err(format!(
                "the page starts at {from}, the replica of {member} ends at {}",
                known.prefix.size()
            ));
        }
        let mut draft = Draft { prefix: page.prefix, ..known.clone() };
        let mut collected = Collected::default();
        for entry in page.entries {
            collected.leaves.push(entry.leaf);
            collected.keys.extend(entry.counted.as_ref().and_then(spoken_of));
            if let Some(counted) = &entry.counted {
                collected.learn(&member, counted);
            }
            if let Some(LogEntry::Withdrawal(signed)) = &entry.counted {
                // A leaf beyond any batch is none, and ends nothing: it must not stop what comes after it.
                let places = signed.content.targets.iter();
                let places = places.filter_map(|(target, leaf)| Place::new(draft.log, *target, *leaf).ok());
                collected.withdrawn.extend(places.map(|place| (place, entry.new.index)));
            }
            collected.entries.push(entry.new);
        }
        if let Some(note) = page.checkpoint {
            draft.checkpoint = note;
            draft.signed_size = draft.prefix.size();
        }
        let append = self.seal(&mut draft, collected, false).map_err(|error| error.to_string())?;
        Ok((draft, append))
    }
}

impl Draft {
    fn head(&self) -> Head {
        Head {
            log: self.log,
            prefix: Arc::new(self.prefix.clone()),
            signed_size: self.signed_size,
            checkpoint: self.checkpoint.clone(),
        }
    }
}

impl Admitted {
    fn statement(&self, leaf: u32) -> Option<Statement> {
        let at = self.statements.binary_search_by_key(&leaf, |(leaf, ..)| *leaf).ok()?;
        Statement::parse(&self.statements.get(at)?.1).ok()
    }
}

/// What a group adds to one log so far.
#[derive(Default)]
struct Collected {
    entries: Vec<NewEntry>,
    leaves: Vec<Hash>,
    keys: HashSet<PublicKey>,
    withdrawn: Vec<(Place, u64)>,
    /// By tag: the latest counts, and PostgreSQL takes a row only once in a statement.
    tombstones: HashMap<[u8; 32], Tombstone>,
    revocations: Vec<Revocation>,
}

impl Collected {
    /// Keeps a revocation of a key whose log is another one; of several the least.
    fn learn(&mut self, log: &MemberName, entry: &LogEntry) {
        let LogEntry::KeyRevocation(signed) = entry else { return };
        let KeyRevocation { member, key, since_index, .. } = &signed.content;
        if member == log {
            return;
        }
        let (member, since) = (member.to_string(), *since_index);
        match self.revocations.iter_mut().find(|known| known.member == member && known.key == *key) {
            Some(known) => known.since = since.min(known.since),
            None => self.revocations.push(Revocation { member, key: *key, since }),
        }
    }
}

/// Reports of the member that are not withdrawn, by index key: from the store, and from the group so far.
#[derive(Default)]
struct Standing(HashMap<u64, Vec<StandingReport>>);

struct StandingReport {
    place: (u64, u32),
    publisher: Arc<str>,
    bytes: Bytes,
}

impl Standing {
    /// Reports whose audience differs from the publisher's current one: no two readers may believe different
    /// current reports.
    fn conflicts(&self, publisher: &str, item: &Admitted) -> Vec<(u32, RefusalCode, String)> {
        let mut conflicts = Vec::new();
        for report in &item.reports {
            let Some(known) = self.0.get(&report.key) else { continue };
            let Some(new) = item.statement(report.leaf) else { continue };
            let current = known
                .iter()
                .filter(|known| *known.publisher == *publisher)
                .filter_map(|known| Some((known.place, Statement::parse(&known.bytes).ok()?)))
                .filter(|(_, statement)| statement.report().is_some() && statement.indicator == new.indicator)
                .max_by_key(|(place, _)| *place);
            if let Some(((entry, leaf), current)) = current
                && !same_audience(&current.release, &new.release)
            {
                let why = format!(
                    "the current report on this indicator ({entry}.{leaf}) has another audience: withdraw that first"
                );
                conflicts.push((report.leaf, RefusalCode::Audience, why));
            }
        }
        conflicts
    }

    fn add(&mut self, publisher: &Arc<str>, index: u64, item: &Admitted) {
        // Reports ascend by leaf, as the statements do.
        let mut statements = item.statements.iter();
        for report in &item.reports {
            if let Some((_, bytes, _)) = statements.find(|(leaf, ..)| *leaf == report.leaf) {
                self.0.entry(report.key).or_default().push(StandingReport {
                    place: (index, report.leaf),
                    publisher: Arc::clone(publisher),
                    bytes: bytes.clone(),
                });
            }
        }
    }

    fn remove(&mut self, targets: &[(u64, u32)]) {
        for reports in self.0.values_mut() {
            reports.retain(|report| targets.binary_search(&report.place).is_err());
        }
    }
}

/// What may be done with a statement (PAP) is not whom it is for.
fn same_audience(a: &Release, b: &Release) -> bool {
    a.tlp == b.tlp && a.to == b.to && a.not_to == b.not_to
}

/// The key whose life an entry changes.
fn spoken_of(entry: &LogEntry) -> Option<PublicKey> {
    match entry {
        LogEntry::Batch(signed) => Some(signed.content.key),
        LogEntry::Withdrawal(signed) => Some(signed.content.key),
        LogEntry::KeyGrant(signed) => Some(signed.content.key),
        LogEntry::KeyRevocation(signed) => Some(signed.content.key),
        LogEntry::Override(_) => None,
    }
}

fn publisher_of(entry: &StoredEntry) -> Option<Arc<str>> {
    match LogEntry::parse(&entry.bytes).ok()? {
        LogEntry::Batch(signed) => Some(signed.content.publisher.as_str().into()),
        _ => None,
    }
}

fn count_of(entry: &Bytes) -> Option<u32> {
    match LogEntry::parse(entry).ok()? {
        LogEntry::Batch(signed) => Some(signed.content.count),
        _ => None,
    }
}

fn receipt(index: u64, inclusion: &[Hash], checkpoint: &Bytes, repeated: bool) -> wire::Receipt {
    wire::Receipt {
        index,
        inclusion: inclusion.iter().map(|hash| Bytes::copy_from_slice(&hash.0)).collect(),
        checkpoint: checkpoint.clone(),
        repeated,
    }
}

fn weight(jobs: &[Job]) -> usize {
    jobs.iter()
        .map(|job| match job {
            Job::Publish(item, ..) => item.statements.len(),
            Job::Replicate(page, _) => page.entries.iter().map(|entry| entry.new.statements.len()).sum(),
            Job::Mend(_, entry, _) => entry.statements.len(),
        })
        .sum()
}
