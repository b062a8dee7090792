//! One signed claim of a publisher about one indicator (PROTOCOL.md §3).

use std::fmt;
use std::str::FromStr;

use prost::Message as _;

use crate::{
    blame::Void,
    indicator::{Indicator, Kind},
    limits::{STATEMENT_BYTES, VALIDITY_SECONDS},
    log::{line, paragraphs},
    merkle::Hash,
    name::{Address, MemberName},
    release::{Release, Tlp},
    strict, wire,
};

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

/// A kind of wrongdoing; the numbers are the wire's, and a number that this version has no name for is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Category(i32);

impl Category {
    const NAMES: [&'static str; 17] = [
        "recruit.job_lure",
        "recruit.broker",
        "compound.infrastructure",
        "compound.ransom_payment",
        "scam.investment",
        "scam.pig_butchering",
        "scam.romance",
        "scam.recovery",
        "scam.fake_app",
        "scam.task_job",
        "scam.gambling",
        "scam.impersonation",
        "scam.phishing",
        "extort",
        "launder.mule",
        "launder.crypto_service",
        "infra.bulk_messaging",
    ];
    /// A wallet that took ransom: lookup only, never CLEAR.
    pub const RANSOM_PAYMENT: Self = Self(4);
    /// Phishing pages.
    pub const PHISHING: Self = Self(13);

    /// All named ones, in the wire's order.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..).take(Self::NAMES.len()).map(Self)
    }

    /// The wire's number; 0 is none.
    #[must_use]
    pub const fn from_number(number: i32) -> Option<Self> {
        if number > 0 { Some(Self(number)) } else { None }
    }

    /// The wire's number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Its id, if this version has one.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        usize::try_from(self.0).ok().and_then(|at| Self::NAMES.get(at.checked_sub(1)?)).copied()
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "category-{}", self.0),
        }
    }
}

impl FromStr for Category {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::all().find(|category| category.name() == Some(text)).ok_or_else(|| {
            format!("`{}` is no category; there are: {}", text.escape_default(), Self::NAMES.join(", "))
        })
    }
}

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
    /// Never in a blocklist. See [`Statement::lookup_only`] for what implies it.
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
}

/// A source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Where.
    pub url: String,
    /// What stood there.
    pub sha256: Option<Hash>,
}

/// A withdrawal that a report overrides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reinstates {
    /// Its log index.
    pub entry: u64,
    /// Its id.
    pub id: Hash,
}

/// What was done when it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing, or nothing that this version knows.
    Seen,
    /// A person was warned.
    Warned,
    /// It was stopped.
    Blocked,
}

/// An indicator was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// How often; at least once.
    pub count: u64,
    /// Unix seconds.
    pub window_start: u64,
    /// Unix seconds, not before the start.
    pub window_end: u64,
    /// What was done.
    pub action: Action,
}

/// Why a report is disputed; unknown reasons are kept as [`DisputeReason::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisputeReason {
    /// It serves no scam.
    FalsePositive,
    /// It no longer does.
    Outdated,
    /// Others live there too.
    SharedInfrastructure,
    /// Whom it concerns objects.
    SubjectObjection,
    /// See the description.
    Other,
}

/// Another report is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    /// The disputed report.
    pub target: Address,
    /// Its leaf hash.
    pub id: Hash,
    /// Why.
    pub reason: DisputeReason,
    /// Free text.
    pub description: String,
    /// Where more stands.
    pub references: Vec<Reference>,
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
        let wire =
            wire::Statement::decode(bytes).map_err(|error| Void::new("Statement", error.to_string()))?;
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
                Claim::Report(parse_report(report, indicator.kind(), wire.made_at)?)
            }
            Some(wire::statement::Claim::Sighting(sighting)) => Claim::Sighting(parse_sighting(&sighting)?),
            Some(wire::statement::Claim::Dispute(dispute)) => Claim::Dispute(parse_dispute(dispute)?),
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
                Claim::Report(report) => wire::statement::Claim::Report(wire_report(report)),
                Claim::Sighting(sighting) => wire::statement::Claim::Sighting(wire::Sighting {
                    count: sighting.count,
                    window_start: sighting.window_start,
                    window_end: sighting.window_end,
                    action: match sighting.action {
                        Action::Seen => wire::Action::Seen,
                        Action::Warned => wire::Action::Warned,
                        Action::Blocked => wire::Action::Blocked,
                    }
                    .into(),
                }),
                Claim::Dispute(dispute) => wire::statement::Claim::Dispute(wire_dispute(dispute)),
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

fn hash(place: &'static str, bytes: &[u8]) -> Result<Hash, Void> {
    Hash::try_from(bytes).map_err(|_| Void::new(place, "32 bytes are expected"))
}

fn parse_references(references: Vec<wire::Reference>) -> Result<Vec<Reference>, Void> {
    references
        .into_iter()
        .map(|reference| {
            Ok(Reference {
                url: line("Reference.url", reference.url)?,
                sha256: match reference.sha256.as_ref() {
                    [] => None,
                    bytes => Some(hash("Reference.sha256", bytes)?),
                },
            })
        })
        .collect()
}

fn parse_report(wire: wire::Report, kind: Kind, made_at: u64) -> Result<Report, Void> {
    let categories = wire
        .categories
        .iter()
        .map(|&number| {
            Category::from_number(number).ok_or_else(|| Void::new("Report.categories", "0 is no category"))
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
    Ok(Report {
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
        references: parse_references(wire.references)?,
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

fn parse_sighting(wire: &wire::Sighting) -> Result<Sighting, Void> {
    if wire.count == 0 {
        return Err(Void::new("Sighting.count", "at least 1"));
    }
    if wire.window_end < wire.window_start {
        return Err(Void::new("Sighting.window_end", "it is before the start"));
    }
    Ok(Sighting {
        count: wire.count,
        window_start: wire.window_start,
        window_end: wire.window_end,
        action: match wire::Action::try_from(wire.action) {
            Ok(wire::Action::Warned) => Action::Warned,
            Ok(wire::Action::Blocked) => Action::Blocked,
            _ => Action::Seen,
        },
    })
}

fn parse_dispute(wire: wire::Dispute) -> Result<Dispute, Void> {
    Ok(Dispute {
        target: Address { member: wire.member.parse::<MemberName>()?, entry: wire.entry, leaf: wire.leaf },
        id: hash("Dispute.id", &wire.id)?,
        reason: match wire::DisputeReason::try_from(wire.reason) {
            Ok(wire::DisputeReason::FalsePositive) => DisputeReason::FalsePositive,
            Ok(wire::DisputeReason::Outdated) => DisputeReason::Outdated,
            Ok(wire::DisputeReason::SharedInfrastructure) => DisputeReason::SharedInfrastructure,
            Ok(wire::DisputeReason::SubjectObjection) => DisputeReason::SubjectObjection,
            _ => DisputeReason::Other,
        },
        description: paragraphs("Dispute.description", wire.description)?,
        references: parse_references(wire.references)?,
    })
}

fn wire_references(references: &[Reference]) -> Vec<wire::Reference> {
    references
        .iter()
        .map(|reference| wire::Reference {
            url: reference.url.clone(),
            sha256: reference.sha256.map(|hash| hash.0.to_vec()).unwrap_or_default().into(),
        })
        .collect()
}

fn wire_report(report: &Report) -> wire::Report {
    let (basis, imported_from) = match &report.basis {
        Basis::Observed => (wire::Basis::Observed, String::new()),
        Basis::Imported(list) => (wire::Basis::Imported, list.clone()),
        Basis::Other => (wire::Basis::Unspecified, String::new()),
    };
    wire::Report {
        categories: report.categories.iter().map(|category| category.number()).collect(),
        confidence: report.confidence.map(u32::from),
        basis: basis.into(),
        imported_from,
        first_seen: report.first_seen,
        last_seen: report.last_seen,
        valid_until: report.valid_until,
        include_subdomains: report.include_subdomains,
        lookup_only: report.lookup_only,
        possibly_coerced: report.possibly_coerced,
        campaign: report.campaign.clone(),
        labels: report.labels.clone(),
        description: report.description.clone(),
        language: report.language.clone(),
        references: wire_references(&report.references),
        related: report.related.iter().map(wire_indicator).collect(),
        lawful_basis: report.lawful_basis.clone(),
        reinstates: report.reinstates.map(|reinstates| wire::Reinstates {
            entry: reinstates.entry,
            id: reinstates.id.0.to_vec().into(),
        }),
    }
}

fn wire_dispute(dispute: &Dispute) -> wire::Dispute {
    wire::Dispute {
        member: dispute.target.member.to_string(),
        entry: dispute.target.entry,
        leaf: dispute.target.leaf,
        id: dispute.id.0.to_vec().into(),
        reason: match dispute.reason {
            DisputeReason::FalsePositive => wire::DisputeReason::FalsePositive,
            DisputeReason::Outdated => wire::DisputeReason::Outdated,
            DisputeReason::SharedInfrastructure => wire::DisputeReason::SharedInfrastructure,
            DisputeReason::SubjectObjection => wire::DisputeReason::SubjectObjection,
            DisputeReason::Other => wire::DisputeReason::Other,
        }
        .into(),
        description: dispute.description.clone(),
        references: wire_references(&dispute.references),
    }
}

#[cfg(test)]
pub(crate) mod tests;
