//! Files of signed items on their way to a node: what `sign`, `grant`, `revoke` and `withdraw` write offline, and
//! `submit` sends.
//!
//! `PublishRequest` messages one after another, each after its length as a varint.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use almenara_proto::{
    limits::MESSAGE_BYTES,
    wire::{self, PublishRequest},
};
use prost::Message as _;

use crate::{
    exit::CliError,
    files::{self, Growing},
};

/// Writes a new file of signed items, durably.
///
/// # Errors
/// [`CliError`], when it cannot be written; a file that exists is not overwritten.
pub fn write(path: &Path, items: &[PublishRequest]) -> Result<(), CliError> {
    let bytes: Vec<u8> = items.iter().flat_map(PublishRequest::encode_length_delimited_to_vec).collect();
    files::create_file(path, &bytes).map_err(|error| CliError::file(path, &error))
}

/// A new file of signed items that is written one by one, and appears whole or not at all.
#[derive(Debug)]
pub struct Writer {
    file: Growing,
    items: u64,
}

impl Writer {
    /// Begins the file at `path`.
    ///
    /// # Errors
    /// [`CliError`], when it cannot be written.
    pub fn begin(path: &Path) -> Result<Self, CliError> {
        let file = Growing::begin(path).map_err(|error| CliError::file(path, &error))?;
        Ok(Self { file, items: 0 })
    }

    /// Adds an item.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn push(&mut self, item: &PublishRequest) -> Result<(), CliError> {
        self.items = self.items.saturating_add(1);
        let written = std::io::Write::write_all(&mut self.file, &item.encode_length_delimited_to_vec());
        written.map_err(|error| CliError::file(self.file.path(), &error))
    }

    /// Puts it in place, durably, and answers how many items it holds.
    ///
    /// # Errors
    /// As [`Self::begin`]; a file that exists is not overwritten.
    pub fn finish(self) -> Result<u64, CliError> {
        let path = self.file.path().to_owned();
        self.file.finish(false).map_err(|error| CliError::file(&path, &error))?;
        Ok(self.items)
    }
}

/// Reads a file of signed items one by one, so that its length does not matter.
///
/// # Errors
/// [`CliError`], when it cannot be opened; each item is an error of its own when it cannot be parsed, and the
/// last one then.
pub fn read(
    path: &Path,
) -> Result<impl Iterator<Item = Result<PublishRequest, CliError>> + Send + use<>, CliError> {
    let file = File::open(path).map_err(|error| CliError::file(path, &error))?;
    let path = path.to_owned();
    Ok(Items { reader: BufReader::new(file), number: 0, over: false }
        .map(move |item| item.map_err(|error: CliError| error.at(path.display()))))
}

/// The item that holds a signed key grant.
#[must_use]
pub fn key_grant(signed: wire::Signed) -> PublishRequest {
    PublishRequest { item: Some(wire::publish_request::Item::KeyGrant(signed)) }
}

/// The item that holds a signed key revocation.
#[must_use]
pub fn key_revocation(signed: wire::Signed) -> PublishRequest {
    PublishRequest { item: Some(wire::publish_request::Item::KeyRevocation(signed)) }
}

struct Items<R> {
    reader: R,
    /// Of the item that is read, from 1.
    number: u64,
    over: bool,
}

impl<R: BufRead> Items<R> {
    fn item(&mut self) -> Result<Option<PublishRequest>, String> {
        let Some(length) = self.length()? else { return Ok(None) };
        if length > MESSAGE_BYTES as u64 {
            return Err(format!("{length} bytes, over {MESSAGE_BYTES}: this is no file of signed items"));
        }
        let mut bytes = Vec::new();
        let read = std::io::Read::take(&mut self.reader, length);
        let read = {
            let mut read = read;
            std::io::Read::read_to_end(&mut read, &mut bytes)
        };
        if read.map_err(|error| error.to_string())? as u64 != length {
            return Err("the file ends in the middle of it".to_owned());
        }
        PublishRequest::decode(bytes::Bytes::from(bytes)).map(Some).map_err(|error| error.to_string())
    }

    /// The varint before an item; nothing at the end of the file.
    fn length(&mut self) -> Result<Option<u64>, String> {
        let mut length = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let mut byte = [0u8];
            let read = std::io::Read::read(&mut self.reader, &mut byte).map_err(|error| error.to_string())?;
            match (read, shift) {
                (0, 0) => return Ok(None),
                (0, _) => return Err("the file ends in the middle of its length".to_owned()),
                _ => {}
            }
            length |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok(Some(length));
            }
        }
        Err("its length is none: this is no file of signed items".to_owned())
    }
}

impl<R: BufRead> Iterator for Items<R> {
    type Item = Result<PublishRequest, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        self.number = self.number.saturating_add(1);
        let item = self.item().map_err(|reason| CliError::usage(format!("item {}: {reason}", self.number)));
        self.over = !matches!(item, Ok(Some(_)));
        item.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(seed: u8) -> PublishRequest {
        key_grant(wire::Signed { body: vec![seed; 300].into(), ..wire::Signed::default() })
    }

    /// Reads the bytes of a file of two items after `change`; how many came before an error, and the error.
    fn check(change: impl FnOnce(&mut Vec<u8>), good: usize, error: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("two.signed");
        write(&path, &[item(1), item(2)]).expect("written");
        let mut bytes = std::fs::read(&path).expect("read");
        change(&mut bytes);
        std::fs::write(&path, bytes).expect("written");
        let items: Vec<_> = read(&path).expect("opened").collect();
        assert_eq!(items.iter().filter(|item| item.is_ok()).count(), good);
        let found =
            items.into_iter().find_map(Result::err).map(|error| error.to_string()).unwrap_or_default();
        assert!(found.contains(error) && (error.is_empty() || found.contains("two.signed")), "{found}");
    }

    #[test]
    fn items_come_back_in_order_and_a_damaged_file_says_where() {
        check(|_| (), 2, "");
        check(Vec::clear, 0, "");
        check(
            |bytes| {
                bytes.pop();
            },
            1,
            "item 2: the file ends in the middle of it",
        );
        check(|bytes| bytes.push(0x80), 2, "item 3: the file ends in the middle of its length");
        check(|bytes| bytes.extend([0xff; 5]), 2, "item 3: its length is none");
        check(|bytes| bytes.extend([0xff, 0xff, 0xff, 0x7f]), 2, "item 3: 268435455 bytes, over");
    }

    #[test]
    fn a_file_of_signed_items_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("one.signed");
        write(&path, &[item(1)]).expect("written");
        assert_eq!(write(&path, &[item(2)]).expect_err("refused").exit().code(), 2);
        let back: Result<Vec<_>, _> = read(&path).expect("opened").collect();
        assert_eq!(back.expect("read"), [item(1)]);
    }
}
