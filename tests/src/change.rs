//! Rosters that change while the nodes run.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tonic::Status;

use almenara_certs::Role;
use almenara_client::{rosters::authorities, rpc::roster_service_client::RosterServiceClient};
use almenara_proto::{
    roster::{Member, Roster, SignedRoster},
    wire,
};

use crate::cluster::{Cluster, MemberHome, member_entry};

impl Cluster {
    /// Makes the files of one more organisation, which is on no roster yet, and gives its entry.
    ///
    /// # Errors
    /// When an address or a certificate cannot be had.
    pub async fn organisation(&mut self, name: &str, jurisdiction: &str) -> Result<Member> {
        let home = MemberHome::create(name, u8::try_from(self.members.len())?).await?;
        let entry = member_entry(&home, jurisdiction)?;
        self.members.push(home);
        Ok(entry)
    }

    /// The next version with a change, signed by the root keys of these members.
    ///
    /// # Errors
    /// When there is no such member.
    pub fn next_roster(&self, change: impl FnOnce(&mut Roster), signers: &[usize]) -> Result<SignedRoster> {
        let mut roster = self.roster.roster.clone();
        roster.version += 1;
        roster.previous = Some(self.roster.id);
        change(&mut roster);
        let mut signed = SignedRoster::unsigned(&roster);
        for signer in signers {
            signed.sign(&self.member(*signer)?.root_key);
        }
        Ok(signed)
    }

    /// Offers a roster to the node of `to` as an operator of `member`; gives the version in force there.
    ///
    /// # Errors
    /// The inner error is the node's.
    pub async fn offer(
        &self,
        to: usize,
        member: usize,
        roster: &SignedRoster,
    ) -> Result<Result<u64, Status>> {
        self.offer_as(to, member, Role::Operator, roster).await
    }

    /// The same in another role.
    ///
    /// # Errors
    /// As [`Self::offer`].
    pub async fn offer_as(
        &self,
        to: usize,
        member: usize,
        role: Role,
        roster: &SignedRoster,
    ) -> Result<Result<u64, Status>> {
        let channel = self.connect(to, &self.identity(member, role, "somebody")?).await?;
        let request = wire::SubmitRosterRequest { roster: Some(roster.to_wire()) };
        let answer = RosterServiceClient::new(channel).submit(request).await;
        Ok(answer.map(|answer| answer.into_inner().version))
    }

    /// Version 1 as its members signed it.
    ///
    /// # Errors
    /// When there is none.
    pub fn first_roster(&self) -> Result<SignedRoster> {
        Ok(self.chain.first().context("a chain")?.signed.clone())
    }

    /// Goes on under an accepted roster: the tests' own clients too, and nodes that start later.
    ///
    /// # Errors
    /// When it does not follow.
    pub fn adopt(&mut self, roster: &SignedRoster) -> Result<()> {
        self.roster = roster.clone().accept_next(&self.roster)?;
        self.chain.push(self.roster.clone());
        self.authorities.replace(authorities(&self.roster.roster)?);
        Ok(())
    }

    /// Waits until a node has a version of the roster.
    ///
    /// # Errors
    /// After ten seconds.
    pub async fn has_roster(&self, node: usize, version: u64) -> Result<()> {
        let mut held = self.node(node)?.rosters().subscribe();
        let reached = held.wait_for(|held| *held >= version);
        tokio::time::timeout(Duration::from_secs(10), reached)
            .await
            .context("the roster does not come")??;
        Ok(())
    }
}
