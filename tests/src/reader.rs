//! Readers: what a log says, what a lookup says, and a log checked as an auditor would.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use tonic::transport::Channel;

use almenara_certs::Role;
use almenara_client::{
    follow::{Follower, Step, VerifiedEntry},
    pages::Pages,
    rpc::{
        custody_service_client::CustodyServiceClient, log_service_client::LogServiceClient,
        lookup_service_client::LookupServiceClient,
    },
    tls,
};
use almenara_proto::{
    batch::{Disclosure, Leaf, VerifiedBatch},
    checkpoint::{SignedCheckpoint, origin_of},
    custody::VerifiedReport,
    indicator::{Indicator, Kind},
    keys::PublicKey,
    limits::MESSAGE_BYTES,
    log::LogEntry,
    prefix::Prefix,
    roster::Roster,
    signed::Signed,
    statement::wire_indicator,
    wire::{self, Counted},
};

use crate::cluster::{Cluster, FEDERATION};

/// Who reads.
pub struct Reader {
    /// To a node.
    pub channel: Channel,
}

impl Reader {
    /// A request for a log from `from` on, without a filter, as a peer asks.
    #[must_use]
    pub fn request(origin: &str, from: u64, live: bool) -> wire::ReplicateRequest {
        wire::ReplicateRequest {
            origin: origin.to_owned(),
            from,
            filter: None,
            live,
            roster: 1,
            leaf_hashes: true,
        }
    }

    /// All frames of a stream that is not live.
    ///
    /// # Errors
    /// As the node says.
    pub async fn frames(&self, request: wire::ReplicateRequest) -> Result<Vec<wire::ReplicateFrame>> {
        let mut stream = self.stream(request).await?;
        let mut frames = Vec::new();
        while let Some(frame) = stream.message().await? {
            frames.push(frame);
        }
        Ok(frames)
    }

    /// A stream.
    ///
    /// # Errors
    /// As the node says.
    pub async fn stream(
        &self,
        request: wire::ReplicateRequest,
    ) -> Result<tonic::Streaming<wire::ReplicateFrame>> {
        let mut client = LogServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        Ok(client.replicate(request).await?.into_inner())
    }

    /// Statements by their places: what came, by leaf, checked against the signed header.
    ///
    /// # Errors
    /// As the node says, or when what it shows does not hold.
    pub async fn fetch(&self, origin: &str, entry: u64, leaves: &[u32], roster: u64) -> Result<Vec<Leaf>> {
        let mut client = LogServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        let leaves = leaves.iter().map(|&start| wire::LeafRange { start, end: start + 1 }).collect();
        let wanted = vec![wire::LeavesOf { entry, leaves }];
        let request = wire::FetchRequest { origin: origin.to_owned(), roster, wanted, to_keep: false };
        let mut answers = client.fetch(request).await?.into_inner();
        let Some(fetched) = answers.message().await? else { return Ok(Vec::new()) };
        anyhow::ensure!(
            fetched.entry == entry && answers.message().await?.is_none(),
            "one entry was asked for"
        );
        let frame = fetched.frame.context("a frame")?;
        let LogEntry::Batch(header) = LogEntry::parse(&frame.entry)? else { anyhow::bail!("it is no batch") };
        let shown = Disclosure::from_wire(frame.disclosure.context("a disclosure")?, header.content.count)?;
        Ok(VerifiedBatch::verify(header, shown)?.leaves)
    }

    /// Who was shown what on request, as the node logged it.
    ///
    /// # Errors
    /// As the node says.
    pub async fn accesses(&self) -> Result<Vec<wire::Access>> {
        let mut client = CustodyServiceClient::new(self.channel.clone());
        Ok(client.accesses(wire::AccessesRequest::default()).await?.into_inner().accesses)
    }

    /// The custody reports that the node knows, verified.
    ///
    /// # Errors
    /// As the node says, or when one does not hold.
    pub async fn reports(&self, roster: &Roster) -> Result<Vec<VerifiedReport>> {
        let mut client = CustodyServiceClient::new(self.channel.clone());
        let answer = client.reports(wire::ReportsRequest {}).await?.into_inner();
        let verify = |wire| Ok(VerifiedReport::verify(Signed::parse(wire)?, roster)?);
        answer.reports.into_iter().map(verify).collect()
    }

    /// One verdict for each domain, with the bytes of the whole answer.
    ///
    /// # Errors
    /// As the node says.
    pub async fn lookup(&self, domains: &[&str]) -> Result<Vec<wire::LookupVerdict>> {
        let mut client =
            LookupServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        let indicators =
            domains.iter().map(|domain| Ok(wire_indicator(&Indicator::new(Kind::Domain, *domain)?)));
        let request = wire::LookupRequest {
            indicators: indicators.collect::<Result<_>>()?,
            policy: Some(wire::Policy { pending_allowed: true, ..wire::Policy::default() }),
        };
        Ok(client.lookup(request).await?.into_inner().verdicts)
    }
}

/// Whether and why each statement of a verdict counts, by address.
#[must_use]
pub fn counted(verdict: &wire::LookupVerdict) -> BTreeMap<String, Counted> {
    verdict.considered.iter().map(|piece| (piece.address.clone(), piece.counted())).collect()
}

/// Whether the bytes of a message hold a marker.
pub fn holds(message: &impl prost::Message, marker: &str) -> bool {
    String::from_utf8_lossy(&message.encode_to_vec()).contains(marker)
}

impl Cluster {
    /// A reader at the node of `to`, with a leaf of `member`.
    ///
    /// # Errors
    /// When it cannot connect.
    pub async fn reader(&self, to: usize, member: usize, role: Role, name: &str) -> Result<Reader> {
        Ok(Reader { channel: self.connect(to, &self.identity(member, role, name)?).await? })
    }

    /// The public pages of a member's node, as anybody reads them.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn pages(&self, member: usize) -> Result<Pages> {
        let name = &self.member(member)?.name;
        let entry = self.roster.roster.member(name).context("it is on the roster")?;
        Ok(Pages::open(entry, &self.authorities, &self.clock()).await?)
    }

    /// A channel to a member's node, as nobody in particular.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn connect_as_nobody(&self, member: usize) -> Result<Channel> {
        let name = &self.member(member)?.name;
        let address = &self.roster.roster.member(name).context("it is on the roster")?.grpc;
        Ok(tls::connect_as_nobody(address, name.as_str(), &self.authorities, &self.clock()).await?)
    }

    /// A member's name.
    ///
    /// # Errors
    /// When there is no such member.
    pub fn name(&self, member: usize) -> Result<&str> {
        Ok(self.member(member)?.name.as_str())
    }

    /// Reads the whole log of `origin` at the node of `to` as a peer of `member`, checking all of it.
    ///
    /// # Errors
    /// When anything does not hold.
    pub async fn follow(&self, to: usize, origin: usize, member: usize) -> Result<Vec<VerifiedEntry>> {
        let reader = self.reader(to, member, Role::Node, "node-1").await?;
        let frames = reader.frames(Reader::request(self.name(origin)?, 0, false)).await?;
        self.check(origin, frames)
    }

    /// Checks frames that begin at the first entry.
    ///
    /// # Errors
    /// When anything does not hold, or an entry below the checkpoint is missing.
    pub fn check(&self, origin: usize, frames: Vec<wire::ReplicateFrame>) -> Result<Vec<VerifiedEntry>> {
        let member = self.member(origin)?.name.clone();
        let mut follower = Follower::new(Prefix::new(FEDERATION, member), None);
        let mut entries = Vec::new();
        let mut size = 0;
        for frame in frames {
            match follower.step(frame, &self.roster.roster)? {
                Step::Page(page) => entries.extend(page.entries),
                Step::Checkpoint(note) => size = size.max(note.checkpoint().size),
            }
        }
        anyhow::ensure!(entries.len() as u64 == size, "{} of {size} entries came", entries.len());
        Ok(entries)
    }

    /// Opens a note under the log key of `origin`.
    ///
    /// # Errors
    /// When it does not hold.
    pub fn open_note(&self, origin: usize, note: &[u8]) -> Result<SignedCheckpoint> {
        let home = self.member(origin)?;
        let log_key = PublicKey::of(&home.log_key);
        Ok(SignedCheckpoint::open(note, &origin_of(home.name.as_str()), &log_key.0)?)
    }

    /// Waits until node `node` holds all that `origin` has.
    ///
    /// # Errors
    /// After ten seconds.
    pub async fn caught_up(&self, node: usize, origin: usize) -> Result<()> {
        let name = &self.member(origin)?.name;
        let size = self.node(origin)?.heads().get(name).context("no such log")?.prefix.size();
        self.wait_for(node, origin, size).await
    }
}
