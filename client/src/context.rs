//! What every command gets: where things are, what time it is, and where its words go.

use std::{fmt, sync::OnceLock};

use crate::{
    clock::{self, Clock},
    config::{Config, Environment},
    exit::CliError,
    home::Home,
    output::Output,
    random::Random,
    rosters::Rosters,
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
    environment: Environment,
    config: OnceLock<Config>,
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
            environment,
            config: OnceLock::new(),
        }
    }

    /// Surroundings of one's own, for tests and simulations.
    #[must_use]
    pub fn with(self, clock: Clock, random: Random) -> Self {
        Self { clock, random, ..self }
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

    /// The accepted rosters, verified from the configured hash.
    ///
    /// # Errors
    /// [`CliError`].
    pub fn rosters(&self) -> Result<Rosters, CliError> {
        Ok(Rosters::open(self.home.rosters(), self.config()?.roster)?)
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
