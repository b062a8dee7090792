//! What a person is about to say: a statement without nonce, time and signature.
//!
//! A drafts file holds one JSON object a line, with the names of [`Fields`]; it is also what `import` reads as
//! `jsonl`, so that a drafts file that was edited by hand or made by a script needs no second format.

mod defaults;
mod fields;
mod settle;
mod written;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use almenara_proto::{
    blame::Void,
    indicator::{self, Indicator, Kind},
    release::Release,
    statement::{Claim, Ruleset, Statement},
};

pub use defaults::Defaults;
pub use fields::{Fields, Named, Referred, Reinstated, Time};
pub use settle::{DISPUTE_REASONS, Refusal, Settled, category};

/// Where a draft came from, so that a refusal of a node names the line that a person can mend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The file's name, when there were several or it is known.
    pub file: Option<Arc<str>>,
    /// Line of that file, from 1; 0: no file.
    pub line: u64,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.file {
            // A file's name is somebody's text: control and bidi characters are escaped.
            Some(file) => write!(f, "{}:{}", file.escape_debug(), self.line),
            None => write!(f, "line {}", self.line),
        }
    }
}

/// A statement to be. It passed every rule that readers decide alike, with the tables of this build.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Where it came from.
    pub source: Source,
    indicator: Indicator,
    release: Release,
    copies: u32,
    claim: Claim,
    bytes: usize,
}

impl Draft {
    /// Checks by the protocol's own parser that the statement will not be void when made at `made_at` (Unix
    /// seconds) or somewhat later.
    ///
    /// # Errors
    /// [`Void`] with the first broken rule.
    pub fn new(
        source: Source,
        indicator: Indicator,
        release: Release,
        copies: u32,
        claim: Claim,
        made_at: u64,
    ) -> Result<Self, Void> {
        let mut draft = Self { source, indicator, release, copies, claim, bytes: 0 };
        let bytes = draft.statement([0; 16], made_at).encode();
        Statement::parse(&bytes)?;
        draft.bytes = bytes.len();
        Ok(draft)
    }

    /// The statement, with `nonce` from a CSPRNG.
    #[must_use]
    pub fn statement(&self, nonce: [u8; 16], made_at: u64) -> Statement {
        Statement {
            nonce,
            indicator: self.indicator.clone(),
            made_at,
            ruleset: ruleset_of(self.indicator.kind()),
            release: self.release.clone(),
            copies: self.copies,
            claim: self.claim.clone(),
        }
    }

    /// What it is about.
    #[must_use]
    pub const fn indicator(&self) -> &Indicator {
        &self.indicator
    }

    /// Who may see it.
    #[must_use]
    pub const fn release(&self) -> &Release {
        &self.release
    }

    /// Custody: 0, or how many other jurisdictions keep it.
    #[must_use]
    pub const fn copies(&self) -> u32 {
        self.copies
    }

    /// What is claimed.
    #[must_use]
    pub const fn claim(&self) -> &Claim {
        &self.claim
    }

    /// Whether it is a report: of those a batch holds at most one for each indicator.
    #[must_use]
    pub const fn is_report(&self) -> bool {
        matches!(self.claim, Claim::Report(_))
    }

    /// Bytes of the encoded statement. The time of signing has the same length as that of the check until the
    /// year 3058.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The versions of the tables that the canonical form of a kind depends on; the others are not named, for each
/// name would be repeated in every statement.
fn ruleset_of(kind: Kind) -> Ruleset {
    let (names, phone) = match kind {
        Kind::Domain | Kind::Url | Kind::Email | Kind::Advert => (true, false),
        Kind::Phone => (false, true),
        _ => return Ruleset::default(),
    };
    let tables = indicator::ruleset();
    Ruleset {
        unicode: if names { tables.unicode } else { String::new() },
        public_suffix: if names { tables.public_suffix } else { String::new() },
        phone: if phone { tables.phone } else { String::new() },
    }
}
