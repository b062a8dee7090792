//! `almenara watch`: what is new, as it comes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use almenara_proto::{indicator::Indicator, log::LogEntry, name::MemberName, roster::Roster};
use serde::Serialize;

use super::pull::{self as pulling, Choice, origins};
use crate::{
    connect::{Caller, Node},
    context::Context,
    evidence,
    exit::{CliError, Outcome},
    output::Style,
    pull::{self, Event, Remedy, Wish},
    store::{Judged, Replica, Store, StoreError},
    text::tame,
};

#[cfg(test)]
mod tests;

/// The pause before all nodes are tried again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// A node that was down for long is found again within half a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Indicators that are judged in one go, some 10 MB of them; after a long absence there are more goes.
const AT_ONCE: usize = 65_536;

/// What to watch.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Members whose logs are wanted; all when none is given
    #[arg(value_name = "MEMBER")]
    pub members: Vec<MemberName>,
    /// Which statements to fetch.
    #[command(flatten)]
    pub choice: Choice,
}

/// One indicator about which something was said.
#[derive(Serialize)]
struct Line<'a> {
    kind: &'static str,
    value: &'a str,
    listed: bool,
    /// Whether it would be listed, if all that is said were settled. It comes again when it is.
    pending: bool,
    score: u32,
    categories: Vec<String>,
    addresses: Vec<String>,
}

/// Watches until somebody ends it (Ctrl-C). A log whose key signed two histories is left out, and the others go on.
///
/// # Errors
/// [`CliError`]; whatever was verified before is kept.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    let config = context.config()?;
    let mut store = Store::open(context.home.store(), config.federation.as_str())?;
    let ended = tokio::select! {
        ended = stay(&args, context, &mut store) => ended,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.map_err(|error| CliError::internal(format_args!("no signals: {error}")))
        }
    };
    store.finish()?;
    ended.map(|()| Outcome::Done)
}

async fn stay(args: &Args, context: &Context, store: &mut Store) -> Result<(), CliError> {
    let mut pause = FIRST_PAUSE;
    let mut told = Told::all(store);
    loop {
        let mut caller = Caller::open(context)?;
        // A node beyond the configured ones is watched only while none of these serves.
        let mut served = false;
        while let Some(node) = next(&mut caller, &args.members, served, context).await {
            let mut origins = origins(&args.members, &caller)?;
            for origin in origins.clone() {
                if let Ok(Some(proof)) = pull::ask(&node, &origin, store, caller.roster()).await {
                    context.output.warn(evidence::quarantine(context, store, &proof)?);
                }
            }
            store.erase(context.now(), context.config()?.erase_after)?;
            let parted = |origin: &MemberName| store.replica(origin)?.parted_at(caller.roster());
            origins.retain(|origin| parted(origin).is_none());
            context.output.note(format_args!("watching {} logs at {}", origins.len(), node.member));
            let filter = args.choice.filter();
            let wish = Wish { filter: filter.as_ref(), roster: caller.roster(), clock: &context.clock };
            let mut news =
                News { context, roster: caller.roster(), told: &mut told, printed: 0, served: false };
            let mut each = |store: &Store, event: Event<'_>| news.take(store, event);
            let ended = pull::watch(&node, &origins, store, wish, &mut each).await;
            match ended {
                Ok(()) => context.output.warn(format_args!("{} ended the stream", node.member)),
                Err((origin, error)) => match (error.proof(), error.remedy()) {
                    (Some(proof), _) => context.output.warn(evidence::quarantine(context, store, proof)?),
                    (None, Remedy::Stop) => return Err(error.into()),
                    (None, Remedy::AnotherNode | Remedy::AnotherNodeForThisLog) => {
                        context.output.warn(format_args!("log of {origin}: {error}"));
                    }
                },
            }
            if news.printed > 0 {
                pause = FIRST_PAUSE;
            }
            served |= news.served;
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

/// The next configured node that answers, or, when none of them `served`, another one.
async fn next(caller: &mut Caller, origins: &[MemberName], served: bool, context: &Context) -> Option<Node> {
    if !served {
        return pulling::next(caller, origins, context).await.ok();
    }
    let mut failed =
        |member: &MemberName, error: &CliError| context.output.warn(format_args!("{member}: {error}"));
    caller.next(&mut failed).await.ok()
}

/// Up to where somebody was told of a log. What is new, and what became settled, is read back from the store: so nothing
/// has to be remembered of the entries themselves, however long they are pending.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    entries: u64,
    settled: u64,
}

impl Told {
    fn of(replica: &Replica) -> Self {
        Self { entries: replica.size(), settled: replica.settled_size() }
    }

    /// All that is held already was told of before.
    fn all(store: &Store) -> BTreeMap<MemberName, Self> {
        store.replicas().map(|replica| (replica.member().clone(), Self::of(replica))).collect()
    }
}

/// Tells what is new, each time that nothing is missing or that more is settled.
struct News<'a> {
    context: &'a Context,
    roster: &'a Roster,
    told: &'a mut BTreeMap<MemberName, Told>,
    printed: u64,
    /// Some log is here as far as the node has it.
    served: bool,
}

impl News<'_> {
    fn take(&mut self, store: &Store, event: Event<'_>) -> Result<(), StoreError> {
        match event {
            Event::Page(..) => Ok(()),
            Event::Fresh(origin) => {
                self.served = true;
                store.replica(origin).map_or(Ok(()), |replica| self.tell(store, replica))
            }
        }
    }

    fn tell(&mut self, store: &Store, replica: &Replica) -> Result<(), StoreError> {
        let now = Told::of(replica);
        let was = self.told.insert(replica.member().clone(), now).unwrap_or_default();
        // Told of as pending, and settled now. Where pending entries count, nothing is new about them.
        let counted = self.context.config().is_ok_and(|config| config.policy.pending_allowed);
        let settled = if counted { 0..0 } else { was.settled..now.settled.min(was.entries) };
        let mut touched = BTreeSet::new();
        for index in settled.chain(was.entries..now.entries) {
            touch(replica, index, index >= was.entries, &mut touched)?;
            if touched.len() >= AT_ONCE {
                self.print(store, std::mem::take(&mut touched))?;
            }
        }
        self.print(store, touched)
    }

    fn print(&mut self, store: &Store, touched: BTreeSet<Indicator>) -> Result<(), StoreError> {
        let Ok(config) = self.context.config() else { return Ok(()) };
        let lookups = store.lookups(self.roster, &config.policy, self.context.now());
        for indicator in touched {
            if let Some(judged) = lookups.find(&indicator)? {
                self.printed += 1;
                // A reader of our output that has gone ends us at the next signal.
                drop(self.line(&judged, judged.is_pending(&config.policy, self.context.now())));
            }
        }
        Ok(())
    }

    fn line(&self, judged: &Judged, pending: bool) -> Result<(), CliError> {
        let output = &self.context.output;
        let line = Line {
            kind: judged.indicator.kind().as_str(),
            value: judged.indicator.value(),
            listed: judged.verdict.listed,
            pending,
            score: judged.verdict.score,
            categories: judged.categories().iter().map(ToString::to_string).collect(),
            addresses: judged.pieces.iter().map(|piece| piece.address.to_string()).collect(),
        };
        output.answer(&line, |line| {
            let sign = match (line.listed, line.pending) {
                (true, _) => output.paint(Style::Bad, "+"),
                (false, true) => output.paint(Style::Warning, "? pending"),
                (false, false) => output.paint(Style::Good, "−"),
            };
            format!(
                "{sign} {} {} {}% {} {}",
                line.kind,
                tame(line.value),
                line.score,
                line.categories.join(","),
                line.addresses.last().map(String::as_str).unwrap_or_default()
            )
        })
    }
}

/// What an entry speaks of: in clear, or, where `ends` asks for it, by withdrawing it. Withdrawals count at once, so that
/// there is nothing to tell when they are settled.
fn touch(
    replica: &Replica,
    index: u64,
    ends: bool,
    touched: &mut BTreeSet<Indicator>,
) -> Result<(), StoreError> {
    let Some(kept) = replica.entry(index)? else { return Ok(()) };
    let leaves = kept.batch.iter().flat_map(|batch| &batch.leaves);
    let said = leaves.filter_map(|leaf| leaf.statement.as_ref().ok());
    touched.extend(said.map(|statement| statement.indicator.clone()));
    let Some(LogEntry::Withdrawal(signed)) = kept.entry.filter(|_| ends) else { return Ok(()) };
    // They ascend: each batch is read once.
    let mut batch = None;
    for (target, leaf) in &signed.content.targets {
        if batch.as_ref().is_none_or(|(held, _)| held != target) {
            batch = Some((*target, replica.entry(*target)?.and_then(|entry| entry.batch)));
        }
        let leaves = batch.iter().flat_map(|(_, batch)| batch).flat_map(|batch| &batch.leaves);
        let ended = leaves.into_iter().find(|one| one.index == *leaf);
        let statement = ended.and_then(|leaf| leaf.statement.as_ref().ok());
        touched.extend(statement.map(|statement| statement.indicator.clone()));
    }
    Ok(())
}
