//! Where the files of a node are.

use std::path::{Path, PathBuf};

use almenara_client::{config::Environment, exit::CliError};

/// A folder with `almenarad.toml`, `keys/`, `tls/`, `rosters/`, `store/` and `safeguards/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeHome {
    folder: PathBuf,
    config: PathBuf,
}

impl NodeHome {
    /// The folder that was named, or that of the configuration that was named, or the platform's config directory
    /// + `almenarad`.
    ///
    /// # Errors
    /// [`CliError`] (usage), when nothing tells where.
    pub fn find(
        folder: Option<PathBuf>,
        config: Option<PathBuf>,
        environment: &Environment,
    ) -> Result<Self, CliError> {
        let beside = || config.as_deref().map(|config| config.parent().unwrap_or(Path::new("")).to_owned());
        let default = || environment.config_directory().map(|folder| folder.join("almenarad"));
        let folder = folder.or_else(beside).or_else(default).ok_or_else(|| {
            CliError::usage("there is no home directory to look in: give --home DIR, or set ALMENARAD_HOME")
        })?;
        // Paths are handed to the database and shown in commands to copy: they must not depend on where one stands.
        let folder = std::path::absolute(&folder).map_err(|error| CliError::file(&folder, &error))?;
        let config = config.unwrap_or_else(|| folder.join("almenarad.toml"));
        Ok(Self { folder, config })
    }

    /// The folder itself; relative paths of the configuration start here.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// `almenarad.toml`, or what `--config` named.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// `keys/<name>`.
    #[must_use]
    pub fn key(&self, name: &str) -> PathBuf {
        self.folder.join("keys").join(name)
    }

    /// `tls/<name>`.
    #[must_use]
    pub fn tls(&self, name: &str) -> PathBuf {
        self.folder.join("tls").join(name)
    }

    /// `rosters/`: the accepted chain.
    #[must_use]
    pub fn rosters(&self) -> PathBuf {
        self.folder.join("rosters")
    }

    /// `store/`: the database.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// `evidence/`: proof against origins, and of rival rosters.
    #[must_use]
    pub fn evidence(&self) -> PathBuf {
        self.folder.join("evidence")
    }

    /// `safeguards/`: lists of values that nobody reports by accident.
    #[must_use]
    pub fn safeguards(&self) -> PathBuf {
        self.folder.join("safeguards")
    }

    /// `member.entry`: what members exchange before a roster is signed.
    #[must_use]
    pub fn member_entry(&self) -> PathBuf {
        self.folder.join("member.entry")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_the_folder_or_beside_the_configuration() {
        let find = |home: Option<&str>, config: Option<&str>| {
            NodeHome::find(home.map(Into::into), config.map(Into::into), &Environment::default())
        };
        let named = find(Some("/srv/node"), None).expect("named");
        assert_eq!(named.config(), Path::new("/srv/node/almenarad.toml"));
        let beside = find(None, Some("/etc/almenara/node.toml")).expect("beside");
        assert_eq!(beside.folder(), Path::new("/etc/almenara"));
        let both = find(Some("/srv/node"), Some("/etc/node.toml")).expect("both");
        assert_eq!((both.folder(), both.config()), (Path::new("/srv/node"), Path::new("/etc/node.toml")));
        assert!(find(None, None).is_err());
    }
}
