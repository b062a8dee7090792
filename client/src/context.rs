//! What every command gets: where things are, what time it is, and where its words go.

use std::{fmt, sync::OnceLock};

use crate::{
    clock::{self, Clock},
    config::{Config, Environment},
    exit::CliError,
    home::Home,
    output::Output,
    passphrase::Passphrases,
    random::Random,
    rosters::{Rosters, expiry_warning},
};

/// The surroundings of one command.
pub struct Context {
    /// Where files are.
    pub home: Home,
    /// Where words go.
    pub output: Output,
    /// What time it is.
    pub clock: Clock,
    /// Where nonces and keys come from.
    pub random: Random,
    /// Where passphrases of key files come from.
    pub passphrases: Passphrases,
    environment: Environment,
    config: OnceLock<Config>,
    /// The end of the roster was told.
    told: OnceLock<()>,
}

impl Context {
    /// The process's own surroundings.
    #[must_use]
    pub fn new(home: Home, output: Output, environment: Environment) -> Self {
        Self {
            home,
            output,
            clock: clock::system(),
            random: Random::system(),
            passphrases: Passphrases::new(None, &environment),
            environment,
            config: OnceLock::new(),
            told: OnceLock::new(),
        }
    }

    /// Surroundings of one's own, for tests and simulations.
    #[must_use]
    pub fn with(self, clock: Clock, random: Random) -> Self {
        Self { clock, random, ..self }
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

    /// `almenara.toml`, read when the first command part asks for it: offline verbs work without one.
    ///
    /// # Errors
    /// [`CliError`] (usage), which names the key and the line.
    pub fn config(&self) -> Result<&Config, CliError> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let config = Config::read(&self.home, &self.environment)?;
        Ok(self.config.get_or_init(|| config))
    }

    /// Whether there is an `almenara.toml`.
    #[must_use]
    pub fn has_config(&self) -> bool {
        self.home.config().exists()
    }

    /// The accepted rosters, verified from the configured hash. If the one in force ends soon, that is told once.
    ///
    /// # Errors
    /// [`CliError`].
    pub fn rosters(&self) -> Result<Rosters, CliError> {
        let rosters = Rosters::open(self.home.rosters(), self.config()?.roster)?;
        if let Some(warning) = expiry_warning(&rosters.current().roster, self.now())
            && self.told.set(()).is_ok()
        {
            self.output.warn(warning);
        }
        Ok(rosters)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("home", &self.home)
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}
