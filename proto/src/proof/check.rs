//! What must hold, one check a line.

use std::collections::{BTreeMap, BTreeSet};

use super::{Included, Proof, Unproven};
use crate::{
    batch::{BatchHeader, Disclosure, Rest, VerifiedBatch},
    checkpoint::{SignedCheckpoint, origin_of},
    cosigner::{Cosigners, Quorum, Settlement},
    keys::{Context, VerifyingKey},
    log::{KeyGrant, LogEntry},
    merkle::{self, Hash},
    name::Address,
    note::{KeyKind, Note, key_id},
    roster::{AcceptedRoster, Member, Roster, RosterHistory, SignedRoster},
    signed::Signed,
    statement::Statement,
};

/// A proof that holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Proven {
    /// Where it was said.
    pub address: Address,
    /// The statement's id.
    pub id: Hash,
    /// What was said.
    pub statement: Statement,
    /// Who said it, under which key; the signature holds.
    pub header: Signed<BatchHeader>,
    /// Who gave that key.
    pub grant: Signed<KeyGrant>,
    /// Log index of the grant.
    pub granted_at: u64,
    /// What the log's key signed.
    pub checkpoint: SignedCheckpoint,
    /// Who cosigned it, under the newest roster of the file.
    pub quorum: Quorum,
    /// The newest roster of the file.
    pub roster: AcceptedRoster,
    /// Hash of the first roster of the file: what the checker knew.
    pub anchor: Hash,
}

impl Proven {
    /// Unix seconds at which a quorum of jurisdictions, independent of the origin's, had seen the log with this
    /// statement in it, by their clocks; nothing when it is pending, or nobody is asked to cosign.
    #[must_use]
    pub fn existed_by(&self) -> Option<u64> {
        if self.quorum.settlement != Settlement::Settled {
            return None;
        }
        let mut first: BTreeMap<_, u64> = BTreeMap::new();
        for one in self.quorum.cosignatures.iter().filter(|one| one.counts) {
            let time = first.entry(one.jurisdiction).or_insert(one.time);
            *time = one.time.min(*time);
        }
        let mut times: Vec<u64> = first.into_values().collect();
        times.sort_unstable();
        times.get((self.roster.roster.quorum as usize).checked_sub(1)?).copied()
    }
}

impl Proof {
    /// Whether it proves what it says, to somebody who knows `anchor`: the hash of its first roster, given out of band.
    /// A first roster of a later version than 1 is believed for its hash alone.
    ///
    /// # Errors
    /// [`Unproven`], the first check that fails.
    pub fn verify(&self, anchor: &Hash) -> Result<Proven, Unproven> {
        let (roster, last_with) = rosters(&self.rosters, anchor)?;
        let (header, entry) = parse_batch(&self.batch)?;
        let origin = entry.member.clone();
        let judged = last_with.into_iter().rev().find(|roster| roster.contains(&origin));
        let judged = judged.ok_or_else(|| Unproven::NoMember(origin.clone()))?;
        let member = judged.member(&origin).ok_or_else(|| Unproven::NoMember(origin.clone()))?;

        let checkpoint = open(&self.checkpoint, member, self.batch.index)?;
        included("batch", &self.batch, &checkpoint)?;
        included("grant", &self.grant, &checkpoint)?;

        ours("batch", &entry.federation, &roster.roster.federation)?;
        let key = VerifyingKey::from_bytes(&entry.key.0).map_err(|_| Unproven::NoPoint(entry.key))?;
        header.verify(&key).map_err(Unproven::Batch)?;

        let grant = self.granted(&header, member)?;
        ours("grant", &grant.content.federation, &roster.roster.federation)?;

        let leaf = self.disclosed(&header)?;
        let quorum = cosigned(&checkpoint, member, &roster.roster)?;
        Ok(Proven {
            address: Address { member: origin, entry: self.batch.index, leaf: self.leaf },
            id: leaf.0,
            statement: leaf.1,
            header,
            grant,
            granted_at: self.grant.index,
            checkpoint,
            quorum,
            roster,
            anchor: *anchor,
        })
    }

    /// The member's root key gave this key to this desk, before it spoke.
    fn granted(&self, header: &Signed<BatchHeader>, member: &Member) -> Result<Signed<KeyGrant>, Unproven> {
        let parsed = LogEntry::parse(&self.grant.bytes).map_err(Unproven::Grant)?;
        let LogEntry::KeyGrant(grant) = parsed else {
            return Err(Unproven::Kind { expected: "key-grant", found: parsed.kind() });
        };
        let (said, batch) = (&grant.content, &header.content);
        if said.member != batch.member || said.publisher != batch.publisher || said.key != batch.key {
            return Err(Unproven::AnotherGrant { key: said.key, publisher: said.publisher.clone() });
        }
        if self.grant.index >= self.batch.index {
            return Err(Unproven::LateGrant { grant: self.grant.index, batch: self.batch.index });
        }
        let segment =
            member.segment_at(self.grant.index).ok_or_else(|| Unproven::NoMember(member.name.clone()))?;
        let root = segment.root_key.admit().map_err(|why| Unproven::Grant(why.into()))?;
        grant.verify(&root).map_err(Unproven::Grant)?;
        said.key.admit().map_err(|why| Unproven::Grant(why.into()))?;
        Ok(grant)
    }

    /// The statement is the one at its place under the signed root, and it is not void.
    fn disclosed(&self, header: &Signed<BatchHeader>) -> Result<(Hash, Statement), Unproven> {
        let shown = Disclosure {
            clear: vec![(self.leaf, self.statement.clone())],
            rest: Rest::Proof(self.disclosure.clone()),
            ..Disclosure::nothing()
        };
        let batch = VerifiedBatch::verify_disclosure(header.clone(), shown).map_err(Unproven::Disclosure)?;
        let leaf = batch.leaves.into_iter().next().ok_or(Unproven::NoStatement)?;
        Ok((leaf.id, leaf.statement.map_err(Unproven::Statement)?))
    }
}

/// The chain, from what the checker knows on: the newest roster, and all of them in order.
fn rosters(signed: &[SignedRoster], anchor: &Hash) -> Result<(AcceptedRoster, Vec<Roster>), Unproven> {
    let (first, later) = signed.split_first().ok_or(Unproven::NoRoster)?;
    let id = first.id();
    if id != *anchor {
        return Err(Unproven::Anchor { found: id, known: *anchor });
    }
    let roster = Roster::parse(&first.body).map_err(Unproven::Roster)?;
    let first = match roster.version {
        1 => first.clone().accept_first(anchor)?,
        _ => AcceptedRoster { roster, id, signed: first.clone() },
    };
    let mut all = vec![first.roster.clone()];
    let mut history = RosterHistory::begin(first);
    for next in later {
        all.push(history.accept(next.clone())?.roster.clone());
    }
    for (roster, signed) in all.iter().zip(signed) {
        every_signature_holds(roster.version, signed)?;
    }
    Ok((history.current().clone(), all))
}

/// Acceptance asks for enough signatures; a file has none that does not hold.
fn every_signature_holds(version: u64, signed: &SignedRoster) -> Result<(), Unproven> {
    let mut seen = BTreeSet::new();
    let holds = signed.signatures.iter().all(|(key, signature)| {
        let verified =
            key.admit().is_ok_and(|key| Context::Roster.verify(&signed.body, signature, &key).is_ok());
        seen.insert(*key) && verified
    });
    if holds { Ok(()) } else { Err(Unproven::RosterSignature { version }) }
}

fn parse_batch(entry: &Included) -> Result<(Signed<BatchHeader>, BatchHeader), Unproven> {
    let parsed = LogEntry::parse(&entry.bytes).map_err(Unproven::Batch)?;
    let LogEntry::Batch(header) = parsed else {
        return Err(Unproven::Kind { expected: "batch", found: parsed.kind() });
    };
    let content = header.content.clone();
    Ok((header, content))
}

/// Opens the note under the key of a segment of this log that reaches over the entry: what an old key signed beyond the
/// next segment is a tail that the roster cut off.
fn open(note: &[u8], member: &Member, entry: u64) -> Result<SignedCheckpoint, Unproven> {
    let origin = origin_of(member.name.as_str());
    let (mut end, mut last) = (u64::MAX, None);
    for segment in member.segments.iter().rev() {
        let opened = SignedCheckpoint::open(note, &origin, &segment.log_key.0);
        let end = std::mem::replace(&mut end, segment.from_size);
        match opened {
            Ok(_) if entry >= end => return Err(Unproven::CutOff { entry, end }),
            Ok(opened) => return Ok(opened),
            Err(error) => last = last.or(Some(error)),
        }
    }
    Err(last.map_or_else(|| Unproven::NoMember(member.name.clone()), Unproven::Checkpoint))
}

fn included(what: &'static str, entry: &Included, checkpoint: &SignedCheckpoint) -> Result<(), Unproven> {
    let signed = checkpoint.checkpoint();
    let leaf = merkle::leaf_hash(&entry.bytes);
    merkle::verify_inclusion(&leaf, entry.index, signed.size, &entry.path, &signed.root)
        .map_err(|why| Unproven::NotInLog { what, why })
}

fn ours(what: &'static str, found: &str, federation: &str) -> Result<(), Unproven> {
    if found == federation {
        Ok(())
    } else {
        Err(Unproven::Federation { what, found: found.to_owned(), federation: federation.to_owned() })
    }
}

/// Every line is the log's own or a member's, and holds.
fn cosigned(checkpoint: &SignedCheckpoint, origin: &Member, roster: &Roster) -> Result<Quorum, Unproven> {
    let note = Note::parse(checkpoint.note()).map_err(|error| Unproven::Checkpoint(error.into()))?;
    let log = &checkpoint.checkpoint().origin;
    let log_id = key_id(log, KeyKind::Ed25519.algorithm(), checkpoint.log_key());
    let cosigners = Cosigners::of(roster);
    let mut seen = BTreeSet::new();
    for line in note.signatures() {
        let is_log = line.name == *log && line.id == log_id;
        if !(is_log || cosigners.claimed(line).is_some()) || !seen.insert((line.name.clone(), line.id)) {
            return Err(Unproven::StrangeLine(line.name.clone()));
        }
    }
    Ok(cosigners.quorum(checkpoint, origin)?)
}
