//! The whole stream of a log, with every statement that is shown: entries one after the other, and what is shown of them
//! on all cores.

use std::{collections::VecDeque, panic};

use tokio::task::JoinHandle;

use almenara_proto::{
    name::{Address, MemberName},
    prefix::Prefix,
    wire::{self, replicate_frame::Frame},
};

use super::{Fault, Finding, Place, log::Log, statements::Statements};
use crate::{
    evidence,
    exit::CliError,
    follow::{self, FollowError, Follower, Step, VerifiedEntry, disclose},
};

/// Entries whose statements are checked beside the stream. A full batch takes some MiB when it is parsed, and whoever
/// audits may have a small machine: so few, however many cores there are.
const AT_ONCE: usize = 4;

/// A stream on its way.
pub(super) struct Stream<'a> {
    log: Log<'a>,
    by: &'a MemberName,
    follower: Follower,
    checking: VecDeque<JoinHandle<Result<Seen, Box<FollowError>>>>,
    found: Statements,
}

/// What is shown of one batch, and belongs to it.
struct Seen {
    index: u64,
    shown: u64,
    withheld: u64,
    void: Vec<u32>,
}

impl<'a> Stream<'a> {
    /// Of the log as the node of `by` streams it, from the first entry on.
    pub(super) fn new(log: Log<'a>, by: &'a MemberName) -> Self {
        let prefix = Prefix::new(&log.judging.federation, log.member.name.clone());
        let follower = Follower::new(prefix, None);
        Self { log, by, follower, checking: VecDeque::new(), found: Statements::default() }
    }

    /// Asks for it.
    pub(super) fn request(&self) -> wire::ReplicateRequest {
        self.follower.request(wire::Filter::default(), false, self.log.newest.version, true)
    }

    /// Takes a frame and gives how many entries it brought; nothing when the stream is not worth reading on.
    pub(super) async fn take(&mut self, mut frame: wire::ReplicateFrame) -> Result<Option<u64>, CliError> {
        let shown: Vec<Option<wire::Disclosure>> = match &mut frame.frame {
            Some(Frame::Page(page)) => page.entries.iter_mut().map(|entry| entry.disclosure.take()).collect(),
            Some(Frame::Checkpoint(_)) | None => Vec::new(),
        };
        let page = match self.follower.step(frame, self.log.judging) {
            Ok(Step::Page(page)) => page,
            Ok(Step::Checkpoint(_)) => return Ok(Some(0)),
            Err(error) => {
                self.refused(&error)?;
                return Ok(None);
            }
        };
        let brought = page.entries.len() as u64;
        for (entry, shown) in page.entries.into_iter().zip(shown) {
            let Some(shown) = shown else { continue };
            if self.checking.len() >= AT_ONCE {
                self.checked().await?;
            }
            let origin = self.log.member.name.clone();
            self.checking.push_back(tokio::task::spawn_blocking(move || look(origin, entry, shown)));
        }
        Ok(Some(brought))
    }

    /// Waits for what is still being checked; `size` entries should have come.
    pub(super) async fn end(mut self, size: u64) -> Result<Statements, CliError> {
        while !self.checking.is_empty() {
            self.checked().await?;
        }
        let ended = self.follower.prefix().size();
        if ended < size && self.found.findings.is_empty() {
            let what = format!("its stream ends there, and its checkpoint covers {size} entries");
            self.served(Place::Entry(ended), what);
        }
        Ok(self.found)
    }

    /// The first of those that are being checked.
    async fn checked(&mut self) -> Result<(), CliError> {
        let Some(first) = self.checking.pop_front() else { return Ok(()) };
        // A check that panicked has found a fault of ours: it goes on to be one.
        let checked = first.await.unwrap_or_else(|error| panic::resume_unwind(error.into_panic()));
        let seen = match checked {
            Ok(seen) => seen,
            Err(error) => return self.refused(&error),
        };
        self.found.shown = self.found.shown.saturating_add(seen.shown);
        self.found.withheld = self.found.withheld.saturating_add(seen.withheld);
        for leaf in seen.void {
            let address = Address { member: self.log.member.name.clone(), entry: seen.index, leaf };
            self.served(
                Place::Statement(address),
                "it is void, and void statements are never shown".to_owned(),
            );
        }
        Ok(())
    }

    fn refused(&mut self, error: &FollowError) -> Result<(), CliError> {
        let place = match error.fault {
            follow::Fault::Disclosure { index, .. } | follow::Fault::NotABatch { index, .. } => {
                Place::Batch(index)
            }
            follow::Fault::Checkpoint(_) => Place::Checkpoint,
            _ => Place::Entry(self.follower.prefix().size()),
        };
        self.served(place, error.to_string());
        if let (Some(proof), Some(finding)) = (error.evidence(), self.found.findings.last_mut()) {
            finding.evidence = Some(evidence::keep(self.log.evidence, proof)?);
            finding.fault = Fault::Origin(self.log.member.name.clone());
        }
        Ok(())
    }

    fn served(&mut self, place: Place, what: String) {
        let (log, fault) = (Some(self.log.member.name.clone()), Fault::Served(self.by.to_string()));
        self.found.findings.push(Finding { log, place, what, fault, evidence: None });
    }
}

/// What is shown of an entry, against what was signed. What counts for nothing shows nothing.
fn look(
    origin: MemberName,
    mut entry: VerifiedEntry,
    shown: wire::Disclosure,
) -> Result<Seen, Box<FollowError>> {
    disclose(&mut entry, Some(shown)).map_err(|fault| Box::new(FollowError { origin, fault }))?;
    let Some(batch) = &entry.batch else {
        return Ok(Seen { index: entry.index, shown: 0, withheld: 0, void: Vec::new() });
    };
    let shown = batch.leaves.len() as u64;
    Ok(Seen {
        index: entry.index,
        shown,
        withheld: u64::from(batch.header.content.count).saturating_sub(shown),
        void: batch.leaves.iter().filter(|leaf| leaf.statement.is_err()).map(|leaf| leaf.index).collect(),
    })
}
