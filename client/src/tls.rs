//! Mutual TLS as a caller: who we are, whom we expect, and which authorities decide.
//!
//! A node is recognised by its certificate's `spiffe://<member>/node/…`, chained to that member's own
//! authorities in the roster (PROTOCOL.md §7). Its DNS name identifies nobody: addresses move, and a name
//! service is nobody's authority here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use almenara_certs::{Authorities, Bearer, InspectError, SpiffeId, inspect};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio::sync::watch;

mod connect;
mod error;
mod expect;

pub use connect::{Dial, connect, connect_as_nobody, connect_over};
pub use error::ConnectError;
pub use expect::ServerError;

pub use crate::clock::Clock;

/// The authorities of the current roster, shared by everything that checks a certificate.
///
/// Whoever accepts a roster replaces them; all clones see it at once, and those who subscribed are woken.
#[derive(Clone, Debug)]
pub struct SharedAuthorities(Arc<watch::Sender<Arc<Authorities>>>);

impl SharedAuthorities {
    /// Starts with those of the roster in force.
    #[must_use]
    pub fn new(authorities: Authorities) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(authorities))))
    }

    /// Those in force now. Two calls give the same `Arc` exactly while nothing was replaced.
    #[must_use]
    pub fn current(&self) -> Arc<Authorities> {
        self.0.borrow().clone()
    }

    /// Puts those of a newer roster in force.
    pub fn replace(&self, authorities: Authorities) {
        self.0.send_replace(Arc::new(authorities));
    }

    /// Wakes the caller at each replacement.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Authorities>> {
        self.0.subscribe()
    }
}

/// Who we are: a leaf of our member, and its key. Clones share one; a renewal replaces it for all, and the
/// next handshake presents the new one.
#[derive(Clone)]
pub struct Identity {
    id: SpiffeId,
    key: Arc<watch::Sender<Arc<CertifiedKey>>>,
}

impl Identity {
    /// Takes up a leaf from the PEM of its certificate chain and its private key.
    ///
    /// # Errors
    /// [`OwnIdentityError`] if either cannot be read, or if they do not belong together.
    pub fn from_pem(chain_pem: &str, key_pem: &str) -> Result<Self, OwnIdentityError> {
        let (id, key) = certified(chain_pem, key_pem)?;
        Ok(Self { id, key: Arc::new(watch::Sender::new(Arc::new(key))) })
    }

    /// Replaces the leaf by a renewed one of the same name.
    ///
    /// # Errors
    /// As [`Identity::from_pem`], and [`OwnIdentityError::Another`] for another name; the old leaf then stays.
    pub fn replace(&self, chain_pem: &str, key_pem: &str) -> Result<(), OwnIdentityError> {
        let (id, key) = certified(chain_pem, key_pem)?;
        if id != self.id {
            return Err(OwnIdentityError::Another { expected: self.id.clone(), found: id });
        }
        self.key.send_replace(Arc::new(key));
        Ok(())
    }

    /// Our name.
    #[must_use]
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// The leaf and key to present in a handshake that begins now.
    #[must_use]
    pub fn current(&self) -> Arc<CertifiedKey> {
        self.key.borrow().clone()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("id", &self.id).finish_non_exhaustive()
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn certified(chain_pem: &str, key_pem: &str) -> Result<(SpiffeId, CertifiedKey), OwnIdentityError> {
    let Bearer::Leaf(id) = inspect(chain_pem)?.bearer else { return Err(OwnIdentityError::Authority) };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain_pem.as_bytes()).collect();
    let chain = chain.map_err(|error| InspectError::Pem(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
        .map_err(|error| OwnIdentityError::Key { id: id.clone(), reason: error.to_string() })?;
    let certified = CertifiedKey::from_der(chain, key, &provider())
        .map_err(|error| OwnIdentityError::Key { id: id.clone(), reason: error.to_string() })?;
    Ok((id, certified))
}

/// Why our own leaf cannot be taken up. Blame: the person at the machine.
#[derive(Debug, thiserror::Error)]
pub enum OwnIdentityError {
    /// The certificate cannot be read.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// An authority's certificate was given.
    #[error(
        "this is an authority's certificate, which signs leaves and presents itself to nobody: give a leaf, from `almenarad cert issue`"
    )]
    Authority,
    /// The key cannot be read or belongs to another certificate.
    #[error(
        "the private key for {id} does not fit: {reason}; give the key that was made with this certificate"
    )]
    Key {
        /// Whom the certificate names.
        id: SpiffeId,
        /// What is wrong with the key.
        reason: String,
    },
    /// A renewal must not change who we are.
    #[error("the new certificate names {found} and not {expected}: renew with `almenarad cert renew`")]
    Another {
        /// Who we are.
        expected: SpiffeId,
        /// Whom the new certificate names.
        found: SpiffeId,
    },
}

/// The one provider of cryptography: ring.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A clock as rustls wants it.
#[must_use]
pub fn time_provider(clock: Clock) -> Arc<dyn TimeProvider> {
    Arc::new(ByClock(clock))
}

struct ByClock(Clock);

impl fmt::Debug for ByClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByClock")
    }
}

impl TimeProvider for ByClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs((self.0)())))
    }
}

/// How to call a node of `member`: TLS 1.2 or 1.3, presenting `identity` (or nobody, for public pages), with
/// the application protocols `alpn` in order of preference. No session is ever resumed: each is judged anew.
///
/// # Errors
/// [`rustls::Error`] if ring does not have what rustls needs, which no input can cause.
pub fn client_config(
    identity: Option<&Identity>,
    member: &str,
    authorities: &SharedAuthorities,
    clock: &Clock,
    alpn: &[&[u8]],
) -> Result<ClientConfig, rustls::Error> {
    let provider = provider();
    let expect = expect::NodeOf::new(member, authorities, &provider);
    let builder = ClientConfig::builder_with_details(provider, time_provider(clock.clone()))
        .with_safe_default_protocol_versions()?
        .dangerous() // rustls' word for a verifier that is not its own
        .with_custom_certificate_verifier(Arc::new(expect));
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(identity.clone())),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.resumption = Resumption::disabled();
    Ok(config)
}
