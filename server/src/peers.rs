//! Follows every other member's log: one task each, from its node, for as long as it is on the roster.
//!
//! A log that its origin does not show, or not all of it, is read from whoever was heard to hold more (`compare`), and
//! from the origin again afterwards. What a relay kept back is asked of the origin when it answers (`rot`).

mod stream;

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use almenara_client::{
    follow::FollowError,
    rpc::roster_service_client::RosterServiceClient,
    tls::{Clock, ConnectError, Identity, SharedAuthorities},
};
use almenara_proto::{
    blame::Blame, evidence::Equivocation, limits::MESSAGE_BYTES, name::MemberName, roster::SignedRoster, wire,
};

use crate::{
    compare::{Compared, Pace},
    cosign::Cosigner,
    doubts::Doubts,
    heads::Heads,
    ingest::{Ingest, NotNow},
    keeping::Keeper,
    own_log::OwnLog,
    quarantine::{Accuser, Quarantine},
    reports::Reports,
    rosters::SharedRosters,
};

/// The first pause after a failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// A peer that was down for long is found again within half a minute, and thirty members cost one attempt a
/// second.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What following needs.
#[derive(Clone)]
pub struct Peers {
    /// Whose node.
    pub member: MemberName,
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
    /// What others were heard to hold.
    pub compared: Compared,
    /// How the own log stands.
    pub own: OwnLog,
    /// Keeps proof against logs.
    pub accuser: Accuser,
    /// How often others are asked.
    pub pace: Pace,
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error(transparent)]
    Connect(#[from] Box<ConnectError>),
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
    #[error("others hold more of it than its origin shows")]
    Overtaken,
    #[error("the relay keeps back what proves entry {0}")]
    Hollow(u64),
    #[error("a new roster is in force")]
    Roster,
    #[error(transparent)]
    Stopping(#[from] NotNow),
}

impl Ended {
    /// Two histories under the log's key, when that ended the stream.
    fn proof(&self) -> Option<&Equivocation> {
        match self {
            Self::Follow(error) => error.evidence(),
            _ => None,
        }
    }
}

impl Peers {
    /// Follows `origin` until `shutdown`.
    pub async fn follow(self, origin: MemberName, shutdown: CancellationToken) {
        tokio::select! {
            () = self.keep_following(&origin) => {}
            () = shutdown.cancelled() => {}
        }
    }

    /// What came since `before` by a stream that has ended.
    fn doubt(&self, origin: &MemberName, before: u64) {
        if let Some(head) = self.heads.get(origin).filter(|head| head.prefix.size() > before) {
            self.doubts.add(head.log, before);
        }
    }

    async fn keep_following(&self, origin: &MemberName) {
        let (mut pause, mut turn) = (FIRST_PAUSE, 0usize);
        loop {
            self.until_it_goes_on(origin).await;
            let before = self.held(origin);
            let Err(ended) = self.stream(origin, origin).await else { return };
            self.doubt(origin, before);
            if self.heed(origin, origin, &ended, pause).await.is_err() {
                return;
            }
            if matches!(ended, Ended::Roster) {
                // Under the new one at once.
                continue;
            }
            for relay in self.compared.holders(origin, self.held(origin), turn) {
                turn = turn.wrapping_add(1);
                match self.stream(origin, &relay).await {
                    Ok(()) => {
                        tracing::info!(%origin, %relay, size = self.held(origin), "read from a relay");
                        break;
                    }
                    Err(ended) => {
                        self.compared.shows_nothing(origin, &relay);
                        if self.heed(origin, &relay, &ended, pause).await.is_err() {
                            return;
                        }
                    }
                }
            }
            if self.held(origin) > before {
                self.doubt(origin, before);
                pause = FIRST_PAUSE;
            }
            self.rest(origin, pause).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    /// A log whose key signed two histories is followed to where they part, and no further while that key is its own.
    async fn until_it_goes_on(&self, origin: &MemberName) {
        let mut version = self.rosters.subscribe();
        while let Some(head) = self.heads.get(origin)
            && let Some(found) = head.quarantined(&self.rosters)
            && head.prefix.size() >= found.agreed
        {
            if version.changed().await.is_err() {
                return;
            }
        }
    }

    /// Says why a stream ended, and keeps what that proves.
    async fn heed(
        &self,
        origin: &MemberName,
        from: &MemberName,
        ended: &Ended,
        pause: Duration,
    ) -> Result<(), NotNow> {
        if let Some(proof) = ended.proof() {
            return self.accuser.accuse(Quarantine::new(proof.clone())).await;
        }
        match ended {
            Ended::Stopping(why) => return Err(*why),
            Ended::Roster => {}
            Ended::Overtaken => tracing::warn!(%origin, "its origin shows less of a log than others hold"),
            Ended::Follow(error) if error.blame() == Blame::Misbehaved => {
                tracing::error!(%origin, %from, error = %ended, "what came does not hold; nothing of it was kept");
            }
            _ => {
                tracing::warn!(%origin, %from, error = %ended, pause_ms = pause.as_millis(), "following pauses")
            }
        }
        Ok(())
    }

    /// Waits for the pause, or until somebody was heard to hold more.
    async fn rest(&self, origin: &MemberName, pause: Duration) {
        let mut rounds = self.compared.rounds();
        let news = async {
            while rounds.changed().await.is_ok() {
                if !self.compared.holders(origin, self.held(origin), 0).is_empty() {
                    return;
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            () = tokio::time::sleep(jittered(pause, origin, (self.clock)())) => {}
            () = news => {}
        }
    }

    fn held(&self, origin: &MemberName) -> u64 {
        self.heads.get(origin).map_or(0, |head| head.prefix.size())
    }

    /// Asks a peer for the rosters after ours, and for ours: another body of it is evidence. What does not follow is
    /// not accepted, and stops nothing.
    pub(crate) async fn fetch_rosters(&self, channel: Channel) -> Result<(), Ended> {
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
}

/// Spreads retries over half of the pause to all of it, so that members that lost one peer together do not come
/// back together.
pub(crate) fn jittered(pause: Duration, origin: &MemberName, now: u64) -> Duration {
    let hash = almenara_proto::merkle::sha256(&[origin.as_str().as_bytes(), &now.to_be_bytes()]);
    let share = u32::from(hash.0.first().copied().unwrap_or_default());
    pause.saturating_mul(share.saturating_add(256)) / 512
}
