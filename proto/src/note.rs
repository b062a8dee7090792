//! Signed notes (C2SP signed-note v1.0.0) and cosignatures (C2SP tlog-cosignature v1.0.1).
//!
//! A note is a text that ends in a newline, a blank line, and signature lines `— <name> <base64(id ‖ signature)>`.
//! It is split at the last blank line, and the signed bytes are the text with its final newline. A name and a
//! four-byte id say whose signature it claims to be; the id is a hint and no proof, so a signature counts only
//! when it verifies under a key that the reader already knows.

mod key;
#[cfg(test)]
mod tests;

use std::fmt;

use data_encoding::BASE64;
use ed25519_dalek::{Signer, SigningKey};
use thiserror::Error;

pub use key::{KeyKind, VerifierKey, key_id};

/// Signature lines accepted in one note. C2SP asks for at least 16; Go's `sumdb/note` also stops at 100, so a
/// note that we accept is one that the stock tools accept.
pub const MAX_SIGNATURES: usize = 100;

/// A parsed note. Its text means nothing before [`Note::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// The key's name.
    pub name: String,
    /// The key's id.
    pub id: [u8; 4],
    /// What the key's kind makes of it: 64 bytes of Ed25519; for a cosignature 8 bytes of time before them.
    pub bytes: Vec<u8>,
}

/// A signature that holds under a known key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSignature {
    /// The key's name.
    pub name: String,
    /// The key's id.
    pub id: [u8; 4],
    /// When a cosignature was made, in seconds since 1970, by the cosigner's clock; `None` for a plain signature.
    pub time: Option<u64>,
}

impl Note {
    /// Reads a note.
    ///
    /// # Errors
    /// Each breach of the format is an error of its own; see [`NoteError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let note = str::from_utf8(bytes).map_err(|_| NoteError::Encoding)?;
        check_characters(note)?;
        let blank = note.rfind("\n\n").ok_or(NoteError::NoSignatures)?;
        let (text, lines) = note.split_at(blank + 1);
        // `lines` begins with the blank line; every line after it is a signature.
        let lines = lines.strip_prefix('\n').unwrap_or(lines);
        if lines.is_empty() {
            return Err(NoteError::NoSignatures);
        }
        let lines = lines.strip_suffix('\n').ok_or(NoteError::NoFinalNewline)?;
        let found = lines.split('\n').count();
        if found > MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures { found });
        }
        let signatures = lines.split('\n').map(NoteSignature::parse).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text, its final newline included. Not verified.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines. Not verified.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Checks every signature of a known key; signatures of unknown (name, id) are ignored.
    ///
    /// Each key is reported once, by its first line, however many lines it signed: a quorum counts keys.
    ///
    /// # Errors
    /// `BadSignature` when one of a known key fails, `AmbiguousKey` when two known keys share name and id,
    /// `NoKnownSignature` when no known key signed.
    pub fn verify(&self, known: &[VerifierKey]) -> Result<Vec<VerifiedSignature>, NoteError> {
        let mut verified: Vec<VerifiedSignature> = Vec::new();
        for signature in &self.signatures {
            let NoteSignature { name, id, bytes } = signature;
            let mut keys = known.iter().filter(|key| key.name() == name && key.id() == *id);
            let Some(key) = keys.next() else { continue };
            if keys.any(|other| other != key) {
                return Err(NoteError::AmbiguousKey { name: name.clone(), id: *id });
            }
            let time = key
                .verify(&self.text, bytes)
                .ok_or_else(|| NoteError::BadSignature { name: name.clone(), id: *id })?;
            if !verified.iter().any(|seen| seen.name == *name && seen.id == *id) {
                verified.push(VerifiedSignature { name: name.clone(), id: *id, time });
            }
        }
        if verified.is_empty() { Err(NoteError::NoKnownSignature) } else { Ok(verified) }
    }
}

impl NoteSignature {
    /// Reads one line, without its newline.
    ///
    /// # Errors
    /// `SignatureLine` when it is none.
    pub fn parse(line: &str) -> Result<Self, NoteError> {
        let refuse = || NoteError::SignatureLine { line: line.chars().take(80).collect() };
        let (name, base64) =
            line.strip_prefix("— ").and_then(|rest| rest.split_once(' ')).ok_or_else(refuse)?;
        check_name(name).map_err(|_| refuse())?;
        let bytes = BASE64.decode(base64.as_bytes()).map_err(|_| refuse())?;
        match bytes.split_first_chunk() {
            Some((id, signature)) if !signature.is_empty() => {
                Ok(Self { name: name.to_owned(), id: *id, bytes: signature.to_vec() })
            }
            _ => Err(refuse()),
        }
    }
}

/// The line with its newline, as it stands in a note.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload = [self.id.as_slice(), &self.bytes].concat();
        writeln!(f, "— {} {}", self.name, BASE64.encode(&payload))
    }
}

/// Signs a note's text; gives the signature line with its newline.
///
/// # Errors
/// When the text is none of a note (no final newline, control characters), or the name is no key name.
pub fn sign(text: &str, name: &str, key: &SigningKey) -> Result<String, NoteError> {
    check_text(text)?;
    let verifier = VerifierKey::new(name, KeyKind::Ed25519, &key.verifying_key().to_bytes())?;
    let bytes = key.sign(text.as_bytes()).to_bytes().to_vec();
    Ok(NoteSignature { name: name.to_owned(), id: verifier.id(), bytes }.to_string())
}

/// Cosigns a checkpoint's text at `time`, in seconds since 1970; gives the signature line with its newline.
///
/// The signature does not bind the name: give each cosigner a key of its own.
///
/// # Errors
/// As [`sign`].
pub fn cosign(text: &str, name: &str, key: &SigningKey, time: u64) -> Result<String, NoteError> {
    check_text(text)?;
    let verifier = VerifierKey::new(name, KeyKind::CosignatureV1, &key.verifying_key().to_bytes())?;
    let signature = key.sign(cosigned(text, time).as_bytes()).to_bytes();
    let bytes = [time.to_be_bytes().as_slice(), &signature].concat();
    Ok(NoteSignature { name: name.to_owned(), id: verifier.id(), bytes }.to_string())
}

/// A note of this text and these signature lines.
///
/// # Errors
/// When it is not one that [`Note::parse`] reads back to the same text.
pub fn assemble<'a>(text: &str, lines: impl IntoIterator<Item = &'a str>) -> Result<Vec<u8>, NoteError> {
    check_text(text)?;
    let mut note = format!("{text}\n");
    note.extend(lines);
    let note = note.into_bytes();
    if Note::parse(&note)?.text() == text { Ok(note) } else { Err(NoteError::BlankLine) }
}

/// What a cosignature signs: two lines of its own, then the whole text.
fn cosigned(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

fn check_text(text: &str) -> Result<(), NoteError> {
    check_characters(text)?;
    if text.ends_with('\n') { Ok(()) } else { Err(NoteError::NoFinalNewline) }
}

fn check_characters(text: &str) -> Result<(), NoteError> {
    match text.bytes().find(|byte| *byte < 0x20 && *byte != b'\n') {
        Some(byte) => Err(NoteError::Control { byte }),
        None => Ok(()),
    }
}

/// A key name: not empty, no Unicode space, no `+`; and, since it stands in a note, no control character.
pub(crate) fn check_name(name: &str) -> Result<(), NoteError> {
    let bad = |c: char| c.is_whitespace() || c == '+' || c < ' ';
    if name.is_empty() || name.contains(bad) {
        Err(NoteError::Name { name: name.to_owned() })
    } else {
        Ok(())
    }
}

/// Why a note or a key is not accepted. Everything up to `TooManySignatures` is `Malformed`; the rest blames the
/// connection that brought the note, since any relay can add a bad line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoteError {
    /// Not UTF-8.
    #[error("a note must be UTF-8")]
    Encoding,
    /// A control character.
    #[error("a note must not contain control characters; byte 0x{byte:02x} does not belong here")]
    Control {
        /// The byte.
        byte: u8,
    },
    /// The text or the last signature line is cut off.
    #[error("a note's text and its signatures must each end in a newline")]
    NoFinalNewline,
    /// No blank line, or nothing after the last one.
    #[error("a note needs a blank line and at least one signature line after its text")]
    NoSignatures,
    /// A blank line among signature lines: the note would be split elsewhere.
    #[error("signature lines must not contain a blank line")]
    BlankLine,
    /// Not a signature line.
    #[error("not a signature line of the form '— name base64': '{line}'")]
    SignatureLine {
        /// The line's first 80 characters.
        line: String,
    },
    /// Not a key name.
    #[error("'{name}' is no key name: it must not be empty nor contain spaces, '+' or control characters")]
    Name {
        /// The name.
        name: String,
    },
    /// Not a verifier key.
    #[error(
        "not a verifier key of the form name+id+base64, of type Ed25519 (1) or cosignature (4), with its own id"
    )]
    VerifierKey,
    /// Not a point of the curve.
    #[error("the 32 bytes of the key of '{name}' are no Ed25519 public key")]
    PublicKey {
        /// The key's name.
        name: String,
    },
    /// More lines than anybody needs.
    #[error("a note may have {MAX_SIGNATURES} signatures; this one has {found}")]
    TooManySignatures {
        /// Lines found.
        found: usize,
    },
    /// Two keys that the reader knows cannot be told apart.
    #[error("two known keys are both named '{name}' with id {}; remove one", data_encoding::HEXLOWER.encode(id))]
    AmbiguousKey {
        /// Their name.
        name: String,
        /// Their id.
        id: [u8; 4],
    },
    /// A known key's signature does not hold.
    #[error("the signature of '{name}' (key id {}) does not verify", data_encoding::HEXLOWER.encode(id))]
    BadSignature {
        /// The key's name.
        name: String,
        /// The key's id.
        id: [u8; 4],
    },
    /// Nobody known signed.
    #[error("no known key has signed this note")]
    NoKnownSignature,
}
