//! What costs, and who pays.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::support::*;
use crate::listener::{Accept, Limits};

const SOON: Duration = Duration::from_millis(50);

/// A listener whose `accept` fails as often as it is told, and that says where its connections come from.
struct Troubled {
    inner: TcpListener,
    errors: VecDeque<io::Error>,
    from: Option<IpAddr>,
}

impl Accept for Troubled {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        if let Some(error) = self.errors.pop_front() {
            return Err(error);
        }
        let (stream, peer) = Accept::accept(&mut self.inner).await?;
        Ok((stream, self.from.map_or(peer, |from| SocketAddr::new(from, peer.port()))))
    }
}

async fn troubled(world: &World, errors: &[i32], from: Option<IpAddr>, limits: Limits) -> Node {
    let inner = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = inner.local_addr().unwrap();
    let errors = errors.iter().map(|code| io::Error::from_raw_os_error(*code)).collect();
    world.node_behind(Troubled { inner, errors, from }, address, limits)
}

#[tokio::test]
async fn the_accept_loop_outlives_every_error() {
    const EMFILE: i32 = 24; // too many open files
    const ENFILE: i32 = 23; // too many open files in the system
    const ENOMEM: i32 = 12;
    const ECONNABORTED: i32 = 103;
    const EINTR: i32 = 4;
    let world = World::new();
    let limits = Limits { accept_backoff: Duration::from_millis(1), ..Limits::default() };
    let errors = [EMFILE, ECONNABORTED, ENFILE, EINTR, ENOMEM, EMFILE];
    let node = troubled(&world, &errors, None, limits).await;
    assert_eq!(node.greeting(world.config(None, &[b"h2"])).await.unwrap(), "anonymous");
}

/// Reads until the other end hangs up.
async fn hung_up(mut stream: impl AsyncRead + Unpin) {
    let mut bytes = [0; 4_096];
    within(async { while let Ok(1..) = stream.read(&mut bytes).await {} }).await;
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_cut_off() {
    let world = World::new();
    let limits = Limits { handshake_timeout: SOON, handshakes: 2, ..Limits::default() };
    let node = world.node(limits).await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(TcpStream::connect(node.address).await.unwrap());
    }
    idle.first_mut().unwrap().write_all(&[0x16, 3, 1]).await.unwrap(); // the head of a ClientHello
    // Only two may try at once; whoever waits behind them gets in all the same.
    within(async { while node.greeting(world.config(None, &[b"h2"])).await.is_err() {} }).await;
    for stream in idle {
        hung_up(stream).await;
    }
}

#[tokio::test]
async fn a_request_whose_head_does_not_arrive_is_cut_off() {
    let world = World::new();
    let limits = Limits { header_timeout: SOON, ..Limits::default() };
    let node = world.node(limits).await;
    let preface: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let cases: [(&[u8], &[u8]); 6] = [
        (b"http/1.1", b""),
        (b"http/1.1", b"GET / HT"),
        (b"http/1.1", b"GET / HTTP/1.1\r\nHost: node\r\nX: "),
        (b"h2", b""),
        (b"h2", preface.get(..10).unwrap()),
        (b"h2", preface),
    ];
    for (alpn, begun) in cases {
        for identity in [None, Some(&world.ngo_consumer())] {
            let mut stream = node.dial(world.config(identity, &[alpn])).await.unwrap();
            stream.write_all(begun).await.unwrap();
            hung_up(stream).await;
        }
    }
}

#[tokio::test]
async fn plain_http_works_without_alpn_and_without_a_certificate() {
    let world = World::new();
    let node = world.node(Limits::default()).await;
    for alpn in [&[][..], &[&b"http/1.1"[..]][..]] {
        let mut stream = node.dial(world.config(None, alpn)).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        let _ = within(stream.read_to_string(&mut answer)).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("anonymous"), "{answer}");
    }
}

#[tokio::test]
async fn anonymous_callers_have_a_smaller_share_and_members_keep_theirs() {
    let world = World::new();
    let limits = Limits { anonymous: 2, per_member: 2, ..Limits::default() };
    let node = world.node(limits).await;
    for caller in [None, Some(&world.ngo_consumer())] {
        let mut first = node.http2(world.config(caller, &[b"h2"])).await.unwrap();
        let mut second = node.http2(world.config(caller, &[b"h2"])).await.unwrap();
        assert!(first.get("/").await.is_ok() && second.get("/").await.is_ok());
        assert!(node.greeting(world.config(caller, &[b"h2"])).await.is_err(), "a third is too many");
        first.driver.abort(); // hangs up
        within(async { while node.greeting(world.config(caller, &[b"h2"])).await.is_err() {} }).await;
        assert!(second.get("/").await.is_ok());
    }
}

#[tokio::test]
async fn one_address_cannot_take_the_places_of_all() {
    let world = World::new();
    let stranger = Some("192.0.2.7".parse().unwrap());
    let limits = Limits { per_address: 1, ..Limits::default() };
    let node = troubled(&world, &[], stranger, limits).await;
    let mut first = node.http2(world.config(None, &[b"h2"])).await.unwrap();
    assert!(first.get("/").await.is_ok());
    assert!(node.greeting(world.config(None, &[b"h2"])).await.is_err());
    first.driver.abort(); // hangs up

    // Whoever has shown a certificate counts for its member, not for its address.
    let own = world.ngo_consumer();
    let mut members = Vec::new();
    for _ in 0..3 {
        let connected = async {
            loop {
                if let Ok(mut http2) = node.http2(world.config(Some(&own), &[b"h2"])).await
                    && http2.get("/").await.is_ok()
                {
                    return http2;
                }
            }
        };
        members.push(within(connected).await);
    }
}

#[tokio::test]
async fn an_anonymous_caller_does_not_stay_for_ever() {
    let world = World::new();
    let limits = Limits { anonymous_age: SOON * 10, drain: SOON, ..Limits::default() };
    let node = world.node(limits).await;
    let mut member = node.http2(world.config(Some(&world.ngo_consumer()), &[b"h2"])).await.unwrap();
    assert!(member.get("/").await.is_ok());
    let mut guest = node.http2(world.config(None, &[b"h2"])).await.unwrap();
    let mut body = guest.get("/stream").await.unwrap().into_body();
    within(async { while let Some(Ok(_)) = body.data().await {} }).await;
    assert!(member.get("/").await.is_ok(), "a member does");
}

#[tokio::test]
async fn a_node_that_stops_lets_requests_end_and_then_ends_itself() {
    let world = World::new();
    let node = world.node(Limits { drain: SOON, ..Limits::default() }).await;
    let mut caller = node.http2(world.config(None, &[b"h2"])).await.unwrap();
    let mut body = caller.get("/stream").await.unwrap().into_body();
    let idle = TcpStream::connect(node.address).await.unwrap();
    node.shutdown.cancel();
    within(async { while let Some(Ok(_)) = body.data().await {} }).await;
    within(node.ended).await.unwrap();
    until(|| world.running.load(Ordering::SeqCst) == 0).await;
    hung_up(idle).await;
    assert!(TcpStream::connect(node.address).await.is_err());
}
