//! A federation on loopback: every member with its own authority, keys and SQLite store.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::transport::Channel;

use almenara_certs::{Authority, Role};
use almenara_client::{
    rpc::publish_service_client::PublishServiceClient,
    tls::{self, Clock, Identity, SharedAuthorities},
};
use almenara_proto::{
    batch::{self, Author, SignedBatch},
    indicator::{Indicator, Kind},
    keys::{PublicKey, SigningKey},
    limits::MESSAGE_BYTES,
    log::{KeyGrant, Signed},
    merkle,
    name::{MemberName, Publisher},
    release::Release,
    roster::{AcceptedRoster, CustodyRule, Member, Roster, Segment, SignedRoster},
    statement::{Category, Claim, Report, Ruleset, Statement},
    wire,
};
use almenara_server::{
    listener::Limits,
    node::{Node, Settings},
    rosters::{SharedRosters, authorities},
    safeguards::Safeguards,
};

/// The federation's id.
pub const FEDERATION: &str = "scamwatch.example";
/// Where the clock starts: 2026-11-22, in Unix seconds.
pub const NOW: u64 = 1_795_305_600;
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// One organisation, with all that it keeps secret.
pub struct MemberHome {
    /// Its name.
    pub name: MemberName,
    /// Its certificate authority.
    pub authority: Authority,
    /// Its root key.
    pub root_key: SigningKey,
    /// Its log key.
    pub log_key: SigningKey,
    /// Its cosign key.
    pub cosign_key: SigningKey,
    address: String,
    node: Option<Node>,
}

/// Several members under one roster, on this machine.
pub struct Cluster {
    /// Every node's files.
    pub dir: TempDir,
    /// In roster order.
    pub members: Vec<MemberHome>,
    /// Version 1.
    pub roster: AcceptedRoster,
    /// Advanced by tests.
    pub time: Arc<AtomicU64>,
    authorities: SharedAuthorities,
}

/// A key made of one byte; never of use outside tests.
#[must_use]
pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

impl Cluster {
    /// Starts a node for each `(name, jurisdiction)`.
    ///
    /// # Errors
    /// Whatever kept a node from starting.
    pub async fn start(members: &[(&str, &str)]) -> Result<Self> {
        let dir = TempDir::new()?;
        let mut homes = Vec::new();
        let mut listeners = Vec::new();
        let mut entries = BTreeMap::new();
        for (at, (name, jurisdiction)) in (0u8..).zip(members) {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let home = MemberHome {
                name: name.parse()?,
                authority: Authority::create(name, YEAR * 10, NOW)?,
                root_key: key(at * 4 + 1),
                log_key: key(at * 4 + 2),
                cosign_key: key(at * 4 + 3),
                address: listener.local_addr()?.to_string(),
                node: None,
            };
            entries.insert(home.name.clone(), member_entry(&home, jurisdiction)?);
            homes.push(home);
            listeners.push(listener);
        }
        let roster = Roster {
            federation: FEDERATION.into(),
            version: 1,
            expires_at: NOW + YEAR.as_secs(),
            previous: None,
            members: entries,
            groups: BTreeMap::new(),
            quorum: 1,
            custody: CustodyRule::default(),
        };
        let mut signed = SignedRoster::unsigned(&roster);
        homes.iter().for_each(|home| signed.sign(&home.root_key));
        let pinned = signed.id();
        let roster = signed.accept_first(&pinned)?;
        let authorities = SharedAuthorities::new(authorities(&roster.roster)?);
        let time = Arc::new(AtomicU64::new(NOW));
        let mut cluster = Self { dir, members: homes, roster, time, authorities };
        for (at, listener) in listeners.into_iter().enumerate() {
            cluster.run(at, listener).await?;
        }
        Ok(cluster)
    }

    /// The clock of all nodes and clients.
    #[must_use]
    pub fn clock(&self) -> Clock {
        let time = Arc::clone(&self.time);
        Arc::new(move || time.load(Ordering::Relaxed))
    }

    /// The database of a node.
    #[must_use]
    pub fn database(&self, member: usize) -> PathBuf {
        self.dir.path().join(format!("node{member}.db"))
    }

    /// The node of a member.
    ///
    /// # Errors
    /// When it was stopped.
    pub fn node(&self, member: usize) -> Result<&Node> {
        self.members.get(member).and_then(|home| home.node.as_ref()).context("the node is stopped")
    }

    async fn run(&mut self, member: usize, listener: TcpListener) -> Result<()> {
        let settings = self.settings(member)?;
        let node = Node::start(settings, listener).await?;
        if let Some(home) = self.members.get_mut(member) {
            home.node = Some(node);
        }
        Ok(())
    }

    /// What a member's node is made of.
    ///
    /// # Errors
    /// When a certificate cannot be made.
    pub fn settings(&self, member: usize) -> Result<Settings> {
        let home = self.members.get(member).context("no such member")?;
        let host = ServerName::try_from("127.0.0.1")?;
        let leaf = home.authority.issue(Role::Node, "node-1", &[host], YEAR, NOW)?;
        Ok(Settings {
            member: home.name.clone(),
            rosters: SharedRosters::new(self.roster.clone(), Vec::new()),
            store_url: format!("sqlite:{}", self.database(member).display()),
            log_key: home.log_key.clone(),
            tombstone_key: [7; 32],
            identity: Identity::from_pem(&leaf.chain_pem, &leaf.key_pem)?,
            safeguards: Safeguards::none(),
            statements_per_day: 100_000_000,
            lookups_per_minute: 1_000_000_000,
            consumers: BTreeMap::new(),
            clock: self.clock(),
            limits: Limits::default(),
        })
    }

    /// Stops a node in order.
    ///
    /// # Errors
    /// What it failed with.
    pub async fn stop(&mut self, member: usize) -> Result<()> {
        match self.members.get_mut(member).and_then(|home| home.node.take()) {
            Some(node) => Ok(node.stop().await?),
            None => bail!("the node is stopped"),
        }
    }

    /// Starts a stopped node at its old address.
    ///
    /// # Errors
    /// Whatever kept it from starting.
    pub async fn restart(&mut self, member: usize) -> Result<()> {
        let address = self.members.get(member).context("no such member")?.address.clone();
        let listener = TcpListener::bind(address).await?;
        self.run(member, listener).await
    }

    /// A leaf of a member's authority.
    ///
    /// # Errors
    /// When it cannot be issued.
    pub fn identity(&self, member: usize, role: Role, name: &str) -> Result<Identity> {
        let home = self.members.get(member).context("no such member")?;
        let leaf = home.authority.issue(role, name, &[], YEAR, NOW)?;
        Ok(Identity::from_pem(&leaf.chain_pem, &leaf.key_pem)?)
    }

    /// A channel to the node of `to`, as `identity`.
    ///
    /// # Errors
    /// When it cannot be reached or refuses.
    pub async fn connect(&self, to: usize, identity: &Identity) -> Result<Channel> {
        let home = self.members.get(to).context("no such member")?;
        Ok(tls::connect(&home.address, home.name.as_str(), identity, &self.authorities, &self.clock())
            .await?)
    }

    /// Grants a desk of `member` the key `key(seed)`, through its node.
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn grant(&self, member: usize, desk: &str, seed: u8) -> Result<Desk> {
        let home = self.members.get(member).context("no such member")?;
        let publisher = Publisher::new(&home.name, desk)?;
        let grant = KeyGrant {
            federation: FEDERATION.into(),
            member: home.name.clone(),
            publisher: publisher.clone(),
            key: PublicKey::of(&key(seed)),
            note: String::new(),
        };
        let signed = Signed::sign(grant, &home.root_key);
        let operator = self.identity(member, Role::Operator, "ops")?;
        let channel = self.connect(member, &operator).await?;
        let item = wire::publish_request::Item::KeyGrant(signed.to_wire());
        submit(channel, vec![item]).await?.into_iter().next().context("no answer")??;
        let identity = self.identity(member, Role::Publisher, desk)?;
        Ok(Desk { publisher, key: key(seed), channel: self.connect(member, &identity).await? })
    }

    /// Waits until a node holds `size` entries of a member's log.
    ///
    /// # Errors
    /// After ten seconds.
    pub async fn wait_for(&self, node: usize, origin: usize, size: u64) -> Result<()> {
        let name = &self.members.get(origin).context("no such member")?.name;
        let mut head = self.node(node)?.heads().subscribe(name).context("no such log")?;
        let reached = head.wait_for(|head| head.prefix.size() >= size);
        tokio::time::timeout(Duration::from_secs(10), reached)
            .await
            .context("the replica stays behind")??;
        Ok(())
    }
}

/// A desk with its key and a channel to its node.
pub struct Desk {
    /// Who.
    pub publisher: Publisher,
    /// Its key.
    pub key: SigningKey,
    /// To its own member's node.
    pub channel: Channel,
}

impl Desk {
    /// Seals statements into a batch.
    ///
    /// # Errors
    /// When they make none.
    pub fn seal(&self, statements: Vec<Statement>, seq: u64) -> Result<SignedBatch> {
        let author = Author { federation: FEDERATION, publisher: &self.publisher, key: &self.key };
        Ok(batch::seal(&author, statements, seq, 1, NOW)?)
    }

    /// Publishes one batch.
    ///
    /// # Errors
    /// The inner error is the node's refusal.
    pub async fn publish(&self, batch: &SignedBatch) -> Result<Result<wire::Receipt, Refused>> {
        let item = wire::publish_request::Item::Batch(batch.to_wire());
        submit(self.channel.clone(), vec![item]).await?.into_iter().next().context("no answer")
    }
}

/// A node's refusal, as a caller sees it.
#[derive(Debug, thiserror::Error)]
#[error("{0:?}")]
pub struct Refused(pub wire::Refusal);

/// Submits items over one stream.
///
/// # Errors
/// When the stream fails; refusals are values.
pub async fn submit(
    channel: Channel,
    items: Vec<wire::publish_request::Item>,
) -> Result<Vec<Result<wire::Receipt, Refused>>> {
    let requests = items.into_iter().map(|item| wire::PublishRequest { item: Some(item) });
    let mut client = PublishServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES);
    let mut answers = client.publish(tokio_stream::iter(requests.collect::<Vec<_>>())).await?.into_inner();
    let mut outcomes = Vec::new();
    while let Some(answer) = answers.message().await? {
        outcomes.push(match answer.outcome.context("an answer without an outcome")? {
            wire::publish_response::Outcome::Receipt(receipt) => Ok(receipt),
            wire::publish_response::Outcome::Refusal(refusal) => Err(Refused(refusal)),
        });
    }
    Ok(outcomes)
}

/// A CLEAR report on a domain; the nonce is made of `number`.
///
/// # Errors
/// When the domain is not well formed.
pub fn report(number: u64, domain: &str) -> Result<Statement> {
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&merkle::sha256(&[&number.to_be_bytes()]).0[..8]);
    nonce[8..].copy_from_slice(&number.to_be_bytes());
    Ok(Statement {
        nonce,
        indicator: Indicator::new(Kind::Domain, domain)?,
        made_at: NOW,
        ruleset: Ruleset::default(),
        release: Release::clear(),
        copies: 0,
        claim: Claim::Report(Report::new(Kind::Domain, Category::PHISHING, NOW)),
    })
}

fn member_entry(home: &MemberHome, jurisdiction: &str) -> Result<Member> {
    Ok(Member {
        name: home.name.clone(),
        organisation_type: wire::OrganisationType::Police,
        jurisdiction: jurisdiction.parse()?,
        also_subject_to: Vec::new(),
        segments: vec![Segment {
            from_size: 0,
            root: merkle::empty_root(),
            root_key: PublicKey::of(&home.root_key),
            log_key: PublicKey::of(&home.log_key),
        }],
        cosign_key: PublicKey::of(&home.cosign_key),
        tls_ca: vec![home.authority.cert_der().to_vec().into()],
        grpc: home.address.clone(),
        https: String::new(),
        contact: String::new(),
    })
}
