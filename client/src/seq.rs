//! The numbers that a key's batches and withdrawals bear: they rise strictly for each key (PROTOCOL.md §4), also
//! when the clock jumps back.

use std::{
    fs::OpenOptions,
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use crate::exit::CliError;

/// Where the last number used with a key stands: `keys/desk.pem` → `keys/desk.seq`.
#[must_use]
pub fn path_of(key: &Path) -> PathBuf {
    key.with_extension("seq")
}

/// Draws the next number of the key in file `key`: the greater of `now` (Unix seconds) in microseconds and the
/// last number + 1. It is durable before it is used: two processes, or a crash between, never use one twice.
///
/// # Errors
/// [`CliError`], when the file cannot be read or written, or holds no number.
pub fn next(key: &Path, now: u64) -> Result<u64, CliError> {
    let path = path_of(key);
    draw(&path, now).map_err(|error| CliError::file(&path, &error))
}

fn draw(path: &Path, now: u64) -> io::Result<u64> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    file.lock()?; // until the file is dropped
    let mut text = String::new();
    (&file).take(64).read_to_string(&mut text)?;
    let last = match text.trim() {
        "" => 0,
        digits => digits.parse::<u64>().map_err(|_| {
            io::Error::other(
                "it holds no number: write the last seq that this key used into it (see `almenara status`)",
            )
        })?,
    };
    let next = last
        .checked_add(1)
        .ok_or_else(|| io::Error::other("the key has used its last number: make a new key"))?
        .max(now.saturating_mul(1_000_000));
    // Always 21 bytes, so that an overwrite never leaves digits of the old number behind.
    file.rewind()?;
    file.write_all(format!("{next:020}\n").as_bytes())?;
    file.sync_all()?;
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_even_when_the_clock_jumps_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("desk.pem");
        let drawn: Vec<u64> =
            [10, 10, 5, 11].into_iter().map(|now| next(&key, now).expect("drawn")).collect();
        assert_eq!(drawn, [10_000_000, 10_000_001, 10_000_002, 11_000_000]);
    }

    #[test]
    fn two_at_once_never_draw_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("desk.pem");
        let draw = || {
            std::thread::spawn({
                let key = key.clone();
                move || (0..50).map(|_| next(&key, 1).expect("drawn")).collect::<Vec<_>>()
            })
        };
        let (one, two) = (draw(), draw());
        let mut all = [one.join().expect("ran"), two.join().expect("ran")].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 100);
    }

    #[test]
    fn a_file_without_a_number_stops_signing() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("desk.pem");
        for text in ["x", "-1", "18446744073709551615"] {
            std::fs::write(path_of(&key), text).expect("written");
            let error = next(&key, 1).expect_err("refused").to_string();
            assert!(error.contains("desk.seq"), "{error}");
        }
    }
}
