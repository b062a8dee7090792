//! Two pairs of eyes: what the safeguards refuse, a second desk may let pass.

use prost::Message as _;

use crate::{
    blame::Void,
    field,
    keys::{Context, PublicKey},
    merkle::Hash,
    name::{MemberName, Publisher},
    signed::Body,
    strict::{self, Table},
    wire,
};

/// A second desk lets named leaves of the next batch pass the safeguards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Federation id.
    pub federation: String,
    /// Whose log.
    pub member: MemberName,
    /// Which desk agrees.
    pub publisher: Publisher,
    /// That desk's key; not the batch's.
    pub key: PublicKey,
    /// The batch.
    pub batch_id: Hash,
    /// Its leaves, strictly ascending.
    pub leaves: Vec<u32>,
    /// For people.
    pub reason: String,
}

impl Body for Override {
    const CONTEXT: Context = Context::Override;
    const TABLE: &'static Table = &strict::OVERRIDE;

    fn parse(body: &[u8]) -> Result<Self, Void> {
        let wire: wire::Override = field::message("Override", body)?;
        let member: MemberName = wire.member.parse()?;
        if wire.leaves.is_empty() || !wire.leaves.is_sorted_by(|a, b| a < b) {
            return Err(Void::new("Override.leaves", "at least one, strictly ascending"));
        }
        Ok(Self {
            publisher: field::publisher_of(&member, &wire.publisher)?,
            federation: field::federation(wire.federation)?,
            member,
            key: field::key("Override.key", &wire.key)?,
            batch_id: Hash::try_from(wire.batch_id.as_ref())
                .map_err(|_| Void::new("Override.batch_id", "32 bytes are expected"))?,
            leaves: wire.leaves,
            reason: field::line("Override.reason", wire.reason)?,
        })
    }

    fn encode(&self) -> Vec<u8> {
        wire::Override {
            federation: self.federation.clone(),
            member: self.member.to_string(),
            publisher: self.publisher.to_string(),
            key: self.key.0.to_vec().into(),
            batch_id: self.batch_id.0.to_vec().into(),
            leaves: self.leaves.clone(),
            reason: self.reason.clone(),
        }
        .encode_to_vec()
    }
}
