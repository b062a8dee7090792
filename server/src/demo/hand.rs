//! A hand at the operator's keyboard, beside the client's.

use clap::Parser as _;

pub(super) use almenara_client::hand::{Answer, PAPER, almenara};
use almenara_client::{config::Environment, exit::CliError, output::Output};

use crate::{cli::Cli, context::Context, home::NodeHome};

/// Types a command of `almenarad`, given as its words without the program's name.
pub(super) async fn almenarad(words: &[&str]) -> Answer {
    let arguments = std::iter::once("almenarad").chain(words.iter().copied());
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return Answer::new(Err(CliError::internal(error)), ""),
    };
    let (output, paper) = Output::captured(PAPER, "");
    let environment = Environment::of(&[]);
    let home = match NodeHome::find(cli.home, cli.config, &environment) {
        Ok(home) => home,
        Err(error) => return Answer::new(Err(error), ""),
    };
    let outcome = Box::pin(crate::commands::run(cli.verb, &Context::new(home, output, environment))).await;
    Answer::new(outcome, &paper.out())
}
