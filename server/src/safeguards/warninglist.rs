//! One file in the MISP warninglist format: read whole, or refused with the file and the reason.

use std::{fs, io, path::Path, path::PathBuf};

use almenara_proto::indicator::{Kind, Shown};
use serde::Deserialize;

/// Bytes of one file. The longest published list, a million names, has 20 MB.
const MAX_FILE_BYTES: u64 = 32 * 1024 * 1024;

/// Bytes of one entry: the longest URL.
const MAX_ENTRY_BYTES: usize = 2_048;

/// Why a directory of lists is not taken. The caller keeps the set that it had.
#[derive(Debug, thiserror::Error)]
pub enum SafeguardError {
    /// The directory or a file in it cannot be read.
    #[error("{}: {source}; check that it exists and that this user may read it", file.display())]
    Unreadable {
        /// The directory or file.
        file: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// Longer than any list that is published.
    #[error(
        "{}: {bytes} bytes are too many for one list, at most {MAX_FILE_BYTES} are read; split it", file.display()
    )]
    TooLong {
        /// The file.
        file: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// No JSON, or not the fields of a warninglist.
    #[error("{}: {reason}; a warninglist has name, description, version, type, list and matching_attributes", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What the JSON reader found, with line and column.
        reason: String,
    },
    /// A type that says how to compare, and that nobody here knows: guessing would protect too much or nothing.
    #[error(
        "{}: {found} is no type of list; the types are string, hostname, substring, regex and cidr", file.display()
    )]
    UnknownType {
        /// The file.
        file: PathBuf,
        /// What it says.
        found: Shown,
    },
    /// One entry is not what the list's type asks for.
    #[error("{}: entry {number}, {entry}: {reason}; mend or remove the entry", file.display())]
    BadEntry {
        /// The file.
        file: PathBuf,
        /// Position in the list, from 1.
        number: usize,
        /// The entry.
        entry: Shown,
        /// What is wrong with it.
        reason: String,
    },
    /// Each pattern alone is small enough, all of them are not.
    #[error("{}: the regex and substring lists for {kind} are too large together: {reason}; remove some", directory.display())]
    TooManyPatterns {
        /// The directory.
        directory: PathBuf,
        /// The kind of indicator.
        kind: Kind,
        /// What the compiler says.
        reason: String,
    },
    /// Rules name their list with 16 bits.
    #[error("{}: more than {max} lists", directory.display(), max = super::MEMBERS)]
    TooManyLists {
        /// The directory.
        directory: PathBuf,
    },
}

/// How entries are compared, in MISP's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListType {
    String,
    Hostname,
    Substring,
    Regex,
    Cidr,
}

/// A list as its file has it.
#[derive(Debug)]
pub(super) struct Warninglist {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) list_type: ListType,
    pub(super) kinds: Vec<Kind>,
    pub(super) entries: Vec<String>,
}

/// The fields of the file. `description` and `category` are for people.
#[derive(Deserialize)]
struct Fields {
    name: String,
    #[serde(default)]
    version: serde_json::Value,
    /// MISP reads a missing type as `string`.
    #[serde(rename = "type", default = "string")]
    list_type: String,
    list: Vec<String>,
    /// MISP reads a missing or empty list as all of its types.
    #[serde(default)]
    matching_attributes: Vec<String>,
}

fn string() -> String {
    "string".to_owned()
}

impl Warninglist {
    pub(super) fn read(file: &Path) -> Result<Self, SafeguardError> {
        let unreadable = |source| SafeguardError::Unreadable { file: file.to_owned(), source };
        let bytes = fs::metadata(file).map_err(unreadable)?.len();
        if bytes > MAX_FILE_BYTES {
            return Err(SafeguardError::TooLong { file: file.to_owned(), bytes });
        }
        Self::parse(file, &fs::read(file).map_err(unreadable)?)
    }

    /// `file` is only named in errors.
    pub(super) fn parse(file: &Path, json: &[u8]) -> Result<Self, SafeguardError> {
        let malformed = |reason: String| SafeguardError::Malformed { file: file.to_owned(), reason };
        let fields: Fields = serde_json::from_slice(json).map_err(|error| malformed(error.to_string()))?;
        let list_type = match fields.list_type.as_str() {
            "string" => ListType::String,
            "hostname" => ListType::Hostname,
            "substring" => ListType::Substring,
            "regex" => ListType::Regex,
            "cidr" => ListType::Cidr,
            other => {
                return Err(SafeguardError::UnknownType { file: file.to_owned(), found: Shown::new(other) });
            }
        };
        if fields.name.trim().is_empty() {
            return Err(malformed("the name is empty".to_owned()));
        }
        let long = fields.list.iter().enumerate().find(|(_, entry)| entry.len() > MAX_ENTRY_BYTES);
        if let Some((place, entry)) = long {
            return Err(SafeguardError::BadEntry {
                file: file.to_owned(),
                number: place + 1,
                entry: Shown::new(entry),
                reason: format!("it has {} bytes, at most {MAX_ENTRY_BYTES} are compared", entry.len()),
            });
        }
        let version = match fields.version {
            serde_json::Value::String(text) => text,
            serde_json::Value::Null => String::new(),
            other => other.to_string(),
        };
        let kinds = kinds(&fields.matching_attributes);
        Ok(Self { name: fields.name, version, list_type, kinds, entries: fields.list })
    }
}

/// The kinds of indicators that a list speaks about. MISP's attribute types, and our own kinds by their names, since
/// MISP has no word for some. Types without a kind (`md5`, `filename`) are nothing that a statement can be about.
fn kinds(attributes: &[String]) -> Vec<Kind> {
    if attributes.is_empty() || attributes.iter().any(|attribute| attribute == "ALL") {
        return Kind::ALL.to_vec();
    }
    let mut kinds: Vec<Kind> = attributes.iter().flat_map(|attribute| kinds_of(attribute)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn kinds_of(attribute: &str) -> Vec<Kind> {
    if let Ok(kind) = attribute.parse() {
        return vec![kind];
    }
    match attribute {
        "hostname" => vec![Kind::Domain],
        "domain|ip" => vec![Kind::Domain, Kind::Ip],
        "uri" | "link" => vec![Kind::Url],
        "ip-src" | "ip-dst" | "ip-src|port" | "ip-dst|port" => vec![Kind::Ip],
        "email-src"
        | "email-dst"
        | "email-reply-to"
        | "target-email"
        | "whois-registrant-email"
        | "dns-soa-email" => vec![Kind::Email],
        "phone-number" | "whois-registrant-phone" => vec![Kind::Phone],
        "btc" | "xmr" | "dash" => vec![Kind::Wallet],
        "bank-account-nr" => vec![Kind::BankAccount],
        "jabber-id" | "twitter-id" => vec![Kind::Handle],
        "mobile-application-id" | "sha256" => vec![Kind::App],
        _ => Vec::new(),
    }
}
