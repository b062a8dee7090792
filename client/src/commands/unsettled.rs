//! What a run left behind that ended before the node had answered everything: signed items, in `unsettled/` of the home.
//! They go first, for a key's numbers rise along the log: what is signed later would overtake them, and the node would
//! refuse them then.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    send::{self, OwnNode, Sending},
    submit,
};
use crate::{
    context::Context,
    exit::{CliError, Outcome},
    files,
};

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

/// Sends them, oldest first. What the node then has answered is no longer unsettled: the file goes, or, where something of
/// it was refused, is set aside.
pub(super) async fn settle(node: &OwnNode, context: &Context) -> Result<(), CliError> {
    for path in files(context)? {
        context.output.note(format_args!("First what an earlier run left: {}", path.display()));
        let feed = submit::feed(vec![path.clone()])?;
        let sending = Sending { feed, total: 0, refused: None, keep: false };
        let outcome = send::send(sending, node, context).await.map_err(|error| error.at(path.display()))?;
        put_away(&path, outcome, context)?;
    }
    Ok(())
}

fn put_away(path: &Path, outcome: Outcome, context: &Context) -> Result<(), CliError> {
    let done = match outcome {
        Outcome::Done => fs::remove_file(path),
        Outcome::No => {
            let aside = path.with_extension("refused");
            context
                .output
                .warn(format_args!("the node refused some of it; the file is now {}", aside.display()));
            fs::rename(path, aside)
        }
    };
    done.map_err(|error| CliError::file(path, &error))
}
