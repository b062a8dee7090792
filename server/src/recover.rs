//! Brings the own log back from the other members, when the store is an old copy (HOSTILE 52).
//!
//! First everything is read and proven without being kept: a log of which statements are lost is not taken back behind
//! its operator's back. Then it is read again, into the store. No position is ever used twice: what is signed on the way
//! is the beginning of what was signed already.

use std::{collections::BTreeSet, fmt};

use tokio_util::sync::CancellationToken;

use almenara_client::{
    follow::{Step, VerifiedEntry},
    rpc::log_service_client::LogServiceClient,
};
use almenara_proto::{limits::MESSAGE_BYTES, log::LogEntry, name::MemberName, wire};

use crate::{
    ingest::{NotNow, ReplicaPage},
    own_log::Standing,
    peers::{Ended, Peers},
    rot::Mender,
    store::StoreError,
};

/// Lost statements that are told by their places; of more, how many there are.
const TOLD: usize = 16;

/// Brings it back.
#[derive(Clone)]
pub struct Recoverer {
    /// How to reach the others, and the entrance.
    pub peers: Peers,
    /// Fetches what one member alone did not show.
    pub mender: Mender,
    /// The operator knows that statements are lost, and goes on without them.
    pub accept_loss: bool,
}

/// Why the own log is not back yet.
#[derive(Debug, thiserror::Error)]
enum NotBack {
    #[error("no member that answers shows it up to there: {0}")]
    Nobody(String),
    #[error(
        "nobody who answers has {0}; wait for the others, restore a newer backup, or give them up with `almenarad run --accept-loss`"
    )]
    Lost(Lost),
    #[error(transparent)]
    Stream(#[from] Ended),
    #[error("the store does not take it: {0}")]
    Write(String),
    #[error("what came back is not what was signed")]
    Other,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Stopping(#[from] NotNow),
}

/// Own statements that nobody shows: entry and leaf.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lost(BTreeSet<(u64, u32)>);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the statements:", self.0.len())?;
        self.0.iter().take(TOLD).try_for_each(|(entry, leaf)| write!(f, " {entry}.{leaf}"))?;
        if self.0.len() > TOLD { f.write_str(" …") } else { Ok(()) }
    }
}

impl Lost {
    /// What an entry does not show, and what it says is gone on purpose.
    fn look(&mut self, entry: &VerifiedEntry) {
        match (&entry.outcome, &entry.batch) {
            (Ok(LogEntry::Batch(signed)), batch) => {
                let shown: BTreeSet<u32> =
                    batch.iter().flat_map(|batch| &batch.leaves).map(|leaf| leaf.index).collect();
                let missing = (0..signed.content.count).filter(|leaf| !shown.contains(leaf));
                self.0.extend(missing.map(|leaf| (entry.index, leaf)));
            }
            (Ok(LogEntry::Withdrawal(signed)), _) if signed.content.erase => {
                for target in &signed.content.targets {
                    self.0.remove(target);
                }
            }
            _ => {}
        }
    }
}

impl Recoverer {
    /// Waits until the own log is behind, and brings it back, until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        tokio::select! {
            () = self.watch() => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn watch(&self) {
        let mut standing = self.peers.own.subscribe();
        let mut rounds = self.peers.compared.rounds();
        while standing.wait_for(|standing| matches!(standing, Standing::Behind(_))).await.is_ok() {
            // Not before all were asked: who has the rest may be the last of them.
            if rounds.changed().await.is_err() {
                return;
            }
            match self.bring_back().await {
                Ok(size) => self.peers.own.brought_back(size),
                Err(NotBack::Stopping(_)) => return,
                Err(error) => self.peers.own.not_brought_back(&error.to_string()),
            }
        }
    }

    async fn bring_back(&self) -> Result<u64, NotBack> {
        let Peers { member, compared, heads, .. } = &self.peers;
        let held = || heads.get(member).map_or(0, |head| head.prefix.size());
        let newest = compared.largest(member).ok_or_else(|| NotBack::Nobody("nobody answers".to_owned()))?;
        let target = newest.checkpoint().size;
        if held() < target {
            let holder = self.survey(held(), target).await?;
            self.read(&holder, None).await?;
        }
        // What this holder alone did not show.
        self.mender.fill_log(member).await;
        let head = heads.get(member).filter(|head| head.prefix.size() >= target).ok_or(NotBack::Other)?;
        if self.mender.outgoing.trees().root(head.log, target).await? != newest.checkpoint().root {
            return Err(NotBack::Other);
        }
        Ok(head.prefix.size())
    }

    /// Who shows all entries up to `target`, once it is known that no statement is lost.
    async fn survey(&self, held: u64, target: u64) -> Result<MemberName, NotBack> {
        let Peers { member, compared, .. } = &self.peers;
        let (mut found, mut lost, mut why) = (None, None::<Lost>, String::new());
        for holder in compared.holders(member, held, 0) {
            let mut here = Lost::default();
            match self.read(&holder, Some(&mut here)).await {
                Ok(reached) if reached >= target => {
                    lost = Some(match lost {
                        Some(Lost(lost)) => Lost(&lost & &here.0),
                        None => here,
                    });
                    found.get_or_insert(holder);
                }
                Ok(reached) => why = format!("{holder} shows {reached} entries of {target}"),
                Err(error) => why = format!("{holder}: {error}"),
            }
            if lost.as_ref().is_some_and(|lost| lost.0.is_empty()) {
                break;
            }
        }
        let (Some(holder), Some(lost)) = (found, lost) else { return Err(NotBack::Nobody(why)) };
        if lost.0.is_empty() {
            return Ok(holder);
        }
        if !self.accept_loss {
            return Err(NotBack::Lost(lost));
        }
        tracing::error!(%lost, "the own log goes on without statements that nobody has");
        Ok(holder)
    }

    /// Reads the own log at the node of `holder`: to see what is `lost`, or else to keep it. Gives the size that was
    /// reached.
    async fn read(&self, holder: &MemberName, mut lost: Option<&mut Lost>) -> Result<u64, NotBack> {
        let channel = self.peers.channel(holder).await?;
        self.peers.fetch_rosters(channel.clone()).await?;
        let mut follower = self.peers.follower(&self.peers.member)?;
        let accepted = self.peers.rosters.current();
        let mut client = LogServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES);
        let request = follower.request(wire::Filter::default(), false, accepted.roster.version, true);
        let failed = |status| Ended::Peer(Box::new(status));
        let mut frames = client.replicate(request).await.map_err(failed)?.into_inner();
        while let Some(frame) = frames.message().await.map_err(failed)? {
            let step =
                follower.step(frame, &accepted.roster).map_err(|error| Ended::Follow(Box::new(error)))?;
            let Step::Page(page) = step else { continue };
            match &mut lost {
                Some(lost) => page.entries.iter().for_each(|entry| lost.look(entry)),
                None => {
                    self.keep(ReplicaPage::new(follower.prefix().clone(), page, &self.peers.keeper).relayed())
                        .await?
                }
            }
        }
        Ok(follower.prefix().size())
    }

    async fn keep(&self, page: ReplicaPage) -> Result<(), NotBack> {
        if let Some(entry) = page.hollow() {
            return Err(Ended::Hollow(entry).into());
        }
        self.peers.ingest.recover(page).await?.map_err(NotBack::Write)
    }
}
