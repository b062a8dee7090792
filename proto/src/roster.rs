//! Who belongs (PROTOCOL.md §7): changed only by a majority of jurisdictions.

mod change;
mod history;
mod signed;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prost::Message as _;

use crate::{
    blame::Void,
    field,
    keys::PublicKey,
    limits::ROSTER_MEMBERS,
    merkle::{self, Hash},
    name::{Jurisdiction, MemberName},
    release::Tlp,
    strict, wire,
};

pub use change::{AddressKind, Change, changes};
pub use history::{Purpose, Reused, RosterHistory};
pub use signed::{AcceptedRoster, RosterError, SignedRoster};

/// The members of a federation, at one version.
#[derive(Clone, Debug, PartialEq)]
pub struct Roster {
    /// Federation id.
    pub federation: String,
    /// From 1.
    pub version: u64,
    /// Unix seconds; afterwards nothing restricted flows and no reports are taken.
    pub expires_at: u64,
    /// SHA-256 of the previous body; nothing for version 1.
    pub previous: Option<Hash>,
    /// By name.
    pub members: BTreeMap<MemberName, Member>,
    /// By name.
    pub groups: BTreeMap<String, BTreeSet<MemberName>>,
    /// Cosignatures of distinct other jurisdictions that settle an entry.
    pub quorum: u32,
    /// Defaults of custody.
    pub custody: CustodyRule,
}

/// An organisation that runs a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: MemberName,
    /// What it is.
    pub organisation_type: wire::OrganisationType,
    /// Where it sits.
    pub jurisdiction: Jurisdiction,
    /// Of its hosting or parent.
    pub also_subject_to: Vec<Jurisdiction>,
    /// Its root and log keys, by log position; at least one, the first from 0.
    pub segments: Vec<Segment>,
    /// Its cosign key.
    pub cosign_key: PublicKey,
    /// DER certificates of its own authority.
    pub tls_ca: Vec<Bytes>,
    /// `host:port`.
    pub grpc: String,
    /// `host:port`; may be empty.
    pub https: String,
    /// For the public.
    pub contact: String,
}

/// Which keys judge the log from a size on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First index under these keys.
    pub from_size: u64,
    /// Root of the log at that size.
    pub root: Hash,
    /// Grants and revokes desks' keys, votes.
    pub root_key: PublicKey,
    /// Signs checkpoints.
    pub log_key: PublicKey,
}

/// Defaults of custody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CustodyRule {
    /// Copies of AMBER statements that say nothing else.
    pub copies_amber: u32,
    /// Copies of AMBER+STRICT statements that say nothing else.
    pub copies_amber_strict: u32,
    /// Share of foreign restricted statements above which a jurisdiction is warned of.
    pub cap_percent: u32,
}

impl Member {
    /// The keys that judge log index `index`.
    #[must_use]
    pub fn segment_at(&self, index: u64) -> Option<&Segment> {
        self.segments.iter().rev().find(|segment| segment.from_size <= index)
    }

    /// The keys in force now.
    #[must_use]
    pub fn segment(&self) -> Option<&Segment> {
        self.segments.last()
    }

    /// Every key of every segment and the cosign key, with what it is for. A root key that several segments keep
    /// stands here once for each.
    pub fn keys(&self) -> impl Iterator<Item = (PublicKey, Purpose)> + '_ {
        let segments = self.segments.iter();
        segments
            .flat_map(|segment| [(segment.root_key, Purpose::Root), (segment.log_key, Purpose::Log)])
            .chain([(self.cosign_key, Purpose::Cosign)])
    }

    /// Every jurisdiction that can compel it: where it sits, and those of its hosting or parent.
    pub fn subject_to(&self) -> impl Iterator<Item = Jurisdiction> + '_ {
        std::iter::once(self.jurisdiction).chain(self.also_subject_to.iter().copied())
    }

    /// Whether one jurisdiction can compel both.
    #[must_use]
    pub fn shares_jurisdiction(&self, other: &Self) -> bool {
        self.subject_to().any(|code| other.subject_to().any(|its| its == code))
    }
}

impl CustodyRule {
    /// What an author who asks for nothing else writes as `copies` of such a statement.
    #[must_use]
    pub const fn copies(&self, tlp: Tlp) -> u32 {
        match tlp {
            Tlp::Amber => self.copies_amber,
            Tlp::AmberStrict => self.copies_amber_strict,
            Tlp::Clear | Tlp::Green | Tlp::Red => 0,
        }
    }
}

impl Roster {
    /// Parses a body and checks its structure; who signed it is another question.
    ///
    /// # Errors
    /// [`Void`] with the first broken rule.
    pub fn parse(body: &[u8]) -> Result<Self, Void> {
        strict::check(body, &strict::ROSTER)?;
        let wire: wire::Roster = field::message("Roster", body)?;
        let mut members = BTreeMap::new();
        if wire.members.len() > ROSTER_MEMBERS {
            return Err(Void::new("Roster.members", format!("more than {ROSTER_MEMBERS}")));
        }
        for member in wire.members {
            let member = parse_member(member)?;
            if let Some(twice) = members.insert(member.name.clone(), member) {
                return Err(Void::new("Roster.members", format!("{} stands twice", twice.name)));
            }
        }
        if members.is_empty() {
            return Err(Void::new("Roster.members", "a federation without members"));
        }
        let mut groups = BTreeMap::new();
        for group in wire.groups {
            let name = group.name.parse::<MemberName>()?.to_string();
            let names =
                group.members.iter().map(|name| name.parse()).collect::<Result<BTreeSet<MemberName>, _>>()?;
            if let Some(stranger) = names.iter().find(|name| !members.contains_key(*name)) {
                return Err(Void::new("Group.members", format!("{stranger} in group {name} is no member")));
            }
            if groups.insert(name.clone(), names).is_some() {
                return Err(Void::new("Roster.groups", format!("group {name} stands twice")));
            }
        }
        let custody = wire.custody.unwrap_or_default();
        let roster = Self {
            federation: field::federation(wire.federation)?,
            version: wire.version,
            expires_at: wire.expires_at,
            previous: match wire.previous.as_ref() {
                [] => None,
                bytes => Some(
                    Hash::try_from(bytes)
                        .map_err(|_| Void::new("Roster.previous", "32 bytes are expected"))?,
                ),
            },
            members,
            groups,
            quorum: wire.quorum,
            custody: CustodyRule {
                copies_amber: custody.copies_amber,
                copies_amber_strict: custody.copies_amber_strict,
                cap_percent: custody.cap_percent,
            },
        };
        if roster.version == 0 || (roster.version == 1) != roster.previous.is_none() {
            return Err(Void::new("Roster.previous", "version 1 has none, every later version has one"));
        }
        roster.check_keys()?;
        Ok(roster)
    }

    /// One key has one purpose and one holder; none is weak.
    fn check_keys(&self) -> Result<(), Void> {
        let mut holders: BTreeMap<PublicKey, &MemberName> = BTreeMap::new();
        for member in self.members.values() {
            let mut own: BTreeMap<PublicKey, Purpose> = BTreeMap::new();
            for (key, purpose) in member.keys() {
                key.admit()?;
                if own.insert(key, purpose).is_some_and(|other| other != purpose) {
                    return Err(Void::new(
                        "Member",
                        format!("{} uses one key for two purposes", member.name),
                    ));
                }
            }
            for key in own.into_keys() {
                if let Some(other) = holders.insert(key, &member.name) {
                    return Err(Void::new(
                        "Roster.members",
                        format!("{other} and {} hold one key", member.name),
                    ));
                }
            }
        }
        Ok(())
    }

    /// The bytes to sign.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        wire::Roster {
            federation: self.federation.clone(),
            version: self.version,
            expires_at: self.expires_at,
            previous: self.previous.map(|hash| hash.0.to_vec()).unwrap_or_default().into(),
            members: self.members.values().map(Member::to_wire).collect(),
            groups: self
                .groups
                .iter()
                .map(|(name, members)| wire::Group {
                    name: name.clone(),
                    members: members.iter().map(ToString::to_string).collect(),
                })
                .collect(),
            quorum: self.quorum,
            custody: Some(wire::CustodyRule {
                copies_amber: self.custody.copies_amber,
                copies_amber_strict: self.custody.copies_amber_strict,
                cap_percent: self.custody.cap_percent,
            }),
        }
        .encode_to_vec()
    }

    /// Whether `member` belongs.
    #[must_use]
    pub fn contains(&self, member: &MemberName) -> bool {
        self.members.contains_key(member)
    }

    /// The member of that name.
    #[must_use]
    pub fn member(&self, name: &MemberName) -> Option<&Member> {
        self.members.get(name)
    }

    /// Where a member sits.
    #[must_use]
    pub fn jurisdiction(&self, member: &MemberName) -> Option<Jurisdiction> {
        self.members.get(member).map(|member| member.jurisdiction)
    }

    /// Whether a member is in a group.
    #[must_use]
    pub fn in_group(&self, group: &str, member: &MemberName) -> bool {
        self.groups.get(group).is_some_and(|members| members.contains(member))
    }

    /// Whether a key is the root, log or cosign key of any member, now or in an earlier segment.
    #[must_use]
    pub fn holds(&self, key: &PublicKey) -> bool {
        self.members.values().any(|member| {
            member.cosign_key == *key
                || member.segments.iter().any(|s| s.root_key == *key || s.log_key == *key)
        })
    }

    /// All jurisdictions with a member.
    #[must_use]
    pub fn jurisdictions(&self) -> BTreeSet<Jurisdiction> {
        self.members.values().map(|member| member.jurisdiction).collect()
    }

    /// The jurisdictions that vote for what `signers` signed: those with more than half of their members among
    /// them.
    #[must_use]
    pub fn votes(&self, signers: &BTreeSet<MemberName>) -> BTreeSet<Jurisdiction> {
        self.jurisdictions()
            .into_iter()
            .filter(|code| {
                let members: Vec<&Member> =
                    self.members.values().filter(|m| m.jurisdiction == *code).collect();
                let signed = members.iter().filter(|member| signers.contains(&member.name)).count();
                signed * 2 > members.len()
            })
            .collect()
    }

    fn majority(&self, signers: &BTreeSet<MemberName>) -> Result<(), RosterError> {
        let (votes, all) = (self.votes(signers), self.jurisdictions());
        if votes.len() * 2 > all.len() {
            return Ok(());
        }
        Err(RosterError::NoMajority {
            version: self.version,
            found: votes.len(),
            required: all.len() / 2 + 1,
            missing: all.difference(&votes).map(ToString::to_string).collect::<Vec<_>>().join(", "),
        })
    }
}

impl Member {
    fn to_wire(&self) -> wire::Member {
        wire::Member {
            name: self.name.to_string(),
            organisation_type: self.organisation_type.into(),
            jurisdiction: self.jurisdiction.to_string(),
            also_subject_to: self.also_subject_to.iter().map(ToString::to_string).collect(),
            segments: self
                .segments
                .iter()
                .map(|segment| wire::Segment {
                    from_size: segment.from_size,
                    root: segment.root.0.to_vec().into(),
                    root_key: segment.root_key.0.to_vec().into(),
                    log_key: segment.log_key.0.to_vec().into(),
                })
                .collect(),
            cosign_key: self.cosign_key.0.to_vec().into(),
            tls_ca: self.tls_ca.clone(),
            grpc: self.grpc.clone(),
            https: self.https.clone(),
            contact: self.contact.clone(),
        }
    }

    /// The bytes of a member entry, as members exchange them before a roster is signed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.to_wire().encode_to_vec()
    }

    /// A member entry from another member.
    ///
    /// # Errors
    /// [`Void`] with the first broken rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, Void> {
        strict::check(bytes, &strict::MEMBER)?;
        let wire: wire::Member = field::message("Member", bytes)?;
        let member = parse_member(wire)?;
        for segment in &member.segments {
            segment.root_key.admit()?;
            segment.log_key.admit()?;
        }
        member.cosign_key.admit()?;
        Ok(member)
    }
}

fn parse_member(wire: wire::Member) -> Result<Member, Void> {
    let name: MemberName = wire.name.parse()?;
    let segments = wire
        .segments
        .iter()
        .map(|segment| {
            Ok(Segment {
                from_size: segment.from_size,
                root: Hash::try_from(segment.root.as_ref())
                    .map_err(|_| Void::new("Segment.root", "32 bytes are expected"))?,
                root_key: field::key("Segment.root_key", &segment.root_key)?,
                log_key: field::key("Segment.log_key", &segment.log_key)?,
            })
        })
        .collect::<Result<Vec<_>, Void>>()?;
    if segments.first().is_none_or(|first| first.from_size != 0 || first.root != merkle::empty_root()) {
        return Err(Void::new(
            "Member.segments",
            format!("the first segment of {name} starts at the empty log"),
        ));
    }
    if !segments.is_sorted_by(|a, b| a.from_size < b.from_size) {
        return Err(Void::new("Member.segments", format!("the segments of {name} must ascend")));
    }
    check_lives(&name, &segments)?;
    if wire.tls_ca.is_empty() {
        return Err(Void::new("Member.tls_ca", format!("{name} has no authority of its own")));
    }
    Ok(Member {
        organisation_type: wire::OrganisationType::try_from(wire.organisation_type)
            .unwrap_or(wire::OrganisationType::Other),
        jurisdiction: wire.jurisdiction.parse()?,
        also_subject_to: wire.also_subject_to.iter().map(|code| code.parse()).collect::<Result<_, _>>()?,
        segments,
        cosign_key: field::key("Member.cosign_key", &wire.cosign_key)?,
        tls_ca: wire.tls_ca,
        grpc: field::line("Member.grpc", wire.grpc)?,
        https: field::line("Member.https", wire.https)?,
        contact: field::line("Member.contact", wire.contact)?,
        name,
    })
}

/// Each segment has a log key of its own, and a root key that was replaced stays replaced.
///
/// A segment may cut off entries that were logged beyond it. If the same log key went on, it would have signed two
/// histories by the roster's own will, and evidence of a fork would accuse the innocent.
fn check_lives(name: &MemberName, segments: &[Segment]) -> Result<(), Void> {
    let (mut logs, mut roots) = (BTreeSet::new(), BTreeSet::new());
    let mut root_key = None;
    for segment in segments {
        if !logs.insert(segment.log_key) {
            return Err(Void::new("Segment.log_key", format!("each segment of {name} needs a new one")));
        }
        if root_key.replace(segment.root_key) != Some(segment.root_key) && !roots.insert(segment.root_key) {
            return Err(Void::new(
                "Segment.root_key",
                format!("{name} takes up a root key that it replaced"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
