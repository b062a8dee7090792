//! What can go wrong with an authority.

use std::time::Duration;

use crate::authorities::AuthoritiesError;
use crate::id::{IdError, SpiffeId};
use crate::inspect::{Bearer, InspectError};
use crate::moment;
use crate::verify::IdentityError;

/// Why an authority could not be made, taken up or used. Blame: the person at the machine, but for
/// [`AuthorityError::Making`].
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A name that the protocol does not allow.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The certificate cannot be read.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// The authority's own certificate would not be accepted in a roster.
    #[error(transparent)]
    Unusable(#[from] AuthoritiesError),
    /// A leaf was given where an authority belongs.
    #[error(
        "this is the certificate of {0}, not of an authority: give the file that `almenarad init` made for the authority"
    )]
    NoAuthority(Bearer),
    /// Certificate and key do not belong together.
    #[error(
        "the key does not belong to the authority of {member}: give the key file made with this certificate"
    )]
    KeyMismatch {
        /// Whose authority it is.
        member: String,
    },
    /// A life that X.509 cannot express.
    #[error("a certificate made at {} cannot live for {} seconds: choose at least one second and an end before the year 10000", moment(*now), validity.as_secs())]
    Validity {
        /// When it was to begin, in Unix seconds.
        now: u64,
        /// How long it was to live.
        validity: Duration,
    },
    /// The authority has expired or not begun.
    #[error("the authority of {member} is in force from {} to {}, and now is outside: check the clock, or make a new authority and have the roster list it", moment(*not_before), moment(*not_after))]
    NotInForce {
        /// Whose authority it is.
        member: String,
        /// Its first second, in Unix seconds.
        not_before: u64,
        /// Its last second, in Unix seconds.
        not_after: u64,
    },
    /// A node's leaf without a host.
    #[error("{0} is a node, and standard gRPC tools check the host: give at least one DNS name or address")]
    NoHosts(SpiffeId),
    /// Hosts for somebody who does not serve.
    #[error("{0} is no node, so its certificate carries no hosts: leave them out")]
    NeedlessHosts(SpiffeId),
    /// Something that is neither a DNS name nor an address.
    #[error("'{0}' is neither a DNS name nor an IP address")]
    Host(String),
    /// A leaf that another authority issued, or nobody.
    #[error("this authority of {member} did not issue that certificate: {reason}")]
    Foreign {
        /// Whose authority was asked.
        member: String,
        /// What does not fit.
        reason: IdentityError,
    },
    /// Key or certificate could not be made or read.
    #[error("the key or certificate could not be made or read: {0}")]
    Making(#[from] rcgen::Error),
}
