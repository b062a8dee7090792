//! From what a line and the defaults say to a draft, or to the reason why there is none.

use std::{collections::BTreeSet, fmt::Display, str::FromStr};

use almenara_proto::{
    indicator::{Chain, Hints, Indicator, Kind, NotCanonical, Shown, Warning, canonicalise},
    release::{Audience, Pap, Release, Tlp},
    statement::{
        Action, Basis, Category, Claim, Dispute, DisputeReason, Reference, Reinstates, Report, Sighting,
    },
};

use super::{Defaults, Draft, Fields, Named, Referred, Reinstated, Source, Time};

const DAY: u64 = 86_400;

/// Why a line gives no draft: a stable code to count by, and a sentence for its author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Such as `public_suffix` or `missing_tlp`.
    pub code: &'static str,
    /// The input, the reason and what to do; safe for a terminal.
    pub message: String,
}

impl Refusal {
    /// A refusal.
    #[must_use]
    pub fn new(code: &'static str, message: impl Display) -> Self {
        Self { code, message: message.to_string() }
    }
}

impl From<NotCanonical> for Refusal {
    fn from(why: NotCanonical) -> Self {
        let code = match &why {
            NotCanonical::Empty { .. } => "empty",
            NotCanonical::TooLong { .. } => "too_long",
            NotCanonical::NotWellFormed(_) | NotCanonical::Form { .. } => "form",
            NotCanonical::Refused { .. } => "not_reportable",
            NotCanonical::Differs { .. } => "not_canonical",
            NotCanonical::PublicSuffix { .. } => "public_suffix",
            NotCanonical::LooksLikeIp { .. } => "looks_like_ip",
            NotCanonical::Undecodable { .. } => "undecodable",
            NotCanonical::ShortCode { .. } => "short_code",
            NotCanonical::NeedsRegion { .. } => "needs_region",
            NotCanonical::NotInPlan { .. } => "not_in_plan",
            NotCanonical::Checksum { .. } => "checksum",
            NotCanonical::UnknownName { .. } => "unknown_name",
            NotCanonical::OtherChain { .. } => "other_chain",
            NotCanonical::NotOn { .. } => "not_on",
        };
        Self::new(code, why)
    }
}

/// A draft, and what its author should know about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// The draft.
    pub draft: Draft,
    /// Its canonical value differs from what was given.
    pub repaired: bool,
    /// Never a refusal.
    pub warnings: Vec<Warning>,
}

impl Fields {
    /// Fills in `defaults`, canonicalises, and checks.
    ///
    /// # Errors
    /// [`Refusal`]; the first reason found.
    pub fn settle(self, defaults: &Defaults, line: u64) -> Result<Settled, Refusal> {
        let kind = match &self.kind {
            Some(name) => name.parse().map_err(|why| Refusal::new("kind", why))?,
            None => defaults.kind.ok_or_else(|| missing("kind"))?,
        };
        let canonical = canonicalise(kind, self.value.as_deref().unwrap_or_default(), &self.hints(defaults))?;
        let release = self.release(defaults)?;
        let rule = || release.tlp.map_or(0, |tlp| defaults.custody.copies(tlp));
        let copies = self.copies.or(defaults.copies).unwrap_or_else(rule);
        let source = Source {
            line: self.line.unwrap_or(line),
            file: match &self.file {
                Some(name) if defaults.file.as_deref() != Some(name) => Some(name.as_str().into()),
                _ => defaults.file.clone(),
            },
        };
        let claim = match self.claim.as_deref() {
            None | Some("report") => Claim::Report(self.report(defaults, kind)?),
            Some("sighting") => Claim::Sighting(self.sighting()?),
            Some("dispute") => Claim::Dispute(self.dispute()?),
            Some(other) => {
                let other = Shown::new(other);
                return Err(Refusal::new(
                    "claim",
                    format!("{other} is no claim: report, sighting or dispute"),
                ));
            }
        };
        let draft = Draft::new(source, canonical.indicator, release, copies, claim, defaults.now)
            .map_err(|void| Refusal::new("void", void))?;
        Ok(Settled { draft, repaired: canonical.repaired, warnings: canonical.warnings })
    }

    fn hints<'a>(&'a self, defaults: &'a Defaults) -> Hints<'a> {
        let chain = self.chain.as_deref().or(defaults.chain.as_deref());
        Hints {
            region: self.region.as_deref().or(defaults.region.as_deref()).map(str::trim),
            chain: match chain.map(str::trim) {
                None | Some("auto") => Chain::Auto,
                Some(name) => Chain::Named(name),
            },
            memo: self.memo.as_deref(),
            platform: self.platform.as_deref().or(defaults.platform.as_deref()).map(str::trim),
            quality: self.quality,
        }
    }

    fn release(&self, defaults: &Defaults) -> Result<Release, Refusal> {
        let tlp = match &self.tlp {
            // Whoever wrote an unknown marking wanted to restrict something: the narrowest reading.
            Some(text) => text.parse().unwrap_or(Tlp::Red),
            None => defaults.tlp.ok_or_else(|| missing("tlp"))?,
        };
        let pap = self.pap.as_ref().map(|text| text.parse().unwrap_or(Pap::Red)).or(defaults.pap);
        // A line that is for everyone does not inherit an audience; a narrower one does.
        let inherit = tlp != Tlp::Clear || self.tlp.is_none();
        let to = if self.to.is_empty() && inherit { defaults.to.clone() } else { audiences("to", &self.to)? };
        let mut not_to = audiences("not_to", &self.not_to)?;
        if inherit {
            not_to.extend(defaults.not_to.iter().cloned());
        }
        Ok(Release { tlp: Some(tlp), pap, to, not_to })
    }

    fn report(self, defaults: &Defaults, kind: Kind) -> Result<Report, Refusal> {
        let categories = match self.categories.as_slice() {
            [] if defaults.categories.is_empty() => return Err(missing("category")),
            [] => defaults.categories.clone(),
            names => names.iter().map(|name| category(name)).collect::<Result<_, _>>()?,
        };
        let basis = match (self.basis.as_deref(), self.imported_from) {
            (None | Some("imported"), Some(list)) => Basis::Imported(list),
            (Some("imported"), None) => match &defaults.basis {
                Some(Basis::Imported(list)) => Basis::Imported(list.clone()),
                _ => return Err(missing("imported_from")),
            },
            (Some("observed"), None) => Basis::Observed,
            (Some("other"), None) => Basis::Other,
            (None, None) => defaults.basis.clone().ok_or_else(|| missing("basis"))?,
            (Some(other), list) => {
                let with = if list.is_some() { " with imported_from" } else { "" };
                let other = Shown::new(other);
                return Err(Refusal::new(
                    "basis",
                    format!("{other}{with} is no basis: observed or imported"),
                ));
            }
        };
        let seconds = |time: Option<Time>| time.map_or(0, |time| time.0);
        let last_seen = seconds(self.last_seen);
        let days = self.valid_days.or(defaults.valid_days).unwrap_or_else(|| kind.default_validity_days());
        let from = if last_seen == 0 { defaults.now } else { last_seen };
        let valid_until = match self.valid_until {
            Some(time) => time.0,
            None => from.saturating_add(u64::from(days) * DAY),
        };
        let text = |own: Option<String>, default: &Option<String>| {
            own.or_else(|| default.clone()).unwrap_or_default()
        };
        let mut labels = self.labels;
        labels.extend(
            defaults.labels.iter().filter(|label| !labels.contains(label)).cloned().collect::<Vec<_>>(),
        );
        Ok(Report {
            categories,
            confidence: self.confidence.or(defaults.confidence),
            basis,
            first_seen: seconds(self.first_seen),
            last_seen,
            valid_until,
            include_subdomains: self
                .include_subdomains
                .unwrap_or(defaults.include_subdomains && kind == Kind::Domain),
            lookup_only: self.lookup_only.unwrap_or(defaults.lookup_only),
            possibly_coerced: self.possibly_coerced.unwrap_or(defaults.possibly_coerced),
            campaign: text(self.campaign, &defaults.campaign),
            labels,
            description: self.description.unwrap_or_default(),
            language: self.language.unwrap_or_default(),
            references: self.references.into_iter().map(reference).collect::<Result<_, _>>()?,
            related: self.related.iter().map(related).collect::<Result<_, _>>()?,
            lawful_basis: text(self.lawful_basis, &defaults.lawful_basis),
            reinstates: match self.reinstates {
                None => None,
                Some(Reinstated { entry, id }) => {
                    Some(Reinstates { entry, id: parse("reinstates.id", &id)? })
                }
            },
        })
    }

    fn sighting(self) -> Result<Sighting, Refusal> {
        let action = match self.action.as_deref() {
            None | Some("seen") => Action::Seen,
            Some("warned") => Action::Warned,
            Some("blocked") => Action::Blocked,
            Some(other) => {
                let other = Shown::new(other);
                return Err(Refusal::new("action", format!("{other} is no action: seen, warned or blocked")));
            }
        };
        Ok(Sighting {
            count: self.count.ok_or_else(|| missing("count"))?,
            window_start: self.window_start.ok_or_else(|| missing("window_start"))?.0,
            window_end: self.window_end.ok_or_else(|| missing("window_end"))?.0,
            action,
        })
    }

    fn dispute(self) -> Result<Dispute, Refusal> {
        Ok(Dispute {
            target: parse("disputes", &self.disputes.ok_or_else(|| missing("disputes"))?)?,
            id: parse("id", &self.id.ok_or_else(|| missing("id"))?)?,
            reason: dispute_reason(&self.reason.ok_or_else(|| missing("reason"))?)?,
            description: self.description.unwrap_or_default(),
            references: self.references.into_iter().map(reference).collect::<Result<_, _>>()?,
        })
    }
}

fn missing(field: &'static str) -> Refusal {
    let code = match field {
        "kind" => "missing_kind",
        "tlp" => "missing_tlp",
        "category" => "missing_category",
        "basis" => "missing_basis",
        _ => "missing_field",
    };
    Refusal::new(code, format!("neither the line nor the command says `{field}`; add it to one of them"))
}

fn parse<T: FromStr<Err: Display>>(field: &'static str, text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|why| Refusal::new("field", format!("{field}: {why}")))
}

/// A category by its id, or by the last part of it.
///
/// # Errors
/// [`Refusal`] that lists all ids.
pub fn category(name: &str) -> Result<Category, Refusal> {
    let name = name.trim();
    let short = |category: &Category| category.name().and_then(|id| id.rsplit('.').next()) == Some(name);
    name.parse().or_else(|why| Category::all().find(short).ok_or_else(|| Refusal::new("category", why)))
}

/// The names of the reasons of a dispute, as `--reason` takes them.
pub const DISPUTE_REASONS: [(&str, DisputeReason); 5] = [
    ("false_positive", DisputeReason::FalsePositive),
    ("outdated", DisputeReason::Outdated),
    ("shared_infrastructure", DisputeReason::SharedInfrastructure),
    ("subject_objection", DisputeReason::SubjectObjection),
    ("other", DisputeReason::Other),
];

fn dispute_reason(name: &str) -> Result<DisputeReason, Refusal> {
    DISPUTE_REASONS.into_iter().find(|(known, _)| *known == name).map(|(_, reason)| reason).ok_or_else(|| {
        let known = DISPUTE_REASONS.map(|(known, _)| known).join(", ");
        Refusal::new("reason", format!("{} is no reason; there are: {known}", Shown::new(name)))
    })
}

fn audiences(field: &'static str, names: &[String]) -> Result<BTreeSet<Audience>, Refusal> {
    names.iter().map(|name| parse(field, name.trim())).collect()
}

fn reference(written: Referred) -> Result<Reference, Refusal> {
    let sha256 = written.sha256.map(|hex| parse("references.sha256", &hex)).transpose()?;
    Ok(Reference { url: written.url, sha256 })
}

fn related(written: &Named) -> Result<Indicator, Refusal> {
    let kind: Kind = parse("related.kind", &written.kind)?;
    Ok(canonicalise(kind, &written.value, &Hints::default())?.indicator)
}
