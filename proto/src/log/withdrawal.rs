//! The end of statements.

use prost::Message as _;

use crate::{
    blame::Void,
    field,
    keys::{Context, PublicKey},
    limits::WITHDRAWAL_TARGETS,
    name::{MemberName, Publisher},
    signed::Body,
    strict::{self, Table},
    wire,
};

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

impl Body for Withdrawal {
    const CONTEXT: Context = Context::Withdrawal;
    const TABLE: &'static Table = &strict::WITHDRAWAL;
    const SECOND_SIGNATURE: bool = true;

    fn parse(body: &[u8]) -> Result<Self, Void> {
        let wire: wire::Withdrawal = field::message("Withdrawal", body)?;
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
            bytes => Some(field::key("Withdrawal.second_key", bytes)?),
        };
        if wire.erase != second_key.is_some() {
            return Err(Void::new("Withdrawal.second_key", "it stands exactly with `erase`"));
        }
        Ok(Self {
            publisher: field::publisher_of(&member, &wire.publisher)?,
            federation: field::federation(wire.federation)?,
            member,
            key: field::key("Withdrawal.key", &wire.key)?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_one_name() {
        for (name, reason) in WithdrawalReason::NAMES {
            assert_eq!((reason.as_str(), WithdrawalReason::from_number(reason.number())), (name, reason));
        }
        assert_eq!(WithdrawalReason::from_number(9).as_str(), "other");
    }
}
