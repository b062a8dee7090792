//! What a new roster changes, for the people who are asked to sign it.

use super::{CustodyRule, Member, Purpose, Roster};
use crate::{
    keys::PublicKey,
    merkle::{Hash, sha256},
    name::{Jurisdiction, MemberName},
    release::Tlp,
    wire::OrganisationType,
};

/// One difference between two rosters of a federation. `Display` gives a line in plain words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "`from` and `to` are the older and the newer value; the rest bears its type's name"
)]
pub enum Change {
    /// A member is new.
    Joined {
        member: MemberName,
        organisation: OrganisationType,
        jurisdiction: Jurisdiction,
        also_subject_to: Vec<Jurisdiction>,
        root_key: PublicKey,
    },
    /// A member is gone, for good.
    Left { member: MemberName, jurisdiction: Jurisdiction },
    /// It is another sort of organisation.
    Organisation { member: MemberName, from: OrganisationType, to: OrganisationType },
    /// It sits, and votes, elsewhere.
    Jurisdiction { member: MemberName, from: Jurisdiction, to: Jurisdiction },
    /// Others can compel it.
    SubjectTo { member: MemberName, from: Vec<Jurisdiction>, to: Vec<Jurisdiction> },
    /// One of its keys was replaced by another.
    Key { member: MemberName, purpose: Purpose, from: PublicKey, to: PublicKey },
    /// Its log goes on under new keys from an index on; what it holds beyond is cut off.
    Segment { member: MemberName, from_size: u64, root: Hash },
    /// Its earlier segments are others, which no reader accepts.
    LogRewritten { member: MemberName },
    /// A certificate of its own authority, by SHA-256 of its DER.
    AuthorityAdded { member: MemberName, certificate: Hash },
    /// The same, no longer trusted.
    AuthorityRemoved { member: MemberName, certificate: Hash },
    /// Where it is reached.
    Address { member: MemberName, kind: AddressKind, from: String, to: String },
    /// A group is new.
    GroupAdded { group: String },
    /// A group is gone.
    GroupRemoved { group: String },
    /// A member is in a group.
    GroupJoined { group: String, member: MemberName },
    /// A member is in it no more.
    GroupLeft { group: String, member: MemberName },
    /// Cosignatures of distinct other jurisdictions that settle an entry.
    Quorum { from: u32, to: u32 },
    /// Default copies.
    Copies { tlp: Tlp, from: u32, to: u32 },
    /// The share above which a jurisdiction is warned of, in percent; 0 is none.
    Cap { from: u32, to: u32 },
    /// Unix seconds.
    Expiry { from: u64, to: u64 },
}

/// Which address of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// For nodes and programs.
    Grpc,
    /// For everybody.
    Https,
    /// For people.
    Contact,
}

/// Everything that differs, members first; nothing exactly when both say the same. Federation, version and the
/// previous hash are not compared: they belong to the succession.
#[must_use]
pub fn changes(from: &Roster, to: &Roster) -> Vec<Change> {
    let mut found = Vec::new();
    for (name, old) in &from.members {
        match to.members.get(name) {
            Some(new) => of_member(old, new, &mut found),
            None => found.push(Change::Left { member: name.clone(), jurisdiction: old.jurisdiction }),
        }
    }
    for (name, new) in to.members.iter().filter(|(name, _)| !from.members.contains_key(*name)) {
        found.extend(new.segment().map(|segment| Change::Joined {
            member: name.clone(),
            organisation: new.organisation_type,
            jurisdiction: new.jurisdiction,
            also_subject_to: new.also_subject_to.clone(),
            root_key: segment.root_key,
        }));
    }
    of_groups(from, to, &mut found);
    if from.quorum != to.quorum {
        found.push(Change::Quorum { from: from.quorum, to: to.quorum });
    }
    of_custody(from.custody, to.custody, &mut found);
    if from.expires_at != to.expires_at {
        found.push(Change::Expiry { from: from.expires_at, to: to.expires_at });
    }
    found
}

fn of_member(old: &Member, new: &Member, found: &mut Vec<Change>) {
    let member = || old.name.clone();
    if old.organisation_type != new.organisation_type {
        let (from, to) = (old.organisation_type, new.organisation_type);
        found.push(Change::Organisation { member: member(), from, to });
    }
    if old.jurisdiction != new.jurisdiction {
        found.push(Change::Jurisdiction { member: member(), from: old.jurisdiction, to: new.jurisdiction });
    }
    if old.also_subject_to != new.also_subject_to {
        let (from, to) = (old.also_subject_to.clone(), new.also_subject_to.clone());
        found.push(Change::SubjectTo { member: member(), from, to });
    }
    match new.segments.strip_prefix(old.segments.as_slice()) {
        None => found.push(Change::LogRewritten { member: member() }),
        Some(added) => found.extend(added.iter().map(|segment| Change::Segment {
            member: member(),
            from_size: segment.from_size,
            root: segment.root,
        })),
    }
    let key = |purpose, from: PublicKey, to: PublicKey| {
        (from != to).then(|| Change::Key { member: old.name.clone(), purpose, from, to })
    };
    if let (Some(last), Some(now)) = (old.segment(), new.segment()) {
        found.extend(key(Purpose::Root, last.root_key, now.root_key));
        found.extend(key(Purpose::Log, last.log_key, now.log_key));
    }
    found.extend(key(Purpose::Cosign, old.cosign_key, new.cosign_key));
    let without = |some: &Member, other: &Member| -> Vec<Hash> {
        let only = some.tls_ca.iter().filter(|der| !other.tls_ca.contains(der));
        only.map(|der| sha256(&[der])).collect()
    };
    let added = without(new, old).into_iter();
    found.extend(added.map(|certificate| Change::AuthorityAdded { member: member(), certificate }));
    let removed = without(old, new).into_iter();
    found.extend(removed.map(|certificate| Change::AuthorityRemoved { member: member(), certificate }));
    let addresses = [
        (AddressKind::Grpc, &old.grpc, &new.grpc),
        (AddressKind::Https, &old.https, &new.https),
        (AddressKind::Contact, &old.contact, &new.contact),
    ];
    for (kind, from, to) in addresses.into_iter().filter(|(_, from, to)| from != to) {
        found.push(Change::Address { member: member(), kind, from: from.clone(), to: to.clone() });
    }
}

fn of_groups(from: &Roster, to: &Roster, found: &mut Vec<Change>) {
    for group in from.groups.keys().filter(|group| !to.groups.contains_key(*group)) {
        found.push(Change::GroupRemoved { group: group.clone() });
    }
    for (group, members) in &to.groups {
        let old = from.groups.get(group);
        if old.is_none() {
            found.push(Change::GroupAdded { group: group.clone() });
        }
        let joined = members.iter().filter(|name| old.is_none_or(|old| !old.contains(*name)));
        found.extend(joined.map(|name| Change::GroupJoined { group: group.clone(), member: name.clone() }));
        let left = old.into_iter().flatten().filter(|name| !members.contains(*name));
        found.extend(left.map(|name| Change::GroupLeft { group: group.clone(), member: name.clone() }));
    }
}

fn of_custody(old: CustodyRule, new: CustodyRule, found: &mut Vec<Change>) {
    for tlp in [Tlp::Amber, Tlp::AmberStrict] {
        if old.copies(tlp) != new.copies(tlp) {
            found.push(Change::Copies { tlp, from: old.copies(tlp), to: new.copies(tlp) });
        }
    }
    if old.cap_percent != new.cap_percent {
        found.push(Change::Cap { from: old.cap_percent, to: new.cap_percent });
    }
}

impl Change {
    /// Whom it is about; nothing when about the federation.
    #[must_use]
    pub const fn member(&self) -> Option<&MemberName> {
        match self {
            Self::Joined { member, .. }
            | Self::Left { member, .. }
            | Self::Organisation { member, .. }
            | Self::Jurisdiction { member, .. }
            | Self::SubjectTo { member, .. }
            | Self::Key { member, .. }
            | Self::Segment { member, .. }
            | Self::LogRewritten { member }
            | Self::AuthorityAdded { member, .. }
            | Self::AuthorityRemoved { member, .. }
            | Self::Address { member, .. }
            | Self::GroupJoined { member, .. }
            | Self::GroupLeft { member, .. } => Some(member),
            Self::GroupAdded { .. }
            | Self::GroupRemoved { .. }
            | Self::Quorum { .. }
            | Self::Copies { .. }
            | Self::Cap { .. }
            | Self::Expiry { .. } => None,
        }
    }

    /// A word for programs, which stays when the sentence is worded anew.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Joined { .. } => "joined",
            Self::Left { .. } => "left",
            Self::Organisation { .. } => "organisation",
            Self::Jurisdiction { .. } => "jurisdiction",
            Self::SubjectTo { .. } => "also_subject_to",
            Self::Key { .. } => "key",
            Self::Segment { .. } => "segment",
            Self::LogRewritten { .. } => "log_rewritten",
            Self::AuthorityAdded { .. } => "authority_added",
            Self::AuthorityRemoved { .. } => "authority_removed",
            Self::Address { .. } => "address",
            Self::GroupAdded { .. } => "group_added",
            Self::GroupRemoved { .. } => "group_removed",
            Self::GroupJoined { .. } => "group_joined",
            Self::GroupLeft { .. } => "group_left",
            Self::Quorum { .. } => "quorum",
            Self::Copies { .. } => "copies",
            Self::Cap { .. } => "cap_percent",
            Self::Expiry { .. } => "expires_at",
        }
    }
}

#[cfg(test)]
mod tests;
