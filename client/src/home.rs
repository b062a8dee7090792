//! Where the files of a person or platform are.

use std::path::{Path, PathBuf};

use crate::{config::Environment, exit::CliError};

/// A folder with `almenara.toml`, `keys/`, `tls/`, `rosters/` and `store/`. It need not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// The folder that was named.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// The folder that was named, or the default: the platform's config directory + `almenara`.
    ///
    /// # Errors
    /// [`CliError`] (usage), when none was named and the environment tells of no home directory.
    pub fn find(named: Option<PathBuf>, environment: &Environment) -> Result<Self, CliError> {
        named
            .or_else(|| environment.config_directory().map(|folder| folder.join("almenara")))
            .map(Self)
            .ok_or_else(|| {
                CliError::usage(
                    "there is no home directory to look in: give --home DIR, or set ALMENARA_HOME",
                )
            })
    }

    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// A path that a person wrote in the configuration: relative ones start here.
    #[must_use]
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.0.join(path)
    }

    /// `almenara.toml`.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.0.join("almenara.toml")
    }

    /// `keys/`: signing keys.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// `tls/`: the own leaf and its key.
    #[must_use]
    pub fn tls(&self) -> PathBuf {
        self.0.join("tls")
    }

    /// `rosters/`: the accepted chain.
    #[must_use]
    pub fn rosters(&self) -> PathBuf {
        self.0.join("rosters")
    }

    /// `unsettled/`: signed items of which a run that ended early does not know whether they are in the log.
    #[must_use]
    pub fn unsettled(&self) -> PathBuf {
        self.0.join("unsettled")
    }

    /// `store/`: what was pulled, one folder a member.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.0.join("store")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_home_wins_and_relative_paths_start_there() {
        let home = Home::find(Some("/srv/desk".into()), &Environment::default()).expect("named");
        assert_eq!(home.config(), Path::new("/srv/desk/almenara.toml"));
        assert_eq!(home.resolve(Path::new("tls/key.pem")), Path::new("/srv/desk/tls/key.pem"));
        assert_eq!(home.resolve(Path::new("/etc/key.pem")), Path::new("/etc/key.pem"));
        assert!(Home::find(None, &Environment::default()).is_err(), "nothing tells where");
    }
}
