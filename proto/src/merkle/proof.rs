//! Inclusion and consistency (RFC 9162 §§2.1.3, 2.1.4).
//!
//! A path from a leaf to the root has two parts. Below the height where the leaf's path and the last leaf's path
//! part ways, every height has a sibling, left or right as the index's bit says. Above it the leaf lies on the
//! right edge: the siblings are all on the left, one for each set bit.

use super::{Hash, ProofError, empty_root, node_hash, root, split};

/// The audit path of leaf `index`, leaf to root; `None` when there is no such leaf.
///
/// Hashes every leaf: for small trees such as batches. A log takes its proofs out of tiles.
#[must_use]
pub fn inclusion(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    leaves.get(index)?;
    let (mut subtree, mut index) = (leaves, index);
    let mut path = Vec::new();
    while subtree.len() > 1 {
        let (left, right) = subtree.split_at(split(subtree.len()));
        if index < left.len() {
            path.push(root(right));
            subtree = left;
        } else {
            path.push(root(left));
            index -= left.len();
            subtree = right;
        }
    }
    path.reverse();
    Some(path)
}

/// Checks that `leaf` stands at `index` in the tree of `size` leaves with this root.
///
/// # Errors
/// `Index` when there is no such leaf, `Length` when the path has not exactly the length that index and size
/// imply, `Root` when it leads elsewhere.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Index { index, size });
    }
    let (inner, border) = shape(index, size);
    exact(path, inner + border)?;
    let mut found = *leaf;
    for (height, sibling) in path.iter().enumerate() {
        found = if is_left(height, inner, index) {
            node_hash(sibling, &found)
        } else {
            node_hash(&found, sibling)
        };
    }
    reach(found, root)
}

/// Checks that the tree of `new_size` leaves begins with the tree of `old_size` leaves (RFC 9162 §2.1.4.2).
///
/// Equal sizes: no hashes, equal roots. The RFC leaves `old_size` 0 open; as in C2SP tlog-witness every tree
/// extends the empty one and the proof is empty. The root of a tree of size 0 must be that of the empty tree.
///
/// # Errors
/// `Sizes` when the new tree is smaller, `Length` when the sizes imply another number of hashes, `Root` when
/// either root is not reached.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::Sizes { old: old_size, new: new_size });
    }
    if old_size == 0 || old_size == new_size {
        exact(proof, 0)?;
        if old_size == 0 {
            reach(*old_root, &empty_root())?;
        }
        return if old_size == new_size { reach(*new_root, old_root) } else { Ok(()) };
    }
    // The proof is the path of the last old leaf in the new tree, without the heights that are the same in both:
    // it starts at the largest perfect subtree that ends where the old tree ends.
    let last = old_size - 1;
    let start = old_size.trailing_zeros();
    let (inner, border) = shape(last, new_size);
    let inner = inner.saturating_sub(start as usize);
    let (seed, siblings) = if old_size.is_power_of_two() {
        exact(proof, inner + border)?;
        (old_root, proof) // that subtree is the whole old tree, so its hash is known and not sent
    } else {
        exact(proof, 1 + inner + border)?;
        proof.split_first().ok_or(ProofError::Length { found: 0, required: 1 })?
    };
    let (mut old, mut new) = (*seed, *seed);
    for (height, sibling) in siblings.iter().enumerate() {
        if is_left(height, inner, last >> start) {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
        } else {
            new = node_hash(&new, sibling);
        }
    }
    reach(old, old_root)?;
    reach(new, new_root)
}

/// Heights with a sibling on either side, and left siblings above them, on the path of `index` < `size`.
fn shape(index: u64, size: u64) -> (usize, usize) {
    let inner = u64::BITS - (index ^ size.saturating_sub(1)).leading_zeros();
    let border = index.checked_shr(inner).unwrap_or(0).count_ones();
    (inner as usize, border as usize)
}

/// Whether the path's sibling at this height stands to the left.
fn is_left(height: usize, inner: usize, index: u64) -> bool {
    height >= inner || index >> height & 1 == 1
}

fn exact(proof: &[Hash], required: usize) -> Result<(), ProofError> {
    if proof.len() == required { Ok(()) } else { Err(ProofError::Length { found: proof.len(), required }) }
}

fn reach(found: Hash, required: &Hash) -> Result<(), ProofError> {
    if found == *required { Ok(()) } else { Err(ProofError::Root { found, required: *required }) }
}
