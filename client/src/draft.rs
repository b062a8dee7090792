//! What a person is about to say: a statement without nonce, time and signature.
//!
//! A drafts file holds one JSON object a line, with the names of [`Fields`]; it is also what `import` reads as
//! `jsonl`, so that a drafts file that was edited by hand or made by a script needs no second format.

mod defaults;
mod fields;
mod settle;
mod written;
#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use almenara_proto::{
    blame::Void,
    indicator::{self, Indicator, Kind},
    merkle,
    release::Release,
    statement::{Claim, Ruleset, Statement},
};

pub use defaults::Defaults;
pub use fields::{Fields, Named, Referred, Reinstated, Time};
pub use settle::{DISPUTE_REASONS, Refusal, Settled, category};

/// Where a draft came from, so that a refusal of a node names the line that a person can mend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The file's name, when there were several or it is known.
    pub file: Option<Arc<str>>,
    /// Line of that file, from 1; 0: no file.
    pub line: u64,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.file {
            // A file's name is somebody's text: control and bidi characters are escaped.
            Some(file) => write!(f, "{}:{}", file.escape_debug(), self.line),
            None => write!(f, "line {}", self.line),
        }
    }
}

/// A statement to be. It passed every rule that readers decide alike, with the tables of this build, and is encoded
/// but for its nonce.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Where it came from.
    pub source: Source,
    indicator: Indicator,
    hash: [u8; 16],
    release: Release,
    copies: u32,
    claim: Claim,
    encoded: Vec<u8>,
}

/// Where the nonce stands in an encoded statement: it is the first field, of 16 bytes, and protobuf is written in the
/// order of fields.
const NONCE: std::ops::Range<usize> = 2..18;

impl Draft {
    /// Checks by the protocol's own parser that the statement, made at `made_at` (Unix seconds), is not void.
    ///
    /// # Errors
    /// [`Void`] with the first broken rule.
    pub fn new(
        source: Source,
        indicator: Indicator,
        release: Release,
        copies: u32,
        claim: Claim,
        made_at: u64,
    ) -> Result<Self, Void> {
        let ruleset = ruleset_of(indicator.kind());
        let statement = Statement { nonce: [0; 16], indicator, made_at, ruleset, release, copies, claim };
        let encoded = statement.encode();
        Statement::parse(&encoded)?;
        let Statement { indicator, release, copies, claim, .. } = statement;
        let hash = merkle::sha256(&[&[indicator.kind() as u8], indicator.value().as_bytes()]);
        let hash = hash.0.first_chunk().copied().unwrap_or_default();
        Ok(Self { source, indicator, hash, release, copies, claim, encoded })
    }

    /// The encoded statement with `nonce`, which is from a CSPRNG and used once.
    #[must_use]
    pub fn encoded(&self, nonce: &[u8; 16]) -> Vec<u8> {
        let mut encoded = self.encoded.clone();
        if let Some(place) = encoded.get_mut(NONCE) {
            place.copy_from_slice(nonce);
        }
        encoded
    }

    /// The first half of SHA-256(kind ‖ value): two indicators that share it would need 2^64 tries.
    #[must_use]
    pub const fn indicator_hash(&self) -> [u8; 16] {
        self.hash
    }

    /// What it is about.
    #[must_use]
    pub const fn indicator(&self) -> &Indicator {
        &self.indicator
    }

    /// Who may see it.
    #[must_use]
    pub const fn release(&self) -> &Release {
        &self.release
    }

    /// Custody: 0, or how many other jurisdictions keep it.
    #[must_use]
    pub const fn copies(&self) -> u32 {
        self.copies
    }

    /// What is claimed.
    #[must_use]
    pub const fn claim(&self) -> &Claim {
        &self.claim
    }

    /// Whether it is a report: of those a batch holds at most one for each indicator.
    #[must_use]
    pub const fn is_report(&self) -> bool {
        matches!(self.claim, Claim::Report(_))
    }

    /// Bytes of the encoded statement.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.encoded.len()
    }
}

/// The versions of the tables that the canonical form of a kind depends on; the others are not named, for each
/// name would be repeated in every statement.
fn ruleset_of(kind: Kind) -> Ruleset {
    let (names, phone) = match kind {
        Kind::Domain | Kind::Url | Kind::Email | Kind::Advert => (true, false),
        Kind::Phone => (false, true),
        _ => return Ruleset::default(),
    };
    // Put together once: it is part of every statement.
    static TABLES: LazyLock<indicator::Ruleset> = LazyLock::new(indicator::ruleset);
    let of = |used: bool, name: &str| if used { name.to_owned() } else { String::new() };
    Ruleset {
        unicode: of(names, &TABLES.unicode),
        public_suffix: of(names, &TABLES.public_suffix),
        phone: of(phone, &TABLES.phone),
    }
}
