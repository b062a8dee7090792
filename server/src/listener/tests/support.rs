//! Two members, a node of the first, and callers of every kind.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use almenara_certs::{Authorities, Authority, Leaf, Role};
use almenara_client::tls::{client_config, provider};
use axum::body::{Body, Bytes};
use axum::routing::get;
use axum::{Extension, Router};
use futures::StreamExt;
use http::{Request, Response};
use rcgen::{CertificateParams, Issuer, KeyPair, SanType};
use rustls::ClientConfig;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::listener::{Accept, Limits, serve};
use crate::tls::{Caller, Clock, Identity, ServerIdentity, SharedAuthorities, Tls};

pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const MONTH: Duration = Duration::from_secs(30 * 86_400);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// The longest that anything here may take before a test gives up; nothing is measured by it.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct World {
    pub(super) police: Authority,
    pub(super) ngo: Authority,
    pub(super) authorities: SharedAuthorities,
    pub(super) time: Arc<AtomicU64>,
    /// Requests to `/stream` and `/hang` whose handlers live.
    pub(super) running: Arc<AtomicUsize>,
}

pub(super) struct Node {
    pub(super) address: SocketAddr,
    pub(super) identity: Identity,
    pub(super) shutdown: CancellationToken,
    pub(super) ended: tokio::task::JoinHandle<()>,
}

pub(super) fn listing(authorities: &[&Authority]) -> Authorities {
    let mut listed = Authorities::new();
    for authority in authorities {
        listed.insert(authority.member(), &[authority.cert_der()]).unwrap();
    }
    listed
}

impl World {
    pub(super) fn new() -> Self {
        let police = Authority::create("police.example", YEAR, NOW).unwrap();
        let ngo = Authority::create("ngo.example", YEAR, NOW).unwrap();
        let authorities = SharedAuthorities::new(listing(&[&police, &ngo]));
        Self { police, ngo, authorities, time: Arc::new(AtomicU64::new(NOW)), running: Arc::default() }
    }

    pub(super) fn clock(&self) -> Clock {
        let time = self.time.clone();
        Arc::new(move || time.load(Ordering::SeqCst))
    }

    /// The node of the police.
    pub(super) async fn node(&self, limits: Limits) -> Node {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        self.node_behind(listener, address, limits)
    }

    pub(super) fn node_behind<L: Accept + 'static>(
        &self,
        listener: L,
        address: SocketAddr,
        limits: Limits,
    ) -> Node {
        let identity = identity(&self.node_leaf(MONTH));
        let serving = ServerIdentity::new(identity.clone()).unwrap();
        let tls = Tls::new(serving, self.authorities.clone(), self.clock()).unwrap();
        let shutdown = CancellationToken::new();
        let ended = tokio::spawn(serve(listener, tls, self.router(), limits, shutdown.clone()));
        Node { address, identity, shutdown, ended }
    }

    pub(super) fn node_leaf(&self, validity: Duration) -> Leaf {
        let host = ServerName::try_from("127.0.0.1").unwrap();
        self.police.issue(Role::Node, "main", &[host], validity, NOW).unwrap()
    }

    fn router(&self) -> Router {
        let (stream, hang) = (self.running.clone(), self.running.clone());
        let hang = move |body: Body| wait(Running::new(&hang), body);
        Router::new()
            .route("/", get(who).post(who))
            .route("/stream", get(move || async move { tick(Running::new(&stream)) }))
            .route("/hang", get(hang.clone()).post(hang))
    }

    /// Who leaves the roster leaves it for every node at once.
    pub(super) fn remove_ngo(&self) {
        self.authorities.replace(listing(&[&self.police]));
    }

    pub(super) fn ngo_consumer(&self) -> Identity {
        identity(&self.ngo.issue(Role::Consumer, "bank", &[], MONTH, NOW).unwrap())
    }

    /// How a caller shakes hands who presents `identity`, or nobody.
    pub(super) fn config(&self, identity: Option<&Identity>, alpn: &[&[u8]]) -> ClientConfig {
        // Callers know the first roster, whatever the node thinks by now.
        let known = SharedAuthorities::new(listing(&[&self.police, &self.ngo]));
        client_config(identity, "police.example", &known, &self.clock(), alpn).unwrap()
    }
}

async fn who(caller: Extension<Caller>) -> String {
    caller.id.as_ref().map_or_else(|| "anonymous".to_owned(), ToString::to_string)
}

/// A handler that lives.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A stream that never ends.
fn tick(running: Running) -> Body {
    let ticks = futures::stream::unfold(running, |running| async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Some((Ok::<_, io::Error>(Bytes::from_static(b"tick")), running))
    });
    Body::from_stream(ticks.boxed())
}

/// An answer that never comes, to a body that is never read.
async fn wait(running: Running, body: Body) {
    std::future::pending::<()>().await;
    drop((running, body));
}

pub(super) fn identity(leaf: &Leaf) -> Identity {
    Identity::from_pem(&leaf.chain_pem, &leaf.key_pem).unwrap()
}

/// A certificate that `authority` signs although no tool of ours would make it, with these URIs.
pub(super) fn forged(authority: &Authority, common_name: &str, uris: &[&str]) -> CertifiedKey {
    let key = KeyPair::from_pem(&authority.key_pem()).unwrap();
    let issuer = Issuer::from_ca_cert_der(authority.cert_der(), key).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, common_name);
    for uri in uris {
        params.subject_alt_names.push(SanType::URI((*uri).try_into().unwrap()));
    }
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &issuer).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    CertifiedKey::from_der(vec![leaf], key, &provider()).unwrap()
}

pub(super) fn presenting(mut config: ClientConfig, key: CertifiedKey) -> ClientConfig {
    config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(key));
    config
}

impl Node {
    /// Shakes hands. In TLS 1.3 a refusal shows only at the first read.
    pub(super) async fn dial(&self, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
        within(async {
            let tcp = TcpStream::connect(self.address).await?;
            let name = ServerName::try_from("127.0.0.1").unwrap();
            TlsConnector::from(Arc::new(config)).connect(name, tcp).await
        })
        .await
    }

    /// One request over HTTP/2; the connection lives on in the background while the handle does.
    pub(super) async fn http2(&self, config: ClientConfig) -> Result<Http2, String> {
        let stream = self.dial(config).await.map_err(|error| error.to_string())?;
        let (send, connection) = h2::client::handshake(stream).await.map_err(|error| error.to_string())?;
        let driver = tokio::spawn(async move { connection.await.map_err(|error| error.to_string()) });
        Ok(Http2 { send, driver })
    }

    /// What the node calls a caller of this config, or why it does not.
    pub(super) async fn greeting(&self, config: ClientConfig) -> Result<String, String> {
        let mut http2 = self.http2(config).await?;
        let answer = http2.get("/").await;
        match answer {
            Ok(response) => text(response).await,
            Err(error) => Err(match http2.driver.await {
                Ok(Err(reason)) => reason, // the connection knows better than the request
                _ => error,
            }),
        }
    }
}

pub(super) struct Http2 {
    pub(super) send: h2::client::SendRequest<Bytes>,
    pub(super) driver: tokio::task::JoinHandle<Result<(), String>>,
}

impl Http2 {
    pub(super) async fn get(&mut self, path: &str) -> Result<Response<h2::RecvStream>, String> {
        self.request(Request::get(format!("https://node{path}")).body(()).unwrap()).await
    }

    pub(super) async fn request(&mut self, request: Request<()>) -> Result<Response<h2::RecvStream>, String> {
        let answer = async {
            let mut ready = self.send.clone().ready().await?;
            ready.send_request(request, true)?.0.await
        };
        within(answer).await.map_err(|error: h2::Error| error.to_string())
    }
}

pub(super) async fn text(response: Response<h2::RecvStream>) -> Result<String, String> {
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(chunk) = within(body.data()).await {
        bytes.extend_from_slice(&chunk.map_err(|error| error.to_string())?);
    }
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("nothing here takes so long")
}

/// Waits until `condition` holds.
pub(super) async fn until(condition: impl Fn() -> bool) {
    within(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
