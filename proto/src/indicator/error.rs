//! Why a value is void, or not canonical: sentences that name the value, the reason and what to do.

use super::Kind;
use std::fmt;

/// A value from outside, made safe for terminals and logs: quoted, control, ANSI, bidi and zero-width characters
/// escaped, cut after 80 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Shown(String);

/// Enough to recognise a value; a log line stays a line.
const MAX_SHOWN_CHARS: usize = 80;

impl Shown {
    /// Wraps a value for display.
    pub fn new(value: &str) -> Self {
        let mut shown: String = value.chars().take(MAX_SHOWN_CHARS).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        Self(shown)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `str`'s Debug escapes whatever is not printable, which covers Cc, Cf (bidi, zero-width) and separators.
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A name that is no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no kind of indicator; the kinds are {kinds}", kinds = Kind::ALL.map(Kind::as_str).join(", "))]
pub struct UnknownKind(pub Shown);

/// The value breaks the void rule of its kind: no reader counts it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value} is void as {kind}: {rule}; canonicalise it before signing")]
pub struct NotWellFormed {
    /// The kind that was claimed.
    pub kind: Kind,
    /// The value.
    pub value: Shown,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl NotWellFormed {
    pub(super) fn new(kind: Kind, value: &str, rule: &'static str) -> Self {
        Self { kind, value: Shown::new(value), rule }
    }
}

/// The input has no canonical form, or (at a node) the value is not in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    /// Nothing is left after trimming.
    #[error("there is no {kind} in an empty input; give one value a line")]
    Empty {
        /// The kind that was asked for.
        kind: Kind,
    },
    /// Longer than [`super::MAX_INPUT_BYTES`].
    #[error("{bytes} bytes are too long for a {kind}; an input has at most {max} bytes", max = super::MAX_INPUT_BYTES)]
    TooLong {
        /// The kind that was asked for.
        kind: Kind,
        /// Length of the input, in bytes.
        bytes: usize,
    },
    /// The void rule of the kind is broken even after repair.
    #[error("{} is no {}: {}; check the source", .0.value, .0.kind, .0.rule)]
    NotWellFormed(#[from] NotWellFormed),
    /// It cannot be read as this kind.
    #[error("{value} is no {kind}: {because}; {instead}")]
    Form {
        /// The kind that was asked for.
        kind: Kind,
        /// The input.
        value: Shown,
        /// What is wrong with it.
        because: &'static str,
        /// What to do.
        instead: &'static str,
    },
    /// It can be read, and must not be reported.
    #[error("{value} is refused as {kind}: {because}; {instead}")]
    Refused {
        /// The kind that was asked for.
        kind: Kind,
        /// The value.
        value: Shown,
        /// Why.
        because: &'static str,
        /// What to do.
        instead: &'static str,
    },
    /// A node was given something that a client should have canonicalised.
    #[error("{value} is not the canonical {kind}; sign {canonical} instead")]
    Differs {
        /// The kind.
        kind: Kind,
        /// The value as signed.
        value: Shown,
        /// What it should be.
        canonical: Shown,
    },
    /// A public suffix stands for all its customers.
    #[error("{value} is a public suffix, under which others register names; report the full name")]
    PublicSuffix {
        /// The name.
        value: Shown,
    },
    /// The last label is a number, so browsers read the name as an IPv4 address.
    #[error("{value} looks like an IP address; report it as kind ip, in plain decimal form")]
    LooksLikeIp {
        /// The name.
        value: Shown,
    },
    /// UTS #46 refuses the name, for example an `xn--` label that decodes to nothing valid.
    #[error("{value} is no internationalised name (UTS #46 refuses it); copy the name again from its source")]
    Undecodable {
        /// The name.
        value: Shown,
    },
    /// Too few digits to be dialled from abroad.
    #[error("{value} is a short code, which means another service in each country; report full numbers only")]
    ShortCode {
        /// The number.
        value: Shown,
    },
    /// A national number without its country.
    #[error(
        "{value} has no country code; write it as +<country code><number>, or name the region, for example TH"
    )]
    NeedsRegion {
        /// The number.
        value: Shown,
    },
    /// The numbering plan has no such number.
    #[error("{value} is no number of its country's plan (tables {tables}); compare it with the source")]
    NotInPlan {
        /// The number.
        value: Shown,
        /// Version of the tables.
        tables: &'static str,
    },
    /// A checksum over the value fails.
    #[error(
        "{value} fails its checksum ({scheme}), so some character is wrong; copy it again from its source"
    )]
    Checksum {
        /// The value.
        value: Shown,
        /// The checksum's name.
        scheme: &'static str,
    },
    /// A chain, platform, store or register that nobody added yet.
    #[error("{name} is no known {what}; the known ones are {known}")]
    UnknownName {
        /// `chain`, `platform`, `store` or `register`.
        what: &'static str,
        /// The name as given.
        name: Shown,
        /// The known names, in order.
        known: String,
    },
    /// The chain, platform or store is known, but has no such addresses or ids.
    #[error("{value} does not fit {name}, which has {forms}; copy it again from its source")]
    NotOn {
        /// The address or id as given.
        value: Shown,
        /// The name of the chain, platform or store.
        name: &'static str,
        /// The forms that it has.
        forms: &'static str,
    },
    /// The address belongs to another chain than the one that was named.
    #[error("{address} is no address on {named}, it has the form of {recognised}; name that chain, or none")]
    OtherChain {
        /// The address as given.
        address: Shown,
        /// The chain as given.
        named: Shown,
        /// The chain that the address's own form names.
        recognised: &'static str,
    },
}

impl NotCanonical {
    pub(super) fn form(kind: Kind, value: &str, because: &'static str, instead: &'static str) -> Self {
        Self::Form { kind, value: Shown::new(value), because, instead }
    }

    pub(super) fn refused(kind: Kind, value: &str, because: &'static str, instead: &'static str) -> Self {
        Self::Refused { kind, value: Shown::new(value), because, instead }
    }

    pub(super) fn unknown_name<'a>(
        what: &'static str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        Self::UnknownName { what, name: Shown::new(name), known }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_ansi_or_bidi_character_leaves_through_an_error() {
        let hostile = "a\u{1b}[31m\u{202e}\u{2066}\u{200b}\u{feff}\n\r\u{85}\u{2028}\u{7f}b";
        let shown = NotCanonical::Undecodable { value: Shown::new(hostile) };
        for text in [shown.to_string(), format!("{shown:?}")] {
            assert!(
                !text
                    .chars()
                    .any(|c| c.is_control() || ('\u{200b}'..='\u{206f}').contains(&c) || c == '\u{feff}')
            );
        }
    }

    #[test]
    fn a_long_value_is_cut_when_shown() {
        assert!(Shown::new(&"é".repeat(10_000)).to_string().chars().count() <= 83);
        assert_eq!(Shown::new("abc").to_string(), "\"abc\"");
    }
}
