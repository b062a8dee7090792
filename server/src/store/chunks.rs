//! Payloads, sixteen statements a row: one row each costs three times the inserts, one row a batch makes a lookup read
//! 400 KB.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::rows::Row;

/// Statements in one row of `payloads`. See the schema.
pub const CHUNK: u32 = 16;

/// A statement in its batch: leaf, bytes, index key (nothing when it is void).
pub type Stored = (u32, Bytes, Option<u64>);

/// Statements of an entry as rows of `payloads`, each with the place of its first leaf.
pub(super) fn chunks(first: i64, statements: &[Stored]) -> impl Iterator<Item = (i64, &[Stored])> {
    let chunks = statements.chunk_by(|a, b| a.0 / CHUNK == b.0 / CHUNK);
    chunks.filter_map(move |chunk| {
        let (leaf, ..) = chunk.first()?;
        Some((first | i64::from(leaf - leaf % CHUNK), chunk))
    })
}

pub(super) fn chunk(row: &mut Row<'_>, (place, statements): (i64, &[Stored])) {
    row.number(place).bytes(&encode_chunk(statements));
}

/// Statements of one chunk: for each of its leaves a little-endian u16 length (0: not here), then the bytes. A
/// statement has at most 16 KiB.
pub(super) fn encode_chunk(statements: &[Stored]) -> Vec<u8> {
    let size: usize = statements.iter().map(|(_, bytes, _)| bytes.len().saturating_add(2)).sum();
    let mut out = BytesMut::with_capacity(size.saturating_add(2 * CHUNK as usize));
    let mut next = 0;
    for (leaf, bytes, _) in statements {
        let slot = leaf % CHUNK;
        (next..slot).for_each(|_| out.put_u16_le(0));
        out.put_u16_le(u16::try_from(bytes.len()).unwrap_or(0));
        out.put_slice(bytes);
        next = slot.saturating_add(1);
    }
    out.into()
}

/// The statements of a chunk that are wanted, with their slots. Nothing is counted or copied for the others: a lookup
/// wants one of them.
pub(super) fn decode_chunk(bytes: Vec<u8>, mut wanted: impl FnMut(u32) -> bool) -> Vec<(u32, Bytes)> {
    let bytes = Bytes::from(bytes);
    let mut out = Vec::new();
    let mut at = 0usize;
    for slot in 0..CHUNK {
        let length = bytes.get(at..).and_then(|rest| rest.first_chunk::<2>());
        let Some(length) = length.map(|length| usize::from(u16::from_le_bytes(*length))) else { break };
        let from = at.saturating_add(2);
        at = from.saturating_add(length);
        if at > bytes.len() {
            break;
        }
        if length > 0 && wanted(slot) {
            out.push((slot, bytes.slice(from..at)));
        }
    }
    out
}
