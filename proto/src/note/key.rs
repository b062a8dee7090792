//! Keys that verify notes.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::VerifyingKey;

use super::{NoteError, check_name, cosigned};
use crate::{
    keys,
    merkle::{MAX_SIZE, sha256},
};

/// What a key signs, and with which type byte it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// The text, with Ed25519 (type 0x01).
    Ed25519,
    /// A time and the text, with Ed25519 (type 0x04): `cosignature/v1`.
    CosignatureV1,
}

impl KeyKind {
    /// The type byte of C2SP signed-note.
    #[must_use]
    pub fn algorithm(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureV1 => 0x04,
        }
    }
}

/// A key that a reader knows, under the name that its signature lines bear. Text: `name+<8 hex>+<base64>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    kind: KeyKind,
    key: VerifyingKey,
}

/// A key's id: SHA-256(name ‖ 0x0A ‖ algorithm ‖ public key), its first four bytes.
#[must_use]
pub fn key_id(name: &str, algorithm: u8, public: &[u8]) -> [u8; 4] {
    let hash = sha256(&[name.as_bytes(), b"\n", &[algorithm], public]);
    let [a, b, c, d, ..] = hash.0;
    [a, b, c, d]
}

impl VerifierKey {
    /// A key of this name.
    ///
    /// Whether the key is canonical and of prime order is judged at key admission (PROTOCOL.md §2), not here.
    ///
    /// # Errors
    /// `Name` when it is no key name, `PublicKey` when the bytes are no point of the curve.
    pub fn new(name: &str, kind: KeyKind, public: &[u8; 32]) -> Result<Self, NoteError> {
        check_name(name)?;
        let key =
            VerifyingKey::from_bytes(public).map_err(|_| NoteError::PublicKey { name: name.to_owned() })?;
        Ok(Self { name: name.to_owned(), id: key_id(name, kind.algorithm(), public), kind, key })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// What it signs.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Whether these signature bytes hold over `text`: `Some` with the time that a cosignature states.
    pub(super) fn verify(&self, text: &str, bytes: &[u8]) -> Option<Option<u64>> {
        match self.kind {
            KeyKind::Ed25519 => keys::holds(text.as_bytes(), bytes, &self.key).then_some(None),
            KeyKind::CosignatureV1 => {
                let (time, signature) = bytes.split_first_chunk()?;
                // C2SP: "it MUST NOT exceed 2^63 - 1"; SQL could not keep it either.
                let time = Some(u64::from_be_bytes(*time)).filter(|time| *time <= MAX_SIZE)?;
                keys::holds(cosigned(text, time).as_bytes(), signature, &self.key).then_some(Some(time))
            }
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = [&[self.kind.algorithm()], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.id), BASE64.encode(&public))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (name, rest) = text.split_once('+').ok_or(NoteError::VerifierKey)?;
        let (id, base64) = rest.split_once('+').ok_or(NoteError::VerifierKey)?;
        let bytes = BASE64.decode(base64.as_bytes()).map_err(|_| NoteError::VerifierKey)?;
        let (algorithm, public) = bytes.split_first().ok_or(NoteError::VerifierKey)?;
        let kind = match algorithm {
            0x01 => KeyKind::Ed25519,
            0x04 => KeyKind::CosignatureV1,
            _ => return Err(NoteError::VerifierKey),
        };
        let public = public.try_into().map_err(|_| NoteError::VerifierKey)?;
        let key = Self::new(name, kind, public)?;
        // The id guards against a mistyped name or key.
        if HEXLOWER.encode(&key.id) == id { Ok(key) } else { Err(NoteError::VerifierKey) }
    }
}

#[cfg(test)]
impl VerifierKey {
    /// A key with an id that is not its own, since no test can find a collision.
    pub(super) fn set_id(&mut self, id: [u8; 4]) {
        self.id = id;
    }
}
