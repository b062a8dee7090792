//! Files that are written whole or not at all, and folders of one's own.
//!
//! Private keys are the business of `almenara_certs` (`write_private`, `read_private`).

use std::{
    io,
    path::{Path, PathBuf},
};

/// Makes a folder, and those above it, that only its owner may enter (mode 0700); one that exists is left as
/// it is.
///
/// # Errors
/// The system's reason.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Writes a whole file in one step, durably: a reader sees the old one or the new one, and a crash leaves one of
/// them.
///
/// # Errors
/// The system's reason; the old file is then untouched.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = parent(path);
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, bytes)?;
    readable_by_all(file.as_file())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// Writes a new file in one step, durably.
///
/// # Errors
/// `AlreadyExists` when there is one, which is then untouched; the system's reason otherwise.
pub fn create_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = parent(path);
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, bytes)?;
    readable_by_all(file.as_file())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// A file that is written piece by piece, and appears whole or not at all. Dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct Growing {
    file: io::BufWriter<tempfile::NamedTempFile>,
    path: PathBuf,
}

impl Growing {
    /// Begins a file that will stand at `path`.
    ///
    /// # Errors
    /// The system's reason.
    pub fn begin(path: &Path) -> io::Result<Self> {
        let file = tempfile::NamedTempFile::new_in(parent(path))?;
        Ok(Self { file: io::BufWriter::new(file), path: path.to_owned() })
    }

    /// Where it will stand.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in place, durably; `over` says whether a file that stands there is replaced.
    ///
    /// # Errors
    /// `AlreadyExists`, or the system's reason; what stands there is then untouched.
    pub fn finish(self, over: bool) -> io::Result<()> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        readable_by_all(file.as_file())?;
        file.as_file().sync_all()?;
        let placed = if over { file.persist(&self.path) } else { file.persist_noclobber(&self.path) };
        placed.map_err(|error| error.error)?;
        sync_folder(parent(&self.path))
    }
}

impl io::Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Temporary files begin with mode 0600; what is written here is no secret.
#[cfg(unix)]
fn readable_by_all(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_all(_: &std::fs::File) -> io::Result<()> {
    Ok(())
}

/// A rename is durable only when its folder is.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(()) // such systems do not open folders as files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_created_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        create_file(&path, b"first").expect("created");
        let again = create_file(&path, b"second").expect_err("exists");
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).expect("read"), b"first");
        replace_file(&path, b"third").expect("replaced");
        assert_eq!(std::fs::read(&path).expect("read"), b"third");
        assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 1, "nothing is left behind");
    }
}
