//! What a root key signed of rosters: two bodies of one version are two futures, and evidence against whoever signed both
//! (PROTOCOL.md §7). A machine that is never online knows of no accepted version, so the memory stands beside the key:
//! `keys/root.pem` → `keys/root.votes`, a line `version hash` for each signature, oldest first.

use std::{
    fs::OpenOptions,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use almenara_proto::merkle::Hash;

use crate::exit::CliError;

/// Where the memory of a key stands.
#[must_use]
pub fn path_of(key: &Path) -> PathBuf {
    key.with_extension("votes")
}

/// The largest memory that is read, in bytes: more versions than a federation has in a century of weekly ones.
const MAX_FILE: u64 = 1 << 20;

/// What the key in file `key` signed last of a version; nothing when it signed none here.
///
/// # Errors
/// [`CliError`], when the memory cannot be read: then nothing may be signed.
pub fn last(key: &Path, version: u64) -> Result<Option<Hash>, CliError> {
    let path = path_of(key);
    let read = || -> io::Result<Option<Hash>> {
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        if file.take(MAX_FILE + 1).read_to_string(&mut text)? as u64 > MAX_FILE {
            return Err(io::Error::other(format!("over {MAX_FILE} bytes: this is no memory of signatures")));
        }
        let mut last = None;
        for (number, line) in (1usize..).zip(text.lines()) {
            let (signed, hash) = parse(line).ok_or_else(|| {
                io::Error::other(format!(
                    "line {number} is no version with a hash: take it out, if you know it"
                ))
            })?;
            last = if signed == version { Some(hash) } else { last };
        }
        Ok(last)
    };
    read().map_err(|error| CliError::file(&path, &error))
}

fn parse(line: &str) -> Option<(u64, Hash)> {
    let (version, hash) = line.split_once(' ')?;
    Some((version.parse().ok()?, hash.parse().ok()?))
}

/// Remembers a signature, durably: before it is made, so that a crash between leaves no signature that nobody knows of.
///
/// # Errors
/// [`CliError`], when it cannot be written: then nothing may be signed.
pub fn remember(key: &Path, version: u64, hash: &Hash) -> Result<(), CliError> {
    let path = path_of(key);
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
        file.lock()?; // until the file is dropped
        file.write_all(format!("{version} {hash}\n").as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| CliError::file(&path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_signature_of_a_version_is_remembered() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("root.pem");
        assert_eq!(last(&key, 2), Ok(None));
        for (version, byte) in [(2, 1), (3, 2), (2, 3)] {
            remember(&key, version, &Hash([byte; 32])).expect("written");
        }
        assert_eq!(last(&key, 2), Ok(Some(Hash([3; 32]))));
        assert_eq!(last(&key, 3), Ok(Some(Hash([2; 32]))));
        assert_eq!(last(&key, 4), Ok(None));
    }

    #[test]
    fn a_memory_that_cannot_be_read_stops_signing() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("root.pem");
        for text in ["2", "2 abc\n", "x 00\n", "\n"] {
            std::fs::write(path_of(&key), text).expect("written");
            let error = last(&key, 2).expect_err("refused").to_string();
            assert!(error.contains("root.votes") && error.contains("line 1"), "{error}");
        }
    }
}
