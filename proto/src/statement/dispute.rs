//! A claim that another report is wrong.

use super::reference::{Reference, hash};
use crate::{
    blame::Void,
    field::paragraphs,
    merkle::Hash,
    name::{Address, MemberName},
    wire,
};

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

impl Dispute {
    pub(super) fn from_wire(wire: wire::Dispute) -> Result<Self, Void> {
        Ok(Self {
            target: Address {
                member: wire.member.parse::<MemberName>()?,
                entry: wire.entry,
                leaf: wire.leaf,
            },
            id: hash("Dispute.id", &wire.id)?,
            reason: match wire::DisputeReason::try_from(wire.reason) {
                Ok(wire::DisputeReason::FalsePositive) => DisputeReason::FalsePositive,
                Ok(wire::DisputeReason::Outdated) => DisputeReason::Outdated,
                Ok(wire::DisputeReason::SharedInfrastructure) => DisputeReason::SharedInfrastructure,
                Ok(wire::DisputeReason::SubjectObjection) => DisputeReason::SubjectObjection,
                _ => DisputeReason::Other,
            },
            description: paragraphs("Dispute.description", wire.description)?,
            references: Reference::all_from_wire(wire.references)?,
        })
    }

    pub(super) fn to_wire(&self) -> wire::Dispute {
        wire::Dispute {
            member: self.target.member.to_string(),
            entry: self.target.entry,
            leaf: self.target.leaf,
            id: self.id.0.to_vec().into(),
            reason: match self.reason {
                DisputeReason::FalsePositive => wire::DisputeReason::FalsePositive,
                DisputeReason::Outdated => wire::DisputeReason::Outdated,
                DisputeReason::SharedInfrastructure => wire::DisputeReason::SharedInfrastructure,
                DisputeReason::SubjectObjection => wire::DisputeReason::SubjectObjection,
                DisputeReason::Other => wire::DisputeReason::Other,
            }
            .into(),
            description: self.description.clone(),
            references: Reference::all_to_wire(&self.references),
        }
    }
}
