//! `almenara publish --preview`: before anything is signed, who would see and who would keep what, by audience.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use almenara_proto::{
    custody::{Candidates, Placer},
    merkle::Hash,
    name::{Jurisdiction, MemberName},
    release::{Decision, Recipient, Release, Rosters, released},
    roster::Roster,
};
use serde::Serialize;

use super::{desk, list_args::ListArgs};
use crate::{
    context::Context,
    exit::{CliError, Outcome},
    output::Style,
    text::{count, plural, tame},
};

/// Statements with one audience.
#[derive(Debug, Serialize)]
struct Group {
    statements: u64,
    tlp: Option<&'static str>,
    pap: Option<&'static str>,
    to: Vec<String>,
    not_to: Vec<String>,
    copies: u32,
    /// Members other than our own whose nodes may see them.
    seen_by: Vec<String>,
    /// Members other than our own that keep each of them.
    kept_by: Vec<String>,
    /// Where copies rule: so many of `places` keep each one, which ones its leaf hash decides.
    due: u32,
    /// Jurisdictions that nobody can reach together, with their members.
    places: Vec<BTreeMap<String, Vec<String>>>,
    /// Copies that nobody can keep.
    shortfall: u32,
}

/// Reads the drafts and says what the roster makes of them.
///
/// # Errors
/// [`CliError`]: a file that cannot be read, no desk or roster.
pub(super) fn run(files: &[PathBuf], list: &ListArgs, context: &Context) -> Result<Outcome, CliError> {
    let publisher = desk::publisher(context)?;
    let origin: MemberName = publisher.member().parse().map_err(CliError::usage)?;
    let rosters = context.rosters()?;
    let roster = &rosters.current().roster;
    let mut audiences: HashMap<(Release, u32), u64> = HashMap::new();
    let list = ListArgs { report: None, ..list.clone() };
    for draft in list.open(files, "reading", context)?.drafts() {
        let draft = draft?;
        *audiences.entry((draft.release().clone(), draft.copies())).or_default() += 1;
    }
    let mut groups: Vec<Group> = audiences
        .into_iter()
        .map(|((release, copies), statements)| Group::of(&release, copies, statements, &origin, roster))
        .collect();
    groups.sort_by(|a, b| {
        let key = |group: &Group| (group.tlp, group.to.clone(), group.not_to.clone(), group.copies);
        b.statements.cmp(&a.statements).then_with(|| key(a).cmp(&key(b)))
    });
    if groups.is_empty() {
        context.output.warn("no line gave a draft, so there is nothing to publish");
        return Ok(Outcome::No);
    }
    for group in &groups {
        context.output.json(group)?;
        context.output.say(group.lines(context))?;
    }
    Ok(Outcome::Done)
}

impl Group {
    fn of(release: &Release, copies: u32, statements: u64, origin: &MemberName, roster: &Roster) -> Self {
        let rosters = Rosters { now: roster, then: Some(roster) };
        let others = roster.members.keys().filter(|member| *member != origin);
        let seen_by: Vec<&MemberName> = others
            .filter(|member| {
                let recipient = Recipient::Node((*member).clone());
                released(release, origin, origin, &recipient, rosters) == Decision::Clear
            })
            .collect();
        let candidates = Candidates::find(release, copies, origin, rosters);
        let whole = candidates.as_ref().is_none_or(|all| all.due as usize >= all.places.len());
        // With as many copies as places nothing is left to the leaf hash but which seat of a place keeps it.
        let single = candidates.iter().flat_map(|all| &all.places).all(|place| place.len() == 1);
        let kept_by = if whole && single {
            let mut placer = Placer::new(origin, rosters);
            let keepers = placer.keepers(&Hash([0; 32]), release, copies);
            keepers.map_or_else(|| names(seen_by.iter().copied()), |keepers| names(keepers.iter()))
        } else {
            Vec::new()
        };
        let seats = |place: &BTreeMap<Jurisdiction, Vec<MemberName>>| {
            place.iter().map(|(code, members)| (code.to_string(), names(members.iter()))).collect()
        };
        Self {
            statements,
            tlp: release.tlp.map(|tlp| tlp.as_str()),
            pap: release.pap.map(|pap| pap.as_str()),
            to: release.to.iter().map(ToString::to_string).collect(),
            not_to: release.not_to.iter().map(ToString::to_string).collect(),
            copies,
            seen_by: names(seen_by.iter().copied()),
            kept_by,
            due: candidates.as_ref().map_or(0, |all| all.due),
            shortfall: candidates.as_ref().map_or(0, Candidates::shortfall),
            places: candidates.iter().flat_map(|all| &all.places).map(seats).collect(),
        }
    }

    fn lines(&self, context: &Context) -> String {
        let list = |names: &[String]| {
            if names.is_empty() { "nobody else".to_owned() } else { names.join(", ") }
        };
        let mut audience = format!("TLP:{}", self.tlp.unwrap_or("unknown, for us only"));
        for (word, names) in [("to", &self.to), ("not to", &self.not_to)] {
            if !names.is_empty() {
                audience.push_str(&format!(" {word} {}", names.join(", ")));
            }
        }
        let many = plural(usize::try_from(self.statements).unwrap_or(usize::MAX), "statement", "statements");
        let head = format!("{} {many}, {}", count(self.statements), tame(&audience));
        let places: Vec<String> = self
            .places
            .iter()
            .map(|place| {
                let seats = place.iter().map(|(code, members)| format!("{code} ({})", members.join(", ")));
                seats.collect::<Vec<_>>().join(" or ")
            })
            .collect();
        let kept = if self.places.is_empty() {
            list(&self.kept_by)
        } else {
            format!(
                "{} of these {}: {}",
                self.due.min(self.places.len() as u32),
                places.len(),
                places.join("; ")
            )
        };
        let mut text = format!(
            "{}\n  seen by   {}\n  kept by   {kept}",
            context.output.paint(Style::Bold, &head),
            list(&self.seen_by)
        );
        if self.shortfall > 0 {
            text.push_str(&format!(
                "\n  shortfall {} of {} copies: too few jurisdictions are independent of ours and of one another",
                self.shortfall, self.due
            ));
        }
        text
    }
}

fn names<'a>(members: impl Iterator<Item = &'a MemberName>) -> Vec<String> {
    members.map(ToString::to_string).collect()
}
