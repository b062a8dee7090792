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

    /// Verifies by RFC 8032 without cofactor, as ring, Go and OpenSSL do.
    ///
    /// # Errors
    /// [`BadSignature`], when it does not hold.
    pub fn verify(self, body: &[u8], signature: &[u8; 64], key: &VerifyingKey) -> Result<(), BadSignature> {
        key.verify(&self.message(body), &ed25519_dalek::Signature::from_bytes(signature))
            .map_err(|_| BadSignature { context: self, key: PublicKey(key.to_bytes()) })
    }
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
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    #[test]
    fn bytes_signed_as_one_thing_do_not_pass_as_another() {
        let signature = Context::KeyGrant.sign(b"body", &key(1));
        assert!(Context::KeyGrant.verify(b"body", &signature, &key(1).verifying_key()).is_ok());
        assert!(Context::Batch.verify(b"body", &signature, &key(1).verifying_key()).is_err());
        assert!(Context::KeyGrant.verify(b"bodY", &signature, &key(1).verifying_key()).is_err());
        assert!(Context::KeyGrant.verify(b"body", &signature, &key(2).verifying_key()).is_err());
    }

    #[test]
    fn a_malleated_signature_with_s_above_the_group_order_is_refused() {
        // L, little endian (RFC 8032 §5.1).
        const L: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let mut signature = Context::Batch.sign(b"body", &key(1));
        let mut carry = 0u16;
        for (s, l) in signature[32..].iter_mut().zip(L) {
            let sum = u16::from(*s) + u16::from(l) + carry;
            *s = (sum & 0xff) as u8;
            carry = sum >> 8;
        }
        assert_eq!(carry, 0, "S + L still fits 32 bytes");
        assert!(Context::Batch.verify(b"body", &signature, &key(1).verifying_key()).is_err());
    }

    /// The eight points of small order, as Edwards encodings.
    const SMALL_ORDER: [&str; 8] = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ];

    #[test]
    fn a_small_order_key_is_not_admitted() {
        for text in SMALL_ORDER {
            let key: PublicKey = text.parse().expect("64 hex digits");
            assert!(key.admit().is_err(), "{text}");
        }
    }

    #[test]
    fn a_mixed_order_key_is_not_admitted() {
        let torsion: PublicKey = SMALL_ORDER[4].parse().expect("64 hex digits");
        let torsion = VerifyingKey::from_bytes(&torsion.0).expect("a point").to_edwards();
        let mixed = PublicKey((key(7).verifying_key().to_edwards() + torsion).compress().to_bytes());
        assert!(mixed.admit().is_err());
    }

    #[test]
    fn a_non_canonical_key_is_not_admitted() {
        // y = p + 3 encodes the same point as y = 3 would, if it is one; and p itself encodes y = 0.
        for last in 0xed..=0xffu8 {
            let mut bytes = [0xff; 32];
            bytes[0] = last;
            bytes[31] = 0x7f;
            assert!(PublicKey(bytes).admit().is_err(), "{last:x}");
            bytes[31] = 0xff;
            assert!(PublicKey(bytes).admit().is_err(), "{last:x} with the sign bit");
        }
    }

    #[test]
    fn an_honest_key_is_admitted() {
        for seed in 0..32 {
            assert!(PublicKey::of(&key(seed)).admit().is_ok(), "{seed}");
        }
    }
}
