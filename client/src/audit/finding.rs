//! What does not hold: where, what, and whose fault it can be.

use std::{fmt, path::PathBuf};

use almenara_proto::{
    name::{Address, MemberName},
    tile::TilePath,
};
use serde::{Serialize, Serializer};

/// One thing that does not hold, or that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whose log; nothing for the roster.
    #[serde(serialize_with = "name")]
    pub log: Option<MemberName>,
    /// Where.
    pub place: Place,
    /// What is wrong there.
    pub what: String,
    /// Whose fault it can be.
    pub fault: Fault,
    /// The file that proves it to anybody, when there is one.
    pub evidence: Option<PathBuf>,
}

fn name<S: Serializer>(name: &Option<MemberName>, to: S) -> Result<S::Ok, S::Error> {
    match name {
        Some(name) => to.collect_str(name),
        None => to.serialize_none(),
    }
}

/// Where something does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A version of the roster.
    Roster(u64),
    /// A signed note: the newest, or the one that others have cosigned.
    Checkpoint,
    /// Signature lines of others.
    Cosignature,
    /// A hash of a tile, by its position.
    Tile(TilePath, Option<usize>),
    /// A bundle of entries that cannot be cut into entries.
    Bundle(TilePath),
    /// A log entry.
    Entry(u64),
    /// A batch of which statements or leaf hashes were shown.
    Batch(u64),
    /// One statement.
    Statement(Address),
    /// The auditor's own state.
    State(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Roster(version) => write!(f, "roster/{version}"),
            Self::Checkpoint => write!(f, "checkpoint"),
            Self::Cosignature => write!(f, "cosignature"),
            Self::Tile(path, Some(hash)) => write!(f, "{path}, hash {hash}"),
            Self::Tile(path, None) | Self::Bundle(path) => write!(f, "{path}"),
            Self::Entry(index) => write!(f, "entry {index}"),
            Self::Batch(index) => write!(f, "leaves of entry {index}"),
            Self::Statement(address) => write!(f, "statement {address}"),
            Self::State(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Whose fault it can be. Blame needs proof: what any relay can change never blames the origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Whoever served it, or what lies between: ask another node.
    Served(String),
    /// The member whose log it is: its own key signed this.
    Origin(MemberName),
    /// The members whose root keys signed two futures.
    Members(String),
    /// This machine: its own files.
    Own,
    /// Nobody's, or not known: a person should look.
    Unknown,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Served(by) => write!(f, "served by {by}"),
            Self::Origin(member) => write!(f, "signed by {member}"),
            Self::Members(members) => write!(f, "signed by {members}"),
            Self::Own => write!(f, "this machine"),
            Self::Unknown => write!(f, "to be asked"),
        }
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}
