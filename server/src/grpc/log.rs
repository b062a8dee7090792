//! `LogService`: one stream, three readers (PROTOCOL.md §10).

use std::{collections::VecDeque, pin::Pin, sync::Arc, time::Duration};

use almenara_certs::Role;
use almenara_client::follow::ENDS;
use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use almenara_proto::{
    blame::Blame,
    name::MemberName,
    wire::{self, replicate_frame::Frame},
};

use super::{Api, fetch, services::log_service_server::LogService};
use crate::{
    error,
    heads::{Head, Settled},
    listener::HangUp,
    outgoing::{Filter, Outgoing, Reader},
    store::LogId,
};

/// Frames made ahead of a reader: one on the wire, one being made. A reader that does not read costs no more, and
/// that not for ever.
const FRAMES_AHEAD: usize = 2;

/// The service.
#[derive(Clone)]
pub struct LogApi(pub Api);

type Stream = Pin<Box<dyn futures::Stream<Item = Result<wire::ReplicateFrame, Status>> + Send>>;

/// The way to a reader.
struct Frames {
    sender: mpsc::Sender<Result<wire::ReplicateFrame, Status>>,
    unread: Duration,
    hang_up: HangUp,
}

/// The reader has left, or was hung up on.
struct Gone;

impl Frames {
    /// Waits until the reader takes an earlier frame. One that takes none loses its connection: flow control has
    /// closed the stream's window, so that nothing less would free what waits in it.
    async fn send(&self, frame: Result<wire::ReplicateFrame, Status>) -> Result<(), Gone> {
        match tokio::time::timeout(self.unread, self.sender.send(frame)).await {
            Ok(sent) => sent.map_err(|_| Gone),
            Err(_) => {
                tracing::info!("a stream is not read: its connection is closed");
                self.hang_up.now();
                Err(Gone)
            }
        }
    }
}

impl LogApi {
    fn origin(&self, name: &str) -> Result<watch::Receiver<Arc<Head>>, Status> {
        let member: MemberName = name.parse().map_err(|error| error::status(Blame::Malformed, &error))?;
        self.0
            .outgoing
            .heads()
            .subscribe(&member)
            .ok_or_else(|| Status::not_found(format!("this node holds no log of {member}")))
    }
}

#[tonic::async_trait]
impl LogService for LogApi {
    type ReplicateStream = Stream;
    type FetchStream = fetch::Stream;

    async fn fetch(&self, request: Request<wire::FetchRequest>) -> Result<Response<fetch::Stream>, Status> {
        let account = self.0.account(&request)?;
        fetch::fetch(&self.0, account, request.into_inner()).map(Response::new)
    }

    async fn get_checkpoint(
        &self,
        request: Request<wire::GetCheckpointRequest>,
    ) -> Result<Response<wire::GetCheckpointResponse>, Status> {
        let account = self.0.account(&request)?;
        let wanted = request.get_ref();
        let head = self.origin(&wanted.origin)?.borrow().clone();
        let Api { outgoing, compared, own, node, .. } = &self.0;
        let origin = head.prefix.member();
        let settled = head.settled.as_ref().map(|settled| settled.note.clone());
        let evidence = head.quarantined(outgoing.rosters()).map(|found| found.to_bytes().into());
        let mut answer = wire::GetCheckpointResponse {
            checkpoint: head.checkpoint.clone(),
            settled: settled.unwrap_or_default(),
            evidence: evidence.unwrap_or_default(),
            heard_at: if origin == node { (self.0.clock)() } else { compared.heard_at(origin) },
            moved_at: head.moved_at,
            ..wire::GetCheckpointResponse::default()
        };
        if wanted.size > 0 && wanted.size < head.signed_size {
            let trees = outgoing.trees();
            let root = trees.root(head.log, wanted.size).await?;
            answer.root = Bytes::copy_from_slice(&root.0);
            answer.consistency = trees.consistency_bytes(head.log, wanted.size, head.signed_size).await?;
        }
        // Why it takes nothing is for its own people.
        if origin == node && account.member == *node {
            answer.trouble = own.standing().trouble();
        }
        Ok(Response::new(answer))
    }

    async fn replicate(&self, request: Request<wire::ReplicateRequest>) -> Result<Response<Stream>, Status> {
        let account = self.0.account(&request)?;
        let hang_up = request.extensions().get::<HangUp>().cloned().unwrap_or_default();
        let wanted = request.into_inner();
        let watch = self.origin(&wanted.origin)?;
        let roster = &self.0.outgoing.rosters().current().roster;
        let judged_by = roster.version;
        let segment = roster.member(watch.borrow().prefix.member()).and_then(|member| member.segment());
        let reader = Reader {
            recipient: account.recipient(roster.jurisdiction(&account.member)),
            filter: Filter::from_wire(wanted.filter.unwrap_or_default()),
            leaf_hashes: wanted.leaf_hashes,
            log_key: segment.map(|segment| segment.log_key.0),
            agreed: wanted.roster == roster.version,
            on_request: false,
        };
        let open = self.0.streams.begin(&account.member).ok_or_else(|| {
            Status::resource_exhausted(format!(
                "{} reads {} logs at once from this node, and no more: end a stream, or read from another member's node",
                account.member,
                self.0.streams.most()
            ))
        })?;
        let (frames, stream) = mpsc::channel(FRAMES_AHEAD);
        let frames = Frames { sender: frames, unread: self.0.unread, hang_up };
        let (outgoing, shutdown) = (self.0.outgoing.clone(), self.0.shutdown.clone());
        let mut version = outgoing.rosters().subscribe();
        tokio::spawn(async move {
            // Whoever reads was judged by the roster that was in force: under another one it is judged anew.
            let replaced = version.wait_for(|version| *version != judged_by);
            let sent = tokio::select! {
                _ = replaced => Err(Some(Status::unavailable("a new roster is in force: connect again"))),
                sent = send(&outgoing, watch, wanted.from, wanted.live, &reader, &frames) => sent,
                () = shutdown.cancelled() => Err(Some(crate::ingest::NotNow::Stopping.into())),
            };
            // An error ends the stream and is its last frame; a reader that is gone ends it too.
            if let Err(Some(status)) = sent {
                let _gone = frames.send(Err(status)).await;
            }
            drop(open);
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn cosign(
        &self,
        request: Request<wire::CosignRequest>,
    ) -> Result<Response<wire::CosignResponse>, Status> {
        let account = self.0.account(&request)?;
        let Api { node, cosignatures, ingest, outgoing, .. } = &self.0;
        if account.id.role() != Role::Node || account.member == *node {
            return Err(Status::permission_denied("the nodes of other members cosign, and nobody else"));
        }
        let roster = &outgoing.rosters().current().roster;
        let settled = cosignatures
            .take(&account.member, node, request.get_ref(), roster)
            .map_err(|why| error::status(why.blame(), &why))?;
        if let Some(note) = settled {
            ingest.settle(node.clone(), Settled::new(&note)).await.map_err(Status::from)?;
        }
        Ok(Response::new(wire::CosignResponse {}))
    }
}

/// Sends checkpoints, the pages that lead to them, and so on for as long as the reader wants.
async fn send(
    outgoing: &Outgoing,
    mut watch: watch::Receiver<Arc<Head>>,
    from: u64,
    live: bool,
    reader: &Reader,
    frames: &Frames,
) -> Result<(), Option<Status>> {
    let mut sending = Sending { outgoing, reader, frames, from, ends: VecDeque::new() };
    let (mut announced, mut settled) = (Bytes::new(), 0);
    loop {
        let head = watch.borrow_and_update().clone();
        if head.checkpoint.is_empty() {
            if !live {
                return Err(Some(Status::not_found(
                    "this node has no checkpoint of that log yet: ask another",
                )));
            }
        } else if from > head.signed_size {
            return Err(Some(Status::out_of_range(format!(
                "entry {from} is asked for, the newest checkpoint here has size {}: this node may be behind, or was \
                 restored from a backup",
                head.signed_size
            ))));
        } else {
            let cosigned = head.settled.as_ref().filter(|more| reader.log_key == Some(more.log_key));
            // First up to what is settled, so that the reader sees those cosignatures with the tree that they are for.
            if let Some(more) = cosigned
                && more.size > settled
                && more.size >= sending.from
            {
                sending.up_to(head.log, more.size, more.note.clone()).await?;
                settled = more.size;
                if more.size == head.signed_size {
                    announced = head.checkpoint.clone(); // the same, with cosignatures
                }
            }
            if announced != head.checkpoint {
                sending.up_to(head.log, head.signed_size, head.checkpoint.clone()).await?;
                announced = head.checkpoint.clone();
            }
            if let Some(more) = cosigned
                && more.size > settled
                && sending.ends.contains(&more.size)
            {
                sending.frame(Frame::Checkpoint(more.note.clone())).await?;
                settled = more.size;
            }
        }
        if !live {
            return Ok(());
        }
        tokio::select! {
            changed = watch.changed() => if changed.is_err() { return Ok(()) },
            () = frames.sender.closed() => return Ok(()),
        }
    }
}

/// One stream on its way.
struct Sending<'a> {
    outgoing: &'a Outgoing,
    reader: &'a Reader,
    frames: &'a Frames,
    /// The next entry.
    from: u64,
    /// Where its last pages ended: there the reader still knows the tree's root.
    ends: VecDeque<u64>,
}

impl Sending<'_> {
    async fn frame(&self, frame: Frame) -> Result<(), Option<Status>> {
        let frame = wire::ReplicateFrame { frame: Some(frame) };
        self.frames.send(Ok(frame)).await.map_err(|Gone| None)
    }

    /// A checkpoint, and the pages that lead to it.
    async fn up_to(&mut self, log: LogId, size: u64, note: Bytes) -> Result<(), Option<Status>> {
        self.frame(Frame::Checkpoint(note)).await?;
        while self.from < size {
            let page = self.outgoing.page(log, self.from, size, self.reader).await;
            let page = page.map_err(|error| Some(error.into()))?;
            let length = page.entries.len() as u64;
            if length == 0 {
                return Err(Some(Status::internal("an entry below the checkpoint is missing here")));
            }
            self.from = self.from.saturating_add(length);
            if self.ends.len() >= ENDS {
                self.ends.pop_front();
            }
            self.ends.push_back(self.from);
            self.frame(Frame::Page(page)).await?;
        }
        Ok(())
    }
}
