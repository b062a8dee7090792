//! What an export says about its items.

use std::{collections::BTreeMap, fmt};

use almenara_proto::indicator::{Indicator, Shown};
use serde::Serialize;

/// Items named for each reason.
const EXAMPLES: usize = 3;

/// Why an item does not stand in a list. Each has a stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// The reader's policy does not list it.
    NotListed,
    /// The reader's policy would list it, were it settled.
    Pending,
    /// To be looked up, never to be blocked.
    LookupOnly,
    /// PAP is not CLEAR or GREEN, or not given.
    Pap,
    /// The format is for another kind.
    Kind,
    /// Not printable ASCII.
    NotPrintable,
    /// No name that this format can hold.
    Name,
    /// A wildcard, or another pattern of the format's own.
    Pattern,
    /// A name that has a meaning of its own in a response policy zone.
    Reserved,
    /// Too long for a DNS name under the zone's origin.
    TooLong,
    /// It would be read as a comment or a directive.
    Directive,
}

impl Skip {
    /// A stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotListed => "not_listed",
            Self::Pending => "pending",
            Self::LookupOnly => "lookup_only",
            Self::Pap => "pap",
            Self::Kind => "kind",
            Self::NotPrintable => "not_printable",
            Self::Name => "name",
            Self::Pattern => "pattern",
            Self::Reserved => "reserved",
            Self::TooLong => "too_long",
            Self::Directive => "directive",
        }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotListed => "the policy does not list it",
            Self::Pending => "it is pending: too few other jurisdictions have cosigned it yet",
            Self::LookupOnly => "it is lookup-only: never in a blocklist",
            Self::Pap => "its PAP does not allow blocking (CLEAR or GREEN would)",
            Self::Kind => "the format is for another kind of indicator",
            Self::NotPrintable => "it holds a character that is not printable ASCII",
            Self::Name => "it is no domain name of at least two labels",
            Self::Pattern => "it is a pattern, not a name",
            Self::Reserved => "its name has a meaning of its own in a response policy zone",
            Self::TooLong => "it is too long for a DNS name under the zone's origin",
            Self::Directive => "it would be read as a comment or a directive",
        })
    }
}

/// Counts of an export: written and skipped sum to the items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Items that stand in the list.
    pub written: u64,
    /// Items that do not, by code.
    pub skipped: BTreeMap<&'static str, Skipped>,
}

/// How often, and which for example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// How often.
    pub count: u64,
    /// Why, as a sentence.
    pub why: String,
    /// The first few values, quoted and safe for a terminal.
    pub examples: Vec<String>,
}

impl Summary {
    pub(super) const fn wrote(&mut self) {
        self.written = self.written.saturating_add(1);
    }

    pub(super) fn skipped(&mut self, indicator: &Indicator, why: Skip) {
        let skipped = self.skipped.entry(why.code()).or_insert_with(|| Skipped {
            count: 0,
            why: why.to_string(),
            examples: Vec::new(),
        });
        skipped.count = skipped.count.saturating_add(1);
        if skipped.examples.len() < EXAMPLES {
            skipped.examples.push(Shown::new(indicator.value()).to_string());
        }
    }

    /// Items that were left out.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.skipped.values().map(|skipped| skipped.count).fold(0, u64::saturating_add)
    }
}
