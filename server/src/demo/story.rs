//! How the demo tells what happened: steps, facts, and what was expected of them. People read sentences; with `--json`
//! each step is one line, with what the commands and nodes answered in it.

use std::time::Instant;

use almenara_client::{
    exit::CliError,
    output::{Output, Style},
};
use serde::Serialize;
use serde_json::{Map, Value};

/// One step, for machines.
#[derive(Debug, Default, Serialize)]
struct Step {
    /// From 1.
    step: u32,
    title: String,
    facts: Vec<String>,
    /// Rows of tables, by their headers.
    rows: Vec<Map<String, Value>>,
    /// What had to be so.
    checks: Vec<Check>,
    /// What commands printed, as they printed it.
    answers: Vec<Answer>,
    /// Milliseconds.
    took: u64,
}

#[derive(Debug, Serialize)]
struct Check {
    holds: bool,
    what: String,
}

#[derive(Debug, Serialize)]
struct Answer {
    /// The command.
    of: String,
    answer: Value,
}

/// Prints steps with their times. What is printed is what nodes and commands answered.
pub(super) struct Story<'a> {
    output: &'a Output,
    begin: Instant,
    began: Instant,
    step: Step,
}

impl<'a> Story<'a> {
    /// A story on `output`.
    #[must_use]
    pub(super) fn new(output: &'a Output) -> Self {
        Self { output, begin: Instant::now(), began: Instant::now(), step: Step::default() }
    }

    /// Begins a step.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub(super) fn step(&mut self, title: &str) -> Result<(), CliError> {
        let step = self.step.step.saturating_add(1);
        self.step = Step { step, title: title.to_owned(), ..Step::default() };
        self.began = Instant::now();
        let title = self.output.paint(Style::Bold, &format!("{step}. {title}"));
        self.output.say(format_args!("\n{title}"))
    }

    /// A fact.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub(super) fn fact(&mut self, text: impl std::fmt::Display) -> Result<(), CliError> {
        let text = text.to_string();
        self.output.say(format_args!("   {text}"))?;
        self.step.facts.push(text);
        Ok(())
    }

    /// What a command answered, for machines: people read the facts.
    pub(super) fn answer(&mut self, of: &str, answer: &Value) {
        self.step.answers.push(Answer { of: of.to_owned(), answer: answer.clone() });
    }

    /// Rows under a header.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub(super) fn table<const N: usize>(
        &mut self,
        header: [&str; N],
        rows: &[[String; N]],
    ) -> Result<(), CliError> {
        let cell =
            |text: &String| text.parse::<u64>().map_or_else(|_| Value::from(text.as_str()), Value::from);
        let row = |row: &[String; N]| {
            header.iter().zip(row).map(|(name, text)| ((*name).to_owned(), cell(text))).collect()
        };
        self.step.rows.extend(rows.iter().map(row));
        self.output.table(header, rows)
    }

    /// Ends a step with the time that it took.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub(super) fn took(&mut self) -> Result<(), CliError> {
        let time = format!("({} ms)", self.began.elapsed().as_millis());
        self.output.say(format_args!("   {}", self.output.paint(Style::Dim, &time)))?;
        self.end()
    }

    /// Ends a step of which nobody asks how long it took.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub(super) fn end(&mut self) -> Result<(), CliError> {
        self.step.took = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.output.json(&self.step)
    }

    /// Seconds since the story began.
    #[must_use]
    pub(super) fn seconds(&self) -> f64 {
        self.begin.elapsed().as_secs_f64()
    }

    /// Goes on only if something is as it must be.
    ///
    /// # Errors
    /// [`CliError`] (internal): the demo ends here, non-zero.
    pub(super) fn expect(&mut self, holds: bool, what: impl std::fmt::Display) -> Result<(), CliError> {
        let what = what.to_string();
        self.step.checks.push(Check { holds, what: what.clone() });
        if holds {
            let mark = self.output.paint(Style::Good, "✓");
            self.output.say(format_args!("   {mark} {what}"))
        } else {
            self.end()?;
            Err(CliError::internal(format!("this does not hold: {what}")))
        }
    }
}
