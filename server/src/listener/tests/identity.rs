//! Who may come in, and who must go.

use std::sync::atomic::Ordering;

use http::Request;
use rustls::client::Resumption;
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, SupportedProtocolVersion};

use super::support::*;
use crate::listener::Limits;
use crate::tls::ServerIdentity;

/// As a caller whose TLS library speaks only one version.
fn speaking(
    world: &World,
    identity: &crate::tls::Identity,
    version: &'static SupportedProtocolVersion,
) -> rustls::ClientConfig {
    let ours = world.config(Some(identity), &[b"h2"]);
    let mut config = rustls::ClientConfig::builder_with_provider(almenara_client::tls::provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(std::sync::Arc::new(Anybody))
        .with_client_cert_resolver(ours.client_auth_cert_resolver.clone());
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::in_memory_sessions(8);
    config
}

/// Accepts any server: these tests are about the other end.
#[derive(Debug)]
struct Anybody;

impl rustls::client::danger::ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &[rustls_pki_types::CertificateDer<'_>],
        _: &rustls_pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls_pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        almenara_client::tls::provider().signature_verification_algorithms.supported_schemes()
    }
}

#[tokio::test]
async fn a_member_s_certificate_names_its_caller_to_every_handler() {
    let world = World::new();
    let node = world.node(Limits::default()).await;
    for version in [&TLS12, &TLS13] {
        let config = speaking(&world, &world.ngo_consumer(), version);
        assert_eq!(node.greeting(config).await.unwrap(), "spiffe://ngo.example/consumer/bank");
    }
}

#[tokio::test]
async fn a_removed_member_s_new_handshake_is_refused() {
    let world = World::new();
    let node = world.node(Limits::default()).await;
    world.remove_ngo();
    for version in [&TLS12, &TLS13] {
        let config = speaking(&world, &world.ngo_consumer(), version);
        let error = node.greeting(config).await.unwrap_err();
        assert!(error.contains("AccessDenied"), "{error}");
    }
}

#[tokio::test]
async fn a_removed_member_s_session_is_not_resumed() {
    let world = World::new();
    let node = world.node(Limits::default()).await;
    let configs = [&TLS12, &TLS13].map(|version| speaking(&world, &world.ngo_consumer(), version));
    for config in &configs {
        for _ in 0..2 {
            // The second would be a resumption, if the node offered any.
            assert!(node.greeting(config.clone()).await.is_ok());
            let stream = node.dial(config.clone()).await.unwrap();
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
        }
    }
    world.remove_ngo();
    for config in configs {
        let error = node.greeting(config).await.unwrap_err();
        assert!(error.contains("AccessDenied"), "{error}");
    }
}

#[tokio::test]
async fn a_removed_member_s_open_streams_are_closed_and_nobody_else_s() {
    let world = World::new();
    let node = world.node(Limits::default()).await;
    let police =
        identity(&world.police.issue(almenara_certs::Role::Auditor, "one", &[], MONTH, NOW).unwrap());
    let mut leaves = node.http2(world.config(Some(&world.ngo_consumer()), &[b"h2"])).await.unwrap();
    let mut stays = node.http2(world.config(Some(&police), &[b"h2"])).await.unwrap();
    let mut leaving = leaves.get("/stream").await.unwrap().into_body();
    let mut staying = stays.get("/stream").await.unwrap().into_body();
    let mut hanging = leaves.send.clone();
    let hang = tokio::spawn(async move {
        let request = Request::get("https://node/hang").body(()).unwrap();
        hanging.send_request(request, true).unwrap().0.await
    });
    within(leaving.data()).await.unwrap().unwrap();
    until(|| world.running.load(Ordering::SeqCst) == 3).await;

    world.remove_ngo();
    within(async { while let Some(Ok(_)) = leaving.data().await {} }).await;
    assert!(within(hang).await.unwrap().is_err());
    assert!(leaves.get("/").await.is_err());
    until(|| world.running.load(Ordering::SeqCst) == 1).await; // their handlers are gone as well
    within(staying.data()).await.unwrap().unwrap();
    assert!(stays.get("/").await.is_ok());
}

#[tokio::test]
async fn a_member_whose_authority_is_exchanged_must_come_with_a_new_leaf() {
    let world = World::new();
    let node = world.node(Limits::default()).await;
    let mut live = node.http2(world.config(Some(&world.ngo_consumer()), &[b"h2"])).await.unwrap();
    assert!(live.get("/").await.is_ok());
    let fresh = World::new();
    world.authorities.replace(listing(&[&world.police, &fresh.ngo]));
    let _ = within(live.driver).await; // closed
    let error = node.greeting(world.config(Some(&world.ngo_consumer()), &[b"h2"])).await.unwrap_err();
    assert!(error.contains("UnknownCA"), "{error}");
    assert!(node.greeting(world.config(Some(&fresh.ngo_consumer()), &[b"h2"])).await.is_ok());
}

#[tokio::test]
async fn a_certificate_that_expires_during_a_connection_is_refused_at_the_next_request() {
    let world = World::new();
    let node = world.node(Limits::default()).await;
    let mut live = node.http2(world.config(Some(&world.ngo_consumer()), &[b"h2"])).await.unwrap();
    assert_eq!(live.get("/").await.unwrap().status(), 200);
    world.time.fetch_add(31 * 86_400, Ordering::SeqCst);
    let http = live.get("/").await.unwrap();
    assert_eq!(http.status(), 401);
    let said = text(http).await.unwrap();
    assert!(said.contains("expired") && said.contains("almenarad cert renew"), "{said}");
    let grpc = Request::post("https://node/").header("content-type", "application/grpc").body(()).unwrap();
    let grpc = live.request(grpc).await.unwrap();
    assert_eq!((grpc.status().as_u16(), grpc.headers()["grpc-status"].as_bytes()), (200, &b"16"[..]));
}

#[tokio::test]
async fn a_silent_connection_is_closed_after_its_certificate_expired() {
    let world = World::new();
    let limits = Limits { recheck: std::time::Duration::from_millis(20), ..Limits::default() };
    let node = world.node(limits).await;
    let mut live = node.http2(world.config(Some(&world.ngo_consumer()), &[b"h2"])).await.unwrap();
    assert_eq!(live.get("/").await.unwrap().status(), 200);
    world.time.fetch_add(31 * 86_400, Ordering::SeqCst);
    let _ = within(live.driver).await;
}

/// A caller with this certificate is refused in the handshake, with this alert.
async fn check(world: &World, key: rustls::sign::CertifiedKey, alert: &str) {
    let node = world.node(Limits::default()).await;
    let config = presenting(world.config(None, &[b"h2"]), key);
    let error = node.greeting(config).await.unwrap_err();
    assert!(error.contains(alert), "{error}");
}

#[tokio::test]
async fn the_authority_of_one_member_cannot_name_another() {
    let world = World::new();
    check(&world, forged(&world.ngo, "", &["spiffe://police.example/operator/root"]), "UnknownCA").await;
}

#[tokio::test]
async fn a_common_name_without_an_alternative_name_is_refused() {
    let world = World::new();
    check(&world, forged(&world.ngo, "spiffe://ngo.example/node/main", &[]), "BadCertificate").await;
}

#[tokio::test]
async fn two_uris_are_refused() {
    let world = World::new();
    let uris = ["spiffe://ngo.example/node/main", "spiffe://police.example/node/main"];
    check(&world, forged(&world.ngo, "", &uris), "BadCertificate").await;
}

#[tokio::test]
async fn a_valid_certificate_that_is_not_on_the_roster_is_refused() {
    let world = World::new();
    world.remove_ngo();
    check(&world, forged(&world.ngo, "", &["spiffe://ngo.example/node/main"]), "AccessDenied").await;
}

#[tokio::test]
async fn a_certificate_of_nobody_s_authority_is_refused() {
    let (world, elsewhere) = (World::new(), World::new());
    check(&world, forged(&elsewhere.ngo, "", &["spiffe://ngo.example/node/main"]), "UnknownCA").await;
}

#[tokio::test]
async fn without_a_certificate_a_caller_is_anonymous() {
    let world = World::new();
    let node = world.node(Limits::default()).await;
    assert_eq!(node.greeting(world.config(None, &[b"h2"])).await.unwrap(), "anonymous");
    world.remove_ngo(); // no business of theirs
    assert_eq!(node.greeting(world.config(None, &[b"h2"])).await.unwrap(), "anonymous");
}

#[tokio::test]
async fn a_renewed_leaf_is_presented_at_the_next_handshake() {
    let world = World::new();
    let node = world.node(Limits::default()).await;
    world.time.fetch_add(31 * 86_400, Ordering::SeqCst);
    let caller = || world.config(None, &[b"h2"]);
    let error = node.greeting(caller()).await.unwrap_err();
    assert!(error.contains("Expired"), "{error}");
    let renewed = world.node_leaf(MONTH * 2);
    node.identity.replace(&renewed.chain_pem, &renewed.key_pem).unwrap();
    assert_eq!(node.greeting(caller()).await.unwrap(), "anonymous");

    let other = world.police.issue(almenara_certs::Role::Auditor, "one", &[], MONTH, NOW).unwrap();
    assert!(node.identity.replace(&other.chain_pem, &other.key_pem).is_err(), "we stay who we are");
    assert!(node.identity.replace(&renewed.chain_pem, &other.key_pem).is_err(), "with a key that fits");
    assert!(ServerIdentity::new(identity(&other)).is_err(), "only nodes serve");
    assert_eq!(node.greeting(caller()).await.unwrap(), "anonymous");
}
