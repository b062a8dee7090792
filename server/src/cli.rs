//! The command line of `almenarad`.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use almenara_client::{
    cli::{EVERYWHERE, MannerFlags, print_usage, report},
    config::Environment,
    exit::{self, CliError, Exit},
    output::Output,
};
use clap::{Parser, Subcommand};

use crate::{
    commands::{self, accesses, cert, entry, init, join},
    context::Context,
    demo,
    home::NodeHome,
};

/// Runs the node of a member of a federation that exchanges signed scam indicators.
#[derive(Clone, Debug, Parser)]
#[command(name = "almenarad", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// Folder of the node
    #[arg(long, env = "ALMENARAD_HOME", value_name = "DIR", global = true, help_heading = EVERYWHERE)]
    pub home: Option<PathBuf>,
    /// Configuration [default: almenarad.toml in the home]
    #[arg(long, value_name = "FILE", global = true, help_heading = EVERYWHERE)]
    pub config: Option<PathBuf>,
    /// Read the passphrase of key files from this open file descriptor (also: the environment's ALMENARA_PASSPHRASE)
    #[arg(long, value_name = "N", global = true, help_heading = EVERYWHERE)]
    pub passphrase_fd: Option<u32>,
    /// How to talk.
    #[command(flatten)]
    pub manner: MannerFlags,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Make a node: keys, own authority, certificate, configuration, and the entry for the roster
    Init(init::Args),
    /// Join the federation of a signed roster version 1
    Join(join::Args),
    /// Run the node
    Run(commands::run::Args),
    /// Ask the running node about its logs
    Status,
    /// List who was shown which statement on request
    Accesses(accesses::Args),
    /// Make the own member's next entry for the roster: other addresses, new keys
    Entry(entry::Args),
    /// Issue, inspect and renew certificates of the own member
    #[command(subcommand)]
    Cert(cert::Verb),
    /// Run a federation of three nodes on this machine, to look around
    Demo(demo::Args),
}

/// The whole program: parses `arguments` (the program's name first), does it, and answers the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    exit::guard("almenarad", || match Cli::try_parse_from(arguments) {
        Ok(cli) => start(cli),
        Err(error) => print_usage(&error),
    })
}

fn start(cli: Cli) -> Exit {
    let environment = Environment::read();
    let output = Output::standard(cli.manner.manner(&environment));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report("almenarad", &CliError::internal(format!("no runtime: {error}"))),
    };
    let done = NodeHome::find(cli.home, cli.config, &environment).and_then(|home| {
        let context = Context::new(home, output, environment).with_passphrase_fd(cli.passphrase_fd);
        runtime.block_on(commands::run(cli.verb, &context))
    });
    done.map_or_else(|error| report("almenarad", &error), Exit::from)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
