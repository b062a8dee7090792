//! Who a certificate names: `spiffe://<member>/<role>/<name>`.

use std::fmt;
use std::str::FromStr;

use crate::tame;

/// The longest name, in bytes: a member is named like a DNS host (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;

/// The longest part between two dots, in bytes (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// What the bearer of a certificate may be in the federation (PROTOCOL.md §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A member's server.
    Node,
    /// A desk that signs statements.
    Publisher,
    /// An account that reads what its member may see.
    Consumer,
    /// An account that reads logs without statements in clear.
    Auditor,
    /// A person who runs the member's own node.
    Operator,
}

impl Role {
    /// Every role, in the order of the protocol.
    pub const ALL: [Self; 5] = [Self::Node, Self::Publisher, Self::Consumer, Self::Auditor, Self::Operator];

    /// The word for it in a certificate.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Publisher => "publisher",
            Self::Consumer => "consumer",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| IdError::Role(tame(text)))
    }
}

/// A name that one certificate carries: a member, a role in it, and a name in that role.
///
/// A value of this type is always well formed; its text form is `spiffe://<member>/<role>/<name>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    member: String,
    role: Role,
    name: String,
}

impl SpiffeId {
    /// Joins the three parts, after checking both names.
    ///
    /// # Errors
    /// [`IdError::Name`] if `member` or `name` is not a name of the protocol.
    pub fn new(member: &str, role: Role, name: &str) -> Result<Self, IdError> {
        check_name(member)?;
        check_name(name)?;
        Ok(Self { member: member.to_owned(), role, name: name.to_owned() })
    }

    /// The member, such as `police.th.example`.
    #[must_use]
    pub fn member(&self) -> &str {
        &self.member
    }

    /// The role that the member gave the bearer.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The name within the role, such as `cyber-desk`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/{}/{}", self.member, self.role, self.name)
    }
}

impl FromStr for SpiffeId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let rest = text.strip_prefix("spiffe://").ok_or_else(|| IdError::Shape(tame(text)))?;
        let mut parts = rest.split('/');
        let (Some(member), Some(role), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(IdError::Shape(tame(text)));
        };
        Self::new(member, role.parse()?, name)
    }
}

/// Checks a member's or a desk's name: lowercase letters, digits, hyphens and dots (PROTOCOL.md §1), with
/// the label rules of host names, so that `-`, `..` and a trailing dot are no names.
///
/// # Errors
/// [`IdError::Name`] with the reason.
pub(crate) fn check_name(name: &str) -> Result<(), IdError> {
    let refuse = |reason| Err(IdError::Name { name: tame(name), reason });
    if name.is_empty() {
        return refuse("it is empty");
    }
    if name.len() > MAX_NAME {
        return refuse("it is longer than 253 bytes");
    }
    if !name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.')) {
        return refuse("a name has lowercase letters, digits, hyphens and dots, nothing else");
    }
    for label in name.split('.') {
        if label.is_empty() {
            return refuse("a dot must stand between two letters or digits");
        }
        if label.len() > MAX_LABEL {
            return refuse("a part between two dots is longer than 63 bytes");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return refuse("a hyphen must stand between two letters or digits");
        }
    }
    Ok(())
}

/// Why a text is no identity of the protocol. Blame: `Malformed`, whoever wrote the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not of the form `spiffe://<member>/<role>/<name>`.
    #[error("'{0}' is not of the form spiffe://<member>/<role>/<name>")]
    Shape(String),
    /// A role that the protocol does not have.
    #[error("'{0}' is no role: use node, publisher, consumer, auditor or operator")]
    Role(String),
    /// A name that the protocol does not allow.
    #[error("'{name}' is not a name: {reason}")]
    Name {
        /// The name, made fit for a terminal.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, well_formed: bool) {
        let parsed = text.parse::<SpiffeId>();
        assert_eq!(parsed.is_ok(), well_formed, "{text}: {parsed:?}");
        if let Ok(id) = parsed {
            assert_eq!(id.to_string(), text, "one identity has one text");
        }
    }

    #[test]
    fn only_the_protocol_s_form_is_an_identity() {
        check("spiffe://police.th.example/node/main", true);
        check("spiffe://police.th.example/publisher/cyber-desk", true);
        check("spiffe://a/consumer/1", true);
        check("spiffe://police.th.example/auditor/x.y", true);
        check("spiffe://police.th.example/operator/o", true);
        check("", false);
        check("spiffe://", false);
        check("spiffe://police.th.example", false);
        check("spiffe://police.th.example/node", false);
        check("spiffe://police.th.example/node/", false);
        check("spiffe://police.th.example/node/main/", false);
        check("spiffe://police.th.example/node/main/more", false);
        check("spiffe:///node/main", false);
        check("SPIFFE://police.th.example/node/main", false);
        check("https://police.th.example/node/main", false);
        check("spiffe://police.th.example/root/main", false);
        check("spiffe://police.th.example/Node/main", false);
        check("spiffe://Police.th.example/node/main", false);
        check("spiffe://police.th.example:443/node/main", false);
        check("spiffe://user@police.th.example/node/main", false);
        check("spiffe://police.th.example/node/main?x", false);
        check("spiffe://police.th.example/node/main#x", false);
        check("spiffe://police.th.example/node/%6dain", false);
        check("spiffe://police.th.example/node/ma in", false);
        check("spiffe://police.th.example/node/main\n", false);
        check("spiffe://рolice.th.example/node/main", false);
    }

    #[test]
    fn names_keep_to_the_labels_of_host_names() {
        let label = |length| "a".repeat(length);
        check(&format!("spiffe://{}/node/a", label(63)), true);
        check(&format!("spiffe://{}/node/a", label(64)), false);
        let long = [label(63), label(63), label(63), label(61)].join(".");
        check(&format!("spiffe://{long}/node/a"), true);
        check(&format!("spiffe://{long}a/node/a"), false);
        check("spiffe://.a/node/a", false);
        check("spiffe://a./node/a", false);
        check("spiffe://a..b/node/a", false);
        check("spiffe://-a/node/a", false);
        check("spiffe://a-/node/a", false);
        check("spiffe://a.-b/node/a", false);
        check("spiffe://a--b/node/a", true);
        check("spiffe://a/node/..", false);
        check("spiffe://a/node/.", false);
    }

    #[test]
    fn an_error_shows_hostile_text_escaped_and_cut() {
        let error = format!("\u{1b}[31m\u{202e}{}", "x".repeat(500)).parse::<SpiffeId>().unwrap_err();
        let shown = error.to_string();
        assert!(shown.is_ascii() || shown.contains('…'), "{shown}");
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}') && shown.len() < 300, "{shown}");
    }
}
