//! Counts the custodied leaves of what is stored: of the others' logs those that are here, of the own one those that
//! each other member is to keep.

use std::collections::BTreeMap;

use bytes::Bytes;

use almenara_proto::{
    batch::{BatchHeader, statement_id},
    custody::{CustodyOfLog, Entrusted, Placer},
    log::LogEntry,
    statement::Statement,
};

use crate::{
    heads::Head,
    keeping::Keeper,
    store::{LogId, Store, StoreError, read::StoredEntry},
};

/// Entries counted at once.
const ENTRIES: u32 = 64;

/// What was counted so far. Whatever stops the counting, it goes on from there.
pub(super) struct Counted {
    store: Store,
    keeper: Keeper,
    /// Of each other member's log.
    logs: BTreeMap<LogId, CustodyOfLog>,
    own: Option<Own>,
}

struct Own {
    /// Under which roster version the statements were placed.
    roster: u64,
    /// How many leaves of the log were erased by then: whose they are to keep is not known any more.
    erased: usize,
    entrusted: Entrusted,
}

/// A batch with custodied leaves: its header, and those of them that are here.
type Custodied = (BatchHeader, Vec<(u32, Bytes, Statement)>);

impl Counted {
    pub(super) const fn new(store: Store, keeper: Keeper) -> Self {
        Self { store, keeper, logs: BTreeMap::new(), own: None }
    }

    /// What is held of a log has changed where it was counted already.
    pub(super) fn forget(&mut self, log: LogId) {
        self.logs.remove(&log);
    }

    /// What is kept of another member's log.
    pub(super) async fn log(&mut self, head: &Head) -> Result<CustodyOfLog, StoreError> {
        let counted = self.logs.entry(head.log).or_insert(CustodyOfLog { size: 0, held: 0, of: 0 });
        let size = head.prefix.size();
        while counted.size < size {
            let entries = self.store.entries(head.log, counted.size, size, ENTRIES).await?;
            for entry in &entries {
                if let Some((header, here)) = custodied(&self.store, head.log, entry).await? {
                    let of = u64::from(header.custodied);
                    counted.of = counted.of.saturating_add(of);
                    counted.held = counted.held.saturating_add(of.min(here.len() as u64));
                }
                counted.size = entry.index.saturating_add(1);
            }
            if entries.is_empty() {
                break;
            }
        }
        Ok(*counted)
    }

    /// What others are to keep of the own log; nothing while the rosters do not say.
    pub(super) async fn entrusted(&mut self, head: &Head) -> Result<Option<Entrusted>, StoreError> {
        if !self.keeper.decides() {
            return Ok(None);
        }
        let (roster, erased) = (self.keeper.version(), self.store.erased().of_log(head.log));
        let own = self.own.take().filter(|own| own.roster == roster && own.erased == erased);
        let entrusted = Entrusted { size: 0, gone: 0, to: BTreeMap::new() };
        let own = self.own.insert(own.unwrap_or(Own { roster, erased, entrusted }));
        let size = head.prefix.size();
        while own.entrusted.size < size {
            let entries = self.store.entries(head.log, own.entrusted.size, size, ENTRIES).await?;
            for entry in &entries {
                // What did not count when it was said is kept by nobody.
                if entry.counts
                    && let Some(batch) = custodied(&self.store, head.log, entry).await?
                {
                    let erased = self.store.erased().of_entry(head.log, entry.index);
                    place(&self.keeper, batch, |leaf| erased.contains_key(&leaf), &mut own.entrusted);
                }
                own.entrusted.size = entry.index.saturating_add(1);
            }
            if entries.is_empty() {
                break;
            }
        }
        Ok(Some(own.entrusted.clone()))
    }
}

/// Adds the keepers of one batch's leaves.
fn place(
    keeper: &Keeper,
    (header, here): Custodied,
    erased: impl Fn(u32) -> bool,
    entrusted: &mut Entrusted,
) {
    let (origin, rosters) = (header.origin_hash(), keeper.rosters(&header));
    let mut placer = Placer::new(&header.member, rosters.as_rosters());
    let mut placed = 0u64;
    for (_, bytes, statement) in here.iter().filter(|(leaf, ..)| !erased(*leaf)) {
        placed = placed.saturating_add(1);
        let id = statement_id(&origin, bytes);
        for member in placer.keepers(&id, &statement.release, statement.copies).unwrap_or_default() {
            let leaves: &mut u64 = entrusted.to.entry(member).or_default();
            *leaves = leaves.saturating_add(1);
        }
    }
    let gone = u64::from(header.custodied).saturating_sub(placed);
    entrusted.gone = entrusted.gone.saturating_add(gone);
}

/// Nothing of an entry without custodied leaves.
async fn custodied(store: &Store, log: LogId, entry: &StoredEntry) -> Result<Option<Custodied>, StoreError> {
    let Ok(LogEntry::Batch(signed)) = LogEntry::parse(&entry.bytes) else { return Ok(None) };
    if signed.content.custodied == 0 {
        return Ok(None);
    }
    let mut stored = store.statements(log, entry.index, entry.index.saturating_add(1)).await?;
    let here = stored.remove(&entry.index).unwrap_or_default().into_iter().filter_map(|(leaf, bytes)| {
        let statement = Statement::parse(&bytes).ok().filter(|statement| statement.copies > 0)?;
        Some((leaf, bytes, statement))
    });
    Ok(Some((signed.content, here.collect())))
}
