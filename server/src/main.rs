//! The node of a member.

use std::process::ExitCode;

fn main() -> ExitCode {
    almenara_server::cli::main(std::env::args_os())
}
