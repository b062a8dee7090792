//! A roster in plain words: who belongs, what it changes, who signed, what the votes add up to, and which promise
//! does not hold.

mod awaited;
mod quorum;

use std::collections::BTreeSet;

use almenara_proto::{
    blame::Void,
    merkle::Hash,
    name::MemberName,
    roster::{Change, Member, Purpose, Roster, SignedRoster, changes},
    wire::OrganisationType,
};
use serde::Serialize;

use crate::{
    ballot::Ballot,
    exit::CliError,
    output::{Output, Style},
    text::{duration, moment, plural, tame},
};

pub use awaited::Awaited;

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
    /// Members of whom two histories could both settle: their forks are detected, not prevented.
    pub forkable: Vec<String>,
    /// Members whose entries can never settle: too few jurisdictions are independent of theirs.
    pub unsettleable: Vec<String>,
    /// What differs from the version before; nothing where that one is not at hand, or for version 1.
    pub changes: Option<Vec<ChangeView>>,
    /// The votes of the version before, where it is at hand, and of this one. Version 1 needs no votes: every
    /// member signs it.
    pub ballots: Vec<Ballot>,
    /// All members, in the order of their names.
    pub members: Vec<MemberView>,
    /// All groups.
    pub groups: Vec<GroupView>,
    /// All jurisdictions with a member.
    pub jurisdictions: Vec<String>,
    /// Those with more than half of their members among the signers.
    pub votes: Vec<String>,
}

/// One difference.
#[derive(Clone, Debug, Serialize)]
pub struct ChangeView {
    /// A word for programs: `joined`, `left`, `key`, …
    pub kind: &'static str,
    /// Whom it is about; nothing when about the federation.
    pub member: Option<String>,
    /// In plain words.
    pub text: String,
    #[serde(skip)]
    root_key: bool,
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
        Self::after(signed, None)
    }

    /// The same beside the version before, which the caller has found to be the one that the roster names.
    ///
    /// # Errors
    /// [`Void`], when the body breaks a rule.
    pub fn after(signed: &SignedRoster, before: Option<&Roster>) -> Result<Self, Void> {
        let roster = Roster::parse(&signed.body)?;
        let signers = signed.signers(&roster);
        let names = |members: &mut dyn Iterator<Item = &Member>| -> Vec<String> {
            members.map(|member| member.name.to_string()).collect()
        };
        let counted = (roster.version > 1).then_some(&roster);
        Ok(Self {
            federation: roster.federation.clone(),
            version: roster.version,
            hash: signed.id().to_string(),
            previous: roster.previous.as_ref().map(Hash::to_string),
            expires_at: roster.expires_at,
            quorum: roster.quorum,
            forkable: names(&mut roster.forkable()),
            unsettleable: names(&mut roster.unsettleable()),
            changes: before.map(|before| changes(before, &roster).iter().map(ChangeView::of).collect()),
            ballots: before.into_iter().chain(counted).map(|roster| Ballot::count(roster, signed)).collect(),
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
            jurisdictions: roster.jurisdictions().iter().map(ToString::to_string).collect(),
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
        if let Some(changes) = &self.changes {
            self.print_changes(changes, output)?;
        }
        let rows: Vec<[String; 6]> = self.members.iter().map(MemberView::row).collect();
        output.table(["member", "type", "in", "also subject to", "node", "signed"], &rows)?;
        output.say("")?;
        for group in &self.groups {
            output.say(format_args!("group         {}: {}", group.name, group.members.join(", ")))?;
        }
        if self.ballots.is_empty() {
            output.say(format_args!("votes         {}", self.votes_in_words()))?;
        }
        for ballot in &self.ballots {
            output.say(format_args!("votes of v{:<4}{}", ballot.version, ballot.in_words()))?;
        }
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

    /// What people do with it once there are enough signatures.
    #[must_use]
    pub fn next(&self, file: &str) -> String {
        match self.version {
            1 => format!(
                "Signed by every member. Send {file} to all; they compare this hash by voice or in person, and join:\n  {}\n  almenarad join {file}",
                self.hash
            ),
            version => {
                format!("Enough members signed version {version}. Next: almenara roster submit {file}")
            }
        }
    }

    fn print_changes(&self, changes: &[ChangeView], output: &Output) -> Result<(), CliError> {
        output.say(format_args!("Changes since version {}:", self.version.saturating_sub(1)))?;
        if changes.is_empty() {
            output.say("  nothing")?;
        }
        for change in changes {
            output.say(format_args!("  - {}", tame(&change.text)))?;
        }
        output.say("")
    }

    /// Whose signatures are missing, in words; nothing when there are enough.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        let missing = match self.version {
            1 => self.unsigned().join(", "),
            _ => self.ballots.iter().filter_map(Ballot::missing).collect::<Vec<_>>().join("; "),
        };
        (!missing.is_empty()).then_some(missing)
    }

    /// What a reader must know before trusting this roster.
    fn warnings(&self, now: u64) -> Vec<String> {
        let mut warnings = self.quorum_warnings();
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

impl ChangeView {
    fn of(change: &Change) -> Self {
        let text = match change {
            // `proto` knows no calendar.
            Change::Expiry { from, to } => {
                let (apart, way) = (to.abs_diff(*from), if to > from { "later" } else { "earlier" });
                format!(
                    "the roster ends {} {way}, on {} instead of {}",
                    duration(apart),
                    moment(*to),
                    moment(*from)
                )
            }
            other => other.to_string(),
        };
        Self {
            kind: change.kind(),
            member: change.member().map(ToString::to_string),
            text,
            root_key: matches!(change, Change::Key { purpose: Purpose::Root, .. }),
        }
    }

    /// Whether a member takes up another root key, and so votes with two.
    #[must_use]
    pub const fn replaces_root(&self) -> bool {
        self.root_key
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
