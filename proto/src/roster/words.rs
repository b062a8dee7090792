//! A roster's changes in plain words.

use std::fmt;

use super::change::{AddressKind, Change};
use crate::{name::Jurisdiction, wire::OrganisationType};

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined { member, organisation, jurisdiction, also_subject_to, root_key } => {
                write!(f, "{member} joins: {} in {jurisdiction}", word(*organisation))?;
                if !also_subject_to.is_empty() {
                    write!(f, ", also subject to {}", codes(also_subject_to))?;
                }
                write!(f, ", root key {root_key}")
            }
            Self::Left { member, jurisdiction } => write!(f, "{member} in {jurisdiction} leaves for good"),
            Self::Organisation { member, from, to } => {
                write!(f, "{member} becomes {} instead of {}", word(*to), word(*from))
            }
            Self::Jurisdiction { member, from, to } => write!(f, "{member} moves from {from} to {to}"),
            Self::SubjectTo { member, from, to } => {
                write!(f, "{member} is also subject to {} instead of {}", codes(to), codes(from))
            }
            Self::Key { member, purpose, from, to } => {
                write!(f, "{member} replaces its {purpose} {from} by {to}")
            }
            Self::Segment { member, from_size, root } => write!(
                f,
                "{member}'s log goes on from entry {from_size} under new keys, after root {root}: entries beyond it do not count"
            ),
            Self::LogRewritten { member } => {
                write!(f, "{member}'s earlier log segments are others: no reader accepts this")
            }
            Self::AuthorityAdded { member, certificate } => {
                write!(f, "{member} adds a certificate authority, SHA-256 {certificate}")
            }
            Self::AuthorityRemoved { member, certificate } => {
                write!(f, "{member} removes a certificate authority, SHA-256 {certificate}")
            }
            Self::Address { member, kind, from, to } => {
                write!(f, "{member} changes its {kind} from {} to {}", quoted(from), quoted(to))
            }
            Self::GroupAdded { group } => write!(f, "group {group} is new"),
            Self::GroupRemoved { group } => write!(f, "group {group} is gone"),
            Self::GroupJoined { group, member } => write!(f, "{member} joins group {group}"),
            Self::GroupLeft { group, member } => write!(f, "{member} leaves group {group}"),
            Self::Quorum { from, to } => {
                write!(f, "{} must cosign to settle an entry, instead of {from}", others(*to))
            }
            Self::Copies { tlp, from, to } => {
                write!(f, "TLP:{} is kept in {} by default, instead of {from}", tlp.as_str(), others(*to))
            }
            Self::Cap { from, to } => {
                write!(
                    f,
                    "jurisdictions are warned of above {to} percent of the others' statements, instead of {from}"
                )
            }
            Self::Expiry { from, to } => {
                let (days, way) = (from.abs_diff(*to) / 86_400, if to > from { "later" } else { "earlier" });
                write!(f, "the roster expires at {to} instead of {from} (Unix seconds), {days} d {way}")
            }
        }
    }
}

impl fmt::Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Grpc => "gRPC address",
            Self::Https => "HTTPS address",
            Self::Contact => "contact",
        })
    }
}

fn others(count: u32) -> String {
    if count == 1 { "1 other jurisdiction".to_owned() } else { format!("{count} other jurisdictions") }
}

fn codes(codes: &[Jurisdiction]) -> String {
    let codes: Vec<&str> = codes.iter().map(Jurisdiction::as_str).collect();
    if codes.is_empty() { "none".to_owned() } else { codes.join(", ") }
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "nothing".to_owned() } else { format!("`{}`", text.escape_debug()) }
}

/// `police`, `ngo`, …
fn word(organisation: OrganisationType) -> String {
    let name = organisation.as_str_name();
    name.strip_prefix("ORGANISATION_TYPE_").unwrap_or(name).to_ascii_lowercase()
}
