//! Notes of every log that the others hold, compared with what is held here (HOSTILE 52, 57, 60, 66).
//!
//! ```text
//! each member in turn ─GetCheckpoint(log, our size)→ note, root at our size, proof
//!       ├ it agrees                                → nothing, or: that one has more
//!       ├ it contradicts what our note signs       → evidence: quarantine
//!       └ it proves nothing (a relay can forge it) → logged, and nothing else
//! ```
//!
//! Of the own log the same tells whether the store is an old copy. Before the first round is over nothing is signed
//! and nothing cosigned.

mod judge;
mod known;
mod root;

use std::{collections::BTreeSet, time::Duration};

use futures::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use tonic::{Code, transport::Channel};

use almenara_client::{rpc::log_service_client::LogServiceClient, tls};
use almenara_proto::{limits::MESSAGE_BYTES, name::MemberName, wire};

use crate::{ingest::NotNow, own_log::Standing, peers::Peers, store::StoreError};

pub use known::Compared;
pub use root::Trees;

/// Members that are asked at once: each is a handshake, and a small question for each log.
const ASKED_AT_ONCE: usize = 8;

/// How often and how long others are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two rounds. Thirty members with thirty logs each then cost a node thirty small questions a second.
    pub every: Duration,
    /// For the answers of one member. The first round holds up the own log for as long, if a member does not answer.
    pub within: Duration,
    /// How long others may have more of a log than its origin shows, before it is read from them: some group commits
    /// and a slow line.
    pub patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { every: seconds(30), within: seconds(5), patience: seconds(5) }
    }
}

/// Seconds after which a log is stale of whose origin's node nothing was heard: hours of a night are no alarm for a
/// list that is good for a week, and an hour is longer than any restart.
pub const STALE_AFTER: u64 = 3_600;

/// Asks the others.
#[derive(Clone)]
pub struct Comparer {
    /// How to reach the others, how often, and what is known of them.
    pub peers: Peers,
    /// Roots of what is held.
    pub trees: Trees,
}

/// Why a member's answers end.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Connect(#[from] tls::ConnectError),
    #[error("{0}")]
    Answer(#[from] Box<tonic::Status>),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Stopping(#[from] NotNow),
}

type Client = LogServiceClient<Channel>;

impl Comparer {
    /// Asks all, again and again, until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut stale = BTreeSet::new();
        loop {
            let answered = tokio::select! {
                answered = self.round() => answered,
                () = shutdown.cancelled() => return,
            };
            if self.peers.own.standing() == Standing::Comparing && answered == 0 {
                tracing::warn!(
                    "no other member's node answers: the own log goes on as it is, unseen by others"
                );
            }
            if let Err(error) = self.look_back().await {
                tracing::error!(%error, "notes that were shown are not held against what has come since");
            }
            self.peers.own.compared();
            self.peers.compared.round_ended();
            self.tell_stale(&mut stale);
            let pause =
                crate::peers::jittered(self.peers.pace.every, &self.peers.member, (self.peers.clock)());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Asks all once, and tells how many answered.
    async fn round(&self) -> usize {
        let accepted = self.peers.rosters.current();
        let others = accepted.roster.members.keys().filter(|name| **name != self.peers.member);
        let others: Vec<MemberName> = others.cloned().collect();
        let asked = stream::iter(others).map(|other| {
            let comparer = self.clone();
            async move { comparer.ask_in_time(&other).await }
        });
        let mut asked = asked.buffer_unordered(ASKED_AT_ONCE);
        let mut answered = 0usize;
        while let Some(one) = asked.next().await {
            answered = answered.saturating_add(usize::from(one));
        }
        answered
    }

    /// An alarm when a log becomes stale, and a word when it is no longer.
    fn tell_stale(&self, stale: &mut BTreeSet<MemberName>) {
        let now = (self.peers.clock)();
        for head in self.peers.heads.all() {
            let origin = head.prefix.member();
            let last = self.peers.compared.heard_at(origin).max(head.moved_at);
            let age = now.saturating_sub(last);
            if *origin == self.peers.member || last == 0 {
                continue;
            }
            if age >= STALE_AFTER && stale.insert(origin.clone()) {
                tracing::warn!(%origin, age_seconds = age, "the log is stale: nothing was heard of its origin");
            } else if age < STALE_AFTER && stale.remove(origin) {
                tracing::info!(%origin, "its origin is heard of again");
            }
        }
    }

    async fn ask_in_time(&self, other: &MemberName) -> bool {
        match tokio::time::timeout(self.peers.pace.within, self.ask(other)).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => tracing::debug!(%other, %error, "its notes cannot be compared"),
            Err(_) => tracing::debug!(%other, "its notes did not come in time"),
        }
        for origin in self.peers.rosters.current().roster.members.keys() {
            self.peers.compared.shows_nothing(origin, other);
        }
        false
    }

    async fn client(&self, other: &MemberName) -> Result<Client, Ended> {
        let accepted = self.peers.rosters.current();
        let address = accepted.roster.member(other).map(|member| member.grpc.as_str()).unwrap_or_default();
        let Peers { identity, authorities, clock, .. } = &self.peers;
        let channel = tls::connect(address, other.as_str(), identity, authorities, clock).await?;
        Ok(LogServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES))
    }

    /// Compares all logs with what `other` has of them.
    async fn ask(&self, other: &MemberName) -> Result<(), Ended> {
        let mut client = self.client(other).await?;
        let accepted = self.peers.rosters.current();
        for origin in accepted.roster.members.keys() {
            let Some(head) = self.peers.heads.get(origin) else { continue };
            let size = head.signed_size;
            let request = wire::GetCheckpointRequest { origin: origin.to_string(), size };
            let answer = match client.get_checkpoint(request).await {
                Ok(answer) => answer.into_inner(),
                Err(status) if status.code() == Code::NotFound => {
                    self.peers.compared.shows_nothing(origin, other);
                    continue;
                }
                Err(status) => return Err(Box::new(status).into()),
            };
            if origin == other {
                self.peers.compared.heard(origin, (self.peers.clock)());
            }
            self.take(&mut client, other, origin, size, &answer, &accepted.roster).await?;
        }
        Ok(())
    }
}
