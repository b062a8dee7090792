//! A hand at the keyboard: runs a command as a person would type it, in this process, and gives what it answered.

use clap::Parser as _;
use serde_json::Value;

use crate::{
    cli::Cli,
    commands,
    config::Environment,
    context::Context,
    exit::{CliError, Outcome},
    home::Home,
    output::{Manner, Output},
};

/// Answers on paper: JSON, no questions, no progress.
pub const PAPER: Manner = Manner { json: true, quiet: false, no_color: true, yes: true };

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    /// How it ended, or why it failed.
    pub outcome: Result<Outcome, CliError>,
    /// The JSON objects that it printed.
    pub json: Vec<Value>,
}

impl Answer {
    /// An outcome, and what was printed.
    #[must_use]
    pub fn new(outcome: Result<Outcome, CliError>, printed: &str) -> Self {
        let json = serde_json::Deserializer::from_str(printed).into_iter().map_while(Result::ok).collect();
        Self { outcome, json }
    }

    /// The last object of a command that must succeed; null when it printed none.
    ///
    /// # Errors
    /// What it said.
    pub fn done(mut self) -> Result<Value, CliError> {
        match self.outcome? {
            Outcome::Done => Ok(self.json.pop().unwrap_or_default()),
            Outcome::No => Err(CliError::refused(format!("the answer is no: {:?}", self.json))),
        }
    }
}

/// Types a command of `almenara`, given as its words without the program's name.
pub async fn almenara(words: &[&str]) -> Answer {
    let arguments = std::iter::once("almenara").chain(words.iter().copied());
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return Answer::new(Err(CliError::usage(error)), ""),
    };
    let (output, paper) = Output::captured(PAPER, "");
    let environment = Environment::of(&[]);
    let home = match Home::find(cli.global.home, &environment) {
        Ok(home) => home,
        Err(error) => return Answer::new(Err(error), ""),
    };
    let outcome = commands::run(cli.verb, &Context::new(home, output, environment)).await;
    Answer::new(outcome, &paper.out())
}
