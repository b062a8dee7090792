//! `almenara_client::tls::connect` against this listener: whose fault is what.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use almenara_certs::Role;
use almenara_client::tls::{ConnectError, connect};
use axum::body::Body;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tonic::transport::Channel;
use tower::ServiceExt;

use super::support::*;
use crate::listener::Limits;
use crate::tls::{Identity, SharedAuthorities};

async fn call(
    world: &World,
    address: &str,
    member: &str,
    identity: &Identity,
) -> Result<Channel, ConnectError> {
    let known = SharedAuthorities::new(listing(&[&world.police, &world.ngo]));
    within(connect(address, member, identity, &known, &world.clock())).await
}

async fn status(channel: &Channel) -> Result<u16, tonic::transport::Error> {
    let request = Request::get("https://node/").body(tonic::body::Body::new(Body::empty())).unwrap();
    Ok(within(channel.clone().oneshot(request)).await?.status().as_u16())
}

#[tokio::test]
async fn a_node_is_recognised_by_its_member_s_authority_and_the_channel_works() {
    let world = World::new();
    let node = world.node(Limits::default()).await;
    // By a name that its certificate does not carry: names identify nobody.
    let address = format!("localhost:{}", node.address.port());
    let channel = call(&world, &address, "police.example", &world.ngo_consumer()).await.unwrap();
    assert_eq!(status(&channel).await.unwrap(), 200);
}

#[tokio::test]
async fn a_node_of_another_member_is_not_the_one_that_was_called() {
    let world = World::new();
    let node = world.node(Limits::default()).await;
    let error =
        call(&world, &node.address.to_string(), "ngo.example", &world.ngo_consumer()).await.unwrap_err();
    assert!(matches!(error, ConnectError::WrongServer { .. }), "{error}");
    assert!(error.to_string().contains("spiffe://police.example/node/main"), "{error}");
}

#[tokio::test]
async fn a_node_whose_certificate_does_not_hold_is_not_believed() {
    let (world, elsewhere) = (World::new(), World::new());
    let node = elsewhere.node(Limits::default()).await;
    let error =
        call(&world, &node.address.to_string(), "police.example", &world.ngo_consumer()).await.unwrap_err();
    assert!(matches!(error, ConnectError::WrongServer { .. }), "{error}");
}

#[tokio::test]
async fn a_refusal_of_our_own_certificate_says_what_to_do() {
    let world = World::new();
    let node = world.node(Limits::default()).await;
    let address = node.address.to_string();
    let own = world.ngo_consumer();
    let refused = |error: ConnectError, advice: &str| {
        assert!(matches!(error, ConnectError::OwnCertificateRefused { .. }), "{error}");
        assert!(error.to_string().contains(advice), "{error}");
    };
    world.remove_ngo();
    refused(call(&world, &address, "police.example", &own).await.unwrap_err(), "not on their current roster");
    world.authorities.replace(listing(&[&world.police, &World::new().ngo]));
    refused(call(&world, &address, "police.example", &own).await.unwrap_err(), "no authority");
    world.authorities.replace(listing(&[&world.police, &world.ngo]));
    assert!(call(&world, &address, "police.example", &own).await.is_ok());
    let renewed = world.node_leaf(MONTH * 2);
    node.identity.replace(&renewed.chain_pem, &renewed.key_pem).unwrap();
    world.time.fetch_add(31 * 86_400, Ordering::SeqCst);
    refused(call(&world, &address, "police.example", &own).await.unwrap_err(), "almenarad cert renew");
}

#[tokio::test]
async fn a_channel_that_cannot_reconnect_still_knows_why() {
    let world = World::new();
    let node = world.node(Limits::default()).await;
    let channel =
        call(&world, &node.address.to_string(), "police.example", &world.ngo_consumer()).await.unwrap();
    assert_eq!(status(&channel).await.unwrap(), 200);
    world.remove_ngo();
    within(async {
        loop {
            match status(&channel).await {
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => match ConnectError::find(&error) {
                    Some(ConnectError::OwnCertificateRefused { .. }) => break,
                    Some(other) => panic!("{other}"),
                    None => {} // the live connection broke; the next call connects again
                },
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_does_not_answer_is_unreachable_and_what_babbles_is_no_node() {
    let world = World::new();
    let own = world.ngo_consumer();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
            let _ = stream.read(&mut [0; 512]).await;
        }
    });
    let error = call(&world, &address, "police.example", &own).await.unwrap_err();
    assert!(matches!(error, ConnectError::NotANode { .. }), "{error}");

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = call(&world, &closed.to_string(), "police.example", &own).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn an_address_that_is_none_and_a_member_whom_nobody_knows_are_not_called() {
    let world = World::new();
    let own = world.ngo_consumer();
    for address in ["", "host", "host:", "host:99999", "host:1/path", "ho st:1", "https://host:1", "[::1]"] {
        let error = call(&world, address, "police.example", &own).await.unwrap_err();
        assert!(matches!(error, ConnectError::Address { .. }), "{address}: {error}");
    }
    let error = call(&world, "127.0.0.1:1", "nobody.example", &own).await.unwrap_err();
    assert!(matches!(error, ConnectError::NotOnRoster { .. }), "{error}");
}

#[tokio::test]
async fn a_node_is_called_over_ipv6_as_well() {
    let world = World::new();
    let Ok(listener) = TcpListener::bind("[::1]:0").await else { return }; // a machine without IPv6
    let address: SocketAddr = listener.local_addr().unwrap();
    let node = world.node_behind(listener, address, Limits::default());
    let own = identity(&world.police.issue(Role::Operator, "root", &[], MONTH, NOW).unwrap());
    let channel = call(&world, &node.address.to_string(), "police.example", &own).await.unwrap();
    assert_eq!(status(&channel).await.unwrap(), 200);
}
