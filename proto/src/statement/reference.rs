//! Where more stands.

use crate::{blame::Void, field::line, merkle::Hash, wire};

/// A source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Where.
    pub url: String,
    /// What stood there.
    pub sha256: Option<Hash>,
}

impl Reference {
    pub(super) fn all_from_wire(references: Vec<wire::Reference>) -> Result<Vec<Self>, Void> {
        references
            .into_iter()
            .map(|reference| {
                Ok(Self {
                    url: line("Reference.url", reference.url)?,
                    sha256: match reference.sha256.as_ref() {
                        [] => None,
                        bytes => Some(hash("Reference.sha256", bytes)?),
                    },
                })
            })
            .collect()
    }

    pub(super) fn all_to_wire(references: &[Self]) -> Vec<wire::Reference> {
        references
            .iter()
            .map(|reference| wire::Reference {
                url: reference.url.clone(),
                sha256: reference.sha256.map(|hash| hash.0.to_vec()).unwrap_or_default().into(),
            })
            .collect()
    }
}

pub(super) fn hash(place: &'static str, bytes: &[u8]) -> Result<Hash, Void> {
    Hash::try_from(bytes).map_err(|_| Void::new(place, "32 bytes are expected"))
}
