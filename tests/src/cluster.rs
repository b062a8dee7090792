//! A federation on loopback: every member with its own authority, keys and SQLite store.

use std::{
    collections::{BTreeMap, BTreeSet},
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
use almenara_client::tls::{self, Clock, Identity, SharedAuthorities};
use almenara_client::{
    config::Environment,
    rosters::{Rosters, authorities},
};
use almenara_proto::{
    keys::{PublicKey, SigningKey},
    log::{KeyGrant, KeyRevocation},
    merkle,
    name::{Jurisdiction, MemberName, Publisher},
    note::{KeyKind, VerifierKey},
    roster::{AcceptedRoster, CustodyRule, Member, Roster, Segment, SignedRoster},
    signed::Signed,
    wire,
};
use almenara_server::{
    compare::Pace,
    erase::DELAY_HOURS,
    listener::Limits,
    node::{Node, Settings},
    rosters::SharedRosters,
    safeguards::Safeguards,
    witnesses::Witness,
};

pub use crate::desk::submit;
use crate::desk::{Desk, Refused};

/// The federation's id.
pub const FEDERATION: &str = "scamwatch.example";
/// Where the clock starts: 2026-11-22, in Unix seconds.
pub const NOW: u64 = 1_795_305_600;
/// When the roster expires: half a year later, while certificates hold for a year.
pub const ROSTER_EXPIRES: u64 = NOW + 182 * 86_400;
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
    listener: Option<TcpListener>,
    node: Option<Node>,
}

/// What a test wants to be other than usual, for all nodes alike.
pub struct Setup {
    /// Groups of the roster: a name, and which members, by position.
    pub groups: Vec<(&'static str, Vec<usize>)>,
    /// Who else can compel a member, by its position.
    pub also_subject_to: Vec<(usize, &'static str)>,
    /// Cosignatures that settle; one, where anybody else could give it, when not said.
    pub quorum: Option<u32>,
    /// Of restricted statements, for one jurisdiction; 0 is none.
    pub cap_percent: u32,
    /// For one publisher.
    pub statements_per_day: u64,
    /// Values, for one member.
    pub lookups_per_minute: u64,
    /// Jurisdictions of consumer accounts, by certificate name.
    pub consumers: BTreeMap<String, Jurisdiction>,
    /// Members that get what is public and nothing else, by position.
    pub narrowed: Vec<usize>,
    /// Values that nobody reports by accident.
    pub safeguards: Safeguards,
    /// Bounds on connections.
    pub limits: Limits,
    /// How often nodes ask each other what they hold.
    pub pace: Pace,
    /// Whose checkpoints go to whose node as to a witness outside the federation, by position.
    pub witnesses: Vec<(usize, usize)>,
    /// Old copies go on without the statements that nobody has.
    pub accept_loss: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            groups: Vec::new(),
            also_subject_to: Vec::new(),
            quorum: None,
            cap_percent: 0,
            statements_per_day: 100_000_000,
            lookups_per_minute: 1_000_000_000,
            consumers: BTreeMap::new(),
            narrowed: Vec::new(),
            safeguards: Safeguards::none(),
            limits: Limits::default(),
            pace: Pace {
                every: Duration::from_millis(300),
                within: Duration::from_secs(1),
                patience: Duration::from_millis(200),
            },
            witnesses: Vec::new(),
            accept_loss: false,
        }
    }
}

/// Several members under one roster, on this machine.
pub struct Cluster {
    /// Every node's files.
    pub dir: TempDir,
    /// In roster order.
    pub members: Vec<MemberHome>,
    /// The newest version.
    pub roster: AcceptedRoster,
    /// All versions.
    pub(crate) chain: Vec<AcceptedRoster>,
    /// Advanced by tests.
    pub time: Arc<AtomicU64>,
    pub(crate) authorities: SharedAuthorities,
    setup: Setup,
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
        Self::start_with(members, Setup::default()).await
    }

    /// The same, with a setup.
    ///
    /// # Errors
    /// Whatever kept a node from starting.
    pub async fn start_with(members: &[(&str, &str)], setup: Setup) -> Result<Self> {
        let mut cluster = Self::prepare(members, setup).await?;
        for member in 0..members.len() {
            cluster.restart(member).await?;
        }
        Ok(cluster)
    }

    /// Everything but the running nodes: [`Self::restart`] starts each.
    ///
    /// # Errors
    /// When an address or a certificate cannot be had.
    pub async fn prepare(members: &[(&str, &str)], setup: Setup) -> Result<Self> {
        let dir = TempDir::new()?;
        let mut homes = Vec::new();
        let mut entries = BTreeMap::new();
        for (at, (name, jurisdiction)) in (0u8..).zip(members) {
            let home = MemberHome::create(name, at).await?;
            let mut entry = member_entry(&home, jurisdiction)?;
            let also = setup.also_subject_to.iter().filter(|(member, _)| *member == usize::from(at));
            entry.also_subject_to = also.map(|(_, code)| code.parse()).collect::<Result<_, _>>()?;
            entries.insert(home.name.clone(), entry);
            homes.push(home);
        }
        let named = |members: &[usize]| -> BTreeSet<MemberName> {
            members.iter().filter_map(|at| Some(homes.get(*at)?.name.clone())).collect()
        };
        let groups = setup.groups.iter().map(|(name, members)| ((*name).to_owned(), named(members)));
        let roster = Roster {
            // Where nobody else could cosign, everything is settled at once.
            quorum: setup.quorum.unwrap_or_else(|| {
                u32::from(members.iter().any(|(_, place)| Some(*place) != members.first().map(|one| one.1)))
            }),
            federation: FEDERATION.into(),
            version: 1,
            expires_at: ROSTER_EXPIRES,
            previous: None,
            members: entries,
            groups: groups.collect(),
            custody: CustodyRule { cap_percent: setup.cap_percent, ..CustodyRule::default() },
        };
        let mut signed = SignedRoster::unsigned(&roster);
        homes.iter().for_each(|home| signed.sign(&home.root_key));
        let pinned = signed.id();
        let roster = signed.accept_first(&pinned)?;
        let authorities = SharedAuthorities::new(authorities(&roster.roster)?);
        let time = Arc::new(AtomicU64::new(NOW));
        let chain = vec![roster.clone()];
        Ok(Self { dir, members: homes, roster, chain, time, authorities, setup })
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

    /// The federation as one member sees it.
    ///
    /// # Errors
    /// When there is no such member.
    pub fn member(&self, member: usize) -> Result<&MemberHome> {
        self.members.get(member).context("no such member")
    }

    /// The chain that a member's node holds, with all versions that were made so far.
    fn rosters(&self, member: usize) -> Result<SharedRosters> {
        let folder = self.dir.path().join(format!("home{member}/rosters"));
        let first = self.chain.first().context("a chain")?;
        let mut chain = Rosters::begin(folder, first.signed.clone(), first.id)?;
        for next in self.chain.iter().skip(1) {
            chain.accept(next.signed.clone())?;
        }
        Ok(SharedRosters::new(chain)?)
    }

    /// An SQLite file; or, where `ALMENARA_TEST_POSTGRES` names a server (see tests/postgres), a database of its own.
    async fn store_url(&self, member: usize) -> Result<String> {
        use sqlx::{AnyConnection, Connection as _, Executor as _};
        let environment = Environment::read();
        let Some(server) = environment.get("ALMENARA_TEST_POSTGRES") else {
            return Ok(format!("sqlite:{}", self.database(member).display()));
        };
        let folder = self.dir.path().file_name().context("a folder")?.to_string_lossy();
        let name = format!("{}_{member}", folder.trim_start_matches('.').to_lowercase());
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(&format!("{server}/postgres")).await?;
        // It is there when the node starts a second time.
        let _there = connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await;
        Ok(format!("{server}/{name}"))
    }

    pub(crate) fn evidence_folder(&self, member: usize) -> PathBuf {
        self.dir.path().join(format!("home{member}/evidence"))
    }

    /// What a member's node is made of.
    ///
    /// # Errors
    /// When a certificate cannot be made.
    pub async fn settings(&self, member: usize) -> Result<Settings> {
        let home = self.member(member)?;
        Ok(Settings {
            member: home.name.clone(),
            rosters: self.rosters(member)?,
            store_url: self.store_url(member).await?,
            log_key: home.log_key.clone(),
            cosign_key: home.cosign_key.clone(),
            tombstone_key: [7; 32],
            identity: self.identity(member, Role::Node, "node-1")?,
            safeguards: self.setup.safeguards.clone().into(),
            statements_per_day: self.setup.statements_per_day,
            lookups_per_minute: self.setup.lookups_per_minute,
            consumers: self.setup.consumers.clone(),
            narrowed: self
                .setup
                .narrowed
                .iter()
                .map(|at| Ok(self.member(*at)?.name.clone()))
                .collect::<Result<_>>()?,
            clock: self.clock(),
            limits: self.setup.limits.clone(),
            erase_after: DELAY_HOURS * 3_600,
            evidence: self.evidence_folder(member),
            pace: self.setup.pace,
            witnesses: self.witnesses(member)?,
            accept_loss: self.setup.accept_loss,
        })
    }

    /// Nodes as witnesses that know each other from their settings alone.
    fn witnesses(&self, member: usize) -> Result<Vec<Witness>> {
        let asked = self.setup.witnesses.iter().filter(|(log, _)| *log == member);
        asked
            .map(|(_, witness)| {
                let home = self.member(*witness)?;
                let public = PublicKey::of(&home.cosign_key);
                let key = VerifierKey::new(home.name.as_str(), KeyKind::CosignatureV1, &public.0)?;
                let file = self.dir.path().join(format!("authority{witness}.pem"));
                std::fs::write(&file, home.authority.cert_pem())?;
                let wrong = |why: String| anyhow::anyhow!(why);
                let url = format!("https://{}/witness", home.address).parse().map_err(wrong)?;
                let key = key.to_string().parse().map_err(wrong)?;
                Witness::new(home.name.as_str(), url, key, Some(file), &self.clock()).map_err(wrong)
            })
            .collect()
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
        self.restart_with(member, |_| ()).await
    }

    /// The same with other settings.
    ///
    /// # Errors
    /// Whatever kept it from starting.
    pub async fn restart_with(&mut self, member: usize, change: impl FnOnce(&mut Settings)) -> Result<()> {
        let mut settings = self.settings(member).await?;
        change(&mut settings);
        let home = self.members.get_mut(member).context("no such member")?;
        let listener = match home.listener.take() {
            Some(listener) => listener,
            None => TcpListener::bind(&home.address).await?,
        };
        home.node = Some(Node::start(settings, listener).await?);
        Ok(())
    }

    /// A leaf of a member's authority.
    ///
    /// # Errors
    /// When it cannot be issued.
    pub fn identity(&self, member: usize, role: Role, name: &str) -> Result<Identity> {
        let host = [ServerName::try_from("127.0.0.1")?];
        let hosts = if role == Role::Node { host.as_slice() } else { &[] };
        let leaf = self.member(member)?.authority.issue(role, name, hosts, YEAR, NOW)?;
        Ok(Identity::from_pem(&leaf.chain_pem, &leaf.key_pem)?)
    }

    /// A channel to the node of `to`, as `identity`.
    ///
    /// # Errors
    /// When it cannot be reached or refuses.
    pub async fn connect(&self, to: usize, identity: &Identity) -> Result<Channel> {
        let home = self.member(to)?;
        Ok(tls::connect(&home.address, home.name.as_str(), identity, &self.authorities, &self.clock())
            .await?)
    }

    /// Grants a desk of `member` the key `key(seed)`, through its node.
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn grant(&self, member: usize, desk: &str, seed: u8) -> Result<Desk> {
        let grant = self.key_grant(member, desk, PublicKey::of(&key(seed)))?;
        let item = wire::publish_request::Item::KeyGrant(grant.to_wire());
        self.operate(member, item).await??;
        self.desk(member, desk, seed).await
    }

    /// A grant, signed by the member's root key.
    ///
    /// # Errors
    /// When the desk's name is none.
    pub fn key_grant(&self, member: usize, desk: &str, key: PublicKey) -> Result<Signed<KeyGrant>> {
        let home = self.member(member)?;
        let grant = KeyGrant {
            federation: FEDERATION.into(),
            member: home.name.clone(),
            publisher: Publisher::new(&home.name, desk)?,
            key,
            note: String::new(),
        };
        Ok(Signed::sign(grant, &home.root_key))
    }

    /// A revocation, signed by the member's root key.
    ///
    /// # Errors
    /// When there is no such member.
    pub fn key_revocation(
        &self,
        member: usize,
        key: &SigningKey,
        since_index: u64,
    ) -> Result<Signed<KeyRevocation>> {
        let home = self.member(member)?;
        let revocation = KeyRevocation {
            federation: FEDERATION.into(),
            member: home.name.clone(),
            key: PublicKey::of(key),
            reason: "stolen".into(),
            since_index,
        };
        Ok(Signed::sign(revocation, &home.root_key))
    }

    /// Submits an item as an operator of `member` at its own node.
    ///
    /// # Errors
    /// The inner error is the node's refusal.
    pub async fn operate(
        &self,
        member: usize,
        item: wire::publish_request::Item,
    ) -> Result<Result<wire::Receipt, Refused>> {
        let channel = self.connect(member, &self.identity(member, Role::Operator, "ops")?).await?;
        submit(channel, vec![item]).await?.into_iter().next().context("no answer")
    }

    /// A desk with the key `key(seed)`, granted or not.
    ///
    /// # Errors
    /// When its node cannot be reached.
    pub async fn desk(&self, member: usize, desk: &str, seed: u8) -> Result<Desk> {
        let identity = self.identity(member, Role::Publisher, desk)?;
        Ok(Desk {
            publisher: Publisher::new(&self.member(member)?.name, desk)?,
            key: key(seed),
            channel: self.connect(member, &identity).await?,
        })
    }

    /// Waits until a node knows that `size` entries of a member's log are settled.
    ///
    /// # Errors
    /// After ten seconds.
    pub async fn settled(&self, node: usize, origin: usize, size: u64) -> Result<()> {
        let name = &self.member(origin)?.name;
        let mut head = self.node(node)?.heads().subscribe(name).context("no such log")?;
        let reached = head.wait_for(|head| head.settled_size() >= size);
        tokio::time::timeout(Duration::from_secs(10), reached).await.context("it stays pending")??;
        Ok(())
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

impl MemberHome {
    /// An organisation whose keys are made of a number.
    ///
    /// # Errors
    /// When an address or a certificate cannot be had.
    pub(crate) async fn create(name: &str, at: u8) -> Result<Self> {
        // Held until the node takes the address over, so that no other test gets it.
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Ok(Self {
            name: name.parse()?,
            authority: Authority::create(name, YEAR * 10, NOW)?,
            root_key: key(at * 4 + 1),
            log_key: key(at * 4 + 2),
            cosign_key: key(at * 4 + 3),
            address: listener.local_addr()?.to_string(),
            listener: Some(listener),
            node: None,
        })
    }
}

pub(crate) fn member_entry(home: &MemberHome, jurisdiction: &str) -> Result<Member> {
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
