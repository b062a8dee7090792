//! What a node takes of its own publishers: everything that can be judged without the log.

use std::collections::HashMap;

use bytes::Bytes;

use almenara_proto::{
    batch::{BatchHeader, Leaf, SignedBatch, VerifiedBatch},
    log::{LogEntry, Override},
    prefix::CheckedEntry,
    release::Tlp,
    signed::Signed,
    statement::{Claim, Statement},
    wire::{self, RefusalCode},
};

use super::{Admitted, Refusal, ReportFact, points::Points};
use crate::{
    identity::Account, personal, rosters::SharedRosters, safeguards::Safeguards, store::chunks::Stored,
};

pub(super) fn admit(
    account: &Account,
    item: wire::publish_request::Item,
    now: u64,
    rosters: &SharedRosters,
    safeguards: &Safeguards,
    points: &Points,
) -> Result<Admitted, Refusal> {
    use wire::publish_request::Item;
    match item {
        Item::Batch(batch) => admit_batch(account, batch, now, rosters, safeguards, points),
        Item::Withdrawal(signed) => {
            let signed = Signed::parse(signed)?;
            let withdrawal: &almenara_proto::log::Withdrawal = &signed.content;
            account.may_publish(withdrawal.publisher.as_str())?;
            plain(LogEntry::Withdrawal(signed))
        }
        Item::KeyGrant(signed) => {
            account.may_grant()?;
            plain(LogEntry::KeyGrant(Signed::parse(signed)?))
        }
        Item::KeyRevocation(signed) => {
            account.may_grant()?;
            plain(LogEntry::KeyRevocation(Signed::parse(signed)?))
        }
    }
}

fn plain(entry: LogEntry) -> Result<Admitted, Refusal> {
    let bytes = entry.encode();
    Ok(Admitted {
        entry: CheckedEntry::check(entry)?,
        bytes,
        statements: Vec::new(),
        reports: Vec::new(),
        disputes: Vec::new(),
        open: false,
        with: None,
    })
}

fn admit_batch(
    account: &Account,
    mut wire: wire::SubmittedBatch,
    now: u64,
    rosters: &SharedRosters,
    safeguards: &Safeguards,
    points: &Points,
) -> Result<Admitted, Refusal> {
    let with = wire.r#override.take();
    let batch = SignedBatch::parse(wire)?;
    account.may_publish(batch.header.content.publisher.as_str())?;
    let roster = &rosters.current().roster;
    if now > roster.expires_at {
        return Err(Refusal::new(
            RefusalCode::Roster,
            format!(
                "roster version {} has expired: no new reports until its successor is signed",
                roster.version
            ),
        ));
    }
    if batch.header.content.roster > roster.version {
        return Err(Refusal::new(
            RefusalCode::Roster,
            format!(
                "the batch names roster version {}, this node has {}: try again when it has arrived",
                batch.header.content.roster, roster.version
            ),
        ));
    }
    let batch = points.verify(batch)?;
    let with = with.map(|signed| check_override(signed, &batch.header)).transpose()?;
    let overridden: &[u32] = with.as_ref().map_or(&[], |(with, _)| &with.leaves);
    if let Some(refusal) = Refusal::of_leaves(refused_leaves(&batch, overridden, safeguards)) {
        return Err(refusal);
    }
    check_header(&batch)?;
    let reports = batch
        .leaves
        .iter()
        .filter_map(|leaf| {
            let statement = leaf.statement.as_ref().ok()?;
            statement.report()?;
            Some(ReportFact { leaf: leaf.index, key: statement.indicator.index_key() })
        })
        .collect();
    let is_dispute =
        |leaf: &&Leaf| leaf.statement.as_ref().is_ok_and(|s| matches!(s.claim, Claim::Dispute(_)));
    let disputes = batch.leaves.iter().filter(is_dispute).map(|leaf| leaf.index).collect();
    let open = is_open(&batch.leaves, batch.header.content.count);
    let bytes = LogEntry::Batch(batch.header.clone()).encode();
    Ok(Admitted {
        bytes,
        reports,
        disputes,
        open,
        statements: statements(batch.leaves),
        entry: CheckedEntry::from_verified(batch.header),
        with: with.map(|(_, entry)| entry),
    })
}

/// Whether all statements of a batch are here and TLP:CLEAR.
pub(crate) fn is_open(leaves: &[Leaf], count: u32) -> bool {
    leaves.len() == count as usize
        && leaves.iter().all(|leaf| {
            leaf.statement.as_ref().is_ok_and(|statement| statement.release.tlp == Some(Tlp::Clear))
        })
}

/// Leaf, bytes and index key, as the store takes them.
pub(crate) fn statements(leaves: Vec<Leaf>) -> Vec<Stored> {
    leaves
        .into_iter()
        .map(|leaf| {
            let key = leaf.statement.as_ref().ok().map(|statement| statement.indicator.index_key());
            (leaf.index, leaf.bytes, key)
        })
        .collect()
}

/// The index key of a statement, if it is sound.
pub(crate) fn index_key(bytes: &Bytes) -> Option<u64> {
    Some(Statement::parse(bytes).ok()?.indicator.index_key())
}

fn check_override(
    signed: wire::Signed,
    header: &Signed<BatchHeader>,
) -> Result<(Override, (CheckedEntry, Bytes)), Refusal> {
    let signed = Signed::<Override>::parse(signed)?;
    let content = signed.content.clone();
    if content.batch_id != header.id() {
        return Err(Refusal::new(RefusalCode::Void, "the override is for another batch"));
    }
    if content.key == header.content.key {
        return Err(Refusal::new(
            RefusalCode::Key,
            "an override needs a second key of the member, not the batch's own",
        ));
    }
    let entry = LogEntry::Override(signed);
    let bytes = entry.encode();
    Ok((content, (CheckedEntry::check(entry)?, bytes)))
}

/// What the author must have kept to but no reader can judge from a part of the batch.
fn check_header(batch: &VerifiedBatch) -> Result<(), Refusal> {
    let statements = || batch.leaves.iter().filter_map(|leaf| leaf.statement.as_ref().ok());
    if !statements().map(|statement| statement.nonce).is_sorted_by(|a, b| a < b) {
        return Err(Refusal::new(
            RefusalCode::Void,
            "the leaves must stand in the order of their nonces, each once",
        ));
    }
    let custodied = statements().filter(|statement| statement.copies > 0).count();
    if custodied != batch.header.content.custodied as usize {
        return Err(Refusal::new(
            RefusalCode::Void,
            format!(
                "the header counts {} custodied leaves, {custodied} are here",
                batch.header.content.custodied
            ),
        ));
    }
    Ok(())
}

/// Every statement that this node does not take, each with its reason.
fn refused_leaves(
    batch: &VerifiedBatch,
    overridden: &[u32],
    safeguards: &Safeguards,
) -> Vec<(u32, RefusalCode, String)> {
    let mut seen: HashMap<u64, Vec<&almenara_proto::indicator::Indicator>> =
        HashMap::with_capacity(batch.leaves.len());
    let mut refused = Vec::new();
    for leaf in &batch.leaves {
        let statement = match &leaf.statement {
            Ok(statement) => statement,
            Err(void) => {
                refused.push((leaf.index, RefusalCode::Void, void.to_string()));
                continue;
            }
        };
        let indicator = &statement.indicator;
        if let Err(error) = indicator.admissible() {
            refused.push((leaf.index, RefusalCode::NotCanonical, error.to_string()));
            continue;
        }
        if statement.report().is_some() {
            let same = seen.entry(indicator.index_key()).or_default();
            if same.contains(&indicator) {
                refused.push((
                    leaf.index,
                    RefusalCode::Void,
                    "the batch reports this indicator twice: keep one".to_owned(),
                ));
                continue;
            }
            same.push(indicator);
        }
        if overridden.binary_search(&leaf.index).is_ok() {
            continue;
        }
        let protected = statement.report().and_then(|report| match report.include_subdomains {
            true => safeguards.protects_with_subdomains(indicator),
            false => safeguards.protects(indicator),
        });
        if let Some(protected) = protected {
            let list = protected.list;
            refused.push((
                leaf.index,
                RefusalCode::Protected,
                format!("it is on the protected list `{list}`: a second desk must sign an override"),
            ));
            continue;
        }
        if let Some(finding) = statement.free_texts().find_map(|text| personal::scan(text, indicator)) {
            refused.push((
                leaf.index,
                RefusalCode::PersonalData,
                format!(
                    "its free text seems to hold {}: take it out, or have a second desk override",
                    finding.what
                ),
            ));
        }
    }
    refused
}
