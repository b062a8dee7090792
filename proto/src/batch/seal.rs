//! Signing a batch.

use bytes::Bytes;

use super::{BatchHeader, SignedBatch, check_sizes, statement_id};
use crate::{
    blame::Void,
    keys::{PublicKey, SigningKey},
    limits::BATCH_STATEMENTS,
    merkle::{self, Hash},
    name::{MemberName, Publisher},
    signed::Signed,
    statement::Statement,
};

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
