//! Evidence, kept in files that anybody can check (PROTOCOL.md §10): `evidence/*.evidence` of the home.

use std::path::{Path, PathBuf};

use almenara_proto::{
    evidence::{Equivocation, Evidence},
    limits::EVIDENCE_BYTES,
};

use crate::{context::Context, exit::CliError, files, store::Store};

/// How the files' names end.
const EXTENSION: &str = "evidence";

/// Writes proof against a log into `folder`; the same is kept once.
///
/// # Errors
/// [`CliError`], when the file cannot be written.
pub fn keep(folder: &Path, found: &Equivocation) -> Result<PathBuf, CliError> {
    let size = |note: &almenara_proto::checkpoint::SignedCheckpoint| note.checkpoint().size;
    let (old, new) = (size(found.earlier()), size(found.later()));
    let path = folder.join(format!("{}-{old}-{new}.{EXTENSION}", found.member()));
    let written = files::create_private_folder(folder)
        .and_then(|()| files::replace_file(&path, &found.to_evidence().encode()));
    written.map_err(|error| CliError::file(&path, &error))?;
    Ok(path)
}

/// Reads a file; what it proves is another question.
///
/// # Errors
/// [`CliError`], when it cannot be read or is no evidence.
pub fn read(path: &Path) -> Result<Evidence, CliError> {
    let unreadable = |error| CliError::file(path, &error);
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > EVIDENCE_BYTES as u64 {
        return Err(CliError::usage(format!("{size} bytes: this is no file of evidence")).at(path.display()));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    Evidence::parse(&bytes).map_err(|void| CliError::from(void).at(path.display()))
}

/// Ends a log whose key signed two histories: the proof is kept as a file, and in the store, where nothing from there on
/// counts any more. Gives what to tell.
///
/// # Errors
/// [`CliError`], when either cannot be written.
pub fn quarantine(context: &Context, store: &mut Store, found: &Equivocation) -> Result<CliError, CliError> {
    let path = keep(&folder(context), found)?;
    let replica = store.replica_mut(found.member())?;
    replica.quarantine(found);
    replica.commit()?;
    Ok(CliError::misbehaved(format_args!(
        "log of {}: {found}; the evidence is in {}, and `almenara evidence verify` checks it",
        found.member(),
        path.display()
    )))
}

/// Where evidence is kept.
#[must_use]
pub fn folder(context: &Context) -> PathBuf {
    context.home.folder().join("evidence")
}

/// The files of evidence in `folder`, by name.
///
/// # Errors
/// [`CliError`], when the folder cannot be read.
pub fn kept(folder: &Path) -> Result<Vec<String>, CliError> {
    let listed = match std::fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(CliError::file(folder, &error)),
    };
    let paths = listed.map(|file| file.map(|file| file.path()));
    let mut paths =
        paths.collect::<Result<Vec<PathBuf>, _>>().map_err(|error| CliError::file(folder, &error))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
    paths.sort_unstable();
    Ok(paths.iter().map(|path| path.display().to_string()).collect())
}
