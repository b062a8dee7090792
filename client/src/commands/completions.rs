//! `almenara completions`: what a shell needs to complete our verbs and flags.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{
    cli::Cli,
    context::Context,
    exit::{CliError, Outcome},
};

/// For which shell.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The shell; for bash: `almenara completions bash > /etc/bash_completion.d/almenara`
    pub shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// [`CliError`], when it cannot be written.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    context.output.raw(&script(args.shell))?;
    Ok(Outcome::Done)
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "almenara", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_gets_a_script_that_knows_the_verbs() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).expect("text");
            for word in ["withdraw", "home", "propose", "merge", "evidence"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
