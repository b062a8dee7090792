//! Two nodes, each a child process with its own SQLite store, made from files that the parent writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use prost::Message as _;
use rustls_pki_types::ServerName;
use tokio::net::TcpListener;
use tonic::transport::Channel;

use almenara_certs::{Authority, Leaf, Role};
use almenara_client::{
    clock,
    rosters::{Rosters, authorities},
    rpc::log_service_client::LogServiceClient,
    tls::{self, Identity, SharedAuthorities},
};
use almenara_proto::{
    keys::{PublicKey, SigningKey},
    merkle,
    name::MemberName,
    roster::{AcceptedRoster, CustodyRule, Member, Roster, Segment, SignedRoster},
    wire,
};
use almenara_server::{
    compare::Pace,
    listener::Limits,
    node::{Node, Settings},
    rosters::SharedRosters,
    safeguards::Safeguards,
};

use crate::cluster::{FEDERATION, key};

const NAMES: [(&str, &str); 2] = [("police.th.example", "TH"), ("ngo.nl.example", "NL")];
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// The federation as the parent knows it.
pub struct Federation {
    directory: PathBuf,
    addresses: Vec<String>,
    authority: Vec<Authority>,
    shared: SharedAuthorities,
    /// Version 1.
    pub roster: AcceptedRoster,
    children: Vec<Option<Child>>,
    /// The largest resident set of any node, in MiB.
    pub rss_mib_max: f64,
}

fn root_key(member: usize) -> SigningKey {
    key(member as u8 * 4 + 1)
}

impl Federation {
    /// Writes the files of two members; no node runs yet.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub async fn create(directory: &Path) -> Result<Self> {
        let now = clock::system()();
        let (mut authority, mut addresses, mut members) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (at, (name, jurisdiction)) in NAMES.iter().enumerate() {
            // The port is free a moment later, when the child binds it.
            let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.to_string();
            let own = Authority::create(name, YEAR * 2, now)?;
            let leaf = own.issue(Role::Node, "node-1", &[ServerName::try_from("127.0.0.1")?], YEAR, now)?;
            std::fs::write(directory.join(format!("{at}.chain")), leaf.chain_pem)?;
            almenara_certs::write_private(&directory.join(format!("{at}.secret")), &leaf.key_pem)?;
            let name: MemberName = name.parse()?;
            let member = Member {
                name: name.clone(),
                organisation_type: wire::OrganisationType::Police,
                jurisdiction: jurisdiction.parse()?,
                also_subject_to: Vec::new(),
                segments: vec![Segment {
                    from_size: 0,
                    root: merkle::empty_root(),
                    root_key: PublicKey::of(&root_key(at)),
                    log_key: PublicKey::of(&key(at as u8 * 4 + 2)),
                }],
                cosign_key: PublicKey::of(&key(at as u8 * 4 + 3)),
                tls_ca: vec![own.cert_der().to_vec().into()],
                grpc: address.clone(),
                https: String::new(),
                contact: String::new(),
            };
            members.insert(name, member);
            authority.push(own);
            addresses.push(address);
        }
        let roster = Roster {
            federation: FEDERATION.into(),
            version: 1,
            expires_at: now + YEAR.as_secs(),
            previous: None,
            members,
            groups: BTreeMap::new(),
            quorum: 1,
            custody: CustodyRule::default(),
        };
        let mut signed = SignedRoster::unsigned(&roster);
        (0..NAMES.len()).for_each(|member| signed.sign(&root_key(member)));
        std::fs::write(directory.join("roster"), signed.to_wire().encode_to_vec())?;
        let pinned = signed.id();
        let roster = signed.accept_first(&pinned)?;
        Ok(Self {
            directory: directory.to_owned(),
            addresses,
            authority,
            shared: SharedAuthorities::new(authorities(&roster.roster)?),
            roster,
            children: vec![None, None],
            rss_mib_max: 0.0,
        })
    }

    /// A member's name.
    ///
    /// # Errors
    /// When there is none of that number.
    pub fn name(&self, member: usize) -> Result<MemberName> {
        Ok(NAMES.get(member).context("no such member")?.0.parse()?)
    }

    /// A member's root key.
    #[must_use]
    pub fn root_key(&self, member: usize) -> SigningKey {
        root_key(member)
    }

    /// Starts a node's process and waits until it answers.
    ///
    /// # Errors
    /// When it does not within 20 seconds.
    pub async fn start(&mut self, member: usize) -> Result<()> {
        let child = Command::new(std::env::current_exe()?)
            .args(["--node", &member.to_string(), "--directory"])
            .arg(&self.directory)
            .stdin(Stdio::null())
            .spawn()?;
        *self.children.get_mut(member).context("no such member")? = Some(child);
        for _ in 0..2_000 {
            if self.connect(member, Role::Auditor, "probe").await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("the node does not answer")
    }

    /// Notes the largest resident set of every running node.
    ///
    /// # Errors
    /// When a node has died.
    pub fn note_rss(&mut self) -> Result<()> {
        for child in self.children.iter().flatten() {
            self.rss_mib_max = self.rss_mib_max.max(super::machine::peak_rss_mib(child.id())?);
        }
        Ok(())
    }

    /// Stops a node in order: it writes its WAL back.
    ///
    /// # Errors
    /// When it fails.
    pub async fn stop(&mut self, member: usize) -> Result<()> {
        self.note_rss()?;
        let mut child =
            self.children.get_mut(member).and_then(Option::take).context("the node does not run")?;
        // The child stops when told so by the name of a file: no signal needs unsafe code or a crate.
        std::fs::write(self.directory.join(format!("{member}.stop")), "")?;
        while child.try_wait()?.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        std::fs::remove_file(self.directory.join(format!("{member}.stop")))?;
        Ok(())
    }

    /// A leaf of a member's authority.
    ///
    /// # Errors
    /// When there is no such member.
    pub fn leaf(&self, member: usize, role: Role, name: &str) -> Result<Leaf> {
        let authority = self.authority.get(member).context("no such member")?;
        Ok(authority.issue(role, name, &[], YEAR, clock::system()())?)
    }

    /// A channel to a node, as a leaf of its own member.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn connect(&self, member: usize, role: Role, name: &str) -> Result<Channel> {
        let clock = clock::system();
        let authority = self.authority.get(member).context("no such member")?;
        let leaf = self.leaf(member, role, name)?;
        let identity = Identity::from_pem(&leaf.chain_pem, &leaf.key_pem)?;
        let address = self.addresses.get(member).context("no such member")?;
        Ok(tls::connect(address, authority.member(), &identity, &self.shared, &clock).await?)
    }

    /// Size of A's log as a node has it.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn size(&self, channel: &Channel, origin: usize) -> Result<u64> {
        let request = wire::GetCheckpointRequest { origin: self.name(origin)?.to_string(), size: 0 };
        let answer = LogServiceClient::new(channel.clone()).get_checkpoint(request).await?.into_inner();
        let text = String::from_utf8(answer.checkpoint.to_vec())?;
        Ok(text.lines().nth(1).and_then(|line| line.parse().ok()).unwrap_or(0))
    }

    /// Bytes of a node's database, and of its WAL.
    ///
    /// # Errors
    /// When the database is not there.
    pub fn disk(&self, member: usize) -> Result<(u64, u64)> {
        let wal = self.directory.join(format!("{member}.db-wal"));
        let database = std::fs::metadata(self.directory.join(format!("{member}.db")))?.len();
        Ok((database, std::fs::metadata(wal).map_or(0, |file| file.len())))
    }

    /// Where the databases are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Federation {
    fn drop(&mut self) {
        for child in self.children.iter_mut().flatten() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// A node's process: runs until its stop file appears.
///
/// # Errors
/// Whatever kept it from running.
pub async fn node(member: usize, directory: &Path) -> Result<()> {
    let read = |name: &str| std::fs::read(directory.join(name)).with_context(|| name.to_owned());
    let signed = SignedRoster::from_wire(wire::SignedRoster::decode(read("roster")?.as_slice())?)?;
    let pinned = signed.id();
    let rosters = Rosters::begin(directory.join(format!("{member}.rosters")), signed, pinned)?;
    let name: MemberName = NAMES.get(member).context("no such member")?.0.parse()?;
    let address = rosters.current().roster.member(&name).context("not on the roster")?.grpc.clone();
    let chain = String::from_utf8(read(&format!("{member}.chain"))?)?;
    let secret = almenara_certs::read_private(&directory.join(format!("{member}.secret")))?;
    let node = Node::start(
        Settings {
            member: name,
            rosters: SharedRosters::new(rosters)?,
            store_url: format!("sqlite:{}", directory.join(format!("{member}.db")).display()),
            log_key: key(member as u8 * 4 + 2),
            cosign_key: key(member as u8 * 4 + 3),
            tombstone_key: [7; 32],
            identity: Identity::from_pem(&chain, &secret)?,
            safeguards: Safeguards::none().into(),
            statements_per_day: u64::MAX,
            lookups_per_minute: u64::MAX,
            consumers: BTreeMap::new(),
            narrowed: BTreeSet::new(),
            clock: clock::system(),
            limits: Limits::default(),
            erase_after: 72 * 3_600,
            evidence: directory.join(format!("{member}.evidence")),
            pace: Pace::default(),
            witnesses: Vec::new(),
            accept_loss: false,
        },
        TcpListener::bind(address).await?,
    )
    .await?;
    let stop = directory.join(format!("{member}.stop"));
    let told = async {
        while !stop.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    Ok(node.run_until(told).await?)
}
