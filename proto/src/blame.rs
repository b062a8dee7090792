//! Whose fault it is (PROTOCOL.md §14), and the error of an item that breaks a rule of the protocol.

use std::borrow::Cow;

use crate::{indicator::NotWellFormed, keys, merkle::ProofError, name::BadName, strict};

/// Every error names one of these; one table maps them to gRPC, HTTP and exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The bytes cannot be parsed: whoever made them.
    Malformed,
    /// Signed proof of wrongdoing, or bytes that do not match what was signed.
    Misbehaved,
    /// Policy: a value, not a failure.
    Refused,
    /// Try again, or another peer.
    Unavailable,
    /// Ours.
    Internal,
}

/// An item breaks a rule of the protocol: it stays in history and counts for nothing (PROTOCOL.md §2).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("void: {place}: {rule}")]
pub struct Void {
    /// Message or field.
    pub place: Cow<'static, str>,
    /// The broken rule.
    pub rule: Cow<'static, str>,
}

impl Void {
    /// A broken rule at a place.
    #[must_use]
    pub fn new(place: impl Into<Cow<'static, str>>, rule: impl Into<Cow<'static, str>>) -> Self {
        Self { place: place.into(), rule: rule.into() }
    }
}

impl From<strict::Broken> for Void {
    fn from(broken: strict::Broken) -> Self {
        Self::new(broken.place, broken.fault.to_string())
    }
}

impl From<BadName> for Void {
    fn from(bad: BadName) -> Self {
        Self::new("name", bad.to_string())
    }
}

impl From<NotWellFormed> for Void {
    fn from(bad: NotWellFormed) -> Self {
        Self::new("Indicator.value", bad.to_string())
    }
}

impl From<keys::BadSignature> for Void {
    fn from(bad: keys::BadSignature) -> Self {
        Self::new("signature", bad.to_string())
    }
}

impl From<keys::WeakKey> for Void {
    fn from(bad: keys::WeakKey) -> Self {
        Self::new("key", bad.to_string())
    }
}

impl From<ProofError> for Void {
    fn from(bad: ProofError) -> Self {
        Self::new("proof", bad.to_string())
    }
}
