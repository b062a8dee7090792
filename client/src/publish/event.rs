//! What a run is told, and what it tells.

use std::time::Duration;

use almenara_proto::wire::RefusalCode;

use super::{Receipt, Submission};
use crate::{draft::Draft, exit::CliError};

/// How to go about it.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Items in flight. Each holds up to 4 MiB here and at the node; with 8 a stream is never idle for a round trip
    /// of 100 ms at 300,000 statements a second.
    pub window: usize,
    /// Connections that fail in a row, without an answer between, before it is given up.
    pub attempts: u32,
    /// Pause before the second connection; it doubles each time.
    pub pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { window: 8, attempts: 5, pause: Duration::from_millis(500) }
    }
}

/// What happened to an item or a draft.
#[derive(Debug)]
pub enum Event<'a> {
    /// It is in the log.
    Accepted(&'a Submission, Receipt),
    /// One draft of a batch; the others go out again.
    Draft(&'a Draft, Refused),
    /// A whole item.
    Item(&'a Submission, Refused),
}

/// Why a node did not take something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The wire's code in lower case: `protected`, `withdrawn`, …
    pub code: String,
    /// What, why, what to do, in the node's words. Foreign text: tame it before it reaches a terminal.
    pub message: String,
}

impl Refused {
    pub(super) fn new(code: i32, message: String) -> Self {
        let code = match RefusalCode::try_from(code) {
            Ok(code) => code.as_str_name().trim_start_matches("REFUSAL_CODE_").to_ascii_lowercase(),
            Err(_) => format!("code_{code}"),
        };
        Self { code, message }
    }
}

/// Counts of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Items with a receipt.
    pub items: u64,
    /// Statements in them.
    pub statements: u64,
    /// Statements of them that were there already.
    pub repeated: u64,
    /// Statements that were refused.
    pub refused: u64,
    /// Items without statements (withdrawals, grants) that were refused.
    pub refused_items: u64,
}

/// The run ended before everything was settled.
#[derive(Debug)]
pub struct Interrupted<F> {
    /// Why.
    pub error: CliError,
    /// What is settled.
    pub totals: Totals,
    /// Signed, and perhaps in the log: to be submitted again as they are.
    pub unsettled: Vec<Submission>,
    /// Refused for others' reasons, not signed again yet.
    pub unsigned: Vec<Vec<Draft>>,
    /// Where the rest would have come from; nothing when it failed itself.
    pub feed: Option<F>,
}
