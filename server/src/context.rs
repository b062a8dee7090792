//! What every operator's command gets.

use almenara_certs::read_private;
use almenara_client::{
    clock::{self, Clock},
    config::Environment,
    exit::CliError,
    output::Output,
    passphrase::Passphrases,
    random::Random,
    rosters::Rosters,
    tls::Identity,
};

use crate::{config::Config, home::NodeHome};

/// The surroundings of one command.
pub struct Context {
    /// Where files are.
    pub home: NodeHome,
    /// Where words go.
    pub output: Output,
    /// What time it is.
    pub clock: Clock,
    /// Where keys come from.
    pub random: Random,
    /// Where passphrases of key files come from.
    pub passphrases: Passphrases,
    /// What the environment says.
    pub environment: Environment,
}

impl Context {
    /// The process's own surroundings.
    #[must_use]
    pub fn new(home: NodeHome, output: Output, environment: Environment) -> Self {
        Self {
            home,
            output,
            clock: clock::system(),
            random: Random::system(),
            passphrases: Passphrases::new(None, &environment),
            environment,
        }
    }

    /// With a passphrase from an open file descriptor, if one is given.
    #[must_use]
    pub fn with_passphrase_fd(self, descriptor: Option<u32>) -> Self {
        Self { passphrases: Passphrases::new(descriptor, &self.environment), ..self }
    }

    /// Unix seconds.
    #[must_use]
    pub fn now(&self) -> u64 {
        (self.clock)()
    }

    /// `almenarad.toml`.
    ///
    /// # Errors
    /// [`CliError`] (usage), which names the key and the line.
    pub fn config(&self) -> Result<Config, CliError> {
        if !self.home.config().exists() {
            return Err(CliError::usage(format!(
                "there is no node in {}: make one with `almenarad init`, or say where it is with --home DIR",
                self.home.folder().display()
            )));
        }
        Ok(Config::read(&self.home, &self.environment)?)
    }

    /// The accepted rosters, verified from the pinned hash.
    ///
    /// # Errors
    /// [`CliError`]; (usage) before `almenarad join`.
    pub fn rosters(&self, config: &Config) -> Result<Rosters, CliError> {
        let Some(pinned) = config.roster else {
            return Err(CliError::usage(format!(
                "{} has not joined its federation: run `almenarad join FILE` with roster version 1",
                config.member
            )));
        };
        Ok(Rosters::open(self.home.rosters(), pinned)?)
    }

    /// The node's own leaf.
    ///
    /// # Errors
    /// [`CliError`], when it cannot be read, or does not fit its key.
    pub fn identity(&self, config: &Config) -> Result<Identity, CliError> {
        let certificate = std::fs::read_to_string(&config.tls.certificate)
            .map_err(|error| CliError::file(&config.tls.certificate, &error))?;
        let identity = Identity::from_pem(&certificate, &read_private(&config.tls.key)?);
        identity.map_err(|error| CliError::from(error).at(config.tls.certificate.display()))
    }
}
