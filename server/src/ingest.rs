//! The only entrance for writing, for publishers and for peers alike: verify, admit, hand to the sequencer.
//!
//! Everything here is stateless or looks only at tables (safeguards, the roster), so that many batches are
//! checked at once; what depends on the log is the sequencer's.

mod admit;
mod points;
mod replica;

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use almenara_proto::{
    blame::Void,
    limits::MESSAGE_BYTES,
    merkle::{self, Hash},
    name::MemberName,
    prefix::CheckedEntry,
    wire::{self, RefusalCode},
};

use crate::{
    heads::Settled,
    identity::Account,
    own_log::{OwnLog, Standing},
    quarantine::Quarantine,
    rosters::SharedRosters,
    safeguards::SharedSafeguards,
    store::{
        LogId, Place, accesses::Access, archive::Witnessed, chunks::Stored, erased::Fate, memory::Memo,
        write::NewEntry,
    },
};

use admit::admit;
pub(crate) use admit::{index_key, statements};
use points::Points;
pub use replica::{ReplicaEntry, ReplicaPage};

/// Nothing of the item was kept; why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Which rule.
    pub code: RefusalCode,
    /// In words.
    pub message: String,
    /// Where single statements are the reason: leaf, rule, words.
    pub leaves: Vec<(u32, RefusalCode, String)>,
}

impl Refusal {
    /// A refusal of the whole item.
    #[must_use]
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), leaves: Vec::new() }
    }

    /// A refusal because of single statements: all are named, so that the rest can be published again at once.
    #[must_use]
    pub fn of_leaves(leaves: Vec<(u32, RefusalCode, String)>) -> Option<Self> {
        let (_, code, first) = leaves.first()?;
        let message = match leaves.len() {
            1 => first.clone(),
            many => format!("{many} statements are refused, the first because {first}"),
        };
        Some(Self { code: *code, message, leaves })
    }
}

impl From<Void> for Refusal {
    fn from(void: Void) -> Self {
        let code = match void.place.as_ref() {
            "key" | "publisher" | "KeyGrant.key" => RefusalCode::Key,
            "seq" => RefusalCode::Seq,
            "member" | "federation" => RefusalCode::NotYours,
            _ => RefusalCode::Void,
        };
        Self::new(code, void.to_string())
    }
}

/// A report, as the sequencer needs it to find the member's current one.
#[derive(Clone, Copy, Debug)]
pub struct ReportFact {
    /// Its leaf.
    pub leaf: u32,
    /// Index key of its indicator.
    pub key: u64,
}

/// An item that passed everything that needs no log.
#[derive(Debug)]
pub struct Admitted {
    /// The entry, its author's signature verified.
    pub entry: CheckedEntry,
    /// What stands in the log.
    pub bytes: Bytes,
    /// Its statements: leaf, bytes, index key.
    pub statements: Vec<Stored>,
    /// The reports among them.
    pub reports: Vec<ReportFact>,
    /// Leaves of the disputes among them.
    pub disputes: Vec<u32>,
    /// Whether every statement is TLP:CLEAR.
    pub open: bool,
    /// Logged just before a batch that needs it.
    pub with: Option<(CheckedEntry, Bytes)>,
}

/// Room for an item's bytes, held from its arrival until it is durable or refused.
#[derive(Debug)]
pub struct Room {
    _permit: OwnedSemaphorePermit,
}

/// An item that was judged as far as that needs no log.
#[derive(Debug)]
pub struct Judged {
    id: Hash,
    admitted: Result<Admitted, Refusal>,
    room: Room,
}

/// An answer that is there, or will be.
#[derive(Debug)]
pub struct Answer {
    id: Hash,
    outcome: Result<oneshot::Receiver<Result<Outcome, NotNow>>, Refusal>,
}

impl Answer {
    /// The item's id and what happened to it.
    ///
    /// # Errors
    /// [`NotNow`]; a refusal is a value.
    pub async fn outcome(self) -> Result<(Hash, Outcome), NotNow> {
        Ok((
            self.id,
            match self.outcome {
                Ok(outcome) => outcome.await.unwrap_or(Err(NotNow::Stopping))?,
                Err(refusal) => Err(refusal),
            },
        ))
    }
}

/// What happened to an item.
pub type Outcome = Result<wire::Receipt, Refusal>;

/// Work for the sequencer.
#[derive(Debug)]
pub enum Job {
    /// An item for the own log.
    Publish(Box<Admitted>, Room, oneshot::Sender<Result<Outcome, NotNow>>),
    /// A page for a replica.
    Replicate(Box<ReplicaPage>, oneshot::Sender<Result<(), String>>),
    /// Entries of the own log that an old copy of the store had forgotten, from those who hold them.
    Recover(Box<ReplicaPage>, oneshot::Sender<Result<(), String>>),
    /// A log's key signed two histories.
    Quarantine(Box<Quarantine>, oneshot::Sender<()>),
    /// An entry of a log whose stored copy had rotted.
    Mend(LogId, Box<NewEntry>, oneshot::Sender<Result<(), String>>),
    /// Statements of an entry that shall disappear, by leaf; gives how many were here.
    Drop(LogId, u64, BTreeSet<u32>, oneshot::Sender<Result<usize, String>>),
    /// Statements of an entry that were not here: leaf, bytes and index key.
    Add(LogId, u64, Vec<Stored>, oneshot::Sender<Result<(), String>>),
    /// Statements that were shown on request; those before a time (Unix seconds) are forgotten.
    Accesses(Vec<Access>, u64, oneshot::Sender<Result<(), String>>),
    /// A witness outside the federation has cosigned the own log.
    Witnessed(Witnessed, oneshot::Sender<Result<(), String>>),
    /// What a start should not have to find out again.
    Remember(Memo, oneshot::Sender<Result<(), String>>),
    /// What became of erasures.
    EndErasures(Vec<Place>, Fate, oneshot::Sender<Result<(), String>>),
    /// More of a log is settled.
    Settle(MemberName, Settled),
    /// A new member has a log too.
    AddLog(MemberName, oneshot::Sender<()>),
}

/// The node cannot take it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// It ends.
    #[error("the node is stopping: try again, or another node")]
    Stopping,
    /// Nothing of the item was kept.
    #[error(
        "no space is left where the node keeps its data: nothing was stored; try again later, or tell its operator"
    )]
    Full,
    /// The own log waits for its operator.
    #[error(
        "this node does not know all that it signed itself, and takes nothing for its own log until it does: tell its \
         operator, who sees why in `almenarad status`"
    )]
    OldCopy,
}

/// The entrance.
#[derive(Clone, Debug)]
pub struct Ingest {
    jobs: mpsc::Sender<Job>,
    rosters: SharedRosters,
    safeguards: SharedSafeguards,
    own: OwnLog,
    points: Points,
    /// Batches being verified at once: each holds some megabytes of parsed statements.
    verifying: Arc<Semaphore>,
    /// KiB of statements between their arrival and their answer, over all callers.
    in_flight: Arc<Semaphore>,
}

/// Who looked at what is known for thirty days, in seconds: long enough to ask, and no longer.
const ACCESSES_KEPT: u64 = 30 * 86_400;
/// More than the cores gain nothing; each batch of 4,096 parsed statements takes some 4 MiB.
const VERIFYING_AT_ONCE: usize = 3;
/// 8 MiB: two or three group commits of typical statements; parsed, framed and queued they take some times as much.
const IN_FLIGHT_KIB: usize = 8 * 1024;

impl Ingest {
    /// An entrance to the sequencer behind `jobs`.
    #[must_use]
    pub fn new(
        jobs: mpsc::Sender<Job>,
        rosters: SharedRosters,
        safeguards: SharedSafeguards,
        own: OwnLog,
    ) -> Self {
        Self {
            jobs,
            rosters,
            safeguards,
            own,
            points: Points::default(),
            verifying: Arc::new(Semaphore::new(VERIFYING_AT_ONCE)),
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT_KIB)),
        }
    }

    /// Waits for room for an item. No more of a stream may be read before it has it.
    ///
    /// # Errors
    /// [`NotNow`].
    pub async fn room(&self, item: &wire::publish_request::Item) -> Result<Room, NotNow> {
        let permit = Arc::clone(&self.in_flight).acquire_many_owned(kib(item)).await;
        Ok(Room { _permit: permit.map_err(|_| NotNow::Stopping)? })
    }

    /// Judges one item of a publisher or operator of this member; many at once, in any order.
    ///
    /// # Errors
    /// [`NotNow`]; a refusal is a value.
    pub async fn judge(
        &self,
        account: &Arc<Account>,
        item: wire::publish_request::Item,
        room: Room,
        now: u64,
    ) -> Result<Judged, NotNow> {
        let verifying = self.verifying.acquire().await.map_err(|_| NotNow::Stopping)?;
        let id = item_id(&item);
        let (account, rosters, safeguards, points) =
            (Arc::clone(account), self.rosters.clone(), self.safeguards.current(), self.points.clone());
        let large = matches!(&item, wire::publish_request::Item::Batch(batch) if batch.statements.len() > 64);
        let admit = move || admit(&account, item, now, &rosters, &safeguards, &points);
        // Small items are cheaper done here than handed to another thread.
        let admitted = if large {
            match tokio::task::spawn_blocking(admit).await {
                Ok(admitted) => admitted,
                Err(_) => {
                    Err(Refusal::new(RefusalCode::Void, "a statement could not be read; it was not kept"))
                }
            }
        } else {
            admit()
        };
        drop(verifying);
        Ok(Judged { id, admitted, room })
    }

    /// Hands an item to the sequencer. The items of a stream come here in their order, or the later ones of a key
    /// would make the earlier ones void.
    ///
    /// # Errors
    /// [`NotNow`].
    pub async fn enqueue(&self, item: Judged) -> Result<Answer, NotNow> {
        let outcome = match item.admitted {
            Ok(admitted) => {
                // A few seconds after a start: nothing is signed before the others were asked.
                let mut standing = self.own.subscribe();
                let known = standing.wait_for(|standing| *standing != Standing::Comparing).await;
                drop(known.map_err(|_| NotNow::Stopping)?);
                let (reply, outcome) = oneshot::channel();
                let job = Job::Publish(Box::new(admitted), item.room, reply);
                self.jobs.send(job).await.map_err(|_| NotNow::Stopping)?;
                Ok(outcome)
            }
            Err(refusal) => Err(refusal),
        };
        Ok(Answer { id: item.id, outcome })
    }

    /// Takes a checkpoint of `member` that agrees with what is held of its log, and whose cosignatures were counted.
    ///
    /// # Errors
    /// [`NotNow`].
    pub async fn settle(&self, member: MemberName, settled: Settled) -> Result<(), NotNow> {
        self.jobs.send(Job::Settle(member, settled)).await.map_err(|_| NotNow::Stopping)
    }

    /// Keeps what a witness outside the federation has cosigned.
    ///
    /// # Errors
    /// [`NotNow`]; the inner error is the store's.
    pub async fn witnessed(&self, witnessed: Witnessed) -> Result<Result<(), String>, NotNow> {
        let (reply, kept) = oneshot::channel();
        self.jobs.send(Job::Witnessed(witnessed, reply)).await.map_err(|_| NotNow::Stopping)?;
        kept.await.map_err(|_| NotNow::Stopping)
    }

    /// Begins a log of a new member, if there is none.
    ///
    /// # Errors
    /// [`NotNow`].
    pub async fn add_log(&self, member: MemberName) -> Result<(), NotNow> {
        let (reply, added) = oneshot::channel();
        self.jobs.send(Job::AddLog(member, reply)).await.map_err(|_| NotNow::Stopping)?;
        added.await.map_err(|_| NotNow::Stopping)
    }

    /// Takes a verified page of another member's log.
    ///
    /// # Errors
    /// [`NotNow`]; the inner error says that the page does not continue what is held.
    pub async fn replicate(&self, page: ReplicaPage) -> Result<Result<(), String>, NotNow> {
        let (reply, outcome) = oneshot::channel();
        self.jobs.send(Job::Replicate(Box::new(page), reply)).await.map_err(|_| NotNow::Stopping)?;
        outcome.await.map_err(|_| NotNow::Stopping)
    }

    /// Takes a verified page of the own log, which an old copy of the store had forgotten.
    ///
    /// # Errors
    /// [`NotNow`]; the inner error says that the page does not continue what is held.
    pub async fn recover(&self, page: ReplicaPage) -> Result<Result<(), String>, NotNow> {
        let (reply, outcome) = oneshot::channel();
        self.jobs.send(Job::Recover(Box::new(page), reply)).await.map_err(|_| NotNow::Stopping)?;
        outcome.await.map_err(|_| NotNow::Stopping)
    }

    /// Keeps proof against a log, and ends it where its two histories part.
    ///
    /// # Errors
    /// [`NotNow`].
    pub async fn quarantine(&self, found: Quarantine) -> Result<(), NotNow> {
        let (reply, kept) = oneshot::channel();
        self.jobs.send(Job::Quarantine(Box::new(found), reply)).await.map_err(|_| NotNow::Stopping)?;
        kept.await.map_err(|_| NotNow::Stopping)
    }

    /// Takes an entry anew that stands in a log already and had rotted; it was proven to be the same.
    ///
    /// # Errors
    /// [`NotNow`]; the inner error is the store's.
    pub async fn mend(&self, log: LogId, entry: NewEntry) -> Result<Result<(), String>, NotNow> {
        let (reply, outcome) = oneshot::channel();
        self.jobs.send(Job::Mend(log, Box::new(entry), reply)).await.map_err(|_| NotNow::Stopping)?;
        outcome.await.map_err(|_| NotNow::Stopping)
    }

    /// Makes the stored statements at some leaves of an entry disappear, for good and from the files; their leaf hashes
    /// stay. Gives how many were here.
    ///
    /// # Errors
    /// [`NotNow`]; the inner error is the store's.
    pub async fn drop_statements(
        &self,
        log: LogId,
        entry: u64,
        leaves: BTreeSet<u32>,
    ) -> Result<Result<usize, String>, NotNow> {
        let (reply, outcome) = oneshot::channel();
        self.jobs.send(Job::Drop(log, entry, leaves, reply)).await.map_err(|_| NotNow::Stopping)?;
        outcome.await.map_err(|_| NotNow::Stopping)
    }

    /// Writes to the access log. Nothing may be shown on request before this returns.
    ///
    /// # Errors
    /// [`NotNow`]; the inner error is the store's.
    pub async fn log_accesses(&self, accesses: Vec<Access>, now: u64) -> Result<Result<(), String>, NotNow> {
        let (reply, outcome) = oneshot::channel();
        let since = now.saturating_sub(ACCESSES_KEPT);
        self.jobs.send(Job::Accesses(accesses, since, reply)).await.map_err(|_| NotNow::Stopping)?;
        outcome.await.map_err(|_| NotNow::Stopping)
    }

    /// Remembers something for the next start.
    ///
    /// # Errors
    /// [`NotNow`]; the inner error is the store's.
    pub async fn remember(&self, memo: Memo) -> Result<Result<(), String>, NotNow> {
        let (reply, outcome) = oneshot::channel();
        self.jobs.send(Job::Remember(memo, reply)).await.map_err(|_| NotNow::Stopping)?;
        outcome.await.map_err(|_| NotNow::Stopping)
    }

    /// Notes what became of erasures.
    ///
    /// # Errors
    /// [`NotNow`]; the inner error is the store's.
    pub async fn end_erasures(&self, places: Vec<Place>, fate: Fate) -> Result<Result<(), String>, NotNow> {
        let (reply, outcome) = oneshot::channel();
        self.jobs.send(Job::EndErasures(places, fate, reply)).await.map_err(|_| NotNow::Stopping)?;
        outcome.await.map_err(|_| NotNow::Stopping)
    }

    /// Stores statements of an entry that were not here, and were proven to stand at their leaves: leaf, bytes, index
    /// key.
    ///
    /// # Errors
    /// [`NotNow`]; the inner error is the store's.
    pub async fn add_statements(
        &self,
        log: LogId,
        entry: u64,
        statements: Vec<Stored>,
    ) -> Result<Result<(), String>, NotNow> {
        let (reply, outcome) = oneshot::channel();
        self.jobs.send(Job::Add(log, entry, statements, reply)).await.map_err(|_| NotNow::Stopping)?;
        outcome.await.map_err(|_| NotNow::Stopping)
    }
}

/// What an item counts against [`IN_FLIGHT_KIB`]; at least one, and never more than a message holds.
fn kib(item: &wire::publish_request::Item) -> u32 {
    let bytes: usize = match item {
        wire::publish_request::Item::Batch(batch) => batch.statements.iter().map(Bytes::len).sum(),
        _ => 0,
    };
    u32::try_from(bytes / 1024).unwrap_or(u32::MAX).clamp(1, (MESSAGE_BYTES / 1024) as u32)
}

/// SHA-256 of the signed body, whatever else is wrong with the item.
fn item_id(item: &wire::publish_request::Item) -> Hash {
    use wire::publish_request::Item;
    let body = match item {
        Item::Batch(batch) => &batch.header,
        Item::Withdrawal(signed) | Item::KeyGrant(signed) | Item::KeyRevocation(signed) => &signed.body,
    };
    merkle::sha256(&[body])
}
