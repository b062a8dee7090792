//! The one door of a node: accepts connections, shakes hands, and serves gRPC and HTTP on them.
//!
//! ```text
//! accept ─share of the address→ handshake ─who?→ share of the member, or of the anonymous → requests
//! ```
//!
//! Every step has a bound in [`Limits`]; whatever goes over it loses its own connection and nobody else's.
//! Nothing that a caller does ends the loop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::tls::{ConnectionId, Tls};

mod connection;
mod limits;
mod preface;
mod shares;
#[cfg(test)]
mod tests;

pub use limits::{Http2Limits, Limits};
use shares::{Network, Shares, Ticket};

/// Where connections come from: TCP in earnest, anything in a simulation.
pub trait Accept: Send {
    /// A connection that carries bytes both ways.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next connection; safe to drop and call again.
    ///
    /// # Errors
    /// The system's reason; the caller goes on accepting.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, SocketAddr)>> + Send;
}

impl Accept for TcpListener {
    type Io = TcpStream;

    /// Without Nagle's delay: hyper writes whole frames, and waiting for more would only cost time.
    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = Self::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok((stream, peer))
    }
}

/// How a handler ends the connection that its request came by. In the extensions of each request.
#[derive(Clone, Debug, Default)]
pub struct HangUp(CancellationToken);

impl HangUp {
    /// Ends it at once, with all its requests.
    pub fn now(&self) {
        self.0.cancel();
    }

    async fn told(&self) {
        self.0.cancelled().await;
    }
}

/// What all connections of a node share.
struct House {
    tls: Tls,
    router: Router,
    limits: Limits,
    shares: Shares,
}

/// Serves `router` on each connection of `listener` until `shutdown`, then lets requests end within
/// [`Limits::drain`]. Each request carries a [`crate::tls::Caller`] and a [`HangUp`] in its extensions.
///
/// Returns when the last connection has ended. It cannot fail: an accept error is logged and outlived.
pub async fn serve<L: Accept>(
    mut listener: L,
    tls: Tls,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
) {
    let handshakes = Arc::new(Semaphore::new(limits.handshakes));
    let house = Arc::new(House { tls, router, shares: Shares::default(), limits });
    let mut connections = JoinSet::new();
    let mut number = 0_u64;
    loop {
        let arrived = tokio::select! {
            () = shutdown.cancelled() => break,
            arrived = next(&mut listener, &handshakes, &house) => arrived,
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection ended by a defect of ours");
                }
                continue;
            }
        };
        number = number.saturating_add(1);
        let id = ConnectionId { number, peer: arrived.peer };
        connections.spawn(connection::run(house.clone(), arrived, id, shutdown.clone()));
    }
    drop(listener); // whoever comes now is told by the system that nobody listens
    while connections.join_next().await.is_some() {}
}

/// A connection that may begin its handshake.
struct Arrived<Io> {
    io: Io,
    peer: SocketAddr,
    /// Counts against its address until it has shown a certificate.
    stranger: Ticket<Network>,
    /// Counts against all handshakes until its own is done.
    handshake: OwnedSemaphorePermit,
}

/// Waits until a handshake may begin. Whoever is over the share of its address is dropped here, before it
/// costs a handshake.
async fn next<L: Accept>(listener: &mut L, handshakes: &Arc<Semaphore>, house: &House) -> Arrived<L::Io> {
    // When all are taken the system's own queue holds who comes next, in order: nobody is turned away for
    // what others do.
    let Ok(mut handshake) = handshakes.clone().acquire_owned().await else {
        return std::future::pending().await; // never: nobody closes it
    };
    loop {
        match listener.accept().await {
            Ok((io, peer)) => match house.shares.stranger(peer.ip(), house.limits.per_address) {
                Some(stranger) => return Arrived { io, peer, stranger, handshake },
                None => tracing::debug!(%peer, "its address has too many connections: dropped"),
            },
            Err(error) if of_one_connection(&error) => {
                tracing::debug!(%error, "a connection was gone before it was accepted");
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept; are there too few file descriptors (ulimit -n)?");
                drop(handshake);
                tokio::time::sleep(house.limits.accept_backoff).await;
                match handshakes.clone().acquire_owned().await {
                    Ok(again) => handshake = again,
                    Err(_) => return std::future::pending().await, // never: nobody closes it
                }
            }
        }
    }
}

/// Errors of the connection that was to be accepted, not of the listener (accept(2), and setting an option
/// on a connection that is gone).
fn of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, InvalidInput};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | InvalidInput
    )
}
