//! Up to 4,096 statements under one signature (PROTOCOL.md §4), shown whole or in part.

mod disclosure;
mod seal;
#[cfg(test)]
mod tests;
mod verified;

use bytes::Bytes;
use prost::Message as _;

use crate::{
    blame::Void,
    field,
    keys::{Context, PublicKey, VerifyingKey},
    limits::{BATCH_BYTES, BATCH_STATEMENTS},
    merkle::{self, Hash},
    name::{MemberName, Publisher},
    signed::{Body, Signed},
    strict::{self, Table},
    wire,
};

pub use disclosure::{Disclosure, Rest, leaf_ranges};
pub use seal::{Author, seal, seal_encoded};
pub use verified::{Leaf, VerifiedBatch};

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
        let wire: wire::BatchHeader = field::message("BatchHeader", body)?;
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
            publisher: field::publisher_of(&member, &wire.publisher)?,
            federation: field::federation(wire.federation)?,
            member,
            key: field::key("BatchHeader.key", &wire.key)?,
            seq: wire.seq,
            roster: wire.roster,
            created_at: wire.created_at,
            count: wire.count,
            custodied: wire.custodied,
            root: hash("BatchHeader.root", &wire.root)?,
            anchor: match wire.anchor {
                None => None,
                Some(anchor) => Some(Anchor {
                    origin: field::line("Anchor.origin", anchor.origin)?,
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

/// A batch with all its statements, in leaf order.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedBatch {
    /// The signed header.
    pub header: Signed<BatchHeader>,
    /// The statements' bytes.
    pub statements: Vec<Bytes>,
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

    /// The same, with the header's key as [`VerifiedBatch::verify_under`] wants it.
    ///
    /// # Errors
    /// [`Void`] for the first check that fails.
    pub fn verify_under(self, key: &VerifyingKey) -> Result<VerifiedBatch, Void> {
        VerifiedBatch::verify_under(key, self.header, Disclosure::whole(self.statements))
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

fn check_sizes(statements: &[Bytes]) -> Result<(), Void> {
    let total: usize = statements.iter().map(Bytes::len).sum();
    if total > BATCH_BYTES {
        return Err(Void::new("batch", format!("{total} bytes of statements, over {BATCH_BYTES}")));
    }
    Ok(())
}
