//! Pages of other members' logs, as the store takes them.

use almenara_client::follow::{VerifiedEntry, VerifiedPage};
use almenara_proto::{
    batch::{BatchHeader, Leaf},
    checkpoint::SignedCheckpoint,
    log::LogEntry,
    merkle::{self, Hash},
    prefix::Prefix,
};

use super::admit::{is_open, statements};
use crate::{keeping::Keeper, store::write::NewEntry};

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
    /// Keeps what the store needs of a verified page, the statements that are ours to keep, and `prefix` as it is
    /// after the page.
    #[must_use]
    pub fn new(prefix: Prefix, page: VerifiedPage, keeper: &Keeper) -> Self {
        let checkpoint = page.caught_up.then_some(page.checkpoint);
        let entries = page
            .entries
            .into_iter()
            .map(|entry| replica_entry(entry, |header, leaves| keeper.retain(header, leaves)))
            .collect();
        Self { prefix, entries, checkpoint }
    }

    /// Not the origin showed it: what is not whole may be had from the origin.
    #[must_use]
    pub fn relayed(mut self) -> Self {
        for entry in &mut self.entries {
            entry.new.relayed = entry.new.leaf_hashes.is_some();
        }
        self
    }

    /// The first batch of which neither all statements nor all leaf hashes came.
    #[must_use]
    pub fn hollow(&self) -> Option<u64> {
        self.entries.iter().find(|entry| entry.hollow).map(|entry| entry.new.index)
    }
}

fn replica_entry(entry: VerifiedEntry, retain: impl Fn(&BatchHeader, &mut Vec<Leaf>)) -> ReplicaEntry {
    let counted = entry.outcome.ok();
    let is_batch = matches!(counted, Some(LogEntry::Batch(_)));
    let (open, statements, leaf_hashes, hollow) = match entry.batch {
        Some(mut batch) => {
            let count = batch.header.content.count;
            let hollow = batch.leaf_hashes.is_none() && batch.leaves.len() < count as usize;
            let open = is_open(&batch.leaves, count);
            if !open {
                // Of others only the leaf hash stays. A void statement counts for nothing and may have any size.
                retain(&batch.header.content, &mut batch.leaves);
            }
            let whole = batch.leaves.len() == count as usize;
            let hashes = batch.leaf_hashes.filter(|_| !whole);
            (open, statements(batch.leaves), hashes, hollow)
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
            relayed: false,
        },
        counted,
    }
}

#[cfg(test)]
mod tests {
    use almenara_proto::{
        batch::{Author, Disclosure, VerifiedBatch, seal, statement_id},
        indicator::{Indicator, Kind},
        keys::SigningKey,
        name::Publisher,
        release::Release,
        signed::{Body as _, Signed},
        statement::{Category, Claim, Report, Ruleset, Statement},
    };
    use bytes::Bytes;

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
        let entry =
            VerifiedEntry { index: 7, bytes, outcome: Ok(entry), batch: Some(batch), disclosure: None };
        let kept = replica_entry(entry, |_, leaves| leaves.retain(|leaf| leaf.statement.is_ok()));
        assert_eq!(kept.new.statements.iter().map(|(leaf, ..)| *leaf).collect::<Vec<_>>(), [1]);
        assert_eq!(kept.new.leaf_hashes, Some(leaves));
        assert!(!kept.new.open);
    }
}
