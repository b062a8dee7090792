//! A batch, shown whole or in part.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::{
    blame::Void,
    merkle::{self, Hash},
    wire,
};

/// Which leaves of a batch are shown, and what proves them.
#[derive(Clone, Debug, PartialEq)]
pub struct Disclosure {
    /// Leaf index and statement bytes, strictly ascending.
    pub clear: Vec<(u32, Bytes)>,
    /// What stands for the other leaves.
    pub rest: Rest,
    /// Leaves that the server does not hold but others may: ranges `[start, end)`.
    pub not_here: Vec<(u32, u32)>,
    /// Leaves that the reader may see and its member does not keep: it may fetch them. Ranges `[start, end)`.
    pub on_request: Vec<(u32, u32)>,
}

/// What stands for the leaves that are not in clear.
#[derive(Clone, Debug, PartialEq)]
pub enum Rest {
    /// The hash of every maximal subtree without a leaf in clear, left to right.
    Proof(Vec<Hash>),
    /// All leaf hashes that are not in clear, in order: what a member node fetches.
    Leaves(Vec<Hash>),
}

impl Disclosure {
    /// All of a batch.
    #[must_use]
    pub fn whole(statements: Vec<Bytes>) -> Self {
        Self { clear: (0..).zip(statements).collect(), ..Self::nothing() }
    }

    /// Nothing of a batch.
    #[must_use]
    pub const fn nothing() -> Self {
        Self {
            clear: Vec::new(),
            rest: Rest::Proof(Vec::new()),
            not_here: Vec::new(),
            on_request: Vec::new(),
        }
    }

    /// The same without some of the leaves in clear, of whose statements `hash` gives the leaf hashes: these stand for
    /// them. Nothing when it was no proof of a batch of `count` statements.
    #[must_use]
    pub fn without(self, count: u32, gone: &BTreeSet<u32>, hash: impl Fn(&Bytes) -> Hash) -> Option<Self> {
        let shown: Vec<(u32, Hash)> = self.clear.iter().map(|(leaf, bytes)| (*leaf, hash(bytes))).collect();
        let clear: Vec<(u32, Bytes)> =
            self.clear.into_iter().filter(|(leaf, _)| !gone.contains(leaf)).collect();
        let rest = match self.rest {
            Rest::Proof(hashes) => {
                let kept: Vec<u32> = clear.iter().map(|(leaf, _)| *leaf).collect();
                Rest::Proof(merkle::multi_narrow(count, &shown, &hashes, &kept)?)
            }
            Rest::Leaves(hashes) => {
                let (mut hidden, mut all) = (hashes.into_iter(), Vec::new());
                for leaf in 0..count {
                    match shown.binary_search_by_key(&leaf, |(leaf, _)| *leaf) {
                        Ok(at) if gone.contains(&leaf) => all.push(shown.get(at)?.1),
                        Ok(_) => {}
                        Err(_) => all.push(hidden.next()?),
                    }
                }
                Rest::Leaves(all)
            }
        };
        Some(Self { clear, rest, not_here: self.not_here, on_request: self.on_request })
    }

    /// Parses what came for a batch of `count` statements.
    ///
    /// # Errors
    /// [`Void`] when ranges or hashes make no sense; whoever sent it is to blame.
    pub fn from_wire(wire: wire::Disclosure, count: u32) -> Result<Self, Void> {
        let bad = |rule| Void::new("Disclosure", rule);
        let indices: Vec<u32> = if wire.ranges.is_empty() && wire.statements.len() == count as usize {
            (0..count).collect()
        } else {
            ranges(&wire.ranges, count)?.into_iter().flat_map(|(start, end)| start..end).collect()
        };
        if indices.len() != wire.statements.len() {
            return Err(bad("the ranges do not fit the number of statements"));
        }
        let hashes = |bytes: &[u8]| {
            let (whole, rest) = bytes.as_chunks::<32>();
            if rest.is_empty() {
                Ok(whole.iter().map(|chunk| Hash(*chunk)).collect::<Vec<_>>())
            } else {
                Err(bad("hashes have 32 bytes each"))
            }
        };
        let rest = match (wire.proof.is_empty(), wire.leaf_hashes.is_empty()) {
            (_, true) => Rest::Proof(hashes(&wire.proof)?),
            (true, false) => Rest::Leaves(hashes(&wire.leaf_hashes)?),
            (false, false) => return Err(bad("either a proof or leaf hashes are expected")),
        };
        Ok(Self {
            clear: indices.into_iter().zip(wire.statements).collect(),
            rest,
            not_here: ranges(&wire.not_here, count)?,
            on_request: ranges(&wire.on_request, count)?,
        })
    }

    /// The wire form for a batch of `count` statements.
    #[must_use]
    pub fn into_wire(self, count: u32) -> wire::Disclosure {
        let concat =
            |hashes: &[Hash]| Bytes::from(hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>());
        let (proof, leaf_hashes) = match &self.rest {
            Rest::Proof(hashes) => (concat(hashes), Bytes::new()),
            Rest::Leaves(hashes) => (Bytes::new(), concat(hashes)),
        };
        let range = |(start, end)| wire::LeafRange { start, end };
        let ranges = if self.clear.len() == count as usize {
            Vec::new()
        } else {
            leaf_ranges(self.clear.iter().map(|(index, _)| *index)).into_iter().map(range).collect()
        };
        wire::Disclosure {
            ranges,
            statements: self.clear.into_iter().map(|(_, bytes)| bytes).collect(),
            proof,
            leaf_hashes,
            not_here: self.not_here.into_iter().map(range).collect(),
            erased: Vec::new(),
            on_request: self.on_request.into_iter().map(range).collect(),
        }
    }
}

fn ranges(wire: &[wire::LeafRange], count: u32) -> Result<Vec<(u32, u32)>, Void> {
    let mut next = 0;
    wire.iter()
        .map(|range| {
            if range.start < next || range.end <= range.start || range.end > count {
                return Err(Void::new(
                    "LeafRange",
                    "ranges must ascend, hold something and end within the batch",
                ));
            }
            next = range.end;
            Ok((range.start, range.end))
        })
        .collect()
}

/// Ascending leaves as ranges `[start, end)`.
pub fn leaf_ranges(leaves: impl IntoIterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for leaf in leaves {
        match ranges.last_mut() {
            Some((_, end)) if *end == leaf => *end = leaf.saturating_add(1),
            _ => ranges.push((leaf, leaf.saturating_add(1))),
        }
    }
    ranges
}
