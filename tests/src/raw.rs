//! gRPC as nobody's client speaks it: a frame of any bytes to any method.

use std::future::poll_fn;

use anyhow::{Result, bail};
use bytes::{Buf as _, Bytes};
use tonic::{
    Status, Streaming,
    body::Body,
    codec::{DecodeBuf, Decoder},
    codegen::{Service, http},
    transport::Channel,
};

/// A message in the framing of gRPC: flag, length, bytes.
#[must_use]
pub fn frame(compressed: bool, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[u8::from(compressed)][..], &length.to_be_bytes(), message].concat()
}

/// Sends a body to a method such as `/almenara.v1.LogService/Replicate`, and waits for the error that ends the call.
///
/// # Errors
/// When the connection fails, or the call does not.
pub async fn refused(channel: &Channel, method: &str, zstd: bool, body: Vec<u8>) -> Result<Status> {
    let mut channel = channel.clone();
    poll_fn(|context| Service::<http::Request<Body>>::poll_ready(&mut channel, context)).await?;
    let mut request = http::Request::post(format!("https://node{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if zstd {
        request = request.header("grpc-encoding", "zstd");
    }
    let response = channel.call(request.body(Body::new(axum::body::Body::from(body)))?).await?;
    if let Some(status) = Status::from_header_map(response.headers()) {
        return Ok(status);
    }
    let code = response.status();
    let mut answers = Streaming::new_response(Raw, response.into_body(), code, None, None);
    match answers.message().await {
        Err(status) => Ok(status),
        Ok(answer) => bail!("no error, but {answer:?}"),
    }
}

/// Sends a body with POST, as nobody in particular, and reads the answer: status, content type, text.
///
/// # Errors
/// When the connection fails.
pub async fn post(channel: &Channel, path: &str, body: Vec<u8>) -> Result<(u16, String, String)> {
    let mut channel = channel.clone();
    poll_fn(|context| Service::<http::Request<Body>>::poll_ready(&mut channel, context)).await?;
    let request = http::Request::post(path).body(Body::new(axum::body::Body::from(body)))?;
    let response = channel.call(request).await?;
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.to_owned();
    let body = axum::body::to_bytes(axum::body::Body::new(response.into_body()), 1 << 20).await?;
    Ok((status, kind, String::from_utf8(body.to_vec())?))
}

/// Messages as they are.
struct Raw;

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(bytes.copy_to_bytes(bytes.remaining())))
    }
}

/// A zstd frame (RFC 8878) of this many blocks of 128 KiB of zeros: four bytes each.
#[must_use]
pub fn zeros(blocks: u32) -> Vec<u8> {
    const BLOCK: u32 = 128 << 10;
    const RUN_OF_ONE_BYTE: u32 = 1;
    // Magic number; no content size, no checksum; a window of 128 KiB.
    let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3];
    for block in 1..=blocks {
        let header = u32::from(block == blocks) | RUN_OF_ONE_BYTE << 1 | BLOCK << 3;
        bytes.extend_from_slice(header.to_le_bytes().split_at(3).0);
        bytes.push(0);
    }
    bytes
}
