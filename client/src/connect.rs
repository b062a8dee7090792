//! From configuration and rosters to a node that answers: nodes are tried in order, and what they know newer of
//! the roster is taken in, verified, before anything else is asked.

use std::{
    collections::{BTreeSet, VecDeque},
    path::Path,
};

use tonic::transport::Channel;

use almenara_proto::{limits::MESSAGE_BYTES, name::MemberName, roster::Roster, roster::SignedRoster, wire};

use crate::{
    context::Context,
    exit::CliError,
    rosters::{self, Rosters},
    rpc::{
        custody_service_client::CustodyServiceClient, log_service_client::LogServiceClient,
        lookup_service_client::LookupServiceClient, roster_service_client::RosterServiceClient,
    },
    tls::{self, Clock, Identity, SharedAuthorities},
};

/// Newer roster versions that one connection may bring: decades of monthly ones; an endless stream ends there.
const ROSTERS_AHEAD: usize = 1_024;

/// Nodes beyond the configured ones that one command turns to. A silent one costs ten seconds, so that somebody whose own
/// network is down learns it after a minute or so; and of eight other members one answers, if any network is left.
const BEYOND: usize = 8;

/// Whom to call, as whom, and whom to believe.
pub struct Caller {
    identity: Identity,
    authorities: SharedAuthorities,
    clock: Clock,
    rosters: Rosters,
    /// Configured members whose nodes were not tried yet, in order of preference.
    untried: VecDeque<MemberName>,
    /// Configured members, and those that were tried beyond them.
    known: BTreeSet<MemberName>,
    /// How many more may be tried beyond the configured ones.
    beyond: usize,
}

/// A node that answered and proved that it is its member's.
#[derive(Clone, Debug)]
pub struct Node {
    /// Whose node.
    pub member: MemberName,
    channel: Channel,
}

impl Caller {
    /// Takes up the own leaf and the accepted rosters.
    ///
    /// # Errors
    /// [`CliError`], which names the file or key.
    pub fn open(context: &Context) -> Result<Self, CliError> {
        let config = context.config()?;
        let rosters = context.rosters()?;
        let chain = read(&config.tls.certificate)?;
        let key = almenara_certs::read_private(&config.tls.key)?;
        Ok(Self {
            identity: Identity::from_pem(&chain, &key)?,
            authorities: SharedAuthorities::new(rosters::authorities(&rosters.current().roster)?),
            clock: context.clock.clone(),
            untried: config.nodes.iter().cloned().collect(),
            known: config.nodes.iter().cloned().collect(),
            beyond: BEYOND,
            rosters,
        })
    }

    /// The roster in force.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.rosters.current().roster
    }

    /// The accepted rosters.
    #[must_use]
    pub const fn rosters(&self) -> &Rosters {
        &self.rosters
    }

    /// The member that our own leaf belongs to.
    #[must_use]
    pub fn member(&self) -> &str {
        self.identity.id().member()
    }

    /// The next configured node that answers, with its newer rosters taken in; `failed` is told of those that do not.
    ///
    /// # Errors
    /// [`CliError`], when no node is left: the blame of the last failure.
    pub async fn next(&mut self, failed: &mut dyn FnMut(&MemberName, &CliError)) -> Result<Node, CliError> {
        let mut last = None;
        while let Some(member) = self.untried.pop_front() {
            match self.call(&member).await {
                Ok(node) => return Ok(node),
                Err(error) => {
                    failed(&member, &error);
                    last = Some(error);
                }
            }
        }
        Err(last.unwrap_or_else(|| {
            CliError::unavailable(
                "no other node is configured: add members to `nodes` in almenara.toml, or try again later",
            )
        }))
    }

    /// The next node that answers beyond the configured ones, at its address of the roster: our own member's, then those
    /// of `origins`, then the others by name. Nothing when nobody answers. For questions only that may be put to anybody:
    /// whoever is asked learns who we are and which logs we read.
    pub async fn next_beyond(
        &mut self,
        origins: &[MemberName],
        failed: &mut dyn FnMut(&MemberName, &CliError),
    ) -> Option<Node> {
        while let Some(left) = self.beyond.checked_sub(1) {
            self.beyond = left;
            let strangers = self.roster().members.keys().filter(|name| !self.known.contains(*name));
            let rank = |name: &&MemberName| (name.as_str() != self.member(), !origins.contains(name));
            let member = strangers.min_by_key(rank)?.clone();
            self.known.insert(member.clone());
            match self.call(&member).await {
                Ok(node) => return Some(node),
                Err(error) => failed(&member, &error),
            }
        }
        None
    }

    /// Calls the node of one member.
    ///
    /// # Errors
    /// [`CliError`], when it is not on the roster or cannot be reached.
    pub async fn call(&mut self, member: &MemberName) -> Result<Node, CliError> {
        let known = self.roster().member(member).ok_or_else(|| {
            CliError::usage(format!(
                "{member}, whose node is to be asked, is not on roster version {}",
                self.roster().version
            ))
        })?;
        let channel =
            tls::connect(&known.grpc, member.as_str(), &self.identity, &self.authorities, &self.clock)
                .await?;
        let node = Node { member: member.clone(), channel };
        self.refresh(&node).await?;
        Ok(node)
    }

    /// Takes in the versions that this node knows and we do not. Two ends agree on the roster first: until they
    /// do, nothing restricted flows (PROTOCOL.md §8).
    async fn refresh(&mut self, node: &Node) -> Result<(), CliError> {
        let mut client = node.rosters();
        let from_version = self.roster().version;
        let status = |status| node.error(status);
        let mut offered =
            client.get(wire::GetRosterRequest { from_version }).await.map_err(status)?.into_inner();
        let mut taken = 0;
        while let Some(wire) = offered.message().await.map_err(status)? {
            taken += 1;
            if taken > ROSTERS_AHEAD {
                return Err(CliError::misbehaved(format!("{} sends rosters without end", node.member)));
            }
            let offered = SignedRoster::from_wire(wire).map_err(|void| {
                CliError::misbehaved(format!("{} sends a roster that is none: {void}", node.member))
            })?;
            self.rosters.accept(offered).map_err(|error| CliError::from(error).at(&node.member))?;
        }
        if self.roster().version > from_version {
            self.authorities.replace(rosters::authorities(self.roster())?);
        }
        Ok(())
    }

    /// Accepts the next version, durably, and calls by it from now on.
    ///
    /// # Errors
    /// [`CliError`], as [`Rosters::accept`] says.
    pub fn accept(&mut self, offered: SignedRoster) -> Result<(), CliError> {
        self.rosters.accept(offered)?;
        self.authorities.replace(rosters::authorities(self.roster())?);
        Ok(())
    }
}

impl Node {
    /// Its rosters.
    #[must_use]
    pub fn rosters(&self) -> RosterServiceClient<Channel> {
        RosterServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES)
    }

    /// Its logs.
    #[must_use]
    pub fn logs(&self) -> LogServiceClient<Channel> {
        LogServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES)
    }

    /// Its verdicts.
    #[must_use]
    pub fn lookups(&self) -> LookupServiceClient<Channel> {
        LookupServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES)
    }

    /// Who keeps what.
    #[must_use]
    pub fn custody(&self) -> CustodyServiceClient<Channel> {
        CustodyServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES)
    }

    /// What it answered instead of an answer, with blame.
    #[must_use]
    pub fn error(&self, status: tonic::Status) -> CliError {
        CliError::from(status).at(&self.member)
    }
}

fn read(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|error| CliError::file(path, &error))
}
