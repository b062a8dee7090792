//! Whose certificate is this? The only answer that any connection of the federation acts upon.

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};

use crate::authorities::Authorities;
use crate::id::SpiffeId;
use crate::inspect::{InspectError, Names, life, read};
use crate::moment;

/// What the bearer does on this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// It called.
    Client,
    /// It was called.
    Server,
}

/// Names the bearer of a certificate, judged by its own member's authorities and no one else's.
///
/// `intermediates` are the further certificates that it presented, `now` the judge's clock. In order:
/// 1. the certificate is well formed and has exactly one URI, an identity of the protocol;
/// 2. the member that it names is on the roster;
/// 3. that member has an authority in force;
/// 4. the certificate chains to one of those, is in force and made for `usage` (RFC 5280, by webpki).
///
/// # Errors
/// [`IdentityError`], which names who, why, and what to do.
pub fn verify(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    authorities: &Authorities,
    now: UnixTime,
    usage: Usage,
) -> Result<SpiffeId, IdentityError> {
    let certificate = read(end_entity)?;
    let id: SpiffeId = Names::of(&certificate)?.one_uri()?.parse().map_err(InspectError::from)?;
    let Some(anchors) = authorities.of(id.member()) else { return Err(IdentityError::NotOnRoster { id }) };
    let in_force: Vec<TrustAnchor<'_>> = anchors
        .iter()
        .filter(|anchor| (anchor.not_before..=anchor.not_after).contains(&now.as_secs()))
        .map(|anchor| anchor.anchor.clone())
        .collect();
    if in_force.is_empty() {
        return Err(IdentityError::AuthorityNotInForce { id });
    }
    let key_usage = match usage {
        Usage::Client => KeyUsage::client_auth(),
        Usage::Server => KeyUsage::server_auth(),
    };
    let chained = EndEntityCert::try_from(end_entity).and_then(|leaf| {
        leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &in_force, intermediates, now, key_usage, None, None)
            .map(|_| ())
    });
    match chained {
        Ok(()) => Ok(id),
        Err(error) => Err(explain(id, life(&certificate), error)),
    }
}

/// Turns webpki's reason into ours.
fn explain(id: SpiffeId, (not_before, not_after): (u64, u64), error: webpki::Error) -> IdentityError {
    use webpki::Error;
    match error {
        Error::CertExpired { .. } => IdentityError::Expired { id, not_after },
        Error::CertNotValidYet { .. } => IdentityError::NotYetValid { id, not_before },
        // A foreign authority of the same name shows as a signature that fails, or as another algorithm.
        Error::UnknownIssuer
        | Error::InvalidSignatureForPublicKey
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            IdentityError::ForeignAuthority { id }
        }
        Error::RequiredEkuNotFoundContext(_) => IdentityError::WrongUsage { id },
        other => IdentityError::Chain { id, reason: other.to_string() },
    }
}

/// Why a certificate names nobody here. Blame: its bearer (`Refused`; a peer that the roster names and that
/// shows such a certificate is not the one it should be).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// It cannot be read, or names nobody, or two.
    #[error(transparent)]
    Unreadable(#[from] InspectError),
    /// Its member is not in the current roster.
    #[error("{id} is refused: {} is not on the current roster; a member must be voted in, or the roster here is old", id.member())]
    NotOnRoster {
        /// Whom it names.
        id: SpiffeId,
    },
    /// All authorities of its member have expired or not begun.
    #[error("{id} is refused: no authority of {} is in force now; the roster must list a current one, or a clock is wrong", id.member())]
    AuthorityNotInForce {
        /// Whom it names.
        id: SpiffeId,
    },
    /// Not one of its member's own authorities issued it.
    #[error("{id} is refused: no authority that the roster lists for {} issued this certificate; {} must issue it, or have its authority listed", id.member(), id.member())]
    ForeignAuthority {
        /// Whom it names.
        id: SpiffeId,
    },
    /// It, or one that it rests on, is past its end.
    #[error("{id} is refused: its certificate, valid until {}, has expired; renew it with `almenarad cert renew`", moment(*not_after))]
    Expired {
        /// Whom it names.
        id: SpiffeId,
        /// The leaf's last second, in Unix seconds.
        not_after: u64,
    },
    /// It, or one that it rests on, has not begun.
    #[error("{id} is refused: its certificate is valid only from {}; check the clocks at both ends", moment(*not_before))]
    NotYetValid {
        /// Whom it names.
        id: SpiffeId,
        /// The leaf's first second, in Unix seconds.
        not_before: u64,
    },
    /// It may not be used at this end of a connection.
    #[error(
        "{id} is refused: its certificate is not made for this end of a connection; only a node's leaf may serve"
    )]
    WrongUsage {
        /// Whom it names.
        id: SpiffeId,
    },
    /// Anything else that breaks the chain (RFC 5280).
    #[error(
        "{id} is refused: its certificate does not hold: {reason}; issue a new one with `almenarad cert issue`"
    )]
    Chain {
        /// Whom it names.
        id: SpiffeId,
        /// webpki's reason.
        reason: String,
    },
}

impl IdentityError {
    /// Whom the certificate named, if it named anybody.
    #[must_use]
    pub fn id(&self) -> Option<&SpiffeId> {
        match self {
            Self::Unreadable(_) => None,
            Self::NotOnRoster { id }
            | Self::AuthorityNotInForce { id }
            | Self::ForeignAuthority { id }
            | Self::Expired { id, .. }
            | Self::NotYetValid { id, .. }
            | Self::WrongUsage { id }
            | Self::Chain { id, .. } => Some(id),
        }
    }
}

#[cfg(test)]
mod tests;
