//! Keys, signatures and what a signature is for (PROTOCOL.md §2).

use std::{fmt, str::FromStr};

use ed25519_dalek::{Signer as _, Verifier as _};
pub use ed25519_dalek::{SigningKey, VerifyingKey};

/// What a signed body is. The name stands before the body in what is signed, so that bytes signed as one
/// thing can never be replayed as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// A batch header.
    Batch,
    /// A withdrawal.
    Withdrawal,
    /// A key grant.
    KeyGrant,
    /// A key revocation.
    KeyRevocation,
    /// An override of safeguards.
    Override,
    /// A roster.
    Roster,
    /// A custody report.
    CustodyReport,
}

impl Context {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Batch,
        Self::Withdrawal,
        Self::KeyGrant,
        Self::KeyRevocation,
        Self::Override,
        Self::Roster,
        Self::CustodyReport,
    ];

    /// The bytes that stand before `0x00 ‖ body`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "almenara/v1/batch",
            Self::Withdrawal => "almenara/v1/withdrawal",
            Self::KeyGrant => "almenara/v1/key-grant",
            Self::KeyRevocation => "almenara/v1/key-revocation",
            Self::Override => "almenara/v1/override",
            Self::Roster => "almenara/v1/roster",
            Self::CustodyReport => "almenara/v1/custody-report",
        }
    }

    fn message(self, body: &[u8]) -> Vec<u8> {
        [self.as_str().as_bytes(), &[0], body].concat()
    }

    /// Signs `body` in this context.
    #[must_use]
    pub fn sign(self, body: &[u8], key: &SigningKey) -> [u8; 64] {
        key.sign(&self.message(body)).to_bytes()
    }

    /// Verifies `body` as what this context says it is, by [`holds`].
    ///
    /// # Errors
    /// [`BadSignature`], when it does not hold.
    pub fn verify(self, body: &[u8], signature: &[u8; 64], key: &VerifyingKey) -> Result<(), BadSignature> {
        holds(&self.message(body), signature, key)
            .then_some(())
            .ok_or(BadSignature { context: self, key: PublicKey(key.to_bytes()) })
    }
}

/// Whether a signature holds over exactly this message: RFC 8032 without cofactor, S < L, R compared as bytes. The one
/// place where signatures of any kind are verified; `verify_strict` would refuse what ring, Go and OpenSSL accept, and
/// the library's batch verification accepts another set.
#[must_use]
pub fn holds(message: &[u8], signature: &[u8], key: &VerifyingKey) -> bool {
    ed25519_dalek::Signature::from_slice(signature)
        .is_ok_and(|signature| key.verify(message, &signature).is_ok())
}

/// A signature does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature over this {} does not hold under key {key}", context.as_str())]
pub struct BadSignature {
    context: Context,
    key: PublicKey,
}

/// The 32 bytes of an Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// Why a key is not admitted to a grant or a roster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key {key} is not admitted: {why}; make a new one with `almenara keygen`")]
pub struct WeakKey {
    key: PublicKey,
    why: &'static str,
}

impl PublicKey {
    /// The gate that every key passes before anything is verified with it: canonical encoding, a point of
    /// the curve, neither of small nor of mixed order. `verify` alone accepts any message under the identity
    /// point.
    ///
    /// # Errors
    /// [`WeakKey`].
    pub fn admit(self) -> Result<VerifyingKey, WeakKey> {
        let refuse = |why| WeakKey { key: self, why };
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| refuse("it is no point of the curve"))?;
        if key.is_weak() {
            return Err(refuse("it has a small order"));
        }
        let point = key.to_edwards();
        if point.compress().to_bytes() != self.0 {
            return Err(refuse("its encoding is not canonical"));
        }
        if !point.is_torsion_free() {
            return Err(refuse("it has a mixed order"));
        }
        Ok(key)
    }

    /// The public half of `key`.
    #[must_use]
    pub fn of(key: &SigningKey) -> Self {
        Self(key.verifying_key().to_bytes())
    }
}

impl FromStr for PublicKey {
    type Err = BadKeyText;
    fn from_str(text: &str) -> Result<Self, BadKeyText> {
        data_encoding::HEXLOWER
            .decode(text.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| BadKeyText(text.escape_default().to_string()))
    }
}

/// A text is not a public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a public key: 64 lowercase hex digits are expected")]
pub struct BadKeyText(String);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests;
