//! What stands in a member's log (PROTOCOL.md §5): signed bodies, kept and relayed as their authors wrote them.

use bytes::Bytes;
use prost::Message as _;

use crate::{
    batch::BatchHeader,
    blame::Void,
    keys::{Context, PublicKey, SigningKey, VerifyingKey},
    limits::{ENTRY_BYTES, WITHDRAWAL_TARGETS},
    merkle::{self, Hash},
    name::{MemberName, Publisher},
    strict::{self, Table},
    wire,
};

/// A body that somebody signs.
pub trait Body: Sized {
    /// What the signature is for.
    const CONTEXT: Context;
    /// The byte rules.
    const TABLE: &'static Table;
    /// Whether a second key may sign it too.
    const SECOND_SIGNATURE: bool = false;
    /// Parses and checks what every reader decides alike.
    ///
    /// # Errors
    /// [`Void`] with the first broken rule.
    fn parse(body: &[u8]) -> Result<Self, Void>;
    /// The bytes to sign. Only the author calls this.
    fn encode(&self) -> Vec<u8>;
}

/// A body, its meaning, and the signature over its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Signed<T> {
    /// The exact bytes that the author signed.
    pub body: Bytes,
    /// Over `context ‖ 0x00 ‖ body`.
    pub signature: [u8; 64],
    /// The same by a second key; only erasing withdrawals have one.
    pub second_signature: Option<[u8; 64]>,
    /// What the body says.
    pub content: T,
}

impl<T: Body> Signed<T> {
    /// Signs `content`.
    #[must_use]
    pub fn sign(content: T, key: &SigningKey) -> Self {
        let body = Bytes::from(content.encode());
        Self { signature: T::CONTEXT.sign(&body, key), second_signature: None, content, body }
    }

    /// Parses; the signature is not verified yet.
    ///
    /// # Errors
    /// [`Void`] when a rule is broken.
    pub fn parse(wire: wire::Signed) -> Result<Self, Void> {
        strict::check(&wire.body, T::TABLE)?;
        let content = T::parse(&wire.body)?;
        let signature = |bytes: &[u8]| {
            <[u8; 64]>::try_from(bytes).map_err(|_| Void::new("Signed.signature", "64 bytes are expected"))
        };
        let second_signature = match wire.second_signature.as_ref() {
            [] => None,
            _ if !T::SECOND_SIGNATURE => {
                return Err(Void::new("Signed.second_signature", "only an erasing withdrawal has one"));
            }
            bytes => Some(signature(bytes)?),
        };
        Ok(Self { signature: signature(&wire.signature)?, second_signature, content, body: wire.body })
    }

    /// Verifies the signature under `key`.
    ///
    /// # Errors
    /// [`Void`] when it does not hold.
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), Void> {
        Ok(T::CONTEXT.verify(&self.body, &self.signature, key)?)
    }

    /// SHA-256 of the body; a signature is never part of an id.
    #[must_use]
    pub fn id(&self) -> Hash {
        merkle::sha256(&[&self.body])
    }

    /// The wire form.
    #[must_use]
    pub fn to_wire(&self) -> wire::Signed {
        wire::Signed {
            body: self.body.clone(),
            signature: self.signature.to_vec().into(),
            second_signature: self.second_signature.map(|bytes| bytes.to_vec()).unwrap_or_default().into(),
        }
    }
}

/// One entry of a log.
#[derive(Clone, Debug, PartialEq)]
pub enum LogEntry {
    /// Statements were published.
    Batch(Signed<BatchHeader>),
    /// Statements ended.
    Withdrawal(Signed<Withdrawal>),
    /// A desk got a key.
    KeyGrant(Signed<KeyGrant>),
    /// A key ended.
    KeyRevocation(Signed<KeyRevocation>),
    /// A second desk let named leaves of the next batch pass the safeguards.
    Override(Signed<Override>),
}

impl LogEntry {
    /// Parses an entry's bytes.
    ///
    /// # Errors
    /// [`Void`]: the entry stays in the log and counts for nothing.
    pub fn parse(bytes: &Bytes) -> Result<Self, Void> {
        if bytes.len() > ENTRY_BYTES {
            return Err(Void::new("LogEntry", format!("{} bytes, over {ENTRY_BYTES}", bytes.len())));
        }
        strict::check(bytes, &strict::LOG_ENTRY)?;
        let wire = wire::LogEntry::decode(bytes.clone())
            .map_err(|error| Void::new("LogEntry", error.to_string()))?;
        use wire::log_entry::Entry;
        Ok(match wire.entry {
            Some(Entry::Batch(signed)) => Self::Batch(Signed::parse(signed)?),
            Some(Entry::Withdrawal(signed)) => Self::Withdrawal(Signed::parse(signed)?),
            Some(Entry::KeyGrant(signed)) => Self::KeyGrant(Signed::parse(signed)?),
            Some(Entry::KeyRevocation(signed)) => Self::KeyRevocation(Signed::parse(signed)?),
            Some(Entry::Override(signed)) => Self::Override(Signed::parse(signed)?),
            None => return Err(Void::new("LogEntry.entry", "this version knows no such entry")),
        })
    }

    /// The entry's bytes, as the node that sequences it writes them.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        use wire::log_entry::Entry;
        let entry = match self {
            Self::Batch(signed) => Entry::Batch(signed.to_wire()),
            Self::Withdrawal(signed) => Entry::Withdrawal(signed.to_wire()),
            Self::KeyGrant(signed) => Entry::KeyGrant(signed.to_wire()),
            Self::KeyRevocation(signed) => Entry::KeyRevocation(signed.to_wire()),
            Self::Override(signed) => Entry::Override(signed.to_wire()),
        };
        wire::LogEntry { entry: Some(entry) }.encode_to_vec().into()
    }

    /// SHA-256 of the body that was signed.
    #[must_use]
    pub fn id(&self) -> Hash {
        match self {
            Self::Batch(signed) => signed.id(),
            Self::Withdrawal(signed) => signed.id(),
            Self::KeyGrant(signed) => signed.id(),
            Self::KeyRevocation(signed) => signed.id(),
            Self::Override(signed) => signed.id(),
        }
    }

    /// `batch`, `withdrawal`, `key-grant`, `key-revocation` or `override`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Batch(_) => "batch",
            Self::Withdrawal(_) => "withdrawal",
            Self::KeyGrant(_) => "key-grant",
            Self::KeyRevocation(_) => "key-revocation",
            Self::Override(_) => "override",
        }
    }
}

/// Why statements end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithdrawalReason {
    /// It never served a scam.
    FalsePositive,
    /// It no longer does.
    Outdated,
    /// A mistake.
    Error,
    /// An order of a court or authority.
    LegalOrder,
    /// To protect a victim.
    VictimProtection,
    /// A reason that this version does not know.
    Other(i32),
}

impl WithdrawalReason {
    /// All that can be given, with their names.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("false_positive", Self::FalsePositive),
        ("outdated", Self::Outdated),
        ("error", Self::Error),
        ("legal_order", Self::LegalOrder),
        ("victim_protection", Self::VictimProtection),
    ];

    /// The name, as `--reason` takes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(_, reason)| *reason == self).map_or("other", |(name, _)| name)
    }

    const fn number(self) -> i32 {
        match self {
            Self::FalsePositive => 1,
            Self::Outdated => 2,
            Self::Error => 3,
            Self::LegalOrder => 4,
            Self::VictimProtection => 5,
            Self::Other(number) => number,
        }
    }

    fn from_number(number: i32) -> Self {
        Self::NAMES
            .iter()
            .find(|(_, reason)| reason.number() == number)
            .map_or(Self::Other(number), |(_, reason)| *reason)
    }
}

/// Ends statements at lower positions of its own log.
#[derive(Clone, Debug, PartialEq)]
pub struct Withdrawal {
    /// Federation id.
    pub federation: String,
    /// Whose log.
    pub member: MemberName,
    /// Which desk says so.
    pub publisher: Publisher,
    /// The desk's key.
    pub key: PublicKey,
    /// Shared with the key's batches; rises strictly.
    pub seq: u64,
    /// Unix seconds; the author's claim.
    pub made_at: u64,
    /// Why.
    pub reason: WithdrawalReason,
    /// Whether payloads are deleted everywhere.
    pub erase: bool,
    /// `(entry, leaf)`, strictly ascending.
    pub targets: Vec<(u64, u32)>,
    /// Who agreed to erase: a second publisher key, or the member's root key.
    pub second_key: Option<PublicKey>,
}

/// A member gives a desk a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyGrant {
    /// Federation id.
    pub federation: String,
    /// Whose log.
    pub member: MemberName,
    /// The desk.
    pub publisher: Publisher,
    /// The desk's key.
    pub key: PublicKey,
    /// For people.
    pub note: String,
}

/// A member ends a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRevocation {
    /// Federation id.
    pub federation: String,
    /// Whose key.
    pub member: MemberName,
    /// The key.
    pub key: PublicKey,
    /// For people.
    pub reason: String,
    /// Entries of the member's log at or above it stop counting.
    pub since_index: u64,
}

/// A second desk lets named leaves of the next batch pass the safeguards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Federation id.
    pub federation: String,
    /// Whose log.
    pub member: MemberName,
    /// Which desk agrees.
    pub publisher: Publisher,
    /// That desk's key; not the batch's.
    pub key: PublicKey,
    /// The batch.
    pub batch_id: Hash,
    /// Its leaves, strictly ascending.
    pub leaves: Vec<u32>,
    /// For people.
    pub reason: String,
}

pub(crate) fn key(place: &'static str, bytes: &[u8]) -> Result<PublicKey, Void> {
    bytes.try_into().map(PublicKey).map_err(|_| Void::new(place, "32 bytes are expected"))
}

pub(crate) fn publisher_of(member: &MemberName, name: &str) -> Result<Publisher, Void> {
    let publisher: Publisher = name.parse()?;
    if publisher.member() == member.as_str() {
        Ok(publisher)
    } else {
        Err(Void::new("publisher", format!("{publisher} is no desk of {member}")))
    }
}

pub(crate) fn federation(text: String) -> Result<String, Void> {
    if crate::name::is_name(&text) {
        Ok(text)
    } else {
        Err(Void::new("federation", "lowercase letters, digits, hyphens and dots only"))
    }
}

/// A text of one line: no control character (category Cc of Unicode, which is fixed for good).
pub(crate) fn line(place: &'static str, text: String) -> Result<String, Void> {
    if text.chars().any(char::is_control) {
        return Err(Void::new(place, "control characters cannot stand in a text"));
    }
    Ok(text)
}

/// A text of several lines: a line feed and a tab may stand in it.
pub(crate) fn paragraphs(place: &'static str, text: String) -> Result<String, Void> {
    if text.chars().any(|letter| letter.is_control() && letter != '\n' && letter != '\t') {
        return Err(Void::new(place, "control characters cannot stand in a text, except line feed and tab"));
    }
    Ok(text)
}

fn decode<M: prost::Message + Default>(body: &[u8]) -> Result<M, Void> {
    M::decode(body).map_err(|error| Void::new("body", error.to_string()))
}

impl Body for Withdrawal {
    const CONTEXT: Context = Context::Withdrawal;
    const TABLE: &'static Table = &strict::WITHDRAWAL;
    const SECOND_SIGNATURE: bool = true;

    fn parse(body: &[u8]) -> Result<Self, Void> {
        let wire: wire::Withdrawal = decode(body)?;
        let member: MemberName = wire.member.parse()?;
        let targets: Vec<(u64, u32)> =
            wire.targets.iter().map(|target| (target.entry, target.leaf)).collect();
        if targets.is_empty() || targets.len() > WITHDRAWAL_TARGETS {
            return Err(Void::new("Withdrawal.targets", format!("1 to {WITHDRAWAL_TARGETS} are expected")));
        }
        if !targets.is_sorted_by(|a, b| a < b) {
            return Err(Void::new("Withdrawal.targets", "they must ascend strictly"));
        }
        let second_key = match wire.second_key.as_ref() {
            [] => None,
            bytes => Some(key("Withdrawal.second_key", bytes)?),
        };
        if wire.erase != second_key.is_some() {
            return Err(Void::new("Withdrawal.second_key", "it stands exactly with `erase`"));
        }
        Ok(Self {
            publisher: publisher_of(&member, &wire.publisher)?,
            federation: federation(wire.federation)?,
            member,
            key: key("Withdrawal.key", &wire.key)?,
            seq: wire.seq,
            made_at: wire.made_at,
            reason: WithdrawalReason::from_number(wire.reason),
            erase: wire.erase,
            targets,
            second_key,
        })
    }

    fn encode(&self) -> Vec<u8> {
        wire::Withdrawal {
            federation: self.federation.clone(),
            member: self.member.to_string(),
            publisher: self.publisher.to_string(),
            key: self.key.0.to_vec().into(),
            seq: self.seq,
            made_at: self.made_at,
            reason: self.reason.number(),
            erase: self.erase,
            targets: self.targets.iter().map(|&(entry, leaf)| wire::Target { entry, leaf }).collect(),
            second_key: self.second_key.map(|key| key.0.to_vec()).unwrap_or_default().into(),
        }
        .encode_to_vec()
    }
}

impl Body for KeyGrant {
    const CONTEXT: Context = Context::KeyGrant;
    const TABLE: &'static Table = &strict::KEY_GRANT;

    fn parse(body: &[u8]) -> Result<Self, Void> {
        let wire: wire::KeyGrant = decode(body)?;
        let member: MemberName = wire.member.parse()?;
        Ok(Self {
            publisher: publisher_of(&member, &wire.publisher)?,
            federation: federation(wire.federation)?,
            member,
            key: key("KeyGrant.key", &wire.key)?,
            note: line("KeyGrant.note", wire.note)?,
        })
    }

    fn encode(&self) -> Vec<u8> {
        wire::KeyGrant {
            federation: self.federation.clone(),
            member: self.member.to_string(),
            publisher: self.publisher.to_string(),
            key: self.key.0.to_vec().into(),
            note: self.note.clone(),
        }
        .encode_to_vec()
    }
}

impl Body for KeyRevocation {
    const CONTEXT: Context = Context::KeyRevocation;
    const TABLE: &'static Table = &strict::KEY_REVOCATION;

    fn parse(body: &[u8]) -> Result<Self, Void> {
        let wire: wire::KeyRevocation = decode(body)?;
        Ok(Self {
            federation: federation(wire.federation)?,
            member: wire.member.parse()?,
            key: key("KeyRevocation.key", &wire.key)?,
            reason: line("KeyRevocation.reason", wire.reason)?,
            since_index: wire.since_index,
        })
    }

    fn encode(&self) -> Vec<u8> {
        wire::KeyRevocation {
            federation: self.federation.clone(),
            member: self.member.to_string(),
            key: self.key.0.to_vec().into(),
            reason: self.reason.clone(),
            since_index: self.since_index,
        }
        .encode_to_vec()
    }
}

impl Body for Override {
    const CONTEXT: Context = Context::Override;
    const TABLE: &'static Table = &strict::OVERRIDE;

    fn parse(body: &[u8]) -> Result<Self, Void> {
        let wire: wire::Override = decode(body)?;
        let member: MemberName = wire.member.parse()?;
        if wire.leaves.is_empty() || !wire.leaves.is_sorted_by(|a, b| a < b) {
            return Err(Void::new("Override.leaves", "at least one, strictly ascending"));
        }
        Ok(Self {
            publisher: publisher_of(&member, &wire.publisher)?,
            federation: federation(wire.federation)?,
            member,
            key: key("Override.key", &wire.key)?,
            batch_id: Hash::try_from(wire.batch_id.as_ref())
                .map_err(|_| Void::new("Override.batch_id", "32 bytes are expected"))?,
            leaves: wire.leaves,
            reason: line("Override.reason", wire.reason)?,
        })
    }

    fn encode(&self) -> Vec<u8> {
        wire::Override {
            federation: self.federation.clone(),
            member: self.member.to_string(),
            publisher: self.publisher.to_string(),
            key: self.key.0.to_vec().into(),
            batch_id: self.batch_id.0.to_vec().into(),
            leaves: self.leaves.clone(),
            reason: self.reason.clone(),
        }
        .encode_to_vec()
    }
}

#[cfg(test)]
mod tests;
