//! One stream to one node: items out, answers in, several in flight.
//!
//! Sealing and sending overlap: while answers are awaited, a blocking thread seals the next batch. Items leave in the
//! order in which they were signed, for a key's seq must rise along the log.

use std::{collections::VecDeque, future::Future, pin::Pin};

use almenara_proto::wire::{PublishRequest, PublishResponse};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::{Event, Interrupted, Log, Refused, Settings, Submission, Totals, judged::Judged};
use crate::{
    draft::Draft,
    exit::{CliError, Exit},
};

/// Where signed items come from. Runs on a blocking thread.
pub trait Feed: Send + 'static {
    /// The next item; nothing at the end.
    ///
    /// # Errors
    /// [`CliError`]; nothing more is then asked for.
    fn next(&mut self) -> Result<Option<Submission>, CliError>;

    /// Signs drafts again whose batch was refused for other reasons than theirs; nothing when this feed cannot sign.
    ///
    /// # Errors
    /// As [`Feed::next`].
    fn again(&mut self, drafts: Vec<Draft>) -> Result<Option<Submission>, CliError>;
}

/// A call that is open: where requests go, and where answers come from.
#[derive(Debug)]
pub struct Connected {
    requests: mpsc::Sender<PublishRequest>,
    answers: Streaming<PublishResponse>,
}

impl Connected {
    /// Opens the stream with `call`, which is `PublishServiceClient::publish` of a channel to the node.
    ///
    /// # Errors
    /// What the node answered, or why there is no connection.
    pub async fn open<F, R>(window: usize, call: F) -> Result<Self, CliError>
    where
        F: FnOnce(ReceiverStream<PublishRequest>) -> R,
        R: Future<Output = Result<tonic::Response<Streaming<PublishResponse>>, Status>>,
    {
        let (requests, receiver) = mpsc::channel(window.max(1));
        let answers = call(ReceiverStream::new(receiver)).await?.into_inner();
        Ok(Self { requests, answers })
    }
}

/// A batch is signed again as a whole when another process used a higher seq in between.
const SEQ_ATTEMPTS: u32 = 3;

/// Sends everything that `feed` gives over streams that `connect` opens, and tells `event` what became of it. When `stop`
/// is ready, the run ends there.
///
/// # Errors
/// [`Interrupted`]: it was stopped, the node cannot be reached or refuses the call, its receipt does not hold (`Misbehaved`), the
/// feed fails, or `event` does.
pub async fn run<F, C, R>(
    feed: F,
    mut connect: C,
    log: &Log,
    settings: Settings,
    stop: impl Future<Output = ()>,
    event: &mut (dyn FnMut(Event<'_>) -> Result<(), CliError> + Send),
) -> Result<Totals, Interrupted<F>>
where
    F: Feed,
    C: FnMut() -> R,
    R: Future<Output = Result<Connected, CliError>>,
{
    let mut run = Run {
        feed: Station::Home(feed),
        over: false,
        ready: VecDeque::new(),
        flying: VecDeque::new(),
        again: VecDeque::new(),
        totals: Totals::default(),
        log,
        settings,
        event,
    };
    let mut stop = std::pin::pin!(stop);
    let mut failures = 0u32;
    loop {
        let connected = tokio::select! {
            biased;
            () = &mut stop => Err(End::stopped()),
            connected = connect() => connected.map_err(End::Broken),
        };
        let ended = match connected {
            Ok(mut connected) => run.session(&mut connected, &mut failures, stop.as_mut()).await,
            Err(end) => Err(end),
        };
        let error = match ended {
            Ok(()) => return Ok(run.totals),
            Err(End::Broken(error)) => error,
            Err(End::Failed(error)) => return Err(run.interrupted(error).await),
        };
        failures = failures.saturating_add(1);
        // Only what may pass by itself is tried again.
        if error.exit() != Exit::Unavailable || failures >= run.settings.attempts {
            return Err(run.interrupted(error).await);
        }
        let doubled = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let pause = tokio::time::sleep(run.settings.pause.saturating_mul(doubled));
        tokio::select! {
            () = &mut stop => return Err(run.interrupted(stopped()).await),
            () = pause => {}
        }
    }
}

/// Where the feed is.
enum Station<F> {
    Home(F),
    Sealing(JoinHandle<(F, Result<Option<Submission>, CliError>)>),
    /// It failed or was lost with its thread.
    Gone,
}

/// Owned by one task.
struct Run<'a, F> {
    feed: Station<F>,
    /// The feed has no more items of its own.
    over: bool,
    /// Signed, not sent on this connection.
    ready: VecDeque<Submission>,
    /// Sent, not answered, in order.
    flying: VecDeque<Submission>,
    /// To be signed again: drafts, and how often that happened to all of them.
    again: VecDeque<(Vec<Draft>, u32)>,
    totals: Totals,
    log: &'a Log,
    settings: Settings,
    event: &'a mut (dyn FnMut(Event<'_>) -> Result<(), CliError> + Send),
}

enum End {
    /// The connection: try another.
    Broken(CliError),
    /// The run.
    Failed(CliError),
}

impl End {
    fn stopped() -> Self {
        Self::Failed(stopped())
    }
}

fn stopped() -> CliError {
    CliError::unavailable("it was stopped before the node had answered everything")
}

fn closed() -> End {
    End::Broken(CliError::unavailable("the node closed the stream before it had answered everything"))
}

impl<F: Feed> Run<'_, F> {
    /// Works over one connection until everything is settled.
    async fn session(
        &mut self,
        connected: &mut Connected,
        failures: &mut u32,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), End> {
        // What an earlier connection left unanswered goes first, in its old order: the node answers what it holds
        // with the first receipt.
        while let Some(last) = self.flying.pop_back() {
            self.ready.push_front(last);
        }
        loop {
            self.seal_ahead();
            self.send(connected)?;
            let sealing = matches!(self.feed, Station::Sealing(_));
            if self.flying.is_empty()
                && self.ready.is_empty()
                && !sealing
                && self.over
                && self.again.is_empty()
            {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = &mut stop => return Err(End::stopped()),
                sealed = sealed(&mut self.feed), if sealing => self.take(sealed).map_err(End::Failed)?,
                answer = connected.answers.message(), if !self.flying.is_empty() => {
                    let answer = answer.map_err(|status| End::Broken(status.into()))?;
                    let answer = answer.ok_or_else(closed)?;
                    *failures = 0;
                    self.answered(answer).map_err(End::Failed)?;
                }
            }
        }
    }

    /// Keeps one item ready beyond those in flight.
    fn seal_ahead(&mut self) {
        let wanted = self.ready.is_empty() && !(self.over && self.again.is_empty());
        match std::mem::replace(&mut self.feed, Station::Gone) {
            Station::Home(mut feed) if wanted => {
                let again = self.again.pop_front();
                self.feed = Station::Sealing(tokio::task::spawn_blocking(move || {
                    let item = match again {
                        None => feed.next(),
                        Some((drafts, attempts)) => {
                            let item = feed.again(drafts);
                            item.map(|item| item.map(|item| Submission { attempts, ..item }))
                        }
                    };
                    (feed, item)
                }));
            }
            other => self.feed = other,
        }
    }

    fn take(
        &mut self,
        sealed: Result<(F, Result<Option<Submission>, CliError>), CliError>,
    ) -> Result<(), CliError> {
        let (feed, item) = sealed?;
        let item = item?;
        self.feed = Station::Home(feed);
        match item {
            Some(item) => self.ready.push_back(item),
            None => self.over = true,
        }
        Ok(())
    }

    fn send(&mut self, connected: &Connected) -> Result<(), End> {
        while self.flying.len() < self.settings.window.max(1) {
            let Some(next) = self.ready.pop_front() else { break };
            let sent = connected.requests.try_send(next.request.clone());
            match sent {
                Ok(()) => self.flying.push_back(next),
                Err(error) => {
                    self.ready.push_front(next);
                    return match error {
                        // The stream has not taken the last ones yet; an answer will come first.
                        mpsc::error::TrySendError::Full(_) => Ok(()),
                        mpsc::error::TrySendError::Closed(_) if !self.flying.is_empty() => Ok(()),
                        mpsc::error::TrySendError::Closed(_) => Err(closed()),
                    };
                }
            }
        }
        Ok(())
    }

    fn answered(&mut self, answer: PublishResponse) -> Result<(), CliError> {
        let Some(item) = self.flying.pop_front() else { return Ok(()) };
        let judged = Judged::of(&item, answer, self.log);
        match judged {
            Ok(Judged::Accepted(receipt)) => {
                let add = |total: &mut u64, more| *total = total.saturating_add(more);
                add(&mut self.totals.items, 1);
                add(&mut self.totals.statements, item.statements());
                add(&mut self.totals.repeated, if receipt.repeated { item.statements() } else { 0 });
                (self.event)(Event::Accepted(&item, receipt))
            }
            Ok(Judged::Leaves(refused)) => self.without(item, refused),
            Ok(Judged::Whole { why, seq }) => self.refused(item, why, seq),
            Err(bad) => {
                let what = format!("{} answered {} wrongly: {bad}", self.log.member, item.kind);
                self.flying.push_front(item);
                Err(CliError::misbehaved(format!("{what}; keep this text, and tell the other members")))
            }
        }
    }

    /// Reports the named drafts, and queues the others for another signature.
    fn without(&mut self, item: Submission, refused: Vec<(u32, Refused)>) -> Result<(), CliError> {
        let mut rest = Vec::new();
        let mut refused = refused.into_iter().peekable();
        for (leaf, draft) in (0u32..).zip(item.drafts.unwrap_or_default()) {
            match refused.next_if(|(named, _)| *named == leaf) {
                None => rest.push(draft),
                Some((_, why)) => {
                    self.totals.refused = self.totals.refused.saturating_add(1);
                    (self.event)(Event::Draft(&draft, why))?;
                }
            }
        }
        if !rest.is_empty() {
            self.again.push_back((rest, 0));
        }
        Ok(())
    }

    fn refused(&mut self, mut item: Submission, why: Refused, seq: bool) -> Result<(), CliError> {
        if seq
            && item.attempts < SEQ_ATTEMPTS
            && let Some(drafts) = item.drafts.take()
        {
            self.again.push_back((drafts, item.attempts.saturating_add(1)));
            return Ok(());
        }
        match item.statements() {
            0 => self.totals.refused_items = self.totals.refused_items.saturating_add(1),
            statements => self.totals.refused = self.totals.refused.saturating_add(statements),
        }
        (self.event)(Event::Item(&item, why))
    }

    async fn interrupted(mut self, error: CliError) -> Interrupted<F> {
        let mut unsettled: Vec<Submission> = self.flying.drain(..).chain(self.ready.drain(..)).collect();
        // A batch that is being sealed has used up its seq and drafts: it is waited for.
        if matches!(self.feed, Station::Sealing(_)) {
            match sealed(&mut self.feed).await {
                Ok((feed, item)) => {
                    self.feed = Station::Home(feed);
                    unsettled.extend(item.ok().flatten());
                }
                Err(_) => self.feed = Station::Gone,
            }
        }
        Interrupted {
            error,
            totals: self.totals,
            unsettled,
            unsigned: self.again.into_iter().map(|(drafts, _)| drafts).collect(),
            feed: match self.feed {
                Station::Home(feed) => Some(feed),
                Station::Sealing(_) | Station::Gone => None,
            },
        }
    }
}

/// Waits for the thread that seals; pending for ever when there is none. Can be dropped and asked again.
async fn sealed<F>(feed: &mut Station<F>) -> Result<(F, Result<Option<Submission>, CliError>), CliError> {
    match feed {
        Station::Sealing(task) => {
            let joined = task.await;
            *feed = Station::Gone;
            joined.map_err(|_| CliError::internal("the thread that signs has ended"))
        }
        Station::Home(_) | Station::Gone => std::future::pending().await,
    }
}
