//! `almenara watch`: what is new, as it comes.

use std::{collections::BTreeSet, time::Duration};

use almenara_proto::{indicator::Indicator, log::LogEntry, name::MemberName};
use serde::Serialize;

use super::pull::{Choice, origins};
use crate::{
    connect::Caller,
    context::Context,
    evidence,
    exit::{CliError, Outcome},
    follow::VerifiedPage,
    output::Style,
    pull::{self, Event, Remedy, Wish},
    store::{Judged, Store, StoreError},
    text::tame,
};

/// The pause before all nodes are tried again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// A node that was down for long is found again within half a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

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
    score: u32,
    categories: Vec<String>,
    addresses: Vec<String>,
}

/// Watches until somebody ends it (Ctrl-C) or an origin must be quarantined.
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
    loop {
        let mut caller = Caller::open(context)?;
        let mut failed =
            |member: &MemberName, error: &CliError| context.output.warn(format_args!("{member}: {error}"));
        while let Ok(node) = caller.next(&mut failed).await {
            let origins = origins(&args.members, &caller)?;
            context.output.note(format_args!("watching {} logs at {}", origins.len(), node.member));
            let filter = args.choice.filter();
            let wish = Wish { filter: filter.as_ref(), roster: caller.roster(), clock: &context.clock };
            let mut news = News { context, caller: &caller, touched: BTreeSet::new(), printed: 0 };
            let mut each = |store: &Store, event: Event<'_>| news.take(store, event);
            let ended = pull::watch(&node, &origins, store, wish, &mut each).await;
            match ended {
                Ok(()) => context.output.warn(format_args!("{} ended the stream", node.member)),
                Err((origin, error)) => match error.remedy() {
                    Remedy::Stop => return Err(error.into()),
                    Remedy::Quarantine => return Err(evidence::quarantine(context, error)?),
                    Remedy::AnotherNode | Remedy::AnotherNodeForThisLog => {
                        context.output.warn(format_args!("log of {origin}: {error}"));
                    }
                },
            }
            if news.printed > 0 {
                pause = FIRST_PAUSE;
            }
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

/// What was said since the last time that nothing was missing.
struct News<'a> {
    context: &'a Context,
    caller: &'a Caller,
    touched: BTreeSet<Indicator>,
    printed: u64,
}

impl News<'_> {
    fn take(&mut self, store: &Store, event: Event<'_>) -> Result<(), StoreError> {
        match event {
            Event::Page(origin, page) => self.touch(store, origin, page),
            Event::Fresh(_) => self.print(store),
        }
    }

    /// What a page speaks of, directly or by ending it.
    fn touch(&mut self, store: &Store, origin: &MemberName, page: &VerifiedPage) -> Result<(), StoreError> {
        for entry in &page.entries {
            let leaves = entry.batch.iter().flat_map(|batch| &batch.leaves);
            let said = leaves.filter_map(|leaf| leaf.statement.as_ref().ok());
            self.touched.extend(said.map(|statement| statement.indicator.clone()));
            let (Ok(LogEntry::Withdrawal(signed)), Some(replica)) = (&entry.outcome, store.replica(origin))
            else {
                continue;
            };
            for (index, leaf) in &signed.content.targets {
                let batch = replica.entry(*index)?.and_then(|entry| entry.batch);
                let ended = batch.as_ref().and_then(|batch| batch.leaves.iter().find(|l| l.index == *leaf));
                let statement = ended.and_then(|leaf| leaf.statement.as_ref().ok());
                self.touched.extend(statement.map(|statement| statement.indicator.clone()));
            }
        }
        Ok(())
    }

    fn print(&mut self, store: &Store) -> Result<(), StoreError> {
        let Ok(config) = self.context.config() else { return Ok(()) };
        let lookups = store.lookups(self.caller.roster(), &config.policy, self.context.now());
        for indicator in std::mem::take(&mut self.touched) {
            if let Some(judged) = lookups.find(&indicator)? {
                self.printed += 1;
                // A reader of our output that has gone ends us at the next signal.
                drop(self.line(&judged));
            }
        }
        Ok(())
    }

    fn line(&self, judged: &Judged) -> Result<(), CliError> {
        let output = &self.context.output;
        let line = Line {
            kind: judged.indicator.kind().as_str(),
            value: judged.indicator.value(),
            listed: judged.verdict.listed,
            score: judged.verdict.score,
            categories: judged.categories().iter().map(ToString::to_string).collect(),
            addresses: judged.pieces.iter().map(|piece| piece.address.to_string()).collect(),
        };
        output.answer(&line, |line| {
            let sign =
                if line.listed { output.paint(Style::Bad, "+") } else { output.paint(Style::Good, "−") };
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
