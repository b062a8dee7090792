//! Checkpoints (C2SP tlog-checkpoint v1.0.0): the signed size and root of a log.
//!
//! ```text
//! police.th.example/almenara
//! 1042
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//!
//! — police.th.example/almenara <base64>
//! ```

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use ed25519_dalek::SigningKey;
use thiserror::Error;

use crate::merkle::{Hash, MAX_SIZE, empty_root};
use crate::note::{self, KeyKind, Note, NoteError, VerifiedSignature, VerifierKey};

/// The first line of every checkpoint of this member's log, and the name of the key that signs it.
#[must_use]
pub fn origin_of(member: &str) -> String {
    format!("{member}/almenara")
}

/// What a log says of itself: exactly three lines, no extension lines. Not signed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: a key name of C2SP signed-note.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(&self.root.0))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let body = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Lines);
        };
        note::check_name(origin)?;
        let size = parse_size(size).ok_or(CheckpointError::Size)?;
        let root = BASE64.decode(root.as_bytes()).map_err(|_| CheckpointError::Root)?;
        let root = Hash::try_from(root.as_slice()).map_err(|_| CheckpointError::Root)?;
        if size == 0 && root != empty_root() {
            return Err(CheckpointError::Empty);
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

/// A decimal number with one spelling: no sign, no leading zero, at most [`MAX_SIZE`].
fn parse_size(text: &str) -> Option<u64> {
    text.parse().ok().filter(|size: &u64| *size <= MAX_SIZE && size.to_string() == text)
}

/// A checkpoint that the log's key signed, with the note as it came: it is kept and relayed verbatim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    log_key: [u8; 32],
    note: Vec<u8>,
}

impl SignedCheckpoint {
    /// Signs a checkpoint. The caller made sure, durably, that the log never signed another root for this size.
    ///
    /// # Errors
    /// When the checkpoint is not one that [`Self::open`] would read back: a bad origin, a size above
    /// [`MAX_SIZE`], an empty log with a root.
    pub fn sign(checkpoint: Checkpoint, key: &SigningKey) -> Result<Self, CheckpointError> {
        let text = checkpoint.to_string();
        text.parse::<Checkpoint>()?;
        let line = note::sign(&text, &checkpoint.origin, key)?;
        let note = note::assemble(&text, [line.as_str()])?;
        Ok(Self { checkpoint, log_key: key.verifying_key().to_bytes(), note })
    }

    /// Reads a note as a checkpoint of `origin`, signed by `log_key`.
    ///
    /// # Errors
    /// `Note` when it is no note or the log's key has not signed it; `Lines`, `Size`, `Root`, `Empty` when its text
    /// is no checkpoint; `Origin` when it is another log's.
    pub fn open(raw: &[u8], origin: &str, log_key: &[u8; 32]) -> Result<Self, CheckpointError> {
        let note = Note::parse(raw)?;
        note.verify(&[VerifierKey::new(origin, KeyKind::Ed25519, log_key)?])?;
        let checkpoint: Checkpoint = note.text().parse()?;
        if checkpoint.origin != origin {
            return Err(CheckpointError::Origin { found: checkpoint.origin, required: origin.to_owned() });
        }
        Ok(Self { checkpoint, log_key: *log_key, note: raw.to_vec() })
    }

    /// What was signed.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The key that signed it.
    #[must_use]
    pub fn log_key(&self) -> &[u8; 32] {
        &self.log_key
    }

    /// The whole note, verbatim.
    #[must_use]
    pub fn note(&self) -> &[u8] {
        &self.note
    }

    /// A cosignature line, with its newline, by the cosigner of this name at `time` (seconds since 1970).
    ///
    /// The caller holds all entries below the size, saw that it extends the last checkpoint it cosigned, and
    /// persisted that it is about to cosign this one.
    ///
    /// # Errors
    /// When the name is no key name.
    pub fn cosign(&self, name: &str, key: &SigningKey, time: u64) -> Result<String, NoteError> {
        note::cosign(&self.checkpoint.to_string(), name, key, time)
    }

    /// The same checkpoint with more signature lines below those that it has.
    ///
    /// # Errors
    /// When they are no signature lines, or the note would have more than it may.
    pub fn with_lines(&self, lines: &str) -> Result<Self, NoteError> {
        let note = [self.note.as_slice(), lines.as_bytes()].concat();
        if Note::parse(&note)?.text() == self.checkpoint.to_string() {
            Ok(Self { note, ..self.clone() })
        } else {
            Err(NoteError::BlankLine)
        }
    }

    /// The cosignatures by these keys, each key once; none is no error.
    ///
    /// # Errors
    /// `BadSignature` when one of them fails, `AmbiguousKey` when two keys share name and id.
    pub fn cosignatures(&self, cosigners: &[VerifierKey]) -> Result<Vec<VerifiedSignature>, NoteError> {
        match Note::parse(&self.note)?.verify(cosigners) {
            Err(NoteError::NoKnownSignature) => Ok(Vec::new()),
            other => other.map(|all| all.into_iter().filter(|one| one.time.is_some()).collect()),
        }
    }
}

/// Why this is no checkpoint of that log. `Malformed`, but for `Origin` and what [`NoteError`] blames on a relay.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// The note around it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Not three lines.
    #[error("a checkpoint has exactly three lines: origin, size, root")]
    Lines,
    /// The second line.
    #[error("a checkpoint's size is a decimal number up to {MAX_SIZE} without leading zeroes")]
    Size,
    /// The third line.
    #[error("a checkpoint's root is the base64 of 32 bytes")]
    Root,
    /// An empty log with a root.
    #[error("the root of an empty log is SHA-256 of nothing")]
    Empty,
    /// Another log's.
    #[error("this is a checkpoint of '{found}'; one of '{required}' was asked for")]
    Origin {
        /// The origin that it states.
        found: String,
        /// The origin asked for.
        required: String,
    },
}
