//! What a command says: sentences and tables for people on standard output, JSON for machines, progress and
//! warnings on standard error.
//!
//! One rule for every verb: `--json` prints JSON and nothing else on standard output; `--quiet` prints nothing
//! but warnings, errors and what was asked for as bytes ([`Output::raw`]); the exit code always answers.

use std::{
    fmt::{self, Display},
    io::{self, BufRead, BufReader, IsTerminal as _, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::{
    exit::CliError,
    text::{tame, tame_json, tame_lines},
};

/// After this long a command shows how far it is.
const PROGRESS_AFTER: Duration = Duration::from_secs(1);

/// What the global flags say about output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// One JSON object, or one a line, instead of sentences and tables.
    pub json: bool,
    /// No sentences, tables or progress.
    pub quiet: bool,
    /// No colours even on a terminal.
    pub no_color: bool,
    /// Every question is answered with yes.
    pub yes: bool,
}

/// What [`Output::paint`] puts around text.
const SEQUENCES: [&str; 6] =
    ["\u{1b}[1m", "\u{1b}[2m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[0m"];

/// How a piece of text stands out on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Headings.
    Bold,
    /// What may be skipped.
    Dim,
    /// All is well.
    Good,
    /// Look at this.
    Warning,
    /// Something is wrong.
    Bad,
}

/// Where a command's words go. Owned by the context; every write locks only its own stream.
pub struct Output {
    manner: Manner,
    colour: bool,
    /// Whether a person can be asked.
    asks: bool,
    out: Mutex<Box<dyn Write + Send>>,
    err: Mutex<Box<dyn Write + Send>>,
    answers: Mutex<Box<dyn BufRead + Send>>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("manner", &self.manner).finish_non_exhaustive()
    }
}

impl Output {
    /// The process's own streams.
    #[must_use]
    pub fn standard(manner: Manner) -> Self {
        Self {
            manner,
            colour: !manner.no_color && io::stdout().is_terminal(),
            asks: io::stdin().is_terminal() && io::stderr().is_terminal(),
            out: Mutex::new(Box::new(io::stdout())),
            err: Mutex::new(Box::new(io::stderr())),
            answers: Mutex::new(Box::new(BufReader::new(io::stdin()))),
        }
    }

    /// Streams in memory, for tests: a person at a terminal who types `answers`, and what was printed.
    #[must_use]
    pub fn captured(manner: Manner, answers: &'static str) -> (Self, Captured) {
        let captured = Captured::default();
        let output = Self {
            manner,
            colour: false,
            asks: !answers.is_empty(),
            out: Mutex::new(Box::new(captured.out.clone())),
            err: Mutex::new(Box::new(captured.err.clone())),
            answers: Mutex::new(Box::new(answers.as_bytes())),
        };
        (output, captured)
    }

    /// Whether `--json` was given.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.manner.json
    }

    /// A sentence or a block of text for people. Foreign parts that must not break a line were made harmless by
    /// [`tame`] before; nothing but our own colours commands a terminal.
    ///
    /// # Errors
    /// [`CliError`], when standard output cannot be written.
    pub fn say(&self, text: impl Display) -> Result<(), CliError> {
        if self.manner.json || self.manner.quiet {
            Ok(())
        } else {
            write(&self.out, format_args!("{}\n", self.harmless(text)))
        }
    }

    /// A table for people; every cell is made harmless here.
    ///
    /// # Errors
    /// As [`Self::say`].
    pub fn table<const N: usize>(&self, header: [&str; N], rows: &[[String; N]]) -> Result<(), CliError> {
        if self.manner.json || self.manner.quiet {
            return Ok(());
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(header.map(|cell| self.paint(Style::Bold, cell)));
        for row in rows {
            table.add_row(row.iter().map(|cell| tame(cell).into_owned()));
        }
        table.column_iter_mut().for_each(|column| {
            column.set_padding((0, 2));
        });
        self.say(table.trim_fmt())
    }

    /// One JSON value on one line, with `--json` only.
    ///
    /// # Errors
    /// As [`Self::say`].
    pub fn json(&self, value: &impl Serialize) -> Result<(), CliError> {
        if !self.manner.json {
            return Ok(());
        }
        let line = serde_json::to_string(value).map_err(CliError::internal)?;
        write(&self.out, format_args!("{}\n", tame_json(&line)))
    }

    /// The same answer for both: `value` for machines, or the text that `people` makes of it.
    ///
    /// # Errors
    /// As [`Self::say`].
    pub fn answer<T: Serialize>(&self, value: &T, people: impl FnOnce(&T) -> String) -> Result<(), CliError> {
        if self.manner.json { self.json(value) } else { self.say(people(value)) }
    }

    /// Bytes that were asked for (an export, a completion script), whatever the flags say.
    ///
    /// # Errors
    /// As [`Self::say`].
    pub fn raw(&self, bytes: &[u8]) -> Result<(), CliError> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| gone(&error))
    }

    /// A sentence on standard error that is read even with `--quiet` and `--json`.
    pub fn warn(&self, text: impl Display) {
        let word = self.paint(Style::Warning, "warning:");
        // Nobody is left to tell that standard error is closed.
        let _closed = write(&self.err, format_args!("{word} {}\n", self.harmless(text)));
    }

    /// A sentence on standard error about what is going on; not with `--quiet`.
    pub fn note(&self, text: impl Display) {
        if !self.manner.quiet {
            let _closed = write(&self.err, format_args!("{}\n", self.harmless(text)));
        }
    }

    /// Asks a person; `--yes` answers for them.
    ///
    /// # Errors
    /// [`CliError`] (usage), when there is nobody to ask and `--yes` was not given.
    pub fn confirm(&self, question: &str) -> Result<bool, CliError> {
        if self.manner.yes {
            return Ok(true);
        }
        if !self.asks {
            return Err(CliError::usage(format!(
                "`{question}` cannot be asked here, since this is no terminal: look at what was shown, and give --yes"
            )));
        }
        write(&self.err, format_args!("{} [y/N] ", self.harmless(question)))?;
        let mut answer = String::new();
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.read_line(&mut answer).map_err(|error| gone(&error))?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    fn harmless(&self, text: impl Display) -> String {
        tame_lines(&text.to_string(), if self.colour { &SEQUENCES } else { &[] })
    }

    /// Shows how far a long command is, once it takes more than a second; `total` 0 means: nobody knows.
    #[must_use]
    pub fn progress(&self, what: &str, total: u64) -> Progress {
        let shown = !self.manner.quiet && io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target((total > 0).then_some(total), ProgressDrawTarget::hidden());
        let template = if total > 0 {
            "{prefix} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}"
        } else {
            "{prefix} {human_pos} {per_sec} {spinner}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_owned());
        Progress { bar, waits: Mutex::new(shown) }
    }

    /// Styled text, when standard output is a terminal that wants colours.
    #[must_use]
    pub fn paint(&self, style: Style, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match style {
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Good => "32",
            Style::Warning => "33",
            Style::Bad => "31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// How far a long command is. Dropped, it clears itself.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// Whether it is to be shown and is not yet.
    waits: Mutex<bool>,
}

impl Progress {
    /// `more` steps are done.
    pub fn add(&self, more: u64) {
        self.bar.inc(more);
        if self.bar.elapsed() >= PROGRESS_AFTER {
            let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
            if std::mem::take(&mut *waits) {
                self.bar.set_draw_target(ProgressDrawTarget::stderr());
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// What a captured [`Output`] printed.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    out: Buffer,
    err: Buffer,
}

impl Captured {
    /// Standard output so far.
    #[must_use]
    pub fn out(&self) -> String {
        self.out.text()
    }

    /// Standard error so far.
    #[must_use]
    pub fn err(&self) -> String {
        self.err.text()
    }
}

#[derive(Clone, Debug, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(stream: &Mutex<Box<dyn Write + Send>>, text: fmt::Arguments<'_>) -> Result<(), CliError> {
    let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
    stream.write_fmt(text).and_then(|()| stream.flush()).map_err(|error| gone(&error))
}

/// A reader that closed its pipe has what it wanted; any other failure is a file that cannot be written.
fn gone(error: &io::Error) -> CliError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::reader_left(),
        _ => CliError::unavailable(format!("standard input or output: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(manner: Manner, expected: &str) {
        let (output, captured) = Output::captured(manner, "");
        output.say("said").expect("written");
        output.answer(&[1, 2], |list| format!("{} numbers", list.len())).expect("written");
        output.table(["name", "size"], &[["a\u{1b}[2Jb".into(), "1".into()]]).expect("written");
        output.warn("look");
        assert_eq!(captured.out(), expected);
        assert_eq!(captured.err(), "warning: look\n");
    }

    #[test]
    fn people_get_sentences_and_machines_json_and_quiet_nothing() {
        check(Manner::default(), "said\n2 numbers\nname         size\na\\u{1b}[2Jb  1\n");
        check(Manner { json: true, ..Manner::default() }, "[1,2]\n");
        check(Manner { quiet: true, ..Manner::default() }, "");
    }

    #[test]
    fn nothing_foreign_commands_a_terminal_whatever_says_it() {
        let hostile = "a\u{1b}]0;owned\u{7}\u{202e}b\u{9b}2J\rc";
        for json in [false, true] {
            let (mut output, captured) = Output::captured(Manner { json, ..Manner::default() }, "n\n");
            output.colour = true;
            output.say(hostile).expect("written");
            output.say(output.paint(Style::Bad, hostile)).expect("written");
            output.table(["name"], &[[hostile.into()]]).expect("written");
            output.json(&hostile).expect("written");
            output.warn(hostile);
            output.note(hostile);
            assert_eq!(output.confirm(hostile), Ok(false));
            let mut text = captured.out() + &captured.err();
            assert_eq!(text.matches("owned").count(), if json { 4 } else { 6 }, "{text}");
            for ours in SEQUENCES {
                text = text.replace(ours, "");
            }
            assert!(!text.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}'), "{text:?}");
        }
    }

    #[test]
    fn a_question_is_answered_by_a_person_or_by_yes_and_never_by_silence() {
        let ask = |manner, answers| Output::captured(manner, answers).0.confirm("Sign?");
        assert_eq!(ask(Manner::default(), "y\n"), Ok(true));
        assert_eq!(ask(Manner::default(), "n\n"), Ok(false));
        assert_eq!(ask(Manner::default(), "\n"), Ok(false));
        assert_eq!(ask(Manner { yes: true, ..Manner::default() }, ""), Ok(true));
        let silence = ask(Manner::default(), "").expect_err("nobody to ask");
        assert_eq!(silence.exit().code(), 2);
        assert!(silence.to_string().contains("--yes"), "{silence}");
    }

    #[test]
    fn colours_stay_out_of_files() {
        let (output, _) = Output::captured(Manner::default(), "");
        assert_eq!(output.paint(Style::Bad, "no"), "no");
    }
}
