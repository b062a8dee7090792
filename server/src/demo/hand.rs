//! A hand at the keyboard: runs a command of `almenara` or `almenarad` as a person would type it, in this process.

use clap::Parser as _;
use serde_json::Value;

use almenara_client::{
    cli as client,
    config::Environment,
    context::Context as ClientContext,
    exit::{CliError, Outcome},
    home::Home,
    output::{Manner, Output},
};

use crate::{cli as server, context::Context, home::NodeHome};

/// Answers on paper: JSON, no questions, no progress.
const PAPER: Manner = Manner { json: true, quiet: false, no_color: true, yes: true };

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    /// How it ended, or why it failed.
    pub outcome: Result<Outcome, CliError>,
    /// The JSON objects that it printed.
    pub json: Vec<Value>,
}

impl Answer {
    /// The last object of a command that must succeed; null when it printed none.
    ///
    /// # Errors
    /// What it said.
    pub fn done(mut self) -> Result<Value, CliError> {
        match self.outcome? {
            Outcome::Done => Ok(self.json.pop().unwrap_or_default()),
            other => Err(CliError::internal(format!("a command of the demo ended with {other:?}: {:?}", self.json))),
        }
    }
}

/// Types `line` (without the program's name; words are separated by spaces outside of this function).
pub async fn almenara(words: &[&str]) -> Answer {
    let arguments = std::iter::once("almenara").chain(words.iter().copied());
    let cli = match client::Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return failed(CliError::internal(error)),
    };
    let (output, paper) = Output::captured(PAPER, "");
    let environment = Environment::of(&[]);
    let home = match Home::find(cli.global.home, &environment) {
        Ok(home) => home,
        Err(error) => return failed(error),
    };
    let context = ClientContext::new(home, output, environment);
    let outcome = almenara_client::commands::run(cli.verb, &context).await;
    Answer { outcome, json: objects(&paper.out()) }
}

/// Types a command of the operator.
pub async fn almenarad(words: &[&str]) -> Answer {
    let arguments = std::iter::once("almenarad").chain(words.iter().copied());
    let cli = match server::Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return failed(CliError::internal(error)),
    };
    let (output, paper) = Output::captured(PAPER, "");
    let environment = Environment::of(&[]);
    let home = match NodeHome::find(cli.home, cli.config, &environment) {
        Ok(home) => home,
        Err(error) => return failed(error),
    };
    let context = Context::new(home, output, environment);
    let outcome = Box::pin(crate::commands::run(cli.verb, &context)).await;
    Answer { outcome, json: objects(&paper.out()) }
}

fn failed(error: CliError) -> Answer {
    Answer { outcome: Err(error), json: Vec::new() }
}

fn objects(text: &str) -> Vec<Value> {
    serde_json::Deserializer::from_str(text).into_iter().map_while(Result::ok).collect()
}
