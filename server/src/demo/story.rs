//! How the demo tells what happened: steps, facts, and what was expected of them.

use std::time::Instant;

use almenara_client::{
    exit::CliError,
    output::{Output, Style},
};

/// Prints steps with their times. What is printed is what nodes and commands answered.
pub(super) struct Story<'a> {
    output: &'a Output,
    begin: Instant,
    step: Instant,
    number: u32,
}

impl<'a> Story<'a> {
    /// A story on `output`.
    #[must_use]
    pub(super) fn new(output: &'a Output) -> Self {
        Self { output, begin: Instant::now(), step: Instant::now(), number: 0 }
    }

    /// Begins a step.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub(super) fn step(&mut self, title: &str) -> Result<(), CliError> {
        self.number = self.number.saturating_add(1);
        self.step = Instant::now();
        let title = self.output.paint(Style::Bold, &format!("{}. {title}", self.number));
        self.output.say(format_args!("\n{title}"))
    }

    /// A fact.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub(super) fn fact(&self, text: impl std::fmt::Display) -> Result<(), CliError> {
        self.output.say(format_args!("   {text}"))
    }

    /// Rows under a header.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub(super) fn table<const N: usize>(
        &self,
        header: [&str; N],
        rows: &[[String; N]],
    ) -> Result<(), CliError> {
        self.output.table(header, rows)
    }

    /// Ends a step with the time that it took.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub(super) fn took(&self) -> Result<(), CliError> {
        let time = format!("({} ms)", self.step.elapsed().as_millis());
        self.output.say(format_args!("   {}", self.output.paint(Style::Dim, &time)))
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
    pub(super) fn expect(&self, holds: bool, what: impl std::fmt::Display) -> Result<(), CliError> {
        if holds {
            let mark = self.output.paint(Style::Good, "✓");
            self.output.say(format_args!("   {mark} {what}"))
        } else {
            Err(CliError::internal(format!("this does not hold: {what}")))
        }
    }
}
