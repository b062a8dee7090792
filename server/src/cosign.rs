//! Cosignatures (PROTOCOL.md §5; C2SP tlog-cosignature): those that this node makes of other members' checkpoints, and
//! those that it collects of its own. A cosigner's key bears its member's name.

mod outside;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

use almenara_client::store::is_settled;
use almenara_proto::{
    blame::Blame,
    checkpoint::{SignedCheckpoint, origin_of},
    cosigner::{Cosigners, MergeError},
    keys::SigningKey,
    name::MemberName,
    note::{KeyKind, NoteError, NoteSignature, VerifierKey},
    roster::Roster,
    wire,
};

use crate::{
    clock::Clock,
    compare::{Compared, Trees},
    heads::Head,
    own_log::{OwnLog, Standing},
};

/// Own checkpoints for which cosignatures are still taken, some 300 bytes each: at two hundred commits a second, those of
/// the last five seconds. Whoever is slower cosigns the newest when it has caught up.
const REMEMBERED: usize = 1_024;

/// Cosigns what this node holds.
#[derive(Clone)]
pub struct Cosigner {
    member: MemberName,
    key: Arc<SigningKey>,
    clock: Clock,
    own: OwnLog,
    compared: Compared,
    trees: Trees,
}

impl Cosigner {
    /// With the cosign key of `member`, as the roster has it. Nothing is cosigned before the others were asked what they
    /// hold (`own`), nor below what they showed (`compared`), nor what departs from it (`trees`).
    #[must_use]
    pub fn new(
        member: MemberName,
        key: SigningKey,
        clock: Clock,
        own: OwnLog,
        compared: Compared,
        trees: Trees,
    ) -> Self {
        Self { member, key: Arc::new(key), clock, own, compared, trees }
    }

    /// A cosignature of the newest checkpoint of another member's log, once every entry and leaf hash below its size is
    /// durable here. A log only grows here by pages that were proven to extend it, so each checkpoint that is cosigned
    /// extends the one before; that it is held is persisted before it is said. An old copy of the store does not know what
    /// was cosigned after it: so first the entries must reach every note that the others were heard to hold, this node's
    /// cosignatures among them, and lead to it.
    pub async fn cosign(&self, head: &Head, roster: &Roster) -> Option<wire::CosignRequest> {
        let size = head.signed_size;
        if size == 0 || size != head.prefix.size() || head.hollow.is_some() {
            return None;
        }
        let origin = head.prefix.member();
        let segment = roster.member(origin)?.segment()?;
        let two_histories =
            head.quarantine.as_ref().is_some_and(|found| found.proof.log_key() == segment.log_key);
        if self.own.standing() == Standing::Comparing || two_histories {
            return None;
        }
        let largest = self.compared.largest(origin).filter(|note| *note.log_key() == segment.log_key.0);
        if let Some(largest) = largest.filter(|note| !self.compared.leads_to(origin, note.checkpoint())) {
            let shown = largest.checkpoint();
            if shown.size > size || self.trees.root(head.log, shown.size).await.ok()? != shown.root {
                return None; // the next comparison brings what is wrong
            }
            self.compared.reached(origin, shown);
        }
        let signed =
            SignedCheckpoint::open(&head.checkpoint, &origin_of(origin.as_str()), &segment.log_key.0).ok()?;
        if signed.checkpoint().root != head.prefix.tree().root() {
            return None;
        }
        let line = signed.cosign(self.member.as_str(), &self.key, (self.clock)()).ok()?;
        Some(wire::CosignRequest { size, line: line.into() })
    }
}

/// Why a cosignature is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The checkpoint is not remembered any more, or never was.
    #[error("no checkpoint of size {0} waits for cosignatures: cosign the newest one")]
    Unknown(u64),
    /// The caller is not on the roster.
    #[error("{0} is not on the roster")]
    NotAMember(MemberName),
    /// It is no signature line, or is not by the caller's cosign key.
    #[error("the cosignature of {member}: {why}")]
    Bad {
        /// Whose it should be.
        member: MemberName,
        /// What is wrong with it.
        why: NoteError,
    },
    /// A witness outside the federation has not cosigned.
    #[error("the answer of {name}: {why}")]
    BadWitness {
        /// Its key's name.
        name: String,
        /// What is wrong with it.
        why: NoteError,
    },
    /// What was collected cannot be put together: a cosigner's key was replaced meanwhile. The next checkpoint begins
    /// anew.
    #[error("what was collected of this checkpoint is of no use any more: {0}; cosign the next one")]
    Lost(MergeError),
}

impl NotTaken {
    /// Whose fault it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Unknown(_) | Self::Lost(_) => Blame::Unavailable,
            Self::NotAMember(_) => Blame::Refused,
            Self::Bad { .. } | Self::BadWitness { .. } => Blame::Malformed,
        }
    }
}

/// What is collected of the own log's newest checkpoints.
#[derive(Clone, Debug, Default)]
pub struct Cosignatures(Arc<Mutex<BTreeMap<u64, Collected>>>);

#[derive(Debug)]
struct Collected {
    /// As this node signed it.
    checkpoint: SignedCheckpoint,
    /// The same with what came so far.
    note: SignedCheckpoint,
    /// The quorum was met, and the note handed on.
    settled: bool,
    /// Lines of witnesses outside the federation, by their keys.
    witnesses: BTreeMap<String, NoteSignature>,
}

impl Cosignatures {
    /// Takes cosignatures for a checkpoint that this node has signed and made durable.
    pub(crate) fn expect(&self, checkpoint: &SignedCheckpoint) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.entry(checkpoint.checkpoint().size).or_insert_with(|| Collected {
            checkpoint: checkpoint.clone(),
            note: checkpoint.clone(),
            settled: false,
            witnesses: BTreeMap::new(),
        });
        while waiting.len() > REMEMBERED {
            waiting.pop_first();
        }
    }

    /// The note of this size with the cosignatures that came so far; nothing when it is not remembered.
    #[must_use]
    pub fn collected(&self, size: u64) -> Option<Bytes> {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.get(&size).map(|collected| Bytes::copy_from_slice(collected.note.note()))
    }

    /// Takes a cosignature of `member`, and gives the note with all that were collected when this one settled it.
    ///
    /// # Errors
    /// [`NotTaken`]; the caller is to blame, or was too slow.
    pub fn take(
        &self,
        member: &MemberName,
        own: &MemberName,
        request: &wire::CosignRequest,
        roster: &Roster,
    ) -> Result<Option<SignedCheckpoint>, NotTaken> {
        let key = roster.member(member).ok_or_else(|| NotTaken::NotAMember(member.clone()))?.cosign_key;
        let bad = |why| NotTaken::Bad { member: member.clone(), why };
        let key = VerifierKey::new(member.as_str(), KeyKind::CosignatureV1, &key.0).map_err(bad)?;
        let line = str::from_utf8(&request.line).map_err(|_| bad(NoteError::Encoding))?;
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let collected = waiting.get_mut(&request.size).ok_or(NotTaken::Unknown(request.size))?;
        let alone = collected.checkpoint.with_lines(line).map_err(bad)?;
        match alone.cosignatures(&[key]).map_err(bad)?.as_slice() {
            [_] if line.lines().count() == 1 => {}
            _ => return Err(bad(NoteError::NoKnownSignature)),
        }
        if collected.settled {
            return Ok(None);
        }
        collected.note = Cosigners::of(roster).merge(&collected.note, &alone).map_err(NotTaken::Lost)?;
        collected.settled = is_settled(&collected.note, own, roster);
        Ok(collected.settled.then(|| collected.note.clone()))
    }
}
