//! Disclosure of some leaves of a batch (PROTOCOL.md §4).
//!
//! The proof lists, left to right, the hash of every maximal subtree without a disclosed leaf. For one leaf these
//! are the hashes of its audit path, in the order in which they stand in the tree. Its shape follows from the
//! signed count and the disclosed indices, so nothing but hashes is sent, and exactly one list of hashes is right.

use std::ops::Range;

use super::{Hash, ProofError, node_hash, root, split};

/// The proof for the leaves at `disclosed`; `None` unless they ascend strictly and are leaves.
///
/// Nothing disclosed needs no proof: the list is empty.
#[must_use]
pub fn multi_prove(leaves: &[Hash], disclosed: &[u32]) -> Option<Vec<Hash>> {
    check(u32::try_from(leaves.len()).ok()?, disclosed.iter().copied()).ok()?;
    hidden(leaves.len(), disclosed).into_iter().map(|subtree| leaves.get(subtree).map(root)).collect()
}

/// The root that the disclosed leaf hashes and the proof lead to, in a batch of `count` leaves.
///
/// Takes from `proof` exactly the hashes it needs. Whoever passes a longer list must refuse it afterwards;
/// [`multi_verify`] does.
///
/// # Errors
/// `Disclosed` when the indices do not ascend strictly below `count`, `NothingDisclosed` when there are none,
/// `Length` when hashes are missing.
pub fn multi_root(
    count: u32,
    disclosed: &[(u32, Hash)],
    proof: &mut impl Iterator<Item = Hash>,
) -> Result<Hash, ProofError> {
    check(count, indices(disclosed))?;
    if disclosed.is_empty() {
        return Err(ProofError::NothingDisclosed);
    }
    let mut found = 0;
    let mut next = || proof.next().inspect(|_| found += 1);
    let root = fold(0..count as usize, disclosed, &mut next);
    root.ok_or_else(|| ProofError::Length { found, required: required(count, disclosed) })
}

/// Checks a disclosure against the root of a signed header.
///
/// With nothing disclosed there is no proof: an empty list holds whatever the root, because it claims nothing
/// about a leaf.
///
/// # Errors
/// As [`multi_root`]; `Length` also when hashes are left over; `Root` when they lead to another root.
pub fn multi_verify(
    count: u32,
    disclosed: &[(u32, Hash)],
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if disclosed.is_empty() {
        return if proof.is_empty() {
            Ok(())
        } else {
            Err(ProofError::Length { found: proof.len(), required: 0 })
        };
    }
    let mut hashes = proof.iter().copied();
    let found = multi_root(count, disclosed, &mut hashes)?;
    if hashes.next().is_some() {
        return Err(ProofError::Length { found: proof.len(), required: required(count, disclosed) });
    }
    if found == *root { Ok(()) } else { Err(ProofError::Root { found, required: *root }) }
}

/// The proof that is left when only the leaves at `kept` are still disclosed; nothing is left when none are. `None`
/// unless they are among the disclosed ones, and `proof` is one for those.
#[must_use]
pub fn multi_narrow(
    count: u32,
    disclosed: &[(u32, Hash)],
    proof: &[Hash],
    kept: &[u32],
) -> Option<Vec<Hash>> {
    check(count, indices(disclosed)).ok()?;
    check(count, kept.iter().copied()).ok()?;
    if !kept.iter().all(|leaf| disclosed.binary_search_by_key(leaf, |(index, _)| *index).is_ok()) {
        return None;
    }
    let (mut hashes, mut narrowed) = (proof.iter().copied(), Vec::new());
    if !disclosed.is_empty() && !kept.is_empty() {
        narrow(0..count as usize, disclosed, kept, &mut || hashes.next(), &mut narrowed)?;
    }
    Some(narrowed)
}

/// Collects the hashes of the maximal subtrees without a kept leaf.
fn narrow(
    subtree: Range<usize>,
    disclosed: &[(u32, Hash)],
    kept: &[u32],
    next: &mut impl FnMut() -> Option<Hash>,
    narrowed: &mut Vec<Hash>,
) -> Option<()> {
    if kept.is_empty() {
        narrowed.push(fold(subtree, disclosed, next)?);
    } else if subtree.len() > 1 {
        let middle = subtree.start + split(subtree.len());
        let (left, right) = disclosed.split_at(disclosed.partition_point(|(i, _)| (*i as usize) < middle));
        let (few, rest) = kept.split_at(kept.partition_point(|i| (*i as usize) < middle));
        narrow(subtree.start..middle, left, few, next, narrowed)?;
        narrow(middle..subtree.end, right, rest, next, narrowed)?;
    }
    Some(())
}

/// The proof for one leaf out of the proof for several; nothing unless that leaf is one of them and the hashes are as
/// many as they imply.
#[must_use]
pub fn multi_path(count: u32, disclosed: &[(u32, Hash)], proof: &[Hash], leaf: u32) -> Option<Vec<Hash>> {
    fn walk(
        subtree: Range<usize>,
        disclosed: &[(u32, Hash)],
        hashes: &mut impl Iterator<Item = Hash>,
        leaf: usize,
        found: &mut Vec<Hash>,
    ) -> Option<Hash> {
        if disclosed.is_empty() {
            return hashes.next();
        }
        if subtree.len() == 1 {
            return disclosed.first().map(|(_, hash)| *hash);
        }
        let middle = subtree.start + split(subtree.len());
        let (low, high) = disclosed.split_at(disclosed.partition_point(|(i, _)| (*i as usize) < middle));
        let on_the_way = subtree.contains(&leaf);
        let left = walk(subtree.start..middle, low, hashes, leaf, found)?;
        if on_the_way && leaf >= middle {
            found.push(left);
        }
        let right = walk(middle..subtree.end, high, hashes, leaf, found)?;
        if on_the_way && leaf < middle {
            found.push(right);
        }
        Some(node_hash(&left, &right))
    }
    check(count, indices(disclosed)).ok()?;
    disclosed.iter().find(|(index, _)| *index == leaf)?;
    let (mut found, mut hashes) = (Vec::new(), proof.iter().copied());
    walk(0..count as usize, disclosed, &mut hashes, leaf as usize, &mut found)?;
    hashes.next().is_none().then_some(found)
}

fn indices(disclosed: &[(u32, Hash)]) -> impl Iterator<Item = u32> {
    disclosed.iter().map(|(index, _)| *index)
}

fn check(count: u32, disclosed: impl Iterator<Item = u32>) -> Result<(), ProofError> {
    let mut least = 0;
    for index in disclosed {
        if index < least || index >= count {
            return Err(ProofError::Disclosed { index, count });
        }
        least = index + 1; // no overflow: index < count
    }
    Ok(())
}

fn required(count: u32, disclosed: &[(u32, Hash)]) -> usize {
    hidden(count as usize, &indices(disclosed).collect::<Vec<_>>()).len()
}

/// The maximal subtrees without a disclosed leaf, left to right; none when nothing is disclosed.
fn hidden(count: usize, disclosed: &[u32]) -> Vec<Range<usize>> {
    fn walk(subtree: Range<usize>, disclosed: &[u32], found: &mut Vec<Range<usize>>) {
        if disclosed.is_empty() {
            found.push(subtree);
        } else if subtree.len() > 1 {
            let middle = subtree.start + split(subtree.len());
            let (left, right) = disclosed.split_at(disclosed.partition_point(|i| (*i as usize) < middle));
            walk(subtree.start..middle, left, found);
            walk(middle..subtree.end, right, found);
        }
    }
    let mut found = Vec::new();
    if !disclosed.is_empty() {
        walk(0..count, disclosed, &mut found);
    }
    found
}

/// The hash of a subtree; `None` when the proof has run out. As deep as log2 of the subtree's size.
fn fold(
    subtree: Range<usize>,
    disclosed: &[(u32, Hash)],
    next: &mut impl FnMut() -> Option<Hash>,
) -> Option<Hash> {
    if disclosed.is_empty() {
        return next();
    }
    if subtree.len() == 1 {
        return disclosed.first().map(|(_, leaf)| *leaf);
    }
    let middle = subtree.start + split(subtree.len());
    let (left, right) = disclosed.split_at(disclosed.partition_point(|(i, _)| (*i as usize) < middle));
    let left = fold(subtree.start..middle, left, next)?;
    let right = fold(middle..subtree.end, right, next)?;
    Some(node_hash(&left, &right))
}
