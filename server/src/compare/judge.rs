//! What an answer says of one log: that both can be true, that two histories were signed, or nothing.

use almenara_client::{follow, store::is_settled};
use almenara_proto::{
    checkpoint::SignedCheckpoint,
    evidence::{Departure, Equivocation},
    merkle::{Hash, verify_consistency},
    name::MemberName,
    roster::Roster,
    wire,
};

use super::{Client, Comparer, Ended};
use crate::{
    heads::{Head, Settled},
    own_log::Behind,
    quarantine::Quarantine,
};

/// What a note says to us.
#[derive(Debug)]
enum Verdict {
    /// It is of a tree that ours passed.
    Known,
    /// Both can be true.
    Agrees,
    Contradicts(Box<Equivocation>),
    /// Ours has grown since the question: the next round asks again.
    Later,
    /// Whoever showed it may have made it up.
    Unproven(&'static str),
}

impl Comparer {
    /// Everything that an answer says of one log; `size` is what was asked for.
    pub(super) async fn take(
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
                Err(error) => {
                    tracing::warn!(%other, %origin, %error, "it brings evidence that proves nothing")
                }
            }
        }
        if let Some(note) = open(origin, &answer.checkpoint, roster) {
            match self.judge(origin, &note, size, answer).await? {
                Verdict::Known | Verdict::Agrees => self.agrees(other, origin, note).await?,
                Verdict::Contradicts(proof) => self.quarantine(client, other, *proof).await?,
                Verdict::Later => {}
                Verdict::Unproven(why) => {
                    tracing::warn!(%other, %origin, why, "its note is not believed");
                    self.peers.compared.shows_nothing(origin, other);
                }
            }
        }
        // One that is larger than ours is judged when it is not any more.
        let reached = self.peers.heads.get(origin).map_or(0, |head| head.signed_size);
        let settled = open(origin, &answer.settled, roster);
        if let Some(note) = settled.filter(|note| note.checkpoint().size <= reached) {
            match self.judge(origin, &note, size, answer).await? {
                Verdict::Known if is_settled(&note, origin, roster) => {
                    self.peers.ingest.settle(origin.clone(), Settled::new(&note)).await?;
                }
                Verdict::Contradicts(proof) => self.quarantine(client, other, *proof).await?,
                _ => {}
            }
        }
        Ok(())
    }

    async fn agrees(
        &self,
        other: &MemberName,
        origin: &MemberName,
        note: SignedCheckpoint,
    ) -> Result<(), Ended> {
        let (signed, head) = (note.checkpoint().size, self.peers.heads.get(origin));
        let held = head.as_ref().map_or(0, |head| head.signed_size);
        if let Some(head) = head.filter(|_| signed > held) {
            self.peers.compared.expect(&self.peers.ingest, &head, note.clone()).await?;
        }
        let before = self.peers.compared.showed(origin, other, note);
        if signed > held && *origin == self.peers.member {
            self.peers.own.behind(Behind { held, signed, by: other.to_string(), why: String::new() });
        }
        if signed < held && origin == other && before != Some(signed) {
            tracing::warn!(%origin, shows = signed, held, "the origin shows less of its log than it signed");
        }
        Ok(())
    }

    /// Notes that were larger than what was held when they were shown, against what is held now: the one who showed them
    /// may be gone.
    pub(super) async fn look_back(&self) -> Result<(), Ended> {
        for head in self.peers.heads.all() {
            let origin = head.prefix.member();
            let Some(note) = self.peers.compared.largest(origin) else { continue };
            let shown = note.checkpoint();
            if head.quarantined(&self.peers.rosters).is_some()
                || shown.size > head.signed_size
                || self.peers.compared.leads_to(origin, shown)
            {
                continue;
            }
            let Some(ours) = self.ours(&head).filter(|ours| ours.log_key() == note.log_key()) else {
                continue;
            };
            match self.trees.contradiction(head.log, &ours, &note).await? {
                None => self.peers.compared.reached(origin, shown),
                Some(proof) => self.peers.accuser.accuse(Quarantine::new(proof)).await?,
            }
        }
        Ok(())
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
        let Some(ours) = ours.filter(|ours| ours.log_key() == note.log_key()) else {
            return Ok(Verdict::Agrees);
        };
        if (size, root) == (head.signed_size, ours.checkpoint().root) {
            return Ok(Verdict::Known);
        }
        if size <= head.signed_size {
            let found = self.trees.contradiction(head.log, &ours, note).await?;
            return Ok(found.map_or(Verdict::Known, |proof| Verdict::Contradicts(Box::new(proof))));
        }
        // Two that others hold may contradict each other, before either is here.
        let known = self.peers.compared.largest(origin).filter(|known| known.log_key() == note.log_key());
        if let Some(known) =
            known.filter(|known| known.checkpoint().size == size && known.checkpoint().root != root)
        {
            return Ok(contradiction(&known, note, None));
        }
        if asked == 0 {
            return Ok(Verdict::Agrees);
        }
        if head.signed_size != asked {
            return Ok(Verdict::Later);
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
        Ok(self.peers.accuser.accuse(Quarantine { agreed, proof }).await?)
    }

    /// How many entries both histories share, found by halving; nothing when the other side holds ours, or does not
    /// prove what it says.
    async fn agreed(&self, client: &mut Client, origin: &MemberName, found: &Equivocation) -> Option<u64> {
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

#[cfg(test)]
mod tests;
