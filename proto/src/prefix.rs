//! What the entries of one member's log, up to a size, add up to (PROTOCOL.md §§5, 6): its tree, its desks'
//! keys, and which entries count. Anybody who replays the same entries reaches the same state.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    batch::BatchHeader,
    blame::Void,
    checkpoint::Checkpoint,
    keys::{PublicKey, VerifyingKey},
    log::{KeyGrant, KeyRevocation, LogEntry, Withdrawal},
    merkle::{self, CompactRange, Hash},
    name::{MemberName, Publisher},
    roster::Roster,
    signed::{Body, Signed},
};

/// A desk's key, as the log tells its life.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyLife {
    /// Who holds it.
    pub publisher: Publisher,
    /// Index of its grant; it speaks above that.
    pub granted_at: u64,
    /// The largest `seq` so far; nothing before its first entry.
    pub last_seq: Option<u64>,
    /// Entries at or above it do not count; nothing while the key is in force.
    pub cut: Option<u64>,
    /// Own log index of the first revocation; withdrawals below it are never voided.
    pub revoked_at: Option<u64>,
}

/// The state of one member's log at a size.
#[derive(Clone, Debug, PartialEq)]
pub struct Prefix {
    federation: String,
    member: MemberName,
    tree: CompactRange,
    keys: BTreeMap<PublicKey, KeyLife>,
    /// Cuts that other members' logs told of before this log granted the key.
    early_cuts: BTreeMap<PublicKey, u64>,
}

/// An entry whose author's signature was checked as far as the entry alone allows: batches, withdrawals and
/// overrides name their key. Grants and revocations are checked against the roster when they are judged.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedEntry(LogEntry);

impl CheckedEntry {
    /// Verifies what the entry alone allows; stateless, so that many can be checked at once.
    ///
    /// # Errors
    /// [`Void`] when a signature does not hold.
    pub fn check(entry: LogEntry) -> Result<Self, Void> {
        match &entry {
            LogEntry::Batch(signed) => verify(signed, signed.content.key)?,
            LogEntry::Withdrawal(signed) => {
                verify(signed, signed.content.key)?;
                match (signed.content.second_key, signed.second_signature) {
                    (None, None) => {}
                    (Some(key), Some(signature)) => {
                        Withdrawal::CONTEXT.verify(&signed.body, &signature, &point(key)?)?;
                    }
                    _ => {
                        return Err(Void::new(
                            "Signed.second_signature",
                            "it stands exactly with a second key",
                        ));
                    }
                }
            }
            LogEntry::Override(signed) => verify(signed, signed.content.key)?,
            LogEntry::KeyGrant(_) | LogEntry::KeyRevocation(_) => {}
        }
        Ok(Self(entry))
    }

    /// A batch whose header was verified with its statements.
    #[must_use]
    pub fn from_verified(header: Signed<BatchHeader>) -> Self {
        Self(LogEntry::Batch(header))
    }

    /// The entry.
    #[must_use]
    pub const fn entry(&self) -> &LogEntry {
        &self.0
    }
}

fn point(key: PublicKey) -> Result<VerifyingKey, Void> {
    VerifyingKey::from_bytes(&key.0).map_err(|_| Void::new("key", "it is no point of the curve"))
}

fn verify<T: Body>(signed: &Signed<T>, key: PublicKey) -> Result<(), Void> {
    signed.verify(&point(key)?)
}

impl Prefix {
    /// The empty log of `member`.
    #[must_use]
    pub fn new(federation: &str, member: MemberName) -> Self {
        Self {
            federation: federation.to_owned(),
            member,
            tree: CompactRange::new(),
            keys: BTreeMap::new(),
            early_cuts: BTreeMap::new(),
        }
    }

    /// A state that was kept: the tree, and each key with its life. Call [`Self::revoke`] again for revocations
    /// in other logs whose keys this log has not granted yet.
    ///
    /// # Errors
    /// [`Void`] when a kept key is weak: the store was tampered with.
    pub fn restore(
        federation: &str,
        member: MemberName,
        tree: CompactRange,
        keys: Vec<KeptKey>,
    ) -> Result<Self, Void> {
        let keys = keys
            .into_iter()
            .map(|kept| {
                kept.key.admit()?;
                Ok((
                    kept.key,
                    KeyLife {
                        publisher: kept.publisher,
                        granted_at: kept.granted_at,
                        last_seq: kept.last_seq,
                        cut: kept.cut,
                        revoked_at: kept.revoked_at,
                    },
                ))
            })
            .collect::<Result<_, Void>>()?;
        Ok(Self { federation: federation.to_owned(), member, tree, keys, early_cuts: BTreeMap::new() })
    }

    /// Whose log.
    #[must_use]
    pub const fn member(&self) -> &MemberName {
        &self.member
    }

    /// Entries so far: the next index.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The right edge of its tree.
    #[must_use]
    pub const fn tree(&self) -> &CompactRange {
        &self.tree
    }

    /// Origin line, size and root.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            origin: crate::checkpoint::origin_of(self.member.as_str()),
            size: self.tree.size(),
            root: self.tree.root(),
        }
    }

    /// The life of a key.
    #[must_use]
    pub fn key(&self, key: &PublicKey) -> Option<&KeyLife> {
        self.keys.get(key)
    }

    /// All keys, to keep them.
    pub fn keys(&self) -> impl Iterator<Item = KeptKey> + '_ {
        self.keys.iter().map(|(key, life)| KeptKey::of(*key, life))
    }

    /// The keys whose life is another one than in `before`, an earlier state of the same log: those that did no more
    /// than speak, which the entries between the two tell, and all others.
    #[must_use]
    pub fn keys_since(&self, before: &Self) -> (Vec<KeptKey>, Vec<KeptKey>) {
        let changed = self.keys.iter().filter(|(key, life)| before.keys.get(*key) != Some(*life));
        changed.map(|(key, life)| KeptKey::of(*key, life)).partition(|kept| {
            let before = before.keys.get(&kept.key).map(|life| KeptKey::of(kept.key, life));
            before.is_some_and(|before| KeptKey { last_seq: kept.last_seq, ..before } == *kept)
        })
    }

    /// `cut(key)`: entries at or above it do not count (PROTOCOL.md §6).
    #[must_use]
    pub fn cut(&self, key: &PublicKey) -> Option<u64> {
        self.keys.get(key).and_then(|life| life.cut)
    }

    /// Whether a node takes `entry` as the next one of its log: it would count, and a granted key stands nowhere
    /// on the roster. Every check in order, each with its own error.
    ///
    /// The last of these is no void rule: a key that a member puts on a later roster must not end the life that
    /// the same key has in the log of another.
    ///
    /// # Errors
    /// [`Void`]: it is refused.
    pub fn judge(&self, entry: &CheckedEntry, roster: &Roster) -> Result<(), Void> {
        self.in_force(&entry.0)?;
        self.stands(&entry.0, roster)?;
        match &entry.0 {
            LogEntry::KeyGrant(signed) if roster.holds(&signed.content.key) => {
                Err(Void::new("KeyGrant.key", "it stands on the roster; a key has one purpose"))
            }
            _ => Ok(()),
        }
    }

    /// The void rules that this log alone decides, whatever other logs revoke.
    fn stands(&self, entry: &LogEntry, roster: &Roster) -> Result<(), Void> {
        match entry {
            LogEntry::Batch(signed) => {
                let header = &signed.content;
                self.ours(&header.federation, &header.member)?;
                let life = self.granted(&header.key, &header.publisher)?;
                next_seq(life, header.seq)
            }
            LogEntry::Withdrawal(signed) => self.judge_withdrawal(&signed.content, roster),
            LogEntry::KeyGrant(signed) => self.judge_grant(signed, roster),
            LogEntry::KeyRevocation(signed) => self.judge_revocation(signed, roster),
            LogEntry::Override(signed) => {
                self.ours(&signed.content.federation, &signed.content.member)?;
                self.granted(&signed.content.key, &signed.content.publisher).map(drop)
            }
        }
    }

    /// What a cut ends: batches and overrides. A withdrawal is ended by a revocation below it in its own log only
    /// (`stands`): a false positive does not come back because a key was stolen.
    fn in_force(&self, entry: &LogEntry) -> Result<(), Void> {
        let key = match entry {
            LogEntry::Batch(signed) => &signed.content.key,
            LogEntry::Override(signed) => &signed.content.key,
            LogEntry::Withdrawal(_) | LogEntry::KeyGrant(_) | LogEntry::KeyRevocation(_) => return Ok(()),
        };
        match self.cut(key) {
            Some(cut) if self.size() >= cut => {
                Err(Void::new("key", format!("{key} is revoked since index {cut}")))
            }
            _ => Ok(()),
        }
    }

    fn ours(&self, federation: &str, member: &MemberName) -> Result<(), Void> {
        if federation != self.federation {
            return Err(Void::new(
                "federation",
                format!("it is of {federation}, this log of {}", self.federation),
            ));
        }
        if *member != self.member {
            return Err(Void::new("member", format!("it is of {member}, this log of {}", self.member)));
        }
        Ok(())
    }

    fn granted(&self, key: &PublicKey, publisher: &Publisher) -> Result<&KeyLife, Void> {
        let life =
            self.keys.get(key).ok_or_else(|| Void::new("key", format!("{key} was not granted here")))?;
        if life.publisher != *publisher {
            return Err(Void::new(
                "publisher",
                format!("{key} was granted to {}, not to {publisher}", life.publisher),
            ));
        }
        Ok(life)
    }

    fn judge_withdrawal(&self, withdrawal: &Withdrawal, roster: &Roster) -> Result<(), Void> {
        self.ours(&withdrawal.federation, &withdrawal.member)?;
        let life = self.granted(&withdrawal.key, &withdrawal.publisher)?;
        if life.revoked_at.is_some() {
            return Err(Void::new("key", format!("{} is revoked", withdrawal.key)));
        }
        next_seq(life, withdrawal.seq)?;
        if withdrawal.targets.last().is_some_and(|&(entry, _)| entry >= self.size()) {
            return Err(Void::new("Withdrawal.targets", "a target is not below the withdrawal's own index"));
        }
        if let Some(second) = withdrawal.second_key {
            let root_key = self.root_key(roster);
            let desk = self.keys.get(&second).is_some_and(|life| life.revoked_at.is_none());
            if second == withdrawal.key || !(desk || root_key == Some(second)) {
                return Err(Void::new(
                    "Withdrawal.second_key",
                    "another key of this member in force is required",
                ));
            }
        }
        Ok(())
    }

    fn root_key(&self, roster: &Roster) -> Option<PublicKey> {
        Some(roster.member(&self.member)?.segment_at(self.size())?.root_key)
    }

    fn judge_grant(&self, signed: &Signed<KeyGrant>, roster: &Roster) -> Result<(), Void> {
        let grant = &signed.content;
        self.ours(&grant.federation, &grant.member)?;
        let root = self.root_key(roster).ok_or_else(|| Void::new("member", "it is not on the roster"))?;
        signed.verify(&point(root)?)?;
        grant.key.admit()?;
        if self.keys.contains_key(&grant.key) {
            return Err(Void::new("KeyGrant.key", "it was granted before; a key has one life"));
        }
        Ok(())
    }

    fn judge_revocation(&self, signed: &Signed<KeyRevocation>, roster: &Roster) -> Result<(), Void> {
        let revocation = &signed.content;
        if revocation.federation != self.federation {
            return Err(Void::new("federation", "it is of another federation"));
        }
        let member = roster.member(&revocation.member).ok_or_else(|| {
            Void::new("KeyRevocation.member", format!("{} is not on the roster", revocation.member))
        })?;
        let own = revocation.member == self.member;
        // In another member's log no own index tells the segment: any root key of the member's will do.
        let holds = member
            .segments
            .iter()
            .filter(|segment| !own || Some(segment.root_key) == self.root_key(roster))
            .any(|segment| point(segment.root_key).is_ok_and(|key| signed.verify(&key).is_ok()));
        if !holds {
            return Err(Void::new(
                "KeyRevocation",
                format!("no root key of {} signed it", revocation.member),
            ));
        }
        if own && revocation.since_index > self.size() {
            return Err(Void::new("KeyRevocation.since_index", "it is above the revocation's own index"));
        }
        if own && !self.keys.contains_key(&revocation.key) {
            return Err(Void::new("KeyRevocation.key", "it was never granted here"));
        }
        Ok(())
    }

    /// Appends the next entry, whatever it is. What is void stays in history and has no effect.
    pub fn append(&mut self, bytes: &Bytes, roster: &Roster) -> Appended {
        let checked = LogEntry::parse(bytes).and_then(CheckedEntry::check);
        self.append_checked(bytes, checked, roster)
    }

    /// The same for an entry that was checked before.
    pub fn append_checked(
        &mut self,
        bytes: &Bytes,
        checked: Result<CheckedEntry, Void>,
        roster: &Roster,
    ) -> Appended {
        let index = self.size();
        let outcome = checked.and_then(|entry| {
            self.stands(&entry.0, roster)?;
            let in_force = self.in_force(&entry.0);
            self.apply(index, &entry.0);
            in_force.map(|()| entry.0)
        });
        let leaf = merkle::leaf_hash(bytes);
        self.tree.append(&leaf);
        Appended { index, leaf, outcome }
    }

    /// The state after an entry that stands. One beyond its key's cut takes its `seq` as well: a cut may be
    /// learned early or late from another log, and both must lead to one state.
    fn apply(&mut self, index: u64, entry: &LogEntry) {
        match entry {
            LogEntry::Batch(signed) => self.spoke(&signed.content.key, signed.content.seq),
            LogEntry::Withdrawal(signed) => self.spoke(&signed.content.key, signed.content.seq),
            LogEntry::KeyGrant(signed) => {
                let KeyGrant { key, publisher, .. } = &signed.content;
                let life = KeyLife {
                    publisher: publisher.clone(),
                    granted_at: index,
                    last_seq: None,
                    cut: self.early_cuts.remove(key),
                    revoked_at: None,
                };
                self.keys.insert(*key, life);
            }
            LogEntry::KeyRevocation(signed) if signed.content.member == self.member => {
                if let Some(life) = self.keys.get_mut(&signed.content.key) {
                    life.revoked_at.get_or_insert(index);
                }
                self.revoke(&signed.content.key, signed.content.since_index);
            }
            LogEntry::KeyRevocation(_) | LogEntry::Override(_) => {}
        }
    }

    fn spoke(&mut self, key: &PublicKey, seq: u64) {
        if let Some(life) = self.keys.get_mut(key) {
            life.last_seq = Some(seq);
        }
    }

    /// Applies a revocation that stands in any log: the least `since_index` wins, and it may come before the grant.
    pub fn revoke(&mut self, key: &PublicKey, since_index: u64) {
        let cut = match self.keys.get_mut(key) {
            Some(life) => life.cut.get_or_insert(since_index),
            None => self.early_cuts.entry(*key).or_insert(since_index),
        };
        *cut = since_index.min(*cut);
    }
}

fn next_seq(life: &KeyLife, seq: u64) -> Result<(), Void> {
    match life.last_seq {
        Some(last) if seq <= last => {
            Err(Void::new("seq", format!("{seq} is not above {last}, the key's last in this log")))
        }
        _ => Ok(()),
    }
}

/// What [`Prefix::append`] did.
#[derive(Clone, Debug, PartialEq)]
pub struct Appended {
    /// Its index.
    pub index: u64,
    /// Its leaf hash in the log.
    pub leaf: Hash,
    /// The entry, if it counts; else why not.
    pub outcome: Result<LogEntry, Void>,
}

/// A key's life as a store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptKey {
    /// The key.
    pub key: PublicKey,
    /// Who holds it.
    pub publisher: Publisher,
    /// Index of its grant.
    pub granted_at: u64,
    /// Its largest `seq`.
    pub last_seq: Option<u64>,
    /// Entries at or above it do not count.
    pub cut: Option<u64>,
    /// Own log index of its first revocation.
    pub revoked_at: Option<u64>,
}

impl KeptKey {
    fn of(key: PublicKey, life: &KeyLife) -> Self {
        Self {
            key,
            publisher: life.publisher.clone(),
            granted_at: life.granted_at,
            last_seq: life.last_seq,
            cut: life.cut,
            revoked_at: life.revoked_at,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
