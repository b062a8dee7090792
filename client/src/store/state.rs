//! The two files that say what counts of the others: `state`, replaced whole at each commit, and `facts-N`,
//! written whenever a run is. Both are one checked piece of protobuf.

use std::{collections::BTreeMap, path::Path};

use prost::Message;

use almenara_proto::{
    blame::Void,
    checkpoint::{SignedCheckpoint, origin_of},
    keys::PublicKey,
    merkle::CompactRange,
    name::{MemberName, Publisher},
    prefix::{KeptKey, Prefix},
};

use super::{StoreError, erase::Erasure, frame};

/// The layout of these files.
pub(super) const VERSION: u32 = 1;

/// `state`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct State {
    #[prost(uint32, tag = "1")]
    pub(super) version: u32,
    #[prost(string, tag = "2")]
    pub(super) federation: String,
    #[prost(string, tag = "3")]
    pub(super) member: String,
    /// Bytes of `log` that count.
    #[prost(uint64, tag = "4")]
    pub(super) log_bytes: u64,
    #[prost(bytes = "vec", tag = "5")]
    pub(super) tree: Vec<u8>,
    #[prost(message, repeated, tag = "6")]
    pub(super) keys: Vec<Key>,
    /// The note of the last proven checkpoint, and the key that signed it.
    #[prost(bytes = "vec", tag = "7")]
    pub(super) checkpoint: Vec<u8>,
    #[prost(bytes = "vec", tag = "8")]
    pub(super) log_key: Vec<u8>,
    #[prost(message, repeated, tag = "9")]
    pub(super) runs: Vec<RunOf>,
    /// `facts-N`; 0 before there is one.
    #[prost(uint64, tag = "10")]
    pub(super) facts: u64,
    /// Bytes and entries of `log` that runs and facts cover; what comes behind is read again at the start.
    #[prost(uint64, tag = "11")]
    pub(super) indexed_bytes: u64,
    #[prost(uint64, tag = "12")]
    pub(super) indexed_entries: u64,
    /// The next number for a file.
    #[prost(uint64, tag = "13")]
    pub(super) next_file: u64,
    /// The filter it was pulled with.
    #[prost(bytes = "vec", tag = "14")]
    pub(super) filter: Vec<u8>,
    /// Unix seconds of the last time that it was up to date with a node.
    #[prost(uint64, tag = "15")]
    pub(super) fresh_at: u64,
    /// The note of the largest checkpoint that had a quorum of cosignatures.
    #[prost(bytes = "vec", tag = "16")]
    pub(super) settled: Vec<u8>,
    /// The key that signed it: what was settled stays settled when another one takes over.
    #[prost(bytes = "vec", tag = "17")]
    pub(super) settled_key: Vec<u8>,
    /// From this entry on its log key signed two histories; the key, empty when it did not.
    #[prost(uint64, tag = "18")]
    pub(super) parted_at: u64,
    #[prost(bytes = "vec", tag = "19")]
    pub(super) parted_key: Vec<u8>,
    /// Unix seconds: when a node last said that it had heard of the origin's own.
    #[prost(uint64, tag = "20")]
    pub(super) heard_at: u64,
    /// Erasing withdrawals that were seen.
    #[prost(message, repeated, tag = "21")]
    pub(super) erasing: Vec<Erasing>,
}

/// An erasing withdrawal, as this store deals with it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Erasing {
    /// Its index.
    #[prost(uint64, tag = "1")]
    pub(super) by: u64,
    /// Unix seconds: when this store first had it.
    #[prost(uint64, tag = "2")]
    pub(super) noticed_at: u64,
    /// What it names is deleted.
    #[prost(bool, tag = "3")]
    pub(super) done: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RunOf {
    #[prost(uint64, tag = "1")]
    pub(super) number: u64,
    #[prost(uint64, tag = "2")]
    pub(super) records: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Key {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(string, tag = "2")]
    publisher: String,
    #[prost(uint64, tag = "3")]
    granted_at: u64,
    #[prost(uint64, optional, tag = "4")]
    last_seq: Option<u64>,
    #[prost(uint64, optional, tag = "5")]
    cut: Option<u64>,
    #[prost(uint64, optional, tag = "6")]
    revoked_at: Option<u64>,
}

impl State {
    /// Nothing yet.
    pub(super) fn new(federation: &str, member: &MemberName) -> Self {
        Self {
            version: VERSION,
            federation: federation.to_owned(),
            member: member.to_string(),
            tree: CompactRange::new().to_bytes(),
            next_file: 1,
            ..Self::default()
        }
    }

    /// Reads a state file.
    pub(super) fn read(path: &Path, federation: &str) -> Result<Self, StoreError> {
        let state: Self = read(path)?;
        if state.version != VERSION {
            let why = format!("layout {} is none that this version reads ({VERSION})", state.version);
            return Err(StoreError::damaged(path, 0, why));
        }
        if state.federation != federation {
            return Err(StoreError::Federation {
                path: path.to_owned(),
                found: state.federation,
                required: federation.to_owned(),
            });
        }
        Ok(state)
    }

    pub(super) fn set_prefix(&mut self, prefix: &Prefix, last: Option<&SignedCheckpoint>) {
        self.tree = prefix.tree().to_bytes();
        self.keys = prefix.keys().map(|kept| Key::of(&kept)).collect();
        self.checkpoint = last.map(|last| last.note().to_vec()).unwrap_or_default();
        self.log_key = last.map(|last| last.log_key().to_vec()).unwrap_or_default();
    }

    /// The log's state, as it was kept.
    pub(super) fn prefix(&self, member: &MemberName) -> Result<Prefix, String> {
        let tree = CompactRange::from_bytes(&self.tree).map_err(|error| error.to_string())?;
        let keys = self.keys.iter().map(Key::kept).collect::<Result<Vec<_>, _>>()?;
        Prefix::restore(&self.federation, member.clone(), tree, keys).map_err(|void| void.to_string())
    }

    /// The last proven checkpoint, its signature verified again.
    pub(super) fn checkpoint(&self, member: &MemberName) -> Result<Option<SignedCheckpoint>, String> {
        note(&self.checkpoint, &self.log_key, member)
    }

    /// The largest settled one.
    pub(super) fn settled(&self, member: &MemberName) -> Result<Option<SignedCheckpoint>, String> {
        note(&self.settled, &self.settled_key, member)
    }
}

fn note(note: &[u8], key: &[u8], member: &MemberName) -> Result<Option<SignedCheckpoint>, String> {
    if note.is_empty() {
        return Ok(None);
    }
    let key = key.try_into().map_err(|_| "the log key has 32 bytes".to_owned())?;
    SignedCheckpoint::open(note, &origin_of(member.as_str()), key)
        .map(Some)
        .map_err(|error| error.to_string())
}

impl Key {
    pub(super) fn of(kept: &KeptKey) -> Self {
        Self {
            key: kept.key.0.to_vec(),
            publisher: kept.publisher.to_string(),
            granted_at: kept.granted_at,
            last_seq: kept.last_seq,
            cut: kept.cut,
            revoked_at: kept.revoked_at,
        }
    }

    pub(super) fn kept(&self) -> Result<KeptKey, String> {
        Ok(KeptKey {
            key: key_of(&self.key)?,
            publisher: publisher_of(&self.publisher)?,
            granted_at: self.granted_at,
            last_seq: self.last_seq,
            cut: self.cut,
            revoked_at: self.revoked_at,
        })
    }
}

fn key_of(bytes: &[u8]) -> Result<PublicKey, String> {
    bytes.try_into().map(PublicKey).map_err(|_| "a key has 32 bytes".to_owned())
}

fn publisher_of(name: &str) -> Result<Publisher, String> {
    name.parse().map_err(|bad| Void::from(bad).to_string())
}

/// What the entries say beside the statements: who spoke, what was withdrawn, which keys of others ended, and
/// how much there is of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) withdrawn: std::sync::Arc<Withdrawn>,
    /// Records of the index name an author by its place here.
    pub(super) authors: Vec<Author>,
    /// Revocations of other members' keys: they hold in any log (PROTOCOL.md §6).
    pub(super) revocations: Vec<(MemberName, PublicKey, u64)>,
    /// Erasing withdrawals that count.
    pub(super) erasures: std::sync::Arc<Vec<Erasure>>,
    pub(super) counts: Counts,
}

/// A desk with one of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Author {
    pub(super) publisher: Publisher,
    pub(super) key: PublicKey,
}

/// How much a replica holds.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Counts {
    /// Batches that count.
    #[prost(uint64, tag = "1")]
    pub batches: u64,
    /// Statements in clear.
    #[prost(uint64, tag = "2")]
    pub statements: u64,
    /// Statements that the node did not show: not released to us, not wanted, or not held there.
    #[prost(uint64, tag = "3")]
    pub withheld: u64,
    /// Of these, what the node said it does not hold.
    #[prost(uint64, tag = "4")]
    pub not_here: u64,
    /// Entries and statements that break a rule: they stay and count for nothing.
    #[prost(uint64, tag = "5")]
    pub void: u64,
    /// Statements that were withdrawn.
    #[prost(uint64, tag = "6")]
    pub withdrawn: u64,
}

/// Withdrawn statements: a bit for each leaf of the batches that have some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Withdrawn(BTreeMap<u64, Vec<u64>>);

impl Withdrawn {
    /// Whether it is new.
    pub(super) fn insert(&mut self, entry: u64, leaf: u32) -> bool {
        // A batch has at most 4,096 leaves: a target above names nothing.
        if leaf as usize >= almenara_proto::limits::BATCH_STATEMENTS {
            return false;
        }
        let words = self.0.entry(entry).or_default();
        let (word, bit) = (leaf as usize / 64, 1 << (leaf % 64));
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        words.get_mut(word).is_some_and(|word| std::mem::replace(word, *word | bit) & bit == 0)
    }

    pub(super) fn contains(&self, entry: u64, leaf: u32) -> bool {
        let word = self.0.get(&entry).and_then(|words| words.get(leaf as usize / 64));
        word.is_some_and(|word| word & 1 << (leaf % 64) != 0)
    }
}

/// `facts-N`.
#[derive(Clone, PartialEq, Message)]
struct Kept {
    #[prost(message, repeated, tag = "1")]
    withdrawn: Vec<KeptWithdrawn>,
    #[prost(message, repeated, tag = "2")]
    authors: Vec<KeptAuthor>,
    #[prost(message, repeated, tag = "3")]
    revocations: Vec<KeptRevocation>,
    #[prost(message, optional, tag = "4")]
    counts: Option<Counts>,
    #[prost(message, repeated, tag = "5")]
    erasures: Vec<KeptErasure>,
}

#[derive(Clone, PartialEq, Message)]
struct KeptErasure {
    #[prost(uint64, tag = "1")]
    by: u64,
    #[prost(bytes = "vec", repeated, tag = "2")]
    keys: Vec<Vec<u8>>,
    #[prost(uint64, repeated, tag = "3")]
    entries: Vec<u64>,
    #[prost(uint32, repeated, tag = "4")]
    leaves: Vec<u32>,
}

#[derive(Clone, PartialEq, Message)]
struct KeptWithdrawn {
    #[prost(uint64, tag = "1")]
    entry: u64,
    #[prost(fixed64, repeated, tag = "2")]
    words: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct KeptAuthor {
    #[prost(string, tag = "1")]
    publisher: String,
    #[prost(bytes = "vec", tag = "2")]
    key: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct KeptRevocation {
    #[prost(string, tag = "1")]
    member: String,
    #[prost(bytes = "vec", tag = "2")]
    key: Vec<u8>,
    #[prost(uint64, tag = "3")]
    since_index: u64,
}

impl Facts {
    /// The place of an author in the table; a new one is added.
    pub(super) fn author(&mut self, publisher: &Publisher, key: PublicKey) -> usize {
        self.authors.iter().position(|author| author.key == key).unwrap_or_else(|| {
            self.authors.push(Author { publisher: publisher.clone(), key });
            self.authors.len() - 1
        })
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), StoreError> {
        let withdrawn = self.withdrawn.0.iter();
        let kept = Kept {
            withdrawn: withdrawn
                .map(|(entry, words)| KeptWithdrawn { entry: *entry, words: words.clone() })
                .collect(),
            authors: self
                .authors
                .iter()
                .map(|author| KeptAuthor {
                    publisher: author.publisher.to_string(),
                    key: author.key.0.to_vec(),
                })
                .collect(),
            revocations: self
                .revocations
                .iter()
                .map(|(member, key, since_index)| KeptRevocation {
                    member: member.to_string(),
                    key: key.0.to_vec(),
                    since_index: *since_index,
                })
                .collect(),
            erasures: self
                .erasures
                .iter()
                .map(|erasure| KeptErasure {
                    by: erasure.by,
                    keys: erasure.keys.iter().map(|key| key.0.to_vec()).collect(),
                    entries: erasure.targets.iter().map(|(entry, _)| *entry).collect(),
                    leaves: erasure.targets.iter().map(|(_, leaf)| *leaf).collect(),
                })
                .collect(),
            counts: Some(self.counts),
        };
        frame::replace(path, &kept.encode_to_vec())
    }

    pub(super) fn read(path: &Path) -> Result<Self, StoreError> {
        let kept: Kept = read(path)?;
        let withdrawn = kept.withdrawn.into_iter().map(|kept| (kept.entry, kept.words)).collect();
        let parsed = || -> Result<Self, String> {
            Ok(Self {
                withdrawn: std::sync::Arc::new(Withdrawn(withdrawn)),
                authors: kept
                    .authors
                    .iter()
                    .map(|kept| {
                        Ok(Author { publisher: publisher_of(&kept.publisher)?, key: key_of(&kept.key)? })
                    })
                    .collect::<Result<_, String>>()?,
                revocations: kept
                    .revocations
                    .iter()
                    .map(|kept| {
                        let member = kept.member.parse().map_err(|bad| Void::from(bad).to_string())?;
                        Ok((member, key_of(&kept.key)?, kept.since_index))
                    })
                    .collect::<Result<_, String>>()?,
                erasures: std::sync::Arc::new(
                    kept.erasures
                        .iter()
                        .map(|kept| {
                            let targets = kept.entries.iter().copied().zip(kept.leaves.iter().copied());
                            Ok(Erasure {
                                by: kept.by,
                                keys: kept.keys.iter().map(|key| key_of(key)).collect::<Result<_, _>>()?,
                                targets: targets.collect(),
                            })
                        })
                        .collect::<Result<_, String>>()?,
                ),
                counts: kept.counts.unwrap_or_default(),
            })
        };
        parsed().map_err(|why| StoreError::damaged(path, 0, why))
    }
}

fn read<M: Message + Default>(path: &Path) -> Result<M, StoreError> {
    let mut body = Vec::new();
    frame::read_at(path, 0, &mut body)?;
    M::decode(body.as_slice()).map_err(|error| StoreError::damaged(path, 0, error.to_string()))
}
