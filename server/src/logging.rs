//! What the node tells its operator: to standard error, as text or JSON. Never an indicator's value, never a secret.

use std::io::IsTerminal as _;

use almenara_client::exit::CliError;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogConfig, LogFormat};

/// Starts logging; once in a process.
///
/// A panic in one of the node's tasks is logged with its place and not its message, which could hold a value.
///
/// # Errors
/// [`CliError`] (internal), when something else logs already.
pub fn start(config: &LogConfig, no_color: bool) -> Result<(), CliError> {
    let filter = EnvFilter::try_new(config.level.as_str()).map_err(CliError::usage)?;
    let ansi = !no_color && std::io::stderr().is_terminal();
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi);
    match config.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    }
    .map_err(CliError::internal)?;
    let earlier = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map(|place| format!("{}:{}", place.file(), place.line()));
        tracing::error!(place, "a defect of ours; please report it");
        earlier(info);
    }));
    Ok(())
}
