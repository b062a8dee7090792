//! One connection, from its handshake to its end.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use almenara_certs::{Authorities, IdentityError};
use axum::Router;
use axum::body::Body;
use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, interval_at, sleep_until, timeout};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::Instrument;

use super::limits::{
    Http2Limits, Limits, MAX_ERROR_RESETS, MAX_FRAME, MAX_HEADER_LIST, MAX_HTTP1_BUFFER, MAX_PENDING_RESETS,
};
use super::preface::Counted;
use super::shares::{Network, Ticket};
use super::{Arrived, HangUp, House};
use crate::tls::{Caller, ConnectionId, Standing};

/// Shakes hands and serves; returns when the connection has ended, whatever ended it.
pub(super) async fn run<Io>(
    house: Arc<House>,
    arrived: Arrived<Io>,
    id: ConnectionId,
    shutdown: CancellationToken,
) where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let span = tracing::info_span!("connection", number = id.number, peer = %id.peer);
    let whole = async {
        let Arrived { io, stranger, handshake, .. } = arrived;
        let shaken = tokio::select! {
            () = shutdown.cancelled() => return,
            shaken = timeout(house.limits.handshake_timeout, house.tls.acceptor.accept(io)) => shaken,
        };
        drop(handshake);
        match shaken {
            Ok(Ok(stream)) => meet(&house, stream, stranger, id, shutdown).await,
            Ok(Err(error)) => tracing::debug!(%error, "the handshake failed"),
            Err(_) => tracing::debug!("the handshake took too long"),
        }
    };
    whole.instrument(span).await;
}

/// Finds out who it is and finds them a place.
async fn meet<Io>(
    house: &House,
    stream: TlsStream<Io>,
    stranger: Ticket<Network>,
    id: ConnectionId,
    shutdown: CancellationToken,
) where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(chain) = stream.get_ref().1.peer_certificates().map(<[_]>::to_vec) else {
        let Some(_place) = house.shares.anonymous(house.limits.anonymous) else {
            return tracing::debug!("there are too many anonymous connections: dropped");
        };
        let guest = Guest { standing: None, id, hang_up: HangUp::default() };
        drive(house, stream, guest, shutdown).await;
        return drop(stranger);
    };
    drop(stranger);
    let tls = &house.tls;
    let standing = Standing::new(chain, tls.authorities.clone(), tls.clock.clone());
    let (standing, member) = match standing.and_then(|standing| standing.now().map(|id| (standing, id))) {
        Ok(met) => met,
        Err(error) => return tracing::info!(%error, "the roster changed during a handshake: dropped"),
    };
    let limits = &house.limits;
    let Some(_place) = house.shares.member(member.member(), limits.per_member, limits.identified) else {
        return tracing::warn!(caller = %member, "its member has too many connections: dropped");
    };
    let guest = Guest { standing: Some(Arc::new(standing)), id, hang_up: HangUp::default() };
    drive(house, stream, guest, shutdown).await;
}

/// Who is at the other end: a certificate that is judged again and again, or nobody.
#[derive(Clone)]
struct Guest {
    standing: Option<Arc<Standing>>,
    id: ConnectionId,
    hang_up: HangUp,
}

impl Guest {
    fn caller(&self) -> Result<Caller, IdentityError> {
        let id = self.standing.as_ref().map(|standing| standing.now()).transpose()?;
        Ok(Caller { id, connection: self.id })
    }
}

/// Serves requests until the caller leaves, leaves the roster, stays too long, or the node stops. When it
/// returns the connection is dropped, and hyper ends whatever requests are still on it.
async fn drive<Io>(house: &House, stream: TlsStream<Io>, guest: Guest, shutdown: CancellationToken)
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &house.limits;
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let identified = guest.standing.is_some();
    // Judged once more as the loop begins, so that no roster slips in between.
    let mut rosters = house.tls.authorities.subscribe();
    rosters.mark_changed();
    let builder = builder(limits, identified, http2);
    let (io, received) = Counted::new(stream);
    let service = service(house.router.clone(), guest.clone());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));

    let opened = Instant::now();
    let mut recheck = interval_at(opened + limits.recheck, limits.recheck);
    let mut unspoken = http2; // hyper itself times the first head of HTTP/1.1
    let mut stopping = false;
    let mut welcome = true;
    let mut deadline: Option<Instant> = None;
    loop {
        let grace = tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "the connection ended");
                }
                return;
            }
            () = guest.hang_up.told() => return tracing::debug!("a handler hung up"),
            () = sleep_until(deadline.unwrap_or(opened)), if deadline.is_some() => {
                return tracing::debug!("requests did not end in time: cut off");
            }
            () = sleep_until(opened + limits.header_timeout), if unspoken => {
                if !received.preface() {
                    return tracing::debug!("nothing was asked in time: cut off");
                }
                unspoken = false;
                continue;
            }
            () = sleep_until(opened + limits.anonymous_age), if !identified && !stopping => limits.drain,
            () = shutdown.cancelled(), if !stopping => limits.drain,
            () = wake(&mut rosters, &mut recheck), if identified && welcome => {
                let Err(error) = guest.caller() else { continue };
                welcome = false;
                tracing::info!(%error, "a live connection is closed");
                limits.removal_grace
            }
        };
        stopping = true;
        let end = Instant::now() + grace;
        deadline = Some(deadline.map_or(end, |earlier| earlier.min(end)));
        connection.as_mut().graceful_shutdown();
    }
}

/// Returns when the certificate of a live connection should be judged again.
async fn wake(rosters: &mut watch::Receiver<Arc<Authorities>>, recheck: &mut Interval) {
    tokio::select! {
        Ok(()) = rosters.changed() => {}
        _ = recheck.tick() => {}
    }
}

/// hyper's settings for one connection. Which protocol it speaks was settled by ALPN, so that HTTP/2 begins
/// with our own SETTINGS and a client learns at once that it was accepted.
fn builder(limits: &Limits, identified: bool, http2: bool) -> auto::Builder<TokioExecutor> {
    let Http2Limits { streams, stream_window, connection_window, send_buffer } =
        if identified { limits.http2_identified } else { limits.http2_anonymous };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(MAX_HTTP1_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(streams)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_ERROR_RESETS)
        .initial_stream_window_size(stream_window)
        .initial_connection_window_size(connection_window)
        .max_send_buf_size(send_buffer)
        .max_frame_size(MAX_FRAME)
        .max_header_list_size(MAX_HEADER_LIST)
        .keep_alive_interval(limits.keep_alive_interval)
        .keep_alive_timeout(limits.keep_alive_timeout);
    if http2 { builder.http2_only() } else { builder.http1_only() }
}

/// Judges the caller anew, says who it is, and lets the router answer.
fn service(
    router: Router,
    guest: Guest,
) -> impl Service<
    Request<Incoming>,
    Response = Response<Body>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<>,
> {
    service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        let (caller, hang_up) = (guest.caller(), guest.hang_up.clone());
        async move {
            match caller {
                Ok(caller) => {
                    let mut request = request.map(Body::new);
                    request.extensions_mut().insert(caller);
                    request.extensions_mut().insert(hang_up);
                    router.oneshot(request).await
                }
                Err(error) => Ok(refusal(&request, &error)),
            }
        }
    })
}

/// UNAUTHENTICATED, in the words of the protocol that was asked in.
fn refusal(request: &Request<Incoming>, error: &IdentityError) -> Response<Body> {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    if content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc")) {
        return tonic::Status::unauthenticated(error.to_string()).into_http();
    }
    let mut response = Response::new(Body::from(format!("{error}\n")));
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response
}
