//! Follows every other member's log: one task each, from its node, for as long as it is on the roster.

use std::time::Duration;

use futures::{
    StreamExt as _,
    stream::{FuturesOrdered, FuturesUnordered},
};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use almenara_client::{
    follow::{FollowError, Follower, Step},
    rpc::{log_service_client::LogServiceClient, roster_service_client::RosterServiceClient},
    store::is_settled,
    tls::{self, Clock, ConnectError, Identity, SharedAuthorities},
};
use almenara_proto::{
    blame::Blame,
    checkpoint::{SignedCheckpoint, origin_of},
    limits::MESSAGE_BYTES,
    name::MemberName,
    roster::{Roster, SignedRoster},
    wire,
};

use crate::{
    cosign::Cosigner,
    custodian::Doubts,
    heads::{Heads, Settled},
    ingest::{Ingest, NotNow, ReplicaPage},
    keeping::Keeper,
    reports::Reports,
    rosters::SharedRosters,
};

/// The first pause after a failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// A peer that was down for long is found again within half a minute, and thirty members cost one attempt a
/// second.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Pages handed to the sequencer and not committed yet: enough to fill its groups, bounded as each holds about
/// a megabyte.
const PAGES_AHEAD: usize = 8;

/// What following needs.
#[derive(Clone)]
pub struct Peers {
    /// The entrance.
    pub ingest: Ingest,
    /// Where each replica stands.
    pub heads: Heads,
    /// Who belongs, and where their nodes are.
    pub rosters: SharedRosters,
    /// Our node's leaf.
    pub identity: Identity,
    /// Of all members.
    pub authorities: SharedAuthorities,
    /// Unix seconds.
    pub clock: Clock,
    /// Vouches to origins for what is held of their logs.
    pub cosigner: Cosigner,
    /// What is ours to keep.
    pub keeper: Keeper,
    /// Who says that it keeps how much.
    pub reports: Reports,
    /// What came by streams that have ended.
    pub doubts: Doubts,
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the peer: {0}")]
    Peer(#[from] Box<tonic::Status>),
    #[error(transparent)]
    Follow(#[from] Box<FollowError>),
    #[error("the replica: {0}")]
    Replica(String),
    #[error("{0} is not on the roster, or has no address there")]
    NotOnRoster(MemberName),
    #[error("the peer ended the stream")]
    Stream,
    #[error("a new roster is in force")]
    Roster,
    #[error(transparent)]
    Stopping(#[from] NotNow),
}

impl Peers {
    /// Follows `origin` until `shutdown`.
    pub async fn follow(self, origin: MemberName, shutdown: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        loop {
            let before = self.held(&origin);
            let ended = tokio::select! {
                ended = self.stream(&origin) => ended,
                () = shutdown.cancelled() => return,
            };
            let Err(ended) = ended else { return };
            if let Some(head) = self.heads.get(&origin).filter(|head| head.prefix.size() > before) {
                self.doubts.add(head.log, before);
                pause = FIRST_PAUSE;
            }
            match &ended {
                Ended::Stopping(_) => return,
                // Under the new one at once.
                Ended::Roster => continue,
                Ended::Follow(error) if error.blame() == Blame::Misbehaved => {
                    tracing::error!(%origin, error = %ended, "what came does not hold; nothing of it was kept");
                }
                _ => {
                    tracing::warn!(%origin, error = %ended, pause_ms = pause.as_millis(), "following pauses")
                }
            }
            tokio::select! {
                () = tokio::time::sleep(jittered(pause, &origin, (self.clock)())) => {}
                () = shutdown.cancelled() => return,
            }
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    fn held(&self, origin: &MemberName) -> u64 {
        self.heads.get(origin).map_or(0, |head| head.prefix.size())
    }

    /// Asks a peer for the rosters after ours, and for ours: another body of it is evidence. What does not follow is
    /// not accepted, and stops nothing.
    async fn fetch_rosters(&self, channel: Channel) -> Result<(), Ended> {
        let from_version = self.rosters.current().roster.version;
        let mut client = RosterServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES);
        let request = wire::GetRosterRequest { from_version };
        let mut offered = client.get(request).await.map_err(Box::new)?.into_inner();
        while let Some(signed) = offered.message().await.map_err(Box::new)? {
            let rosters = self.rosters.clone();
            let accept = move || {
                rosters
                    .accept(SignedRoster::from_wire(signed).map_err(|void| void.to_string())?)
                    .map_err(|error| error.to_string())
            };
            let accepted = tokio::task::spawn_blocking(accept).await;
            if let Err(error) = accepted.unwrap_or_else(|_| Err("it could not be read".to_owned())) {
                tracing::error!(%error, "an offered roster is not accepted");
                return Ok(());
            }
        }
        Ok(())
    }

    async fn stream(&self, origin: &MemberName) -> Result<(), Ended> {
        let head = self.heads.get(origin).ok_or_else(|| Ended::NotOnRoster(origin.clone()))?;
        let accepted = self.rosters.current();
        let member = accepted.roster.member(origin).filter(|member| !member.grpc.is_empty());
        let member = member.ok_or_else(|| Ended::NotOnRoster(origin.clone()))?;
        let segment = member.segment().ok_or_else(|| Ended::NotOnRoster(origin.clone()))?;
        let last =
            SignedCheckpoint::open(&head.checkpoint, &origin_of(origin.as_str()), &segment.log_key.0).ok();
        let mut follower = Follower::new(head.prefix.as_ref().clone(), last);
        let channel =
            tls::connect(&member.grpc, origin.as_str(), &self.identity, &self.authorities, &self.clock)
                .await?;
        self.fetch_rosters(channel.clone()).await?;
        self.reports.collect_from(channel.clone());
        let mut replaced = self.rosters.subscribe();
        let accepted = self.rosters.current();
        let mut client = LogServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES);
        let request = follower.request(wire::Filter::default(), true, accepted.roster.version, true);
        let mut frames = client.replicate(request).await.map_err(Box::new)?.into_inner();
        let mut committing = FuturesOrdered::new();
        // At most one cosignature is on its way; the next one is for whatever is the newest checkpoint then.
        let mut cosigning = FuturesUnordered::new();
        let mut cosigned = 0;
        loop {
            if cosigning.is_empty()
                && let Some(head) = self.heads.get(origin).filter(|head| head.signed_size > cosigned)
                && let Some(request) = self.cosigner.cosign(&head, &self.rosters.current().roster)
            {
                cosigned = request.size;
                let mut client = client.clone();
                cosigning.push(async move { client.cosign(request).await });
            }
            let frame = tokio::select! {
                biased;
                Some(committed) = committing.next(), if !committing.is_empty() => {
                    let committed: Result<Result<(), String>, NotNow> = committed;
                    committed?.map_err(Ended::Replica)?;
                    continue;
                }
                Some(answer) = cosigning.next(), if !cosigning.is_empty() => {
                    // The next checkpoint brings the next try; a connection that broke ends the stream too.
                    if let Err(status) = answer {
                        tracing::warn!(%origin, size = cosigned, error = %status, "a cosignature was not taken");
                    }
                    continue;
                }
                _ = replaced.changed() => return Err(Ended::Roster),
                frame = frames.message(), if committing.len() < PAGES_AHEAD => frame.map_err(Box::new)?,
            };
            let Some(frame) = frame else { return Err(Ended::Stream) };
            let accepted = self.rosters.current();
            // Some milliseconds of hashing: off the threads that serve others.
            let keeper = self.keeper.clone();
            let stepped = tokio::task::spawn_blocking(move || {
                let step = follower.step(frame, &accepted.roster);
                let step = step.map(|step| Taken::of(step, &follower, &accepted.roster, &keeper));
                (follower, step)
            });
            let (back, taken) =
                stepped.await.map_err(|_| Ended::Replica("a page could not be read".to_owned()))?;
            follower = back;
            let Taken { page, settled } = taken.map_err(Box::new)?;
            if let Some(page) = page {
                let ingest = self.ingest.clone();
                committing.push_back(async move { ingest.replicate(page).await });
            }
            if let Some(settled) = settled {
                // Behind the pages that it covers: they are in the same queue.
                while let Some(committed) = committing.next().await {
                    committed?.map_err(Ended::Replica)?;
                }
                self.ingest.settle(origin.clone(), settled).await?;
            }
        }
    }
}

/// What a frame brought.
struct Taken {
    page: Option<ReplicaPage>,
    /// A note that agrees with what is held with this page, and has a quorum of cosignatures.
    settled: Option<Settled>,
}

impl Taken {
    fn of(step: Step, follower: &Follower, roster: &Roster, keeper: &Keeper) -> Self {
        let prefix = follower.prefix();
        let settled = |note: &SignedCheckpoint| {
            let reached = note.checkpoint().size <= prefix.size();
            (reached && is_settled(note, prefix.member(), roster)).then(|| Settled::new(note))
        };
        match step {
            Step::Checkpoint(note) => Self { page: None, settled: settled(&note) },
            Step::Page(page) => {
                let settled = if page.caught_up { settled(&page.checkpoint) } else { None };
                Self { page: Some(ReplicaPage::new(prefix.clone(), page, keeper)), settled }
            }
        }
    }
}

/// Spreads retries over half of the pause to all of it, so that members that lost one peer together do not come
/// back together.
fn jittered(pause: Duration, origin: &MemberName, now: u64) -> Duration {
    let hash = almenara_proto::merkle::sha256(&[origin.as_str().as_bytes(), &now.to_be_bytes()]);
    let share = u32::from(hash.0.first().copied().unwrap_or_default());
    pause.saturating_mul(share.saturating_add(256)) / 512
}
