//! Names of members and desks, jurisdictions, and the address of a statement.

use std::{fmt, str::FromStr};

/// Why a text is not the name, code or address that it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{}`: {rule}", text.escape_default())]
pub struct BadName {
    what: &'static str,
    text: String,
    rule: &'static str,
}

/// An organisation that runs a node: `police.th.example`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberName(String);

/// A desk of a member that signs statements: `police.th.example/cyber-desk`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Publisher {
    full: String,
    /// Where the `/` stands.
    slash: usize,
}

/// ISO 3166-1 alpha-2, or `EU`, or `INT`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Jurisdiction([u8; 3]);

/// `<member>:<entry index>.<leaf index>` names one statement, short and sayable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Whose log.
    pub member: MemberName,
    /// Index of the batch in that log.
    pub entry: u64,
    /// Index of the statement in that batch.
    pub leaf: u32,
}

/// Lowercase letters, digits, hyphens and dots; each part between dots starts and ends with a letter or
/// digit; at most 253 bytes, the length of a DNS name.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|part| {
            let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            match part.as_bytes() {
                [] => false,
                [one] => inner(*one),
                [first, middle @ .., last] => {
                    inner(*first) && inner(*last) && middle.iter().all(|&b| inner(b) || b == b'-')
                }
            }
        })
}

const NAME_RULE: &str = "lowercase letters, digits, hyphens and dots only, such as `police.th.example`";

impl MemberName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MemberName {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        if is_name(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadName { what: "member", text: text.to_owned(), rule: NAME_RULE })
        }
    }
}

impl Publisher {
    /// The publisher `desk` of `member`.
    ///
    /// # Errors
    /// When `desk` is not a name.
    pub fn new(member: &MemberName, desk: &str) -> Result<Self, BadName> {
        format!("{member}/{desk}").parse()
    }

    /// The whole name, `<member>/<desk>`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.full
    }

    /// The part before the `/`.
    #[must_use]
    pub fn member(&self) -> &str {
        self.full.get(..self.slash).unwrap_or_default()
    }

    /// The part behind the `/`.
    #[must_use]
    pub fn desk(&self) -> &str {
        self.full.get(self.slash.saturating_add(1)..).unwrap_or_default()
    }
}

impl FromStr for Publisher {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        match text.split_once('/') {
            Some((member, desk)) if is_name(member) && is_name(desk) => {
                Ok(Self { full: text.to_owned(), slash: member.len() })
            }
            _ => Err(BadName {
                what: "publisher",
                text: text.to_owned(),
                rule: "a member, a slash and a desk, such as `police.th.example/cyber-desk`",
            }),
        }
    }
}

impl Jurisdiction {
    /// Institutions of the European Union.
    pub const EU: Self = Self(*b"EU\0");
    /// International organisations; never corroborates (PROTOCOL.md §11).
    pub const INT: Self = Self(*b"INT");

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default().trim_end_matches('\0')
    }

    /// Whether this is a member state of the European Union (as of 2026), for `not_to` (PROTOCOL.md §8).
    #[must_use]
    pub fn is_eu_state(&self) -> bool {
        const STATES: [&str; 27] = [
            "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT",
            "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
        ];
        STATES.contains(&self.as_str())
    }
}

impl FromStr for Jurisdiction {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        match text.as_bytes() {
            b"INT" => Ok(Self::INT),
            [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Ok(Self([*a, *b, 0])),
            _ => Err(BadName {
                what: "jurisdiction",
                text: text.to_owned(),
                rule: "two capital letters of ISO 3166-1, or EU, or INT",
            }),
        }
    }
}

impl FromStr for Address {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        let parts = || {
            let (member, place) = text.split_once(':')?;
            let (entry, leaf) = place.split_once('.')?;
            // `u64::from_str` takes a sign and leading zeroes; an address has one spelling.
            let number =
                |digits: &str| digits.parse::<u64>().ok().filter(|value| value.to_string() == digits);
            Some(Self {
                member: member.parse().ok()?,
                entry: number(entry)?,
                leaf: u32::try_from(number(leaf)?).ok()?,
            })
        };
        parts().ok_or_else(|| BadName {
            what: "address",
            text: text.to_owned(),
            rule: "a member, a colon, an entry and a leaf, such as `police.th.example:1042.17`",
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}.{}", self.member, self.entry, self.leaf)
    }
}

macro_rules! shown_as_text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}
shown_as_text!(MemberName, Publisher, Jurisdiction);

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: FromStr + fmt::Display>(text: &str, good: bool) {
        let parsed = text.parse::<T>().ok().map(|name| name.to_string());
        assert_eq!(parsed, good.then(|| text.to_owned()), "{text:?}");
    }

    #[test]
    fn names_have_one_spelling() {
        check::<MemberName>("police.th.example", true);
        check::<MemberName>("a", true);
        check::<MemberName>("", false);
        check::<MemberName>("Police.example", false);
        check::<MemberName>("a..b", false);
        check::<MemberName>("-a", false);
        check::<MemberName>("a/b", false);
        check::<MemberName>("a b", false);
        check::<MemberName>("a:b", false);
        check::<Publisher>("police.th.example/cyber-desk", true);
        check::<Publisher>("police.th.example", false);
        check::<Publisher>("police.th.example/", false);
        check::<Publisher>("a/b/c", false);
        check::<Jurisdiction>("TH", true);
        check::<Jurisdiction>("EU", true);
        check::<Jurisdiction>("INT", true);
        check::<Jurisdiction>("th", false);
        check::<Jurisdiction>("THA", false);
        check::<Address>("police.th.example:1042.17", true);
        check::<Address>("police.th.example:01.17", false);
        check::<Address>("police.th.example:+1.17", false);
        check::<Address>("police.th.example:1", false);
        check::<Address>("police.th.example:1.4294967296", false);
    }

    #[test]
    fn a_publisher_knows_its_member_and_desk() {
        let publisher: Publisher = "police.th.example/cyber-desk".parse().expect("a publisher");
        assert_eq!((publisher.member(), publisher.desk()), ("police.th.example", "cyber-desk"));
    }
}
