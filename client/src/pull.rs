//! Pulling: from a node's streams into the local store, verified end to end.
//!
//! ```text
//! node ─Replicate→ frames ─Follower::step→ verified pages ─Replica::keep→ store
//! ```
//!
//! A first pull, a resumed one and a live stream differ in nothing but where they start and whether they end.

use futures::{StreamExt as _, stream::SelectAll};
use tonic::Code;

use almenara_proto::{
    blame::Blame,
    evidence::{Equivocation, Evidence},
    name::MemberName,
    roster::Roster,
    wire::{Filter, GetCheckpointRequest, ReplicateFrame},
};

use crate::{
    clock::Clock,
    connect::Node,
    exit::CliError,
    follow::{FollowError, Follower, Step, VerifiedPage},
    store::{Store, StoreError},
};

/// What is wanted of a node, and by which roster it is judged.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// Chooses statements, never entries; nothing: the choice of the last pull.
    pub filter: Option<&'a Filter>,
    /// The roster in force.
    pub roster: &'a Roster,
    /// What time it is.
    pub clock: &'a Clock,
}

/// What is going on.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A page was verified and is about to be kept.
    Page(&'a MemberName, &'a VerifiedPage),
    /// Nothing is missing below the node's newest checkpoint, and all of it is durable.
    Fresh(&'a MemberName),
}

/// Why a log could not be pulled further. What came before is kept.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// A frame was refused.
    #[error("from the node of {node}: {error}")]
    Follow {
        /// Who served it.
        node: MemberName,
        /// What is wrong with it.
        error: Box<FollowError>,
    },
    /// The node answered something else.
    #[error("{0}")]
    Node(CliError),
    /// The node has no checkpoint of this log, or an older one than we have.
    #[error("{0}")]
    NotThere(CliError),
    /// The own files.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Another node may have this log; this one may serve other logs.
    AnotherNodeForThisLog,
    /// Ask this node for nothing more.
    AnotherNode,
    /// Nothing can be kept.
    Stop,
}

impl PullError {
    /// Proof that the origin signed two histories: no node can help.
    #[must_use]
    pub fn proof(&self) -> Option<&Equivocation> {
        match self {
            Self::Follow { error, .. } => error.evidence(),
            _ => None,
        }
    }

    /// What to do about it otherwise.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Follow { error, .. } if error.blame() == Blame::Unavailable => {
                Remedy::AnotherNodeForThisLog
            }
            Self::NotThere(_) => Remedy::AnotherNodeForThisLog,
            Self::Follow { .. } | Self::Node(_) => Remedy::AnotherNode,
            Self::Store(_) => Remedy::Stop,
        }
    }
}

impl From<PullError> for CliError {
    fn from(error: PullError) -> Self {
        match error {
            PullError::Follow { ref error, .. } => Self::new(error.blame(), format_args!("{error}")),
            PullError::Node(error) | PullError::NotThere(error) => error,
            PullError::Store(error) => error.into(),
        }
    }
}

/// One log that is being pulled.
struct Pulling<'a> {
    node: &'a Node,
    wish: Wish<'a>,
    follower: Follower,
}

impl Pulling<'_> {
    /// Takes a frame.
    fn take(
        &mut self,
        frame: ReplicateFrame,
        store: &mut Store,
        each: &mut dyn FnMut(&Store, Event<'_>) -> Result<(), StoreError>,
    ) -> Result<(), PullError> {
        let origin = self.follower.origin().clone();
        let step = self
            .follower
            .step(frame, self.wish.roster)
            .map_err(|error| PullError::Follow { node: self.node.member.clone(), error: Box::new(error) })?;
        let fresh = match step {
            Step::Checkpoint(note) => {
                let replica = store.replica_mut(&origin)?;
                replica.note(&self.follower);
                let (size, held) = (note.checkpoint().size, self.follower.prefix().size());
                let settled = size <= held && replica.settle(&note, self.wish.roster);
                settled || size == held
            }
            Step::Page(page) => {
                each(store, Event::Page(&origin, &page))?;
                let reached = page.caught_up.then(|| page.checkpoint.clone());
                let replica = store.replica_mut(&origin)?;
                replica.keep(page, &self.follower)?;
                if let Some(note) = &reached {
                    replica.settle(note, self.wish.roster);
                }
                reached.is_some()
            }
        };
        if fresh {
            self.fresh(&origin, store)?;
            each(store, Event::Fresh(&origin))?;
        }
        Ok(())
    }

    fn fresh(&self, origin: &MemberName, store: &mut Store) -> Result<(), StoreError> {
        let replica = store.replica_mut(origin)?;
        let held = self.follower.prefix().size();
        // A note that is ahead of what this node has tells that the node lags behind another one.
        if self.follower.last().is_some_and(|last| last.checkpoint().size == held) {
            replica.mark_fresh((self.wish.clock)());
        }
        replica.commit()
    }
}

async fn open<'a>(
    node: &'a Node,
    origin: &MemberName,
    store: &mut Store,
    wish: Wish<'a>,
    live: bool,
) -> Result<(Pulling<'a>, tonic::Streaming<ReplicateFrame>), PullError> {
    let replica = store.replica_mut(origin)?;
    let filter = replica.choose(wish.filter)?;
    let follower = replica.follower();
    let request = follower.request(filter, live, wish.roster.version, false);
    let frames = node.logs().replicate(request).await.map_err(|status| failure(node, status))?;
    Ok((Pulling { node, wish, follower }, frames.into_inner()))
}

fn failure(node: &Node, status: tonic::Status) -> PullError {
    match status.code() {
        Code::NotFound | Code::OutOfRange => PullError::NotThere(node.error(status)),
        _ => PullError::Node(node.error(status)),
    }
}

/// Pulls what `node` has of one log and the store has not.
///
/// # Errors
/// [`PullError`]; what was verified before is durable.
pub async fn pull(
    node: &Node,
    origin: &MemberName,
    store: &mut Store,
    wish: Wish<'_>,
    each: &mut dyn FnMut(&Store, Event<'_>) -> Result<(), StoreError>,
) -> Result<(), PullError> {
    let (mut pulling, mut frames) = open(node, origin, store, wish, false).await?;
    let outcome = loop {
        let step = match frames.message().await {
            Ok(Some(frame)) => pulling.take(frame, store, each),
            Ok(None) => break Ok(()),
            Err(status) => Err(failure(node, status)),
        };
        if step.is_err() {
            break step;
        }
    };
    store.replica_mut(origin)?.finish()?;
    outcome
}

/// What `node` says of a log besides its entries: proof against it, and when its origin was last heard of.
///
/// # Errors
/// [`PullError`], when it does not answer.
pub async fn ask(
    node: &Node,
    origin: &MemberName,
    store: &mut Store,
    roster: &Roster,
) -> Result<Option<Equivocation>, PullError> {
    let request = GetCheckpointRequest { origin: origin.to_string(), size: 0 };
    let answer =
        node.logs().get_checkpoint(request).await.map_err(|status| failure(node, status))?.into_inner();
    let replica = store.replica_mut(origin)?;
    replica.heard(answer.heard_at);
    // What proves nothing blames whoever brought it, and harms nobody.
    let proof = match Evidence::parse(&answer.evidence) {
        Ok(Evidence::Log(fork)) if fork.member == *origin => fork.verify_in(roster).ok(),
        _ => None,
    };
    if let Some(proof) = &proof {
        replica.quarantine(proof);
    }
    replica.commit()?;
    Ok(proof)
}

/// Stays connected to `node` and keeps what comes of these logs, until one of the streams ends. Logs that the
/// node does not have are left out, unless it has none of them.
///
/// # Errors
/// The first [`PullError`], with the log that it is about.
pub async fn watch(
    node: &Node,
    origins: &[MemberName],
    store: &mut Store,
    wish: Wish<'_>,
    each: &mut dyn FnMut(&Store, Event<'_>) -> Result<(), StoreError>,
) -> Result<(), (MemberName, PullError)> {
    let mut streams = SelectAll::new();
    let mut pullings = Vec::new();
    let mut missing = None;
    for origin in origins {
        let (pulling, frames) = match open(node, origin, store, wish, true).await {
            Ok(opened) => opened,
            Err(error @ PullError::NotThere(_)) => {
                missing = Some((origin.clone(), error));
                continue;
            }
            Err(error) => return Err((origin.clone(), error)),
        };
        let number = pullings.len();
        pullings.push(pulling);
        streams.push(frames.map(Some).chain(futures::stream::iter([None])).map(move |frame| (number, frame)));
    }
    if let Some(missing) = missing.filter(|_| pullings.is_empty()) {
        return Err(missing);
    }
    while let Some((number, frame)) = streams.next().await {
        let Some(pulling) = pullings.get_mut(number) else { continue };
        let origin = pulling.follower.origin().clone();
        let step = match frame {
            Some(Ok(frame)) => pulling.take(frame, store, each),
            Some(Err(status)) => Err(failure(node, status)),
            None => return Ok(()),
        };
        step.map_err(|error| (origin, error))?;
    }
    Ok(())
}
