//! Databases that are copied, put back and lost, and nodes that do not ask what others hold.

use std::time::Duration;

use anyhow::{Context as _, Result};

use almenara_server::{compare::Pace, node::Settings};

use crate::cluster::Cluster;

/// For [`Cluster::restart_with`]: a node that hears nothing of what others hold. So an old copy of a store runs as if
/// nobody knew better, and whoever wants to rewrite a log runs one like it.
pub fn blind(settings: &mut Settings) {
    settings.pace = Pace { every: Duration::from_secs(3_600), within: Duration::ZERO, ..settings.pace };
}

impl Cluster {
    /// The database of a stopped node.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn copy(&self, member: usize) -> Result<Vec<u8>> {
        anyhow::ensure!(self.node(member).is_err(), "stop the node first");
        std::fs::read(self.database(member)).context("the database")
    }

    /// Puts a copy back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_back(&self, member: usize, copy: &[u8]) -> Result<()> {
        self.lose(member)?;
        Ok(std::fs::write(self.database(member), copy)?)
    }

    /// Removes the database of a stopped node.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn lose(&self, member: usize) -> Result<()> {
        anyhow::ensure!(self.node(member).is_err(), "stop the node first");
        for end in ["", "-wal", "-shm"] {
            let file = format!("{}{end}", self.database(member).display());
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// The files of evidence that a node wrote.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn evidence(&self, member: usize) -> Result<Vec<std::path::PathBuf>> {
        let Ok(listed) = std::fs::read_dir(self.evidence_folder(member)) else { return Ok(Vec::new()) };
        listed.map(|file| Ok(file?.path())).collect()
    }
}
