//! Floods of HTTP/2 frames that cost their sender little (CVE-2023-44487 and its kin).

use std::io;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::support::*;
use crate::listener::Limits;

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

/// The most memory that this process ever had resident, in bytes; none where the system does not say.
fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? * 1_024)
}

/// A flood from a member gets GOAWAY. Until then it costs little memory and no more requests at once than
/// were promised, and others are served.
async fn check(frames: impl Iterator<Item = Vec<u8>> + Send + 'static) {
    let world = World::new();
    let node = world.node(Limits::default()).await;
    assert!(node.greeting(world.config(None, &[b"h2"])).await.is_ok());
    let before = peak();
    let stream = node.dial(world.config(Some(&world.ngo_consumer()), &[b"h2"])).await.unwrap();
    let (read, write) = tokio::io::split(stream);
    let sending = tokio::spawn(send(write, frames));
    within(goaway(read)).await.expect("GOAWAY, and not only a closed connection");
    let running = world.running.load(Ordering::SeqCst);
    assert!(running <= Limits::default().http2_identified.streams as usize, "{running} requests at once");
    if let (Some(before), Some(after)) = (before, peak()) {
        let grown = after.saturating_sub(before);
        assert!(grown < 32 << 20, "{} MiB more", grown >> 20);
    }
    assert!(node.greeting(world.config(None, &[b"h2"])).await.is_ok());
    sending.abort();
}

/// Reads until the node says GOAWAY.
async fn goaway(mut read: impl AsyncRead + Unpin) -> io::Result<()> {
    loop {
        let mut head = [0; 9];
        read.read_exact(&mut head).await?;
        let [a, b, c, kind, ..] = head;
        if kind == GOAWAY {
            return Ok(());
        }
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        read.read_exact(&mut payload).await?;
    }
}

/// Sends as fast as the node takes it, until it hangs up.
async fn send(mut write: impl AsyncWrite + Unpin, frames: impl Iterator<Item = Vec<u8>>) -> io::Result<()> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    for frame in frames {
        bytes.extend(frame);
        if bytes.len() > 64 << 10 {
            write.write_all(&bytes).await?;
            bytes.clear();
        }
    }
    write.write_all(&bytes).await?;
    write.flush().await
}

fn streams() -> impl Iterator<Item = u32> {
    (0..20_000).map(|index| 2 * index + 1)
}

#[tokio::test]
async fn twenty_thousand_malformed_streams_get_goaway() {
    let no_path = [0x82, 0x87];
    let flags = END_HEADERS | END_STREAM;
    check(streams().map(move |stream| frame(HEADERS, flags, stream, &no_path))).await;
}

#[tokio::test]
async fn twenty_thousand_streams_reset_at_once_get_goaway() {
    let request_and_reset = |stream| {
        let mut frames = frame(HEADERS, END_HEADERS | END_STREAM, stream, GET_ROOT);
        frames.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        frames
    };
    check(streams().map(request_and_reset)).await;
}

#[tokio::test]
async fn a_head_that_never_ends_gets_goaway() {
    let first = std::iter::once(frame(HEADERS, END_STREAM, 1, GET_ROOT));
    // A literal field `a: xxx…` of 1,003 bytes in each frame, 20 MB in all.
    let mut field = vec![0x00, 1, b'a', 0x7f, 0xe9, 0x06];
    field.extend([b'x'; 1_000]);
    let more = (0..20_000).map(move |_| frame(CONTINUATION, 0, 1, &field));
    check(first.chain(more)).await;
}

#[tokio::test]
async fn a_million_empty_frames_get_goaway() {
    let first = std::iter::once(frame(HEADERS, END_HEADERS, 1, POST_HANG));
    let more = (0..1_000_000).map(|_| frame(DATA, 0, 1, &[]));
    check(first.chain(more)).await;
}

#[tokio::test]
async fn twenty_thousand_requests_at_once_get_goaway() {
    let head = frame(HEADERS, END_HEADERS, 1, POST_HANG);
    let each = move |stream: u32| {
        let mut frame = head.clone();
        frame.splice(5..9, stream.to_be_bytes());
        frame
    };
    check(streams().map(each)).await;
}
