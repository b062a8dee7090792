//! Up to 4,096 statements under one signature (PROTOCOL.md §4), shown whole or in part.

use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message as _;

use crate::{
    blame::Void,
    keys::{Context, PublicKey, SigningKey, VerifyingKey},
    limits::{BATCH_BYTES, BATCH_STATEMENTS},
    log::{self, Body, Signed},
    merkle::{self, Hash},
    name::{MemberName, Publisher},
    statement::Statement,
    strict::{self, Table},
    wire,
};

/// What a publisher signs: who, in which order, how many statements, and their Merkle root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Federation id.
    pub federation: String,
    /// Whose log.
    pub member: MemberName,
    /// Which desk.
    pub publisher: Publisher,
    /// The desk's key.
    pub key: PublicKey,
    /// Rises strictly for each key along the log.
    pub seq: u64,
    /// Version of the roster that the author used.
    pub roster: u64,
    /// Unix seconds; the author's claim.
    pub created_at: u64,
    /// 1 to 4,096.
    pub count: u32,
    /// How many leaves have `copies > 0`.
    pub custodied: u32,
    /// Merkle root over the leaves.
    pub root: Hash,
    /// A recent checkpoint: not made before it.
    pub anchor: Option<Anchor>,
}

/// A checkpoint that an author saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Its origin line.
    pub origin: String,
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

impl Body for BatchHeader {
    const CONTEXT: Context = Context::Batch;
    const TABLE: &'static Table = &strict::BATCH_HEADER;

    fn parse(body: &[u8]) -> Result<Self, Void> {
        let wire =
            wire::BatchHeader::decode(body).map_err(|error| Void::new("BatchHeader", error.to_string()))?;
        let hash = |place, bytes: &[u8]| {
            Hash::try_from(bytes).map_err(|_| Void::new(place, "32 bytes are expected"))
        };
        let member: MemberName = wire.member.parse()?;
        if wire.count == 0 || wire.count as usize > BATCH_STATEMENTS {
            return Err(Void::new("BatchHeader.count", format!("1 to {BATCH_STATEMENTS}")));
        }
        if wire.custodied > wire.count {
            return Err(Void::new("BatchHeader.custodied", "more than the count"));
        }
        Ok(Self {
            publisher: log::publisher_of(&member, &wire.publisher)?,
            federation: log::federation(wire.federation)?,
            member,
            key: log::key("BatchHeader.key", &wire.key)?,
            seq: wire.seq,
            roster: wire.roster,
            created_at: wire.created_at,
            count: wire.count,
            custodied: wire.custodied,
            root: hash("BatchHeader.root", &wire.root)?,
            anchor: match wire.anchor {
                None => None,
                Some(anchor) => Some(Anchor {
                    origin: log::line("Anchor.origin", anchor.origin)?,
                    size: anchor.size,
                    root: hash("Anchor.root", &anchor.root)?,
                }),
            },
        })
    }

    fn encode(&self) -> Vec<u8> {
        wire::BatchHeader {
            federation: self.federation.clone(),
            member: self.member.to_string(),
            publisher: self.publisher.to_string(),
            key: self.key.0.to_vec().into(),
            seq: self.seq,
            roster: self.roster,
            created_at: self.created_at,
            count: self.count,
            custodied: self.custodied,
            root: self.root.0.to_vec().into(),
            anchor: self.anchor.as_ref().map(|anchor| wire::Anchor {
                origin: anchor.origin.clone(),
                size: anchor.size,
                root: anchor.root.0.to_vec().into(),
            }),
        }
        .encode_to_vec()
    }
}

impl BatchHeader {
    /// `H("almenara/v1/statement" ‖ 0 ‖ federation ‖ 0 ‖ member ‖ 0 ‖ publisher)`: a leaf hash copied into
    /// somebody else's batch opens nothing.
    #[must_use]
    pub fn origin_hash(&self) -> Hash {
        merkle::sha256(&[
            b"almenara/v1/statement\0",
            self.federation.as_bytes(),
            b"\0",
            self.member.as_str().as_bytes(),
            b"\0",
            self.publisher.as_str().as_bytes(),
        ])
    }
}

/// A statement's id and leaf: `H(0x00 ‖ origin ‖ statement)`.
#[must_use]
pub fn statement_id(origin: &Hash, statement: &[u8]) -> Hash {
    merkle::leaf_hash_parts(&[&origin.0, statement])
}

/// Who signs a batch, as [`seal`] needs it.
#[derive(Clone, Debug)]
pub struct Author<'a> {
    /// Federation id.
    pub federation: &'a str,
    /// The desk.
    pub publisher: &'a Publisher,
    /// Its key.
    pub key: &'a SigningKey,
}

/// A batch with all its statements, in leaf order.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedBatch {
    /// The signed header.
    pub header: Signed<BatchHeader>,
    /// The statements' bytes.
    pub statements: Vec<Bytes>,
}

/// Orders the statements by their nonces (so that the order tells nothing), and signs.
///
/// # Errors
/// [`Void`] when there are none, too many, or too large ones, when two bear one nonce, or when one of them breaks
/// a rule by which every reader would call it void.
pub fn seal(
    author: &Author<'_>,
    statements: Vec<Statement>,
    seq: u64,
    roster: u64,
    created_at: u64,
) -> Result<SignedBatch, Void> {
    let custodied = statements.iter().filter(|statement| statement.copies > 0).count();
    let encoded: Vec<([u8; 16], Bytes)> =
        statements.into_iter().map(|statement| (statement.nonce, statement.encode().into())).collect();
    encoded.iter().try_for_each(|(_, bytes)| Statement::parse(bytes).map(drop))?;
    seal_encoded(author, encoded, custodied, seq, roster, created_at)
}

/// The same for statements that are encoded already, each with its nonce: what a publisher of many prepares once.
/// `custodied` says how many of them have `copies > 0`.
///
/// # Errors
/// As [`seal`], but for the last: that the bytes are statements with these nonces, and none is void, the caller has
/// checked when it encoded them.
pub fn seal_encoded(
    author: &Author<'_>,
    mut statements: Vec<([u8; 16], Bytes)>,
    custodied: usize,
    seq: u64,
    roster: u64,
    created_at: u64,
) -> Result<SignedBatch, Void> {
    if statements.is_empty() || statements.len() > BATCH_STATEMENTS {
        return Err(Void::new("batch", format!("1 to {BATCH_STATEMENTS} statements are expected")));
    }
    statements.sort_unstable_by_key(|(nonce, _)| *nonce);
    if !statements.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Err(Void::new("Statement.nonce", "two statements bear one nonce: draw a new one for each"));
    }
    let statements: Vec<Bytes> = statements.into_iter().map(|(_, bytes)| bytes).collect();
    check_sizes(&statements)?;
    let member: MemberName = author.publisher.member().parse()?;
    let mut header = BatchHeader {
        federation: author.federation.to_owned(),
        member,
        publisher: author.publisher.clone(),
        key: PublicKey::of(author.key),
        seq,
        roster,
        created_at,
        count: u32::try_from(statements.len()).unwrap_or(u32::MAX),
        custodied: u32::try_from(custodied).unwrap_or(u32::MAX),
        root: merkle::empty_root(),
        anchor: None,
    };
    let origin = header.origin_hash();
    let leaves: Vec<Hash> = statements.iter().map(|bytes| statement_id(&origin, bytes)).collect();
    header.root = merkle::root(&leaves);
    Ok(SignedBatch { header: Signed::sign(header, author.key), statements })
}

fn check_sizes(statements: &[Bytes]) -> Result<(), Void> {
    let total: usize = statements.iter().map(Bytes::len).sum();
    if total > BATCH_BYTES {
        return Err(Void::new("batch", format!("{total} bytes of statements, over {BATCH_BYTES}")));
    }
    Ok(())
}

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

/// One statement that was shown and belongs to the signed root.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// Its place in the batch.
    pub index: u32,
    /// Its leaf hash.
    pub id: Hash,
    /// The bytes as signed.
    pub bytes: Bytes,
    /// What they say, or why they count for nothing.
    pub statement: Result<Statement, Void>,
}

/// A batch whose signature and root hold. The state of its key is judged by the log (`prefix`).
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedBatch {
    /// The signed header.
    pub header: Signed<BatchHeader>,
    /// The statements in clear, in leaf order.
    pub leaves: Vec<Leaf>,
    /// All leaf hashes, when they are known.
    pub leaf_hashes: Option<Vec<Hash>>,
    /// Leaves that the server does not hold but others may: ranges `[start, end)`.
    pub not_here: Vec<(u32, u32)>,
    /// Leaves that the reader may fetch: ranges `[start, end)`.
    pub on_request: Vec<(u32, u32)>,
}

impl VerifiedBatch {
    /// Checks the signature over the header and that what is shown belongs to it, in this order.
    ///
    /// # Errors
    /// [`Void`] for the first check that fails.
    pub fn verify(header: Signed<BatchHeader>, disclosure: Disclosure) -> Result<Self, Void> {
        // Whether the key may speak here at all, and that it is no weak one, is judged by the log.
        let key = VerifyingKey::from_bytes(&header.content.key.0)
            .map_err(|_| Void::new("BatchHeader.key", "it is no point of the curve"))?;
        header.verify(&key)?;
        Self::verify_disclosure(header, disclosure)
    }

    /// The same without the signature, for a header that the log has judged already.
    ///
    /// # Errors
    /// [`Void`] when what is shown does not belong to the header.
    pub fn verify_disclosure(header: Signed<BatchHeader>, disclosure: Disclosure) -> Result<Self, Void> {
        let count = header.content.count;
        let origin = header.content.origin_hash();
        let leaves: Vec<Leaf> = disclosure
            .clear
            .into_iter()
            .map(|(index, bytes)| Leaf {
                index,
                id: statement_id(&origin, &bytes),
                statement: Statement::parse(&bytes),
                bytes,
            })
            .collect();
        let leaf_hashes = match disclosure.rest {
            Rest::Proof(proof) if proof.is_empty() && leaves.iter().map(|leaf| leaf.index).eq(0..count) => {
                let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf.id).collect();
                expect_root(&merkle::root(&hashes), &header.content.root)?;
                Some(hashes)
            }
            Rest::Proof(proof) => {
                let shown: Vec<(u32, Hash)> = leaves.iter().map(|leaf| (leaf.index, leaf.id)).collect();
                merkle::multi_verify(count, &shown, &proof, &header.content.root)?;
                None
            }
            Rest::Leaves(hidden) => {
                let hashes = interleave(&leaves, hidden, count)?;
                expect_root(&merkle::root(&hashes), &header.content.root)?;
                Some(hashes)
            }
        };
        let Disclosure { not_here, on_request, .. } = disclosure;
        Ok(Self { header, leaves, leaf_hashes, not_here, on_request })
    }
}

fn expect_root(found: &Hash, signed: &Hash) -> Result<(), Void> {
    if found == signed {
        Ok(())
    } else {
        Err(Void::new("batch", "the statements do not lead to the signed root"))
    }
}

fn interleave(leaves: &[Leaf], hidden: Vec<Hash>, count: u32) -> Result<Vec<Hash>, Void> {
    if leaves.len() + hidden.len() != count as usize {
        return Err(Void::new(
            "Disclosure.leaf_hashes",
            "statements and leaf hashes are not as many as the batch",
        ));
    }
    let (mut shown, mut hidden) = (leaves.iter().peekable(), hidden.into_iter());
    (0..count)
        .map(|index| match shown.next_if(|leaf| leaf.index == index) {
            Some(leaf) => Ok(leaf.id),
            None => hidden.next().ok_or_else(|| Void::new("Disclosure", "a leaf is missing")),
        })
        .collect()
}

impl SignedBatch {
    /// Parses a submitted batch.
    ///
    /// # Errors
    /// [`Void`] when the header breaks a rule or the statements are too many or too large.
    pub fn parse(wire: wire::SubmittedBatch) -> Result<Self, Void> {
        let header = Signed::<BatchHeader>::parse(wire::Signed {
            body: wire.header,
            signature: wire.signature,
            second_signature: Bytes::new(),
        })?;
        check_sizes(&wire.statements)?;
        if wire.statements.len() != header.content.count as usize {
            return Err(Void::new(
                "SubmittedBatch.statements",
                format!("{} are here, the header counts {}", wire.statements.len(), header.content.count),
            ));
        }
        Ok(Self { header, statements: wire.statements })
    }

    /// Verifies signature and root.
    ///
    /// # Errors
    /// [`Void`] for the first check that fails.
    pub fn verify(self) -> Result<VerifiedBatch, Void> {
        VerifiedBatch::verify(self.header, Disclosure::whole(self.statements))
    }

    /// The wire form for submission.
    #[must_use]
    pub fn to_wire(&self) -> wire::SubmittedBatch {
        wire::SubmittedBatch {
            header: self.header.body.clone(),
            signature: self.header.signature.to_vec().into(),
            statements: self.statements.clone(),
            r#override: None,
        }
    }
}

#[cfg(test)]
mod tests;
