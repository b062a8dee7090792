//! A file is replaced by a whole new one, or stays as it was.
//!
//! Readers of a blocklist reload it whenever it changes, so they must never meet half of one, and an empty one means
//! that nothing is blocked any more. Steps, and what a crash after each means:
//!
//! 1. a temporary file in the same directory: the old file is untouched
//! 2. all content into it, then fsync: the same
//! 3. rename over the old one: readers see the new file, whole
//! 4. fsync of the directory: the rename survives a power loss

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use super::{ExportError, ExportItem, Format, Summary, export};

/// Why a file was not replaced. The old one is as it was, but for `Directory`.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError<E> {
    /// The list.
    #[error(transparent)]
    Export(#[from] ExportError<E>),
    /// Nothing would stand in it.
    #[error(
        "nothing is left to write, so {} stays as it was; an empty list stops all blocking: \
         --allow-empty writes it nevertheless",
        path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
        /// What was left out, and why.
        summary: Box<Summary>,
    },
    /// The file system.
    #[error("{} was not replaced: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The new file is in place, but a power loss might still bring the old one back.
    #[error("{} is replaced, but its directory cannot be synced: {source}", path.display())]
    Directory {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes `items` into the file at `path`. A link is followed: its target is replaced.
///
/// # Errors
/// [`ReplaceError`].
pub fn replace<E>(
    path: &Path,
    format: &Format,
    items: impl IntoIterator<Item = Result<ExportItem, E>>,
    allow_empty: bool,
) -> Result<Summary, ReplaceError<E>> {
    let failed = |source| ReplaceError::File { path: path.to_owned(), source };
    // Only a file that is not there yet has no canonical path; any other failure shows below.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = match target.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut file = tempfile::Builder::new().prefix(".almenara-").tempfile_in(&directory).map_err(failed)?;
    let summary = {
        let mut out = io::BufWriter::new(file.as_file_mut());
        let summary = export(format, items, &mut out)?;
        out.flush().map_err(failed)?;
        summary
    };
    if summary.written == 0 && !allow_empty {
        return Err(ReplaceError::Empty { path: path.to_owned(), summary: Box::new(summary) });
    }
    permissions(file.as_file(), &target).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&target).map_err(|error| failed(error.error))?;
    sync(&directory).map_err(|source| ReplaceError::Directory { path: path.to_owned(), source })?;
    Ok(summary)
}

/// As the old file's; a new one may be read by everybody, for resolvers run under their own user.
fn permissions(file: &fs::File, target: &Path) -> io::Result<()> {
    match fs::metadata(target) {
        Ok(old) => file.set_permissions(old.permissions()),
        Err(_) => readable(file),
    }
}

#[cfg(unix)]
fn readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &fs::File) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn sync(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}
