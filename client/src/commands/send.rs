//! What `publish`, `submit`, `withdraw`, `dispute` and `sight` share: what they send, and what the node answers.

use std::{collections::BTreeMap, path::PathBuf};

use almenara_proto::wire::PublishRequest;
use serde::Serialize;

use super::{own_node::OwnNode, unsettled};
use crate::{
    context::Context,
    exit::{CliError, Outcome},
    files::Growing,
    publish::{self, Event, Feed, Interrupted, Refused, Settings, Totals},
    signed,
    text::{count, tame},
};

/// One line of `--refused FILE`.
#[derive(Serialize)]
struct RefusedDraft<'a> {
    file: Option<&'a str>,
    line: u64,
    kind: &'static str,
    value: &'a str,
    code: &'a str,
    message: &'a str,
}

/// What the node did not take, by code: how often, and the first few.
#[derive(Debug, Default, Serialize)]
struct Told {
    #[serde(flatten)]
    totals: Totals,
    /// First and last log index.
    indices: Option<(u64, u64)>,
    reasons: BTreeMap<String, (u64, Vec<String>)>,
}

impl Told {
    fn refused(&mut self, many: u64, place: impl std::fmt::Display, why: &Refused) {
        let (number, examples) = self.reasons.entry(why.code.clone()).or_default();
        *number = number.saturating_add(many);
        if examples.len() < 3 {
            examples.push(format!("{place}: {}", tame(&why.message)));
        }
    }
}

/// What is to be sent, and where traces of it go.
pub(super) struct Sending<F> {
    pub(super) feed: F,
    /// Statements, as far as they are known, for the progress bar.
    pub(super) total: u64,
    /// JSON lines of what the node refuses.
    pub(super) refused: Option<PathBuf>,
    /// Whether what is unsettled at the end must be kept in a file, since nothing else holds it.
    pub(super) keep: bool,
}

/// Sends, checks the receipts, and says what became of it.
pub(super) async fn send<F: Feed>(
    sending: Sending<F>,
    node: &OwnNode,
    context: &Context,
) -> Result<Outcome, CliError> {
    let settings = Settings::default();
    let progress = context.output.progress("publishing", sending.total);
    let mut refused = sending.refused.as_deref().map(super::lists::begin).transpose()?;
    let mut told = Told::default();
    let mut event = |event: Event<'_>| {
        match event {
            Event::Accepted(item, receipt) => {
                progress.add(item.statements().max(1));
                let first = told.indices.map_or(receipt.index, |(first, _)| first.min(receipt.index));
                told.indices =
                    Some((first, told.indices.map_or(receipt.index, |(_, last)| last.max(receipt.index))));
            }
            Event::Draft(draft, why) => {
                progress.add(1);
                told.refused(1, format_args!("{} {}", draft.source, draft.indicator().value()), &why);
                write_refused(refused.as_mut(), draft, &why)?;
            }
            Event::Item(item, why) => {
                progress.add(item.statements().max(1));
                told.refused(
                    item.statements().max(1),
                    format_args!("{} of {}", item.kind, tame(&item.by)),
                    &why,
                );
                for draft in item.drafts.iter().flatten() {
                    write_refused(refused.as_mut(), draft, &why)?;
                }
            }
        }
        Ok(())
    };
    let connect = || node.clone().connect(settings.window);
    let result = publish::run(sending.feed, connect, &node.log, settings, stopped(), &mut event).await;
    drop(progress);
    if let Some(file) = refused {
        super::lists::finish(file, true)?;
    }
    match result {
        Ok(totals) => {
            told.totals = totals;
            tell(&told, node, context)?;
            let clean = told.totals.refused == 0 && told.totals.refused_items == 0;
            Ok(if clean { Outcome::Done } else { Outcome::No })
        }
        Err(interrupted) => {
            told.totals = interrupted.totals.clone();
            tell(&told, node, context)?;
            Err(if sending.keep { keep(interrupted, context)? } else { interrupted.error })
        }
    }
}

/// Somebody ends this process: by Ctrl-C, or, as service managers do, by SIGTERM. What is in flight is kept then.
async fn stopped() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    if let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            () = interrupted => {}
            _ = terminated.recv() => {}
        }
        return;
    }
    interrupted.await;
}

fn write_refused(
    file: Option<&mut Growing>,
    draft: &crate::draft::Draft,
    why: &Refused,
) -> Result<(), CliError> {
    let Some(file) = file else { return Ok(()) };
    let line = RefusedDraft {
        file: draft.source.file.as_deref(),
        line: draft.source.line,
        kind: draft.indicator().kind().as_str(),
        value: draft.indicator().value(),
        code: &why.code,
        message: &why.message,
    };
    super::lists::write_line(file, &serde_json::to_string(&line).map_err(CliError::internal)?)
}

fn tell(told: &Told, node: &OwnNode, context: &Context) -> Result<(), CliError> {
    let output = &context.output;
    if output.is_json() {
        return output.json(told);
    }
    let totals = &told.totals;
    if let Some((first, last)) = told.indices {
        let repeated = match totals.repeated {
            0 => String::new(),
            some => format!(" ({} of them were there already)", count(some)),
        };
        output.say(format_args!(
            "In the log of {} at index {first}{}: {} statements{repeated}, in {} items; every receipt was verified.",
            node.log.member,
            if first == last { String::new() } else { format!(" to {last}") },
            count(totals.statements),
            count(totals.items),
        ))?;
    }
    let rows: Vec<[String; 3]> = told
        .reasons
        .iter()
        .map(|(code, (number, examples))| {
            [code.clone(), count(*number), examples.first().cloned().unwrap_or_default()]
        })
        .collect();
    if !rows.is_empty() {
        output.table(["refused because", "statements", "for example"], &rows)?;
    }
    Ok(())
}

/// Keeps what was signed and not settled, and signs the rest, so that `submit` can finish the work.
fn keep<F: Feed>(interrupted: Interrupted<F>, context: &Context) -> Result<CliError, CliError> {
    let Interrupted { error, unsettled, unsigned, feed, .. } = interrupted;
    let path = unsettled::place(context)?;
    let mut file = signed::Writer::begin(&path)?;
    for item in &unsettled {
        file.push(&item.request)?;
    }
    if let Some(mut feed) = feed {
        for drafts in unsigned {
            if let Some(item) = feed.again(drafts)? {
                file.push(&item.request)?;
            }
        }
        while let Some(item) = feed.next()? {
            file.push(&item.request)?;
        }
    }
    let items = file.finish()?;
    let place = path.display();
    context.output.warn(format_args!(
        "{items} signed items whose fate is unknown or that were not sent are in {place}: what publishes next from this \
         home sends them first, or `almenara submit {place}`; what the node holds already is not doubled. Do not publish \
         the same list again"
    ));
    Ok(error)
}

/// Writes signed items to a file instead of sending them.
pub(super) fn write(
    path: &std::path::Path,
    items: &[PublishRequest],
    context: &Context,
) -> Result<Outcome, CliError> {
    signed::write(path, items)?;
    let place = path.display();
    context.output.say(format_args!("Signed into {place}. Next: almenara submit {place}"))?;
    Ok(Outcome::Done)
}
