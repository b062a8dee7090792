//! From a draft to its line in a drafts file.

use std::collections::BTreeSet;

use almenara_proto::{
    release::{Audience, Tlp},
    statement::{Action, Basis, Claim, Dispute, Reference, Report, Sighting},
};

use super::{DISPUTE_REASONS, Draft, Fields, Named, Referred, Reinstated, Time};

impl From<&Draft> for Fields {
    /// What a drafts file says; read back without defaults it gives the same draft.
    fn from(draft: &Draft) -> Self {
        let names = |set: &BTreeSet<Audience>| set.iter().map(ToString::to_string).collect();
        let fields = Self {
            file: draft.source.file.as_deref().map(str::to_owned),
            line: Some(draft.source.line),
            kind: Some(draft.indicator.kind().as_str().to_owned()),
            value: Some(draft.indicator.value().to_owned()),
            tlp: draft.release.tlp.map(|tlp| tlp.as_str().to_owned()),
            pap: draft.release.pap.map(|pap| pap.as_str().to_owned()),
            to: names(&draft.release.to),
            not_to: names(&draft.release.not_to),
            // None is said too: whoever reads it may have another roster's default.
            copies: matches!(draft.release.tlp, Some(Tlp::Amber | Tlp::AmberStrict)).then_some(draft.copies),
            ..Self::default()
        };
        match &draft.claim {
            Claim::Report(report) => fields.reported(report),
            Claim::Sighting(sighting) => fields.sighted(sighting),
            Claim::Dispute(dispute) => fields.disputed(dispute),
        }
    }
}

impl Fields {
    fn reported(self, report: &Report) -> Self {
        let (basis, imported_from) = match &report.basis {
            Basis::Observed => ("observed", None),
            Basis::Imported(list) => ("imported", Some(list.clone())),
            Basis::Other => ("other", None),
        };
        let related = |one: &almenara_proto::indicator::Indicator| Named {
            kind: one.kind().to_string(),
            value: one.value().to_owned(),
        };
        Self {
            categories: report.categories.iter().map(ToString::to_string).collect(),
            confidence: report.confidence,
            basis: Some(basis.to_owned()),
            imported_from,
            first_seen: time(report.first_seen),
            last_seen: time(report.last_seen),
            valid_until: Some(Time(report.valid_until)),
            include_subdomains: report.include_subdomains.then_some(true),
            lookup_only: report.lookup_only.then_some(true),
            possibly_coerced: report.possibly_coerced.then_some(true),
            campaign: said(&report.campaign),
            labels: report.labels.clone(),
            description: said(&report.description),
            language: said(&report.language),
            references: references(&report.references),
            related: report.related.iter().map(related).collect(),
            lawful_basis: said(&report.lawful_basis),
            reinstates: report.reinstates.map(|one| Reinstated { entry: one.entry, id: one.id.to_string() }),
            ..self
        }
    }

    fn sighted(self, sighting: &Sighting) -> Self {
        let action = match sighting.action {
            Action::Seen => "seen",
            Action::Warned => "warned",
            Action::Blocked => "blocked",
        };
        Self {
            claim: Some("sighting".to_owned()),
            count: Some(sighting.count),
            window_start: Some(Time(sighting.window_start)),
            window_end: Some(Time(sighting.window_end)),
            action: Some(action.to_owned()),
            ..self
        }
    }

    fn disputed(self, dispute: &Dispute) -> Self {
        let reason = DISPUTE_REASONS.into_iter().find(|(_, reason)| *reason == dispute.reason);
        Self {
            claim: Some("dispute".to_owned()),
            disputes: Some(dispute.target.to_string()),
            id: Some(dispute.id.to_string()),
            reason: reason.map(|(name, _)| name.to_owned()),
            description: said(&dispute.description),
            references: references(&dispute.references),
            ..self
        }
    }
}

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn time(seconds: u64) -> Option<Time> {
    (seconds != 0).then_some(Time(seconds))
}

fn references(all: &[Reference]) -> Vec<Referred> {
    all.iter()
        .map(|one| Referred { url: one.url.clone(), sha256: one.sha256.map(|hash| hash.to_string()) })
        .collect()
}
