//! A roster with its signatures, and how the next version is accepted (PROTOCOL.md §7).

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{Reused, Roster};
use crate::{
    blame::Void,
    field,
    keys::{Context, PublicKey, SigningKey},
    merkle::{self, Hash},
    name::MemberName,
    wire,
};

/// A roster's bytes and who signed them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRoster {
    /// The exact bytes.
    pub body: Bytes,
    /// Root key and signature.
    pub signatures: Vec<(PublicKey, [u8; 64])>,
}

/// A roster that was accepted, with the bytes that prove it.
#[derive(Clone, Debug, PartialEq)]
pub struct AcceptedRoster {
    /// What it says.
    pub roster: Roster,
    /// The hash that the next version names.
    pub id: Hash,
    /// The bytes, to hand on.
    pub signed: SignedRoster,
}

/// Why a roster is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// A rule of the bytes or the structure is broken.
    #[error(transparent)]
    Void(#[from] Void),
    /// Version 1 is another one than the hash given out of band.
    #[error(
        "roster version 1 has hash {found}, but {pinned} was pinned: ask the member who gave you the hash"
    )]
    NotPinned {
        /// Of what was offered.
        found: Hash,
        /// Given out of band.
        pinned: Hash,
    },
    /// Version 1 lacks a member's signature.
    #[error("roster version 1 is not signed by {0}: every member signs the first version with its root key")]
    Unsigned(MemberName),
    /// It does not follow exactly on the current one.
    #[error("roster version {found} does not follow version {current}: {why}")]
    NotNext {
        /// The accepted version.
        current: u64,
        /// The offered version.
        found: u64,
        /// In words.
        why: &'static str,
    },
    /// A name or key that had its life.
    #[error(transparent)]
    Reused(#[from] Reused),
    /// Too few jurisdictions.
    #[error(
        "{found} of the jurisdictions of version {version} signed, {required} are required; missing: {missing}"
    )]
    NoMajority {
        /// Whose jurisdictions are counted.
        version: u64,
        /// How many voted.
        found: usize,
        /// How many must.
        required: usize,
        /// Who did not.
        missing: String,
    },
}

impl SignedRoster {
    /// Signs nothing yet.
    #[must_use]
    pub fn unsigned(roster: &Roster) -> Self {
        Self { body: roster.encode().into(), signatures: Vec::new() }
    }

    /// Adds a signature, once for each key.
    pub fn sign(&mut self, root_key: &SigningKey) {
        let key = PublicKey::of(root_key);
        self.signatures.retain(|(other, _)| *other != key);
        self.signatures.push((key, Context::Roster.sign(&self.body, root_key)));
    }

    /// SHA-256 of the body.
    #[must_use]
    pub fn id(&self) -> Hash {
        merkle::sha256(&[&self.body])
    }

    /// Parses the container.
    ///
    /// # Errors
    /// [`Void`] when keys or signatures have wrong lengths.
    pub fn from_wire(wire: wire::SignedRoster) -> Result<Self, Void> {
        let signatures = wire
            .signatures
            .iter()
            .map(|signature| {
                let bytes = signature.signature.as_ref().try_into();
                Ok((
                    field::key("RosterSignature.root_key", &signature.root_key)?,
                    bytes.map_err(|_| Void::new("RosterSignature.signature", "64 bytes are expected"))?,
                ))
            })
            .collect::<Result<_, Void>>()?;
        Ok(Self { body: wire.body, signatures })
    }

    /// The wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::SignedRoster {
        wire::SignedRoster {
            body: self.body.clone(),
            signatures: self
                .signatures
                .iter()
                .map(|(key, signature)| wire::RosterSignature {
                    root_key: key.0.to_vec().into(),
                    signature: signature.to_vec().into(),
                })
                .collect(),
        }
    }

    /// The members of `roster` whose root key in force signed this body.
    #[must_use]
    pub fn signers(&self, roster: &Roster) -> BTreeSet<MemberName> {
        let valid: BTreeSet<PublicKey> = self
            .signatures
            .iter()
            .filter(|(key, signature)| {
                key.admit().is_ok_and(|key| Context::Roster.verify(&self.body, signature, &key).is_ok())
            })
            .map(|(key, _)| *key)
            .collect();
        roster
            .members
            .values()
            .filter(|member| member.segment().is_some_and(|segment| valid.contains(&segment.root_key)))
            .map(|member| member.name.clone())
            .collect()
    }

    /// Accepts version 1: by its hash, given out of band, and signed by all its members.
    ///
    /// # Errors
    /// [`RosterError`].
    pub fn accept_first(self, pinned: &Hash) -> Result<AcceptedRoster, RosterError> {
        let id = self.id();
        if id != *pinned {
            return Err(RosterError::NotPinned { found: id, pinned: *pinned });
        }
        let roster = Roster::parse(&self.body)?;
        if roster.version != 1 {
            return Err(RosterError::NotNext {
                current: 0,
                found: roster.version,
                why: "the chain starts at 1",
            });
        }
        let signers = self.signers(&roster);
        match roster.members.keys().find(|name| !signers.contains(*name)) {
            Some(missing) => Err(RosterError::Unsigned(missing.clone())),
            None => Ok(AcceptedRoster { roster, id, signed: self }),
        }
    }

    /// Accepts version n + 1 after version n: exact succession, and a majority of the jurisdictions of both.
    ///
    /// # Errors
    /// [`RosterError`].
    pub fn accept_next(self, current: &AcceptedRoster) -> Result<AcceptedRoster, RosterError> {
        let roster = Roster::parse(&self.body)?;
        let refuse =
            |why| RosterError::NotNext { current: current.roster.version, found: roster.version, why };
        if current.roster.version.checked_add(1) != Some(roster.version) {
            return Err(refuse("versions follow one by one"));
        }
        if roster.previous != Some(current.id) {
            return Err(refuse("it names another previous version"));
        }
        if roster.federation != current.roster.federation {
            return Err(refuse("it is of another federation"));
        }
        for (name, old) in &current.roster.members {
            if roster.members.get(name).is_some_and(|new| !new.segments.starts_with(&old.segments)) {
                return Err(refuse("it rewrites the segments of a member's log"));
            }
        }
        current.roster.majority(&self.signers(&current.roster))?;
        roster.majority(&self.signers(&roster))?;
        Ok(AcceptedRoster { id: self.id(), roster, signed: self })
    }
}
