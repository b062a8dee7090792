//! Why there is no connection, and whose fault it is.

use std::error::Error as StdError;

use almenara_certs::SpiffeId;

use super::ServerError;

/// Why there is no connection to a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The address cannot be parsed. Blame: `Malformed`, those who wrote it.
    #[error("'{address}' is no address of a node: {reason}; write host:port")]
    Address {
        /// The address.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// The member is not on our roster. Blame: `Refused`, by ourselves.
    #[error(
        "{member} is not on the current roster, so nobody can be recognised as its node: update the roster, or correct the name"
    )]
    NotOnRoster {
        /// The member.
        member: String,
    },
    /// Nobody answers. Blame: `Unavailable`.
    #[error(
        "the node of {member} at {address} cannot be reached: {reason}; try again later, or ask another node"
    )]
    Unreachable {
        /// The address.
        address: String,
        /// The member.
        member: String,
        /// The system's reason.
        reason: String,
    },
    /// Something answers that is no node. Blame: `Misbehaved`, who answers there.
    #[error(
        "what answers for {member} at {address} is no node: {reason}; check the address, or ask another node"
    )]
    NotANode {
        /// The address.
        address: String,
        /// The member.
        member: String,
        /// What it did.
        reason: String,
    },
    /// Somebody answers who is not whom the roster says. Blame: `Misbehaved`, who answers there.
    #[error(
        "what answers for {member} at {address} is not its node: {reason}; nothing was sent. Check the address, tell {member}, or ask another node"
    )]
    WrongServer {
        /// The address.
        address: String,
        /// The member.
        member: String,
        /// Who answered, or why its certificate does not hold.
        reason: ServerError,
    },
    /// The node does not accept our own leaf. Blame: `Refused`.
    #[error("the node of {member} at {address} refused our certificate {own}: {advice}")]
    OwnCertificateRefused {
        /// The address.
        address: String,
        /// The member.
        member: String,
        /// Who we said we are.
        own: SpiffeId,
        /// What to do.
        advice: &'static str,
    },
}

impl ConnectError {
    /// Finds the reason inside an error of a channel that could not reconnect.
    #[must_use]
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }
}
