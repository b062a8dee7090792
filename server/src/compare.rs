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

mod known;
mod root;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, time::Duration};

use futures::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use tonic::{Code, transport::Channel};

use almenara_client::{follow, rpc::log_service_client::LogServiceClient, store::is_settled, tls};
use almenara_proto::{
    checkpoint::SignedCheckpoint,
    evidence::{Departure, Equivocation},
    limits::MESSAGE_BYTES,
    merkle::{Hash, verify_consistency},
    name::MemberName,
    roster::Roster,
    wire,
};

use crate::{
    heads::Head,
    ingest::NotNow,
    own_log::{Behind, Standing},
    peers::Peers,
    quarantine::Quarantine,
    store::StoreError,
};

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

/// What a note says to us.
#[derive(Debug)]
enum Verdict {
    /// Both can be true.
    Agrees,
    Contradicts(Box<Equivocation>),
    /// Whoever showed it may have made it up.
    Unproven(&'static str),
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
                tracing::warn!("no other member's node answers: the own log goes on as it is, unseen by others");
            }
            self.peers.own.compared();
            self.peers.compared.round_ended();
            self.tell_stale(&mut stale);
            let pause = crate::peers::jittered(self.peers.pace.every, &self.peers.member, (self.peers.clock)());
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

    /// Everything that an answer says of one log; `size` is what was asked for.
    async fn take(
        &self,
        client: &mut Client,
        other: &MemberName,
        origin: &MemberName,
        size: u64,
        answer: &wire::GetCheckpointResponse,
        roster: &Roster,
    ) -> Result<(), Ended> {
        if !answer.evidence.is_empty() {
            match Quarantine::check(&answer.evidence, roster) {
                Ok(found) if found.member() == origin => {
                    self.quarantine(client, other, found.proof).await?;
                }
                Ok(_) => tracing::warn!(%other, %origin, "it brings evidence about another log"),
                Err(error) => tracing::warn!(%other, %origin, %error, "it brings evidence that proves nothing"),
            }
        }
        for (note, newest) in [(&answer.checkpoint, true), (&answer.settled, false)] {
            let Some(note) = open(origin, note, roster) else { continue };
            match self.judge(origin, &note, size, answer).await? {
                Verdict::Agrees => {
                    if is_settled(&note, origin, roster) {
                        self.peers.compared.showed_settled(origin, note.clone());
                    }
                    if newest {
                        self.agrees(other, origin, note);
                    }
                }
                Verdict::Contradicts(proof) => self.quarantine(client, other, *proof).await?,
                Verdict::Unproven(why) => {
                    tracing::warn!(%other, %origin, why, "its note is not believed");
                    self.peers.compared.shows_nothing(origin, other);
                }
            }
        }
        Ok(())
    }

    fn agrees(&self, other: &MemberName, origin: &MemberName, note: SignedCheckpoint) {
        let (signed, head) = (note.checkpoint().size, self.peers.heads.get(origin));
        let held = head.map_or(0, |head| head.signed_size);
        let before = self.peers.compared.showed(origin, other, note);
        if signed > held && *origin == self.peers.member {
            self.peers.own.behind(Behind { held, signed, by: other.to_string(), why: String::new() });
        }
        if signed < held && origin == other && before != Some(signed) {
            tracing::warn!(%origin, shows = signed, held, "the origin shows less of its log than it signed");
        }
    }

    /// A note that the log's key signed, against what is held; `asked` is the size whose root stands in the answer.
    async fn judge(
        &self,
        origin: &MemberName,
        note: &SignedCheckpoint,
        asked: u64,
        answer: &wire::GetCheckpointResponse,
    ) -> Result<Verdict, Ended> {
        // What is held now: the log may have grown since the question.
        let Some(head) = self.peers.heads.get(origin) else { return Ok(Verdict::Agrees) };
        let ours = self.ours(&head);
        let (size, root) = (note.checkpoint().size, note.checkpoint().root);
        let Some(ours) = ours.filter(|ours| ours.log_key() == note.log_key()) else { return Ok(Verdict::Agrees) };
        if size <= head.signed_size {
            let prefix = self.trees.root(head.log, size).await?;
            if prefix == root {
                return Ok(Verdict::Agrees);
            }
            let consistency = self.trees.consistency(head.log, size, head.signed_size).await?;
            let departure = (size < head.signed_size).then_some(Departure { prefix, consistency });
            return Ok(contradiction(note, &ours, departure));
        }
        if asked == 0 {
            return Ok(Verdict::Agrees);
        }
        if head.signed_size != asked {
            // It has grown since the question: the next round asks again.
            return Ok(Verdict::Unproven("our log has grown since the question"));
        }
        Ok(larger(&ours, note, answer))
    }

    fn ours(&self, head: &Head) -> Option<SignedCheckpoint> {
        open(head.prefix.member(), &head.checkpoint, &self.peers.rosters.current().roster)
    }

    /// Two histories under one key: ends the log where they part, durably and loudly.
    async fn quarantine(
        &self,
        client: &mut Client,
        other: &MemberName,
        proof: Equivocation,
    ) -> Result<(), Ended> {
        let origin = proof.member().clone();
        let known = self.peers.heads.get(&origin).and_then(|head| head.quarantine.clone());
        if known.is_some_and(|known| known.agreed <= proof.common_at_most()) {
            return Ok(());
        }
        let agreed = self.agreed(client, &origin, &proof).await.unwrap_or_else(|| proof.common_at_most());
        tracing::error!(%origin, %other, %proof, "its answer shows that this log's key signed two histories");
        Ok(self.peers.quarantine(Quarantine { agreed, proof }).await?)
    }

    /// How many entries both histories share, found by halving; nothing when the other side holds ours, or does not
    /// prove what it says.
    async fn agreed(
        &self,
        client: &mut Client,
        origin: &MemberName,
        found: &Equivocation,
    ) -> Option<u64> {
        let head = self.peers.heads.get(origin)?;
        let (mut low, mut high) = (0, found.earlier().checkpoint().size.min(head.prefix.size()));
        if high == 0 || self.shares(client, &head, high).await? {
            return None;
        }
        while high.saturating_sub(low) > 1 {
            let middle = low.midpoint(high);
            if self.shares(client, &head, middle).await? { low = middle } else { high = middle }
        }
        Some(low)
    }

    /// Whether the other side's history begins with our first `size` entries; nothing when it does not prove it.
    async fn shares(&self, client: &mut Client, head: &Head, size: u64) -> Option<bool> {
        let origin = head.prefix.member();
        let request = wire::GetCheckpointRequest { origin: origin.to_string(), size };
        let answer = client.get_checkpoint(request).await.ok()?.into_inner();
        let note = open(origin, &answer.checkpoint, &self.peers.rosters.current().roster)?;
        let (signed, top) = (note.checkpoint().size, note.checkpoint().root);
        let root = if signed == size {
            top
        } else {
            let (root, consistency) = proof(&answer)?;
            verify_consistency(size, &root, signed, &top, &consistency).ok()?;
            root
        };
        Some(root == self.trees.root(head.log, size).await.ok()?)
    }
}

/// A larger note than ours, and what the answer proves of the tree behind it.
fn larger(ours: &SignedCheckpoint, note: &SignedCheckpoint, answer: &wire::GetCheckpointResponse) -> Verdict {
    let Some((prefix, consistency)) = proof(answer) else {
        return Verdict::Unproven("it does not show what its tree has at our size");
    };
    let (old, new) = (ours.checkpoint(), note.checkpoint());
    if verify_consistency(old.size, &prefix, new.size, &new.root, &consistency).is_err() {
        return Verdict::Unproven("its proof does not lead to its note");
    }
    if prefix == old.root {
        return Verdict::Agrees;
    }
    contradiction(ours, note, Some(Departure { prefix, consistency }))
}

fn contradiction(old: &SignedCheckpoint, new: &SignedCheckpoint, departure: Option<Departure>) -> Verdict {
    Equivocation::new(old.clone(), new.clone(), departure)
        .map_or(Verdict::Unproven("it proves nothing"), |proof| Verdict::Contradicts(Box::new(proof)))
}

/// A note under the log key that is in force; others are none.
fn open(origin: &MemberName, note: &[u8], roster: &Roster) -> Option<SignedCheckpoint> {
    follow::open(note, roster.member(origin)?).ok()
}

/// The root at the asked size, and the proof from there.
fn proof(answer: &wire::GetCheckpointResponse) -> Option<(Hash, Vec<Hash>)> {
    let root = Hash::try_from(answer.root.as_ref()).ok()?;
    let hashes = answer.consistency.iter().map(|hash| Hash::try_from(hash.as_ref()).ok());
    Some((root, hashes.collect::<Option<Vec<_>>>()?))
}
