//! From an address of the roster to a gRPC channel, and every way in which that can fail.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use almenara_certs::SpiffeId;
use hyper_util::rt::TokioIo;
use rustls::{AlertDescription, CertificateError, ClientConfig, OtherError};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Uri};

use super::{Clock, ConnectError, Identity, ServerError, SharedAuthorities, client_config};

/// How long reaching a node may take, name resolution and handshake included: longer than three
/// retransmissions of a lost first packet, shorter than a person's patience.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long we wait for the node's first word after the handshake. A node speaks at once (RFC 9113 §3.4), and
/// only then is it certain that it accepted our certificate; one that is silent longer may still be slow.
const FIRST_WORD_TIMEOUT: Duration = Duration::from_secs(5);

/// HTTP/2 receive window of a stream, in bytes: 8 MiB keep 100 MB/s flowing over a round trip of 80 ms.
const STREAM_WINDOW: u32 = 8 << 20;

/// HTTP/2 receive window of a connection, in bytes: two streams at full speed, and the most that a peer can
/// make us hold unread.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// How often a silent connection is asked for a sign of life: more often than the 30 s after which the
/// strictest middleboxes forget an idle connection.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// How long the sign of life may take: as long as a stalled mobile link needs to come back.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How bytes reach an address: TCP in earnest, anything in a simulation.
pub trait Dial: Clone + Send + Sync + 'static {
    /// A connection that carries bytes both ways.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Opens a connection to `address` (`host:port`).
    ///
    /// # Errors
    /// The system's reason why the address cannot be reached.
    fn dial(&self, address: &str) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

/// TCP without Nagle's delay: a request is written whole, and waiting for more would only cost time.
#[derive(Clone, Copy, Debug)]
struct Tcp;

impl Dial for Tcp {
    type Io = TcpStream;

    async fn dial(&self, address: &str) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Connects to the node of `member` at `address` (`host:port`, from the signed roster), as `identity`.
///
/// The channel reconnects by itself, under the authorities and the leaf that are current then; an error of
/// a later call may be asked for its reason by [`ConnectError::find`].
///
/// # Errors
/// [`ConnectError`], which tells an unreachable node from a wrong one and from a refusal of our own leaf.
pub async fn connect(
    address: &str,
    member: &str,
    identity: &Identity,
    authorities: &SharedAuthorities,
    clock: &Clock,
) -> Result<Channel, ConnectError> {
    connect_over(Tcp, address, member, Some(identity), authorities, clock).await
}

/// The same as nobody in particular: for what a node shows to everybody.
///
/// # Errors
/// As [`connect`], but for a refusal of our own leaf.
pub async fn connect_as_nobody(
    address: &str,
    member: &str,
    authorities: &SharedAuthorities,
    clock: &Clock,
) -> Result<Channel, ConnectError> {
    connect_over(Tcp, address, member, None, authorities, clock).await
}

/// [`connect`], over whatever carries bytes, and as nobody without an identity.
///
/// # Errors
/// As [`connect`].
pub async fn connect_over<D: Dial>(
    dial: D,
    address: &str,
    member: &str,
    identity: Option<&Identity>,
    authorities: &SharedAuthorities,
    clock: &Clock,
) -> Result<Channel, ConnectError> {
    if !authorities.current().contains(member) {
        return Err(ConnectError::NotOnRoster { member: member.to_owned() });
    }
    let bad_address = |reason: String| ConnectError::Address { address: address.to_owned(), reason };
    let uri: Uri = format!("https://{address}").parse().map_err(|error| bad_address(format!("{error}")))?;
    if uri.port().is_none() || uri.path() != "/" {
        return Err(bad_address("it is not of the form host:port".to_owned()));
    }
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let server_name =
        ServerName::try_from(host.to_owned()).map_err(|error| bad_address(error.to_string()))?;
    let config = client_config(identity, member, authorities, clock, &[b"h2"])
        .map_err(|error| bad_address(error.to_string()))?;
    let caller = Caller {
        dial,
        address: address.to_owned(),
        member: member.to_owned(),
        identity: identity.map(|identity| identity.id().clone()),
        server_name,
        config: Arc::new(config),
    };
    let connector = tower::service_fn(move |_: Uri| {
        let caller = caller.clone();
        Box::pin(async move { caller.call().await.map(TokioIo::new) })
            as Pin<Box<dyn Future<Output = Result<_, ConnectError>> + Send>>
    });
    let endpoint = Endpoint::from(uri)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    endpoint.connect_with_connector(connector).await.map_err(|error| {
        ConnectError::find(&error).cloned().unwrap_or_else(|| ConnectError::Unreachable {
            address: address.to_owned(),
            member: member.to_owned(),
            reason: error.to_string(),
        })
    })
}

/// One node that we call, as often as needed.
#[derive(Clone)]
struct Caller<D> {
    dial: D,
    address: String,
    member: String,
    /// Nothing for nobody.
    identity: Option<SpiffeId>,
    server_name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

impl<D: Dial> Caller<D> {
    async fn call(&self) -> Result<TlsStream<D::Io>, ConnectError> {
        let handshake = async {
            let io = self.dial.dial(&self.address).await?;
            TlsConnector::from(self.config.clone()).connect(self.server_name.clone(), io).await
        };
        let mut stream = tokio::time::timeout(CONNECT_TIMEOUT, handshake)
            .await
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
            .map_err(|error| self.blame(&error))?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(self.not_a_node("it does not speak HTTP/2".to_owned()));
        }
        // In TLS 1.3 a server refuses our certificate only after our side of the handshake is done.
        match tokio::time::timeout(FIRST_WORD_TIMEOUT, stream.fill_buf()).await {
            Ok(Err(error)) => return Err(self.blame(&error)),
            Ok(Ok([])) => return Err(self.unreachable("it hung up after the handshake".to_owned())),
            Ok(Ok(_)) | Err(_) => {}
        }
        Ok(stream)
    }

    fn blame(&self, error: &io::Error) -> ConnectError {
        let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
            return self.unreachable(error.to_string());
        };
        match tls {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(reason))) => {
                match reason.downcast_ref::<ServerError>() {
                    Some(reason) => ConnectError::WrongServer {
                        address: self.address.clone(),
                        member: self.member.clone(),
                        reason: reason.clone(),
                    },
                    None => self.not_a_node(tls.to_string()),
                }
            }
            rustls::Error::AlertReceived(alert) => match (advice(*alert), &self.identity) {
                (Some(advice), Some(own)) => ConnectError::OwnCertificateRefused {
                    address: self.address.clone(),
                    member: self.member.clone(),
                    own: own.clone(),
                    advice,
                },
                _ => self.not_a_node(tls.to_string()),
            },
            other => self.not_a_node(other.to_string()),
        }
    }

    fn unreachable(&self, reason: String) -> ConnectError {
        ConnectError::Unreachable { address: self.address.clone(), member: self.member.clone(), reason }
    }

    fn not_a_node(&self, reason: String) -> ConnectError {
        ConnectError::NotANode { address: self.address.clone(), member: self.member.clone(), reason }
    }
}

/// What to do about an alert that speaks of our certificate; none if it speaks of something else.
fn advice(alert: AlertDescription) -> Option<&'static str> {
    Some(match alert {
        AlertDescription::CertificateExpired => {
            "it has expired or not begun there: renew it with `almenarad cert renew`, and check the clock"
        }
        AlertDescription::UnknownCA => {
            "no authority that their roster lists for our member issued it: have our member's listed authority issue it, or wait until they have the newest roster"
        }
        AlertDescription::AccessDenied => {
            "our member is not on their current roster: compare roster versions, and ask an operator there"
        }
        AlertDescription::UnsupportedCertificate => {
            "it may not be used to call: issue another with `almenarad cert issue`"
        }
        AlertDescription::BadCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateRequired
        | AlertDescription::DecryptError => "issue another with `almenarad cert issue`",
        _ => return None,
    })
}
