//! One log at one source, from what was audited before to its newest checkpoint.

use std::path::Path;

use almenara_proto::{
    checkpoint::{SignedCheckpoint, origin_of},
    cosigner::{Cosigners, Quorum, Settlement},
    name::MemberName,
    roster::{Member, Roster},
};

use super::{
    Fault, Finding, LogReport, Place,
    compare::{Compared, compare},
    report::Cosigned,
    source::Source,
};
use crate::{evidence, exit::CliError, store::Audited, text::count};

/// What an audit of a log needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Log<'a> {
    /// Whose log, as the last version of the roster has it that had this member.
    pub member: &'a Member,
    /// That version: it judges the entries.
    pub judging: &'a Roster,
    /// The roster in force: it says whose cosignatures count.
    pub newest: &'a Roster,
    /// Who shows it.
    pub source: &'a Source,
    /// All who may show a tree to compare with.
    pub sources: &'a [Source],
    /// Where evidence is kept.
    pub evidence: &'a Path,
    /// Unix seconds.
    pub now: u64,
}

/// Audits a log. Gives the report, what does not hold, and the state to keep: nothing when the log was not replayed up to
/// its checkpoint. `advance` is told of entries that were replayed.
///
/// # Errors
/// [`CliError`], when the source cannot be read, or evidence cannot be kept.
pub async fn audit_log(
    log: Log<'_>,
    held: Audited,
    advance: &mut (dyn FnMut(u64) + Send),
) -> Result<(LogReport, Vec<Finding>, Option<Audited>), CliError> {
    let report = LogReport {
        member: log.member.name.to_string(),
        jurisdiction: Some(log.member.jurisdiction.to_string()),
        source: log.source.to_string(),
        seen_before: held.seen_at,
        grew_at: held.grew_at,
        tally: held.tally,
        ..LogReport::default()
    };
    let mut audit = Audit { log, report, findings: Vec::new() };
    let kept = audit.run(held, advance).await?;
    Ok((audit.report, audit.findings, kept))
}

/// An audit on its way.
pub(super) struct Audit<'a> {
    pub(super) log: Log<'a>,
    pub(super) report: LogReport,
    pub(super) findings: Vec<Finding>,
}

impl Audit<'_> {
    pub(super) fn name(&self) -> &MemberName {
        &self.log.member.name
    }

    pub(super) fn find(&mut self, place: Place, what: impl Into<String>, fault: Fault) {
        let log = Some(self.log.member.name.clone());
        self.findings.push(Finding { log, place, what: what.into(), fault, evidence: None });
    }

    /// What whoever served it, or the way from there, could have changed.
    pub(super) fn served(&mut self, place: Place, what: impl Into<String>) {
        self.find(place, what, Fault::Served(self.log.source.to_string()));
    }

    async fn run(
        &mut self,
        held: Audited,
        advance: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Option<Audited>, CliError> {
        let Some(bytes) = self.log.source.checkpoint(self.name()).await? else {
            if held.note.is_some() {
                self.served(Place::Checkpoint, "it is not shown any more; an earlier audit has seen it");
            }
            return Ok(None);
        };
        let Some((note, _)) = self.open(&bytes) else { return Ok(None) };
        let signed = note.checkpoint();
        self.report.entries = signed.size;
        self.report.root = Some(signed.root.to_string());
        let settled = self.settled(&note).await?;
        let Some(earlier) = held.note.clone() else { return self.replay(held, note, settled, advance).await };
        match compare(self.name(), &earlier, &note, self.log.sources).await? {
            Compared::Forked(found) => {
                let path = evidence::keep(self.log.evidence, &found)?;
                self.find(Place::Checkpoint, found.to_string(), Fault::Origin(self.name().clone()));
                if let Some(finding) = self.findings.last_mut() {
                    finding.evidence = Some(path);
                }
                Ok(None)
            }
            // Nobody may be left who shows the larger tree: then an old copy is all that can be said.
            Compared::Agree | Compared::NotShown if signed.size < earlier.checkpoint().size => {
                self.served(
                    Place::Checkpoint,
                    format!(
                        "it covers {} entries, an earlier audit has seen {}: this source is behind, or was restored from \
                         an old copy",
                        count(signed.size),
                        count(earlier.checkpoint().size)
                    ),
                );
                Ok(None)
            }
            Compared::NotShown => {
                self.served(
                    Place::Checkpoint,
                    format!(
                        "nobody shows that the log of {} entries begins with the {} that an earlier audit has seen",
                        count(signed.size),
                        count(earlier.checkpoint().size)
                    ),
                );
                Ok(None)
            }
            Compared::Agree => self.replay(held, note, settled, advance).await,
        }
    }

    /// Opens a note under the log's key in force, and counts its cosignatures.
    fn open(&mut self, bytes: &[u8]) -> Option<(SignedCheckpoint, Option<Quorum>)> {
        let segment = self.log.member.segment()?;
        let note = match SignedCheckpoint::open(bytes, &origin_of(self.name().as_str()), &segment.log_key.0) {
            Ok(note) => note,
            Err(error) => {
                self.served(Place::Checkpoint, error.to_string());
                return None;
            }
        };
        let quorum = match Cosigners::of(self.log.newest).quorum(&note, self.log.member) {
            Ok(quorum) => Some(quorum),
            Err(error) => {
                self.served(Place::Cosignature, error.to_string());
                None
            }
        };
        Some((note, quorum))
    }

    /// Entries that a quorum has cosigned, which the newest note or one before it shows.
    async fn settled(&mut self, newest: &SignedCheckpoint) -> Result<u64, CliError> {
        let Some(bytes) = self.log.source.settled(self.name()).await? else { return Ok(0) };
        let Some((note, Some(quorum))) = self.open(&bytes) else { return Ok(0) };
        if quorum.settlement != Settlement::Settled {
            // The roster may have changed since: what was settled stays settled for whoever saw it.
            return Ok(0);
        }
        match compare(self.name(), &note, newest, self.log.sources).await? {
            Compared::Agree => {}
            Compared::Forked(found) => {
                let path = evidence::keep(self.log.evidence, &found)?;
                self.find(Place::Checkpoint, found.to_string(), Fault::Origin(self.name().clone()));
                if let Some(finding) = self.findings.last_mut() {
                    finding.evidence = Some(path);
                }
                return Ok(0);
            }
            Compared::NotShown => {
                self.served(
                    Place::Checkpoint,
                    "nobody shows that the newest one extends the one that others cosigned",
                );
                return Ok(0);
            }
        }
        self.report.settled = note.checkpoint().size;
        self.report.cosigned = quorum
            .cosignatures
            .iter()
            .map(|one| Cosigned {
                member: one.member.to_string(),
                jurisdiction: one.jurisdiction.to_string(),
                at: one.time,
                counts: one.counts,
            })
            .collect();
        Ok(note.checkpoint().size)
    }
}
