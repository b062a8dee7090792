//! What leaves the node: pages of a log and evidence about indicators, every statement through release. A page shows
//! what the reader's member keeps; what it may see besides is shown when it asks for it ([`asked`]).

pub mod asked;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

use almenara_proto::{
    batch::{BatchHeader, Disclosure, Rest, leaf_ranges, statement_id},
    custody::{Keeping, Placer},
    indicator::{Indicator, Kind},
    limits::BATCH_STATEMENTS,
    log::LogEntry,
    merkle::{self, Hash},
    name::MemberName,
    release::{Open, Recipient, Released},
    statement::{Category, Statement},
    wire,
};

use crate::{
    clock::Clock,
    compare::Trees,
    heads::Heads,
    rosters::{SharedRosters, ThenAndNow},
    rot::Rotten,
    store::{LogId, Place, Store, StoreError, accesses::Access, read::StoredEntry},
};

/// Entries of one page: enough to make the proof at its end cheap, few enough for a message.
const PAGE_ENTRIES: u32 = 64;
/// Bytes at which a page ends: with one more batch of at most 3 MiB it stays below the message limit, since a
/// page ends before a batch that would pass it unless it is the first.
const PAGE_BYTES: usize = 768 * 1024;
/// Batch headers kept for lookups, some 400 bytes each.
const HEADERS_KEPT: usize = 8_192;

/// Which statements a reader wants, of those it may have.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    kinds: Vec<Kind>,
    categories: Vec<Category>,
    publishers: Vec<String>,
    nothing: bool,
}

impl Filter {
    /// From a call; a kind that this version does not know matches nothing.
    #[must_use]
    pub fn from_wire(wire: wire::Filter) -> Self {
        let kinds: Vec<Kind> = wire.kinds.iter().filter_map(|&number| Kind::from_number(number)).collect();
        let categories: Vec<Category> =
            wire.categories.iter().filter_map(|&number| Category::from_number(number)).collect();
        let unknown = (!wire.kinds.is_empty() && kinds.is_empty())
            || (!wire.categories.is_empty() && categories.is_empty());
        Self { kinds, categories, publishers: wire.publishers, nothing: wire.no_statements || unknown }
    }

    fn is_all(&self) -> bool {
        self.kinds.is_empty() && self.categories.is_empty()
    }

    fn wants_publisher(&self, publisher: &str) -> bool {
        !self.nothing
            && (self.publishers.is_empty() || self.publishers.iter().any(|wanted| wanted == publisher))
    }

    /// Sightings and disputes have no category: they come with every category.
    fn wants(&self, statement: &Statement) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&statement.indicator.kind()))
            && (self.categories.is_empty()
                || statement.report().is_none_or(|report| {
                    report.categories.iter().any(|category| self.categories.contains(category))
                }))
    }
}

/// Who reads, and how.
#[derive(Clone, Debug)]
pub struct Reader {
    /// As release sees the caller.
    pub recipient: Recipient,
    /// What it wants.
    pub filter: Filter,
    /// Whether it wants all leaf hashes of partly disclosed batches.
    pub leaf_hashes: bool,
    /// The log's key that is in force: notes under an earlier one are none to this reader.
    pub log_key: Option<[u8; 32]>,
    /// Its roster version is ours.
    pub agreed: bool,
    /// It asks for what its member may see and does not keep, too.
    pub on_request: bool,
}

impl Reader {
    /// Whether a statement that is released to it is shown; or else only told of.
    fn is_shown(&self, placer: &mut Placer<'_>, leaf: Option<&Hash>, statement: &Statement) -> bool {
        // Without a number of copies everybody keeps what it may see.
        if self.on_request || statement.copies == 0 {
            return true;
        }
        let (Some(member), Some(leaf)) = (self.recipient.member(), leaf) else { return true };
        placer.keeps(member, leaf, &statement.release, statement.copies) == Keeping::Keep
    }
}

/// One statement that a caller may see.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Where it stands.
    pub place: Place,
    /// Its batch.
    pub header: Arc<BatchHeader>,
    /// Whether its batch counts.
    pub counts: bool,
    /// What it says.
    pub statement: Released<Statement>,
}

type HeaderCache = Mutex<HashMap<(LogId, u64), (Arc<BatchHeader>, bool)>>;

/// The door out.
#[derive(Clone)]
pub struct Outgoing {
    store: Store,
    heads: Heads,
    rosters: SharedRosters,
    server: MemberName,
    clock: Clock,
    headers: Arc<HeaderCache>,
    rotten: Rotten,
    trees: Trees,
}

impl Outgoing {
    /// The door of the node of `server`; what is `rotten` does not pass it.
    #[must_use]
    pub fn new(
        store: Store,
        heads: Heads,
        rosters: SharedRosters,
        server: MemberName,
        clock: Clock,
        rotten: Rotten,
    ) -> Self {
        let trees = Trees::new(store.clone());
        Self { store, heads, rosters, server, clock, headers: Arc::default(), rotten, trees }
    }

    /// Entries of a log from an index on, up to the size of a signed checkpoint, with the proof that they lead to it.
    ///
    /// # Errors
    /// As the store says.
    pub async fn page(
        &self,
        log: LogId,
        from: u64,
        size: u64,
        reader: &Reader,
    ) -> Result<wire::LogPage, StoreError> {
        let entries = self.store.entries(log, from, size, PAGE_ENTRIES).await?;
        let entries: Vec<Leaving> =
            entries.into_iter().map(|entry| self.leaving(log, entry, reader)).collect();
        let mut frames = Vec::new();
        let mut length = 0usize;
        'page: for run in runs(&entries) {
            let mut held = self.held(log, run).await?;
            for Leaving { entry, batch } in run {
                let held = held.remove(&entry.index).unwrap_or_default();
                let disclosure = match batch {
                    Some(batch) => {
                        let shown = self.disclosure(log, entry, batch, held, reader, None).await?;
                        let erased = self.erased(log, entry.index);
                        Some(wire::Disclosure { erased, ..shown.into_wire(batch.header.count) })
                    }
                    None => None,
                };
                let bytes = entry.bytes.len().saturating_add(disclosure.as_ref().map_or(0, disclosure_bytes));
                if !frames.is_empty() && length.saturating_add(bytes) > PAGE_BYTES {
                    break 'page;
                }
                length = length.saturating_add(bytes);
                frames.push(wire::EntryFrame { entry: entry.bytes.clone(), disclosure });
            }
        }
        let to = from.saturating_add(frames.len() as u64);
        let consistency = self.trees.consistency_bytes(log, to, size).await?;
        Ok(wire::LogPage { from, entries: frames, consistency })
    }

    fn leaving(&self, log: LogId, entry: StoredEntry, reader: &Reader) -> Leaving {
        let header = self.header(log, &entry).and_then(|(header, counts)| counts.then_some(header));
        let batch = header
            .map(|header| Batch { wanted: reader.filter.wants_publisher(header.publisher.as_str()), header });
        Leaving { entry, batch }
    }

    /// The statements of a run that are here and may be wanted, read at once.
    async fn held(
        &self,
        log: LogId,
        run: &[Leaving],
    ) -> Result<BTreeMap<u64, Vec<(u32, Bytes)>>, StoreError> {
        let wanted =
            || run.iter().filter(|leaving| leaving.statements() > 0).map(|leaving| leaving.entry.index);
        match (wanted().next(), wanted().next_back()) {
            (Some(first), Some(last)) => self.store.statements(log, first, last.saturating_add(1)).await,
            _ => Ok(BTreeMap::new()),
        }
    }

    /// What was erased of an entry, for its readers.
    fn erased(&self, log: LogId, entry: u64) -> Vec<wire::ErasedLeaves> {
        ranges(&self.store.erased().of_entry(log, entry))
    }

    /// What is shown of a batch: of all of it, or of the leaves that are asked for.
    async fn disclosure(
        &self,
        log: LogId,
        entry: &StoredEntry,
        Batch { header, wanted }: &Batch,
        held: Vec<(u32, Bytes)>,
        reader: &Reader,
        only: Option<&BTreeSet<u32>>,
    ) -> Result<Disclosure, StoreError> {
        if !wanted {
            return Ok(Disclosure::nothing());
        }
        let Some(leaves) = self.leaves(log, entry, header, &held).await? else {
            // Whoever sent this entry kept back what proves a part of it, or it rotted here: others may have it.
            return Ok(Disclosure { not_here: vec![(0, header.count)], ..Disclosure::nothing() });
        };
        let erased = self.store.erased().of_entry(log, entry.index);
        if let Some(open) = Open::stored(entry.open)
            && reader.filter.is_all()
            && only.is_none()
            && erased.is_empty()
        {
            let all = Released::open(held, &open).into_inner().into_iter().map(|(_, bytes)| bytes).collect();
            return Ok(Disclosure::whole(all));
        }
        let rosters = self.then_and_now(header, reader);
        let mut placer = Placer::new(&header.member, rosters.as_rosters());
        let (mut clear, mut on_request) = (Vec::new(), Vec::new());
        for (leaf, bytes) in held {
            if erased.contains_key(&leaf) || only.is_some_and(|only| !only.contains(&leaf)) {
                continue;
            }
            let Ok(statement) = Statement::parse(&bytes) else { continue };
            let passed = Released::pass(
                (leaf, bytes),
                &statement.release,
                &header.member,
                &self.server,
                &reader.recipient,
                rosters.as_rosters(),
            );
            let Some(passed) = passed.filter(|_| reader.filter.wants(&statement)) else { continue };
            if reader.is_shown(&mut placer, leaves.get(leaf as usize), &statement) {
                clear.push(passed.into_inner());
            } else {
                on_request.push(leaf);
            }
        }
        let shown = disclose(clear, &leaves, reader.leaf_hashes);
        Ok(Disclosure { on_request: leaf_ranges(on_request), ..shown })
    }

    fn then_and_now(&self, header: &BatchHeader, reader: &Reader) -> ThenAndNow {
        if reader.agreed {
            ThenAndNow::at(&self.rosters, header.roster, (self.clock)())
        } else {
            ThenAndNow::disagreed(&self.rosters)
        }
    }

    /// Checks that what is stored of an entry leads to what was signed. What does not is kept back from now on.
    ///
    /// # Errors
    /// As the store says.
    pub async fn check(&self, log: LogId, entry: &StoredEntry) -> Result<(), StoreError> {
        if let Some((header, true)) = self.header(log, entry) {
            let mut held = self.store.statements(log, entry.index, entry.index.saturating_add(1)).await?;
            let held = held.remove(&entry.index).unwrap_or_default();
            self.leaves(log, entry, &header, &held).await?;
        }
        Ok(())
    }

    /// Forgets what was read of an entry: it is written anew.
    pub fn forget(&self, log: LogId, entry: u64) {
        self.headers.lock().unwrap_or_else(PoisonError::into_inner).remove(&(log, entry));
    }

    /// The hashes of all leaves of a batch: none when they are not known here, or when it has rotted.
    async fn leaves(
        &self,
        log: LogId,
        entry: &StoredEntry,
        header: &BatchHeader,
        held: &[(u32, Bytes)],
    ) -> Result<Option<Vec<Hash>>, StoreError> {
        if self.rotten.holds(log, entry.index) {
            return Ok(None);
        }
        let origin = header.origin_hash();
        let ids: Vec<(u32, Hash)> =
            held.iter().map(|(leaf, bytes)| (*leaf, statement_id(&origin, bytes))).collect();
        let whole = held.len() == header.count as usize;
        let hashes = if whole {
            Some(ids.iter().map(|(_, id)| *id).collect())
        } else {
            self.store.leaf_hashes(log, entry.index).await?
        };
        let sound = match &hashes {
            Some(hashes) => {
                merkle::root(hashes) == header.root
                    && (whole || ids.iter().all(|(leaf, id)| hashes.get(*leaf as usize) == Some(id)))
            }
            // Without hashes a batch was here whole, or its sender kept back what proves a part of it.
            None => !entry.open && header.member != self.server,
        };
        if !sound {
            self.rotten.found(log, entry.index, &header.member);
        }
        Ok(hashes.filter(|_| sound))
    }

    fn header(&self, log: LogId, entry: &StoredEntry) -> Option<(Arc<BatchHeader>, bool)> {
        let mut kept = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(&(log, entry.index)) {
            return Some(known.clone());
        }
        let LogEntry::Batch(signed) = LogEntry::parse(&entry.bytes).ok()? else { return None };
        let header = (Arc::new(signed.content), entry.counts);
        if kept.len() >= HEADERS_KEPT {
            kept.clear();
        }
        kept.insert((log, entry.index), header.clone());
        Some(header)
    }

    /// Everything about these indicators that `recipient` may see, by position in `indicators`.
    ///
    /// # Errors
    /// As the store says.
    pub async fn about(
        &self,
        indicators: &[Indicator],
        recipient: &Recipient,
    ) -> Result<Vec<Vec<Seen>>, StoreError> {
        let keys: Vec<u64> = indicators.iter().map(Indicator::index_key).collect();
        let mut positions: HashMap<u64, Vec<usize>> = HashMap::with_capacity(keys.len());
        keys.iter().enumerate().for_each(|(at, key)| positions.entry(*key).or_default().push(at));
        let found = self.store.places(&keys).await?;
        let places: Vec<Place> = found.iter().map(|(_, place)| *place).collect();
        let statements = self.store.statements_at(&places).await?;
        let headers = self.headers_of(&places).await?;
        let mut seen: Vec<Vec<Seen>> = indicators.iter().map(|_| Vec::new()).collect();
        let mut rosters: BTreeMap<u64, ThenAndNow> = BTreeMap::new();
        for (key, place) in found {
            if self.rotten.holds(place.log(), place.entry()) || self.store.erased().by(place).is_some() {
                continue;
            }
            let (Some(bytes), Some((header, counts))) =
                (statements.get(&place), headers.get(&(place.log(), place.entry())))
            else {
                continue;
            };
            let Ok(statement) = Statement::parse(bytes) else { continue };
            let rosters = rosters
                .entry(header.roster)
                .or_insert_with(|| ThenAndNow::at(&self.rosters, header.roster, (self.clock)()));
            let (release, indicator) = (statement.release.clone(), statement.indicator.clone());
            let Some(statement) = Released::pass(
                statement,
                &release,
                &header.member,
                &self.server,
                recipient,
                rosters.as_rosters(),
            ) else {
                continue;
            };
            for at in positions.get(&key).into_iter().flatten() {
                if indicators.get(*at) == Some(&indicator)
                    && let Some(list) = seen.get_mut(*at)
                {
                    list.push(Seen {
                        place,
                        header: Arc::clone(header),
                        counts: *counts,
                        statement: statement.clone(),
                    });
                }
            }
        }
        Ok(seen)
    }

    async fn headers_of(
        &self,
        places: &[Place],
    ) -> Result<HashMap<(LogId, u64), (Arc<BatchHeader>, bool)>, StoreError> {
        let mut found = HashMap::new();
        let mut wanted: Vec<(LogId, u64)> = places.iter().map(|place| (place.log(), place.entry())).collect();
        wanted.sort_unstable();
        wanted.dedup();
        {
            let kept = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
            wanted.retain(|at| match kept.get(at) {
                Some(known) => {
                    found.insert(*at, known.clone());
                    false
                }
                None => true,
            });
        }
        for (log, entry) in self.store.entries_at(&wanted).await? {
            if let Some(header) = self.header(log, &entry) {
                found.insert((log, entry.index), header);
            }
        }
        Ok(found)
    }

    /// Which of these places are withdrawn.
    ///
    /// # Errors
    /// As the store says.
    pub async fn withdrawn(&self, places: &[Place]) -> Result<Vec<Place>, StoreError> {
        self.store.withdrawn(places).await
    }

    /// Who was shown what on request, since `since` (Unix seconds), after a number.
    ///
    /// # Errors
    /// As the store says.
    pub async fn accesses(
        &self,
        since: u64,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, Access)>, StoreError> {
        self.store.accesses(since, after, limit).await
    }

    /// The committed heads.
    #[must_use]
    pub const fn heads(&self) -> &Heads {
        &self.heads
    }

    /// Roots and proofs of what is held.
    #[must_use]
    pub const fn trees(&self) -> &Trees {
        &self.trees
    }

    /// The accepted rosters.
    #[must_use]
    pub const fn rosters(&self) -> &SharedRosters {
        &self.rosters
    }
}

/// An entry on its way out.
struct Leaving {
    entry: StoredEntry,
    /// Of a batch that counts.
    batch: Option<Batch>,
}

struct Batch {
    header: Arc<BatchHeader>,
    /// Whether the reader asks for statements of its publisher.
    wanted: bool,
}

impl Leaving {
    /// How many statements may be read for it.
    fn statements(&self) -> usize {
        self.batch.as_ref().map_or(0, |batch| if batch.wanted { batch.header.count as usize } else { 0 })
    }
}

/// Neighbours that together have no more statements than one full batch are read at once: small ones cost as much to
/// ask for as to read.
fn runs(entries: &[Leaving]) -> impl Iterator<Item = &[Leaving]> {
    let mut statements = 0usize;
    entries.chunk_by(move |before, next| {
        statements = statements.saturating_add(before.statements());
        let together = statements.saturating_add(next.statements()) <= BATCH_STATEMENTS;
        if !together {
            statements = 0;
        }
        together
    })
}

/// Shows `clear`, and proves it by what the reader asked for.
fn disclose(clear: Vec<(u32, Bytes)>, leaves: &[Hash], leaf_hashes: bool) -> Disclosure {
    let rest = if leaf_hashes {
        let shown: Vec<u32> = clear.iter().map(|(index, _)| *index).collect();
        let hidden = (0u32..).zip(leaves).filter(|(index, _)| shown.binary_search(index).is_err());
        Rest::Leaves(hidden.map(|(_, hash)| *hash).collect())
    } else if clear.is_empty() {
        Rest::Proof(Vec::new())
    } else {
        let shown: Vec<u32> = clear.iter().map(|(index, _)| *index).collect();
        Rest::Proof(merkle::multi_prove(leaves, &shown).unwrap_or_default())
    };
    Disclosure { clear, rest, ..Disclosure::nothing() }
}

/// Neighbours that one withdrawal erased, together.
fn ranges(erased: &BTreeMap<u32, u64>) -> Vec<wire::ErasedLeaves> {
    let mut ranges: Vec<wire::ErasedLeaves> = Vec::new();
    for (&leaf, &by) in erased {
        match ranges.last_mut() {
            Some(last) if last.end == leaf && last.by == by => last.end = leaf.saturating_add(1),
            _ => ranges.push(wire::ErasedLeaves { start: leaf, end: leaf.saturating_add(1), by }),
        }
    }
    ranges
}

fn disclosure_bytes(disclosure: &wire::Disclosure) -> usize {
    let statements: usize = disclosure.statements.iter().map(|bytes| bytes.len().saturating_add(4)).sum();
    statements.saturating_add(disclosure.proof.len()).saturating_add(disclosure.leaf_hashes.len())
}
