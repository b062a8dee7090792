//! `almenara pull`: fetch and verify what is new.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use almenara_proto::{
    evidence::Equivocation,
    indicator::Kind,
    name::{MemberName, Publisher},
    statement::Category,
    wire::Filter,
};
use serde::Serialize;

use crate::{
    connect::{Caller, Node},
    context::Context,
    evidence,
    exit::{CliError, Outcome},
    output::Progress,
    pull::{self, Event, PullError, Remedy, Wish},
    roster_view::Awaited,
    store::{Counts, Store},
    text::{count, plural},
};

/// What to fetch.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Members whose logs are wanted; all when none is given
    #[arg(value_name = "MEMBER")]
    pub members: Vec<MemberName>,
    /// Then ask again until nothing is pending, for so many seconds at most
    #[arg(long, value_name = "SECONDS")]
    pub wait: Option<u64>,
    /// Which statements to fetch.
    #[command(flatten)]
    pub choice: Choice,
}

/// Between two questions of [`Args::wait`]: other members cosign within some milliseconds, or when they are back.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Which statements to fetch; entries and withdrawals always come. The choice of the first pull stays.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Choice {
    /// Fetch only statements about this kind of indicator; may be repeated
    #[arg(long = "kind", value_name = "KIND")]
    pub kinds: Vec<Kind>,
    /// Fetch only reports of this category; may be repeated
    #[arg(long = "category", value_name = "CATEGORY")]
    pub categories: Vec<Category>,
    /// Fetch only statements of this desk; may be repeated
    #[arg(long = "publisher", value_name = "DESK")]
    pub publishers: Vec<Publisher>,
    /// Fetch entries and checkpoints only, as an auditor does
    #[arg(long, conflicts_with_all = ["kinds", "categories", "publishers"])]
    pub no_statements: bool,
}

impl Choice {
    /// As the protocol says it; nothing when nothing was chosen.
    pub(super) fn filter(&self) -> Option<Filter> {
        let filter = Filter {
            kinds: self.kinds.iter().map(|kind| *kind as i32).collect(),
            categories: self.categories.iter().map(|category| category.number()).collect(),
            publishers: self.publishers.iter().map(ToString::to_string).collect(),
            no_statements: self.no_statements,
        };
        (filter != Filter::default()).then_some(filter)
    }
}

/// What became of one log.
#[derive(Clone, Debug, Default, Serialize)]
struct Row {
    member: String,
    /// Whose node served it last.
    node: Option<String>,
    /// Entries held.
    entries: u64,
    /// Entries below it are settled, later ones are pending.
    settled: u64,
    /// Entries that are new.
    new_entries: u64,
    /// Statements held in clear.
    statements: u64,
    /// Statements that are new.
    new_statements: u64,
    /// Statements of batches that are held, and were not shown to us.
    withheld: u64,
    /// Entries and statements that count for nothing.
    void: u64,
    /// Milliseconds.
    took: u64,
    /// Why it could not be pulled further.
    error: Option<String>,
    /// The last node that was asked has none of it.
    #[serde(skip)]
    not_there: bool,
    /// The node that served all of it.
    #[serde(skip)]
    served: Option<Node>,
}

impl Row {
    const fn pending(&self) -> u64 {
        self.entries.saturating_sub(self.settled)
    }
}

/// The whole answer.
#[derive(Debug, Serialize)]
struct Answer {
    logs: Vec<Row>,
    /// Indicators that the policy lists now and did not before.
    listed: u64,
    /// Indicators that it no longer lists.
    unlisted: u64,
}

/// Pulls.
///
/// # Errors
/// [`CliError`]: whatever was verified before is kept.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    let mut caller = Caller::open(context)?;
    let config = context.config()?;
    let mut store = Store::open(context.home.store(), config.federation.as_str())?;
    let filter = args.choice.filter();
    let first = next(&mut caller, &args.members, context).await?;
    let before = store.snapshot(caller.roster());
    let mut run = Run { context, rows: BTreeMap::new(), worst: None };
    let mut waiting = origins(&args.members, &caller)?;
    let mut node = Some(first);
    while let (Some(asked), false) = (&node, waiting.is_empty()) {
        waiting = run.ask(asked, waiting, &mut store, filter.as_ref(), &caller).await?;
        if !waiting.is_empty() {
            node = match next(&mut caller, &waiting, context).await {
                Ok(next) => Some(next),
                Err(error) => {
                    run.give_up(&waiting, &store, &error);
                    None
                }
            };
        }
    }
    if let Some(seconds) = args.wait {
        run.wait(Duration::from_secs(seconds), &mut store, filter.as_ref(), &caller).await?;
    }
    let erased = store.erase(context.now(), config.erase_after)?;
    if erased > 0 {
        context.output.note(format_args!("{erased} erased statements are deleted from the local store"));
    }
    let (mut listed, mut unlisted) = (0u64, 0u64);
    let mut each = |judged: crate::store::Judged| match judged.verdict.listed {
        true => listed += 1,
        false => unlisted += 1,
    };
    store.changes(&before, caller.roster(), &config.policy, context.now(), &mut each)?;
    run.tell(listed, unlisted, &Awaited::of(caller.roster(), &config.policy))?;
    let in_vain = args.wait.is_some() && run.rows.values().any(|row| row.pending() > 0);
    run.worst.map_or(Ok(if in_vain { Outcome::No } else { Outcome::Done }), Err)
}

/// The next node that answers: a configured one, or, when none is left, another of the roster, and says so.
pub(super) async fn next(
    caller: &mut Caller,
    origins: &[MemberName],
    context: &Context,
) -> Result<Node, CliError> {
    let mut failed =
        |member: &MemberName, error: &CliError| context.output.warn(format_args!("{member}: {error}"));
    let none_left = match caller.next(&mut failed).await {
        Ok(node) => return Ok(node),
        Err(error) => error,
    };
    let node = caller.next_beyond(origins, &mut failed).await.ok_or(none_left)?;
    let member = &node.member;
    context.output.note(format_args!("asking the node of {member}: it is not configured, and on the roster"));
    Ok(node)
}

/// The logs that are wanted: those that were named, or those of all members.
pub(super) fn origins(named: &[MemberName], caller: &Caller) -> Result<Vec<MemberName>, CliError> {
    let roster = caller.roster();
    if let Some(stranger) = named.iter().find(|name| !roster.contains(name)) {
        return Err(CliError::usage(format!("{stranger} is not on roster version {}", roster.version)));
    }
    Ok(if named.is_empty() { roster.members.keys().cloned().collect() } else { named.to_vec() })
}

/// What went on so far.
struct Run<'a> {
    context: &'a Context,
    rows: BTreeMap<MemberName, Row>,
    worst: Option<CliError>,
}

impl Run<'_> {
    /// Asks one node for these logs; gives those for which another one is to be asked.
    async fn ask(
        &mut self,
        node: &Node,
        origins: Vec<MemberName>,
        store: &mut Store,
        filter: Option<&Filter>,
        caller: &Caller,
    ) -> Result<Vec<MemberName>, CliError> {
        let progress = self.context.output.progress("pulling statements", 0);
        let wish = Wish { filter, roster: caller.roster(), clock: &self.context.clock };
        let mut each = |_: &Store, event: Event<'_>| {
            advance(&progress, event);
            Ok(())
        };
        let mut left = Vec::new();
        let mut origins = origins.into_iter();
        while let Some(origin) = origins.next() {
            let held = store.replica_mut(&origin)?;
            let (size, counts) = (held.size(), held.counts());
            let start = Instant::now();
            let pulled = pull::pull(node, &origin, store, wish, &mut each).await;
            self.count(&origin, node, store, (size, counts), start.elapsed());
            self.row(&origin).served = pulled.is_ok().then(|| node.clone());
            if let Ok(Some(proof)) = pull::ask(node, &origin, store, caller.roster()).await {
                self.quarantine(&origin, &proof, store)?;
                continue;
            }
            let Err(error) = pulled else { continue };
            if let Some(proof) = error.proof() {
                self.quarantine(&origin, proof, store)?;
                continue;
            }
            match error.remedy() {
                Remedy::Stop => return Err(error.into()),
                Remedy::AnotherNodeForThisLog => {
                    self.error(&origin, &error);
                    left.push(origin);
                }
                Remedy::AnotherNode => {
                    self.error(&origin, &error);
                    self.context.output.warn(&error);
                    left.push(origin);
                    left.extend(origins.by_ref());
                }
            }
        }
        Ok(left)
    }

    /// Asks again for the logs of which something is pending, each where it came from, until nothing is or time is up.
    async fn wait(
        &mut self,
        patience: Duration,
        store: &mut Store,
        filter: Option<&Filter>,
        caller: &Caller,
    ) -> Result<(), CliError> {
        let start = Instant::now();
        loop {
            let pending = self.rows.iter().filter(|(_, row)| row.pending() > 0);
            let pending = pending.filter_map(|(origin, row)| Some((origin.clone(), row.served.clone()?)));
            let pending: Vec<(MemberName, Node)> = pending.collect();
            if pending.is_empty() || start.elapsed() >= patience {
                return Ok(());
            }
            tokio::time::sleep(ASK_AGAIN).await;
            for (origin, node) in pending {
                let left = self.ask(&node, vec![origin], store, filter, caller).await?;
                self.give_up(&left, store, &CliError::unavailable("no node serves it any more"));
            }
        }
    }

    fn row(&mut self, origin: &MemberName) -> &mut Row {
        let row = self.rows.entry(origin.clone()).or_default();
        row.member = origin.to_string();
        row
    }

    fn count(
        &mut self,
        origin: &MemberName,
        node: &Node,
        store: &Store,
        before: (u64, Counts),
        took: Duration,
    ) {
        let Some(replica) = store.replica(origin) else { return };
        let counts = replica.counts();
        let row = self.row(origin);
        row.node = Some(node.member.to_string());
        row.entries = replica.size();
        row.settled = replica.settled_size();
        row.new_entries += replica.size().saturating_sub(before.0);
        row.statements = counts.statements;
        row.new_statements += counts.statements.saturating_sub(before.1.statements);
        row.withheld = counts.withheld;
        row.void = counts.void;
        row.took += u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        row.error = None;
    }

    fn error(&mut self, origin: &MemberName, error: &PullError) {
        let row = self.row(origin);
        row.error = Some(error.to_string());
        row.not_there = matches!(error, PullError::NotThere(_));
    }

    /// The origin signed two histories: what was agreed keeps counting, and nothing more is taken.
    fn quarantine(
        &mut self,
        origin: &MemberName,
        proof: &Equivocation,
        store: &mut Store,
    ) -> Result<(), CliError> {
        let error = evidence::quarantine(self.context, store, proof)?;
        self.row(origin).error = Some(format!("in quarantine: {proof}"));
        self.context.output.warn(&error);
        self.worst = Some(error);
        Ok(())
    }

    /// No node is left for these logs. One of which nobody has anything, and we no entry, is no failure.
    fn give_up(&mut self, origins: &[MemberName], store: &Store, last: &CliError) {
        for origin in origins {
            let seen = store.replica(origin).and_then(|replica| replica.last());
            let held = seen.is_some_and(|note| note.checkpoint().size > 0);
            let row = self.row(origin);
            let reason = row.error.clone().unwrap_or_else(|| last.to_string());
            if row.not_there && !held {
                row.error = Some("nobody has a checkpoint of it yet".to_owned());
            } else if self.worst.is_none() {
                self.worst = Some(CliError::unavailable(format_args!("log of {origin}: {reason}")));
            }
        }
    }

    fn tell(&self, listed: u64, unlisted: u64, awaited: &Awaited) -> Result<(), CliError> {
        let output = &self.context.output;
        let logs: Vec<Row> = self.rows.values().cloned().collect();
        if output.is_json() {
            return output.json(&Answer { logs, listed, unlisted });
        }
        let rows: Vec<[String; 9]> = logs
            .iter()
            .map(|row| {
                [
                    row.member.clone(),
                    count(row.entries),
                    count(row.pending()),
                    count(row.statements),
                    format!("+{}", count(row.new_statements)),
                    count(row.withheld),
                    count(row.void),
                    format!("{:.1} s", row.took as f64 / 1_000.0),
                    match (&row.error, &row.node) {
                        (Some(error), _) => error.clone(),
                        (None, Some(node)) => format!("from {node}"),
                        (None, None) => String::new(),
                    },
                ]
            })
            .collect();
        output.table(
            ["log", "entries", "pending", "statements", "new", "withheld", "void", "took", ""],
            &rows,
        )?;
        for row in logs.iter().filter(|row| row.pending() > 0) {
            let wait = if row.pending() == 1 { "entry waits" } else { "entries wait" };
            output.say(format_args!("{}: {} {wait} {awaited}.", row.member, count(row.pending())))?;
        }
        output.say(format_args!(
            "Listed indicators: +{} −{}; {} verified.",
            count(listed),
            count(unlisted),
            plural(logs.len(), "log", "logs"),
        ))
    }
}

fn advance(progress: &Progress, event: Event<'_>) {
    if let Event::Page(_, page) = event {
        let shown = page.entries.iter().filter_map(|entry| entry.batch.as_ref());
        progress.add(shown.map(|batch| batch.leaves.len() as u64).sum());
    }
}
