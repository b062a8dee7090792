//! Keeps what a node does in step with who belongs: whose certificates count, whose logs it has, whom it follows.

use std::{collections::BTreeMap, time::Duration};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use almenara_client::rosters::{authorities, expiry_warning};
use almenara_proto::{keys::PublicKey, name::MemberName, roster::Roster};

use crate::{compare::Trees, node::NodeError, peers::Peers, safeguards::SharedSafeguards};

/// How often the end of the roster is told, once it is near.
const REMIND_EVERY: Duration = Duration::from_secs(86_400);

/// What keeps in step.
pub struct Members {
    /// Follows logs.
    pub peers: Peers,
    /// Whose node this is.
    pub own: MemberName,
    /// The log key and the cosign key that it holds.
    pub keys: [PublicKey; 2],
    /// Roots of what is held.
    pub trees: Trees,
    /// Protect the members' names.
    pub safeguards: SharedSafeguards,
}

impl Members {
    /// Runs until `shutdown`, woken by each new roster.
    ///
    /// # Errors
    /// [`NodeError::NotOnRoster`] when the roster names other keys for this member than the node holds: what it signed
    /// from then on would be a cut-off tail. [`NodeError::Part`] when a task that follows a log has failed. [`NodeError::Astray`] when
    /// the roster has decided for another history of a log than is held.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), NodeError> {
        let mut version = self.peers.rosters.subscribe();
        let mut following: BTreeMap<MemberName, CancellationToken> = BTreeMap::new();
        let mut follows = JoinSet::new();
        let mut remind = tokio::time::interval(REMIND_EVERY);
        loop {
            version.borrow_and_update();
            let accepted = self.peers.rosters.current();
            let roster = &accepted.roster;
            check_keys(roster, &self.own, self.keys)?;
            self.safeguards.protect_members(roster.members.keys().map(|name| name.as_str()));
            for head in self.peers.heads.all() {
                let (size, note) = (head.prefix.size(), &head.checkpoint);
                if let Some(member) = roster.member(head.prefix.member())
                    && self.trees.is_astray(head.log, size, note, member).await?
                {
                    return Err(NodeError::Astray(member.name.clone()));
                }
            }
            if !roster.contains(&self.own) {
                tracing::error!(
                    version = roster.version,
                    "this member left the roster: nobody talks to its node"
                );
            }
            match authorities(roster) {
                Ok(authorities) => self.peers.authorities.replace(authorities),
                Err(error) => {
                    tracing::error!(%error, version = roster.version, "the certificates of the roster before stay in force");
                }
            }
            following.retain(|member, follow| {
                let stays = roster.contains(member);
                if !stays {
                    tracing::info!(%member, version = roster.version, "no longer a member: its log is not followed");
                    follow.cancel();
                }
                stays
            });
            for member in roster.members.keys().filter(|member| **member != self.own) {
                if following.contains_key(member) {
                    continue;
                }
                if self.peers.ingest.add_log(member.clone()).await.is_err() {
                    return Ok(());
                }
                let token = shutdown.child_token();
                follows.spawn(self.peers.clone().follow(member.clone(), token.clone()));
                following.insert(member.clone(), token);
            }
            loop {
                tokio::select! {
                    changed = version.changed() => if changed.is_err() { return Ok(()) } else { break },
                    () = shutdown.cancelled() => return Ok(()),
                    _ = remind.tick() => {
                        if let Some(warning) = expiry_warning(roster, (self.peers.clock)()) {
                            tracing::warn!("{warning}");
                        }
                    }
                    Some(ended) = follows.join_next(), if !follows.is_empty() => {
                        ended.map_err(|error| NodeError::Part(error.to_string()))?;
                    }
                }
            }
        }
    }
}

/// Whether the roster names the keys that this node holds, `[log, cosign]`. A member that left has none there.
///
/// # Errors
/// [`NodeError::NotOnRoster`].
pub fn check_keys(roster: &Roster, own: &MemberName, [log, cosign]: [PublicKey; 2]) -> Result<(), NodeError> {
    let refuse = |why| NodeError::NotOnRoster { member: own.clone(), version: roster.version, why };
    let Some(listed) = roster.member(own) else { return Ok(()) };
    if listed.segment().is_none_or(|segment| segment.log_key != log) {
        return Err(refuse(
            "the roster names another log key than keys.log holds: start again with that one",
        ));
    }
    if listed.cosign_key != cosign {
        return Err(refuse(
            "the roster names another cosign key than keys.cosign holds: start again with that one",
        ));
    }
    Ok(())
}
