//! A roster in plain words: who belongs, who signed, what the votes add up to, and which promise does not hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use almenara_proto::{
    blame::Void,
    merkle::Hash,
    name::{Jurisdiction, MemberName},
    roster::{Member, Roster, SignedRoster},
    verdict::Policy,
    wire::OrganisationType,
};
use serde::Serialize;

use crate::{
    exit::CliError,
    output::{Output, Style},
    text::{duration, moment, plural},
};

/// A roster for people (and, with `--json`, for machines).
#[derive(Clone, Debug, Serialize)]
pub struct RosterView {
    /// Federation id.
    pub federation: String,
    /// From 1.
    pub version: u64,
    /// SHA-256 of the body, hex: what is compared out of band.
    pub hash: String,
    /// The hash of the version before.
    pub previous: Option<String>,
    /// Unix seconds.
    pub expires_at: u64,
    /// Cosignatures of distinct other jurisdictions that settle an entry.
    pub quorum: u32,
    /// Whether two histories of a log cannot both settle unless some member cosigned both.
    pub forks_prevented: bool,
    /// All members, in the order of their names.
    pub members: Vec<MemberView>,
    /// All groups.
    pub groups: Vec<GroupView>,
    /// All jurisdictions with a member.
    pub jurisdictions: Vec<String>,
    /// Those with more than half of their members among the signers.
    pub votes: Vec<String>,
}

/// One member.
#[derive(Clone, Debug, Serialize)]
pub struct MemberView {
    /// Its name.
    pub name: String,
    /// `police`, `ngo`, …
    pub organisation_type: &'static str,
    /// Where it sits.
    pub jurisdiction: String,
    /// Of its hosting or parent.
    pub also_subject_to: Vec<String>,
    /// `host:port` of its node.
    pub grpc: String,
    /// For the public.
    pub contact: String,
    /// The root key in force, hex.
    pub root_key: String,
    /// Whether that key signed this roster.
    pub signed: bool,
}

/// One group.
#[derive(Clone, Debug, Serialize)]
pub struct GroupView {
    /// As statements name it: `group:<name>`.
    pub name: String,
    /// Its members.
    pub members: Vec<String>,
}

impl RosterView {
    /// Looks at a roster; nothing is accepted by that.
    ///
    /// # Errors
    /// [`Void`], when the body breaks a rule.
    pub fn of(signed: &SignedRoster) -> Result<Self, Void> {
        let roster = Roster::parse(&signed.body)?;
        let signers = signed.signers(&roster);
        let jurisdictions: Vec<String> = roster.jurisdictions().iter().map(ToString::to_string).collect();
        Ok(Self {
            federation: roster.federation.clone(),
            version: roster.version,
            hash: signed.id().to_string(),
            previous: roster.previous.as_ref().map(Hash::to_string),
            expires_at: roster.expires_at,
            quorum: roster.quorum,
            forks_prevented: forks_prevented(&roster),
            members: roster.members.values().map(|member| MemberView::of(member, &signers)).collect(),
            groups: roster
                .groups
                .iter()
                .map(|(name, members)| GroupView {
                    name: name.clone(),
                    members: members.iter().map(ToString::to_string).collect(),
                })
                .collect(),
            votes: roster.votes(&signers).iter().map(ToString::to_string).collect(),
            jurisdictions,
        })
    }

    /// The members that did not sign.
    #[must_use]
    pub fn unsigned(&self) -> Vec<&str> {
        self.members.iter().filter(|member| !member.signed).map(|member| member.name.as_str()).collect()
    }

    /// Prints it.
    ///
    /// # Errors
    /// [`CliError`], when it cannot be written.
    pub fn print(&self, output: &Output, now: u64) -> Result<(), CliError> {
        output.json(self)?;
        let title = format!("Roster version {} of {}", self.version, self.federation);
        output.say(format_args!("{}\n", output.paint(Style::Bold, &title)))?;
        let rows: Vec<[String; 6]> = self.members.iter().map(MemberView::row).collect();
        output.table(["member", "type", "in", "also subject to", "node", "signed"], &rows)?;
        output.say("")?;
        for group in &self.groups {
            output.say(format_args!("group         {}: {}", group.name, group.members.join(", ")))?;
        }
        output.say(format_args!("votes         {}", self.votes_in_words()))?;
        output.say(format_args!("quorum        {}", self.quorum_in_words()))?;
        output.say(format_args!("expires       {}", expiry(self.expires_at, now)))?;
        if let Some(previous) = &self.previous {
            output.say(format_args!("follows       {previous}"))?;
        }
        output.say(format_args!("hash          {}", output.paint(Style::Bold, &self.hash)))?;
        for warning in self.warnings(now) {
            output.say(format_args!("\n{}", output.paint(Style::Warning, &warning)))?;
        }
        Ok(())
    }

    fn votes_in_words(&self) -> String {
        let of = format!(
            "of {} ({})",
            plural(self.jurisdictions.len(), "jurisdiction", "jurisdictions"),
            self.jurisdictions.join(", ")
        );
        match self.votes.as_slice() {
            [] => format!("none {of}"),
            votes => format!("{} {of}", votes.join(", ")),
        }
    }

    fn quorum_in_words(&self) -> String {
        let cosigners = plural(self.quorum as usize, "other jurisdiction", "other jurisdictions");
        match (self.quorum, self.forks_prevented) {
            (0, _) => "0: every entry counts as settled at once, cosigned by nobody".to_owned(),
            (_, true) => format!(
                "{cosigners} must cosign: two histories of one log are prevented, unless a member cosigns both"
            ),
            (_, false) => format!(
                "{cosigners} must cosign, and other members can make up as many for another history: two histories \
                 of one log are detectable, not prevented"
            ),
        }
    }

    /// What a reader must know before trusting this roster.
    fn warnings(&self, now: u64) -> Vec<String> {
        let mut warnings = Vec::new();
        if let [only] = self.jurisdictions.as_slice() {
            warnings.push(format!(
                "There is one jurisdiction only. {only} alone decides who belongs and can rewrite what was said: promises 2 and 3 of the protocol do not hold here."
            ));
        }
        if self.expires_at <= now {
            warnings.push("It has expired: nothing restricted is released and no report is taken until a new version is signed.".to_owned());
        }
        warnings
    }
}

/// Whether two histories of a log, whoever's it is, cannot both settle unless some member cosigned both. A jurisdiction
/// with several members can stand behind both, by one honest member each; one with a single member cannot.
fn forks_prevented(roster: &Roster) -> bool {
    let mut members: BTreeMap<Jurisdiction, u64> = BTreeMap::new();
    for member in roster.members.values() {
        *members.entry(member.jurisdiction).or_default() += 1;
    }
    let behind = |own: &Jurisdiction| {
        let others = members.iter().filter(|(other, _)| *other != own);
        others.map(|(_, count)| (*count).min(2)).sum::<u64>()
    };
    members.len() > 1 && members.keys().all(|own| u64::from(roster.quorum) * 2 > behind(own))
}

/// What pending entries wait for, and what that means under a policy: "for cosignatures of 1 other jurisdiction, not
/// counted until then".
#[derive(Clone, Copy, Debug)]
pub struct Awaited {
    quorum: u32,
    counts: bool,
}

impl Awaited {
    /// Under this roster and policy.
    #[must_use]
    pub const fn of(roster: &Roster, policy: &Policy) -> Self {
        Self { quorum: roster.quorum, counts: policy.pending_allowed }
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others = plural(self.quorum as usize, "other jurisdiction", "other jurisdictions");
        let until = if self.counts {
            "counted nevertheless (policy.pending_allowed)"
        } else {
            "not counted until then"
        };
        write!(f, "for cosignatures of {others}, {until}")
    }
}

impl MemberView {
    fn of(member: &Member, signers: &BTreeSet<MemberName>) -> Self {
        Self {
            name: member.name.to_string(),
            organisation_type: organisation_name(member.organisation_type),
            jurisdiction: member.jurisdiction.to_string(),
            also_subject_to: member.also_subject_to.iter().map(ToString::to_string).collect(),
            grpc: member.grpc.clone(),
            contact: member.contact.clone(),
            root_key: member.segment().map(|segment| segment.root_key.to_string()).unwrap_or_default(),
            signed: signers.contains(&member.name),
        }
    }

    fn row(&self) -> [String; 6] {
        [
            self.name.clone(),
            self.organisation_type.to_owned(),
            self.jurisdiction.clone(),
            self.also_subject_to.join(", "),
            self.grpc.clone(),
            if self.signed { "yes".to_owned() } else { "no".to_owned() },
        ]
    }
}

fn expiry(at: u64, now: u64) -> String {
    match at.checked_sub(now) {
        Some(left) => format!("{} (in {})", moment(at), duration(left)),
        None => format!("{} ({} ago)", moment(at), duration(now.saturating_sub(at))),
    }
}

/// The protocol's words for organisations, in the order of their numbers.
pub const ORGANISATIONS: [(&str, OrganisationType); 7] = [
    ("police", OrganisationType::Police),
    ("ngo", OrganisationType::Ngo),
    ("platform", OrganisationType::Platform),
    ("bank", OrganisationType::Bank),
    ("cert", OrganisationType::Cert),
    ("regulator", OrganisationType::Regulator),
    ("other", OrganisationType::Other),
];

fn organisation_name(organisation: OrganisationType) -> &'static str {
    ORGANISATIONS.iter().find(|(_, known)| *known == organisation).map_or("other", |(name, _)| name)
}
