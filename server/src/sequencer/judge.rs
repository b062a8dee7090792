//! Whether an item may stand in the log, judged with everything before it: in the store, and in its group so far.

use std::collections::HashMap;

use bytes::Bytes;

use almenara_proto::{
    indicator::Indicator,
    keys::PublicKey,
    log::LogEntry,
    merkle::{self, Hash},
    statement::{Claim, Statement},
    tile,
    wire::{self, RefusalCode},
};

use super::{Accepted, Draft, Publication, Sequencer, receipt, standing::Standing, take::Collected};
use crate::{
    disputes,
    ingest::{Admitted, Refusal},
    store::{LogId, Place, StoreError, write::Usage},
};

impl Sequencer {
    /// Judges publications in order, each with all before it.
    pub(super) async fn judge(
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
                    drop(reply.send(Ok(Ok(receipt))));
                    continue;
                }
            }
            match judged {
                Ok(()) => {
                    let index =
                        self.take(&mut draft, &mut collected, &mut standing, item, today, usage).await?;
                    accepted.push(Accepted { index, repeated: false, reply, _room: room });
                }
                Err(refusal) => drop(reply.send(Ok(Err(refusal)))),
            }
        }
        Ok((draft, collected))
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
            LogEntry::Withdrawal(signed) => {
                let exist = self.targets_exist(&signed.content.targets, collected).await?;
                if exist.is_err() || !signed.content.erase {
                    return Ok(exist);
                }
                self.erases_all(&signed.content.targets, collected).await
            }
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

    pub(super) fn used(&self, publisher: &str, today: u64, usage: &[Usage]) -> u64 {
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
    pub(super) fn tag(&self, indicator: &Indicator) -> [u8; 32] {
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

    /// An erased report would leave the desk's earlier one on the same indicator as its current one, for whoever forgets
    /// what the erased one was about. So those that stand must be withdrawn with it.
    async fn erases_all(
        &self,
        targets: &[(u64, u32)],
        collected: &Collected,
    ) -> Result<Result<(), Refusal>, StoreError> {
        let places = |targets: &[(u64, u32)]| -> Result<Vec<Place>, StoreError> {
            targets.iter().map(|(entry, leaf)| Place::new(self.own_log, *entry, *leaf)).collect()
        };
        let erased = self.store.statements_at(&places(targets)?).await?;
        let reports: Vec<(Place, Statement)> = erased
            .iter()
            .filter_map(|(place, bytes)| Some((*place, Statement::parse(bytes).ok()?)))
            .filter(|(_, statement)| statement.report().is_some())
            .collect();
        let keys: Vec<u64> = reports.iter().map(|(_, statement)| statement.indicator.index_key()).collect();
        let mut earlier: Vec<Place> =
            self.store.places(&keys).await?.into_iter().map(|(_, place)| place).collect();
        earlier.retain(|place| place.log() == self.own_log);
        let gone = self.store.withdrawn(&earlier).await?;
        earlier.retain(|place| {
            let named = targets.binary_search(&(place.entry(), place.leaf())).is_ok();
            !named && !gone.contains(place) && !collected.withdrawn.iter().any(|(ended, _)| ended == place)
        });
        let statements = self.store.statements_at(&earlier).await?;
        let all: Vec<Place> = reports.iter().map(|(place, _)| *place).chain(earlier).collect();
        let publishers = self.publishers(&all).await?;
        for (place, bytes) in statements {
            let Ok(statement) = Statement::parse(&bytes) else { continue };
            let left_over = reports.iter().any(|(erased, report)| {
                place < *erased
                    && statement.report().is_some()
                    && statement.indicator == report.indicator
                    && publishers.get(&place.entry()) == publishers.get(&erased.entry())
            });
            if left_over {
                let (entry, leaf) = (place.entry(), place.leaf());
                return Ok(Err(Refusal::new(
                    RefusalCode::Earlier,
                    format!(
                        "an earlier report of the same desk on that indicator stands at {}:{entry}.{leaf}, and would \
                         count again: name it too",
                        self.own.member
                    ),
                )));
            }
        }
        Ok(Ok(()))
    }

    /// The first receipt of an item that is in the log already.
    async fn repeated(&self, id: &Hash) -> Result<Option<wire::Receipt>, StoreError> {
        let Some(index) = self.store.find(self.own_log, id).await? else {
            return Ok(None);
        };
        let draft = self.own_draft()?;
        let size = draft.edge.size();
        let tiles = self.store.tiles(self.own_log, tile::tiles_for_inclusion(index, size)).await?;
        let inclusion = tile::inclusion(index, size, &tiles)
            .map_err(|error| StoreError::Damaged { what: "tiles", why: error.to_string() })?;
        Ok(Some(receipt(index, &inclusion, &draft.note(), true)))
    }
}

impl Admitted {
    pub(super) fn statement(&self, leaf: u32) -> Option<Statement> {
        let at = self.statements.binary_search_by_key(&leaf, |(leaf, ..)| *leaf).ok()?;
        Statement::parse(&self.statements.get(at)?.1).ok()
    }
}

fn count_of(entry: &Bytes) -> Option<u32> {
    match LogEntry::parse(entry).ok()? {
        LogEntry::Batch(signed) => Some(signed.content.count),
        _ => None,
    }
}
