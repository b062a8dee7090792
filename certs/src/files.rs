//! Private keys on disk: nobody but their owner may read them, and none is overwritten by mistake.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The largest key file that is read, in bytes: a chain of a few certificates and a key fit many times over.
const MAX_FILE: u64 = 256 * 1024;

/// Why a private file could not be written or read. Blame: the person at the machine.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is a file already, and keys are not overwritten.
    #[error("{} exists already and a key is never overwritten: move it away first, or choose another path", .0.display())]
    Exists(PathBuf),
    /// Others may read the key.
    #[error("{} may be read by others (mode {mode:04o}): run `chmod 600 {}`, and replace the key if others had access", path.display(), path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is far too large to be a key.
    #[error("{} is larger than {MAX_FILE} bytes, so it is no PEM file of ours: check the path", .0.display())]
    TooLarge(PathBuf),
    /// The operating system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
}

/// Writes a new file that only its owner may read (mode 0600), durably.
///
/// # Errors
/// [`FileError::Exists`] if there is a file already; [`FileError::Io`] if the system refuses.
pub fn write_private(path: &Path, pem: &str) -> Result<(), FileError> {
    let mut file = create_private(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => FileError::Exists(path.to_owned()),
        _ => io_error(path, error),
    })?;
    file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| io_error(path, error))
}

/// Replaces a private file in one step, as a renewal must: a reader sees the old one or the new one, whole.
///
/// # Errors
/// [`FileError::Io`] if the system refuses; the old file is then untouched.
pub fn replace_private(path: &Path, pem: &str) -> Result<(), FileError> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(&new, error)),
        _ => {} // none was there, or a renewal that died half-way left it
    }
    write_private(&new, pem)?;
    std::fs::rename(&new, path).map_err(|error| io_error(path, error))
}

/// Reads a private file, if nobody but its owner may.
///
/// # Errors
/// [`FileError::TooOpen`] with the command that mends it; [`FileError::TooLarge`]; [`FileError::Io`].
pub fn read_private(path: &Path) -> Result<String, FileError> {
    let file = File::open(path).map_err(|error| io_error(path, error))?;
    refuse_if_open_to_others(path, &file)?;
    let mut pem = String::new();
    let read = file.take(MAX_FILE + 1).read_to_string(&mut pem).map_err(|error| io_error(path, error))?;
    if read as u64 > MAX_FILE {
        return Err(FileError::TooLarge(path.to_owned()));
    }
    Ok(pem)
}

fn io_error(path: &Path, error: io::Error) -> FileError {
    FileError::Io { path: path.to_owned(), error }
}

#[cfg(unix)]
fn create_private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Asks the open file, not the path, so that it cannot be exchanged in between.
#[cfg(unix)]
fn refuse_if_open_to_others(path: &Path, file: &File) -> Result<(), FileError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata().map_err(|error| io_error(path, error))?.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(FileError::TooOpen { path: path.to_owned(), mode }) }
}

#[cfg(not(unix))]
fn refuse_if_open_to_others(_: &Path, _: &File) -> Result<(), FileError> {
    Ok(()) // no permission bits: the folder's access list decides
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_written_for_its_owner_only_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        write_private(&path, "first").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(write_private(&path, "second"), Err(FileError::Exists(_))));
        assert_eq!(read_private(&path).unwrap(), "first");
    }

    #[test]
    fn a_key_that_others_may_read_is_refused_with_the_command_that_mends_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        write_private(&path, "key").unwrap();
        for mode in [0o644, 0o640, 0o602, 0o660] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = read_private(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("chmod 600 {}", path.display())), "{error}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        assert_eq!(read_private(&path).unwrap(), "key");
    }

    #[test]
    fn a_renewal_replaces_a_key_whole_even_after_one_that_died() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        write_private(&path, "old").unwrap();
        std::fs::write(folder.path().join("node.key.new"), "ha").unwrap();
        replace_private(&path, "new").unwrap();
        assert_eq!(read_private(&path).unwrap(), "new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_too_large_for_a_key_is_not_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        write_private(&path, &"x".repeat(300 * 1024)).unwrap();
        assert!(matches!(read_private(&path), Err(FileError::TooLarge(_))));
    }
}
