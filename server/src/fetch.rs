//! Asking other members' nodes for entries and statements by their places: whoever needs one asks here, and nothing is
//! believed but what leads to the leaf in our own tree, and to the root under the header there.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use tonic::transport::Channel;

use almenara_client::{
    rpc::{custody_service_client::CustodyServiceClient, log_service_client::LogServiceClient},
    tls::{self, Clock, Identity, SharedAuthorities},
};
use almenara_proto::{
    batch::{Disclosure, VerifiedBatch, leaf_ranges},
    limits::MESSAGE_BYTES,
    log::LogEntry,
    merkle::{self, Hash},
    name::MemberName,
    tile::{TILE_WIDTH, TileId},
    wire,
};

use crate::{
    ingest,
    rosters::SharedRosters,
    store::{LogId, Store, StoreError, chunks::Stored},
};

/// For one call to one member's node: some megabytes over a slow line.
const CALL: Duration = Duration::from_secs(60);

/// Leaves of entries of one log.
pub type Wanted = BTreeMap<u64, BTreeSet<u32>>;

/// How to ask.
#[derive(Clone)]
pub struct Fetcher {
    /// Whose node this is.
    pub member: MemberName,
    /// Our node's leaf.
    pub identity: Identity,
    /// Of all members.
    pub authorities: SharedAuthorities,
    /// Who belongs, and where their nodes are.
    pub rosters: SharedRosters,
    /// Unix seconds.
    pub clock: Clock,
    /// The trees that answers must fit.
    pub store: Store,
}

/// A log as its tree stands here.
#[derive(Clone, Copy, Debug)]
pub struct Tree<'a> {
    /// Whose log.
    pub origin: &'a MemberName,
    /// Its number.
    pub log: LogId,
    /// Entries.
    pub size: u64,
}

/// An entry as another member shows it, proven.
#[derive(Debug)]
pub struct Shown {
    /// Its index.
    pub entry: u64,
    /// `LogEntry`, verbatim.
    pub bytes: Bytes,
    /// Of all leaves; nothing for an entry that is no batch, or when they were not asked for.
    pub hashes: Vec<Hash>,
    /// Leaf, bytes, index key.
    pub statements: Vec<Stored>,
}

/// Why another member's node did not answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(String);

impl NoAnswer {
    fn because(why: impl std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}

impl Fetcher {
    /// Whom to ask about a log, in order: its origin shows all that we may have.
    #[must_use]
    pub fn sources(&self, origin: &MemberName) -> Vec<MemberName> {
        let roster = self.rosters.current();
        let first = roster.roster.member(origin).map(|member| &member.name);
        let others = roster.roster.members.keys().filter(|name| *name != origin);
        first.into_iter().chain(others).filter(|name| **name != self.member).cloned().collect()
    }

    /// What the node of `source` shows of these entries: all that we may see, or only what our member keeps, and then
    /// with all leaf hashes. What it does not have is left out.
    ///
    /// # Errors
    /// [`NoAnswer`]: it cannot be reached, has another roster, or what it shows is not what stands in the tree.
    pub async fn ask(
        &self,
        source: &MemberName,
        tree: Tree<'_>,
        wanted: &Wanted,
        to_keep: bool,
    ) -> Result<Vec<Shown>, NoAnswer> {
        let asking = async {
            let request = wire::FetchRequest {
                origin: tree.origin.to_string(),
                roster: self.rosters.current().roster.version,
                wanted: to_wire(wanted),
                to_keep,
            };
            let channel = self.connect(source).await?;
            let mut client = LogServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES);
            let mut answers = client.fetch(request).await.map_err(NoAnswer::because)?.into_inner();
            let mut shown = Vec::new();
            while let Some(answer) = answers.message().await.map_err(NoAnswer::because)? {
                let asked = wanted.get(&answer.entry).filter(|_| shown.len() < wanted.len());
                let asked = asked.ok_or_else(|| NoAnswer::because("it shows what was not asked for"))?;
                let leaf = self.leaf(tree, answer.entry).await.map_err(NoAnswer::because)?;
                let frame = answer.frame.unwrap_or_default();
                let mut proven = prove(answer.entry, frame, &leaf).map_err(NoAnswer)?;
                proven.statements.retain(|(leaf, ..)| asked.contains(leaf));
                shown.push(proven);
            }
            Ok(shown)
        };
        tokio::time::timeout(CALL, asking).await.map_err(NoAnswer::because)?
    }

    /// Which of these statements the node of `keeper` says that it holds.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn confirm(
        &self,
        keeper: &MemberName,
        origin: &MemberName,
        wanted: &Wanted,
    ) -> Result<Wanted, NoAnswer> {
        let asking = async {
            let request = wire::ConfirmRequest {
                origin: origin.to_string(),
                roster: self.rosters.current().roster.version,
                wanted: to_wire(wanted),
            };
            let mut client = CustodyServiceClient::new(self.connect(keeper).await?);
            let answer = client.confirm(request).await.map_err(NoAnswer::because)?.into_inner();
            let held = answer.held.into_iter().map(|held| {
                let asked = wanted.get(&held.entry);
                let within =
                    |leaf: &u32| held.leaves.iter().any(|range| (range.start..range.end).contains(leaf));
                (held.entry, asked.into_iter().flatten().copied().filter(within).collect())
            });
            Ok(held.collect())
        };
        tokio::time::timeout(CALL, asking).await.map_err(NoAnswer::because)?
    }

    /// A channel to a member's node.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn connect(&self, member: &MemberName) -> Result<Channel, NoAnswer> {
        let roster = self.rosters.current();
        let address = roster.roster.member(member).map(|member| member.grpc.as_str()).unwrap_or_default();
        tls::connect(address, member.as_str(), &self.identity, &self.authorities, &self.clock)
            .await
            .map_err(NoAnswer::because)
    }

    /// The leaf hash of an entry.
    async fn leaf(&self, tree: Tree<'_>, entry: u64) -> Result<Hash, StoreError> {
        let leaves = entry_leaves(&self.store, tree.log, entry, entry, tree.size).await?;
        leaves.get(&entry).copied().ok_or_else(|| StoreError::Damaged {
            what: "tiles",
            why: format!("entry {entry} of {} has no leaf", tree.origin),
        })
    }
}

/// Leaf hashes of entries `first..=last`, from the tiles of a log of `size` entries.
///
/// # Errors
/// As the store says.
pub async fn entry_leaves(
    store: &Store,
    log: LogId,
    first: u64,
    last: u64,
    size: u64,
) -> Result<BTreeMap<u64, Hash>, StoreError> {
    let wide = TILE_WIDTH as u64;
    let ids = (first / wide..=last / wide).map(|index| TileId { level: 0, index });
    let tiles = store.tiles(log, ids).await?;
    let hashes = tiles.iter().flat_map(|(id, bytes)| {
        let hashes = bytes.as_chunks::<32>().0.iter().map(|hash| Hash(*hash));
        (id.index.saturating_mul(wide)..).zip(hashes)
    });
    Ok(hashes.filter(|(index, _)| *index < size).collect())
}

fn to_wire(wanted: &Wanted) -> Vec<wire::LeavesOf> {
    let of = |(entry, leaves): (&u64, &BTreeSet<u32>)| wire::LeavesOf {
        entry: *entry,
        leaves: to_ranges(leaves.iter().copied()),
    };
    wanted.iter().map(of).collect()
}

/// Leaves as the wire has them.
pub(crate) fn to_ranges(leaves: impl IntoIterator<Item = u32>) -> Vec<wire::LeafRange> {
    leaf_ranges(leaves).into_iter().map(|(start, end)| wire::LeafRange { start, end }).collect()
}

fn prove(entry: u64, frame: wire::EntryFrame, leaf: &Hash) -> Result<Shown, String> {
    let bytes = frame.entry;
    if merkle::leaf_hash(&bytes) != *leaf {
        return Err("its entry is not the one in the log".to_owned());
    }
    let Ok(LogEntry::Batch(header)) = LogEntry::parse(&bytes) else {
        return Ok(Shown { entry, bytes, hashes: Vec::new(), statements: Vec::new() });
    };
    let batch = Disclosure::from_wire(frame.disclosure.unwrap_or_default(), header.content.count)
        .and_then(|shown| VerifiedBatch::verify_disclosure(header, shown))
        .map_err(|void| void.to_string())?;
    let hashes = batch.leaf_hashes.unwrap_or_default();
    let sound = batch.leaves.into_iter().filter(|leaf| leaf.statement.is_ok()).collect();
    Ok(Shown { entry, bytes, hashes, statements: ingest::statements(sound) })
}
