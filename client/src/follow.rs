//! Following a member's log (PROTOCOL.md §10): the replication state machine of peers, platforms and auditors.
//!
//! ```text
//! frames ─step→ checkpoint: opened under the origin's log key
//!              └ page: entries appended ─ proof holds ─ disclosures hold → VerifiedPage
//! ```
//!
//! It does no I/O. Whoever drives it asks for [`Follower::request`], feeds every frame to [`Follower::step`],
//! and keeps what comes out together with [`Follower::prefix`] and [`Follower::last`]: these two are the whole
//! state, so the first run, a resumed one and a live stream are one code path. A page counts whole or not at all:
//! after an error the state is what it was before, and another node can be asked from the same place.

mod error;
mod evidence;
#[cfg(test)]
pub(crate) mod testlog;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use bytes::Bytes;

use almenara_proto::{
    batch::{Disclosure, VerifiedBatch},
    blame::Void,
    checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint, origin_of},
    keys::PublicKey,
    log::LogEntry,
    merkle::{Hash, verify_consistency},
    name::MemberName,
    prefix::Prefix,
    roster::{Member, Roster, Segment},
    wire,
};

pub use error::{Accused, Fault, FollowError};
use evidence::{Contradiction, departure, two_roots};

/// Entries of one page. A proof of some 60 hashes for every 64 entries costs little, and the memory for a page
/// is bounded by the message, not by this.
pub const PAGE_ENTRIES: usize = 64;

/// Ends of pages whose roots are remembered. Cosignatures come some milliseconds after the checkpoint that they are
/// for; on a busy live stream some tens of pages have come meanwhile.
pub const ENDS: usize = 64;

/// Opens a note of a member's log under the log key in force. One under an earlier key is as good where the roster itself
/// vouches for its tree: at the size and with the root from which the newest segment goes on.
///
/// # Errors
/// [`CheckpointError`], of the key in force.
pub fn open(note: &[u8], member: &Member) -> Result<SignedCheckpoint, CheckpointError> {
    let origin = origin_of(member.name.as_str());
    let mut segments = member.segments.iter().rev();
    let key = segments.next().map_or(PublicKey([0; 32]), |segment| segment.log_key);
    SignedCheckpoint::open(note, &origin, &key.0).or_else(|error| {
        let opened = segments.find_map(|s| SignedCheckpoint::open(note, &origin, &s.log_key.0).ok());
        let vouched = opened.filter(|opened| {
            let found = opened.checkpoint();
            member.segment().is_some_and(|last| (last.from_size, last.root) == (found.size, found.root))
        });
        vouched.ok_or(error)
    })
}

/// One origin's log, as followed by one reader.
#[derive(Clone, Debug)]
pub struct Follower {
    prefix: Prefix,
    /// The checkpoint to hold against later ones; above the prefix while entries are missing.
    last: Option<SignedCheckpoint>,
    /// The stream's newest checkpoint: what pages lead to.
    target: Option<SignedCheckpoint>,
    /// The newest ends of pages, ascending.
    ends: VecDeque<End>,
}

/// Where a page ended, and what proves that the log passes there.
#[derive(Clone, Debug)]
struct End {
    size: u64,
    root: Hash,
    target: SignedCheckpoint,
    proof: Vec<Hash>,
}

/// What a frame brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A checkpoint was opened. Pages up to it follow; or its size was reached before, and it agrees with what is
    /// held there: then it brings cosignatures. [`Follower::last`] may be a newer note.
    Checkpoint(SignedCheckpoint),
    /// Entries that belong to a signed log.
    Page(VerifiedPage),
}

/// The next entries of a log, proven.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedPage {
    /// In log order, without a gap.
    pub entries: Vec<VerifiedEntry>,
    /// The checkpoint that they were proven against.
    pub checkpoint: SignedCheckpoint,
    /// Whether nothing is missing below the checkpoint's size.
    pub caught_up: bool,
}

/// One entry of a proven page.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedEntry {
    /// Its place in the log.
    pub index: u64,
    /// `LogEntry`, verbatim.
    pub bytes: Bytes,
    /// The entry, if it counts; else why not. A void entry stays in history and stops nothing.
    pub outcome: Result<LogEntry, Void>,
    /// What was shown of a batch that counts.
    pub batch: Option<VerifiedBatch>,
    /// The same as it came, to keep it; nothing for an entry that does not count.
    pub disclosure: Option<wire::Disclosure>,
}

impl Follower {
    /// Goes on after `prefix`. `last` is what [`Self::last`] gave when that prefix was kept.
    #[must_use]
    pub const fn new(prefix: Prefix, last: Option<SignedCheckpoint>) -> Self {
        Self { prefix, last, target: None, ends: VecDeque::new() }
    }

    /// What the verified entries add up to.
    #[must_use]
    pub const fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// Whose log.
    #[must_use]
    pub const fn origin(&self) -> &MemberName {
        self.prefix.member()
    }

    /// The checkpoint that was proven and is held against later ones. It is above the prefix while entries are
    /// missing.
    #[must_use]
    pub const fn last(&self) -> Option<&SignedCheckpoint> {
        self.last.as_ref()
    }

    /// Asks for what follows.
    #[must_use]
    pub fn request(
        &self,
        filter: wire::Filter,
        live: bool,
        roster_version: u64,
        leaf_hashes: bool,
    ) -> wire::ReplicateRequest {
        wire::ReplicateRequest {
            origin: self.origin().to_string(),
            from: self.prefix.size(),
            filter: Some(filter),
            live,
            roster: roster_version,
            leaf_hashes,
        }
    }

    /// Takes the next frame of a stream. Every check in order, each with its own error.
    ///
    /// # Errors
    /// [`FollowError`]; nothing has changed then.
    pub fn step(&mut self, frame: wire::ReplicateFrame, roster: &Roster) -> Result<Step, FollowError> {
        let stepped = match frame.frame {
            Some(wire::replicate_frame::Frame::Checkpoint(note)) => self.open(&note, roster),
            Some(wire::replicate_frame::Frame::Page(page)) => self.page(page, roster).map(Step::Page),
            None => Err(Fault::UnknownFrame),
        };
        stepped.map_err(|fault| FollowError { origin: self.origin().clone(), fault })
    }

    /// Opens a checkpoint. Its size allocates nothing: whatever it claims, entries come in pages.
    fn open(&mut self, note: &[u8], roster: &Roster) -> Result<Step, Fault> {
        let member = roster.member(self.origin()).ok_or(Fault::NotAMember)?;
        let segment = member.segment().ok_or(Fault::NotAMember)?;
        let new = open(note, member)?;
        let size = new.checkpoint().size;
        for old in [&self.last, &self.target].into_iter().flatten() {
            if let Some(proof) = two_roots(old, &new) {
                return Err(Fault::Equivocation(proof));
            }
        }
        let held = self.prefix.size().max(segment.from_size);
        if size < held {
            return self.passed(new, held);
        }
        if size == self.prefix.size() {
            let held = self.prefix.tree().root();
            if new.checkpoint().root != held {
                return Err(Fault::OtherRoot { size, found: new.checkpoint().root, held });
            }
            self.proven(new.clone());
        }
        self.target = Some(new.clone());
        Ok(Step::Checkpoint(new))
    }

    /// A note below what is held: of a place that was passed a moment ago, or from a relay that is behind ourselves.
    fn passed(&self, note: SignedCheckpoint, held: u64) -> Result<Step, Fault> {
        let found = note.checkpoint();
        match self.ends.iter().find(|end| end.size == found.size) {
            None => Err(Fault::Stale { found: found.size, held }),
            Some(end) if end.root == found.root => Ok(Step::Checkpoint(note)),
            Some(End { size, root, target, proof }) => {
                if let Some(proof) = departure(&note, target, *root, proof.clone()) {
                    return Err(Fault::Fork(proof));
                }
                // Another key signed it: the log began anew there.
                Err(Fault::OtherRoot { size: *size, found: found.root, held: *root })
            }
        }
    }

    /// The prefix agrees with `new`, which is kept instead of the note before. But a note that is still ahead of
    /// the prefix stays until the entries have reached it: only then is known whether both can be true. One under
    /// a replaced log key gives way to any.
    fn proven(&mut self, new: SignedCheckpoint) {
        let size = self.prefix.size();
        let ahead =
            |last: &SignedCheckpoint| last.log_key() == new.log_key() && last.checkpoint().size > size;
        if !self.last.as_ref().is_some_and(ahead) {
            self.last = Some(new);
        }
    }

    fn page(&mut self, page: wire::LogPage, roster: &Roster) -> Result<VerifiedPage, Fault> {
        let target = self.target.clone().ok_or(Fault::PageFirst)?;
        let (from, size) = (self.prefix.size(), target.checkpoint().size);
        if page.from != from {
            return Err(Fault::Gap { found: page.from, required: from });
        }
        if page.entries.is_empty() || page.entries.len() > PAGE_ENTRIES {
            return Err(Fault::PageLength { found: page.entries.len() });
        }
        let end = from.saturating_add(page.entries.len() as u64);
        if end > size {
            return Err(Fault::Beyond { end, size });
        }
        let proof = hashes(&page.consistency)?;

        // All on a copy: nothing counts before everything holds.
        let mut next = self.prefix.clone();
        let mut watch = Watch::new(self.last.as_ref(), &target, roster, self.origin());
        watch.look(&next)?;
        let mut entries = Vec::with_capacity(page.entries.len());
        let mut disclosures = Vec::with_capacity(page.entries.len());
        for frame in page.entries {
            let appended = next.append(&frame.entry, roster);
            watch.appended(appended.leaf);
            watch.look(&next)?;
            disclosures.push(frame.disclosure);
            entries.push(VerifiedEntry {
                index: appended.index,
                bytes: frame.entry,
                outcome: appended.outcome,
                batch: None,
                disclosure: None,
            });
        }
        verify_consistency(end, &next.tree().root(), size, &target.checkpoint().root, &proof).map_err(
            |why| {
                let void =
                    entries.iter().find_map(|e| Some(Box::new((e.index, e.outcome.as_ref().err()?.clone()))));
                Fault::Proof { from, end, why: Box::new(why), void }
            },
        )?;
        watch.judge(end, &proof)?;
        for (entry, disclosure) in entries.iter_mut().zip(disclosures) {
            disclose(entry, disclosure)?;
        }

        self.prefix = next;
        self.proven(target.clone());
        if self.ends.len() >= ENDS {
            self.ends.pop_front();
        }
        self.ends.push_back(End {
            size: end,
            root: self.prefix.tree().root(),
            target: target.clone(),
            proof,
        });
        Ok(VerifiedPage { entries, checkpoint: target, caught_up: end == size })
    }
}

/// What is shown of an entry belongs to it.
///
/// # Errors
/// [`Fault`], which whoever shows it is to blame for.
pub(crate) fn disclose(entry: &mut VerifiedEntry, disclosure: Option<wire::Disclosure>) -> Result<(), Fault> {
    let index = entry.index;
    match (&entry.outcome, disclosure) {
        (Ok(LogEntry::Batch(header)), Some(disclosure)) => {
            let count = header.content.count;
            let odd = |erased: &&wire::ErasedLeaves| {
                erased.start >= erased.end || erased.end > count || erased.by <= index
            };
            if disclosure.erased.iter().any(|erased| odd(&erased)) {
                let why = Void::new("Disclosure.erased", "a later withdrawal erases leaves of the batch");
                return Err(Fault::Disclosure { index, why });
            }
            let batch = Disclosure::from_wire(disclosure.clone(), header.content.count)
                .and_then(|shown| VerifiedBatch::verify_disclosure(header.clone(), shown))
                .map_err(|why| Fault::Disclosure { index, why })?;
            entry.batch = Some(batch);
            entry.disclosure = Some(disclosure);
            Ok(())
        }
        (Ok(other), Some(_)) => Err(Fault::NotABatch { index, kind: other.kind() }),
        (Err(_), _) | (Ok(_), None) => Ok(()),
    }
}

fn hashes(wire: &[Bytes]) -> Result<Vec<Hash>, Fault> {
    wire.iter().map(|bytes| Hash::try_from(bytes.as_ref()).map_err(Fault::ProofHash)).collect()
}

/// Looks at the growing tree where something is already known about its root: at the size of an earlier
/// checkpoint that is still ahead, and where the roster says that a new log key took over.
struct Watch<'a> {
    earlier: Option<&'a SignedCheckpoint>,
    target: &'a SignedCheckpoint,
    segments: &'a [Segment],
    contradiction: Option<Contradiction>,
}

impl<'a> Watch<'a> {
    fn new(
        last: Option<&'a SignedCheckpoint>,
        target: &'a SignedCheckpoint,
        roster: &'a Roster,
        origin: &MemberName,
    ) -> Self {
        Self {
            // Only notes under one key contradict each other.
            earlier: last.filter(|last| last.log_key() == target.log_key()),
            target,
            segments: roster.member(origin).map(|member| member.segments.as_slice()).unwrap_or_default(),
            contradiction: None,
        }
    }

    fn look(&mut self, prefix: &Prefix) -> Result<(), Fault> {
        let size = prefix.size();
        if let Some(segment) = self.segments.iter().find(|s| s.from_size == size && size > 0) {
            let found = prefix.tree().root();
            if found != segment.root {
                return Err(Fault::SegmentRoot { size, found, required: segment.root });
            }
        }
        if let Some(earlier) = self.earlier
            && earlier.checkpoint().size == size
            && prefix.tree().root() != earlier.checkpoint().root
        {
            self.contradiction = Some(Contradiction::at(prefix.tree().clone()));
        }
        Ok(())
    }

    fn appended(&mut self, leaf: Hash) {
        if let Some(contradiction) = &mut self.contradiction {
            contradiction.push(leaf);
        }
    }

    /// The page is proven, so the target signs this tree: if it contradicts the earlier note, that is evidence.
    fn judge(self, end: u64, proof: &[Hash]) -> Result<(), Fault> {
        let (Some(contradiction), Some(earlier)) = (self.contradiction, self.earlier) else { return Ok(()) };
        let (prefix, proof) = contradiction.prove(end, self.target.checkpoint().size, proof);
        let Checkpoint { size, root: found, .. } = *earlier.checkpoint();
        Err(departure(earlier, self.target, prefix, proof)
            .map_or(Fault::OtherRoot { size, found, held: prefix }, Fault::Fork))
    }
}
