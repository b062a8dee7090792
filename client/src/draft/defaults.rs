//! What the command line says about all lines of a file.

use std::collections::BTreeSet;

use almenara_proto::{
    indicator::Kind,
    release::{Audience, Pap, Tlp},
    roster::CustodyRule,
    statement::{Basis, Category},
};

/// Fills what a line does not say. What neither says, and a statement needs, refuses the line: who may see a report,
/// and whether its publisher saw the thing, are never guessed.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// Unix seconds: drafts are checked as if made now, and validity counts from now unless a line says last_seen.
    pub now: u64,
    /// Name of the file, for [`super::Source`].
    pub file: Option<std::sync::Arc<str>>,
    /// What the values are.
    pub kind: Option<Kind>,
    /// At least one, here or in each line.
    pub categories: Vec<Category>,
    /// 0 to 100.
    pub confidence: Option<u8>,
    /// Seen by the publisher, or imported from a named list.
    pub basis: Option<Basis>,
    /// Days after last_seen; absent: the kind's own number.
    pub valid_days: Option<u32>,
    /// Of domains only; other kinds have no subdomains.
    pub include_subdomains: bool,
    /// Never in a blocklist.
    pub lookup_only: bool,
    /// The person behind it may be a victim.
    pub possibly_coerced: bool,
    /// A name that several reports share.
    pub campaign: Option<String>,
    /// Free labels, added to the line's own.
    pub labels: Vec<String>,
    /// Why the publisher may process this.
    pub lawful_basis: Option<String>,
    /// Who may see it.
    pub tlp: Option<Tlp>,
    /// What they may do with it.
    pub pap: Option<Pap>,
    /// Audience, when the line names none.
    pub to: BTreeSet<Audience>,
    /// Always excluded, besides the line's own.
    pub not_to: BTreeSet<Audience>,
    /// Custody.
    pub copies: Option<u32>,
    /// The roster's copies, where neither says a number.
    pub custody: CustodyRule,
    /// Country of national phone numbers and bank accounts.
    pub region: Option<String>,
    /// Chain of wallets; `auto` or absent: the address's own form decides.
    pub chain: Option<String>,
    /// Platform of handles, store of apps, register of companies.
    pub platform: Option<String>,
}
