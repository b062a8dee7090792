//! `almenara custody`: which share of the others' restricted statements each jurisdiction can reach, from what the
//! members' nodes sign and what the public log says.

use std::{cell::RefCell, collections::BTreeMap, fmt};

use almenara_proto::{
    custody::{Misfit, Shares, VerifiedReport, custodied, misfits, shares},
    limits::ROSTER_MEMBERS,
    name::{Jurisdiction, MemberName},
    roster::Roster,
    signed::Signed,
    wire,
};
use serde::Serialize;

use crate::{
    connect::Caller,
    context::Context,
    exit::{CliError, Outcome},
    store::{Replica, Store},
    text::{count, duration},
};

/// Reports are made hourly: one of a day ago is of a node that is down.
const OLD: u64 = 86_400;

/// Nothing but the flags of every verb.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// What one jurisdiction can reach.
#[derive(Debug, Serialize)]
struct Row {
    jurisdiction: String,
    /// Those that sit there, or whose hosting or parent does.
    members: Vec<String>,
    at_least: u64,
    at_most: u64,
    of: u64,
    /// 100 · at_most / of, rounded down.
    percent: u64,
    above_cap: bool,
}

/// What a member says of one log.
#[derive(Debug, Serialize)]
struct Said {
    origin: String,
    size: u64,
    held: u64,
    of: u64,
}

/// A report.
#[derive(Debug, Serialize)]
struct Reported {
    member: String,
    roster: u64,
    /// Unix seconds, its claim.
    made_at: u64,
    old: bool,
    logs: Vec<Said>,
}

/// Where a report and the public log do not agree, or cannot be compared.
#[derive(Debug, Serialize)]
struct Differing {
    member: String,
    origin: String,
    size: u64,
    held: u64,
    of: u64,
    /// Nothing when our store does not reach so far.
    counted: Option<u64>,
    /// It claims to hold more than there is.
    overstates: bool,
}

/// A member said nothing, about one log or at all.
#[derive(Debug, Serialize)]
struct Missing {
    member: String,
    origin: Option<String>,
}

/// A member says that it keeps another number than an origin entrusted to it.
#[derive(Debug, Serialize)]
struct Misfitting {
    member: String,
    jurisdiction: String,
    origin: String,
    held: u64,
    entrusted: u64,
    /// How many the origin does not have any more: any of them may be held too.
    gone: u64,
    /// It keeps more; else it keeps less, or does not say how much.
    surplus: bool,
    /// Who does not say yet that it has its own, so that a surplus may have to wait.
    waits_for: Vec<String>,
}

/// The whole answer.
#[derive(Debug, Serialize)]
struct Answer {
    federation: String,
    roster_version: u64,
    cap_percent: u32,
    jurisdictions: Vec<Row>,
    reports: Vec<Reported>,
    silent: Vec<Missing>,
    differing: Vec<Differing>,
    misfits: Vec<Misfitting>,
}

/// Collects, verifies, adds up. Exit code 1 when a jurisdiction is above the cap, a member keeps more than was entrusted to
/// it, or claims what is not there.
///
/// # Errors
/// [`CliError`]; (unavailable) when no node answers.
pub async fn run(_: Args, context: &Context) -> Result<Outcome, CliError> {
    let store = Store::read(context.home.store(), context.config()?.federation.as_str())?;
    let mut caller = Caller::open(context)?;
    let reports = collect(&mut caller, context).await?;
    let roster = caller.roster();
    let counts = Counts { store: &store, known: RefCell::default() };
    let all = shares(&reports, roster, |origin, size| counts.of(origin, size));
    let misfits = misfits(&reports, roster);
    let answer = Answer::of(&all, &misfits, &reports, roster, context.now());
    tell(&answer, context)?;
    let sound = all.above_cap.is_empty()
        && !all.differing.iter().any(|one| one.overstates())
        && !misfits.iter().any(Misfit::is_surplus);
    Ok(if sound { Outcome::Done } else { Outcome::No })
}

/// Each member's own node is asked; those that are down are spoken for by the others.
async fn collect(caller: &mut Caller, context: &Context) -> Result<Vec<VerifiedReport>, CliError> {
    let members: Vec<MemberName> = caller.roster().members.keys().cloned().collect();
    let (mut newest, mut last) = (BTreeMap::<MemberName, VerifiedReport>::new(), None);
    let mut answered = false;
    for member in members {
        let asked = async {
            let node = caller.call(&member).await?;
            let answer = node.custody().reports(wire::ReportsRequest {}).await;
            Ok(answer.map_err(|status| node.error(status))?.into_inner().reports)
        };
        let offered: Vec<wire::Signed> = match asked.await {
            Ok(offered) => offered,
            Err(error) => {
                let error: CliError = error;
                context.output.warn(format_args!("{member}: {error}"));
                last = Some(error);
                continue;
            }
        };
        answered = true;
        for signed in offered.into_iter().take(ROSTER_MEMBERS) {
            let Ok(signed) = Signed::parse(signed) else { continue };
            let report: &almenara_proto::custody::CustodyReport = &signed.content;
            let Some(then) = caller.rosters().version(report.roster) else { continue };
            // Whoever handed it on may have forged it: it is nobody's report then.
            let Ok(report) = VerifiedReport::verify(signed, &then.roster) else { continue };
            let age = |report: &VerifiedReport| (report.report().made_at, report.id());
            let known = newest.get(&report.report().member);
            if known.is_none_or(|known| age(&report) > age(known)) {
                newest.insert(report.report().member.clone(), report);
            }
        }
    }
    match last {
        Some(error) if !answered => Err(error),
        _ => Ok(newest.into_values().collect()),
    }
}

/// Custodied leaves in the entries that were pulled, each read once.
struct Counts<'a> {
    store: &'a Store,
    /// By origin: how many there are below each size, as far as was asked.
    known: RefCell<BTreeMap<MemberName, Vec<u64>>>,
}

impl Counts<'_> {
    fn of(&self, origin: &MemberName, size: u64) -> Option<u64> {
        let Some(replica) = self.store.replica(origin) else { return (size == 0).then_some(0) };
        if replica.size() < size {
            return None;
        }
        let mut known = self.known.borrow_mut();
        let sums = known.entry(origin.clone()).or_insert_with(|| vec![0]);
        while (sums.len() as u64) <= size {
            let more = Self::entry(replica, sums.len() as u64 - 1)?;
            sums.push(sums.last().copied().unwrap_or(0).saturating_add(more));
        }
        sums.get(usize::try_from(size).ok()?).copied()
    }

    fn entry(replica: &Replica, index: u64) -> Option<u64> {
        let entry = replica.entry(index).ok()??;
        Some(custodied([&entry.bytes]))
    }
}

impl Answer {
    fn of(all: &Shares, misfits: &[Misfit], reports: &[VerifiedReport], roster: &Roster, now: u64) -> Self {
        let within = |code: &Jurisdiction| {
            let reached = roster.members.values().filter(|m| m.subject_to().any(|its| its == *code));
            reached.map(|member| member.name.to_string()).collect()
        };
        let row = |(code, share): (&Jurisdiction, &almenara_proto::custody::Share)| Row {
            jurisdiction: code.to_string(),
            members: within(code),
            at_least: share.at_least,
            at_most: share.at_most,
            of: share.of,
            percent: share.percent(),
            above_cap: all.above_cap.contains(code),
        };
        let report = |verified: &VerifiedReport| {
            let report = verified.report();
            let said = report.logs.iter().map(|(origin, log)| Said {
                origin: origin.to_string(),
                size: log.size,
                held: log.held,
                of: log.of,
            });
            Reported {
                member: report.member.to_string(),
                roster: report.roster,
                made_at: report.made_at,
                old: now.saturating_sub(report.made_at) > OLD,
                logs: said.collect(),
            }
        };
        let silent = all.silent.iter().map(|one| Missing {
            member: one.member.to_string(),
            origin: one.origin.as_ref().map(ToString::to_string),
        });
        let differing = all.differing.iter().map(|one| Differing {
            member: one.member.to_string(),
            origin: one.origin.to_string(),
            size: one.said.size,
            held: one.said.held,
            of: one.said.of,
            counted: one.counted,
            overstates: one.overstates(),
        });
        let misfits = misfits.iter().map(|one| Misfitting {
            member: one.member.to_string(),
            jurisdiction: roster.jurisdiction(&one.member).map(|code| code.to_string()).unwrap_or_default(),
            origin: one.origin.to_string(),
            held: one.said.held,
            entrusted: one.entrusted,
            gone: one.gone,
            surplus: one.is_surplus(),
            waits_for: one.waits_for.iter().map(ToString::to_string).collect(),
        });
        Self {
            federation: roster.federation.clone(),
            roster_version: roster.version,
            cap_percent: roster.custody.cap_percent,
            jurisdictions: all.jurisdictions.iter().map(row).collect(),
            reports: reports.iter().map(report).collect(),
            silent: silent.collect(),
            differing: differing.collect(),
            misfits: misfits.collect(),
        }
    }

    /// Members of a jurisdiction above the cap, with what each says that it holds there.
    fn holders(&self, row: &Row) -> String {
        let held = |member: &String| {
            let report = self.reports.iter().find(|report| report.member == *member);
            let logs = report.iter().flat_map(|report| &report.logs);
            logs.filter(|log| !row.members.contains(&log.origin)).map(|log| log.held).sum::<u64>()
        };
        let named = row.members.iter().map(|member| format!("{member} holds {}", count(held(member))));
        named.collect::<Vec<_>>().join(", ")
    }
}

fn tell(answer: &Answer, context: &Context) -> Result<(), CliError> {
    let output = &context.output;
    if output.is_json() {
        return output.json(answer);
    }
    let cap = match answer.cap_percent {
        0 => "no cap".to_owned(),
        cap => format!("cap {cap}%"),
    };
    output.say(format_args!(
        "{}, roster version {}: who can reach how much of the others' restricted statements ({cap})\n",
        answer.federation, answer.roster_version
    ))?;
    let rows: Vec<[String; 6]> = answer
        .jurisdictions
        .iter()
        .map(|row| {
            [
                row.jurisdiction.clone(),
                row.members.join(", "),
                count(row.at_most),
                count(row.of),
                format!("{}%", row.percent),
                if row.above_cap { "ABOVE THE CAP".to_owned() } else { String::new() },
            ]
        })
        .collect();
    output.table(["jurisdiction", "members", "at most", "of", "share", ""], &rows)?;
    for row in answer.jurisdictions.iter().filter(|row| row.above_cap) {
        output.warn(format_args!("{} is above the cap: {}", row.jurisdiction, answer.holders(row)));
    }
    for one in &answer.silent {
        match &one.origin {
            None => output.warn(format_args!("{} reported nothing", one.member)),
            Some(origin) => {
                output.warn(format_args!("{} reported nothing about the log of {origin}", one.member));
            }
        }
    }
    let now = context.now();
    for report in answer.reports.iter().filter(|report| report.old) {
        let age = duration(now.saturating_sub(report.made_at));
        output.warn(format_args!("the report of {} is {age} old", report.member));
    }
    for one in &answer.differing {
        let Differing { member, origin, size, held, of, counted, .. } = one;
        match counted {
            None => output.warn(format_args!(
                "what {member} says of {origin} at size {size} cannot be compared: run `almenara pull`"
            )),
            Some(counted) if held > counted => output.warn(format_args!(
                "{member} claims to hold {held} of {origin} at size {size}, where there are {counted}"
            )),
            Some(counted) => output.warn(format_args!(
                "{member} counts {of} in the log of {origin} at size {size}, where there are {counted}"
            )),
        }
    }
    answer.misfits.iter().for_each(|one| output.warn(format_args!("{one}")));
    Ok(())
}

impl fmt::Display for Misfitting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { member, jurisdiction, origin, held, entrusted, gone, surplus, waits_for } = self;
        write!(
            f,
            "{member} ({jurisdiction}) says that it holds {} of the custodied statements of {origin}, which entrusted {} \
             to it",
            count(*held),
            count(*entrusted)
        )?;
        if *gone > 0 {
            write!(f, ", and does not have {} of all any more", count(*gone))?;
        }
        match (surplus, waits_for.as_slice()) {
            (false, _) => f.write_str(": it lost some, or holds more than it says; ask its operator"),
            (true, []) => {
                f.write_str(": it holds more than it should, and nothing excuses it; ask its operator")
            }
            (true, waits) => write!(
                f,
                ": it holds more than it should, perhaps until these say that they hold theirs: {}",
                waits.join(", ")
            ),
        }
    }
}
