//! Pieces of files that are checked when they are read: a length, a checksum, the bytes.
//!
//! The checksum is the beginning of SHA-256: damage is found as surely as a hash in the tree finds it, at a
//! speed that disks do not reach.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use almenara_proto::merkle::sha256;

use super::StoreError;

/// Bytes before each piece: 4 of length, little-endian, and 8 of checksum.
pub(super) const HEAD: usize = 12;

/// The largest piece in bytes: a log record is an entry (32 KiB) and what is shown of it, which came in one
/// message of 4 MiB; files of facts about millions of withdrawals stay below it too.
const LARGEST: u32 = 1 << 30;

/// The first 8 bytes of SHA-256.
pub(super) fn checksum(bytes: &[u8]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = sha256(&[bytes]).0;
    [a, b, c, d, e, f, g, h]
}

/// Appends a piece to `out`.
pub(super) fn push(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    write(out);
    let body = out.get(start + HEAD..).unwrap_or_default();
    let (length, sum) = (u32::try_from(body.len()).unwrap_or(u32::MAX), checksum(body));
    if let Some(head) = out.get_mut(start..start + HEAD) {
        let (first, second) = head.split_at_mut(4);
        first.copy_from_slice(&length.to_le_bytes());
        second.copy_from_slice(&sum);
    }
}

/// Reads the next piece of `file`, which stands at `offset` of `path`, into `body`.
pub(super) fn read(
    file: &mut impl io::Read,
    path: &Path,
    offset: u64,
    body: &mut Vec<u8>,
) -> Result<(), StoreError> {
    let mut head = [0; HEAD];
    let exact = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => StoreError::damaged(path, offset, "the file ends within a piece"),
        _ => StoreError::File { path: path.to_owned(), error },
    };
    file.read_exact(&mut head).map_err(exact)?;
    let [a, b, c, d, sum @ ..] = head;
    let length = u32::from_le_bytes([a, b, c, d]);
    if length > LARGEST {
        return Err(StoreError::damaged(path, offset, format!("a piece of {length} bytes is none of ours")));
    }
    body.clear();
    // Grows with what is there, not with what the length claims.
    let found = file.take(u64::from(length)).read_to_end(body).map_err(exact)?;
    if found != length as usize {
        return Err(StoreError::damaged(path, offset, "the file ends within a piece"));
    }
    if checksum(body) != sum {
        return Err(StoreError::damaged(path, offset, "the checksum does not fit the bytes"));
    }
    Ok(())
}

/// Reads the piece at `offset` of a file that is opened for it: no file stays open between two reads, however
/// many there are.
pub(super) fn read_at(path: &Path, offset: u64, body: &mut Vec<u8>) -> Result<(), StoreError> {
    let mut file = File::open(path).map_err(StoreError::replaceable(path))?;
    file.seek(SeekFrom::Start(offset)).map_err(StoreError::file(path))?;
    read(&mut file, path, offset, body)
}

/// Writes a file of one piece, in one step and durably.
pub(super) fn replace(path: &Path, body: &[u8]) -> Result<(), StoreError> {
    let mut bytes = Vec::with_capacity(HEAD + body.len());
    push(&mut bytes, |out| out.extend_from_slice(body));
    crate::files::replace_file(path, &bytes).map_err(StoreError::file(path))
}
