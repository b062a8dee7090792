//! What the node tells its operator: to standard error, as text or JSON. Never an indicator's value, never a secret.
//!
//! Words of callers and peers stand in errors. Whatever they say, an event stays one line, and nothing in it colours,
//! moves or reorders a terminal.

use std::{
    fmt::{self, Write as _},
    io::{self, IsTerminal as _},
};

use almenara_client::{
    exit::CliError,
    text::{tame, tame_json},
};
use tracing::{Subscriber, field::Field};
use tracing_subscriber::{
    EnvFilter,
    field::MakeExt as _,
    fmt::format::{Writer, debug_fn},
    util::SubscriberInitExt as _,
};

use crate::config::{LogConfig, LogFormat};

/// Starts logging; once in a process.
///
/// A panic in one of the node's tasks is logged with its place and not its message, which could hold a value.
///
/// # Errors
/// [`CliError`] (internal), when something else logs already.
pub fn start(config: &LogConfig, no_color: bool) -> Result<(), CliError> {
    let ansi = !no_color && io::stderr().is_terminal();
    subscriber(config, ansi, io::stderr)?.try_init().map_err(CliError::internal)?;
    let earlier = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map(|place| format!("{}:{}", place.file(), place.line()));
        tracing::error!(place, "a defect of ours; please report it");
        earlier(info);
    }));
    Ok(())
}

/// What formats events into `writer`, each in one write.
fn subscriber<W: io::Write + 'static>(
    config: &LogConfig,
    ansi: bool,
    writer: impl Fn() -> W + Send + Sync + 'static,
) -> Result<Box<dyn Subscriber + Send + Sync>, CliError> {
    let filter = EnvFilter::try_new(config.level.as_str()).map_err(CliError::usage)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(ansi);
    Ok(match config.format {
        LogFormat::Text => {
            Box::new(lines.fmt_fields(debug_fn(field).delimited(" ")).with_writer(writer).finish())
        }
        LogFormat::Json => {
            Box::new(lines.json().flatten_event(true).with_writer(move || TamedJson(writer())).finish())
        }
    })
}

/// `name=value`, or the message alone.
fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let mut text = String::new();
    write!(text, "{value:?}")?;
    match field.name() {
        "message" => writer.write_str(&tame(&text)),
        name => write!(writer, "{name}={}", tame(&text)),
    }
}

/// A writer of whole lines of JSON.
struct TamedJson<W>(W);

impl<W: io::Write> io::Write for TamedJson<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        writeln!(self.0, "{}", tame_json(text))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::config::LogLevel;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody panicked").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, hostile: &str) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let config = LogConfig { level: LogLevel::default(), format };
        let subscriber = subscriber(&config, false, move || writer.clone()).expect("a subscriber");
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("connection", peer = %hostile);
            let _inside = span.enter();
            tracing::warn!(error = %hostile, text = hostile, "it said {hostile}");
        });
        String::from_utf8(buffer.0.lock().expect("nobody panicked").clone()).expect("text")
    }

    #[test]
    fn whatever_others_say_an_event_is_one_line_that_commands_no_terminal() {
        let hostile = "a\u{1b}[2J\u{202e}\u{9b}2J\u{2066}\r\nERROR almenara: forged";
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = logged(format, hostile);
            assert_eq!(line.lines().count(), 1, "{line:?}");
            assert!(line.matches("forged").count() >= 3, "{line:?}");
            let line = line.trim_end_matches('\n');
            let wild = |c: char| c.is_control() || ('\u{200b}'..='\u{206f}').contains(&c);
            assert!(!line.chars().any(wild), "{line:?}");
        }
        let json: serde_json::Value =
            serde_json::from_str(&logged(LogFormat::Json, hostile)).expect("one object");
        assert_eq!(json["error"], hostile, "JSON says what was said");
    }
}
