//! Who saw a checkpoint, and whether that settles it (PROTOCOL.md §5). Cosignatures are those of C2SP
//! (tlog-cosignature v1.0.1); how they are made and written is in [`crate::note`] and [`crate::checkpoint`].

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::{
    checkpoint::{CheckpointError, SignedCheckpoint, origin_of},
    name::{Jurisdiction, MemberName},
    note::{self, KeyKind, MAX_SIGNATURES, Note, NoteError, NoteSignature, VerifierKey, key_id},
    roster::{Member, Roster},
};

/// The cosign keys of one roster version. A key is read when a line claims to be its own: reading it takes a fifth of
/// the time of using it, and a roster has many more members than a note has lines.
#[derive(Clone, Copy, Debug)]
pub struct Cosigners<'a>(&'a Roster);

/// One member's cosignature of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// Who.
    pub member: MemberName,
    /// Where it sits.
    pub jurisdiction: Jurisdiction,
    /// When, by its clock, in seconds since 1970; of several the earliest.
    pub time: u64,
    /// Whether it is independent of the origin: no jurisdiction can compel both.
    pub counts: bool,
}

/// Who cosigned, and what it amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// By member.
    pub cosignatures: Vec<Cosignature>,
    /// The verdict.
    pub settlement: Settlement,
}

/// Whether the entries that a checkpoint covers are settled. Once settled they stay so, whatever becomes of the
/// roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Cosigned by the roster's quorum.
    Settled,
    /// Not yet.
    Pending {
        /// Distinct jurisdictions whose cosignatures count.
        have: u32,
        /// The roster's quorum.
        need: u32,
    },
}

impl<'a> Cosigners<'a> {
    /// Those of `roster`. A cosign key bears its member's name.
    #[must_use]
    pub const fn of(roster: &'a Roster) -> Self {
        Self(roster)
    }

    /// Who cosigned a checkpoint of `origin`, whose entry is that of the newest roster which has it.
    ///
    /// # Errors
    /// `Origin` when it is another log's checkpoint; `BadSignature` when a line of a known key fails: the note is
    /// dropped, and whoever brought it is blamed.
    pub fn quorum(&self, checkpoint: &SignedCheckpoint, origin: &Member) -> Result<Quorum, CheckpointError> {
        let (found, required) = (&checkpoint.checkpoint().origin, origin_of(origin.name.as_str()));
        if *found != required {
            return Err(CheckpointError::Origin { found: found.clone(), required });
        }
        let cosignatures: Vec<Cosignature> = self
            .lines(&Note::parse(checkpoint.note())?)?
            .into_values()
            .map(|(member, line)| Cosignature {
                member: member.name.clone(),
                jurisdiction: member.jurisdiction,
                time: line.bytes.first_chunk().map_or(0, |time| u64::from_be_bytes(*time)),
                counts: !member.shares_jurisdiction(origin),
            })
            .collect();
        let counted: BTreeSet<Jurisdiction> =
            cosignatures.iter().filter(|one| one.counts).map(|one| one.jurisdiction).collect();
        let (have, need) = (u32::try_from(counted.len()).unwrap_or(u32::MAX), self.0.quorum);
        let settlement = if have >= need { Settlement::Settled } else { Settlement::Pending { have, need } };
        Ok(Quorum { cosignatures, settlement })
    }

    /// One note of one checkpoint out of two: the log's signature, and of each member of the roster its earliest
    /// cosignature. Lines of others are left out, for nobody here can tell them from padding. When there are more
    /// than a note may have, each jurisdiction's first goes before its others.
    ///
    /// # Errors
    /// [`MergeError`]; the held note stays as it is.
    pub fn merge(
        &self,
        held: &SignedCheckpoint,
        brought: &SignedCheckpoint,
    ) -> Result<SignedCheckpoint, MergeError> {
        let checkpoint = held.checkpoint();
        if brought.checkpoint() != checkpoint || brought.log_key() != held.log_key() {
            return Err(MergeError::Other);
        }
        let note = Note::parse(held.note())?;
        let log_id = key_id(&checkpoint.origin, KeyKind::Ed25519.algorithm(), held.log_key());
        let log_line = note.signatures().iter().find(|s| s.name == checkpoint.origin && s.id == log_id);

        let log_line = log_line.ok_or(NoteError::NoKnownSignature)?;
        let mut lines = self.lines(&note)?;
        for (member, line) in self.lines(&Note::parse(brought.note())?)?.into_values() {
            keep_earliest(&mut lines, member, line);
        }
        let mut seen = BTreeSet::new();
        let (first, others): (Vec<_>, Vec<_>) =
            lines.into_values().partition(|(member, _)| seen.insert(member.jurisdiction));
        let chosen =
            first.into_iter().chain(others).take(MAX_SIGNATURES - 1).map(|(_, line)| line.to_string());
        let lines: Vec<String> = std::iter::once(log_line.to_string()).chain(chosen).collect();
        let raw = note::assemble(note.text(), lines.iter().map(String::as_str))?;
        Ok(SignedCheckpoint::open(&raw, &checkpoint.origin, held.log_key())?)
    }

    /// The member whose cosignature a line claims to be: not verified.
    #[must_use]
    pub fn claimed(&self, line: &NoteSignature) -> Option<&'a Member> {
        let member = self.0.member(&line.name.parse().ok()?)?;
        let id = key_id(&line.name, KeyKind::CosignatureV1.algorithm(), &member.cosign_key.0);
        (id == line.id).then_some(member)
    }

    /// Each member's earliest line, verified.
    fn lines(&self, note: &Note) -> Result<Lines<'a>, NoteError> {
        let mut lines = Lines::new();
        for line in note.signatures() {
            if let Some(member) = self.claimed(line) {
                keep_earliest(&mut lines, member, line.clone());
            }
        }
        let key = |member: &Member| {
            VerifierKey::new(member.name.as_str(), KeyKind::CosignatureV1, &member.cosign_key.0)
        };
        let keys = lines.values().map(|(member, _)| key(member)).collect::<Result<Vec<_>, _>>()?;
        match note.verify(&keys) {
            Ok(_) | Err(NoteError::NoKnownSignature) => Ok(lines),
            Err(other) => Err(other),
        }
    }
}

type Lines<'a> = BTreeMap<&'a MemberName, (&'a Member, NoteSignature)>;

/// A line's bytes begin with its time, so their order is that of time.
fn keep_earliest<'a>(lines: &mut Lines<'a>, member: &'a Member, line: NoteSignature) {
    match lines.get(&member.name) {
        Some((_, kept)) if kept.bytes <= line.bytes => {}
        _ => drop(lines.insert(&member.name, (member, line))),
    }
}

impl Roster {
    /// Members whose entries can never settle: too few jurisdictions are independent of theirs. A roster may be
    /// so; whoever proposes it should hear of it.
    pub fn unsettleable(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|origin| self.independent_of(origin).len() < self.quorum as usize)
    }

    /// Members of whom two histories may both settle although no cosigner saw both: their forks are detected, not
    /// prevented. One member of a jurisdiction may see the one history and a second member the other, so a quorum
    /// of more than half of the jurisdictions is not enough.
    pub fn forkable(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|origin| {
            let seats = self.independent_of(origin);
            let several = seats.values().filter(|members| **members > 1).count();
            let needed = (self.quorum as usize).saturating_sub(several);
            self.quorum as usize <= seats.len() && needed.saturating_mul(2) <= seats.len() - several
        })
    }

    /// Where the members sit whose cosignatures count for an origin, and how many they are.
    fn independent_of(&self, origin: &Member) -> BTreeMap<Jurisdiction, usize> {
        let mut seats = BTreeMap::new();
        for member in self.members.values().filter(|member| !member.shares_jurisdiction(origin)) {
            *seats.entry(member.jurisdiction).or_default() += 1;
        }
        seats
    }
}

/// Why two notes are not made one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MergeError {
    /// They are of two checkpoints, or under two log keys.
    #[error("these are notes of two checkpoints")]
    Other,
    /// One has a bad line of a known key: whoever brought it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// What came out is no checkpoint of this log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}
