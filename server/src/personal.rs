//! Personal data in free text: e-mail addresses, phone numbers and numbers of documents, cards and accounts.
//!
//! A statement's description goes to many jurisdictions and cannot be called back everywhere, and people write
//! victims' numbers into it. So the text is scanned at publication, and a hit needs an override. It is a net, not a
//! proof: names and addresses of streets pass. What passes on purpose, because descriptions are full of it: dates
//! and times, Unix times, amounts with their currency, versions, IP addresses, URLs, hashes, wallets and anything
//! else in which letters and digits are one word.
//!
//! Time is linear in the text, whatever it holds. A finding says where, never what: the text stays out of errors
//! and logs.

mod document;
mod email;
mod folded;
mod number;
mod own;
#[cfg(test)]
mod tests;

use std::{fmt, ops::Range};

use almenara_proto::indicator::Indicator;

use folded::Folded;
use own::Own;

/// What sort of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonalData {
    /// An e-mail address.
    Email,
    /// A phone number, or a number that reads like one.
    Phone,
    /// A number of an identity document, a payment card or a bank account.
    IdNumber,
}

impl fmt::Display for PersonalData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Email => "an e-mail address",
            Self::Phone => "a phone number",
            Self::IdNumber => "a number of a document, card or account",
        })
    }
}

/// Personal data in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub what: PersonalData,
    /// Where it stands, in bytes of the text, on character boundaries.
    pub at: Range<usize>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, at } = self;
        write!(f, "{what} at bytes {} to {}; remove it, or override if it is nobody's", at.start, at.end)
    }
}

/// The first personal data in `text` that is not the indicator itself, in whatever spelling.
#[must_use]
pub fn scan(text: &str, own: &Indicator) -> Option<Finding> {
    let text = Folded::new(text);
    if text.is_plain() {
        return None;
    }
    let own = Own::new(own);
    let found = [email::find(&text, &own), document::find(&text, &own), number::find(&text, &own)];
    let (what, range) = found.into_iter().flatten().min_by_key(|(_, range)| range.start)?;
    Some(Finding { what, at: text.bytes(range) })
}
