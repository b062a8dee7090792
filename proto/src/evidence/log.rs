//! Two checkpoints under one log key that cannot both be true.

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

use crate::{
    blame::Void,
    checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint, origin_of},
    keys::{PublicKey, WeakKey},
    merkle::{Hash, ProofError, verify_consistency},
    name::MemberName,
    roster::Roster,
    wire,
};

/// What a file of evidence against a log says. It proves nothing before [`Self::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFork {
    /// Whose log.
    pub member: MemberName,
    /// The key that is said to have signed both; the checker knows better which key is the log's.
    pub log_key: PublicKey,
    /// A signed note, verbatim.
    pub old: Bytes,
    /// A signed note of the same size or a larger one, verbatim.
    pub new: Bytes,
    /// Where the new tree departs from the old note; nothing when both have one size.
    pub departure: Option<Departure>,
}

/// What the newer tree has in place of what the older note signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// The root that the new tree has at the old size.
    pub prefix: Hash,
    /// From `prefix` at the old size to the new root (RFC 6962 §2.1.2).
    pub consistency: Vec<Hash>,
}

/// Proof that a log key signed two histories: exists only when it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equivocation {
    member: MemberName,
    old: SignedCheckpoint,
    new: SignedCheckpoint,
    departure: Option<Departure>,
}

impl LogFork {
    pub(super) fn from_wire(wire: wire::LogFork) -> Result<Self, Void> {
        let hash = |place, bytes: &[u8]| {
            Hash::try_from(bytes).map_err(|_| Void::new(place, "hashes of 32 bytes are expected"))
        };
        let departure = match (wire.prefix.as_ref(), wire.consistency.as_ref()) {
            ([], []) => None,
            (prefix, consistency) => Some(Departure {
                prefix: hash("LogFork.prefix", prefix)?,
                consistency: consistency
                    .chunks(Hash::LEN)
                    .map(|chunk| hash("LogFork.consistency", chunk))
                    .collect::<Result<_, _>>()?,
            }),
        };
        Ok(Self {
            member: wire.member.parse()?,
            log_key: crate::field::key("LogFork.log_key", &wire.log_key)?,
            old: wire.old,
            new: wire.new,
            departure,
        })
    }

    pub(super) fn to_wire(&self) -> wire::LogFork {
        let (prefix, consistency) = match &self.departure {
            None => (Vec::new(), Vec::new()),
            Some(Departure { prefix, consistency }) => {
                (prefix.0.to_vec(), consistency.iter().flat_map(|hash| hash.0).collect())
            }
        };
        wire::LogFork {
            member: self.member.to_string(),
            log_key: self.log_key.0.to_vec().into(),
            old: self.old.clone(),
            new: self.new.clone(),
            prefix: prefix.into(),
            consistency: consistency.into(),
        }
    }

    /// Whether the holder of `log_key` signed two histories of this log. The key comes from a roster that the
    /// checker accepted; the one in the file only says which one is meant.
    ///
    /// # Errors
    /// [`NoFork`]: it proves nothing.
    pub fn verify(&self, log_key: &PublicKey) -> Result<Equivocation, NoFork> {
        if self.log_key != *log_key {
            return Err(NoFork::Key { stated: self.log_key, required: *log_key });
        }
        log_key.admit()?;
        let origin = origin_of(self.member.as_str());
        let old = SignedCheckpoint::open(&self.old, &origin, &log_key.0)?;
        let new = SignedCheckpoint::open(&self.new, &origin, &log_key.0)?;
        contradict(old.checkpoint(), new.checkpoint(), self.departure.as_ref())?;
        Ok(Equivocation { member: self.member.clone(), old, new, departure: self.departure.clone() })
    }

    /// The same under the log key that is in force in `roster`: only then the log is stopped. Under a key that the
    /// roster has since replaced, whoever stole it may have signed.
    ///
    /// # Errors
    /// [`NoFork`].
    pub fn verify_in(&self, roster: &Roster) -> Result<Equivocation, NoFork> {
        let segment = roster.member(&self.member).and_then(|member| member.segment());
        let segment = segment.ok_or_else(|| NoFork::NoMember(self.member.clone()))?;
        self.verify(&segment.log_key)
    }
}

/// Each way in which two checkpoints of one log can agree.
fn contradict(old: &Checkpoint, new: &Checkpoint, departure: Option<&Departure>) -> Result<(), NoFork> {
    match departure {
        None if old.size != new.size => Err(NoFork::NoDeparture { old: old.size, new: new.size }),
        None if old.root == new.root => Err(NoFork::Agree { size: old.size }),
        None => Ok(()),
        Some(_) if old.size >= new.size => Err(NoFork::Order { old: old.size, new: new.size }),
        Some(Departure { prefix, .. }) if *prefix == old.root => Err(NoFork::Agree { size: old.size }),
        // Only what the newer note itself commits to contradicts the older one. A proof from the older root that
        // fails shows nothing, for anybody can send a bad one.
        Some(Departure { prefix, consistency }) => {
            Ok(verify_consistency(old.size, prefix, new.size, &new.root, consistency)?)
        }
    }
}

impl Equivocation {
    /// Out of two checkpoints that were opened already, with the new tree's root at the old size and the proof
    /// from there when the sizes differ.
    ///
    /// # Errors
    /// [`NoFork`]: they do not contradict each other.
    pub fn new(
        old: SignedCheckpoint,
        new: SignedCheckpoint,
        departure: Option<Departure>,
    ) -> Result<Self, NoFork> {
        let origin = &old.checkpoint().origin;
        let member = origin.strip_suffix("/almenara").and_then(|name| name.parse().ok());
        let member = member.ok_or_else(|| NoFork::Origin(origin.clone()))?;
        if new.checkpoint().origin != *origin {
            return Err(NoFork::Origin(new.checkpoint().origin.clone()));
        }
        if old.log_key() != new.log_key() {
            return Err(NoFork::Key {
                stated: PublicKey(*new.log_key()),
                required: PublicKey(*old.log_key()),
            });
        }
        PublicKey(*old.log_key()).admit()?;
        contradict(old.checkpoint(), new.checkpoint(), departure.as_ref())?;
        Ok(Self { member, old, new, departure })
    }

    /// Whose log.
    #[must_use]
    pub const fn member(&self) -> &MemberName {
        &self.member
    }

    /// The key that signed both.
    #[must_use]
    pub fn log_key(&self) -> PublicKey {
        PublicKey(*self.old.log_key())
    }

    /// The note of the smaller size.
    #[must_use]
    pub const fn earlier(&self) -> &SignedCheckpoint {
        &self.old
    }

    /// The note that contradicts it.
    #[must_use]
    pub const fn later(&self) -> &SignedCheckpoint {
        &self.new
    }

    /// Entries that both histories may share, at most: at the size of the older note they differ.
    #[must_use]
    pub fn common_at_most(&self) -> u64 {
        self.old.checkpoint().size.saturating_sub(1)
    }

    /// For a file.
    #[must_use]
    pub fn to_evidence(&self) -> super::Evidence {
        super::Evidence::Log(LogFork {
            member: self.member.clone(),
            log_key: self.log_key(),
            old: Bytes::copy_from_slice(self.old.note()),
            new: Bytes::copy_from_slice(self.new.note()),
            departure: self.departure.clone(),
        })
    }
}

impl fmt::Display for Equivocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (old, new) = (self.old.checkpoint(), self.new.checkpoint());
        write!(
            f,
            "log key {} of {} signed root {} for size {}",
            self.log_key(),
            self.member,
            old.root,
            old.size
        )?;
        match &self.departure {
            None => write!(f, " and root {} for the same size", new.root),
            Some(departure) => write!(
                f,
                ", and for size {} root {}, whose tree has root {} there",
                new.size, new.root, departure.prefix
            ),
        }
    }
}

/// Why a file proves nothing against a log. It blames whoever brought it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoFork {
    /// Another key than the log's.
    #[error("it is about key {stated}; the log's key is {required}")]
    Key {
        /// In the file, or in the second note.
        stated: PublicKey,
        /// The log's.
        required: PublicKey,
    },
    /// A key under which anybody can sign.
    #[error(transparent)]
    Weak(#[from] WeakKey),
    /// No such log.
    #[error("{0} is not on this roster: check it against the version that had it")]
    NoMember(MemberName),
    /// The notes are of two logs, or of none of ours.
    #[error("`{0}` is not the log in question")]
    Origin(String),
    /// The log's key has not signed such a note.
    #[error(transparent)]
    Note(#[from] CheckpointError),
    /// Both can be true.
    #[error("both notes stand for one history up to size {size}")]
    Agree {
        /// Where they agree.
        size: u64,
    },
    /// Notes of two sizes alone.
    #[error(
        "notes of sizes {old} and {new} can both be true: the new tree's root at size {old} and a proof of it are missing"
    )]
    NoDeparture {
        /// Of the first note.
        old: u64,
        /// Of the second.
        new: u64,
    },
    /// A departure is of a smaller size from a larger one.
    #[error("a departure leads from a smaller size to a larger one, not from {old} to {new}")]
    Order {
        /// Of the first note.
        old: u64,
        /// Of the second.
        new: u64,
    },
    /// The new note does not commit to that departure.
    #[error("the new note does not sign that departure: {0}")]
    Proof(#[from] ProofError),
}
