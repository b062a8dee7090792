//! One POST over HTTP/1.1, on a connection of its own: it is made once in some seconds.

use std::{sync::Arc, time::Duration};

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{Request, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::config::Place;

/// For all of it: a witness writes to its disk before it answers, and is asked again soon.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of an answer: some signature lines with long names.
const ANSWER_BYTES: usize = 16 * 1024;

/// There is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("{0}")]
    Connection(String),
    #[error("it does not answer within {} s", PATIENCE.as_secs())]
    Silent,
}

/// Posts, and gives the status and the body.
pub(super) async fn post(
    place: &Place,
    tls: Option<&Arc<ClientConfig>>,
    body: Bytes,
) -> Result<(u16, Bytes), Unanswered> {
    tokio::time::timeout(PATIENCE, exchange(place, tls, body))
        .await
        .map_err(|_| Unanswered::Silent)?
        .map_err(|why| Unanswered::Connection(why.to_string()))
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

async fn exchange(
    place: &Place,
    tls: Option<&Arc<ClientConfig>>,
    body: Bytes,
) -> Result<(u16, Bytes), Failed> {
    let stream = TcpStream::connect(&place.address).await?;
    match tls {
        Some(config) => {
            let stream = TlsConnector::from(Arc::clone(config)).connect(place.host.clone(), stream).await?;
            over(stream, place, body).await
        }
        None => over(stream, place, body).await,
    }
}

async fn over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    place: &Place,
    body: Bytes,
) -> Result<(u16, Bytes), Failed> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the sender.
    let driver = tokio::spawn(connection);
    let request = Request::post(&place.path)
        .header(header::HOST, &place.address)
        .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
        .body(Body::from(body))?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let answer = to_bytes(Body::new(response.into_body()), ANSWER_BYTES).await?;
    driver.abort();
    Ok((status, answer))
}
