//! What can go wrong with files that nobody else should touch.

use std::{
    io,
    path::{Path, PathBuf},
};

use almenara_proto::blame::Blame;

use crate::exit::CliError;

/// Why the local store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refuses.
    #[error("{}: {error}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// What was written is not what is read.
    #[error(
        "{}: damaged at byte {offset}: {why}; delete {} and run `almenara pull`, which fetches and verifies it again",
        path.display(), folder(path).display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        why: String,
    },
    /// Another process writes to it.
    #[error(
        "{} is in use: another `almenara pull` or `almenara watch` writes to it; wait until it ends, or stop it",
        folder.display()
    )]
    Locked {
        /// The store.
        folder: PathBuf,
    },
    /// Files of another federation.
    #[error("{} holds logs of {found}, not of {required}: give another --home, or delete it", path.display())]
    Federation {
        /// The state file that says so.
        path: PathBuf,
        /// What it says.
        found: String,
        /// The configured one.
        required: String,
    },
    /// Entries were pulled with other wishes.
    #[error(
        "{} was pulled with another choice of statements: what was left out then is not fetched again; \
         give the same choice, or delete it and run `almenara pull`",
        folder.display()
    )]
    Filter {
        /// The replica.
        folder: PathBuf,
    },
    /// A file went away while it was read.
    #[error("{}: replaced by another process while it was read; run the command again", path.display())]
    Moved {
        /// The file.
        path: PathBuf,
    },
}

impl StoreError {
    /// Whose fault it is: damage is somebody's misbehaviour until the opposite is shown.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::File { .. } | Self::Locked { .. } | Self::Moved { .. } => Blame::Unavailable,
            Self::Damaged { .. } => Blame::Misbehaved,
            Self::Federation { .. } | Self::Filter { .. } => Blame::Malformed,
        }
    }

    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::File { path, error }
    }

    /// For files that another process may replace: one that is gone is no damage.
    pub(super) fn replaceable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| match error.kind() {
            io::ErrorKind::NotFound => Self::Moved { path },
            _ => Self::File { path, error },
        }
    }

    pub(super) fn damaged(path: &Path, offset: u64, why: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), offset, why: why.into() }
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::File { path, error } => Self::file(path, error),
            _ => Self::new(error.blame(), error),
        }
    }
}

/// The folder of the replica that a file belongs to.
fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}
