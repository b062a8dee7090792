//! Who may see a statement (PROTOCOL.md §8): a pure function, and the only way out of a store.

use std::{collections::BTreeSet, fmt, str::FromStr};

use crate::{
    blame::Void,
    name::{BadName, Jurisdiction, MemberName},
    roster::Roster,
    wire,
};

/// Traffic Light Protocol 2.0 (FIRST).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tlp {
    /// Everyone.
    Clear,
    /// All members and their consumer accounts.
    Green,
    /// Members named by `to` and their consumer accounts.
    Amber,
    /// Members named by `to`, not their consumer accounts.
    AmberStrict,
    /// Member nodes named one by one, by the origin itself.
    Red,
}

impl Tlp {
    /// `CLEAR`, `GREEN`, `AMBER`, `AMBER+STRICT`, `RED`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "CLEAR",
            Self::Green => "GREEN",
            Self::Amber => "AMBER",
            Self::AmberStrict => "AMBER+STRICT",
            Self::Red => "RED",
        }
    }

    const fn wire(self) -> wire::Tlp {
        match self {
            Self::Clear => wire::Tlp::Clear,
            Self::Green => wire::Tlp::Green,
            Self::Amber => wire::Tlp::Amber,
            Self::AmberStrict => wire::Tlp::AmberStrict,
            Self::Red => wire::Tlp::Red,
        }
    }

    pub(crate) fn from_wire(number: i32) -> Option<Self> {
        Some(match wire::Tlp::try_from(number).ok()? {
            wire::Tlp::Clear => Self::Clear,
            wire::Tlp::Green => Self::Green,
            wire::Tlp::Amber => Self::Amber,
            wire::Tlp::AmberStrict => Self::AmberStrict,
            wire::Tlp::Red => Self::Red,
            wire::Tlp::Unspecified => return None,
        })
    }
}

impl FromStr for Tlp {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.trim().to_ascii_uppercase();
        Ok(match upper.strip_prefix("TLP:").unwrap_or(&upper) {
            // TLP 1.0 said WHITE.
            "CLEAR" | "WHITE" => Self::Clear,
            "GREEN" => Self::Green,
            "AMBER" => Self::Amber,
            "AMBER+STRICT" => Self::AmberStrict,
            "RED" => Self::Red,
            _ => {
                return Err(format!(
                    "`{}` is not a TLP 2.0 marking: CLEAR, GREEN, AMBER, AMBER+STRICT or RED",
                    text.escape_default()
                ));
            }
        })
    }
}

/// Permissible Actions Protocol: what a recipient may do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pap {
    /// Anything.
    Clear,
    /// Passive and blocking use.
    Green,
    /// Passive use only.
    Amber,
    /// Offline use only.
    Red,
}

impl Pap {
    /// `CLEAR`, `GREEN`, `AMBER`, `RED`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "CLEAR",
            Self::Green => "GREEN",
            Self::Amber => "AMBER",
            Self::Red => "RED",
        }
    }
}

impl FromStr for Pap {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.trim().to_ascii_uppercase();
        Ok(match upper.strip_prefix("PAP:").unwrap_or(&upper) {
            "CLEAR" | "WHITE" => Self::Clear,
            "GREEN" => Self::Green,
            "AMBER" => Self::Amber,
            "RED" => Self::Red,
            _ => {
                let text = text.escape_default();
                return Err(format!("`{text}` is not a PAP marking: CLEAR, GREEN, AMBER or RED"));
            }
        })
    }
}

/// One name in `to` or `not_to`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// A member, by name.
    Member(MemberName),
    /// A group of the roster: `group:x`.
    Group(String),
    /// All members of a jurisdiction: `jurisdiction:XX`.
    Jurisdiction(Jurisdiction),
}

impl FromStr for Audience {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        match text.split_once(':') {
            Some(("group", name)) => Ok(Self::Group(name.parse::<MemberName>()?.to_string())),
            Some(("jurisdiction", code)) => Ok(Self::Jurisdiction(code.parse()?)),
            _ => Ok(Self::Member(text.parse()?)),
        }
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(name) => write!(f, "{name}"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Jurisdiction(code) => write!(f, "jurisdiction:{code}"),
        }
    }
}

/// Who may see a statement, as its author said.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Release {
    /// Nothing when the author's marking, syntax or a field is unknown to us: origin only.
    pub tlp: Option<Tlp>,
    /// Nothing when absent or unknown: no blocklist export.
    pub pap: Option<Pap>,
    /// In the order of [`Audience`], each once.
    pub to: BTreeSet<Audience>,
    /// Always wins.
    pub not_to: BTreeSet<Audience>,
}

impl Release {
    /// For everyone, to be used freely.
    #[must_use]
    pub fn clear() -> Self {
        Self { tlp: Some(Tlp::Clear), pap: Some(Pap::Clear), to: BTreeSet::new(), not_to: BTreeSet::new() }
    }

    /// `understood` is false when the byte walk saw an unknown field in here.
    pub(crate) fn from_wire(wire: &wire::Release, understood: bool) -> Result<Self, Void> {
        // Before anything that depends on what this version knows, so that every version decides it alike.
        if wire.tlp == i32::from(wire::Tlp::Clear) && !(wire.to.is_empty() && wire.not_to.is_empty()) {
            return Err(Void::new(
                "Release.to",
                "`to` and `not_to` cannot stand with TLP:CLEAR, which is for everyone",
            ));
        }
        let names =
            |texts: &[String]| texts.iter().map(|text| text.parse()).collect::<Result<BTreeSet<_>, _>>();
        let (to, not_to) = (names(&wire.to), names(&wire.not_to));
        let pap = wire::Pap::try_from(wire.pap);
        let understood = understood && to.is_ok() && not_to.is_ok() && pap.is_ok();
        Ok(Self {
            tlp: Tlp::from_wire(wire.tlp).filter(|_| understood),
            pap: match pap {
                Ok(wire::Pap::Clear) => Some(Pap::Clear),
                Ok(wire::Pap::Green) => Some(Pap::Green),
                Ok(wire::Pap::Amber) => Some(Pap::Amber),
                Ok(wire::Pap::Red) => Some(Pap::Red),
                Ok(wire::Pap::Unspecified) | Err(_) => None,
            },
            to: to.unwrap_or_default(),
            not_to: not_to.unwrap_or_default(),
        })
    }

    pub(crate) fn to_wire(&self) -> wire::Release {
        let names = |set: &BTreeSet<Audience>| set.iter().map(ToString::to_string).collect();
        wire::Release {
            tlp: self.tlp.map_or(wire::Tlp::Unspecified, Tlp::wire).into(),
            pap: match self.pap {
                None => wire::Pap::Unspecified,
                Some(Pap::Clear) => wire::Pap::Clear,
                Some(Pap::Green) => wire::Pap::Green,
                Some(Pap::Amber) => wire::Pap::Amber,
                Some(Pap::Red) => wire::Pap::Red,
            }
            .into(),
            to: names(&self.to),
            not_to: names(&self.not_to),
        }
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Recipient {
    /// A member's node, or a desk or operator of the member itself.
    Node(MemberName),
    /// A desk or operator of a member: part of the organisation, but not its node.
    Staff(MemberName),
    /// A consumer account of a member, under its own jurisdiction.
    Consumer {
        /// Whose account.
        member: MemberName,
        /// Where the account's holder sits.
        jurisdiction: Jurisdiction,
    },
    /// Checks history; sees what everyone sees.
    Auditor,
    /// Anybody.
    Public,
}

impl Recipient {
    /// Of which member; nothing for an auditor and the public.
    #[must_use]
    pub const fn member(&self) -> Option<&MemberName> {
        match self {
            Self::Node(member) | Self::Staff(member) | Self::Consumer { member, .. } => Some(member),
            Self::Auditor | Self::Public => None,
        }
    }
}

/// The rosters that a decision looks at: the one now, and the one that the batch's author used.
#[derive(Clone, Copy, Debug)]
pub struct Rosters<'a> {
    /// The newest accepted one.
    pub now: &'a Roster,
    /// The version in the batch's header; nothing if this node does not have it (then nothing restricted flows).
    pub then: Option<&'a Roster>,
}

/// What release decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// In clear.
    Clear,
    /// Not for this recipient, without a reason.
    Withheld,
}

/// `released(header, statement, server, recipient, roster)` of PROTOCOL.md §8.
///
/// `origin` is the member whose log holds the statement, `server` the member whose node answers.
#[must_use]
pub fn released(
    release: &Release,
    origin: &MemberName,
    server: &MemberName,
    recipient: &Recipient,
    rosters: Rosters<'_>,
) -> Decision {
    // The common case, and the one that needs no roster.
    if release.tlp == Some(Tlp::Clear) {
        return Decision::Clear;
    }
    let Some(member) = recipient.member() else { return Decision::Withheld };
    // The origin's own consumer accounts are not the origin: they see what its `to` gives them.
    if member == origin && !matches!(recipient, Recipient::Consumer { .. }) {
        return Decision::Clear;
    }
    let Some(tlp) = release.tlp else { return Decision::Withheld };
    let Some(then) = rosters.then else { return Decision::Withheld };
    if !rosters.now.contains(member) {
        return Decision::Withheld;
    }
    let excluded =
        |roster: &Roster| release.not_to.iter().any(|name| excludes(name, member, recipient, roster));
    if excluded(rosters.now) || excluded(then) {
        return Decision::Withheld;
    }
    // Both rosters must agree, so that a later group or jurisdiction never widens what was said.
    let named = [rosters.now, then]
        .into_iter()
        .all(|roster| release.to.iter().any(|name| names(name, member, roster)));
    let clear = match tlp {
        Tlp::Clear | Tlp::Green => true,
        Tlp::Amber => named,
        Tlp::AmberStrict => named && !matches!(recipient, Recipient::Consumer { .. }),
        Tlp::Red => {
            named
                && matches!(recipient, Recipient::Node(_))
                && server == origin
                && release.to.iter().all(|name| matches!(name, Audience::Member(_)))
        }
    };
    if clear { Decision::Clear } else { Decision::Withheld }
}

/// `to` matches by the member only, and jurisdictions exactly.
fn names(name: &Audience, member: &MemberName, roster: &Roster) -> bool {
    match name {
        Audience::Member(named) => named == member && roster.contains(member),
        Audience::Group(group) => roster.in_group(group, member),
        Audience::Jurisdiction(code) => roster.jurisdiction(member) == Some(*code),
    }
}

/// `not_to` matches a consumer by its own jurisdiction or its member's; `EU` and its states match each other.
fn excludes(name: &Audience, member: &MemberName, recipient: &Recipient, roster: &Roster) -> bool {
    match name {
        Audience::Member(named) => named == member,
        Audience::Group(group) => roster.in_group(group, member),
        Audience::Jurisdiction(code) => {
            let own = match recipient {
                Recipient::Consumer { jurisdiction, .. } => Some(*jurisdiction),
                _ => None,
            };
            roster.jurisdiction(member).into_iter().chain(own).any(|other| {
                other == *code
                    || (*code == Jurisdiction::EU && other.is_eu_state())
                    || (other == Jurisdiction::EU && code.is_eu_state())
            })
        }
    }
}

/// Bytes of a statement that a recipient may have. Nothing else converts into an outgoing message, so that no
/// handler can leak by forgetting.
#[derive(Clone, Debug)]
pub struct Released<T>(T);

/// Every statement of a batch is TLP:CLEAR, as whoever stored it found: release has nothing left to decide.
#[derive(Clone, Copy, Debug)]
pub struct Open(());

impl Open {
    /// From the flag that was stored with a batch.
    #[must_use]
    pub const fn stored(all_clear: bool) -> Option<Self> {
        if all_clear { Some(Self(())) } else { None }
    }
}

impl<T> Released<T> {
    /// Passes what everybody may see.
    pub const fn open(item: T, _: &Open) -> Self {
        Self(item)
    }

    /// Passes `item` through the door, or not.
    pub fn pass(
        item: T,
        release: &Release,
        origin: &MemberName,
        server: &MemberName,
        recipient: &Recipient,
        rosters: Rosters<'_>,
    ) -> Option<Self> {
        match released(release, origin, server, recipient, rosters) {
            Decision::Clear => Some(Self(item)),
            Decision::Withheld => None,
        }
    }

    /// What may leave.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// What may leave.
    pub const fn get(&self) -> &T {
        &self.0
    }
}

#[cfg(test)]
pub(crate) mod tests;
