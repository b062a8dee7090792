//! Two notes of one log under one key: can both be true?

use std::collections::BTreeMap;

use bytes::Bytes;

use almenara_proto::{
    checkpoint::SignedCheckpoint,
    evidence::{Departure, Equivocation},
    merkle::verify_consistency,
    name::MemberName,
    tile::{Edge, Prover, TileId, edge_tiles, tiles_for_consistency},
};

use super::source::Source;
use crate::exit::CliError;

/// What two notes amount to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Compared {
    /// One history.
    Agree,
    /// The log's key signed two histories.
    Forked(Box<Equivocation>),
    /// Nobody shows a tree that leads to the larger note.
    NotShown,
}

/// Compares them, by tiles of whichever source shows the tree of the larger one.
///
/// # Errors
/// [`CliError`], when a source cannot be read.
pub(super) async fn compare(
    member: &MemberName,
    one: &SignedCheckpoint,
    other: &SignedCheckpoint,
    sources: &[Source],
) -> Result<Compared, CliError> {
    let (old, new) =
        if one.checkpoint().size <= other.checkpoint().size { (one, other) } else { (other, one) };
    let (from, to) = (old.checkpoint(), new.checkpoint());
    if from.size == to.size {
        return Ok(verdict(from.root == to.root, Equivocation::new(old.clone(), new.clone(), None).ok()));
    }
    if from.size == 0 {
        return Ok(Compared::Agree);
    }
    for source in sources {
        let mut tiles: BTreeMap<TileId, Bytes> = BTreeMap::new();
        for id in edge_tiles(from.size).into_iter().chain(tiles_for_consistency(from.size, to.size)) {
            if let Some(tile) = source.tile(member, id, to.size).await? {
                tiles.insert(id, tile);
            }
        }
        let proven = || {
            let mut prover = Prover::new(to.size, &tiles).ok()?;
            let consistency = prover.consistency(from.size).ok()?;
            let prefix = Edge::from_tiles(from.size, &tiles).ok()?.root();
            verify_consistency(from.size, &prefix, to.size, &to.root, &consistency).ok()?;
            Some(Departure { prefix, consistency })
        };
        if let Some(departure) = proven() {
            let agree = departure.prefix == from.root;
            return Ok(verdict(agree, Equivocation::new(old.clone(), new.clone(), Some(departure)).ok()));
        }
    }
    Ok(Compared::NotShown)
}

/// Notes under two keys contradict each other without accusing anybody: the roster gave the log another key.
fn verdict(agree: bool, contradiction: Option<Equivocation>) -> Compared {
    match contradiction {
        Some(found) if !agree => Compared::Forked(Box::new(found)),
        _ if agree => Compared::Agree,
        _ => Compared::NotShown,
    }
}
