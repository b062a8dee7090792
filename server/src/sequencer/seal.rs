//! The tree over what was taken, its checkpoint, and the pages that continue the replicas of other logs.

use bytes::Bytes;

use almenara_client::store::is_settled;
use almenara_proto::{checkpoint::SignedCheckpoint, log::LogEntry, name::MemberName, tile::edge_tiles};

use super::{Draft, Sequencer, standing::Standing, take::Collected};
use crate::{
    heads::Settled,
    ingest::ReplicaPage,
    store::{Place, StoreError, write::Append},
};

impl Sequencer {
    /// Moves the edge, checks that tiles and tree agree, and signs (the own log only).
    pub(super) fn seal(
        &self,
        draft: &mut Draft,
        collected: Collected,
        own: bool,
    ) -> Result<Append, StoreError> {
        let old_size = draft.edge.size();
        let tiles = draft.edge.append(&collected.leaves);
        draft.edge_tiles.extend(tiles.iter().cloned());
        let keep = edge_tiles(draft.edge.size());
        draft.edge_tiles.retain(|tile, _| keep.contains(tile));
        let damaged = |why: &str| StoreError::Damaged { what: "tree", why: why.to_owned() };
        if draft.edge.root() != draft.prefix.tree().root() || draft.edge.size() != draft.prefix.size() {
            return Err(damaged("tiles and head lead to two roots; nothing was signed"));
        }
        if !collected.entries.is_empty() {
            draft.moved_at = (self.clock)();
        }
        if own {
            let signed = SignedCheckpoint::sign(draft.prefix.checkpoint(), &self.own.log_key)
                .map_err(|error| damaged(&error.to_string()))?;
            // A quorum of none settles at once.
            if is_settled(&signed, &self.own.member, &self.rosters.current().roster) {
                draft.settled = Some(Settled::new(&signed));
            }
            draft.checkpoint = Some(signed);
        }
        let before = self.logs.get(draft.prefix.member()).map(|known| &known.prefix);
        let (mut spoke, mut keys) = match before {
            Some(before) => draft.prefix.keys_since(before),
            None => (Vec::new(), draft.prefix.keys().collect()),
        };
        // An entry beyond its key's cut takes its `seq` without counting: a start would not know.
        if !collected.entries.iter().all(|entry| entry.counts) {
            keys.append(&mut spoke);
        }
        Ok(Append {
            log: draft.log,
            old_size,
            size: draft.prefix.size(),
            tree: draft.prefix.tree().to_bytes(),
            checkpoint: draft.note(),
            settled: draft.settled.as_ref().map_or_else(Bytes::new, |settled| settled.note.clone()),
            archived: None,
            hollow: draft.hollow,
            moved_at: draft.moved_at,
            entries: collected.entries,
            tiles,
            spoke,
            keys,
            withdrawn: collected.withdrawn,
            erased: collected.erased,
            tombstones: collected.tombstones.into_values().collect(),
            revocations: collected.revocations,
        })
    }

    /// A page that continues a replica, which its follower verified.
    pub(super) fn continue_replica(
        &self,
        page: ReplicaPage,
        writes: &[(Draft, Append)],
    ) -> Result<(Draft, Append), String> {
        let member = page.prefix.member().clone();
        // Two pages of one log in one group: the second continues the first.
        let known =
            writes.iter().rev().map(|(draft, _)| draft).find(|draft| *draft.prefix.member() == member);
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
        let ends = known.quarantine.as_ref().filter(|quarantine| quarantine.is_in_force(&self.rosters));
        if ends.is_some_and(|quarantine| from >= quarantine.agreed) {
            return Err(format!("the log of {member} is in quarantine: nothing from {from} on is taken"));
        }
        let mut draft = Draft { prefix: page.prefix, ..known.clone() };
        let mut collected = Collected::default();
        for entry in page.entries {
            if entry.hollow {
                draft.hollow = draft.hollow.or(Some(entry.new.index));
            }
            collected.leaves.push(entry.leaf);
            if let Some(counted) = &entry.counted {
                collected.learn(&member, counted);
            }
            if let Some(LogEntry::Withdrawal(signed)) = &entry.counted {
                // A leaf beyond any batch is none, and ends nothing: it must not stop what comes after it.
                let places = signed.content.targets.iter();
                let places = places.filter_map(|(target, leaf)| Place::new(draft.log, *target, *leaf).ok());
                let places: Vec<Place> = places.collect();
                if signed.content.erase {
                    collected.erased.extend(self.erasures(&places, entry.new.index));
                }
                collected.withdrawn.extend(places.into_iter().map(|place| (place, entry.new.index)));
            }
            collected.entries.push(entry.new);
        }
        if page.checkpoint.is_some() {
            draft.checkpoint = page.checkpoint;
        }
        let append = self.seal(&mut draft, collected, false).map_err(|error| error.to_string())?;
        Ok((draft, append))
    }

    /// A page of the own log that an old copy of the store had forgotten, each entry judged as when it was published.
    /// What is signed over it begins what was signed already, so it forks nothing.
    pub(super) async fn recover(
        &self,
        page: ReplicaPage,
    ) -> Result<Result<(Draft, Append), String>, StoreError> {
        let mut draft = self.own_draft()?.clone();
        let from = page.entries.first().map_or(page.prefix.size(), |entry| entry.new.index);
        if from != draft.prefix.size() {
            return Ok(Err(format!(
                "the page starts at {from}, the own log ends at {}",
                draft.prefix.size()
            )));
        }
        let (mut collected, mut standing) = (Collected::default(), Standing::default());
        for entry in page.entries {
            collected.leaves.push(entry.leaf);
            if let Some(counted) = &entry.counted {
                collected.learn(&self.own.member, counted);
            }
            if let Some(LogEntry::Withdrawal(signed)) = &entry.counted {
                self.withdraw(&mut collected, &mut standing, entry.new.index, signed).await?;
            }
            collected.entries.push(entry.new);
        }
        draft.prefix = page.prefix;
        let append = self.seal(&mut draft, collected, true)?;
        Ok(Ok((draft, append)))
    }

    /// A log of which more is settled than before, with what else is written of it.
    pub(super) fn settle(
        &self,
        member: &MemberName,
        settled: Settled,
        writes: &mut Vec<(Draft, Append)>,
    ) -> Result<(), StoreError> {
        let more = |draft: &Draft| {
            let held = draft.settled.as_ref().map_or(0, |held| held.size);
            settled.size > held && settled.size <= draft.prefix.size()
        };
        if let Some((draft, append)) = writes.iter_mut().rfind(|(draft, _)| draft.prefix.member() == member) {
            if more(draft) {
                append.settled = settled.note.clone();
                // At most one of a group is kept: the others are a moment younger.
                let archived = draft.settle(settled, (self.clock)());
                append.archived = append.archived.take().or(archived);
            }
        } else if let Some(known) = self.logs.get(member).filter(|known| more(known)) {
            let mut draft = known.clone();
            let archived = draft.settle(settled, (self.clock)());
            let append = self.seal(&mut draft, Collected::default(), false)?;
            writes.push((draft, Append { archived, ..append }));
        }
        Ok(())
    }
}
