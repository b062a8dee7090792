//! Indicators: a kind and a canonical value, so that two agencies that never spoke still mean the same thing.
//!
//! Three doors, from strict bytes to people's input:
//!
//! - [`Indicator::new`] is the protocol's *void* rule: every reader decides it alike, from the bytes alone,
//!   without Unicode, public-suffix, phone or country tables. It asks for the shape, not for the meaning, so that a
//!   chain, platform or store that somebody adds later is never void for an older reader.
//! - [`Indicator::admissible`] is a node's *admission*: is the value exactly what [`canonicalise`] gives? It uses
//!   tables, never repairs (the bytes are signed), and its answer may differ between versions of the tables.
//! - [`canonicalise`] is what a publisher's client does with what people paste: it refangs, repairs and warns.
//!
//! Every canonical value is printable ASCII without a space: no control, bidi or zero-width character can hide in
//! one, and no exporter has to think of them.

mod advert;
mod app;
mod bank_account;
mod company;
mod domain;
mod email;
mod error;
mod handle;
mod iban;
mod image;
mod ip;
mod kind;
mod phone;
mod refang;
mod ruleset;
#[cfg(test)]
mod tests;
mod url;
mod wallet;

pub use advert::{MAX_ADVERT_TEXT_BYTES, advert_text};
pub use app::{STORES, Store};
pub use company::REGISTERS;
pub use error::{NotCanonical, NotWellFormed, Shown, UnknownKind};
pub use handle::{PLATFORMS, Platform};
pub use image::MIN_QUALITY;
pub use kind::Kind;
pub use ruleset::{Ruleset, ruleset};
pub use wallet::{CHAINS, Chain, ChainInfo};

use sha2::{Digest, Sha256};

/// Longest input that [`canonicalise`] looks at, in bytes: twice the longest canonical value, which leaves room for
/// defanging and percent-encoding, and bounds what every parser behind it can be made to do.
pub const MAX_INPUT_BYTES: usize = 4_096;

/// One thing that a statement is about. Its value passed the void rule of its kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Indicator {
    kind: Kind,
    value: String,
}

impl Indicator {
    /// The void rule. Decided alike by every reader, from the bytes alone, without tables.
    ///
    /// # Errors
    /// [`NotWellFormed`] names the kind, the value and the broken rule.
    pub fn new(kind: Kind, value: impl Into<String>) -> Result<Self, NotWellFormed> {
        let value = value.into();
        well_formed(kind, &value).map_err(|rule| NotWellFormed::new(kind, &value, rule))?;
        Ok(Self { kind, value })
    }

    /// What sort of thing it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The value, printable ASCII.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The index key of stores: the first 8 bytes, big-endian, of SHA-256(kind number ‖ value).
    ///
    /// Two indicators may share a key: whoever looks one up compares the value as well.
    pub fn index_key(&self) -> u64 {
        let hash = Sha256::new().chain_update([self.kind as u8]).chain_update(&self.value).finalize();
        hash.iter().take(8).fold(0, |key, &byte| (key << 8) | u64::from(byte))
    }

    /// A node's admission: the value is exactly what [`canonicalise`] gives for it. Never repairs.
    ///
    /// # Errors
    /// [`NotCanonical::Differs`] names the canonical form; the other variants say why there is none.
    pub fn admissible(&self) -> Result<(), NotCanonical> {
        // Domains are nearly all of a federation's statements: they need no second string.
        if self.kind == Kind::Domain {
            return domain::admissible(&self.value);
        }
        let canonical = canonicalise(self.kind, &self.value, &Hints::default())?.indicator;
        if canonical.value == self.value {
            return Ok(());
        }
        Err(NotCanonical::Differs {
            kind: self.kind,
            value: Shown::new(&self.value),
            canonical: Shown::new(&canonical.value),
        })
    }
}

/// The void rule of each kind, or the sentence of the rule that is broken.
fn well_formed(kind: Kind, value: &str) -> Result<(), &'static str> {
    match kind {
        Kind::Domain => domain::well_formed(value),
        Kind::Url => url::well_formed(value),
        Kind::Email => email::well_formed(value),
        Kind::Phone => phone::well_formed(value),
        Kind::Wallet => wallet::well_formed(value),
        Kind::Iban => iban::well_formed(value),
        Kind::BankAccount => bank_account::well_formed(value),
        Kind::Handle => handle::well_formed(value),
        Kind::Ip => ip::well_formed(value),
        Kind::App => app::well_formed(value),
        Kind::Advert => advert::well_formed(value),
        Kind::Image => image::well_formed(value),
        Kind::Company => company::well_formed(value),
    }
}

/// What the person, or the column of a file, says beside the value itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'a> {
    /// ISO 3166-1 alpha-2 code: where a national phone number is dialled, or the country of a bank account.
    pub region: Option<&'a str>,
    /// The chain of a wallet address.
    pub chain: Chain<'a>,
    /// The exchange's deposit memo or destination tag of a wallet address (XRP and TON).
    pub memo: Option<&'a str>,
    /// The platform of a handle, the store of an app, the register of a company.
    pub platform: Option<&'a str>,
    /// The quality that PDQ reported for an image hash, 0 to 100.
    pub quality: Option<u8>,
}

/// A canonical indicator, and what its publisher should know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canonical {
    /// Passes [`Indicator::new`] and [`Indicator::admissible`].
    pub indicator: Indicator,
    /// The value differs from the trimmed input.
    pub repaired: bool,
    /// Never a refusal.
    pub warnings: Vec<Warning>,
}

/// Worth a look before publishing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// Letters of another script that look like Latin ones. A different name: kept, never merged.
    #[error(
        "reads like {ascii}, but is another name ({unicode}); it is kept as it is, check that you mean it"
    )]
    LooksLike {
        /// What people take it for.
        ascii: Shown,
        /// What it says, in Unicode.
        unicode: Shown,
    },
    /// The address has no checksum: a typo passes.
    #[error("an address on {chain} has no checksum, so a typo passes unnoticed; compare it with the source")]
    NoChecksum {
        /// The chain's name.
        chain: &'static str,
    },
    /// The name stands under a suffix that many customers share.
    #[error("{suffix} is shared by many customers; report this name, never {suffix} as a whole")]
    SharedHost {
        /// A private entry of the public suffix list.
        suffix: Shown,
    },
}

/// The canonical form of what a person or a file gives.
///
/// # Errors
/// [`NotCanonical`] says why there is none, and what to do.
pub fn canonicalise(kind: Kind, input: &str, hints: &Hints<'_>) -> Result<Canonical, NotCanonical> {
    if input.len() > MAX_INPUT_BYTES {
        return Err(NotCanonical::TooLong { kind, bytes: input.len() });
    }
    let clean = refang::clean(input);
    if clean.is_empty() {
        return Err(NotCanonical::Empty { kind });
    }
    let (value, warnings) = match kind {
        Kind::Domain => domain::canonical(&clean)?,
        Kind::Url => url::canonical(&clean)?,
        Kind::Email => email::canonical(&clean)?,
        Kind::Phone => (phone::canonical(&clean, hints.region)?, Vec::new()),
        Kind::Wallet => wallet::canonical(&clean, hints.chain, hints.memo)?,
        Kind::Iban => (iban::canonical(&clean)?, Vec::new()),
        Kind::BankAccount => (bank_account::canonical(&clean, hints.region)?, Vec::new()),
        Kind::Handle => (handle::canonical(&clean, hints)?, Vec::new()),
        Kind::Ip => (ip::canonical(&clean)?, Vec::new()),
        Kind::App => (app::canonical(&clean, hints.platform)?, Vec::new()),
        Kind::Advert => advert::canonical(&clean)?,
        Kind::Image => (image::canonical(&clean, hints.quality)?, Vec::new()),
        Kind::Company => (company::canonical(&clean, hints.platform)?, Vec::new()),
    };
    let repaired = value != input.trim();
    Ok(Canonical { indicator: Indicator::new(kind, value)?, repaired, warnings })
}
