//! The command line of those who publish to, pull from and check a federation.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    almenara_client::cli::main(std::env::args_os())
}
