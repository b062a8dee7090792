//! The only entrance for writing, for publishers and for peers alike: verify, admit, hand to the sequencer.
//!
//! Everything here is stateless or looks only at tables (safeguards, the roster), so that many batches are
//! checked at once; what depends on the log is the sequencer's.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use almenara_client::follow::{VerifiedEntry, VerifiedPage};
use almenara_proto::{
    batch::{BatchHeader, Leaf, SignedBatch, VerifiedBatch},
    blame::Void,
    checkpoint::SignedCheckpoint,
    limits::MESSAGE_BYTES,
    log::{LogEntry, Override, Signed},
    merkle::{self, Hash},
    name::MemberName,
    prefix::{CheckedEntry, Prefix},
    release::Tlp,
    statement::{Claim, Statement},
    wire::{self, RefusalCode},
};

use crate::{
    heads::Settled,
    identity::Account,
    personal,
    rosters::SharedRosters,
    safeguards::Safeguards,
    store::{LogId, write::NewEntry},
};

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
    pub statements: Vec<(u32, Bytes, Option<u64>)>,
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
    outcome: Result<oneshot::Receiver<Outcome>, Refusal>,
}

impl Answer {
    /// The item's id and what happened to it.
    ///
    /// # Errors
    /// [`Stopping`]; a refusal is a value.
    pub async fn outcome(self) -> Result<(Hash, Outcome), Stopping> {
        Ok((
            self.id,
            match self.outcome {
                Ok(outcome) => outcome.await.map_err(|_| Stopping)?,
                Err(refusal) => Err(refusal),
            },
        ))
    }
}

/// What happened to an item.
pub type Outcome = Result<wire::Receipt, Refusal>;

/// A verified page of another member's log, without the parsed statements: many of them wait at once.
#[derive(Debug)]
pub struct ReplicaPage {
    /// What the log adds up to after the page.
    pub prefix: Prefix,
    /// Its entries, in order, without a gap.
    pub entries: Vec<ReplicaEntry>,
    /// The checkpoint, when nothing is missing below its size.
    pub checkpoint: Option<SignedCheckpoint>,
}

/// One verified entry of another member's log.
#[derive(Debug)]
pub struct ReplicaEntry {
    /// Its leaf hash in the log.
    pub leaf: Hash,
    /// The entry, if it counts.
    pub counted: Option<LogEntry>,
    /// A batch of which not all leaf hashes came, though asked for: it cannot be relayed in part, nor its count vouched
    /// for.
    pub hollow: bool,
    /// As the store takes it.
    pub new: NewEntry,
}

impl ReplicaPage {
    /// Keeps what the store needs of a verified page, and `prefix` as it is after the page.
    #[must_use]
    pub fn new(prefix: Prefix, page: VerifiedPage) -> Self {
        let checkpoint = page.caught_up.then_some(page.checkpoint);
        let entries = page.entries.into_iter().map(replica_entry).collect();
        Self { prefix, entries, checkpoint }
    }
}

fn replica_entry(entry: VerifiedEntry) -> ReplicaEntry {
    let counted = entry.outcome.ok();
    let is_batch = matches!(counted, Some(LogEntry::Batch(_)));
    let (open, statements, leaf_hashes, hollow) = match entry.batch {
        Some(mut batch) => {
            let count = batch.header.content.count;
            let hollow = batch.leaf_hashes.is_none() && batch.leaves.len() < count as usize;
            // A void statement counts for nothing and may have any size: its leaf hash is what stays of it.
            batch.leaves.retain(|leaf| leaf.statement.is_ok());
            let whole = batch.leaves.len() == count as usize;
            let hashes = batch.leaf_hashes.filter(|_| !whole);
            (is_open(&batch.leaves, count), statements(batch.leaves), hashes, hollow)
        }
        None => (false, Vec::new(), None, is_batch),
    };
    ReplicaEntry {
        leaf: merkle::leaf_hash(&entry.bytes),
        hollow,
        new: NewEntry {
            index: entry.index,
            id: counted.as_ref().map_or_else(|| merkle::sha256(&[&entry.bytes]), LogEntry::id),
            bytes: entry.bytes,
            counts: counted.is_some(),
            open,
            statements,
            leaf_hashes,
        },
        counted,
    }
}

/// Work for the sequencer.
#[derive(Debug)]
pub enum Job {
    /// An item for the own log.
    Publish(Box<Admitted>, Room, oneshot::Sender<Outcome>),
    /// A page for a replica.
    Replicate(Box<ReplicaPage>, oneshot::Sender<Result<(), String>>),
    /// An entry of a log whose stored copy had rotted.
    Mend(LogId, Box<NewEntry>, oneshot::Sender<Result<(), String>>),
    /// More of a log is settled.
    Settle(MemberName, Settled),
    /// A new member has a log too.
    AddLog(MemberName, oneshot::Sender<()>),
}

/// The node cannot take it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node is stopping: try again, or another node")]
pub struct Stopping;

/// The entrance.
#[derive(Clone, Debug)]
pub struct Ingest {
    jobs: mpsc::Sender<Job>,
    rosters: SharedRosters,
    safeguards: Arc<Safeguards>,
    /// Batches being verified at once: each holds some megabytes of parsed statements.
    verifying: Arc<Semaphore>,
    /// KiB of statements between their arrival and their answer, over all callers.
    in_flight: Arc<Semaphore>,
}

/// More than the cores gain nothing; each batch of 4,096 parsed statements takes some 4 MiB.
const VERIFYING_AT_ONCE: usize = 3;
/// 8 MiB: two or three group commits of typical statements; parsed, framed and queued they take some times as much.
const IN_FLIGHT_KIB: usize = 8 * 1024;

impl Ingest {
    /// An entrance to the sequencer behind `jobs`.
    #[must_use]
    pub fn new(jobs: mpsc::Sender<Job>, rosters: SharedRosters, safeguards: Arc<Safeguards>) -> Self {
        Self {
            jobs,
            rosters,
            safeguards,
            verifying: Arc::new(Semaphore::new(VERIFYING_AT_ONCE)),
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT_KIB)),
        }
    }

    /// Waits for room for an item. No more of a stream may be read before it has it.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn room(&self, item: &wire::publish_request::Item) -> Result<Room, Stopping> {
        let permit = Arc::clone(&self.in_flight).acquire_many_owned(kib(item)).await;
        Ok(Room { _permit: permit.map_err(|_| Stopping)? })
    }

    /// Judges one item of a publisher or operator of this member; many at once, in any order.
    ///
    /// # Errors
    /// [`Stopping`]; a refusal is a value.
    pub async fn judge(
        &self,
        account: &Account,
        item: wire::publish_request::Item,
        room: Room,
        now: u64,
    ) -> Result<Judged, Stopping> {
        let verifying = self.verifying.acquire().await.map_err(|_| Stopping)?;
        let id = item_id(&item);
        let (account, rosters, safeguards) = (account.clone(), self.rosters.clone(), self.safeguards.clone());
        let large = matches!(&item, wire::publish_request::Item::Batch(batch) if batch.statements.len() > 64);
        let admit = move || admit(&account, item, now, &rosters, &safeguards);
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
    /// [`Stopping`].
    pub async fn enqueue(&self, item: Judged) -> Result<Answer, Stopping> {
        let outcome = match item.admitted {
            Ok(admitted) => {
                let (reply, outcome) = oneshot::channel();
                let job = Job::Publish(Box::new(admitted), item.room, reply);
                self.jobs.send(job).await.map_err(|_| Stopping)?;
                Ok(outcome)
            }
            Err(refusal) => Err(refusal),
        };
        Ok(Answer { id: item.id, outcome })
    }

    /// Takes a checkpoint of `member` that agrees with what is held of its log, and whose cosignatures were counted.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn settle(&self, member: MemberName, settled: Settled) -> Result<(), Stopping> {
        self.jobs.send(Job::Settle(member, settled)).await.map_err(|_| Stopping)
    }

    /// Begins a log of a new member, if there is none.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn add_log(&self, member: MemberName) -> Result<(), Stopping> {
        let (reply, added) = oneshot::channel();
        self.jobs.send(Job::AddLog(member, reply)).await.map_err(|_| Stopping)?;
        added.await.map_err(|_| Stopping)
    }

    /// Takes a verified page of another member's log.
    ///
    /// # Errors
    /// [`Stopping`]; the inner error says that the page does not continue what is held.
    pub async fn replicate(&self, page: ReplicaPage) -> Result<Result<(), String>, Stopping> {
        let (reply, outcome) = oneshot::channel();
        self.jobs.send(Job::Replicate(Box::new(page), reply)).await.map_err(|_| Stopping)?;
        outcome.await.map_err(|_| Stopping)
    }

    /// Takes an entry anew that stands in a log already and had rotted; it was proven to be the same.
    ///
    /// # Errors
    /// [`Stopping`]; the inner error is the store's.
    pub async fn mend(&self, log: LogId, entry: NewEntry) -> Result<Result<(), String>, Stopping> {
        let (reply, outcome) = oneshot::channel();
        self.jobs.send(Job::Mend(log, Box::new(entry), reply)).await.map_err(|_| Stopping)?;
        outcome.await.map_err(|_| Stopping)
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

fn admit(
    account: &Account,
    item: wire::publish_request::Item,
    now: u64,
    rosters: &SharedRosters,
    safeguards: &Safeguards,
) -> Result<Admitted, Refusal> {
    use wire::publish_request::Item;
    match item {
        Item::Batch(batch) => admit_batch(account, batch, now, rosters, safeguards),
        Item::Withdrawal(signed) => {
            let signed = Signed::parse(signed)?;
            let withdrawal: &almenara_proto::log::Withdrawal = &signed.content;
            account.may_publish(withdrawal.publisher.as_str())?;
            if withdrawal.erase {
                return Err(Refusal::new(
                    RefusalCode::NotBuilt,
                    "this node cannot erase yet: withdraw without `erase`",
                ));
            }
            plain(LogEntry::Withdrawal(signed))
        }
        Item::KeyGrant(signed) => {
            account.may_grant()?;
            plain(LogEntry::KeyGrant(Signed::parse(signed)?))
        }
        Item::KeyRevocation(signed) => {
            account.may_grant()?;
            plain(LogEntry::KeyRevocation(Signed::parse(signed)?))
        }
    }
}

fn plain(entry: LogEntry) -> Result<Admitted, Refusal> {
    let bytes = entry.encode();
    Ok(Admitted {
        entry: CheckedEntry::check(entry)?,
        bytes,
        statements: Vec::new(),
        reports: Vec::new(),
        disputes: Vec::new(),
        open: false,
        with: None,
    })
}

fn admit_batch(
    account: &Account,
    mut wire: wire::SubmittedBatch,
    now: u64,
    rosters: &SharedRosters,
    safeguards: &Safeguards,
) -> Result<Admitted, Refusal> {
    let with = wire.r#override.take();
    let batch = SignedBatch::parse(wire)?;
    account.may_publish(batch.header.content.publisher.as_str())?;
    let roster = &rosters.current().roster;
    if now > roster.expires_at {
        return Err(Refusal::new(
            RefusalCode::Roster,
            format!(
                "roster version {} has expired: no new reports until its successor is signed",
                roster.version
            ),
        ));
    }
    if batch.header.content.roster > roster.version {
        return Err(Refusal::new(
            RefusalCode::Roster,
            format!(
                "the batch names roster version {}, this node has {}: try again when it has arrived",
                batch.header.content.roster, roster.version
            ),
        ));
    }
    let batch = batch.verify()?;
    let with = with.map(|signed| check_override(signed, &batch.header)).transpose()?;
    let overridden: &[u32] = with.as_ref().map_or(&[], |(with, _)| &with.leaves);
    if let Some(refusal) = Refusal::of_leaves(refused_leaves(&batch, overridden, safeguards)) {
        return Err(refusal);
    }
    check_header(&batch)?;
    let reports = batch
        .leaves
        .iter()
        .filter_map(|leaf| {
            let statement = leaf.statement.as_ref().ok()?;
            statement.report()?;
            Some(ReportFact { leaf: leaf.index, key: statement.indicator.index_key() })
        })
        .collect();
    let is_dispute =
        |leaf: &&Leaf| leaf.statement.as_ref().is_ok_and(|s| matches!(s.claim, Claim::Dispute(_)));
    let disputes = batch.leaves.iter().filter(is_dispute).map(|leaf| leaf.index).collect();
    let open = is_open(&batch.leaves, batch.header.content.count);
    let bytes = LogEntry::Batch(batch.header.clone()).encode();
    Ok(Admitted {
        bytes,
        reports,
        disputes,
        open,
        statements: statements(batch.leaves),
        entry: CheckedEntry::from_verified(batch.header),
        with: with.map(|(_, entry)| entry),
    })
}

/// Whether all statements of a batch are here and TLP:CLEAR.
pub(crate) fn is_open(leaves: &[Leaf], count: u32) -> bool {
    leaves.len() == count as usize
        && leaves.iter().all(|leaf| {
            leaf.statement.as_ref().is_ok_and(|statement| statement.release.tlp == Some(Tlp::Clear))
        })
}

/// Leaf, bytes and index key, as the store takes them.
pub(crate) fn statements(leaves: Vec<Leaf>) -> Vec<(u32, Bytes, Option<u64>)> {
    leaves
        .into_iter()
        .map(|leaf| {
            let key = leaf.statement.as_ref().ok().map(|statement| statement.indicator.index_key());
            (leaf.index, leaf.bytes, key)
        })
        .collect()
}

/// The index key of a statement, if it is sound.
pub(crate) fn index_key(bytes: &Bytes) -> Option<u64> {
    Some(Statement::parse(bytes).ok()?.indicator.index_key())
}

fn check_override(
    signed: wire::Signed,
    header: &Signed<BatchHeader>,
) -> Result<(Override, (CheckedEntry, Bytes)), Refusal> {
    let signed = Signed::<Override>::parse(signed)?;
    let content = signed.content.clone();
    if content.batch_id != header.id() {
        return Err(Refusal::new(RefusalCode::Void, "the override is for another batch"));
    }
    if content.key == header.content.key {
        return Err(Refusal::new(
            RefusalCode::Key,
            "an override needs a second key of the member, not the batch's own",
        ));
    }
    let entry = LogEntry::Override(signed);
    let bytes = entry.encode();
    Ok((content, (CheckedEntry::check(entry)?, bytes)))
}

/// What the author must have kept to but no reader can judge from a part of the batch.
fn check_header(batch: &VerifiedBatch) -> Result<(), Refusal> {
    let statements = || batch.leaves.iter().filter_map(|leaf| leaf.statement.as_ref().ok());
    if !statements().map(|statement| statement.nonce).is_sorted_by(|a, b| a < b) {
        return Err(Refusal::new(
            RefusalCode::Void,
            "the leaves must stand in the order of their nonces, each once",
        ));
    }
    let custodied = statements().filter(|statement| statement.copies > 0).count();
    if custodied != batch.header.content.custodied as usize {
        return Err(Refusal::new(
            RefusalCode::Void,
            format!(
                "the header counts {} custodied leaves, {custodied} are here",
                batch.header.content.custodied
            ),
        ));
    }
    Ok(())
}

/// Every statement that this node does not take, each with its reason.
fn refused_leaves(
    batch: &VerifiedBatch,
    overridden: &[u32],
    safeguards: &Safeguards,
) -> Vec<(u32, RefusalCode, String)> {
    let mut seen: HashMap<u64, Vec<&almenara_proto::indicator::Indicator>> =
        HashMap::with_capacity(batch.leaves.len());
    let mut refused = Vec::new();
    for leaf in &batch.leaves {
        let statement = match &leaf.statement {
            Ok(statement) => statement,
            Err(void) => {
                refused.push((leaf.index, RefusalCode::Void, void.to_string()));
                continue;
            }
        };
        let indicator = &statement.indicator;
        if let Err(error) = indicator.admissible() {
            refused.push((leaf.index, RefusalCode::NotCanonical, error.to_string()));
            continue;
        }
        if statement.report().is_some() {
            let same = seen.entry(indicator.index_key()).or_default();
            if same.contains(&indicator) {
                refused.push((
                    leaf.index,
                    RefusalCode::Void,
                    "the batch reports this indicator twice: keep one".to_owned(),
                ));
                continue;
            }
            same.push(indicator);
        }
        if overridden.binary_search(&leaf.index).is_ok() {
            continue;
        }
        let protected = statement.report().and_then(|report| match report.include_subdomains {
            true => safeguards.protects_with_subdomains(indicator),
            false => safeguards.protects(indicator),
        });
        if let Some(protected) = protected {
            let list = protected.list;
            refused.push((
                leaf.index,
                RefusalCode::Protected,
                format!("it is on the protected list `{list}`: a second desk must sign an override"),
            ));
            continue;
        }
        if let Some(finding) = statement.free_texts().find_map(|text| personal::scan(text, indicator)) {
            refused.push((
                leaf.index,
                RefusalCode::PersonalData,
                format!(
                    "its free text seems to hold {}: take it out, or have a second desk override",
                    finding.what
                ),
            ));
        }
    }
    refused
}

#[cfg(test)]
mod tests {
    use almenara_proto::{
        batch::{Author, Disclosure, seal, statement_id},
        indicator::{Indicator, Kind},
        keys::SigningKey,
        log::Body as _,
        name::Publisher,
        release::Release,
        statement::{Category, Report, Ruleset},
    };

    use super::*;

    #[test]
    fn of_a_void_statement_in_a_replica_only_the_leaf_hash_is_kept() {
        let publisher: Publisher = "police.th.example/desk".parse().unwrap();
        let key = SigningKey::from_bytes(&[1; 32]);
        let author = Author { federation: "f.example", publisher: &publisher, key: &key };
        let statement = Statement {
            nonce: [0; 16],
            indicator: Indicator::new(Kind::Domain, "scam.example").unwrap(),
            made_at: 1,
            ruleset: Ruleset::default(),
            release: Release::clear(),
            copies: 0,
            claim: Claim::Report(Report::new(Kind::Domain, Category::PHISHING, 1)),
        };
        let mut header = seal(&author, vec![statement.clone()], 1, 1, 1).unwrap().header.content;
        // An empty one, and one whose length does not fit into the 16 bits that a chunk has for it.
        let shown = [Bytes::new(), statement.encode().into(), Bytes::from(vec![0; 70_000])];
        let origin = header.origin_hash();
        let leaves: Vec<Hash> = shown.iter().map(|bytes| statement_id(&origin, bytes)).collect();
        header.count = 3;
        header.root = merkle::root(&leaves);
        assert!(BatchHeader::parse(&header.encode()).is_ok());
        let header = Signed::sign(header, &key);
        let batch =
            VerifiedBatch::verify(header.clone(), Disclosure::whole(shown.to_vec())).expect("it holds");
        let entry = LogEntry::Batch(header);
        let bytes = entry.encode();
        let kept = replica_entry(VerifiedEntry {
            index: 7,
            bytes,
            outcome: Ok(entry),
            batch: Some(batch),
            disclosure: None,
        });
        assert_eq!(kept.new.statements.iter().map(|(leaf, ..)| *leaf).collect::<Vec<_>>(), [1]);
        assert_eq!(kept.new.leaf_hashes, Some(leaves));
        assert!(!kept.new.open);
    }
}
