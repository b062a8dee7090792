//! A whole audit: rosters, every log at every source, statements if asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use prost::Message as _;

use almenara_proto::{
    keys::PublicKey,
    name::MemberName,
    roster::{AcceptedRoster, SignedRoster},
    wire,
};

use super::{
    Fault, Finding, Log, Place, Report, Sample, Source, audit_log, audit_rosters, look, report::Revoked,
};
use crate::{
    connect::Caller,
    context::Context,
    evidence,
    exit::CliError,
    files,
    output::Progress,
    pages::Pages,
    rosters::{Rosters, RostersError, authorities},
    store::Audited,
    tls::SharedAuthorities,
};

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Members whose nodes are asked, and folders.
    pub targets: Vec<String>,
    /// Logs; all when none is named.
    pub logs: Vec<MemberName>,
    /// Where pages of nodes are kept, in a folder for each.
    pub keep: Option<PathBuf>,
    /// Which statements are looked at.
    pub sample: Option<Sample>,
    /// From the first entry, not from where the last audit ended.
    pub full: bool,
}

/// Audits.
///
/// # Errors
/// [`CliError`], when nothing can be audited at all: no roster, no such target, own files that cannot be written.
pub async fn audit(wish: &Wish, context: &Context) -> Result<Report, CliError> {
    let mut chain = open_chain(wish, context).await?;
    let mut report = Report { at: context.now(), ..Report::default() };
    let mut sources = Vec::new();
    for target in &wish.targets {
        match source(target, wish.keep.as_deref(), &chain, context).await? {
            Ok(source) => sources.push(source),
            Err(error) => report.unfinished.push(format!("{target}: {error}")),
        }
    }
    for source in &sources {
        report.sources.push(source.to_string());
        match audit_rosters(source, &mut chain).await {
            Ok(findings) => report.findings.extend(findings),
            Err(error) => report.unfinished.push(format!("rosters of {source}: {error}")),
        }
    }
    let current = chain.current();
    report.federation = current.roster.federation.clone();
    report.roster_hash = chain.version(1).map(|first| first.id.to_string()).unwrap_or_default();
    (report.roster_version, report.quorum) = (current.roster.version, current.roster.quorum);
    if current.roster.expires_at < context.now() {
        report.findings.push(Finding {
            log: None,
            place: Place::Roster(current.roster.version),
            what: "it has expired: nothing restricted is released, and no report is taken, until there is a next one"
                .to_owned(),
            fault: Fault::Unknown,
            evidence: None,
        });
    }
    let mut run = Run { wish, context, chain: &chain, sources: &sources, revoked: Vec::new() };
    run.logs(&mut report).await?;
    run.revocations(&mut report);
    Ok(report)
}

/// The accepted chain; where there is none yet, version 1 of a folder begins it, if it is the one with the known hash.
async fn open_chain(wish: &Wish, context: &Context) -> Result<Rosters, CliError> {
    let (folder, pinned) = (context.home.rosters(), context.config()?.roster);
    let missing = match Rosters::open(&folder, pinned) {
        Err(error @ RostersError::Missing { .. }) => error,
        opened => return Ok(opened?),
    };
    for target in wish.targets.iter().map(PathBuf::from).filter(|path| path.is_dir()) {
        if let Some(page) = Source::Folder(target).roster(1).await? {
            let wire = wire::SignedRoster::decode(page).map_err(CliError::misbehaved)?;
            return Ok(Rosters::begin(&folder, SignedRoster::from_wire(wire)?, pinned)?);
        }
    }
    Err(missing.into())
}

/// Who is meant: a member of the roster, or a folder. The inner error is of a node that does not answer.
async fn source(
    target: &str,
    keep: Option<&Path>,
    chain: &Rosters,
    context: &Context,
) -> Result<Result<Source, CliError>, CliError> {
    let roster = &chain.current().roster;
    let member = target.parse::<MemberName>().ok().and_then(|name| roster.member(&name));
    let Some(member) = member else {
        return if Path::new(target).is_dir() {
            Ok(Ok(Source::Folder(target.into())))
        } else {
            Err(CliError::usage(format_args!(
                "{target} is neither a folder nor a member of roster version {}",
                roster.version
            )))
        };
    };
    let authorities = SharedAuthorities::new(authorities(roster)?);
    let keep = keep.map(|folder| folder.join(target));
    Ok(Pages::open(member, &authorities, &context.clock).await.map(|pages| Source::Node { pages, keep }))
}

struct Run<'a> {
    wish: &'a Wish,
    context: &'a Context,
    chain: &'a Rosters,
    sources: &'a [Source],
    /// Of keys of other members, as the logs tell: whose, which, and from where on.
    revoked: Vec<(MemberName, PublicKey, u64)>,
}

impl Run<'_> {
    async fn logs(&mut self, report: &mut Report) -> Result<(), CliError> {
        let folder = self.context.home.folder().join("audit");
        files::create_private_folder(&folder).map_err(|error| CliError::file(&folder, &error))?;
        let mut caller = match self.wish.sample.map(|_| Caller::open(self.context)).transpose() {
            Ok(caller) => caller,
            Err(error) => {
                report.unfinished.push(format!("statements: no certificate to ask for them with: {error}"));
                None
            }
        };
        let progress = self.context.output.progress("auditing entries", 0);
        for (name, judging) in self.members() {
            let path = folder.join(format!("{name}.state"));
            for source in self.sources {
                let Some(member) = judging.roster.member(&name) else { continue };
                let held = match Audited::read(&path, &report.federation, &name) {
                    Ok(held) => held.unwrap_or_else(|| Audited::new(&report.federation, name.clone())),
                    Err(error) => {
                        report.findings.push(Finding {
                            log: Some(name.clone()),
                            place: Place::State(path.clone()),
                            what: format!("{error}: without it nobody knows what earlier audits have seen"),
                            fault: Fault::Own,
                            evidence: None,
                        });
                        break;
                    }
                };
                let held = if self.wish.full {
                    let new = Audited::new(&report.federation, name.clone());
                    Audited { note: held.note, seen_at: held.seen_at, pending: held.pending, ..new }
                } else {
                    held
                };
                let log = Log {
                    member,
                    judging: &judging.roster,
                    newest: &self.chain.current().roster,
                    source,
                    sources: self.sources,
                    evidence: &evidence::folder(self.context),
                    now: report.at,
                };
                let audited = self.one(log, held, caller.as_mut(), &progress, report).await;
                match audited {
                    Ok(Some(kept)) => kept.write(&path, &report.federation)?,
                    Ok(None) => {}
                    Err(error) => {
                        report.unfinished.push(format!("log of {name}, shown by {source}: {error}"))
                    }
                }
            }
            if let Ok(Some(kept)) = Audited::read(&path, &report.federation, &name) {
                self.revoked.extend(kept.revocations);
            }
        }
        Ok(())
    }

    /// Every member that ever was and is asked for, with the last version that had it.
    fn members(&self) -> BTreeMap<MemberName, AcceptedRoster> {
        let wanted: BTreeSet<&MemberName> = self.wish.logs.iter().collect();
        let mut members = BTreeMap::new();
        for accepted in self.chain.chain() {
            for name in accepted.roster.members.keys() {
                if wanted.is_empty() || wanted.contains(name) {
                    members.insert(name.clone(), accepted.clone());
                }
            }
        }
        members
    }

    async fn one(
        &self,
        log: Log<'_>,
        held: Audited,
        caller: Option<&mut Caller>,
        progress: &Progress,
        report: &mut Report,
    ) -> Result<Option<Audited>, CliError> {
        let mut advance = |more| progress.add(more);
        let (mut of_log, findings, kept) = audit_log(log, held, &mut advance).await?;
        report.findings.extend(findings);
        let whole = kept.is_some();
        if let (Some(caller), Some(sample), Source::Node { pages, .. }, true) =
            (caller, self.wish.sample, log.source, whole)
        {
            let node = caller.call(pages.member()).await;
            let looked = match &node {
                Ok(node) => look(node, log, of_log.entries, sample, &self.context.random, &mut advance).await,
                Err(error) => Err(error.clone()),
            };
            match looked {
                Ok(found) => {
                    (of_log.shown, of_log.withheld) = (found.shown, found.withheld);
                    report.findings.extend(found.findings);
                }
                Err(error) => report.unfinished.push(format!("statements of {}: {error}", of_log.member)),
            }
        }
        report.logs.push(of_log);
        Ok(kept)
    }

    /// A key ends by a revocation in any log: a seized node cannot suppress it.
    fn revocations(&self, report: &mut Report) {
        for log in &mut report.logs {
            for (member, key, from) in &self.revoked {
                let key = key.to_string();
                if member.as_str() != log.member {
                    continue;
                }
                match log.revoked.iter_mut().find(|one| one.key == key) {
                    Some(one) => one.from = one.from.min(*from),
                    None => log.revoked.push(Revoked { key, from: *from }),
                }
            }
        }
    }
}
