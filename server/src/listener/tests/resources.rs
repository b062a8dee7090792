//! What costs, and who pays (HOSTILE.md 67–69).

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
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
    assert!(node.greeting(world.config(None, &[b"h2"])).await.is_ok());
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
}

#[tokio::test]
async fn an_anonymous_caller_does_not_stay_for_ever() {
    let world = World::new();
    let limits = Limits { anonymous_age: SOON, drain: SOON, ..Limits::default() };
    let node = world.node(limits).await;
    let mut guest = node.http2(world.config(None, &[b"h2"])).await.unwrap();
    let mut body = guest.get("/stream").await.unwrap().into_body();
    within(async { while let Some(Ok(_)) = body.data().await {} }).await;
    let mut member = node.http2(world.config(Some(&world.ngo_consumer()), &[b"h2"])).await.unwrap();
    tokio::time::sleep(SOON * 4).await;
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

/// One HTTP/2 frame (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length.get(1..).unwrap().to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:method: GET`, `:scheme: https`, `:path: /` by HPACK's static table (RFC 7541, appendix A).
const GET_ROOT: &[u8] = &[0x82, 0x87, 0x84];
/// `:method: POST`, `:scheme: https` and the literal `:path: /hang`.
const POST_HANG: &[u8] = &[0x83, 0x87, 0x04, 5, b'/', b'h', b'a', b'n', b'g'];

/// Resident memory of this process, in bytes; none where the system does not say.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? * 1_024)
}

/// Sends a flood, and says whether the node answered it with GOAWAY. Whatever it did, it holds little memory
/// for it, and others are served.
async fn flood(frames: impl Iterator<Item = Vec<u8>> + Send + 'static) -> bool {
    let world = World::new();
    let node = world.node(Limits::default()).await;
    assert!(node.greeting(world.config(None, &[b"h2"])).await.is_ok());
    let before = resident();
    let stream = node.dial(world.config(Some(&world.ngo_consumer()), &[b"h2"])).await.unwrap();
    let (mut read, write) = tokio::io::split(stream);
    let writing = tokio::spawn(send(write, frames));
    let mut goaway = false;
    let answered = async {
        let mut head = [0; 9];
        while read.read_exact(&mut head).await.is_ok() {
            let [a, b, c, kind, ..] = head;
            goaway |= kind == GOAWAY;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            if goaway || read.read_exact(&mut payload).await.is_err() {
                return;
            }
        }
    };
    let sent = async {
        let write = writing.await.unwrap();
        tokio::time::sleep(SOON * 4).await; // an answer, if any, is on its way
        write
    };
    let _open = tokio::select! {
        () = answered => None,
        write = within(sent) => Some(write),
    };
    if let (Some(before), Some(after)) = (before, resident()) {
        let grown = after.saturating_sub(before);
        assert!(grown < 64 << 20, "{} MiB more", grown >> 20);
    }
    assert!(node.greeting(world.config(None, &[b"h2"])).await.is_ok());
    goaway
}

async fn send<W: AsyncWrite + Unpin>(mut write: W, frames: impl Iterator<Item = Vec<u8>>) -> W {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    for frame in frames {
        bytes.extend(frame);
        if bytes.len() > 64 << 10 {
            if write.write_all(&bytes).await.is_err() {
                return write; // cut off, as it should be
            }
            bytes.clear();
        }
    }
    let _ = write.write_all(&bytes).await;
    let _ = write.flush().await;
    write
}

fn streams() -> impl Iterator<Item = u32> {
    (0..20_000).map(|index| 2 * index + 1)
}

#[tokio::test]
async fn twenty_thousand_malformed_streams_get_goaway() {
    let no_path = [0x82, 0x87];
    let flags = END_HEADERS | END_STREAM;
    assert!(flood(streams().map(move |stream| frame(HEADERS, flags, stream, &no_path))).await);
}

#[tokio::test]
async fn twenty_thousand_streams_reset_at_once_get_goaway() {
    let request_and_reset = |stream| {
        let mut frames = frame(HEADERS, END_HEADERS | END_STREAM, stream, GET_ROOT);
        frames.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        frames
    };
    assert!(flood(streams().map(request_and_reset)).await);
}

#[tokio::test]
async fn a_head_that_never_ends_gets_goaway() {
    let first = std::iter::once(frame(HEADERS, END_STREAM, 1, GET_ROOT));
    // A literal field `a: xxx…` of 1,003 bytes in each frame, 20 MB in all.
    let mut field = vec![0x00, 1, b'a', 0x7f, 0xe9, 0x06];
    field.extend([b'x'; 1_000]);
    let more = (0..20_000).map(move |_| frame(CONTINUATION, 0, 1, &field));
    assert!(flood(first.chain(more)).await);
}

#[tokio::test]
async fn a_million_empty_frames_cost_little_memory() {
    let first = std::iter::once(frame(HEADERS, END_HEADERS, 1, POST_HANG));
    let more = (0..1_000_000).map(|_| frame(DATA, 0, 1, &[]));
    flood(first.chain(more)).await;
}

#[tokio::test]
async fn more_streams_than_the_limit_wait_or_are_refused_and_cost_little_memory() {
    let head = frame(HEADERS, END_HEADERS, 1, POST_HANG);
    let each = move |stream: u32| {
        let mut frame = head.clone();
        frame.splice(5..9, stream.to_be_bytes());
        frame
    };
    flood(streams().map(each)).await;
}
