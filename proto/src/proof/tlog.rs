//! The proof that one entry stands in a log, as C2SP tlog-proof writes it: any tool that knows the log's key reads it.

use std::{fmt, str::FromStr};

use bytes::Bytes;
use data_encoding::BASE64;
use thiserror::Error;

use crate::{
    checkpoint::{CheckpointError, SignedCheckpoint},
    limits::{ENTRY_BYTES, PROOF_BYTES},
    merkle::{self, Hash, MAX_SIZE, ProofError},
};

/// The first line.
const HEAD: &str = "c2sp.org/tlog-proof@v1";

/// An entry's place in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// The entry's bytes: they are the leaf's data, so that who checks the path has checked them.
    pub extra: Bytes,
    /// Log index.
    pub index: u64,
    /// Leaf to root.
    pub path: Vec<Hash>,
    /// The signed note, verbatim.
    pub checkpoint: Bytes,
}

/// Why a text is no such proof, or does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadTlogProof {
    /// The text. `Malformed`.
    #[error("this is no {HEAD}: {0}")]
    Text(&'static str),
    /// The note.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The path.
    #[error(transparent)]
    Path(#[from] ProofError),
}

impl TlogProof {
    /// Whether the entry stands in the log of this origin and key.
    ///
    /// # Errors
    /// [`BadTlogProof`]; whoever brought it is to blame.
    pub fn verify(&self, origin: &str, log_key: &[u8; 32]) -> Result<SignedCheckpoint, BadTlogProof> {
        let opened = SignedCheckpoint::open(&self.checkpoint, origin, log_key)?;
        let signed = opened.checkpoint();
        let leaf = merkle::leaf_hash(&self.extra);
        merkle::verify_inclusion(&leaf, self.index, signed.size, &self.path, &signed.root)?;
        Ok(opened)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}\nextra {}\nindex {}", BASE64.encode(&self.extra), self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", BASE64.encode(&hash.0))?;
        }
        // A note is UTF-8; one that is none was never opened.
        write!(f, "\n{}", String::from_utf8_lossy(&self.checkpoint))
    }
}

impl FromStr for TlogProof {
    type Err = BadTlogProof;

    fn from_str(text: &str) -> Result<Self, BadTlogProof> {
        let bad = BadTlogProof::Text;
        if text.len() > PROOF_BYTES {
            return Err(bad("it is too long"));
        }
        let rest = text.strip_prefix(HEAD).and_then(|rest| rest.strip_prefix('\n'));
        let (head, checkpoint) = rest.and_then(|rest| rest.split_once("\n\n")).ok_or(bad("it ends early"))?;
        let mut lines = head.split('\n');
        let extra = lines.next().and_then(|line| line.strip_prefix("extra "));
        let extra = extra.and_then(|base64| BASE64.decode(base64.as_bytes()).ok());
        let extra = extra.filter(|bytes| bytes.len() <= ENTRY_BYTES).ok_or(bad("its entry is missing"))?;
        let digits =
            lines.next().and_then(|line| line.strip_prefix("index ")).ok_or(bad("it has no index"))?;
        let index =
            digits.parse().ok().filter(|index: &u64| *index <= MAX_SIZE && index.to_string() == digits);
        let path =
            lines.map(|line| BASE64.decode(line.as_bytes()).ok()?.as_slice().try_into().ok().map(Hash));
        Ok(Self {
            extra: extra.into(),
            index: index.ok_or(bad("its index is no decimal number"))?,
            path: path.collect::<Option<_>>().ok_or(bad("its path is not made of hashes"))?,
            checkpoint: Bytes::copy_from_slice(checkpoint.as_bytes()),
        })
    }
}
