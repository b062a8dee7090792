//! One stream of one log, from its origin's node or from a relay's, into the replica.

use futures::{
    StreamExt as _,
    stream::{FuturesOrdered, FuturesUnordered},
};
use tonic::transport::Channel;

use almenara_client::{
    follow::{Follower, Step},
    rpc::log_service_client::LogServiceClient,
    store::is_settled,
    tls,
};
use almenara_proto::{
    checkpoint::{SignedCheckpoint, origin_of},
    limits::MESSAGE_BYTES,
    name::MemberName,
    roster::Roster,
    wire,
};

use super::{Ended, Peers};
use crate::{
    heads::Settled,
    ingest::{NotNow, ReplicaPage},
    keeping::Keeper,
};

/// Pages handed to the sequencer and not committed yet: enough to fill its groups, bounded as each holds about
/// a megabyte.
const PAGES_AHEAD: usize = 8;

impl Peers {
    /// A connection to a member's node.
    pub(crate) async fn channel(&self, of: &MemberName) -> Result<Channel, Ended> {
        let accepted = self.rosters.current();
        let member = accepted.roster.member(of).filter(|member| !member.grpc.is_empty());
        let address = &member.ok_or_else(|| Ended::NotOnRoster(of.clone()))?.grpc;
        let connected = tls::connect(address, of.as_str(), &self.identity, &self.authorities, &self.clock);
        Ok(connected.await.map_err(Box::new)?)
    }

    /// Goes on after what is held. A larger note that others showed is held against what comes.
    pub(crate) fn follower(&self, origin: &MemberName) -> Result<Follower, Ended> {
        let head = self.heads.get(origin).ok_or_else(|| Ended::NotOnRoster(origin.clone()))?;
        let accepted = self.rosters.current();
        let segment = accepted.roster.member(origin).and_then(|member| member.segment());
        let segment = segment.ok_or_else(|| Ended::NotOnRoster(origin.clone()))?;
        let ours =
            SignedCheckpoint::open(&head.checkpoint, &origin_of(origin.as_str()), &segment.log_key.0).ok();
        let ahead = self.compared.largest(origin).filter(|note| {
            *note.log_key() == segment.log_key.0 && note.checkpoint().size > head.prefix.size()
        });
        Ok(Follower::new(head.prefix.as_ref().clone(), ahead.or(ours)))
    }

    /// Completes when somebody has had more than we hold for as long as it would have taken the origin to show it.
    async fn overtaken(&self, origin: &MemberName) {
        let mut rounds = self.compared.rounds();
        let more = || !self.compared.holders(origin, self.held(origin), 0).is_empty();
        loop {
            if more() {
                tokio::time::sleep(self.pace.patience).await;
                if more() {
                    return;
                }
            }
            if rounds.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Reads `origin`'s log at the node of `from`: for as long as it lasts at the origin's own, to its end at a
    /// relay's.
    pub(crate) async fn stream(&self, origin: &MemberName, from: &MemberName) -> Result<(), Ended> {
        let channel = self.channel(from).await?;
        self.fetch_rosters(channel.clone()).await?;
        self.reports.collect_from(channel.clone());
        let own = from == origin;
        let mut follower = self.follower(origin)?;
        let (mut replaced, mut rounds) = (self.rosters.subscribe(), self.compared.rounds());
        let accepted = self.rosters.current();
        let mut client = LogServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES);
        let request = follower.request(wire::Filter::default(), own, accepted.roster.version, true);
        let mut overtaken = std::pin::pin!(self.overtaken(origin));
        let mut frames = client.replicate(request).await.map_err(Box::new)?.into_inner();
        let mut committing = FuturesOrdered::new();
        // At most one cosignature is on its way; the next one is for whatever is the newest checkpoint then.
        let mut cosigning = FuturesUnordered::new();
        let mut cosigned = 0;
        loop {
            if own
                && cosigning.is_empty()
                && let Some(head) = self.heads.get(origin).filter(|head| head.signed_size > cosigned)
                && let Some(request) = self.cosigner.cosign(&head, &self.rosters.current().roster).await
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
                () = &mut overtaken, if own => return Err(Ended::Overtaken),
                // What kept a cosignature back may be over.
                Ok(()) = rounds.changed(), if own => continue,
                frame = frames.message(), if committing.len() < PAGES_AHEAD => frame.map_err(Box::new)?,
            };
            let Some(frame) = frame else {
                while let Some(committed) = committing.next().await {
                    committed?.map_err(Ended::Replica)?;
                }
                return if own { Err(Ended::Stream) } else { Ok(()) };
            };
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
                // A relay that keeps back leaf hashes would end our cosignatures of the log for good.
                if let Some(entry) = page.hollow().filter(|_| !own) {
                    return Err(Ended::Hollow(entry));
                }
                let page = if own { page } else { page.relayed() };
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
