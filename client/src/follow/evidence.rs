//! Two notes of one log key that cannot both be true, as a proof that anybody can check offline.

use std::collections::BTreeMap;

use almenara_proto::{
    checkpoint::SignedCheckpoint,
    evidence::{Departure, Equivocation},
    merkle::{CompactRange, Hash, node_hash},
};

/// What two notes prove, of which the later one was proven to have root `prefix` at the size of the earlier one;
/// nothing when both can be true, or another key signed one of them.
pub(super) fn departure(
    old: &SignedCheckpoint,
    new: &SignedCheckpoint,
    prefix: Hash,
    consistency: Vec<Hash>,
) -> Option<Box<Equivocation>> {
    let smaller = old.checkpoint().size < new.checkpoint().size;
    let departure = smaller.then_some(Departure { prefix, consistency });
    Equivocation::new(old.clone(), new.clone(), departure).ok().map(Box::new)
}

/// What two notes of one size with different roots prove; nothing when they agree, or another key signed one.
pub(super) fn two_roots(old: &SignedCheckpoint, new: &SignedCheckpoint) -> Option<Box<Equivocation>> {
    let (a, b) = (old.checkpoint(), new.checkpoint());
    if a.size != b.size || a.root == b.root {
        return None;
    }
    Equivocation::new(old.clone(), new.clone(), None).ok().map(Box::new)
}

/// The tree at the size where it departed from an earlier note, and the leaves since: enough, with a proof from
/// the page's end, to prove the departure itself.
#[derive(Clone, Debug)]
pub(super) struct Contradiction {
    edge: CompactRange,
    leaves: Vec<Hash>,
}

/// The hash of the subtree over the leaves `[start, end)`.
type Nodes = BTreeMap<(u64, u64), Hash>;

impl Contradiction {
    pub(super) const fn at(edge: CompactRange) -> Self {
        Self { edge, leaves: Vec::new() }
    }

    pub(super) fn push(&mut self, leaf: Hash) {
        self.leaves.push(leaf);
    }

    /// The root at the departure, and the consistency proof from there to `size`, out of the verified one
    /// `later` from `end` to `size`.
    pub(super) fn prove(&self, end: u64, size: u64, later: &[Hash]) -> (Hash, Vec<Hash>) {
        let mut nodes = Nodes::new();
        // What lies before the departure: perfect subtrees, left to right.
        let mut start = 0;
        for (hash, bit) in self.edge.hashes().iter().zip(bits(self.edge.size())) {
            nodes.insert((start, start + bit), *hash);
            start += bit;
        }
        for (place, leaf) in (start..).zip(&self.leaves) {
            nodes.insert((place, place + 1), *leaf);
        }
        for (range, hash) in path(end, size).into_iter().zip(later) {
            nodes.insert(range, *hash);
        }
        let proof =
            path(self.edge.size(), size).into_iter().filter_map(|range| node(&nodes, range)).collect();
        (self.edge.root(), proof)
    }
}

/// The set bits of a size, the largest first.
fn bits(size: u64) -> impl Iterator<Item = u64> {
    (0..u64::BITS).rev().map(|shift| 1 << shift).filter(move |bit| size & bit != 0)
}

/// Where a subtree over more than one leaf splits.
fn middle((start, end): (u64, u64)) -> u64 {
    let half = (end - start).next_power_of_two() / 2;
    start + half
}

/// A node that is known, or whose halves are.
fn node(nodes: &Nodes, range: (u64, u64)) -> Option<Hash> {
    if let Some(known) = nodes.get(&range) {
        return Some(*known);
    }
    if range.1 - range.0 < 2 {
        return None;
    }
    let middle = middle(range);
    Some(node_hash(&node(nodes, (range.0, middle))?, &node(nodes, (middle, range.1))?))
}

/// The subtrees whose hashes make up the consistency proof from `old` to `new`, in its order: RFC 6962 §2.1.2.
fn path(old: u64, new: u64) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    let (mut range, mut whole) = ((0, new), true);
    if old == 0 || old >= new {
        return found;
    }
    while range.1 != old {
        let middle = middle(range);
        if old <= middle {
            found.push((middle, range.1));
            range.1 = middle;
        } else {
            found.push((range.0, middle));
            (range.0, whole) = (middle, false);
        }
    }
    if !whole {
        found.push(range);
    }
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use almenara_proto::merkle::{leaf_hash, root, verify_consistency};

    #[test]
    fn the_proof_from_the_departure_follows_from_the_one_from_the_page_s_end() {
        let leaves: Vec<Hash> = (0..24u8).map(|n| leaf_hash(&[n])).collect();
        let whole: Nodes = (0..).zip(&leaves).map(|(at, leaf)| ((at, at + 1), *leaf)).collect();
        for size in 1..=leaves.len() {
            let top = root(&leaves[..size]);
            for end in 1..=size {
                let later: Vec<Hash> = path(end as u64, size as u64)
                    .into_iter()
                    .map(|range| node(&whole, range).expect("all leaves are known"))
                    .collect();
                verify_consistency(end as u64, &root(&leaves[..end]), size as u64, &top, &later)
                    .expect("the oracle's proof");
                for departure in 1..=end {
                    let mut edge = CompactRange::new();
                    leaves[..departure].iter().for_each(|leaf| edge.append(leaf));
                    let mut contradiction = Contradiction::at(edge);
                    leaves[departure..end].iter().for_each(|leaf| contradiction.push(*leaf));
                    let (prefix, proof) = contradiction.prove(end as u64, size as u64, &later);
                    assert_eq!(prefix, root(&leaves[..departure]));
                    verify_consistency(departure as u64, &prefix, size as u64, &top, &proof)
                        .unwrap_or_else(|why| panic!("{departure} → {end} → {size}: {why}"));
                }
            }
        }
    }
}
