//! Lists out: encoders of verdicts, and the replacement of a file by a whole new one or not at all.
//!
//! The formats divide in two. *Blocklists* ([`Format::is_blocklist`]) are a name and nothing else: whoever gets one
//! cannot see a marking, so it holds only what is listed, may be used for blocking (PAP CLEAR or GREEN) and is not
//! lookup-only. *Records* (CSV, JSON lines) carry the markings of each item, and so hold them all.
//!
//! Every encoder checks each value again by the rules of its own syntax, whatever the protocol says of values: one
//! item never becomes two lines, a directive or a formula. What cannot be said in a format is skipped and named.

mod csv;
mod hosts;
mod jsonl;
mod name;
mod plain;
mod replace;
mod rpz;
mod summary;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use almenara_proto::{
    indicator::{Indicator, Kind},
    name::Address,
    release::{Pap, Tlp},
    statement::Category,
};

pub use self::csv::Profile;
pub use name::NameFault;
pub use replace::{ReplaceError, replace};
pub use rpz::{RpzOptions, next_serial, serial_of};
pub use summary::{Skip, Summary};

/// One indicator and what its live reports add up to, for this reader.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportItem {
    /// What it is about.
    pub indicator: Indicator,
    /// Whether the reader's policy lists it.
    pub listed: bool,
    /// Whether it is left out until it is settled: the policy would list it then.
    pub pending: bool,
    /// Percent.
    pub score: u32,
    /// Of the reports that counted, each once.
    pub categories: Vec<Category>,
    /// Whether a report that counted names its subdomains too.
    pub include_subdomains: bool,
    /// Whether any of the reports that counted is lookup-only (`Statement::lookup_only`).
    pub lookup_only: bool,
    /// The narrowest marking of the reports that counted; nothing when one of them has none that is known.
    pub tlp: Option<Tlp>,
    /// The same for PAP.
    pub pap: Option<Pap>,
    /// Unix seconds: when the last of them expires.
    pub valid_until: u64,
    /// Where they stand.
    pub addresses: Vec<Address>,
}

impl ExportItem {
    /// Why it cannot stand in any list yet.
    ///
    /// # Errors
    /// [`Skip::Pending`].
    pub const fn settled(&self) -> Result<(), Skip> {
        if self.pending { Err(Skip::Pending) } else { Ok(()) }
    }

    /// Why it cannot stand in a blocklist.
    ///
    /// # Errors
    /// [`Skip`].
    pub fn blockable(&self) -> Result<(), Skip> {
        self.settled()?;
        if !self.listed {
            return Err(Skip::NotListed);
        }
        if self.lookup_only || self.indicator.kind() == Kind::Company {
            return Err(Skip::LookupOnly);
        }
        match self.pap {
            Some(Pap::Clear | Pap::Green) => Ok(()),
            Some(Pap::Amber | Pap::Red) | None => Err(Skip::Pap),
        }
    }
}

/// How a list is written.
#[derive(Clone, Debug)]
pub enum Format {
    /// A blocklist: one value of this kind a line.
    Plain(Kind),
    /// A blocklist: `0.0.0.0 name`. It cannot say anything about subdomains.
    Hosts,
    /// A blocklist: a DNS response policy zone.
    Rpz(RpzOptions),
    /// Records: RFC 4180 with a header.
    Csv(Profile),
    /// Records: one JSON object a line.
    JsonLines,
}

impl Format {
    /// Whether it is a list of bare values, which carries no markings.
    #[must_use]
    pub const fn is_blocklist(&self) -> bool {
        matches!(self, Self::Plain(_) | Self::Hosts | Self::Rpz(_))
    }

    fn encoder(&self) -> Result<Box<dyn Encoder>, NameFault> {
        Ok(match self {
            Self::Plain(kind) => Box::new(plain::Plain { kind: *kind }),
            Self::Hosts => Box::new(hosts::Hosts),
            Self::Rpz(options) => Box::new(rpz::Rpz::new(options.clone())?),
            Self::Csv(profile) => Box::new(csv::Csv { profile: *profile }),
            Self::JsonLines => Box::new(jsonl::JsonLines),
        })
    }
}

/// Writes the items of one format.
trait Encoder {
    /// What stands before the first item.
    fn begin(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    /// The text of an item, with its line breaks, appended to `line`; or why this format cannot say it. `value` is
    /// the indicator's, judged once more as if nobody had looked at it.
    fn item(&mut self, item: &ExportItem, value: &str, line: &mut Vec<u8>) -> Result<(), Skip>;
}

/// Why a list was not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError<E> {
    /// The items ended in an error: what was written so far is no list.
    #[error("the items ended in an error, so nothing was replaced: {0}")]
    Source(E),
    /// The output failed.
    #[error("the list cannot be written: {0}")]
    Write(#[from] io::Error),
    /// The zone's own names.
    #[error("the zone cannot be written: {0}")]
    Zone(#[from] NameFault),
}

/// Writes what the format can say of `items` to `out`, and counts.
///
/// # Errors
/// [`ExportError`]; what was written so far is not to be used.
pub fn export<E>(
    format: &Format,
    items: impl IntoIterator<Item = Result<ExportItem, E>>,
    out: &mut dyn Write,
) -> Result<Summary, ExportError<E>> {
    let mut encoder = format.encoder()?;
    let mut summary = Summary::default();
    let mut line = Vec::new();
    encoder.begin(out)?;
    for item in items {
        let item = item.map_err(ExportError::Source)?;
        line.clear();
        let fits = if format.is_blocklist() { item.blockable() } else { item.settled() };
        match fits.and_then(|()| encoder.item(&item, item.indicator.value(), &mut line)) {
            Ok(()) => {
                out.write_all(&line)?;
                summary.wrote();
            }
            Err(why) => summary.skipped(&item.indicator, why),
        }
    }
    Ok(summary)
}

/// The value, if it is printable ASCII without a space, as every canonical value is: no line break, control or
/// bidirectional character ever reaches a file.
fn printable(value: &str) -> Result<&str, Skip> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(value)
    } else {
        Err(Skip::NotPrintable)
    }
}
