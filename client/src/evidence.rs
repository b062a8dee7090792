//! Evidence against an origin, kept in a file that anybody can check.

use std::path::{Path, PathBuf};

use serde::Serialize;

use almenara_proto::name::MemberName;

use crate::{context::Context, exit::CliError, files, follow::Evidence, pull::PullError};

/// The file's content: the notes as they came, and what connects them.
#[derive(Serialize)]
struct File<'a> {
    origin: &'a str,
    /// The log key that signed both, in hex.
    log_key: String,
    old: String,
    new: String,
    /// The root that the new tree has at the old size, in hex; nothing when the sizes are equal.
    prefix: Option<String>,
    /// The consistency proof (RFC 6962 §2.1.2) from there, in hex.
    proof: Vec<String>,
}

/// Writes it into `folder`; the same evidence is kept once.
///
/// # Errors
/// [`CliError`], when the file cannot be written.
pub fn keep(folder: &Path, origin: &MemberName, evidence: &Evidence) -> Result<PathBuf, CliError> {
    let note = |note: &[u8]| String::from_utf8_lossy(note).into_owned();
    let file = File {
        origin: origin.as_str(),
        log_key: data_encoding::HEXLOWER.encode(evidence.new.log_key()),
        old: note(evidence.old.note()),
        new: note(evidence.new.note()),
        prefix: evidence.prefix.map(|hash| hash.to_string()),
        proof: evidence.proof.iter().map(ToString::to_string).collect(),
    };
    let (old, new) = (evidence.old.checkpoint(), evidence.new.checkpoint());
    let path = folder.join(format!("{origin}-{}-{}.json", old.size, new.size));
    let text = serde_json::to_vec_pretty(&file).map_err(CliError::internal)?;
    let written = files::create_private_folder(folder).and_then(|()| files::replace_file(&path, &text));
    written.map_err(|error| CliError::file(&path, &error))?;
    Ok(path)
}

/// The error with which a log ends whose origin signed two histories: its evidence is kept first.
///
/// # Errors
/// As [`keep`].
pub fn quarantine(context: &Context, origin: &MemberName, error: PullError) -> Result<CliError, CliError> {
    let PullError::Follow { error: refused, .. } = &error else { return Ok(error.into()) };
    let Some(found) = refused.evidence() else { return Ok(error.into()) };
    let path = keep(&folder(context), origin, found)?;
    Ok(CliError::misbehaved(format_args!("{refused}; the evidence is in {}", path.display())))
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
    let paths = listed.map(|file| file.map(|file| file.path().display().to_string()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(|error| CliError::file(folder, &error))?;
    paths.sort_unstable();
    Ok(paths)
}
