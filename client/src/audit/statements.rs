//! Statements, as far as the auditor may see them: do they belong to what was signed?

use bytes::Bytes;

use almenara_proto::{
    batch::{Disclosure, VerifiedBatch},
    blame::Void,
    log::LogEntry,
    name::Address,
    tile::TILE_WIDTH,
    wire::{self, replicate_frame::Frame},
};

use super::{Fault, Finding, Place, log::Log, replay::cut, source::bundle_path, stream::Stream};
use crate::{connect::Node, exit::CliError, random::Random};

/// How many are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// Those of so many entries of each log, drawn anew each time.
    Entries(u64),
    /// All.
    All,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statements {
    /// In clear, and part of what was signed.
    pub shown: u64,
    /// Of the same batches, not shown to us.
    pub withheld: u64,
    /// What does not hold.
    pub findings: Vec<Finding>,
}

/// Looks at statements of a log of `size` entries, whose entries were audited just before.
///
/// # Errors
/// [`CliError`], when the node cannot be asked, or evidence cannot be kept.
pub async fn look(
    node: &Node,
    log: Log<'_>,
    size: u64,
    sample: Sample,
    random: &Random,
    advance: &mut (dyn FnMut(u64) + Send),
) -> Result<Statements, CliError> {
    let many = match sample {
        Sample::All => return all(node, log, size, advance).await,
        Sample::Entries(many) => many.min(size),
    };
    let mut found = Statements::default();
    for _ in 0..many {
        // The bias of a remainder of 64 random bits is nothing to an auditor.
        let index = u64::from_be_bytes(random.bytes()?).checked_rem(size).unwrap_or(0);
        one(node, log, index, size, &mut found).await?;
        advance(1);
    }
    Ok(found)
}

/// The whole stream.
async fn all(
    node: &Node,
    log: Log<'_>,
    size: u64,
    advance: &mut (dyn FnMut(u64) + Send),
) -> Result<Statements, CliError> {
    let mut stream = Stream::new(log, &node.member);
    let request = stream.request();
    let mut frames = node.logs().replicate(request).await.map_err(|status| node.error(status))?.into_inner();
    while let Some(frame) = frames.message().await.map_err(|status| node.error(status))? {
        match stream.take(frame).await? {
            Some(entries) => advance(entries),
            None => break,
        }
    }
    stream.end(size).await
}

/// One entry, compared with the public page that was audited.
async fn one(
    node: &Node,
    log: Log<'_>,
    index: u64,
    size: u64,
    found: &mut Statements,
) -> Result<(), CliError> {
    let wide = TILE_WIDTH as u64;
    let path = bundle_path(index / wide, size);
    let bundle =
        log.source.bundle(&log.member.name, path).await?.and_then(|bundle| cut(&bundle, path.width()));
    let Some(entry) = bundle.and_then(|entries| entries.get((index % wide) as usize).cloned()) else {
        return Ok(()); // the audit of the entries told of it
    };
    let request = wire::ReplicateRequest {
        origin: log.member.name.to_string(),
        from: index,
        filter: Some(wire::Filter::default()),
        live: false,
        roster: log.newest.version,
        leaf_hashes: true,
    };
    let mut frames = node.logs().replicate(request).await.map_err(|status| node.error(status))?.into_inner();
    while let Some(frame) = frames.message().await.map_err(|status| node.error(status))? {
        let Some(Frame::Page(page)) = frame.frame else { continue };
        let shown = page.entries.into_iter().next().filter(|_| page.from == index);
        let Some(shown) = shown else {
            found.findings.push(served(
                node,
                log,
                Place::Entry(index),
                "another page was asked for".to_owned(),
            ));
            return Ok(());
        };
        let name = log.member.name.clone();
        match disclosed(&entry, shown) {
            Ok(None) => {}
            Ok(Some((count_of, batch))) => {
                count(found, count_of, &batch);
                for leaf in batch.leaves.iter().filter(|leaf| leaf.statement.is_err()) {
                    let address = Address { member: name.clone(), entry: index, leaf: leaf.index };
                    let what = "it is void, and void statements are never shown".to_owned();
                    found.findings.push(served(node, log, Place::Statement(address), what));
                }
            }
            Err((place, why)) => found.findings.push(served(node, log, place(index), why.to_string())),
        }
        return Ok(());
    }
    found.findings.push(served(node, log, Place::Entry(index), "its stream does not show it".to_owned()));
    Ok(())
}

type PlaceOf = fn(u64) -> Place;

/// What a frame shows of an entry that is known: the signed count, and the leaves. Nothing of what is no batch, or shows
/// nothing.
pub(super) fn disclosed(
    entry: &Bytes,
    frame: wire::EntryFrame,
) -> Result<Option<(u32, VerifiedBatch)>, (PlaceOf, Void)> {
    if frame.entry != *entry {
        return Err((Place::Entry, Void::new("entry", "it is another one than the public page shows")));
    }
    let Some(shown) = frame.disclosure else { return Ok(None) };
    let Ok(LogEntry::Batch(header)) = LogEntry::parse(entry) else {
        return Err((Place::Batch, Void::new("disclosure", "the entry is no batch, and has no statements")));
    };
    let count = header.content.count;
    Disclosure::from_wire(shown, count)
        .and_then(|shown| VerifiedBatch::verify_disclosure(header, shown))
        .map(|batch| Some((count, batch)))
        .map_err(|void| (Place::Batch as PlaceOf, void))
}

fn count(found: &mut Statements, of: u32, batch: &VerifiedBatch) {
    let shown = batch.leaves.len() as u64;
    found.shown = found.shown.saturating_add(shown);
    found.withheld = found.withheld.saturating_add(u64::from(of).saturating_sub(shown));
}

fn served(node: &Node, log: Log<'_>, place: Place, what: String) -> Finding {
    let fault = Fault::Served(node.member.to_string());
    Finding { log: Some(log.member.name.clone()), place, what, fault, evidence: None }
}
