//! The check of a server's certificate: it must be the node of the member that we called.

use std::fmt;
use std::sync::Arc;

use almenara_certs::{IdentityError, Role, SpiffeId, Usage, verify};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::SharedAuthorities;

/// Accepts a node of one member, under the authorities in force at the handshake.
pub(super) struct NodeOf {
    member: String,
    authorities: SharedAuthorities,
    algorithms: WebPkiSupportedAlgorithms,
}

impl NodeOf {
    pub(super) fn new(member: &str, authorities: &SharedAuthorities, provider: &CryptoProvider) -> Self {
        Self {
            member: member.to_owned(),
            authorities: authorities.clone(),
            algorithms: provider.signature_verification_algorithms,
        }
    }

    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), ServerError> {
        let id = verify(end_entity, intermediates, &self.authorities.current(), now, Usage::Server)?;
        if id.member() == self.member && id.role() == Role::Node {
            Ok(())
        } else {
            Err(ServerError::Another { expected: self.member.clone(), found: id })
        }
    }
}

impl fmt::Debug for NodeOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeOf").field("member", &self.member).finish_non_exhaustive()
    }
}

/// Why a server is not the one that we called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// Its certificate names nobody whom the roster would accept.
    #[error(transparent)]
    Certificate(#[from] IdentityError),
    /// Its certificate is good and somebody else's.
    #[error("it is {found}, and not a node of {expected}")]
    Another {
        /// The member that we called.
        expected: String,
        /// Who answered.
        found: SpiffeId,
    },
}

impl ServerCertVerifier for NodeOf {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.judge(end_entity, intermediates, now)
            .map(|()| ServerCertVerified::assertion())
            .map_err(|error| CertificateError::Other(OtherError(Arc::new(error))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
