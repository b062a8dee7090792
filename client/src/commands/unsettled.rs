//! What a run left behind that ended before the node had answered everything: signed items, in `unsettled/` of the home.
//! They go first, for a key's numbers rise along the log: what is signed later would overtake them, and the node would
//! refuse them then.

use std::{fs, io, path::PathBuf};

use crate::{context::Context, exit::CliError, files};

/// Files that one second may leave behind; nobody starts more runs than that.
const IN_A_SECOND: u32 = 1_000;

/// The files, oldest first.
pub(super) fn files(context: &Context) -> Result<Vec<PathBuf>, CliError> {
    let folder = context.home.unsettled();
    let unreadable = |error: io::Error| CliError::file(&folder, &error);
    let listed = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(unreadable)?,
    };
    let mut found = Vec::new();
    for file in listed {
        let path = file.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "signed") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Where the next one goes.
pub(super) fn place(context: &Context) -> Result<PathBuf, CliError> {
    let folder = context.home.unsettled();
    files::create_private_folder(&folder).map_err(|error| CliError::file(&folder, &error))?;
    // Names sort as they were made: ten digits last until the year 2286.
    let mut names = (0..IN_A_SECOND).map(|n| folder.join(format!("{:010}-{n:03}.signed", context.now())));
    names
        .find(|path| !path.exists())
        .ok_or_else(|| CliError::internal("too many unsettled files in one second"))
}
