//! Keys of desks: granted and ended by their member's root key.

use prost::Message as _;

use crate::{
    blame::Void,
    field,
    keys::{Context, PublicKey},
    name::{MemberName, Publisher},
    signed::Body,
    strict::{self, Table},
    wire,
};

/// A member gives a desk a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyGrant {
    /// Federation id.
    pub federation: String,
    /// Whose log.
    pub member: MemberName,
    /// The desk.
    pub publisher: Publisher,
    /// The desk's key.
    pub key: PublicKey,
    /// For people.
    pub note: String,
}

/// A member ends a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRevocation {
    /// Federation id.
    pub federation: String,
    /// Whose key.
    pub member: MemberName,
    /// The key.
    pub key: PublicKey,
    /// For people.
    pub reason: String,
    /// Entries of the member's log at or above it stop counting.
    pub since_index: u64,
}

impl Body for KeyGrant {
    const CONTEXT: Context = Context::KeyGrant;
    const TABLE: &'static Table = &strict::KEY_GRANT;

    fn parse(body: &[u8]) -> Result<Self, Void> {
        let wire: wire::KeyGrant = field::message("KeyGrant", body)?;
        let member: MemberName = wire.member.parse()?;
        Ok(Self {
            publisher: field::publisher_of(&member, &wire.publisher)?,
            federation: field::federation(wire.federation)?,
            member,
            key: field::key("KeyGrant.key", &wire.key)?,
            note: field::line("KeyGrant.note", wire.note)?,
        })
    }

    fn encode(&self) -> Vec<u8> {
        wire::KeyGrant {
            federation: self.federation.clone(),
            member: self.member.to_string(),
            publisher: self.publisher.to_string(),
            key: self.key.0.to_vec().into(),
            note: self.note.clone(),
        }
        .encode_to_vec()
    }
}

impl Body for KeyRevocation {
    const CONTEXT: Context = Context::KeyRevocation;
    const TABLE: &'static Table = &strict::KEY_REVOCATION;

    fn parse(body: &[u8]) -> Result<Self, Void> {
        let wire: wire::KeyRevocation = field::message("KeyRevocation", body)?;
        Ok(Self {
            federation: field::federation(wire.federation)?,
            member: wire.member.parse()?,
            key: field::key("KeyRevocation.key", &wire.key)?,
            reason: field::line("KeyRevocation.reason", wire.reason)?,
            since_index: wire.since_index,
        })
    }

    fn encode(&self) -> Vec<u8> {
        wire::KeyRevocation {
            federation: self.federation.clone(),
            member: self.member.to_string(),
            key: self.key.0.to_vec().into(),
            reason: self.reason.clone(),
            since_index: self.since_index,
        }
        .encode_to_vec()
    }
}
