//! Mutual TLS as a node: who calls, judged by the roster that is in force *now*.
//!
//! A client certificate is offered, never demanded: without one a caller is anonymous and sees public pages.
//! One that is presented must hold, or the handshake fails. And since connections outlive rosters, whom a
//! certificate names is judged again at each request (`Standing`), and no session is ever resumed: rustls
//! would resume one without asking the verifier.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use almenara_certs::{Authorities, IdentityError, Role, SpiffeId, Usage, verify};
pub use almenara_client::tls::{Clock, Identity, OwnIdentityError, SharedAuthorities};
use almenara_client::tls::{provider, time_provider};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio_rustls::TlsAcceptor;

/// How long a judgement of a certificate lasts while the roster does not change, in seconds: so long may an
/// expired one live on.
const JUDGEMENT_LASTS: u64 = 60;

/// The leaf that a node presents: an [`Identity`] whose role is `node`.
#[derive(Clone, Debug)]
pub struct ServerIdentity(Identity);

impl ServerIdentity {
    /// Takes it, if it may serve.
    ///
    /// # Errors
    /// [`NotANode`] for a leaf of another role.
    pub fn new(identity: Identity) -> Result<Self, NotANode> {
        match identity.id().role() {
            Role::Node => Ok(Self(identity)),
            _ => Err(NotANode(identity.id().clone())),
        }
    }
}

impl ResolvesServerCert for ServerIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current())
    }
}

/// A leaf that may not serve. Blame: the person at the machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no node, and only a node's leaf may serve: issue one with `almenarad cert issue`")]
pub struct NotANode(SpiffeId);

/// Who makes a request. In the extensions of each request that reaches a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whom its certificate names, under the roster in force at this request; none without a certificate.
    pub id: Option<SpiffeId>,
    /// The connection that it came by.
    pub connection: ConnectionId,
}

/// One connection, for logs and for the shares of each address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionId {
    /// Counted from 1 since the node began.
    pub number: u64,
    /// The other end.
    pub peer: SocketAddr,
}

/// All that a handshake needs, ready for [`crate::listener::serve`].
#[derive(Clone)]
pub struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) authorities: SharedAuthorities,
    pub(crate) clock: Clock,
}

impl Tls {
    /// TLS 1.2 and 1.3 with ring, HTTP/2 and HTTP/1.1, no resumption and no tickets.
    ///
    /// # Errors
    /// [`rustls::Error`] if ring does not have what rustls needs, which no input can cause.
    pub fn new(
        identity: ServerIdentity,
        authorities: SharedAuthorities,
        clock: Clock,
    ) -> Result<Self, rustls::Error> {
        let provider = provider();
        let verifier = Verifier {
            authorities: authorities.clone(),
            algorithms: provider.signature_verification_algorithms,
        };
        let mut config = ServerConfig::builder_with_details(provider, time_provider(clock.clone()))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::new(identity));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), authorities, clock })
    }
}

/// Judges a client's certificate in the handshake.
struct Verifier {
    authorities: SharedAuthorities,
    algorithms: WebPkiSupportedAlgorithms,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[] // a client has one identity for us and needs no hint
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match verify(end_entity, intermediates, &self.authorities.current(), now, Usage::Client) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(error) => {
                tracing::info!(%error, "a client certificate is refused");
                Err(alert(&error).into())
            }
        }
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

/// The alert that tells the client what to mend; `almenara_client::tls` reads it back into advice.
fn alert(error: &IdentityError) -> CertificateError {
    match error {
        IdentityError::Unreadable(_) | IdentityError::Chain { .. } => CertificateError::BadEncoding,
        IdentityError::NotOnRoster { .. } => CertificateError::ApplicationVerificationFailure,
        IdentityError::AuthorityNotInForce { .. } | IdentityError::ForeignAuthority { .. } => {
            CertificateError::UnknownIssuer
        }
        IdentityError::Expired { .. } => CertificateError::Expired,
        IdentityError::NotYetValid { .. } => CertificateError::NotValidYet,
        IdentityError::WrongUsage { .. } => CertificateError::InvalidPurpose,
    }
}

/// The certificate of a live connection, judged again whenever the roster changed or a minute went by.
pub(crate) struct Standing {
    chain: Vec<CertificateDer<'static>>,
    authorities: SharedAuthorities,
    clock: Clock,
    /// Owned by whoever asks next; all requests of one connection share it.
    judged: Mutex<Judgement>,
}

struct Judgement {
    under: Arc<Authorities>,
    at: u64,
    result: Result<SpiffeId, IdentityError>,
}

impl Standing {
    /// Of the certificates that a client presented in its handshake.
    ///
    /// # Errors
    /// [`IdentityError`] if the roster changed since, and they no longer hold.
    pub(crate) fn new(
        chain: Vec<CertificateDer<'static>>,
        authorities: SharedAuthorities,
        clock: Clock,
    ) -> Result<Self, IdentityError> {
        let under = authorities.current();
        let at = clock();
        let result = judge(&chain, &under, at);
        result.clone()?;
        Ok(Self { chain, authorities, clock, judged: Mutex::new(Judgement { under, at, result }) })
    }

    /// Whom the certificate names now.
    ///
    /// # Errors
    /// [`IdentityError`] once it names nobody: the member left, its authority changed, it expired.
    pub(crate) fn now(&self) -> Result<SpiffeId, IdentityError> {
        let under = self.authorities.current();
        let at = (self.clock)();
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&judged.under, &under) || at.abs_diff(judged.at) >= JUDGEMENT_LASTS {
            *judged = Judgement { result: judge(&self.chain, &under, at), under, at };
        }
        judged.result.clone()
    }
}

fn judge(
    chain: &[CertificateDer<'static>],
    authorities: &Authorities,
    now: u64,
) -> Result<SpiffeId, IdentityError> {
    let Some((leaf, intermediates)) = chain.split_first() else {
        return verify(&CertificateDer::from(Vec::new()), &[], authorities, at(now), Usage::Client);
    };
    verify(leaf, intermediates, authorities, at(now), Usage::Client)
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}
