//! A claim that an indicator serves a scam.

use super::{
    Category, parse_indicator,
    reference::{Reference, hash},
    wire_indicator,
};
use crate::{
    blame::Void,
    field::{line, paragraphs},
    indicator::{Indicator, Kind},
    limits::VALIDITY_SECONDS,
    merkle::Hash,
    wire,
};

/// Where a report comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The publisher saw it.
    Observed,
    /// From a named list.
    Imported(String),
    /// A basis that this version does not know, or none: never corroborates.
    Other,
}

/// This indicator serves a scam.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// At least one.
    pub categories: Vec<Category>,
    /// 0 to 100.
    pub confidence: Option<u8>,
    /// Seen or imported.
    pub basis: Basis,
    /// Unix seconds; 0: not said.
    pub first_seen: u64,
    /// Unix seconds; 0: not said.
    pub last_seen: u64,
    /// Unix seconds.
    pub valid_until: u64,
    /// Domains only.
    pub include_subdomains: bool,
    /// Never in a blocklist. See [`Statement::lookup_only`](super::Statement::lookup_only) for what implies it.
    pub lookup_only: bool,
    /// The person behind it may be a victim.
    pub possibly_coerced: bool,
    /// A name that several reports share.
    pub campaign: String,
    /// Free labels.
    pub labels: Vec<String>,
    /// Free text.
    pub description: String,
    /// BCP 47.
    pub language: String,
    /// Where more stands.
    pub references: Vec<Reference>,
    /// What belongs to it.
    pub related: Vec<Indicator>,
    /// Why the publisher may process this.
    pub lawful_basis: String,
    /// A withdrawal that this deliberately overrides.
    pub reinstates: Option<Reinstates>,
}

impl Report {
    /// The smallest report: one category, seen at `last_seen`, valid for the kind's default time.
    #[must_use]
    pub fn new(kind: Kind, category: Category, last_seen: u64) -> Self {
        Self {
            categories: vec![category],
            confidence: None,
            basis: Basis::Observed,
            first_seen: 0,
            last_seen,
            valid_until: last_seen.saturating_add(u64::from(kind.default_validity_days()) * 86_400),
            include_subdomains: false,
            lookup_only: false,
            possibly_coerced: false,
            campaign: String::new(),
            labels: Vec::new(),
            description: String::new(),
            language: String::new(),
            references: Vec::new(),
            related: Vec::new(),
            lawful_basis: String::new(),
            reinstates: None,
        }
    }

    /// `kind` and `made_at` (Unix seconds) are those of the statement around it.
    pub(super) fn from_wire(wire: wire::Report, kind: Kind, made_at: u64) -> Result<Self, Void> {
        let categories = wire
            .categories
            .iter()
            .map(|&number| {
                Category::from_number(number)
                    .ok_or_else(|| Void::new("Report.categories", "0 is no category"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if categories.is_empty() {
            return Err(Void::new("Report.categories", "at least one is required"));
        }
        let confidence = match wire.confidence {
            None => None,
            Some(percent @ 0..=100) => u8::try_from(percent).ok(),
            Some(_) => return Err(Void::new("Report.confidence", "0 to 100")),
        };
        let imported_from = line("Report.imported_from", wire.imported_from)?;
        let basis = match wire::Basis::try_from(wire.basis) {
            Ok(wire::Basis::Observed) => Basis::Observed,
            Ok(wire::Basis::Imported) if imported_from.is_empty() => {
                return Err(Void::new("Report.imported_from", "an imported report names its list"));
            }
            Ok(wire::Basis::Imported) => Basis::Imported(imported_from),
            _ => Basis::Other,
        };
        let last_seen = if wire.last_seen == 0 { made_at } else { wire.last_seen };
        if wire.first_seen > last_seen {
            return Err(Void::new("Report.first_seen", "it is later than last_seen"));
        }
        if wire.valid_until <= last_seen || wire.valid_until - last_seen > VALIDITY_SECONDS {
            return Err(Void::new(
                "Report.valid_until",
                "required, later than last_seen, within five years of it",
            ));
        }
        if wire.include_subdomains && kind != Kind::Domain {
            return Err(Void::new("Report.include_subdomains", "only domains have subdomains"));
        }
        Ok(Self {
            categories,
            confidence,
            basis,
            first_seen: wire.first_seen,
            last_seen: wire.last_seen,
            valid_until: wire.valid_until,
            include_subdomains: wire.include_subdomains,
            lookup_only: wire.lookup_only,
            possibly_coerced: wire.possibly_coerced,
            campaign: line("Report.campaign", wire.campaign)?,
            labels: wire
                .labels
                .into_iter()
                .map(|label| line("Report.labels", label))
                .collect::<Result<_, _>>()?,
            description: paragraphs("Report.description", wire.description)?,
            language: line("Report.language", wire.language)?,
            references: Reference::all_from_wire(wire.references)?,
            related: wire.related.into_iter().map(parse_indicator).collect::<Result<_, _>>()?,
            lawful_basis: line("Report.lawful_basis", wire.lawful_basis)?,
            reinstates: match wire.reinstates {
                None => None,
                Some(reinstates) => {
                    Some(Reinstates { entry: reinstates.entry, id: hash("Reinstates.id", &reinstates.id)? })
                }
            },
        })
    }

    pub(super) fn to_wire(&self) -> wire::Report {
        let (basis, imported_from) = match &self.basis {
            Basis::Observed => (wire::Basis::Observed, String::new()),
            Basis::Imported(list) => (wire::Basis::Imported, list.clone()),
            Basis::Other => (wire::Basis::Unspecified, String::new()),
        };
        wire::Report {
            categories: self.categories.iter().map(|category| category.number()).collect(),
            confidence: self.confidence.map(u32::from),
            basis: basis.into(),
            imported_from,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            valid_until: self.valid_until,
            include_subdomains: self.include_subdomains,
            lookup_only: self.lookup_only,
            possibly_coerced: self.possibly_coerced,
            campaign: self.campaign.clone(),
            labels: self.labels.clone(),
            description: self.description.clone(),
            language: self.language.clone(),
            references: Reference::all_to_wire(&self.references),
            related: self.related.iter().map(wire_indicator).collect(),
            lawful_basis: self.lawful_basis.clone(),
            reinstates: self.reinstates.map(|reinstates| wire::Reinstates {
                entry: reinstates.entry,
                id: reinstates.id.0.to_vec().into(),
            }),
        }
    }
}

/// A withdrawal that a report overrides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reinstates {
    /// Its log index.
    pub entry: u64,
    /// Its id.
    pub id: Hash,
}
