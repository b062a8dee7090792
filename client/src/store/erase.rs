//! Erasure in the local store (PROTOCOL.md §3, 'Withdrawal'): what an erasing withdrawal names is hidden at once, and
//! after a delay the log is written anew without it.
//!
//! ```text
//! store/<member>          ─entry by entry, without what is erased→ store/erasing+<member>
//! store/<member>          → store/old+<member>      } whatever a crash leaves of these steps,
//! store/erasing+<member>  → store/<member>          } the next start completes or repeats
//! store/old+<member>      removed
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use almenara_proto::{
    batch::{Disclosure, statement_id},
    keys::PublicKey,
    log::{LogEntry, Withdrawal},
    name::MemberName,
    signed::Signed,
};

use super::{Replica, Store, StoreError, state::Erasing};
use crate::follow::VerifiedEntry;

/// Seconds between the moment at which an erasing withdrawal was seen and the deletion, if no configuration says
/// otherwise: as nodes do.
pub const ERASE_AFTER: u64 = 72 * 3_600;

/// An erasing withdrawal that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Erasure {
    /// Its index.
    pub(super) by: u64,
    /// Who signed it: both keys.
    pub(super) keys: Vec<PublicKey>,
    /// What it names: entry and leaf, ascending.
    pub(super) targets: Vec<(u64, u32)>,
}

impl Erasure {
    pub(super) fn of(index: u64, signed: &Signed<Withdrawal>) -> Option<Self> {
        let Withdrawal { erase, key, second_key, targets, .. } = &signed.content;
        let keys = [Some(*key), *second_key].into_iter().flatten().collect();
        erase.then(|| Self { by: index, keys, targets: targets.clone() })
    }
}

impl Store {
    /// Hides nothing, as that was done when the withdrawals came: deletes what they named `delay` seconds ago at
    /// least, by this machine's clock, unless a key that signed was revoked meanwhile. Gives how many statements.
    ///
    /// # Errors
    /// [`StoreError`]; what was not deleted is deleted the next time.
    pub fn erase(&mut self, now: u64, delay: u64) -> Result<usize, StoreError> {
        let mut erased = 0;
        for member in self.replicas.keys().cloned().collect::<Vec<_>>() {
            let cuts = self.cuts(&member);
            let Some(replica) = self.replicas.get_mut(&member) else { continue };
            let due = replica.erasures_due(&cuts, now, delay);
            replica.commit()?;
            if due.is_empty() {
                continue;
            }
            let targets: BTreeSet<(u64, u32)> =
                due.iter().flat_map(|erasure| erasure.targets.iter().copied()).collect();
            erased += self.rewrite(&member, &targets)?;
            if let Some(replica) = self.replicas.get_mut(&member) {
                replica.erased(&due.iter().map(|erasure| erasure.by).collect());
                replica.commit()?;
            }
        }
        Ok(erased)
    }

    /// Of each key of a member the least cut that any log tells.
    fn cuts(&self, member: &MemberName) -> BTreeMap<PublicKey, u64> {
        let mut cuts = BTreeMap::new();
        let own = self.replicas.get(member).map(|replica| replica.prefix().keys()).into_iter().flatten();
        let own = own.filter_map(|kept| Some((kept.key, kept.cut?)));
        let foreign = self.replicas().flat_map(|replica| &replica.facts().revocations);
        let foreign = foreign.filter(|(of, ..)| of == member).map(|(_, key, since)| (*key, *since));
        for (key, since) in own.chain(foreign) {
            let cut = cuts.entry(key).or_insert(since);
            *cut = since.min(*cut);
        }
        cuts
    }

    /// Writes a log anew without some statements, and puts it in the place of the one that was.
    fn rewrite(&mut self, member: &MemberName, gone: &BTreeSet<(u64, u32)>) -> Result<usize, StoreError> {
        let Some(old) = self.replicas.get(member) else { return Ok(0) };
        if !old.holds_any(gone)? {
            return Ok(0);
        }
        let folder = self.folder.join(member.as_str());
        let fresh = self.folder.join(format!("erasing+{member}"));
        remove(&fresh)?;
        let mut new = Replica::open(fresh.clone(), member.clone(), &self.federation, true)?;
        let erased = new.copy_without(old, gone)?;
        drop(new);
        // Nobody writes to what is moved away.
        self.replicas.remove(member);
        let aside = self.folder.join(format!("old+{member}"));
        fs::rename(&folder, &aside).map_err(StoreError::file(&folder))?;
        fs::rename(&fresh, &folder).map_err(StoreError::file(&fresh))?;
        remove(&aside)?;
        self.open_replica(member)?;
        Ok(erased)
    }

    /// Completes or takes back what a crash left of a rewriting.
    pub(super) fn settle_erasing(folder: &Path) -> Result<(), StoreError> {
        for file in fs::read_dir(folder).map_err(StoreError::file(folder))? {
            let path = file.map_err(StoreError::file(folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with("erasing+") {
                // Its log may have been moved aside already: then that one comes back first.
                let member = name.trim_start_matches("erasing+");
                restore(folder, member)?;
                remove(&path)?;
            } else if let Some(member) = name.strip_prefix("old+") {
                restore(folder, member)?;
                remove(&path)?;
            }
        }
        Ok(())
    }
}

/// A log that was moved aside, and in whose place nothing stands, is moved back.
fn restore(folder: &Path, member: &str) -> Result<(), StoreError> {
    let (place, aside): (PathBuf, PathBuf) = (folder.join(member), folder.join(format!("old+{member}")));
    if aside.exists() && !place.exists() {
        fs::rename(&aside, &place).map_err(StoreError::file(&aside))?;
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<(), StoreError> {
    if folder.exists() { fs::remove_dir_all(folder).map_err(StoreError::file(folder)) } else { Ok(()) }
}

impl Replica {
    /// The erasing withdrawal that names a statement, unless a key that signed it was revoked before it.
    #[must_use]
    pub fn erased_by(&self, entry: u64, leaf: u32) -> Option<u64> {
        let names = |erasure: &&Erasure| erasure.targets.binary_search(&(entry, leaf)).is_ok();
        let erasures = self.facts().erasures.iter().filter(names);
        erasures.filter(|erasure| !erasure.is_revoked(|key| self.prefix().cut(key))).map(|e| e.by).min()
    }

    /// Withdrawals whose targets are to be deleted now. Those that are new are noticed.
    fn erasures_due(&mut self, cuts: &BTreeMap<PublicKey, u64>, now: u64, delay: u64) -> Vec<Erasure> {
        let mut due = Vec::new();
        for erasure in self.facts.erasures.iter().cloned() {
            let known = self.state.erasing.iter().find(|known| known.by == erasure.by).cloned();
            let known = known.unwrap_or_else(|| {
                let new = Erasing { by: erasure.by, noticed_at: now, done: false };
                self.state.erasing.push(new.clone());
                new
            });
            let revoked = erasure.is_revoked(|key| cuts.get(key).copied());
            if !known.done && !revoked && now >= known.noticed_at.saturating_add(delay) {
                due.push(erasure);
            }
        }
        due
    }

    fn erased(&mut self, by: &BTreeSet<u64>) {
        for known in self.state.erasing.iter_mut().filter(|known| by.contains(&known.by)) {
            known.done = true;
        }
    }

    fn holds_any(&self, places: &BTreeSet<(u64, u32)>) -> Result<bool, StoreError> {
        for (entry, leaf) in places {
            let batch = self.entry(*entry)?.and_then(|entry| entry.batch);
            if batch.is_some_and(|batch| batch.leaves.iter().any(|shown| shown.index == *leaf)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Fills this empty one with all of another but some statements. Gives how many those were.
    fn copy_without(&mut self, old: &Self, gone: &BTreeSet<(u64, u32)>) -> Result<usize, StoreError> {
        let mut erased = 0;
        // Files of both must never share a name: a reader may still be in the old ones.
        self.state.next_file = old.state.next_file;
        for index in 0..old.size() {
            let Some((kept, disclosure)) = old.kept(index)? else { break };
            let leaves: BTreeSet<u32> =
                gone.range((index, 0)..=(index, u32::MAX)).map(|(_, leaf)| *leaf).collect();
            let mut entry = VerifiedEntry {
                index,
                bytes: kept.bytes,
                outcome: kept
                    .entry
                    .ok_or_else(|| almenara_proto::blame::Void::new("entry", "it does not count")),
                batch: kept.batch,
                disclosure,
            };
            if !leaves.is_empty() {
                erased += without(&mut entry, &leaves);
            }
            self.take(entry);
            if self.waiting() {
                self.flush_tails()?;
            }
        }
        self.adopt(old);
        self.finish()?;
        Ok(erased)
    }
}

impl Erasure {
    /// Whether a key that signed it is cut at or below it.
    pub(super) fn is_revoked(&self, cut: impl Fn(&PublicKey) -> Option<u64>) -> bool {
        self.keys.iter().any(|key| cut(key).is_some_and(|cut| cut <= self.by))
    }
}

/// Takes leaves out of what is shown of a batch; the hashes that stand for them stay. Gives how many were there.
fn without(entry: &mut VerifiedEntry, gone: &BTreeSet<u32>) -> usize {
    let (Ok(LogEntry::Batch(header)), Some(batch)) = (&entry.outcome, &mut entry.batch) else { return 0 };
    let count = header.content.count;
    let before = batch.leaves.len();
    batch.leaves.retain(|leaf| !gone.contains(&leaf.index));
    let erased = before - batch.leaves.len();
    let shown = entry.disclosure.take().and_then(|shown| Disclosure::from_wire(shown, count).ok());
    let origin = header.content.origin_hash();
    let narrowed = shown.and_then(|shown| shown.without(count, gone, |bytes| statement_id(&origin, bytes)));
    // What cannot be narrowed is not kept at all.
    if narrowed.is_none() {
        batch.leaves.clear();
    }
    entry.disclosure = Some(narrowed.unwrap_or_else(Disclosure::nothing).into_wire(count));
    erased
}
