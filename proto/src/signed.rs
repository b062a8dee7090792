//! What somebody signs (PROTOCOL.md §2): a body, kept and relayed as its author wrote it, and the signature over its bytes.

use bytes::Bytes;

use crate::{
    blame::Void,
    keys::{Context, SigningKey, VerifyingKey},
    merkle::{self, Hash},
    strict::{self, Table},
    wire,
};

/// A body that somebody signs.
pub trait Body: Sized {
    /// What the signature is for.
    const CONTEXT: Context;
    /// The byte rules.
    const TABLE: &'static Table;
    /// Whether a second key may sign it too.
    const SECOND_SIGNATURE: bool = false;
    /// Parses and checks what every reader decides alike.
    ///
    /// # Errors
    /// [`Void`] with the first broken rule.
    fn parse(body: &[u8]) -> Result<Self, Void>;
    /// The bytes to sign. Only the author calls this.
    fn encode(&self) -> Vec<u8>;
}

/// A body, its meaning, and the signature over its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Signed<T> {
    /// The exact bytes that the author signed.
    pub body: Bytes,
    /// Over `context ‖ 0x00 ‖ body`.
    pub signature: [u8; 64],
    /// The same by a second key; only erasing withdrawals have one.
    pub second_signature: Option<[u8; 64]>,
    /// What the body says.
    pub content: T,
}

impl<T: Body> Signed<T> {
    /// Signs `content`.
    #[must_use]
    pub fn sign(content: T, key: &SigningKey) -> Self {
        let body = Bytes::from(content.encode());
        Self { signature: T::CONTEXT.sign(&body, key), second_signature: None, content, body }
    }

    /// Parses; the signature is not verified yet.
    ///
    /// # Errors
    /// [`Void`] when a rule is broken.
    pub fn parse(wire: wire::Signed) -> Result<Self, Void> {
        strict::check(&wire.body, T::TABLE)?;
        let content = T::parse(&wire.body)?;
        let signature = |bytes: &[u8]| {
            <[u8; 64]>::try_from(bytes).map_err(|_| Void::new("Signed.signature", "64 bytes are expected"))
        };
        let second_signature = match wire.second_signature.as_ref() {
            [] => None,
            _ if !T::SECOND_SIGNATURE => {
                return Err(Void::new("Signed.second_signature", "only an erasing withdrawal has one"));
            }
            bytes => Some(signature(bytes)?),
        };
        Ok(Self { signature: signature(&wire.signature)?, second_signature, content, body: wire.body })
    }

    /// Verifies the signature under `key`.
    ///
    /// # Errors
    /// [`Void`] when it does not hold.
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), Void> {
        Ok(T::CONTEXT.verify(&self.body, &self.signature, key)?)
    }

    /// SHA-256 of the body; a signature is never part of an id.
    #[must_use]
    pub fn id(&self) -> Hash {
        merkle::sha256(&[&self.body])
    }

    /// The wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::Signed {
        wire::Signed {
            body: self.body.clone(),
            signature: self.signature.to_vec().into(),
            second_signature: self.second_signature.map(|bytes| bytes.to_vec()).unwrap_or_default().into(),
        }
    }
}
