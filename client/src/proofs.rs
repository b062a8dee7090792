//! Proof files (PROTOCOL.md §13): made from the local store, and held against what it knows by now.

use std::collections::BTreeMap;

use almenara_proto::{
    batch::{Disclosure, Rest},
    checkpoint::SignedCheckpoint,
    cosigner::Cosigners,
    evidence::{Departure, Equivocation},
    log::LogEntry,
    merkle::{self, Hash},
    name::Address,
    proof::{Included, Proof, Proven},
    tile::{self, Prover, TileId},
};
use bytes::Bytes;

use crate::{
    exit::CliError,
    rosters::Rosters,
    store::{KeptEntry, Replica, Store},
};

/// Puts together what proves the statement at an address, under the rosters from version `from` on. It is checked
/// before it is given.
///
/// # Errors
/// [`CliError`]: refused where the store does not hold it, misbehaved where the store was tampered with.
pub fn prove(store: &Store, rosters: &Rosters, address: &Address, from: u64) -> Result<Proof, CliError> {
    // The note that others have cosigned, if there is one; else the newest, and the statement is pending.
    let covers = |note: &&SignedCheckpoint| address.entry < note.checkpoint().size;
    let note = store.replica(&address.member).and_then(|replica| {
        let newest = replica.last().filter(|note| note.checkpoint().size <= replica.size());
        replica.settled().filter(covers).or_else(|| newest.filter(covers))
    });
    let note = note.ok_or_else(|| match store.replica(&address.member) {
        Some(replica) if replica.size() > address.entry => CliError::unavailable(format_args!(
            "no checkpoint covers {address} yet: run `almenara pull` again"
        )),
        _ => absent(address),
    })?;
    prove_under(store, rosters, address, from, note)
}

fn absent(address: &Address) -> CliError {
    CliError::refused(format_args!(
        "the local store does not hold {address} in clear: run `almenara pull`; it may also be withheld from us"
    ))
}

/// The same under another note of the log, such as the first that others have cosigned: the earlier it is, the earlier
/// the date by which the statement existed.
///
/// # Errors
/// As [`prove`]; misbehaved where the note is not of the log that the store holds.
pub fn prove_under(
    store: &Store,
    rosters: &Rosters,
    address: &Address,
    from: u64,
    note: &SignedCheckpoint,
) -> Result<Proof, CliError> {
    let absent = || absent(address);
    let replica = store.replica(&address.member).ok_or_else(absent)?;
    let kept = replica.entry(address.entry)?.ok_or_else(absent)?;
    let Some(LogEntry::Batch(header)) = &kept.entry else { return Err(absent()) };
    let (statement, disclosure) = shown(&kept, header.content.count, address.leaf).ok_or_else(absent)?;
    let granted_at =
        replica.prefix().key(&header.content.key).map(|life| life.granted_at).ok_or_else(absent)?;
    let grant = replica.entry(granted_at)?.ok_or_else(absent)?;

    let accepted: Vec<_> = rosters.chain().filter(|accepted| accepted.roster.version >= from).collect();
    let newest = &rosters.current().roster;
    let cosigners = Cosigners::of(newest);
    // Lines of those who have left cannot be checked with these rosters.
    let note = cosigners.merge(note, note).map_err(CliError::misbehaved)?;
    let tiles = replica.tiles(note.checkpoint().size)?;
    let included = |entry: &KeptEntry| -> Result<Included, CliError> {
        let path =
            tile::inclusion(entry.index, note.checkpoint().size, &tiles).map_err(CliError::misbehaved)?;
        Ok(Included { index: entry.index, bytes: entry.bytes.clone(), path })
    };
    let proof = Proof {
        rosters: accepted.iter().map(|accepted| accepted.signed.clone()).collect(),
        checkpoint: Bytes::copy_from_slice(note.note()),
        batch: included(&kept)?,
        grant: included(&grant)?,
        leaf: address.leaf,
        statement,
        disclosure,
    };
    let anchor = accepted.first().map(|accepted| accepted.id).ok_or_else(|| {
        CliError::usage(format_args!("there is no roster version {from}: the newest is {}", newest.version))
    })?;
    proof.verify(&anchor).map_err(|why| {
        CliError::misbehaved(format_args!(
            "what the local store holds of {address} proves nothing ({why}): delete the store and run `almenara pull`"
        ))
    })?;
    Ok(proof)
}

/// A leaf's bytes, and the proof of that leaf alone out of what was shown of its batch.
fn shown(kept: &KeptEntry, count: u32, leaf: u32) -> Option<(Bytes, Vec<Hash>)> {
    let batch = kept.batch.as_ref()?;
    let bytes = batch.leaves.iter().find(|shown| shown.index == leaf)?.bytes.clone();
    if let Some(hashes) = &batch.leaf_hashes {
        return Some((bytes, merkle::multi_prove(hashes, &[leaf])?));
    }
    let Rest::Proof(proof) = Disclosure::from_wire(kept.shown.clone()?, count).ok()?.rest else {
        return None;
    };
    let disclosed: Vec<(u32, Hash)> = batch.leaves.iter().map(|shown| (shown.index, shown.id)).collect();
    Some((bytes, merkle::multi_path(count, &disclosed, &proof, leaf)?))
}

/// What a local store knows of the log of a proof by now.
#[derive(Clone, Debug, PartialEq)]
pub enum Since {
    /// Not more than the file: it says nothing about later.
    Nothing,
    /// The same log, further.
    Further {
        /// Entries held.
        entries: u64,
        /// Whether a withdrawal ended the statement.
        withdrawn: bool,
        /// From where on the key's entries do not count.
        cut: Option<u64>,
    },
    /// The log's key signed another history: proof of it.
    Forked(Box<Equivocation>),
}

/// Holds a proof against a local store: is it the same log, and what became of the statement?
///
/// # Errors
/// [`CliError`], when the store cannot be read, or contradicts itself.
pub fn since(store: &Store, proven: &Proven) -> Result<Since, CliError> {
    let then = proven.checkpoint.checkpoint();
    let Some(replica) = store.replica(&proven.address.member).filter(|held| held.size() >= then.size) else {
        return Ok(Since::Nothing);
    };
    if root(&replica.tiles(then.size)?, then.size)? != then.root {
        return forked(replica, &proven.checkpoint);
    }
    let Proven { address, header, .. } = proven;
    let withdrawn = replica.is_withdrawn(address.entry, address.leaf);
    let key = header.content.key;
    let foreign = store.replicas().filter_map(|other| other.revoked_elsewhere(&address.member, &key)).min();
    let cut = foreign.into_iter().chain(replica.prefix().cut(&key)).min();
    Ok(Since::Further { entries: replica.size(), withdrawn, cut })
}

/// The store's own log departs from the file's note: with the note that the store holds, that is evidence.
fn forked(replica: &Replica, file: &SignedCheckpoint) -> Result<Since, CliError> {
    let held = replica.last().filter(|note| note.checkpoint().size <= replica.size());
    let contradiction = held.and_then(|held| {
        let (old, new) = (file.checkpoint().size, held.checkpoint().size);
        let tiles = replica.tiles(new).ok()?;
        let departure = (old != new).then(|| {
            let prefix = root(&replica.tiles(old).ok()?, old).ok()?;
            Some(Departure { prefix, consistency: tile::consistency(old, new, &tiles).ok()? })
        });
        let departure = match departure {
            None => None,
            Some(found) => Some(found?),
        };
        Equivocation::new(file.clone(), held.clone(), departure).ok()
    });
    match contradiction {
        Some(found) => Ok(Since::Forked(Box::new(found))),
        None => Err(CliError::misbehaved(format_args!(
            "the local store holds another log of {} than this file, and no checkpoint that proves whose fault that \
             is: run `almenara pull`, and verify again",
            replica.member()
        ))),
    }
}

fn root(tiles: &BTreeMap<TileId, Vec<u8>>, size: u64) -> Result<Hash, CliError> {
    Ok(Prover::new(size, tiles).map_err(CliError::misbehaved)?.root())
}
