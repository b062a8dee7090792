//! What an operator changes without a restart: on SIGHUP the node's certificate and its safeguards are read again.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use almenara_certs::{Usage, verify};
use almenara_client::{clock::Clock, exit::CliError, rosters::authorities, tls::Identity};
use rustls_pki_types::UnixTime;

use crate::{
    config::Config,
    node::Settings,
    rosters::SharedRosters,
    safeguards::{Safeguards, SharedSafeguards},
};

/// Where both stand, and who uses them.
#[derive(Clone)]
pub struct Reload {
    certificate: PathBuf,
    key: PathBuf,
    directory: PathBuf,
    identity: Identity,
    safeguards: SharedSafeguards,
    rosters: SharedRosters,
    clock: Clock,
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Reload {
    /// Of a node that is about to start with these settings, out of this configuration.
    #[must_use]
    pub fn of(config: &Config, settings: &Settings) -> Self {
        Self {
            certificate: config.tls.certificate.clone(),
            key: config.tls.key.clone(),
            directory: config.safeguards.clone(),
            identity: settings.identity.clone(),
            safeguards: settings.safeguards.clone(),
            rosters: settings.rosters.clone(),
            clock: Arc::clone(&settings.clock),
        }
    }

    /// Reads both again, and logs what became of them: what cannot be used leaves what is in force.
    pub fn again(&self) {
        match self.certificate() {
            Ok(()) => tracing::info!(file = %self.certificate.display(), "the certificate was read again"),
            Err(error) => {
                tracing::error!(%error, "tls.certificate was not taken: the one before stays in use");
            }
        }
        match self.safeguards() {
            Ok(()) => tracing::info!(folder = %self.directory.display(), "the safeguards were read again"),
            Err(error) => {
                tracing::error!(%error, "safeguards.directory was not taken: the lists before stay in force");
            }
        }
    }

    /// Takes up a renewed leaf of the same name, which the roster's authorities accept now; the next handshake presents it.
    ///
    /// # Errors
    /// [`CliError`], which names the file; the leaf before then stays.
    pub fn certificate(&self) -> Result<(), CliError> {
        let chain = std::fs::read_to_string(&self.certificate)
            .map_err(|error| CliError::file(&self.certificate, &error))?;
        let key = almenara_certs::read_private(&self.key)?;
        let renew = || -> Result<(), CliError> {
            let renewed = Identity::from_pem(&chain, &key)?.current();
            let authorities = authorities(&self.rosters.current().roster)?;
            let now = UnixTime::since_unix_epoch(Duration::from_secs((self.clock)()));
            let Some((leaf, intermediates)) = renewed.cert.split_first() else {
                return Err(CliError::usage("there is no certificate in it"));
            };
            verify(leaf, intermediates, &authorities, now, Usage::Server).map_err(CliError::usage)?;
            Ok(self.identity.replace(&chain, &key)?)
        };
        renew().map_err(|error| error.at(self.certificate.display()))
    }

    /// Takes up the lists as they stand now, with the members' own names.
    ///
    /// # Errors
    /// [`CliError`], which names the file and line; the lists before then stay.
    pub fn safeguards(&self) -> Result<(), CliError> {
        let mut safeguards = Safeguards::load(&self.directory).map_err(CliError::usage)?;
        let accepted = self.rosters.current();
        safeguards.protect_also(accepted.roster.members.keys().map(|name| name.as_str()));
        self.safeguards.replace(safeguards);
        Ok(())
    }
}
