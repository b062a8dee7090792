//! What an item that passed adds to the log.

use std::collections::HashMap;

use bytes::Bytes;

use almenara_proto::{
    log::{KeyRevocation, LogEntry, Withdrawal},
    merkle::Hash,
    name::MemberName,
    prefix::CheckedEntry,
    signed::Signed,
    statement::Statement,
};

use super::{Draft, Sequencer, standing::Standing};
use crate::{
    ingest::Admitted,
    store::{
        Place, StoreError,
        chunks::Stored,
        erased::Erasure,
        write::{NewEntry, Revocation, Tombstone, Usage},
    },
};

/// What a group adds to one log so far.
#[derive(Default)]
pub(super) struct Collected {
    pub(super) entries: Vec<NewEntry>,
    pub(super) leaves: Vec<Hash>,
    pub(super) withdrawn: Vec<(Place, u64)>,
    pub(super) erased: Vec<Erasure>,
    /// By tag: the latest counts, and PostgreSQL takes a row only once in a statement.
    pub(super) tombstones: HashMap<[u8; 32], Tombstone>,
    pub(super) revocations: Vec<Revocation>,
}

impl Collected {
    /// Keeps a revocation of a key whose log is another one; of several the least.
    pub(super) fn learn(&mut self, log: &MemberName, entry: &LogEntry) {
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

impl Sequencer {
    /// Appends an item that passed, with its override before it.
    pub(super) async fn take(
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
                self.withdraw(collected, standing, index, signed).await?;
            }
            _ => {}
        }
        self.push(draft, collected, item.entry, item.bytes, item.statements, item.open);
        Ok(index)
    }

    pub(super) async fn withdraw(
        &self,
        collected: &mut Collected,
        standing: &mut Standing,
        index: u64,
        signed: &Signed<Withdrawal>,
    ) -> Result<(), StoreError> {
        let (withdrawal, targets) = (signed.id(), &signed.content.targets);
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
        if signed.content.erase {
            collected.erased.extend(self.erasures(&places, index));
        }
        collected.withdrawn.extend(places.into_iter().map(|place| (place, index)));
        Ok(())
    }

    /// What the withdrawal at `by` erases: hidden from now on, deleted after the delay.
    pub(super) fn erasures(&self, places: &[Place], by: u64) -> impl Iterator<Item = Erasure> {
        let due = (self.clock)().saturating_add(self.own.erase_after);
        places.iter().map(move |place| Erasure { place: *place, by, due })
    }

    fn push(
        &self,
        draft: &mut Draft,
        collected: &mut Collected,
        entry: CheckedEntry,
        bytes: Bytes,
        statements: Vec<Stored>,
        open: bool,
    ) {
        let id = entry.entry().id();
        let appended = draft.prefix.append_checked(&bytes, Ok(entry), &self.rosters.current().roster);
        collected.leaves.push(appended.leaf);
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
            relayed: false,
        });
    }
}
