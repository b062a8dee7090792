//! What anybody may read, without a certificate: the logs as C2SP tlog-tiles, and the rosters.
//!
//! ```text
//! GET /log/checkpoint              /log/settled        /log/tile/…      the own log
//! GET /log/<origin>/checkpoint     …/settled           …/tile/…         a log that this node replicates
//! GET …/settled/<n>                                                     the first kept note that settled n entries
//! GET /log/witnessed                                                    the newest that third parties have cosigned
//! GET /roster/<version>                                                 `SignedRoster`
//! POST /witness/add-checkpoint                                          a cosignature of a log that is replicated
//! ```
//!
//! Entries and checkpoints are public by the protocol (PROTOCOL.md §5); no statement is reachable from here. Nothing
//! of it changes anything. A tile or bundle under one path is the same for ever, so caches may keep
//! full ones; what leaves was proven against the checkpoint first, as everything that leaves the node.

mod hot;
mod library;
mod wanted;
mod witness;

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::{HeaderValue, StatusCode, Uri, header};
use prost::Message as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use almenara_proto::name::MemberName;

use crate::{
    compare::{Compared, Trees},
    cosign::{Cosignatures, Cosigner},
    heads::{Head, Heads},
    quarantine::Accuser,
    rosters::SharedRosters,
};
pub use library::Library;
use library::NotServed;
use wanted::{Of, Wanted};

/// Bytes of entry bundles on their way to readers, in KiB: four hundred bundles of full batches. A bundle may be 8 MiB
/// where a member logs large withdrawals, and an anonymous crowd must not hold one for each of its requests.
const BUNDLES_KIB: usize = 32 * 1024;
/// One piece of a bundle, in bytes: an HTTP/2 frame.
const PIECE: usize = 16 * 1024;

/// Of what never changes: a year.
const FOR_EVER: &str = "public, immutable, max-age=31536000";
/// A partial tile never changes either, but soon nobody asks for it any more.
const A_MINUTE: &str = "public, max-age=60";
/// C2SP: caching of a checkpoint should be prevented.
const NOT_AT_ALL: &str = "no-cache";

/// What the pages are made of.
#[derive(Clone)]
pub struct Public {
    /// Tiles and bundles.
    pub library: Library,
    /// The committed heads.
    pub heads: Heads,
    /// The accepted chain.
    pub rosters: SharedRosters,
    /// Of the own log's checkpoints.
    pub cosignatures: Cosignatures,
    /// Of other members' checkpoints.
    pub cosigner: Cosigner,
    /// What others were heard to hold.
    pub compared: Compared,
    /// Roots of what is held.
    pub trees: Trees,
    /// Keeps proof against logs.
    pub accuser: Accuser,
    /// Whose node.
    pub member: MemberName,
}

/// All pages.
pub fn routes(public: Public) -> Router {
    let bundles = Arc::new(Semaphore::new(BUNDLES_KIB));
    let pages = Pages { public, bundles };
    Router::new()
        .route("/log/{*path}", get(page))
        .route("/roster/{version}", get(page))
        .route("/witness/add-checkpoint", post(witness::add_checkpoint))
        .with_state(pages)
}

#[derive(Clone)]
struct Pages {
    public: Public,
    bundles: Arc<Semaphore>,
}

/// The path as it came: what is percent-encoded is no path of ours.
async fn page(State(pages): State<Pages>, uri: Uri) -> Response {
    match pages.answer(uri.path()).await {
        Ok(response) => response,
        Err(why) => refusal(&why),
    }
}

impl Pages {
    async fn answer(&self, path: &str) -> Result<Response, NotServed> {
        match path.parse().map_err(|_| NotServed::NotThere)? {
            Wanted::Roster(version) => self.roster(version),
            Wanted::Log { of, what } => {
                let own = of.as_ref().is_none_or(|member| *member == self.public.member);
                let member = of.as_ref().unwrap_or(&self.public.member);
                let head = self.public.heads.get(member).ok_or(NotServed::NotThere)?;
                match what {
                    Of::Checkpoint => checkpoint(self.newest(&head, own)),
                    Of::Settled => checkpoint(head.settled.as_ref().map(|more| more.note.clone())),
                    Of::Witnessed => checkpoint(self.public.cosignatures.witnessed().filter(|_| own)),
                    Of::FirstSettled(entries) => {
                        let kept = self.public.library.first_settled(&head, entries).await?;
                        let newest = || head.settled.as_ref().filter(|more| more.size >= entries);
                        checkpoint(kept.or_else(|| newest().map(|more| more.note.clone())))
                    }
                    Of::Tile(path) if path.is_bundle() => {
                        self.bundle(self.public.library.read(&head, path).await?, path.is_full()).await
                    }
                    Of::Tile(path) => {
                        Ok(tile(Body::from(self.public.library.read(&head, path).await?), path.is_full()))
                    }
                }
            }
        }
    }

    fn roster(&self, version: u64) -> Result<Response, NotServed> {
        let accepted = self.public.rosters.version(version).ok_or(NotServed::NotThere)?;
        let body = Body::from(accepted.signed.to_wire().encode_to_vec());
        Ok(response(StatusCode::OK, "application/x-protobuf", FOR_EVER, body))
    }

    /// The newest note, with the cosignatures that came so far.
    fn newest(&self, head: &Head, own: bool) -> Option<Bytes> {
        let accepted = self.public.rosters.current();
        let segment = accepted.roster.member(head.prefix.member()).and_then(|member| member.segment());
        let same = |key: &[u8; 32]| segment.is_some_and(|segment| segment.log_key.0 == *key);
        let settled =
            head.settled.as_ref().filter(|more| more.size == head.signed_size && same(&more.log_key));
        let collected = || self.public.cosignatures.collected(head.signed_size).filter(|_| own);
        let note = settled
            .map(|more| more.note.clone())
            .or_else(collected)
            .unwrap_or_else(|| head.checkpoint.clone());
        let note = if own { self.public.cosignatures.with_witnesses(head.signed_size, note) } else { note };
        (!note.is_empty()).then_some(note)
    }

    /// Sent piece by piece, and counted until the last piece has left or the reader has.
    async fn bundle(&self, bytes: Bytes, full: bool) -> Result<Response, NotServed> {
        let length = bytes.len();
        let kib = u32::try_from(length / 1024 + 1).unwrap_or(u32::MAX);
        let held = self.bundles.clone().acquire_many_owned(kib).await.map_err(|_| NotServed::NotThere)?;
        let pieces = futures::stream::unfold((bytes, held), |state: (Bytes, OwnedSemaphorePermit)| async {
            let (mut rest, held) = state;
            let piece = rest.split_to(rest.len().min(PIECE));
            (!piece.is_empty()).then(|| (Ok::<_, std::convert::Infallible>(piece), (rest, held)))
        });
        let mut response = tile(Body::from_stream(pieces), full);
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        Ok(response)
    }
}

fn checkpoint(note: Option<Bytes>) -> Result<Response, NotServed> {
    let note = note.ok_or(NotServed::NotThere)?;
    Ok(response(StatusCode::OK, "text/plain; charset=utf-8", NOT_AT_ALL, Body::from(note)))
}

fn tile(body: Body, full: bool) -> Response {
    let cache = if full { FOR_EVER } else { A_MINUTE };
    response(StatusCode::OK, "application/octet-stream", cache, body)
}

fn refusal(why: &NotServed) -> Response {
    let status = match why {
        NotServed::NotThere => StatusCode::NOT_FOUND,
        NotServed::Damaged(_) | NotServed::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    // What is wrong with the disk is the operator's to read, and was logged where it was noticed.
    let text = match why {
        NotServed::NotThere => {
            "not there: no such log, tile or roster, or none below the newest checkpoint\n"
        }
        NotServed::Damaged(_) | NotServed::Store(_) => "it cannot be read here now: ask another node\n",
    };
    response(status, "text/plain; charset=utf-8", NOT_AT_ALL, Body::from(text))
}

/// Nothing of ours is ever a page that a browser may run or frame.
fn response(status: StatusCode, kind: &'static str, cache: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, cache),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    response.headers_mut().extend(headers.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}
