//! The command line of `almenara`: verbs first, the protocol's words.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{
    commands::{
        self, audit, completions, custody, dispute, evidence, export, fetch, grant, import, keygen, lookup,
        monitor, prove, publish, pull, revoke, roster, show, sight, sign, status, submit, verify, watch,
        withdraw,
    },
    config::Environment,
    context::Context,
    exit::{self, CliError, Exit},
    home::Home,
    output::{Manner, Output},
    text::tame_lines,
};

/// Publish to, pull from and check a federation that exchanges signed scam indicators.
#[derive(Clone, Debug, Parser)]
#[command(name = "almenara", version, propagate_version = true, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// Flags of every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 the answer is no; 2 wrong usage or input; 3 unavailable, try \
                          again; 4 verification failed: somebody misbehaved; 70 a fault of the program";

/// The heading in the help of flags that every verb takes.
pub const EVERYWHERE: &str = "Flags of every verb";

/// Flags of every verb.
#[derive(Clone, Debug, Default, Args)]
pub struct Global {
    /// Folder with almenara.toml, keys/, tls/, rosters/ and store/
    #[arg(long, env = "ALMENARA_HOME", value_name = "DIR", global = true, help_heading = EVERYWHERE)]
    pub home: Option<PathBuf>,
    /// Read the passphrase of key files from this open file descriptor (also: the environment's ALMENARA_PASSPHRASE)
    #[arg(long, value_name = "N", global = true, help_heading = EVERYWHERE)]
    pub passphrase_fd: Option<u32>,
    /// How to talk.
    #[command(flatten)]
    pub manner: MannerFlags,
}

/// How to talk; the same flags for `almenara` and `almenarad`.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct MannerFlags {
    /// Print JSON instead of sentences and tables
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub json: bool,
    /// Print nothing but warnings and errors
    #[arg(long, short, global = true, help_heading = EVERYWHERE)]
    pub quiet: bool,
    /// No colours (also: the environment's NO_COLOR)
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub no_color: bool,
    /// Answer every question with yes
    #[arg(long, short, global = true, help_heading = EVERYWHERE)]
    pub yes: bool,
}

impl MannerFlags {
    /// With what the environment says.
    #[must_use]
    pub fn manner(self, environment: &Environment) -> Manner {
        Manner {
            json: self.json,
            quiet: self.quiet,
            no_color: self.no_color || environment.no_color(),
            yes: self.yes,
        }
    }
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Make a signing key (offline)
    Keygen(keygen::Args),
    /// Give a desk its key, signed by the member's root key (offline)
    Grant(grant::Args),
    /// End a desk's key, signed by the member's root key (offline)
    Revoke(revoke::Args),
    /// Make, sign, look at, check and submit rosters
    Roster(roster::Args),
    /// Read indicators from a list, CSV, STIX, MISP … into drafts (offline)
    Import(import::Args),
    /// Sign drafts with a desk's key (offline)
    Sign(sign::Args),
    /// Sign drafts and send them to the own member's node
    Publish(publish::Args),
    /// Send signed files to the own member's node
    Submit(submit::Args),
    /// End statements that should no longer stand
    Withdraw(withdraw::Args),
    /// Say that another member's report is wrong
    Dispute(dispute::Args),
    /// Say that a reported indicator was seen
    Sight(sight::Args),
    /// Fetch and verify what is new into the local store
    Pull(pull::Args),
    /// Stay connected and show what is new as it comes
    Watch(watch::Args),
    /// Ask what is known about values
    Lookup(lookup::Args),
    /// Write blocklists and feeds from the local store
    Export(export::Args),
    /// Show one statement with everything that is known about it
    Show(show::Args),
    /// Ask members' nodes for single statements that we may see and do not keep
    Fetch(fetch::Args),
    /// Show which share of the others' restricted statements each jurisdiction can reach
    Custody(custody::Args),
    /// Check what nodes show to everybody: rosters, logs, tiles, cosignatures
    Audit(audit::Args),
    /// Audit again and again, and tell somebody when something does not hold
    Monitor(monitor::Args),
    /// Write a file that proves one statement to anybody (offline)
    Prove(prove::Args),
    /// Check proof files: who said what, when at the latest, under which key (offline)
    Verify(verify::Args),
    /// Show logs, sizes, ages and trouble of the local store
    Status(status::Args),
    /// Check and list proof that somebody signed two histories (offline)
    Evidence(evidence::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

/// The whole program: parses `arguments` (the program's name first), does it, and answers the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    exit::guard("almenara", || match Cli::try_parse_from(arguments) {
        Ok(cli) => start(cli),
        Err(error) => print_usage(&error),
    })
}

/// Prints what clap says about the arguments: help and version are no errors.
pub fn print_usage(error: &clap::Error) -> Exit {
    // Nobody is left to tell that the stream is closed.
    let _closed = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}

fn start(cli: Cli) -> Exit {
    let environment = Environment::read();
    let output = Output::standard(cli.global.manner.manner(&environment));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report("almenara", &CliError::internal(format!("no runtime: {error}"))),
    };
    let done = Home::find(cli.global.home, &environment).and_then(|home| {
        let context = Context::new(home, output, environment).with_passphrase_fd(cli.global.passphrase_fd);
        runtime.block_on(commands::run(cli.verb, &context))
    });
    done.map_or_else(|error| report("almenara", &error), Exit::from)
}

/// Says on standard error why a command failed, and answers how the process ends.
#[must_use]
pub fn report(program: &str, error: &CliError) -> Exit {
    let text = error.to_string();
    if !text.is_empty() {
        eprintln!("{program}: {}", tame_lines(&text, &[]));
    }
    error.exit()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_may_stand_anywhere() {
        for line in ["almenara --json status", "almenara status --json"] {
            let cli = Cli::try_parse_from(line.split(' ')).expect("parsed");
            assert!(cli.global.manner.json, "{line}");
        }
    }

    #[test]
    fn every_verb_explains_itself() {
        for verb in Cli::command().get_subcommands() {
            assert!(
                verb.get_about().is_some_and(|about| about.to_string().len() > 10),
                "{}",
                verb.get_name()
            );
        }
    }
}
