//! One signed claim of a publisher about one indicator (PROTOCOL.md §3).

mod category;
mod dispute;
mod reference;
mod report;
mod sighting;
#[cfg(test)]
pub(crate) mod tests;

use prost::Message as _;

use crate::{
    blame::Void,
    field::{self, line},
    indicator::{Indicator, Kind},
    limits::STATEMENT_BYTES,
    release::{Release, Tlp},
    strict, wire,
};

pub use category::Category;
pub use dispute::{Dispute, DisputeReason};
pub use reference::Reference;
pub use report::{Basis, Reinstates, Report};
pub use sighting::{Action, Sighting};

/// A report, a sighting or a dispute, with who may see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// From a CSPRNG: nobody can guess the rest from the leaf hash.
    pub nonce: [u8; 16],
    /// What it is about.
    pub indicator: Indicator,
    /// Unix seconds; the author's claim.
    pub made_at: u64,
    /// Versions of the tables behind the canonical form.
    pub ruleset: Ruleset,
    /// Who may see it.
    pub release: Release,
    /// Custody: 0, or how many other jurisdictions keep it.
    pub copies: u32,
    /// What is claimed.
    pub claim: Claim,
}

/// Versions of tables; empty means not used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// Unicode (UTS #46).
    pub unicode: String,
    /// Public Suffix List.
    pub public_suffix: String,
    /// Phone metadata.
    pub phone: String,
}

/// What is claimed.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    /// This indicator serves a scam.
    Report(Report),
    /// It was seen.
    Sighting(Sighting),
    /// Another report is wrong.
    Dispute(Dispute),
}

impl Statement {
    /// Parses and checks everything that every reader decides alike.
    ///
    /// # Errors
    /// [`Void`] with the first broken rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, Void> {
        if bytes.len() > STATEMENT_BYTES {
            return Err(Void::new("Statement", format!("{} bytes, over {STATEMENT_BYTES}", bytes.len())));
        }
        let noticed = strict::check(bytes, &strict::STATEMENT)?;
        let wire: wire::Statement = field::message("Statement", bytes)?;
        let nonce = <[u8; 16]>::try_from(wire.nonce.as_ref())
            .map_err(|_| Void::new("Statement.nonce", "16 bytes are expected"))?;
        let indicator = indicator(wire.indicator)?;
        let release = wire.release.unwrap_or_default();
        // As its author marked it, whether or not we understand the rest of `release`: these rules are about what
        // was signed, so a reader who knows more fields must not judge them otherwise.
        let marked = Tlp::from_wire(release.tlp);
        let release = Release::from_wire(&release, !noticed.unknown_in_release)?;
        let ruleset = wire.ruleset.unwrap_or_default();
        let claim = match wire.claim {
            Some(wire::statement::Claim::Report(report)) => {
                Claim::Report(Report::from_wire(report, indicator.kind(), wire.made_at)?)
            }
            Some(wire::statement::Claim::Sighting(sighting)) => {
                Claim::Sighting(Sighting::from_wire(&sighting)?)
            }
            Some(wire::statement::Claim::Dispute(dispute)) => Claim::Dispute(Dispute::from_wire(dispute)?),
            None => {
                return Err(Void::new("Statement.claim", "a report, a sighting or a dispute is expected"));
            }
        };
        let statement = Self {
            nonce,
            indicator,
            made_at: wire.made_at,
            ruleset: Ruleset {
                unicode: line("Ruleset.unicode", ruleset.unicode)?,
                public_suffix: line("Ruleset.public_suffix", ruleset.public_suffix)?,
                phone: line("Ruleset.phone", ruleset.phone)?,
            },
            release,
            copies: wire.copies,
            claim,
        };
        statement.check_marking(marked)?;
        Ok(statement)
    }

    fn check_marking(&self, marked: Option<Tlp>) -> Result<(), Void> {
        if self.copies > 0 && matches!(marked, Some(Tlp::Clear | Tlp::Green | Tlp::Red)) {
            return Err(Void::new("Statement.copies", "only AMBER and AMBER+STRICT are custodied"));
        }
        match &self.claim {
            Claim::Report(report)
                if marked == Some(Tlp::Clear) && report.categories.contains(&Category::RANSOM_PAYMENT) =>
            {
                Err(Void::new(
                    "Release.tlp",
                    "compound.ransom_payment is never CLEAR: such a wallet holds families' ransoms",
                ))
            }
            _ => Ok(()),
        }
    }

    /// The exact bytes to hash and sign. Only its author calls this; readers keep the bytes they got.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let ruleset = (self.ruleset != Ruleset::default()).then(|| wire::Ruleset {
            unicode: self.ruleset.unicode.clone(),
            public_suffix: self.ruleset.public_suffix.clone(),
            phone: self.ruleset.phone.clone(),
        });
        wire::Statement {
            nonce: self.nonce.to_vec().into(),
            indicator: Some(wire_indicator(&self.indicator)),
            made_at: self.made_at,
            ruleset,
            release: Some(self.release.to_wire()),
            copies: self.copies,
            claim: Some(match &self.claim {
                Claim::Report(report) => wire::statement::Claim::Report(report.to_wire()),
                Claim::Sighting(sighting) => wire::statement::Claim::Sighting(sighting.to_wire()),
                Claim::Dispute(dispute) => wire::statement::Claim::Dispute(dispute.to_wire()),
            }),
        }
        .encode_to_vec()
    }

    /// The report in it, if it is one.
    #[must_use]
    pub const fn report(&self) -> Option<&Report> {
        match &self.claim {
            Claim::Report(report) => Some(report),
            _ => None,
        }
    }

    /// When its indicator was last seen, in Unix seconds: as a report says, or else when it was made.
    #[must_use]
    pub fn last_seen(&self) -> u64 {
        self.report().map(|report| report.last_seen).filter(|seen| *seen != 0).unwrap_or(self.made_at)
    }

    /// Whether it must never reach a blocklist: said so, possibly coerced, a ransom payment, or a company
    /// (DOMAIN.md).
    #[must_use]
    pub fn lookup_only(&self) -> bool {
        self.indicator.kind() == Kind::Company
            || self.report().is_some_and(|report| {
                report.lookup_only
                    || report.possibly_coerced
                    || report.categories.contains(&Category::RANSOM_PAYMENT)
            })
    }

    /// Free text that people wrote, for the scan for personal data at publication.
    pub fn free_texts(&self) -> impl Iterator<Item = &str> {
        let (texts, labels): (Vec<&str>, &[String]) = match &self.claim {
            Claim::Report(report) => (vec![&report.description, &report.campaign], &report.labels),
            Claim::Dispute(dispute) => (vec![&dispute.description], &[]),
            Claim::Sighting(_) => (Vec::new(), &[]),
        };
        texts.into_iter().chain(labels.iter().map(String::as_str)).filter(|text| !text.is_empty())
    }
}

fn indicator(wire: Option<wire::Indicator>) -> Result<Indicator, Void> {
    let wire = wire.unwrap_or_default();
    let kind = Kind::from_number(wire.kind)
        .ok_or_else(|| Void::new("Indicator.kind", format!("there is no kind {}", wire.kind)))?;
    Ok(Indicator::new(kind, wire.value)?)
}

/// The wire form of an indicator.
#[must_use]
pub fn wire_indicator(indicator: &Indicator) -> wire::Indicator {
    wire::Indicator { kind: indicator.kind() as i32, value: indicator.value().to_owned() }
}

/// An indicator that came in a call.
///
/// # Errors
/// [`Void`] when the kind is unknown or the value is not well formed.
pub fn parse_indicator(wire: wire::Indicator) -> Result<Indicator, Void> {
    indicator(Some(wire))
}
