//! What an import says about its lines: as a whole, and line by line.

use std::collections::BTreeMap;

use almenara_proto::indicator::{Kind, Warning};
use serde::Serialize;

use super::{Line, Outcome, Ready};

/// Lines named for each reason; the rest stands in the report by line.
const EXAMPLES: usize = 3;

/// Counts of a file, in lines: accepted, repaired, duplicate, refused and skipped sum to `lines`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Lines of the file.
    pub lines: u64,
    /// Canonical already.
    pub accepted: u64,
    /// Refanged or canonicalised.
    pub repaired: u64,
    /// Reports on an indicator of an earlier line.
    pub duplicate: u64,
    /// Without a draft.
    pub refused: u64,
    /// Blank lines, comments, a header, and the further lines of a record that spans several.
    pub skipped: u64,
    /// Why lines were refused, by code.
    pub reasons: BTreeMap<&'static str, Counted>,
    /// What authors should look at, by code.
    pub warnings: BTreeMap<&'static str, Counted>,
    /// Drafts by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Columns of a CSV file that nothing was read from.
    pub unused_columns: Vec<String>,
}

/// How often, and where for example.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// How often.
    pub count: u64,
    /// The first few.
    pub examples: Vec<Example>,
}

/// A line and what was said about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Index of the file.
    pub file: u32,
    /// Line of that file.
    pub line: u64,
    /// What was said; safe for a terminal.
    pub message: String,
}

impl Counted {
    /// Counts another one.
    pub fn add(&mut self, file: u32, line: u64, message: impl FnOnce() -> String) {
        self.count = self.count.saturating_add(1);
        if self.examples.len() < EXAMPLES {
            self.examples.push(Example { file, line, message: message() });
        }
    }

    fn merge(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.examples.extend(other.examples);
        self.examples.truncate(EXAMPLES);
    }
}

/// A stable code of a warning.
fn code(warning: &Warning) -> &'static str {
    match warning {
        Warning::LooksLike { .. } => "looks_like",
        Warning::NoChecksum { .. } => "no_checksum",
        Warning::SharedHost { .. } => "shared_host",
    }
}

impl ImportReport {
    pub(super) fn count(&mut self, line: &Line) {
        let bump = |counter: &mut u64, by: u64| *counter = counter.saturating_add(by);
        bump(&mut self.lines, line.lines);
        bump(&mut self.skipped, line.lines.saturating_sub(1));
        match &line.outcome {
            Outcome::Accepted(ready) => {
                bump(&mut self.accepted, 1);
                self.ready(line, ready);
            }
            Outcome::Repaired { ready, .. } => {
                bump(&mut self.repaired, 1);
                self.ready(line, ready);
            }
            Outcome::Duplicate { .. } => bump(&mut self.duplicate, 1),
            Outcome::Refused(refusal) => {
                bump(&mut self.refused, 1);
                let message = || refusal.message.clone();
                self.reasons.entry(refusal.code).or_default().add(line.file, line.number, message);
            }
            Outcome::Skipped => bump(&mut self.skipped, 1),
        }
    }

    fn ready(&mut self, line: &Line, ready: &Ready) {
        let kind: Kind = ready.draft.indicator().kind();
        let counter = self.kinds.entry(kind.as_str()).or_default();
        *counter = counter.saturating_add(1);
        for warning in &ready.warnings {
            let message = || format!("{}: {warning}", ready.draft.indicator().value());
            self.warnings.entry(code(warning)).or_default().add(line.file, line.number, message);
        }
    }

    /// Drafts that came of the file.
    #[must_use]
    pub const fn drafts(&self) -> u64 {
        self.accepted.saturating_add(self.repaired)
    }

    /// Adds the counts of another file.
    pub fn merge(&mut self, other: Self) {
        for (own, more) in [
            (&mut self.lines, other.lines),
            (&mut self.accepted, other.accepted),
            (&mut self.repaired, other.repaired),
            (&mut self.duplicate, other.duplicate),
            (&mut self.refused, other.refused),
            (&mut self.skipped, other.skipped),
        ] {
            *own = own.saturating_add(more);
        }
        for (code, counted) in other.reasons {
            self.reasons.entry(code).or_default().merge(counted);
        }
        for (code, counted) in other.warnings {
            self.warnings.entry(code).or_default().merge(counted);
        }
        for (kind, count) in other.kinds {
            let counter = self.kinds.entry(kind).or_default();
            *counter = counter.saturating_add(count);
        }
        self.unused_columns.extend(other.unused_columns);
    }
}

/// One line of `--report FILE`.
#[derive(Serialize)]
struct Reported<'a> {
    file: u32,
    line: u64,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    /// What stood there, when it was repaired.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    /// The line of the same indicator, when it is a duplicate.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_file: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_line: Option<u64>,
    /// A code, when it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl Line {
    /// `accepted`, `repaired`, `duplicate`, `refused` or `skipped`.
    #[must_use]
    pub const fn outcome_name(&self) -> &'static str {
        match &self.outcome {
            Outcome::Accepted(_) => "accepted",
            Outcome::Repaired { .. } => "repaired",
            Outcome::Duplicate { .. } => "duplicate",
            Outcome::Refused(_) => "refused",
            Outcome::Skipped => "skipped",
        }
    }

    /// One line of `--report FILE`: a JSON object with `file`, `line`, `outcome` and, as far as they apply, `kind`,
    /// `value`, `from`, `first_file`, `first_line`, `reason`, `message`, `warnings`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut reported = Reported {
            file: self.file,
            line: self.number,
            outcome: self.outcome_name(),
            kind: None,
            value: None,
            from: None,
            first_file: None,
            first_line: None,
            reason: None,
            message: None,
            warnings: Vec::new(),
        };
        match &self.outcome {
            Outcome::Accepted(ready) => reported.ready(ready),
            Outcome::Repaired { ready, from } => {
                reported.ready(ready);
                reported.from = Some(from);
            }
            Outcome::Duplicate { of, first } => {
                reported.value = Some(of);
                reported.first_file = Some(first.file);
                reported.first_line = Some(first.line);
            }
            Outcome::Refused(refusal) => {
                reported.reason = Some(refusal.code);
                reported.message = Some(&refusal.message);
            }
            Outcome::Skipped => {}
        }
        // Strings and numbers always have a JSON form.
        serde_json::to_string(&reported).unwrap_or_default()
    }
}

impl<'a> Reported<'a> {
    fn ready(&mut self, ready: &'a Ready) {
        self.kind = Some(ready.draft.indicator().kind().as_str());
        self.value = Some(ready.draft.indicator().value());
        let warnings = ready.warnings.iter().map(ToString::to_string);
        self.warnings = warnings.chain(ready.remarks.iter().cloned()).collect();
    }
}
